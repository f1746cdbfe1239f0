/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loop/upkeep.h"
#include "made_data.h"
#include "online_case.h"
#include "registry/online_ask.h"
#include "temp_home.h"
#include "test.h"

#define HOUR INT64_C(3600000000)

/* A store with the views of the set's groups, and who asks it. */
typedef struct opened {
    tm_online *online;
    tm_online_reader *reader;
    tm_online_plan plan;
    tm_online_asker *asker;
    tm_online_view views[16];
    uint32_t n;
    int64_t now_us;
} opened;

static void open_store(const tm_home *home, opened *o, const char *online) {
    tm_window_set *const set = online_case_set();
    json_t *const info = json_pack("{s:{s:{s:s}}, s:o}", "recipe", "source", "source", "flights",
                                   "windows", tm__window_set_to_json(set));
    json_t *const recipe = json_pack("{s:o}", "online", json_loads(online, 0, NULL));
    bool is_anew = false;
    *o = (opened){.now_us = ONLINE_CASE_FIRST_US};
    assert_int_equal(tm__online_plan_read(info, recipe, &o->plan, NULL), TM_OK);
    assert_int_equal(tm__online_open_write(home, false, &o->online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__online_reader_create(o->online, &o->reader, NULL), TM_OK);
    o->asker = tm__online_asker_create(&o->plan);
    assert_non_null(o->asker);
    o->n = tm__window_live_count(o->plan.live);
    assert_int_equal(tm__online_begin(o->online, NULL), TM_OK);
    for (uint32_t g = 0; g < o->n; g++) {
        o->views[g] =
            (tm_online_view){.mark = o->plan.marks[g], .source = "flights", .newest_us = INT64_MIN};
        assert_int_equal(tm__online_put_view(o->online, &o->views[g], NULL), TM_OK);
    }
    assert_int_equal(tm__online_commit(o->online, NULL), TM_OK);
    json_decref(recipe);
    json_decref(info);
    tm__window_set_free(set);
}

static void close_store(opened *o) {
    tm__online_reader_free(o->reader);
    tm__online_asker_free(o->asker);
    tm__online_plan_done(&o->plan);
    tm__online_unref(o->online);
}

static void apply(opened *o, const tm_table *rows) {
    tm_err err = {0};
    assert_int_equal(tm__online_begin(o->online, NULL), TM_OK);
    for (uint32_t g = 0; g < o->n; g++) {
        const tm_upkeep_block block = {
            .live = o->plan.live, .group = g, .rows = rows, .now_us = o->now_us};
        o->views[g].checked_us = o->now_us;
        if (tm__upkeep_apply(o->online, &o->views[g], &block, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
    }
    assert_int_equal(tm__online_commit(o->online, NULL), TM_OK);
}

typedef struct counts {
    uint64_t n_same, n_early, n_missing, n_values;
} counts;

/* Ask for the keys of a row at a moment, and compare with the row of the table. */
static void compare_row(opened *o, const tm_table *rows, const tm_table *wide, uint64_t row,
                        counts *n) {
    const tm_column *const c = tm__table_column(rows, tm__table_find(rows, "c"));
    const tm_column *const tail = tm__table_column(rows, tm__table_find(rows, "tail"));
    const tm_column *const day = tm__table_column(rows, tm__table_find(rows, "day"));
    for (uint32_t g = 0; g < o->n; g++) {
        const tm_window_group *const group = tm__window_live_group(o->plan.live, g);
        tm_cell keys[2];
        double out[12];
        tm_online_note note;
        tm_err err = {0};
        for (uint32_t k = 0; k < group->n_keys; k++) {
            keys[k] = tm__column_cell(strcmp(group->keys[k], "c") == 0 ? c : tail, row);
        }
        const tm_online_question question = {
            .group = g, .keys = keys, .moment_us = day->ints[row], .now_us = o->now_us};
        const tm_status st = tm__online_ask(o->asker, o->reader, &question, out, &note, &err);
        if (st == TM_E_INVALID) {
            n->n_early++;
            continue;
        }
        if (st != TM_OK) {
            fail_msg("%s", err.message);
        }
        for (uint32_t i = 0; i < group->plan.n_features; i++) {
            const char *const name = tm__window_set_name(o->plan.set, group->places[i]);
            const double want = tm__table_column(wide, tm__table_find(wide, name))->floats[row];
            if (memcmp(&want, &out[i], sizeof(want)) != 0) {
                fail_msg("%s of row %u: %.17g, not %.17g", name, (unsigned)row, out[i], want);
            }
            n->n_missing += isnan(want);
            n->n_values++;
        }
        n->n_same++;
    }
}

/* The rows as queries: flights of today and of other days, by shifted moments. */
static tm_table *moments(uint32_t first, uint32_t n, int64_t now_us) {
    tm_table *const rows = online_case_rows(first, n, 300);
    int64_t *const days = (int64_t *)(uintptr_t)tm__table_column(rows, 3)->ints;
    for (uint32_t i = 0; i < n; i++) {
        const double a = made_random(9, first + i);
        if (days[i] != TM_INT_MISSING) {
            days[i] = now_us + (int64_t)((a < 0.9 ? a * 24 - 6 : a * 24 * 40) * (double)HOUR);
        }
    }
    return rows;
}

/*
 * 50 blocks of events, 2,000 questions after each: what the store answers is what the table of the
 * events so far gives, bit for bit. Events come up to 17 hours late, which is later than the store
 * keeps for sure; questions lie before, at and long after the newest event, so that windows are
 * full, half and empty; some have no key, some no moment.
 */
static void the_store_answers_as_the_table_does(void **state) {
    enum { BLOCKS = 50, EVENTS = 1000, ASKED = 2000 };
    opened o;
    counts n = {0};
    tm_ctx ctx = {0};
    open_store(*state, &o, "{\"late_us\":43200000000}");
    for (uint32_t b = 0; b < BLOCKS; b++) {
        tm_table *const block = online_case_rows(b * EVENTS, EVENTS, 300);
        tm_table *const so_far = online_case_rows(0, (b + 1) * EVENTS, 300);
        o.now_us = ONLINE_CASE_FIRST_US + (int64_t)((b + 1) * EVENTS) * ONLINE_CASE_STEP_US;
        tm_table *const asked = moments(b * ASKED, ASKED, o.now_us);
        tm_table *wide = NULL;
        apply(&o, block);
        tm__online_reader_end(o.reader);
        assert_int_equal(tm__online_reader_begin(o.reader, NULL), TM_OK);
        assert_int_equal(tm__window_set_apply(&ctx, o.plan.set, asked,
                                              &(tm_window_tables){.events = so_far}, &wide, NULL),
                         TM_OK);
        for (uint64_t row = 0; row < ASKED; row++) {
            compare_row(&o, asked, wide, row, &n);
        }
        tm__table_unref(wide);
        tm__table_unref(asked);
        tm__table_unref(so_far);
        tm__table_unref(block);
    }
    assert_int_equal(n.n_same + n.n_early, (uint64_t)BLOCKS * ASKED * o.n);
    assert_true(n.n_early < n.n_same / 10);
    assert_true(n.n_missing > n.n_values / 100 && n.n_missing < n.n_values / 2);
    assert_int_equal(o.views[0].next, BLOCKS * EVENTS);
    assert_true(o.views[0].n_entities > 200 && o.views[0].n_events > 45000);
    close_store(&o);
}

static void what_fails_changes_nothing(void **state) {
    opened o;
    tm_table *const rows = online_case_rows(0, 50, 5);
    open_store(*state, &o, "{}");
    const tm_upkeep_block block = {.live = o.plan.live, .rows = rows, .now_us = o.now_us};
    const tm_online_view before = o.views[0];
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
        tm__mem_fail_at(nth, true);
        st = tm__upkeep_apply(o.online, &o.views[0], &block, NULL);
        tm__mem_fail_at(0, false);
        tm__online_rollback(o.online);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_true(st == TM_OK || memcmp(&before, &o.views[0], sizeof(before)) == 0);
        assert_int_equal(tm__mem_alive(), alive);
    }
    tm__table_unref(rows);
    close_store(&o);
}

static void keys_of_another_type_are_a_conflict(void **state) {
    opened o;
    tm_table *const rows = online_case_rows(0, 50, 5);
    open_store(*state, &o, "{}");
    apply(&o, rows);
    o.views[0].key_types[0] = TM_TYPE_INT;
    const tm_upkeep_block block = {.live = o.plan.live, .rows = rows, .now_us = o.now_us};
    tm_err err = {0};
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    assert_int_equal(tm__upkeep_apply(o.online, &o.views[0], &block, &err), TM_E_CONFLICT);
    assert_string_equal(err.message, "key 'c' is text, and was int");
    tm__online_rollback(o.online);
    tm__table_unref(rows);
    close_store(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_store_answers_as_the_table_does, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_fails_changes_nothing, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(keys_of_another_type_are_a_conflict, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
