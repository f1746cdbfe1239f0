/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "source/intake.h"
#include "source/intake_erase.h"
#include "temp_home.h"

static void push(const tm_home *home, char *body) {
    tm_push_result result = {0};
    const tm_push rows = {
        .source = "people", .form = TM_PUSH_JSON, .data = body, .len = strlen(body)};
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_push_wait(intake, &rows, &result, NULL), TM_OK);
    tm__intake_close(intake);
}

static uint64_t count(const tm_home *home, int64_t *out_rows) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    json_t *source = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "people", &table, NULL), TM_OK);
    const uint64_t n = tm__table_rows(table);
    tm__table_unref(table);
    assert_int_equal(tm__intake_show(home, "people", &source, NULL), TM_OK);
    *out_rows = tm__json_i64(source, "rows", -1);
    json_decref(source);
    return n;
}

static tm_intake_erased erase(const tm_home *home, const char *id) {
    tm_ctx ctx = {0};
    tm_intake_erased erased = {0};
    tm_err err = {0};
    json_t *columns = json_pack("[s]", "id");
    tm_dict *ids = tm__dict_create();
    assert_int_equal(tm__dict_add(ids, tm__str(id)), 0);
    if (tm__intake_erase(&ctx, home, "people", columns, ids, &erased, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__dict_free(ids);
    json_decref(columns);
    return erased;
}

static void rows_go_from_batches_and_segments_and_do_not_come_back(void **state) {
    static const char *const key = "id";
    const tm_intake_add add = {.name = "people", .feed = "push", .keys = &key, .n_keys = 1};
    char first[] = "[{\"id\":\"a\",\"x\":1},{\"id\":\"b\",\"x\":2},{\"id\":\"c\",\"x\":3}]";
    char second[] = "[{\"id\":\"d\",\"x\":4}]";
    char third[] = "[{\"id\":\"e\",\"x\":5}]";
    tm_ctx ctx = {0};
    uint64_t n = 0;
    int64_t rows = 0;
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    push(*state, first);
    assert_int_equal(tm__intake_compact(&ctx, *state, "people", 1, &n, NULL), TM_OK);
    push(*state, second);
    push(*state, third);
    tm_intake_erased erased = erase(*state, "b");
    assert_int_equal(erased.n_rows, 1);
    assert_int_equal(erased.n_segments, 1);
    assert_int_equal(count(*state, &rows), 4);
    assert_int_equal(rows, 4);
    assert_int_equal(erase(*state, "d").n_rows, 1);
    assert_int_equal(erase(*state, "d").n_rows, 0);
    assert_int_equal(erase(*state, "nobody").n_rows, 0);
    push(*state, first); /* all are duplicates, b too */
    assert_int_equal(count(*state, &rows), 3);
    assert_int_equal(tm__intake_vacuum(*state, NULL), TM_OK);
    assert_int_equal(tm__intake_check(*state, false, &(uint32_t){0}, NULL), TM_OK);
    assert_int_equal(erase(*state, "a").n_rows, 1);
    assert_int_equal(erase(*state, "c").n_segments, 1); /* the last of its segment */
    assert_int_equal(count(*state, &rows), 1);
    assert_int_equal(rows, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_go_from_batches_and_segments_and_do_not_come_back,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
