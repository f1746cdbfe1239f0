/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "serve/session.h"

#define T0 INT64_C(1700000000000000)

/* A Cookie header with the session among others'. */
static tm_str cookie_of(const char *token, char out[160]) {
    (void)snprintf(out, 160, "theme=dark; tidemill_session=%s; x=1", token);
    return tm__str(out);
}

static void a_session_ends_by_idleness_by_age_and_by_wish(void **state) {
    (void)state;
    tm_sessions *const s = tm__sessions_create();
    char token[TM_SESSION_TEXT], text[160], id[9] = "";
    tm__sessions_begin(s, "AbCd1234", T0, token);
    const tm_str cookie = cookie_of(token, text);
    int64_t now = T0;
    for (; now - T0 <= TM_SESSION_LIFE_US; now += TM_SESSION_IDLE_US) {
        assert_true(tm__sessions_find(s, cookie, now, id));
        assert_string_equal(id, "AbCd1234");
    }
    assert_false(tm__sessions_find(s, cookie, now, id)); /* too old, however busy */
    assert_false(tm__sessions_find(s, cookie, T0, id));  /* and gone */
    tm__sessions_begin(s, "AbCd1234", T0, token);
    assert_false(tm__sessions_find(s, cookie_of(token, text), T0 + TM_SESSION_IDLE_US + 1, id));
    tm__sessions_begin(s, "AbCd1234", T0, token);
    assert_true(tm__sessions_find(s, cookie_of(token, text), T0 + 1, id));
    tm__sessions_end(s, cookie);
    assert_false(tm__sessions_find(s, cookie, T0 + 1, id));
    tm__sessions_free(s);
}

static void what_is_no_token_of_a_session_finds_none(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "tidemill_session",
        "tidemill_session=",
        "tidemill_session=0",
        "xtidemill_session=0000000000000000000000000000000000000000000000000000000000000000",
        "tidemill_session=0000000000000000000000000000000000000000000000000000000000000000"};
    tm_sessions *const s = tm__sessions_create();
    char token[TM_SESSION_TEXT], id[9];
    tm__sessions_begin(s, "AbCd1234", T0, token);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(tm__sessions_find(s, tm__str(others[i]), T0, id));
        tm__sessions_end(s, tm__str(others[i]));
    }
    char text[160];
    assert_true(tm__sessions_find(s, cookie_of(token, text), T0, id));
    tm__sessions_free(s);
}

static void the_page_knows_what_others_cannot(void **state) {
    (void)state;
    tm_sessions *const s = tm__sessions_create();
    char a[TM_SESSION_TEXT], b[TM_SESSION_TEXT], csrf[TM_SESSION_TEXT], text[160], other[160];
    tm__sessions_begin(s, "AbCd1234", T0, a);
    tm__sessions_begin(s, "AbCd1234", T0, b);
    tm__session_csrf(cookie_of(a, text), csrf);
    assert_string_not_equal(csrf, a);
    assert_true(tm__session_is_csrf(cookie_of(a, text), tm__str(csrf)));
    assert_false(tm__session_is_csrf(cookie_of(b, other), tm__str(csrf)));
    assert_false(tm__session_is_csrf(cookie_of(a, text), tm__str("")));
    csrf[7] = csrf[7] == '0' ? '1' : '0';
    assert_false(tm__session_is_csrf(cookie_of(a, text), tm__str(csrf)));
    tm__sessions_free(s);
}

static void places_and_tries_have_an_end(void **state) {
    (void)state;
    tm_sessions *const s = tm__sessions_create();
    char first[TM_SESSION_TEXT], token[TM_SESSION_TEXT], text[160], id[9];
    tm__sessions_begin(s, "AbCd1234", T0, first);
    for (uint32_t i = 1; i <= TM_SESSIONS_MAX; i++) {
        tm__sessions_begin(s, "AbCd1234", T0 + i, token);
    }
    assert_false(tm__sessions_find(s, cookie_of(first, text), T0, id)); /* idle for longest */
    assert_true(tm__sessions_find(s, cookie_of(token, text), T0 + TM_SESSIONS_MAX, id));
    const uint64_t now_ns = UINT64_C(1000000000000);
    for (uint32_t i = 0; i < TM_SIGN_INS_MAX; i++) {
        assert_int_equal(tm__sessions_try(s, 7, now_ns), 0);
    }
    assert_in_range(tm__sessions_try(s, 7, now_ns), 1, 60);
    assert_int_equal(tm__sessions_try(s, 8, now_ns), 0); /* another address */
    assert_int_equal(tm__sessions_try(s, 7, now_ns + UINT64_C(60000000000)), 0);
    tm__sessions_free(s);
}

static void passwords_are_tried_sixty_times_a_minute(void **state) {
    (void)state;
    tm_sessions *const sessions = tm__sessions_create();
    uint32_t n = 0;
    assert_non_null(sessions);
    while (tm__sessions_try_password(sessions, UINT64_C(1000000000000)) == 0) {
        n++;
    }
    assert_int_equal(n, TM_PASSWORDS_MAX);
    assert_int_equal(tm__sessions_try_password(sessions, UINT64_C(1000500000000)), 1);
    assert_int_equal(tm__sessions_try_password(sessions, UINT64_C(1002000000000)), 0);
    tm__sessions_free(sessions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_by_idleness_by_age_and_by_wish),
        cmocka_unit_test(what_is_no_token_of_a_session_finds_none),
        cmocka_unit_test(the_page_knows_what_others_cannot),
        cmocka_unit_test(places_and_tries_have_an_end),
        cmocka_unit_test(passwords_are_tried_sixty_times_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
