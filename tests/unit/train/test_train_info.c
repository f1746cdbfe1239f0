/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "train/train_priv.h"

static void a_split_reads_back_from_its_text(void **state) {
    (void)state;
    static const char *const texts[] = {"random:0.3",
                                        "last:0.25",
                                        "time:sold_at:0.1",
                                        "group:a:b:0.5",
                                        "mod:5:4",
                                        "auto",
                                        "time:sold_at:2015-03-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tm_split split;
        assert_int_equal(tm__split_parse(texts[i], &split, NULL), TM_OK);
        json_t *text = tm__split_to_json(&split);
        assert_string_equal(json_string_value(text), texts[i]);
        json_decref(text);
    }
}

static void the_recipe_holds_what_was_asked_for(void **state) {
    (void)state;
    const char *const params[] = {"gbdt.n_trees=7"};
    json_t *source = json_pack("{s:s}", "path", "a.csv");
    const tm_train_options options = {.target = "t",
                                      .task = TM_TASK_REGRESSION,
                                      .params = params,
                                      .n_params = 1,
                                      .seed = 9,
                                      .work = 1000,
                                      .source = source};
    json_t *recipe = tm__train_recipe(&options);
    assert_string_equal(tm__json_text(recipe, "task", ""), "regression");
    assert_string_equal(tm__json_text(json_object_get(recipe, "source"), "path", ""), "a.csv");
    assert_string_equal(json_string_value(json_array_get(json_object_get(recipe, "params"), 0)),
                        "gbdt.n_trees=7");
    assert_int_equal(tm__json_i64(recipe, "seed", 0), 9);
    assert_null(json_object_get(recipe, "time"));
    json_decref(recipe);
    json_decref(source);
}

static void the_leaderboard_puts_more_rows_and_better_scores_first(void **state) {
    (void)state;
    const tm_train_options options = {.learners = "gbdt"};
    tm_train_data data = {.task = TM_TASK_BINARY, .n_classes = 2, .n_train = 500};
    tm_search search = {.data = &data, .options = &options, .metric = tm__metric_find("logloss")};
    assert_int_equal(tm__candidates_init(&search, NULL), TM_OK);
    search.candidates[0].score = 0.3;
    search.candidates[0].n_rows = 100;
    search.candidates[1].score = 0.2;
    search.candidates[1].n_rows = 100;
    search.candidates[2].score = 0.4;
    search.candidates[2].n_rows = 500;
    search.candidates[3].score = 0.1; /* of few folds */
    search.candidates[3].n_rows = 100;
    search.candidates[3].is_given_up = true;
    search.best = 2;
    json_t *board = tm__train_leaderboard(&search);
    assert_int_equal(json_array_size(board), 4); /* the rest was not tried */
    assert_true(tm__json_f64(json_array_get(board, 0), "score", 0) == 0.4);
    assert_true(tm__json_bool(json_array_get(board, 0), "chosen", false));
    assert_true(tm__json_f64(json_array_get(board, 1), "score", 0) == 0.2);
    assert_true(tm__json_bool(json_array_get(board, 3), "given_up", false));
    json_decref(board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_reads_back_from_its_text),
        cmocka_unit_test(the_recipe_holds_what_was_asked_for),
        cmocka_unit_test(the_leaderboard_puts_more_rows_and_better_scores_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
