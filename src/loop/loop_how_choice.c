/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   rows to learn from, by age ──┬─ learn ──┬─ all, or the window ─> one fit anew ──────┐
 *                                │          └─ not yet learned ────> champion, updated ─┤
 *                                ├─ gap                              champion as it is ─┤
 *                                └─ test: the newest ────────────────────────> losses <─┘
 *
 * 1. Rows, gap, losses and the error of a difference are those of a choice of a window.
 * 2. Learned anew is with the champion's own settings and as many rounds, so that ways are held
 *    against each other and not what a search found against what a test may cost.
 * 3. The champion as it is costs nothing and says what learning gains; a turn learns all the same.
 */
#include "loop/loop_how_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop_choice_priv.h"

#define NEW_ROWS_MIN 400u /* fewer say nothing, or leave nothing to update with */
#define ROUNDS_MAX 200u   /* of a trial; longer steps make up for the others */
#define STEP_MAX 0.3
#define SURE 2.0       /* standard errors */
#define WORSE_MAX 0.01 /* of the loss, that an update may surely not be worse by */

typedef struct how_trial {
    tm_choosing c;
    const tm_how_question *in;
    json_t *told, *tried;
    tm_choice_candidate anew, updated, as_it_is;
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

static void set_common(how_trial *t) {
    tm_train_options *const o = &t->c.options;
    *o = *t->in->choice.options;
    o->work = o->budget_ms = o->bundle_bytes_max = 0;
    o->threshold = NULL;
    o->on_trial = NULL;
    o->admission = NULL;
    memset(o->snapshot, 0, sizeof(o->snapshot));
    memset(o->test_snapshot, 0, sizeof(o->test_snapshot));
}

static tm_status try_anew(how_trial *t, tm_err *err) {
    const tm_bundle *const champion = t->in->choice.champion;
    const tm_train_options *const o = t->in->choice.options;
    const uint64_t n = tm__bundle_model(champion)->n_rounds;
    const json_t *const params = json_object_get(tm__bundle_info(champion), "params");
    const double step = tm__json_f64(params, "learning_rate", 0.1);
    const double more = n > ROUNDS_MAX ? (double)n / ROUNDS_MAX : 1;
    const tm_row_window window = window_anew(t);
    char rounds[40], steps[60];
    (void)snprintf(rounds, sizeof(rounds), "gbdt.n_trees=%llu",
                   (unsigned long long)(n < ROUNDS_MAX ? n : ROUNDS_MAX));
    (void)snprintf(steps, sizeof(steps), "gbdt.learning_rate=%.6f",
                   step * more < STEP_MAX || step > STEP_MAX ? step * more : STEP_MAX);
    const char *own[] = {rounds, steps, "gbdt.early_stopping=0"};
    const uint32_t n_own = n > 0 && strcmp(o->learners, "gbdt") == 0 ? 3 : 0;
    const char **list = tm__mem_alloc((size_t)o->n_params + n_own + 1, sizeof(*list));
    if (list == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to choose how to learn");
    }
    if (o->n_params > 0) {
        memcpy(list, o->params, o->n_params * sizeof(*list));
    }
    memcpy(list + o->n_params, own, n_own * sizeof(*list)); /* the last one counts */
    set_common(t);
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
    set_common(t);
    return tm__choosing_try(&t->c, t->c.learn, &window, t->c.test, t->c.losses, err);
}

static tm_status try_as_it_is(how_trial *t, tm_err *err) {
    return tm__choosing_answer(&t->c, t->c.learn, t->in->choice.champion, t->c.test, t->c.losses,
                               err);
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
static tm_turn_how decide(how_trial *t) {
    char rows[32], text[240];
    const tm_choice_candidate *const anew = &t->anew, *const updated = &t->updated;
    tm__loop_count_text(t->c.n_test, rows);
    if (!updated->is_tried || !anew->is_tried) {
        (void)snprintf(text, sizeof(text), "the other could not be tried: %s",
                       updated->is_tried ? anew->why : updated->why);
        say(t, text);
        return TM_HOW_RECIPE;
    }
    const bool is_update = updated->better_by - SURE * updated->error >= -WORSE_MAX * anew->loss;
    (void)snprintf(text, sizeof(text), "on the newest %s rows the loss is %.4g updated, %.4g anew",
                   rows, updated->loss, anew->loss);
    say(t, text);
    return is_update ? TM_HOW_UPDATE : TM_HOW_RECIPE;
}

/* ---- the whole ---- */

static tm_status test_ways(how_trial *t, tm_turn_how *out, tm_err *err) {
    TM_TRY(tm__choosing_cut(&t->c, err));
    json_object_set_new(t->told, "test_rows", json_integer((json_int_t)t->c.n_test));
    TM_TRY(try_one(t, try_anew, "recipe", &t->anew, err));
    TM_TRY(try_one(t, try_updated, "update", &t->updated, err));
    *out = decide(t);
    return try_one(t, try_as_it_is, "champion", &t->as_it_is, err);
}

tm_status tm__how_test(tm_ctx *ctx, const tm_how_question *in, tm_turn_how *out_how, json_t *told,
                       tm_err *err) {
    how_trial t = {.in = in, .told = told, .tried = json_array()};
    tm_turn_how how = TM_HOW_RECIPE;
    tm_status st = TM_OK;
    t.c = (tm_choosing){.ctx = ctx, .in = &in->choice};
    if (in->choice.options->group != NULL || in->choice.options->task == TM_TASK_RANKING) {
        say(&t, "a ranking is learned anew");
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
