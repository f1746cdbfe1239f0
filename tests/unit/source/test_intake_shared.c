/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of several homes on one PostgreSQL; runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "source/feed.h"
#include "source/intake_priv.h"
#include "source/intake_shared.h"
#include "source/source.h"
#include "temp_home.h"

static tm_ctx ctx;

/* Another home on the same tables, whose files are in this folder of the first one, or in its
 * common one. */
static tm_home *other_home(const tm_home *one, const char *name, const char *folder) {
    char text[600];
    tm_home *home = NULL;
    const char *const root = tm__home_path(one);
    char *path = tm__fs_join(root, name);
    char *common = folder == NULL ? tm__mem_strdup(root) : tm__fs_join(root, folder);
    assert_int_equal(tm__fs_mkdir(path, NULL), TM_OK); /* in it, to go with it */
    char *store = tm__fs_join(path, TM_HOME_STORE);
    (void)snprintf(text, sizeof(text),
                   "{\"postgres\": {\"dsn_file\": \"%s\", \"schema\": \"%s\", \"intake\": \"%s\"}}",
                   getenv("TIDEMILL_TEST_DSN"), strrchr(root, '/') + 1, common);
    assert_int_equal(tm__fs_replace(store, text, strlen(text), NULL), TM_OK);
    assert_int_equal(tm__home_open(path, true, &home, NULL), TM_OK);
    tm__mem_free(path);
    tm__mem_free(common);
    tm__mem_free(store);
    return home;
}

static void add(const tm_home *home, const char *name, const char *feed, json_t *spec) {
    const char *const key = "id";
    tm_err err = {0};
    const tm_intake_add source = {
        .name = name, .feed = feed, .keys = &key, .n_keys = 1, .spec = spec};
    if (tm__intake_add(home, &source, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    json_decref(spec);
}

/* Rows {"id": from} ... {"id": end - 1}: how many were new. */
static uint64_t push(tm_intake *intake, int from, int end, const char *key) {
    char body[8000];
    size_t len = 0;
    tm_push_result r = {0};
    for (int i = from; i < end; i++) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "{\"id\":%d}\n", i);
    }
    const tm_push rows = {.source = "orders",
                          .form = TM_PUSH_LINES,
                          .data = body,
                          .len = len,
                          .key = key == NULL ? (tm_str){NULL, 0} : tm__str(key)};
    assert_int_equal(tm__intake_push_wait(intake, &rows, &r, NULL), TM_OK);
    assert_int_equal(r.accepted + r.duplicates, end - from);
    return r.is_repeat ? UINT64_MAX : r.accepted;
}

static int64_t n_rows(const tm_home *home, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, name, &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, "rows", -1);
    json_decref(json);
    return n;
}

static void a_row_is_new_once_at_whatever_home_it_comes(void **state) {
    tm_home *two = other_home(*state, "two", NULL);
    add(*state, "orders", "push", json_pack("{s:i}", "recent_keys", 20));
    tm_intake *a = tm__intake_create(*state), *b = tm__intake_create(two);
    assert_int_equal(push(a, 0, 10, "k-1"), 10);
    assert_int_equal(push(b, 0, 10, "k-1"), UINT64_MAX); /* the same request again */
    assert_int_equal(push(b, 5, 15, NULL), 5);
    assert_int_equal(push(a, 0, 16, NULL), 1);
    for (int i = 0; i < 20; i++) { /* keys become files, and files of files */
        assert_int_equal(push(i % 2 == 0 ? a : b, i * 20, i * 20 + 60, NULL), i == 0 ? 44 : 20);
    }
    assert_int_equal(push(a, 0, 440, NULL) + push(b, 0, 441, NULL), 1);
    tm__intake_close(a);
    tm__intake_close(b);
    assert_int_equal(n_rows(*state, "orders"), 441);
    assert_int_equal(n_rows(two, "orders"), 441);
    b = tm__intake_create(two);
    assert_int_equal(push(b, 0, 442, NULL), 1);
    tm__intake_close(b);
    tm__home_close(two);
}

static tm_status take(tm_intake_pull *pull, const char *sql, int number, tm_err *err) {
    tm_table *table = NULL;
    tm_push_result r = {0};
    assert_int_equal(tm__source_read(&ctx, &(tm_source_spec){.sql = sql}, &table, NULL), TM_OK);
    json_t *after = json_pack("{s:i}", "n", number);
    const tm_feed_block block = {.rows = table, .origin = "query", .state = after};
    const tm_status st = tm__intake_pull_take(pull, &block, &r, err);
    json_decref(after);
    tm__table_unref(table);
    return st;
}

static void a_block_is_taken_by_one_home_and_the_other_goes_on_behind_it(void **state) {
    tm_err err = {0};
    tm_home *two = other_home(*state, "two", NULL);
    tm_intake_pull *a = NULL, *b = NULL;
    add(*state, "lines", "sql", NULL);
    assert_int_equal(tm__intake_pull_open(&ctx, *state, "lines", &a, NULL), TM_OK);
    assert_int_equal(tm__intake_pull_open(&ctx, two, "lines", &b, NULL), TM_OK);
    assert_int_equal(take(a, "SELECT i AS id FROM range(10) r(i)", 1, NULL), TM_OK);
    assert_int_not_equal(take(b, "SELECT i AS id FROM range(10) r(i)", 1, &err), TM_OK);
    assert_int_equal(n_rows(two, "lines"), 10);
    tm__intake_pull_close(b);
    assert_int_equal(tm__intake_pull_open(&ctx, two, "lines", &b, NULL), TM_OK);
    assert_int_equal(tm__json_i64(tm__intake_pull_source(b)->state, "n", 0), 1);
    /* Large ones are segments in the folder of both. */
    assert_int_equal(take(b, "SELECT i AS id FROM range(5, 25000) r(i)", 2, NULL), TM_OK);
    assert_int_not_equal(take(a, "SELECT 30000 AS id", 2, NULL), TM_OK);
    tm__intake_pull_close(a);
    tm__intake_pull_close(b);
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, *state, "lines", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 25000);
    tm__table_unref(table);
    tm__home_close(two);
}

static void what_works_for_a_leader_before_takes_no_block(void **state) {
    int64_t epoch = 0;
    char text[24];
    tm_registry *registry = NULL;
    tm_intake_pull *late = NULL;
    tm_err err = {0};
    add(*state, "lines", "sql", NULL);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_epoch_begin(registry, &epoch, NULL), TM_OK);
    (void)snprintf(text, sizeof(text), "%lld", (long long)epoch);
    assert_int_equal(setenv("TIDEMILL_EPOCH", text, 1), 0);
    assert_int_equal(tm__intake_pull_open(&ctx, *state, "lines", &late, NULL), TM_OK);
    assert_int_equal(unsetenv("TIDEMILL_EPOCH"), 0);
    assert_int_equal(take(late, "SELECT 1 AS id", 1, NULL), TM_OK);
    assert_int_equal(tm__registry_epoch_begin(registry, &epoch, NULL), TM_OK);
    assert_int_equal(take(late, "SELECT 2 AS id", 2, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "is over"));
    assert_int_equal(n_rows(*state, "lines"), 1);
    tm__intake_pull_close(late);
    tm__registry_close(registry);
}

static tm_status open_db(const tm_home *home, tm_err *err) {
    tm_db *db = NULL;
    const tm_status st = tm__intake_db_open(home, true, &db, err);
    tm__db_close(db);
    return st;
}

static void a_folder_is_that_of_its_tables(void **state) {
    tm_err err = {0};
    add(*state, "orders", "push", NULL);
    tm_home *none = other_home(*state, "two", "not_mounted");
    assert_int_equal(open_db(none, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "is not there"));
    char *id = tm__fs_join(tm__home_intake_dir(none), "intake.id");
    assert_int_equal(tm__fs_mkdir(tm__home_intake_dir(none), NULL), TM_OK);
    assert_int_equal(tm__fs_replace(id, "another\n", 8, NULL), TM_OK);
    assert_int_equal(open_db(none, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "of other tables"));
    tm__mem_free(id);
    tm__home_close(none);
}

static void sources_of_before_are_not_forgotten(void **state) {
    tm_err err = {0};
    char *path = tm__fs_join(tm__home_path(*state), "intake.db");
    assert_int_equal(tm__fs_replace(path, "x", 1, NULL), TM_OK);
    assert_int_equal(open_db(*state, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "sources of its own"));
    tm__mem_free(path);
}

static void a_sealed_home_shares_nothing(void **state) {
    tm_err err = {0};
    add(*state, "orders", "push", NULL);
    char *path = tm__fs_join(tm__home_path(*state), "encryption.json");
    assert_int_equal(tm__fs_replace(path, "{}", 2, NULL), TM_OK);
    assert_int_equal(open_db(*state, &err), TM_E_UNSUPPORTED);
    tm__mem_free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

static void in_a_file_there_is_nothing_to_share(void **state) {
    assert_false(tm__home_shares_intake(*state));
    assert_string_equal(tm__home_intake_dir(*state), tm__home_path(*state));
    assert_int_equal(tm__intake_shared_join(*state, NULL, true, NULL), TM_OK);
    assert_int_equal(tm__intake_shared_refuse(*state, "do it", NULL), TM_OK);
}

int main(void) {
    const struct CMUnitTest alone[] = {
        TEST(in_a_file_there_is_nothing_to_share),
    };
    const struct CMUnitTest tests[] = {
        TEST(a_row_is_new_once_at_whatever_home_it_comes),
        TEST(a_block_is_taken_by_one_home_and_the_other_goes_on_behind_it),
        TEST(what_works_for_a_leader_before_takes_no_block),
        TEST(a_folder_is_that_of_its_tables),
        TEST(sources_of_before_are_not_forgotten),
        TEST(a_sealed_home_shares_nothing),
    };
    return getenv("TIDEMILL_TEST_DSN") == NULL ? cmocka_run_group_tests(alone, NULL, NULL)
                                               : cmocka_run_group_tests(tests, NULL, NULL);
}
