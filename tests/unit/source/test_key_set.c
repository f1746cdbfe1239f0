/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/key_set.h"
#include "support.h"
#include "test.h"

#define DIR "keys"

static tm_row_key key_of(uint64_t number) {
    return tm__row_key(&number, sizeof(number));
}

/* Numbers from a to b, each new or none. */
static void add_all(tm_key_set *set, uint64_t from, uint64_t end, bool is_new) {
    bool has_failed = false;
    for (uint64_t i = from; i < end; i++) {
        assert_int_equal(tm__key_set_add(set, key_of(i), &has_failed), is_new);
    }
    assert_false(has_failed);
}

static void recent_to_run(tm_key_set *set) {
    tm_key_run *run = NULL;
    assert_true(tm__key_set_freeze(set));
    assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
    assert_int_equal(tm__key_run_check(run, NULL), TM_OK);
    tm__key_set_forget(set);
    assert_int_equal(tm__key_set_give(set, run, NULL), TM_OK);
}

static void a_key_is_new_once_in_memory_and_in_runs(void **state) {
    (void)state;
    tm_key_set *set = tm__key_set_create(DIR, 5000);
    add_all(set, 0, 5000, true);
    add_all(set, 0, 5000, false);
    assert_true(tm__key_set_is_full(set));
    recent_to_run(set);
    assert_false(tm__key_set_is_full(set));
    add_all(set, 0, 5000, false);
    add_all(set, 5000, 7000, true);
    assert_int_equal(tm__key_set_recent(set), 2000);
    tm__key_set_free(set);
}

static void keys_that_were_set_aside_are_known(void **state) {
    (void)state;
    tm_key_set *set = tm__key_set_create(DIR, 3000);
    tm_key_run *run = NULL;
    add_all(set, 0, 3000, true);
    assert_false(tm__key_set_is_frozen(set));
    assert_true(tm__key_set_freeze(set));
    assert_true(tm__key_set_is_frozen(set));
    assert_false(tm__key_set_is_full(set));
    add_all(set, 0, 3000, false);
    add_all(set, 3000, 4000, true);
    assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
    assert_int_equal(tm__key_run_info(run).n, 3000);
    add_all(set, 4000, 4500, true);
    assert_int_equal(tm__key_set_recent(set), 1500);
    tm__key_set_forget(set);
    assert_int_equal(tm__key_set_give(set, run, NULL), TM_OK);
    add_all(set, 0, 4500, false);
    tm__key_set_free(set);
}

static void the_key_of_zeros_is_a_key(void **state) {
    (void)state;
    bool has_failed = false;
    tm_key_set *set = tm__key_set_create(DIR, 0);
    const tm_row_key zero = {0, 0}, largest = {UINT64_MAX, UINT64_MAX};
    assert_false(tm__key_set_has(set, zero));
    assert_true(tm__key_set_add(set, zero, &has_failed));
    assert_true(tm__key_set_add(set, largest, &has_failed));
    assert_false(tm__key_set_add(set, zero, &has_failed));
    recent_to_run(set);
    assert_true(tm__key_set_has(set, zero));
    assert_true(tm__key_set_has(set, largest));
    assert_false(tm__key_set_has(set, (tm_row_key){0, 1}));
    assert_false(tm__key_set_has(set, (tm_row_key){UINT64_MAX, 1}));
    tm__key_set_free(set);
}

static void eight_runs_become_one_that_holds_all(void **state) {
    (void)state;
    tm_key_set *set = tm__key_set_create(DIR, 0);
    tm_key_merge merge = {0};
    tm_key_run *run = NULL;
    for (uint64_t i = 0; i < TM_KEY_FAN; i++) {
        assert_false(tm__key_set_merge_due(set, &merge));
        add_all(set, i * 3000, (i + 1) * 3000, true);
        recent_to_run(set);
    }
    assert_true(tm__key_set_merge_due(set, &merge));
    assert_int_equal(tm__key_merge_run(&merge, &run, NULL), TM_OK);
    assert_int_equal(tm__key_run_info(run).n, TM_KEY_FAN * 3000);
    assert_int_equal(tm__key_run_info(run).level, 1);
    assert_int_equal(tm__key_set_replace(set, &merge, run, NULL), TM_OK);
    assert_false(tm__key_set_merge_due(set, &merge));
    add_all(set, 0, TM_KEY_FAN * 3000, false);
    add_all(set, TM_KEY_FAN * 3000, TM_KEY_FAN * 3000 + 5000, true);
    tm__key_set_free(set);
}

/* The filter is there to keep strange keys from the sorted part. */
static void few_strange_keys_pass_no_key_is_missed(void **state) {
    (void)state;
    tm_key_set *set = tm__key_set_create(DIR, 0);
    tm_key_run *run = NULL;
    add_all(set, 0, 100000, true);
    assert_true(tm__key_set_freeze(set));
    assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
    for (uint64_t i = 0; i < 100000; i++) {
        assert_true(tm__key_run_has(run, key_of(i)));
        assert_false(tm__key_run_has(run, key_of(i + 100000)));
    }
    tm__key_run_close(run);
    tm__key_set_free(set);
}

static void a_damaged_run_is_told(void **state) {
    (void)state;
    char text[TM_HASH_TEXT], path[TM_HASH_TEXT + 32];
    tm_key_set *set = tm__key_set_create(DIR, 0);
    tm_key_run *run = NULL, *again = NULL;
    add_all(set, 7000000, 7001000, true);
    assert_true(tm__key_set_freeze(set));
    assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
    const tm_key_run_info info = tm__key_run_info(run);
    tm__key_run_close(run);
    tm__hash_to_text(&info.hash, text);
    snprintf(path, sizeof(path), DIR "/%s.keys", text);
    tm_buf bytes;
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    const size_t places[] = {0, 8, 20, 63};
    for (size_t i = 0; i < 4; i++) {
        bytes.data[places[i]] ^= 1;
        assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len, NULL), TM_OK);
        assert_int_equal(tm__key_run_open(DIR, &info, &again, NULL), TM_E_INTEGRITY);
        bytes.data[places[i]] ^= 1;
    }
    assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len - 16, NULL), TM_OK);
    assert_int_equal(tm__key_run_open(DIR, &info, &again, NULL), TM_E_INTEGRITY);
    bytes.data[bytes.len - 1] ^= 1;
    assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len, NULL), TM_OK);
    assert_int_equal(tm__key_run_open(DIR, &info, &again, NULL), TM_OK);
    assert_int_equal(tm__key_run_check(again, NULL), TM_E_INTEGRITY);
    tm__key_run_close(again);
    tm__buf_done(&bytes);
    tm__key_set_free(set);
}

static bool save_and_merge(void *arg) {
    (void)arg;
    bool has_failed = false, ok = true;
    tm_key_merge merge = {0};
    tm_key_run *run = NULL;
    tm_key_set *set = tm__key_set_create(DIR, 0);
    for (uint64_t i = 0; set != NULL && ok && i < TM_KEY_FAN; i++) {
        for (uint64_t k = 0; k < 700; k++) {
            (void)tm__key_set_add(set, key_of(i * 1000 + k), &has_failed);
        }
        ok = !has_failed && tm__key_set_freeze(set) && tm__key_set_save(set, &run, NULL) == TM_OK;
        tm__key_set_forget(set);
        ok = ok && tm__key_set_give(set, run, NULL) == TM_OK;
    }
    ok = ok && set != NULL && tm__key_set_merge_due(set, &merge) &&
         tm__key_merge_run(&merge, &run, NULL) == TM_OK &&
         tm__key_set_replace(set, &merge, run, NULL) == TM_OK;
    tm__key_set_free(set);
    return ok;
}

static void memory_that_runs_out_leaves_nothing(void **state) {
    (void)state;
    test_each_mem_fault(save_and_merge, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_new_once_in_memory_and_in_runs),
        cmocka_unit_test(keys_that_were_set_aside_are_known),
        cmocka_unit_test(the_key_of_zeros_is_a_key),
        cmocka_unit_test(eight_runs_become_one_that_holds_all),
        cmocka_unit_test(few_strange_keys_pass_no_key_is_missed),
        cmocka_unit_test(a_damaged_run_is_told),
        cmocka_unit_test(memory_that_runs_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
