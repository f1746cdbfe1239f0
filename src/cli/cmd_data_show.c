/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: `data ls` and `data show`. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/choice.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "source/intake.h"
#include "store/home.h"

static const char *count_text(const json_t *source, const char *name, char out[32]) {
    return tm__count_text(tm__json_i64(source, name, 0), out);
}

/* How old the newest row is, or "-". */
static const char *age_text(const json_t *source, char out[32]) {
    const json_t *lag = json_object_get(source, "lag_seconds");
    return json_is_number(lag) ? tm__span_text(json_number_value(lag), out) : "-";
}

/* Seconds from now to a time of a source; false when it has none. */
static bool seconds_to(const json_t *source, const char *name, double *out) {
    int64_t us = 0;
    const char *text = tm__json_text(source, name, NULL);
    if (text == NULL || !tm__time_parse(tm__str(text), &us)) {
        return false;
    }
    *out = (double)(us - tm__now_us()) * 1e-6;
    return true;
}

/* What a source does, in one word. */
static const char *status_word(const json_t *source) {
    const char *status = tm__json_text(source, "status", "");
    const bool is_push = strcmp(tm__json_text(source, "kind", ""), "push") == 0;
    if (strcmp(status, "ready") == 0) {
        return is_push || tm__json_text(source, "next_at", NULL) != NULL ? "ready" : "by hand";
    }
    return strcmp(status, "retrying") == 0 ? "waiting" : status;
}

/* "in 5 s", "due", or "-". */
static const char *next_text(const json_t *source, char out[40]) {
    char span[32];
    double s = 0;
    if (!seconds_to(source, "next_at", &s)) {
        return "-";
    }
    (void)snprintf(out, 40, "in %s", tm__span_text(s, span));
    return s <= 0 ? "due" : out;
}

/* ---- ls ---- */

/* Why a source does not go on by itself, below the table. */
static void list_error(tm_cli *cli, const json_t *source) {
    const json_t *error = json_object_get(source, "error");
    const char *hint = tm__json_text(error, "hint", NULL);
    if (!json_is_object(error)) {
        return;
    }
    tm__cli_print(cli, "\n%s is %s: %s\n", tm__json_text(source, "source", ""), status_word(source),
                  tm__json_text(error, "message", ""));
    if (hint != NULL) {
        tm__cli_print(cli, "  hint: %s\n", hint);
    }
}

static void list_sources(tm_cli *cli, const json_t *list) {
    const char *titles[] = {"source", "kind", "status", "rows", "quarantined", "newest", "next"};
    tm_cli_table out;
    size_t i = 0;
    const json_t *source = NULL;
    if (json_array_size(list) == 0) {
        tm__cli_print(cli, "there is no source yet; 'tidemill data add' makes one\n");
        return;
    }
    tm__cli_table_init(&out, 7, titles);
    json_array_foreach(list, i, source) {
        char text[40];
        tm__cli_cell(&out, "%s", tm__json_text(source, "source", ""));
        tm__cli_cell(&out, "%s", tm__json_text(source, "kind", ""));
        tm__cli_cell(&out, "%s", status_word(source));
        tm__cli_cell(&out, "%s", count_text(source, "rows", text));
        tm__cli_cell(&out, "%s", count_text(source, "quarantined", text));
        tm__cli_cell(&out, "%s", age_text(source, text));
        tm__cli_cell(&out, "%s", next_text(source, text));
    }
    tm__cli_table_print(cli, &out);
    json_array_foreach(list, i, source) {
        list_error(cli, source);
    }
}

tm_status cmd_data_ls(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *list = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__intake_list(home, &list, err);
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:O}", "schema", "tidemill.data.ls/1", "sources", list);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        list_sources(cli, list);
    }
    json_decref(list);
    return TM_OK;
}

/* ---- show ---- */

static void show_columns(tm_cli *cli, const json_t *source) {
    const char *titles[] = {"column", "type", "declared", "policy"};
    const json_t *columns = json_object_get(source, "columns");
    const json_t *keys = json_object_get(source, "key");
    tm_cli_table out;
    size_t i = 0;
    const json_t *column = NULL;
    if (json_array_size(columns) == 0) {
        tm__cli_print(cli, "\nno columns yet: they follow from the first rows\n");
        return;
    }
    tm__cli_print(cli, "\n");
    tm__cli_table_init(&out, 4, titles);
    json_array_foreach(columns, i, column) {
        const char *name = tm__json_text(column, "name", "");
        const char *role = tm__json_text(column, "role", NULL);
        const bool is_key = tm__json_has_text(keys, name);
        const bool is_declared = json_is_true(json_object_get(column, "declared"));
        const bool is_required = json_is_true(json_object_get(column, "required"));
        tm__cli_cell(&out, "%s", name);
        tm__cli_cell(&out, "%s", tm__json_text(column, "type", ""));
        tm__cli_cell(&out, "%s%s%s%s%s%s%s", is_key ? "key" : "",
                     is_key && (is_declared || is_required || role != NULL) ? ", " : "",
                     is_declared ? "type" : "", is_declared && is_required ? ", " : "",
                     is_required ? "required" : "",
                     (is_declared || is_required) && role != NULL ? ", " : "",
                     role == NULL ? "" : role);
        tm__cli_cell(&out, "%s", tm__json_text(column, "policy", ""));
    }
    tm__cli_table_print(cli, &out);
}

/* What was found in the rows. */
static void show_findings(tm_cli *cli, const json_t *source) {
    const char *titles[] = {"change", "column", "count", "policy", "last time"};
    const json_t *anomalies = json_object_get(source, "anomalies");
    tm_cli_table out;
    size_t i = 0;
    const json_t *a = NULL;
    if (json_array_size(anomalies) == 0) {
        return;
    }
    tm__cli_print(cli, "\n");
    tm__cli_table_init(&out, 5, titles);
    json_array_foreach(anomalies, i, a) {
        const char *kind = tm__json_text(a, "kind", "");
        tm__cli_cell(&out, "%s", kind);
        tm__cli_cell(&out, "%s", tm__json_text(a, "column", ""));
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(a, "count", 0));
        tm__cli_cell(&out, "%s", tm__json_text(json_object_get(source, "policy"), kind, ""));
        tm__cli_cell(&out, "%.19s", tm__json_text(a, "last_at", ""));
    }
    tm__cli_table_print(cli, &out);
}

/* "n: int to float", as one version of the columns changed it. */
static void version_text(const json_t *change, char *out, size_t size) {
    const char *role = tm__json_text(change, "role", NULL);
    const char *from = tm__json_text(change, "from", ""), *to = tm__json_text(change, "to", "");
    const bool is_new = strcmp(from, "unknown") == 0;
    (void)snprintf(out, size, "%s: %s%s%s%s%s%s", tm__json_text(change, "column", ""),
                   is_new || strcmp(from, to) == 0 ? "" : from,
                   is_new || strcmp(from, to) == 0 ? "" : " to ", to,
                   json_is_true(json_object_get(change, "required")) ? ", required" : "",
                   role == NULL ? "" : ", ", role == NULL ? "" : role);
}

/* Versions of the columns, newest first: what changed, and whether rows or a declaration did it. */
static void show_versions(tm_cli *cli, const json_t *source) {
    const json_t *versions = json_object_get(source, "changes");
    size_t i = 0;
    const json_t *version = NULL;
    if (json_array_size(versions) == 0) {
        return;
    }
    tm__cli_print(cli, "\nversions of the columns, newest first:\n");
    json_array_foreach(versions, i, version) {
        const json_t *changes = json_object_get(version, "changes");
        const char *kind = tm__json_text(json_array_get(changes, 0), "kind", "");
        const bool is_said = strcmp(kind, "declared") == 0 || strcmp(kind, "rule") == 0;
        size_t k = 0;
        const json_t *change = NULL;
        if (i == 5) {
            tm__cli_print(cli, "  ... %lld more: --json\n",
                          (long long)json_array_size(versions) - 5);
            break;
        }
        tm__cli_print(cli, "  %lld  %.19s  %s\n", (long long)tm__json_i64(version, "version", 0),
                      tm__json_text(version, "at", ""),
                      json_array_size(changes) == 0 ? "when it was added"
                      : is_said                     ? "declared"
                                                    : "by rows that came");
        json_array_foreach(changes, k, change) {
            char text[256];
            version_text(change, text, sizeof(text));
            if (k == 8) {
                tm__cli_print(cli, "       ... %lld more columns\n",
                              (long long)json_array_size(changes) - 8);
                break;
            }
            tm__cli_print(cli, "       %s\n", text);
        }
    }
}

static void show_error(tm_cli *cli, const json_t *source) {
    const json_t *error = json_object_get(source, "error");
    const char *file = tm__json_text(error, "file", NULL);
    const char *hint = tm__json_text(error, "hint", NULL);
    if (!json_is_object(error)) {
        return;
    }
    tm__cli_print(cli, "%-12s %s\n", "last error", tm__json_text(error, "message", ""));
    if (file != NULL && tm__json_i64(error, "row", 0) > 0) {
        tm__cli_print(cli, "%-12s at %s:%lld\n", "", file,
                      (long long)tm__json_i64(error, "row", 0));
    } else if (file != NULL) {
        tm__cli_print(cli, "%-12s at %s\n", "", file);
    }
    if (hint != NULL) {
        tm__cli_print(cli, "%-12s hint: %s\n", "", hint);
    }
}

/* When a source was read, and when it will be. */
static void show_times(tm_cli *cli, const json_t *source) {
    char text[40];
    double s = 0;
    if (strcmp(tm__json_text(source, "kind", ""), "push") == 0) {
        return;
    }
    const bool was_read = seconds_to(source, "pulled_at", &s);
    tm__cli_print(cli, "%-12s %s%s\n", "last read", was_read ? tm__span_text(-s, text) : "never",
                  was_read ? " ago" : "");
    const char *next = next_text(source, text);
    tm__cli_print(cli, "%-12s %s\n", "next",
                  next[0] != '-' ? next : "when 'tidemill data pull' is asked for");
}

/* What it holds, may hold, for how long, and what was removed. */
static void show_limits(tm_cli *cli, const json_t *source) {
    char a[32], b[32];
    const int64_t bytes_max = tm__json_i64(source, "max_bytes", 0);
    const int64_t retention_s = tm__json_i64(source, "retention_seconds", 0);
    const char *held_by = tm__json_text(source, "held_by", NULL);
    tm__cli_print(cli, "%-12s %s of %s\n", "on disk",
                  tm__bytes_text((uint64_t)tm__json_i64(source, "bytes", 0), a, sizeof(a)),
                  bytes_max > 0 ? tm__bytes_text((uint64_t)bytes_max, b, sizeof(b))
                                : "what the disk has");
    tm__cli_print(cli, "%-12s %s\n", "kept",
                  retention_s > 0 ? tm__span_text((double)retention_s, a) : "forever");
    const char *column = NULL;
    json_t *declared = NULL;
    json_object_foreach(json_object_get(json_object_get(source, "spec"), "columns"), column,
                        declared) {
        const int64_t keep_s = tm__json_i64(declared, "keep_s", 0);
        if (keep_s > 0) {
            tm__cli_print(cli, "%-12s column '%s': %s\n", "kept", column,
                          tm__span_text((double)keep_s, a));
        }
    }
    if (tm__json_text(source, "purpose", NULL) != NULL) {
        tm__cli_print(cli, "%-12s %s\n", "for", tm__json_text(source, "purpose", ""));
    }
    const json_t *const consent = json_object_get(json_object_get(source, "spec"), "consent");
    if (consent != NULL) {
        tm__cli_print(cli, "%-12s column '%s' of '%s', for %s\n", "consent",
                      tm__json_text(consent, "column", ""),
                      tm__json_text(consent, "source", tm__json_text(source, "source", "")),
                      tm__json_text(consent, "for", "all purposes"));
    }
    if (tm__json_i64(source, "removed", 0) > 0) {
        tm__cli_print(cli, "%-12s %s rows, last at %.19s\n", "removed",
                      count_text(source, "removed", a), tm__json_text(source, "removed_at", ""));
    }
    if (held_by != NULL) {
        tm__cli_print(cli, "%-12s %s older segments wait for sink '%s'\n", "",
                      count_text(source, "held_segments", a), held_by);
    }
}

static void show_source(tm_cli *cli, const json_t *source) {
    char a[32], b[32];
    const json_t *bad = json_object_get(source, "last_error");
    const char *from = tm__json_text(source, "from", NULL);
    const char *age = age_text(source, a);
    tm__cli_print(cli, "%-12s %s%s%s\n", "source", tm__json_text(source, "kind", ""),
                  from == NULL ? "" : " ", from == NULL ? "" : from);
    tm__cli_print(cli, "%-12s %s\n", "status", status_word(source));
    show_error(cli, source);
    tm__cli_print(cli, "%-12s %s%s\n", "newest row", age[0] == '-' ? "none yet" : age,
                  age[0] == '-' ? "" : " ago");
    show_times(cli, source);
    tm__cli_print(cli, "%-12s %s, of them %s pending and the rest", "rows",
                  count_text(source, "rows", a), count_text(source, "pending", b));
    tm__cli_print(cli, " in %lld segments\n", (long long)tm__json_i64(source, "segments", 0));
    tm__cli_print(cli, "%-12s %s duplicates, %s quarantined\n", "not taken",
                  count_text(source, "duplicates", a), count_text(source, "quarantined", b));
    if (tm__json_i64(source, "dropped", 0) > 0) {
        tm__cli_print(cli, "%-12s %s bad rows: the quarantine had no room for them\n", "dropped",
                      count_text(source, "dropped", a));
    }
    show_limits(cli, source);
    show_columns(cli, source);
    show_versions(cli, source);
    show_findings(cli, source);
    if (json_is_object(bad)) {
        tm__cli_print(cli, "\nlast bad row:\n");
        tm__bad_row_print(cli, bad);
    }
}

tm_status cmd_data_show(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *source = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__intake_show(home, name, &source, err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.data.show/1", source);
    } else if (st == TM_OK) {
        show_source(cli, source);
    }
    json_decref(source);
    tm__home_close(home);
    return st;
}
