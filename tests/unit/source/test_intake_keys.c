/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_keys.h"

#include "test.h"

#include "base/mem.h"
#include "source/intake_priv.h"
#include "store/db_lookup.h"
#include "temp_home.h"

#define N 300u

static tm_row_key key_of(uint32_t i) {
    return tm__row_key(&i, sizeof(i));
}

static int64_t number_of(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    return n;
}

/* A third of the keys as a batch, the others in two runs; none is hashed, as a release before left
 * them. */
static void put_unhashed(tm_db *db, int64_t source, const char *dir) {
    tm_row_key keys[N / 3];
    for (uint32_t part = 0; part < 3; part++) {
        tm_key_set *const set = tm__key_set_create(dir, 0);
        tm_key_run *run = NULL;
        bool has_failed = false;
        for (uint32_t i = 0; i < N / 3; i++) {
            keys[i] = key_of(part * (N / 3) + i);
            (void)tm__key_set_add(set, keys[i], &has_failed);
        }
        if (part == 2) {
            const tm_keys_put put = {keys, N / 3, 0};
            assert_int_equal(tm__intake_db_add_keys_locked(db, source, &put, NULL), TM_OK);
        } else {
            assert_true(tm__key_set_freeze(set));
            assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
            const tm_run_put put = {.info = tm__key_run_info(run)};
            assert_int_equal(tm__intake_db_add_run_locked(db, source, &put, NULL), TM_OK);
            tm__key_run_close(run);
        }
        tm__key_set_free(set);
    }
}

static void check_all_are_known(tm_db *db, int64_t source, const char *dir) {
    tm_key_set *const set = tm__key_set_create(dir, 0);
    tm_lookup_rows rows = {0};
    assert_int_equal(tm__lookup_rows_read(db, &rows, NULL), TM_OK);
    assert_int_equal(tm__intake_db_load_keys(db, source, dir, set, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const tm_row_key key = key_of(i);
        uint64_t words[2] = {key.high, key.low};
        assert_false(tm__key_set_has(set, key));
        tm__lookup_row(&rows, 0, words);
        assert_true(tm__key_set_has(set, (tm_row_key){words[0], words[1]}));
    }
    tm__lookup_rows_done(&rows);
    tm__key_set_free(set);
}

static void keys_of_before_are_hashed_and_known(void **state) {
    const tm_intake_add add = {.name = "people", .feed = "push"};
    char *const dir = tm__intake_dir(*state, "keys", "people");
    tm_db *db = NULL;
    int64_t source = 0;
    uint64_t n = 0;
    assert_int_equal(tm__intake_db_open(*state, true, &db, NULL), TM_OK);
    assert_int_equal(tm__intake_db_add_source_locked(db, &add, &source, NULL), TM_OK);
    put_unhashed(db, source, dir);
    assert_int_equal(tm__intake_keys_behind(db, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    const tm_keys_place place = {.db = db, .dir = dir, .source = source, .removes = true};
    for (int more = 0; more < 3; more++) {
        if (more == 2) { /* within a transaction of the caller's, as a server that took the home */
            assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        }
        assert_int_equal(tm__intake_keys_renew(&place, NULL), TM_OK);
        assert_int_equal(tm__db_is_in_transaction(db), more == 2);
        assert_int_equal(tm__intake_keys_behind(db, &n, NULL), TM_OK);
        assert_int_equal(n, 0);
        check_all_are_known(db, source, dir);
        if (more < 2) {
            assert_int_equal(tm__db_exec(db, TM_LOOKUP_MORE, NULL), TM_OK);
        }
    }
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    assert_int_equal(number_of(db, "SELECT min(hashed) + max(hashed) FROM runs"), 6);
    tm__db_close(db);
    tm__mem_free(dir);
}

/* One run at a time: what is done stays, the rest is found again. */
static void a_run_that_is_damaged_stays_and_is_named(void **state) {
    const tm_intake_add add = {.name = "people", .feed = "push"};
    char *const dir = tm__intake_dir(*state, "keys", "people");
    tm_db *db = NULL;
    int64_t source = 0;
    uint64_t n = 0;
    assert_int_equal(tm__intake_db_open(*state, true, &db, NULL), TM_OK);
    assert_int_equal(tm__intake_db_add_source_locked(db, &add, &source, NULL), TM_OK);
    put_unhashed(db, source, dir);
    assert_int_equal(tm__db_exec(db,
                                 "UPDATE runs SET n = n + 1 WHERE rowid ="
                                 " (SELECT max(rowid) FROM runs)",
                                 NULL),
                     TM_OK);
    const tm_keys_place place = {.db = db, .dir = dir, .source = source};
    assert_int_equal(tm__intake_keys_renew(&place, NULL), TM_E_INTEGRITY);
    assert_false(tm__db_is_in_transaction(db));
    assert_int_equal(tm__intake_keys_behind(db, &n, NULL), TM_OK);
    assert_in_range(n, 1, 3);
    tm__db_close(db);
    tm__mem_free(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(keys_of_before_are_hashed_and_known),
        TEST(a_run_that_is_damaged_stays_and_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
