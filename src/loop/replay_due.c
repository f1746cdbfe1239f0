/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replay's policy asked for: fits, and rows to be answered by the models of that moment. A
 * label of one of these rows is the first that could change anything, so all of it is done at once
 * when that becomes known. Models and answers are those of doing each where it was asked for.
 */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/replay_policy_priv.h"

void tm__replay_give_back(tm_replay_held *one) {
    if (one != NULL && --one->n_refs == 0) {
        tm__replay_model_done(&one->model);
        tm__mem_free(one);
    }
}

void tm__replay_due_reset(tm_replay_due *due) {
    for (uint32_t f = 0; f < due->n_fits; f++) {
        tm__replay_give_back(due->held[f]);
    }
    for (uint32_t t = 0; t < due->n_ticks; t++) {
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            tm__replay_give_back(due->ticks[t].now[i]);
            tm__replay_give_back(due->ticks[t].before[i]);
        }
    }
    due->n_fits = due->n_ticks = 0;
}

bool tm__replay_is_full(const tm_replay_running *r) {
    return r->due.n_ticks == TM_REPLAY_TICKS_MAX ||
           r->due.n_fits + N_ARMS + TM_REPLAY_TRIED > TM_REPLAY_FITS_MAX;
}

/* ---- what is asked for ---- */

static tm_replay_recipe recipe_of(const tm_replay_running *r, const tm_policy_fit *fit) {
    const tm_replay_arm *const how = tm__replay_arm_get(r->stream, fit->arm);
    return (tm_replay_recipe){
        .learner = how->learner,
        .params = fit->leads && how->params_leading != NULL ? how->params_leading : how->params,
        .begin = fit->begin,
        .end = fit->end,
        .half_life = how->half_life,
        .work = (uint64_t)(r->arms[fit->arm].work_of_row * (double)(fit->end - fit->begin)),
        .seed = r->seed,
    };
}

tm_status tm__replay_ask(tm_replay_running *r, const tm_policy_fit *fit, tm_err *err) {
    tm_replay_member *const a = &r->arms[fit->arm];
    tm_replay_due *const due = &r->due;
    tm_replay_held *const now = tm__mem_zalloc(1, sizeof(*now));
    if (now == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a model of a replay");
    }
    TM_ASSERT(due->n_fits < TM_REPLAY_FITS_MAX);
    due->fits[due->n_fits] = *fit;
    due->recipes[due->n_fits] = recipe_of(r, fit);
    *now = (tm_replay_held){.begin = fit->begin,
                            .end = fit->end,
                            .params = due->recipes[due->n_fits].params,
                            .n_refs = 2}; /* the arm's, and that of what waits */
    due->held[due->n_fits++] = now;
    tm__replay_give_back(a->before);
    a->before = a->now;
    a->now = now;
    a->begin = fit->begin;
    a->end = fit->end;
    return TM_OK;
}

static tm_replay_held *refer(tm_replay_held *one) {
    if (one != NULL) {
        one->n_refs++;
    }
    return one;
}

void tm__replay_put_tick(tm_replay_running *r, uint64_t begin, uint64_t end, uint32_t leader) {
    TM_ASSERT(r->due.n_ticks < TM_REPLAY_TICKS_MAX);
    tm_replay_tick *const tick = &r->due.ticks[r->due.n_ticks++];
    *tick =
        (tm_replay_tick){.begin = begin, .end = end, .leader = leader, .is_since = r->since.is_on};
    memcpy(tick->since, r->since.shares, sizeof(tick->since));
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        tick->now[i] = refer(r->arms[i].now);
        tick->before[i] = refer(r->arms[i].before);
    }
}

/* ---- and done ---- */

static tm_status learn(tm_replay_running *r, tm_err *err) {
    tm_replay_due *const due = &r->due;
    tm_replay_seconds seconds;
    if (due->n_fits == 0) {
        return TM_OK;
    }
    const tm_status st = tm__replay_fit_all(r->ctx, r->stream, due->recipes, due->n_fits,
                                            due->models, &seconds, err);
    r->run->train_seconds += seconds.wall;
    r->run->train_cpu_seconds += seconds.cpu;
    for (uint32_t f = 0; f < due->n_fits; f++) {
        const tm_policy_fit *const fit = &due->fits[f];
        tm_replay_member *const a = &r->arms[fit->arm];
        due->held[f]->model = due->models[f]; /* which ends it, one that failed too */
        if (st == TM_OK) {
            a->work_of_row = (double)due->models[f].work / (double)(fit->end - fit->begin + 1);
            a->train_seconds += due->models[f].seconds;
            tm__policy_took(&r->policy, fit, due->models[f].work);
        }
    }
    return st;
}

/* Rows of ticks that a member answers by the same model. */
static tm_status answer_rows(tm_replay_running *r, const tm_replay_held *by, uint64_t begin,
                             uint64_t end, float *out, tm_err *err) {
    const uint32_t k = r->stream->n_outputs;
    if (by == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__replay_answer(r->ctx, r->stream, &by->model, begin, end, r->room, err));
    for (uint64_t i = 0; i < (end - begin) * k; i++) {
        out[begin * k + i] = (float)r->room[i];
    }
    return TM_OK;
}

static tm_status answer_member(tm_replay_running *r, uint32_t i, bool is_before, tm_err *err) {
    const tm_replay_tick *const ticks = r->due.ticks;
    float *const out = is_before ? r->arms[i].answers_before : r->arms[i].answers;
    for (uint32_t t = 0, next; t < r->due.n_ticks; t = next) {
        const tm_replay_held *const by = is_before ? ticks[t].before[i] : ticks[t].now[i];
        for (next = t + 1; next < r->due.n_ticks; next++) {
            if (ticks[next].begin != ticks[next - 1].end ||
                (is_before ? ticks[next].before[i] : ticks[next].now[i]) != by) {
                break;
            }
        }
        TM_TRY(answer_rows(r, by, ticks[t].begin, ticks[next - 1].end, out, err));
    }
    return TM_OK;
}

/* The mean's answers of a tick, or those of a rule that answers alone. */
static void answer_together(tm_replay_running *r, const tm_replay_tick *tick) {
    const tm_blend_shares *const shares = tm__replay_shares_at(r, tick->begin);
    const uint32_t k = r->stream->n_outputs;
    tm__replay_amend(r, shares, tick->begin, tick->end);
    for (uint64_t row = tick->begin; row < tick->end; row++) {
        tm__replay_answer_of_all(r, row, shares->both, r->room);
        if (tick->is_since) {
            r->since.besides[row] = tm__replay_pick(r->stream, r->room);
            tm__replay_answer_of_all(r, row, tick->since, r->room);
        }
        r->together[row] = r->run->answers[row] = tm__replay_pick(r->stream, r->room);
        const float *const alone =
            tick->leader == TM_POLICY_TOGETHER ? NULL : r->arms[tick->leader].answers + row * k;
        if (alone == NULL || alone[0] != alone[0]) {
            continue;
        }
        for (uint32_t c = 0; c < k; c++) {
            r->room[c] = (double)alone[c];
        }
        r->run->answers[row] = tm__replay_pick(r->stream, r->room);
    }
}

static tm_status answer(tm_replay_running *r, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        TM_TRY(answer_member(r, i, false, err));
        TM_TRY(answer_member(r, i, true, err));
    }
    for (uint32_t t = 0; t < r->due.n_ticks; t++) {
        answer_together(r, &r->due.ticks[t]);
    }
    r->run->answer_seconds += (double)(tm__mono_ns() - started) * 1e-9;
    return TM_OK;
}

tm_status tm__replay_catch_up(tm_replay_running *r, tm_err *err) {
    tm_status st = learn(r, err);
    if (st == TM_OK) {
        st = answer(r, err);
    }
    tm__replay_due_reset(&r->due);
    return st;
}
