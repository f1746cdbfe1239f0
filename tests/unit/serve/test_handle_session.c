/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "serve/session.h"
#include "serve_case.h"
#include "temp_home.h"

typedef struct page {
    serve_case c;
    char cookie[128], csrf[TM_SESSION_TEXT];
} page;

/* One request as a browser sends it: with its cookie, and with more header lines. */
static uint32_t ask(page *p, const char *method, const char *target, const char *more,
                    const char *body) {
    char text[2048];
    const int len =
        snprintf(text, sizeof text,
                 "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n%s%s%s%s\r\n%s",
                 method, target, strlen(body), p->cookie[0] != '\0' ? "Cookie: " : "", p->cookie,
                 p->cookie[0] != '\0' ? "\r\n" : "", more, body);
    serve_case_raw(&p->c, text, (size_t)len, 60000);
    unsigned status = 0;
    (void)sscanf((const char *)p->c.reply.data, "HTTP/1.1 %u", &status);
    return status;
}

static void take(const page *p, const char *before, char end, char *out, size_t size) {
    const char *const at = strstr((const char *)p->c.reply.data, before);
    assert_non_null(at);
    const char *const from = at + strlen(before);
    (void)tm__str_copy(out, size, (tm_str){from, strcspn(from, (char[2]){end, '\0'})});
}

static void sign_in(page *p, const tm_key *key) {
    char body[128];
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\"}", key->text);
    assert_int_equal(ask(p, "POST", "/v1/session", "Origin: http://localhost\r\n", body), 200);
    const char *const reply = (const char *)p->c.reply.data;
    assert_non_null(strstr(reply, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200\r\n"));
    assert_null(strstr(reply, key->text + 12)); /* the secret is not said again */
    take(p, "Set-Cookie: ", ';', p->cookie, sizeof p->cookie);
    take(p, "\"csrf\":\"", '"', p->csrf, sizeof p->csrf);
}

static void a_key_becomes_a_session_that_may_what_the_key_may(void **state) {
    page p = {0};
    tm_key admin, viewer;
    char csrf[128];
    const char *const promote = "/v1/models/tiny:promote";
    serve_case_open(&p.c, *state, NULL);
    assert_int_equal(ask(&p, "GET", "/v1/session", "", ""), 200);
    assert_non_null(strstr((const char *)p.c.reply.data, "\"needs_login\":false"));
    serve_case_key(&p.c, TM_GUARD_ADMIN, &admin);
    serve_case_key_seen(&p.c, TM_GUARD_VIEWER, &viewer);
    assert_int_equal(ask(&p, "GET", "/v1/session", "", ""), 200);
    assert_non_null(strstr((const char *)p.c.reply.data, "\"needs_login\":true"));
    assert_int_equal(ask(&p, "GET", "/v1/status", "", ""), 401);
    assert_int_equal(ask(&p, "POST", "/v1/session", "", "{\"key\":\"wrong\"}"), 401);
    assert_null(strstr((const char *)p.c.reply.data, "Set-Cookie"));

    sign_in(&p, &viewer);
    (void)snprintf(csrf, sizeof csrf, "X-Csrf-Token: %s\r\n", p.csrf);
    assert_int_equal(ask(&p, "GET", "/v1/status", "", ""), 200);
    assert_int_equal(ask(&p, "POST", promote, csrf, "{\"version\":2}"), 403);
    assert_int_equal(ask(&p, "POST", "/v1/session/end", "", "{}"), 200);
    assert_int_equal(ask(&p, "GET", "/v1/status", "", ""), 401);

    p.cookie[0] = '\0';
    sign_in(&p, &admin);
    (void)snprintf(csrf, sizeof csrf, "X-Csrf-Token: %s\r\n", p.csrf);
    assert_int_equal(ask(&p, "POST", promote, "", "{\"version\":2}"), 403); /* a cookie alone */
    assert_non_null(strstr((const char *)p.c.reply.data, "lacks the token"));
    assert_int_equal(ask(&p, "POST", promote, "X-Csrf-Token: 0\r\n", "{\"version\":2}"), 403);
    assert_int_equal(ask(&p, "POST", promote, "Origin: http://evil.example\r\n", "{}"), 403);
    assert_int_equal(ask(&p, "POST", promote, csrf, "{\"version\":2}"), 200);
    serve_case_close(&p.c);
}

static void a_name_and_a_password_begin_a_session(void **state) {
    page p = {0};
    tm_key person;
    const tm_actor actor = {.name = "cli"};
    const tm_key_terms terms = {.role = TM_GUARD_VIEWER, .name = "anna"};
    tm_key machine;
    serve_case_open(&p.c, *state, NULL);
    assert_int_equal(tm__password_key("_a000000", tm__str("a tide that mills"), &person, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_key_add(p.c.registry, &person, &terms, &actor, NULL), TM_OK);
    serve_case_key_seen(&p.c, TM_GUARD_VIEWER, &machine);
    assert_int_equal(ask(&p, "POST", "/v1/session", "",
                         "{\"name\":\"anna\",\"password\":\"a tide that Mills\"}"),
                     401);
    assert_int_equal(ask(&p, "POST", "/v1/session", "",
                         "{\"name\":\"berta\",\"password\":\"a tide that mills\"}"),
                     401);
    assert_int_equal(ask(&p, "POST", "/v1/session", "", "{\"name\":\"anna\"}"), 400);
    assert_int_equal(ask(&p, "POST", "/v1/session", "",
                         "{\"name\":\"anna\",\"password\":\"a tide that mills\"}"),
                     200);
    take(&p, "Set-Cookie: ", ';', p.cookie, sizeof p.cookie);
    assert_int_equal(ask(&p, "GET", "/v1/status", "", ""), 200);
    assert_int_equal(ask(&p, "GET", "/v1/keys", "", ""), 403);
    serve_case_close(&p.c);
}

static void cookies_are_for_tls_alone_where_there_is_some_and_tries_have_an_end(void **state) {
    page p = {0};
    tm_key key;
    char body[128];
    serve_case_open(&p.c, *state, NULL);
    serve_case_key_seen(&p.c, TM_GUARD_VIEWER, &key);
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\"}", key.text);
    assert_int_equal(ask(&p, "POST", "/v1/session", "Origin: https://localhost\r\n", body), 200);
    assert_non_null(strstr((const char *)p.c.reply.data, "; Secure\r\n"));
    assert_int_equal(ask(&p, "POST", "/v1/session", "Origin: https://evil.example\r\n", body), 403);
    uint32_t status = 0, n = 0;
    for (; status != 429 && n < 2 * TM_SIGN_INS_MAX; n++) {
        status = ask(&p, "POST", "/v1/session", "", "{\"key\":\"wrong\"}");
        assert_true(status == 401 || status == 429);
    }
    assert_int_equal(status, 429);
    assert_int_equal(ask(&p, "POST", "/v1/session", "", body), 429); /* the right one, too */
    assert_non_null(strstr((const char *)p.c.reply.data, "Retry-After: "));
    serve_case_close(&p.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_becomes_a_session_that_may_what_the_key_may,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_name_and_a_password_begin_a_session, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(
            cookies_are_for_tls_alone_where_there_is_some_and_tries_have_an_end, tm__temp_home_open,
            tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
