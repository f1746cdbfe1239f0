/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define PREDICT "/v1/routes/tiny/predict"

static void a_move_is_served_when_its_reply_is_there(void **state) {
    serve_case c;
    tm_key key;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny:promote", "{\"version\":2}", NULL), 403);
    serve_case_key(&c, TM_GUARD_ADMIN, &key);
    for (int i = 0; i < TEST_LOOKS && serve_case_call(&c, "/v1/models", NULL, NULL) != 401; i++) {
        tm__sleep_ms(10);
    }
    assert_int_equal(c.status, 401);
    for (int round = 0; round < 5; round++) {
        assert_int_equal(serve_case_call(&c, "/v1/models/tiny:promote",
                                         "{\"version\":2.0,\"reason\":\"why not\"}", key.text),
                         200);
        assert_string_equal(c.body, "{\"model\":\"tiny\",\"version\":2,\"from\":1}");
        assert_int_equal(serve_case_call(&c, PREDICT, "{\"rows\":[]}", key.text), 200);
        assert_non_null(strstr(c.body, "\"version\":2,"));
        assert_int_equal(serve_case_call(&c, "/v1/models/tiny:rollback", "", key.text), 200);
        assert_string_equal(c.body, "{\"model\":\"tiny\",\"version\":1,\"from\":2}");
        assert_int_equal(serve_case_call(&c, PREDICT, "{\"rows\":[]}", key.text), 200);
        assert_non_null(strstr(c.body, "\"version\":1,"));
    }
    serve_case_close(&c);
}

typedef struct bad_move {
    const char *target, *body;
    uint32_t status;
} bad_move;

static const bad_move bad_moves[] = {
    {"/v1/models/tiny:promote", "{}", 400},
    {"/v1/models/tiny:promote", "7", 400},
    {"/v1/models/tiny:promote", "{\"version\":0}", 400},
    {"/v1/models/tiny:promote", "{\"version\":4294967296}", 400},
    {"/v1/models/tiny:promote", "{\"version\":\"2\"}", 400},
    {"/v1/models/tiny:promote", "{\"version\":2.5}", 400},
    {"/v1/models/tiny:promote", "{\"version\":1e300}", 400},
    {"/v1/models/tiny:promote", "{\"version\":2,\"force\":1}", 400},
    {"/v1/models/tiny:promote", "{\"version\":2,\"reason\":7}", 400},
    {"/v1/models/tiny:promote", "{\"version\":2,\"what\":7}", 400},
    {"/v1/models/tiny:promote", "{\"version\":1}", 409},
    {"/v1/models/tiny:promote", "{\"version\":9}", 404},
    {"/v1/models/nobody:promote", "{\"version\":1}", 404},
    {"/v1/models/tiny:rollback", "{\"what\":1}", 400},
    {"/v1/models/tiny:rollback", "{}", 409},
    {"/v1/models/nobody:rollback", "{}", 404},
};

static void bad_moves_move_nothing(void **state) {
    serve_case c;
    tm_key key;
    serve_case_open(&c, *state, NULL);
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    assert_true(serve_case_wait_version(&c, 1, key.text));
    for (size_t i = 0; i < sizeof bad_moves / sizeof bad_moves[0]; i++) {
        const uint32_t status =
            serve_case_call(&c, bad_moves[i].target, bad_moves[i].body, key.text);
        if (status != bad_moves[i].status) {
            print_error("%s %s: %u %s\n", bad_moves[i].target, bad_moves[i].body, status, c.body);
        }
        assert_int_equal(status, bad_moves[i].status);
    }
    assert_true(serve_case_wait_version(&c, 1, key.text));
    serve_case_close(&c);
}

static void a_label_joins_once(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(
        serve_case_call(&c, PREDICT, "{\"rows\":[{\"x\":1,\"c\":\"red\",\"day\":null}]}", NULL),
        200);
    char id[27] = "";
    (void)snprintf(id, sizeof id, "%.26s", strstr(c.body, "\"id\":\"") + 6);
    char body[256];
    (void)snprintf(body, sizeof body, "{\"labels\":[{\"prediction_id\":\"%s\",\"label\":\"yes\"}]}",
                   id);
    assert_int_equal(serve_case_call(&c, "/v1/labels", body, NULL), 200);
    for (int i = 0; i < TEST_LOOKS && strstr(c.body, "\"results\":[\"waiting\"]") != NULL; i++) {
        tm__sleep_ms(10);
        assert_int_equal(serve_case_call(&c, "/v1/labels", body, NULL), 200);
    }
    assert_int_equal(serve_case_call(&c, "/v1/labels", body, NULL), 200);
    assert_non_null(strstr(c.body, "\"results\":[\"duplicate\"]"));
    (void)snprintf(body, sizeof body, "{\"labels\":[{\"prediction_id\":\"%s\",\"label\":\"no\"}]}",
                   id);
    assert_int_equal(serve_case_call(&c, "/v1/labels", body, NULL), 200);
    assert_non_null(strstr(c.body, "\"conflict\":1"));
    static const struct {
        const char *time;
        uint32_t status;
    } times[] = {{"0", 200},
                 {"1e15", 200},
                 {"2.5", 400},
                 {"-9223372036854775808", 400}, /* what stands for no time */
                 {"1e300", 400},
                 {"\"soon\"", 400},
                 {"\"2001-01-01\"", 200}};
    static const char *const wrong[] = {"\"entity\":{}", "\"entity\":true", "\"model\":7",
                                        "\"prediction_id\":null"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char label[256];
        (void)snprintf(label, sizeof label, "{\"labels\":[{%s%s,\"label\":\"yes\"}]}",
                       i < 3 ? "\"prediction_id\":\"a\"," : "", wrong[i]);
        assert_int_equal(serve_case_call(&c, "/v1/labels", label, NULL), 400);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char timed[256];
        (void)snprintf(timed, sizeof timed,
                       "{\"labels\":[{\"prediction_id\":\"none\",\"label\":\"yes\",\"time\":%s}]}",
                       times[i].time);
        if (serve_case_call(&c, "/v1/labels", timed, NULL) != times[i].status) {
            fail_msg("%s: %s", timed, c.body);
        }
    }
    serve_case_close(&c);
}

static const char *const bad_labels[] = {
    "",
    "[]",
    "{}",
    "{\"labels\":7}",
    "{\"labels\":[7]}",
    "{\"labels\":[{}]}",
    "{\"labels\":[{\"label\":1}]}",
    "{\"labels\":[{\"prediction_id\":\"a\"}]}",
    "{\"labels\":[{\"prediction_id\":\"a\",\"label\":[]}]}",
    "{\"labels\":[{\"prediction_id\":\"a\",\"label\":1,\"what\":1}]}",
    "{\"labels\":[{\"prediction_id\":\"a\",\"label\":1,\"observed_at\":\"soon\"}]}",
    "{\"labels\":[{\"model\":\"tiny\",\"label\":1}]}",
    "{\"labels\":[{\"model\":\"tiny\",\"entity\":1,\"time\":\"noon\",\"label\":1}]}",
};

static void bad_labels_are_named(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    for (size_t i = 0; i < sizeof bad_labels / sizeof bad_labels[0]; i++) {
        assert_int_equal(serve_case_call(&c, "/v1/labels", bad_labels[i], NULL), 400);
    }
    assert_int_equal(serve_case_call(&c, "/v1/labels",
                                     "{\"labels\":[{\"prediction_id\":\"a\",\"label\":1},{}]}",
                                     NULL),
                     400);
    assert_non_null(strstr(c.body, "labels[1] needs a label"));
    serve_case_close(&c);
}

static void models_and_their_history_can_be_read(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/models", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"tiny\""));
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny?newest=0", NULL, NULL), 400);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny?newest=1", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"n_versions\":2,\"n_found\":2,\"versions\":[{\"version\":2,"));
    assert_null(strstr(c.body, "{\"version\":1,\"bundle_hash\""));
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny", NULL, NULL), 200);
    json_t *v = json_loads(c.body, 0, NULL);
    assert_int_equal(tm__json_i64(v, "champion", 0), 1);
    assert_int_equal(tm__json_i64(json_object_get(v, "live"), "labelled", -1), 0);
    assert_int_equal(json_array_size(json_object_get(v, "versions")), 2);
    json_decref(v);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny/history", NULL, NULL), 200);
    v = json_loads(c.body, 0, NULL);
    assert_true(json_array_size(json_object_get(v, "history")) >= 2);
    json_decref(v);
    assert_int_equal(serve_case_call(&c, "/v1/models/nobody", NULL, NULL), 404);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny@1", NULL, NULL), 404);
    assert_int_equal(serve_case_call(&c, "/v1/models/nobody/history", NULL, NULL), 404);
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_move_is_served_when_its_reply_is_there),
        IN_HOME(bad_moves_move_nothing),
        IN_HOME(a_label_joins_once),
        IN_HOME(bad_labels_are_named),
        IN_HOME(models_and_their_history_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
