/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a search tries: a short list per learner, cheap and different first, then draws near the
 * best one. The list was chosen on twelve public data sets; docs/decisions/0010-search.md says how.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"

/* More than any search here keeps: early stopping or the budget ends a fit. */
#define ROUNDS_MAX 3000

typedef struct gbdt_choice {
    double max_leaves, learning_rate, min_rows_in_leaf, l2, row_sample, column_sample;
} gbdt_choice;

static const gbdt_choice gbdt_choices[] = {
    {31, 0.1, 20, 1, 1.0, 1.0},   {15, 0.05, 20, 1, 0.8, 0.6},  {63, 0.05, 20, 1, 0.8, 0.6},
    {127, 0.08, 50, 1, 1.0, 0.8}, {255, 0.1, 100, 1, 1.0, 1.0}, {6, 0.08, 30, 5, 0.8, 0.5},
};

static void set_number(const tm_model_ops *ops, tm_params *params, const char *name, double value) {
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        if (strcmp(ops->params[i].name, name) == 0) {
            params->values[i] = fmin(fmax(value, ops->params[i].min), ops->params[i].max);
        }
    }
}

static void set_choice(const tm_model_ops *ops, tm_params *params, const gbdt_choice *choice) {
    set_number(ops, params, "n_trees", ROUNDS_MAX);
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
            tm_err_hint(err, "Learners are gbdt, linear and baseline.");
            return st;
        }
    }
    return TM_OK;
}

/* One learner's part of the list; `fixed` when its parameters were given. */
static tm_status add_learner(tm_search *search, const tm_model_ops *ops, tm_err *err) {
    const uint32_t n_choices =
        strcmp(ops->name, "gbdt") == 0 ? sizeof(gbdt_choices) / sizeof(gbdt_choices[0]) : 1;
    for (uint32_t i = 0; i < n_choices; i++) {
        tm_candidate *candidate = &search->candidates[search->n_candidates];
        uint32_t n_set = 0;
        memset(candidate, 0, sizeof(*candidate));
        candidate->ops = ops;
        candidate->score = tm__nan();
        tm__params_init(ops, &candidate->params);
        if (n_choices > 1) {
            set_choice(ops, &candidate->params, &gbdt_choices[i]);
        }
        tm_params given;
        tm__params_init(ops, &given);
        TM_TRY(tm__candidate_params(search->options, ops, &given, &n_set, err));
        if (n_set > 0) {
            candidate->params = given; /* what a person sets is one fit with the defaults else */
        }
        search->n_candidates++;
        if (n_set > 0) {
            break;
        }
    }
    return TM_OK;
}

tm_status tm__candidates_init(tm_search *search, tm_err *err) {
    const char *learners = search->options->learners;
    search->n_candidates = 0;
    if (learners != NULL) {
        TM_TRY(check_learners(learners, err));
    }
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
        const bool has_score = search->options->init_score != NULL;
        const bool keeps = ((*list)->keeps_rules || !tm__train_has_rules(search->options)) &&
                           ((*list)->takes_scores || !has_score);
        const bool wanted = learners != NULL ? is_listed(learners, (*list)->name)
                                             : keeps && strcmp((*list)->name, "baseline") != 0;
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
        if (wanted) {
            TM_TRY(add_learner(search, *list, err));
        }
    }
    if (search->n_candidates == 0) {
        return TM_FAIL(err, TM_E_USAGE, "no learner is named");
    }
    return TM_OK;
}

static double pick(tm_rng *rng, const double *choices, uint32_t n) {
    return choices[tm__rng_below(rng, n)];
}

bool tm__candidate_draw(tm_search *search, tm_candidate *out, uint32_t draw) {
    static const double leaf_factors[] = {0.5, 0.75, 1.0, 1.5, 2.0};
    static const double rate_factors[] = {0.5, 0.7, 1.0};
    static const double rows[] = {3, 5, 10, 20, 40, 100};
    static const double l2s[] = {0.1, 1, 3, 10, 30};
    static const double shares[] = {0.3, 0.5, 0.7, 0.85, 1.0};
    static const double row_shares[] = {0.6, 0.8, 1.0};
    const tm_candidate *best = &search->candidates[search->best];
    for (uint32_t i = 0; strcmp(best->ops->name, "gbdt") != 0; i++) {
        /* The best learner has nothing to vary: draw near the best boosting instead. */
        if (i == search->n_candidates) {
            return false;
        }
        best = &search->candidates[i];
    }
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *other = &search->candidates[i];
        const bool comparable = strcmp(other->ops->name, "gbdt") == 0 && !isnan(other->score);
        if (comparable && (isnan(best->score) ||
                           tm__metric_gain(search->metric, other->score, best->score) > 0)) {
            best = other;
        }
    }
    tm_rng rng = tm__rng_split(search->options->seed, "draw", draw);
    const tm_model_ops *ops = best->ops;
    *out = *best;
    out->score = tm__nan();
    out->raw = NULL; /* the answers stay with the one that gave them */
    out->share = 0.0;
    const gbdt_choice choice = {
        .max_leaves = fmax(4, floor(tm__params_get(ops, &best->params, "max_leaves") *
                                    pick(&rng, leaf_factors, 5))),
        .learning_rate = fmax(0.02, tm__params_get(ops, &best->params, "learning_rate") *
                                        pick(&rng, rate_factors, 3)),
        .min_rows_in_leaf = pick(&rng, rows, 6),
        .l2 = pick(&rng, l2s, 5),
        .row_sample = pick(&rng, row_shares, 3),
        .column_sample = pick(&rng, shares, 5),
    };
    set_choice(ops, &out->params, &choice);
    return true;
}
