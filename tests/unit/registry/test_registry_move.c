/* SPDX-License-Identifier: Apache-2.0 */
/* Where a home says that its tables are, before and after; a server is asked in
 * tests/e2e/test_store_postgres.py. */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry_move.h"
#include "registry/registry_priv.h"
#include "temp_home.h"

static tm_path_kind kind_of(const tm_home *home, const char *name) {
    char *path = tm__fs_join(tm__home_path(home), name);
    const tm_path_kind kind = tm__fs_info(path).kind;
    tm__mem_free(path);
    return kind;
}

static void tables_that_are_there_already_stay(void **state) {
    tm__temp_home_needs_file();
    tm_err err = {0};
    tm_db_moved moved;
    assert_int_equal(tm__registry_move(*state, NULL, NULL, &moved, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "in a file of SQLite already"));
}

/* A server that nobody reaches: the home says what it said, and nothing lies about. */
static void without_a_server_nothing_changes(void **state) {
    tm__temp_home_needs_file();
    tm_err err = {0};
    tm_db_moved moved;
    tm_registry *registry = NULL;
    char dsn[200];
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__registry_close(registry);
    snprintf(dsn, sizeof(dsn), "%s/meta.dsn", tm__home_path(*state));
    assert_int_equal(tm__fs_publish_secret(dsn, "host=127.0.0.1 port=1\n", 22, NULL), TM_OK);
    const tm_store_place place = {.dsn_file = dsn, .schema = "mill"};
    const tm_status st = tm__registry_move(*state, &place, NULL, &moved, &err);
    assert_true(st == TM_E_UNAVAILABLE || st == TM_E_UNSUPPORTED); /* or libpq is not here */
    assert_int_equal(kind_of(*state, "store.json"), TM_PATH_NONE);
    assert_int_equal(kind_of(*state, "store.moving.json"), TM_PATH_NONE);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tables_that_are_there_already_stay),
        TEST(without_a_server_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
