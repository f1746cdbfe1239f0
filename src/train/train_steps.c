/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of boosting where a budget has no room for the rounds that many rows carry. A fit that is
 * cut after few small steps has learned little of what its rows could tell; larger steps, of trees
 * with more leaves, come nearly as far in a fraction of the rounds
 * (docs/decisions/0186-larger-steps-in-a-hurry.md has the figures).
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

/* Rounds times rate of a trial: 100 at 0.1. The refit of what is hurried makes more. */
#define STEPS_WANTED 10.0
#define RATE_MAX 0.3
#define LONGER 1.25

double tm__steps_wanted(const tm_candidate *candidate) {
    const double rate = tm__candidate_param(candidate, "learning_rate", 0.0);
    return rate > 0 && strcmp(candidate->ops->name, "gbdt") == 0 ? STEPS_WANTED / rate : 1.0;
}

bool tm__steps_lengthen(const tm_search *search, tm_candidate *candidate) {
    const double rate = tm__candidate_param(candidate, "learning_rate", RATE_MAX);
    if (strcmp(candidate->ops->name, "gbdt") != 0 || rate >= RATE_MAX ||
        search->options->n_params > 0) { /* what a person sets stays */
        return false;
    }
    tm__candidate_set(candidate, "learning_rate", fmin(rate * LONGER, RATE_MAX));
    tm__candidate_settle(search, candidate);
    return true;
}

/* What one round of its last trial took, for so many rows. */
static tm_need need_round(const tm_candidate *c, uint64_t n_rows) {
    const double patience = tm__candidate_param(c, "early_stopping", 0);
    const double rounds = (double)c->n_rounds + (c->is_cut ? 0.0 : patience);
    const double scale = (double)n_rows / ((double)c->n_fit_rows * c->n_folds * fmax(rounds, 1.0));
    return (tm_need){.work = (double)c->work * scale, .ns = c->seconds * 1e9 * scale};
}

void tm__steps_fit(const tm_search *search, tm_candidate *candidate, const tm_fold *fold,
                   bool is_last, tm_budget *part) {
    if (candidate->n_folds == 0 || candidate->n_fit_rows == 0) {
        return;
    }
    const tm_need one = need_round(candidate, fold->n);
    for (;;) {
        const double n = tm__steps_wanted(candidate) * (is_last ? TM_ROUNDS_HURRIED : 1.0);
        if (tm__budget_has_room(part, (tm_need){.work = one.work * n, .ns = one.ns * n}) ||
            !tm__steps_lengthen(search, candidate)) {
            return;
        }
    }
}
