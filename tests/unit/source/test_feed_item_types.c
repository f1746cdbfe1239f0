/* SPDX-License-Identifier: Apache-2.0 */
/* Types of whole sources are in test_feed_files.c. */
#include <string.h>

#include "base/fs.h"
#include "source/feed_item.h"
#include "support.h"
#include "test.h"

static tm_ctx ctx;
static const tm_schema no_columns;

/* "id int, x text" of the block without rows. */
static tm_status note_types(void *arg, const tm_feed_block *block, tm_err *err) {
    char *const text = arg;
    (void)err;
    assert_int_equal(tm__table_rows(block->rows), 0);
    for (uint32_t i = 0; i < tm__table_cols(block->rows); i++) {
        const tm_column *const column = tm__table_column(block->rows, i);
        (void)strcat(strcat(text, column->name), " ");
        (void)strcat(strcat(text, tm__type_text(column->type)), ";");
    }
    return TM_OK;
}

static tm_status settle(const char *const *texts, size_t n, char *out, json_t **out_state,
                        tm_err *err) {
    json_t *const spec = json_object();
    const tm_feed_input in = {.spec = spec, .state = json_null(), .schema = &no_columns};
    const tm_feed_sink sink = {.take = note_types, .arg = out};
    char path[256];
    tm_items items;
    out[0] = '\0';
    assert_int_equal(tm__items_init(&items, &ctx, &in, &sink, err), TM_OK);
    assert_false(tm__items_have_types(&items));
    for (size_t i = 0; i < n; i++) {
        (void)test_folder_join(&test_dir, "a.csv", path, sizeof(path));
        assert_int_equal(tm__fs_publish(path, texts[i], strlen(texts[i]), NULL), TM_OK);
        assert_int_equal(tm__items_look(&items, path, err), TM_OK);
    }
    const tm_status st = tm__items_settle(&items, "shown", err);
    assert_int_equal(tm__items_have_types(&items), st == TM_OK);
    *out_state = json_incref(items.state);
    tm__items_done(&items);
    json_decref(spec);
    return st;
}

static void all_items_decide_a_type(void **state) {
    const char *const texts[] = {"id,x,when,none\n1,1,31/12/2020,\n", "x,id\nword,2.5\n",
                                 "id,x\nword,2,3\n"}; /* the last is told when it is read */
    char types[256];
    json_t *left = NULL;
    (void)state;
    assert_int_equal(settle(texts, 3, types, &left, NULL), TM_OK);
    assert_string_equal(types, "id float;x text;when date;");
    assert_string_equal(tm__json_text(json_object_get(left, "dates"), "when", ""), "d");
    json_decref(left);
}

static void dates_of_both_orders_are_told(void **state) {
    const char *const texts[] = {"when\n31/12/2020\n", "when\n12/31/2020\n"};
    char types[256];
    json_t *left = NULL;
    tm_err err = {0};
    (void)state;
    assert_int_equal(settle(texts, 2, types, &left, &err), TM_E_DATA);
    assert_string_equal(err.data_path, "shown");
    assert_null(json_object_get(left, "types")); /* it is looked at again */
    json_decref(left);
}

static void nothing_is_settled_too(void **state) {
    char types[256];
    json_t *left = NULL;
    (void)state;
    assert_int_equal(settle(NULL, 0, types, &left, NULL), TM_OK);
    assert_string_equal(types, "");
    json_decref(left);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_items_decide_a_type),
        cmocka_unit_test(dates_of_both_orders_are_told),
        cmocka_unit_test(nothing_is_settled_too),
    };
    return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
