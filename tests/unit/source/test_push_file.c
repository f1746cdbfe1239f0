/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/push_file.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

#define PATH "push-file-a"
#define N_ROWS 200

static void add_source(const tm_home *home, const char *name, const char *key) {
    const tm_intake_add add = {
        .name = name, .feed = "push", .keys = &key, .n_keys = key == NULL ? 0 : 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

static int64_t shown(const tm_home *home, const char *source, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, source, &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, name, -1);
    json_decref(json);
    return n;
}

static void write_text(const char *text) {
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
}

/* Stops a push when it reports the piece of this number. */
typedef struct stopper {
    volatile _Atomic bool cancel;
    uint32_t n, at; /* at 0: never */
} stopper;

static void count(void *arg, const char *stage, uint64_t done, uint64_t total, const char *note) {
    stopper *const s = arg;
    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    s->cancel = ++s->n == s->at;
}

static tm_status push(const tm_home *home, const tm_push_file *file, uint32_t stop_at,
                      tm_push_file_result *out, tm_err *err) {
    tm_ctx *const ctx = test_ctx_make(1);
    stopper s = {.at = stop_at};
    tm_push_file one = *file;
    ctx->cancel = &s.cancel;
    ctx->progress = count;
    ctx->progress_arg = &s;
    one.path = one.path == NULL ? PATH : one.path;
    one.shown = "rows";
    const tm_status st = tm__push_file(ctx, home, &one, out, err);
    test_ctx_free(ctx);
    return st;
}

static void what_it_is_follows_from_its_first_bytes(void **state) {
    const tm_home *home = *state;
    static const struct {
        const char *text;
        uint64_t accepted, bad;
    } cases[] = {
        {"id,x\n1,2\n2,3\n", 2, 0},
        {"\xEF\xBB\xBFid;x\n1;2\n", 1, 0},
        {"id,x\n1,2\n2", 1, 1},
        {"id,x\n1,2\n2,3", 2, 0},
        {"id,x\n", 0, 0},
        {"id,x\n1,\"a\nb\"\n2,\"never closed\n3,c\n", 2, 1},
        {"{\"id\": 1}\n{\"id\": 2}\n{\"id\"", 2, 1},
        {" \n [{\"id\": 1}, {\"id\": \"no\", \"y\": 1}]", 2, 0},
        {"{\"rows\": [{\"id\": 1}]}", 1, 0},
        {"{ \"rows\" : \n[\n]\n}", 0, 0},
        {"{\"rows\": 7}\n{\"id\": 1}\n", 2, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[16];
        tm_push_file_result r = {0};
        (void)snprintf(name, sizeof(name), "s%zu", i);
        add_source(home, name, NULL);
        write_text(cases[i].text);
        for (int is_stream = 0; is_stream < 2; is_stream++) {
            const tm_push_file file = {.source = name, .is_stream = is_stream == 1};
            tm_err err = {0};
            if (push(home, &file, 0, &r, &err) != TM_OK || r.accepted != cases[i].accepted ||
                r.quarantined != cases[i].bad) {
                fail_msg("%s: %s, %d accepted", cases[i].text, err.message, (int)r.accepted);
            }
        }
    }
}

static void what_is_no_rows_is_refused(void **state) {
    const tm_home *home = *state;
    static const struct {
        const char *text, *message;
        bool is_stream;
        tm_status want;
    } cases[] = {
        {"", "there are no rows", true, TM_E_DATA},
        {" \n\t", "there are no rows", false, TM_E_DATA},
        {"1,2\n3,4\n", "the first line names no column of the source", false, TM_E_DATA},
        {"a,b\nx,y\n", "the first line names no column of the source", true, TM_E_DATA},
        {"[{\"id\": 1},", "not JSON: ", false, TM_E_DATA},
        {"{\n\"id\": 1}", "the body has no rows, or more than rows", false, TM_E_DATA},
        {"\xff\xfe"
         "a",
         "the file is UTF-16 text, not CSV", false, TM_E_DATA},
    };
    add_source(home, "s", NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_push_file_result r = {0};
        tm_err err = {0};
        write_text("id,x\n1,a\n");
        if (i == 0) {
            assert_int_equal(push(home, &(tm_push_file){.source = "s"}, 0, &r, &err), TM_OK);
        }
        write_text(cases[i].text);
        const tm_push_file file = {.source = "s", .is_stream = cases[i].is_stream};
        if (push(home, &file, 0, &r, &err) != cases[i].want ||
            strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("%s: '%s'", cases[i].text, err.message);
        }
        assert_string_equal(err.data_path, "rows");
        assert_int_equal(r.n_pieces, 0);
    }
    assert_int_equal(shown(home, "s", "rows"), 1);
    tm_err first = {0};
    tm_push_file_result none = {0};
    add_source(home, "new", NULL);
    write_text("1,a\n2,a\n3,b\n4,a\n");
    assert_int_equal(push(home, &(tm_push_file){.source = "new"}, 0, &none, &first), TM_E_DATA);
    assert_string_equal(first.message, "the first line is not one of names");
    char key[TM_PUSH_FILE_KEY_MAX + 2];
    tm_push_file_result r = {0};
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(push(home, &(tm_push_file){.source = "s", .key = key}, 0, &r, NULL),
                     TM_E_USAGE);
    assert_int_equal(push(home, &(tm_push_file){.source = "s", .key = ""}, 0, &r, NULL),
                     TM_E_USAGE);
    assert_int_equal(push(home, &(tm_push_file){.source = "none"}, 0, &r, NULL), TM_E_NOT_FOUND);
}

static void write_rows(uint32_t n, uint32_t bad) {
    char text[8192];
    size_t len = (size_t)snprintf(text, sizeof(text), "id,x\n");
    for (uint32_t i = 0; i < n; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, i == bad ? "%u\n" : "%u,\"a\nb\"\n",
                                i);
    }
    write_text(text);
}

static void the_same_again_takes_what_is_missing_wherever_it_stopped(void **state) {
    const tm_home *home = *state;
    bool is_done = false;
    write_rows(N_ROWS, 150);
    for (uint32_t stop_at = 1; !is_done; stop_at++) {
        char name[16];
        tm_push_file_result r = {0};
        tm_err err = {0};
        (void)snprintf(name, sizeof(name), "s%u", stop_at);
        add_source(home, name, NULL);
        tm_push_file file = {.source = name, .key = "day 1", .piece_bytes = 200};
        const tm_status st = push(home, &file, stop_at, &r, &err);
        is_done = st == TM_OK;
        assert_true(is_done || st == TM_E_CANCELLED);
        assert_int_equal(shown(home, name, "rows"), r.accepted);
        assert_true(r.n_lines <= 2 * N_ROWS);
        const uint64_t n_before = r.n_pieces;
        file.is_stream = true; /* however it comes */
        assert_int_equal(push(home, &file, 0, &r, &err), TM_OK);
        assert_int_equal(r.accepted, N_ROWS - 1);
        assert_int_equal(r.quarantined, 1);
        assert_int_equal(r.n_repeats, n_before);
        assert_true(r.n_pieces > 5);
        assert_int_equal(r.n_lines, 2 * N_ROWS);
        assert_int_equal(shown(home, name, "rows"), N_ROWS - 1);
        assert_int_equal(shown(home, name, "quarantined"), 1);
        assert_true(is_done || stop_at < 100);
    }
    tm_push_file_result r = {0};
    tm_err err = {0};
    write_rows(N_ROWS, 0);
    const tm_push_file other = {.source = "s1", .key = "day 1", .piece_bytes = 200};
    assert_int_equal(push(home, &other, 0, &r, &err), TM_E_CONFLICT);
    assert_int_equal(shown(home, "s1", "rows"), N_ROWS - 1);
}

static void a_bad_row_is_told_by_its_line(void **state) {
    const tm_home *home = *state;
    tm_push_file_result r = {0};
    json_t *bad = NULL;
    const tm_intake_choice all = {0};
    add_source(home, "s", NULL);
    write_rows(N_ROWS, 150);
    const tm_push_file file = {.source = "s", .piece_bytes = 200};
    assert_int_equal(push(home, &file, 0, &r, NULL), TM_OK);
    assert_int_equal(tm__intake_quarantine(home, "s", &all, 9, &bad, NULL), TM_OK);
    assert_int_equal(json_array_size(bad), 1);
    assert_int_equal(tm__json_i64(json_array_get(bad, 0), "row", 0), 302); /* two lines a row */
    json_decref(bad);
}

static void another_process_that_takes_pushes_is_left_alone(void **state) {
    const tm_home *home = *state;
    tm_push_file_result r = {0};
    tm_err err = {0};
    char path[512];
    tm_file *lock = NULL;
    add_source(home, "s", NULL);
    write_text("id,x\n1,2\n");
    (void)snprintf(path, sizeof(path), "%s/intake.lock", tm__home_path(home));
    assert_int_equal(tm__lock_open(path, &lock, NULL), TM_OK);
    const tm_push_file file = {.source = "s"};
    assert_int_equal(push(home, &file, 0, &r, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.hint, "POST /v1/sources/s/rows"));
    /* To a server it is only a matter of time. */
    char body[] = "{\"id\":1}";
    tm_push_result pushed = {0};
    tm_intake *intake = tm__intake_create(home);
    const tm_push one = {
        .source = "s", .form = TM_PUSH_LINES, .data = body, .len = sizeof(body) - 1};
    assert_int_equal(tm__intake_push_wait(intake, &one, &pushed, &err), TM_E_UNAVAILABLE);
    tm__file_close(lock);
    assert_int_equal(tm__intake_push_wait(intake, &one, &pushed, &err), TM_OK);
    assert_int_equal(push(home, &file, 0, &r, &err), TM_E_CONFLICT);
    tm__intake_close(intake);
    assert_int_equal(push(home, &file, 0, &r, &err), TM_OK);
    assert_int_equal(shown(home, "s", "rows"), 2);
}

static void running_out_of_memory_loses_and_repeats_nothing(void **state) {
    const tm_home *home = *state;
    tm_ctx *const ctx = test_ctx_make(1);
    const tm_push_file file = {
        .source = "s", .path = PATH, .shown = "rows", .key = "k", .piece_bytes = 32};
    tm_status st = TM_E_NOMEM;
    add_source(home, "s", "id");
    write_rows(6, 3);
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_push_file_result r = {0};
        tm__mem_fail_at(nth, nth % 2 == 0); /* once, or from there on */
        st = tm__push_file(ctx, home, &file, &r, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || r.accepted <= 5);
    }
    test_ctx_free(ctx);
    assert_int_equal(shown(home, "s", "rows"), 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_it_is_follows_from_its_first_bytes),
        TEST(what_is_no_rows_is_refused),
        TEST(the_same_again_takes_what_is_missing_wherever_it_stopped),
        TEST(a_bad_row_is_told_by_its_line),
        TEST(another_process_that_takes_pushes_is_left_alone),
        TEST(running_out_of_memory_loses_and_repeats_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
