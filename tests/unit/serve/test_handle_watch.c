/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "monitor/traffic_store.h"
#include "serve_case.h"
#include "store/training_file.h"
#include "temp_home.h"

static void add_hour(tm_home *home) {
    tm_traffic_hour hour = {.at_us = 3 * TM_HOUR_US};
    hour.counts[TM_TRAFFIC_ANSWERED] = 7;
    hour.counts[TM_TRAFFIC_LATENCY + 2] = 7;
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(home, true, &store, NULL), TM_OK);
    assert_int_equal(tm__db_begin(tm__drift_store_db(store), NULL), TM_OK);
    assert_int_equal(tm__traffic_store_add_locked(store, "tiny", &hour, NULL), TM_OK);
    assert_int_equal(tm__db_commit(tm__drift_store_db(store), NULL), TM_OK);
    tm__drift_store_close(store);
}

static void what_a_page_watches_is_told_to_who_may_read(void **state) {
    serve_case c;
    tm_key viewer, client;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/events", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "retry: 2000\nevent: "));
    assert_non_null(strstr(c.body, "\ndata: {"));
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/hours", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"hours\":[]"));
    add_hour(*state);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/hours", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"at\":\"1970-01-01T03:00:00Z\",\"answered\":7,"));
    assert_non_null(strstr(c.body, "\"times\":[0,0,7,0,"));
    assert_int_equal(serve_case_call(&c, "/v1/routes/other/hours", NULL, NULL), 404);
    assert_int_equal(serve_case_call(&c, "/v1/sources", NULL, NULL), 200);
    assert_string_equal(c.body, "{\"sources\":[]}");
    assert_int_equal(serve_case_call(&c, "/v1/sources/none/quarantine", NULL, NULL), 404);
    serve_case_key(&c, TM_GUARD_VIEWER, &viewer);
    serve_case_key_seen(&c, TM_GUARD_CLIENT, &client);
    static const char *const paths[] = {"/v1/events", "/v1/routes/tiny/hours", "/v1/sources"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(serve_case_call(&c, paths[i], NULL, NULL), 401);
        assert_int_equal(serve_case_call(&c, paths[i], NULL, client.text), 403);
        assert_int_equal(serve_case_call(&c, paths[i], NULL, viewer.text), 200);
    }
    serve_case_close(&c);
}

static void say_training(const tm_home *home, const char *name, const char *model) {
    char text[160];
    char *const path = tm__fs_join(tm__home_jobs(home), name);
    const int len =
        snprintf(text, sizeof text, "{\"schema\":\"%s\",\"model\":\"%s\",\"at_us\":%lld}",
                 TM_TRAINING_SCHEMA, model, (long long)tm__now_us());
    assert_int_equal(tm__fs_replace(path, text, (size_t)len, NULL), TM_OK);
    tm__mem_free(path);
}

static void trainings_are_told_to_who_may_see_all_models(void **state) {
    serve_case c;
    tm_key all, some;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/events", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "event: training\ndata: []"));
    say_training(*state, "training.1.json", "secret");
    tm__key_create(&some);
    const tm_actor actor = {.name = "test"};
    const tm_key_terms terms = {.role = TM_GUARD_VIEWER, .models = "tiny"};
    assert_int_equal(tm__registry_key_add(c.registry, &some, &terms, &actor, NULL), TM_OK);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &all);
    assert_int_equal(serve_case_call(&c, "/v1/events", NULL, all.text), 200);
    assert_non_null(strstr(c.body, "\"model\":\"secret\""));
    assert_int_equal(serve_case_call(&c, "/v1/events", NULL, some.text), 403);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_page_watches_is_told_to_who_may_read,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(trainings_are_told_to_who_may_see_all_models,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
