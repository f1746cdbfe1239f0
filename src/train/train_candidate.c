/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a search tries first: a short list for each learner, by properties of the data, cheap and
 * different first. Draws follow (train_draw.c). docs/decisions/0010-search.md says where the lists
 * come from.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"

/* More than any search here keeps: early stopping or the budget ends a fit. */
#define ROUNDS_MAX 3000.0
#define FEW_ROWS 3000u
#define MANY_ROWS 50000u
#define HUGE_ROWS 400000u
#define CHOICES_MAX 8u
#define LEARNERS_MAX 16u
#define FOREST_LEAVES 1024.0 /* a forest of 200 trees is 6 MB then, at the most */

typedef struct gbdt_choice {
    double max_leaves, learning_rate, min_rows_in_leaf, l2, row_sample, column_sample;
} gbdt_choice;

/* Tuned defaults of "Better by default" (Holzmueller, Grinsztajn and Steinwart 2024,
 * arXiv:2407.04491, table B.1): LightGBM and XGBoost for classes and for numbers. Depths become
 * leaves; columns of a level become columns of a tree. */
static const gbdt_choice lightgbm_classes = {50, 0.04, 40, 0.1, 0.75, 1.0};
static const gbdt_choice lightgbm_number = {100, 0.05, 3, 0.1, 0.7, 1.0};
static const gbdt_choice xgboost_classes = {64, 0.08, 2, 0.1, 0.65, 0.8};
static const gbdt_choice xgboost_number = {200, 0.05, 2, 0.1, 0.7, 0.8};
/* Our own, of other sizes than those. */
static const gbdt_choice quick = {31, 0.1, 20, 1, 1.0, 1.0};
static const gbdt_choice small_trees = {15, 0.05, 20, 1, 0.8, 0.6};
static const gbdt_choice tiny_trees = {6, 0.08, 30, 5, 0.8, 0.5};
static const gbdt_choice middle = {63, 0.05, 20, 1, 0.8, 0.6};
static const gbdt_choice large_trees = {127, 0.08, 50, 1, 1.0, 0.8};
static const gbdt_choice huge_trees = {255, 0.1, 100, 1, 1.0, 1.0};

/* By rows and task: few rows carry small trees, many rows large ones. */
static uint32_t choose_gbdt(const tm_train_data *data, gbdt_choice *out) {
    const bool is_number = data->task == TM_TASK_REGRESSION;
    const gbdt_choice lightgbm = is_number ? lightgbm_number : lightgbm_classes;
    const gbdt_choice xgboost = is_number ? xgboost_number : xgboost_classes;
    uint32_t n = 0;
    if (data->n_train < FEW_ROWS) {
        out[n++] = quick;
        out[n++] = tiny_trees;
        out[n++] = small_trees;
        out[n++] = lightgbm;
        out[n++] = middle;
    } else if (data->n_train < MANY_ROWS) {
        out[n++] = quick;
        out[n++] = lightgbm;
        out[n++] = small_trees;
        out[n++] = middle;
        out[n++] = xgboost;
        out[n++] = tiny_trees;
        out[n++] = large_trees;
    } else if (data->n_train < HUGE_ROWS) {
        out[n++] = quick;
        out[n++] = large_trees;
        out[n++] = lightgbm;
        out[n++] = small_trees;
        out[n++] = huge_trees;
        out[n++] = tiny_trees;
    } else { /* the largest first: there may be no room for all */
        out[n++] = quick;
        out[n++] = large_trees;
        out[n++] = huge_trees;
        out[n++] = lightgbm;
        out[n++] = small_trees;
        out[n++] = tiny_trees;
    }
    return n;
}

double tm__candidate_param(const tm_candidate *candidate, const char *name, double otherwise) {
    for (uint32_t i = 0; candidate->ops->params[i].name != NULL; i++) {
        if (strcmp(candidate->ops->params[i].name, name) == 0) {
            return candidate->params.values[i];
        }
    }
    return otherwise;
}

static void set_number(const tm_model_ops *ops, tm_params *params, const char *name, double value) {
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        if (strcmp(ops->params[i].name, name) == 0) {
            params->values[i] = fmin(fmax(value, ops->params[i].min), ops->params[i].max);
        }
    }
}

void tm__candidate_set(tm_candidate *candidate, const char *name, double value) {
    set_number(candidate->ops, &candidate->params, name, value);
}

static void set_choice(const tm_model_ops *ops, tm_params *params, const gbdt_choice *choice) {
    set_number(ops, params, "max_leaves", choice->max_leaves);
    set_number(ops, params, "learning_rate", choice->learning_rate);
    set_number(ops, params, "min_rows_in_leaf", choice->min_rows_in_leaf);
    set_number(ops, params, "l2", choice->l2);
    set_number(ops, params, "row_sample", choice->row_sample);
    set_number(ops, params, "column_sample", choice->column_sample);
}

tm_status tm__candidate_params(const tm_train_options *options, const tm_model_ops *ops,
                               tm_params *params, uint32_t *out_n_set, tm_err *err) {
    *out_n_set = 0;
    for (uint32_t i = 0; i < options->n_params; i++) {
        char name[64];
        tm_str value = tm__str(options->params[i]);
        tm_str key = tm__str_cut(&value, '=');
        const tm_str full = key;
        const tm_str learner = tm__str_cut(&key, '.');
        if (key.len == 0 || value.len == 0) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "cannot read the parameter '%s'", options->params[i]);
            tm_err_hint(err, "Write --param gbdt.n_trees=500.");
            return st;
        }
        const char *known = NULL;
        for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
            known = tm__str_is(learner, (*list)->name) ? (*list)->name : known;
        }
        if (known == NULL) {
            return TM_FAIL(err, TM_E_USAGE, "unknown learner in parameter '%.*s'", (int)full.len,
                           full.ptr);
        }
        if (strcmp(known, ops->name) != 0) {
            continue;
        }
        (void)tm__str_copy(name, sizeof(name), key);
        TM_TRY(tm__params_set(ops, params, name, value.ptr, err));
        (*out_n_set)++;
    }
    return TM_OK;
}

static bool is_listed(const char *learners, const char *name) {
    tm_str rest = tm__str(learners);
    while (rest.len > 0) {
        if (tm__str_is(tm__str_trim(tm__str_cut(&rest, ',')), name)) {
            return true;
        }
    }
    return false;
}

static tm_status check_learners(const char *learners, tm_err *err) {
    tm_str rest = tm__str(learners);
    while (rest.len > 0) {
        const tm_str name = tm__str_trim(tm__str_cut(&rest, ','));
        bool is_known = false;
        for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
            is_known = is_known || tm__str_is(name, (*list)->name);
        }
        if (!is_known) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "unknown learner '%.*s'", (int)name.len, name.ptr);
            tm_err_hint(err, "Learners are gbdt, linear, forest, mlp and baseline.");
            return st;
        }
    }
    return TM_OK;
}

void tm__candidate_settle(const tm_search *search, tm_candidate *candidate) {
    const double rounds = tm__cost_rounds(search->options, candidate, tm__cost_shape(search->data));
    set_number(candidate->ops, &candidate->params, "n_trees", fmin(rounds, ROUNDS_MAX));
    /* A slow learner rests longer between two steps forward. */
    const double rate = tm__candidate_param(candidate, "learning_rate", 0.1);
    set_number(candidate->ops, &candidate->params, "early_stopping",
               fmin(fmax(floor(3.0 / rate), 30.0), 100.0));
}

static bool is_learner(const tm_model_ops *ops, const char *name) {
    return strcmp(ops->name, name) == 0;
}

/* Candidates of a learner when nothing is said of its parameters. */
static uint32_t count_choices(const tm_search *search, const tm_model_ops *ops) {
    gbdt_choice choices[CHOICES_MAX];
    return is_learner(ops, "gbdt")     ? choose_gbdt(search->data, choices)
           : is_learner(ops, "forest") ? 2
                                       : 1;
}

static tm_status set_learner_choice(const tm_search *search, tm_candidate *candidate, uint32_t i,
                                    tm_err *err) {
    gbdt_choice choices[CHOICES_MAX];
    const tm_model_ops *ops = candidate->ops;
    if (is_learner(ops, "gbdt")) {
        (void)choose_gbdt(search->data, choices);
        set_choice(ops, &candidate->params, &choices[i]);
        tm__candidate_settle(search, candidate);
    }
    if (is_learner(ops, "forest")) {
        set_number(ops, &candidate->params, "max_leaves", FOREST_LEAVES);
        const double trees = tm__candidate_param(candidate, "n_trees", 1.0);
        const tm_cost_shape shape = tm__cost_shape(search->data);
        set_number(ops, &candidate->params, "n_trees",
                   fmin(trees, tm__cost_rounds(search->options, candidate, shape)));
        if (i > 0) {
            TM_TRY(tm__params_set(ops, &candidate->params, "cuts", "random", err));
        }
    }
    return TM_OK;
}

/* Whether it can answer within the limits at all. */
static bool is_affordable(const tm_search *search, const tm_candidate *candidate) {
    const tm_cost least = tm__cost_of(candidate, tm__cost_shape(search->data), 1.0);
    return tm__cost_fits(search->options, &least);
}

/* Choice i of a learner; *out_is_given when its parameters were given, which leaves one. */
static tm_status add_choice(tm_search *search, const tm_model_ops *ops, uint32_t i,
                            bool *out_is_given, tm_err *err) {
    tm_candidate *candidate = &search->candidates[search->n_candidates];
    uint32_t n_set = 0;
    memset(candidate, 0, sizeof(*candidate));
    candidate->ops = ops;
    candidate->score = tm__nan();
    candidate->is_spared = i == 0;
    tm__params_init(ops, &candidate->params);
    TM_TRY(set_learner_choice(search, candidate, i, err));
    tm_params given;
    tm__params_init(ops, &given);
    TM_TRY(tm__candidate_params(search->options, ops, &given, &n_set, err));
    if (n_set > 0) {
        candidate->params = given; /* what a person sets is one fit with the defaults else */
    }
    const bool is_first = search->n_candidates == 0;
    search->n_candidates += is_first || n_set > 0 || is_affordable(search, candidate);
    *out_is_given = n_set > 0;
    return TM_OK;
}

/* The first choice of each learner, then the others: learners differ more than parameters do. */
static tm_status add_all(tm_search *search, const tm_model_ops *const *wanted, uint32_t n,
                         tm_err *err) {
    bool is_given[LEARNERS_MAX] = {false};
    for (uint32_t k = 0; k < n; k++) {
        TM_TRY(add_choice(search, wanted[k], 0, &is_given[k], err));
    }
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t n_choices = is_given[k] ? 1 : count_choices(search, wanted[k]);
        for (uint32_t i = 1; i < n_choices; i++) {
            TM_TRY(add_choice(search, wanted[k], i, &is_given[k], err));
        }
    }
    return TM_OK;
}

/* Learners that nobody named; those of modules are named. A forest and a network of many rows take
 * long and are no better than boosting; neither sorts the rows of queries. */
static bool is_searched(const tm_search *search, const tm_model_ops *ops) {
    const tm_train_data *data = search->data;
    const bool is_other = is_learner(ops, "forest") || is_learner(ops, "mlp");
    return !ops->is_external && !is_learner(ops, "baseline") &&
           (!is_other || (data->n_train < MANY_ROWS && data->task != TM_TASK_RANKING));
}

tm_status tm__candidates_init(tm_search *search, tm_err *err) {
    const char *learners = search->options->learners;
    const tm_model_ops *chosen[LEARNERS_MAX];
    uint32_t n_chosen = 0;
    search->n_candidates = 0;
    if (learners != NULL) {
        TM_TRY(check_learners(learners, err));
    }
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
        const bool has_score = search->options->init_score != NULL;
        const bool keeps = ((*list)->keeps_rules || !tm__train_has_rules(search->options)) &&
                           ((*list)->takes_scores || !has_score);
        const bool wanted = learners != NULL ? is_listed(learners, (*list)->name)
                                             : keeps && is_searched(search, *list);
        if (wanted && has_score && !(*list)->takes_scores) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "learner '%s' cannot start from scores", (*list)->name);
            tm_err_hint(err, "Leave it out of --learner, or train without --init-score.");
            return st;
        }
        if (wanted && !keeps) {
            const tm_status st = TM_FAIL(
                err, TM_E_USAGE, "learner '%s' cannot keep rules of columns", (*list)->name);
            tm_err_hint(err,
                        "Leave it out of --learner, or train without --monotone and --interact.");
            return st;
        }
        if (wanted && n_chosen < LEARNERS_MAX) {
            chosen[n_chosen++] = *list;
        }
    }
    if (n_chosen == 0) {
        return TM_FAIL(err, TM_E_USAGE, "no learner is named");
    }
    return add_all(search, chosen, n_chosen, err);
}
