/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "store/condition.h"
#include "test.h"

static const tm_condition_column columns[] = {
    {"id", TM_TYPE_INT, 0},      {"amount", TM_TYPE_FLOAT, 1}, {"land", TM_TYPE_TEXT, 2},
    {"day", TM_TYPE_DATE, 3},    {"at", TM_TYPE_TIME, 4},      {"ok", TM_TYPE_BOOL, 5},
    {"a \"b\"", TM_TYPE_INT, 6}, {"order", TM_TYPE_INT, 7},    {"none", TM_TYPE_NONE, 8},
};
#define N (sizeof(columns) / sizeof(columns[0]))

static void fill(tm_cell cells[N]) {
    int64_t day = 0, at = 0;
    assert_true(tm__time_parse(TM_STR("2024-03-01"), &day));
    assert_true(tm__time_parse(TM_STR("2024-03-01T10:30:00.25Z"), &at));
    memset(cells, 0, N * sizeof(*cells));
    cells[0] = (tm_cell){.type = TM_TYPE_INT, .i64 = 7};
    cells[1] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = 12.5};
    cells[2] = (tm_cell){.type = TM_TYPE_TEXT, .text = TM_STR("NL")};
    cells[3] = (tm_cell){.type = TM_TYPE_DATE, .i64 = day};
    cells[4] = (tm_cell){.type = TM_TYPE_TIME, .i64 = at};
    cells[5] = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
    cells[6] = (tm_cell){.type = TM_TYPE_INT, .i64 = INT64_MIN};
    cells[7] = (tm_cell){.type = TM_TYPE_INT, .i64 = 3};
}

static tm_conditions *open_all(void) {
    tm_conditions *c = NULL;
    assert_int_equal(tm__conditions_open(columns, N, &c, NULL), TM_OK);
    return c;
}

static void a_row_is_true_false_or_null(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        tm_verdict want;
    } cases[] = {
        {"amount > 0", TM_VERDICT_TRUE},
        {"amount > 12.5", TM_VERDICT_FALSE},
        {"amount > '3'", TM_VERDICT_TRUE},
        {"rows.amount / 2 = 6.25 AND id / 2 = 3", TM_VERDICT_TRUE},
        {"land IN ('NL', 'BE')", TM_VERDICT_TRUE},
        {"land NOT IN ('NL', 'BE')", TM_VERDICT_FALSE},
        {"land LIKE 'n_' AND NOT land GLOB 'n*'", TM_VERDICT_TRUE},
        {"none > 3", TM_VERDICT_NULL},
        {"none IS NULL", TM_VERDICT_TRUE},
        {"amount", TM_VERDICT_TRUE},
        {"ok", TM_VERDICT_TRUE},
        {"ok = true AND NOT ok = 0", TM_VERDICT_TRUE},
        {"land", TM_VERDICT_FAILED},
        {"abs(\"a \"\"b\"\"\") > 0", TM_VERDICT_FAILED},
        {"[order] = 3 AND `order` = 3 AND \"order\" = 3", TM_VERDICT_TRUE},
        {"day = '2024-03-01'", TM_VERDICT_TRUE},
        {"day >= '2024-03-01T00:00:00Z'", TM_VERDICT_TRUE},
        {"at > '2024-03-01T10:00'", TM_VERDICT_TRUE},
        {"at > '2024-03-01 11:00'", TM_VERDICT_FALSE},
        {"at > '2024-03-01'", TM_VERDICT_TRUE},
        {"at > day", TM_VERDICT_TRUE},
        {"at = '2024-03-01 11:30:00.25+01:00'", TM_VERDICT_TRUE},
        {"at BETWEEN '2024-03-01' AND '2024-03-02'", TM_VERDICT_TRUE},
        {"at IN ('2024-03-01T10:30:00.250Z')", TM_VERDICT_TRUE},
        {"at < datetime('now')", TM_VERDICT_TRUE},
        {"day > date('now', '-1 day')", TM_VERDICT_FALSE},
        {"strftime('%H', at) = '10'", TM_VERDICT_TRUE},
        {"julianday(at) - julianday(day) < 0.5", TM_VERDICT_TRUE},
        {"min(id, amount) = 7", TM_VERDICT_TRUE},
        {"CASE land WHEN 'NL' THEN amount < 100 ELSE 1 END", TM_VERDICT_TRUE},
        {"land = 'it''s' OR land = 'NL'", TM_VERDICT_TRUE},
        {"length(land) = 2 AND substr(land, 1, 1) = 'N'", TM_VERDICT_TRUE},
        {"json_extract(land, '$.a') = 1", TM_VERDICT_FAILED},
        {"amount > -5e3 AND amount<1E+9", TM_VERDICT_TRUE},
    };
    tm_cell cells[N];
    char why[160];
    fill(cells);
    tm_conditions *c = open_all();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_condition *condition = NULL;
        tm_err err = {0};
        if (tm__condition_create(c, cases[i].sql, &condition, NULL, &err) != TM_OK) {
            fail_msg("%s: %s", cases[i].sql, err.message);
        }
        assert_false(tm__condition_is_aggregate(condition));
        for (int k = 0; k < 3; k++) { /* also after a failure */
            tm_verdict got = TM_VERDICT_NULL;
            assert_int_equal(tm__condition_row(condition, cells, &got, why, NULL), TM_OK);
            if (got != cases[i].want) {
                fail_msg("%s: %d", cases[i].sql, (int)got);
            }
        }
    }
    tm__conditions_close(c);
}

static void each_step_sees_the_row_of_that_moment(void **state) {
    (void)state;
    tm_cell cells[N];
    tm_condition *positive = NULL, *text = NULL;
    char why[160];
    fill(cells);
    tm_conditions *c = open_all();
    assert_int_equal(tm__condition_create(c, "amount > 0", &positive, NULL, NULL), TM_OK);
    assert_int_equal(tm__condition_create(c, "land = 'BE'", &text, NULL, NULL), TM_OK);
    for (int i = -100; i < 100; i++) {
        tm_verdict got = TM_VERDICT_NULL;
        cells[1].f64 = i;
        cells[2].text = i % 2 == 0 ? TM_STR("BE") : TM_STR("FR");
        assert_int_equal(tm__condition_row(positive, cells, &got, why, NULL), TM_OK);
        assert_int_equal(got, i > 0 ? TM_VERDICT_TRUE : TM_VERDICT_FALSE);
        assert_int_equal(tm__condition_row(text, cells, &got, why, NULL), TM_OK);
        assert_int_equal(got, i % 2 == 0 ? TM_VERDICT_TRUE : TM_VERDICT_FALSE);
        if (i % 50 == 0) {
            tm__conditions_reset(c);
        }
    }
    tm__conditions_close(c);
}

typedef struct many {
    tm_cell cells[N];
    int i;
} many;

static void rewind_many(void *arg) {
    ((many *)arg)->i = 0;
}

static const tm_cell *next_of_many(void *arg) {
    many *const m = arg;
    if (m->i == 100) {
        return NULL;
    }
    m->cells[1].f64 = m->i;
    m->cells[2] = (tm_cell){.type = m->i % 10 == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT,
                            .text = m->i % 2 == 0 ? TM_STR("NL") : TM_STR("BE")};
    m->i++;
    return m->cells;
}

static void all_rows_are_judged_together(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        tm_verdict want;
    } cases[] = {
        {"avg(amount) BETWEEN 49 AND 50", TM_VERDICT_TRUE},
        {"avg(amount) > 50", TM_VERDICT_FALSE},
        {"count(*) = 100 AND count(land) = 90", TM_VERDICT_TRUE},
        {"count(*) FILTER (WHERE land IS NULL) < 0.01 * count(*)", TM_VERDICT_FALSE},
        {"count(DISTINCT land) = 2", TM_VERDICT_TRUE},
        {"max(land) = 'NL' AND min(land) = 'BE'", TM_VERDICT_TRUE},
        {"max(at) < '2024-03-02' AND min(day) COLLATE moment >= '2024-03-01T00:00'",
         TM_VERDICT_TRUE},
        {"sum(none) > 0", TM_VERDICT_NULL},
        {"sum(\"a \"\"b\"\"\") > 0", TM_VERDICT_FAILED},
    };
    tm_conditions *c = open_all();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_condition *condition = NULL;
        tm_err err = {0};
        tm_verdict got = TM_VERDICT_NULL;
        char why[160];
        if (tm__condition_create(c, cases[i].sql, &condition, NULL, &err) != TM_OK) {
            fail_msg("%s: %s", cases[i].sql, err.message);
        }
        assert_true(tm__condition_is_aggregate(condition));
        for (int k = 0; k < 2; k++) {
            many m = {.i = 77};
            fill(m.cells);
            const tm_condition_rows rows = {
                .rewind = rewind_many, .next = next_of_many, .arg = &m, .n_rows = 100};
            assert_int_equal(tm__condition_all(condition, &rows, &got, why, NULL), TM_OK);
            if (got != cases[i].want) {
                fail_msg("%s: %d", cases[i].sql, (int)got);
            }
        }
    }
    tm__conditions_close(c);
}

static void what_is_no_condition_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"amont > 0", "there is no column 'amont' (character 1)"},
        {"id = 1 AND lnad = 'x'", "there is no column 'lnad' (character 12)"},
        {"land = \"NL\"", "there is no column '\"NL\"' (character 8)"},
        {"order = 3", "no rule in SQL: near \"order\": syntax error (character 1)"},
        {"amount >", "the rule ends too early (character 9)"},
        {"load_extension('x')", "a rule has no function 'load_extension'"},
        {"randomblob(1000000000) > 0", "a rule has no function 'randomblob'"},
        {"length(zeroblob(1000000000)) > 0", "a rule has no function 'zeroblob'"},
        {"length(printf('%999999999d', 1)) > 0", "a rule has no function 'printf'"},
        {"random() > 0", "a rule has no function 'random'"},
        {"foo(amount) > 0", "a rule has no function 'foo'"},
        {"amount > (SELECT 1)", "a rule reads the columns of its rows and nothing else"},
        {"EXISTS (SELECT 1 FROM rows)", "a rule reads the columns of its rows and nothing else"},
        {"amount IN rows", NULL},
        {"1 IN (WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t)",
         NULL},
        {"1) UNION ALL SELECT 1 FROM rows WHERE (1", NULL},
        {"1) FROM sqlite_master WHERE (1", NULL},
        {"row_number() OVER () > 0", NULL},
        {"avg(amount) OVER () > 0", NULL},
        {"avg(sum(amount)) > 0", NULL},
        {"ATTACH 'x' AS y", NULL},
        {"PRAGMA temp_store", NULL},
        {"(amount, id) > 3", NULL},
        {"amount > 0, id > 0", NULL},
        {"RAISE(ABORT, 'x')", NULL},
        {"land MATCH 'x'", NULL},
        {"land REGEXP 'x'", NULL},
    };
    tm_conditions *c = open_all();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_condition *condition = NULL;
        tm_err err = {0};
        const tm_status st = tm__condition_create(c, cases[i].sql, &condition, NULL, &err);
        if (st != TM_E_USAGE || err.hint[0] == '\0' ||
            (cases[i].message != NULL && strcmp(err.message, cases[i].message) != 0)) {
            fail_msg("%s: %d %s (%s)", cases[i].sql, (int)st, err.message, err.hint);
        }
    }
    tm__conditions_close(c);
}

static void an_unknown_column_has_a_near_one(void **state) {
    (void)state;
    tm_condition *condition = NULL;
    tm_err err = {0};
    tm_str unknown;
    tm_conditions *c = open_all();
    assert_int_equal(tm__condition_create(c, "id > 0 AND amont > 0", &condition, &unknown, &err),
                     TM_E_USAGE);
    assert_string_equal(err.hint, "Did you mean 'amount'?");
    assert_true(tm__str_is(unknown, "amont"));
    tm__conditions_close(c);
}

static void depth_length_and_work_are_bounded(void **state) {
    (void)state;
    static char text[3 * TM_CONDITION_BYTES];
    tm_condition *condition = NULL;
    tm_err err = {0};
    tm_conditions *c = open_all();
    memset(text, '(', 1000);
    text[1000] = '\0';
    assert_int_equal(tm__condition_create(c, text, &condition, NULL, &err), TM_E_USAGE);
    assert_string_equal(err.message, "the rule is nested more than 40 deep (character 41)");
    memset(text, '1', sizeof(text) - 1);
    assert_int_equal(tm__condition_create(c, text, &condition, NULL, &err), TM_E_USAGE);
    assert_string_equal(err.message, "the rule is longer than 4096 bytes (character 4097)");
    strncpy(text, "id", sizeof(text));
    for (size_t n = 2; n < 4000; n += 2) {
        memcpy(text + n, "+1", 3);
    }
    assert_int_equal(tm__condition_create(c, text, &condition, NULL, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "too large (maximum depth 200)"));
    /* Texts that grow without end stay below the limit of a value. */
    const char *const grows = "length(replace(replace(replace(replace(replace(land, 'N', "
                              "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN'), 'N', "
                              "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN'), 'N', "
                              "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN'), 'N', "
                              "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN'), 'N', "
                              "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN')) > 0";
    tm_cell cells[N];
    tm_verdict got = TM_VERDICT_NULL;
    char why[160] = "";
    fill(cells);
    assert_int_equal(tm__condition_create(c, grows, &condition, NULL, NULL), TM_OK);
    assert_int_equal(tm__condition_row(condition, cells, &got, why, NULL), TM_OK);
    assert_int_equal(got, TM_VERDICT_FAILED);
    assert_string_equal(why, "it cannot be told: a text in it is too long");
    tm__conditions_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_true_false_or_null),
        cmocka_unit_test(each_step_sees_the_row_of_that_moment),
        cmocka_unit_test(all_rows_are_judged_together),
        cmocka_unit_test(what_is_no_condition_is_refused),
        cmocka_unit_test(an_unknown_column_has_a_near_one),
        cmocka_unit_test(depth_length_and_work_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
