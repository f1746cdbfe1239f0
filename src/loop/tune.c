/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      rows     | teach | answered, chosen on      | answered, priced on      |
 *      blocks           | 0 1 2 ...             19 | 20 21 ...             39 |
 *
 * 1. Each setting answers all rows; what it lost in each block is kept, and no answers.
 * 2. All products of trigger, window and gate are tried, gates innermost: with one trigger and
 *    window they mostly learn the same models, which are kept for that long.
 * 3. What is proposed of a gate or a window must be surely better than the declared one with all
 *    else the same.
 */
#include "loop/tune.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/loop_trigger.h"
#include "loop/replay_priv.h"
#include "metric/threshold.h"

#define BLOCKS 40u
#define HALF 20u
#define DRAWS 1000u
#define SETTINGS_MAX 96u
#define STEPS 19u /* thresholds: 0.05 to 0.95 */

static const uint64_t every_rows[] = {0, 500, 1000, 2000, 5000};
static const uint64_t windows[] = {0, 5000};    /* and the declared one */
static const double gates[] = {0, 0.002, 0.01}; /* and the declared one */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

typedef struct setting {
    tm_replay_plan plan;
    double loss[BLOCKS];            /* sums: errors, squared errors */
    double cost[STEPS + 1][BLOCKS]; /* of calls from each threshold; the last: as it is now */
    double score;
    uint64_t n_retrains;
    double train_seconds;
} setting;

typedef struct tuning {
    tm_ctx *ctx;
    const tm_tune_options *options;
    tm_replay_stream stream;
    double n[BLOCKS]; /* labelled rows */
    setting *list;    /* [n_settings], the first is declared */
    uint32_t n_settings, n_planned;
    tm_replay_kept *kept;
    uint32_t positive; /* class; UINT32_MAX: none, or no costs */
    tm_threshold_rule rule;
    json_t *not_replayed;
} tuning;

/* ---- what a setting loses ---- */

static uint32_t block_of(const tm_replay_stream *s, uint64_t row) {
    const uint64_t n = s->n_rows - s->first;
    return (uint32_t)((row - s->first) * BLOCKS / n);
}

static double threshold_at(const tuning *t, uint32_t step) {
    return step == STEPS ? t->options->threshold : 0.05 * (double)(step + 1);
}

static void add_costs(const tuning *t, const tm_replay_run *run, uint64_t row, uint32_t block,
                      setting *out) {
    const bool is_positive = t->stream.y[row] == (double)t->positive;
    for (uint32_t k = 0; k <= STEPS; k++) {
        const bool is_called = run->chances[row] >= threshold_at(t, k);
        out->cost[k][block] += is_called == is_positive ? 0.0
                               : is_called              ? t->rule.false_call
                                                        : t->rule.missed;
    }
}

static void add_losses(tuning *t, const tm_replay_run *run, setting *out) {
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

static tm_status try_setting(tuning *t, const tm_replay_plan *plan, tm_err *err) {
    setting *const out = &t->list[t->n_settings];
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

/* ---- gains ---- */

/* Of blocks [n]: what b is better than a by, in the metric. */
static double gain_of(const tuning *t, const double *a, const double *b, const uint32_t *blocks,
                      uint32_t n, bool is_cost) {
    double sum_a = 0, sum_b = 0, rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum_a += a[blocks[i]];
        sum_b += b[blocks[i]];
        rows += t->n[blocks[i]];
    }
    if (!(rows > 0)) {
        return 0;
    }
    return t->stream.is_classes || is_cost ? (sum_a - sum_b) / rows
                                           : tm__sqrt(sum_a / rows) - tm__sqrt(sum_b / rows);
}

static double gain_between(const tuning *t, const double *a, const double *b, uint32_t begin,
                           bool is_cost) {
    uint32_t blocks[HALF];
    for (uint32_t i = 0; i < HALF; i++) {
        blocks[i] = begin + i;
    }
    return gain_of(t, a, b, blocks, HALF, is_cost);
}

static int compare_f64(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct gain {
    double value, low, high;
} gain;

/* On the second half, whose blocks are drawn again. */
static gain price(const tuning *t, const double *a, const double *b, bool is_cost) {
    double drawn[DRAWS];
    tm_rng rng = tm__rng_split(t->options->replay.seed, "tune", 0);
    for (uint32_t d = 0; d < DRAWS; d++) {
        uint32_t blocks[HALF];
        for (uint32_t i = 0; i < HALF; i++) {
            blocks[i] = HALF + (uint32_t)tm__rng_below(&rng, HALF);
        }
        drawn[d] = gain_of(t, a, b, blocks, HALF, is_cost);
    }
    qsort(drawn, DRAWS, sizeof(drawn[0]), compare_f64);
    return (gain){gain_between(t, a, b, HALF, is_cost), drawn[DRAWS / 40],
                  drawn[DRAWS - 1 - DRAWS / 40]};
}

static json_t *gain_json(gain g) {
    return json_pack("{s:o, s:o, s:o}", "value", tm__json_number(g.value), "low",
                     tm__json_number(g.low), "high", tm__json_number(g.high));
}

static bool same(double a, double b) {
    return !(a < b) && !(a > b);
}

/* Settings that are like a plan, but for the window or the gate. */
typedef struct likeness {
    bool any_window, any_gate;
} likeness;

static bool is_like(const tm_replay_plan *a, const tm_replay_plan *b, likeness l) {
    return a->every == b->every && a->on_errors == b->on_errors &&
           (l.any_window || a->window == b->window) && (l.any_gate || same(a->gate_by, b->gate_by));
}

/* The best of all on the first half. */
static const setting *best_of_all(const tuning *t) {
    const setting *best = &t->list[0];
    for (uint32_t i = 1; i < t->n_settings; i++) {
        best = gain_between(t, best->loss, t->list[i].loss, 0, false) > 0 ? &t->list[i] : best;
    }
    return best;
}

/* The best one on the first half of those that are like a plan and have another window; NULL: none.
 */
static const setting *best_other_window(const tuning *t, const tm_replay_plan *plan) {
    const setting *best = NULL;
    for (uint32_t i = 0; i < t->n_settings; i++) {
        const setting *const s = &t->list[i];
        if (s->plan.window != plan->window && is_like(&s->plan, plan, (likeness){true, false}) &&
            (best == NULL || gain_between(t, best->loss, s->loss, 0, false) > 0)) {
            best = s;
        }
    }
    return best;
}

static const setting *find_plan(const tuning *t, const tm_replay_plan *plan) {
    for (uint32_t i = 0; i < t->n_settings; i++) {
        if (is_like(&t->list[i].plan, plan, (likeness){false, false})) {
            return &t->list[i];
        }
    }
    return NULL;
}

/* Back to what is declared where the choice is not surely better than it. */
static const setting *without_doubt(const tuning *t, const setting *best) {
    const tm_replay_plan *const now = &t->list[0].plan;
    for (uint32_t what = 0; what < 2; what++) {
        tm_replay_plan plan = best->plan;
        if (what == 0) {
            plan.gate_by = now->gate_by;
        } else {
            plan.window = now->window;
        }
        const setting *const plain = find_plan(t, &plan);
        if (plain != NULL && plain != best && !(price(t, plain->loss, best->loss, false).low > 0)) {
            best = plain;
        }
    }
    return best;
}

/* ---- what is declared ---- */

/* A schedule in rows, by the mean rate of the history. */
static uint64_t rows_in(const tuning *t, int64_t us) {
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

static tm_replay_plan declared(tuning *t) {
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
static tm_status try_gates(tuning *t, const tm_replay_plan *with, tm_err *err) {
    tm_replay_plan plan = *with;
    tm__replay_kept_reset(t->kept);
    for (size_t g = 0; g <= COUNT(gates); g++) {
        plan.gate_by = g < COUNT(gates) ? gates[g] : t->list[0].plan.gate_by;
        if (t->n_settings < SETTINGS_MAX && find_plan(t, &plan) == NULL) {
            TM_TRY(try_setting(t, &plan, err));
        }
    }
    return TM_OK;
}

static tm_status try_windows(tuning *t, const tm_replay_plan *with, tm_err *err) {
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

static tm_status try_triggers(tuning *t, const tm_replay_plan *now, tm_err *err) {
    tm_replay_plan plan = *now;
    TM_TRY(try_windows(t, now, err)); /* the declared one */
    for (size_t e = 0; e < COUNT(every_rows); e++) {
        for (uint32_t errors = 0; errors < (t->stream.is_classes ? 2u : 1u); errors++) {
            plan.every = every_rows[e];
            plan.on_errors = errors != 0;
            if (plan.every == 0 && errors == 0) { /* never: no window or gate is asked */
                plan.window = 0;
                plan.gate_by = now->gate_by;
                TM_TRY(find_plan(t, &plan) == NULL ? try_setting(t, &plan, err) : TM_OK);
            } else if (errors == 0 || plan.every == 0 || plan.every == 5000) {
                TM_TRY(try_windows(t, &plan, err));
            }
        }
    }
    return TM_OK;
}

/* ---- what it says ---- */

static json_t *setting_json(const setting *s) {
    return json_pack("{s:I, s:o, s:b, s:o, s:o, s:I, s:f}", "new_rows", (json_int_t)s->plan.every,
                     "window_rows",
                     s->plan.window > 0 ? json_integer((json_int_t)s->plan.window) : json_null(),
                     "on_errors", (int)s->plan.on_errors, "gate_by",
                     tm__json_number(s->plan.gate_by), "score", tm__json_number(s->score),
                     "retrains", (json_int_t)s->n_retrains, "train_seconds", s->train_seconds);
}

static void propose(const tuning *t, const setting *best, json_t *difference) {
    const tm_replay_plan *const now = &t->list[0].plan, *const plan = &best->plan;
    if (plan->every != now->every || plan->on_errors != now->on_errors ||
        plan->window != now->window) {
        json_t *const retrain = json_object();
        if (plan->every > 0) {
            json_object_set_new(retrain, "new_rows", json_integer((json_int_t)plan->every));
        }
        if (plan->on_errors) {
            json_object_set_new(retrain, "on", json_pack("[s]", "performance"));
        }
        if (plan->window > 0) {
            json_object_set_new(retrain, "window",
                                json_sprintf("sliding:%llu", (unsigned long long)plan->window));
        }
        json_object_set_new(difference, "retrain", retrain);
    }
    if (!same(plan->gate_by, now->gate_by)) {
        json_object_set_new(difference, "gate",
                            json_pack("{s:s, s:o}", "better_than", "champion", "by",
                                      tm__json_number(plan->gate_by)));
    }
}

/* The threshold that costs least with what is best, if it is surely less than now. */
static void say_threshold(const tuning *t, const setting *best, json_t *out, json_t *difference) {
    uint32_t at = STEPS;
    if (t->positive == UINT32_MAX) {
        json_object_set_new(out, "threshold", json_null());
        return;
    }
    for (uint32_t k = 0; k < STEPS; k++) {
        at = gain_between(t, best->cost[at], best->cost[k], 0, true) > 0 ? k : at;
    }
    const gain g = price(t, best->cost[STEPS], best->cost[at], true);
    json_object_set_new(out, "threshold",
                        json_pack("{s:o, s:o, s:o}", "value", tm__json_number(threshold_at(t, at)),
                                  "was", tm__json_number(t->options->threshold), "gain",
                                  gain_json(g)));
    if (g.low > 0) {
        json_object_set_new(difference, "threshold", json_sprintf("%.2f", threshold_at(t, at)));
    }
}

static void say_window(const tuning *t, const setting *best, json_t *out) {
    const setting *const other = best_other_window(t, &best->plan);
    json_object_set_new(
        out, "window",
        other == NULL ? json_null()
                      : json_pack("{s:I, s:o}", "rows", (json_int_t)other->plan.window, "gain",
                                  gain_json(price(t, best->loss, other->loss, false))));
}

static json_t *tell(tuning *t) {
    json_t *const out = json_object(), *const all = json_array(), *difference = json_object();
    const setting *best = without_doubt(t, best_of_all(t));
    const gain g = price(t, t->list[0].loss, best->loss, false);
    const uint64_t n = t->stream.n_rows - t->stream.first;
    for (uint32_t i = 1; i < t->n_settings; i++) {
        json_array_append_new(all, setting_json(&t->list[i]));
    }
    json_object_set_new(out, "target", json_string(t->options->replay.target));
    json_object_set_new(out, "metric", json_string(t->stream.is_classes ? "accuracy" : "rmse"));
    json_object_set_new(out, "rows", json_integer((json_int_t)t->stream.n_rows));
    json_object_set_new(out, "chosen_on", json_integer((json_int_t)(n / 2)));
    json_object_set_new(out, "priced_on", json_integer((json_int_t)(n - n / 2)));
    json_object_set_new(out, "declared", setting_json(&t->list[0]));
    json_object_set_new(out, "settings", all);
    json_object_set_new(out, "best", setting_json(best));
    json_object_set_new(out, "gain", gain_json(g));
    json_object_set(out, "not_replayed", t->not_replayed);
    say_window(t, best, out);
    if (g.low > 0) {
        propose(t, best, difference);
    } else {
        best = &t->list[0]; /* what is declared stays */
    }
    say_threshold(t, best, out, difference);
    if (json_object_size(difference) == 0) {
        json_decref(difference);
        difference = json_null();
    }
    json_object_set_new(out, "difference", difference);
    return out;
}

/* ---- all of it ---- */

/* The number of the positive class in the stream, where the recipe declares what errors cost. */
static uint32_t find_positive(tuning *t) {
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

static tm_status tune(tuning *t, tm_err *err) {
    for (uint64_t row = t->stream.first; row < t->stream.n_rows; row++) {
        t->n[block_of(&t->stream, row)] += t->stream.y[row] == t->stream.y[row] ? 1.0 : 0.0;
    }
    if (t->stream.n_rows - t->stream.first < BLOCKS) {
        return TM_FAIL(err, TM_E_DATA, "fewer than %u rows are answered: too few to tune by",
                       BLOCKS);
    }
    t->positive = find_positive(t);
    t->n_planned = t->stream.is_classes ? 56 : 40;
    const tm_replay_plan now = declared(t);
    TM_TRY(try_setting(t, &now, err));
    return try_triggers(t, &now, err);
}

static int compare_i64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
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
    qsort(sorted, n_rows, sizeof(*sorted), compare_i64);
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
    tuning t = {.ctx = ctx, .options = options, .positive = UINT32_MAX};
    tm_table *newest = NULL;
    TM_TRY(take_newest(table, options->replay.time, options->n_rows_max, &newest, err));
    const tm_status ready = tm__replay_stream_init(newest, &options->replay, &t.stream, err);
    tm__table_unref(newest);
    TM_TRY(ready);
    t.list = tm__mem_zalloc(SETTINGS_MAX, sizeof(*t.list));
    t.kept = tm__mem_zalloc(1, sizeof(*t.kept));
    t.not_replayed = json_array();
    tm_status st = t.list == NULL || t.kept == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to tune")
                                                    : tune(&t, err);
    if (st == TM_OK) {
        json_t *const told = tell(&t);
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
