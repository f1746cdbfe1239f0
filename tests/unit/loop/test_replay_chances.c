/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

static void take(const tm_replay_stream *s, float **out) {
    const tm_replay_options options = {.target = "y"};
    for (uint32_t i = 0; i < TM_REPLAY_RULES; i++) {
        out[i] = tm__mem_alloc(s->n_rows * s->n_outputs, sizeof(float));
        assert_non_null(out[i]);
    }
    assert_int_equal(tm__replay_rule_chances(s, &options, out, NULL), TM_OK);
}

static void give(float **out) {
    for (uint32_t i = 0; i < TM_REPLAY_RULES; i++) {
        tm__mem_free(out[i]);
    }
}

/* Labels in runs of 400, known 20 rows later. */
static void a_rule_is_as_sure_as_it_was_right(void **state) {
    (void)state;
    tm_replay_stream s;
    float *out[TM_REPLAY_RULES];
    replay_case_stream(&(replay_made){0}, 20, &s);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        s.y[row] = row / 400 % 2 == 0 ? 0.0 : 1.0;
    }
    take(&s, out);
    for (uint64_t row = 100; row < s.n_rows; row++) {
        for (uint32_t i = 0; i < TM_REPLAY_RULES; i++) {
            const float *const p = out[i] + 2 * row;
            assert_true(p[0] != p[0] || fabs((double)p[0] + (double)p[1] - 1.0) < 1e-6);
        }
        const uint32_t last = (uint32_t)s.y[s.known[row] - 1]; /* nothing later */
        assert_true(out[0][2 * row + last] > 0.9F);
    }
    assert_true(fabs((double)out[2][2 * (s.n_rows - 1)] - 0.5) < 0.03);
    give(out);
    tm__replay_stream_done(&s);
}

static void of_values_it_is_the_value(void **state) {
    (void)state;
    tm_replay_stream s;
    float *out[TM_REPLAY_RULES];
    replay_case_stream(&(replay_made){.is_value = true}, 5, &s);
    take(&s, out);
    assert_true(out[0][0] != out[0][0] && out[2][0] != out[2][0]); /* nothing is known yet */
    assert_true(out[0][100] == (float)s.y[95]);
    give(out);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_as_sure_as_it_was_right),
        cmocka_unit_test(of_values_it_is_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
