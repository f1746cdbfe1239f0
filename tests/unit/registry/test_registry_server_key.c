/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "registry/registry.h"
#include "store/db.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return registry;
}

static tm_key add_key(tm_registry *registry) {
    tm_key key;
    tm_err err = {0};
    tm__key_create(&key);
    const tm_key_terms terms = {.role = TM_GUARD_CLIENT};
    if (tm__registry_key_add(registry, &key, &terms, &actor, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return key;
}

/* Looks for the key whose id it has. */
typedef struct tm_search {
    const tm_key *key;
    const tm_server_key *server;
    bool found, matches, is_plain;
} tm_search;

static bool look(void *arg, const tm_stored_key *stored) {
    tm_search *search = arg;
    if (strcmp(stored->id, search->key->id) == 0) {
        search->found = true;
        search->matches = tm__key_matches(search->server, search->key, &stored->hash);
        search->is_plain = tm__hash_eq(&search->key->hash, &stored->hash);
    }
    return true;
}

static tm_search find(tm_registry *registry, const tm_key *key) {
    tm_server_key server;
    bool has = false;
    tm_search search = {.key = key, .server = &server};
    assert_int_equal(tm__registry_server_key(registry, &server, &has, NULL), TM_OK);
    assert_true(has);
    assert_int_equal(tm__registry_key_list(registry, look, &search, NULL), TM_OK);
    return search;
}

static void the_first_key_makes_it_and_all_are_sealed_with_it(void **state) {
    tm_registry *registry = open_registry(*state);
    tm_server_key server, again;
    bool has = true;
    const char *path = tm__home_server_key(*state);
    assert_int_equal(tm__registry_server_key(registry, &server, &has, NULL), TM_OK);
    assert_false(has);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    const tm_key key = add_key(registry);
    assert_int_equal(tm__registry_server_key(registry, &server, &has, NULL), TM_OK);
    assert_true(has);
    const tm_key second = add_key(registry);
    assert_int_equal(tm__registry_server_key(registry, &again, &has, NULL), TM_OK);
    assert_true(tm__hash_eq(&server.secret, &again.secret));
    const tm_key *both[] = {&key, &second};
    for (unsigned i = 0; i < 2; i++) {
        const tm_search search = find(registry, both[i]);
        assert_true(search.found && search.matches);
        assert_false(search.is_plain);
    }
    tm__registry_close(registry);
}

static void check_lost(tm_registry *registry, const char *words) {
    tm_server_key server;
    tm_key key;
    bool has = false;
    tm_err err = {0};
    assert_int_equal(tm__registry_server_key(registry, &server, &has, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.hint, "backup"));
    tm__key_create(&key);
    assert_int_equal(
        tm__registry_key_add(registry, &key, &(tm_key_terms){.role = TM_GUARD_ADMIN}, &actor, &err),
        TM_E_INTEGRITY);
}

static void a_lost_or_wrong_one_is_named_and_no_key_is_made_with_it(void **state) {
    tm_registry *registry = open_registry(*state);
    const char *path = tm__home_server_key(*state);
    const tm_key key = add_key(registry);
    tm_buf kept;
    tm__buf_init(&kept, 1000);
    assert_int_equal(tm__fs_read_all(path, &kept, NULL), TM_OK);
    assert_int_equal(kept.len, 65);
    char other[65];
    memset(other, 'a', 64);
    other[64] = '\n';
    assert_int_equal(tm__fs_publish_secret(path, other, 65, NULL), TM_OK);
    check_lost(registry, "is not the one");
    assert_int_equal(tm__fs_publish_secret(path, other, 64, NULL), TM_OK);
    check_lost(registry, "damaged");
    char longer[200];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(tm__fs_publish_secret(path, longer, sizeof longer, NULL), TM_OK);
    check_lost(registry, "damaged");
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    check_lost(registry, "is gone");
    assert_int_equal(tm__fs_publish_secret(path, kept.data, kept.len, NULL), TM_OK);
    assert_true(find(registry, &key).matches);
    tm__buf_done(&kept);
    tm__registry_close(registry);
}

static void when_no_key_needs_a_lost_one_the_next_key_makes_another(void **state) {
    tm_registry *registry = open_registry(*state);
    const char *path = tm__home_server_key(*state);
    const tm_key key = add_key(registry);
    bool has = true;
    tm_server_key server;
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(tm__registry_key_revoke(registry, key.id, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_server_key(registry, &server, &has, NULL), TM_OK);
    assert_false(has);
    const tm_key fresh = add_key(registry);
    assert_true(find(registry, &fresh).matches);
    tm__registry_close(registry);
}

/* As version 2 of meta.db was: plain hashes, no table of the server key. */
static void keys_of_before_stay_valid(void **state) {
    tm__temp_home_needs_file();
    static const tm_migration none[] = {{1, "", NULL}, {2, "", NULL}, {3, "", NULL},
                                        {4, "", NULL}, {5, "", NULL}, {6, "", NULL},
                                        {7, "", NULL}, {8, "", NULL}, {0, NULL, NULL}};
    tm_registry *registry = open_registry(*state);
    const tm_key first = add_key(registry);
    const tm_key second = add_key(registry);
    tm__registry_close(registry);
    assert_int_equal(tm__fs_remove(tm__home_server_key(*state), NULL), TM_OK);
    tm_db *db = NULL;
    const tm_db_options options = {.migrations = none, .application_id = 0x544D4D45u};
    assert_int_equal(tm__db_open(tm__home_meta_db(*state), &options, &db, NULL), TM_OK);
    const tm_key *both[] = {&first, &second};
    for (unsigned i = 0; i < 2; i++) {
        tm_stmt *stmt = NULL;
        assert_int_equal(tm__stmt_init(db, "UPDATE keys SET hash = ? WHERE id = ?", &stmt, NULL),
                         TM_OK);
        tm__stmt_bind_blob(stmt, 1, both[i]->hash.bytes, TM_HASH_BYTES);
        tm__stmt_bind_text(stmt, 2, both[i]->id);
        assert_int_equal(tm__stmt_run(stmt, NULL), TM_OK);
        tm__stmt_done(stmt);
    }
    assert_int_equal(
        tm__db_exec(db,
                    "DROP TABLE server_key; DROP TABLE tags; DROP TABLE collected;"
                    " DROP TABLE signers; DROP TABLE hooks; DROP INDEX history_follow;"
                    " DROP INDEX history_version; DROP INDEX history_moments;"
                    " DROP INDEX history_moves; DROP TABLE arms;"
                    " ALTER TABLE routes DROP COLUMN salt; ALTER TABLE routes DROP COLUMN"
                    " shadow; ALTER TABLE routes DROP COLUMN shadow_share;"
                    " DROP TABLE rollouts; DROP TABLE turns; DROP INDEX history_subject;"
                    " ALTER TABLE history DROP COLUMN object; ALTER TABLE history DROP COLUMN"
                    " outcome; ALTER TABLE history DROP COLUMN subject; ALTER TABLE chain DROP"
                    " COLUMN at_us; ALTER TABLE chain DROP COLUMN key; ALTER TABLE chain DROP"
                    " COLUMN signature; PRAGMA user_version = 2",
                    NULL),
        TM_OK);
    tm__db_close(db);
    registry = open_registry(*state);
    for (unsigned i = 0; i < 2; i++) {
        const tm_search search = find(registry, both[i]);
        assert_true(search.found && search.matches);
        assert_false(search.is_plain);
    }
    tm__registry_close(registry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_key_makes_it_and_all_are_sealed_with_it),
        TEST(a_lost_or_wrong_one_is_named_and_no_key_is_made_with_it),
        TEST(when_no_key_needs_a_lost_one_the_next_key_makes_another),
        TEST(keys_of_before_stay_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
