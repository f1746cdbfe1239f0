/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gate asks for, measured where the version will answer: intervals, groups of rows,
 * calibration, fairness, latency and memory.
 *
 *   rows of the duel, or the candidate's test rows ─> answers of both ─> scores, groups, fairness
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "train/train_look.h"

typedef struct measuring {
    tm_ctx *ctx;
    const tm_home *home;
    const tm_gate *gate;
    const tm_duel *duel;
    tm_look look;
    double *champion; /* its answers for the same rows; NULL: not held to them */
    json_t *measured, *errors;
} measuring;

/* What is wrong with rows refuses the version, what is wrong with the machine ends the command. */
static tm_status settle(measuring *m, const char *what, tm_status st, const tm_err *own,
                        tm_err *err) {
    if (st == TM_E_NOMEM || st == TM_E_CANCELLED) {
        if (err != NULL) {
            *err = *own;
        }
        return st;
    }
    if (st != TM_OK) {
        json_object_set_new(m->errors, what, json_string(own->message));
    }
    return TM_OK;
}

/* ---- The rows ---- */

static tm_status load(measuring *m, const char *name, tm_table **out, tm_err *err) {
    const char *const text = tm__json_text(tm__bundle_info(m->duel->candidate), name, "");
    tm_hash hash;
    if (!tm__hash_from_text(text, &hash)) {
        return TM_OK;
    }
    return tm__snapshot_load(m->ctx, tm__home_snapshots(m->home), &hash, out, err);
}

static tm_status own_rows(measuring *m, tm_table **out, tm_err *err) {
    const json_t *const info = tm__bundle_info(m->duel->candidate);
    const json_t *const named = json_object_get(info, "event_snapshots");
    tm_table *rows = NULL, *test = NULL;
    tm_train_events events = {0};
    tm_status st = load(m, "snapshot", &rows, err);
    if (st == TM_OK && rows == NULL) {
        st = TM_FAIL(err, TM_E_DATA, "there are no rows here that it was not trained on");
    }
    st = st == TM_OK ? load(m, "test_snapshot", &test, err) : st;
    st = st == TM_OK && named != NULL ? tm__train_events_load(m->ctx, m->home, named, &events, err)
                                      : st;
    st = st == TM_OK ? tm__look_test_rows(m->ctx, info, rows, test, named != NULL ? &events : NULL,
                                          out, err)
                     : st;
    tm__train_events_done(&events);
    tm__table_unref(rows);
    tm__table_unref(test);
    return st;
}

/* The champion answers its own form of the same rows. */
static tm_status ask_champion(measuring *m, tm_err *err) {
    tm_table *rows = NULL;
    if (tm__bundle_outputs(m->duel->champion) != m->look.n_outputs) {
        return TM_FAIL(err, TM_E_DATA, "the champion answers in another form");
    }
    TM_TRY(tm__loop_widen(m->ctx, m->duel, m->duel->champion, &rows, err));
    m->champion = tm__mem_alloc(m->look.n * m->look.n_outputs, sizeof(double));
    const tm_status st = m->champion == NULL
                             ? TM_FAIL(err, TM_E_NOMEM, "no memory for the champion's answers")
                             : tm__bundle_predict(m->ctx, m->duel->champion, rows, m->look.rows,
                                                  m->look.n, m->champion, err);
    tm__table_unref(rows);
    return st;
}

static tm_status look_at_rows(measuring *m, tm_err *err) {
    tm_table *rows = NULL;
    char text[64];
    tm_status st = m->duel->rows != NULL
                       ? tm__loop_widen(m->ctx, m->duel, m->duel->candidate, &rows, err)
                       : own_rows(m, &rows, err);
    st = st == TM_OK ? tm__look_init(m->ctx, m->duel->candidate, rows, 0, &m->look, err) : st;
    tm__table_unref(rows);
    TM_TRY(st);
    if (m->duel->rows != NULL) {
        json_object_set_new(m->measured, "rows", json_string(m->duel->rows_text));
        return ask_champion(m, err);
    }
    tm__loop_count_text(m->look.n, text);
    json_object_set_new(m->measured, "rows", json_sprintf("its own %s test rows", text));
    return TM_OK;
}

/* ---- What is measured on them ---- */

static tm_status add_scores(measuring *m, tm_err *err) {
    json_t *scores = NULL;
    TM_TRY(tm__look_scores(&m->look, m->champion, &scores, err));
    json_object_set(m->measured, "scores", json_object_get(scores, "list"));
    json_decref(scores);
    return TM_OK;
}

static tm_status add_slices(measuring *m, tm_err *err) {
    json_t *all = json_array();
    json_object_set_new(m->measured, "slices", all);
    for (uint32_t i = 0; i < m->gate->n_slices; i++) {
        tm_err own = {0};
        json_t *slices = NULL;
        const tm_status st =
            tm__look_slices(&m->look, m->champion, m->gate->slices[i], &slices, &own);
        TM_TRY(settle(m, m->gate->slices[i], st, &own, err));
        if (st == TM_OK) {
            json_array_extend(all, slices);
            json_decref(slices);
        }
    }
    return TM_OK;
}

static tm_status add_fairness(measuring *m, tm_err *err) {
    tm_err own = {0};
    json_t *fairness = NULL;
    if (m->gate->fair_group[0] == '\0') {
        return TM_OK;
    }
    const tm_status st = tm__look_fairness(&m->look, m->gate->fair_group, &fairness, &own);
    if (st == TM_OK) {
        json_object_set_new(m->measured, "fairness", fairness);
    }
    return settle(m, "fairness", st, &own, err);
}

static tm_status add_here(measuring *m, bool has_rows, tm_err *err) {
    json_t *latency = NULL;
    json_t *here = json_pack("{s:I}", "bytes", (json_int_t)tm__bundle_bytes(m->duel->candidate));
    json_object_set_new(m->measured, "here", here);
    if (m->gate->latency_us_max <= 0 || !has_rows) {
        return TM_OK;
    }
    TM_TRY(tm__look_latency(&m->look, &latency, err));
    json_object_set(here, "latency_us", json_object_get(latency, "p99_us"));
    json_decref(latency);
    return TM_OK;
}

static tm_status add_load(measuring *m, tm_err *err) {
    const tm_load_tester *const tester = m->duel->load;
    json_t *load = NULL;
    tm_err own = {0};
    const tm_status st =
        tester == NULL ? TM_FAIL(&own, TM_E_UNSUPPORTED, "nobody here can put a load on it")
                       : tester->run(tester->arg, m->home, m->duel->version, m->gate, &load, &own);
    if (st == TM_OK) {
        json_object_set_new(m->measured, "load", load);
    }
    return settle(m, "load", st, &own, err);
}

static tm_status look_at_labels(measuring *m, json_t **out, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const int64_t now_us = tm__now_us(), after_us = (int64_t)m->gate->coverage_after_us;
    const tm_age_options options = {.model = m->duel->model,
                                    .delay_us = after_us,
                                    .now_us = now_us,
                                    .covered_from_us = now_us - after_us - TM_GATE_COVERAGE_US};
    tm_monitor *monitor = NULL;
    TM_TRY(tm__monitor_open(m->home, &reading, &monitor, err));
    const tm_status st = tm__monitor_ages(monitor, &options, out, err);
    tm__monitor_close(monitor);
    return st;
}

static tm_status add_coverage(measuring *m, tm_err *err) {
    json_t *ages = NULL;
    tm_err own = {0};
    const tm_status st = look_at_labels(m, &ages, &own);
    if (st == TM_OK) {
        json_object_set(m->measured, "coverage", json_object_get(ages, "covered"));
    }
    json_decref(ages);
    return settle(m, "coverage", st, &own, err);
}

/* *out: there are rows, and m->look is at them. */
static tm_status find_rows(measuring *m, bool *out, tm_err *err) {
    tm_err own = {0};
    const tm_status st = look_at_rows(m, &own);
    *out = st == TM_OK;
    TM_TRY(settle(m, "rows", st, &own, err));
    if (st != TM_OK) {
        json_object_set_new(m->errors, "fairness", json_string(own.message));
        json_object_set_new(m->errors, "ece", json_string(own.message));
        json_object_set_new(m->errors, "here", json_string(own.message));
    }
    return TM_OK;
}

static tm_status measure(measuring *m, tm_err *err) {
    bool has_rows = false;
    if (tm__gate_needs_rows(m->gate) || m->gate->latency_us_max > 0) {
        TM_TRY(find_rows(m, &has_rows, err));
    }
    if (has_rows && tm__gate_needs_rows(m->gate)) {
        TM_TRY(add_scores(m, err));
        TM_TRY(add_slices(m, err));
        TM_TRY(add_fairness(m, err));
    }
    if (tm__gate_needs_here(m->gate)) {
        TM_TRY(add_here(m, has_rows, err));
    }
    if (tm__gate_needs_coverage(m->gate)) {
        TM_TRY(add_coverage(m, err));
    }
    return tm__gate_needs_load(m->gate) ? add_load(m, err) : TM_OK;
}

tm_status tm__loop_measure(tm_ctx *ctx, const tm_home *home, const tm_gate *gate,
                           const tm_duel *duel, json_t **out, tm_err *err) {
    measuring m = {.ctx = ctx, .home = home, .gate = gate, .duel = duel};
    *out = NULL;
    if (!tm__gate_needs_rows(gate) && !tm__gate_needs_here(gate) && !tm__gate_needs_load(gate) &&
        !tm__gate_needs_coverage(gate)) {
        return TM_OK;
    }
    m.measured = json_object();
    if (duel->champion == NULL) {
        json_object_set_new(m.measured, "alone", json_true());
    }
    m.errors = json_object();
    json_object_set_new(m.measured, "errors", m.errors);
    tm_status st = measure(&m, err);
    st = st == TM_OK ? tm__json_check(err) : st;
    tm__mem_free(m.champion);
    tm__look_done(&m.look);
    if (st != TM_OK) {
        json_decref(m.measured);
        return st;
    }
    *out = m.measured;
    return TM_OK;
}
