/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "model/imported/import_build.h"

enum { CODES = 608, WORDS = CODES / 32, SETS = 200 };

static bool goes_left(const tm_column_sets *sets, uint32_t group, const tm_tree_set *set,
                      uint32_t code) {
    const uint32_t class = sets->groups[group].class_of[code];
    return ((set->bits[class >> 6] >> (class & 63)) & 1) != 0;
}

/* Sets of many sizes over more codes than a tree has. */
static void each_code_goes_where_its_set_sends_it(void **state) {
    (void)state;
    for (uint32_t size = 1; size <= 300; size = size * 2 + 1) {
        tm_rng rng = tm__rng_split(size, "sets", 0);
        static uint32_t words[SETS][WORDS];
        uint32_t group[SETS];
        tm_column_sets sets = {.n_codes = CODES};
        memset(words, 0, sizeof(words));
        for (uint32_t s = 0; s < SETS; s++) {
            for (uint32_t i = 0; i < size; i++) {
                const uint32_t code = (uint32_t)(tm__rng_f64(&rng) * CODES);
                words[s][code / 32] |= UINT32_C(1) << (code % 32);
            }
            assert_int_equal(tm__sets_add(&sets, words[s], WORDS, &group[s], NULL), TM_OK);
        }
        assert_true(size == 1 || sets.n_groups > 1);
        for (uint32_t s = 0; s < SETS; s++) {
            tm_tree_set left;
            tm_tree_set right;
            tm__sets_write(&sets, group[s], words[s], WORDS, false, &left);
            tm__sets_write(&sets, group[s], words[s], WORDS, true, &right);
            for (uint32_t code = 0; code <= CODES; code++) { /* the last is no code */
                const bool is_in = code < CODES && ((words[s][code / 32] >> (code % 32)) & 1) != 0;
                assert_int_equal(goes_left(&sets, group[s], &left, code), is_in);
                assert_int_equal(goes_left(&sets, group[s], &right, code), !is_in);
            }
        }
        tm__sets_done(&sets);
    }
}

static void sets_that_are_alike_need_one_feature(void **state) {
    (void)state;
    const uint32_t words[2] = {0xFFFFFFFF, 0xFFFFFFFF};
    tm_column_sets sets = {.n_codes = 64};
    for (uint32_t s = 0; s < 5000; s++) {
        uint32_t group = 9;
        assert_int_equal(tm__sets_add(&sets, words, s % 2 + 1, &group, NULL), TM_OK);
        assert_int_equal(group, 0);
    }
    assert_int_equal(sets.groups[0].n_classes, 3); /* both, the second alone, no code */
    tm__sets_done(&sets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_goes_where_its_set_sends_it),
        cmocka_unit_test(sets_that_are_alike_need_one_feature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
