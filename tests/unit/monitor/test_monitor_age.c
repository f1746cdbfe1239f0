/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "logged.h"
#include "monitor/monitor.h"
#include "table/table.h"
#include "temp_home.h"

#define SECOND INT64_C(1000000)
#define NOW (1000000 * SECOND)
enum { N = 600 };

/* One answer of the made log: when it was given, and its label's delay, -1 for none yet. */
typedef struct made {
    int64_t at_us, delay_us;
} made;

static tm_monitor *open_monitor(const tm_home *home) {
    const tm_monitor_options options = {.can_write = true};
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

static void add_answer(tm_monitor *monitor, const char *id, const char *model, int64_t at_us,
                       int64_t event_us) {
    const double outputs[] = {0.5};
    const tm_logged one = {.id = id,
                           .at_us = at_us,
                           .event_us = event_us,
                           .entity = "e",
                           .model = model,
                           .version = 1,
                           .row = "{\"x\":1}",
                           .outputs = outputs,
                           .n_outputs = 1};
    assert_true(tm__logged_answer(monitor, &one));
}

static tm_label_result add_label(tm_monitor *monitor, tm_label label) {
    tm_label_result result = TM_LABEL_CONFLICT;
    assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
    return result;
}

/* A log whose labels take from milliseconds to days, of which the late ones are not there yet. */
static void make_log(tm_monitor *monitor, made *out) {
    tm_rng rng = tm__rng_split(3, "ages", 0);
    for (int i = 0; i < N; i++) {
        char id[16];
        const int64_t at_us = NOW - (int64_t)(tm__rng_f64(&rng) * 3e5 * 1e6);
        const int64_t delay_us = (int64_t)exp(7 + tm__rng_f64(&rng) * 20);
        const bool is_there = at_us + delay_us <= NOW;
        (void)snprintf(id, sizeof(id), "A%04d", i);
        add_answer(monitor, id, "late", at_us, TM_INT_MISSING);
        out[i] = (made){at_us, is_there ? delay_us : -1};
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    for (int i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "A%04d", i);
        if (out[i].delay_us >= 0) {
            assert_int_equal(
                add_label(monitor, (tm_label){.prediction_id = id,
                                              .value = "1",
                                              .observed_us = out[i].at_us + out[i].delay_us,
                                              .origin = i % 4 == 0 ? "key:A" : "key:B"}),
                TM_LABEL_JOINED);
        }
    }
}

static int compare_i64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double brute_quantile(const made *log, double share) {
    int64_t delays[N];
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        if (log[i].delay_us >= 0) {
            delays[n++] = log[i].delay_us;
        }
    }
    qsort(delays, n, sizeof(delays[0]), compare_i64);
    return (double)delays[(size_t)ceil(share * (double)n) - 1] / 1e6;
}

/* Kaplan and Meier as the paper has it: a product over the delays that were seen. */
static double brute_arrival(const made *log, double seconds) {
    double without = 1;
    int64_t delays[N];
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        if (log[i].delay_us >= 0 && (double)log[i].delay_us <= seconds * 1e6) {
            delays[n++] = log[i].delay_us;
        }
    }
    qsort(delays, n, sizeof(delays[0]), compare_i64);
    for (size_t k = 0; k < n; k++) {
        uint64_t n_watched = 0;
        for (int i = 0; i < N; i++) {
            const int64_t time_us = log[i].delay_us >= 0 ? log[i].delay_us : NOW - log[i].at_us;
            n_watched += time_us >= delays[k];
        }
        without *= 1 - 1 / (double)n_watched;
    }
    return 1 - without;
}

static json_t *ages_of(tm_monitor *monitor, const char *model, int64_t delay_us) {
    const tm_age_options options = {.model = model, .delay_us = delay_us, .now_us = NOW};
    json_t *ages = NULL;
    assert_int_equal(tm__monitor_ages(monitor, &options, &ages, NULL), TM_OK);
    return ages;
}

static void assert_near(double value, double wanted, double share) {
    if (!(fabs(value - wanted) <= share * fabs(wanted))) {
        fail_msg("%.9g is not near %.9g", value, wanted);
    }
}

static void delays_and_arrivals_are_those_of_brute_force(void **state) {
    static made log[N];
    tm_monitor *monitor = open_monitor(*state);
    make_log(monitor, log);
    json_t *ages = ages_of(monitor, "late", -1);
    const json_t *delay = json_object_get(ages, "delay"), *point = NULL;
    const json_t *curve = json_object_get(json_object_get(ages, "arrival"), "curve");
    size_t i = 0;
    assert_near(tm__json_f64(delay, "p50_seconds", 0), brute_quantile(log, 0.5), 0.01);
    assert_near(tm__json_f64(delay, "p90_seconds", 0), brute_quantile(log, 0.9), 0.01);
    assert_near(tm__json_f64(delay, "p99_seconds", 0), brute_quantile(log, 0.99), 0.01);
    assert_near(tm__json_f64(delay, "most_seconds", 0), brute_quantile(log, 1), 1e-9);
    assert_true(json_array_size(curve) > 20);
    json_array_foreach(curve, i, point) {
        /* The end of the bin, whose middle the point has. */
        const double seconds = tm__json_f64(point, "seconds", 0);
        const double off = tm__json_f64(point, "share", 0) - brute_arrival(log, seconds * 1.006);
        assert_true(fabs(off) < 0.005);
    }
    json_decref(ages);
    tm__monitor_close(monitor);
}

static void counts_are_those_of_the_log(void **state) {
    static made log[N];
    tm_monitor *monitor = open_monitor(*state);
    make_log(monitor, log);
    add_answer(monitor, "Z", "other", NOW - SECOND, TM_INT_MISSING);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    const int64_t delay_us = 3600 * SECOND;
    int64_t n_labelled = 0, n_due = 0, n_overdue = 0, n_late = 0, n_first = 0;
    for (int i = 0; i < N; i++) {
        const bool is_there = log[i].delay_us >= 0;
        n_labelled += is_there;
        n_first += is_there && i % 4 == 0;
        n_late += is_there && log[i].delay_us > delay_us;
        n_due += !is_there && log[i].at_us + delay_us > NOW;
        n_overdue += !is_there && log[i].at_us + delay_us <= NOW;
    }
    json_t *ages = ages_of(monitor, "late", delay_us);
    assert_int_equal(tm__json_i64(ages, "answers", 0), N);
    assert_int_equal(tm__json_i64(ages, "labelled", 0), n_labelled);
    assert_int_equal(tm__json_i64(ages, "due", -1), n_due);
    assert_int_equal(tm__json_i64(ages, "overdue", -1), n_overdue);
    assert_int_equal(tm__json_i64(ages, "later_than_declared", -1), n_late);
    const json_t *covered = json_object_get(ages, "covered");
    int64_t n_old = 0, n_covered = 0;
    for (int i = 0; i < N; i++) {
        n_old += log[i].at_us + delay_us <= NOW;
        n_covered += log[i].at_us + delay_us <= NOW && log[i].delay_us >= 0;
    }
    assert_int_equal(tm__json_i64(covered, "answers", -1), n_old);
    assert_int_equal(tm__json_i64(covered, "labelled", -1), n_covered);
    const json_t *origins = json_object_get(ages, "origins");
    assert_int_equal(json_array_size(origins), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *entry = json_array_get(origins, i);
        const bool is_first = strcmp(tm__json_text(entry, "origin", ""), "key:A") == 0;
        assert_int_equal(tm__json_i64(entry, "labels", 0),
                         is_first ? n_first : n_labelled - n_first);
    }
    json_decref(ages);
    tm__monitor_close(monitor);
}

static void what_is_not_known_is_null(void **state) {
    static const char *const names[] = {"share",  "declared_delay_seconds", "due", "overdue",
                                        "newest", "oldest_age_seconds"};
    tm_monitor *monitor = open_monitor(*state);
    json_t *ages = ages_of(monitor, "late", -1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(json_is_null(json_object_get(ages, names[i])));
    }
    assert_true(json_is_null(json_object_get(json_object_get(ages, "delay"), "p50_seconds")));
    json_decref(ages);
    add_answer(monitor, "A", "late", NOW - SECOND, TM_INT_MISSING);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    (void)add_label(monitor, (tm_label){.prediction_id = "A", .value = "1", .observed_us = NOW});
    ages = ages_of(monitor, "late", -1);
    const json_t *first = json_array_get(json_object_get(ages, "origins"), 0);
    assert_true(json_is_null(json_object_get(first, "origin"))); /* nobody said who sent it */
    assert_near(tm__json_f64(ages, "share", 0), 1, 0);
    json_decref(ages);
    tm__monitor_close(monitor);
}

static void a_delay_is_from_the_time_of_the_row(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    add_answer(monitor, "A", "late", NOW - 100 * SECOND, NOW - 5000 * SECOND);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    (void)add_label(monitor, (tm_label){.prediction_id = "A", .value = "1", .observed_us = NOW});
    /* This one waits for an answer, and that one for another's id. */
    (void)add_label(monitor, (tm_label){.model = "late",
                                        .entity = "nobody",
                                        .event_us = 5,
                                        .value = "1",
                                        .observed_us = TM_INT_MISSING});
    (void)add_label(monitor, (tm_label){.prediction_id = "B", .value = "1", .observed_us = NOW});
    json_t *ages = ages_of(monitor, "late", -1);
    assert_near(tm__json_f64(json_object_get(ages, "delay"), "p50_seconds", 0), 5000, 0.01);
    assert_int_equal(tm__json_i64(ages, "unmatched", -1), 1);
    assert_int_equal(tm__json_i64(ages, "unmatched_ids", -1), 1);
    json_decref(ages);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(delays_and_arrivals_are_those_of_brute_force),
        TEST(counts_are_those_of_the_log),
        TEST(what_is_not_known_is_null),
        TEST(a_delay_is_from_the_time_of_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
