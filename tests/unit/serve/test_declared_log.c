/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "log_case.h"
#include "serve/declared_log.h"
#include "serve_case.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};
#define ROWS "{\"rows\":[{\"x\":0.7,\"c\":\"a\"},{\"x\":0.2,\"c\":\"b\"}]}"

static void declare(serve_case *c, const char *policy, double share) {
    json_t *recipe = json_pack("{s:{s:s, s:f}}", "log", "policy", policy, "share", share);
    assert_int_equal(tm__registry_set_recipe(c->registry, "tiny", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
}

static unsigned ask(serve_case *c) {
    return serve_case_call(c, "/v1/routes/tiny/predict", ROWS, NULL);
}

/* What the server says of the model's log; the caller's. */
static json_t *log_of(serve_case *c) {
    json_t *body = NULL;
    assert_int_equal(serve_case_call(c, "/v1/status", NULL, NULL), 200);
    assert_int_equal(tm__json_parse(c->body, strlen(c->body), 99, &body, NULL), TM_OK);
    json_t *log = json_incref(json_object_get(body, "log"));
    json_decref(body);
    return log;
}

static void wait_for_policy(serve_case *c, const char *policy) {
    for (int i = 0; i < 1000; i++) {
        json_t *log = log_of(c);
        const json_t *entry = json_array_get(json_object_get(log, "models"), 0);
        const bool is_it = strcmp(tm__json_text(entry, "policy", ""), policy) == 0;
        json_decref(log);
        if (is_it) {
            return;
        }
        tm__sleep_ms(10);
    }
    fail_msg("the server does not log by '%s'", policy);
}

/* A running server takes over what is declared, for what it answers from then on. */
static void a_declared_policy_holds_without_a_restart(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    wait_for_policy(&c, "drop");
    declare(&c, "sample", 0);
    wait_for_policy(&c, "sample");
    assert_int_equal(ask(&c), 200);
    json_t *log = log_of(&c);
    assert_int_equal(tm__json_i64(log, "accepted", -1), 2);
    assert_int_equal(tm__json_i64(log, "sampled_out", -1), 2);
    json_decref(log);
    declare(&c, "sync", 1);
    wait_for_policy(&c, "sync");
    assert_int_equal(ask(&c), 200);
    log = log_of(&c);
    assert_int_equal(tm__json_i64(log, "written", -1), 2); /* before the reply */
    assert_int_equal(tm__json_i64(log, "queued", -1), 0);
    json_decref(log);
    serve_case_close(&c);
}

static void an_answer_that_cannot_be_logged_is_not_given(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    declare(&c, "sync", 1);
    wait_for_policy(&c, "sync");
    log_case_bad_disk("log.db-wal", 5);
    assert_int_equal(ask(&c), 503);
    log_case_bad_disk(NULL, 0);
    assert_non_null(strstr(c.body, "not-logged"));
    json_t *log = log_of(&c);
    assert_int_equal(tm__json_i64(log, "accepted", -1), 0);
    json_decref(log);
    serve_case_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_declared_policy_holds_without_a_restart),
        TEST(an_answer_that_cannot_be_logged_is_not_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
