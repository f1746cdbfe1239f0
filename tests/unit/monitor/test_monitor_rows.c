/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"

static void labelled_rows_come_back_with_the_types_of_the_schema(void **state) {
    static const tm_given given[] = {
        {1, 300, NO_TIME, "s1", "{\"c\":\"red\",\"day\":\"1970-01-03\",\"x\":2}", 0.9, "yes"},
        {1, 100, 86400000000, "s2", "{\"c\":null,\"x\":1.5}", 0.9, "no"},
        {1, 200, NO_TIME, NULL, "{\"x\":\"much\"}", 0.9, "no"}, /* does not fit */
        {1, 250, NO_TIME, NULL, "{\"x\":7}", 0.9, NULL},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7, .entity = "ship"});
    tm_table *table = NULL;
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", 0, &table, NULL), TM_OK);
    assert_null(table);
    log_answers(monitor, given, 4, 0);
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", 0, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 2);
    const tm_column *x = tm__table_column(table, tm__table_find(table, "x"));
    const tm_column *c = tm__table_column(table, tm__table_find(table, "c"));
    const tm_column *day = tm__table_column(table, tm__table_find(table, "day"));
    const tm_column *ship = tm__table_column(table, tm__table_find(table, "ship"));
    const tm_column *y = tm__table_column(table, tm__table_find(table, "y"));
    /* Oldest first: by event time where there is one, else by when it was answered. */
    assert_true(x->floats[0] == 2.0);
    assert_true(x->floats[1] == 1.5);
    assert_true(tm__column_is_missing(c, 1));
    assert_int_equal(day->type, TM_TYPE_DATE);
    assert_int_equal(day->ints[0], 2 * 86400000000);
    assert_true(tm__str_is(tm__dict_get(ship->dict, ship->codes[1]), "s2"));
    assert_true(tm__str_is(tm__dict_get(y->dict, y->codes[1]), "no"));
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

/* One label that means nothing must not stand in the way of all retrainings. */
static void a_label_is_learned_as_the_class_that_it_means(void **state) {
    static const tm_given given[] = {
        {1, 100, NO_TIME, NULL, "{\"x\":1}", 0.9, "true"},
        {1, 200, NO_TIME, NULL, "{\"x\":2}", 0.9, "maybe"}, /* no class of two */
        {1, 300, NO_TIME, NULL, "{\"x\":3}", 0.9, "0"},
    };
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_table *table = NULL;
    log_answers(monitor, given, 3, 0);
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", 0, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 2);
    const tm_column *y = tm__table_column(table, tm__table_find(table, "y"));
    assert_true(tm__str_is(tm__dict_get(y->dict, y->codes[0]), "yes"));
    assert_true(tm__str_is(tm__dict_get(y->dict, y->codes[1]), "no"));
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void a_late_label_of_an_old_answer_is_new(void **state) {
    static const tm_given first[] = {{1, 100, NO_TIME, NULL, "{\"x\":1}", 0.9, "yes"},
                                     {1, 200, NO_TIME, NULL, "{\"x\":2}", 0.9, NULL}};
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_table *table = NULL;
    int64_t until_us = -1, later_us = 0;
    tm_label_result result;
    tm__clock_fix(1000000); /* the clock stands still: the stamps must grow all the same */
    assert_int_equal(tm__monitor_labelled_until(monitor, "tiny", &until_us, NULL), TM_OK);
    assert_int_equal(until_us, 0);
    log_answers(monitor, first, 2, 0);
    assert_int_equal(tm__monitor_labelled_until(monitor, "tiny", &until_us, NULL), TM_OK);
    const tm_label late = {.prediction_id = "1", .value = "no", .observed_us = TM_INT_MISSING};
    assert_int_equal(tm__monitor_labels(monitor, &late, 1, &result, NULL), TM_OK);
    assert_int_equal(tm__monitor_labelled_until(monitor, "tiny", &later_us, NULL), TM_OK);
    assert_true(later_us > until_us);
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", until_us, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 1);
    assert_true(tm__table_column(table, tm__table_find(table, "x"))->floats[0] == 2.0);
    tm__table_unref(table);
    assert_int_equal(tm__monitor_labelled_span(monitor, bundle, "tiny",
                                               (tm_span){.after = tm__label_cut_none,
                                                         .until = {until_us, INT64_MAX, INT64_MAX}},
                                               &table, NULL, NULL),
                     TM_OK);
    assert_int_equal(tm__table_rows(table), 1);
    tm__table_unref(table);
    assert_int_equal(tm__monitor_labelled(monitor, bundle, "tiny", later_us, &table, NULL), TM_OK);
    assert_null(table);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

/* When a label came, and of what moment its answer is. */
typedef struct timed {
    int64_t moment_us, known_us, joined_us;
} timed;

static bool is_in(const tm_label_cut *cut, const timed *t) {
    const bool is_known = t->known_us <= cut->known_us || t->known_us <= t->joined_us;
    return t->joined_us <= cut->joined_us && is_known && t->moment_us <= cut->moment_us;
}

static int64_t draw(tm_rng *rng, int64_t most) {
    return (int64_t)(tm__rng_f64(rng) * (double)most);
}

static void a_span_of_cuts_is_that_of_brute_force(void **state) {
    enum { N = 120 };
    static timed list[N];
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_rng rng = tm__rng_split(11, "cuts", 0);
    tm__clock_fix(500); /* stamps never go back */
    for (int i = 0; i < N; i++) {
        char id[27], row[32];
        const double output = 0.5;
        (void)snprintf(id, sizeof(id), "%d", i);
        (void)snprintf(row, sizeof(row), "{\"x\":%d}", i);
        list[i] = (timed){draw(&rng, 1000), draw(&rng, 3000), 1000 + 10 * i};
        const tm_logged one = {.id = id,
                               .at_us = i % 2 == 0 ? list[i].moment_us : 5,
                               .event_us = i % 2 == 0 ? NO_TIME : list[i].moment_us,
                               .model = "tiny",
                               .version = 1,
                               .row = row,
                               .outputs = &output,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
        tm__clock_fix(list[i].joined_us);
        const tm_label label = {
            .prediction_id = id, .value = "yes", .observed_us = list[i].known_us};
        tm_label_result result;
        assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
    }
    tm__clock_fix(0);
    for (int i = 0; i < 200; i++) {
        const tm_span span = {.after = {draw(&rng, 2300), draw(&rng, 3000), draw(&rng, 1000)},
                              .until = {draw(&rng, 2300), draw(&rng, 3000), draw(&rng, 1000)}};
        uint64_t want = 0, unmatured = 0, n_unmatured = 0;
        double sum = 0, want_sum = 0;
        tm_table *table = NULL;
        for (int k = 0; k < N; k++) {
            const bool joined = list[k].joined_us <= span.until.joined_us;
            const bool is_until = is_in(&span.until, &list[k]);
            const bool is_new = is_until && !is_in(&span.after, &list[k]);
            unmatured += joined && !is_until;
            want += is_new;
            want_sum += is_new ? k : 0;
        }
        assert_int_equal(
            tm__monitor_labelled_span(monitor, bundle, "tiny", span, &table, &n_unmatured, NULL),
            TM_OK);
        const uint64_t n = table == NULL ? 0 : tm__table_rows(table);
        for (uint64_t k = 0; k < n; k++) {
            sum += tm__table_column(table, tm__table_find(table, "x"))->floats[k];
        }
        assert_int_equal(n, want);
        assert_true(sum == want_sum);
        assert_int_equal(n_unmatured, unmatured);
        tm__table_unref(table);
    }
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(labelled_rows_come_back_with_the_types_of_the_schema),
        TEST(a_label_is_learned_as_the_class_that_it_means),
        TEST(a_late_label_of_an_old_answer_is_new),
        TEST(a_span_of_cuts_is_that_of_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
