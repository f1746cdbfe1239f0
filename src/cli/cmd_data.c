/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `data check` looks at data for what ruins models, or holds its columns against what a model
 * expects of them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "train/train.h"

typedef struct finding {
    uint64_t missing, outside;
    bool absent;
} finding;

static finding check_column(const tm_table *table, const tm_schema_column *expected) {
    finding found = {0};
    const uint32_t col = tm__table_find(table, expected->name);
    if (col == UINT32_MAX) {
        found.absent = true;
        return found;
    }
    const tm_column *column = tm__table_column(table, col);
    found.missing = expected->is_nullable ? 0 : column->n_missing;
    for (uint64_t row = 0; row < tm__table_rows(table); row++) {
        if (column->codes != NULL || isnan(expected->min) || tm__column_is_missing(column, row)) {
            continue;
        }
        const double value = tm__column_number(column, row);
        found.outside += value < expected->min || value > expected->max ? 1u : 0u;
    }
    return found;
}

/* One line a column that differs from what the model learned from; returns how many do. */
static uint32_t check_print(tm_cli *cli, const tm_table *table, const tm_schema *schema,
                            json_t *findings) {
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const tm_schema_column *s = &schema->cols[c];
        const finding found = check_column(table, s);
        char text[256] = "";
        const char *kind = "missing_column", *hint = "Give the column, or train without it.";
        if (found.absent) {
            (void)snprintf(text, sizeof(text), "is not there");
        } else if (found.missing > 0) {
            kind = "missing_values";
            hint = "See why it is missing now: the model has learned nothing of such rows.";
            (void)snprintf(text, sizeof(text), "is missing in %llu rows, and never was in training",
                           (unsigned long long)found.missing);
        } else if (found.outside > 0) {
            kind = "out_of_range";
            hint = "See whether the unit is the same; a model does not go on beyond what it saw.";
            (void)snprintf(text, sizeof(text),
                           "lies outside the range seen in training in %llu rows",
                           (unsigned long long)found.outside);
        } else {
            continue;
        }
        n++;
        tm__cli_print(cli, "%s %s\n", s->name, text);
        json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s}", "kind", kind, "column",
                                                  s->name, "finding", text, "hint", hint));
    }
    return n;
}

/* Whether any finding makes the check fail: errors do, and with --strict warnings. */
static uint32_t count_failing(const tm_cli *cli, const json_t *findings) {
    uint32_t n = 0;
    size_t i = 0;
    const json_t *found = NULL;
    json_array_foreach(findings, i, found) {
        n += tm__cli_flag(cli, "strict") ||
             strcmp(tm__json_text(found, "severity", ""), "error") == 0;
    }
    return n;
}

static void print_found(tm_cli *cli, const json_t *found) {
    const char *column = tm__json_text(found, "column", NULL);
    const json_t *place = json_object_get(found, "place");
    tm__cli_print(cli, "%s  %s: %s%s%s", tm__json_text(found, "severity", ""),
                  tm__json_text(found, "kind", ""), column != NULL ? column : "",
                  column != NULL ? " " : "", tm__json_text(found, "text", ""));
    if (json_object_get(place, "row") != NULL) {
        tm__cli_print(cli, " (the first is row %lld, as row %lld)",
                      (long long)tm__json_i64(place, "row", 0),
                      (long long)tm__json_i64(place, "equals_row", 0));
    }
    tm__cli_print(cli, "\n    %s\n", tm__json_text(found, "hint", ""));
}

static tm_status say_findings(tm_cli *cli, const tm_table *table, json_t *findings, tm_err *err) {
    const uint32_t n = count_failing(cli, findings);
    size_t i = 0;
    const json_t *found = NULL;
    char rows[32];
    json_t *result = json_pack("{s:s, s:b, s:I, s:i, s:O}", "schema", "tidemill.data.check/1", "ok",
                               n == 0, "rows", (json_int_t)tm__table_rows(table), "columns",
                               (int)tm__table_cols(table), "findings", findings);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_json(cli, result);
    } else if (st == TM_OK) {
        json_array_foreach(findings, i, found) {
            print_found(cli, found);
        }
        if (json_array_size(findings) == 0) {
            tm__cli_print(cli, "nothing found in %s rows and %u columns\n",
                          tm__count_text((int64_t)tm__table_rows(table), rows),
                          tm__table_cols(table));
        }
    }
    json_decref(result);
    TM_TRY(st);
    return n == 0 ? TM_OK
                  : TM_FAIL(err, TM_E_REFUSED,
                            n == 1 ? "%u finding would ruin a model of '%s'"
                                   : "%u findings would ruin a model of '%s'",
                            n, tm__cli_text(cli, "target"));
}

/* Test rows are read with the types of the data, as training does. */
static tm_status read_against(tm_cli *cli, tm_ctx *ctx, const tm_table *table, tm_table **out,
                              tm_err *err) {
    tm_schema schema;
    if (!tm__cli_has(cli, "against")) {
        return TM_OK;
    }
    TM_TRY(tm__schema_from_table(table, &schema, err));
    const tm_status st =
        tm__cli_read(cli, ctx, tm__cli_text(cli, "against"), NULL, &schema, out, err);
    tm__schema_done(&schema);
    return st;
}

/* The data itself: its only word is where it is. */
static tm_status check_data(tm_cli *cli, tm_ctx *ctx, tm_err *err) {
    tm_table *table = NULL, *test = NULL;
    json_t *findings = NULL;
    if (tm__cli_arg(cli, "DATA") != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "with --target one DATA is enough, and no model is named");
    }
    tm_status st = tm__cli_read_any(cli, ctx, tm__cli_arg(cli, "MODEL"), &table, err);
    if (st == TM_OK) {
        st = read_against(cli, ctx, table, &test, err);
    }
    if (st == TM_OK) {
        const tm_detect_options options = {.target = tm__cli_text(cli, "target"),
                                           .seed = (uint64_t)tm__cli_i64(cli, "seed"),
                                           .against = test};
        st = tm__train_detect(ctx, table, &options, &findings, err);
    }
    if (st == TM_OK) {
        st = say_findings(cli, table, findings, err);
    }
    json_decref(findings);
    tm__table_unref(test);
    tm__table_unref(table);
    return st;
}

static tm_status check_against_model(tm_cli *cli, tm_ctx *ctx, tm_err *err) {
    static const char *const of_data[] = {"against", "source", "strict", "seed"};
    tm_place place = {0};
    tm_table *table = NULL;
    for (size_t i = 0; i < sizeof(of_data) / sizeof(of_data[0]); i++) {
        if (tm__cli_has(cli, of_data[i])) {
            return TM_FAIL(err, TM_E_USAGE, "--%s is for --target", of_data[i]);
        }
    }
    if (tm__cli_arg(cli, "MODEL") == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "neither a model nor --target is named");
        tm_err_hint(err, "'tidemill data check DATA --target COL' looks at data alone.");
        return st;
    }
    tm_status st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    if (st == TM_OK) {
        st = tm__cli_read(cli, ctx, tm__cli_arg(cli, "DATA"), tm__cli_text(cli, "sql"),
                          tm__bundle_schema(place.bundle), &table, err);
    }
    if (st == TM_OK) {
        json_t *findings = json_array();
        const uint32_t n = check_print(cli, table, tm__bundle_schema(place.bundle), findings);
        if (cli->json) {
            json_t *result = json_pack("{s:s, s:b, s:O}", "schema", "tidemill.data.check/1", "ok",
                                       n == 0, "findings", findings);
            tm__cli_print_json(cli, result);
            json_decref(result);
        } else if (n == 0) {
            tm__cli_print(cli, "every column is as the model expects it\n");
        }
        json_decref(findings);
        if (n > 0) {
            st = TM_FAIL(err, TM_E_REFUSED, "%u columns are not as the model expects them", n);
        }
    }
    tm__table_unref(table);
    tm__place_close(&place);
    return st;
}

tm_status cmd_data_check(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__cli_has(cli, "target") ? check_data(cli, &ctx, err)
                                        : check_against_model(cli, &ctx, err);
    }
    tm__cli_ctx_done(&ctx);
    return st;
}
