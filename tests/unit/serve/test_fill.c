/* SPDX-License-Identifier: Apache-2.0 */
/* A server whose rows leave out a feature over earlier rows; what they get is compared with tables
 * end to end, in tests/e2e/test_online.py. */
#include "serve/fill.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/upkeep.h"
#include "online_case.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* In a process of its own, as the daemon does it: LMDB opens a file once a process. */
static void keep(const tm_home *home) {
    const pid_t child = fork();
    if (child == 0) {
        tm_ctx ctx = {0};
        json_t *result = NULL;
        const tm_upkeep_options options = {0};
        _exit(tm__upkeep_run(&ctx, home, &options, &result, NULL) == TM_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void open_case(serve_case *c, tm_home *home) {
    const tm_serve_limits limits = {0};
    online_case_source(home);
    (void)online_case_version(home, 0.4, NULL);
    online_case_push(home, 0, 500, 5);
    keep(home);
    serve_case_open(c, home, &limits);
    for (int i = 0; i < TEST_LOOKS; i++) { /* until the watch has found the store */
        if (serve_case_call(c, "/v1/routes/tiny/predict",
                            "{\"rows\":[{\"c\":\"A0\",\"day\":\"2023-11-20\",\"tail\":1}]}",
                            NULL) == 200) {
            return;
        }
        usleep(20000);
    }
    fail_msg("%s", c->body);
}

static void rows_are_filled_and_refused(void **state) {
    static const struct {
        const char *body;
        uint32_t status;
        const char *has, *lacks;
    } cases[] = {
        {"{\"rows\":[{\"c\":\"A0\",\"day\":\"2023-11-20\",\"tail\":1}]}", 200,
         "\"age_seconds\":", "absent"},
        {"{\"rows\": [ {\"c\":\"A\\u0030\",\"day\":null,\"tail\":1}]}", 200,
         "\"age_seconds\":", "absent"},
        {"{\"rows\":[{\"c\":\"no\",\"day\":\"2023-11-20\",\"tail\":1}]}", 200,
         "\"age_seconds\":null,\"lag_seconds\":", "stale"},
        {"{\"rows\":[{\"c\":null,\"day\":\"2023-11-20\"}]}", 200, "\"absent\":true", "stale"},
        {"{\"rows\":[{\"c\":\"A0\",\"day\":\"2023-11-20\",\"x\":1.5}]}", 200, "prediction",
         "online"},
        {"{\"rows\":[{\"c\":\"A0\",\"day\":\"2023-11-20\",\"x\":null}]}", 200, "prediction",
         "online"},
        {"{\"rows\":[{\"c\":\"A0\",\"day\":\"2001-11-20\"}]}", 400,
         "rows[0]: its time lies further back", "A0"},
        {"{\"rows\":[{\"c\":\"A0\",\"day\":\"2023-11-20\",\"other\":1}]}", 400, "other", NULL},
    };
    serve_case c;
    open_case(&c, *state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t status = serve_case_call(&c, "/v1/routes/tiny/predict", cases[i].body, NULL);
        char *const id = strstr(c.body, "request:"); /* random: it may hold A0 */
        if (id != NULL) {
            memset(id, '-', strcspn(id, "\""));
        }
        if (status != cases[i].status || strstr(c.body, cases[i].has) == NULL ||
            (cases[i].lacks != NULL && strstr(c.body, cases[i].lacks) != NULL)) {
            fail_msg("%s: %u %s", cases[i].body, status, c.body);
        }
    }
    serve_case_close(&c);
}

static json_t *info_of(const char *source) {
    tm_window_set *const set = online_case_set();
    json_t *const info = json_pack("{s:{s:{s:s}}, s:o}", "recipe", "source", "source", source,
                                   "windows", tm__window_set_to_json(set));
    tm__window_set_free(set);
    return info;
}

static void what_is_declared_anew_is_told_apart(void **state) {
    static const tm_tiny_bundle plain = {.auc = 0.5};
    tm_window_set *const set = online_case_set();
    json_t *const windows = tm__window_set_to_json(set);
    const tm_tiny_bundle wide = {
        .auc = 0.5, .windows = windows, .recipe = "{\"source\":{\"source\":\"flights\"}}"};
    const tm_tiny_bundle alone = {.auc = 0.5, .windows = windows};
    tm_bundle *const bundles[] = {tm__tiny_bundle_create(*state, &plain),
                                  tm__tiny_bundle_create(*state, &alone),
                                  tm__tiny_bundle_create(*state, &wide)};
    tm_fill *fill = NULL;
    uint32_t n = 0;
    assert_int_equal(tm__fill_create(bundles[0], NULL, 2, &fill, NULL), TM_OK);
    assert_null(fill);
    assert_int_equal(tm__fill_create(bundles[1], NULL, 2, &fill, NULL), TM_OK);
    assert_null(fill); /* of no source of the home */
    assert_int_equal(tm__fill_create(bundles[2], NULL, 2, &fill, NULL), TM_OK);
    const char *const *const names = tm__fill_names(fill, &n);
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "day");
    json_t *const info = info_of("flights"), *const other = info_of("others");
    json_t *const recipe = json_loads("{\"online\":{\"max_lag_us\":5}}", 0, NULL);
    assert_true(tm__fill_is_like(fill, info, NULL));
    assert_false(tm__fill_is_like(fill, other, NULL));
    assert_false(tm__fill_is_like(fill, info, recipe));
    json_decref(info);
    json_decref(other);
    json_decref(recipe);
    tm__fill_free(fill);
    tm__fill_free(NULL);
    for (int i = 0; i < 3; i++) {
        tm__bundle_unref(bundles[i]);
    }
    json_decref(windows);
    tm__window_set_free(set);
}

static void memory_that_fails_leaves_nothing(void **state) {
    tm_window_set *const set = online_case_set();
    json_t *const windows = tm__window_set_to_json(set);
    const tm_tiny_bundle wide = {
        .auc = 0.5, .windows = windows, .recipe = "{\"source\":{\"source\":\"flights\"}}"};
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &wide);
    tm_fill *fill = NULL;
    const uint64_t alive = tm__mem_alive();
    for (uint64_t nth = 1; fill == NULL; nth++) {
        tm__mem_fail_at(nth, true);
        const tm_status st = tm__fill_create(bundle, NULL, 2, &fill, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && fill == NULL));
        assert_true(fill != NULL || tm__mem_alive() == alive);
    }
    tm__fill_free(fill);
    tm__bundle_unref(bundle);
    json_decref(windows);
    tm__window_set_free(set);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_are_filled_and_refused),
        TEST(what_is_declared_anew_is_told_apart),
        TEST(memory_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
