/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "calibrate_data.h"

typedef struct calibrate_case {
    calibrate_data made;
    tm_train_data data;
    tm_train_options options;
    tm_search search;
    tm_calibration map;
    json_t *record;
} calibrate_case;

static void init(calibrate_case *c, uint64_t n, uint32_t k, double scale, double shift) {
    memset(c, 0, sizeof(*c));
    calibrate_data_init(&c->made, n, k, scale, shift, n + k);
    c->data.task = k == 1 ? TM_TASK_BINARY : TM_TASK_MULTICLASS;
    c->data.n_classes = k == 1 ? 2 : k;
    c->search = (tm_search){.data = &c->data,
                            .options = &c->options,
                            .n_candidates = 2,
                            .n_valid = n,
                            .valid_y = c->made.y};
    for (uint32_t i = 0; i < 2; i++) {
        c->search.candidates[i].share = i == 0 ? 0.25 : 0.75;
        c->search.candidates[i].raw = c->made.raw;
    }
    c->search.valid_pred = tm__mem_zalloc(n * k, sizeof(double));
}

static void run(calibrate_case *c, tm_status want) {
    tm_err err = {0};
    const tm_status st = tm__train_calibrate(&c->search, &c->map, &c->record, &err);
    if (st != want) {
        fail_msg("%s", err.message);
    }
}

static void done(calibrate_case *c) {
    tm__calibration_done(&c->map);
    json_decref(c->record);
    tm__mem_free(c->search.valid_pred);
    calibrate_data_done(&c->made);
}

static void answers_that_are_right_stay_as_they_are(void **state) {
    (void)state;
    uint32_t n_none = 0;
    for (uint64_t i = 0; i < 20; i++) {
        calibrate_case c;
        init(&c, 2000 + i, i % 2 == 0 ? 1 : 3, 1, 0);
        run(&c, TM_OK);
        n_none += c.map.kind == TM_CALIBRATION_NONE;
        assert_true((c.map.kind == TM_CALIBRATION_NONE) ==
                    (strcmp(tm__json_text(c.record, "method", ""), "none") == 0));
        if (c.map.kind == TM_CALIBRATION_NONE) {
            assert_true(c.search.valid_pred[0] == 0); /* not touched */
        }
        done(&c);
    }
    assert_true(n_none >= 15);
}

static void answers_that_are_too_sure_are_mended(void **state) {
    (void)state;
    for (uint32_t k = 1; k <= 3; k += 2) {
        calibrate_case c;
        init(&c, 4000, k, 0.4, 0.8);
        run(&c, TM_OK);
        assert_int_equal(c.map.kind, TM_CALIBRATION_SCALE);
        const json_t *loss = json_object_get(c.record, "logloss");
        assert_true(tm__json_f64(loss, "after", 9) < tm__json_f64(loss, "before", 0) - 0.02);
        /* What validation reports is by maps of other rows, and its log-loss is the record's. */
        const tm_score_input in = {.task = c.data.task,
                                   .n_classes = c.data.n_classes,
                                   .n_rows = 4000,
                                   .y = c.made.y,
                                   .pred = c.search.valid_pred};
        double score = 0;
        assert_int_equal(tm__metric_score(tm__metric_find("logloss"), &in, &score, NULL), TM_OK);
        assert_true(fabs(score - tm__json_f64(loss, "after", 9)) < 1e-9);
        done(&c);
    }
}

static void a_bent_curve_takes_isotonic_regression(void **state) {
    (void)state;
    calibrate_case c;
    init(&c, 8000, 1, 1, 0);
    for (uint64_t i = 0; i < 8000; i++) {
        c.made.y[i] = c.made.raw[i] > 0.5 ? i % 10 < 9 : i % 10 < 2;
    }
    run(&c, TM_OK);
    assert_string_equal(tm__json_text(c.record, "method", ""), "isotonic");
    assert_int_equal(c.map.kind, TM_CALIBRATION_LINE);
    done(&c);
}

static void a_fit_that_the_budget_ended_gets_a_map_only_if_asked(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        calibrate_case c;
        init(&c, 4000, 1, 0.4, 0.8);
        c.search.n_blend = 1;
        c.search.candidates[0].is_hurried = true;
        c.options.calibrate = i == 0 ? NULL : "platt";
        run(&c, TM_OK);
        assert_string_equal(tm__json_text(c.record, "method", ""), i == 0 ? "none" : "platt");
        assert_true(i > 0 || strstr(tm__json_text(c.record, "reason", ""), "budget") != NULL);
        done(&c);
    }
}

static void what_is_asked_for_is_done(void **state) {
    (void)state;
    static const char *const names[] = {"platt", "isotonic", "none", "platt", "temperature"};
    for (unsigned i = 0; i < 5; i++) {
        calibrate_case c;
        init(&c, 500, i < 3 ? 1 : 3, 1, 0);
        c.options.calibrate = names[i];
        run(&c, TM_OK);
        assert_string_equal(tm__json_text(c.record, "method", ""), names[i]);
        done(&c);
    }
}

static void what_cannot_be_done_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *asked;
        uint64_t n;
        uint32_t k;
        bool is_regression;
    } cases[] = {
        {"isotonic", 500, 3, false}, {"temperature", 500, 1, false}, {"sideways", 500, 1, false},
        {"platt", 500, 1, true},     {"platt", 12, 1, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        calibrate_case c;
        init(&c, cases[i].n, cases[i].k, 1, 0);
        c.options.calibrate = cases[i].asked;
        c.data.task = cases[i].is_regression ? TM_TASK_REGRESSION : c.data.task;
        run(&c, TM_E_USAGE);
        assert_null(c.record);
        done(&c);
    }
}

static void few_rows_none_and_no_classes_are_no_error(void **state) {
    (void)state;
    calibrate_case c;
    init(&c, 30, 1, 1, 0);
    run(&c, TM_OK);
    assert_string_equal(tm__json_text(c.record, "method", ""), "none");
    done(&c);
    init(&c, 30, 1, 1, 0);
    tm__mem_free(c.search.valid_pred);
    c.search.valid_pred = NULL;
    run(&c, TM_OK);
    assert_string_equal(tm__json_text(c.record, "method", ""), "none");
    done(&c);
    init(&c, 30, 1, 1, 0);
    c.data.task = TM_TASK_REGRESSION;
    run(&c, TM_OK);
    assert_true(json_is_null(c.record));
    done(&c);
    init(&c, 3000, 1, 0.5, 0); /* a class of one row */
    for (uint64_t i = 0; i < 3000; i++) {
        c.made.y[i] = i == 7;
    }
    run(&c, TM_OK);
    assert_int_equal(c.map.kind, TM_CALIBRATION_NONE);
    done(&c);
}

static void a_class_that_training_had_not_is_passed_over(void **state) {
    (void)state;
    calibrate_case c;
    init(&c, 4000, 3, 0.4, 0);
    c.made.y[5] = 3;
    run(&c, TM_OK);
    assert_int_equal(c.map.kind, TM_CALIBRATION_SCALE);
    done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_are_right_stay_as_they_are),
        cmocka_unit_test(answers_that_are_too_sure_are_mended),
        cmocka_unit_test(a_bent_curve_takes_isotonic_regression),
        cmocka_unit_test(a_fit_that_the_budget_ended_gets_a_map_only_if_asked),
        cmocka_unit_test(what_is_asked_for_is_done),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(few_rows_none_and_no_classes_are_no_error),
        cmocka_unit_test(a_class_that_training_had_not_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
