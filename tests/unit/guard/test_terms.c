/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/pool.h"
#include "guard/guard.h"
#include "test.h"

#define S UINT64_C(1000000000)

static void lists_of_models(void **state) {
    (void)state;
    assert_true(tm__key_models_have(NULL, TM_STR("late")));
    assert_true(tm__key_models_have("", TM_STR("late")));
    assert_true(tm__key_models_have("late", TM_STR("late")));
    assert_true(tm__key_models_have("churn, late", TM_STR("late")));
    assert_false(tm__key_models_have("churn", TM_STR("late")));
    assert_false(tm__key_models_have("later", TM_STR("late")));
    assert_false(tm__key_models_have("lat", TM_STR("late")));
    assert_false(tm__key_models_have(",", TM_STR("late")));
    assert_false(tm__key_models_have("late", TM_STR("")));
}

static void rates_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint32_t n_rates;
        uint64_t n, period_ns; /* of the last */
    } cases[] = {
        {"", true, 0, 0, 0},
        {"100/s", true, 1, 100, S},
        {"5/min", true, 1, 5, 60 * S},
        {"5/h", true, 1, 5, 3600 * S},
        {"100/s, 100000/day", true, 2, 100000, 86400 * S},
        {"1/s,2/s,3/s", false, 0, 0, 0},
        {"0/s", false, 0, 0, 0},
        {"-1/s", false, 0, 0, 0},
        {"1/week", false, 0, 0, 0},
        {"1", false, 0, 0, 0},
        {"/s", false, 0, 0, 0},
        {"1/s,", false, 0, 0, 0},
        {",1/s", false, 0, 0, 0},
        {"1000000001/s", false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_rate rates[TM_KEY_RATES_MAX];
        uint32_t n = 0;
        if (tm__rates_parse(tm__str(cases[i].text), rates, &n) != cases[i].ok) {
            fail_msg("'%s'", cases[i].text);
        }
        if (cases[i].ok) {
            assert_int_equal(n, cases[i].n_rates);
        }
        if (cases[i].ok && n > 0) {
            assert_int_equal(rates[n - 1].n, cases[i].n);
            assert_int_equal(rates[n - 1].period_ns, cases[i].period_ns);
        }
    }
}

static void a_rate_gives_so_many_and_then_one_a_step(void **state) {
    (void)state;
    const tm_rate rate = {.n = 10, .period_ns = S};
    _Atomic uint64_t used = 0;
    uint64_t now = 5 * S;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(tm__rate_take(&rate, &used, now), 0);
    }
    assert_int_equal(tm__rate_take(&rate, &used, now), S / 10);
    assert_int_equal(tm__rate_take(&rate, &used, now + S / 20), S / 20);
    assert_int_equal(tm__rate_take(&rate, &used, now + S / 10), 0);
    assert_int_equal(tm__rate_take(&rate, &used, now + S / 10), S / 10);
    /* After a long pause there are ten again, not more. */
    now += 1000 * S;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(tm__rate_take(&rate, &used, now), 0);
    }
    assert_true(tm__rate_take(&rate, &used, now) > 0);
}

typedef struct takers {
    _Atomic uint64_t used, n_taken;
    tm_rate rate;
} takers;

static void take_many(void *arg) {
    takers *t = arg;
    for (int i = 0; i < 5000; i++) {
        if (tm__rate_take(&t->rate, &t->used, S) == 0) {
            atomic_fetch_add(&t->n_taken, 1);
        }
    }
}

static void threads_share_a_rate_to_the_last_one(void **state) {
    (void)state;
    takers t = {.rate = {.n = 6000, .period_ns = 6000 * 1000}};
    tm_thread *threads[3];
    for (int i = 0; i < 3; i++) {
        threads[i] = tm__thread_create(take_many, &t, "taker");
        assert_non_null(threads[i]);
    }
    for (int i = 0; i < 3; i++) {
        tm__thread_join(threads[i]);
    }
    assert_int_equal(atomic_load(&t.n_taken), 6000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_models),
        cmocka_unit_test(rates_are_read),
        cmocka_unit_test(a_rate_gives_so_many_and_then_one_a_step),
        cmocka_unit_test(threads_share_a_rate_to_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
