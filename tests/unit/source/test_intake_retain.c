/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "source/sinks.h"
#include "source/source.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static tm_push_result push_any(tm_intake *intake, const char *text, tm_status want) {
    char body[512];
    tm_push_result r = {0};
    tm_err err = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    const tm_status st = tm__intake_push_wait(intake, &one, &r, &err);
    if (st != want) {
        fail_msg("%s: %d: %s", text, (int)st, err.message);
    }
    if (st != TM_OK) {
        assert_true(err.hint[0] != '\0');
    }
    return r;
}

static void compact(const tm_home *home) {
    uint64_t n = 0;
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
}

static void run_sql(const tm_home *home, const char *sql) {
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, sql, NULL), TM_OK);
    tm__db_close(db);
}

/* Three segments of one, two and one rows; the first two are a day and more older. */
static tm_intake *three_segments(const tm_home *home) {
    const char *const keys[] = {"id"};
    json_t *spec = json_pack("{s:i}", "retention_s", 3600);
    const tm_intake_add add = {
        .name = "s", .feed = "push", .spec = spec, .keys = keys, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
    tm_intake *intake = tm__intake_create(home);
    (void)push_any(intake, "{\"id\":1,\"x\":1}", TM_OK);
    compact(home);
    (void)push_any(intake, "{\"id\":2,\"x\":1}", TM_OK);
    (void)push_any(intake, "{\"id\":3,\"x\":1}", TM_OK);
    run_sql(home, "UPDATE batches SET at_us = at_us - 86400000000 WHERE n_rows = 1");
    compact(home);
    /* A file of the first format: no parts. */
    run_sql(home, "UPDATE segments SET parts = NULL, created_us = created_us - 172800000000"
                  " WHERE n_rows = 1");
    (void)push_any(intake, "{\"id\":4,\"x\":1}", TM_OK);
    compact(home);
    return intake;
}

static json_t *show(const tm_home *home) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    return json;
}

static void old_segments_are_removed_whole_and_their_keys_stay(void **state) {
    const tm_home *home = *state;
    tm_removable gone = {0};
    char due[129];
    tm_intake *intake = three_segments(home);
    json_t *json = show(home);
    assert_int_equal(tm__json_i64(json, "due_segments", 0), 2);
    json_decref(json);
    assert_int_equal(tm__intake_due(home, due, NULL), TM_OK);
    assert_string_equal(due, "s");
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_true(gone.n_segments == 2 && gone.n_rows == 3 && gone.n_bytes > 0 && gone.n_held == 0);
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_int_equal(gone.n_segments, 0);
    assert_int_equal(tm__intake_due(home, due, NULL), TM_OK);
    assert_string_equal(due, "");
    json = show(home);
    assert_int_equal(tm__json_i64(json, "rows", 0), 1);
    assert_int_equal(tm__json_i64(json, "accepted", 0), 4);
    assert_int_equal(tm__json_i64(json, "removed", 0), 3);
    assert_int_equal(tm__json_i64(json, "segments", 0), 1);
    assert_true(tm__json_i64(json, "removed_bytes", 0) > 0);
    assert_non_null(tm__json_text(json, "removed_at", NULL));
    json_decref(json);
    assert_int_equal(push_any(intake, "{\"id\":2,\"x\":9}", TM_OK).duplicates, 1);
    /* The row that stays has its place. */
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    assert_int_equal(tm__source_rows_open(home, "s", &rows, NULL), TM_OK);
    assert_int_equal(tm__source_rows_extent(rows, &extent, NULL), TM_OK);
    assert_true(extent.first == 3 && extent.end == 4);
    tm__source_rows_close(rows);
    tm__intake_close(intake);
}

/* Who reads the files now reads on. */
static void files_stay_for_an_hour(void **state) {
    const tm_home *home = *state;
    static const tm_intake_collect now = {.age_us = TM_INTAKE_COLLECT_US, .removes = true};
    static const tm_intake_collect later = {.age_us = -1000000, .removes = true};
    tm_removable gone = {0};
    tm_intake_rest rest = {0};
    tm_intake *intake = three_segments(home);
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_int_equal(tm__intake_collect(home, &now, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 0);
    assert_int_equal(tm__intake_collect(home, &later, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 2);
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 1);
    tm__table_unref(table);
    tm__intake_close(intake);
}

static void what_a_sink_has_not_read_is_kept_for_it(void **state) {
    const tm_home *home = *state;
    tm_removable gone = {0};
    tm_intake *intake = three_segments(home);
    run_sql(home, "INSERT INTO sinks(name, spec, state, plan, created_us) VALUES"
                  " ('other', '{\"read\":\"t\"}', 'null', 'null', 1),"
                  " ('night', '{\"read\":\"s\"}', '{\"next\":2}', 'null', 1)");
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_true(gone.n_segments == 1 && gone.n_rows == 1 && gone.n_held == 1);
    assert_string_equal(gone.held_by, "night");
    json_t *json = show(home);
    assert_string_equal(tm__json_text(json, "held_by", ""), "night");
    assert_int_equal(tm__json_i64(json, "held_segments", 0), 1);
    json_decref(json);
    /* A batch that was begun is made again from its own rows. */
    run_sql(home, "UPDATE sinks SET state = '{\"next\":3}', plan = '{\"first\":1,\"rows\":2}'"
                  " WHERE name = 'night'");
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_true(gone.n_segments == 0 && gone.n_held == 1);
    run_sql(home, "UPDATE sinks SET plan = 'null' WHERE name = 'night'");
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_true(gone.n_segments == 1 && gone.n_rows == 2 && gone.n_held == 0);
    tm__intake_close(intake);
}

static void without_a_retention_nothing_is_removed(void **state) {
    const tm_home *home = *state;
    tm_removable gone = {0};
    tm_intake *intake = three_segments(home);
    json_t *forever = json_pack("{s:n}", "retention_s");
    assert_int_equal(tm__intake_set(home, "s", forever, NULL), TM_OK);
    json_decref(forever);
    assert_int_equal(tm__intake_expire(home, "s", &gone, NULL), TM_OK);
    assert_int_equal(gone.n_segments + gone.n_held, 0);
    assert_int_equal(tm__intake_expire(home, "t", &gone, NULL), TM_E_NOT_FOUND);
    tm__intake_close(intake);
}

static void a_source_that_holds_what_it_may_takes_nothing(void **state) {
    const tm_home *home = *state;
    json_t *spec = json_pack("{s:i}", "max_bytes", 40);
    const tm_intake_add add = {.name = "s", .feed = "push", .spec = spec};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
    tm_intake *intake = tm__intake_create(home);
    (void)push_any(intake, "{\"id\":1,\"x\":\"a text of some fifty bytes, which is longer\"}",
                   TM_OK);
    tm__clock_fix(tm__now_us() + 2000000);
    (void)push_any(intake, "{\"id\":2,\"x\":\"b\"}", TM_E_UNAVAILABLE);
    json_t *more = json_pack("{s:i}", "max_bytes", 100000);
    assert_int_equal(tm__intake_set(home, "s", more, NULL), TM_OK);
    json_decref(more);
    (void)push_any(intake, "{\"id\":3,\"x\":\"c\"}", TM_OK);
    tm__clock_fix(INT64_MIN);
    tm__intake_close(intake);
}

static void below_the_floor_of_the_disk_nothing_is_taken(void **state) {
    const tm_home *home = *state;
    const tm_intake_add add = {.name = "s", .feed = "push"};
    uint64_t bytes = 0;
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(setenv("TIDEMILL_DISK_FLOOR", "1000000T", 1), 0);
    (void)push_any(intake, "{\"id\":1}", TM_E_UNAVAILABLE);
    assert_int_equal(setenv("TIDEMILL_DISK_FLOOR", "lots", 1), 0);
    (void)push_any(intake, "{\"id\":1}", TM_E_USAGE);
    assert_int_equal(setenv("TIDEMILL_DISK_FLOOR", "1K", 1), 0);
    (void)push_any(intake, "{\"id\":1}", TM_OK);
    assert_int_equal(unsetenv("TIDEMILL_DISK_FLOOR"), 0);
    tm__intake_close(intake);
    assert_int_equal(tm__intake_disk_floor(UINT64_C(1) << 40, &bytes, NULL), TM_OK);
    assert_int_equal(bytes, UINT64_C(1) << 30);
    assert_int_equal(tm__intake_disk_floor(UINT64_C(2) << 30, &bytes, NULL), TM_OK);
    assert_int_equal(bytes, (UINT64_C(2) << 30) / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_segments_are_removed_whole_and_their_keys_stay,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(files_stay_for_an_hour, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_a_sink_has_not_read_is_kept_for_it, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(without_a_retention_nothing_is_removed, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_source_that_holds_what_it_may_takes_nothing,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(below_the_floor_of_the_disk_nothing_is_taken,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
