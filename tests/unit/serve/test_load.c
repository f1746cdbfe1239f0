/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static tm_load_options options_of(const serve_case *c, const tm_buf *body) {
    return (tm_load_options){
        .address = tm__server_address(c->server),
        .path = "/v1/routes/tiny/predict",
        .bodies = body,
        .n_bodies = 1,
        .connections = 4,
        .seconds = 0.3,
    };
}

static void set_body(tm_buf *body, const char *text) {
    tm__buf_init(body, 65536);
    assert_true(tm__buf_text(body, text));
}

#define N_TRIES 12

/* A machine that stands still asks little meanwhile, and does not hear the last answers: such a
 * load is put again, for longer. All answers of all tries, and what was lost of them. */
static void run_whole(tm_load_options *o, tm_load_report *r, uint64_t *out_ok, uint64_t *out_lost) {
    bool is_short = true;
    *out_ok = *out_lost = 0;
    for (int i = 0; i < N_TRIES && is_short; i++) {
        assert_int_equal(tm__load_run(o, r, NULL), TM_OK);
        *out_ok += r->n_ok;
        *out_lost += r->n_lost;
        is_short = r->seconds < 0.8 * o->seconds || r->n_lost > 0 || r->n_ok + r->n_failed <= 4;
        o->seconds *= 1.5;
    }
}

static void a_closed_loop_counts_what_was_answered(void **state) {
    serve_case c;
    tm_buf body;
    tm_load_report r = {0};
    serve_case_open(&c, *state, NULL);
    set_body(&body, "{\"rows\":[]}");
    tm_load_options o = options_of(&c, &body);
    uint64_t n_ok = 0, n_lost = 0;
    run_whole(&o, &r, &n_ok, &n_lost);
    assert_true(r.n_ok > 4);
    assert_int_equal(r.n_refused + r.n_failed + r.n_lost + r.n_unsent, 0);
    assert_true(r.seconds >= 0.24);
    assert_true(0 < r.ok_ms[TM_LOAD_P50] && r.ok_ms[TM_LOAD_P50] <= r.ok_ms[TM_LOAD_P99] &&
                r.ok_ms[TM_LOAD_P99] <= r.ok_ms[TM_LOAD_MAX]);
    /* The server counted the same. */
    static const char counted[] =
        "route=\"/v1/routes/{route}/predict\",method=\"POST\",code=\"200\"} ";
    assert_int_equal(serve_case_call(&c, "/metrics", NULL, NULL), 200);
    const char *const found = strstr(c.body, counted);
    assert_non_null(found);
    assert_in_range(strtoull(found + strlen(counted), NULL, 10), n_ok, n_ok + n_lost);
    o.path = "/v1/routes/nobody/predict";
    o.seconds = 0.3;
    run_whole(&o, &r, &n_ok, &n_lost);
    assert_int_equal(r.n_ok, 0);
    assert_true(r.n_failed > 4);
    char address[128];
    (void)snprintf(address, sizeof address, "%s", o.address);
    serve_case_close(&c);
    o.address = address;
    assert_int_equal(tm__load_run(&o, &r, NULL), TM_E_UNAVAILABLE);
    tm__buf_done(&body);
}

/* Answers are counted by version, and wrong ones are seen: other bits, and other versions. */
static void answers_are_held_to_the_version_that_they_name(void **state) {
    serve_case c;
    tm_buf body;
    double answer = 0;
    serve_case_open(&c, *state, NULL);
    set_body(&body, "{\"rows\":[{\"x\":1,\"c\":\"red\",\"day\":\"2024-01-01\"}]}");
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict", (const char *)body.data, NULL),
                     200);
    const char *found = strstr(c.body, "\"probability\":");
    assert_non_null(found);
    const tm_str rest = tm__str(found + strlen("\"probability\":"));
    assert_true(tm__str_to_f64((tm_str){rest.ptr, strcspn(rest.ptr, "}")}, &answer));
    const double other = answer + 1e-9;
    const struct {
        tm_load_expected expected[2];
        bool right;
    } cases[] = {{{{1, &answer}, {2, &other}}, true},
                 {{{1, &other}, {2, &answer}}, false},
                 {{{3, &answer}, {4, &answer}}, false}};
    for (size_t i = 0; i < 3; i++) {
        tm_load_report r = {0};
        tm_load_options o = options_of(&c, &body);
        o.seconds = 0.1;
        o.expected = cases[i].expected;
        o.n_expected = 2;
        o.n_rows = 1;
        o.member = "probability";
        uint64_t n_ok = 0, n_lost = 0;
        run_whole(&o, &r, &n_ok, &n_lost);
        assert_true(r.n_ok > 0);
        assert_int_equal(r.n_wrong, cases[i].right ? 0 : r.n_ok);
        assert_int_equal(r.n_by_version[0], cases[i].right ? r.n_ok : 0);
        assert_int_equal(r.n_by_version[1], 0);
    }
    serve_case_close(&c);
    tm__buf_done(&body);
}

static void an_open_loop_asks_as_often_as_it_says(void **state) {
    serve_case c;
    tm_buf body;
    tm_load_report r = {0};
    serve_case_open(&c, *state, NULL);
    set_body(&body, "{\"rows\":[]}");
    tm_load_options o = options_of(&c, &body);
    o.rate = 500;
    for (int i = 0; i < N_TRIES && (i == 0 || r.n_lost > 0); i++) {
        assert_int_equal(tm__load_run(&o, &r, NULL), TM_OK);
    }
    assert_int_equal(r.n_ok + r.n_unsent, 150);
    assert_int_equal(r.n_refused + r.n_failed + r.n_lost, 0);
    serve_case_close(&c);
    tm__buf_done(&body);
}

/* Answers nobody: whoever is due later waits, and is counted. */
static void a_server_that_stalls_is_charged_for_all_who_would_have_come(void **state) {
    (void)state;
    char address[128];
    int listener = -1;
    tm_buf body;
    tm_load_report r = {0};
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, address, sizeof address, NULL),
                     TM_OK);
    set_body(&body, "{}");
    const tm_load_options o = {.address = address,
                               .path = "/",
                               .bodies = &body,
                               .n_bodies = 1,
                               .connections = 2,
                               .rate = 100,
                               .seconds = 0.2};
    /* A thread that accepts is not needed: the kernel completes the connections. */
    for (int i = 0; i < N_TRIES && r.n_lost != 2; i++) {
        assert_int_equal(tm__load_run(&o, &r, NULL), TM_OK);
    }
    assert_int_equal(r.n_lost, 2);
    assert_int_equal(r.n_unsent, 18);
    assert_int_equal(r.n_ok + r.n_refused + r.n_failed, 0);
    tm__net_close(listener);
    tm__buf_done(&body);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_closed_loop_counts_what_was_answered),
        IN_HOME(answers_are_held_to_the_version_that_they_name),
        IN_HOME(an_open_loop_asks_as_often_as_it_says),
        cmocka_unit_test(a_server_that_stalls_is_charged_for_all_who_would_have_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
