/* SPDX-License-Identifier: Apache-2.0 */
/* Who is erased again is tested from outside (tests/e2e/test_subject.py). */
#include "test.h"

#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject_tombs.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static void tombstones_hold_no_id_and_only_act_with_their_secret(void **state) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    tm_dict *ids = tm__dict_create();
    tm_buf text;
    uint64_t n = 7;
    char *path = tm__fs_join(tm__home_path(*state), TM_TOMBSTONES);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__dict_add(ids, tm__str("somebody-1")), 0);
    assert_int_equal(tm__tombstones_add(*state, registry, ids, NULL), TM_OK);
    assert_int_equal(tm__dict_add(ids, tm__str("somebody-2")), 1);
    assert_int_equal(tm__tombstones_add(*state, registry, ids, NULL), TM_OK);
    tm__dict_free(ids);
    tm__buf_init(&text, 10000);
    assert_int_equal(tm__fs_read_all(path, &text, NULL), TM_OK);
    assert_null(memmem(text.data, text.len, "somebody", 8));
    /* Nobody of them is there. */
    assert_int_equal(tm__tombstones_apply(&ctx, *state, registry, path, &actor, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    text.data[20] = text.data[20] == '0' ? '1' : '0';
    assert_int_equal(tm__fs_replace(path, text.data, text.len, NULL), TM_OK);
    assert_int_equal(tm__tombstones_apply(&ctx, *state, registry, path, &actor, &n, NULL),
                     TM_E_CONFLICT);
    text.data[0] = 'x';
    assert_int_equal(tm__fs_replace(path, text.data, text.len, NULL), TM_OK);
    assert_int_equal(tm__tombstones_apply(&ctx, *state, registry, path, &actor, &n, NULL),
                     TM_E_DATA);
    tm__buf_done(&text);
    tm__mem_free(path);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tombstones_hold_no_id_and_only_act_with_their_secret,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
