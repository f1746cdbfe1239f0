/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "loop/loop_sink_priv.h"
#include "store/vault.h"
#include "support.h"
#include "test.h"

#define PATH "sink.rows"

static tm_table *make_table(uint32_t n) {
    static const tm_type types[] = {TM_TYPE_BOOL, TM_TYPE_INT,  TM_TYPE_FLOAT,
                                    TM_TYPE_TEXT, TM_TYPE_DATE, TM_TYPE_TIME};
    static const char *const names[] = {"b", "i", "f", "t \"x\"", "d", "m"};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    for (uint32_t c = 0; c < 6; c++) {
        assert_int_equal(tm__builder_add_column(builder, names[c], types[c], NULL), TM_OK);
    }
    for (uint32_t i = 0; i < n; i++) {
        const tm_cell row[] = {
            {.type = TM_TYPE_BOOL, .i64 = i % 2},
            {.type = TM_TYPE_INT, .i64 = -(int64_t)i},
            {.type = i % 7 == 0 ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = i / 3.0},
            {.type = i % 5 == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT,
             .text = i % 2 == 0 ? TM_STR("even, \n") : TM_STR("")},
            {.type = TM_TYPE_DATE, .i64 = (int64_t)i * 86400000000},
            {.type = TM_TYPE_TIME, .i64 = i},
        };
        assert_int_equal(tm__builder_add_row(builder, row, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static void rows_come_back_as_they_were(void **state) {
    (void)state;
    static const uint32_t counts[] = {0, 1, 1000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        tm_table *table = make_table(counts[i]), *back = NULL;
        tm_hash hash, want, got;
        assert_int_equal(tm__sink_spool_write(PATH, table, &hash, NULL), TM_OK);
        assert_int_equal(tm__sink_spool_read(PATH, &hash, &back, NULL), TM_OK);
        tm__table_hash(table, &want);
        tm__table_hash(back, &got);
        assert_true(tm__hash_eq(&want, &got));
        tm__table_unref(back);
        tm__table_unref(table);
    }
}

static void they_are_sealed_in_a_home_that_is(void **state) {
    (void)state;
    tm_home *home = NULL;
    tm_vault_look look;
    tm_table *table = make_table(10), *back = NULL;
    tm_hash hash;
    char id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(setenv("TM_TEST_KEY",
                            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1),
                     0);
    assert_int_equal(tm__home_open("home", true, &home, NULL), TM_OK);
    assert_int_equal(tm__vault_use(home, "env:TM_TEST_KEY", id, NULL), TM_OK);
    assert_int_equal(tm__sink_spool_write("home/" PATH, table, &hash, NULL), TM_OK);
    assert_int_equal(tm__vault_look("home/" PATH, &look, NULL), TM_OK);
    assert_true(look.is_sealed);
    assert_int_equal(tm__sink_spool_read("home/" PATH, &hash, &back, NULL), TM_OK);
    assert_int_equal(tm__table_rows(back), 10);
    tm__table_unref(back);
    tm__table_unref(table);
    tm__home_close(home);
}

/* Also when the hash is that of the damaged bytes: they are read with care. */
static void damaged_rows_are_refused(void **state) {
    (void)state;
    tm_table *table = make_table(20), *back = NULL;
    tm_hash hash, other;
    tm_buf bytes;
    tm_err err = {0};
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__sink_spool_write(PATH, table, &hash, NULL), TM_OK);
    assert_int_equal(tm__fs_read_all(PATH, &bytes, NULL), TM_OK);
    uint32_t n_refused = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(tm__fs_publish(PATH, bytes.data, len, NULL), TM_OK);
        assert_int_equal(tm__sink_spool_read(PATH, &hash, &back, &err), TM_E_INTEGRITY);
        tm__hash_bytes(bytes.data, len, &other);
        assert_int_not_equal(tm__sink_spool_read(PATH, &other, &back, &err), TM_OK);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.data[at] ^= 0xff;
        assert_int_equal(tm__fs_publish(PATH, bytes.data, bytes.len, NULL), TM_OK);
        assert_int_equal(tm__sink_spool_read(PATH, &hash, &back, &err), TM_E_INTEGRITY);
        assert_string_equal(err.data_path, PATH);
        tm__hash_bytes(bytes.data, bytes.len, &other);
        if (tm__sink_spool_read(PATH, &other, &back, &err) == TM_OK) {
            tm__table_unref(back); /* a value became another one */
        } else {
            n_refused++;
        }
        bytes.data[at] ^= 0xff;
    }
    assert_true(n_refused > 20);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    assert_int_equal(tm__sink_spool_read(PATH, &hash, &back, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "gone or damaged"));
    tm__buf_done(&bytes);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were),
        cmocka_unit_test(they_are_sealed_in_a_home_that_is),
        cmocka_unit_test(damaged_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
