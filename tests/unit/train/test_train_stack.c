/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_mix.h"

#define N 6000u
#define FOLDS 5u

/* A search of numbers with two candidates, whose raw answers a test fills in. */
typedef struct made {
    tm_search search;
    tm_train_data data;
    tm_train_options options;
    tm_mixer halves[TM_MIX_HALVES], all;
    tm_mix shares;
} made;

static void init(made *m, uint32_t n_folds) {
    memset(m, 0, sizeof(*m));
    m->data.task = TM_TASK_REGRESSION;
    m->search.data = &m->data;
    m->search.options = &m->options;
    m->search.metric = tm__metric_find("rmse");
    m->search.n_candidates = 2;
    m->search.n_valid = N;
    m->search.n_valid_folds = n_folds;
    for (uint32_t f = 0; f < n_folds; f++) {
        m->search.valid_ends[f] = N * (f + 1) / n_folds;
    }
    m->search.valid_y = tm__mem_alloc(N, sizeof(double));
    for (uint32_t k = 0; k < 2; k++) {
        m->search.candidates[k].ops = tm__model_find("gbdt");
        m->search.candidates[k].raw = tm__mem_alloc(N, sizeof(double));
    }
}

/* Try a second layer in the place of shares of 23 and 2 of 25. */
static void choose(made *m) {
    const tm_mix_rows rows[] = {{.half = 0, .fold = TM_FOLDS_ALL},
                                {.half = 1, .fold = TM_FOLDS_ALL},
                                {.half = TM_MIX_ALL, .fold = TM_FOLDS_ALL}};
    m->shares = (tm_mix){.counts = {23, 2}, .n = 25};
    const tm_mix both[] = {m->shares, m->shares};
    assert_int_equal(tm__mixer_init(&m->halves[0], &m->search, rows[0], NULL), TM_OK);
    assert_int_equal(tm__mixer_init(&m->halves[1], &m->search, rows[1], NULL), TM_OK);
    assert_int_equal(tm__mixer_init(&m->all, &m->search, rows[2], NULL), TM_OK);
    m->search.candidates[0].share = 0.92;
    m->search.candidates[1].share = 0.08;
    m->search.n_blend = 2;
    assert_int_equal(tm__stack_choose(&m->search, m->halves, both, &m->all, &m->shares, NULL),
                     TM_OK);
}

static void done(made *m) {
    tm__mixer_done(&m->halves[0]);
    tm__mixer_done(&m->halves[1]);
    tm__mixer_done(&m->all);
    tm__search_done(&m->search);
}

/* The target is what candidate 0 answers, and twice what candidate 1 does: of the row itself, or
 * of all rows of its fold, as when statistics of the target were not held out. */
static void fill(made *m, bool is_of_fold, uint64_t seed) {
    tm_rng rng = tm__rng_split(seed, "stack", 0);
    double of_fold[FOLDS];
    for (uint32_t f = 0; f < FOLDS; f++) {
        of_fold[f] = f % 2 == 0 ? 1.0 : -1.0;
    }
    for (uint32_t i = 0; i < N; i++) {
        const double known = 4.0 * (tm__rng_f64(&rng) - 0.5);
        const double own = 3.0 * (tm__rng_f64(&rng) - 0.5);
        const double other = is_of_fold ? of_fold[i * FOLDS / N] : own;
        m->search.candidates[0].raw[i] = known;
        m->search.candidates[1].raw[i] = 0.5 * other;
        m->search.valid_y[i] = known + other + (tm__rng_f64(&rng) - 0.5);
    }
}

static void weights_that_pay_take_the_place_of_shares(void **state) {
    (void)state;
    made m;
    init(&m, FOLDS);
    fill(&m, false, 1);
    choose(&m);
    const tm_stacking *s = &m.search.stacking;
    assert_true(s->is_used);
    assert_true(s->gain > 0.5 && s->gain_in_folds > 0.5 * s->gain);
    assert_true(s->score < s->blend_score);
    assert_int_equal(s->whole.n, 2);
    assert_true(fabs(s->whole.weights[0] - 1.0) < 0.1 && fabs(s->whole.weights[1] - 2.0) < 0.2);
    const double sum = m.search.candidates[0].share + m.search.candidates[1].share;
    assert_true(fabs(sum - 1.0) < 1e-9);
    done(&m);
}

/* Invariant 1: answers of validation rows are those of weights that did not see them. */
static void validation_answers_are_of_the_other_half(void **state) {
    (void)state;
    made m;
    double *raw = tm__mem_alloc(N, sizeof(double));
    init(&m, FOLDS);
    fill(&m, false, 2);
    choose(&m);
    assert_true(m.search.stacking.is_used);
    assert_int_equal(tm__blend_raw(&m.search, raw, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const tm_stack *other = &m.search.stacking.halves[1 - tm__mix_half(&m.search, i)];
        const double want = other->bias[0] + other->weights[0] * m.search.candidates[0].raw[i] +
                            other->weights[1] * m.search.candidates[1].raw[i];
        assert_true(fabs(raw[i] - want) < 1e-12);
    }
    assert_true(m.search.stacking.halves[0].weights[1] != m.search.stacking.halves[1].weights[1]);
    tm__mem_free(raw);
    done(&m);
}

/* The leak test: over all folds it is as good as above, within them there is nothing to gain. */
static void what_tells_folds_apart_is_not_believed(void **state) {
    (void)state;
    made m;
    init(&m, FOLDS);
    fill(&m, true, 3);
    choose(&m);
    const tm_stacking *s = &m.search.stacking;
    assert_true(s->gain > 0.5);
    assert_false(s->is_used);
    assert_true(s->gain_in_folds < 0.5 * s->gain);
    assert_non_null(strstr(s->reason, "within"));
    assert_true(m.search.candidates[0].share == 0.92);
    done(&m);
}

static void a_shuffled_target_is_not_stacked(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        made m;
        tm_rng rng = tm__rng_split(seed, "shuffle", 0);
        init(&m, FOLDS);
        fill(&m, false, seed);
        for (uint32_t i = N - 1; i > 0; i--) {
            const uint32_t k = (uint32_t)(tm__rng_f64(&rng) * (i + 1));
            const double y = m.search.valid_y[i];
            m.search.valid_y[i] = m.search.valid_y[k];
            m.search.valid_y[k] = y;
        }
        /* Raw answers like those of members that learned nothing: about the mean. */
        for (uint32_t i = 0; i < N; i++) {
            m.search.candidates[0].raw[i] *= 0.02;
            m.search.candidates[1].raw[i] *= 0.02;
        }
        choose(&m);
        assert_false(m.search.stacking.is_used);
        assert_non_null(m.search.stacking.reason);
        done(&m);
    }
}

/* Of one fold, halves are enough; in time order the later rows have to show it, too. */
static void in_time_order_a_gain_has_to_last(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        made m;
        init(&m, 1);
        fill(&m, false, 4);
        m.data.is_time_ordered = i > 0;
        for (uint32_t row = N / 2; i == 2 && row < N; row++) { /* what it knew ends there */
            m.search.candidates[1].raw[row] *= -1.0;
        }
        choose(&m);
        const tm_stacking *s = &m.search.stacking;
        assert_int_equal(s->is_used, i < 2);
        assert_int_equal(isnan(s->gain_in_folds), i == 0);
        done(&m);
    }
}

static void nothing_is_tried_where_there_can_be_no_second_layer(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        made m;
        init(&m, FOLDS);
        fill(&m, false, 5);
        m.options.init_score = i == 0 ? "score" : NULL;
        m.search.candidates[0].link = m.search.candidates[1].link =
            i == 1 ? TM_LINK_SQUARE : TM_LINK_NONE;
        m.search.n_valid = i == 2 ? 600 : N;
        for (uint32_t f = 0; f < FOLDS; f++) {
            m.search.valid_ends[f] = m.search.n_valid * (f + 1) / FOLDS;
        }
        choose(&m);
        assert_null(m.search.stacking.reason);
        assert_false(m.search.stacking.is_used);
        done(&m);
    }
}

static void weights_count_in_what_answers_may_cost(void **state) {
    (void)state;
    made m;
    const tm_cost one = tm__cost_of_stack(2, 10), more = tm__cost_of_stack(4, 10);
    assert_true(more.us > one.us && more.bytes > one.bytes);
    init(&m, FOLDS);
    fill(&m, false, 6);
    m.options.bundle_bytes_max = 8; /* of a weight and no bias */
    choose(&m);
    assert_false(m.search.stacking.is_used);
    assert_non_null(strstr(m.search.stacking.reason, "cost"));
    done(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_pay_take_the_place_of_shares),
        cmocka_unit_test(validation_answers_are_of_the_other_half),
        cmocka_unit_test(what_tells_folds_apart_is_not_believed),
        cmocka_unit_test(a_shuffled_target_is_not_stacked),
        cmocka_unit_test(in_time_order_a_gain_has_to_last),
        cmocka_unit_test(nothing_is_tried_where_there_can_be_no_second_layer),
        cmocka_unit_test(weights_count_in_what_answers_may_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
