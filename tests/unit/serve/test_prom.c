/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "serve/serve_priv.h"
#include "test.h"

/* One request in 64 is watched; what has passed between two calls belongs to the stage named. */
static void stages_are_taken_of_one_request_in_64(void **state) {
    (void)state;
    tm_prom *prom = tm__prom_create();
    tm_stages stages = {0};
    uint32_t n_watched = 0;
    for (uint32_t i = 0; i < 3 * TM_STAGES_EVERY; i++) {
        tm__stages_begin(&stages, tm__mono_ns() - 2000000);
        tm__stages_lap(&stages, TM_STAGE_PREDICT);
        tm__stages_measure(&stages, i == 1);
        assert_int_equal(stages.weight, i == 1 ? 1 : stages.is_on ? TM_STAGES_EVERY : 0);
        n_watched += stages.is_on ? 1 : 0;
        assert_true(!stages.is_on ||
                    (stages.ns[TM_STAGE_QUEUE] >= 2000000 && stages.ns[TM_STAGE_LOG] == 0));
        tm__prom_stages(prom, &stages);
    }
    assert_int_equal(n_watched, 3);
    tm_buf out;
    tm__buf_init(&out, 1u << 20);
    assert_true(tm__prom_write(&prom, 1, &out));
    static const char *const lines[] = {
        "# TYPE tidemill_predict_stage_duration_seconds histogram\n",
        "stage_duration_seconds_bucket{stage=\"queue\",le=\"0.001\"} 0\n",
        "stage_duration_seconds_bucket{stage=\"queue\",le=\"+Inf\"} 3\n",
        "stage_duration_seconds_bucket{stage=\"log\",le=\"2.5e-07\"} 3\n",
        "stage_duration_seconds_count{stage=\"predict\"} 3\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr((const char *)out.data, lines[i]) == NULL) {
            fail_msg("lacks %s in %s", lines[i], strstr((const char *)out.data, "stage_dur"));
        }
    }
    tm__buf_done(&out);
    tm__prom_free(prom);
}

static void a_status_without_a_column_is_only_counted_in_all(void **state) {
    (void)state;
    tm_prom *prom = tm__prom_create();
    tm__prom_request(prom, NULL, 299);
    assert_int_equal(tm__prom_total(&prom, 1), 1);
    tm__prom_free(prom);
    tm__prom_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_are_taken_of_one_request_in_64),
        cmocka_unit_test(a_status_without_a_column_is_only_counted_in_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
