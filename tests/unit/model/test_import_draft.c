/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/limits.h"
#include "model/imported/import_priv.h"

static void counts_past_the_limits_are_refused_before_memory_is_asked_for(void **state) {
    (void)state;
    static const tm_import_options none = {0};
    tm_import_draft draft = {.options = &none, .arena = tm__arena_create(1u << 20)};
    tm_err err = {0};
    assert_non_null(tm__draft_nodes(&draft, 3, &err));
    assert_null(tm__draft_nodes(&draft, TM_TREE_MAX_NODES - 2, &err));
    assert_int_equal(err.status, TM_E_LIMIT);
    assert_null(tm__draft_nodes(&draft, UINT32_MAX, &err));
    assert_null(tm__draft_words(&draft, UINT32_MAX, &err));
    assert_int_equal(draft.n_nodes, 3);
    assert_int_equal(tm__draft_columns(&draft, 0, &err), TM_E_LIMIT);
    assert_int_equal(tm__draft_columns(&draft, TM_MAX_COLS + 1, &err), TM_E_LIMIT);
    tm__draft_done(&draft);
}

static void columns_take_the_names_of_the_options(void **state) {
    (void)state;
    const char *const names[] = {"a", "b"};
    const tm_import_options options = {.columns = names, .n_columns = 2};
    tm_import_draft draft = {.options = &options, .arena = tm__arena_create(1u << 20)};
    tm_err err = {0};
    assert_int_equal(tm__draft_columns(&draft, 3, &err), TM_E_USAGE);
    assert_int_equal(tm__draft_columns(&draft, 2, &err), TM_OK);
    assert_true(tm__str_is(draft.columns[1].name, "b") && draft.columns[1].is_nullable);
    assert_string_equal(tm__draft_text(&draft, "%d-%s", 5, "x").ptr, "5-x");
    tm__draft_done(&draft);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_past_the_limits_are_refused_before_memory_is_asked_for),
        cmocka_unit_test(columns_take_the_names_of_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
