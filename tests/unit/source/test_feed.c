/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "source/feed.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static void add(const tm_home *home, const char *sql, const char *key) {
    json_t *spec = json_pack("{s:s}", "sql", sql);
    const tm_intake_add source = {
        .name = "q", .feed = "sql", .spec = spec, .keys = &key, .n_keys = key == NULL ? 0 : 1};
    assert_int_equal(tm__feed_find("sql")->check(spec, key != NULL, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    json_decref(spec);
}

static json_t *show(const tm_home *home) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, "q", &json, NULL), TM_OK);
    return json;
}

static void a_query_is_read_once_however_often_it_is_asked_for(void **state) {
    const tm_home *home = *state;
    tm_feed_pull r = {0};
    tm_table *table = NULL;
    add(home, "SELECT CASE WHEN i = 7 THEN NULL ELSE i % 10 END AS k, i AS n FROM range(100) r(i)",
        "k");
    json_t *json = show(home);
    assert_string_equal(tm__json_text(json, "status", ""), "adding");
    json_decref(json);
    assert_int_equal(tm__feed_pull(&ctx, home, "q", false, &r, NULL), TM_OK);
    assert_int_equal(r.accepted, 10); /* the first of each key */
    assert_int_equal(r.duplicates, 89);
    assert_int_equal(r.quarantined, 1);
    assert_int_equal(tm__feed_pull(&ctx, home, "q", false, &r, NULL), TM_OK);
    assert_int_equal(r.blocks, 0);
    json = show(home);
    assert_string_equal(tm__json_text(json, "status", ""), "ready");
    assert_int_equal(tm__json_i64(json, "rows", 0), 10);
    assert_true(json_number_value(json_object_get(json, "lag_seconds")) < 60);
    json_decref(json);
    assert_int_equal(tm__intake_table(&ctx, home, "q", &table, NULL), TM_OK);
    assert_int_equal(tm__table_column(table, 1)->ints[0], 0);
    assert_int_equal(tm__table_column(table, 1)->ints[9], 17);
    tm__table_unref(table);
}

static void a_key_that_is_no_column_is_told(void **state) {
    tm_feed_pull r = {0};
    tm_err err = {0};
    add(*state, "SELECT 1 AS a", "nobody");
    assert_int_equal(tm__feed_pull(&ctx, *state, "q", false, &r, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "nobody"));
}

/* The only source that is due; NULL: none. */
static void expect_due(const tm_home *home, const char *name) {
    json_t *due = NULL;
    assert_int_equal(tm__feed_due(home, TM_DUE_ENDING, NULL, &due, NULL), TM_OK);
    assert_int_equal(json_array_size(due), name == NULL ? 0 : 1);
    if (name != NULL) {
        assert_string_equal(json_string_value(json_array_get(due, 0)), name);
    }
    json_decref(due);
}

/* A data error stops the source, and asking for it again starts it. */
static void a_failure_is_recorded_with_its_reason(void **state) {
    tm_feed_pull r = {0};
    tm_err err = {0};
    add(*state, "SELECT nothing FROM nowhere", NULL);
    assert_int_not_equal(tm__feed_pull(&ctx, *state, "q", false, &r, &err), TM_OK);
    json_t *json = show(*state);
    assert_string_equal(tm__json_text(json, "status", ""), "stopped");
    assert_int_equal(tm__json_i64(json, "failures", 0), 1);
    assert_string_equal(tm__json_text(json_object_get(json, "error"), "message", ""), err.message);
    json_decref(json);
    expect_due(*state, NULL);
    err.status = TM_E_UNAVAILABLE; /* a child that could not reach it, one after the other */
    int64_t least_us = 1000000;
    tm__clock_fix(tm__now_us());
    for (uint32_t i = 2; i < 16; i++) {
        assert_int_equal(tm__feed_record(*state, "q", &err, NULL), TM_OK);
        least_us = least_us * 2 > INT64_C(3600000000) ? INT64_C(3600000000) : least_us * 2;
        tm__clock_fix(tm__now_us() + least_us - 2000000);
        expect_due(*state, NULL);
        tm__clock_fix(tm__now_us() + least_us / 2 + 4000000);
        expect_due(*state, "q");
    }
    tm__clock_fix(INT64_MIN);
    json = show(*state);
    assert_string_equal(tm__json_text(json, "status", ""), "retrying");
    json_decref(json);
    assert_int_equal(tm__feed_record(*state, "q", NULL, NULL), TM_OK);
    json = show(*state);
    assert_string_equal(tm__json_text(json, "status", ""), "ready");
    assert_true(json_is_null(json_object_get(json, "error")));
    json_decref(json);
}

/* Another program held the tables: nothing that a person would have to mend. */
static void a_conflict_is_tried_again(void **state) {
    tm_err held = {.status = TM_E_CONFLICT};
    add(*state, "SELECT 1 AS a", NULL);
    assert_int_equal(tm__feed_record(*state, "q", &held, NULL), TM_OK);
    json_t *json = show(*state);
    assert_string_equal(tm__json_text(json, "status", ""), "retrying");
    json_decref(json);
    tm__clock_fix(tm__now_us() + 2000000);
    expect_due(*state, "q");
    tm__clock_fix(INT64_MIN);
}

static void a_clock_that_went_back_holds_no_source_up(void **state) {
    tm_err away = {.status = TM_E_UNAVAILABLE};
    const int64_t now_us = tm__now_us();
    add(*state, "SELECT 1 AS a", NULL);
    tm__clock_fix(now_us + INT64_C(30) * 86400 * 1000000);
    assert_int_equal(tm__feed_record(*state, "q", &away, NULL), TM_OK);
    expect_due(*state, NULL);
    tm__clock_fix(now_us);
    expect_due(*state, "q");
    assert_int_equal(tm__feed_record(*state, "q", &away, NULL), TM_OK);
    expect_due(*state, NULL);
    tm__clock_fix(INT64_MIN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_query_is_read_once_however_often_it_is_asked_for),
        TEST(a_key_that_is_no_column_is_told),
        TEST(a_failure_is_recorded_with_its_reason),
        TEST(a_conflict_is_tried_again),
        TEST(a_clock_that_went_back_holds_no_source_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
