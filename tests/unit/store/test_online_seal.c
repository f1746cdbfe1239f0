/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/online_seal.h"
#include "store/vault.h"
#include "temp_home.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define LONG 2000
#define ENTITY "anna@example.org"
#define STATE "what is known of her"

static void use(const tm_home *home, const char *variable, char *out_id) {
    assert_int_equal(setenv("TM_TEST_A", KEY_A, 1), 0);
    assert_int_equal(setenv("TM_TEST_B", KEY_B, 1), 0);
    assert_int_equal(tm__vault_use(home, variable, out_id, NULL), TM_OK);
}

static tm_str long_key(void) {
    static char text[LONG];
    memset(text, 'k', sizeof(text));
    memcpy(text, ENTITY, strlen(ENTITY));
    return (tm_str){text, sizeof(text)};
}

/* A store with one view, and a value for a short, a long and an empty key. */
static tm_online *fill(const tm_home *home) {
    tm_online *online = NULL;
    tm_online_view view = {.source = "orders", .next = 7};
    bool is_anew = false;
    assert_int_equal(tm__online_open_write(home, false, &online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__online_begin(online, NULL), TM_OK);
    assert_int_equal(tm__online_put_view(online, &view, NULL), TM_OK);
    assert_int_equal(tm__online_put(online, view.id, tm__str(ENTITY), tm__str(STATE), NULL), TM_OK);
    assert_int_equal(tm__online_put(online, view.id, long_key(), tm__str("long"), NULL), TM_OK);
    assert_int_equal(tm__online_put(online, view.id, tm__str(""), tm__str(""), NULL), TM_OK);
    assert_int_equal(tm__online_commit(online, NULL), TM_OK);
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    return online;
}

static void check_value(tm_online_reader *reader, tm_str key, const char *want) {
    tm_str value = {0};
    assert_int_equal(tm__online_get(reader, 1, key, &value, NULL), TM_OK);
    assert_true(tm__str_is(value, want));
}

/* All is there, in the generation of a number. */
static void check_all(const tm_home *home, uint64_t generation) {
    tm_online *online = NULL;
    tm_online_reader *reader = NULL;
    tm_online_view view;
    tm_hash mark = {{0}};
    tm_str value = {0};
    uint64_t n = 0;
    assert_int_equal(tm__online_open(home, 0, &online, NULL), TM_OK);
    assert_int_equal(tm__online_generation(online), generation);
    assert_int_equal(tm__online_reader_create(online, &reader, NULL), TM_OK);
    assert_int_equal(tm__online_reader_begin(reader, NULL), TM_OK);
    check_value(reader, tm__str(ENTITY), STATE);
    check_value(reader, long_key(), "long");
    check_value(reader, tm__str(""), "");
    assert_int_equal(tm__online_get(reader, 1, tm__str("bert"), &value, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__online_get(reader, 2, tm__str(ENTITY), &value, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__online_find_view(reader, &mark, &view, NULL), TM_OK);
    assert_string_equal(view.source, "orders");
    assert_int_equal(view.next, 7);
    assert_int_equal(tm__online_check(reader, &n, NULL), TM_OK);
    tm__online_reader_free(reader);
    tm__online_unref(online);
}

static bool has_text(const tm_home *home, uint64_t generation, const char *text) {
    char name[64];
    tm_map map;
    (void)snprintf(name, sizeof(name), "online/%u/data.mdb", (unsigned)generation);
    char *const path = tm__fs_join(tm__home_path(home), name);
    assert_int_equal(tm__map_open(path, &map, NULL), TM_OK);
    const bool has = memmem(map.data, map.len, text, strlen(text)) != NULL;
    tm__map_close(&map);
    tm__mem_free(path);
    return has;
}

static void check_key(const tm_home *home, const char *want) {
    tm_online_look look;
    assert_int_equal(tm__online_look(home, &look, NULL), TM_OK);
    assert_true(look.is_there);
    assert_string_equal(look.key, want);
}

static void neither_keys_nor_values_of_a_sealed_home_are_in_the_file(void **state) {
    char id[TM_ENVELOPE_ID_TEXT];
    use(*state, "env:TM_TEST_A", id);
    tm__online_unref(fill(*state));
    check_all(*state, 1);
    check_key(*state, id);
    assert_false(has_text(*state, 1, ENTITY));
    assert_false(has_text(*state, 1, STATE));
}

static void another_key_makes_a_copy_under_it(void **state) {
    char a[TM_ENVELOPE_ID_TEXT], b[TM_ENVELOPE_ID_TEXT];
    bool is_current = false;
    tm_online *online = fill(*state);
    check_key(*state, "");
    assert_true(has_text(*state, 1, ENTITY));
    use(*state, "env:TM_TEST_A", a);
    assert_int_equal(tm__online_is_current(online, &is_current, NULL), TM_OK);
    assert_false(is_current);
    assert_int_equal(tm__online_renew(*state, NULL), TM_E_CONFLICT); /* it is written to */
    tm__online_unref(online);
    check_all(*state, 1); /* a plain one is read */
    assert_int_equal(tm__online_renew(*state, NULL), TM_OK);
    check_key(*state, a);
    check_all(*state, 2);
    assert_false(has_text(*state, 2, ENTITY));
    use(*state, "env:TM_TEST_B", b);
    bool is_anew = true;
    assert_int_equal(tm__online_open_write(*state, false, &online, &is_anew, NULL), TM_OK);
    assert_false(is_anew);
    assert_int_equal(tm__online_is_current(online, &is_current, NULL), TM_OK);
    assert_true(is_current);
    tm__online_unref(online);
    check_key(*state, b);
    check_all(*state, 3);
    assert_int_equal(tm__online_renew(*state, NULL), TM_OK);
    check_all(*state, 3);
}

static void a_key_that_is_gone_is_refused_and_nothing_begun_anew(void **state) {
    char id[TM_ENVELOPE_ID_TEXT];
    tm_online *online = NULL;
    bool is_anew = false;
    use(*state, "env:TM_TEST_A", id);
    tm__online_unref(fill(*state));
    assert_int_equal(unsetenv("TM_TEST_A"), 0);
    assert_int_equal(tm__online_open(*state, 0, &online, NULL), TM_E_NOT_FOUND);
    assert_int_not_equal(tm__online_open_write(*state, false, &online, &is_anew, NULL), TM_OK);
    assert_null(online);
    check_key(*state, id);
    use(*state, "env:TM_TEST_A", id);
    check_all(*state, 1);
}

/* The value of one key in the place of another's. */
static void a_value_in_anothers_place_is_damage(void **state) {
    char id[TM_ENVELOPE_ID_TEXT];
    tm_str found = {0};
    use(*state, "env:TM_TEST_A", id);
    tm_online *const online = fill(*state);
    online_key a = {.bytes = {'V', 0, 0, 0, 1}}, b = a;
    tm__online_seal_key(online, tm__str(ENTITY), &a);
    tm__online_seal_key(online, tm__str(""), &b);
    MDB_val from = {a.len, a.bytes}, to = {b.len, b.bytes}, value;
    assert_int_equal(tm__online_begin(online, NULL), TM_OK);
    assert_int_equal(mdb_get(online->txn, online->dbi, &from, &value), 0);
    uint8_t copy[512];
    assert_true(value.mv_size <= sizeof(copy));
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    assert_int_equal(mdb_put(online->txn, online->dbi, &to, &value, 0), 0);
    assert_int_equal(tm__online_get_mine(online, 1, tm__str(""), &found, NULL), TM_E_INTEGRITY);
    value.mv_size = 20;
    assert_int_equal(mdb_put(online->txn, online->dbi, &to, &value, 0), 0);
    assert_int_equal(tm__online_get_mine(online, 1, tm__str(""), &found, NULL), TM_E_INTEGRITY);
    tm__online_rollback(online);
    tm__online_unref(online);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(neither_keys_nor_values_of_a_sealed_home_are_in_the_file),
        TEST(another_key_makes_a_copy_under_it),
        TEST(a_key_that_is_gone_is_refused_and_nothing_begun_anew),
        TEST(a_value_in_anothers_place_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
