/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "feature/window.h"
#include "test.h"

/* Two tables with dictionaries of their own. */
static void equal_keys_get_equal_codes(void **state) {
    (void)state;
    tm_dict *const first = tm__dict_create(), *const second = tm__dict_create();
    const uint32_t x = tm__dict_add(first, TM_STR("x")), y = tm__dict_add(first, TM_STR("y"));
    const uint32_t z = tm__dict_add(second, TM_STR("z")), y2 = tm__dict_add(second, TM_STR("y"));
    const uint32_t texts_a[] = {x, y, y, TM_CODE_MISSING, x, y};
    const int64_t ints_a[] = {1, 1, 2, 1, 1, TM_INT_MISSING};
    const uint32_t texts_b[] = {y2, z, y2, z};
    const int64_t ints_b[] = {2, 1, 1, 1};
    const tm_column a[] = {{.name = "t", .type = TM_TYPE_TEXT, .codes = texts_a, .dict = first},
                           {.name = "i", .type = TM_TYPE_INT, .ints = ints_a}};
    const tm_column b[] = {{.name = "t", .type = TM_TYPE_TEXT, .codes = texts_b, .dict = second},
                           {.name = "i", .type = TM_TYPE_INT, .ints = ints_b}};
    const tm_window_keys keys = {2, a, b, 6, 4};
    uint32_t out_a[6], out_b[4], n = 0;
    assert_int_equal(tm__window_code(&keys, out_a, out_b, &n, NULL), TM_OK);
    const uint32_t want_a[] = {0, 1, 2, TM_CODE_MISSING, 0, TM_CODE_MISSING};
    const uint32_t want_b[] = {2, 3, 1, 3};
    assert_int_equal(n, 4);
    assert_memory_equal(out_a, want_a, sizeof(want_a));
    assert_memory_equal(out_b, want_b, sizeof(want_b));
    tm__dict_free(first);
    tm__dict_free(second);
}

static void many_numbers_are_told_apart(void **state) {
    (void)state;
    enum { N = 5000 };
    static double a_values[N], b_values[N];
    static uint32_t out_a[N], out_b[N];
    for (uint32_t i = 0; i < N; i++) {
        a_values[i] = i == 7 ? NAN : i * 0.5;
        b_values[i] = (N - 1 - i) * 0.5;
    }
    a_values[0] = -0.0; /* is 0 */
    const tm_column a = {.name = "f", .type = TM_TYPE_FLOAT, .floats = a_values};
    const tm_column b = {.name = "f", .type = TM_TYPE_FLOAT, .floats = b_values};
    const tm_window_keys keys = {1, &a, &b, N, N};
    uint32_t n = 0;
    assert_int_equal(tm__window_code(&keys, out_a, out_b, &n, NULL), TM_OK);
    assert_int_equal(n, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(out_a[i], i == 7 ? TM_CODE_MISSING : i < 7 ? i : i - 1);
        assert_int_equal(out_b[i], N - 1 - i == 7 ? N - 1 : out_a[N - 1 - i]);
    }
}

static void wrong_keys_are_refused(void **state) {
    (void)state;
    const int64_t ints[] = {1};
    const double floats[] = {1};
    const tm_column a = {.name = "k", .type = TM_TYPE_INT, .ints = ints};
    const tm_column b = {.name = "k", .type = TM_TYPE_FLOAT, .floats = floats};
    tm_window_keys keys = {1, &a, &b, 1, 1};
    uint32_t out_a[1] = {5}, out_b[1] = {5}, n = 5;
    tm_err err = {0};
    assert_int_equal(tm__window_code(&keys, out_a, out_b, &n, &err), TM_E_INVALID);
    assert_string_equal(err.message, "key 'k' is int in one table and float in the other");
    keys.n_cols = 0;
    assert_int_equal(tm__window_code(&keys, out_a, out_b, &n, NULL), TM_E_INVALID);
    assert_int_equal(n, 5);
}

static void memory_that_fails_leaves_nothing(void **state) {
    (void)state;
    enum { N = 3000 };
    static int64_t ints[N];
    static uint32_t out_a[N], out_b[N];
    for (uint32_t i = 0; i < N; i++) {
        ints[i] = i;
    }
    const tm_column cols[] = {{.name = "a", .type = TM_TYPE_INT, .ints = ints},
                              {.name = "b", .type = TM_TYPE_INT, .ints = ints}};
    const tm_window_keys keys = {2, cols, cols, N, N};
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    uint32_t n = 0;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm__mem_fail_at(nth, false);
        st = tm__window_code(&keys, out_a, out_b, &n, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_int_equal(tm__mem_alive(), alive);
    }
    assert_int_equal(n, N);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_get_equal_codes),
        cmocka_unit_test(many_numbers_are_told_apart),
        cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(memory_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
