/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/source.h"
#include "test.h"

static tm_ctx ctx;

static tm_table *query(const char *sql) {
    tm_table *table = NULL;
    assert_int_equal(tm__source_read(&ctx, &(tm_source_spec){.sql = sql}, &table, NULL), TM_OK);
    return table;
}

static tm_intake_columns *columns_of(const char *sql, const char *key) {
    tm_intake_columns *columns = NULL;
    tm_schema schema = {0};
    tm_table *table = query(sql);
    assert_int_equal(tm__schema_from_table(table, &schema, NULL), TM_OK);
    assert_int_equal(tm__intake_columns_create(&schema, &key, key == NULL ? 0 : 1, &columns, NULL),
                     TM_OK);
    tm__schema_done(&schema);
    tm__table_unref(table);
    return columns;
}

/* Whether a table goes in whole; then the rows are those that reading one by one gives. */
static bool fits(const char *sql, const char *key, const char *into) {
    tm_intake_columns *columns = columns_of(into, key);
    tm_table *table = query(sql);
    tm_rows whole = {0}, read = {0};
    bool is_whole = false;
    const tm_push push = {.form = TM_PUSH_TABLE, .table = table};
    assert_int_equal(tm__rows_of_table(&push, columns, &whole, &is_whole, NULL), TM_OK);
    assert_int_equal(tm__rows_read(&push, columns, &read, NULL), TM_OK);
    if (is_whole) {
        assert_int_equal(whole.n_rows, read.n_rows);
        assert_int_equal(whole.n_bad, read.n_bad);
        assert_int_equal(whole.n_incomplete, read.n_incomplete);
        assert_int_equal(whole.columns->version, read.columns->version);
        assert_int_equal(whole.columns->schema.n_cols, read.columns->schema.n_cols);
        for (uint32_t i = 0; i < read.columns->schema.n_cols; i++) {
            assert_int_equal(whole.columns->schema.cols[i].type, read.columns->schema.cols[i].type);
        }
        if (key != NULL) {
            assert_memory_equal(whole.keys, read.keys, read.n_rows * sizeof(*read.keys));
        }
        tm__rows_done(&whole);
    }
    tm__rows_done(&read);
    tm__table_unref(table);
    tm__intake_columns_unref(columns);
    return is_whole;
}

static void a_table_that_fits_goes_in_as_its_rows_would(void **state) {
    (void)state;
    const char *into = "SELECT 1 AS k, 'a' AS t, 1.5 AS x, DATE '2001-01-01' AS d,"
                       " TIMESTAMP '2001-01-01 10:00:00' AS s";
    assert_true(fits("SELECT i AS k, 'b' AS t FROM range(10) r(i)", "k", into));
    assert_true(fits("SELECT i AS k, i AS x, 'new' AS n FROM range(10) r(i)", "k", into));
    assert_true(fits("SELECT 't' AS t, DATE '2001-01-01' AS s", NULL, into));
    assert_true(fits("SELECT NULL::INTEGER AS t, NULL::VARCHAR AS n", NULL, into));
    assert_true(fits("SELECT 1 AS k, 'a' AS t, 1.5 AS x, DATE '2001-01-01' AS d,"
                     " TIMESTAMP '2001-01-01 10:00:00' AS s",
                     "k", into));
}

static void what_needs_another_look_does_not(void **state) {
    (void)state;
    const char *into = "SELECT 1 AS k, 'a' AS t, DATE '2001-01-01' AS d";
    assert_false(
        fits("SELECT CASE WHEN i = 3 THEN NULL ELSE i END AS k FROM range(9) r(i)", "k", into));
    assert_false(fits("SELECT 1.5 AS k", NULL, into));
    assert_false(fits("SELECT 'many' AS k", NULL, into));
    assert_false(fits("SELECT 7 AS t", NULL, into));
    assert_false(fits("SELECT TIMESTAMP '2001-01-01 10:00:00' AS d", NULL, into));
}

/* A text that is too long goes to quarantine, which only reading row by row can do. */
static void a_text_that_is_too_long_does_not(void **state) {
    (void)state;
    const size_t len = TM_MAX_TEXT_BYTES + 1;
    tm_intake_columns *columns = columns_of("SELECT 'a' AS t", NULL);
    char *text = tm__mem_alloc(len, 1);
    memset(text, 'x', len);
    for (size_t cut = 0; cut < 2; cut++) {
        tm_table *table = NULL;
        tm_rows rows = {0};
        bool is_whole = false;
        tm_table_builder *builder = tm__builder_create();
        assert_int_equal(tm__builder_add_column(builder, "t", TM_TYPE_TEXT, NULL), TM_OK);
        assert_int_equal(tm__builder_reserve(builder, 1, NULL), TM_OK);
        tm__builder_codes(builder, 0)[0] =
            tm__dict_add(tm__builder_dict(builder, 0), (tm_str){text, len - cut});
        tm__builder_set_rows(builder, 1);
        assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
        assert_int_equal(tm__rows_of_table(&(tm_push){.form = TM_PUSH_TABLE, .table = table},
                                           columns, &rows, &is_whole, NULL),
                         TM_OK);
        assert_int_equal(is_whole, cut == 1);
        if (is_whole) {
            tm__rows_done(&rows);
        }
        const tm_push push = {.form = TM_PUSH_TABLE, .table = table};
        assert_int_equal(tm__rows_read(&push, columns, &rows, NULL), TM_OK);
        assert_int_equal(rows.n_rows, cut);
        assert_int_equal(rows.n_bad, 1 - cut);
        tm__rows_done(&rows);
        tm__table_unref(table);
    }
    tm__mem_free(text);
    tm__intake_columns_unref(columns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_fits_goes_in_as_its_rows_would),
        cmocka_unit_test(what_needs_another_look_does_not),
        cmocka_unit_test(a_text_that_is_too_long_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
