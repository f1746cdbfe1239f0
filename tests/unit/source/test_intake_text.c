/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/intake_priv.h"
#include "test.h"

#define N_COLS 8u

static tm_ctx ctx;

static const char *const names[N_COLS] = {"k", "i", "f", "b", "d", "s", "t", "n"};
static const char orders[N_COLS] = {0, 0, 0, 0, 'd', 0, 0, 0};

/* Cells that a column may get; the first ones are plain, and used most. */
static const char *const cells[] = {"1",
                                    "22",
                                    "-3",
                                    "0.5",
                                    "1e3",
                                    "true",
                                    "false",
                                    "2024-02-29",
                                    "2024-02-28",
                                    "2024-01-01T10:20:30",
                                    "",
                                    "NA",
                                    "word",
                                    "long word behind a blank",
                                    "31/12/2024",
                                    "12/31/2024",
                                    "01/02/2024",
                                    "-",
                                    "None",
                                    "?",
                                    "NaN",
                                    "inf",
                                    "-inf",
                                    " inf",
                                    "Infinity",
                                    "1e400",
                                    "007",
                                    "+5",
                                    " 6",
                                    "7 ",
                                    "1_000",
                                    "2.0",
                                    "-0",
                                    "0x10",
                                    "yes",
                                    "0",
                                    "9007199254740993",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "123456789012345678901234567890",
                                    "2024-01-01 00:00:00",
                                    "2024-01-01T10:20:30Z",
                                    "2024-01-01T10:20:30.123456",
                                    "2024-13-01",
                                    "TRUE",
                                    "\"quoted\"",
                                    "\"a \"\"b\"\" c\"",
                                    "\"with,comma\"",
                                    "\"two\nlines\"",
                                    "\"\"",
                                    "\"open",
                                    "\"x\"y",
                                    "\"1\"",
                                    "mid\"quote",
                                    "\xC3\xA4",
                                    "\xFF",
                                    "\xEF\xBB\xBF"
                                    "1",
                                    "null",
                                    "N/A",
                                    "nan",
                                    "1,2",
                                    ".5",
                                    "5.",
                                    "1e-320",
                                    "2024-1-1",
                                    "t"};
#define N_CELLS (sizeof(cells) / sizeof(cells[0]))

/* By column, the cells that are well there; and where odd ones may come. */
static const char *const plain[N_COLS][4] = {{"1", "22", "-3", "7"},
                                             {"1", "22", "-3", "NA"},
                                             {"0.5", "1", "1e3", ""},
                                             {"true", "false", "true", "NA"},
                                             {"2024-02-29", "31/12/2024", "2024-02-28", ""},
                                             {"2024-02-29", "2024-01-01T10:20:30", "NA", ""},
                                             {"word", "\"a \"\"b\"\" c\"", "\"x,y\"", "NA"},
                                             {"", "NA", "null", "?"}};

static tm_intake_columns *make_columns(bool has_key) {
    static const tm_type types[N_COLS - 1] = {TM_TYPE_INT,  TM_TYPE_INT,  TM_TYPE_FLOAT,
                                              TM_TYPE_BOOL, TM_TYPE_DATE, TM_TYPE_TIME,
                                              TM_TYPE_TEXT};
    tm_schema_column cols[N_COLS];
    tm_intake_columns *columns = NULL;
    for (uint32_t i = 0; i + 1 < N_COLS; i++) {
        cols[i] = (tm_schema_column){.name = (char *)(uintptr_t)names[i], .type = types[i]};
    }
    const tm_schema schema = {.cols = cols, .n_cols = N_COLS - 1};
    assert_int_equal(tm__intake_columns_create(&schema, names, has_key ? 1 : 0, &columns, NULL),
                     TM_OK);
    return columns;
}

typedef struct found {
    bool is_whole;
    uint64_t n_bad;
} found;

/* Both readers over one text: where the table stands for it, all is the same. */
static found compare(char *data, size_t len, bool has_key, uint64_t n_names) {
    const tm_push_csv csv = {.delimiter = ',',
                             .quote = '"',
                             .n_names = (uint32_t)n_names,
                             .names = names,
                             .orders = orders};
    tm_push push = {.form = TM_PUSH_CSV,
                    .data = data,
                    .len = len,
                    .first_line = 1,
                    .csv = &csv,
                    .n_rows_max = 1000000};
    tm_intake_columns *columns = make_columns(has_key);
    tm_table *table = NULL, *same = NULL;
    tm_rows whole = {0}, rows = {0};
    found out = {0};
    assert_int_equal(tm__text_table(&ctx, &push, columns, 1, &table, NULL), TM_OK);
    if (tm__rows_read(&push, columns, &rows, NULL) != TM_OK) {
        assert_null(table);
        tm__intake_columns_unref(columns);
        return out;
    }
    out.n_bad = rows.n_bad;
    if (table != NULL) {
        push.table = table;
        assert_int_equal(tm__rows_of_table(&push, columns, &whole, &out.is_whole, NULL), TM_OK);
    }
    if (out.is_whole) {
        tm_hash a, b;
        const tm_schema *x = &whole.columns->schema, *y = &rows.columns->schema;
        assert_int_equal(rows.n_bad, 0);
        assert_int_equal(whole.n_rows, rows.n_rows);
        assert_int_equal(whole.n_incomplete, rows.n_incomplete);
        assert_int_equal(whole.n_coerced, rows.n_coerced);
        assert_int_equal(whole.columns->version, rows.columns->version);
        assert_int_equal(x->n_cols, y->n_cols);
        for (uint32_t i = 0; i < y->n_cols; i++) {
            assert_string_equal(x->cols[i].name, y->cols[i].name);
            assert_int_equal(x->cols[i].type, y->cols[i].type);
        }
        if (has_key) {
            assert_memory_equal(whole.keys, rows.keys, rows.n_rows * sizeof(*rows.keys));
        }
        tm__batch_seal(&rows.batch, (uint32_t)rows.n_rows);
        assert_int_equal(tm__rows_table(&rows, &same, NULL), TM_OK);
        tm__table_hash(table, &a);
        tm__table_hash(same, &b);
        assert_memory_equal(&a, &b, sizeof(a));
        tm__table_unref(same);
        tm__rows_done(&whole);
    }
    tm__rows_done(&rows);
    tm__table_unref(table);
    tm__intake_columns_unref(columns);
    return out;
}

static void each_cell_of_each_column_is_what_its_row_would_be(void **state) {
    (void)state;
    uint32_t n_whole = 0, n_bad = 0;
    for (uint32_t col = 0; col < N_COLS; col++) {
        for (size_t i = 0; i < N_CELLS; i++) {
            char data[1024];
            size_t len = 0;
            for (uint32_t row = 0; row < 3; row++) {
                for (uint32_t c = 0; c < N_COLS; c++) {
                    len += (size_t)snprintf(data + len, sizeof(data) - len, "%s%s",
                                            row == 1 && c == col ? cells[i] : plain[c][row],
                                            c + 1 < N_COLS ? "," : "\n");
                }
            }
            const found f = compare(data, len, i % 2 == 0, N_COLS);
            n_whole += f.is_whole ? 1 : 0;
            n_bad += f.n_bad > 0 ? 1 : 0;
        }
    }
    assert_true(n_whole > N_CELLS && n_bad > N_CELLS);
}

static void texts_with_faults_give_the_same_rows(void **state) {
    (void)state;
    static char data[65536];
    uint32_t n_whole = 0, n_bad = 0;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        tm_rng rng = tm__rng_split(seed, "texts", 0);
        const uint64_t n_rows = 1 + tm__rng_below(&rng, 40);
        const uint64_t odd = tm__rng_below(&rng, 4) * 2; /* in a thousand cells */
        size_t len = 0;
        for (uint64_t row = 0; row < n_rows; row++) {
            const uint64_t ends = tm__rng_below(&rng, 300);
            for (uint32_t c = 0; c < N_COLS; c++) {
                const bool is_odd = tm__rng_below(&rng, 1000) < odd;
                const char *cell =
                    is_odd ? cells[tm__rng_below(&rng, N_CELLS)] : plain[c][tm__rng_below(&rng, 4)];
                len += (size_t)snprintf(data + len, sizeof(data) - len, "%s%s", cell,
                                        c + 1 < N_COLS ? "," : "");
            }
            const char *end = row + 1 == n_rows && ends < 100 ? ""
                              : ends == 200 && odd > 0        ? ",more\n"
                              : ends < 150                    ? "\r\n"
                              : ends == 201                   ? "\n\n\r\n"
                                                              : "\n";
            len += (size_t)snprintf(data + len, sizeof(data) - len, "%s", end);
        }
        if (odd > 4 && tm__rng_below(&rng, 8) == 0) {
            data[tm__rng_below(&rng, len)] = '\0';
        }
        const found f = compare(data, len, seed % 2 == 0, N_COLS);
        n_whole += f.is_whole ? 1 : 0;
        n_bad += f.n_bad > 0 ? 1 : 0;
    }
    assert_true(n_whole > 400 && n_bad > 200);
}

static void a_text_of_one_column_is_read_by_rows(void **state) {
    (void)state;
    char data[] = "1\n\n2\n";
    assert_false(compare(data, strlen(data), true, 1).is_whole);
}

static void without_memory_it_says_so(void **state) {
    (void)state;
    char data[] = "1,2,0.5\n2,3,1\n";
    const tm_push_csv csv = {.delimiter = ',', .quote = '"', .n_names = 3, .names = names};
    const tm_push push = {
        .form = TM_PUSH_CSV, .data = data, .len = strlen(data), .first_line = 1, .csv = &csv};
    tm_intake_columns *columns = make_columns(false);
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st == TM_E_NOMEM; n++) {
        tm_table *table = NULL;
        tm__mem_fail_at(n, false);
        st = tm__text_table(&ctx, &push, columns, 1, &table, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_true((st == TM_OK) == (table != NULL));
        tm__table_unref(table);
    }
    tm__intake_columns_unref(columns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_of_each_column_is_what_its_row_would_be),
        cmocka_unit_test(texts_with_faults_give_the_same_rows),
        cmocka_unit_test(a_text_of_one_column_is_read_by_rows),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
