/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/mem.h"
#include "monitor/monitor_recent.h"

static tm_recent_view look(tm_recent *recent, const tm_bundle *bundle, uint32_t version) {
    const tm_recent_of of = {
        .bundle = bundle, .model = "tiny", .version = version, .estimates = true};
    tm_recent_view view = {0};
    tm_err err = {0};
    if (tm__recent_look(recent, &of, &view, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return view;
}

static void the_live_score_is_that_of_the_labelled_answers(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 0.9, "yes"}, {1, 200, NO_TIME, NULL, "{}", 0.2, "no"},
        {1, 300, NO_TIME, NULL, "{}", 0.4, "yes"}, {2, 400, NO_TIME, NULL, "{}", 0.1, "yes"},
        {1, 500, NO_TIME, NULL, "{}", 0.3, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_recent *recent = tm__recent_create(monitor);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_recent_view view = look(recent, bundle, 1);
    assert_int_equal(view.n_answers, 0);
    assert_null(view.scores);
    assert_true(isnan(view.score.value) && isnan(view.estimate.value));
    log_answers(monitor, given, 5, 0);
    /* News, then none, then another version: the same as who looks for the first time. */
    for (int round = 0; round < 3; round++) {
        tm_recent *first = tm__recent_create(monitor);
        view = look(round < 2 ? recent : first, bundle, 1);
        tm__recent_free(first);
        assert_int_equal(view.n_answers, 4);
        assert_int_equal(view.n_labelled, 3);
        assert_int_equal(view.n_scored, 3);
        assert_true(view.coverage == 0.75);
        assert_int_equal(view.first_us, 100);
        assert_int_equal(view.last_us, 500);
        assert_true(view.label_us > 500);
        assert_true(tm__json_f64(view.scores, "auc", 0) == 1.0);
        assert_int_equal(tm__json_i64(view.scores, "n_rows", 0), 3);
        /* Two of three are right at the threshold of a half. */
        assert_true(fabs(tm__json_f64(view.scores, "accuracy", 0) - 2.0 / 3) < 1e-12);
        tm__recent_view_done(&view);
    }
    view = look(recent, bundle, 2);
    assert_int_equal(view.n_answers, 1);
    assert_int_equal(view.n_labelled, 1);
    json_t *json = tm__recent_to_json(&view, 2);
    assert_int_equal(tm__json_i64(json, "labelled", 0), 1);
    json_decref(json);
    tm__recent_view_done(&view);
    tm__recent_free(recent);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void junk_is_no_score_and_a_number_is_one(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 2.0, "1.5"},
        {1, 200, NO_TIME, NULL, "{}", 3.0, "3"},
        {1, 300, NO_TIME, NULL, "{}", 3.0, "three"},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_recent *recent = tm__recent_create(monitor);
    tm_bundle *bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 1, .task = "regression"});
    log_answers(monitor, given, 3, 0);
    tm_recent_view view = look(recent, bundle, 1);
    assert_int_equal(view.n_labelled, 3);
    assert_int_equal(view.n_scored, 2);
    assert_true(tm__json_f64(view.scores, "mae", 0) == 0.25);
    tm__recent_view_done(&view);
    tm__recent_free(recent);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

typedef struct looking {
    tm_monitor *monitor;
    const tm_bundle *bundle;
    tm_recent *recent;
} looking;

/* A first look that may run out of memory. */
static bool look_first(looking *c) {
    const tm_recent_of of = {.bundle = c->bundle, .model = "tiny", .version = 1, .estimates = true};
    tm_recent_view view = {0};
    c->recent = tm__recent_create(c->monitor);
    const tm_status st =
        c->recent == NULL ? TM_E_NOMEM : tm__recent_look(c->recent, &of, &view, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    if (st == TM_OK) {
        tm__recent_view_done(&view);
    }
    return st == TM_OK;
}

/* What it left undone, the next one does. */
static void a_look_without_memory_is_made_up_for(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{}", 0.9, "yes"},
        {1, 200, NO_TIME, NULL, "{}", 0.2, "no"},
        {1, 300, NO_TIME, NULL, "{}", 0.4, NULL},
        {1, 400, NO_TIME, NULL, "{}", 0.7, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    log_answers(monitor, given, 4, 0);
    for (uint64_t nth = 1;; nth++) {
        looking c = {.monitor = monitor, .bundle = bundle};
        tm__json_reset();
        tm__mem_fail_at(nth, true);
        const bool is_done = look_first(&c);
        tm__mem_fail_at(0, false);
        tm__json_reset();
        if (c.recent != NULL) {
            tm_recent_view view = look(c.recent, bundle, 1);
            assert_int_equal(view.n_labelled, 2);
            assert_int_equal(view.n_estimated, 4);
            assert_false(isnan(view.estimate.value));
            tm__recent_view_done(&view);
        }
        tm__recent_free(c.recent);
        if (is_done) {
            break;
        }
    }
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

/* ---- many ---- */

static const char *const columns[] = {"x"};
static const tm_stream_spec spec = {
    .route = "tiny", .model = "tiny", .version = 1, .columns = columns, .n_columns = 1};

static void id_of(uint64_t i, char out[27]) {
    /* 200 a second, as a server makes them: eight characters are about a second */
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t second = i / 200;
    memset(out, '0', 26);
    out[0] = '0';
    out[1] = '1';
    for (int at = 7; at >= 2; at--, second /= 32) {
        out[at] = digits[second % 32];
    }
    (void)snprintf(out + 8, 19, "%018llu", (unsigned long long)i);
}

/* Answers from, up to: odd ones are told 0.9. */
static void fill_log(const tm_home *home, uint64_t from, uint64_t end, const char *batch) {
    tm_job_log *log = NULL;
    tm_buf bytes;
    uint64_t n_logged = 0;
    assert_int_equal(tm__job_log_open(home, "sink.1", &log, NULL), TM_OK);
    assert_int_equal(tm__job_log_begin(log, batch, &spec, &n_logged, NULL), TM_OK);
    tm__buf_init(&bytes, TM_MONITOR_BYTES);
    for (uint64_t i = from; i < end; i++) {
        const double output = 0.1 + 0.8 * (double)(i % 2);
        const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = 0.5};
        tm_answer answer = {.event_us = TM_INT_MISSING,
                            .cells = &cell,
                            .n_cells = 1,
                            .outputs = &output,
                            .n_outputs = 1};
        id_of(i, answer.id);
        assert_true(tm__answer_append(&answer, &bytes));
        if (bytes.len > ((size_t)4 << 20) || i + 1 == end) {
            const tm_answers answers = {.bytes = &bytes, .at_us = (int64_t)i};
            assert_int_equal(tm__job_log_add(log, &answers, NULL), TM_OK);
            tm__buf_reset(&bytes);
        }
    }
    tm__buf_done(&bytes);
    tm__job_log_close(log);
}

/* Labels of answers from, up to; right ones, or all wrong. */
static void label(const tm_home *home, uint64_t from, uint64_t end, bool is_right) {
    const uint64_t n = end - from;
    tm_label *labels = calloc(n, sizeof(*labels));
    tm_label_result *got = calloc(n, sizeof(*got));
    char(*ids)[27] = calloc(n, sizeof(*ids));
    tm_ctx ctx = {0};
    for (uint64_t i = 0; i < n; i++) {
        id_of(from + i, ids[i]);
        labels[i] = (tm_label){.prediction_id = ids[i],
                               .value = ((from + i) % 2 == 1) == is_right ? "yes" : "no",
                               .observed_us = TM_INT_MISSING};
    }
    assert_int_equal(tm__monitor_labels_beside(home, &ctx, labels, n, got, NULL, NULL), TM_OK);
    assert_int_equal(got[n - 1], TM_LABEL_JOINED);
    free(labels);
    free(got);
    free(ids);
}

static tm_monitor *open_reader(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = false};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

static void scores_are_of_the_newest_labels(void **state) {
    fill_log(*state, 0, 40000, "1");
    tm_monitor *monitor = open_reader(*state);
    tm_recent *recent = tm__recent_create(monitor);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_recent_view view = look(recent, bundle, 1);
    assert_int_equal(view.n_answers, 40000);
    assert_int_equal(view.n_labelled, 0);
    assert_int_equal(view.n_estimated, TM_RECENT_ANSWERS);
    assert_true(view.estimate.low <= view.estimate.value);
    tm__recent_view_done(&view);
    label(*state, 0, 15000, false);
    view = look(recent, bundle, 1); /* more than it keeps, at once */
    assert_int_equal(view.n_labelled, 15000);
    assert_int_equal(view.n_scored, TM_RECENT_LABELS);
    assert_true(tm__json_f64(view.scores, "accuracy", -1) == 0);
    tm__recent_view_done(&view);
    label(*state, 15000, 20000, true);
    view = look(recent, bundle, 1); /* half of the ring */
    assert_int_equal(view.n_labelled, 20000);
    assert_true(tm__json_f64(view.scores, "accuracy", -1) == 0.5);
    assert_true(view.score.low < view.score.value && view.score.value < view.score.high);
    tm__recent_view_done(&view);
    label(*state, 20000, 30000, true);
    view = look(recent, bundle, 1);
    assert_true(tm__json_f64(view.scores, "accuracy", -1) == 1);
    assert_true(view.coverage == 0.75);
    tm__recent_view_done(&view);
    tm__recent_free(recent);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

/* Of processors: what the machine does besides does not count, but for what it takes from under a
 * thread; so the best of several counts. */
static double look_ms(tm_recent *recent, const tm_bundle *bundle, tm_recent_view *out) {
    const uint64_t start_ns = tm__thread_cpu_ns();
    *out = look(recent, bundle, 1);
    return (double)(tm__thread_cpu_ns() - start_ns) * 1e-6;
}

static void a_look_at_a_log_of_a_million_answers_costs_what_is_new(void **state) {
    enum { N = 1000000 };
    fill_log(*state, 0, N, "1");
    label(*state, 0, 20000, true);
    tm_monitor *monitor = open_reader(*state);
    tm_recent *recent = tm__recent_create(monitor);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_recent_view view;
    double same_ms = 1e9, news_ms = 1e9;
    (void)look_ms(recent, bundle, &view);
    assert_int_equal(view.n_answers, N);
    assert_int_equal(view.n_labelled, 20000);
    tm__recent_view_done(&view);
    for (uint64_t i = 0; i < 5; i++) { /* nothing new */
        const double ms = look_ms(recent, bundle, &view);
        same_ms = ms < same_ms ? ms : same_ms;
        tm__recent_view_done(&view);
    }
    assert_true(same_ms < 5);
    for (uint64_t i = 0; i < 5; i++) {
        fill_log(*state, N + i * 100, N + (i + 1) * 100, "2");
        label(*state, 20000 + i * 10, 20010 + i * 10, true);
        const double ms = look_ms(recent, bundle, &view);
        news_ms = ms < news_ms ? ms : news_ms;
        assert_int_equal(view.n_answers, N + (i + 1) * 100);
        assert_int_equal(view.n_labelled, 20010 + i * 10);
        tm__recent_view_done(&view);
    }
    /* The scores of 10,000 labels anew; some ms where nothing is checked. */
    assert_true(news_ms < 100);
    printf("a look: %.2f ms, with news %.2f ms\n", same_ms, news_ms);
    tm__recent_free(recent);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void a_mark_stands_while_nothing_changes(void **state) {
    fill_log(*state, 0, 10, "1");
    tm_monitor *monitor = open_reader(*state);
    tm_log_mark a, b, c, d;
    assert_int_equal(tm__log_mark(monitor, &a, NULL), TM_OK);
    assert_int_equal(tm__log_mark(monitor, &b, NULL), TM_OK);
    assert_memory_equal(&a, &b, sizeof(a));
    label(*state, 0, 1, true);
    assert_int_equal(tm__log_mark(monitor, &c, NULL), TM_OK);
    assert_true(c.stamp_us > b.stamp_us && c.next_seq == b.next_seq);
    fill_log(*state, 10, 11, "2");
    assert_int_equal(tm__log_mark(monitor, &d, NULL), TM_OK);
    assert_true(d.next_seq == 12 && a.next_seq == 11);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_live_score_is_that_of_the_labelled_answers),
        TEST(junk_is_no_score_and_a_number_is_one),
        TEST(a_look_without_memory_is_made_up_for),
        TEST(scores_are_of_the_newest_labels),
        TEST(a_look_at_a_log_of_a_million_answers_costs_what_is_new),
        TEST(a_mark_stands_while_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
