/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

typedef struct scene {
    const tm_home *home;
    tm_db *db;
    tm_source_row source;
    tm_intake_columns *columns;
    tm_source_writer *writer;
    bool waits;
} scene;

static scene scene_open(const tm_home *home) {
    const char *const key[] = {"id"};
    const tm_intake_add add = {.name = "s", .feed = "push", .keys = key, .n_keys = 1};
    scene s = {.home = home, .waits = true};
    const tm_status added = tm__intake_add(home, &add, NULL);
    assert_true(added == TM_OK || added == TM_E_CONFLICT);
    assert_int_equal(tm__intake_db_open(home, true, &s.db, NULL), TM_OK);
    assert_int_equal(tm__intake_db_source(s.db, "s", &s.source, NULL), TM_OK);
    assert_int_equal(tm__intake_db_columns(s.db, &s.source, &s.columns, NULL), TM_OK);
    assert_int_equal(tm__source_writer_create(home, &s.source, s.columns, &s.writer, NULL), TM_OK);
    assert_int_equal(tm__source_writer_id(s.writer), s.source.id);
    return s;
}

static void scene_close(scene *s) {
    tm__source_writer_free(s->writer);
    tm__intake_columns_unref(s->columns);
    tm__source_row_done(&s->source);
    tm__db_close(s->db);
}

/* Rows with ids [from, end); committed or given up. */
static tm_push_result put(scene *s, int from, int end, bool is_committed) {
    char body[4000];
    size_t len = 0;
    tm_rows rows = {0};
    tm_push_result result = {0};
    for (int i = from; i < end; i++) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "{\"id\":%d}\n", i);
    }
    const tm_push push = {.form = TM_PUSH_LINES, .data = body, .len = len};
    assert_int_equal(tm__rows_read(&push, s->columns, &rows, NULL), TM_OK);
    assert_int_equal(tm__source_writer_load(s->writer, s->db, NULL), TM_OK);
    assert_int_equal(tm__source_writer_unique(s->writer, &rows, NULL, &result.duplicates, NULL),
                     TM_OK);
    const tm_source_put one = {.rows = &rows, .origin = "test"};
    assert_int_equal(tm__db_begin(s->db, NULL), TM_OK);
    assert_int_equal(tm__source_writer_put_locked(s->writer, s->db, &one, &result, NULL), TM_OK);
    if (is_committed) {
        assert_int_equal(tm__db_commit(s->db, NULL), TM_OK);
    } else {
        tm__db_rollback(s->db);
    }
    tm__source_writer_settle(s->writer, is_committed);
    if (is_committed && rows.columns != s->columns) {
        tm__intake_columns_unref(s->columns);
        s->columns = tm__intake_columns_ref(rows.columns);
    }
    tm__source_writer_tend(s->writer, s->db, s->waits);
    tm__rows_done(&rows);
    return result;
}

static void what_was_given_up_is_new_again(void **state) {
    scene s = scene_open(*state);
    assert_int_equal(put(&s, 0, 10, false).accepted, 10);
    tm_push_result r = put(&s, 0, 10, true);
    assert_int_equal(r.accepted, 10);
    r = put(&s, 5, 15, false);
    assert_int_equal(r.duplicates, 5);
    r = put(&s, 5, 20, true);
    assert_int_equal(r.accepted, 10);
    assert_int_equal(r.duplicates, 5);
    scene_close(&s);
    s = scene_open(*state);
    assert_int_equal(s.source.n_accepted, 20);
    assert_int_equal(s.columns->version, 1);
    assert_int_equal(put(&s, 0, 21, true).accepted, 1);
    scene_close(&s);
}

static int64_t count(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    return n;
}

static void keys_become_files_beside_the_writer(void **state) {
    json_t *few = json_pack("{s:i}", "recent_keys", 20);
    scene s = scene_open(*state);
    scene_close(&s);
    assert_int_equal(tm__intake_set(*state, "s", few, NULL), TM_OK);
    s = scene_open(*state);
    s.waits = false;
    for (int i = 0; i < 500; i += 25) {
        assert_int_equal(put(&s, i, i + 25, true).accepted, 25);
    }
    /* At most two tables of 25 are ever in memory, and eight files become one. */
    assert_in_range(count(s.db, "SELECT sum(n) FROM runs"), 400, 500);
    assert_in_range(count(s.db, "SELECT count(*) FROM keys"), 0, 4);
    put(&s, 500, 510, false); /* what is on its way is given up with the rest, and read again */
    assert_int_equal(put(&s, 250, 505, true).accepted, 5);
    scene_close(&s);
    s = scene_open(*state);
    assert_int_equal(put(&s, 0, 250, true).accepted, 0);
    assert_int_equal(put(&s, 250, 506, true).accepted, 1);
    scene_close(&s);
    json_decref(few);
}

static void a_source_may_hold_few_keys_in_memory(void **state) {
    json_t *few = json_pack("{s:i}", "recent_keys", 20);
    scene s = scene_open(*state);
    put(&s, 0, 50, true);
    assert_int_equal(count(s.db, "SELECT count(*) FROM runs"), 0);
    scene_close(&s);
    assert_int_equal(tm__intake_set(*state, "s", few, NULL), TM_OK);
    s = scene_open(*state);
    /* The first run has those of before too. */
    for (int i = 50; i < 110; i += 20) {
        assert_int_equal(put(&s, i - 10, i + 20, true).duplicates, 10);
    }
    assert_int_equal(count(s.db, "SELECT count(*) FROM runs"), 3);
    assert_int_equal(count(s.db, "SELECT sum(n) FROM runs"), 110);
    assert_int_equal(count(s.db, "SELECT count(*) FROM keys"), 0);
    scene_close(&s);
    s = scene_open(*state);
    assert_int_equal(put(&s, 0, 111, true).accepted, 1);
    scene_close(&s);
    json_decref(few);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(what_was_given_up_is_new_again),
                                       TEST(a_source_may_hold_few_keys_in_memory),
                                       TEST(keys_become_files_beside_the_writer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
