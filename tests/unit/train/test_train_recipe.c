/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "model/checkpoint.h"
#include "support.h"
#include "train/train_priv.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_recipe_reads_back_as_it_was_written(void **state) {
    (void)state;
    const char *const params[] = {"gbdt.n_trees=7", "linear.strength=0.5"};
    const char *const drop[] = {"a", "b,c", ""};
    const char *const monotone[] = {"a:+1", "b:c:-1"}, *const interact[] = {"a+b"};
    const char *const class_weights[] = {"yes=5", "no=0.5"};
    json_t *source = json_pack("{s:s}", "path", "a.csv");
    tm_train_options cases[4] = {
        {.target = "t"},
        {.target = "t", .task = TM_TASK_MULTICLASS, .metric = "accuracy", .learners = "gbdt"},
        {.target = "t",
         .task = TM_TASK_BINARY,
         .positive = "yes",
         .params = params,
         .n_params = 2,
         .drop = drop,
         .n_drop = 3,
         .monotone = monotone,
         .n_monotone = 2,
         .interact = interact,
         .n_interact = 1,
         .class_weights = class_weights,
         .n_class_weights = 2,
         .time = "at",
         .entity = "id",
         .weight = "w",
         .group = "g",
         .init_score = "s",
         .calibrate = "isotonic",
         .threshold = "cost:1:5",
         .level_means = TM_MEANS_ORDERED,
         .seed = 123456789012345,
         .work = 77,
         .source = source},
        {.target = "t", .task = TM_TASK_REGRESSION, .budget_ms = 1500},
    };
    static const char *const splits[] = {"auto", "time:at:2015-03-01T00:00:00Z", "group:g:0.3",
                                         "mod:5:4"};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(tm__split_parse(splits[i], &cases[i].split, NULL), TM_OK);
        json_t *written = tm__train_recipe(&cases[i]);
        tm_recipe read;
        assert_int_equal(tm__recipe_init(&read, written, NULL), TM_OK);
        json_t *again = tm__train_recipe(&read.options);
        assert_true(json_equal(written, again));
        assert_false(read.options.is_repeat);
        json_decref(again);
        tm__recipe_done(&read);
        json_decref(written);
    }
    json_decref(source);
}

static void a_recipe_without_a_split_that_can_be_read_is_refused(void **state) {
    (void)state;
    json_t *recipe = json_pack("{s:s, s:s}", "target", "t", "split", "sideways:0.2");
    tm_recipe read;
    assert_int_equal(tm__recipe_init(&read, recipe, NULL), TM_E_USAGE);
    json_decref(recipe);
}

static void a_recipe_with_means_that_nobody_knows_is_refused(void **state) {
    (void)state;
    json_t *recipe = json_pack("{s:s, s:s}", "target", "t", "level_means", "sideways");
    tm_recipe read;
    assert_int_equal(tm__recipe_init(&read, recipe, NULL), TM_E_USAGE);
    json_decref(recipe);
}

/* The info of a run, with one member set or taken away. */
static json_t *info_with(const char *name, json_t *value) {
    json_t *info =
        json_pack("{s:s, s:s, s:s, s:[i, i], s:{s:s, s:i}, s:{s:s, s:s, s:i}}", "model", "m",
                  "snapshot", HASH, "test_snapshot", HASH, "stops", 4, 9, "split", "split", "none",
                  "test_rows", 5, "recipe", "target", "t", "split", "auto", "budget_ms", 100);
    if (value != NULL) {
        json_object_set_new(info, name, value);
    } else if (name != NULL) {
        json_object_del(info, name);
    }
    return info;
}

static void a_record_gives_everything_but_the_rows(void **state) {
    (void)state;
    json_t *info = info_with(NULL, NULL);
    tm_recipe read;
    assert_int_equal(tm__recipe_init_repeat(&read, info, NULL), TM_OK);
    assert_true(read.options.is_repeat);
    assert_string_equal(read.options.model, "m");
    assert_string_equal(read.options.snapshot, HASH);
    assert_string_equal(read.options.test_snapshot, HASH);
    assert_int_equal(read.options.n_stops, 2);
    assert_true(read.options.stops[0] == 4 && read.options.stops[1] == 9);
    tm__recipe_done(&read);
    json_decref(info);
}

static void a_record_that_lacks_something_is_refused(void **state) {
    (void)state;
    const struct {
        const char *name, *says;
        json_t *value;
    } cases[] = {
        {"recipe", "its rows", NULL},
        {"snapshot", "its rows", NULL},
        {"snapshot", "its rows", json_string("")},
        {"test_snapshot", "its test rows", NULL},
        {"stops", "where the clock ended it", NULL},
        {"stops", "where the clock ended it", json_string("4")},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *info = info_with(cases[i].name, cases[i].value);
        tm_recipe read;
        tm_err err = {0};
        assert_int_equal(tm__recipe_init_repeat(&read, info, &err), TM_E_NOT_FOUND);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_true(err.hint[0] != '\0');
        json_decref(info);
    }
}

static void what_a_run_did_not_have_is_not_asked_for(void **state) {
    (void)state;
    json_t *info = info_with("test_snapshot", NULL); /* rows were held out, and no clock ran */
    json_object_del(info, "stops");
    json_object_set_new(info, "split",
                        json_pack("{s:s, s:i}", "split", "random:0.2", "test_rows", 5));
    json_object_set_new(json_object_get(info, "recipe"), "budget_ms", json_integer(0));
    tm_recipe read;
    assert_int_equal(tm__recipe_init_repeat(&read, info, NULL), TM_OK);
    assert_string_equal(read.options.test_snapshot, "");
    assert_int_equal(read.options.n_stops, 0);
    tm__recipe_done(&read);
    json_decref(info);
}

/* A checkpoint is of one training: while it is open, the same training is a conflict. */
static void another_window_is_another_training(void **state) {
    static const tm_row_window windows[] = {{.kind = TM_ROWS_UNSAID},
                                            {.kind = TM_ROWS_ALL},
                                            {.kind = TM_ROWS_SLIDING, .rows = 500},
                                            {.kind = TM_ROWS_SLIDING, .rows = 501},
                                            {.kind = TM_ROWS_WEIGHTED, .rows = 500}};
    enum { N = sizeof(windows) / sizeof(windows[0]) };
    struct tm_checkpoint *open[N], *same = NULL;
    test_folder folder;
    (void)state;
    test_folder_make(&folder);
    for (size_t i = 0; i < N; i++) {
        const tm_train_options options = {.target = "t", .snapshot = HASH, .window = windows[i]};
        assert_int_equal(tm__train_checkpoint_open(&options, folder.path, 0, &open[i], NULL),
                         TM_OK);
        assert_int_equal(tm__train_checkpoint_open(&options, folder.path, 0, &same, NULL),
                         TM_E_CONFLICT);
    }
    for (size_t i = 0; i < N; i++) {
        tm__checkpoint_close(open[i]);
    }
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recipe_reads_back_as_it_was_written),
        cmocka_unit_test(a_recipe_without_a_split_that_can_be_read_is_refused),
        cmocka_unit_test(a_recipe_with_means_that_nobody_knows_is_refused),
        cmocka_unit_test(a_record_gives_everything_but_the_rows),
        cmocka_unit_test(a_record_that_lacks_something_is_refused),
        cmocka_unit_test(another_window_is_another_training),
        cmocka_unit_test(what_a_run_did_not_have_is_not_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
