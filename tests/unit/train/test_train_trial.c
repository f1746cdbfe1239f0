/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/comm.h"
#include "base/fmath.h"
#include "train/train_search_priv.h"
#include "train_case.h"

typedef struct heard {
    uint32_t n, n_given_up;
    tm_trial last;
    char learner[32];
} heard;

static void hear(void *arg, const tm_trial *trial) {
    heard *h = arg;
    h->n++;
    h->n_given_up += trial->is_given_up;
    h->last = *trial;
    assert_true(json_is_object(trial->params));
    assert_true(trial->rows > 0 && trial->folds > 0 && !isnan(trial->score));
    (void)snprintf(h->learner, sizeof(h->learner), "%s", trial->learner);
}

typedef struct trial_case {
    tm_train_data data;
    tm_search search;
    tm_train_options options;
    tm_rung rung;
    heard heard;
} trial_case;

static void init(trial_case *c) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *table = train_case_table(&shuffled, 1500);
    tm_ctx ctx = {0};
    memset(c, 0, sizeof(*c));
    c->options = (tm_train_options){
        .target = "label", .seed = 1, .on_trial = hear, .on_trial_arg = &c->heard};
    assert_int_equal(tm__train_data_init(&c->data, table, NULL, &c->options, NULL), TM_OK);
    c->search.data = &c->data;
    c->search.options = &c->options;
    c->search.metric = tm__metric_find("logloss");
    assert_int_equal(tm__candidates_init(&c->search, NULL), TM_OK);
    assert_int_equal(tm__rung_init(&ctx, &c->rung, &c->search, 100000, NULL), TM_OK);
    assert_int_equal(tm__rung_fill(&ctx, &c->rung, &c->search, TM_MAX_FOLDS, NULL), TM_OK);
    c->search.rung_rows = c->rung.n_rows;
    tm__table_unref(table);
}

static void try_one(trial_case *c, uint32_t index) {
    tm_budget budget = {0};
    tm_ctx ctx = {.budget = &budget};
    tm_trial_run trial = {.candidate = index};
    assert_int_equal(tm__trial_finish(&ctx, &c->search, &c->rung, &trial, NULL), TM_OK);
    assert_int_equal(budget.work_used, c->search.candidates[index].work);
    tm__trial_done(&trial);
}

static void done(trial_case *c) {
    tm__rung_done(&c->rung);
    tm__search_done(&c->search);
    tm__train_data_done(&c->data);
}

static void a_trial_is_told_with_its_score(void **state) {
    (void)state;
    trial_case c;
    init(&c);
    try_one(&c, 0);
    assert_int_equal(c.heard.n, 1);
    assert_int_equal(c.heard.last.number, 1);
    assert_int_equal(c.heard.last.folds, TM_MAX_FOLDS);
    assert_true(c.heard.last.is_best && !c.heard.last.is_given_up);
    assert_true(c.heard.last.score == c.search.candidates[0].score);
    assert_string_equal(c.heard.learner, c.search.candidates[0].ops->name);
    done(&c);
}

static void what_is_far_behind_is_given_up_after_a_fold(void **state) {
    (void)state;
    trial_case c;
    init(&c);
    try_one(&c, 0);
    uint32_t at = 1;
    while (strcmp(c.search.candidates[at].ops->name, "gbdt") != 0) {
        at++;
    }
    tm_candidate *poor = &c.search.candidates[at];
    assert_int_equal(tm__params_set(poor->ops, &poor->params, "n_trees", "1", NULL), TM_OK);
    assert_int_equal(tm__params_set(poor->ops, &poor->params, "learning_rate", "0.001", NULL),
                     TM_OK);
    try_one(&c, at);
    assert_true(poor->is_given_up);
    assert_int_equal(poor->n_folds, 1);
    assert_null(poor->raw);
    assert_int_equal(c.search.best, 0);
    uint32_t order[4];
    assert_int_equal(tm__search_rank(&c.search, order, 4), 1);
    assert_int_equal(order[0], 0);
    done(&c);
}

static tm_status refuse(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                        tm_model **out_model, tm_err *err) {
    (void)ctx;
    (void)in;
    (void)params;
    (void)out_model;
    return TM_FAIL(err, TM_E_LIMIT, "too many columns");
}

/* A learner that cannot take the columns ends a run only when somebody asked for it. */
static void what_cannot_take_the_columns_is_given_up(void **state) {
    (void)state;
    trial_case c;
    tm_budget budget = {0};
    tm_ctx ctx = {.budget = &budget};
    tm_err err = {0};
    init(&c);
    try_one(&c, 0);
    tm_model_ops narrow = *c.search.candidates[1].ops;
    narrow.fit = refuse;
    c.search.candidates[1].ops = &narrow;
    for (int k = 0; k < 2; k++) {
        tm_trial_run trial = {.candidate = 1};
        c.options.learners = k == 0 ? NULL : "linear";
        assert_int_equal(tm__trial_finish(&ctx, &c.search, &c.rung, &trial, &err),
                         k == 0 ? TM_OK : TM_E_LIMIT);
        assert_string_equal(err.message, k == 0 ? "" : "too many columns");
        assert_ptr_equal(ctx.budget, &budget);
        tm__trial_done(&trial);
    }
    assert_true(c.search.candidates[1].is_given_up && isnan(c.search.candidates[1].score));
    uint32_t order[4];
    assert_int_equal(tm__search_rank(&c.search, order, 4), 1);
    done(&c);
}

/* Rank 1, whose messages are zeros: what it fits ahead is of no round. */
static tm_status zeros_exchange(void *self, const tm_exchange *e, tm_err *err) {
    (void)self;
    (void)err;
    if (e->in_bytes > 0) {
        memset(e->in, 0, e->in_bytes);
    }
    return TM_OK;
}

static void zeros_close(void *self, bool is_ok) {
    (void)self;
    (void)is_ok;
}

static const tm_comm_ops zeros = {"zeros", zeros_exchange, zeros_close};

static void what_a_rank_fitted_ahead_is_what_the_trial_finds(void **state) {
    (void)state;
    trial_case c;
    tm_trial_run alone = {0}, dealt = {0};
    tm_budget one = {0}, two = {0};
    tm_ctx ctx = {.budget = &one};
    init(&c);
    assert_int_equal(tm__trial_fold(&ctx, &c.search, &c.rung, &alone, NULL), TM_OK);
    ctx = (tm_ctx){.budget = &two, .comm = tm__comm_create(&zeros, NULL, 0, 2)};
    const tm_trial_fit fits[] = {{0, 0, 1.0}, {0, 1, 1.0}};
    assert_int_equal(tm__ahead_fit(&ctx, &c.search, &c.rung, fits, 2, NULL), TM_OK);
    assert_int_equal(two.work_used, 0); /* nothing was asked for yet */
    assert_int_equal(tm__trial_fold(&ctx, &c.search, &c.rung, &dealt, NULL), TM_OK);
    assert_int_equal(tm__comm_traffic(ctx.comm).n_fits, 1);
    assert_true(two.work_used == one.work_used && dealt.rounds == alone.rounds);
    assert_memory_equal(dealt.raw, alone.raw,
                        alone.n_valid * tm__train_outputs(&c.data) * sizeof(double));
    tm__trial_done(&alone);
    tm__trial_done(&dealt);
    tm__comm_close(ctx.comm, true);
    done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_rank_fitted_ahead_is_what_the_trial_finds),
        cmocka_unit_test(a_trial_is_told_with_its_score),
        cmocka_unit_test(what_is_far_behind_is_given_up_after_a_fold),
        cmocka_unit_test(what_cannot_take_the_columns_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
