/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
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

static void answer(tm_prom *prom, uint32_t version, tm_arm_kind arm) {
    const tm_prom_answers a = {
        .route = "late", .version = version, .arm = arm, .n_rows = 3, .ns = 200000};
    tm__prom_predict(prom, &a);
}

/* What a text for Prometheus says of a version's answers; -1: nothing. */
static long told(tm_prom *const *proms, uint32_t version, const char *arm) {
    char name[128];
    tm_buf out;
    tm__buf_init(&out, 1u << 20);
    assert_true(tm__prom_write(proms, 2, &out) && tm__buf_append(&out, "", 1));
    (void)snprintf(name, sizeof name,
                   "tidemill_predictions_total{route=\"late\",version=\"%u\",arm=\"%s\"} ", version,
                   arm);
    const char *const at = strstr((const char *)out.data, name);
    const long n = at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
    tm__buf_done(&out);
    return n;
}

/* Years of retraining, of which one thread answers by every version and the other by some. */
static void versions_of_long_ago_are_told_no_more(void **state) {
    (void)state;
    tm_prom *const proms[] = {tm__prom_create(), tm__prom_create()};
    tm_prom_route now = {0};
    uint64_t alive = 0;
    for (uint32_t v = 1; v <= 2000; v++) {
        answer(proms[0], v, TM_ARM_CHAMPION);
        answer(proms[0], 7, TM_ARM_NAMED);
        answer(proms[1], v / 20 * 20 + 1, TM_ARM_CHAMPION);
        tm__prom_route(proms, 2, "late", &now);
        assert_int_equal(now.n_rows, 9 * (uint64_t)v);
        assert_int_equal(now.n_requests, 3 * (uint64_t)v);
        alive = v == 1000 ? tm__mem_alive() : alive;
    }
    assert_in_range(tm__mem_alive(), alive - 4, alive + 4);
    json_t *const arms = tm__prom_arms(proms, 2, "late");
    assert_in_range(json_array_size(arms), 32, 64);
    json_decref(arms);
    assert_int_equal(told(proms, 2000, "champion"), 3);
    assert_int_equal(told(proms, 1981, "champion"), 63);
    assert_int_equal(told(proms, 1861, "champion"), 63); /* the second used it of late */
    assert_int_equal(told(proms, 1860, "champion"), -1);
    assert_int_equal(told(proms, 0, "champion"), -1);
    assert_int_equal(told(proms, 7, "named"), 6000);
    tm__prom_free(proms[0]);
    tm__prom_free(proms[1]);
}

/* What both have used for the last time is gone from both at the same moment. */
static void a_version_goes_as_a_whole(void **state) {
    (void)state;
    tm_prom *const proms[] = {tm__prom_create(), tm__prom_create()};
    tm_prom_route now = {0};
    for (uint32_t v = 1; v <= 100; v++) {
        answer(proms[0], v, TM_ARM_CHAMPION);
        if (v < 5 || v > 60) {
            answer(proms[1], v, TM_ARM_CHAMPION);
        }
        assert_int_equal(told(proms, 1, "champion"), v < 89 ? 6 : -1);
    }
    answer(proms[1], 1, TM_ARM_CHAMPION); /* the first one again */
    assert_true(told(proms, 1, "champion") >= 3);
    tm__prom_route(proms, 2, "late", &now);
    assert_int_equal(now.n_rows, 3 * (100 + 44 + 1));
    tm__prom_free(proms[0]);
    tm__prom_free(proms[1]);
}

typedef struct answering {
    tm_prom *prom;
    _Atomic bool is_done;
} answering;

static void answer_by_many(void *arg) {
    answering *const a = arg;
    for (uint32_t v = 1; v <= 300; v++) {
        answer(a->prom, v, TM_ARM_CHAMPION);
    }
    atomic_store(&a->is_done, true);
}

static void a_route_is_read_while_versions_go(void **state) {
    (void)state;
    tm_prom *const proms[] = {tm__prom_create(), tm__prom_create()};
    answering a = {.prom = proms[0]};
    tm_prom_route now = {0};
    uint64_t before = 0;
    tm_thread *const thread = tm__thread_create(answer_by_many, &a, "answers");
    assert_non_null(thread);
    do {
        tm__prom_route(proms, 2, "late", &now);
        assert_in_range(now.n_rows, before, 900);
        before = now.n_rows;
        answer(proms[1], 1, TM_ARM_SHADOW);
    } while (!atomic_load(&a.is_done));
    tm__thread_join(thread);
    tm__prom_route(proms, 2, "late", &now);
    assert_int_equal(now.n_rows, 900);
    tm__prom_free(proms[0]);
    tm__prom_free(proms[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_what_all_threads_answered_of_it),
        cmocka_unit_test(versions_of_long_ago_are_told_no_more),
        cmocka_unit_test(a_version_goes_as_a_whole),
        cmocka_unit_test(a_route_is_read_while_versions_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
