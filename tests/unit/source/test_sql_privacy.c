/* SPDX-License-Identifier: Apache-2.0 */
#include "source/sql_privacy.h"

#include <string.h>

#include "base/fs.h"
#include "source/intake.h"
#include "store/privacy_key.h"
#include "table/privacy.h"
#include "temp_home.h"
#include "test.h"

static void write_key(const tm_home *home) {
    char text[TM_HASH_TEXT];
    memset(text, 'a', sizeof(text));
    text[TM_HASH_TEXT - 1] = '\n';
    assert_int_equal(tm__fs_publish_secret(tm__home_server_key(home), text, sizeof(text), NULL),
                     TM_OK);
}

static void add_source(const tm_home *home, const char *name, const char *age) {
    json_t *spec = json_pack("{s:{s:{s:s}, s:{s:s}}}", "columns", "email", "policy", "pseudonym",
                             "age", "policy", age);
    const tm_intake_add add = {.name = name, .feed = "push", .spec = spec};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
}

/* who: a pseudonym; email: a text that is none; age: as it is given. */
static tm_table *rows_of(const tm_hash *key, int64_t age) {
    char name[TM_PRIVACY_ROOM];
    tm_table *table = NULL;
    tm_table_builder *b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "who", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "email", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "age", TM_TYPE_INT, NULL), TM_OK);
    tm__privacy_pseudonym(key, tm__str("anna"), name);
    const tm_cell cells[] = {{.type = TM_TYPE_TEXT, .text = tm__str(name)},
                             {.type = TM_TYPE_TEXT, .text = TM_STR("made of one")},
                             {.type = TM_TYPE_INT, .i64 = age}};
    assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void columns_are_judged_by_their_values(void **state) {
    const tm_home *const home = *state;
    tm_hash key;
    json_t *privacy = NULL, *read = json_pack("{s:s}", "a", "hash");
    write_key(home);
    add_source(home, "a", "generalise:10");
    add_source(home, "b", "generalise:5");
    assert_int_equal(tm__privacy_key_read(home, &key, NULL), TM_OK);
    tm_table *table = rows_of(&key, 30), *other = rows_of(&key, 31);
    assert_int_equal(tm__sql_privacy(home, read, table, &privacy, NULL), TM_OK);
    const json_t *const columns = json_object_get(privacy, "columns");
    assert_int_equal(json_object_size(columns), 2);
    assert_string_equal(tm__json_text(columns, "who", ""), "pseudonym");
    assert_string_equal(tm__json_text(columns, "age", ""), "generalise:10");
    assert_int_equal(strlen(tm__json_text(privacy, "key", "")), 64);
    json_decref(privacy);
    assert_int_equal(tm__sql_privacy(home, read, other, &privacy, NULL), TM_OK);
    assert_int_equal(json_object_size(json_object_get(privacy, "columns")), 1);
    json_decref(privacy);
    json_object_set_new(read, "b", json_string("hash"));
    tm_err err = {0};
    assert_int_equal(tm__sql_privacy(home, read, table, &privacy, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "'age'"));
    json_object_clear(read);
    assert_int_equal(tm__sql_privacy(home, read, table, &privacy, NULL), TM_OK);
    assert_null(privacy);
    tm__table_unref(table);
    tm__table_unref(other);
    json_decref(read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_are_judged_by_their_values, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests_name("sql_privacy", tests, NULL, NULL);
}
