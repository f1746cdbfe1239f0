/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_conformal.h"

typedef struct conformal_case {
    tm_train_data data;
    tm_train_options options;
    tm_search search;
    tm_conformal c;
    json_t *record;
    double *fresh_y, *fresh_pred; /* as many rows again */
} conformal_case;

static double bell(tm_rng *rng) {
    double sum = 0;
    for (unsigned i = 0; i < 6; i++) {
        sum += tm__rng_f64(rng) - 0.5;
    }
    return sum;
}

/* kind: 0 alike everywhere, 1 wider where the answer is larger, 2 skewed, 3 never off. */
static void draw(tm_rng *rng, unsigned kind, double *y, double *pred) {
    *pred = 10 * tm__rng_f64(rng);
    const double u = tm__rng_f64(rng);
    *y = *pred + (kind == 0   ? bell(rng)
                  : kind == 1 ? bell(rng) * *pred * *pred
                  : kind == 2 ? -log(1 - u)
                              : 0);
}

static void init(conformal_case *c, uint64_t n, unsigned kind) {
    tm_rng rng = tm__rng_split(n, "conformal case", kind);
    memset(c, 0, sizeof(*c));
    c->data.task = TM_TASK_REGRESSION;
    c->search = (tm_search){.data = &c->data,
                            .options = &c->options,
                            .n_valid = n,
                            .valid_y = tm__mem_alloc(n, sizeof(double)),
                            .valid_pred = tm__mem_alloc(n, sizeof(double))};
    c->fresh_y = tm__mem_alloc(n, sizeof(double));
    c->fresh_pred = tm__mem_alloc(n, sizeof(double));
    for (uint64_t i = 0; i < n; i++) {
        draw(&rng, kind, &c->search.valid_y[i], &c->search.valid_pred[i]);
        draw(&rng, kind, &c->fresh_y[i], &c->fresh_pred[i]);
    }
}

static void run(conformal_case *c) {
    tm_err err = {0};
    if (tm__train_conformal(&c->search, false, &c->c, &c->record, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void done(conformal_case *c) {
    tm__conformal_done(&c->c);
    json_decref(c->record);
    tm__mem_free(c->search.valid_y);
    tm__mem_free(c->search.valid_pred);
    tm__mem_free(c->fresh_y);
    tm__mem_free(c->fresh_pred);
}

static void fresh_rows_are_covered_by_the_method_that_is_narrowest(void **state) {
    (void)state;
    static const char *const want[] = {"absolute", "scaled", "signed", "absolute"};
    for (unsigned kind = 0; kind < 4; kind++) {
        conformal_case c;
        init(&c, 6000, kind);
        run(&c);
        assert_string_equal(tm__json_text(c.record, "method", ""), want[kind]);
        assert_true(tm__conformal_is_sound(&c.c));
        const tm_covered_rows rows = {
            .n = 6000, .n_outputs = 1, .y = c.fresh_y, .pred = c.fresh_pred};
        json_t *covered = tm__train_covered(&c.c, &rows);
        assert_int_equal(json_array_size(covered), 5);
        for (size_t i = 0; i < 5; i++) {
            const json_t *one = json_array_get(covered, i);
            const double level = tm__json_f64(one, "level", 0),
                         share = tm__json_f64(one, "covered", 0);
            assert_true(share > level - 0.03);
            assert_true(kind == 3 || share < level + 0.035);
            assert_true(tm__json_f64(one, "low", 1) <= share &&
                        tm__json_f64(one, "high", 0) >= share);
            assert_true(isfinite(tm__json_f64(one, "width", NAN)));
        }
        json_decref(covered);
        done(&c);
    }
}

static void few_rows_have_what_they_allow(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 1, 9, 10, 60, 499};
    for (unsigned i = 0; i < 6; i++) {
        conformal_case c;
        init(&c, sizes[i], 0);
        run(&c);
        assert_int_equal(c.c.kind, sizes[i] < 10 ? TM_CONFORMAL_NONE : TM_CONFORMAL_NUMBER);
        assert_true((c.c.kind == TM_CONFORMAL_NONE) ==
                    (strcmp(tm__json_text(c.record, "method", ""), "none") == 0));
        done(&c);
    }
}

static void rows_of_weight_zero_and_absurd_ones_do_no_harm(void **state) {
    (void)state;
    conformal_case c;
    init(&c, 2000, 1);
    c.search.valid_weights = tm__mem_alloc(2000, sizeof(double));
    for (uint64_t i = 0; i < 2000; i++) {
        c.search.valid_weights[i] = (double)(i % 2);
        c.search.valid_y[i] = i % 100 == 1 ? 1e300 : c.search.valid_y[i];
    }
    run(&c);
    assert_true(tm__conformal_is_sound(&c.c));
    assert_true(c.c.n_rows <= 1000);
    tm__mem_free(c.search.valid_weights);
    done(&c);
}

static void classes_get_sets_that_hold_the_truth(void **state) {
    (void)state;
    enum { N = 4000 };
    for (uint32_t k = 1; k <= 3; k += 2) {
        conformal_case c;
        init(&c, N, 0);
        tm_rng rng = tm__rng_split(k, "sets", 0);
        tm__mem_free(c.search.valid_pred);
        tm__mem_free(c.fresh_pred);
        c.search.valid_pred = tm__mem_alloc((size_t)N * k, sizeof(double));
        c.fresh_pred = tm__mem_alloc((size_t)N * k, sizeof(double));
        c.data.task = k == 1 ? TM_TASK_BINARY : TM_TASK_MULTICLASS;
        c.data.n_classes = k == 1 ? 2 : k;
        for (uint64_t i = 0; i < 2 * N; i++) {
            double *p = (i < N ? c.search.valid_pred : c.fresh_pred) + i % N * k;
            double *y = (i < N ? c.search.valid_y : c.fresh_y) + i % N;
            const double u = tm__rng_f64(&rng), v = tm__rng_f64(&rng);
            p[0] = u;
            if (k == 3) {
                p[1] = (1 - u) * 0.75;
                p[2] = (1 - u) * 0.25;
            }
            *y = k == 1 ? v < u : v < p[0] ? 0 : v < p[0] + p[1] ? 1 : 2;
        }
        c.search.valid_y[3] = 7; /* a class that training had not */
        run(&c);
        assert_int_equal(c.c.kind, TM_CONFORMAL_CLASSES);
        const tm_covered_rows rows = {.n = N, .n_outputs = k, .y = c.fresh_y, .pred = c.fresh_pred};
        json_t *covered = tm__train_covered(&c.c, &rows);
        for (size_t i = 1; i < json_array_size(covered); i++) {
            const json_t *one = json_array_get(covered, i);
            assert_true(tm__json_f64(one, "covered", 0) > tm__json_f64(one, "level", 1) - 0.03);
            assert_true(tm__json_f64(one, "classes", 0) >= 1);
        }
        json_decref(covered);
        done(&c);
    }
}

static void rankings_have_none_and_time_order_is_said(void **state) {
    (void)state;
    conformal_case c;
    init(&c, 100, 0);
    c.data.task = TM_TASK_RANKING;
    run(&c);
    assert_int_equal(c.c.kind, TM_CONFORMAL_NONE);
    done(&c);
    init(&c, 100, 0);
    c.data.is_time_ordered = true;
    run(&c);
    assert_non_null(json_object_get(c.record, "order"));
    done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_rows_are_covered_by_the_method_that_is_narrowest),
        cmocka_unit_test(few_rows_have_what_they_allow),
        cmocka_unit_test(rows_of_weight_zero_and_absurd_ones_do_no_harm),
        cmocka_unit_test(classes_get_sets_that_hold_the_truth),
        cmocka_unit_test(rankings_have_none_and_time_order_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
