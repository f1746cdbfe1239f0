/* SPDX-License-Identifier: Apache-2.0 */
/* `data profile` shows what is in the columns, in one pass over rows of any number. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/page_priv.h"
#include "cli/profile_page.h"
#include "cli/profile_policies.h"
#include "cli/profile_target.h"
#include "cli/train_words.h"
#include "source/intake.h"
#include "source/profile.h"
#include "train/train.h"

/* What is shown: a profile, a sample of its rows when relations are asked for, and the source's
 * window. */
typedef struct shown {
    tm_profile_sheet *sheet;
    tm_table *sample;
    bool is_source;
    tm_profile_span span;
} shown;

static void print_columns(tm_cli *cli, const json_t *columns) {
    const char *titles[] = {"column", "type", "missing",  "distinct", "min",
                            "median", "max",  "frequent", ""};
    tm_cli_table out;
    size_t i = 0;
    const json_t *column = NULL;
    tm__cli_table_init(&out, 9, titles);
    json_array_foreach(columns, i, column) {
        char text[64];
        const json_t *median = json_object_get(json_object_get(column, "quantiles"), "p50");
        const json_t *top = json_array_get(json_object_get(column, "top"), 0);
        const bool is_exact = tm__json_bool(column, "distinct_exact", true);
        tm__cli_cell(&out, "%s", tm__json_text(column, "name", ""));
        tm__cli_cell(&out, "%s", tm__json_text(column, "type", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(column, "missing", 0), text));
        tm__cli_cell(&out, "%s%s", is_exact ? "" : "~",
                     tm__count_text(tm__json_i64(column, "distinct", 0), text));
        tm__cli_cell(&out, "%s", tm__json_text(column, "min", ""));
        if (json_is_string(median)) {
            tm__cli_cell(&out, "%s", json_string_value(median));
        } else if (json_is_number(median)) {
            tm__cli_cell(&out, "%.6g", json_number_value(median));
        } else {
            tm__cli_cell(&out, "%s", "");
        }
        tm__cli_cell(&out, "%s", tm__json_text(column, "max", ""));
        if (top != NULL) {
            tm__cli_cell(&out, "%.24s %.0f %%", tm__json_text(top, "value", ""),
                         100 * tm__json_f64(top, "share", 0));
        } else {
            tm__cli_cell(&out, "%s", "");
        }
        tm__cli_cell(&out, "%s", tm__json_text(column, "note", ""));
    }
    tm__cli_table_print(cli, &out);
}

static void print_same(tm_cli *cli, const json_t *profile, const char *name, const char *what) {
    const json_t *same = json_object_get(profile, name);
    char rows[32];
    if (tm__json_i64(same, "rows", 0) > 0) {
        tm__cli_print(cli, "%s%s rows (%.2g %%) %s\n",
                      tm__json_bool(same, "exact", true) ? "" : "about ",
                      tm__count_text(tm__json_i64(same, "rows", 0), rows),
                      100 * tm__json_f64(same, "share", 0), what);
    }
}

static void print_profile(tm_cli *cli, const json_t *profile) {
    const json_t *columns = json_object_get(profile, "columns");
    char rows[32];
    const json_t *window = json_object_get(profile, "window");
    tm__cli_print(cli, "%s rows, %zu columns",
                  tm__count_text(tm__json_i64(profile, "rows", 0), rows), json_array_size(columns));
    if (window != NULL) {
        tm__cli_print(cli, ", %lld of %lld segments",
                      (long long)tm__json_i64(window, "segments", 0),
                      (long long)tm__json_i64(window, "of", 0));
    }
    tm__cli_print(cli, "\n\n");
    print_columns(cli, columns);
    tm__cli_print(cli, "\n");
    print_same(cli, profile, "repeated", "repeat an earlier row in every column");
    print_same(cli, profile, "conflicting", "have an equal row with another target");
}

static tm_status write_page(tm_cli *cli, const json_t *profile, tm_err *err) {
    const char *path = tm__cli_text(cli, "html");
    tm_buf page;
    if (path == NULL) {
        return TM_OK;
    }
    tm__buf_init(&page, (size_t)1 << 30);
    tm__profile_page(profile, &page);
    const tm_status st = tm__page_save(cli, path, &page, err);
    tm__buf_done(&page);
    return st;
}

static void put_span(const tm_profile_span *span, json_t *result) {
    char first[64] = "", last[64] = "";
    if (span->first_us > 0) {
        (void)tm__time_to_text(span->first_us, first);
        (void)tm__time_to_text(span->last_us, last);
    }
    json_object_set_new(result, "window",
                        json_pack("{s:I, s:I, s:s, s:s}", "segments", (json_int_t)span->n_segments,
                                  "of", (json_int_t)span->n_segments_all, "first", first, "last",
                                  last));
}

/* Findings about rows come from all of them, those about columns from the sample. */
static tm_status put_findings(tm_cli *cli, tm_ctx *ctx, tm_table *sample, json_t *result,
                              tm_err *err) {
    const tm_detect_options options = {.target = tm__cli_text(cli, "target"),
                                       .seed = (uint64_t)tm__cli_i64(cli, "seed"),
                                       .skips_rows = json_object_get(result, "repeated") != NULL};
    const json_t *repeated = json_object_get(result, "repeated");
    const json_t *conflicting = json_object_get(result, "conflicting");
    const uint64_t n_rows = (uint64_t)tm__json_i64(result, "rows", 0);
    json_t *findings = NULL;
    TM_TRY(tm__train_detect(ctx, sample, &options, &findings, err));
    tm__train_say_repeated(tm__json_f64(repeated, "share", 0), n_rows,
                           tm__json_bool(repeated, "exact", true), findings);
    tm__train_say_conflicting(tm__json_f64(conflicting, "share", 0), n_rows,
                              tm__json_bool(conflicting, "exact", true), findings);
    json_object_set_new(result, "findings", findings);
    return TM_OK;
}

static tm_status put_relations(tm_cli *cli, tm_ctx *ctx, tm_table *sample, json_t *result,
                               tm_err *err) {
    const char *target = tm__cli_text(cli, "target");
    json_t *correlations = tm__profile_correlations(sample);
    if (correlations != NULL) {
        json_object_set_new(result, "correlations", correlations);
    }
    if (target == NULL) {
        return TM_OK;
    }
    json_object_set_new(result, "target",
                        tm__profile_target(sample, tm__table_find(sample, target),
                                           json_object_get(result, "columns"),
                                           tm__cli_flag(cli, "show-values")));
    return put_findings(cli, ctx, sample, result, err);
}

static void print_target(tm_cli *cli, const json_t *profile) {
    const json_t *target = json_object_get(profile, "target");
    const json_t *findings = json_object_get(profile, "findings");
    size_t i = 0;
    const json_t *entry = NULL;
    if (target == NULL) {
        return;
    }
    tm__cli_print(cli, "\ngoes with '%s':", tm__json_text(target, "column", ""));
    json_array_foreach(json_object_get(target, "columns"), i, entry) {
        if (i >= 6) {
            break;
        }
        tm__cli_print(cli, "%s %s %.2f", i > 0 ? "," : "", tm__json_text(entry, "column", ""),
                      tm__json_f64(entry, "value", 0));
    }
    tm__cli_print(cli, "\n");
    json_array_foreach(findings, i, entry) {
        const char *column = tm__json_text(entry, "column", NULL);
        tm__cli_print(cli, "%s: %s%s%s. %s\n", tm__json_text(entry, "kind", ""),
                      column != NULL ? column : "", column != NULL ? " " : "",
                      tm__json_text(entry, "text", ""), tm__json_text(entry, "hint", ""));
    }
}

static tm_status put_declared(tm_cli *cli, const char *source, json_t *result, tm_err *err) {
    tm_home *home = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__profile_policies_declared(home, source, result, err);
    tm__home_close(home);
    return st;
}

static tm_status report(tm_cli *cli, tm_ctx *ctx, const shown *what, tm_err *err) {
    const tm_profile_words words = {.shows_values = tm__cli_flag(cli, "show-values")};
    const char *path = tm__cli_arg(cli, "DATA");
    json_t *profile = tm__profile_to_json(what->sheet, &words);
    json_t *result = json_pack("{s:s, s:s}", "schema", "tidemill.data.profile/1", "data",
                               path != NULL ? path : "query");
    tm_status st = TM_OK;
    if (result == NULL || profile == NULL || json_object_update(result, profile) != 0) {
        (void)tm__json_lost();
    }
    st = tm__json_check(err);
    if (st == TM_OK && what->is_source) {
        put_span(&what->span, result);
        st = put_declared(cli, path, result, err);
    }
    if (st == TM_OK && what->sample != NULL) {
        st = put_relations(cli, ctx, what->sample, result, err);
    }
    if (st == TM_OK) {
        st = tm__json_check(err);
    }
    if (st == TM_OK) {
        st = write_page(cli, result, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_json(cli, result);
    } else if (st == TM_OK) {
        print_profile(cli, result);
        print_target(cli, result);
        tm__profile_policies_print(cli, result);
    }
    json_decref(profile);
    json_decref(result);
    return st;
}

/* ---- Files and sources ---- */

static const char *const window_options[] = {"since", "until", "segments"};

/* A file or folder wins, unless a window is asked for, which only sources have. */
static bool can_be_source(const tm_cli *cli, const char *path) {
    for (uint32_t i = 0; i < 3; i++) {
        if (tm__cli_has(cli, window_options[i])) {
            return path != NULL;
        }
    }
    return path != NULL && strpbrk(path, "*?[/.") == NULL && tm__fs_info(path).kind == TM_PATH_NONE;
}

/* Relations need whole rows: those that training would read. */
static tm_status read_source_rows(tm_cli *cli, tm_ctx *ctx, const tm_home *home, const char *name,
                                  shown *out, tm_err *err) {
    const char *target = tm__cli_text(cli, "target");
    if (target == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__intake_table(ctx, home, name, &out->sample, err));
    return tm__table_find(out->sample, target) != UINT32_MAX
               ? TM_OK
               : TM_FAIL(err, TM_E_NOT_FOUND, "no column '%s'", target);
}

/* *out_found is false when the home has no source of this name. */
static tm_status read_source(tm_cli *cli, tm_ctx *ctx, const char *name, shown *out,
                             bool *out_found, tm_err *err) {
    tm_home *home = NULL;
    tm_err own = {0};
    tm_profile_window window = {.n_segments = (uint32_t)tm__cli_i64(cli, "segments")};
    TM_TRY(tm__cli_when(cli, "since", &window.since_us, err));
    TM_TRY(tm__cli_when(cli, "until", &window.until_us, err));
    *out_found = false;
    if (tm__home_open(cli->home, false, &home, NULL) != TM_OK) {
        return TM_OK;
    }
    tm_status st = tm__profile_source(ctx, home, name, &window, &out->sheet, &out->span, &own);
    *out_found = st != TM_E_NOT_FOUND;
    out->is_source = true;
    if (st == TM_OK) {
        st = read_source_rows(cli, ctx, home, name, out, err);
    } else if (*out_found && err != NULL) {
        *err = own;
    }
    tm__home_close(home);
    return *out_found ? st : TM_OK;
}

static tm_status check_window(tm_cli *cli, tm_err *err) {
    for (uint32_t i = 0; i < 3; i++) {
        if (tm__cli_has(cli, window_options[i])) {
            (void)TM_FAIL(err, TM_E_USAGE, "--%s is for sources", window_options[i]);
            tm_err_hint(err, "'tidemill data ls' lists those of this home.");
            return TM_E_USAGE;
        }
    }
    return TM_OK;
}

static tm_status read_any(tm_cli *cli, tm_ctx *ctx, shown *out, tm_err *err) {
    tm_source_spec spec = {.path = tm__cli_arg(cli, "DATA"),
                           .sql = tm__cli_text(cli, "sql"),
                           .no_header = tm__cli_flag(cli, "no-header")};
    const tm_profile_options options = {.target = tm__cli_text(cli, "target"),
                                        .seed = (uint64_t)tm__cli_i64(cli, "seed")};
    bool is_found = false;
    TM_TRY(tm__cli_check_source(spec.path, spec.sql, err));
    if (can_be_source(cli, spec.path)) {
        TM_TRY(read_source(cli, ctx, spec.path, out, &is_found, err));
    }
    if (is_found) {
        return TM_OK;
    }
    out->is_source = false;
    TM_TRY(check_window(cli, err));
    tm_sql_sources query;
    tm_status st = tm__cli_query(cli, ctx, spec.sql, &query, err);
    if (st == TM_OK) {
        spec.sql = query.sql;
        st = tm__profile_read(ctx, &spec, &options, &out->sheet, &out->sample, err);
        tm__sql_sources_place(&query, err);
    }
    tm__sql_sources_done(&query);
    return st;
}

tm_status cmd_data_profile(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    shown what = {0};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = read_any(cli, &ctx, &what, err);
    }
    if (st == TM_OK) {
        st = report(cli, &ctx, &what, err);
    }
    tm__table_unref(what.sample);
    tm__profile_free(what.sheet);
    tm__cli_ctx_done(&ctx);
    return st;
}
