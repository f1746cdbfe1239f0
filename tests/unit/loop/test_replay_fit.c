/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_learner_learns),
        cmocka_unit_test(too_few_rows_give_one_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
