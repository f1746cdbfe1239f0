/* SPDX-License-Identifier: Apache-2.0 */
/* `data check` holds columns against what a model expects of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"

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
        const double value =
            column->floats != NULL ? column->floats[row] : (double)column->ints[row];
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
        if (found.absent) {
            (void)snprintf(text, sizeof(text), "is not there");
        } else if (found.missing > 0) {
            (void)snprintf(text, sizeof(text), "is missing in %llu rows, and never was in training",
                           (unsigned long long)found.missing);
        } else if (found.outside > 0) {
            (void)snprintf(text, sizeof(text),
                           "lies outside the range seen in training in %llu rows",
                           (unsigned long long)found.outside);
        } else {
            continue;
        }
        n++;
        tm__cli_print(cli, "%s %s\n", s->name, text);
        json_array_append_new(findings,
                              json_pack("{s:s, s:s}", "column", s->name, "finding", text));
    }
    return n;
}

tm_status cmd_data_check(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_table *table = NULL;
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        st = tm__cli_read(cli, &ctx, tm__cli_arg(cli, "DATA"), tm__cli_text(cli, "sql"),
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
    tm__cli_ctx_done(&ctx);
    return st;
}
