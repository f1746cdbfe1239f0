/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/row_guard.h"

#include <string.h>

#include "base/mem.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* Rows 0 .. n - 1 of x, each by the one whose turn it is. */
static tm_table *table_of(const char *const *who, uint32_t n_who, uint64_t n_rows) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "who", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint64_t i = 0; i < n_rows; i++) {
        const char *const text = who[i % n_who];
        const tm_cell cells[2] = {
            {.type = TM_TYPE_INT, .i64 = (int64_t)i},
            {.type = text[0] == '\0' ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = tm__str(text)}};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_row_list rows_from(uint32_t first, uint32_t n) {
    tm_row_list list = {.rows = tm__mem_alloc(n, sizeof(*list.rows)), .n = n};
    assert_non_null(list.rows);
    for (uint32_t i = 0; i < n; i++) {
        list.rows[i] = first + i;
    }
    return list;
}

static void rows_of_who_is_quarantined_go_and_new_ones_stay_new(void **state) {
    static const char *const who[] = {"north", "south", ""};
    static const struct {
        const char *name;
        uint64_t n_gone, n_news;
        uint32_t first_new;
    } cases[] = {{"who=south", 3, 3, 3},
                 {"who=", 3, 2, 4}, /* rows that say nothing are somebody's, too */
                 {"who=nobody", 0, 4, 5},
                 {"south", 0, 4, 5},
                 {"whose=south", 0, 4, 5}};
    (void)state;
    json_t *const recipe = json_pack("{s:{s:s}}", "labels", "origin", "who");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *source = table_of(who, 3, 9);
        tm_row_list news = rows_from(5, 4); /* "", north, south, "" */
        json_t *const names = json_pack("[s]", cases[i].name);
        uint64_t n_gone = 9;
        assert_int_equal(tm__row_guard_leave_out(recipe, names, &source, &news, &n_gone, NULL),
                         TM_OK);
        assert_int_equal(n_gone, cases[i].n_gone);
        assert_int_equal(tm__table_rows(source), 9 - n_gone);
        assert_int_equal(news.n, cases[i].n_news);
        assert_int_equal(news.rows[0], cases[i].first_new);
        json_decref(names);
        tm__row_list_done(&news);
        tm__table_unref(source);
    }
    json_decref(recipe);
}

static tm_status act(const tm_home *home, const char *column, tm_err *err) {
    static const char *const who[] = {"north", "south"};
    static const tm_actor actor = {.name = "test"};
    tm_ctx ctx = {0};
    tm_bundle *const bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){0});
    tm_table *source = table_of(who, 2, 8);
    tm_row_list news = rows_from(0, 8);
    json_t *const names = json_array();
    json_t *const recipe =
        column == NULL ? json_object() : json_pack("{s:{s:s}}", "labels", "origin", column);
    const tm_row_guard guard = {
        .home = home, .bundle = bundle, .model = "tiny", .recipe = recipe, .actor = &actor};
    const tm_status st = tm__row_guard_act(&ctx, &guard, source, &news, names, err);
    assert_int_equal(json_array_size(names), 0);
    json_decref(recipe);
    json_decref(names);
    tm__row_list_done(&news);
    tm__table_unref(source);
    tm__bundle_unref(bundle);
    return st;
}

static void a_column_that_is_not_there_is_told(void **state) {
    tm_err err = {0};
    assert_int_equal(act(*state, "branch", &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "no origin column 'branch'"));
}

static void without_a_declared_column_nothing_is_judged(void **state) {
    assert_int_equal(act(*state, NULL, NULL), TM_OK);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_who_is_quarantined_go_and_new_ones_stay_new),
        HOME(a_column_that_is_not_there_is_told),
        HOME(without_a_declared_column_nothing_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
