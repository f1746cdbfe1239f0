/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rules cost a push: CPU of taking 10,000 rows of 30 columns from lines of JSON to encoded
 * rows, without a rule and with some, one after the other in each run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "source/intake_priv.h"

enum { N_ROWS = 10000, N_COLUMNS = 30, RUNS = 21, N_SPECS = 5 };

static const char *const names[N_SPECS] = {"no rule", "amount > 0",
                                           "amount > 0 AND land IN ('NL', 'BE')",
                                           "day >= '2024-01-01'", "avg(amount) > 0"};

static void die(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void make_body(tm_buf *body) {
    uint32_t random = 1;
    for (int i = 0; i < N_ROWS; i++) {
        tm__buf_printf(
            body, "{\"id\": %d, \"amount\": %d.25, \"land\": \"%s\", \"day\": \"2024-03-%02d\"", i,
            1 + i % 99, i % 2 == 0 ? "NL" : "BE", 1 + i % 28);
        for (int k = 4; k < N_COLUMNS; k++) {
            random = random * 1664525u + 1013904223u;
            tm__buf_printf(body, ", \"c%d\": %.4f", k, random / 1e9);
        }
        tm__buf_text(body, "}\n");
    }
    if (!tm__buf_byte(body, 0)) {
        die("no memory");
    }
}

/* CPU in us a row. */
static double read_once(const tm_push *push, tm_intake_columns *columns) {
    tm_rows rows = {0};
    const clock_t start = clock();
    if (tm__rows_read(push, columns, &rows, NULL) != TM_OK || rows.n_rows != N_ROWS) {
        die("the rows are not all taken");
    }
    const clock_t end = clock();
    tm__rows_done(&rows);
    return (double)(end - start) / CLOCKS_PER_SEC * 1e6 / N_ROWS;
}

static tm_intake_columns *columns_with(const tm_push *push, const char *rule) {
    tm_schema empty = {0};
    tm_intake_columns *columns = NULL, *fitted = NULL;
    tm_rows rows = {0};
    json_t *spec = rule == NULL ? json_object() : json_pack("{s:{s:s}}", "expect", "r", rule);
    if (tm__intake_columns_create(&empty, NULL, 0, &columns, NULL) != TM_OK ||
        tm__rows_read(push, columns, &rows, NULL) != TM_OK) {
        die("no columns");
    }
    fitted = tm__intake_columns_ref(rows.columns);
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
    if (tm__watch_create(spec, NULL, &fitted->watch, NULL) != TM_OK) {
        die("no rules");
    }
    json_decref(spec);
    return fitted;
}

int main(void) {
    tm_buf body;
    double us[N_SPECS][RUNS], more[N_SPECS][RUNS];
    tm_intake_columns *columns[N_SPECS];
    tm__buf_init(&body, (size_t)1 << 30);
    make_body(&body);
    const tm_push push = {.form = TM_PUSH_LINES, .data = (char *)body.data, .len = body.len - 1};
    for (int s = 0; s < N_SPECS; s++) {
        columns[s] = columns_with(&push, s == 0 ? NULL : names[s]);
    }
    for (int r = 0; r < RUNS; r++) {
        for (int s = 0; s < N_SPECS; s++) {
            us[s][r] = read_once(&push, columns[s]);
            more[s][r] = us[s][r] / us[0][r];
        }
    }
    for (int s = 0; s < N_SPECS; s++) {
        qsort(us[s], RUNS, sizeof us[s][0], compare);
        qsort(more[s], RUNS, sizeof more[s][0], compare);
        printf("%-44s %-6s %10.3f  [%.3f - %.3f]\n", names[s], "us", us[s][RUNS / 2], us[s][0],
               us[s][RUNS - 1]);
        if (s > 0) {
            printf("%-44s %-6s %10.3f  [%.3f - %.3f]\n", "  over no rule", "times",
                   more[s][RUNS / 2], more[s][0], more[s][RUNS - 1]);
        }
        tm__intake_columns_unref(columns[s]);
    }
    tm__buf_done(&body);
    return 0;
}
