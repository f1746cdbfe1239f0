/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   rows to learn from, by age ──┬─ learn ──┬─ all, or the window ─> one fit anew ──────┐
 *                                │          ├─ not yet learned ────> champion, updated ─┤
 *                                │          └─ replayed ─────────> models of windows ───┤
 *                                ├─ gap                              champion as it is ─┤
 *                                └─ test: the newest ────────────────────────> losses <─┘
 *
 * 1. Rows, gap, losses and the error of a difference are those of a choice of a window.
 * 2. Learned anew is with the champion's own settings and as many rounds, so that ways are held
 *    against each other and not what a search found against what a test may cost.
 * 3. The champion as it is costs nothing and says what learning gains; a turn learns all the same.
 * 4. What is cheap wins where it is surely no worse, what is dear where it is surely better: an
 *    update stands against learning anew, the policy against the one of both that won.
 */
#include "loop/loop_how_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop_choice_priv.h"
#include "loop/loop_mixture.h"

#define NEW_ROWS_MIN 400u /* fewer say nothing, or leave nothing to update with */
#define ROUNDS_MAX 200u   /* of a trial; longer steps make up for the others */
#define STEP_MAX 0.3
#define SURE 2.0            /* standard errors */
#define WORSE_MAX 0.01      /* of the loss, that an update may surely not be worse by */
#define ANEW_ROUNDS 100u    /* of a champion that is several models */
#define FIT_ROWS_MAX 50000u /* that what the policy comes to learns from, */
#define BUDGET_PARTS 2u     /* and its replay may take one part of so many of a budget */

typedef struct how_trial {
    tm_choosing c;
    const tm_how_question *in;
    json_t *told, *tried;
    tm_choice_candidate anew, as_it_is, updated, by_policy;
    const char *than; /* what a way is held against: "recipe", or "update" */
    uint64_t n_replayed;
} how_trial;

/* ---- the ways ---- */

/* What was chosen was grown by what the test takes away; what is said is as long as it is said. */
static tm_row_window window_anew(const how_trial *t) {
    tm_row_window window = t->in->window;
    const uint64_t n_aside = t->c.n_gap + t->c.n_test;
    const bool is_cut = window.kind == TM_ROWS_SLIDING || window.kind == TM_ROWS_CUT;
    if (is_cut && !t->in->is_window_said && window.rows > n_aside) {
        window.rows -= n_aside;
    }
    return window;
}

static tm_row_window window_updated(const how_trial *t) {
    const uint64_t n_aside = t->c.n_gap + t->c.n_test;
    return t->in->is_window_said
               ? t->in->window
               : (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = t->in->choice.n_new - n_aside};
}

/* Said to be one fit, or that of the champion; else boosting. */
static bool is_one_fit(const tm_train_options *o) {
    return o->learners != NULL && strchr(o->learners, ',') == NULL && o->n_params > 0;
}

/* As many rounds as the champion kept, none of them held out for; out [3] of 60 bytes. */
static uint32_t write_rounds(const how_trial *t, char (*out)[60]) {
    const tm_bundle *const champion = t->in->choice.champion;
    const tm_train_options *const o = t->in->choice.options;
    const bool is_search = !is_one_fit(o);
    const uint64_t n = is_search ? ANEW_ROUNDS : tm__bundle_model(champion)->n_rounds;
    const double step = is_search
                            ? 0.1
                            : tm__json_f64(json_object_get(tm__bundle_info(champion), "params"),
                                           "learning_rate", 0.1);
    const double more = n > ROUNDS_MAX ? (double)n / ROUNDS_MAX : 1;
    const bool is_kept = o->base != NULL || is_search;
    if (n == 0 || !is_kept || (!is_search && strcmp(o->learners, "gbdt") != 0)) {
        return 0;
    }
    (void)snprintf(out[0], sizeof(out[0]), "gbdt.n_trees=%llu",
                   (unsigned long long)(n < ROUNDS_MAX ? n : ROUNDS_MAX));
    (void)snprintf(out[1], sizeof(out[1]), "gbdt.learning_rate=%.6f",
                   step * more < STEP_MAX || step > STEP_MAX ? step * more : STEP_MAX);
    (void)snprintf(out[2], sizeof(out[2]), "gbdt.early_stopping=0");
    return 3;
}

static tm_status try_anew(how_trial *t, tm_err *err) {
    const tm_train_options *const o = t->in->choice.options;
    const tm_row_window window = window_anew(t);
    char own[3][60];
    const uint32_t n_own = write_rounds(t, own);
    const char **list = tm__mem_alloc((size_t)o->n_params + n_own + 1, sizeof(*list));
    if (list == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to choose how to learn");
    }
    if (o->n_params > 0) {
        memcpy(list, o->params, o->n_params * sizeof(*list));
    }
    for (uint32_t i = 0; i < n_own; i++) {
        list[o->n_params + i] = own[i]; /* the last one counts */
    }
    tm__choosing_plain(&t->c);
    t->c.options.learners = is_one_fit(o) ? o->learners : "gbdt";
    t->c.options.params = list;
    t->c.options.n_params = o->n_params + n_own;
    t->c.options.base = NULL;
    t->c.options.is_update = false;
    const tm_status st =
        tm__choosing_try(&t->c, t->c.learn, &window, t->c.test, t->c.losses_all, err);
    tm__mem_free(list);
    return st;
}

static tm_status try_updated(how_trial *t, tm_err *err) {
    const tm_row_window window = window_updated(t);
    if (t->in->why_no_update != NULL) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "%s", t->in->why_no_update);
    }
    tm__choosing_plain(&t->c);
    return tm__choosing_try(&t->c, t->c.learn, &window, t->c.test, t->c.losses, err);
}

static tm_status try_as_it_is(how_trial *t, tm_err *err) {
    return tm__choosing_answer(&t->c, t->c.learn, t->in->choice.champion, t->c.test, t->c.losses,
                               err);
}

static tm_status try_policy(how_trial *t, tm_err *err) {
    const tm_mixture_question question = {.rows = &t->c,
                                          .ahead = t->in->ahead,
                                          .rows_max = UINT64_MAX,
                                          .work_max = t->in->work / BUDGET_PARTS,
                                          .budget_ms = t->in->budget_ms / BUDGET_PARTS};
    const tm_row_window window =
        t->in->is_window_said ? t->in->window
        : t->c.n_learn > FIT_ROWS_MAX
            ? (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = FIT_ROWS_MAX}
            : (tm_row_window){.kind = TM_ROWS_ALL};
    json_t *found = NULL;
    TM_TRY(tm__mixture_find(t->c.ctx, &question, &found, err));
    t->n_replayed = (uint64_t)tm__json_i64(found, "rows", 0);
    tm__choosing_plain(&t->c);
    t->c.options.base = NULL;
    t->c.options.is_update = false;
    t->c.options.mixture = json_object_get(found, "mixture");
    const tm_status st = tm__choosing_try(&t->c, t->c.learn, &window, t->c.test, t->c.losses, err);
    json_decref(found);
    return st;
}

/* ---- what is told ---- */

static void tell_tried(how_trial *t, const char *kind, const tm_choice_candidate *one) {
    const bool is_compared = one != &t->anew && t->anew.is_tried;
    json_t *const entry = json_pack("{s:s}", "kind", kind);
    if (!one->is_tried) {
        json_object_set_new(entry, "why", json_string(one->why));
    } else {
        json_object_set_new(entry, "loss", tm__json_number(one->loss));
    }
    if (one->is_tried && is_compared) {
        json_object_set_new(entry, "better_by", tm__json_number(one->better_by));
        json_object_set_new(entry, "error", tm__json_number(one->error));
    }
    if (one == &t->by_policy && one->is_tried) {
        json_object_set_new(entry, "than", json_string(t->than));
        json_object_set_new(entry, "rows", json_integer((json_int_t)t->n_replayed));
    }
    json_array_append_new(t->tried, entry);
}

/* What is wrong with rows is told, what is wrong with the machine ends the choice. */
static tm_status try_one(how_trial *t, tm_status (*try)(how_trial *t, tm_err *err),
                         const char *kind, tm_choice_candidate *one, tm_err *err) {
    tm_err own = {0};
    const tm_status st = try(t, &own);
    if (st != TM_OK && !tm__choosing_is_of_rows(st)) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    if (st != TM_OK) {
        (void)tm__str_copy(one->why, sizeof(one->why), tm__str(own.message));
    } else {
        const bool is_first = one == &t->anew;
        tm__choosing_score(&t->c, is_first ? t->c.losses_all : t->c.losses, one);
        if (!is_first && t->anew.is_tried) {
            tm__choosing_compare(&t->c, one);
        }
    }
    tell_tried(t, kind, one);
    return TM_OK;
}

static void say(how_trial *t, const char *text) {
    json_object_set_new(t->told, "reason", json_string(text));
}

/* Cheap is good enough where it is surely no worse; in doubt, all rows are learned from. */
static bool is_update(const how_trial *t) {
    const tm_choice_candidate *const anew = &t->anew, *const updated = &t->updated;
    return anew->is_tried && updated->is_tried &&
           updated->better_by - SURE * updated->error >= -WORSE_MAX * anew->loss;
}

static void add_loss(char text[240], const tm_choice_candidate *one, const char *how) {
    const size_t n = strlen(text);
    if (one->is_tried) {
        (void)snprintf(text + n, 240 - n, "%s %.4g %s", text[n - 1] == 's' ? "" : ",", one->loss,
                       how);
    }
}

static void say_losses(how_trial *t) {
    char rows[32], text[240];
    tm__loop_count_text(t->c.n_test, rows);
    if (!t->anew.is_tried || (!t->updated.is_tried && !t->by_policy.is_tried)) {
        (void)snprintf(text, sizeof(text), "the other could not be tried: %s",
                       t->anew.is_tried ? t->updated.why : t->anew.why);
    } else {
        (void)snprintf(text, sizeof(text), "on the newest %s rows the loss is", rows);
        add_loss(text, &t->by_policy, "by the policy");
        add_loss(text, &t->updated, "updated");
        add_loss(text, &t->anew, "anew");
    }
    say(t, text);
}

/* ---- the whole ---- */

/* The policy is held against what is chosen without it. */
static tm_status test_policy(how_trial *t, tm_turn_how *how, tm_err *err) {
    t->than = "recipe";
    if (*how == TM_HOW_UPDATE) {
        double *const updated = t->c.losses;
        t->c.losses = t->c.losses_all;
        t->c.losses_all = updated;
        t->than = "update";
    }
    TM_TRY(try_one(t, try_policy, "policy", &t->by_policy, err));
    const tm_choice_candidate *const one = &t->by_policy;
    if (t->anew.is_tried && one->is_tried && one->better_by > SURE * one->error) {
        *how = TM_HOW_POLICY;
    }
    return TM_OK;
}

static tm_status test_ways(how_trial *t, tm_turn_how *out, tm_err *err) {
    TM_TRY(tm__choosing_cut(&t->c, err));
    json_object_set_new(t->told, "test_rows", json_integer((json_int_t)t->c.n_test));
    TM_TRY(try_one(t, try_anew, "recipe", &t->anew, err));
    TM_TRY(try_one(t, try_as_it_is, "champion", &t->as_it_is, err));
    TM_TRY(try_one(t, try_updated, "update", &t->updated, err));
    *out = is_update(t) ? TM_HOW_UPDATE : TM_HOW_RECIPE;
    TM_TRY(test_policy(t, out, err));
    say_losses(t);
    return TM_OK;
}

tm_status tm__how_test(tm_ctx *ctx, const tm_how_question *in, tm_turn_how *out_how, json_t *told,
                       tm_err *err) {
    how_trial t = {.in = in, .told = told, .tried = json_array()};
    tm_turn_how how = TM_HOW_RECIPE;
    tm_status st = TM_OK;
    t.c = (tm_choosing){.ctx = ctx, .in = &in->choice};
    if (in->choice.options->group != NULL || in->choice.options->task == TM_TASK_RANKING) {
        say(&t, "a ranking is learned anew");
    } else if (in->why_no_update != NULL &&
               tm__mixture_check(in->choice.options, in->choice.options->task, NULL) != TM_OK) {
        say(&t, in->why_no_update); /* and rules or a score keep the policy out */
    } else {
        st = tm__choosing_rows(&t.c, err);
        if (st == TM_OK && (in->choice.n_new < NEW_ROWS_MIN || t.c.n_learn < NEW_ROWS_MIN)) {
            say(&t, "the new rows are too few to choose by");
        } else if (st == TM_OK) {
            st = test_ways(&t, &how, err);
        }
    }
    tm__choosing_done(&t.c);
    if (json_array_size(t.tried) > 0) {
        json_object_set(told, "tried", t.tried);
    }
    json_decref(t.tried);
    TM_TRY(st);
    TM_TRY(tm__json_check(err));
    *out_how = how;
    return TM_OK;
}
