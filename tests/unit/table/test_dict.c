/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "table/table_priv.h"
#include "test.h"

static void texts_get_codes_in_order_of_appearance(void **state) {
    (void)state;
    tm_dict *const dict = tm__dict_create();
    assert_int_equal(tm__dict_find(dict, TM_STR("a")), TM_CODE_MISSING);
    assert_int_equal(tm__dict_add(dict, TM_STR("b")), 0);
    assert_int_equal(tm__dict_add(dict, TM_STR("")), 1);
    assert_int_equal(tm__dict_add(dict, TM_STR("a\0b")), 2);
    assert_int_equal(tm__dict_add(dict, TM_STR("a")), 3);
    assert_int_equal(tm__dict_add(dict, (tm_str){NULL, 0}), 1);
    assert_int_equal(tm__dict_find(dict, TM_STR("a\0b")), 2);
    assert_int_equal(tm__dict_count(dict), 4);
    tm__dict_free(dict);
}

static void views_stay_valid_while_the_dictionary_grows(void **state) {
    (void)state;
    tm_dict *const dict = tm__dict_create();
    (void)tm__dict_add(dict, TM_STR("first"));
    const tm_str first = tm__dict_get(dict, 0);
    char text[32];
    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof(text), "text number %u", i);
        assert_int_equal(tm__dict_add(dict, tm__str(text)), i + 1);
    }
    assert_ptr_equal(tm__dict_get(dict, 0).ptr, first.ptr);
    assert_string_equal(first.ptr, "first");
    for (uint32_t i = 0; i < 100000; i += 777) {
        (void)snprintf(text, sizeof(text), "text number %u", i);
        assert_int_equal(tm__dict_find(dict, tm__str(text)), i + 1);
    }
    tm__dict_free(dict);
}

static void many_texts_get_the_codes_that_one_after_the_other_does(void **state) {
    (void)state;
    tm_dict *const one = tm__dict_create();
    tm_dict *const many = tm__dict_create();
    uint64_t random = 1;
    for (uint32_t round = 0; round < 1000; round++) {
        char bytes[TM_DICT_MANY][16];
        tm_str texts[TM_DICT_MANY];
        uint32_t codes[TM_DICT_MANY];
        const uint32_t n = round % (TM_DICT_MANY + 1);
        for (uint32_t i = 0; i < n; i++) { /* also twice in a group, and the empty one */
            random = random * 6364136223846793005u + 1442695040888963407u;
            (void)snprintf(bytes[i], sizeof(bytes[i]), "%u", (unsigned)(random >> 33) % 9000);
            texts[i] = i % 7 == 6 ? (tm_str){NULL, 0} : tm__str(bytes[i]);
        }
        tm__dict_add_many(many, texts, n, codes);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(codes[i], tm__dict_add(one, texts[i]));
        }
    }
    assert_true(tm__dict_count(one) > 4096);
    assert_int_equal(tm__dict_count(many), tm__dict_count(one));
    tm__dict_free(one);
    tm__dict_free(many);
}

static void a_text_larger_than_a_block_fits(void **state) {
    (void)state;
    static char large[3 << 20];
    memset(large, 'x', sizeof(large));
    tm_dict *const dict = tm__dict_create();
    assert_int_equal(tm__dict_add(dict, (tm_str){large, sizeof(large)}), 0);
    assert_int_equal(tm__dict_add(dict, TM_STR("small")), 1);
    assert_int_equal(tm__dict_find(dict, (tm_str){large, sizeof(large)}), 0);
    tm__dict_free(dict);
}

static void the_hash_of_a_text_is_the_same_in_every_dictionary(void **state) {
    (void)state;
    tm_dict *const a = tm__dict_create();
    tm_dict *const b = tm__dict_create();
    (void)tm__dict_add(a, TM_STR("x"));
    (void)tm__dict_add(b, TM_STR("y"));
    (void)tm__dict_add(b, TM_STR("x"));
    assert_true(tm__dict_hash(a, 0) == tm__dict_hash(b, 1));
    tm_dict *const shared = tm__dict_ref(a);
    tm__dict_free(a);
    assert_string_equal(tm__dict_get(shared, 0).ptr, "x");
    tm__dict_free(shared);
    tm__dict_free(b);
}

static void running_out_of_memory_leaves_a_usable_dictionary(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    for (uint64_t nth = 1; nth < 12; nth++) {
        tm_dict *const dict = tm__dict_create();
        assert_non_null(dict);
        tm__mem_fail_at(nth, false);
        char text[32];
        for (uint32_t i = 0; i < 2000; i++) {
            (void)snprintf(text, sizeof(text), "level %u", i);
            if (tm__dict_add(dict, tm__str(text)) == TM_CODE_MISSING) {
                assert_int_equal(tm__dict_add(dict, tm__str(text)), i);
            }
        }
        tm__mem_fail_at(0, false);
        assert_int_equal(tm__dict_count(dict), 2000);
        tm__dict_free(dict);
    }
    assert_true(tm__mem_alive() == alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_get_codes_in_order_of_appearance),
        cmocka_unit_test(views_stay_valid_while_the_dictionary_grows),
        cmocka_unit_test(many_texts_get_the_codes_that_one_after_the_other_does),
        cmocka_unit_test(a_text_larger_than_a_block_fits),
        cmocka_unit_test(the_hash_of_a_text_is_the_same_in_every_dictionary),
        cmocka_unit_test(running_out_of_memory_leaves_a_usable_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
