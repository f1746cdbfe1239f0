/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   # Records of processing
 *   ## source, file or query NAME    purposes, retention, models, recipients, what is not declared
 *      | column | personal | policy | role |
 *   ## Logged answers   ## Recipients of all   ## Security   ## Rights of persons
 *
 * Columns without anything of people are counted, or a wide table would hide the others.
 */
#include "cli/records_text.h"

#include <string.h>

#include "cli/train_words.h"

/* Names come from data: no one of them ends a cell or begins a tag. */
static void write_name(tm_buf *out, const char *name) {
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            tm__buf_byte(out, '?');
            continue;
        }
        if (strchr("|\\`*<>[]#", *c) != NULL) {
            tm__buf_byte(out, '\\');
        }
        tm__buf_byte(out, (uint8_t)*c);
    }
}

static void write_i64(tm_buf *out, int64_t n) {
    char text[32];
    tm__buf_text(out, tm__count_text(n, text));
}

static void write_seconds(tm_buf *out, const json_t *seconds, const char *otherwise) {
    char text[32];
    tm__buf_text(out, json_is_integer(seconds)
                          ? tm__span_text((double)json_integer_value(seconds), text)
                          : otherwise);
}

/* Words with commas between; a dash for none. */
static void write_list(tm_buf *out, const json_t *list) {
    size_t i = 0;
    const json_t *one = NULL;
    if (json_array_size(list) == 0) {
        tm__buf_text(out, "-");
    }
    json_array_foreach(list, i, one) {
        tm__buf_text(out, i == 0 ? "" : ", ");
        if (json_is_string(one)) {
            write_name(out, json_string_value(one));
        } else {
            write_i64(out, json_integer_value(one));
        }
    }
}

/* ---- A data set ---- */

static void write_columns(tm_buf *out, const json_t *columns) {
    size_t i = 0, n_others = 0;
    const json_t *column = NULL;
    tm__buf_text(out, "\n| column | personal | policy | kept | role |\n|---|---|---|---|---|\n");
    json_array_foreach(columns, i, column) {
        const char *const personal = tm__json_text(column, "personal", NULL);
        const char *const policy = tm__json_text(column, "policy", NULL);
        const json_t *const keep = json_object_get(column, "keep_seconds");
        if (personal == NULL && policy == NULL && keep == NULL) {
            n_others++;
            continue;
        }
        tm__buf_text(out, "| ");
        write_name(out, tm__json_text(column, "column", ""));
        tm__buf_text(out, " | ");
        tm__buf_text(out, personal == NULL ? "-" : personal);
        tm__buf_text(out, " | ");
        tm__buf_text(out, policy == NULL ? "none" : policy);
        tm__buf_text(out, " | ");
        write_seconds(out, keep, "as its row");
        tm__buf_text(out, " | ");
        tm__buf_text(out, tm__json_text(column, "role", "-"));
        tm__buf_text(out, " |\n");
    }
    tm__buf_text(out, "\nOther columns: ");
    write_i64(out, (int64_t)n_others);
    tm__buf_text(out, "\n");
}

static void write_models(tm_buf *out, const json_t *models) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(models, i, one) {
        const json_t *const answers = json_object_get(one, "answers");
        tm__buf_text(out, "- learned from by model ");
        write_name(out, tm__json_text(one, "model", ""));
        tm__buf_text(out, ", versions ");
        write_list(out, json_object_get(one, "versions"));
        if (json_is_integer(answers)) {
            tm__buf_text(out, " (");
            write_i64(out, json_integer_value(answers));
            tm__buf_text(out, " answers)");
        }
        if (tm__json_i64(one, "removed", 0) > 0) {
            tm__buf_text(out, ", removed ");
            write_i64(out, tm__json_i64(one, "removed", 0));
        }
        tm__buf_text(out, ", purpose ");
        write_list(out, json_object_get(one, "purposes"));
        tm__buf_text(out, "\n");
    }
}

static void write_recipients(tm_buf *out, const json_t *recipients) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(recipients, i, one) {
        const char *to = NULL;
        json_t *where = NULL;
        tm__buf_text(out, "- recipient: ");
        tm__buf_text(out, tm__json_text(one, "kind", ""));
        tm__buf_text(out, " ");
        write_name(out, tm__json_text(one, "name", ""));
        tm__buf_text(out, ", answers of ");
        write_name(out, tm__json_text(one, "model", ""));
        json_object_foreach(json_object_get(one, "to"), to, where) {
            tm__buf_text(out, ", to ");
            tm__buf_text(out, to);
            tm__buf_text(out, " ");
            write_name(out, json_is_string(where) ? json_string_value(where)
                                                  : tm__json_text(where, "table", ""));
        }
        tm__buf_text(out, "\n");
    }
}

static void write_set(tm_buf *out, const json_t *set) {
    const bool is_source = strcmp(tm__json_text(set, "kind", ""), "source") == 0;
    tm__buf_text(out, "\n## ");
    tm__buf_text(out, tm__json_text(set, "kind", ""));
    tm__buf_text(out, " ");
    write_name(out, tm__json_text(set, "data", ""));
    tm__buf_text(out, "\n\n- purposes: ");
    write_list(out, json_object_get(set, "purposes"));
    if (is_source) {
        tm__buf_text(out, "\n- kept: ");
        write_seconds(out, json_object_get(set, "retention_seconds"), "without an end");
        tm__buf_text(out, "\n- rows: ");
        write_i64(out, tm__json_i64(set, "rows", 0));
        tm__buf_text(out, ", removed by retention ");
        write_i64(out, tm__json_i64(set, "removed_rows", 0));
        if (json_object_get(set, "consent") != NULL) {
            tm__buf_text(out, "\n- consent: column ");
            write_name(out, tm__json_text(json_object_get(set, "consent"), "column", ""));
            tm__buf_text(out, ", for ");
            write_name(out, tm__json_text(json_object_get(set, "consent"), "for", "all purposes"));
        }
        tm__buf_text(out, "\n- key: ");
        write_list(out, json_object_get(set, "key"));
    }
    tm__buf_text(out, "\n");
    write_models(out, json_object_get(set, "models"));
    write_recipients(out, json_object_get(set, "recipients"));
    if (json_array_size(json_object_get(set, "gaps")) > 0) {
        tm__buf_text(out, "- not declared: ");
        write_list(out, json_object_get(set, "gaps"));
        tm__buf_text(out, "\n");
    }
    write_columns(out, json_object_get(set, "columns"));
}

/* ---- The home ---- */

static void write_home(tm_buf *out, const json_t *records) {
    const json_t *const recipients = json_object_get(records, "recipients");
    const json_t *const security = json_object_get(records, "security");
    const json_t *const rights = json_object_get(records, "rights");
    size_t i = 0;
    const char *role = NULL;
    json_t *one = NULL;
    tm__buf_text(out, "\n## Logged answers\n\n");
    json_array_foreach(json_object_get(records, "answers"), i, one) {
        tm__buf_text(out, "- model ");
        write_name(out, tm__json_text(one, "model", ""));
        tm__buf_text(out, ": kept ");
        write_seconds(out, json_object_get(one, "keep_seconds"), "without an end");
        tm__buf_text(out, "\n");
    }
    tm__buf_text(out, "\n## Recipients of all\n\n");
    json_array_foreach(json_object_get(recipients, "receivers"), i, one) {
        tm__buf_text(out, "- told of moves of ");
        write_name(out, tm__json_text(one, "model", ""));
        tm__buf_text(out, ": ");
        write_name(out, tm__json_text(one, "receiver", ""));
        tm__buf_text(out, "\n");
    }
    json_array_foreach(json_object_get(recipients, "exports"), i, one) {
        tm__buf_text(out, "- ");
        tm__buf_text(out, tm__json_text(one, "event", ""));
        tm__buf_text(out, ": ");
        write_i64(out, tm__json_i64(one, "n", 0));
        tm__buf_text(out, ", last ");
        tm__buf_text(out, tm__json_text(one, "last_at", ""));
        tm__buf_text(out, "\n");
    }
    tm__buf_text(out, "\n## Security\n\n- files at rest: ");
    tm__buf_text(out, json_array_size(json_object_get(security, "sealed_by")) > 0
                          ? "sealed"
                          : "not sealed by Tidemill");
    tm__buf_text(out, "\n- keys of access:");
    json_object_foreach(json_object_get(security, "keys"), role, one) {
        tm__buf_text(out, " ");
        tm__buf_text(out, role);
        tm__buf_text(out, " ");
        write_i64(out, json_integer_value(one));
    }
    tm__buf_text(out, "\n- policies of columns in use: ");
    write_list(out, json_object_get(security, "policies"));
    tm__buf_text(out, "\n- every change in a signed audit chain\n\n## Rights of persons\n\n"
                      "- exported: ");
    write_i64(out, tm__json_i64(rights, "exported", 0));
    tm__buf_text(out, "\n- erased, with a certificate: ");
    write_i64(out, tm__json_i64(rights, "erased", 0));
    tm__buf_text(out, "\n");
}

void tm__records_text(const json_t *records, tm_buf *out) {
    size_t i = 0;
    const json_t *set = NULL;
    tm__buf_text(out, "# Records of processing\n\nMade ");
    tm__buf_text(out, tm__json_text(records, "at", ""));
    tm__buf_text(out, " from what this home has declared and done.\n");
    json_array_foreach(json_object_get(records, "data"), i, set) {
        write_set(out, set);
    }
    write_home(out, records);
}
