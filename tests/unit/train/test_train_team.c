/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/train_search_priv.h"

#define N 400u

typedef struct made {
    tm_search search;
    tm_train_data data;
    tm_train_options options;
    double x[N], y[N];
    const double *cols[1];
    tm_feature features[1];
    tm_view view;
    tm_fit_input in;
} made;

/* A linear and a constant member, weighed by a second layer. */
static void init(made *m) {
    static const char *const learners[] = {"linear", "baseline"};
    tm_rng rng = tm__rng_split(9, "team", 0);
    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < N; i++) {
        m->x[i] = tm__rng_f64(&rng);
        m->y[i] = 3.0 * m->x[i] + 0.1 * tm__rng_f64(&rng);
    }
    m->cols[0] = m->x;
    m->features[0] = (tm_feature){.name = "x"};
    m->view = (tm_view){.n_rows = N, .n_cols = 1, .cols = m->cols, .features = m->features};
    m->in = (tm_fit_input){.task = TM_TASK_REGRESSION, .x = &m->view, .y = m->y};
    m->data.task = TM_TASK_REGRESSION;
    m->data.n_train = N;
    m->search.data = &m->data;
    m->search.options = &m->options;
    m->search.metric = tm__metric_find("rmse");
    m->search.n_candidates = 2;
    m->search.n_blend = 2;
    for (uint32_t k = 0; k < 2; k++) {
        tm_candidate *c = &m->search.candidates[k];
        c->ops = tm__model_find(learners[k]);
        tm__params_init(c->ops, &c->params);
        c->share = k == 0 ? 0.75 : 0.25;
        c->n_folds = 1;
        c->n_fit_rows = N;
        c->work = 1000;
    }
    tm_stacking *s = &m->search.stacking;
    s->is_used = true;
    s->reason = "it pays";
    s->whole = (tm_stack){.n = 2,
                          .candidates = {0, 1},
                          .weights = tm__mem_alloc(2, sizeof(double)),
                          .bias = tm__mem_alloc(1, sizeof(double))};
    s->whole.weights[0] = 1.5;
    s->whole.weights[1] = 0.5;
    s->whole.bias[0] = -0.25;
}

static void members_are_put_together_by_the_second_layer(void **state) {
    (void)state;
    made m;
    tm_ctx ctx = {0};
    tm_final final = {0};
    init(&m);
    assert_int_equal(tm__team_fit(&ctx, &m.search, &m.in, 1.0, &final, NULL), TM_OK);
    const json_t *members = json_object_get(final.params, "members");
    const json_t *first = json_array_get(members, 0);
    assert_int_equal(json_array_size(members), 2);
    assert_string_equal(tm__json_text(first, "learner", ""), "linear");
    assert_true(json_number_value(json_array_get(json_object_get(first, "weights"), 0)) == 1.5);
    assert_true(json_number_value(json_array_get(json_object_get(final.params, "bias"), 0)) ==
                -0.25);
    double raw[N], mean = 0.0, truth = 0.0;
    assert_int_equal(tm__model_predict(&ctx, final.model, &m.view, raw, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        mean += raw[i] / N;
        truth += m.y[i] / N;
    }
    assert_true(fabs(mean - (1.5 * truth + 0.5 * truth - 0.25)) < 0.01);
    tm__final_done(&final);
    tm__search_done(&m.search);
}

/* Weights are of members that are all there: without one, shares are what is left. */
static void without_a_member_there_is_no_second_layer(void **state) {
    (void)state;
    made m;
    tm_budget budget = {.work_limit = UINT64_C(1) << 40};
    tm_ctx ctx = {.budget = &budget};
    tm_final final = {0};
    init(&m);
    m.search.candidates[1].work = UINT64_C(1) << 50; /* more than there is */
    assert_int_equal(tm__team_fit(&ctx, &m.search, &m.in, 1.0, &final, NULL), TM_OK);
    assert_false(m.search.stacking.is_used);
    assert_non_null(strstr(m.search.stacking.reason, "no room"));
    assert_true(m.search.candidates[0].share == 1.0 && m.search.candidates[1].share == 0.0);
    assert_string_equal(final.model->ops->name, "linear");
    tm__final_done(&final);
    tm__search_done(&m.search);
}

static void parameters_are_known_by_name(void **state) {
    (void)state;
    assert_true(tm__candidate_has(tm__model_find("gbdt"), "early_stopping"));
    assert_false(tm__candidate_has(tm__model_find("baseline"), "early_stopping"));
}

/* Log-odds of the first row, fitted alone when a search took all of the work. */
static double fit_when_spent(uint64_t limit) {
    made m;
    tm_ctx ctx = {0};
    tm_final final = {0};
    tm_budget budget = {.work_limit = limit, .work_used = limit};
    double raw[N];
    init(&m);
    m.in.task = m.data.task = TM_TASK_BINARY;
    m.search.metric = tm__metric_find("logloss");
    for (uint32_t i = 0; i < N; i++) {
        m.y[i] = m.x[i] > 0.4 + 0.2 * (i % 5 == 0);
    }
    m.search.stacking.is_used = false;
    m.search.n_blend = 1;
    m.search.candidates[0].share = 1.0;
    m.search.candidates[1].share = 0.0;
    ctx.budget = limit > 0 ? &budget : NULL;
    assert_int_equal(tm__team_fit(&ctx, &m.search, &m.in, 1.0, &final, NULL), TM_OK);
    ctx.budget = NULL;
    assert_int_equal(tm__model_predict(&ctx, final.model, &m.view, raw, NULL), TM_OK);
    tm__final_done(&final);
    tm__search_done(&m.search);
    return raw[0];
}

/* A solver that is ended after its first step is far from what its trial promised. */
static void who_answers_alone_has_a_hundredth_of_the_budget(void **state) {
    (void)state;
    const double whole = fit_when_spent(0);
    assert_true(fit_when_spent(10000000000) == whole);
    assert_true(fabs(fit_when_spent(100)) < fabs(whole));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_put_together_by_the_second_layer),
        cmocka_unit_test(who_answers_alone_has_a_hundredth_of_the_budget),
        cmocka_unit_test(without_a_member_there_is_no_second_layer),
        cmocka_unit_test(parameters_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
