/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_priv.h"

#define N 2000u

/* A search whose candidates answer log-odds with independent errors: together they know more than
 * alone. */
static void init(tm_search *search, tm_train_data *data, const tm_train_options *options,
                 const double *errors, uint32_t n) {
    tm_rng rng = tm__rng_split(5, "blend", 0);
    memset(search, 0, sizeof(*search));
    memset(data, 0, sizeof(*data));
    data->task = TM_TASK_BINARY;
    data->n_classes = 2;
    search->data = data;
    search->options = options;
    search->metric = tm__metric_find("logloss");
    search->n_candidates = n;
    search->n_valid = N;
    search->valid_y = tm__mem_alloc(N, sizeof(double));
    for (uint32_t k = 0; k < n; k++) {
        search->candidates[k].ops = tm__model_find("gbdt");
        search->candidates[k].link = TM_LINK_SIGMOID;
        search->candidates[k].raw = tm__mem_alloc(N, sizeof(double));
    }
    for (uint32_t i = 0; i < N; i++) {
        const double truth = 4.0 * (tm__rng_f64(&rng) - 0.5);
        search->valid_y[i] = tm__rng_f64(&rng) < 1.0 / (1.0 + exp(-truth));
        for (uint32_t k = 0; k < n; k++) {
            search->candidates[k].raw[i] = truth + errors[k] * (tm__rng_f64(&rng) - 0.5);
        }
    }
}

static void done(tm_search *search) {
    tm__search_done(search);
}

static void candidates_with_own_errors_are_blended(void **state) {
    (void)state;
    const tm_train_options options = {0};
    const double errors[] = {4.0, 4.0, 4.0};
    tm_search search;
    tm_train_data data;
    double total = 0.0;
    init(&search, &data, &options, errors, 3);
    assert_int_equal(tm__blend_choose(&search, NULL), TM_OK);
    assert_int_equal(search.n_blend, 3);
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(search.candidates[k].share > 0.15);
        total += search.candidates[k].share;
    }
    assert_true(fabs(total - 1.0) < 1e-12);
    assert_non_null(search.valid_pred);
    done(&search);
}

static void what_adds_nothing_stays_out(void **state) {
    (void)state;
    const tm_train_options options = {0};
    const double errors[] = {0.0, 30.0};
    tm_search search;
    tm_train_data data;
    init(&search, &data, &options, errors, 2);
    assert_int_equal(tm__blend_choose(&search, NULL), TM_OK);
    assert_int_equal(search.n_blend, 1);
    assert_true(search.candidates[0].share == 1.0);
    assert_true(search.candidates[1].share == 0.0);
    done(&search);
}

static void one_learner_asked_for_is_one_model(void **state) {
    (void)state;
    const tm_train_options options = {.learners = "gbdt"};
    const double errors[] = {4.0, 4.0};
    tm_search search;
    tm_train_data data;
    init(&search, &data, &options, errors, 2);
    assert_int_equal(tm__blend_choose(&search, NULL), TM_OK);
    assert_int_equal(search.n_blend, 1);
    done(&search);
}

static void raw_answers_of_another_kind_stay_out(void **state) {
    (void)state;
    const tm_train_options options = {0};
    const double errors[] = {4.0, 4.0, 4.0};
    tm_search search;
    tm_train_data data;
    init(&search, &data, &options, errors, 3);
    search.candidates[1].link = TM_LINK_EXP;
    search.candidates[2].link = TM_LINK_EXP;
    assert_int_equal(tm__blend_choose(&search, NULL), TM_OK);
    assert_int_equal(search.n_blend, 1);
    assert_true(search.candidates[0].share == 1.0);
    done(&search);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_with_own_errors_are_blended),
        cmocka_unit_test(what_adds_nothing_stays_out),
        cmocka_unit_test(one_learner_asked_for_is_one_model),
        cmocka_unit_test(raw_answers_of_another_kind_stay_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
