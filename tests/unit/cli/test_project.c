/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "cli/project.h"
#include "support.h"

static tm_status read_text(const char *text, tm_project *out, tm_err *err) {
    char path[512];
    test_folder_join(&test_dir, "tidemill.yaml", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    return tm__project_read(path, out, err);
}

static void the_template_is_a_valid_project(void **state) {
    (void)state;
    tm_project project;
    assert_int_equal(read_text(tm__project_template(), &project, NULL), TM_OK);
    assert_int_equal(project.n_models, 1);
    assert_string_equal(project.models[0].name, "churn");
    assert_true(project.models[0].has_gate);
    assert_true(project.models[0].gate.better_than_champion);
    tm__project_done(&project);
}

static void every_key_lands_in_the_recipe(void **state) {
    (void)state;
    tm_project project;
    assert_int_equal(
        read_text("models:\n"
                  "  late:\n"
                  "    from: |\n"
                  "      SELECT * FROM 'a.csv'\n"
                  "    target: late\n"
                  "    positive: yes\n"
                  "    task: binary\n"
                  "    drop: [a, b]\n"
                  "    monotone: [a:-1, b:+1]\n"
                  "    interact: a+b, c\n"
                  "    group: g\n"
                  "    init_score: s\n"
                  "    class_weight: [yes=5, no=1]\n"
                  "    level_means: ordered\n"
                  "    metric: auc\n"
                  "    budget: 90s\n"
                  "    seed: 7\n"
                  "    split: last:0.3\n"
                  "    param: [gbdt.n_trees=5]\n"
                  "    gate: {better_than: champion, by: 0.002, metric: auc, min: {auc: 0.7}}\n"
                  "    retrain: {every: 7d}\n"
                  "    labels: {delay: 1d, within: 2h}\n"
                  "    owner: ops@example.com\n",
                  &project, NULL),
        TM_OK);
    const json_t *recipe = project.models[0].recipe;
    const tm_gate *gate = &project.models[0].gate;
    assert_non_null(strstr(tm__json_text(json_object_get(recipe, "source"), "sql", ""), "SELECT"));
    assert_string_equal(tm__json_text(recipe, "target", ""), "late");
    assert_string_equal(tm__json_text(recipe, "group", ""), "g");
    assert_string_equal(tm__json_text(recipe, "init_score", ""), "s");
    const json_t *weights = json_object_get(recipe, "class_weights");
    assert_int_equal(json_array_size(weights), 2);
    assert_string_equal(json_string_value(json_array_get(weights, 0)), "yes=5");
    assert_string_equal(tm__json_text(recipe, "level_means", ""), "ordered");
    assert_int_equal(tm__json_i64(recipe, "budget_ms", 0), 90000);
    assert_int_equal(tm__json_i64(recipe, "seed", 0), 7);
    assert_int_equal(json_array_size(json_object_get(recipe, "drop")), 2);
    const json_t *monotone = json_object_get(recipe, "monotone");
    assert_string_equal(json_string_value(json_array_get(monotone, 0)), "a:-1");
    const json_t *interact = json_object_get(recipe, "interact");
    assert_int_equal(json_array_size(interact), 2);
    assert_string_equal(json_string_value(json_array_get(interact, 0)), "a+b");
    assert_int_equal(tm__json_i64(json_object_get(recipe, "retrain"), "every_s", 0), 7 * 86400);
    const json_t *labels = json_object_get(recipe, "labels");
    assert_int_equal(tm__json_i64(labels, "delay_us", 0), INT64_C(86400000000));
    assert_int_equal(tm__json_i64(labels, "within_us", 0), INT64_C(7200000000));
    assert_true(gate->by == 0.002 && gate->floors[0].value == 0.7);
    assert_string_equal(gate->metric, "auc");
    assert_string_equal(gate->floors[0].metric, "auc");
    tm__project_done(&project);
}

static void faults_are_named_with_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *text, *message, *hint;
        uint64_t line;
        uint32_t column;
    } cases[] = {
        {"", "empty", "", 1, 1},
        {"modles:\n  a: {}\n", "unknown key 'modles'", "'models'", 1, 1},
        {"models:\n  a:\n    from: x.csv\n    targt: y\n", "unknown key 'targt'", "'target'", 4, 5},
        {"models:\n  a:\n    from: x.csv\n", "has no 'target'", "", 2, 3},
        {"models:\n  a:\n    from: x\n    target: y\n    target: z\n", "stands twice", "", 5, 5},
        {"models:\n  a:\n    from: x\n    target: y\n    labels: {delay: soon}\n",
         "'delay' wants a time", "", 5, 21},
        {"models:\n  a:\n    from: x\n    target: y\n    labels: {delay: 1}\n",
         "'delay' wants a time", "Which unit: 1s, 1m, 1h or 1d?", 5, 21},
        {"models:\n  a:\n    from: x\n    target: y\n    retrain: {every: 7}\n",
         "'every' wants a time such as 15m, 24h or 7d", "Which unit: 7s, 7m, 7h or 7d?", 5, 22},
        {"models:\n  a:\n    from: x\n    target: y\n    budget: 60\n", "'budget' wants a time",
         "Which unit: 60s", 5, 13},
        {"sources:\n  a: {files: x.csv, every: 7}\n", "'every' wants a time", "Which unit: 7s", 2,
         28},
        {"models:\n  a:\n    from: x\n    target: y\n    labels: {dealy: 1d}\n",
         "unknown key 'dealy'", "'delay'", 5, 14},
        {"models:\n  a:\n    from: x\n    target: y\n    seed: many\n", "whole number", "", 5, 11},
        {"models:\n  a:\n    from: x\n    target: y\n    gate: {min: {aux: 1}}\n", "'aux'", "", 5,
         18},
        {"models:\n  a:\n    from: x\n    target: y\n    split: lst:0.2\n", "unknown split", "", 5,
         12},
        {"models:\n  a:\n    from: x\n    target: [y]\n", "one value", "", 4, 13},
        {"models:\n  a:\n    from: ${TM_NO_SUCH_VARIABLE}\n    target: y\n", "no variable", "", 3,
         11},
        {"models: [\n", "no YAML", "", 2, 1},
        {"models: {a: {from: x, target: \"y\\0z\"}}\n", "zero byte", "", 1, 31},
        {"models: {\"a\\0b\": {from: x, target: y}, a: {from: x, target: y}}\n", "zero byte", "", 1,
         10},
        {"models: {a: {from: x, target: y, gate: {by: nan}}}\n", "a number", "", 1, 45},
        {"models: {a: {from: x, target: y, gate: {min: {auc: inf}}}}\n", "a number", "", 1, 52},
        {"models: {a: {from: x, target: \"${TM_TEST_LATIN1}\"}}\n", "not UTF-8", "", 1, 31},
    };
    assert_int_equal(setenv("TM_TEST_LATIN1", "caf\xe9", 1), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(read_text(cases[i].text, &project, &err), TM_E_DATA);
        if (strstr(err.message, cases[i].message) == NULL || err.data_row != cases[i].line ||
            err.data_col != cases[i].column) {
            fail_msg("case %zu: %s at %llu:%u", i, err.message, (unsigned long long)err.data_row,
                     err.data_col);
        }
        assert_non_null(strstr(err.hint, cases[i].hint));
        assert_true(err.data_path[0] != '\0');
    }
}

static void variables_come_from_the_environment(void **state) {
    (void)state;
    tm_project project;
    assert_int_equal(setenv("TM_TEST_COLUMN", "churned", 1), 0);
    assert_int_equal(read_text("models:\n  a:\n    from: /x/y.csv\n    target: ${TM_TEST_COLUMN}\n",
                               &project, NULL),
                     TM_OK);
    assert_string_equal(tm__json_text(project.models[0].recipe, "target", ""), "churned");
    assert_string_equal(
        tm__json_text(json_object_get(project.models[0].recipe, "source"), "path", ""), "/x/y.csv");
    tm__project_done(&project);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_is_a_valid_project),
        cmocka_unit_test(every_key_lands_in_the_recipe),
        cmocka_unit_test(faults_are_named_with_line_and_column),
        cmocka_unit_test(variables_come_from_the_environment),
    };
    return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
