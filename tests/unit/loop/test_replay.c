/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/replay.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "replay_case.h"
#include "test.h"

#define FEW_ROWS 2500u /* of what holds for any number of them: time grows with their square */

static json_t *replay(const replay_made *how, const tm_replay_options *options,
                      uint32_t n_threads) {
    tm_err err = {0};
    json_t *out = NULL;
    tm_table *const table = replay_case_table(how);
    tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
    const tm_status st = tm__replay_run(&ctx, table, options, &out, &err);
    if (st != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    return out;
}

static double score(const json_t *out, const char *name) {
    return tm__json_f64(json_object_get(out, name), "score", NAN);
}

static tm_status fails(const replay_made *how, const tm_replay_options *options) {
    tm_err err = {0};
    json_t *out = NULL;
    tm_table *const table = replay_case_table(how);
    tm_ctx ctx = {0};
    const tm_status st = tm__replay_run(&ctx, table, options, &out, &err);
    assert_null(out);
    assert_true(err.message[0] != '\0');
    tm__table_unref(table);
    return st;
}

/* A label's meaning is drawn anew every REPLAY_BLOCK rows: who answers with labels that are
 * REPLAY_BLOCK rows old and no newer guesses; who looks at newer ones is right. */
static void what_is_not_known_yet_does_not_help(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    tm_replay_options options = {
        .target = "y", .first = 0.25, .delay_rows = REPLAY_BLOCK, .drop = NULL};
    const char *const t[] = {"t"};
    options.drop = t;
    options.n_drop = 1;
    json_t *out = replay(&how, &options, 1);
    /* Six blocks are scored: chance is a whole number of them, and never all. */
    assert_true(score(out, "policy") < 0.75);
    assert_true(score(out, "schedule") < 0.75);
    json_decref(out);
    options.delay_rows = 1;
    out = replay(&how, &options, 1);
    assert_true(score(out, "policy") > 0.75);
    json_decref(out);
}

static void what_does_not_change_is_learned_once(void **state) {
    (void)state;
    const replay_made how = {.n_rows = FEW_ROWS};
    const tm_replay_options options = {
        .target = "y", .time = "t", .first = 0.2, .delay_us = INT64_C(100) * 1000000};
    json_t *const out = replay(&how, &options, 1);
    assert_true(score(out, "static") > 0.999);
    assert_true(score(out, "policy") > 0.999);
    assert_true(score(out, "schedule") > 0.999);
    assert_true(score(out, "trivial") < 0.6);
    assert_int_equal(tm__json_i64(out, "scored_rows", 0), FEW_ROWS - FEW_ROWS / 5);
    json_decref(out);
}

static void drop_seconds(json_t *value) {
    const char *name = NULL;
    json_t *member = NULL;
    void *next = NULL;
    size_t i = 0;
    if (json_is_array(value)) {
        json_array_foreach(value, i, member) {
            drop_seconds(member);
        }
    }
    json_object_foreach_safe(value, next, name, member) {
        if (strcmp(name, "train_seconds") == 0 || strcmp(name, "train_cpu_seconds") == 0 ||
            strcmp(name, "answer_seconds") == 0) {
            json_object_del(value, name);
        } else {
            drop_seconds(member);
        }
    }
}

static void threads_change_nothing_but_seconds(void **state) {
    (void)state;
    for (uint32_t is_value = 0; is_value < 2; is_value++) {
        const replay_made how = {.n_rows = FEW_ROWS, .is_secret = true, .is_value = is_value != 0};
        const tm_replay_options options = {.target = "y", .first = 0.2, .delay_rows = 10};
        json_t *const one = replay(&how, &options, 1);
        json_t *const three = replay(&how, &options, 3);
        drop_seconds(one);
        drop_seconds(three);
        assert_true(json_equal(one, three));
        json_decref(one);
        json_decref(three);
    }
}

static void rows_are_put_in_order(void **state) {
    (void)state;
    const replay_made straight = {.n_rows = FEW_ROWS},
                      reversed = {.n_rows = FEW_ROWS, .is_reversed = true};
    const tm_replay_options options = {.target = "y", .time = "t", .first = 0.2, .delay_rows = 10};
    json_t *const one = replay(&straight, &options, 1);
    json_t *const other = replay(&reversed, &options, 1);
    assert_false(tm__json_bool(one, "sorted", true));
    assert_true(tm__json_bool(other, "sorted", false));
    assert_true(score(other, "policy") > 0.999);
    json_decref(one);
    json_decref(other);
}

static void labels_that_never_come_are_passed_over(void **state) {
    (void)state;
    const replay_made how = {.n_rows = FEW_ROWS, .n_unlabelled_from = FEW_ROWS / 2};
    const replay_made none = {.n_rows = FEW_ROWS, .n_unlabelled_from = FEW_ROWS / 5};
    const tm_replay_options options = {.target = "y", .first = 0.2, .delay_rows = 100};
    json_t *const out = replay(&how, &options, 1);
    assert_int_equal(tm__json_i64(out, "scored_rows", 0), FEW_ROWS / 2 - FEW_ROWS / 5);
    assert_true(score(out, "policy") > 0.999);
    json_decref(out);
    assert_int_equal(fails(&none, &options), TM_E_DATA);
}

static void what_cannot_be_replayed_is_said(void **state) {
    (void)state;
    const replay_made how = {.n_rows = FEW_ROWS};
    tm_replay_options options = {.target = "z", .first = 0.2, .delay_rows = 1};
    assert_int_equal(fails(&how, &options), TM_E_USAGE);
    options.target = "y";
    options.delay_rows = FEW_ROWS;
    assert_int_equal(fails(&how, &options), TM_E_DATA);
    options.delay_rows = 1;
    options.time = "x";
    assert_int_equal(fails(&how, &options), TM_E_USAGE);
    options.time = NULL;
    options.delay_us = 1;
    assert_int_equal(fails(&how, &options), TM_E_USAGE);
    options.delay_us = 0;
    options.first = 1.0;
    assert_int_equal(fails(&how, &options), TM_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_yet_does_not_help),
        cmocka_unit_test(what_does_not_change_is_learned_once),
        cmocka_unit_test(threads_change_nothing_but_seconds),
        cmocka_unit_test(rows_are_put_in_order),
        cmocka_unit_test(labels_that_never_come_are_passed_over),
        cmocka_unit_test(what_cannot_be_replayed_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
