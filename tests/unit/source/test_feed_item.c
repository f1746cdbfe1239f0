/* SPDX-License-Identifier: Apache-2.0 */
/* What folders and buckets test_dir_make of it is in test_feed_files.c and
 * tests/e2e/test_buckets.py. */
#include "source/feed_item.h"

#include <string.h>

#include "base/fs.h"
#include "support.h"
#include "test.h"

#define HINT "Put it back."

static tm_ctx ctx;
static tm_schema_column columns[] = {{.name = "id", .type = TM_TYPE_INT}};
static const tm_schema schema = {.n_cols = 1, .cols = columns};

/* What a source would keep. */
typedef struct kept {
    json_t *state, *mark; /* of the one item */
    char text[256];
    uint64_t first_line;
    uint32_t n_blocks;
    tm_status fails; /* of the next block */
} kept;

static tm_status take(void *arg, const tm_feed_block *block, tm_err *err) {
    kept *const k = arg;
    if (k->fails != TM_OK) {
        return TM_FAIL(err, k->fails, "the sink fails");
    }
    k->n_blocks++;
    k->first_line = block->first_line;
    (void)tm__str_copy(k->text, sizeof(k->text), (tm_str){block->data, block->len});
    json_decref(k->state);
    k->state = json_deep_copy(block->state);
    if (block->mark != NULL) {
        json_decref(k->mark);
        k->mark = json_deep_copy(block->mark);
    }
    return TM_OK;
}

static tm_status find_mark(void *arg, const char *item, json_t **out, tm_err *err) {
    const kept *const k = arg;
    (void)item;
    (void)err;
    *out = json_incref(k->mark);
    return TM_OK;
}

static tm_status read_item(kept *k, const char *text, const char *version, bool again,
                           tm_err *err) {
    json_t *const spec = json_object();
    json_t *const members = json_pack("{s:s}", "version", version);
    const tm_feed_input in = {
        .spec = spec, .state = k->state, .schema = &schema, .find_mark = find_mark, .arg = k};
    const tm_feed_sink sink = {.take = take, .arg = k};
    char path[256];
    (void)test_folder_join(&test_dir, "a.csv", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    const tm_item item = {.path = path, .name = "a", .shown = "shown/a", .version = members};
    tm_items items;
    assert_int_equal(tm__items_init(&items, &ctx, &in, &sink, err), TM_OK);
    const tm_status st = tm__items_read(&items, &item, k->mark, again, HINT, err);
    assert_int_equal(items.sink_failed, k->fails != TM_OK);
    tm__items_done(&items);
    json_decref(members);
    json_decref(spec);
    return st;
}

static void forget(kept *k) {
    json_decref(k->state);
    json_decref(k->mark);
}

static void a_mark_has_the_version_and_the_place(void **state) {
    kept k = {.state = json_null(), .mark = json_null()};
    (void)state;
    assert_int_equal(read_item(&k, "id,x\n1,2\n", "one", false, NULL), TM_OK);
    assert_string_equal(k.text, "id,x\n1,2\n");
    assert_string_equal(tm__json_text(k.mark, "version", ""), "one");
    assert_int_equal(tm__json_i64(k.mark, "lines", 0), 2);
    assert_null(json_object_get(k.mark, "partial"));
    assert_null(json_object_get(k.state, "reading"));
    /* More behind the same bytes is all that is read. */
    assert_int_equal(read_item(&k, "id,x\n1,2\n3,4\n", "two", false, NULL), TM_OK);
    assert_string_equal(k.text, "3,4\n");
    assert_int_equal(k.first_line, 3);
    assert_string_equal(tm__json_text(k.mark, "version", ""), "two");
    forget(&k);
}

static void other_bytes_are_a_fault_or_read_again(void **state) {
    kept k = {.state = json_null(), .mark = json_null()};
    tm_err err = {0};
    (void)state;
    assert_int_equal(read_item(&k, "id\n1\n", "one", false, NULL), TM_OK);
    assert_int_equal(read_item(&k, "id\n2\n", "two", false, &err), TM_E_DATA);
    assert_string_equal(err.data_path, "shown/a");
    assert_string_equal(err.hint, HINT);
    assert_string_equal(tm__json_text(k.mark, "version", ""), "one");
    assert_int_equal(read_item(&k, "id\n2\n", "two", true, NULL), TM_OK);
    assert_string_equal(k.text, "id\n2\n");
    forget(&k);
}

static void a_failure_of_the_sink_is_told_apart(void **state) {
    kept k = {.state = json_null(), .mark = json_null(), .fails = TM_E_IO};
    tm_err err = {0};
    (void)state;
    assert_int_equal(read_item(&k, "id\n1\n", "one", false, &err), TM_E_IO);
    forget(&k);
}

static void what_stops_is_told_before_what_passes(void **state) {
    tm_items items = {0};
    tm_err err = {0}, failure = {0};
    (void)state;
    assert_int_equal(tm__items_fault(&items, &err), TM_OK);
    tm__items_keep_fault(&items, TM_FAIL(&failure, TM_E_UNAVAILABLE, "one"), &failure, "a");
    tm__items_keep_fault(&items, TM_FAIL(&failure, TM_E_UNAVAILABLE, "two"), &failure, "b");
    assert_int_equal(tm__items_fault(&items, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.data_path, "a");
    tm__items_keep_fault(&items, TM_FAIL(&failure, TM_E_DATA, "three"), &failure, "c");
    tm__items_keep_fault(&items, TM_FAIL(&failure, TM_E_DATA, "four"), &failure, "d");
    assert_int_equal(tm__items_fault(&items, &err), TM_E_DATA);
    assert_string_equal(err.data_path, "c");
}

static void what_vanished_is_told_and_forgotten(void **state) {
    kept k = {.state = json_pack("{s:s}", "reading", "a"), .mark = json_pack("{s:i}", "lines", 7)};
    json_t *const spec = json_object();
    const tm_feed_input in = {
        .spec = spec, .state = k.state, .schema = &schema, .find_mark = find_mark, .arg = &k};
    const tm_feed_sink sink = {.take = take, .arg = &k};
    tm_items items;
    tm_err err = {0};
    (void)state;
    assert_int_equal(tm__items_init(&items, &ctx, &in, &sink, NULL), TM_OK);
    assert_int_equal(tm__items_vanished(&items, "a", NULL), TM_OK);
    assert_int_equal(tm__items_fault(&items, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "behind line 7"));
    assert_null(json_object_get(k.state, "reading"));
    tm__items_done(&items);
    json_decref(spec);
    forget(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_has_the_version_and_the_place),
        cmocka_unit_test(other_bytes_are_a_fault_or_read_again),
        cmocka_unit_test(a_failure_of_the_sink_is_told_apart),
        cmocka_unit_test(what_stops_is_told_before_what_passes),
        cmocka_unit_test(what_vanished_is_told_and_forgotten),
    };
    return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
