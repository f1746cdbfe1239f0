/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "canned_server.h"
#include "loop/alerts.h"
#include "registry/hooks.h"
#include "serve_case.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static void declare(serve_case *c, uint32_t port, const char *dir) {
    char hook[64];
    (void)snprintf(hook, sizeof(hook), "http://127.0.0.1:%u/moves", port);
    json_t *const recipe = json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "webhooks", "name", "ops",
                                     "webhook", hook, "secret_file", "hook.secret", "dir", dir);
    assert_int_equal(tm__registry_set_recipe(c->registry, "tiny", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
}

static void deliver(const tm_home *home, int64_t n_sent, int64_t n_failed) {
    json_t *result = NULL;
    tm_err err = {0};
    if (tm__hooks_deliver(home, NULL, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__json_i64(result, "sent", -1), n_sent);
    assert_int_equal(tm__json_i64(result, "failed", -1), n_failed);
    json_decref(result);
}

static void moves_are_told_in_their_order(void **state) {
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"};
    serve_case c;
    serve_case_open(&c, *state, NULL);
    canned_server *const server = canned_server_open(answers, 3);
    char *const path = tm__fs_join(tm__home_path(*state), "hook.secret");
    deliver(*state, 0, 0);
    declare(&c, canned_server_port(server), tm__home_path(*state));
    deliver(*state, 0, 1); /* there is no secret yet: it comes again later */
    deliver(*state, 0, 0);
    assert_int_equal(tm__fs_publish(path, "so secret\n", 10, NULL), TM_OK);
    json_t *list = NULL;
    assert_int_equal(tm__hooks_list(c.registry, "tiny", &list, NULL), TM_OK);
    const int64_t behind = tm__json_i64(json_array_get(list, 0), "behind", 0);
    assert_int_equal(behind, 1);
    json_decref(list);
    /* what was declared anew is owed what comes from then on */
    json_t *const none = json_object();
    assert_int_equal(tm__registry_set_recipe(c.registry, "tiny", none, &actor, NULL), TM_OK);
    json_decref(none);
    declare(&c, canned_server_port(server), tm__home_path(*state));
    assert_int_equal(tm__registry_note(c.registry, "tiny", "noted", 1, &actor, NULL, NULL), TM_OK);
    assert_int_equal(tm__registry_note(c.registry, "tiny", "promoted", 1, &actor, NULL, NULL),
                     TM_OK);
    deliver(*state, 2, 1);
    assert_non_null(strstr(canned_server_request(server, 0), "\"event\":\"recipe.set\""));
    assert_non_null(strstr(canned_server_request(server, 0), "X-Tidemill-Signature: v1="));
    assert_non_null(strstr(canned_server_request(server, 1), "\"event\":\"noted\""));
    assert_non_null(strstr(canned_server_request(server, 2), "\"event\":\"promoted\""));
    tm__mem_free(path);
    canned_server_close(server);
    serve_case_close(&c);
}

/* Two receivers: each is told by its name or mark, and one that fails holds back no other. */
static void each_receiver_is_told_alone(void **state) {
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\n\r\n",
                                          "HTTP/1.1 204 No Content\r\n\r\n"};
    serve_case c;
    char mark[TM_RECEIVER_MARK], hook[64];
    json_t *result = NULL, *list = NULL;
    serve_case_open(&c, *state, NULL);
    canned_server *const server = canned_server_open(answers, 2);
    char *const path = tm__fs_join(tm__home_path(*state), "hook.secret");
    assert_int_equal(tm__fs_publish(path, "so secret\n", 10, NULL), TM_OK);
    (void)snprintf(hook, sizeof(hook), "http://127.0.0.1:%u/moves", canned_server_port(server));
    json_t *const recipe = json_pack("{s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}]}", "webhooks", "name",
                                     "gone", "webhook", "http://127.0.0.1:9/", "secret_file", path,
                                     "name", "ops", "webhook", hook, "secret_file", path);
    assert_int_equal(tm__registry_set_recipe(c.registry, "tiny", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
    tm__receiver_mark("tiny", "ops", mark);
    assert_true(tm__receiver_is_of_moves(mark) && tm__receiver_is_of_moves("moves"));
    assert_false(tm__receiver_is_of_moves("moves-ops") || tm__receiver_is_of_moves("ops"));
    assert_int_equal(tm__hooks_deliver(*state, mark, &result, NULL), TM_OK);
    assert_int_equal(tm__json_i64(result, "sent", -1), 1);
    assert_int_equal(tm__json_i64(result, "failed", -1), 0);
    json_decref(result);
    assert_int_equal(tm__hooks_deliver(*state, "gone", &result, NULL), TM_OK);
    assert_int_equal(tm__json_i64(result, "failed", -1), 1);
    json_decref(result);
    assert_int_equal(tm__hooks_list(c.registry, "tiny", &list, NULL), TM_OK);
    const json_t *const gone = json_array_get(list, 0);
    assert_int_equal(tm__json_i64(gone, "behind", 0), 1);
    assert_int_equal(tm__json_i64(gone, "tries", 0), 1);
    assert_true(json_is_string(json_object_get(gone, "next")));
    assert_int_equal(tm__json_i64(json_array_get(list, 1), "behind", -1), 0);
    json_decref(list);
    tm__mem_free(path);
    canned_server_close(server);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves_are_told_in_their_order, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(each_receiver_is_told_alone, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
