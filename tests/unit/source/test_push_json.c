/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/push_file.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

#define PATH "push-json-a"

static void add_source(const tm_home *home, const char *name) {
    const tm_intake_add add = {.name = name, .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

static tm_status push(const tm_home *home, const char *name, size_t piece_bytes,
                      tm_push_file_result *out, tm_err *err) {
    tm_ctx *const ctx = test_ctx_make(1);
    const tm_push_file file = {
        .source = name, .path = PATH, .shown = "rows", .key = "k", .piece_bytes = piece_bytes};
    const tm_status st = tm__push_file(ctx, home, &file, out, err);
    test_ctx_free(ctx);
    return st;
}

/* Values with all that could be taken for the end of one. */
static void write_array(uint32_t n, const char *behind) {
    static const char *const texts[] = {"plain", "],[", "\\\"},{", "\\\\", "{\\\"a\\\":[1,2]}"};
    char text[32768] = "\xEF\xBB\xBF \n[";
    for (uint32_t i = 0; i < n; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                       "%s{\"id\": %u, \"t\": \"%s\", \"l\": [%u, {\"a\": \"]\"}]}",
                       i == 0 ? "" : " ,\n", i, texts[i % 5], i);
    }
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", behind);
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
}

static void a_long_array_is_the_same_rows_in_pieces(void **state) {
    const tm_home *home = *state;
    static const size_t pieces[] = {0, 1, 7, 64, 100, 1000, 20000};
    tm_table *tables[2] = {0};
    tm_ctx *const ctx = test_ctx_make(1);
    write_array(200, " ]\n");
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char name[16];
        tm_push_file_result r = {0};
        tm_hash a, b;
        (void)snprintf(name, sizeof(name), "s%zu", i);
        add_source(home, name);
        assert_int_equal(push(home, name, pieces[i], &r, NULL), TM_OK);
        assert_int_equal(r.accepted, 200);
        assert_int_equal(r.n_pieces == 1, pieces[i] == 0 || pieces[i] == 20000);
        assert_int_equal(tm__intake_table(ctx, home, name, &tables[i > 0], NULL), TM_OK);
        tm__table_hash(tables[0], &a);
        tm__table_hash(tables[i > 0], &b);
        assert_true(tm__hash_eq(&a, &b));
        tm__table_unref(i > 0 ? tables[1] : NULL);
        /* The same again with the same key changes nothing. */
        const uint64_t n = r.n_pieces;
        assert_int_equal(push(home, name, pieces[i], &r, NULL), TM_OK);
        assert_int_equal(r.n_repeats, n);
    }
    tm__table_unref(tables[0]);
    test_ctx_free(ctx);
}

static void what_is_wrong_behind_pieces_keeps_them(void **state) {
    const tm_home *home = *state;
    static const char *const ends[] = {"", ", ]", "] x", ", {\"id\": }]", "}"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char name[16];
        tm_push_file_result r = {0};
        tm_err err = {0};
        (void)snprintf(name, sizeof(name), "s%zu", i);
        add_source(home, name);
        write_array(50, ends[i]);
        assert_int_equal(push(home, name, 300, &r, &err), TM_E_DATA);
        assert_string_equal(err.data_path, "rows");
        assert_true(r.accepted > 30 && r.accepted < 51);
        assert_int_equal(r.n_lines, r.accepted);
        assert_true(r.is_table);
    }
}

static void a_value_has_a_most(void **state) {
    const tm_home *home = *state;
    const size_t len = (size_t)TM_MAX_BODY_BYTES + (1 << 20);
    char *const text = tm__mem_alloc(len, 1);
    tm_push_file_result r = {0};
    tm_err err = {0};
    add_source(home, "s");
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "[{\"id\":1},{\"id\":2},{\"t\":\"", 26);
    assert_int_equal(tm__fs_publish(PATH, text, len, NULL), TM_OK);
    assert_int_equal(push(home, "s", 0, &r, &err), TM_E_LIMIT);
    assert_non_null(strstr(err.message, "a value of JSON"));
    assert_int_equal(err.data_row, 3);
    assert_int_equal(r.accepted, 2);
    memcpy(text, "{\"rows\": [{\"id\":1}, 1,2,", 24);
    assert_int_equal(tm__fs_publish(PATH, text, len, NULL), TM_OK);
    assert_int_equal(push(home, "s", 0, &r, &err), TM_E_LIMIT);
    assert_non_null(strstr(err.message, "a document of JSON"));
    assert_int_equal(r.accepted, 0);
    tm__mem_free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_long_array_is_the_same_rows_in_pieces),
        TEST(what_is_wrong_behind_pieces_keeps_them),
        TEST(a_value_has_a_most),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
