/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/rollout_priv.h"
#include "temp_home.h"

static void write_serving(const tm_home *home, const char *state, int64_t at_us) {
    char text[1024];
    char *path = tm__fs_join(tm__home_path(home), "serving.json");
    const int n = snprintf(
        text, sizeof text,
        "{\"schema\":\"tidemill.serving/"
        "1\",\"server\":{\"state\":\"%s\",\"started\":\"s\",\"at_us\":%lld},\"routes\":[{\"model\":"
        "\"other\",\"arms\":[]},{\"model\":\"late\",\"arms\":["
        "{\"version\":1,\"arm\":\"champion\",\"answered\":90,\"failed\":1},"
        "{\"version\":2,\"arm\":\"challenger\",\"answered\":8,\"failed\":2},"
        "{\"version\":1,\"arm\":\"fallback\",\"answered\":3,\"failed\":0},"
        "{\"version\":2,\"arm\":\"shadow\",\"answered\":70,\"failed\":7},"
        "{\"version\":2,\"arm\":\"named\",\"answered\":50,\"failed\":5}]}]}",
        state, (long long)at_us);
    assert_int_equal(tm__fs_replace(path, text, (size_t)n, NULL), TM_OK);
    tm__mem_free(path);
}

static json_t *counted_in(const tm_home *home, bool in_shadow) {
    const tm_rollout rollout = {.version = 2, .champion = 1, .in_shadow = in_shadow};
    const tm_rollout_figures figures = {.model = "late", .rollout = &rollout};
    json_t *out = NULL;
    assert_int_equal(tm__rollout_counted(home, &figures, &out, NULL), TM_OK);
    return out;
}

static json_t *counted(const tm_home *home) {
    return counted_in(home, false);
}

static void a_shadow_has_its_own_counts(void **state) {
    write_serving(*state, "running", tm__now_us());
    json_t *now = counted_in(*state, true);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(now, "requests"), 0)), 91);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(now, "requests"), 1)), 77);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(now, "failed"), 1)), 7);
    json_decref(now);
}

/* Answers that the champion gave for a version that was not ready are that version's failures. */
static void requests_are_counted_by_arm(void **state) {
    const tm_home *home = *state;
    assert_null(counted(home));
    write_serving(home, "running", tm__now_us());
    json_t *now = counted(home);
    const json_t *requests = json_object_get(now, "requests");
    const json_t *failed = json_object_get(now, "failed");
    assert_int_equal(json_integer_value(json_array_get(requests, 0)), 91);
    assert_int_equal(json_integer_value(json_array_get(failed, 0)), 1);
    assert_int_equal(json_integer_value(json_array_get(requests, 1)), 13);
    assert_int_equal(json_integer_value(json_array_get(failed, 1)), 5);
    json_decref(now);
}

static void an_old_word_is_none(void **state) {
    const tm_home *home = *state;
    write_serving(home, "stopped", tm__now_us());
    assert_null(counted(home));
    write_serving(home, "running", tm__now_us() - 60000000);
    assert_null(counted(home));
    write_serving(home, "running", tm__now_us() + 60000000); /* the clock went back */
    assert_null(counted(home));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(requests_are_counted_by_arm),
                                       TEST(a_shadow_has_its_own_counts),
                                       TEST(an_old_word_is_none)};
    tm__clock_fix(tm__now_us()); /* what was just written is fresh, however long that took */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
