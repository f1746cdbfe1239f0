/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

/* A table of one target column given as texts; an empty text is missing. */
static tm_table *one_column(tm_type type, const double *values, const char *const *texts,
                            uint64_t n) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "t", type, NULL), TM_OK);
    for (uint64_t row = 0; row < n; row++) {
        tm_cell cell = {0};
        if (type == TM_TYPE_TEXT && texts[row][0] != '\0') {
            cell = (tm_cell){.type = type, .text = tm__str(texts[row])};
        } else if (type == TM_TYPE_FLOAT && !isnan(values[row])) {
            cell = (tm_cell){.type = type, .f64 = values[row]};
        } else if (type != TM_TYPE_TEXT && type != TM_TYPE_FLOAT && !isnan(values[row])) {
            cell = (tm_cell){.type = type, .i64 = (int64_t)values[row]};
        }
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

/* Fit the target alone, without a split. */
static tm_status fit(tm_table *table, const tm_train_options *options, tm_train_data *data,
                     tm_err *err) {
    memset(data, 0, sizeof(*data));
    data->table = tm__table_ref(table);
    data->n_rows = data->n_own = tm__table_rows(table);
    return tm__train_target_fit(data, options, err);
}

static void yes_is_positive_wherever_it_comes(void **state) {
    (void)state;
    static const char *const words[][2] = {
        {"Yes", "No"}, {"Y", "N"}, {"t", "f"}, {"TRUE", "false"}};
    const tm_train_options options = {.target = "t"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *const texts[] = {words[i][0], words[i][1], words[i][0], "", words[i][0]};
        tm_table *table = one_column(TM_TYPE_TEXT, NULL, texts, 5);
        tm_train_data data;
        assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
        assert_int_equal(data.task, TM_TASK_BINARY);
        assert_string_equal(data.classes[1], words[i][0]);
        assert_true(data.y[0] == 1.0 && data.y[1] == 0.0 && isnan(data.y[3]));
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void nearly_a_class_a_row_is_refused_unless_asked_for(void **state) {
    (void)state;
    char rooms[60][8];
    const char *texts[60];
    tm_train_options options = {.target = "t"};
    tm_train_data data;
    for (uint32_t n_classes = 30; n_classes < 32; n_classes++) {
        for (uint32_t i = 0; i < 60; i++) {
            (void)snprintf(rooms[i], sizeof(rooms[i]), "%u EUR", i % n_classes);
            texts[i] = rooms[i];
        }
        tm_table *table = one_column(TM_TYPE_TEXT, NULL, texts, 60);
        tm_err err = {0};
        options.task = TM_TASK_NONE;
        const tm_status st = fit(table, &options, &data, &err);
        tm__train_data_done(&data);
        assert_int_equal(st, n_classes == 30 ? TM_OK : TM_E_DATA);
        assert_true(st == TM_OK || strstr(err.message, "31 classes in 60 rows") != NULL);
        options.task = TM_TASK_MULTICLASS;
        assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void else_the_rarer_class_is_positive(void **state) {
    (void)state;
    const char *const texts[] = {"spam", "ham", "ham", "ham"};
    tm_train_options options = {.target = "t"};
    tm_table *table = one_column(TM_TYPE_TEXT, NULL, texts, 4);
    tm_train_data data;
    assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
    assert_string_equal(data.classes[1], "spam");
    tm__train_data_done(&data);
    options.positive = "ham";
    assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
    assert_string_equal(data.classes[1], "ham");
    tm__train_data_done(&data);
    options.positive = "eggs";
    tm_err err = {0};
    assert_int_equal(fit(table, &options, &data, &err), TM_E_USAGE);
    assert_non_null(strstr(err.hint, "'spam'"));
    tm__train_data_done(&data);
    tm__table_unref(table);
}

static void few_whole_numbers_are_classes_and_many_are_values(void **state) {
    (void)state;
    double few[60];
    double many[60];
    for (int i = 0; i < 60; i++) {
        few[i] = 10 - i % 3;
        many[i] = i % 21;
    }
    const tm_train_options options = {.target = "t"};
    tm_train_data data;
    tm_table *table = one_column(TM_TYPE_INT, few, NULL, 60);
    assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
    assert_int_equal(data.task, TM_TASK_MULTICLASS);
    assert_string_equal(data.classes[0], "8"); /* in the order of their numbers */
    assert_string_equal(data.classes[2], "10");
    tm__train_data_done(&data);
    tm__table_unref(table);
    table = one_column(TM_TYPE_INT, many, NULL, 60);
    assert_int_equal(fit(table, &options, &data, NULL), TM_OK);
    assert_int_equal(data.task, TM_TASK_REGRESSION);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

static void targets_that_cannot_be_learned_are_refused(void **state) {
    (void)state;
    const double same[] = {3, 3, 3, 3};
    const double missing[] = {NAN, NAN, NAN, NAN};
    const char *const alike[] = {"a", "a", "a", "a"};
    const struct {
        tm_type type;
        const double *values;
        const char *const *texts;
        tm_task task;
        const char *want;
    } cases[] = {
        {TM_TYPE_FLOAT, same, NULL, TM_TASK_REGRESSION, "same value"},
        {TM_TYPE_INT, same, NULL, TM_TASK_NONE, "same value"},
        {TM_TYPE_TEXT, NULL, alike, TM_TASK_NONE, "same value"},
        {TM_TYPE_FLOAT, missing, NULL, TM_TASK_NONE, "missing in every row"},
        {TM_TYPE_TEXT, NULL, alike, TM_TASK_REGRESSION, "holds text"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_train_options options = {.target = "t", .task = cases[i].task};
        tm_table *table = one_column(cases[i].type, cases[i].values, cases[i].texts, 4);
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(fit(table, &options, &data, &err), TM_E_DATA);
        assert_non_null(strstr(err.message, cases[i].want));
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void a_class_unseen_in_training_scores_the_floor(void **state) {
    (void)state;
    const char *const texts[] = {"a", "b", "a", "c"};
    const tm_train_options options = {.target = "t"};
    tm_table *table = one_column(TM_TYPE_TEXT, NULL, texts, 4);
    tm_train_data data = {.table = tm__table_ref(table), .n_rows = 4, .n_own = 3};
    assert_int_equal(tm__train_target_fit(&data, &options, NULL), TM_OK);
    assert_int_equal(data.n_classes, 2);
    assert_true(data.y[3] == 2.0);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_is_positive_wherever_it_comes),
        cmocka_unit_test(nearly_a_class_a_row_is_refused_unless_asked_for),
        cmocka_unit_test(else_the_rarer_class_is_positive),
        cmocka_unit_test(few_whole_numbers_are_classes_and_many_are_values),
        cmocka_unit_test(targets_that_cannot_be_learned_are_refused),
        cmocka_unit_test(a_class_unseen_in_training_scores_the_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
