/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_mixture.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_choice_priv.h"
#include "loop/replay.h"

#define ROWS_MIN 400u    /* fewer say nothing of windows, as in a choice of one */
#define ROWS_MAX 100000u /* newest ones that are replayed */
#define FIRST 0.2        /* of them only teaches, as in a replay */

const json_t *tm__mixture_of(const tm_retraining *r) {
    const json_t *const how = json_object_get(r->turn.story, "how");
    return r->how == TM_HOW_POLICY ? json_object_get(json_object_get(how, "policy"), "mixture")
                                   : NULL;
}

/* Columns of a table that a replay has nothing to do with: all but the target, the time and what
 * the champion reads. *out: its array, of names that live as long as the table. */
static tm_status list_others(const tm_retraining *r, const tm_table *table,
                             const tm_train_options *options, const char *time, const char ***out,
                             uint32_t *out_n, tm_err *err) {
    const tm_schema *const inputs = tm__bundle_schema(r->champion_bundle);
    const uint32_t n_cols = tm__table_cols(table);
    *out_n = 0;
    *out = tm__mem_alloc((size_t)n_cols + 1, sizeof(**out));
    if (*out == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of a replay");
    }
    for (uint32_t i = 0; i < n_cols; i++) {
        const char *const name = tm__table_column(table, i)->name;
        const uint32_t input = tm__schema_find(inputs, tm__str(name));
        const bool is_read = input != UINT32_MAX && inputs->cols[input].role == TM_ROLE_FEATURE;
        const bool is_time = time != NULL && strcmp(name, time) == 0;
        if (!is_read && !is_time && strcmp(name, options->target) != 0) {
            (*out)[(*out_n)++] = name;
        }
    }
    return TM_OK;
}

/* The column that orders rows and says when labels come; NULL where one of them has no time. */
static const char *time_of(const tm_table *table, const tm_train_options *options) {
    const uint32_t col = options->time != NULL ? tm__table_find(table, options->time) : UINT32_MAX;
    const tm_column *const column = col != UINT32_MAX ? tm__table_column(table, col) : NULL;
    if (column == NULL || (column->type != TM_TYPE_DATE && column->type != TM_TYPE_TIME)) {
        return NULL;
    }
    for (uint64_t row = 0; row < tm__table_rows(table); row++) {
        if (column->ints[row] == TM_INT_MISSING) {
            return NULL;
        }
    }
    return options->time;
}

/* How far the rows that a version answers lie behind what it learned: the rows of the gate, and
 * half of those that come until the next turn, if they are as many as came since the last one. The
 * first part must leave labels to learn from before them. */
static uint64_t rows_ahead(const tm_retraining *r, uint64_t n_rows) {
    const uint64_t n = 1 + tm__table_rows(r->harvest.held) + r->harvest.n_new / 2;
    const uint64_t most = (uint64_t)((double)n_rows * FIRST / 2.0);
    return n < most ? n : most;
}

static tm_status replay(tm_ctx *ctx, tm_retraining *r, tm_table *rows,
                        const tm_train_options *options, json_t **out, tm_err *err) {
    const char **others = NULL;
    const char *const time = time_of(rows, options);
    tm_replay_options asked = {
        .target = options->target,
        .time = time,
        .task = options->task,
        .delay_rows = rows_ahead(r, tm__table_rows(rows)),
        .delay_us = time != NULL ? options->label_delay_us : 0,
        .first = FIRST,
        .seed = options->seed,
    };
    tm_status st = list_others(r, rows, options, time, &others, &asked.n_drop, err);
    asked.drop = others;
    st = st == TM_OK ? tm__replay_mixture(ctx, rows, &asked, out, err) : st;
    tm__mem_free(others);
    return st;
}

/* The newest rows with a known label, the oldest first. */
static tm_status take_rows(tm_ctx *ctx, const tm_retraining *r, const tm_train_options *options,
                           tm_table **out, tm_err *err) {
    const tm_choice_input in = {.train = r->harvest.train, .options = options};
    tm_choosing c = {.ctx = ctx, .in = &in};
    tm_status st = tm__choosing_rows(&c, err);
    if (st == TM_OK && c.n_learn < ROWS_MIN) {
        st = TM_FAIL(err, TM_E_DATA, "%llu rows are too few to tell windows apart",
                     (unsigned long long)c.n_learn);
        tm_err_hint(err, "The policy wants %u and more.", ROWS_MIN);
    }
    if (st == TM_OK) {
        const uint64_t n = c.n_learn < ROWS_MAX ? c.n_learn : ROWS_MAX;
        st = tm__table_take_rows(r->harvest.train, c.by_age + (c.n_learn - n), n, out, err);
    }
    tm__choosing_done(&c);
    return st;
}

tm_status tm__mixture_choose(tm_ctx *ctx, tm_retraining *r, const tm_train_options *options,
                             tm_err *err) {
    tm_table *rows = NULL;
    json_t *told = NULL;
    if (options->task == TM_TASK_RANKING) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "the policy ranks nothing");
    }
    TM_TRY(take_rows(ctx, r, options, &rows, err));
    tm_status st = replay(ctx, r, rows, options, &told, err);
    tm__table_unref(rows);
    TM_TRY(st);
    const json_t *const mixture = json_object_get(told, "mixture");
    if (json_array_size(json_object_get(mixture, "parts")) == 0) {
        st = TM_FAIL(err, TM_E_DATA, "rules that learn nothing are right, and no model has a say");
        json_decref(told);
        return st;
    }
    json_object_set_new(json_object_get(r->turn.story, "how"), "policy", told);
    TM_TRY(tm__json_check(err));
    TM_ASSERT(tm__mixture_of(r) != NULL);
    return tm__turn_save(r->registry, &r->turn, err);
}
