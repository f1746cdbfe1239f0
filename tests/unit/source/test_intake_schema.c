/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "source/intake_priv.h"
#include "support.h"
#include "test.h"

static const char *const id_key[] = {"id"};

/* What one column becomes: its type before, values as words, its type after. A word in quotes is a
 * text, null, true and numbers are themselves. */
typedef struct fit_case {
    const char *name;
    tm_type before;
    bool is_text;
    const char *values[5];
    tm_type after;
} fit_case;

static const fit_case fit_cases[] = {
    {"whole numbers", TM_TYPE_NONE, false, {"1", "null", "-7"}, TM_TYPE_INT},
    {"a fraction among them", TM_TYPE_NONE, false, {"1", "2.5"}, TM_TYPE_FLOAT},
    {"bools", TM_TYPE_NONE, false, {"true", "null"}, TM_TYPE_BOOL},
    {"nothing but null", TM_TYPE_NONE, false, {"null", "null"}, TM_TYPE_NONE},
    {"texts", TM_TYPE_NONE, false, {"'a'", "'b'"}, TM_TYPE_TEXT},
    {"texts that look like numbers", TM_TYPE_NONE, false, {"'007'", "'12'"}, TM_TYPE_TEXT},
    {"dates", TM_TYPE_NONE, false, {"'2001-02-03'", "null"}, TM_TYPE_DATE},
    {"times", TM_TYPE_NONE, false, {"'2001-02-03'", "'2001-02-03T10:00:00'"}, TM_TYPE_TIME},
    {"a date of one country", TM_TYPE_NONE, false, {"'31.12.2001'"}, TM_TYPE_TEXT},
    {"a date and a text", TM_TYPE_NONE, false, {"'2001-02-03'", "'soon'"}, TM_TYPE_TEXT},
    {"numbers and texts", TM_TYPE_NONE, false, {"1", "'a'"}, TM_TYPE_TEXT},
    {"bools and numbers", TM_TYPE_NONE, false, {"true", "1"}, TM_TYPE_TEXT},
    {"CSV: whole numbers", TM_TYPE_NONE, true, {"'1'", "'-7'", "null"}, TM_TYPE_INT},
    {"CSV: fractions", TM_TYPE_NONE, true, {"'1'", "'2.5'"}, TM_TYPE_FLOAT},
    {"CSV: a number too large", TM_TYPE_NONE, true, {"'1'", "'1e400'"}, TM_TYPE_INT},
    {"CSV: codes", TM_TYPE_NONE, true, {"'007'", "'12'"}, TM_TYPE_TEXT},
    {"CSV: bools", TM_TYPE_NONE, true, {"'true'", "'false'"}, TM_TYPE_BOOL},
    {"CSV: dates", TM_TYPE_NONE, true, {"'2001-02-03'"}, TM_TYPE_DATE},
    {"CSV: open order of day and month", TM_TYPE_NONE, true, {"'03/04/2001'"}, TM_TYPE_TEXT},
    {"int: whole numbers", TM_TYPE_INT, false, {"1", "null"}, TM_TYPE_INT},
    {"int: a fraction", TM_TYPE_INT, false, {"1", "0.5"}, TM_TYPE_FLOAT},
    {"int: CSV, a fraction", TM_TYPE_INT, true, {"'0.5'"}, TM_TYPE_FLOAT},
    {"int: a text", TM_TYPE_INT, false, {"'many'"}, TM_TYPE_INT},
    {"float: a text", TM_TYPE_FLOAT, false, {"'many'"}, TM_TYPE_FLOAT},
    {"date: an hour", TM_TYPE_DATE, false, {"'2001-02-03T10:00:00'"}, TM_TYPE_TIME},
    {"date: a text", TM_TYPE_DATE, false, {"'soon'"}, TM_TYPE_DATE},
    {"bool: a number", TM_TYPE_BOOL, false, {"7"}, TM_TYPE_BOOL},
    {"text: a number", TM_TYPE_TEXT, false, {"7"}, TM_TYPE_TEXT},
};

static tm_cell cell_of(const char *word) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    double number = 0;
    if (word[0] == '\'') {
        cell.type = TM_TYPE_TEXT;
        cell.text = (tm_str){word + 1, strlen(word) - 2};
    } else if (strcmp(word, "true") == 0) {
        cell = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
    } else if (tm__str_to_i64(tm__str(word), &cell.i64)) {
        cell.type = TM_TYPE_INT;
    } else if (tm__str_to_f64(tm__str(word), &number)) {
        cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = number};
    }
    return cell;
}

static void a_type_follows_from_all_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(fit_cases) / sizeof(fit_cases[0]); i++) {
        const fit_case *c = &fit_cases[i];
        char name[] = "x";
        tm_schema_column column = {.name = name, .type = c->before};
        const tm_schema schema = {.n_cols = 1, .cols = &column};
        tm_intake_columns *columns = NULL, *fitted = NULL;
        tm_evidence evidence = {.name = name, .col = 0};
        for (size_t v = 0; v < 5 && c->values[v] != NULL; v++) {
            const tm_cell cell = cell_of(c->values[v]);
            tm__evidence_add(&evidence, &cell);
        }
        assert_int_equal(tm__intake_columns_create(&schema, NULL, 0, &columns, NULL), TM_OK);
        assert_int_equal(tm__intake_columns_fit(columns, &evidence, 1, c->is_text, &fitted, NULL),
                         TM_OK);
        if (fitted->schema.cols[0].type != c->after) {
            fail_msg("%s: %s", c->name, tm__type_text(fitted->schema.cols[0].type));
        }
        assert_int_equal(fitted == columns, c->before == c->after);
        assert_int_equal(fitted->version, c->before == c->after ? 0 : 1);
        tm__intake_columns_unref(fitted);
        tm__intake_columns_unref(columns);
    }
}

static void keys_are_columns_from_the_start(void **state) {
    (void)state;
    tm_intake_columns *columns = NULL, *again = NULL;
    const tm_schema none = {0};
    assert_int_equal(tm__intake_columns_create(&none, id_key, 1, &columns, NULL), TM_OK);
    assert_int_equal(tm__intake_columns_find(columns, TM_STR("id")), 0);
    assert_int_equal(tm__intake_columns_find(columns, TM_STR("ID")), UINT32_MAX);
    char name[] = "amount";
    tm_evidence evidence = {.name = name, .col = UINT32_MAX, .n_ints = 3};
    tm_intake_columns *fitted = NULL;
    assert_int_equal(tm__intake_columns_fit(columns, &evidence, 1, false, &fitted, NULL), TM_OK);
    assert_int_equal(fitted->n_keys, 1);
    assert_int_equal(tm__intake_columns_find(fitted, TM_STR("amount")), 1);
    const json_t *change = json_array_get(fitted->changes, 0);
    assert_string_equal(tm__json_text(change, "kind", ""), "new_column");
    assert_int_equal(tm__json_i64(json_object_get(change, "evidence"), "ints", 0), 3);
    json_t *json = tm__intake_columns_to_json(fitted);
    assert_int_equal(tm__intake_columns_from_json(json, id_key, 1, &again, NULL), TM_OK);
    assert_int_equal(again->schema.n_cols, 2);
    assert_int_equal(again->schema.cols[0].type, TM_TYPE_NONE);
    assert_int_equal(again->schema.cols[1].type, TM_TYPE_INT);
    json_decref(json);
    tm__intake_columns_unref(again);
    tm__intake_columns_unref(fitted);
    tm__intake_columns_unref(columns);
}

static bool fit_many(void *arg) {
    (void)arg;
    tm_intake_columns *columns = NULL, *fitted = NULL;
    const tm_schema none = {0};
    char names[20][4];
    tm_evidence evidence[20];
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        evidence[i] = (tm_evidence){.name = names[i], .col = UINT32_MAX, .n_floats = 1};
    }
    tm__json_reset();
    const bool ok = tm__intake_columns_create(&none, id_key, 1, &columns, NULL) == TM_OK &&
                    tm__intake_columns_fit(columns, evidence, 20, false, &fitted, NULL) == TM_OK;
    if (ok) {
        assert_int_equal(json_array_size(fitted->changes), 20);
        assert_int_equal(tm__intake_columns_find(fitted, TM_STR("c19")), 20);
    }
    tm__intake_columns_unref(fitted);
    tm__intake_columns_unref(columns);
    return ok;
}

static void memory_that_runs_out_leaves_nothing(void **state) {
    (void)state;
    tm__json_init();
    test_each_mem_fault(fit_many, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_follows_from_all_values),
        cmocka_unit_test(keys_are_columns_from_the_start),
        cmocka_unit_test(memory_that_runs_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
