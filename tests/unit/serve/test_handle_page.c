/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve/handle.h"
#include "serve_case.h"
#include "temp_home.h"

static void the_page_is_everybodys_and_its_files_are_this_releases(void **state) {
    serve_case c;
    tm_key key;
    char path[128];
    serve_case_open(&c, *state, NULL);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &key); /* closed by it: the page needs none */
    assert_int_equal(serve_case_call(&c, "/", NULL, NULL), 200);
    const char *const script = strstr(c.body, "/assets/app.");
    assert_non_null(script);
    (void)tm__str_copy(path, sizeof path, (tm_str){script, strcspn(script, "\"")});
    assert_int_equal(serve_case_call(&c, path, NULL, NULL), 200);
    path[14] ^= 1; /* another release's */
    assert_int_equal(serve_case_call(&c, path, NULL, NULL), 404);
    assert_int_equal(serve_case_call(&c, "/assets/..%2f..%2fetc%2fpasswd", NULL, NULL), 401);
    serve_case_close(&c);
}

/* Asks for the page with what a browser sends. */
static void ask(tm_exchange *x, tm_http *http, const char *encodings, const char *etag) {
    memset(x, 0, sizeof *x);
    memset(http, 0, sizeof *http);
    x->http = http;
    http->fields[TM_HTTP_ACCEPT_ENCODING] = tm__str(encodings);
    http->fields[TM_HTTP_IF_NONE_MATCH] = tm__str(etag);
    tm__buf_init(&x->reply, 1u << 20);
    tm__handle_page(x);
}

static void it_is_packed_for_who_takes_that_and_sent_once(void **state) {
    (void)state;
    static const struct {
        const char *encodings;
        bool is_packed;
    } cases[] = {{"", false},           {"gzip", true},      {"br, GZIP;q=0.5", true},
                 {"gzip;q=0", false},   {"identity", false}, {"gzip;q=0.000", false},
                 {"deflate, br", false}};
    tm_exchange x;
    tm_http http;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(&x, &http, cases[i].encodings, "");
        assert_int_equal(x.status, 200);
        assert_int_equal(strstr(x.head_own, "Content-Encoding: gzip") != NULL, cases[i].is_packed);
        assert_int_equal(x.reply.data[0] == 0x1F, cases[i].is_packed);
        assert_non_null(strstr(x.head_static, "script-src 'self';"));
        tm__buf_done(&x.reply);
    }
    char etag[64] = "W/";
    (void)tm__str_copy(etag + 2, 32, (tm_str){strchr(x.head_own, '"'), 18});
    ask(&x, &http, "gzip", etag);
    assert_int_equal(x.status, 304);
    assert_int_equal(x.reply.len, 0);
    tm__buf_done(&x.reply);
    ask(&x, &http, "gzip", "\"other\", \"another\"");
    assert_int_equal(x.status, 200);
    tm__buf_done(&x.reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_page_is_everybodys_and_its_files_are_this_releases,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(it_is_packed_for_who_takes_that_and_sent_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
