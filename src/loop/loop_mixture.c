/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_mixture.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_choice_priv.h"
#include "loop/replay.h"

#define ROWS_MIN 400u     /* fewer say nothing of windows, as in a choice of one */
#define ROWS_USUAL 20000u /* newest ones that are replayed, */
#define ROWS_LATE 10u     /* and this often those whose labels are late; */
#define ROWS_MAX 100000u  /* no more than that */
#define FIRST 0.2         /* of them only teaches, as in a replay */

const json_t *tm__mixture_of(const tm_retraining *r) {
    const json_t *const how = json_object_get(r->turn.story, "how");
    return r->how == TM_HOW_POLICY ? json_object_get(json_object_get(how, "policy"), "mixture")
                                   : NULL;
}

/* Columns of a table that a replay has nothing to do with: all but the target, the time and what
 * the champion reads. *out: its array, of names that live as long as the table. */
static tm_status list_others(const tm_choice_input *in, const char *time, const char ***out,
                             uint32_t *out_n, tm_err *err) {
    const tm_schema *const inputs = tm__bundle_schema(in->champion);
    const uint32_t n_cols = tm__table_cols(in->train);
    *out_n = 0;
    *out = tm__mem_alloc((size_t)n_cols + 1, sizeof(**out));
    if (*out == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of a replay");
    }
    for (uint32_t i = 0; i < n_cols; i++) {
        const char *const name = tm__table_column(in->train, i)->name;
        const uint32_t input = tm__schema_find(inputs, tm__str(name));
        const bool is_read = input != UINT32_MAX && inputs->cols[input].role == TM_ROLE_FEATURE;
        const bool is_time = time != NULL && strcmp(name, time) == 0;
        if (!is_read && !is_time && strcmp(name, in->options->target) != 0) {
            (*out)[(*out_n)++] = name;
        }
    }
    return TM_OK;
}

/* The newest rows, whose labels are not known yet at the last of them. */
static uint64_t rows_late(const tm_mixture_question *in, const tm_column *times) {
    const tm_choosing *const c = in->rows;
    const int64_t delay_us = c->in->options->label_delay_us;
    uint64_t n = 0;
    if (times == NULL || delay_us == 0) {
        return in->ahead;
    }
    while (n < c->n_learn &&
           times->ints[c->by_age[c->n_learn - 1]] - times->ints[c->by_age[c->n_learn - 1 - n]] <
               delay_us) {
        n++;
    }
    return n;
}

/* A replay begins where enough labels are known behind those that are late: what was right long
 * before says little of now, and its fits are most of what a turn costs. */
static uint64_t rows_replayed(const tm_mixture_question *in, const tm_column *times) {
    const uint64_t wanted = rows_late(in, times) * ROWS_LATE;
    uint64_t n = wanted > ROWS_USUAL ? wanted : ROWS_USUAL;
    n = n < ROWS_MAX ? n : ROWS_MAX;
    n = n < in->rows_max ? n : in->rows_max;
    return n < in->rows->n_learn ? n : in->rows->n_learn;
}

/* The first part must leave labels to learn from before those that are late. */
static uint64_t delay_of(const tm_mixture_question *in, uint64_t n_rows) {
    const uint64_t most = (uint64_t)((double)n_rows * FIRST / 2.0);
    return in->ahead < most ? in->ahead : most;
}

tm_status tm__mixture_find(tm_ctx *ctx, const tm_mixture_question *in, json_t **out, tm_err *err) {
    const tm_choosing *const c = in->rows;
    const tm_train_options *const o = c->in->options;
    const tm_column *const times = tm__rows_times(c->in->train, o->time, c->by_age, c->n_learn);
    const uint64_t n = rows_replayed(in, times);
    const uint32_t *const newest = c->by_age + (c->n_learn - n);
    const char **others = NULL;
    tm_table *rows = NULL;
    TM_TRY(tm__mixture_check(o, o->task, err));
    if (n < ROWS_MIN) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "%llu rows are too few to tell windows apart",
                                     (unsigned long long)n);
        tm_err_hint(err, "The policy wants %u and more.", ROWS_MIN);
        return st;
    }
    const char *const time = times != NULL ? o->time : NULL;
    tm_replay_options asked = {
        .target = o->target,
        .time = time,
        .task = o->task,
        .delay_rows = delay_of(in, n),
        .delay_us = time != NULL ? o->label_delay_us : 0,
        .first = FIRST,
        .seed = o->seed,
        .work_max = in->work_max,
        .deadline_ns = in->budget_ms > 0 ? tm__mono_ns() + in->budget_ms * UINT64_C(1000000) : 0,
    };
    TM_TRY(tm__table_take_rows(c->in->train, newest, n, &rows, err));
    tm_status st = list_others(c->in, time, &others, &asked.n_drop, err);
    asked.drop = others;
    st = st == TM_OK ? tm__replay_mixture(ctx, rows, &asked, out, err) : st;
    tm__mem_free(others);
    tm__table_unref(rows);
    return st;
}

/* ---- of a turn ---- */

/* Rows that came since the last turn, where that was beside the same champion, to which all of them
 * are new; else since it learned. */
static tm_status rows_came(const tm_retraining *r, uint64_t *out, tm_err *err) {
    json_t *list = NULL;
    const json_t *turn = NULL;
    size_t i = 0;
    TM_TRY(tm__turn_list(r->registry, r->turn.model, 2, &list, err));
    *out = r->harvest.n_new;
    json_array_foreach(list, i, turn) {
        const int64_t n_before = tm__json_i64(turn, "new_rows", 0);
        if (tm__json_i64(turn, "turn", 0) != (int64_t)r->turn.number &&
            tm__json_i64(turn, "champion", 0) == (int64_t)r->turn.champion && n_before > 0 &&
            (uint64_t)n_before < r->harvest.n_new) {
            *out = r->harvest.n_new - (uint64_t)n_before;
        }
    }
    json_decref(list);
    return TM_OK;
}

tm_status tm__mixture_ahead(const tm_retraining *r, uint64_t *out, tm_err *err) {
    uint64_t came = 0;
    TM_TRY(rows_came(r, &came, err));
    *out = 1 + tm__table_rows(r->harvest.held) + came / 2;
    return TM_OK;
}

static uint64_t rows_of(const tm_row_window *window) {
    const bool is_cut = window->kind == TM_ROWS_SLIDING || window->kind == TM_ROWS_CUT;
    return is_cut ? window->rows : UINT64_MAX;
}

tm_status tm__mixture_choose(tm_ctx *ctx, tm_retraining *r, const tm_train_options *options,
                             tm_err *err) {
    const tm_choice_input in = {
        .train = r->harvest.train, .options = options, .champion = r->champion_bundle};
    tm_choosing c = {.ctx = ctx, .in = &in};
    tm_mixture_question question = {.rows = &c,
                                    .rows_max = rows_of(&r->window),
                                    .work_max = options->work,
                                    .budget_ms = options->budget_ms};
    json_t *told = NULL;
    TM_TRY(tm__mixture_ahead(r, &question.ahead, err));
    tm_status st = tm__choosing_rows(&c, err);
    st = st == TM_OK ? tm__mixture_find(ctx, &question, &told, err) : st;
    tm__choosing_done(&c);
    TM_TRY(st);
    json_object_set_new(json_object_get(r->turn.story, "how"), "policy", told);
    TM_TRY(tm__json_check(err));
    TM_ASSERT(tm__mixture_of(r) != NULL);
    return tm__turn_save(r->registry, &r->turn, err);
}
