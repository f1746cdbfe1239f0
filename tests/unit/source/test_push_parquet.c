/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "source/push_file.h"
#include "store/duck.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

#define MADE "push-parquet-a.parquet"
#define PLAIN "push-parquet-b"

static void make(const char *select) {
    char sql[1024];
    tm_duck *duck = NULL;
    const tm_duck_options options = {.n_threads = 1};
    (void)snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT parquet)", select, MADE);
    assert_int_equal(tm__duck_open(&options, &duck, NULL), TM_OK);
    assert_int_equal(tm__duck_exec(duck, sql, NULL), TM_OK);
    tm__duck_close(duck);
    tm_buf bytes;
    tm__buf_init(&bytes, 1 << 24);
    assert_int_equal(tm__fs_read_all(MADE, &bytes, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(PLAIN, bytes.data, bytes.len, NULL), TM_OK);
    tm__buf_done(&bytes);
}

static void add_source(const tm_home *home, const char *name) {
    const tm_intake_add add = {.name = name, .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

static bool count_entry(void *arg, const char *name) {
    *(uint32_t *)arg += strstr(name, ".parquet") != NULL;
    return true;
}

static tm_status push(const tm_home *home, const tm_push_file *file, tm_push_file_result *out,
                      tm_err *err) {
    tm_ctx *const ctx = test_ctx_make(1);
    uint32_t n = 0;
    const tm_status st = tm__push_file(ctx, home, file, out, err);
    test_ctx_free(ctx);
    if (tm__fs_info(tm__home_temp(home)).kind != TM_PATH_NONE) {
        assert_int_equal(tm__fs_list(tm__home_temp(home), count_entry, &n, NULL), TM_OK);
        assert_int_equal(n, 0);
    }
    return st;
}

static void a_stream_and_another_name_go_through_a_file(void **state) {
    const tm_home *home = *state;
    static const struct {
        const char *path;
        bool is_stream;
    } cases[] = {{MADE, false}, {MADE, true}, {PLAIN, false}, {PLAIN, true}};
    make("SELECT range AS id, 't' || range % 7 AS t FROM range(45000)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[16];
        tm_push_file_result r = {0};
        tm_err err = {0};
        (void)snprintf(name, sizeof(name), "s%zu", i);
        add_source(home, name);
        const tm_push_file file = {.source = name,
                                   .path = cases[i].path,
                                   .shown = "rows",
                                   .is_stream = cases[i].is_stream,
                                   .key = "k"};
        assert_int_equal(push(home, &file, &r, &err), TM_OK);
        assert_int_equal(r.accepted, 45000);
        assert_int_equal(r.n_pieces, 3);
        assert_int_equal(push(home, &file, &r, &err), TM_OK);
        assert_int_equal(r.n_repeats, 3);
    }
    tm_push_file_result r = {0};
    tm_err err = {0};
    const tm_push_file small = {
        .source = "s0", .path = PLAIN, .shown = "rows", .is_stream = true, .spool_bytes_max = 1000};
    assert_int_equal(push(home, &small, &r, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "'rows' has more than 1000 bytes of Parquet");
    assert_int_equal(tm__fs_publish(PLAIN, "PAR1 and so on", 14, NULL), TM_OK);
    const tm_push_file none = {.source = "s0", .path = PLAIN, .shown = "rows", .is_stream = true};
    assert_int_equal(push(home, &none, &r, &err), TM_E_DATA);
    assert_string_equal(err.data_path, "rows");
}

static void values_without_a_place_are_put_aside(void **state) {
    const tm_home *home = *state;
    tm_push_file_result r = {0};
    tm_err err = {0};
    json_t *bad = NULL;
    /* In the second and third piece, and where DuckDB cuts. */
    make("SELECT CASE WHEN range = 20000 THEN (-9223372036854775808)::BIGINT ELSE range END AS id,"
         " CASE WHEN range IN (2048, 41000) THEN repeat('x', 2000000) ELSE 'a' END AS t,"
         " CASE WHEN range = 30000 THEN DATE '290000-01-01' + 2000000::INTEGER * 50"
         " ELSE DATE '2024-01-01' END AS d FROM range(45000)");
    add_source(home, "s");
    const tm_push_file file = {.source = "s", .path = PLAIN, .shown = "rows", .is_stream = true};
    if (push(home, &file, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(r.accepted, 44996);
    assert_int_equal(r.quarantined, 4);
    assert_int_equal(tm__intake_quarantine(home, "s", &(tm_intake_choice){0}, 9, &bad, NULL),
                     TM_OK);
    const int64_t want[] = {2049, 20001, 30001, 41001};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tm__json_i64(json_array_get(bad, i), "row", 0), want[i]);
    }
    json_decref(bad);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_stream_and_another_name_go_through_a_file),
        TEST(values_without_a_place_are_put_aside),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
