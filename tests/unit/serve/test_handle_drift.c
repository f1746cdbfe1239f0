/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "monitor/alert.h"
#include "serve_case.h"
#include "temp_home.h"

static void raise_one(tm_home *home, const char *model) {
    const tm_alert_raise raise = {.model = model,
                                  .version = 1,
                                  .kind = "drift",
                                  .subject = "x",
                                  .since_us = 1,
                                  .at_us = tm__now_us(),
                                  .summary = "'x' moved"};
    tm_drift_store *store = NULL;
    bool told = false;
    assert_int_equal(tm__drift_store_open(home, true, &store, NULL), TM_OK);
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    tm__drift_store_close(store);
}

static void alerts_are_listed_and_moved(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/alerts", NULL, NULL), 200);
    assert_string_equal(c.body, "{\"alerts\":[]}");
    raise_one(*state, "tiny");
    assert_int_equal(serve_case_call(&c, "/v1/alerts?model=tiny", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "'x' moved"));
    assert_int_equal(serve_case_call(&c, "/v1/alerts?model=other", NULL, NULL), 200);
    assert_string_equal(c.body, "{\"alerts\":[]}");
    tm_key key, other;
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &other);
    static const struct {
        const char *body;
        uint32_t status;
    } moves[] = {
        {"{\"id\":1,\"action\":\"silence\"}", 400},
        {"{\"id\":1,\"action\":\"ack\",\"for\":\"2h\"}", 400},
        {"{\"id\":1,\"action\":\"forget\"}", 400},
        {"{\"id\":0,\"action\":\"ack\"}", 400},
        {"[]", 400},
        {"{", 400},
        {"{\"id\":9,\"action\":\"ack\"}", 404},
        {"{\"id\":1,\"action\":\"silence\",\"for\":\"2h\"}", 200},
        {"{\"id\":1,\"action\":\"resolve\"}", 200},
        {"{\"id\":1,\"action\":\"resolve\"}", 409},
    };
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        const uint32_t status = serve_case_call(&c, "/v1/alerts", moves[i].body, key.text);
        if (status != moves[i].status) {
            fail_msg("%s: %u, %s", moves[i].body, status, c.body);
        }
        assert_int_equal(serve_case_call(&c, "/v1/alerts", moves[i].body, other.text), 403);
    }
    assert_int_equal(serve_case_call(&c, "/v1/alerts?all=true", NULL, other.text), 200);
    assert_non_null(strstr(c.body, "\"state\":\"resolved\""));
    serve_case_close(&c);
}

static void drift_names_what_is_served(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/drift", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"model\":\"tiny\""));
    assert_int_equal(serve_case_call(&c, "/v1/drift?model=nobody", NULL, NULL), 404);
    serve_case_close(&c);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(alerts_are_listed_and_moved),
        HOME(drift_names_what_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
