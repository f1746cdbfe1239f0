/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/jobs.h"
#include "serve/split.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

#define PREDICT "/v1/routes/tiny/predict"
#define N_ROWS 4000u

static void put_row(uint32_t i, uint32_t n_bad, tm_buf *out) {
    static const char *const texts[] = {"\"red\"", "\"bl\\u0075e\"", "null", "\"a,\\\"]}b\""};
    char number[32];
    (void)snprintf(number, sizeof number, "%d.%u", (int)(i % 300) - 150, i % 97);
    const bool is_bad = i >= 2500 && i < 2500 + n_bad;
    tm__buf_printf(out, "{\"x\":%s,\"c\":%s,\"day\":\"1970-%02u-05\"}", is_bad ? "\"far\"" : number,
                   texts[i % 4], 1 + i % 12);
}

/* --- a crew without a server --- */

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

typedef struct split_case {
    tm_registry *registry;
    tm_monitor *monitor;
    tm_current *current;
    tm_desk desks[3]; /* the last is the owner's */
    tm_jobs *jobs;
    tm_exchange x;
    tm_buf body, out;
    tm_scoring s;
} split_case;

static _Atomic uint32_t n_scored;
static _Atomic bool ends_at_500, client_leaves;

static void begin(tm_scoring *s) {
    tm__buf_text(&s->x->reply, "[");
}

static bool row(tm_scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    (void)id;
    (void)err;
    split_case *const c = s->arg;
    if (atomic_fetch_add(&n_scored, 1) >= 500) {
        while (atomic_load(&ends_at_500) && tm__mono_ns() <= c->x.deadline_ns) {
            tm__sleep_ms(1);
        }
        atomic_store(&c->x.is_gone, atomic_load(&client_leaves));
    }
    return tm__buf_printf(&s->x->reply, "%llu %u %.17g\n",
                          (unsigned long long)tm__decoder_row(s->decoder), chosen, s->outputs[0]);
}

static void end(tm_scoring *s) {
    tm__buf_text(&s->x->reply, "]");
}

static const tm_score_form form = {"text/plain", begin, row, end};

static void open_case(split_case *c, tm_home *home, uint32_t n_bad) {
    memset(c, 0, sizeof *c);
    tm_err err = {0};
    const tm_tiny_bundle options = {.auc = 0.7};
    tm_version version = {0};
    static const tm_serve_limits limits = {.rows_max = 1000000};
    assert_int_equal(tm__registry_open(home, &c->registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
    assert_int_equal(tm__registry_add(c->registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    const tm_monitor_options monitor = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &monitor, &c->monitor, &err), TM_OK);
    const tm_current_past past = {.n_desks = 3};
    assert_int_equal(tm__current_load(c->registry, &past, &quiet, &c->current, &err), TM_OK);
    for (uint32_t i = 0; i < 3; i++) {
        c->desks[i] = (tm_desk){.index = i,
                                .monitor = c->monitor,
                                .prom = tm__prom_create(),
                                .arena = tm__arena_create(1u << 24)};
        tm__buf_init(&c->desks[i].answers, 1u << 24);
    }
    c->jobs = tm__jobs_create("crew", c->desks, 2);
    assert_non_null(c->jobs);
    assert_ptr_equal(c->desks[0].crew, c->jobs);
    tm__buf_init(&c->x.reply, 1u << 24);
    tm__buf_init(&c->out, 1u << 24);
    tm__buf_init(&c->body, 1u << 24);
    c->x.current = c->current;
    c->x.limits = &limits;
    c->x.desk = &c->desks[2];
    c->x.out = &c->out;
    c->x.deadline_ns = UINT64_MAX;
    c->x.arrived_ns = tm__mono_ns();
    tm__buf_byte(&c->body, '[');
    for (uint32_t i = 0; i < N_ROWS; i++) {
        tm__buf_text(&c->body, i == 0 ? "" : ", ");
        put_row(i, n_bad, &c->body);
    }
    tm__buf_text(&c->body, "]");
    atomic_store(&n_scored, 0);
    atomic_store(&ends_at_500, false);
    atomic_store(&client_leaves, false);
}

static void run_case(split_case *c, bool is_shared) {
    tm_buf text; /* decoding rewrites it */
    tm__buf_init(&text, 1u << 24);
    assert_true(tm__buf_append(&text, c->body.data, c->body.len) && tm__buf_byte(&text, 0));
    c->desks[2].crew = is_shared ? c->jobs : NULL;
    tm__arena_reset(c->desks[2].arena);
    tm__buf_reset(&c->x.reply);
    tm__mem_free(c->x.errors);
    c->x.errors = NULL;
    c->x.n_errors = 0;
    c->x.status = 0;
    c->s =
        (tm_scoring){.x = &c->x,
                     .served = c->current->routes[0],
                     .place = {.kind = TM_ROWS_RECORDS, .path = "rows", .rows = (char *)text.data},
                     .form = &form,
                     .arg = c};
    tm__score_run(&c->s);
    assert_null(c->s.split);
    tm__buf_done(&text);
}

static void close_case(split_case *c) {
    tm__jobs_free(c->jobs);
    for (uint32_t i = 0; i < 3; i++) {
        tm__prom_free(c->desks[i].prom);
        tm__arena_free(c->desks[i].arena);
        tm__buf_done(&c->desks[i].answers);
    }
    tm__mem_free(c->x.errors);
    tm__buf_done(&c->x.reply);
    tm__buf_done(&c->out);
    tm__buf_done(&c->body);
    tm__current_unref(c->current);
    tm__monitor_close(c->monitor);
    tm__registry_close(c->registry);
}

static void shared_answers_are_those_of_one_thread(void **state) {
    split_case c;
    open_case(&c, *state, 0);
    run_case(&c, false);
    assert_int_equal(c.x.status, 200);
    tm_buf want;
    tm__buf_init(&want, 1u << 24);
    tm__buf_append(&want, c.x.reply.data, c.x.reply.len);
    for (uint32_t i = 0; i < 5; i++) {
        run_case(&c, true);
        assert_int_equal(c.x.status, 200);
        assert_int_equal(c.x.reply.len, want.len);
        assert_memory_equal(c.x.reply.data, want.data, want.len);
    }
    assert_int_equal(atomic_load(&n_scored), 6 * N_ROWS);
    tm__buf_done(&want);
    close_case(&c);
}

static void errors_are_those_of_one_thread(void **state) {
    static const uint32_t n_bad[] = {1, 7, 100};
    for (size_t i = 0; i < sizeof n_bad / sizeof n_bad[0]; i++) {
        split_case c;
        open_case(&c, *state, n_bad[i]);
        char want[2][512];
        for (uint32_t way = 0; way < 2; way++) {
            run_case(&c, way == 1);
            assert_int_equal(c.x.status, 400);
            assert_int_equal(c.x.n_errors, n_bad[i] < TM_ERRORS_MAX ? n_bad[i] : TM_ERRORS_MAX);
            for (uint32_t e = 0; e < c.x.n_errors; e++) {
                assert_int_equal(c.x.errors[e].row, 2500 + e);
            }
            (void)snprintf(want[way], sizeof want[way], "%.*s", (int)c.x.reply.len,
                           (const char *)c.x.reply.data);
        }
        assert_string_equal(want[0], want[1]);
        assert_non_null(strstr(want[0], "rows[2500].x"));
        close_case(&c);
    }
}

static void too_many_rows_are_refused(void **state) {
    static const tm_serve_limits limits = {.rows_max = N_ROWS - 1};
    split_case c;
    open_case(&c, *state, 0);
    c.x.limits = &limits;
    run_case(&c, true);
    assert_int_equal(c.x.status, 413);
    close_case(&c);
}

static void nobody_works_for_a_client_that_gave_up(void **state) {
    uint64_t ms = 500; /* of the first way: more, where a slow machine has not done 500 by then */
    for (uint32_t way = 0; way < 2;) {
        split_case c;
        open_case(&c, *state, 0);
        atomic_store(way == 0 ? &ends_at_500 : &client_leaves, true);
        c.x.deadline_ns = way == 0 ? tm__mono_ns() + ms * UINT64_C(1000000) : UINT64_MAX;
        run_case(&c, true);
        ms *= 4;
        if (atomic_load(&n_scored) <= 500 && ms < TEST_LOOKS) {
            close_case(&c);
            continue;
        }
        way++;
        assert_int_equal(c.x.status, 503);
        tm__buf_byte(&c.x.reply, 0);
        assert_non_null(
            strstr((const char *)c.x.reply.data, way == 1 ? "deadline" : "client-gone"));
        assert_in_range(atomic_load(&n_scored), 501, 500 + 3 * 512);
        close_case(&c);
    }
}

/* --- through the server --- */

static void send_large(serve_case *c, const char *target, const char *accept, uint32_t n_bad) {
    tm_buf body;
    char headers[128];
    tm__buf_init(&body, 8u << 20);
    tm__buf_text(&body, "{\"rows\":[");
    for (uint32_t i = 0; i < N_ROWS; i++) {
        tm__buf_text(&body, i == 0 ? "" : ",");
        put_row(i, n_bad, &body);
    }
    tm__buf_text(&body, "]}");
    (void)snprintf(headers, sizeof headers, "Content-Type: application/json\r\nAccept: %s\r\n",
                   accept);
    (void)serve_case_send(c, target, headers, body.data, body.len);
    tm__buf_done(&body);
}

static void a_large_request_is_answered_in_order(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    send_large(&c, PREDICT, "text/csv", 0);
    assert_int_equal(c.status, 200);
    char *large = tm__mem_strdup(c.body);
    const char *line = strchr(large, '\n');
    for (uint32_t i = 0; i < N_ROWS; i++) {
        assert_non_null(line);
        if (i % 397 == 0) { /* the same row alone */
            tm_buf body;
            tm__buf_init(&body, 4096);
            tm__buf_text(&body, "{\"rows\":[");
            put_row(i, 0, &body);
            tm__buf_text(&body, "]}");
            assert_int_equal(
                serve_case_send(&c, PREDICT,
                                "Content-Type: application/json\r\nAccept: text/csv\r\n", body.data,
                                body.len),
                200);
            const char *alone = strchr(strchr(c.body, '\n'), ',');
            const char *among = strchr(line, ',');
            assert_memory_equal(alone, among, strcspn(alone, "\n") + 1);
            tm__buf_done(&body);
        }
        line = strchr(line + 1, '\n');
    }
    assert_non_null(line);
    assert_string_equal(line, "\n");
    tm__mem_free(large);
    send_large(&c, PREDICT, "application/json", 3);
    assert_int_equal(c.status, 400);
    assert_non_null(strstr(c.body, "rows[2500].x"));
    assert_non_null(strstr(c.body, "rows[2502].x"));
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(shared_answers_are_those_of_one_thread),
        IN_HOME(errors_are_those_of_one_thread),
        IN_HOME(too_many_rows_are_refused),
        IN_HOME(nobody_works_for_a_client_that_gave_up),
        IN_HOME(a_large_request_is_answered_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
