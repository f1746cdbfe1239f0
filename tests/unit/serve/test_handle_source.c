/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve_case.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

#define ROWS "/v1/sources/orders/rows"

static void add_source(const tm_home *home) {
    static const char *const key[] = {"id"};
    const tm_intake_add add = {.name = "orders", .feed = "push", .keys = key, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

static void open_with_key(serve_case *c, tm_home *home, tm_guard_role role, tm_key *key) {
    add_source(home);
    serve_case_open(c, home, NULL);
    assert_int_equal(serve_case_call(c, ROWS, "[{\"id\":1}]", NULL), 403); /* no key exists yet */
    serve_case_key(c, role, key);
    for (int i = 0; i < TEST_LOOKS && serve_case_call(c, ROWS, "[]", NULL) != 401; i++) {
        tm__sleep_ms(10);
    }
    assert_int_equal(c->status, 401);
}

static void send(serve_case *c, const tm_key *key, const char *more, const char *body) {
    char headers[512];
    snprintf(headers, sizeof(headers), "X-Api-Key: %s\r\n%s", key->text, more);
    (void)serve_case_send(c, ROWS, headers, body, strlen(body));
}

static void rows_are_answered_when_they_are_durable(void **state) {
    serve_case c;
    tm_key key;
    json_t *json = NULL;
    open_with_key(&c, *state, TM_GUARD_CLIENT, &key);
    send(&c, &key, "Content-Type: application/json\r\n", "{\"rows\":[{\"id\":1},{\"id\":1},7]}");
    assert_string_equal(c.body, "{\"accepted\":1,\"duplicates\":1,\"quarantined\":1}");
    send(&c, &key, "Content-Type: application/x-ndjson\r\nIdempotency-Key: a\r\n", "{\"id\":2}\n");
    assert_string_equal(c.body, "{\"accepted\":1,\"duplicates\":0,\"quarantined\":0}");
    send(&c, &key, "Content-Type: application/x-ndjson\r\nIdempotency-Key: a\r\n", "{\"id\":2}\n");
    assert_string_equal(c.body, "{\"accepted\":1,\"duplicates\":0,\"quarantined\":0}");
    send(&c, &key, "Content-Type: application/x-ndjson\r\nIdempotency-Key: a\r\n", "{\"id\":3}\n");
    assert_int_equal(c.status, 409);
    send(&c, &key, "Content-Type: text/csv\r\n", "id,x\n2,1\n3,1\n");
    assert_string_equal(c.body, "{\"accepted\":1,\"duplicates\":1,\"quarantined\":0}");
    assert_int_equal(tm__intake_show(*state, "orders", &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "rows", 0), 3);
    json_decref(json);
    serve_case_close(&c);
}

static void what_cannot_be_taken_says_why(void **state) {
    serve_case c;
    tm_key key;
    open_with_key(&c, *state, TM_GUARD_CLIENT, &key);
    send(&c, &key, "Content-Type: application/json\r\n", "[{\"id\":1},");
    assert_int_equal(c.status, 400);
    assert_non_null(strstr(c.body, "line 1"));
    send(&c, &key, "Content-Type: application/json\r\n", "");
    assert_int_equal(c.status, 400);
    send(&c, &key, "Content-Type: image/png\r\n", "x");
    assert_int_equal(c.status, 415);
    assert_int_equal(serve_case_call(&c, "/v1/sources/nobody/rows", "[]", key.text), 404);
    serve_case_close(&c);
}

static void a_role_that_does_not_bring_data_is_refused(void **state) {
    serve_case c;
    tm_key key;
    open_with_key(&c, *state, TM_GUARD_ANALYST, &key);
    send(&c, &key, "Content-Type: application/json\r\n", "[{\"id\":1}]");
    assert_int_equal(c.status, 403);
    serve_case_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_are_answered_when_they_are_durable),
        TEST(what_cannot_be_taken_says_why),
        TEST(a_role_that_does_not_bring_data_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
