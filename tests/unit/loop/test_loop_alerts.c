/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "canned_server.h"
#include "loop/alerts.h"
#include "monitor/alert.h"
#include "serve_case.h"
#include "temp_home.h"

static void declare(serve_case *c, uint32_t port, const char *dir) {
    char hook[64], manager[64];
    (void)snprintf(hook, sizeof(hook), "http://127.0.0.1:%u/hook", port);
    (void)snprintf(manager, sizeof(manager), "http://127.0.0.1:%u/", port);
    json_t *const recipe =
        json_pack("{s:{s:[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s}]}}", "monitor", "receivers", "name",
                  "ops", "webhook", hook, "secret_file", "hook.secret", "dir", dir, "name", "am",
                  "alertmanager", manager, "dir", dir);
    const tm_actor actor = {.name = "test"};
    assert_int_equal(tm__registry_set_recipe(c->registry, "tiny", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
}

static void raise_one(tm_home *home) {
    static const char *const receivers[] = {"ops", "am", "gone"};
    const tm_alert_raise raise = {.model = "tiny",
                                  .version = 1,
                                  .kind = "drift",
                                  .subject = "x",
                                  .since_us = 1,
                                  .at_us = tm__now_us(),
                                  .summary = "'x' moved",
                                  .receivers = receivers,
                                  .n_receivers = 3};
    tm_drift_store *store = NULL;
    bool told = false;
    assert_int_equal(tm__drift_store_open(home, true, &store, NULL), TM_OK);
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    assert_true(told);
    tm__drift_store_close(store);
}

/* The text behind a header's name, up to the end of its line. */
static tm_str header(const char *request, const char *name) {
    const char *const at = strstr(request, name);
    assert_non_null(at);
    const char *const begin = at + strlen(name);
    return (tm_str){begin, strcspn(begin, "\r")};
}

static void receivers_get_what_was_raised_signed(void **state) {
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    serve_case c;
    serve_case_open(&c, *state, NULL);
    canned_server *const server = canned_server_open(answers, 2);
    const char *const dir = tm__home_path(*state);
    char *const path = tm__fs_join(dir, "hook.secret");
    assert_int_equal(tm__fs_publish(path, "so secret\n", 10, NULL), TM_OK);
    declare(&c, canned_server_port(server), dir);
    raise_one(*state);
    json_t *result = NULL;
    assert_int_equal(tm__alerts_deliver(*state, NULL, &result, NULL), TM_OK);
    assert_int_equal(tm__json_i64(result, "sent", 0), 2);
    assert_int_equal(tm__json_i64(result, "failed", 0), 1); /* who is no longer declared */
    json_decref(result);

    const char *const hook = canned_server_request(server, 0);
    const char *const body = strstr(hook, "\r\n\r\n") + 4;
    const tm_str time = header(hook, "X-Tidemill-Timestamp: ");
    const tm_str signature = header(hook, "X-Tidemill-Signature: v1=");
    char text[CANNED_REQUEST], hex[TM_HASH_TEXT];
    tm_hash want;
    const int n = snprintf(text, sizeof(text), "%.*s.%s", (int)time.len, time.ptr, body);
    tm__hmac_sha256("so secret", 9, text, (size_t)n, &want);
    tm__hash_to_text(&want, hex);
    assert_true(tm__str_is(signature, hex));
    assert_non_null(strstr(body, "\"event\":\"opened\""));
    const char *const manager = canned_server_request(server, 1);
    assert_true(strncmp(manager, "POST /api/v2/alerts ", 20) == 0);
    assert_non_null(strstr(manager, "\"alertname\":\"TidemillAlert\""));

    assert_int_equal(tm__alerts_deliver(*state, NULL, &result, NULL), TM_OK); /* each once */
    assert_int_equal(tm__json_i64(result, "sent", 9), 0);
    json_decref(result);
    tm__mem_free(path);
    canned_server_close(server);
    serve_case_close(&c);
}

/* RFC 4231, test case 2. */
static void signatures_are_those_of_others(void **state) {
    (void)state;
    static const char data[] = "what do ya want for nothing?";
    char hex[TM_HASH_TEXT];
    tm_hash hash;
    tm__hmac_sha256("Jefe", 4, data, sizeof(data) - 1, &hash);
    tm__hash_to_text(&hash, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(receivers_get_what_was_raised_signed, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test(signatures_are_those_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
