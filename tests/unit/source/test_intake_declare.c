/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "source/declare.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static json_t *json_of(const char *text) {
    json_t *json = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 16, &json, NULL), TM_OK);
    return json;
}

/* Add or declare a source of pushes with a spec. */
static tm_status with(const tm_home *home, const char *spec, bool is_new, tm_err *err) {
    static const char *const key[] = {"id"};
    json_t *json = json_of(spec);
    const tm_intake_add add = {.name = "s", .feed = "push", .spec = json, .keys = key, .n_keys = 1};
    const tm_status st =
        is_new ? tm__intake_add(home, &add, err) : tm__source_declare(home, &add, err);
    json_decref(json);
    return st;
}

static tm_status push(tm_intake *intake, const char *text, tm_push_result *out, tm_err *err) {
    char body[512];
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    *out = (tm_push_result){0};
    return tm__intake_push_wait(intake, &one, out, err);
}

static void pushes(const tm_home *home, const char *text, uint64_t accepted, uint64_t bad) {
    tm_push_result r;
    tm_err err = {0};
    tm_intake *intake = tm__intake_create(home);
    if (push(intake, text, &r, &err) != TM_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    tm__intake_close(intake);
    if (r.accepted != accepted || r.quarantined != bad) {
        fail_msg("%s: %llu accepted, %llu quarantined", text, (unsigned long long)r.accepted,
                 (unsigned long long)r.quarantined);
    }
}

/* "name type declared required role, ..." of the newest columns. */
static void columns_are(const tm_home *home, const char *want) {
    json_t *json = NULL;
    char got[512] = "";
    size_t i = 0;
    const json_t *c = NULL;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    json_array_foreach(json_object_get(json, "columns"), i, c) {
        const size_t len = strlen(got);
        (void)snprintf(got + len, sizeof(got) - len, "%s%s:%s%s%s%s%s", i == 0 ? "" : " ",
                       tm__json_text(c, "name", ""), tm__json_text(c, "type", ""),
                       json_is_true(json_object_get(c, "declared")) ? "!" : "",
                       json_is_true(json_object_get(c, "required")) ? "+" : "",
                       json_object_get(c, "role") != NULL ? "=" : "", tm__json_text(c, "role", ""));
    }
    assert_string_equal(got, want);
    json_decref(json);
}

static void a_declared_type_is_neither_inferred_nor_widened(void **state) {
    const tm_home *home = *state;
    assert_int_equal(
        with(home,
             "{\"columns\":{\"n\":{\"type\":\"int\"},\"x\":{\"type\":\"float\",\"required\":true},"
             "\"day\":{\"type\":\"date\"},\"code\":{\"type\":\"text\",\"role\":\"group\"}}}",
             true, NULL),
        TM_OK);
    columns_are(home, "id:unknown n:int! x:float!+ day:date! code:text!=group");
    static const struct {
        const char *row;
        bool is_good;
    } rows[] = {
        {"{\"id\":1,\"n\":1,\"x\":1,\"day\":\"2024-01-01\",\"code\":7}", true},
        {"{\"id\":2,\"n\":1.5,\"x\":1}", false},                        /* no fraction */
        {"{\"id\":3,\"n\":\"many\",\"x\":1}", false},                   /* no number */
        {"{\"id\":4,\"n\":2}", false},                                  /* x is required */
        {"{\"id\":5,\"n\":2,\"x\":null}", false},                       /* so it is here */
        {"{\"id\":6,\"x\":2,\"day\":\"2024-01-01T10:00:00Z\"}", false}, /* a day has no hour */
        {"{\"id\":7,\"x\":2.5,\"n\":3.0}", true},                       /* a whole number */
        {"{\"id\":8,\"x\":\"NA\",\"n\":3}", false},                     /* a word for nothing */
        {"{\"id\":9,\"x\":\"2.5\",\"n\":null,\"other\":true}", true},   /* a new column is one */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pushes(home, rows[i].row, rows[i].is_good ? 1 : 0, rows[i].is_good ? 0 : 1);
    }
    columns_are(home, "id:int n:int! x:float!+ day:date! code:text!=group other:bool");
    json_t *bad = NULL;
    assert_int_equal(tm__intake_quarantine(home, "s", &(tm_intake_choice){0}, 9, &bad, NULL),
                     TM_OK);
    static const char *const reasons[] = {"wrong_type", "wrong_type", "null_value",
                                          "null_value", "wrong_type", "null_value"};
    assert_int_equal(json_array_size(bad), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(tm__json_text(json_array_get(bad, i), "reason", ""), reasons[i]);
    }
    json_decref(bad);
}

/* A policy that says so widens a declared type; then the file and the home still agree. */
static void a_policy_may_widen_a_declared_type(void **state) {
    const tm_home *home = *state;
    const char *spec =
        "{\"columns\":{\"n\":{\"type\":\"int\"}},\"policy\":{\"wider_type\":\"adapt\"}}";
    assert_int_equal(with(home, spec, true, NULL), TM_OK);
    pushes(home, "{\"id\":1,\"n\":1}", 1, 0);
    pushes(home, "{\"id\":2,\"n\":1.5}", 1, 0);
    columns_are(home, "id:int n:float!");
    assert_int_equal(with(home, spec, false, NULL), TM_OK);
    columns_are(home, "id:int n:float!");
}

static void rows_that_are_there_bound_what_a_type_can_become(void **state) {
    const tm_home *home = *state;
    tm_err err = {0};
    assert_int_equal(with(home, "{}", true, NULL), TM_OK);
    pushes(home, "{\"id\":1,\"n\":1,\"day\":\"2024-01-01\",\"t\":\"a\"}", 1, 0);
    assert_int_equal(with(home,
                          "{\"columns\":{\"n\":{\"type\":\"float\"},\"day\":{\"type\":\"time\"}}}",
                          false, NULL),
                     TM_OK);
    columns_are(home, "id:int n:float! day:time! t:text");
    static const char *const refused[] = {"{\"columns\":{\"n\":{\"type\":\"int\"}}}",
                                          "{\"columns\":{\"t\":{\"type\":\"float\"}}}",
                                          "{\"columns\":{\"id\":{\"type\":\"text\"}}}"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(with(home, refused[i], false, &err), TM_E_CONFLICT);
        assert_non_null(strstr(err.message, "cannot become"));
    }
    assert_int_equal(with(home, "{\"columns\":{\"more\":{\"type\":\"bool\"}}}", false, NULL),
                     TM_OK);
    columns_are(home, "id:int n:float day:time t:text more:bool!"); /* the others are free again */
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    assert_int_equal(tm__table_column(table, 1)->type, TM_TYPE_FLOAT);
    assert_true(tm__column_cell(tm__table_column(table, 1), 0).f64 == 1.0);
    tm__table_unref(table);
}

static void each_version_says_what_made_it(void **state) {
    const tm_home *home = *state;
    json_t *json = NULL;
    assert_int_equal(with(home, "{\"columns\":{\"n\":{\"type\":\"int\"}}}", true, NULL), TM_OK);
    pushes(home, "{\"id\":1,\"n\":1,\"x\":2}", 1, 0);
    assert_int_equal(
        with(home, "{\"columns\":{\"n\":{\"type\":\"float\",\"required\":true}}}", false, NULL),
        TM_OK);
    assert_int_equal(
        with(home, "{\"columns\":{\"n\":{\"type\":\"float\",\"required\":true}}}", false, NULL),
        TM_OK); /* the same: no version */
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    const json_t *versions = json_object_get(json, "changes");
    assert_int_equal(json_array_size(versions), 3);
    static const char *const kinds[] = {"declared", "first_value", "declared"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *version = json_array_get(versions, i);
        assert_int_equal(tm__json_i64(version, "version", 0), 3 - (int)i);
        assert_string_equal(
            tm__json_text(json_array_get(json_object_get(version, "changes"), 0), "kind", ""),
            kinds[i]);
    }
    json_decref(json);
}

static void what_a_source_reads_cannot_be_changed(void **state) {
    const tm_home *home = *state;
    static const char *const key[] = {"id"};
    json_t *spec = json_of("{\"files\":\"a.csv\",\"dir\":\"/x\"}");
    tm_intake_add add = {.name = "f", .feed = "files", .spec = spec, .keys = key, .n_keys = 1};
    tm_source_change change = TM_SOURCE_SAME;
    json_t *changes = NULL;
    tm_err err = {0};
    assert_int_equal(tm__source_compare(home, &add, &change, &changes, NULL), TM_OK);
    assert_int_equal(change, TM_SOURCE_NEW);
    json_decref(changes);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(tm__source_compare(home, &add, &change, &changes, NULL), TM_OK);
    assert_int_equal(change, TM_SOURCE_UNFINISHED); /* nothing was read yet */
    json_decref(changes);
    static const char *const others[] = {"{\"files\":\"b.csv\",\"dir\":\"/x\"}",
                                         "{\"files\":\"a.csv\",\"dir\":\"/y\"}",
                                         "{\"files\":\"a.csv\",\"dir\":\"/x\",\"no_header\":true}"};
    for (size_t i = 0; i < 3; i++) {
        json_t *other = json_of(others[i]);
        add.spec = other;
        assert_int_equal(tm__source_compare(home, &add, &change, &changes, &err), TM_E_CONFLICT);
        assert_non_null(strstr(err.hint, "another source"));
        assert_int_equal(tm__source_declare(home, &add, NULL), TM_E_CONFLICT);
        json_decref(other);
    }
    json_t *same = json_of("{\"files\":\"/x/a.csv\",\"dir\":\"/y\",\"every_s\":60}");
    add.spec = same;
    assert_int_equal(tm__source_compare(home, &add, &change, &changes, NULL), TM_OK);
    assert_string_equal(json_string_value(json_array_get(changes, 0)),
                        "every: 60 s instead of none");
    json_decref(changes);
    add.n_keys = 0;
    assert_int_equal(tm__source_compare(home, &add, &change, &changes, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "not with the same 'key'"));
    json_decref(same);
    json_decref(spec);
}

/* A process that has the columns in memory finds out before it writes. */
static void whoever_takes_pushes_sees_a_declaration(void **state) {
    const tm_home *home = *state;
    tm_push_result r;
    assert_int_equal(with(home, "{}", true, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(push(intake, "{\"id\":1,\"n\":1}", &r, NULL), TM_OK);
    assert_int_equal(with(home, "{\"columns\":{\"n\":{\"type\":\"int\"},\"m\":{\"type\":\"int\"}}}",
                          false, NULL),
                     TM_OK);
    /* At once: what was read for the columns of before is not taken. */
    tm_err err = {0};
    assert_int_equal(push(intake, "{\"id\":2,\"n\":1.5}", &r, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "changed meanwhile"));
    assert_int_equal(push(intake, "{\"id\":2,\"n\":1.5}", &r, NULL), TM_OK);
    assert_int_equal(r.quarantined, 1);
    assert_int_equal(push(intake, "{\"id\":1,\"n\":1}\n{\"id\":3,\"n\":2,\"k\":1}", &r, NULL),
                     TM_OK);
    assert_int_equal(r.accepted, 1);
    assert_int_equal(r.duplicates, 1); /* keys are known again */
    tm__intake_close(intake);
    columns_are(home, "id:int n:int! m:int! k:int");
}

/* A source of the same name and number that came in the place of a removed one gets nothing of
 * what was meant for that. */
static void a_source_that_took_the_place_of_another_is_another(void **state) {
    const tm_home *home = *state;
    tm_push_result r;
    tm_table *table = NULL;
    assert_int_equal(with(home, "{}", true, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(push(intake, "{\"id\":1,\"n\":1}", &r, NULL), TM_OK);
    assert_int_equal(tm__intake_remove(home, "s", NULL), TM_OK);
    assert_int_equal(push(intake, "{\"id\":2,\"n\":1}", &r, NULL), TM_E_NOT_FOUND);
    assert_int_equal(with(home, "{}", true, NULL), TM_OK);
    assert_int_equal(push(intake, "{\"id\":1,\"text\":\"a\"}", &r, NULL), TM_OK);
    assert_int_equal(r.accepted, 1);
    tm__intake_close(intake);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 1);
    assert_int_equal(tm__table_find(table, "n"), UINT32_MAX);
    tm__table_unref(table);
}

static void a_paused_source_takes_nothing_until_it_is_resumed(void **state) {
    const tm_home *home = *state;
    tm_push_result r;
    tm_err err = {0};
    assert_int_equal(with(home, "{}", true, NULL), TM_OK);
    assert_int_equal(tm__intake_resume(home, "s", NULL), TM_E_CONFLICT);
    assert_int_equal(tm__intake_pause(home, "s", NULL), TM_OK);
    assert_int_equal(tm__intake_pause(home, "s", NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(push(intake, "{\"id\":1}", &r, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.hint, "data resume s"));
    assert_int_equal(tm__intake_resume(home, "s", NULL), TM_OK);
    assert_int_equal(push(intake, "{\"id\":1}", &r, NULL), TM_OK);
    assert_int_equal(r.accepted, 1);
    tm__intake_close(intake);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_declared_type_is_neither_inferred_nor_widened),
        TEST(a_policy_may_widen_a_declared_type),
        TEST(rows_that_are_there_bound_what_a_type_can_become),
        TEST(each_version_says_what_made_it),
        TEST(what_a_source_reads_cannot_be_changed),
        TEST(whoever_takes_pushes_sees_a_declaration),
        TEST(a_source_that_took_the_place_of_another_is_another),
        TEST(a_paused_source_takes_nothing_until_it_is_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
