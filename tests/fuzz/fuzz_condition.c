/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions in SQL: whatever stands there, it is refused with a hint, or asked of rows in bounded
 * time and memory. */
#include <stdlib.h>
#include <string.h>

#include "store/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define N_CELLS 5

static const tm_cell *next_row(void *arg) {
    static const tm_cell cells[2][N_CELLS] = {
        {{.type = TM_TYPE_INT, .i64 = INT64_MAX},
         {.type = TM_TYPE_FLOAT, .f64 = -1e308},
         {.type = TM_TYPE_TEXT, .text = {"NL\xc3\xa9 {\"a\":[{\"b\":1}]}", 20}},
         {.type = TM_TYPE_DATE, .i64 = INT64_C(1709251200000000)},
         {.type = TM_TYPE_TIME, .i64 = INT64_C(-1)}},
        {{.type = TM_TYPE_NONE}},
    };
    uint64_t *const row = arg;
    return *row == 6 ? NULL : cells[(*row)++ % 2];
}

static void rewind_rows(void *arg) {
    *(uint64_t *)arg = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const tm_condition_column columns[N_CELLS] = {{"id", TM_TYPE_INT, 0},
                                                         {"amount", TM_TYPE_FLOAT, 1},
                                                         {"land", TM_TYPE_TEXT, 2},
                                                         {"day", TM_TYPE_DATE, 3},
                                                         {"at", TM_TYPE_TIME, 4}};
    char *sql = malloc(len + 1);
    tm_conditions *conditions = NULL;
    tm_condition *condition = NULL;
    tm_verdict verdict = TM_VERDICT_NULL;
    tm_err err = {0};
    char why[160];
    uint64_t row = 0;
    if (sql == NULL || tm__conditions_open(columns, N_CELLS, &conditions, NULL) != TM_OK) {
        abort();
    }
    memcpy(sql, data, len);
    sql[len] = '\0';
    const tm_status st = tm__condition_create(conditions, sql, &condition, NULL, &err);
    if (st != TM_OK && (st != TM_E_USAGE || err.message[0] == '\0' || err.hint[0] == '\0')) {
        abort();
    }
    if (st == TM_OK && tm__condition_is_aggregate(condition)) {
        const tm_condition_rows rows = {
            .rewind = rewind_rows, .next = next_row, .arg = &row, .n_rows = 6};
        if (tm__condition_all(condition, &rows, &verdict, why, NULL) != TM_OK) {
            abort();
        }
    } else if (st == TM_OK) {
        for (const tm_cell *cells = next_row(&row); cells != NULL; cells = next_row(&row)) {
            if (tm__condition_row(condition, cells, &verdict, why, NULL) != TM_OK) {
                abort();
            }
        }
    }
    tm__conditions_close(conditions);
    free(sql);
    return 0;
}
