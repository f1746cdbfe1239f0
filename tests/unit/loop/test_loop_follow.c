/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "logged.h"
#include "monitor/monitor.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static tm_ctx ctx;
static const tm_actor actor = {.name = "test"};

/* The model 'tiny', whose labels come from a source, and n answers of it: "a0", "a1", ... */
static void make(const tm_home *home, const char *labels, uint32_t n) {
    const tm_monitor_options options = {.can_write = true};
    char recipe[256];
    (void)snprintf(recipe, sizeof(recipe), "{\"labels\":%s}", labels);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.recipe = recipe});
    tm_registry *registry = NULL;
    tm_monitor *monitor = NULL;
    tm_version version = {0};
    json_t *const json = json_loads(recipe, 0, NULL);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, json, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__bundle_unref(bundle);
    json_decref(json);
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    for (uint32_t i = 0; i < n; i++) {
        char id[27];
        const double output = 0.5;
        (void)snprintf(id, sizeof(id), "a%u", i);
        const tm_logged one = {.id = id,
                               .at_us = 1000 + i,
                               .event_us = TM_INT_MISSING,
                               .model = "tiny",
                               .version = 1,
                               .entity = "e",
                               .row = "{}",
                               .outputs = &output,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
    }
    tm__monitor_close(monitor);
}

static void declare(const tm_home *home, const char *labels) {
    char recipe[256];
    tm_registry *registry = NULL;
    (void)snprintf(recipe, sizeof(recipe), "{\"labels\":%s}", labels);
    json_t *const json = json_loads(recipe, 0, NULL);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_set_recipe(registry, "tiny", json, &actor, NULL), TM_OK);
    tm__registry_close(registry);
    json_decref(json);
}

static void add_source(const tm_home *home) {
    const tm_intake_add add = {.name = "outcomes", .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

static void push(const tm_home *home, const char *lines) {
    tm_push_result r = {0};
    tm_err err = {0};
    tm_intake *intake = tm__intake_create(home);
    char text[4096];
    (void)tm__str_copy(text, sizeof(text), tm__str(lines));
    const tm_push one = {
        .source = "outcomes", .form = TM_PUSH_LINES, .data = text, .len = strlen(text)};
    if (tm__intake_push_wait(intake, &one, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__intake_close(intake);
}

/* What is known of 'tiny' after one run, and how many rows that took. */
static json_t *run(const tm_home *home, int64_t *out_rows) {
    json_t *result = NULL;
    tm_err err = {0};
    if (tm__follow_run(&ctx, home, false, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    *out_rows = tm__json_i64(result, "rows", -1);
    json_t *const one = json_incref(json_array_get(json_object_get(result, "models"), 0));
    json_decref(result);
    return one;
}

static void check(const tm_home *home, int64_t rows, const char *member, int64_t want) {
    int64_t n = 0;
    json_t *const one = run(home, &n);
    assert_int_equal(n, rows);
    assert_int_equal(tm__json_i64(one, member, -1), want);
    json_decref(one);
}

static int64_t labelled(const tm_home *home) {
    const tm_monitor_options options = {.can_write = false};
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    json_t *counters = tm__monitor_counters(monitor);
    const int64_t n = tm__json_i64(json_object_get(counters, "labels"), "joined", 0);
    json_decref(counters);
    tm__monitor_close(monitor);
    return n;
}

#define OUTCOMES "{\"source\":\"outcomes\"}"

static void each_row_is_joined_once(void **state) {
    make(*state, OUTCOMES, 3);
    add_source(*state);
    push(*state, "{\"prediction_id\":\"a0\",\"y\":\"yes\"}\n"
                 "{\"prediction_id\":\"a1\",\"y\":null}\n"
                 "{\"prediction_id\":null,\"y\":\"no\"}\n"
                 "{\"prediction_id\":\"none\",\"y\":\"no\"}\n");
    check(*state, 4, "joined", 1);
    check(*state, 0, "unknown", 1);
    check(*state, 0, "bad", 1);
    check(*state, 0, "without_label", 1);
    push(*state,
         "{\"prediction_id\":\"a1\",\"y\":\"no\"}\n{\"prediction_id\":\"a0\",\"y\":\"no\"}\n");
    check(*state, 2, "joined", 2);
    check(*state, 0, "conflicts", 1);
    check(*state, 0, "next", 6);
    assert_int_equal(labelled(*state), 2);
}

static void a_source_that_is_gone_or_another_one_has_an_outcome(void **state) {
    make(*state, OUTCOMES, 3);
    int64_t n = 0;
    json_t *one = run(*state, &n);
    assert_string_not_equal(tm__json_text(one, "problem", ""), "");
    json_decref(one);
    add_source(*state);
    push(*state,
         "{\"prediction_id\":\"a0\",\"y\":\"yes\"}\n{\"prediction_id\":\"a1\",\"y\":\"no\"}\n");
    check(*state, 2, "joined", 2);
    assert_int_equal(tm__intake_remove(*state, "outcomes", NULL), TM_OK);
    one = run(*state, &n);
    assert_non_null(strstr(tm__json_text(one, "problem", ""), "outcomes"));
    assert_int_equal(tm__json_i64(one, "next", 0), 2);
    json_decref(one);
    add_source(*state); /* another one: its rows are read from the first, and what stands stands */
    push(*state, "{\"prediction_id\":\"a0\",\"y\":\"yes\"}\n");
    one = run(*state, &n);
    assert_int_equal(n, 1);
    assert_true(json_is_null(json_object_get(one, "problem")));
    assert_int_equal(tm__json_i64(one, "duplicates", 0), 1);
    assert_int_equal(tm__json_i64(one, "joined", 0), 2);
    json_decref(one);
    assert_int_equal(labelled(*state), 2);
}

static void another_declaration_reads_all_rows_again(void **state) {
    make(*state, "{\"source\":\"outcomes\",\"label\":\"z\"}", 3);
    add_source(*state);
    push(*state,
         "{\"prediction_id\":\"a0\",\"y\":\"yes\"}\n{\"prediction_id\":\"a1\",\"y\":\"no\"}\n");
    int64_t n = 0;
    json_t *one = run(*state, &n);
    assert_non_null(strstr(tm__json_text(one, "problem", ""), "no column 'z'"));
    assert_int_equal(tm__json_i64(one, "next", -1), 0);
    json_decref(one);
    declare(*state, OUTCOMES);
    check(*state, 2, "joined", 2);
    declare(*state, "{\"delay_us\":5,\"source\":\"outcomes\"}"); /* says nothing of the rows */
    check(*state, 0, "joined", 2);
    declare(*state, "{\"source\":\"outcomes\",\"id\":\"prediction_id\"}");
    check(*state, 2, "duplicates", 2);
    tm_registry *registry = NULL;
    bool is_needed = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__follow_is_needed(registry, &is_needed, NULL), TM_OK);
    assert_true(is_needed);
    declare(*state, "{\"delay_us\":5}");
    assert_int_equal(tm__follow_is_needed(registry, &is_needed, NULL), TM_OK);
    assert_false(is_needed);
    tm__registry_close(registry);
}

static void rows_are_read_block_by_block_also_out_of_segments(void **state) {
    enum { N = 4500, PIECE = 50 };
    uint64_t n = 0;
    make(*state, OUTCOMES, N);
    add_source(*state);
    for (int first = 0; first < N; first += PIECE) {
        tm_buf lines;
        tm__buf_init(&lines, 4096);
        for (int i = first; i < first + PIECE; i++) {
            tm__buf_printf(&lines, "{\"prediction_id\":\"a%d\",\"y\":\"yes\"}\n", i);
        }
        assert_false(lines.failed);
        push(*state, (const char *)lines.data);
        tm__buf_done(&lines);
        if (first == 3000) {
            assert_int_equal(tm__intake_compact(&ctx, *state, "outcomes", 1, &n, NULL), TM_OK);
        }
    }
    check(*state, N, "joined", N);
    assert_int_equal(labelled(*state), N);
}

static void it_ends_when_it_is_cancelled(void **state) {
    volatile _Atomic bool cancel = true;
    tm_ctx stopped = {.cancel = &cancel};
    json_t *result = NULL;
    make(*state, OUTCOMES, 1);
    assert_int_equal(tm__follow_run(&stopped, *state, false, &result, NULL), TM_E_CANCELLED);
    assert_int_equal(tm__follow_run(&stopped, *state, true, &result, NULL), TM_OK);
    json_decref(result);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_row_is_joined_once),
        TEST(a_source_that_is_gone_or_another_one_has_an_outcome),
        TEST(another_declaration_reads_all_rows_again),
        TEST(rows_are_read_block_by_block_also_out_of_segments),
        TEST(it_ends_when_it_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
