/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "canned_server.h"
#include "store/post.h"

static void a_body_and_its_headers_arrive(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"};
    canned_server *const server = canned_server_open(answers, 3);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", canned_server_port(server));
    const tm_post post = {.url = url,
                          .body = tm__str("{\"a\":1}"),
                          .headers = {"Content-Type: application/json", "X-Two: 2"},
                          .timeout_ms = 60000};
    tm_err err = {0};
    if (tm__post_send(&post, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const char *const request = canned_server_request(server, 0);
    assert_true(strncmp(request, "POST /hook HTTP/1.1\r\n", 21) == 0);
    assert_non_null(strstr(request, "X-Two: 2\r\n"));
    assert_non_null(strstr(request, "\r\n\r\n{\"a\":1}"));
    assert_int_equal(tm__post_send(&post, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.message, "the receiver answered 302");
    assert_int_equal(tm__post_send(&post, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.message, "the receiver answered 500");
    canned_server_close(server);
}

static void nobody_there_and_no_address_are_told(void **state) {
    (void)state;
    tm_err err = {0};
    const tm_post nobody = {.url = "http://127.0.0.1:1/", .body = tm__str(""), .timeout_ms = 60000};
    assert_int_equal(tm__post_send(&nobody, &err), TM_E_UNAVAILABLE);
    const tm_post file = {.url = "file:///etc/passwd", .body = tm__str(""), .timeout_ms = 60000};
    assert_int_equal(tm__post_send(&file, &err), TM_E_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_and_its_headers_arrive),
        cmocka_unit_test(nobody_there_and_no_address_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
