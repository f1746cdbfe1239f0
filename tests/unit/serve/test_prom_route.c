/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "serve/serve_priv.h"
#include "test.h"

/* Two threads answered; a shadow's answers are no client's. */
static void a_route_is_what_all_threads_answered_of_it(void **state) {
    (void)state;
    tm_prom *const proms[] = {tm__prom_create(), tm__prom_create()};
    const tm_prom_route before = {0};
    tm_prom_route now = {0};
    for (uint32_t i = 0; i < 100; i++) {
        const tm_prom_answers a = {.route = "late",
                                   .version = 1 + i % 2,
                                   .arm = i % 2 == 0 ? TM_ARM_CHAMPION : TM_ARM_CHALLENGER,
                                   .n_rows = 3,
                                   .ns = i < 90 ? 200000 : 40000000};
        tm__prom_predict(proms[i % 2], &a);
    }
    const tm_prom_answers seen = {
        .route = "late", .version = 3, .arm = TM_ARM_SHADOW, .n_rows = 5, .ns = 1};
    tm__prom_predict(proms[0], &seen);
    tm__prom_failed(proms[1], "late", 2, TM_ARM_CHALLENGER);
    tm__prom_route(proms, 2, "late", &now);
    assert_int_equal(now.n_rows, 300);
    assert_int_equal(now.n_requests, 100);
    assert_true(tm__prom_quantile(&now, &before, 0.5) <= 0.00025);
    assert_true(tm__prom_quantile(&now, &before, 0.99) > 0.025);
    assert_true(isnan(tm__prom_quantile(&now, &now, 0.5)));
    json_t *const arms = tm__prom_arms(proms, 2, "late");
    assert_int_equal(json_array_size(arms), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *const arm = json_array_get(arms, i);
        const int64_t version = tm__json_i64(arm, "version", 0);
        assert_int_equal(tm__json_i64(arm, "answered", 0), version == 3 ? 1 : 50);
        assert_int_equal(tm__json_i64(arm, "failed", 0), version == 2 ? 1 : 0);
        assert_true((json_object_get(arm, "dropped") != NULL) == (version == 3));
    }
    json_decref(arms);
    tm__prom_free(proms[0]);
    tm__prom_free(proms[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_what_all_threads_answered_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
