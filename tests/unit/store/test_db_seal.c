/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db_seal.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "store/vault.h"
#include "support.h"
#include "test.h"

#define HOME "home"
#define PATH HOME "/things.db"
#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define PUT                                                                                        \
    "INSERT INTO things(id, data) SELECT n.seq, seal('things.data', n.seq, ?) FROM (" TM_NEXT_SEQ( \
        "things") ") n"
#define GET "SELECT unseal('things.data', id, data), sealed_by(data) FROM things ORDER BY id"
/* "early" of the table things under KEY_A, as it was sealed before cells were bound to rows. */
#define EARLY                                                                                      \
    "544d5343454c4c31dc7cc8b651070cef000102030405060708090a0b0c0d0e0f1011121314151617"             \
    "fba37d13e91b6d4c619b6f7cee880067a80a7a6d2b"

static const tm_migration migrations[] = {
    {1, "CREATE TABLE things(id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB) STRICT;", NULL},
    {0, NULL, NULL}};
static const tm_sealed_column column = TM_SEALED_COLUMN("things", "id", "id", "data", 64);

static tm_home *home;
static tm_db *db;

static int open_all(void **state) {
    (void)state;
    static const tm_db_options options = {
        .create = true, .migrations = migrations, .application_id = 0x544D0001};
    assert_int_equal(tm__home_open(HOME, true, &home, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret("a.key", KEY_A, 64, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret("b.key", KEY_B, 64, NULL), TM_OK);
    assert_int_equal(tm__db_open(PATH, &options, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "DELETE FROM things", NULL), TM_OK);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    tm__db_close(db);
    tm__home_close(home);
    return 0;
}

static void use(const char *source, char *out_id) {
    assert_int_equal(tm__vault_use(home, source, out_id, NULL), TM_OK);
}

static tm_status put(const char *text, tm_err *err) {
    tm_stmt *stmt = NULL;
    assert_int_equal(tm__stmt_init(db, PUT, &stmt, NULL), TM_OK);
    if (text == NULL) {
        tm__stmt_bind_null(stmt, 1);
    } else {
        tm__stmt_bind_blob(stmt, 1, text, strlen(text));
    }
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

/* All cells in turn; by: the key of the last one. */
static tm_status get(const char *want, char *by, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = true;
    tm_status st = tm__stmt_init(db, GET, &stmt, err);
    char all[256] = "";
    while (st == TM_OK) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        const tm_str data = tm__stmt_blob(stmt, 0);
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%.*s,", (int)data.len,
                       data.len > 0 ? data.ptr : "");
        (void)snprintf(by, TM_ENVELOPE_ID_TEXT, "%s", tm__stmt_text(stmt, 1));
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        assert_string_equal(all, want);
    }
    return st;
}

static void cells_are_sealed_from_the_moment_that_the_home_has_a_key(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT];
    uint64_t n = 0;
    assert_int_equal(put("one", NULL), TM_OK);
    assert_int_equal(get("one,", by, NULL), TM_OK);
    assert_string_equal(by, "");
    use("file:a.key", id); /* by another process, as it were */
    assert_int_equal(put("two", NULL), TM_OK);
    assert_int_equal(put("", NULL), TM_OK);
    assert_int_equal(get("one,two,,", by, NULL), TM_OK);
    assert_string_equal(by, id);
    assert_int_equal(put(NULL, NULL), TM_OK); /* what is missing stays missing */
    assert_int_equal(tm__db_seal_renew(db, &column, id, false, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(tm__db_seal_renew(db, &column, id, true, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(tm__db_seal_renew(db, &column, id, false, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(get("one,two,,,", by, NULL), TM_OK);
    assert_int_equal(tm__db_seal_wipe(db, NULL), TM_OK);
}

static void another_key_takes_over_some_cells_at_a_time(void **state) {
    (void)state;
    char first[TM_ENVELOPE_ID_TEXT], second[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT];
    uint64_t n = 0;
    use("file:a.key", first);
    for (uint32_t i = 0; i < 150; i++) { /* more than one transaction takes */
        assert_int_equal(put("", NULL), TM_OK);
    }
    use("file:b.key", second);
    assert_int_equal(tm__db_seal_renew(db, &column, second, true, &n, NULL), TM_OK);
    assert_int_equal(n, 150);
    assert_int_equal(tm__db_seal_renew(db, &column, second, false, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(tm__fs_remove("a.key", NULL), TM_OK); /* not needed any more */
    assert_int_equal(
        tm__db_exec(db, "DELETE FROM things WHERE id > (SELECT min(id) FROM things)", NULL), TM_OK);
    assert_int_equal(get(",", by, NULL), TM_OK);
    assert_string_equal(by, second);
}

static void without_the_key_and_damaged_there_is_no_answer(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT];
    tm_err err = {0};
    use("file:a.key", id);
    assert_int_equal(put("somebody", NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "UPDATE things SET data = substr(data, 1, 60)", NULL), TM_OK);
    assert_int_equal(get("", by, &err), TM_E_INTEGRITY);
    assert_int_equal(tm__db_exec(db, "DELETE FROM things", NULL), TM_OK);
    assert_int_equal(put("somebody", NULL), TM_OK);
    assert_int_equal(tm__fs_remove(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
    assert_int_equal(get("", by, &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.message, id));
    use("file:b.key", by);
    assert_int_equal(tm__fs_remove("b.key", NULL), TM_OK);
    assert_int_equal(tm__fs_touch(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
    assert_int_equal(put("x", &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.message, "b.key"));
    assert_null(strstr(err.message, KEY_B));
}

static void a_cell_does_not_open_in_the_row_of_another(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT];
    tm_err err = {0};
    use("file:a.key", id);
    assert_int_equal(put("one", NULL), TM_OK);
    assert_int_equal(put("two", NULL), TM_OK);
    assert_int_equal(tm__db_exec(db,
                                 "CREATE TEMP TABLE kept AS SELECT * FROM things;"
                                 "UPDATE things SET data = (SELECT data FROM kept WHERE"
                                 " kept.id != things.id)",
                                 NULL),
                     TM_OK);
    assert_int_equal(get("", by, &err), TM_E_INTEGRITY);
    assert_int_equal(tm__db_exec(db,
                                 "UPDATE things SET id = -id;"
                                 "UPDATE things SET id = (SELECT id FROM kept WHERE"
                                 " kept.id != -things.id); DROP TABLE kept",
                                 NULL),
                     TM_OK);
    assert_int_equal(get("one,two,", by, NULL), TM_OK); /* each with its number again */
}

static void a_cell_of_before_rows_were_bound_opens_and_is_renewed(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT];
    uint64_t n = 0;
    use("file:a.key", id);
    assert_int_equal(tm__db_exec(db, "INSERT INTO things(data) VALUES(x'" EARLY "')", NULL), TM_OK);
    assert_int_equal(get("early,", by, NULL), TM_OK);
    assert_string_equal(by, "");
    assert_int_equal(tm__db_seal_renew(db, &column, id, true, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(get("early,", by, NULL), TM_OK);
    assert_string_equal(by, id);
}

/* As a stranger may send a bad row. */
static void what_looks_sealed_is_what_it_was(void **state) {
    (void)state;
    static const char *const texts[] = {
        "TMSCELL1 and 56 bytes that somebody made up, so that it is long enough", "TMSCELL0",
        "TMSCELL"};
    char id[TM_ENVELOPE_ID_TEXT], by[TM_ENVELOPE_ID_TEXT], want[128];
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(tm__fs_remove(HOME "/" TM_VAULT_FILE, NULL), TM_OK);
        assert_int_equal(tm__db_exec(db, "DELETE FROM things", NULL), TM_OK);
        (void)snprintf(want, sizeof(want), "%s,", texts[i]);
        assert_int_equal(put(texts[i], NULL), TM_OK);
        assert_int_equal(get(want, by, NULL), TM_OK);
        assert_string_equal(by, "");
        use("file:a.key", id);
        assert_int_equal(tm__db_seal_renew(db, &column, id, true, &n, NULL), TM_OK);
        assert_int_equal(get(want, by, NULL), TM_OK);
        assert_string_equal(by, id);
    }
}

static bool puts_and_gets(void *arg) {
    char by[TM_ENVELOPE_ID_TEXT];
    (void)arg;
    return tm__db_exec(db, "DELETE FROM things", NULL) == TM_OK && put("x", NULL) == TM_OK &&
           get("x,", by, NULL) == TM_OK;
}

static void without_memory_nothing_is_lost(void **state) {
    (void)state;
    char id[TM_ENVELOPE_ID_TEXT];
    use("file:a.key", id);
    assert_true(puts_and_gets(NULL)); /* statements and keys are kept */
    test_each_mem_fault(puts_and_gets, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(cells_are_sealed_from_the_moment_that_the_home_has_a_key),
        TEST(another_key_takes_over_some_cells_at_a_time),
        TEST(without_the_key_and_damaged_there_is_no_answer),
        TEST(a_cell_does_not_open_in_the_row_of_another),
        TEST(a_cell_of_before_rows_were_bound_opens_and_is_renewed),
        TEST(what_looks_sealed_is_what_it_was),
        TEST(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
