/* SPDX-License-Identifier: Apache-2.0 */
#include "source/sql_sources.h"

#include <string.h>

#include "source/intake.h"
#include "source/source.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

static void words_that_may_be_tables(void **state) {
    (void)state;
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"SELECT * FROM a", "a "},
        {"select * from a, b as c JOIN d ON d.x = a.x", "a b d "},
        {"SELECT x, y FROM \"a b\" LEFT JOIN 'file.csv' f ON TRUE", "y a b "},
        {"WITH w AS (SELECT 1), v AS (SELECT * FROM s) SELECT * FROM w, v", "s "},
        {"WITH RECURSIVE w AS (SELECT 1 FROM w) SELECT 1", ""},
        {"SELECT 'FROM a' -- FROM b\n /* FROM c */ FROM d", "d "},
        {"SELECT * FROM read_csv('x'), main.t", ""},
        {"SELECT * FROM (SELECT * FROM a) q JOIN A USING (x)", "a A "},
        {"SELECT 'it''s', \"from\" FROM a -- open", "from a "},
        {"SELECT 'open", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256] = "";
        size_t k = 0;
        const json_t *word = NULL;
        json_t *const words = tm__sql_table_words(cases[i].sql);
        json_array_foreach(words, k, word) {
            (void)strcat(strcat(text, json_string_value(word)), " ");
        }
        if (strcmp(text, cases[i].want) != 0) {
            fail_msg("%s: %s", cases[i].sql, text);
        }
        json_decref(words);
    }
}

static void push(const tm_home *home, const char *name, char *lines) {
    tm_intake *const intake = tm__intake_create(home);
    tm_push_result result = {0};
    const tm_push one = {
        .source = name, .form = TM_PUSH_LINES, .data = lines, .len = strlen(lines)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &result, NULL), TM_OK);
    tm__intake_close(intake);
}

static void each_source_is_a_snapshot_under_its_name(void **state) {
    const tm_home *home = *state;
    tm_ctx *const ctx = test_ctx_make(1);
    char orders[] = "{\"id\":1,\"who\":1}\n{\"id\":2,\"who\":2}\n{\"id\":3,\"who\":1}\n";
    char people[] = "{\"who\":1,\"land\":\"NL\"}\n{\"who\":2,\"land\":\"BE\"}\n";
    tm_table *table = NULL;
    tm_sql_sources sources = {0};
    tm_err err = {0};
    for (int i = 0; i < 3; i++) {
        const tm_intake_add add = {.name = i == 0   ? "orders"
                                           : i == 1 ? "people"
                                                    : "unused",
                                   .feed = "push"};
        assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    }
    push(home, "orders", orders);
    push(home, "people", people);
    static const char *const queries[] = {
        "SELECT orders.id, p.land FROM orders JOIN People p ON orders.who = p.who ORDER BY id",
        "WITH p AS (SELECT * FROM \"people\")\nSELECT id, land FROM orders JOIN p USING (who) "
        "ORDER BY id"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tm__sql_sources_open(ctx, home, &(tm_sql_ask){queries[i], INT64_MAX, NULL},
                                              &sources, &err),
                         TM_OK);
        assert_int_equal(json_object_size(sources.snapshots), 2);
        assert_int_equal(strlen(tm__json_text(sources.snapshots, "people", "")), TM_HASH_TEXT - 1);
        const tm_source_spec spec = {.sql = sources.sql};
        if (tm__source_read(ctx, &spec, &table, &err) != TM_OK) {
            fail_msg("%s: %s", sources.sql, err.message);
        }
        assert_int_equal(tm__table_rows(table), 3);
        assert_int_equal(tm__table_column(table, 0)->ints[2], 3);
        tm__table_unref(table);
        tm__sql_sources_done(&sources);
    }
    /* A fault has its place in the query as it was written. */
    assert_int_equal(tm__sql_sources_open(
                         ctx, home,
                         &(tm_sql_ask){"SELECT id\nFROM orders WHERE nothing = 1", INT64_MAX, NULL},
                         &sources, &err),
                     TM_OK);
    const tm_source_spec bad = {.sql = sources.sql};
    assert_int_not_equal(tm__source_read(ctx, &bad, &table, &err), TM_OK);
    tm__sql_sources_place(&sources, &err);
    assert_int_equal(err.data_row, 2);
    tm__sql_sources_done(&sources);
    /* Of a time before there were rows, and of a query that names none. */
    assert_int_equal(tm__sql_sources_open(ctx, home, &(tm_sql_ask){"FROM orders", 1000000, NULL},
                                          &sources, &err),
                     TM_E_DATA);
    assert_int_equal(tm__sql_sources_open(ctx, home,
                                          &(tm_sql_ask){"SELECT 1 FROM 'x.csv'", 1, NULL}, &sources,
                                          &err),
                     TM_OK);
    assert_string_equal(sources.sql, "SELECT 1 FROM 'x.csv'");
    assert_int_equal(json_object_size(sources.snapshots), 0);
    tm__sql_sources_done(&sources);
    assert_int_equal(tm__sql_sources_open(ctx, NULL, &(tm_sql_ask){"SELECT 1 FROM orders", 1, NULL},
                                          &sources, &err),
                     TM_OK);
    tm__sql_sources_done(&sources);
    test_ctx_free(ctx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_may_be_tables),
        TEST(each_source_is_a_snapshot_under_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
