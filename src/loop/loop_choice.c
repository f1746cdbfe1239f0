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
#include "loop/loop_choice_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop_turn.h"

#define ROWS_MIN 400u /* fewer say nothing of windows */
#define SLIDING_ROWS_MIN 200u
#define RUNS 20u /* of test rows, one after the other */
#define SURE 2.0 /* standard errors */

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

/* ---- candidates ---- */

static void add(tm_choosing *c, uint32_t kinds, tm_row_window_kind kind, uint64_t rows) {
    const bool is_whole = kind != TM_ROWS_ALL && kind != TM_ROWS_WEIGHTED && rows >= c->n_learn;
    if ((kinds & (1u << kind)) != 0 && !is_whole) {
        c->list[c->n++] = (tm_choice_candidate){.window = {.kind = kind, .rows = rows}};
    }
}

static tm_status list_candidates(tm_choosing *c, uint32_t kinds, tm_err *err) {
    static const uint64_t parts[] = {2, 5, 12}, half_lives[] = {4, 12};
    add(c, kinds, TM_ROWS_ALL, 0);
    for (size_t i = 0; i < 3; i++) {
        if (c->n_learn / parts[i] >= SLIDING_ROWS_MIN) {
            add(c, kinds, TM_ROWS_SLIDING, c->n_learn / parts[i]);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (c->n_learn / half_lives[i] >= TM_CHOICE_CHANGE_ROWS_MIN) {
            add(c, kinds, TM_ROWS_WEIGHTED, c->n_learn / half_lives[i]);
        }
    }
    if ((kinds & (1u << TM_ROWS_CUT)) != 0) {
        TM_TRY(tm__choosing_change(c, err));
        if (c->n_since > 0) {
            add(c, kinds, TM_ROWS_CUT, c->n_since);
        }
    }
    return TM_OK;
}

/* Means of runs of rows, for a standard error that errors in runs do not flatter. */
void tm__choosing_compare(const tm_choosing *c, tm_choice_candidate *one) {
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

void tm__choosing_score(const tm_choosing *c, const double *losses, tm_choice_candidate *one) {
    one->is_tried = true;
    for (uint64_t i = 0; i < c->n_test; i++) {
        one->loss += losses[i] / (double)c->n_test;
    }
}

static tm_status try_candidate(tm_choosing *c, tm_choice_candidate *one, tm_err *err) {
    tm_err own = {0};
    const bool is_all = one->window.kind == TM_ROWS_ALL;
    const tm_status st = tm__choosing_try(c, c->learn, &one->window, c->test,
                                          is_all ? c->losses_all : c->losses, &own);
    if (st == TM_OK) {
        const double *const losses = is_all ? c->losses_all : c->losses;
        tm__choosing_score(c, losses, one);
        if (!is_all && c->list[0].is_tried && c->list[0].window.kind == TM_ROWS_ALL) {
            tm__choosing_compare(c, one);
        }
        return TM_OK;
    }
    (void)tm__str_copy(one->why, sizeof(one->why), tm__str(own.message));
    if (!tm__choosing_is_of_rows(st) && err != NULL) {
        *err = own;
    }
    return tm__choosing_is_of_rows(st) ? TM_OK : st;
}

/* The best one; NULL: none could be tried. */
static const tm_choice_candidate *choose(const tm_choosing *c) {
    const bool has_all = c->n > 0 && c->list[0].window.kind == TM_ROWS_ALL && c->list[0].is_tried;
    const tm_choice_candidate *best = has_all ? &c->list[0] : NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        const tm_choice_candidate *const one = &c->list[i];
        const bool is_sure = !has_all || one->better_by > SURE * one->error;
        if (one->is_tried && is_sure && (best == NULL || one->loss < best->loss)) {
            best = one;
        }
    }
    return best;
}

/* ---- what is told ---- */

static json_t *tell_tried(const tm_choosing *c) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < c->n; i++) {
        const tm_choice_candidate *const one = &c->list[i];
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

static void say_reason(const tm_choosing *c, const tm_choice_candidate *best, json_t *told) {
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

static void tell_window(const tm_row_window *window, json_t *told) {
    json_t *const chosen = tm__row_window_json(window);
    json_object_update(told, chosen);
    json_decref(chosen);
}

static void tell(const tm_choosing *c, const tm_choice_candidate *best, const tm_row_window *window,
                 json_t *told) {
    tell_window(window, told);
    say_reason(c, best, told);
    json_object_set_new(told, "test_rows", json_integer((json_int_t)c->n_test));
    if (c->n_since > 0) {
        json_object_set_new(told, "change_rows",
                            json_integer((json_int_t)(c->n_since + c->n_gap + c->n_test)));
    }
    json_object_set_new(told, "tried", tell_tried(c));
}

/* ---- the whole ---- */

static tm_status test_all(tm_choosing *c, uint32_t kinds, tm_row_window *out, json_t *told,
                          tm_err *err) {
    TM_TRY(tm__choosing_cut(c, err));
    TM_TRY(list_candidates(c, kinds, err));
    for (uint32_t i = 0; i < c->n; i++) {
        TM_TRY(try_candidate(c, &c->list[i], err));
    }
    const tm_choice_candidate *const best = choose(c);
    if (best != NULL) {
        *out = best->window;
        out->rows +=
            out->kind == TM_ROWS_SLIDING || out->kind == TM_ROWS_CUT ? c->n_gap + c->n_test : 0;
    }
    tell(c, best, out, told);
    return TM_OK;
}

static void tell_said(const tm_row_window *window, const char *reason, json_t *told) {
    tell_window(window, told);
    json_object_set_new(told, "reason", json_string(reason));
}

tm_status tm__choose_window(tm_ctx *ctx, const tm_choice_input *in, tm_row_window *out_window,
                            json_t **out_told, tm_err *err) {
    tm_choosing c = {.ctx = ctx, .in = in};
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
        st = tm__choosing_rows(&c, err);
        if (st == TM_OK && c.n_learn < ROWS_MIN) {
            tell_said(&window, "the rows are too few to choose by", told);
        } else if (st == TM_OK) {
            st = test_all(&c, ask.kinds, &window, told, err);
        }
    }
    tm__choosing_done(&c);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(told);
        return st;
    }
    *out_window = window;
    *out_told = told;
    return TM_OK;
}
