/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/intake_priv.h"
#include "test.h"

#define N_COLS 6u

static char names[N_COLS][2] = {"b", "i", "f", "t", "d", "m"};

static tm_intake_columns *columns_of(const tm_type types[N_COLS]) {
    tm_schema_column cols[N_COLS];
    tm_intake_columns *columns = NULL;
    for (uint32_t i = 0; i < N_COLS; i++) {
        cols[i] = (tm_schema_column){.name = names[i], .type = types[i]};
    }
    const tm_schema schema = {.n_cols = N_COLS, .cols = cols};
    assert_int_equal(tm__intake_columns_create(&schema, NULL, 0, &columns, NULL), TM_OK);
    return columns;
}

static void put(tm_buf *batch, const tm_cell *cells, uint32_t n) {
    uint8_t *to = tm__buf_reserve(batch, tm__batch_row_size(cells, n));
    assert_non_null(to);
    batch->len += (size_t)(tm__batch_row_put(to, cells, n) - to);
}

static void make_batch(tm_buf *batch) {
    static const uint8_t head[TM_BATCH_HEAD];
    const tm_cell full[N_COLS] = {
        {.type = TM_TYPE_BOOL, .i64 = 1},
        {.type = TM_TYPE_INT, .i64 = INT64_MIN + 1},
        {.type = TM_TYPE_FLOAT, .f64 = -0.1},
        {.type = TM_TYPE_TEXT, .text = TM_STR("h\xC3\xA9")},
        {.type = TM_TYPE_DATE, .i64 = -86400000000},
        {.type = TM_TYPE_TIME, .i64 = 1234567},
    };
    const tm_cell empty[N_COLS] = {{.type = TM_TYPE_NONE}};
    const tm_cell some[2] = {{.type = TM_TYPE_BOOL}, {.type = TM_TYPE_INT, .i64 = 300}};
    tm__buf_init(batch, 1u << 20);
    assert_true(tm__buf_append(batch, head, sizeof(head)));
    put(batch, full, N_COLS);
    put(batch, empty, N_COLS);
    put(batch, some, 2); /* written before the other columns came */
    tm__batch_seal(batch, 3);
}

static tm_status read_batch(const tm_buf *batch, size_t len, const tm_intake_columns *columns,
                            tm_table **out) {
    uint64_t n = 0;
    tm_table_builder *builder = tm__builder_create();
    for (uint32_t i = 0; i < N_COLS; i++) {
        assert_int_equal(
            tm__builder_add_column(builder, names[i], tm__column_type(columns, i), NULL), TM_OK);
    }
    const tm_status st =
        tm__batch_read((tm_str){(const char *)batch->data, len}, columns, builder, &n, NULL);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    assert_int_equal(n, 3);
    return tm__builder_finish(builder, out, NULL);
}

static const tm_type plain[N_COLS] = {TM_TYPE_BOOL, TM_TYPE_INT,  TM_TYPE_FLOAT,
                                      TM_TYPE_TEXT, TM_TYPE_DATE, TM_TYPE_TIME};

static void rows_read_back_as_they_were(void **state) {
    (void)state;
    tm_buf batch;
    tm_table *table = NULL;
    tm_intake_columns *columns = columns_of(plain);
    make_batch(&batch);
    assert_int_equal(read_batch(&batch, batch.len, columns, &table), TM_OK);
    assert_int_equal(tm__table_column(table, 0)->ints[0], 1);
    assert_int_equal(tm__table_column(table, 1)->ints[0], INT64_MIN + 1);
    assert_true(tm__table_column(table, 2)->floats[0] == -0.1);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 3), 0).text, "h\xC3\xA9"));
    assert_int_equal(tm__table_column(table, 4)->ints[0], -86400000000);
    assert_int_equal(tm__table_column(table, 5)->ints[0], 1234567);
    for (uint32_t i = 0; i < N_COLS; i++) {
        assert_true(tm__column_is_missing(tm__table_column(table, i), 1));
        assert_int_equal(tm__column_is_missing(tm__table_column(table, i), 2), i > 1);
    }
    assert_int_equal(tm__table_column(table, 1)->ints[2], 300);
    tm__table_unref(table);
    tm__intake_columns_unref(columns);
    tm__buf_done(&batch);
}

static void rows_read_back_in_wider_columns(void **state) {
    (void)state;
    const tm_type wider[N_COLS] = {TM_TYPE_BOOL, TM_TYPE_FLOAT, TM_TYPE_FLOAT,
                                   TM_TYPE_TEXT, TM_TYPE_TIME,  TM_TYPE_TIME};
    tm_buf batch;
    tm_table *table = NULL;
    tm_intake_columns *columns = columns_of(wider);
    make_batch(&batch);
    assert_int_equal(read_batch(&batch, batch.len, columns, &table), TM_OK);
    assert_true(tm__table_column(table, 1)->floats[2] == 300);
    assert_int_equal(tm__table_column(table, 4)->ints[0], -86400000000);
    tm__table_unref(table);
    tm__intake_columns_unref(columns);
    const tm_type other[N_COLS] = {TM_TYPE_TEXT, TM_TYPE_INT,  TM_TYPE_FLOAT,
                                   TM_TYPE_TEXT, TM_TYPE_DATE, TM_TYPE_TIME};
    columns = columns_of(other);
    assert_int_equal(read_batch(&batch, batch.len, columns, &table), TM_E_INTEGRITY);
    tm__intake_columns_unref(columns);
    tm__buf_done(&batch);
}

static void damage_of_any_byte_is_told(void **state) {
    (void)state;
    tm_buf batch;
    tm_table *table = NULL;
    tm_intake_columns *columns = columns_of(plain);
    make_batch(&batch);
    for (size_t i = 0; i < batch.len; i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            batch.data[i] ^= (uint8_t)(1u << bit);
            if (read_batch(&batch, batch.len, columns, &table) != TM_E_INTEGRITY) {
                fail_msg("byte %zu, bit %u", i, bit);
            }
            batch.data[i] ^= (uint8_t)(1u << bit);
        }
        assert_int_equal(read_batch(&batch, i, columns, &table), TM_E_INTEGRITY);
    }
    tm__intake_columns_unref(columns);
    tm__buf_done(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_read_back_as_they_were),
        cmocka_unit_test(rows_read_back_in_wider_columns),
        cmocka_unit_test(damage_of_any_byte_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
