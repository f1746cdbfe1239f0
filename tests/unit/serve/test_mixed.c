/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/jobs.h"
#include "serve/mixed.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

#define N_ROWS 4000u
#define N_UNITS 37u

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

typedef struct mixed_case {
    tm_registry *registry;
    tm_monitor *monitor;
    tm_current *current;
    tm_desk desks[3]; /* the last is the owner's */
    tm_jobs *jobs;
    tm_http http;
    tm_exchange x;
    tm_buf out;
} mixed_case;

static void add_nothing(tm_scoring *s) {
    (void)s;
}

/* "ROW VERSION arm other?" */
static bool row(tm_scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    (void)id;
    (void)chosen;
    (void)err;
    return tm__buf_printf(&s->x->reply, "%llu %u %s %d\n",
                          (unsigned long long)tm__decoder_row(s->decoder), s->served->version,
                          tm__arm_text(s->arm), s->is_other);
}

static const tm_score_form form = {"text/plain", add_nothing, row, add_nothing};

static void add_version(mixed_case *c, tm_home *home, double auc) {
    const tm_tiny_bundle options = {.auc = auc, .entity = "who"};
    tm_version version = {0};
    tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
    assert_int_equal(tm__registry_add(c->registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static void open_case(mixed_case *c, tm_home *home) {
    static const tm_serve_limits limits = {.rows_max = N_ROWS};
    memset(c, 0, sizeof *c);
    assert_int_equal(tm__registry_open(home, &c->registry, NULL), TM_OK);
    add_version(c, home, 0.7);
    add_version(c, home, 0.8);
    const tm_split_order order = {
        .n = 2, .arms = {{.version = 1, .weight = 5000}, {.version = 2, .weight = 5000}}};
    assert_int_equal(tm__registry_split(c->registry, "tiny", &order, &actor, NULL), TM_OK);
    const tm_monitor_options monitor = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &monitor, &c->monitor, NULL), TM_OK);
    const tm_current_past past = {.n_desks = 3};
    assert_int_equal(tm__current_load(c->registry, &past, &quiet, &c->current, NULL), TM_OK);
    for (uint32_t i = 0; i < 3; i++) {
        c->desks[i] = (tm_desk){.index = i,
                                .monitor = c->monitor,
                                .prom = tm__prom_create(),
                                .arena = tm__arena_create(1u << 24)};
        tm__buf_init(&c->desks[i].answers, 1u << 24);
    }
    c->jobs = tm__jobs_create("crew", c->desks, 2);
    assert_non_null(c->jobs);
    tm__buf_init(&c->x.reply, 1u << 24);
    tm__buf_init(&c->out, 1u << 24);
    tm__buf_init(&c->http.body, 1u << 24);
    c->x.current = c->current;
    c->x.limits = &limits;
    c->x.http = &c->http;
    c->x.desk = &c->desks[2];
    c->x.out = &c->out;
    c->x.deadline_ns = UINT64_MAX;
    c->x.arrived_ns = tm__mono_ns();
    (void)tm__str_copy(c->x.request_id, sizeof c->x.request_id, tm__str("one request"));
}

static void close_case(mixed_case *c) {
    tm__jobs_free(c->jobs);
    for (uint32_t i = 0; i < 3; i++) {
        tm__prom_free(c->desks[i].prom);
        tm__arena_free(c->desks[i].arena);
        tm__buf_done(&c->desks[i].answers);
    }
    tm__mem_free(c->x.errors);
    tm__buf_done(&c->x.reply);
    tm__buf_done(&c->out);
    tm__buf_done(&c->http.body);
    tm__current_unref(c->current);
    tm__monitor_close(c->monitor);
    tm__registry_close(c->registry);
}

/* Score a document; the reply ends with a NUL. */
static void run_text(mixed_case *c, const char *text, bool is_shared) {
    c->desks[2].crew = is_shared ? c->jobs : NULL;
    tm__arena_reset(c->desks[2].arena);
    tm__buf_reset(&c->x.reply);
    tm__buf_reset(&c->http.body);
    tm__mem_free(c->x.errors);
    c->x.errors = NULL;
    c->x.n_errors = 0;
    c->x.status = 0;
    assert_true(tm__buf_text(&c->http.body, text) && tm__buf_byte(&c->http.body, 0));
    c->http.body.len--;
    tm_scoring s = {
        .x = &c->x,
        .served = c->current->routes[0],
        .place = {.kind = TM_ROWS_RECORDS, .path = "rows", .rows = (char *)c->http.body.data},
        .form = &form};
    tm__score_run(&s);
    tm__buf_byte(&c->x.reply, 0);
}

static void put_rows(uint32_t n, tm_buf *out) {
    tm__buf_init(out, 1u << 24);
    tm__buf_text(out, "[");
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_printf(out,
                       "%s{\"x\":%u,\"c\":\"bl\\u0075e\",\"day\":\"1970-%02u-05\",\"who\":\"u%u\"}",
                       i == 0 ? "" : ", ", i % 300, 1 + i % 12, i * 31 % N_UNITS);
    }
    tm__buf_text(out, "]");
    assert_true(tm__buf_byte(out, 0));
}

/* One thread or three, each row is its unit's, and the log has it under that version. */
static void each_row_is_its_units(void **state) {
    mixed_case c;
    tm_buf rows, want;
    open_case(&c, *state);
    put_rows(N_ROWS, &rows);
    tm__buf_init(&want, 1u << 24);
    const tm_route *const route = &tm__current_arms(c.current, c.current->routes[0])->route;
    uint64_t n_of[2] = {0};
    uint32_t head = 0;
    for (uint32_t i = 0; i < N_ROWS; i++) {
        char unit[16];
        const int n = snprintf(unit, sizeof unit, "u%u", i * 31 % N_UNITS);
        const uint32_t arm = tm__arm_of(route, (tm_str){unit, (size_t)n});
        head = i == 0 ? arm : head;
        n_of[arm]++;
        tm__buf_printf(&want, "%u %u %s %d\n", i, arm + 1, arm == 0 ? "champion" : "challenger",
                       arm != head);
    }
    assert_true(n_of[0] > 0 && n_of[1] > 0);
    for (uint32_t i = 0; i < 4; i++) {
        run_text(&c, (const char *)rows.data, i > 0);
        assert_int_equal(c.x.status, 200);
        assert_int_equal(c.x.version, head + 1);
        assert_int_equal(c.x.reply.len - 1, want.len);
        assert_memory_equal(c.x.reply.data, want.data, want.len);
    }
    json_t *arms = tm__prom_arms((tm_prom *const[]){c.desks[2].prom}, 1, "tiny");
    assert_int_equal(json_array_size(arms), 2);
    json_decref(arms);
    tm_prom_route counted = {0};
    tm__prom_route((tm_prom *const[]){c.desks[2].prom}, 1, "tiny", &counted);
    assert_int_equal(counted.n_rows, 4 * N_ROWS);
    tm__buf_done(&want);
    tm__buf_done(&rows);
    close_case(&c);
}

static void rows_that_are_wrong_refuse_all(void **state) {
    static const char *const texts[] = {"[{\"x\":1,\"c\":\"a\",\"day\":null,\"who\":\"u1\"},{\"x\":"
                                        "\"far\",\"c\":\"a\",\"day\":null,\"who\":\"u%u\"}]",
                                        "[{\"x\":1,\"c\":\"a\",\"day\":null,\"who\":\"u1\"},{\"x\":"
                                        "1,\"c\":\"a\",\"day\":null,\"who\":{}},{\"who\":\"u%u\"}]",
                                        "[{\"x\":1,\"c\":\"a\",\"day\":null,\"who\":\"u1\"},[%u]]"};
    mixed_case c;
    open_case(&c, *state);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (uint32_t unit = 1; unit < 20; unit++) {
            char text[256];
            (void)snprintf(text, sizeof text, texts[i], unit);
            run_text(&c, text, false);
            assert_int_equal(c.x.status, 400);
            assert_int_equal(c.x.errors[0].row, 1);
        }
    }
    close_case(&c);
}

/* What is not told apart is one unit: the request. */
static void rows_without_a_unit_are_of_the_request(void **state) {
    mixed_case c;
    open_case(&c, *state);
    run_text(&c,
             "[{\"x\":1,\"c\":\"a\",\"day\":null},{\"x\":1,\"c\":\"a\",\"day\":null,\"who\":null}]",
             false);
    assert_int_equal(c.x.status, 200);
    const tm_route *const route = &tm__current_arms(c.current, c.current->routes[0])->route;
    assert_int_equal(c.x.version, tm__arm_of(route, tm__str("one request")) + 1);
    assert_null(strstr((const char *)c.x.reply.data, " 1\n"));
    close_case(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(each_row_is_its_units),
        IN_HOME(rows_that_are_wrong_refuse_all),
        IN_HOME(rows_without_a_unit_are_of_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
