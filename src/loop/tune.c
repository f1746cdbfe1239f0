/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      tune.c          replays each setting ──> losses of blocks, and costs from each threshold
 *      tune_choice.c   chooses among all of them, prices the choice, says it
 *
 * 1. Each setting answers all rows; what it lost in each block is kept, and no answers.
 * 2. All products of trigger, window and gate are tried, gates innermost: with one trigger and
 *    window they mostly learn the same models, which are kept for that long.
 */
#include "loop/tune.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "loop/loop_trigger.h"
#include "loop/tune_priv.h"

static const uint64_t every_rows[] = {0, 500, 1000, 2000, 5000};
static const uint64_t windows[] = {0, 5000};    /* and the declared one */
static const double gates[] = {0, 0.002, 0.01}; /* and the declared one */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- what a setting loses ---- */

static uint32_t block_of(const tm_replay_stream *s, uint64_t row) {
    const uint64_t n = s->n_rows - s->first;
    return (uint32_t)((row - s->first) * TM_TUNE_BLOCKS / n);
}

static void add_costs(const tm_tuning *t, const tm_replay_run *run, uint64_t row, uint32_t block,
                      tm_tuning_setting *out) {
    const bool is_positive = t->stream.y[row] == (double)t->positive;
    for (uint32_t k = 0; k <= TM_TUNE_STEPS; k++) {
        const bool is_called = run->chances[row] >= tm__tune_threshold(t, k);
        out->cost[k][block] += is_called == is_positive ? 0.0
                               : is_called              ? t->rule.false_call
                                                        : t->rule.missed;
    }
}

static void add_losses(tm_tuning *t, const tm_replay_run *run, tm_tuning_setting *out) {
    const tm_replay_stream *const s = &t->stream;
    for (uint64_t row = s->first; row < s->n_rows; row++) {
        const double y = s->y[row], answer = run->answers[row];
        const uint32_t block = block_of(s, row);
        if (y != y) {
            continue;
        }
        out->loss[block] += s->is_classes ? (answer == y ? 0.0 : 1.0) : (answer - y) * (answer - y);
        if (run->chances != NULL) {
            add_costs(t, run, row, block, out);
        }
    }
}

static tm_status try_setting(tm_tuning *t, const tm_replay_plan *plan, tm_err *err) {
    tm_tuning_setting *const out = &t->list[t->n_settings];
    tm_replay_run run;
    out->plan = *plan;
    tm__ctx_progress(t->ctx, "tune", t->n_settings, t->n_planned, "settings");
    TM_TRY(tm__replay_run_init(&t->stream, &run, err));
    tm_status st = TM_OK;
    if (t->positive != UINT32_MAX) {
        run.positive = t->positive;
        run.chances = tm__mem_zalloc(t->stream.n_rows, sizeof(*run.chances));
        st = run.chances == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to tune") : TM_OK;
    }
    st = st == TM_OK ? tm__replay_plan_run(t->ctx, &t->stream, plan, &run, err) : st;
    if (st == TM_OK) {
        add_losses(t, &run, out);
        out->score = run.score;
        out->n_retrains = run.n_retrains;
        out->train_seconds = run.train_seconds;
        t->n_settings++;
    }
    tm__replay_run_done(&run);
    return st;
}

/* ---- what is declared ---- */

/* A schedule in rows, by the mean rate of the history. */
static uint64_t rows_in(const tm_tuning *t, int64_t us) {
    const char *const time = t->options->replay.time;
    const tm_replay_stream *const s = &t->stream;
    const uint32_t col = time == NULL ? UINT32_MAX : tm__table_find(s->table, time);
    if (col == UINT32_MAX || us <= 0) {
        return 0;
    }
    const int64_t *const at = tm__table_column(s->table, col)->ints;
    const double span = (double)at[s->n_rows - 1] - (double)at[0];
    const double rows = span > 0 ? (double)us / span * (double)s->n_rows : 0;
    return rows >= 1 && rows < (double)s->n_rows ? (uint64_t)rows : 0;
}

/* "all" or "sliding:5000"; the others ask a test that a replay does not do. */
static bool read_window(const char *text, uint64_t *out) {
    tm_str rest = tm__str(text);
    const tm_str kind = tm__str_cut(&rest, ':');
    *out = 0;
    return (tm__str_is(kind, "all") && rest.len == 0) ||
           (tm__str_is(kind, "sliding") && tm__str_to_u64(rest, out) && *out > 0);
}

static tm_replay_plan declared(tm_tuning *t) {
    const json_t *const retrain = json_object_get(t->options->recipe, "retrain");
    tm_trigger_terms terms;
    tm__trigger_terms(t->options->recipe, &terms);
    tm_replay_plan plan = {.every = terms.new_rows > 0 ? terms.new_rows : terms.new_labels,
                           .on_errors = terms.on_performance && t->stream.is_classes,
                           .has_gate = true,
                           .gate_by = t->options->gate_by,
                           .seed = t->options->replay.seed,
                           .kept = t->kept};
    const char *const window = tm__json_text(retrain, "window", "all");
    const bool has_window = read_window(window, &plan.window);
    const uint64_t scheduled = rows_in(t, terms.every_us);
    if (scheduled > 0 && (plan.every == 0 || scheduled < plan.every)) {
        plan.every = scheduled;
    }
    const struct {
        bool is_there;
        const char *word;
    } others[] = {{!has_window, "window"},
                  {strcmp(tm__json_text(retrain, "how", "recipe"), "recipe") != 0, "how"},
                  {terms.every_us > 0 && scheduled == 0, "every"},
                  {terms.on_drift, "on: drift"},
                  {terms.on_schema, "on: schema"},
                  {terms.on_performance && !plan.on_errors, "on: performance"},
                  {terms.has_bound, "worse_than"},
                  {json_object_get(retrain, "cool_down_s") != NULL, "cool_down"},
                  {terms.per_day_us > 0, "per_day"}};
    for (size_t i = 0; i < COUNT(others); i++) {
        if (others[i].is_there) {
            json_array_append_new(t->not_replayed, json_string(others[i].word));
        }
    }
    return plan;
}

/* ---- settings ---- */

/* Of one trigger and window, with each gate. */
static tm_status try_gates(tm_tuning *t, const tm_replay_plan *with, tm_err *err) {
    tm_replay_plan plan = *with;
    tm__replay_kept_reset(t->kept);
    for (size_t g = 0; g <= COUNT(gates); g++) {
        plan.gate_by = g < COUNT(gates) ? gates[g] : t->list[0].plan.gate_by;
        if (t->n_settings < TM_TUNE_SETTINGS && tm__tune_find(t, &plan) == NULL) {
            TM_TRY(try_setting(t, &plan, err));
        }
    }
    return TM_OK;
}

static tm_status try_windows(tm_tuning *t, const tm_replay_plan *with, tm_err *err) {
    tm_replay_plan plan = *with;
    for (size_t w = 0; w <= COUNT(windows); w++) {
        plan.window = w < COUNT(windows) ? windows[w] : t->list[0].plan.window;
        const bool is_known =
            w == COUNT(windows) && (plan.window == 0 || plan.window == windows[1]);
        if (!is_known) {
            TM_TRY(try_gates(t, &plan, err));
        }
    }
    return TM_OK;
}

static tm_status try_triggers(tm_tuning *t, const tm_replay_plan *now, tm_err *err) {
    tm_replay_plan plan = *now;
    TM_TRY(try_windows(t, now, err)); /* the declared one */
    for (size_t e = 0; e < COUNT(every_rows); e++) {
        for (uint32_t errors = 0; errors < (t->stream.is_classes ? 2u : 1u); errors++) {
            plan.every = every_rows[e];
            plan.on_errors = errors != 0;
            if (plan.every == 0 && errors == 0) { /* never: no window or gate is asked */
                plan.window = 0;
                plan.gate_by = now->gate_by;
                TM_TRY(tm__tune_find(t, &plan) == NULL ? try_setting(t, &plan, err) : TM_OK);
            } else if (errors == 0 || plan.every == 0 || plan.every == 5000) {
                TM_TRY(try_windows(t, &plan, err));
            }
        }
    }
    return TM_OK;
}

/* ---- all of it ---- */

/* The number of the positive class in the stream, where the recipe declares what errors cost. */
static uint32_t find_positive(tm_tuning *t) {
    const char *const rule = tm__json_text(t->options->recipe, "threshold", "");
    const uint32_t col = tm__table_find(t->stream.table, t->options->replay.target);
    const tm_schema_column as_text = {.name = (char[]){"target"}, .type = TM_TYPE_TEXT};
    if (!t->stream.is_classes || t->stream.n_outputs != 2 || t->options->positive == NULL ||
        tm__threshold_parse(rule, &t->rule, NULL) != TM_OK || t->rule.kind != TM_RULE_COST) {
        return UINT32_MAX;
    }
    for (uint64_t row = 0; row < t->stream.n_rows; row++) {
        char room[32];
        bool is_changed = false;
        tm_cell cell = tm__column_cell(tm__table_column(t->stream.table, col), row);
        if (cell.type != TM_TYPE_NONE &&
            tm__cell_fit(&as_text, &cell, room, &is_changed, NULL) == TM_OK &&
            tm__str_is(cell.text, t->options->positive)) {
            return (uint32_t)t->stream.y[row];
        }
    }
    return UINT32_MAX;
}

static tm_status tune(tm_tuning *t, tm_err *err) {
    for (uint64_t row = t->stream.first; row < t->stream.n_rows; row++) {
        t->n[block_of(&t->stream, row)] += t->stream.y[row] == t->stream.y[row] ? 1.0 : 0.0;
    }
    if (t->stream.n_rows - t->stream.first < TM_TUNE_BLOCKS) {
        return TM_FAIL(err, TM_E_DATA, "fewer than %u rows are answered: too few to tune by",
                       TM_TUNE_BLOCKS);
    }
    t->positive = find_positive(t);
    t->n_planned = t->stream.is_classes ? 56 : 40;
    const tm_replay_plan now = declared(t);
    TM_TRY(try_setting(t, &now, err));
    return try_triggers(t, &now, err);
}

/* The time from which on n rows are; INT64_MIN when there is no such column. */
static tm_status find_cut(const tm_table *table, const char *time, uint64_t n, int64_t *out,
                          tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    const uint32_t col = time == NULL ? UINT32_MAX : tm__table_find(table, time);
    const int64_t *const at = col == UINT32_MAX ? NULL : tm__table_column(table, col)->ints;
    *out = INT64_MIN;
    if (at == NULL) {
        return TM_OK;
    }
    int64_t *const sorted = tm__mem_alloc(n_rows, sizeof(*sorted));
    if (sorted == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to tune");
    }
    memcpy(sorted, at, n_rows * sizeof(*sorted));
    qsort(sorted, n_rows, sizeof(*sorted), tm__compare_i64);
    *out = sorted[n_rows - n];
    tm__mem_free(sorted);
    return TM_OK;
}

/* The newest n rows: by time (all of the oldest moment among them), else the last ones. */
static tm_status take_newest(tm_table *table, const char *time, uint64_t n, tm_table **out,
                             tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    int64_t cut = 0;
    uint64_t n_taken = 0;
    if (n == 0 || n_rows <= n) {
        *out = tm__table_ref(table);
        return TM_OK;
    }
    TM_TRY(find_cut(table, time, n, &cut, err));
    uint32_t *const rows = tm__mem_alloc(n_rows, sizeof(*rows));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to tune");
    }
    const int64_t *const at =
        cut == INT64_MIN ? NULL : tm__table_column(table, tm__table_find(table, time))->ints;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (at != NULL ? at[row] >= cut : row >= n_rows - n) {
            rows[n_taken++] = (uint32_t)row;
        }
    }
    const tm_status st = tm__table_take_rows(table, rows, n_taken, out, err);
    tm__mem_free(rows);
    return st;
}

tm_status tm__tune_run(tm_ctx *ctx, tm_table *table, const tm_tune_options *options, json_t **out,
                       tm_err *err) {
    tm_tuning t = {.ctx = ctx, .options = options, .positive = UINT32_MAX};
    tm_table *newest = NULL;
    TM_TRY(take_newest(table, options->replay.time, options->n_rows_max, &newest, err));
    const tm_status ready = tm__replay_stream_init(newest, &options->replay, &t.stream, err);
    tm__table_unref(newest);
    TM_TRY(ready);
    t.list = tm__mem_zalloc(TM_TUNE_SETTINGS, sizeof(*t.list));
    t.kept = tm__mem_zalloc(1, sizeof(*t.kept));
    t.not_replayed = json_array();
    tm_status st = t.list == NULL || t.kept == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to tune")
                                                    : tune(&t, err);
    if (st == TM_OK) {
        json_t *const told = tm__tune_tell(&t);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = told;
        } else {
            json_decref(told);
        }
    }
    json_decref(t.not_replayed);
    if (t.kept != NULL) {
        tm__replay_kept_reset(t.kept);
    }
    tm__mem_free(t.kept);
    tm__mem_free(t.list);
    tm__replay_stream_done(&t.stream);
    return st;
}
