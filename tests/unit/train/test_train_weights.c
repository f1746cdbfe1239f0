/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

typedef struct weighed {
    tm_train_data data;
    tm_fold fold;
} weighed;

static tm_status start(weighed *w, const char *const *texts, uint32_t n, const char *weight,
                       tm_err *err) {
    const train_case words = {.target_text = {"no=w", "yes"}};
    tm_table *table = train_case_table(&words, 200);
    const tm_train_options options = {
        .target = "label", .class_weights = texts, .n_class_weights = n, .weight = weight};
    memset(w, 0, sizeof(*w));
    const tm_status st = tm__train_data_init(&w->data, table, NULL, &options, err);
    tm__table_unref(table);
    return st;
}

static void fit(weighed *w) {
    tm_ctx ctx = {0};
    const uint64_t half = w->data.n_train / 2; /* rows are in order of time */
    const tm_fold_rows rows = {.fit = w->data.train,
                               .n_fit = half,
                               .valid = w->data.train + half,
                               .n_valid = w->data.n_train - half};
    assert_int_equal(tm__fold_init(&ctx, &w->fold, &w->data, &rows, 1, NULL), TM_OK);
}

static void done(weighed *w) {
    tm__fold_done(&w->fold);
    tm__train_data_done(&w->data);
}

static void rows_count_as_their_classes(void **state) {
    (void)state;
    static const char *const texts[] = {"yes=5", "no=w=0.5"};
    weighed w;
    assert_int_equal(start(&w, texts, 2, NULL, NULL), TM_OK);
    fit(&w);
    for (uint64_t i = 0; i < w.fold.n; i++) {
        const bool is_yes = strcmp(w.data.classes[(uint32_t)w.fold.y[i]], "yes") == 0;
        assert_true(w.fold.weights[i] == (is_yes ? 5 : 0.5));
    }
    for (uint64_t i = 0; i < w.fold.n_valid; i++) {
        const bool is_yes = strcmp(w.data.classes[(uint32_t)w.fold.y_valid[i]], "yes") == 0;
        assert_true(w.fold.weights_valid[i] == (is_yes ? 5 : 0.5));
    }
    assert_null(w.data.weights); /* tests see the rows as they are */
    done(&w);
}

static void a_class_that_is_not_named_counts_one_besides_the_weight_of_the_row(void **state) {
    (void)state;
    static const char *const texts[] = {"yes=3"};
    weighed w;
    assert_int_equal(start(&w, texts, 1, "x", NULL), TM_OK);
    fit(&w);
    for (uint64_t i = 0; i < w.fold.n; i++) {
        const bool is_yes = strcmp(w.data.classes[(uint32_t)w.fold.y[i]], "yes") == 0;
        assert_true(w.fold.weights[i] == w.data.weights[w.data.train[i]] * (is_yes ? 3 : 1));
    }
    done(&w);
}

static void balanced_classes_weigh_the_same_in_all(void **state) {
    (void)state;
    static const char *const texts[] = {"balanced"};
    weighed w;
    assert_int_equal(start(&w, texts, 1, "x", NULL), TM_OK);
    fit(&w);
    double sums[2] = {0}, total = 0;
    for (uint64_t i = 0; i < w.fold.n; i++) {
        sums[(uint32_t)w.fold.y[i]] += w.fold.weights[i];
        total += w.data.weights[w.data.train[i]];
    }
    assert_true(fabs(sums[0] - total / 2) < 1e-9 * total);
    assert_true(fabs(sums[1] - total / 2) < 1e-9 * total);
    done(&w);
}

static void what_cannot_be_is_named(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *texts[2];
        uint32_t n;
        const char *want, *hint;
    } cases[] = {
        {"no such class", {"yess=5"}, 1, "the target has no class 'yess'", "Did you mean 'yes'?"},
        {"no number", {"yes=much"}, 1, "cannot read the class weight 'yes=much'", "CLASS=WEIGHT"},
        {"no sign", {"yes"}, 1, "cannot read the class weight 'yes'", "CLASS=WEIGHT"},
        {"nothing", {"yes=0"}, 1, "cannot read the class weight 'yes=0'", "over 0"},
        {"less than nothing", {"yes=-1"}, 1, "cannot read the class weight", "over 0"},
        {"no end", {"yes=inf"}, 1, "cannot read the class weight", "1e9"},
        {"no number at all", {"yes=nan"}, 1, "cannot read the class weight", "1e9"},
        {"twice", {"yes=1", "yes=2"}, 2, "class 'yes' has two weights", ""},
        {"both", {"balanced", "yes=2"}, 2, "cannot read the class weight 'balanced'", "balanced"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weighed w;
        tm_err err = {0};
        if (start(&w, cases[i].texts, cases[i].n, NULL, &err) != TM_E_USAGE ||
            strstr(err.message, cases[i].want) == NULL || strstr(err.hint, cases[i].hint) == NULL)
            fail_msg("%s: %s (%s)", cases[i].name, err.message, err.hint);
    }
}

static void a_number_has_no_classes(void **state) {
    (void)state;
    static const char *const texts[] = {"balanced"};
    tm_table *table = train_case_table(&(train_case){0}, 100);
    const tm_train_options options = {.target = "amount",
                                      .task = TM_TASK_REGRESSION,
                                      .class_weights = texts,
                                      .n_class_weights = 1};
    tm_train_data data;
    tm_err err = {0};
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, &err), TM_E_USAGE);
    assert_string_equal(err.message,
                        "weights of classes need a target of classes, not a regression");
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_count_as_their_classes),
        cmocka_unit_test(a_class_that_is_not_named_counts_one_besides_the_weight_of_the_row),
        cmocka_unit_test(balanced_classes_weigh_the_same_in_all),
        cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(a_number_has_no_classes),
    };
    return cmocka_run_group_tests_name("train_weights", tests, NULL, NULL);
}
