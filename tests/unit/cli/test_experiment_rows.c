/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/experiment_rows.h"

#include <math.h>
#include <string.h>

#include "test.h"

enum { ROWS = 400, WORDS_MAX = 32 };

/* who, arm, at, won, spend, note: arms alternate, b wins more often. */
static tm_table *made(void) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"who", TM_TYPE_INT},  {"arm", TM_TYPE_TEXT},    {"at", TM_TYPE_TIME},
                   {"won", TM_TYPE_BOOL}, {"spend", TM_TYPE_FLOAT}, {"note", TM_TYPE_TEXT}};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    for (int c = 0; c < 6; c++) {
        assert_int_equal(tm__builder_add_column(builder, columns[c].name, columns[c].type, NULL),
                         TM_OK);
    }
    for (int i = 0; i < ROWS; i++) {
        const bool is_b = i % 2 == 1;
        const tm_cell cells[] = {{.type = TM_TYPE_INT, .i64 = i / 4},
                                 {.type = i == 7 ? TM_TYPE_NONE : TM_TYPE_TEXT,
                                  .text = is_b ? TM_STR("b") : TM_STR("a")},
                                 {.type = TM_TYPE_TIME, .i64 = i * INT64_C(1000000)},
                                 {.type = TM_TYPE_BOOL, .i64 = i % 5 < (is_b ? 4 : 1)},
                                 {.type = i == 9 ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = i % 10},
                                 {.type = TM_TYPE_TEXT, .text = TM_STR("x")}};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

/* Read the table by options (words between blanks). */
static tm_status read_by(const char *options, tm_experiment *out, json_t **out_result,
                         tm_err *err) {
    char text[256];
    const char *words[WORDS_MAX] = {"tidemill", "experiment", "status"};
    int n = 3;
    tm_cli cli = {0};
    tm_table *table = made();
    (void)tm__str_copy(text, sizeof(text), tm__str(options));
    for (char *rest = text, *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        words[n++] = word;
    }
    tm_status st = tm__cli_parse(&cli, n, words, err);
    if (st == TM_OK) {
        st = tm__experiment_options(&cli, out, err);
    }
    if (st == TM_OK) {
        st = tm__experiment_rows(&cli, table, out, err);
    }
    if (st == TM_OK && out_result != NULL) {
        st = tm__experiment_judge(out, out_result, err);
    }
    tm__table_unref(table);
    tm__cli_done(&cli);
    return st;
}

static void rows_are_units_of_two_arms(void **state) {
    (void)state;
    tm_experiment e = {0};
    json_t *result = NULL;
    tm_err err = {0};
    if (read_by("--arm arm --metric won --time at", &e, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(e.units.n, ROWS - 1);
    assert_int_equal(e.n_without_arm, 1);
    assert_string_equal(e.names[0], "a");
    const json_t *metric = json_object_get(result, "metric");
    assert_string_equal(tm__json_text(metric, "kind", ""), "binary");
    assert_true(tm__json_f64(metric, "difference", 0) > 0.5);
    json_decref(result);
    tm__experiment_done(&e);
}

static void options_say_what_is_what(void **state) {
    (void)state;
    tm_experiment e = {0};
    json_t *result = NULL;
    assert_int_equal(read_by("--arm arm --metric spend --control b --bounds 0:10 --guardrail won "
                             "--guardrail-less won --margin 0.1 --smaller-is-better",
                             &e, &result, NULL),
                     TM_OK);
    assert_string_equal(e.names[0], "b");
    assert_int_equal(e.n_metrics, 3);
    assert_true(e.metrics[0].smaller_is_better && !e.metrics[1].smaller_is_better &&
                e.metrics[2].smaller_is_better && e.metrics[2].margin == 0.1);
    const json_t *metric = json_object_get(result, "metric");
    assert_string_equal(tm__json_text(metric, "kind", ""), "bounded");
    json_decref(result);
    tm__experiment_done(&e);
}

static void units_in_both_arms_are_left_out(void **state) {
    (void)state;
    tm_experiment e = {0};
    assert_int_equal(read_by("--arm arm --metric won --unit who", &e, NULL, NULL), TM_OK);
    assert_int_equal(e.units.n, 0);
    assert_int_equal(e.units.n_in_both, ROWS / 4);
    tm__experiment_done(&e);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *options;
        tm_status status;
        const char *message;
        uint64_t row;
    } cases[] = {
        {"--arm side --metric won", TM_E_USAGE, "no column 'side' for --arm", 0},
        {"--arm who --metric won", TM_E_DATA, "more than two arms", 0},
        {"--arm note --metric won", TM_E_DATA, "has 1 arms", 0},
        {"--arm arm --metric note", TM_E_DATA, "is text, not numbers", 0},
        {"--arm arm --metric won --control c", TM_E_USAGE, "names no arm", 0},
        {"--arm arm --metric won --share 1", TM_E_USAGE, "--share is not", 0},
        {"--arm arm --metric won --alpha 0", TM_E_USAGE, "--alpha is not", 0},
        {"--arm arm --metric won --baseline 2", TM_E_USAGE, "--baseline is not", 0},
        {"--arm arm --metric spend --bounds 0:5", TM_E_DATA, "outside --bounds", 7},
        {"--arm arm --metric spend --bounds 5:0", TM_E_USAGE, "not LOW:HIGH", 0},
        {"--arm arm --metric spend --bounds x", TM_E_USAGE, "not LOW:HIGH", 0},
        {"--arm arm --metric won --time note", TM_E_DATA, "holds no times", 0},
        {"--arm arm --metric won --time who --delay 1d", TM_E_USAGE, "needs a column of times", 0},
        {"--arm arm --metric won --delay 1d", TM_E_USAGE, "needs a column of times", 0},
        {"--arm arm --metric won --unit spend", TM_E_DATA, "does not say which unit", 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_experiment e = {0};
        tm_err err = {0};
        const tm_status st = read_by(cases[i].options, &e, NULL, &err);
        if (st != cases[i].status || strstr(err.message, cases[i].message) == NULL ||
            err.data_row != cases[i].row) {
            fail_msg("%s: %d, %s, row %d", cases[i].options, (int)st, err.message,
                     (int)err.data_row);
        }
        tm__experiment_done(&e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_units_of_two_arms),
        cmocka_unit_test(options_say_what_is_what),
        cmocka_unit_test(units_in_both_arms_are_left_out),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
