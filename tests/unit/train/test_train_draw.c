/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "train/train_search_priv.h"

typedef struct drawn {
    tm_train_data data;
    tm_train_options options;
    tm_search search;
} drawn;

static void init(drawn *d, uint64_t seed) {
    memset(d, 0, sizeof(*d));
    d->data = (tm_train_data){.task = TM_TASK_BINARY, .n_classes = 2, .n_train = 10000};
    d->options.seed = seed;
    d->search.data = &d->data;
    d->search.options = &d->options;
    d->search.metric = tm__metric_find("logloss");
    assert_int_equal(tm__candidates_init(&d->search, NULL), TM_OK);
}

static void draws_stay_in_range_and_repeat(void **state) {
    (void)state;
    drawn d;
    init(&d, 3);
    for (uint32_t i = 0; i < d.search.n_candidates; i++) {
        d.search.candidates[i].score = 0.5 + i;
    }
    for (uint32_t draw = 0; draw < 50; draw++) {
        tm_candidate a;
        tm_candidate b;
        assert_true(tm__candidate_draw(&d.search, &a, draw));
        assert_true(tm__candidate_draw(&d.search, &b, draw));
        assert_memory_equal(&a.params, &b.params, sizeof(a.params));
        assert_true(isnan(a.score));
        assert_null(a.raw);
        for (uint32_t p = 0; a.ops->params[p].name != NULL; p++) {
            assert_true(a.params.values[p] >= a.ops->params[p].min);
            assert_true(a.params.values[p] <= a.ops->params[p].max);
        }
    }
}

static void nothing_is_drawn_near_what_was_not_tried(void **state) {
    (void)state;
    drawn d;
    tm_candidate out;
    init(&d, 1);
    assert_false(tm__candidate_draw(&d.search, &out, 0));
}

/* A made loss whose least is known: rate 0.03 and 12 leaves. */
static double made_loss(const tm_candidate *c) {
    const double rate = log(tm__candidate_param(c, "learning_rate", 1) / 0.03);
    const double leaves = log(tm__candidate_param(c, "max_leaves", 1) / 12.0);
    const double rows = tm__candidate_param(c, "row_sample", 1) - 0.6;
    return 1.0 + 0.05 * rate * rate + 0.05 * leaves * leaves + rows * rows;
}

static void draws_find_what_is_better(void **state) {
    (void)state;
    double first_sum = 0.0, last_sum = 0.0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        drawn d;
        init(&d, seed);
        double first = INFINITY, last = INFINITY;
        for (uint32_t i = 0; i < d.search.n_candidates; i++) {
            d.search.candidates[i].score = made_loss(&d.search.candidates[i]);
            if (strcmp(d.search.candidates[i].ops->name, "gbdt") == 0) {
                first = fmin(first, d.search.candidates[i].score);
            }
        }
        for (uint32_t draw = 0; draw < 40; draw++) {
            tm_candidate *next = &d.search.candidates[d.search.n_candidates];
            assert_true(tm__candidate_draw(&d.search, next, draw));
            next->score = made_loss(next);
            last = fmin(last, next->score);
            d.search.n_candidates++;
        }
        first_sum += first - 1.0;
        last_sum += last - 1.0;
    }
    assert_true(last_sum < 0.5 * first_sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_stay_in_range_and_repeat),
        cmocka_unit_test(nothing_is_drawn_near_what_was_not_tried),
        cmocka_unit_test(draws_find_what_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
