/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The final model: refitted on all training rows with what the search found, or the one fit that
 * was asked for.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/blend/blend.h"
#include "model/offset/offset.h"

#define REFIT_ROWS_MIN 1000u

static bool has_param(const tm_model_ops *ops, const char *name) {
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
    if (has_param(best->ops, "early_stopping")) {
        if (best->n_rounds > 0) {
            TM_TRY(set_param(best->ops, params, "n_trees", tm__cost_refit_rounds(best), err));
        }
        TM_TRY(set_param(best->ops, params, "early_stopping", 0, err));
    }
    if (has_param(best->ops, "epochs") && best->n_rounds > 0) {
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
    const tm_cost one =
        tm__cost_of(candidate, tm__train_outputs(search->data), tm__cost_refit_rounds(candidate));
    t->cost.us += one.us;
    t->cost.bytes += one.bytes;
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
    const tm_cost limit = tm__cost_limit(search->options);
    const uint32_t n_outputs = tm__train_outputs(search->data);
    bool is_any = true;
    while (is_any && t->n < TM_MAX_BLEND) {
        is_any = false;
        for (uint32_t k = 0; k < t->n_order && t->n < TM_MAX_BLEND; k++) {
            const tm_candidate *c = &search->candidates[t->order[k]];
            const tm_cost one = tm__cost_of(c, n_outputs, tm__cost_refit_rounds(c));
            if (t->n_seeds[t->order[k]] == 0 || !is_random(c) || c->n_rounds == 0 ||
                t->cost.us + one.us > limit.us || t->cost.bytes + one.bytes > limit.bytes ||
                !has_room(ctx, search, c, t->share)) {
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

/* One model of the members, and its record. */
static tm_status join_team(const tm_search *search, team *t, tm_final *out, tm_err *err) {
    tm_model *models[TM_MAX_BLEND];
    double shares[TM_MAX_BLEND];
    json_t *described = json_array();
    for (uint32_t i = 0; i < t->n; i++) {
        const member *m = &t->members[i];
        const tm_candidate *c = &search->candidates[m->candidate];
        models[i] = m->model;
        shares[i] = c->share / t->n_seeds[m->candidate];
        json_array_append_new(described, json_pack("{s:s, s:o, s:o}", "learner", c->ops->name,
                                                   "share", tm__json_number(shares[i]), "params",
                                                   tm__params_to_json(c->ops, &m->params)));
    }
    tm_status st = TM_OK;
    if (t->n > 1) {
        st = tm__blend_create(models, shares, t->n, &out->model, err);
        out->params = json_pack("{s:O}", "members", described);
    } else {
        out->model = models[0];
        models[0] = NULL;
        out->params = json_incref(json_object_get(json_array_get(described, 0), "params"));
    }
    for (uint32_t i = 0; i < t->n; i++) {
        t->members[i].model = models[i];
    }
    json_decref(described);
    return st;
}

/* Columns that no feature comes from are no inputs: nobody should have to send an id that is not
 * read. */
static tm_status drop_unused(tm_train_data *data, const tm_program *program, uint32_t *out_n,
                             tm_err *err) {
    const tm_schema *inputs = tm__program_schema(program);
    json_t *steps = tm__program_to_json(program);
    bool is_made = steps != NULL;
    *out_n = 0;
    for (uint32_t i = 0; i < inputs->n_cols; i++) {
        const bool is_used =
            tm__program_reads(program, i) || inputs->cols[i].role != TM_ROLE_FEATURE;
        const uint32_t col = tm__schema_find(&data->schema, tm__str(inputs->cols[i].name));
        if (is_used || col == UINT32_MAX) {
            continue;
        }
        const char *reason = "gives no feature";
        size_t k = 0;
        json_t *step = NULL;
        json_array_foreach(steps, k, step) {
            if (strcmp(tm__json_text(step, "input", ""), inputs->cols[i].name) == 0) {
                reason = tm__json_text(step, "reason", reason);
            }
        }
        data->schema.cols[col].role = TM_ROLE_DROPPED;
        tm__mem_free(data->schema.cols[col].reason);
        data->schema.cols[col].reason = tm__mem_strdup(reason);
        is_made = is_made && data->schema.cols[col].reason != NULL;
        (*out_n)++;
    }
    json_decref(steps);
    return !is_made ? TM_FAIL(err, TM_E_NOMEM, "no memory for features") : TM_OK;
}

/* Numbers of the final model: fitted once to see which columns are used, and again without the
 * others. */
static tm_status own_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                          tm_fold *out, tm_err *err) {
    uint32_t n_dropped = 0;
    const uint64_t seed = search->options->seed;
    TM_TRY(tm__fold_init(ctx, out, search->data, rows, seed, err));
    if (tm__program_features(out->program) == 0) {
        return TM_OK;
    }
    const tm_status st = drop_unused(search->data, out->program, &n_dropped, err);
    if (st == TM_OK && n_dropped == 0) {
        return TM_OK;
    }
    tm__fold_done(out);
    TM_TRY(st);
    return tm__fold_init(ctx, out, search->data, rows, seed, err);
}

static tm_status final_fold(tm_ctx *ctx, const tm_search *search, const tm_fold_rows *rows,
                            tm_fold *out, tm_err *err) {
    TM_TRY(own_fold(ctx, search, rows, out, err));
    const tm_status st = tm__train_base_fold(ctx, search->data, search->options, rows, out, err);
    if (st != TM_OK) {
        tm__fold_done(out);
    }
    return st;
}

/* What was fitted beside scores adds them; the program goes with the model. */
static tm_status add_scores(tm_fold *fold, tm_final *out, tm_err *err) {
    if (fold->has_scores) {
        tm_model *inner = out->model;
        out->model = NULL;
        const tm_status st = tm__offset_create(&inner, &out->model, err);
        if (st != TM_OK) {
            tm__model_free(inner);
            return st;
        }
    }
    out->program = fold->program;
    fold->program = NULL;
    return TM_OK;
}

/* Rows of the refit: all of them, or as large a sample as the budget has room for. */
static tm_status refit_rows(tm_ctx *ctx, const tm_search *search, tm_fold_rows *out, tm_err *err) {
    const tm_train_data *data = search->data;
    const tm_candidate *best = &search->candidates[search->best];
    tm_need need = tm__search_refit_need(search, best);
    need.ns += search->ns_row_features * (double)data->n_train;
    uint64_t n = data->n_train;
    while (ctx->budget != NULL && n / 2 >= REFIT_ROWS_MIN) {
        const double share = (double)n / (double)data->n_train;
        const tm_need part = {.work = need.work * share, .ns = need.ns * share};
        if (n / 2 < best->n_rows || tm__budget_has_room(ctx->budget, part)) {
            break;
        }
        n /= 2;
    }
    out->fit = tm__mem_alloc(data->n_train, sizeof(uint32_t));
    if (out->fit == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of the refit");
    }
    out->n_fit = tm__rung_sample(data, search->options->seed, n, out->fit);
    return TM_OK;
}

static tm_status fit_on(tm_ctx *ctx, tm_search *search, tm_fold *fold, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_column_rule *rules = NULL;
    team t = {0};
    TM_TRY(tm__train_rules_init(search->options, fold->program, &rules, err));
    const tm_view x = tm__fold_view(fold, fold->x);
    const tm_fit_input in = {
        .task = data->task,
        .n_classes = data->n_classes,
        .x = &x,
        .init_scores = tm__fold_scores(fold, fold->x),
        .y = fold->y,
        .weights = fold->weights,
        .queries = fold->queries,
        .seed = search->options->seed,
        .rules = rules,
        .has_groups = search->options->n_interact > 0,
        .base = tm__train_base_model(search->options),
    };
    t.share = (double)fold->n / (double)data->n_train;
    tm_status st = fit_team(ctx, search, &in, &t, err);
    tm__mem_free(rules);
    if (st == TM_OK) {
        st = join_team(search, &t, out, err);
    }
    if (st == TM_OK) {
        st = add_scores(fold, out, err);
    }
    team_done(&t);
    return st;
}

tm_status tm__final_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    tm_fold fold = {0};
    tm_fold_rows rows = {0};
    memset(out, 0, sizeof(*out));
    const uint64_t started = tm__mono_ns();
    tm_status st = refit_rows(ctx, search, &rows, err);
    if (st == TM_OK) {
        st = final_fold(ctx, search, &rows, &fold, err);
    }
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = fit_on(ctx, search, &fold, out, err);
    }
    tm__fold_done(&fold);
    tm__fold_rows_done(&rows);
    return st;
}

/* One fit with the parameters given; a fifth of the rows is held out only for early stopping. */
tm_status tm__single_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    const tm_train_data *data = search->data;
    tm_candidate *only = &search->candidates[0];
    tm_fold fold;
    tm_fold_rows rows = {0};
    const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
    const bool stops = has_param(only->ops, "early_stopping") &&
                       tm__params_get(only->ops, &only->params, "early_stopping") > 0;
    if (!stops) {
        only->share = 1.0;
        search->n_blend = 1;
        return tm__final_fit(ctx, search, out, err);
    }
    memset(out, 0, sizeof(*out));
    memset(&fold, 0, sizeof(fold));
    out->params = tm__params_to_json(only->ops, &only->params);
    const uint64_t started = tm__mono_ns();
    tm_status st = tm__fold_rows_init(&rows, data, data->train, data->n_train, &cut, err);
    if (st == TM_OK) {
        st = tm__fold_check(data, &rows, err);
    }
    if (st == TM_OK) {
        st = final_fold(ctx, search, &rows, &fold, err);
    }
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = tm__search_fit_kept(ctx, search, &fold, &out->model, err);
    }
    if (st == TM_OK) {
        st = add_scores(&fold, out, err);
    }
    tm__fold_done(&fold);
    tm__fold_rows_done(&rows);
    return st;
}

void tm__final_done(tm_final *final) {
    tm__program_free(final->program);
    tm__model_free(final->model);
    json_decref(final->params);
    memset(final, 0, sizeof(*final));
}
