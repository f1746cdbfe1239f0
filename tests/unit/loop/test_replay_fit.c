/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "replay_case.h"
#include "test.h"

static double right(const tm_replay_stream *s, const char *learner, uint64_t begin, uint64_t end) {
    const tm_replay_recipe recipe = {
        .learner = learner, .begin = begin, .end = end, .half_life = 1000.0};
    tm_ctx ctx = {0};
    tm_replay_model model;
    uint64_t n = 0;
    double *const out = tm__mem_alloc((uint64_t)1000 * s->n_outputs, sizeof(*out));
    assert_int_equal(tm__replay_fit(&ctx, s, &recipe, &model, NULL), TM_OK);
    assert_int_equal(tm__replay_answer(&ctx, s, &model, 7000, 8000, out, NULL), TM_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        if (s->is_classes) {
            assert_true(fabs(out[2 * i] + out[2 * i + 1] - 1.0) < 1e-12);
        }
        const double answer = tm__replay_pick(s, out + i * s->n_outputs);
        n += fabs(answer - s->y[7000 + i]) < 0.5 ? 1 : 0;
    }
    tm__replay_model_done(&model);
    tm__mem_free(out);
    return (double)n / 1000.0;
}

static void each_learner_learns(void **state) {
    (void)state;
    for (uint32_t is_value = 0; is_value < 2; is_value++) {
        tm_replay_stream s;
        replay_case_stream(&(replay_made){.is_value = is_value != 0}, 1, &s);
        assert_true(right(&s, "gbdt", 0, 2000) > 0.99);
        assert_true(right(&s, "linear", 1000, 2000) > 0.99);
        tm__replay_stream_done(&s);
    }
}

static void too_few_rows_give_one_answer(void **state) {
    (void)state;
    tm_replay_stream s;
    replay_case_stream(&(replay_made){0}, 1, &s);
    const double share = right(&s, "gbdt", 100, 105);
    assert_true(share > 0.4 && share < 0.6);
    tm__replay_stream_done(&s);
}

/* Of both kinds at once, by one thread and by two: the same answers as one by one. */
static void fits_at_once_are_those_one_by_one(void **state) {
    (void)state;
    tm_replay_stream s;
    static const char *const few[] = {"n_trees", "3", NULL};
    replay_case_stream(&(replay_made){.n_rows = 9100}, 1, &s);
    const tm_replay_recipe recipes[] = {
        {.learner = "linear", .begin = 8000, .end = 8700},
        {.learner = "gbdt", .params = few, .begin = 0, .end = 9000, .work = 3000000},
        {.learner = "gbdt", .params = few, .begin = 7000, .end = 8500, .half_life = 1000.0},
    };
    double one[200], at_once[200];
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
        tm_replay_model models[3];
        tm_replay_seconds seconds;
        assert_int_equal(tm__replay_fit_all(&ctx, &s, recipes, 3, models, &seconds, NULL), TM_OK);
        assert_true(seconds.wall > 0.0 && seconds.cpu > 0.0);
        for (uint32_t i = 0; i < 3; i++) {
            tm_replay_model alone;
            assert_int_equal(tm__replay_fit(&ctx, &s, &recipes[i], &alone, NULL), TM_OK);
            assert_int_equal(tm__replay_answer(&ctx, &s, &alone, 9000, 9100, one, NULL), TM_OK);
            assert_int_equal(tm__replay_answer(&ctx, &s, &models[i], 9000, 9100, at_once, NULL),
                             TM_OK);
            assert_memory_equal(one, at_once, sizeof(one));
            tm__replay_model_done(&alone);
            tm__replay_model_done(&models[i]);
        }
        tm__pool_free(ctx.pool);
    }
    tm__replay_stream_done(&s);
}

static void one_of_several_that_fails_fails_all(void **state) {
    (void)state;
    tm_replay_stream s;
    static const char *const wrong[] = {"n_trees", "none", NULL};
    tm_ctx ctx = {0};
    tm_replay_model models[2];
    tm_replay_seconds seconds;
    tm_err err = {0};
    replay_case_stream(&(replay_made){0}, 1, &s);
    const tm_replay_recipe recipes[] = {
        {.learner = "linear", .begin = 0, .end = 500},
        {.learner = "gbdt", .params = wrong, .begin = 0, .end = 500},
    };
    assert_int_not_equal(tm__replay_fit_all(&ctx, &s, recipes, 2, models, &seconds, &err), TM_OK);
    assert_non_null(strstr(err.message, "n_trees"));
    tm__replay_model_done(&models[0]);
    tm__replay_model_done(&models[1]);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_learner_learns),
        cmocka_unit_test(too_few_rows_give_one_answer),
        cmocka_unit_test(fits_at_once_are_those_one_by_one),
        cmocka_unit_test(one_of_several_that_fails_fails_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
