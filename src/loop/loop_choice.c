/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   rows to learn from, by age ──┬─ learn ──┬─ two fifths ─> a model ─> its errors ─> last change
 *                                │          └─ each window ─> a model ──┐
 *                                ├─ gap                                 │
 *                                └─ test: the newest ────────> losses <─┘
 *
 * 1. The rows that a gate judges by take no part: a choice made on them would make their verdict
 *    flatter the candidate.
 * 2. A change is looked for among the rows before the test rows alone.
 * 3. The gap is as many rows as the gate holds out: what is learned in the end answers rows that
 * lie behind those, and right behind what was learned the shortest window always looks best.
 * 4. A window of the choice is grown by gap and test rows, which are learned from in the end.
 */
#include "loop/loop_choice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop_policy.h"
#include "loop/loop_turn.h"

#define ROWS_MIN 400u /* fewer say nothing of windows */
#define TEST_ROWS_MAX 20000u
#define TRIAL_ROWS_MAX 50000u
#define SLIDING_ROWS_MIN 200u
#define CHANGE_ROWS_MIN 100u
#define CANDIDATES_MAX 8u
#define RUNS 20u /* of test rows, one after the other */
#define SURE 2.0 /* standard errors */

static const char *const quick_trees[] = {"gbdt.n_trees=60", "gbdt.learning_rate=0.15",
                                          "gbdt.max_bins=63", "gbdt.early_stopping=0"};
static const char *const quick_lines[] = {"linear.strength=0.001", "linear.max_iter=50"};

typedef struct candidate {
    tm_row_window window;
    bool is_tried;                 /* it has losses */
    double loss, better_by, error; /* means of a row; better than `all` */
    char why[160];                 /* it could not be tried */
} candidate;

typedef struct choosing {
    tm_ctx *ctx;
    const tm_choice_input *in;
    tm_train_options options; /* of a trial */
    const char **params;
    uint32_t *by_age; /* [n_learn + n_gap + n_test] rows with a target, the oldest first */
    uint64_t n_learn, n_gap, n_test;
    tm_table *learn, *test;
    double *losses, *losses_all; /* [n_test] */
    uint64_t n_since;            /* newest of learn since the last change; 0: none was found */
    candidate list[CANDIDATES_MAX];
    uint32_t n;
} choosing;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to choose what to learn from");
}

static void choosing_done(choosing *c) {
    tm__table_unref(c->learn);
    tm__table_unref(c->test);
    tm__mem_free(c->params);
    tm__mem_free(c->by_age);
    tm__mem_free(c->losses);
    tm__mem_free(c->losses_all);
}

/* ---- what is asked for ---- */

tm_status tm__window_ask(const char *text, tm_window_ask *out, tm_err *err) {
    tm_str rest = tm__str(text);
    const tm_str name = tm__str_cut(&rest, ':');
    const tm_row_window_kind kind = tm__row_window_from_text(name);
    const bool is_auto = tm__str_is(name, "auto");
    const bool takes_rows = kind == TM_ROWS_SLIDING || kind == TM_ROWS_WEIGHTED;
    tm_window_ask ask = {.kinds = 1u << kind};
    if (is_auto) {
        ask.kinds = (1u << TM_ROWS_KINDS) - (1u << TM_ROWS_ALL);
    }
    const bool has_rows = strchr(text, ':') != NULL;
    if ((kind == TM_ROWS_KINDS && !is_auto) ||
        (has_rows && (!takes_rows || !tm__str_to_u64(rest, &ask.rows) || ask.rows < 10 ||
                      ask.rows > TM_MAX_ROWS))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.60s' is no window of rows", text);
        tm_err_hint(err, "Write all, sliding, weighted, cut or auto; or the newest rows, as in "
                         "sliding:5000, or those by which a row counts half, as in weighted:5000.");
        return st;
    }
    *out = ask;
    return TM_OK;
}

/* ---- rows ---- */

static tm_status find_rows(choosing *c, tm_err *err) {
    const tm_train_options *const o = c->in->options;
    tm_table *const train = c->in->train;
    const uint32_t target = tm__table_find(train, o->target);
    int64_t *known_us = NULL;
    TM_TRY(tm__train_label_known(train, o, &known_us, err));
    c->by_age = tm__mem_alloc(tm__table_rows(train) + 1, sizeof(*c->by_age));
    if (c->by_age == NULL || target == UINT32_MAX) {
        tm__mem_free(known_us);
        return c->by_age == NULL
                   ? no_memory(err)
                   : TM_FAIL(err, TM_E_DATA, "the rows have no column '%s'", o->target);
    }
    uint64_t n = 0;
    for (uint64_t row = 0; row < tm__table_rows(train); row++) {
        const bool is_known = known_us == NULL || known_us[row] <= o->label_cut_us;
        if (is_known &&
            tm__column_cell(tm__table_column(train, target), row).type != TM_TYPE_NONE) {
            c->by_age[n++] = (uint32_t)row;
        }
    }
    tm__mem_free(known_us);
    c->n_learn = n;
    const bool has_column = o->split.kind == TM_SPLIT_TIME || o->split.kind == TM_SPLIT_TIME_AT;
    const char *const time = o->time == NULL && has_column ? o->split.column : o->time;
    return tm__rows_by_age(train, time, c->by_age, n, err);
}

static void size_test(choosing *c) {
    const uint64_t n = c->n_learn;
    uint64_t n_test = tm__loop_held_count(c->in->n_new);
    n_test = n_test < TM_LOOP_HELD_MIN ? TM_LOOP_HELD_MIN : n_test;
    n_test = n_test < n / 2 ? n_test : n / 2;
    c->n_test = n_test < TEST_ROWS_MAX ? n_test : TEST_ROWS_MAX;
    /* Half of the new rows before the test stay to be learned from, or no window could have them.
     */
    const uint64_t n_left = c->in->n_new > c->n_test ? c->in->n_new - c->n_test : 0;
    c->n_gap = c->in->n_gap < n_left / 2 ? c->in->n_gap : n_left / 2;
    c->n_gap = c->n_gap < (n - c->n_test) / 2 ? c->n_gap : (n - c->n_test) / 2;
    c->n_learn = n - c->n_test - c->n_gap;
}

static tm_status cut_tables(choosing *c, tm_err *err) {
    TM_TRY(tm__table_take_rows(c->in->train, c->by_age, c->n_learn, &c->learn, err));
    TM_TRY(tm__table_take_rows(c->in->train, c->by_age + c->n_learn + c->n_gap, c->n_test, &c->test,
                               err));
    c->losses = tm__mem_alloc(c->n_test, sizeof(*c->losses));
    c->losses_all = tm__mem_alloc(c->n_test, sizeof(*c->losses_all));
    return c->losses == NULL || c->losses_all == NULL ? no_memory(err) : TM_OK;
}

/* ---- trials ---- */

/* The recipe with one quick learner: features, roles and objective are its own. */
static tm_status set_options(choosing *c, tm_err *err) {
    const tm_train_options *const o = c->in->options;
    const char *const learner = tm__json_text(tm__bundle_info(c->in->champion), "learner", "");
    const bool is_line = strcmp(learner, "linear") == 0;
    const char *const *const quick = is_line ? quick_lines : quick_trees;
    const uint32_t n_quick = is_line ? 2 : 4;
    c->params = tm__mem_alloc((size_t)o->n_params + n_quick, sizeof(*c->params));
    if (c->params == NULL) {
        return no_memory(err);
    }
    if (o->n_params > 0) {
        memcpy(c->params, o->params, o->n_params * sizeof(*c->params));
    }
    memcpy(c->params + o->n_params, quick, n_quick * sizeof(*c->params)); /* the last one counts */
    c->options = *o;
    c->options.learners = is_line ? "linear" : "gbdt";
    c->options.params = c->params;
    c->options.n_params = o->n_params + n_quick;
    c->options.calibrate = "none";
    c->options.threshold = NULL;
    c->options.work = c->options.budget_ms = c->options.bundle_bytes_max = 0;
    c->options.on_trial = NULL;
    c->options.base = NULL;
    memset(c->options.snapshot, 0, sizeof(c->options.snapshot));
    memset(c->options.test_snapshot, 0, sizeof(c->options.test_snapshot));
    return TM_OK;
}

/* What is wrong with rows makes a window impossible, what is wrong with the machine ends all. */
static bool is_of_rows(tm_status st) {
    return st == TM_E_DATA || st == TM_E_REFUSED || st == TM_E_UNSUPPORTED || st == TM_E_LIMIT ||
           st == TM_E_USAGE || st == TM_E_INVALID;
}

/* Losses of rows by a model of others: out [rows of `rows`]. */
static tm_status answer(choosing *c, tm_table *learned, const tm_bundle *bundle, tm_table *rows,
                        double *out, tm_err *err) {
    const tm_duel duel = {.rows = rows,
                          .history = {.events = learned,
                                      .sources = c->in->events->sources,
                                      .n_sources = c->in->events->n}};
    tm_table *wide = NULL;
    tm_look look = {0};
    TM_TRY(tm__loop_widen(c->ctx, &duel, bundle, &wide, err));
    tm_status st = tm__look_init(c->ctx, bundle, wide, 0, &look, err);
    tm__table_unref(wide);
    if (st == TM_OK && look.n != tm__table_rows(rows)) {
        st = TM_FAIL(err, TM_E_DATA, "a target of the newest rows is none");
    }
    if (st == TM_OK) {
        tm__regret_losses(&look, out);
    }
    tm__look_done(&look);
    return st;
}

static tm_status try_rows(choosing *c, tm_table *learn, const tm_row_window *window, tm_table *rows,
                          double *out, tm_err *err) {
    struct tm_checkpoint *const checkpoint = c->ctx->checkpoint;
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    c->options.window = *window;
    c->options.window.rows_max = TRIAL_ROWS_MAX;
    c->ctx->checkpoint = NULL;
    tm_status st = tm__train_run(c->ctx, learn, rows, &c->options, &result, err);
    c->ctx->checkpoint = checkpoint;
    st = st == TM_OK ? tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, err) : st;
    st = st == TM_OK ? answer(c, learn, bundle, rows, out, err) : st;
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    return st;
}

/* ---- the last change ---- */

/* Rows begin .. end of those by age, at most n_max of them, evenly spread. */
static tm_status take_spread(const choosing *c, uint64_t begin, uint64_t end, uint64_t n_max,
                             tm_table **out, tm_err *err) {
    const uint64_t n = end - begin < n_max ? end - begin : n_max;
    uint32_t *const rows = tm__mem_alloc(n, sizeof(*rows));
    if (rows == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = c->by_age[begin + i * (end - begin) / n];
    }
    const tm_status st = tm__table_take_rows(c->in->train, rows, n, out, err);
    tm__mem_free(rows);
    return st;
}

/* The policy's watch over the errors of a model that learned the oldest rows. */
static void watch(choosing *c, const double *losses, uint64_t n, uint64_t n_all) {
    static const tm_policy_terms terms = {.n_arms = 0};
    tm_policy policy;
    tm__policy_init(&policy, &terms);
    for (uint64_t i = 0; i < n; i++) {
        const tm_policy_label label = {.champion = losses[i]};
        tm__policy_add(&policy, i + 1, &label);
    }
    const uint64_t n_since = policy.has_change ? (n - policy.change_at) * n_all / n : 0;
    c->n_since = n_since >= CHANGE_ROWS_MIN ? n_since : 0;
}

static tm_status find_change(choosing *c, tm_err *err) {
    const uint64_t first = c->n_learn * 2 / 5, n_all = c->n_learn - first;
    const tm_row_window all = {.kind = TM_ROWS_ALL};
    tm_table *old = NULL, *later = NULL;
    tm_err own = {0};
    tm_status st = take_spread(c, 0, first, first, &old, err);
    st = st == TM_OK ? take_spread(c, first, c->n_learn, TRIAL_ROWS_MAX, &later, err) : st;
    const uint64_t n = later != NULL ? tm__table_rows(later) : 0;
    double *const losses = tm__mem_alloc(n + 1, sizeof(*losses));
    st = st == TM_OK && losses == NULL ? no_memory(err) : st;
    if (st == TM_OK) {
        st = try_rows(c, old, &all, later, losses, &own);
        if (st == TM_OK) {
            watch(c, losses, n, n_all);
        } else if (!is_of_rows(st) && err != NULL) {
            *err = own;
        }
        st = is_of_rows(st) ? TM_OK : st; /* then nobody knows of a change */
    }
    tm__mem_free(losses);
    tm__table_unref(old);
    tm__table_unref(later);
    return st;
}

/* ---- candidates ---- */

static void add(choosing *c, uint32_t kinds, tm_row_window_kind kind, uint64_t rows) {
    const bool is_whole = kind != TM_ROWS_ALL && kind != TM_ROWS_WEIGHTED && rows >= c->n_learn;
    if ((kinds & (1u << kind)) != 0 && !is_whole) {
        c->list[c->n++] = (candidate){.window = {.kind = kind, .rows = rows}};
    }
}

static tm_status list_candidates(choosing *c, uint32_t kinds, tm_err *err) {
    static const uint64_t parts[] = {2, 5, 12}, half_lives[] = {4, 12};
    add(c, kinds, TM_ROWS_ALL, 0);
    for (size_t i = 0; i < 3; i++) {
        if (c->n_learn / parts[i] >= SLIDING_ROWS_MIN) {
            add(c, kinds, TM_ROWS_SLIDING, c->n_learn / parts[i]);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (c->n_learn / half_lives[i] >= CHANGE_ROWS_MIN) {
            add(c, kinds, TM_ROWS_WEIGHTED, c->n_learn / half_lives[i]);
        }
    }
    if ((kinds & (1u << TM_ROWS_CUT)) != 0) {
        TM_TRY(find_change(c, err));
        if (c->n_since > 0) {
            add(c, kinds, TM_ROWS_CUT, c->n_since);
        }
    }
    return TM_OK;
}

/* Means of runs of rows, for a standard error that errors in runs do not flatter. */
static void compare(const choosing *c, candidate *one) {
    double sum = 0, squares = 0;
    const uint64_t n_runs = RUNS < c->n_test ? RUNS : c->n_test;
    for (uint64_t k = 0; k < n_runs; k++) {
        const uint64_t begin = k * c->n_test / n_runs, end = (k + 1) * c->n_test / n_runs;
        double run = 0;
        for (uint64_t i = begin; i < end; i++) {
            run += (c->losses_all[i] - c->losses[i]) / (double)(end - begin);
        }
        sum += run;
        squares += run * run;
    }
    const double n = (double)n_runs, mean = sum / n;
    one->better_by = mean;
    one->error = n > 1 ? sqrt(fmax(squares / n - mean * mean, 0) / (n - 1)) : 0;
}

static tm_status try_candidate(choosing *c, candidate *one, tm_err *err) {
    tm_err own = {0};
    const bool is_all = one->window.kind == TM_ROWS_ALL;
    const tm_status st =
        try_rows(c, c->learn, &one->window, c->test, is_all ? c->losses_all : c->losses, &own);
    if (st == TM_OK) {
        const double *const losses = is_all ? c->losses_all : c->losses;
        one->is_tried = true;
        for (uint64_t i = 0; i < c->n_test; i++) {
            one->loss += losses[i] / (double)c->n_test;
        }
        if (!is_all && c->list[0].is_tried && c->list[0].window.kind == TM_ROWS_ALL) {
            compare(c, one);
        }
        return TM_OK;
    }
    (void)tm__str_copy(one->why, sizeof(one->why), tm__str(own.message));
    if (!is_of_rows(st) && err != NULL) {
        *err = own;
    }
    return is_of_rows(st) ? TM_OK : st;
}

/* The best one; NULL: none could be tried. */
static const candidate *choose(const choosing *c) {
    const bool has_all = c->n > 0 && c->list[0].window.kind == TM_ROWS_ALL && c->list[0].is_tried;
    const candidate *best = has_all ? &c->list[0] : NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        const candidate *const one = &c->list[i];
        const bool is_sure = !has_all || one->better_by > SURE * one->error;
        if (one->is_tried && is_sure && (best == NULL || one->loss < best->loss)) {
            best = one;
        }
    }
    return best;
}

/* ---- what is told ---- */

static json_t *tell_tried(const choosing *c) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < c->n; i++) {
        const candidate *const one = &c->list[i];
        json_t *const entry = tm__row_window_json(&one->window);
        if (!one->is_tried) {
            json_object_set_new(entry, "why", json_string(one->why));
        } else {
            json_object_set_new(entry, "loss", tm__json_number(one->loss));
            if (one->window.kind != TM_ROWS_ALL && c->list[0].window.kind == TM_ROWS_ALL) {
                json_object_set_new(entry, "better_by", tm__json_number(one->better_by));
                json_object_set_new(entry, "error", tm__json_number(one->error));
            }
        }
        json_array_append_new(list, entry);
    }
    return list;
}

static void say_reason(const choosing *c, const candidate *best, json_t *told) {
    char rows[32], text[200];
    tm__loop_count_text(c->n_test, rows);
    const bool has_all = c->n > 0 && c->list[0].is_tried;
    if (best == NULL && c->n == 0) {
        (void)snprintf(text, sizeof(text), "no change was found to cut at");
    } else if (best == NULL) {
        (void)snprintf(text, sizeof(text), "none could be tried: %s", c->list[0].why);
    } else if (best->window.kind == TM_ROWS_ALL) {
        (void)snprintf(text, sizeof(text), "none is surely better than all rows on the newest %s",
                       rows);
    } else if (has_all && c->list[0].window.kind == TM_ROWS_ALL) {
        (void)snprintf(text, sizeof(text), "on the newest %s rows the loss is %.4g, %.4g of all",
                       rows, best->loss, c->list[0].loss);
    } else {
        (void)snprintf(text, sizeof(text), "the best of %u on the newest %s rows", c->n, rows);
    }
    json_object_set_new(told, "reason", json_string(text));
}

static void tell(const choosing *c, const candidate *best, const tm_row_window *window,
                 json_t *told) {
    json_t *const chosen = tm__row_window_json(window);
    json_object_update(told, chosen);
    json_decref(chosen);
    say_reason(c, best, told);
    json_object_set_new(told, "test_rows", json_integer((json_int_t)c->n_test));
    if (c->n_since > 0) {
        json_object_set_new(told, "change_rows",
                            json_integer((json_int_t)(c->n_since + c->n_gap + c->n_test)));
    }
    json_object_set_new(told, "tried", tell_tried(c));
}

/* ---- the whole ---- */

static tm_status test_all(choosing *c, uint32_t kinds, tm_row_window *out, json_t *told,
                          tm_err *err) {
    TM_TRY(cut_tables(c, err));
    TM_TRY(set_options(c, err));
    TM_TRY(list_candidates(c, kinds, err));
    for (uint32_t i = 0; i < c->n; i++) {
        TM_TRY(try_candidate(c, &c->list[i], err));
    }
    const candidate *const best = choose(c);
    if (best != NULL) {
        *out = best->window;
        out->rows +=
            out->kind == TM_ROWS_SLIDING || out->kind == TM_ROWS_CUT ? c->n_gap + c->n_test : 0;
    }
    tell(c, best, out, told);
    return TM_OK;
}

static void tell_said(const tm_row_window *window, const char *reason, json_t *told) {
    json_t *const chosen = tm__row_window_json(window);
    json_object_update(told, chosen);
    json_decref(chosen);
    json_object_set_new(told, "reason", json_string(reason));
}

tm_status tm__choose_window(tm_ctx *ctx, const tm_choice_input *in, tm_row_window *out_window,
                            json_t **out_told, tm_err *err) {
    choosing c = {.ctx = ctx, .in = in};
    tm_row_window window = {.kind = TM_ROWS_ALL};
    tm_window_ask ask;
    TM_TRY(tm__window_ask(in->asked, &ask, err));
    json_t *told = json_pack("{s:s}", "asked", in->asked);
    tm_status st = TM_OK;
    if (ask.rows > 0) {
        window.kind =
            (ask.kinds & (1u << TM_ROWS_SLIDING)) != 0 ? TM_ROWS_SLIDING : TM_ROWS_WEIGHTED;
        window.rows = ask.rows;
    }
    if (ask.rows > 0 || ask.kinds == 1u << TM_ROWS_ALL) {
        tell_said(&window, "as asked for", told);
    } else if (in->options->group != NULL || in->options->task == TM_TASK_RANKING) {
        tell_said(&window, "a ranking learns from all rows", told);
    } else {
        st = find_rows(&c, err);
        if (st == TM_OK && c.n_learn < ROWS_MIN) {
            tell_said(&window, "the rows are too few to choose by", told);
        } else if (st == TM_OK) {
            size_test(&c);
            st = test_all(&c, ask.kinds, &window, told, err);
        }
    }
    choosing_done(&c);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(told);
        return st;
    }
    *out_window = window;
    *out_told = told;
    return TM_OK;
}
