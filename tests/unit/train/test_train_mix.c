/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_mix.h"

#define N 3000u

typedef struct made {
    tm_search search;
    tm_train_data data;
    tm_train_options options;
} made;

/* Candidates that answer the target with errors of their own. */
static void init(made *m, const double *errors, uint32_t n) {
    tm_rng rng = tm__rng_split(6, "mix", 0);
    memset(m, 0, sizeof(*m));
    m->data.task = TM_TASK_REGRESSION;
    m->search.data = &m->data;
    m->search.options = &m->options;
    m->search.metric = tm__metric_find("rmse");
    m->search.n_candidates = n;
    m->search.n_valid = N;
    m->search.n_valid_folds = 2;
    m->search.valid_ends[0] = 1000;
    m->search.valid_ends[1] = N;
    m->search.valid_y = tm__mem_alloc(N, sizeof(double));
    for (uint32_t k = 0; k < n; k++) {
        m->search.candidates[k].ops = tm__model_find("gbdt");
        m->search.candidates[k].raw = tm__mem_alloc(N, sizeof(double));
    }
    for (uint32_t i = 0; i < N; i++) {
        m->search.valid_y[i] = tm__rng_f64(&rng);
        for (uint32_t k = 0; k < n; k++) {
            m->search.candidates[k].raw[i] =
                m->search.valid_y[i] + errors[k] * (tm__rng_f64(&rng) - 0.5);
        }
    }
}

static uint64_t count(const made *m, uint32_t half, uint32_t fold) {
    tm_mixer mixer;
    const tm_mix_rows which = {.half = half, .fold = fold};
    assert_int_equal(tm__mixer_init(&mixer, &m->search, which, NULL), TM_OK);
    const uint64_t n = mixer.n_rows;
    tm__mixer_done(&mixer);
    return n;
}

static void halves_and_folds_share_the_rows_out(void **state) {
    (void)state;
    const double errors[] = {1.0, 1.0};
    made m;
    init(&m, errors, 2);
    assert_int_equal(count(&m, TM_MIX_ALL, TM_FOLDS_ALL), N);
    assert_int_equal(count(&m, 0, TM_FOLDS_ALL), N / 2);
    assert_int_equal(count(&m, 1, TM_FOLDS_ALL), N / 2);
    assert_int_equal(count(&m, TM_MIX_ALL, 0), 1000);
    assert_int_equal(count(&m, TM_MIX_ALL, 1), 2000);
    assert_int_equal(count(&m, 1, 1), 1000);
    tm__search_done(&m.search);
}

static void halves_in_time_are_earlier_and_later(void **state) {
    (void)state;
    const double errors[] = {1.0, 1.0};
    made m;
    tm_mixer mixer;
    init(&m, errors, 2);
    for (uint32_t half = 0; half < 2; half++) {
        const tm_mix_rows which = {.half = half, .fold = TM_FOLDS_ALL, .is_in_time = true};
        assert_int_equal(tm__mixer_init(&mixer, &m.search, which, NULL), TM_OK);
        assert_int_equal(mixer.n_rows, N / 2);
        assert_memory_equal(mixer.y, m.search.valid_y + half * (N / 2), N / 2 * sizeof(double));
        tm__mixer_done(&mixer);
    }
    tm__search_done(&m.search);
}

static void a_query_is_in_one_half(void **state) {
    (void)state;
    const double errors[] = {1.0, 1.0};
    made m;
    init(&m, errors, 2);
    m.search.valid_queries = tm__mem_alloc(N, sizeof(uint32_t));
    for (uint32_t i = 0; i < N; i++) {
        m.search.valid_queries[i] = i / 7;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(tm__mix_half(&m.search, i), tm__mix_half(&m.search, i / 7 * 7));
        n += tm__mix_half(&m.search, i);
    }
    assert_true(n > N / 2 - 10 && n < N / 2 + 10);
    tm__search_done(&m.search);
}

static void shares_go_to_what_lowers_the_loss(void **state) {
    (void)state;
    const double errors[] = {1.0, 1.0, 30.0};
    made m;
    tm_mixer mixer;
    tm_mix chosen;
    double mixed = 0.0, alone = 0.0;
    const tm_mix single = {.counts = {1}, .n = 1};
    init(&m, errors, 3);
    const tm_mix_rows all = {.half = TM_MIX_ALL, .fold = TM_FOLDS_ALL};
    assert_int_equal(tm__mixer_init(&mixer, &m.search, all, NULL), TM_OK);
    assert_int_equal(tm__mix_choose(&mixer, &chosen, NULL), TM_OK);
    assert_int_equal(chosen.counts[0] + chosen.counts[1], chosen.n);
    assert_true(chosen.counts[0] > 0 && chosen.counts[1] > 0);
    assert_int_equal(tm__mix_judge(&mixer, &chosen, &mixed, NULL), TM_OK);
    assert_int_equal(tm__mix_judge(&mixer, &single, &alone, NULL), TM_OK);
    assert_true(mixed < 0.8 * alone);
    tm__mixer_done(&mixer);
    tm__search_done(&m.search);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_and_folds_share_the_rows_out),
        cmocka_unit_test(halves_in_time_are_earlier_and_later),
        cmocka_unit_test(a_query_is_in_one_half),
        cmocka_unit_test(shares_go_to_what_lowers_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
