/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "source/consent.h"
#include "source/intake.h"
#include "support.h"
#include "temp_home.h"

static void add(const tm_home *home, const char *name, const char *key, json_t *spec, char *rows) {
    tm_push_result result = {0};
    const tm_intake_add source = {
        .name = name, .feed = "push", .keys = &key, .n_keys = key != NULL, .spec = spec};
    const tm_push push = {.source = name, .form = TM_PUSH_JSON, .data = rows, .len = strlen(rows)};
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_push_wait(intake, &push, &result, NULL), TM_OK);
    assert_int_equal(result.quarantined, 0);
    tm__intake_close(intake);
    json_decref(spec);
}

/* Ids of the rows that a run may learn from, as text; how many were left out. */
static int64_t learn(const tm_home *home, const char *name, const char *purpose, char out[64],
                     tm_status want) {
    tm_ctx ctx = {0};
    tm_learning learning = {.purpose = purpose};
    tm_table *table = NULL;
    tm_err err = {0};
    out[0] = '\0';
    assert_int_equal(tm__learning_table(&ctx, home, name, INT64_MAX, &learning, &table, &err),
                     want);
    for (uint64_t row = 0; table != NULL && row < tm__table_rows(table); row++) {
        const tm_column *const id = tm__table_column(table, tm__table_find(table, "id"));
        const tm_cell cell = tm__column_cell(id, row);
        (void)strncat(out, cell.text.ptr, 1);
    }
    const int64_t n = tm__json_i64(learning.left_out, name, 0);
    json_decref(learning.left_out);
    tm__table_unref(table);
    return n;
}

static void the_newest_row_of_a_person_decides(void **state) {
    char rows[] = "[{\"id\":\"a\",\"who\":\"x\",\"ok\":\"ads\"},{\"id\":\"b\",\"who\":\"y\",\"ok\":"
                  "\"yes\"},{\"id\":\"c\",\"who\":\"x\",\"ok\":null},{\"id\":\"d\",\"who\":null,"
                  "\"ok\":\"ads, fraud\"},{\"id\":\"e\",\"who\":\"z\"},{\"id\":\"f\",\"who\":\"y\","
                  "\"ok\":\"no\"}]";
    char out[64];
    add(*state, "people", "id",
        json_pack("{s:s, s:{s:s, s:s, s:s}}", "purpose", "ads, fraud, care", "consent", "column",
                  "ok", "for", "ads, fraud", "by", "who"),
        rows);
    assert_int_equal(learn(*state, "people", "ads", out, TM_OK), 3);
    assert_string_equal(out, "acd");
    assert_int_equal(learn(*state, "people", "fraud", out, TM_OK), 5);
    assert_string_equal(out, "d");
    /* Nobody is asked for this one; a run that says none is asked for all. */
    assert_int_equal(learn(*state, "people", "care", out, TM_OK), 0);
    assert_string_equal(out, "abcdef");
    (void)learn(*state, "people", NULL, out, TM_E_DATA);
}

static void it_may_be_said_elsewhere_and_left_out_texts_leave_dictionaries(void **state) {
    char rows[] = "[{\"id\":\"a\",\"who\":7},{\"id\":\"b\",\"who\":8},{\"id\":\"c\",\"who\":7}]";
    char said[] = "[{\"who\":7,\"ok\":true},{\"who\":8,\"ok\":true},{\"who\":8,\"ok\":false}]";
    char out[64];
    tm_ctx ctx = {0};
    tm_consent *consent = NULL;
    tm_table *table = NULL;
    uint64_t n = 0;
    add(*state, "people", "id",
        json_pack("{s:{s:s, s:s, s:s}}", "consent", "column", "ok", "by", "who", "source", "said"),
        rows);
    (void)learn(*state, "people", NULL, out, TM_E_NOT_FOUND); /* nobody can tell */
    add(*state, "said", NULL, NULL, said);
    assert_int_equal(learn(*state, "people", NULL, out, TM_OK), 1);
    assert_string_equal(out, "ac");
    assert_int_equal(tm__consent_open(&ctx, *state, "people", "ads", &consent, NULL), TM_OK);
    assert_int_equal(tm__consent_of(consent, "7"), 1);
    assert_int_equal(tm__consent_of(consent, "8"), 0);
    assert_int_equal(tm__consent_of(consent, "9"), -1);
    assert_int_equal(tm__intake_table(&ctx, *state, "people", &table, NULL), TM_OK);
    assert_int_equal(tm__consent_keep(consent, &table, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(tm__dict_count(tm__table_column(table, 0)->dict), 2);
    tm__table_unref(table);
    tm__consent_free(consent);
}

static void a_declaration_names_a_column_and_purposes_of_the_source(void **state) {
    tm_err err = {0};
    json_t *none = json_object();
    json_t *good = json_pack("{s:s, s:{s:s, s:s}}", "purpose", "ads, care", "consent", "column",
                             "ok", "for", "care");
    json_t *other = json_pack("{s:s, s:{s:s, s:s}}", "purpose", "ads", "consent", "column", "ok",
                              "for", "care");
    json_t *nameless = json_pack("{s:{s:s}}", "consent", "by", "who");
    assert_int_equal(tm__consent_check(none, NULL), TM_OK);
    assert_int_equal(tm__consent_check(good, NULL), TM_OK);
    assert_int_equal(tm__consent_check(other, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'care'"));
    assert_int_equal(tm__consent_check(nameless, NULL), TM_E_USAGE);
    json_decref(none);
    json_decref(good);
    json_decref(other);
    json_decref(nameless);
    (void)state;
}

static void columns_that_are_not_there_refuse_the_run(void **state) {
    char rows[] = "[{\"id\":\"a\"}]";
    char out[64];
    add(*state, "people", "id", json_pack("{s:{s:s}}", "consent", "column", "ok"), rows);
    (void)learn(*state, "people", "ads", out, TM_E_CONFLICT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_newest_row_of_a_person_decides),
        TEST(it_may_be_said_elsewhere_and_left_out_texts_leave_dictionaries),
        TEST(columns_that_are_not_there_refuse_the_run),
        cmocka_unit_test(a_declaration_names_a_column_and_purposes_of_the_source)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
