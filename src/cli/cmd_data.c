/* SPDX-License-Identifier: Apache-2.0 */
/* `data profile` shows what is in the columns; `data check` holds them against what a model
 * expects. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"

/* A number, date or time of a column's range as text. */
static const char *bound_text(const tm_schema_column *column, double value, char *out,
                              size_t size) {
    if (isnan(value)) {
        return "";
    }
    if (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME) {
        char text[64];
        const size_t n = column->type == TM_TYPE_DATE ? tm__date_to_text((int64_t)value, text)
                                                      : tm__time_to_text((int64_t)value, text);
        (void)tm__str_copy(out, size, (tm_str){text, n});
    } else {
        (void)snprintf(out, size, "%.6g", value);
    }
    return out;
}

/* Distinct values, exact: a hash of each row's value in one set. Without memory for it the command
 * fails as with a lost value. */
static uint64_t count_distinct(const tm_table *table, uint32_t col) {
    const tm_column *column = tm__table_column(table, col);
    const uint64_t n = tm__table_rows(table);
    if (column->dict != NULL && tm__dict_count(column->dict) <= 1000000) {
        uint64_t used = 0;
        bool *seen = tm__mem_zalloc((size_t)tm__dict_count(column->dict) + 1, sizeof(bool));
        for (uint64_t row = 0; seen != NULL && row < n; row++) {
            const uint32_t code = column->codes[row];
            if (code != TM_CODE_MISSING && !seen[code]) {
                seen[code] = true;
                used++;
            }
        }
        (void)(seen == NULL ? tm__json_lost() : NULL);
        tm__mem_free(seen);
        return used;
    }
    tm_dict *dict = tm__dict_create();
    bool is_whole = dict != NULL;
    for (uint64_t row = 0; dict != NULL && row < n; row++) {
        if (!tm__column_is_missing(column, row)) {
            const void *value = column->floats != NULL ? (const void *)&column->floats[row]
                                                       : (const void *)&column->ints[row];
            is_whole = tm__dict_add(dict, (tm_str){value, sizeof(uint64_t)}) != TM_CODE_MISSING &&
                       is_whole;
        }
    }
    const uint64_t distinct = dict != NULL ? tm__dict_count(dict) : 0;
    (void)(is_whole ? NULL : tm__json_lost());
    tm__dict_free(dict);
    return distinct;
}

static const char *oddity(const tm_column *column, uint64_t n_rows, uint64_t distinct) {
    const uint64_t present = n_rows - column->n_missing;
    if (present == 0) {
        return "always missing";
    }
    if (distinct == 1) {
        return "always the same";
    }
    if (distinct == present && present > 50 && column->type != TM_TYPE_FLOAT &&
        column->type != TM_TYPE_TIME) {
        return "every value differs: an id?";
    }
    if (column->n_missing * 2 > n_rows) {
        return "mostly missing";
    }
    return "";
}

static void profile_print(tm_cli *cli, const tm_table *table, const tm_schema *schema) {
    const char *titles[] = {"column", "type", "missing", "distinct", "min", "max", ""};
    const uint64_t n_rows = tm__table_rows(table);
    json_t *columns = json_array();
    tm_cli_table out;
    tm__cli_table_init(&out, 7, titles);
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        char low[64];
        char high[64];
        const tm_column *column = tm__table_column(table, c);
        const tm_schema_column *s = &schema->cols[c];
        const uint64_t distinct = count_distinct(table, c);
        const char *odd = oddity(column, n_rows, distinct);
        const char *min = bound_text(s, s->min, low, sizeof(low));
        const char *max = bound_text(s, s->max, high, sizeof(high));
        tm__cli_cell(&out, "%s", s->name);
        tm__cli_cell(&out, "%s", tm__type_text(s->type));
        tm__cli_cell(&out, "%llu", (unsigned long long)column->n_missing);
        tm__cli_cell(&out, "%llu", (unsigned long long)distinct);
        tm__cli_cell(&out, "%s", min);
        tm__cli_cell(&out, "%s", max);
        tm__cli_cell(&out, "%s", odd);
        json_array_append_new(columns,
                              json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "name", s->name,
                                        "type", tm__type_text(s->type), "missing",
                                        (json_int_t)column->n_missing, "distinct",
                                        (json_int_t)distinct, "min", min, "max", max, "note", odd));
    }
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:I, s:O}", "schema", "tidemill.data.profile/1", "rows",
                                   (json_int_t)n_rows, "columns", columns);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        char rows[32];
        tm__cli_print(cli, "%s rows, %u columns\n\n", tm__count_text((int64_t)n_rows, rows),
                      schema->n_cols);
    }
    tm__cli_table_print(cli, &out);
    json_decref(columns);
}

tm_status cmd_data_profile(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    tm_schema schema = {0};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = tm__cli_read(cli, &ctx, tm__cli_arg(cli, "DATA"), tm__cli_text(cli, "sql"), NULL,
                          &table, err);
    }
    if (st == TM_OK) {
        st = tm__schema_from_table(table, &schema, err);
    }
    if (st == TM_OK) {
        profile_print(cli, table, &schema);
    }
    tm__schema_done(&schema);
    tm__table_unref(table);
    tm__cli_ctx_done(&ctx);
    return st;
}

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
