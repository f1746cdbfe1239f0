/* SPDX-License-Identifier: Apache-2.0 */
/* The reference itself, by hand: everything else is compared with it. */
#include "feature/window.h"
#include "test.h"

static void each_window_is_what_its_definition_says(void **state) {
    (void)state;
    const uint32_t entities[] = {3, 3, 3, 3, 3, 4};
    const int64_t known[] = {40, 10, 20, 30, 20, 25};
    const int64_t values[] = {5, 1, 2, TM_INT_MISSING, 7, 100};
    const tm_column col = {.name = "v", .type = TM_TYPE_INT, .ints = values};
    const tm_window_input input = {TM_TYPE_INT, 7};
    const struct {
        tm_window_feature f;
        int64_t moment;
        double want; /* -1: missing */
    } cases[] = {
        {{.fn = TM_WINDOW_SUM}, 10, 0},
        {{.fn = TM_WINDOW_SUM}, 11, 1},
        {{.fn = TM_WINDOW_SUM}, 41, 15},
        {{.fn = TM_WINDOW_SUM, .width_us = 20}, 40, 9},
        {{.fn = TM_WINDOW_SUM, .width_us = 19}, 40, 0},
        {{.fn = TM_WINDOW_SUM, .n_last = 2}, 40, 7}, /* 7, and one that is missing */
        {{.fn = TM_WINDOW_SUM, .n_last = 3}, 40, 9},
        {{.fn = TM_WINDOW_LAST}, 40, 7}, /* of two at 20, the later one given */
        {{.fn = TM_WINDOW_LAST, .n_last = 1}, 40, -1},
        {{.fn = TM_WINDOW_LAG, .lag = 1}, 40, 2},
        {{.fn = TM_WINDOW_LAG, .lag = 3}, 40, -1},
        {{.fn = TM_WINDOW_DISTINCT, .n_last = 9}, 99, 4},
        {{.fn = TM_WINDOW_SHARE, .level = 7}, 99, 0.25},
        {{.fn = TM_WINDOW_COUNT}, 99, 4},
        {{.fn = TM_WINDOW_COUNT, .column = TM_WINDOW_EVENTS}, 99, 5},
        {{.fn = TM_WINDOW_AGE}, 39, 19e-6},
        {{.fn = TM_WINDOW_AGE, .column = TM_WINDOW_EVENTS}, 39, 9e-6},
        {{.fn = TM_WINDOW_MIN, .width_us = 5}, 99, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_window_plan plan = {1, &input, 1, &cases[i].f, 0};
        const tm_window_events events = {6, entities, known, &col};
        const uint32_t asked = 3;
        const tm_window_queries queries = {1, &asked, &cases[i].moment};
        double value = 0, *out[] = {&value};
        assert_int_equal(tm__windows_apply_ref(&plan, &events, &queries, out, NULL), TM_OK);
        if ((value != value ? -1 : value) != cases[i].want) {
            fail_msg("case %d: %g, not %g", (int)i, value, cases[i].want);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_window_is_what_its_definition_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
