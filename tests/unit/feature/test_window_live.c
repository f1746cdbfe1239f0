/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/window_live.h"

#include <string.h>

#include "base/mem.h"
#include "online_case.h"
#include "test.h"

static tm_window_live *make(const tm_window_set *set, int64_t late_us) {
    tm_window_live *live = NULL;
    tm_err err = {0};
    if (tm__window_live_create(set, late_us, &live, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return live;
}

static void features_of_equal_keys_and_known_alike_are_a_group(void **state) {
    (void)state;
    tm_window_set *const set = online_case_set();
    tm_window_live *const live = make(set, -1);
    uint32_t n_features = 0;
    uint64_t seen = 0;
    assert_int_equal(tm__window_live_count(live), 6);
    for (uint32_t g = 0; g < 6; g++) {
        const tm_window_group *const group = tm__window_live_group(live, g);
        assert_int_equal(group->plan.late_us, TM_WINDOW_LATE_US);
        for (uint32_t i = 0; i < group->plan.n_features; i++) {
            seen |= UINT64_C(1) << group->places[i];
        }
        n_features += group->plan.n_features;
    }
    assert_int_equal(n_features, 12);
    assert_int_equal(seen, 4095);
    /* Four features of one column of the same airports: one column is kept. */
    const tm_window_group *const first = tm__window_live_group(live, 0);
    assert_int_equal(first->plan.n_features, 4);
    assert_int_equal(first->plan.n_cols, 1);
    assert_int_equal(first->n_keys, 1);
    assert_string_equal(first->keys[0], "c");
    tm__window_live_free(live);
    tm__window_live_free(NULL);
    tm__window_set_free(set);
}

static void marks_differ_where_states_do(void **state) {
    (void)state;
    tm_window_set *const set = online_case_set();
    tm_window_live *const a = make(set, 5), *const b = make(set, 5), *const c = make(set, 6);
    for (uint32_t g = 0; g < tm__window_live_count(a); g++) {
        const tm_hash *const mark = &tm__window_live_group(a, g)->mark;
        assert_true(tm__hash_eq(mark, &tm__window_live_group(b, g)->mark));
        assert_false(tm__hash_eq(mark, &tm__window_live_group(c, g)->mark));
        for (uint32_t k = 0; k < g; k++) {
            assert_false(tm__hash_eq(mark, &tm__window_live_group(a, k)->mark));
        }
    }
    tm__window_live_free(a);
    tm__window_live_free(b);
    tm__window_live_free(c);
    tm__window_set_free(set);
}

static void keys_are_bytes_of_their_types_and_values(void **state) {
    (void)state;
    const tm_cell text = {.type = TM_TYPE_TEXT, .text = TM_STR("1")},
                  number = {.type = TM_TYPE_INT, .i64 = 1},
                  zero = {.type = TM_TYPE_FLOAT, .f64 = 0.0},
                  minus = {.type = TM_TYPE_FLOAT, .f64 = -0.0}, none = {.type = TM_TYPE_NONE},
                  lost = {.type = TM_TYPE_INT, .i64 = TM_INT_MISSING};
    tm_buf a, b;
    tm__buf_init(&a, 1000);
    tm__buf_init(&b, 1000);
    assert_true(tm__window_key_write(&text, 1, &a) && tm__window_key_write(&number, 1, &b));
    assert_true(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
    tm__buf_reset(&a);
    tm__buf_reset(&b);
    assert_true(tm__window_key_write(&zero, 1, &a) && tm__window_key_write(&minus, 1, &b));
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_false(tm__window_key_write(&none, 1, &a));
    assert_false(tm__window_key_write(&lost, 1, &a));
    /* "a" + "bc" is not "ab" + "c". */
    const tm_cell left[] = {{.type = TM_TYPE_TEXT, .text = TM_STR("a")},
                            {.type = TM_TYPE_TEXT, .text = TM_STR("bc")}};
    const tm_cell right[] = {{.type = TM_TYPE_TEXT, .text = TM_STR("ab")},
                             {.type = TM_TYPE_TEXT, .text = TM_STR("c")}};
    tm__buf_reset(&a);
    tm__buf_reset(&b);
    assert_true(tm__window_key_write(left, 2, &a) && tm__window_key_write(right, 2, &b));
    assert_int_equal(a.len, b.len);
    assert_memory_not_equal(a.data, b.data, a.len);
    tm__buf_done(&a);
    tm__buf_done(&b);
}

/* The states of a block's entities answer as the table does. */
static void states_of_a_block_answer_as_the_table(void **state) {
    (void)state;
    enum { N = 3000 };
    tm_window_set *const set = online_case_set();
    tm_window_live *const live = make(set, INT64_C(1) << 50);
    tm_table *const rows = online_case_rows(0, N, 50);
    tm_table *wide = NULL;
    tm_ctx ctx = {0};
    uint64_t n_checked = 0;
    assert_int_equal(
        tm__window_set_apply(&ctx, set, rows, &(tm_window_tables){.events = rows}, &wide, NULL),
        TM_OK);
    const tm_column *const moments = tm__table_column(rows, tm__table_find(rows, "day"));
    for (uint32_t g = 0; g < tm__window_live_count(live); g++) {
        const tm_window_group *const group = tm__window_live_group(live, g);
        tm_window_block block;
        double out[12];
        assert_int_equal(tm__window_live_block(live, g, rows, &block, NULL), TM_OK);
        const uint32_t n_keys = tm__dict_count(block.keys);
        tm_window_state **const states = tm__mem_zalloc(n_keys, sizeof(tm_window_state *));
        for (uint32_t k = 0; k < n_keys; k++) {
            states[k] = tm__window_state_create(&group->plan);
        }
        for (uint64_t row = 0; row < N; row++) {
            if (block.entities[row] != TM_CODE_MISSING) {
                assert_int_equal(
                    tm__window_state_add(states[block.entities[row]], block.known_us[row],
                                         block.cells + row * group->plan.n_cols, INT64_MAX, NULL),
                    TM_OK);
            }
        }
        for (uint64_t row = 0; row < N; row++) {
            const uint32_t entity = block.entities[row];
            if (entity == TM_CODE_MISSING) {
                continue;
            }
            assert_int_equal(tm__window_state_value(states[entity], moments->ints[row], out, NULL),
                             TM_OK);
            for (uint32_t i = 0; i < group->plan.n_features; i++) {
                const char *const name = tm__window_set_name(set, group->places[i]);
                const double want = tm__table_column(wide, tm__table_find(wide, name))->floats[row];
                if (memcmp(&want, &out[i], sizeof(want)) != 0) {
                    fail_msg("%s of row %u: %g, not %g", name, (unsigned)row, out[i], want);
                }
                n_checked++;
            }
        }
        for (uint32_t k = 0; k < n_keys; k++) {
            tm__window_state_free(states[k]);
        }
        tm__mem_free(states);
        tm__window_block_done(&block);
    }
    assert_true(n_checked > 12 * (N - 100));
    tm__table_unref(wide);
    tm__table_unref(rows);
    tm__window_live_free(live);
    tm__window_set_free(set);
}

static tm_status make_one(const char *text, tm_window_set **set, tm_window_live **live,
                          tm_err *err) {
    const char *known = "late=arrives";
    const tm_window_spec spec = {
        .texts = &text, .n_texts = 1, .time = "day", .known = &known, .n_known = 1};
    tm_table *const rows = online_case_rows(0, 100, 5);
    assert_int_equal(tm__window_set_create(&spec, set, NULL), TM_OK);
    assert_int_equal(tm__window_set_fit(*set, &(tm_window_tables){.events = rows}, NULL), TM_OK);
    tm__table_unref(rows);
    return tm__window_live_create(*set, -1, live, err);
}

static void what_has_no_lasting_meaning_is_refused(void **state) {
    (void)state;
    tm_window_set *set = NULL;
    tm_window_live *live = NULL;
    tm_err err = {0};
    const char *text = "m = mean(late) by c";
    const tm_window_spec spec = {.texts = &text, .n_texts = 1, .time = "day"};
    assert_int_equal(tm__window_set_create(&spec, &set, NULL), TM_OK);
    assert_int_equal(tm__window_live_create(set, -1, &live, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "feature 'm' is not fitted");
    tm__window_set_free(set);
}

static void rows_that_lack_what_was_fitted_are_refused(void **state) {
    (void)state;
    tm_window_set *set = NULL;
    tm_window_live *live = NULL;
    tm_window_block block;
    tm_err err = {0};
    assert_int_equal(make_one("m = mean(late) by c", &set, &live, NULL), TM_OK);
    tm_table_builder *b = tm__builder_create();
    tm_table *rows = NULL;
    assert_int_equal(tm__builder_add_column(b, "c", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "day", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "arrives", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "late", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &rows, NULL), TM_OK);
    assert_int_equal(tm__window_live_block(live, 0, rows, &block, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 'late' is text, and was float in training");
    tm__table_unref(rows);
    tm__window_live_free(live);
    tm__window_set_free(set);
}

static void memory_that_fails_leaves_nothing(void **state) {
    (void)state;
    tm_window_set *const set = online_case_set();
    tm_table *const rows = online_case_rows(0, 50, 5);
    tm_window_live *live = NULL;
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm__mem_fail_at(nth, true);
        st = tm__window_live_create(set, -1, &live, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && tm__mem_alive() == alive));
    }
    const uint64_t with_live = tm__mem_alive();
    tm_window_block block;
    st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm__mem_fail_at(nth, true);
        st = tm__window_live_block(live, 0, rows, &block, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && tm__mem_alive() == with_live));
    }
    tm__window_block_done(&block);
    tm__window_live_free(live);
    tm__table_unref(rows);
    tm__window_set_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_equal_keys_and_known_alike_are_a_group),
        cmocka_unit_test(marks_differ_where_states_do),
        cmocka_unit_test(keys_are_bytes_of_their_types_and_values),
        cmocka_unit_test(states_of_a_block_answer_as_the_table),
        cmocka_unit_test(what_has_no_lasting_meaning_is_refused),
        cmocka_unit_test(rows_that_lack_what_was_fitted_are_refused),
        cmocka_unit_test(memory_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
