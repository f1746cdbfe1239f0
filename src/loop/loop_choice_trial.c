/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by age, quick models of some of them, and where their errors changed. */
#include <string.h>

#include "base/mem.h"
#include "loop/loop_choice_priv.h"
#include "loop/loop_policy.h"
#include "loop/loop_turn.h"

#define TEST_ROWS_MAX 20000u
#define TRIAL_ROWS_MAX 50000u

static const char *const quick_trees[] = {"gbdt.n_trees=60", "gbdt.learning_rate=0.15",
                                          "gbdt.max_bins=63", "gbdt.early_stopping=0"};
static const char *const quick_lines[] = {"linear.strength=0.001", "linear.max_iter=50"};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to choose what to learn from");
}

void tm__choosing_done(tm_choosing *c) {
    tm__table_unref(c->learn);
    tm__table_unref(c->test);
    tm__mem_free(c->params);
    tm__mem_free(c->by_age);
    tm__mem_free(c->losses);
    tm__mem_free(c->losses_all);
}

/* ---- rows ---- */

tm_status tm__choosing_rows(tm_choosing *c, tm_err *err) {
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

static void size_test(tm_choosing *c) {
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

static tm_status cut_tables(tm_choosing *c, tm_err *err) {
    TM_TRY(tm__table_take_rows(c->in->train, c->by_age, c->n_learn, &c->learn, err));
    TM_TRY(tm__table_take_rows(c->in->train, c->by_age + c->n_learn + c->n_gap, c->n_test, &c->test,
                               err));
    c->losses = tm__mem_alloc(c->n_test, sizeof(*c->losses));
    c->losses_all = tm__mem_alloc(c->n_test, sizeof(*c->losses_all));
    return c->losses == NULL || c->losses_all == NULL ? no_memory(err) : TM_OK;
}

/* ---- trials ---- */

void tm__choosing_plain(tm_choosing *c) {
    tm_train_options *const o = &c->options;
    *o = *c->in->options;
    o->work = o->budget_ms = o->bundle_bytes_max = 0;
    o->threshold = NULL;
    o->on_trial = NULL;
    o->admission = NULL;
    memset(o->snapshot, 0, sizeof(o->snapshot));
    memset(o->test_snapshot, 0, sizeof(o->test_snapshot));
}

/* The recipe with one quick learner: features, roles and objective are its own. */
static tm_status set_options(tm_choosing *c, tm_err *err) {
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
    tm__choosing_plain(c);
    c->options.learners = is_line ? "linear" : "gbdt";
    c->options.params = c->params;
    c->options.n_params = o->n_params + n_quick;
    c->options.calibrate = "none";
    c->options.base = NULL;
    c->options.is_update = false;
    return TM_OK;
}

bool tm__choosing_is_of_rows(tm_status st) {
    return st == TM_E_DATA || st == TM_E_REFUSED || st == TM_E_UNSUPPORTED || st == TM_E_LIMIT ||
           st == TM_E_USAGE || st == TM_E_INVALID;
}

tm_status tm__choosing_answer(tm_choosing *c, tm_table *learned, const tm_bundle *bundle,
                              tm_table *rows, double *out, tm_err *err) {
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

tm_status tm__choosing_try(tm_choosing *c, tm_table *learn, const tm_row_window *window,
                           tm_table *rows, double *out, tm_err *err) {
    struct tm_checkpoint *const checkpoint = c->ctx->checkpoint;
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    c->options.window = *window;
    c->options.window.rows_max = TRIAL_ROWS_MAX;
    c->ctx->checkpoint = NULL;
    tm_status st = tm__train_run(c->ctx, learn, rows, &c->options, &result, err);
    c->ctx->checkpoint = checkpoint;
    st = st == TM_OK ? tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, err) : st;
    st = st == TM_OK ? tm__choosing_answer(c, learn, bundle, rows, out, err) : st;
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    return st;
}

tm_status tm__choosing_cut(tm_choosing *c, tm_err *err) {
    size_test(c);
    TM_TRY(cut_tables(c, err));
    return set_options(c, err);
}

/* ---- the last change ---- */

/* Rows begin .. end of those by age, at most n_max of them, evenly spread. */
static tm_status take_spread(const tm_choosing *c, uint64_t begin, uint64_t end, uint64_t n_max,
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
static void watch(tm_choosing *c, const double *losses, uint64_t n, uint64_t n_all) {
    static const tm_policy_terms terms = {.n_arms = 0};
    tm_policy policy;
    tm__policy_init(&policy, &terms);
    for (uint64_t i = 0; i < n; i++) {
        const tm_policy_label label = {.champion = losses[i]};
        tm__policy_add(&policy, i + 1, &label);
    }
    const uint64_t n_since = policy.has_change ? (n - policy.change_at) * n_all / n : 0;
    c->n_since = n_since >= TM_CHOICE_CHANGE_ROWS_MIN ? n_since : 0;
}

tm_status tm__choosing_change(tm_choosing *c, tm_err *err) {
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
        st = tm__choosing_try(c, old, &all, later, losses, &own);
        if (st == TM_OK) {
            watch(c, losses, n, n_all);
        } else if (!tm__choosing_is_of_rows(st) && err != NULL) {
            *err = own;
        }
        st = tm__choosing_is_of_rows(st) ? TM_OK : st; /* then nobody knows of a change */
    }
    tm__mem_free(losses);
    tm__table_unref(old);
    tm__table_unref(later);
    return st;
}
