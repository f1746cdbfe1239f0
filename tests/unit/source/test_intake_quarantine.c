/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static tm_push_result push(tm_intake *intake, const char *text, const char *key) {
    char body[512];
    tm_push_result r = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s",
                         .form = TM_PUSH_CSV,
                         .data = body,
                         .len = strlen(body),
                         .key = key == NULL ? (tm_str){0} : tm__str(key)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
    return r;
}

static void add(const tm_home *home, json_t *spec) {
    const tm_intake_add one = {.name = "s", .feed = "push", .spec = spec};
    assert_int_equal(tm__intake_add(home, &one, NULL), TM_OK);
    json_decref(spec);
}

static json_t *counts(const tm_home *home, const char *reason) {
    const tm_intake_choice choice = {.reason = reason};
    json_t *out = NULL;
    assert_int_equal(tm__intake_quarantine_groups(home, "s", &choice, &out, NULL), TM_OK);
    return out;
}

static void rows_are_counted_by_reason_origin_and_column(void **state) {
    const tm_home *home = *state;
    add(home, json_object());
    tm_intake *intake = tm__intake_create(home);
    (void)push(intake, "id,x\n1,1\n", NULL);
    (void)push(intake, "id,x\n2,two\n3,3,3\n4,four\n5,five\n6,six\n", "a");
    (void)push(intake, "id,x\n7,seven\n", "b");
    tm__intake_close(intake);
    json_t *all = counts(home, NULL);
    const json_t *groups = json_object_get(all, "groups");
    assert_int_equal(tm__json_i64(all, "quarantined", 0), 6);
    assert_int_equal(tm__json_i64(all, "chosen", 0), 6);
    assert_int_equal(json_array_size(groups), 3);
    const json_t *most = json_array_get(groups, 0);
    assert_int_equal(tm__json_i64(most, "count", 0), 4);
    assert_string_equal(tm__json_text(most, "reason", ""), "wrong_type");
    assert_string_equal(tm__json_text(most, "column", ""), "x");
    assert_string_equal(tm__json_text(most, "origin", ""), "a");
    assert_int_equal(json_array_size(json_object_get(most, "examples")), 3);
    const json_t *example = json_array_get(json_object_get(most, "examples"), 1);
    assert_int_equal(tm__json_i64(example, "row", 0), 3);
    assert_null(json_object_get(example, "bytes"));
    json_decref(all);
    json_t *some = counts(home, "malformed");
    assert_int_equal(tm__json_i64(some, "chosen", 0), 1);
    assert_int_equal(tm__json_i64(some, "quarantined", 0), 6);
    json_decref(some);
}

static void what_has_no_room_is_dropped_and_counted(void **state) {
    const tm_home *home = *state;
    tm_intake_replayed done = {0};
    add(home, json_pack("{s:i}", "quarantine_rows", 2));
    tm_intake *intake = tm__intake_create(home);
    (void)push(intake, "id,x\n1,1\n", NULL);
    tm_push_result r = push(intake, "id,x\n2,two\n3,three\n4,four\n5,5\n", "k");
    assert_true(r.accepted == 1 && r.quarantined == 2 && r.dropped == 1);
    r = push(intake, "id,x\n2,two\n3,three\n4,four\n5,5\n", "k"); /* the same answer again */
    assert_true(r.is_repeat && r.quarantined == 2 && r.dropped == 1);
    r = push(intake, "id,x\n6,six\n", NULL);
    assert_true(r.quarantined == 0 && r.dropped == 1);
    tm__intake_close(intake);
    json_t *all = counts(home, NULL);
    assert_int_equal(tm__json_i64(all, "quarantined", 0), 2);
    assert_int_equal(tm__json_i64(all, "dropped", 0), 2);
    assert_int_equal(tm__json_i64(all, "rows_max", 0), 2);
    assert_true(tm__json_i64(all, "bytes", 0) > 0);
    json_decref(all);
    const tm_intake_replay drop = {.drop = true}; /* room again */
    assert_int_equal(tm__intake_replay(home, "s", &drop, &done, NULL), TM_OK);
    all = counts(home, NULL);
    assert_int_equal(tm__json_i64(all, "quarantined", 1), 0);
    assert_int_equal(tm__json_i64(all, "bytes", 1), 0);
    json_decref(all);
}

static void bytes_are_bounded_too(void **state) {
    const tm_home *home = *state;
    add(home, json_pack("{s:i}", "quarantine_bytes", 24));
    tm_intake *intake = tm__intake_create(home);
    (void)push(intake, "id,x\n1,1\n", NULL);
    /* With its names "2,two" takes 9 bytes, the long one 33, "4,f" 7. */
    const tm_push_result r =
        push(intake, "id,x\n2,two\n3,a text that is really longer\n4,f\n", NULL);
    assert_true(r.quarantined == 2 && r.dropped == 1);
    tm__intake_close(intake);
    json_t *all = counts(home, NULL);
    assert_int_equal(tm__json_i64(all, "bytes", 0), 16);
    json_decref(all);
}

static void rows_are_written_to_be_mended(void **state) {
    const tm_home *home = *state;
    char path[512];
    tm_buf text;
    uint64_t n = 0;
    char lines[] = "{\"id\": 3, \"x\": \"ti\\\"n\"}\n{\"id\":\n\xff\xfe{}\n";
    tm_push_result r = {0};
    add(home, json_object());
    tm_intake *intake = tm__intake_create(home);
    (void)push(intake, "id,x\n1,1\n", NULL);
    (void)push(intake, "id,x\n2,two\n", "k");
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = lines, .len = strlen(lines)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
    assert_int_equal(r.quarantined, 3);
    tm__intake_close(intake);
    (void)snprintf(path, sizeof(path), "%s/bad.jsonl", tm__home_path(home));
    const tm_intake_choice all = {0};
    assert_int_equal(tm__intake_quarantine_write(home, "s", &all, path, &n, NULL), TM_OK);
    assert_int_equal(n, 4);
    tm__buf_init(&text, 1 << 16);
    assert_int_equal(tm__fs_read_all(path, &text, NULL), TM_OK);
    assert_true(tm__buf_byte(&text, 0));
    const char *is = (const char *)text.data;
    static const char *const wants[] = {"\"number\": 1, \"reason\": \"wrong_type\"",
                                        "\"column\": \"x\", \"origin\": \"k\"",
                                        "\"names\": \"id,x\", \"text\": \"2,two\"}\n",
                                        "\"value\": {\"id\": 3, \"x\": \"ti\\\"n\"}}\n",
                                        "\"text\": \"{\\\"id\\\":\"}\n",
                                        "\"base64\": \"//57fQ==\"}\n"};
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
        if (strstr(is, wants[i]) == NULL) {
            fail_msg("%s is not in %s", wants[i], is);
        }
    }
    tm__buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_counted_by_reason_origin_and_column,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_has_no_room_is_dropped_and_counted, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(bytes_are_bounded_too, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(rows_are_written_to_be_mended, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
