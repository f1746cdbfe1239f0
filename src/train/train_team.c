/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers in the end: candidates with a share, fitted on the same numbers, the weightiest
 * first; then the same with other seeds while budget and costs have room; then put together by
 * shares or by a second layer.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/blend/blend.h"

#define LEAST_PART 100u /* of the budget: the clock is kept within two hundredths */

bool tm__candidate_has(const tm_model_ops *ops, const char *name) {
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        if (strcmp(ops->params[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status set_param(const tm_model_ops *ops, tm_params *params, const char *name,
                           double value, tm_err *err) {
    char text[32];
    text[tm__f64_to_text(value, text)] = '\0';
    return tm__params_set(ops, params, name, text, err);
}

/* Parameters of the refit: the rounds and the penalty that the validation rows chose, and no early
 * stopping. */
static tm_status settle_params(const tm_candidate *best, tm_params *params, tm_err *err) {
    *params = best->params;
    if (tm__candidate_has(best->ops, "early_stopping")) {
        if (best->n_rounds > 0) {
            TM_TRY(set_param(best->ops, params, "n_trees", tm__cost_refit_rounds(best), err));
        }
        TM_TRY(set_param(best->ops, params, "early_stopping", 0, err));
    }
    if (tm__candidate_has(best->ops, "epochs") && best->n_rounds > 0) {
        TM_TRY(set_param(best->ops, params, "epochs", (double)best->n_rounds, err));
    }
    if (strcmp(best->ops->name, "linear") == 0 && best->strength_chosen > 1e-12) {
        TM_TRY(set_param(best->ops, params, "strength", best->strength_chosen, err));
    }
    return TM_OK;
}

/* A fitted member: of a candidate, with a seed of its own. */
typedef struct member {
    uint32_t candidate;
    tm_params params;
    tm_model *model;
} member;

typedef struct team {
    member members[TM_MAX_BLEND];
    uint32_t n;
    uint32_t n_seeds[TM_MAX_CANDIDATES]; /* members of each candidate */
    uint32_t order[TM_MAX_CANDIDATES];   /* [n_order] candidates with a share, the largest first */
    uint32_t n_order;
    double share; /* of the rows that they are fitted on */
    tm_cost cost;
} team;

static void team_done(team *t) {
    for (uint32_t i = 0; i < t->n; i++) {
        tm__model_free(t->members[i].model);
    }
}

/* What the first member may take when the search left next to nothing, since the trial of one
 * learner took more than its part: a solver that is ended after its first step is far from what its
 * trial promised. */
static void grant_least(const tm_search *search, tm_budget *part, const tm_budget *whole) {
    const uint64_t work = whole->work_limit / LEAST_PART;
    const uint64_t ns = (uint64_t)search->options->budget_ms * 1000000 / LEAST_PART;
    part->work_limit = part->work_limit < work ? work : part->work_limit;
    if (whole->deadline_ns > 0 && (whole->stops == NULL || !whole->stops->is_repeat)) {
        const uint64_t until = tm__budget_now_ns(whole) + ns;
        part->deadline_ns = part->deadline_ns < until ? until : part->deadline_ns;
    }
}

/* Fit one more member within what the budget has left. One that the budget cut is worth less than
 * the others: it stays only when it is the first. */
static tm_status fit_member(tm_ctx *ctx, const tm_search *search, const tm_fit_input *in, team *t,
                            uint32_t index, tm_err *err) {
    const tm_candidate *candidate = &search->candidates[index];
    member *next = &t->members[t->n];
    tm_fit_input own = *in;
    const uint32_t seed = t->n_seeds[index];
    own.seed = seed == 0 ? in->seed : tm__rng_split(in->seed, "member", seed).key;
    tm_budget *whole = ctx->budget;
    tm_budget part = whole != NULL ? tm__budget_part(whole, 1.0) : (tm_budget){0};
    *next = (member){.candidate = index};
    if (whole != NULL && t->n == 0) {
        grant_least(search, &part, whole);
    }
    TM_TRY(settle_params(candidate, &next->params, err));
    ctx->budget = whole != NULL ? &part : NULL;
    const tm_status st = tm__model_fit(ctx, candidate->ops, &own, &next->params, &next->model, err);
    ctx->budget = whole;
    if (whole != NULL) {
        whole->work_used += part.work_used;
    }
    TM_TRY(st);
    if (part.is_cut && t->n > 0) {
        tm__model_free(next->model);
        return TM_OK;
    }
    tm__cost_add(&t->cost, tm__cost_of(candidate, tm__cost_shape(search->data),
                                       tm__cost_refit_rounds(candidate)));
    t->n_seeds[index]++;
    t->n++;
    return TM_OK;
}

static bool has_room(tm_ctx *ctx, const tm_search *search, const tm_candidate *c, double share) {
    tm_need need = tm__search_refit_need(search, c);
    need.work *= share;
    need.ns *= share * 1.15;
    return ctx->budget == NULL ||
           (!tm__ctx_is_spent(ctx) && tm__budget_has_room(ctx->budget, need));
}

/* Candidates with a share, the largest first. */
static uint32_t by_share(const tm_search *search, uint32_t *out) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        if (!(search->candidates[i].share > 0.0)) {
            continue;
        }
        uint32_t at = n++;
        for (; at > 0 && search->candidates[out[at - 1]].share < search->candidates[i].share;
             at--) {
            out[at] = out[at - 1];
        }
        out[at] = i;
    }
    return n;
}

/* Whether another seed would give another model; a forest is made of seeds already. */
static bool is_random(const tm_candidate *c) {
    if (strcmp(c->ops->name, "gbdt") != 0) {
        return false;
    }
    return tm__candidate_param(c, "row_sample", 1.0) < 1.0 ||
           tm__candidate_param(c, "column_sample", 1.0) < 1.0;
}

/* The same again with other seeds, in turn, while budget and costs have room: what the random parts
 * of fits disagree about is averaged out (Breiman 1996, doi:10.1007/BF00058655). */
static tm_status fit_seeds(tm_ctx *ctx, const tm_search *search, const tm_fit_input *in, team *t,
                           tm_err *err) {
    const tm_cost_shape shape = tm__cost_shape(search->data);
    bool is_any = true;
    while (is_any && t->n < TM_MAX_BLEND) {
        is_any = false;
        for (uint32_t k = 0; k < t->n_order && t->n < TM_MAX_BLEND; k++) {
            const tm_candidate *c = &search->candidates[t->order[k]];
            tm_cost more = t->cost;
            tm__cost_add(&more, tm__cost_of(c, shape, tm__cost_refit_rounds(c)));
            if (t->n_seeds[t->order[k]] == 0 || !is_random(c) || c->n_rounds == 0 ||
                !tm__cost_fits(search->options, &more) || !has_room(ctx, search, c, t->share)) {
                continue;
            }
            const uint32_t n_before = t->n;
            TM_TRY(fit_member(ctx, search, in, t, t->order[k], err));
            is_any = is_any || t->n > n_before;
        }
    }
    return TM_OK;
}

/* Shares of what was fitted: members that found no room are missing. */
static tm_status settle_shares(tm_search *search, const team *t, tm_err *err) {
    double sum = 0.0;
    uint32_t n_missing = 0;
    search->n_blend = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        tm_candidate *c = &search->candidates[i];
        const bool is_missing = c->share > 0.0 && t->n_seeds[i] == 0;
        n_missing += is_missing;
        c->share = is_missing ? 0.0 : c->share;
        search->n_blend += c->share > 0.0;
        sum += c->share;
    }
    if (search->n_blend == 1) {
        search->best = t->members[0].candidate;
    }
    if (n_missing > 0 && search->stacking.is_used) { /* its weights are of members that are there */
        search->stacking.is_used = false;
        search->stacking.reason = "a member found no room in the budget";
    }
    for (uint32_t i = 0; n_missing > 0 && i < search->n_candidates; i++) {
        search->candidates[i].share /= sum;
    }
    return n_missing > 0 && search->valid_pred != NULL ? tm__blend_settle(search, err) : TM_OK;
}

/* Fit every candidate with a share on the same numbers, the weightiest first; then more of the same
 * while there is room. */
static tm_status fit_team(tm_ctx *ctx, tm_search *search, const tm_fit_input *in, team *t,
                          tm_err *err) {
    t->n_order = by_share(search, t->order);
    t->cost = tm__cost_of_row(search);
    if (search->stacking.is_used) {
        tm__cost_add(&t->cost,
                     tm__cost_of_stack(search->stacking.whole.n, tm__train_outputs(search->data)));
    }
    const bool has_budget = search->options->work > 0 || search->options->budget_ms > 0;
    for (uint32_t k = 0; k < t->n_order && t->n < TM_MAX_BLEND; k++) {
        if (k == 0 || has_room(ctx, search, &search->candidates[t->order[k]], t->share)) {
            tm__ctx_progress(ctx, "refit", k, t->n_order, NULL);
            TM_TRY(fit_member(ctx, search, in, t, t->order[k], err));
        }
    }
    if (has_budget && search->options->learners == NULL) {
        TM_TRY(fit_seeds(ctx, search, in, t, err));
    }
    return settle_shares(search, t, err);
}

/* Weights of the second layer for a member, one of several seeds: [n_outputs]. */
static void stack_weights(const tm_search *search, const team *t, const member *m, double *out) {
    const tm_stack *stack = &search->stacking.whole;
    const uint32_t n_outputs = tm__train_outputs(search->data);
    for (uint32_t i = 0; i < stack->n; i++) {
        for (uint32_t k = 0; stack->candidates[i] == m->candidate && k < n_outputs; k++) {
            out[k] = stack->weights[i * n_outputs + k] / t->n_seeds[m->candidate];
        }
    }
}

static json_t *describe_member(const tm_search *search, const member *m, double share,
                               const double *weights) {
    const tm_model_ops *ops = search->candidates[m->candidate].ops;
    json_t *out = json_pack("{s:s, s:o, s:o}", "learner", ops->name, "share",
                            tm__json_number(share), "params", tm__params_to_json(ops, &m->params));
    if (search->stacking.is_used) {
        json_object_set_new(out, "weights",
                            tm__json_numbers(weights, tm__train_outputs(search->data)));
    }
    return out;
}

/* Members become one model: by shares, or by the second layer. */
static tm_status join_models(const tm_search *search, tm_model **models, const double *shares,
                             const double *weights, uint32_t n, tm_final *out, tm_err *err) {
    const tm_stacking *s = &search->stacking;
    if (s->is_used) {
        json_object_set_new(out->params, "bias",
                            tm__json_numbers(s->whole.bias, tm__train_outputs(search->data)));
        return tm__blend_create_stack(models, weights, s->whole.bias, n, &out->model, err);
    }
    return tm__blend_create(models, shares, n, &out->model, err);
}

/* One model of the members, and its record. */
static tm_status join_team(const tm_search *search, team *t, tm_final *out, tm_err *err) {
    tm_model *models[TM_MAX_BLEND] = {NULL};
    double shares[TM_MAX_BLEND];
    const uint32_t n_outputs = tm__train_outputs(search->data);
    double *weights = tm__mem_zalloc((size_t)t->n * n_outputs, sizeof(double));
    json_t *described = json_array();
    tm_status st = weights == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a blend") : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < t->n; i++) {
        const member *m = &t->members[i];
        models[i] = m->model;
        shares[i] = search->candidates[m->candidate].share / t->n_seeds[m->candidate];
        stack_weights(search, t, m, weights + (size_t)i * n_outputs);
        json_array_append_new(
            described, describe_member(search, m, shares[i], weights + (size_t)i * n_outputs));
    }
    if (st == TM_OK && t->n > 1) {
        out->params = json_pack("{s:O}", "members", described);
        st = join_models(search, models, shares, weights, t->n, out, err);
    } else if (st == TM_OK) {
        out->model = models[0];
        models[0] = NULL;
        out->params = json_incref(json_object_get(json_array_get(described, 0), "params"));
    }
    for (uint32_t i = 0; weights != NULL && i < t->n; i++) {
        t->members[i].model = models[i];
    }
    tm__mem_free(weights);
    json_decref(described);
    return st;
}

tm_status tm__team_fit(tm_ctx *ctx, tm_search *search, const tm_fit_input *in, double share,
                       tm_final *out, tm_err *err) {
    team t = {.share = share};
    tm_status st = fit_team(ctx, search, in, &t, err);
    if (st == TM_OK) {
        st = join_team(search, &t, out, err);
    }
    team_done(&t);
    return st;
}
