/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "source/change_priv.h"
#include "test.h"

static char x_name[] = "x";
static tm_schema_column x_column = {.name = x_name, .type = TM_TYPE_FLOAT};
static const tm_schema schema = {.n_cols = 1, .cols = &x_column};

/* A number of [10, 20), spread over it from row to row. */
static double number_of(uint64_t row) {
    return 10 + 10 * fmod((double)row * 0.6180339887498949, 1);
}

/* A batch of n rows: numbers times a factor. */
static tm_look *batch(tm_watch *watch, uint64_t n, double factor) {
    const tm_look_input input = {.schema = &schema, .n_before = 1, .n_rows = n};
    tm_look *look = NULL;
    assert_int_equal(tm__look_create(watch, &input, &look, NULL), TM_OK);
    assert_non_null(look);
    for (uint64_t row = 1; row <= n; row++) {
        tm_finding f;
        const uint64_t given = row;
        const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = factor * number_of(row)};
        (void)tm__look_row(look, &cell, &given, row, &f);
    }
    return look;
}

static tm_watch *watch_of(const char *text) {
    tm_watch *watch = NULL;
    json_t *spec = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &spec, NULL), TM_OK);
    assert_int_equal(tm__watch_create(spec, NULL, &watch, NULL), TM_OK);
    json_decref(spec);
    for (int i = 0; i < 8; i++) {
        tm_look *look = batch(watch, 500, 1);
        assert_null(tm__look_judge(look));
        tm__look_keep(look);
        tm__look_free(look);
    }
    return watch;
}

static void a_factor_is_another_unit_and_a_drift_is_not(void **state) {
    (void)state;
    static const struct {
        double factor;
        bool is_unit;
    } cases[] = {{1, false},  {1.2, false},  {2, false},   {1.5, false}, {0.7, false}, {10, true},
                 {100, true}, {0.001, true}, {2.54, true}, {60, true},   {7, false},   {1e6, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_watch *watch = watch_of("{}");
        tm_look *look = batch(watch, 500, cases[i].factor);
        const tm_finding *worst = tm__look_judge(look);
        if ((worst != NULL) != cases[i].is_unit) {
            fail_msg("times %g", cases[i].factor);
        }
        assert_true(worst == NULL || worst->kind == TM_CHANGE_UNIT_CHANGE);
        tm__look_free(look);
        tm__watch_unref(watch);
    }
}

/* A batch whose numbers a function makes; whether it was taken for another unit. */
static bool is_unit(tm_watch *watch, double (*make)(uint64_t row, int batch), int number) {
    const tm_look_input input = {.schema = &schema, .n_before = 1, .n_rows = 200};
    tm_look *look = NULL;
    assert_int_equal(tm__look_create(watch, &input, &look, NULL), TM_OK);
    for (uint64_t row = 1; row <= 200; row++) {
        tm_finding f;
        const uint64_t given = row;
        const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = make(row, number)};
        (void)tm__look_row(look, &cell, &given, row, &f);
    }
    const tm_finding *worst = tm__look_judge(look);
    const bool found = worst != NULL && worst->kind == TM_CHANGE_UNIT_CHANGE;
    tm__look_keep(look);
    tm__look_free(look);
    return found;
}

/* Days of a season that grows: each batch has a level of its own, half as high again at times. */
static double seasons(uint64_t row, int batch) {
    static const double levels[] = {1, 1.6, 1, 1.5, 1.1, 1.6, 1, 2.3};
    return levels[batch] * (double)(40 + row * 37 % 60);
}

/* Areas of which most rows have none; the last batch has larger ones. */
static double mostly_none(uint64_t row, int batch) {
    return row % 10 < 7 ? 0 : (batch == 7 ? 3.28 : 1) * (double)(100 + row * 7 % 90);
}

/* Prices, of which the last batch's are higher by less than the room for 32 degrees. */
static double prices(uint64_t row, int batch) {
    return (batch == 7 ? 1.85 : 1) * (double)(100000 + row * 7919 % 100000);
}

static double celsius(uint64_t row, int batch) {
    const double degrees = (double)(row * 37 % 25);
    return batch == 7 ? 32 + 1.8 * degrees : degrees;
}

static double metres(uint64_t row, int batch) {
    return (batch == 7 ? 3.28084 : 1) * (double)(40 + row * 37 % 60);
}

static void what_comes_and_goes_by_itself_is_no_other_unit(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double (*make)(uint64_t row, int batch);
        bool is_unit;
    } cases[] = {{"seasons", seasons, false},
                 {"mostly none", mostly_none, false},
                 {"prices", prices, false},
                 {"celsius", celsius, true},
                 {"metres", metres, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_watch *watch = NULL;
        json_t *spec = json_object();
        assert_int_equal(tm__watch_create(spec, NULL, &watch, NULL), TM_OK);
        json_decref(spec);
        for (int batch = 0; batch < 8; batch++) {
            if (is_unit(watch, cases[i].make, batch) != (batch == 7 && cases[i].is_unit)) {
                fail_msg("%s, batch %d", cases[i].name, batch);
            }
        }
        tm__watch_unref(watch);
    }
}

static void few_rows_tell_only_a_large_factor(void **state) {
    (void)state;
    tm_watch *watch = watch_of("{}");
    tm_look *look = batch(watch, 40, 2.54);
    assert_null(tm__look_judge(look));
    tm__look_free(look);
    look = batch(watch, 40, 100);
    assert_non_null(tm__look_judge(look));
    tm__look_free(look);
    tm__watch_unref(watch);
}

static void what_is_adapted_to_is_found_once(void **state) {
    (void)state;
    static const char *const specs[] = {"{\"policy\": {\"unit_change\": \"adapt\"}}",
                                        "{\"policy\": {\"unit_change\": \"accept\"}}"};
    for (int way = 0; way < 2; way++) {
        tm_watch *watch = watch_of(specs[way]);
        uint32_t n = 0, n_found = 0;
        for (int i = 0; i < 5; i++) {
            tm_look *look = batch(watch, 500, 100);
            assert_null(tm__look_judge(look));
            const tm_finding *found = tm__look_findings(look, &n);
            for (uint32_t k = 0; k < n; k++) {
                n_found += found[k].kind == TM_CHANGE_UNIT_CHANGE ? 1 : 0;
            }
            tm__look_keep(look);
            tm__look_free(look);
        }
        assert_int_equal(n_found, way == 0 ? 1 : 5);
        tm__watch_unref(watch);
    }
}

static void a_sample_of_any_batch_is_small(void **state) {
    (void)state;
    tm_watch *watch = watch_of("{}");
    tm_look *look = batch(watch, 0, 1);
    assert_null(tm__look_judge(look));
    tm__look_free(look);
    const tm_look_input input = {.schema = &schema, .n_before = 1, .n_rows = 1};
    /* Many more than was guessed. */
    assert_int_equal(tm__look_create(watch, &input, &look, NULL), TM_OK);
    for (uint64_t row = 1; row <= 100000; row++) {
        tm_finding f;
        const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = number_of(row)};
        assert_true(tm__look_row(look, &cell, &row, row, &f));
    }
    assert_null(tm__look_judge(look));
    tm__look_free(look);
    tm__watch_unref(watch);
}

/* Numbers [first, first + n * step), or none where row % 3 is 0. */
static tm_look *counting(tm_watch *watch, uint64_t first, uint64_t n, uint64_t step, bool thirds) {
    const tm_look_input input = {.schema = &schema, .n_before = 1, .n_rows = n};
    tm_look *look = NULL;
    assert_int_equal(tm__look_create(watch, &input, &look, NULL), TM_OK);
    for (uint64_t row = 1; row <= n; row++) {
        tm_finding f;
        const tm_cell cell = {.type = thirds && row % 3 == 0 ? TM_TYPE_NONE : TM_TYPE_FLOAT,
                              .f64 = (double)(first + row * step)};
        (void)tm__look_row(look, &cell, &row, row, &f);
    }
    return look;
}

static void numbers_that_count_up_are_no_other_unit(void **state) {
    (void)state;
    for (uint64_t most = 750; most <= 750000; most *= 10) {
        tm_watch *watch = NULL;
        assert_int_equal(tm__watch_create(NULL, NULL, &watch, NULL), TM_OK);
        for (uint64_t part = 0; part < 4; part++) { /* read in turn, each of its own numbers */
            tm_look *look = counting(watch, part, 100, 4, false);
            assert_null(tm__look_judge(look));
            tm__look_keep(look);
            tm__look_free(look);
        }
        tm_look *look = counting(watch, 400, most, 4, false);
        assert_null(tm__look_judge(look));
        tm__look_free(look);
        tm__watch_unref(watch);
    }
}

static void rows_that_repeat_do_not_look_alike(void **state) {
    (void)state;
    tm_watch *watch = NULL;
    assert_int_equal(tm__watch_create(NULL, NULL, &watch, NULL), TM_OK);
    for (uint64_t n = 100; n < 20000; n += 317) {
        uint32_t n_found = 0;
        tm_look *look = counting(watch, 1, n, 0, true);
        (void)tm__look_judge(look);
        (void)tm__look_findings(look, &n_found);
        assert_int_equal(n_found, 0);
        tm__look_keep(look);
        tm__look_free(look);
    }
    tm__watch_unref(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_factor_is_another_unit_and_a_drift_is_not),
        cmocka_unit_test(what_comes_and_goes_by_itself_is_no_other_unit),
        cmocka_unit_test(few_rows_tell_only_a_large_factor),
        cmocka_unit_test(what_is_adapted_to_is_found_once),
        cmocka_unit_test(a_sample_of_any_batch_is_small),
        cmocka_unit_test(numbers_that_count_up_are_no_other_unit),
        cmocka_unit_test(rows_that_repeat_do_not_look_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
