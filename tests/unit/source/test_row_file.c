/* SPDX-License-Identifier: Apache-2.0 */
#include "source/row_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "store/vault.h"
#include "support.h"
#include "test.h"

#define HOME "made"
#define PATH HOME "/for/it.rows"
#define BAD HOME "/bad/it.rows"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* 0: the home of the files has no key; 1: it has. */
static void seal(int is_sealed) {
    char id[TM_ENVELOPE_ID_TEXT];
    tm_home *home = NULL;
    assert_int_equal(tm__home_open(HOME, true, &home, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
    if (is_sealed) {
        assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
        assert_int_equal(tm__vault_use(home, "env:TM_TEST_KEY", id, NULL), TM_OK);
    }
    tm__home_close(home);
}

/* Two values of the last two rows. */
static void add_bad(tm_bad_values *bad, uint32_t n_rows) {
    const tm_bad_value first = {
        .row = n_rows - 2, .col = 1, .kind = TM_BAD_ENCODING, .value = TM_STR("caf\xe9")};
    const tm_bad_value second = {
        .row = n_rows - 1, .col = 2, .kind = TM_BAD_NUMBER, .value = TM_STR("1e400")};
    assert_true(tm__bad_values_add(bad, &first));
    assert_true(tm__bad_values_add(bad, &second));
}

static void check_bad(const tm_bad_values *bad, uint32_t n_rows) {
    assert_int_equal(bad->n, 2);
    const tm_bad_value first = tm__bad_values_get(bad, 0), second = tm__bad_values_get(bad, 1);
    assert_int_equal(first.row, n_rows - 2);
    assert_int_equal(first.col, 1);
    assert_int_equal(first.kind, TM_BAD_ENCODING);
    assert_true(tm__str_is(first.value, "caf\xe9"));
    assert_int_equal(second.row, n_rows - 1);
    assert_true(tm__str_is(second.value, "1e400"));
}

static tm_table *make_rows(int64_t from, uint32_t n) {
    tm_table *table = NULL;
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "n", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "w", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "f", TM_TYPE_FLOAT, NULL), TM_OK);
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        const int len = snprintf(text, sizeof(text), "w%u", i % 3);
        const tm_cell cells[] = {
            {.type = TM_TYPE_INT, .i64 = from + i},
            {.type = i % 4 == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = {text, (size_t)len}},
            {.type = i % 5 == 0 ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = i / 8.0}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void write_three(void) {
    tm_row_writer *writer = NULL;
    assert_int_equal(tm__row_writer_open(PATH, &writer, NULL), TM_OK);
    assert_int_equal(tm__row_writer_seal(writer, NULL), TM_OK);
    for (int64_t block = 0; block < 3; block++) {
        tm_table *const rows = make_rows(block * 1000, 7 + (uint32_t)block);
        tm_bad_values bad = {0};
        add_bad(&bad, 7 + (uint32_t)block);
        assert_int_equal(tm__row_writer_put(writer, rows, block == 1 ? NULL : &bad, NULL), TM_OK);
        tm__bad_values_done(&bad);
        tm__table_unref(rows);
    }
    assert_int_equal(tm__row_writer_close(writer, TM_OK, NULL), TM_OK);
}

static void check_blocks(void) {
    uint64_t at[4] = {0};
    write_three();
    write_three(); /* a newer one takes its place */
    for (uint32_t from = 0; from < 3; from++) {
        tm_row_reader *reader = NULL;
        assert_int_equal(tm__row_reader_open(PATH, at[from], &reader, NULL), TM_OK);
        for (uint32_t block = from; block < 3; block++) {
            tm_table *rows = NULL, *const want = make_rows(block * 1000, 7 + block);
            tm_bad_values bad = {0};
            tm_hash a, b;
            assert_int_equal(tm__row_reader_next(reader, &rows, &bad, NULL), TM_OK);
            tm__table_hash(rows, &a);
            tm__table_hash(want, &b);
            assert_true(tm__hash_eq(&a, &b));
            at[block + 1] = tm__row_reader_at(reader);
            assert_int_equal(tm__row_reader_is_end(reader), block == 2);
            if (block == 1) {
                assert_int_equal(bad.n, 0);
            } else {
                check_bad(&bad, 7 + block);
            }
            tm__bad_values_done(&bad);
            tm__table_unref(rows);
            tm__table_unref(want);
        }
        tm_table *rows = NULL;
        tm_bad_values bad = {0};
        assert_int_equal(tm__row_reader_next(reader, &rows, &bad, NULL), TM_OK);
        assert_null(rows);
        tm__row_reader_close(reader);
    }
}

static void blocks_come_back_from_any_of_them_on(void **state) {
    (void)state;
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        tm_buf whole;
        char by[TM_ENVELOPE_ID_TEXT];
        seal(is_sealed);
        check_blocks();
        tm__buf_init(&whole, 100000);
        assert_int_equal(tm__fs_read_all(PATH, &whole, NULL), TM_OK);
        assert_int_equal(memmem(whole.data, whole.len, "caf\xe9", 4) == NULL, is_sealed);
        assert_int_equal(tm__row_file_sealed_by(PATH, by), is_sealed);
        tm__buf_done(&whole);
    }
}

static void a_failure_leaves_nothing(void **state) {
    (void)state;
    tm_row_writer *writer = NULL;
    assert_int_equal(tm__row_writer_open("failed.rows", &writer, NULL), TM_OK);
    assert_int_equal(tm__fs_info("failed.rows").kind, TM_PATH_NONE); /* there when it is whole */
    assert_int_equal(tm__row_writer_close(writer, TM_E_CANCELLED, NULL), TM_E_CANCELLED);
    assert_int_equal(tm__fs_info("failed.rows").kind, TM_PATH_NONE);
    assert_int_equal(tm__fs_info("failed.rows.part").kind, TM_PATH_NONE);
    assert_int_equal(tm__row_writer_close(NULL, TM_E_DATA, NULL), TM_E_DATA);
}

static tm_status read_all(const char *path, uint64_t at) {
    tm_row_reader *reader = NULL;
    tm_status st = tm__row_reader_open(path, at, &reader, NULL);
    for (bool more = true; st == TM_OK && more;) {
        tm_table *rows = NULL;
        tm_bad_values bad = {0};
        st = tm__row_reader_next(reader, &rows, &bad, NULL);
        more = rows != NULL;
        tm__bad_values_done(&bad);
        tm__table_unref(rows);
    }
    tm__row_reader_close(reader);
    return st;
}

/* A changed id of a key is that of another one. */
static void check_bytes(void) {
    tm_buf whole;
    write_three();
    tm__buf_init(&whole, 100000);
    assert_int_equal(tm__fs_read_all(PATH, &whole, NULL), TM_OK);
    assert_int_equal(read_all(PATH, whole.len - 8), TM_OK);
    assert_int_equal(read_all(PATH, whole.len - 7), TM_E_INTEGRITY);
    for (size_t i = 0; i < whole.len; i++) {
        if (i >= 8 && (i - 8) % 7 != 0) {
            continue; /* one in seven is enough */
        }
        whole.data[i] ^= 0x11;
        assert_int_equal(tm__fs_publish(BAD, whole.data, whole.len, NULL), TM_OK);
        const tm_status st = read_all(BAD, 0);
        assert_true(st == TM_E_INTEGRITY || (st == TM_E_NOT_ALLOWED && i >= 16 && i < 24));
        whole.data[i] ^= 0x11;
        assert_int_equal(tm__fs_publish(BAD, whole.data, i + 1, NULL), TM_OK);
        assert_int_equal(read_all(BAD, 0), i + 1 < whole.len ? TM_E_INTEGRITY : TM_OK);
    }
    tm__buf_done(&whole);
}

static void every_changed_or_missing_byte_is_seen(void **state) {
    (void)state;
    assert_int_equal(tm__fs_mkdir(HOME "/bad", NULL), TM_OK);
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        seal(is_sealed);
        check_bytes();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_from_any_of_them_on),
        cmocka_unit_test(a_failure_leaves_nothing),
        cmocka_unit_test(every_changed_or_missing_byte_is_seen),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
