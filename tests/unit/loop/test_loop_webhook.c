/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "canned_server.h"
#include "loop/webhook.h"
#include "temp_home.h"

static json_t *receiver_of(const tm_home *home, uint32_t port) {
    char hook[64];
    (void)snprintf(hook, sizeof(hook), "http://127.0.0.1:%u/hook", port);
    return json_pack("{s:s, s:s, s:s, s:s}", "name", "ops", "webhook", hook, "secret_file",
                     "hook.secret", "dir", tm__home_path(home));
}

static void the_signature_is_of_the_time_and_the_body(void **state) {
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    canned_server *const server = canned_server_open(answers, 1);
    json_t *const receiver = receiver_of(*state, canned_server_port(server));
    char *const path = tm__fs_join(tm__home_path(*state), "hook.secret");
    char text[CANNED_REQUEST], hex[TM_HASH_TEXT];
    tm_hash want;
    assert_int_equal(tm__webhook_send(receiver, TM_STR("{}"), NULL),
                     TM_E_NOT_FOUND); /* no secret */
    assert_int_equal(tm__fs_publish(path, " \n", 2, NULL), TM_OK);
    assert_int_equal(tm__webhook_send(receiver, TM_STR("{}"), NULL), TM_E_DATA); /* an empty one */
    assert_int_equal(tm__fs_publish(path, "so secret\n", 10, NULL), TM_OK);
    assert_int_equal(tm__webhook_send(receiver, TM_STR("{\"a\":1}"), NULL), TM_OK);
    const char *const request = canned_server_request(server, 0);
    const char *const time = strstr(request, "X-Tidemill-Timestamp: ") + 22;
    const int n = snprintf(text, sizeof(text), "%.*s.{\"a\":1}", (int)strcspn(time, "\r"), time);
    tm__hmac_sha256("so secret", 9, text, (size_t)n, &want);
    tm__hash_to_text(&want, hex);
    assert_non_null(strstr(request, hex));
    assert_null(strstr(request, "so secret"));
    json_decref(receiver);
    tm__mem_free(path);
    canned_server_close(server);
}

static void paths_begin_in_the_folder_of_the_project(void **state) {
    (void)state;
    json_t *const receiver =
        json_pack("{s:s, s:s, s:s}", "secret_file", "a.secret", "ca_file", "/b.pem", "dir", "/p");
    char *const relative = tm__receiver_path(receiver, "secret_file");
    char *const absolute = tm__receiver_path(receiver, "ca_file");
    assert_string_equal(relative, "/p/a.secret");
    assert_string_equal(absolute, "/b.pem");
    assert_null(tm__receiver_path(receiver, "none"));
    tm__mem_free(relative);
    tm__mem_free(absolute);
    json_decref(receiver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_signature_is_of_the_time_and_the_body,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(paths_begin_in_the_folder_of_the_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
