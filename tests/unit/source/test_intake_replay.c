/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static void push(tm_intake *intake, const char *text, tm_push_form form, uint64_t n_good,
                 uint64_t n_bad) {
    char body[256];
    tm_push_result r = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s", .form = form, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
    assert_int_equal(r.accepted, n_good);
    assert_int_equal(r.quarantined, n_bad);
}

static int64_t shown(const tm_home *home, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, name, -1);
    json_decref(json);
    return n;
}

static void rows_leave_quarantine_once(void **state) {
    const tm_home *home = *state;
    const char *const keys[] = {"id"};
    json_t *spec = json_pack("{s:{s:s, s:s}}", "policy", "new_column", "quarantine", "wider_type",
                             "quarantine");
    const tm_intake_add add = {
        .name = "s", .feed = "push", .keys = keys, .n_keys = 1, .spec = spec};
    tm_intake_replayed done = {0};
    tm_err err = {0};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "{\"id\":1,\"x\":1}\n", TM_PUSH_LINES, 1, 0);
    push(intake, "id,x,more\n2,2,3\n", TM_PUSH_CSV, 0, 1);
    push(intake, "{\"id\":3,\"x\":0.5}\n{\"id\":1,\"x\":7.5}\n{\"id\":", TM_PUSH_LINES, 0, 3);
    const tm_intake_replay all = {0};
    assert_int_equal(tm__intake_replay(home, "s", &all, &done, &err), TM_E_CONFLICT);
    assert_true(err.hint[0] != '\0');
    tm__intake_close(intake);
    assert_int_equal(tm__intake_replay(home, "s", &all, &done, NULL), TM_OK);
    assert_true(done.accepted == 0 && done.bad == 4);
    json_t *other =
        json_pack("{s:{s:s, s:s}}", "policy", "new_column", "adapt", "wider_type", "adapt");
    assert_int_equal(tm__intake_set(home, "s", other, NULL), TM_OK);
    const tm_intake_replay first = {.choice.reason = "new_column"};
    assert_int_equal(tm__intake_replay(home, "s", &first, &done, NULL), TM_OK);
    assert_true(done.accepted == 1 && done.bad == 0);
    assert_int_equal(tm__intake_replay(home, "s", &all, &done, NULL), TM_OK);
    assert_true(done.accepted == 1 && done.duplicates == 1 && done.bad == 1);
    assert_int_equal(tm__intake_replay(home, "s", &all, &done, NULL), TM_OK);
    assert_true(done.accepted == 0 && done.duplicates == 0 && done.bad == 1);
    assert_int_equal(shown(home, "rows"), 3);
    assert_int_equal(shown(home, "quarantined"), 1);
    const tm_intake_replay drop = {.drop = true};
    assert_int_equal(tm__intake_replay(home, "s", &drop, &done, NULL), TM_OK);
    assert_int_equal(done.dropped, 1);
    assert_int_equal(shown(home, "quarantined"), 0);
    assert_int_equal(tm__intake_replay(home, "t", &drop, &done, NULL), TM_E_NOT_FOUND);
    json_decref(other);
    json_decref(spec);
}

/* ---- Mended rows ---- */

static void write_file(const tm_home *home, const char *text, char out[512]) {
    (void)snprintf(out, 512, "%s/fixed.jsonl", tm__home_path(home));
    assert_int_equal(tm__fs_publish(out, text, strlen(text), NULL), TM_OK);
}

static void mended_rows_take_the_place_of_theirs(void **state) {
    const tm_home *home = *state;
    const char *const keys[] = {"id"};
    const tm_intake_add add = {.name = "s", .feed = "push", .keys = keys, .n_keys = 1};
    char path[512];
    tm_intake_replayed done = {0};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "{\"id\":1,\"x\":1}\n", TM_PUSH_LINES, 1, 0);
    push(intake, "id,x\n2,two\n3,3,3\n", TM_PUSH_CSV, 0, 2);
    push(intake, "{\"id\":4,\"x\":\"a\"}\n{\"id\":null}\n", TM_PUSH_LINES, 0, 2);
    tm__intake_close(intake);
    write_file(home,
               "{\"number\": 1, \"text\": \"2,2\"}\n\n"
               "{\"number\": 2, \"text\": \"3,3\\n9,9\"}\n"
               "{\"number\": 3, \"value\": {\"id\": 4, \"x\": \"b\"}}\n"
               "{\"number\": 4, \"value\": {\"id\": 1, \"x\": 5}}\n"
               "{\"number\": 77, \"value\": {\"id\": 77}}",
               path);
    const tm_intake_replay fixed = {.file = path};
    assert_int_equal(tm__intake_replay(home, "s", &fixed, &done, NULL), TM_OK);
    assert_true(done.accepted == 1 && done.duplicates == 1 && done.bad == 2 && done.gone == 1);
    assert_int_equal(json_array_size(done.left), 2);
    const json_t *left = json_array_get(done.left, 0);
    assert_int_equal(tm__json_i64(left, "line", 0), 3);
    assert_string_equal(tm__json_text(left, "detail", ""), "there are several rows");
    left = json_array_get(done.left, 1);
    assert_int_equal(tm__json_i64(left, "line", 0), 4);
    assert_string_equal(tm__json_text(left, "column", ""), "x");
    json_decref(done.left);
    /* Again: nothing comes in twice, and what stayed is as it came. */
    assert_int_equal(tm__intake_replay(home, "s", &fixed, &done, NULL), TM_OK);
    assert_true(done.accepted == 0 && done.duplicates == 0 && done.bad == 2 && done.gone == 3);
    json_decref(done.left);
    assert_int_equal(shown(home, "rows"), 2);
    assert_int_equal(shown(home, "quarantined"), 2);
    json_t *list = NULL;
    assert_int_equal(tm__intake_quarantine(home, "s", &(tm_intake_choice){0}, 9, &list, NULL),
                     TM_OK);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "bytes", ""), "3,3,3");
    assert_string_equal(tm__json_text(json_array_get(list, 0), "reason", ""), "malformed");
    json_decref(list);
}

static void a_line_that_is_none_stops_it_before_anything_is_done(void **state) {
    const tm_home *home = *state;
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"{\"number\": 1, ", "the line is not JSON: "},
        {"[1]", "no \"number\""},
        {"{\"text\": \"2,2\"}", "no \"number\""},
        {"{\"number\": 0, \"text\": \"2,2\"}", "no \"number\""},
        {"{\"number\": 1}", "neither"},
        {"{\"number\": 1, \"value\": 7}", "neither"},
        {"{\"number\": 1, \"source\": \"t\", \"text\": \"2,2\"}", "of source 't'"},
    };
    const tm_intake_add add = {.name = "s", .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "id,x\n1,1\n", TM_PUSH_CSV, 1, 0);
    push(intake, "id,x\n2,two\n", TM_PUSH_CSV, 0, 1);
    tm__intake_close(intake);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[512], text[256];
        tm_intake_replayed done = {0};
        tm_err err = {0};
        (void)snprintf(text, sizeof(text), "{\"number\": 1, \"text\": \"2,2\"}\n%s\n",
                       cases[i].line);
        write_file(home, text, path);
        const tm_intake_replay fixed = {.file = path};
        assert_int_equal(tm__intake_replay(home, "s", &fixed, &done, &err), TM_E_DATA);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("%s: %s", cases[i].line, err.message);
        }
        assert_string_equal(err.data_path, path);
        assert_int_equal(err.data_row, 2);
        assert_true(strstr(err.hint, "Nothing was done") != NULL);
        json_decref(done.left);
        assert_int_equal(shown(home, "rows"), 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_leave_quarantine_once, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(mended_rows_take_the_place_of_theirs, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_line_that_is_none_stops_it_before_anything_is_done,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
