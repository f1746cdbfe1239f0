/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support.h"
#include "test.h"
#include "train/train_priv.h"

#define HOUR INT64_C(3600000000)
enum { N = 500 };

/* Rows in no order, some without a time, a moment of arrival or a target. */
typedef struct late_row {
    int64_t time_us, when_us; /* TM_INT_MISSING: none */
    bool has_target;
} late_row;

static tm_table *make_rows(late_row *rows) {
    tm_table_builder *const b = tm__builder_create();
    tm_rng rng = tm__rng_split(9, "late", 0);
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "at", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "arrived", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_BOOL, NULL), TM_OK);
    for (int i = 0; i < N; i++) {
        const double x = tm__rng_f64(&rng);
        const int64_t time_us = (int64_t)(tm__rng_f64(&rng) * 1000) * HOUR;
        const int64_t when_us = time_us + (int64_t)(tm__rng_f64(&rng) * 200 - 10) * HOUR;
        rows[i] =
            (late_row){tm__rng_f64(&rng) < 0.05 ? TM_INT_MISSING : time_us,
                       tm__rng_f64(&rng) < 0.1 ? TM_INT_MISSING : when_us, tm__rng_f64(&rng) > 0.1};
        const tm_cell cells[] = {
            {.type = rows[i].time_us == TM_INT_MISSING ? TM_TYPE_NONE : TM_TYPE_TIME,
             .i64 = rows[i].time_us},
            {.type = rows[i].when_us == TM_INT_MISSING ? TM_TYPE_NONE : TM_TYPE_TIME,
             .i64 = rows[i].when_us},
            {.type = TM_TYPE_FLOAT, .f64 = x},
            {.type = rows[i].has_target ? TM_TYPE_BOOL : TM_TYPE_NONE,
             .i64 = x + tm__rng_f64(&rng) > 1}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static const char *const arrives[] = {"y=arrived"};
static const char *const two_days[] = {"y=+48h"};

/* When a row's label is known as brute force has it; INT64_MIN: nothing says so. */
static int64_t known_of(const late_row *row, const tm_train_options *o) {
    if (o->n_known > 0 && o->known == arrives) {
        return row->when_us == TM_INT_MISSING ? INT64_MIN
               : row->when_us > row->time_us  ? row->when_us
                                              : row->time_us;
    }
    const int64_t delay_us = o->n_known > 0 ? 48 * HOUR : o->label_delay_us;
    return row->time_us == TM_INT_MISSING ? INT64_MIN : row->time_us + delay_us;
}

static bool has(const uint32_t *rows, uint64_t n, uint32_t row) {
    for (uint64_t i = 0; i < n; i++) {
        if (rows[i] == row) {
            return true;
        }
    }
    return false;
}

static void check(const tm_train_data *data, const late_row *rows, const tm_train_options *o) {
    uint64_t n_unmatured = 0, n_embargoed = 0;
    int64_t first_us = INT64_MAX;
    for (uint64_t i = 0; i < data->n_test; i++) {
        const int64_t time_us = rows[data->test[i]].time_us;
        first_us = time_us < first_us ? time_us : first_us;
    }
    const bool is_cut = data->split.kind == TM_SPLIT_TIME || data->split.kind == TM_SPLIT_TIME_AT;
    for (uint32_t row = 0; row < N; row++) {
        const int64_t known_us = known_of(&rows[row], o);
        const bool is_used = has(data->train, data->n_train, row);
        const bool is_test = has(data->test, data->n_test, row);
        if (!rows[row].has_target || known_us > o->label_cut_us) {
            assert_false(is_used || is_test);
            n_unmatured += rows[row].has_target;
        } else if (!is_test && is_cut && (known_us == INT64_MIN || known_us >= first_us)) {
            assert_false(is_used);
            n_embargoed++;
        } else {
            assert_true(is_used != is_test);
        }
    }
    assert_int_equal(data->n_unmatured, n_unmatured);
    assert_int_equal(data->n_embargoed, n_embargoed);
    assert_true(n_unmatured > 0);
    assert_true(data->label_cut_us <= o->label_cut_us);
}

static void rows_are_those_of_brute_force(void **state) {
    (void)state;
    static late_row rows[N];
    tm_table *table = make_rows(rows);
    const tm_train_options cases[] = {
        {.label_delay_us = 30 * HOUR, .split = {.kind = TM_SPLIT_AUTO}},
        {.label_delay_us = 30 * HOUR, .split = {.kind = TM_SPLIT_RANDOM, .share = 0.3}},
        {.known = arrives, .n_known = 1, .split = {.kind = TM_SPLIT_AUTO}},
        {.known = two_days, .n_known = 1, .split = {.kind = TM_SPLIT_LAST, .share = 0.2}},
        {.known = arrives,
         .n_known = 1,
         .split = {.kind = TM_SPLIT_TIME_AT, .column = "at", .at_us = 700 * HOUR}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_train_options options = cases[i];
        tm_train_data data;
        options.target = "y";
        options.time = "at";
        options.label_cut_us = 900 * HOUR;
        assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
        check(&data, rows, &options);
        /* The cut that is recorded gives the same rows again. */
        tm_train_data again;
        options.label_cut_us = data.label_cut_us;
        assert_int_equal(tm__train_data_init(&again, table, NULL, &options, NULL), TM_OK);
        assert_int_equal(again.n_train, data.n_train);
        assert_int_equal(again.n_test, data.n_test);
        assert_int_equal(again.n_unmatured, data.n_unmatured);
        assert_int_equal(again.label_cut_us, data.label_cut_us);
        tm__train_data_done(&again);
        tm__train_data_done(&data);
    }
    tm__table_unref(table);
}

static void wrong_words_are_named(void **state) {
    (void)state;
    static late_row rows[N];
    static const char *const nothing[] = {"y=arived"}, *const number[] = {"y=x"};
    tm_table *table = make_rows(rows);
    const struct {
        tm_train_options options;
        const char *message;
    } cases[] = {
        {{.label_delay_us = HOUR}, "needs a time column"},
        {{.known = nothing, .n_known = 1, .time = "at"}, "no column 'arived'"},
        {{.known = number, .n_known = 1, .time = "at"}, "not a date or time"},
        {{.known = arrives, .n_known = 1, .time = "at", .label_delay_us = HOUR}, "said twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_train_options options = cases[i].options;
        tm_train_data data;
        tm_err err = {0};
        options.target = "y";
        assert_int_equal(tm__train_data_init(&data, table, NULL, &options, &err), TM_E_USAGE);
        assert_non_null(strstr(err.message, cases[i].message));
    }
    tm__table_unref(table);
}

static void labels_are_known_with_their_rows_unless_it_is_said(void **state) {
    (void)state;
    static late_row rows[N];
    static const char *const other[] = {"x=arrived"};
    tm_table *table = make_rows(rows);
    const tm_train_options options = {
        .target = "y", .time = "at", .known = other, .n_known = 1, .label_cut_us = HOUR};
    int64_t *known_us = NULL;
    tm_train_data data;
    assert_int_equal(tm__train_label_known(table, &options, &known_us, NULL), TM_OK);
    assert_null(known_us);
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
    assert_int_equal(data.n_unmatured + data.n_embargoed, 0);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_brute_force),
        cmocka_unit_test(wrong_words_are_named),
        cmocka_unit_test(labels_are_known_with_their_rows_unless_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
