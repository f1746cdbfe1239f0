/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

typedef struct searched {
    tm_train_data data;
    tm_search search;
    tm_budget budget;
} searched;

static void run_search(searched *s, const tm_train_options *options, uint64_t work) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *table = train_case_table(&shuffled, 1500);
    memset(s, 0, sizeof(*s));
    assert_int_equal(tm__train_data_init(&s->data, table, NULL, options, NULL), TM_OK);
    s->search.data = &s->data;
    s->search.options = options;
    s->search.metric = tm__metric_find("logloss");
    s->budget.work_limit = work;
    tm_ctx ctx = {.budget = &s->budget};
    assert_int_equal(tm__candidates_init(&s->search, NULL), TM_OK);
    assert_int_equal(tm__search_run(&ctx, &s->search, NULL), TM_OK);
    tm__table_unref(table);
}

static void done(searched *s) {
    tm__search_done(&s->search);
    tm__train_data_done(&s->data);
}

static void the_best_candidate_has_the_best_score_and_its_answers(void **state) {
    (void)state;
    const tm_train_options options = {.target = "label", .seed = 1, .work = 8000000};
    searched s;
    run_search(&s, &options, options.work);
    const tm_candidate *best = &s.search.candidates[s.search.best];
    for (uint32_t i = 0; i < s.search.n_candidates; i++) {
        const double score = s.search.candidates[i].score;
        assert_true(isnan(score) || score >= best->score || s.search.candidates[i].is_given_up);
    }
    assert_true(s.search.n_valid > 0 && s.search.n_valid <= s.data.n_train);
    const tm_score_input in = {.task = TM_TASK_BINARY,
                               .n_classes = 2,
                               .n_rows = s.search.n_valid,
                               .y = s.search.valid_y,
                               .pred = s.search.valid_pred};
    double again = 0.0;
    assert_int_equal(tm__metric_score(s.search.metric, &in, &again, NULL), TM_OK);
    assert_true(again == s.search.blend_score);
    assert_true(s.search.n_blend > 1 || again == best->score);
    done(&s);
}

static void the_same_work_gives_the_same_search(void **state) {
    (void)state;
    const tm_train_options options = {.target = "label", .seed = 1, .work = 3000000};
    searched a;
    searched b;
    run_search(&a, &options, options.work);
    run_search(&b, &options, options.work);
    assert_int_equal(a.search.n_candidates, b.search.n_candidates);
    assert_int_equal(a.budget.work_used, b.budget.work_used);
    for (uint32_t i = 0; i < a.search.n_candidates; i++) {
        assert_memory_equal(&a.search.candidates[i].params, &b.search.candidates[i].params,
                            sizeof(tm_params));
        assert_memory_equal(&a.search.candidates[i].score, &b.search.candidates[i].score,
                            sizeof(double));
    }
    done(&a);
    done(&b);
}

static void little_work_tries_little_and_still_finds_something(void **state) {
    (void)state;
    const tm_train_options options = {.target = "label", .seed = 1, .work = 1000};
    searched s;
    run_search(&s, &options, options.work);
    assert_non_null(s.search.valid_pred);
    assert_false(isnan(s.search.candidates[s.search.best].score));
    done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_candidate_has_the_best_score_and_its_answers),
        cmocka_unit_test(the_same_work_gives_the_same_search),
        cmocka_unit_test(little_work_tries_little_and_still_finds_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
