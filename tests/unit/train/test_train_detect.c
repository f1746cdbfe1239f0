/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "support.h"
#include "test.h"
#include "train/train.h"

#define N 600u

/* What one case makes of the target y (0 or 1, chance with a bit of x) and its column `c`. */
typedef struct row_case {
    uint32_t row;
    int64_t y;
    double u;
} row_case;

typedef struct detect_case {
    const char *name;
    tm_cell (*make)(const row_case *row); /* the column c */
    tm_cell (*target)(const row_case *row);
    const char *kind; /* NULL: nothing may fire */
    const char *column;
} detect_case;

static tm_cell of_int(int64_t value) {
    return (tm_cell){.type = TM_TYPE_INT, .i64 = value};
}
static tm_cell of_float(double value) {
    return (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
}
static tm_cell of_nothing(void) {
    return (tm_cell){.type = TM_TYPE_NONE};
}

static tm_cell plain_target(const row_case *r) {
    return of_int(r->y);
}
static tm_cell number_target(const row_case *r) {
    return of_float((double)r->y + r->u * 10);
}
static tm_cell sparse_target(const row_case *r) {
    return r->row % 9 == 0 ? of_nothing() : of_int(r->y);
}
static tm_cell rarely_missing_target(const row_case *r) {
    return r->row % 40 == 0 ? of_nothing() : of_int(r->y);
}
static tm_cell constant_target(const row_case *r) {
    return r->row % 9 == 0 ? of_nothing() : of_int(1);
}
static tm_cell noise(const row_case *r) {
    return of_float(r->u);
}
static tm_cell few_levels(const row_case *r) {
    return of_int((int64_t)(r->u * 5));
}
static tm_cell same(const row_case *r) {
    (void)r;
    return of_int(4);
}
static tm_cell same_or_missing(const row_case *r) {
    return r->row % 3 == 0 ? of_nothing() : of_int(4);
}
static tm_cell never(const row_case *r) {
    (void)r;
    return of_nothing();
}
static tm_cell number_of_row(const row_case *r) {
    return of_int(90000 + (int64_t)r->row * 3);
}
static tm_cell shuffled_numbers(const row_case *r) {
    return of_int((int64_t)r->row * 7 % N); /* all differ, as a measurement may */
}
static tm_cell copy(const row_case *r) {
    return of_int(r->y == 1 ? 50 : 20);
}
static tm_cell nearly_copy(const row_case *r) {
    return of_int(r->row % 10 == 0 ? 35 : r->y == 1 ? 50 : 20);
}
static tm_cell other_unit(const row_case *r) {
    return of_float(exp(((double)r->y + r->u * 10) / 3));
}
static tm_cell after_the_fact(const row_case *r) {
    return r->y == 1 ? of_float(r->u) : of_nothing();
}
static tm_cell often_missing(const row_case *r) {
    return r->row % 3 == 0 ? of_nothing() : of_float(r->u);
}
static tm_cell leak(const row_case *r) {
    return of_float(r->u + (r->y == 1 ? 1.5 : 0)); /* two clouds with a gap */
}
static tm_cell good_hint(const row_case *r) {
    return of_float(r->u + (r->y == 1 ? 0.4 : 0));
}

static tm_table *make_table(const detect_case *c) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    tm_rng rng = tm__rng_split(8, "detect", 0);
    const bool is_int = c->make == copy || c->make == nearly_copy || c->make == few_levels ||
                        c->make == same || c->make == same_or_missing || c->make == never ||
                        c->make == number_of_row || c->make == shuffled_numbers;
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "c", is_int ? TM_TYPE_INT : TM_TYPE_FLOAT, NULL),
                     TM_OK);
    assert_int_equal(tm__builder_add_column(
                         b, "y", c->target == number_target ? TM_TYPE_FLOAT : TM_TYPE_INT, NULL),
                     TM_OK);
    for (uint32_t row = 0; row < N; row++) {
        const double x = tm__rng_f64(&rng);
        const row_case r = {row, tm__rng_f64(&rng) < 0.3 + 0.3 * x, tm__rng_f64(&rng)};
        const tm_cell cells[] = {of_float(x), c->make(&r), c->target(&r)};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void each_kind_fires_where_it_must_and_only_there(void **state) {
    (void)state;
    const detect_case cases[] = {
        {"plain", noise, plain_target, NULL, NULL},
        {"plain number", noise, sparse_target, "target_missing", "y"},
        {"rarely missing", noise, rarely_missing_target, NULL, NULL},
        {"one class", noise, constant_target, "one_class", "y"},
        {"few levels", few_levels, plain_target, NULL, NULL},
        {"constant", same, plain_target, "constant", "c"},
        {"constant where it is", same_or_missing, plain_target, NULL, NULL},
        {"no value", never, plain_target, "constant", "c"},
        {"identifier", number_of_row, plain_target, "identifier", "c"},
        {"measurement", shuffled_numbers, plain_target, NULL, NULL},
        {"copy", copy, plain_target, "copy", "c"},
        {"nearly a copy", nearly_copy, plain_target, "leak", "c"},
        {"another unit", other_unit, number_target, "copy", "c"},
        {"number and noise", few_levels, number_target, NULL, NULL},
        {"after the fact", after_the_fact, plain_target, "after_the_fact", "c"},
        {"often missing", often_missing, plain_target, NULL, NULL},
        {"leak", leak, plain_target, "leak", "c"},
        {"a good hint", good_hint, plain_target, NULL, NULL},
    };
    tm_ctx *const ctx = test_ctx_make(1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *const table = make_table(&cases[i]);
        json_t *list = NULL;
        const tm_detect_options options = {.target = "y"};
        assert_int_equal(tm__train_detect(ctx, table, &options, &list, NULL), TM_OK);
        bool is_found = cases[i].kind == NULL && json_array_size(list) == 0;
        for (size_t k = 0; k < json_array_size(list) && cases[i].kind != NULL; k++) {
            const json_t *const found = json_array_get(list, k);
            is_found =
                is_found || (strcmp(tm__json_text(found, "kind", ""), cases[i].kind) == 0 &&
                             strcmp(tm__json_text(found, "column", ""), cases[i].column) == 0 &&
                             tm__json_text(found, "hint", "")[0] != '\0');
        }
        if (!is_found) {
            char *const text = json_dumps(list, 0);
            print_error("%s: %s\n", cases[i].name, text);
            free(text);
        }
        assert_true(is_found);
        json_decref(list);
        tm__table_unref(table);
    }
    test_ctx_free(ctx);
}

/* n_same of the rows repeat the first ones, half of them with another target. */
static tm_table *make_repeated(uint32_t n_same, uint64_t seed) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "z", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_INT, NULL), TM_OK);
    for (uint32_t row = 0; row < N; row++) {
        const bool repeats = row >= N - n_same;
        tm_rng rng = tm__rng_split(seed, "row", repeats ? row - (N - n_same) : row);
        const double x = tm__rng_f64(&rng);
        const int64_t y = tm__rng_f64(&rng) < x;
        const tm_cell cells[] = {of_float(x), of_float(tm__rng_f64(&rng)),
                                 of_int(repeats && row % 2 == 0 ? 1 - y : y)};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static const json_t *find_kind(const json_t *list, const char *kind) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(tm__json_text(json_array_get(list, i), "kind", ""), kind) == 0) {
            return json_array_get(list, i);
        }
    }
    return NULL;
}

static void equal_rows_are_counted(void **state) {
    (void)state;
    tm_ctx *const ctx = test_ctx_make(1);
    const uint32_t n_same[] = {0, 4, 60};
    for (uint32_t i = 0; i < 3; i++) {
        tm_table *const table = make_repeated(n_same[i], 1);
        json_t *list = NULL;
        const tm_detect_options options = {.target = "y"};
        assert_int_equal(tm__train_detect(ctx, table, &options, &list, NULL), TM_OK);
        const json_t *const repeated = json_object_get(find_kind(list, "repeated"), "evidence");
        const json_t *const conflicting =
            json_object_get(find_kind(list, "conflicting"), "evidence");
        if (n_same[i] == 60) {
            assert_int_equal(tm__json_i64(repeated, "repeated", 0), 30);
            assert_int_equal(tm__json_i64(conflicting, "conflicting", 0), 60);
            /* Row 540, counted from 0, is row 0 with another target; row 541 is row 1. */
            const json_t *const same = json_object_get(find_kind(list, "repeated"), "place");
            const json_t *const other = json_object_get(find_kind(list, "conflicting"), "place");
            assert_int_equal(tm__json_i64(same, "row", 0), 542);
            assert_int_equal(tm__json_i64(same, "equals_row", 0), 2);
            assert_int_equal(tm__json_i64(other, "row", 0), 541);
            assert_int_equal(tm__json_i64(other, "equals_row", 0), 1);
        } else {
            assert_null(repeated);
        }
        json_decref(list);
        tm__table_unref(table);
    }
    test_ctx_free(ctx);
}

static void test_rows_of_the_training_are_told_by_training(void **state) {
    (void)state;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_table *const table = make_repeated(0, 1);
    tm_table *const other = make_repeated(0, 2);
    tm_table *const tests[] = {table, other};
    for (uint32_t i = 0; i < 2; i++) {
        tm_train_result result;
        const tm_train_options options = {.target = "y", .learners = "linear", .model = "m"};
        assert_int_equal(tm__train_run(ctx, table, tests[i], &options, &result, NULL), TM_OK);
        const json_t *const overlap =
            find_kind(json_object_get(result.report, "findings"), "overlap");
        if (i == 0) {
            assert_string_equal(tm__json_text(overlap, "text", ""),
                                "100.0 % of the test rows equal a training row in every column");
        } else {
            assert_null(overlap);
        }
        tm__train_result_done(&result);
    }
    tm__table_unref(table);
    tm__table_unref(other);
    test_ctx_free(ctx);
}

static void rows_of_another_table_that_stand_in_this_one_are_counted(void **state) {
    (void)state;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_table *const table = make_repeated(0, 1);
    const struct {
        uint32_t first, n; /* rows of the table; others follow */
        bool is_found;
    } cases[] = {{17, 7, true}, {17, 4, false}, {0, 0, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *const others = make_repeated(0, 2);
        tm_table *some = NULL, *test = NULL;
        json_t *list = NULL;
        uint32_t rows[N];
        for (uint32_t row = 0; row < N; row++) {
            rows[row] = cases[i].first + row;
        }
        assert_int_equal(tm__table_take_rows(table, rows, cases[i].n, &some, NULL), TM_OK);
        assert_int_equal(tm__table_concat(others, some, &test, NULL), TM_OK);
        const tm_detect_options options = {.target = "y", .against = test};
        assert_int_equal(tm__train_detect(ctx, table, &options, &list, NULL), TM_OK);
        const json_t *const overlap = find_kind(list, "overlap");
        assert_int_equal(overlap != NULL, cases[i].is_found);
        if (overlap != NULL) {
            const json_t *const place = json_object_get(overlap, "place");
            assert_int_equal(tm__json_i64(json_object_get(overlap, "evidence"), "equal", 0), 7);
            assert_int_equal(tm__json_i64(place, "row", 0), N + 1);
            assert_int_equal(tm__json_i64(place, "equals_row", 0), 18);
        }
        json_decref(list);
        tm__table_unref(test);
        tm__table_unref(some);
        tm__table_unref(others);
    }
    tm__table_unref(table);
    test_ctx_free(ctx);
}

static void an_unknown_target_is_named(void **state) {
    (void)state;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_table *const table = make_repeated(0, 1);
    json_t *list = NULL;
    tm_err err = {0};
    const tm_detect_options options = {.target = "yy"};
    assert_int_equal(tm__train_detect(ctx, table, &options, &list, &err), TM_E_USAGE);
    assert_string_equal(err.message, "there is no target column 'yy'");
    assert_string_equal(err.hint, "Did you mean 'y'?");
    tm__table_unref(table);
    test_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_fires_where_it_must_and_only_there),
        cmocka_unit_test(equal_rows_are_counted),
        cmocka_unit_test(test_rows_of_the_training_are_told_by_training),
        cmocka_unit_test(rows_of_another_table_that_stand_in_this_one_are_counted),
        cmocka_unit_test(an_unknown_target_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
