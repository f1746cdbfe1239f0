/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model, the rows that it answers, and the next one.
 *
 *      known at its last turn            known now
 *      ----------- learned --------------|-- new --|-- held --|      with a gate
 *                                        the candidate learns what lies before `held`, where both
 *                                        are scored
 */
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "loop/replay_priv.h"
#include "monitor/adwin.h"

#define ANSWER_ROWS 65536u
#define LOOK_ROWS 100u /* between looks at the errors */
#define COOL_ROWS 300u /* between turns that errors ask for */
#define HELD_SHARE 5u  /* as loop_harvest.c holds out */
#define HELD_MIN 200u

static const char *const params[] = {"n_trees", "100", NULL};

typedef struct running {
    tm_ctx *ctx;
    const tm_replay_stream *stream;
    const tm_replay_plan *plan;
    tm_replay_run *run;
    tm_replay_model own;          /* where nobody keeps it */
    const tm_replay_model *model; /* NULL: none yet */
    uint64_t turn_at;             /* row of the last turn */
    uint64_t learned;             /* labels known then */
    uint64_t told;                /* labels whose errors were told */
    tm_adwin adwin;
    bool is_alarmed;
} running;

static tm_status answer_rows(const running *r, const tm_replay_model *model, uint64_t begin,
                             uint64_t end, double *answers, double *chances, tm_err *err) {
    const tm_replay_stream *const s = r->stream;
    const uint64_t n_most = end - begin < ANSWER_ROWS ? end - begin : ANSWER_ROWS;
    double *const out = tm__mem_alloc(n_most * s->n_outputs + 1, sizeof(*out));
    tm_status st = out != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for answers");
    for (uint64_t row = begin; st == TM_OK && row < end;) {
        const uint64_t n = end - row < n_most ? end - row : n_most;
        st = tm__replay_answer(r->ctx, s, model, row, row + n, out, err);
        for (uint64_t i = 0; st == TM_OK && i < n; i++) {
            answers[row + i] = tm__replay_pick(s, out + i * s->n_outputs);
            if (chances != NULL) {
                chances[row + i] = out[i * s->n_outputs + r->run->positive];
            }
        }
        row += n;
    }
    tm__mem_free(out);
    return st;
}

/* ---- a gate ---- */

static uint64_t held_rows(const running *r, uint64_t known) {
    const uint64_t n_new = known - r->learned;
    const uint64_t least = n_new / 2 < HELD_MIN ? n_new / 2 : HELD_MIN;
    return !r->plan->has_gate || r->model == NULL ? 0
           : n_new / HELD_SHARE > least           ? n_new / HELD_SHARE
                                                  : least;
}

static tm_status score_held(const running *r, const tm_replay_model *model, uint64_t begin,
                            uint64_t end, double *room, double *out, tm_err *err) {
    TM_TRY(answer_rows(r, model, begin, end, room, NULL, err));
    *out = tm__replay_score(r->stream, room, begin, end);
    return TM_OK;
}

/* True when a candidate is let through. */
static tm_status pass_gate(const running *r, const tm_replay_model *candidate, uint64_t begin,
                           uint64_t end, bool *out, tm_err *err) {
    double now = 0, was = 0;
    double *const room = tm__mem_alloc(r->stream->n_rows, sizeof(*room));
    tm_status st = room == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a gate") : TM_OK;
    st = st == TM_OK ? score_held(r, candidate, begin, end, room, &now, err) : st;
    st = st == TM_OK ? score_held(r, r->model, begin, end, room, &was, err) : st;
    tm__mem_free(room);
    *out = now - was > r->plan->gate_by; /* of nothing that is labelled: no */
    return st;
}

/* ---- turns ---- */

void tm__replay_kept_reset(tm_replay_kept *kept) {
    for (uint32_t i = 0; i < kept->n; i++) {
        tm__replay_model_done(&kept->list[i].model);
    }
    kept->n = 0;
}

static const tm_replay_model *find_kept(const tm_replay_kept *kept,
                                        const tm_replay_recipe *recipe) {
    for (uint32_t i = 0; kept != NULL && i < kept->n; i++) {
        if (kept->list[i].begin == recipe->begin && kept->list[i].end == recipe->end) {
            return &kept->list[i].model;
        }
    }
    return NULL;
}

/* A model of these rows: one that is kept, or a new one, in *room where nobody keeps it. */
static tm_status learn(running *r, const tm_replay_recipe *recipe, tm_replay_model *room,
                       const tm_replay_model **out, tm_err *err) {
    tm_replay_kept *const kept = r->plan->kept;
    *out = find_kept(kept, recipe);
    if (*out != NULL) {
        return TM_OK;
    }
    const tm_status st = tm__replay_fit(r->ctx, r->stream, recipe, room, err);
    *out = room;
    if (st == TM_OK && kept != NULL && kept->n < TM_REPLAY_KEPT_MAX) {
        kept->list[kept->n].begin = recipe->begin;
        kept->list[kept->n].end = recipe->end;
        kept->list[kept->n].model = *room;
        *out = &kept->list[kept->n++].model;
        memset(room, 0, sizeof(*room));
    }
    return st;
}

static tm_status turn(running *r, uint64_t row, tm_err *err) {
    const uint64_t known = r->stream->known[row];
    const uint64_t end = known - held_rows(r, known), window = r->plan->window;
    tm_replay_model room = {0};
    const tm_replay_model *model = NULL;
    bool passes = true;
    const tm_replay_recipe recipe = {
        .learner = "gbdt",
        .params = params,
        .begin = window > 0 && end > window ? end - window : 0,
        .end = end,
        .seed = r->plan->seed,
    };
    tm_status st = learn(r, &recipe, &room, &model, err);
    r->run->train_seconds += model->seconds;
    r->run->train_cpu_seconds += model->cpu_seconds;
    r->run->n_retrains += r->model != NULL ? 1 : 0;
    if (st == TM_OK && end < known) {
        st = pass_gate(r, model, end, known, &passes, err);
    }
    if (st != TM_OK || !passes) {
        tm__replay_model_done(&room);
    } else {
        tm__replay_model_done(&r->own);
        r->own = room;
        r->model = model == &room ? &r->own : model;
        r->learned = known;
    }
    r->turn_at = row;
    r->is_alarmed = false;
    return st;
}

static void tell_errors(running *r, uint64_t known) {
    const tm_replay_stream *const s = r->stream;
    for (r->told = r->told > s->first ? r->told : s->first; r->told < known; r->told++) {
        if (s->y[r->told] == s->y[r->told]) {
            const double before = tm__adwin_mean(&r->adwin);
            const double error = r->run->answers[r->told] == s->y[r->told] ? 0.0 : 1.0;
            if (tm__adwin_add(&r->adwin, error) && tm__adwin_mean(&r->adwin) > before) {
                r->is_alarmed = true;
            }
        }
    }
}

static bool is_due(running *r, uint64_t row) {
    const uint64_t since = row - r->turn_at;
    if (r->model == NULL || (r->plan->every > 0 && since >= r->plan->every)) {
        return true;
    }
    if (r->plan->on_errors && r->stream->is_classes) {
        tell_errors(r, r->stream->known[row]);
    }
    return r->is_alarmed && since >= COOL_ROWS && r->stream->known[row] > r->learned;
}

/* The next row at which something may be decided. */
static uint64_t next_row(const running *r, uint64_t row) {
    const uint64_t n = r->stream->n_rows, every = r->plan->every;
    uint64_t next = every > 0 ? r->turn_at + every : n;
    if (r->plan->on_errors && row + LOOK_ROWS < next) {
        next = row + LOOK_ROWS;
    }
    return next < n ? next : n;
}

tm_status tm__replay_plan_run(tm_ctx *ctx, const tm_replay_stream *stream,
                              const tm_replay_plan *plan, tm_replay_run *run, tm_err *err) {
    running *const r = tm__mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a replay");
    }
    *r = (running){.ctx = ctx, .stream = stream, .plan = plan, .run = run};
    tm_status st = TM_OK;
    for (uint64_t row = stream->first; st == TM_OK && row < stream->n_rows;) {
        if (tm__ctx_cancelled(ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "the replay was cancelled");
            break;
        }
        st = is_due(r, row) ? turn(r, row, err) : TM_OK;
        const uint64_t next = next_row(r, row), started = tm__mono_ns();
        st =
            st == TM_OK ? answer_rows(r, r->model, row, next, run->answers, run->chances, err) : st;
        run->answer_seconds += (double)(tm__mono_ns() - started) * 1e-9;
        row = next;
    }
    if (st == TM_OK) {
        run->score = tm__replay_score(stream, run->answers, stream->first, stream->n_rows);
    }
    tm__replay_model_done(&r->own);
    tm__mem_free(r);
    return st;
}
