/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sqlite3.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support.h"

static int start(void **state) {
    (void)state;
    return tm__sqlite_vfs_init(NULL) == TM_OK ? 0 : 1;
}

static void sqlite_takes_its_memory_from_the_seam(void **state) {
    (void)state;
    const uint64_t n_calls = tm__mem_calls();
    const uint64_t n_alive = tm__mem_alive();
    char *block = sqlite3_malloc(100);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 8, 0);
    assert_true(sqlite3_msize(block) >= 100);
    memset(block, 7, 100);
    block = sqlite3_realloc(block, 100000);
    assert_non_null(block);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(block[i], 7);
    }
    assert_true(tm__mem_calls() > n_calls);
    assert_true(tm__mem_alive() > n_alive);
    sqlite3_free(block);
    assert_int_equal(tm__mem_alive(), n_alive);
}

static void a_lost_block_of_sqlite_stays_as_it_was(void **state) {
    (void)state;
    char *block = sqlite3_malloc(16);
    memset(block, 5, 16);
    tm__mem_fail_at(1, false);
    assert_null(sqlite3_realloc(block, 100000));
    tm__mem_fail_at(1, false);
    assert_null(sqlite3_malloc(16));
    tm__mem_fail_at(0, false);
    assert_int_equal(block[15], 5);
    sqlite3_free(block);
}

static bool count_rows(void *arg) {
    (void)arg;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_open(":memory:", &db);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES('a'), (hex(zeroblob(9000)))",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &stmt, NULL);
    }
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    assert_true(rc == SQLITE_ROW || rc == SQLITE_NOMEM);
    if (rc == SQLITE_ROW) {
        assert_int_equal(sqlite3_column_int(stmt, 0), 2);
    }
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return rc == SQLITE_ROW;
}

static void each_allocation_of_sqlite_may_fail(void **state) {
    (void)state;
    assert_true(count_rows(NULL)); /* what it keeps for ever */
    test_each_mem_fault(count_rows, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_takes_its_memory_from_the_seam),
        cmocka_unit_test(a_lost_block_of_sqlite_stays_as_it_was),
        cmocka_unit_test(each_allocation_of_sqlite_may_fail),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
