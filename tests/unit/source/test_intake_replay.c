/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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
    const tm_intake_replay first = {.reason = "new_column"};
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_leave_quarantine_once, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
