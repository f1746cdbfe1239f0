/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy over a stream. Answers of each arm are kept when they are given; how they fared is
 * told to the policy when the label is known, and not before.
 */
#include "loop/replay_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"

#include "loop/replay_policy_priv.h"

#define TURNS_MAX 1000u
#define WARM_SHARE 3u      /* one of so many labels of the first part */
#define WARM_MIN 200u      /* or none */
#define AMEND_MEMORY 700.0 /* labels */
#define FARTHER 3.0        /* squares of standard deviations are so much of a reason */
#define RECALLED_USE 0.3   /* of one that had the say in a world */

/* ---- fits ---- */

static void note_turn(tm_replay_running *r, const tm_policy_fit *fit, uint64_t row) {
    r->n_why[fit->why]++;
    if (json_array_size(r->turns) < TURNS_MAX) {
        json_array_append_new(r->turns,
                              json_pack("{s:I, s:s, s:s, s:I, s:I}", "row", (json_int_t)row + 1,
                                        "why", tm__policy_why_text(fit->why), "arm",
                                        tm__replay_member_name(r->stream, fit->arm), "from",
                                        (json_int_t)fit->begin + 1, "to", (json_int_t)fit->end));
    }
}

tm_status tm__replay_begin_fit(tm_replay_running *r, const tm_policy_fit *fit, uint64_t row,
                               tm_err *err) {
    TM_TRY(tm__replay_ask(r, fit, err));
    r->run->n_retrains += fit->why != TM_POLICY_BEGIN ? 1 : 0;
    note_turn(r, fit, row);
    tm__policy_fitted(&r->policy, fit);
    return TM_OK;
}

static tm_status ask_due(tm_replay_running *r, uint64_t n_known, uint64_t row, tm_err *err) {
    tm_policy_fit fits[N_ARMS];
    const uint32_t n = tm__policy_due(&r->policy, n_known, fits);
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(tm__replay_begin_fit(r, &fits[i], row, err));
    }
    return TM_OK;
}

/* ---- answers ---- */

/* Of values: who has not seen rows like the newest ones, where the arm of all rows has. */
static void note_far(tm_replay_running *r, uint64_t row) {
    const tm_replay_member *const all = &r->arms[N_ARMS - 1];
    for (uint32_t i = 0; !r->stream->is_classes && i < N_ARMS - 1; i++) {
        const tm_replay_member *const a = &r->arms[i];
        const double far = tm__replay_near_far(&r->near, a->begin, a->end, row) -
                           tm__replay_near_far(&r->near, all->begin, all->end, row);
        r->policy.far[i] = far > 0.0 ? 1.0 - tm__exp(-FARTHER * far) : 0.0;
    }
}

/* Of values the newest labels amend answers, and what fits took says what is due: nothing waits. */
static tm_status put_tick(tm_replay_running *r, uint64_t begin, uint64_t end, tm_err *err) {
    note_far(r, begin);
    tm__policy_shares(&r->policy, tm__replay_shares_at(r, begin));
    tm__replay_put_tick(r, begin, end,
                        r->since.is_on ? TM_POLICY_TOGETHER : tm__policy_leader(&r->policy));
    return !r->stream->is_classes || tm__replay_is_full(r) ? tm__replay_catch_up(r, err) : TM_OK;
}

/* What labels ask for is answered before. */
static tm_status tell_labels(tm_replay_running *r, uint64_t known, tm_err *err) {
    if (r->due.n_ticks > 0 && known > r->due.ticks[0].begin) {
        TM_TRY(tm__replay_catch_up(r, err));
    }
    tm__replay_tell_labels(r, known);
    return TM_OK;
}

/* ---- models of before a change ---- */

/* The place that was of least use. */
static uint32_t place_of_least_use(const tm_replay_running *r) {
    uint32_t best = FIRST_RECALLED;
    for (uint32_t i = FIRST_RECALLED; i < FIRST_RECALLED + TM_REPLAY_RECALLED; i++) {
        if (r->arms[i].now == NULL) {
            return i;
        }
        best = r->policy.blend.use[i] < r->policy.blend.use[best] ? i : best;
    }
    return best;
}

/* When the world changed: what was learned since the last change goes on answering, in case that
 * world comes back, but where one that was put by before had the say in it. */
static void recall_before_change(tm_replay_running *r) {
    const double *const use = r->policy.blend.use;
    if (r->policy.n_changes == r->n_recalled || r->arms[TM_REPLAY_ARM_SINCE].now == NULL) {
        return;
    }
    r->n_recalled = r->policy.n_changes;
    for (uint32_t i = FIRST_RECALLED; i < FIRST_RECALLED + TM_REPLAY_RECALLED; i++) {
        if (r->arms[i].now == r->arms[TM_REPLAY_ARM_SINCE].now || use[i] > RECALLED_USE) {
            return;
        }
    }
    const uint32_t place = place_of_least_use(r);
    tm__replay_give_back(r->arms[place].now);
    r->arms[place].now = r->arms[TM_REPLAY_ARM_SINCE].now;
    r->arms[place].now->n_refs++;
    tm__policy_join(&r->policy, place - (uint32_t)N_ARMS);
}

/* Who learned from most of the first part answers the rest of it, so that labels say whose answers
 * count before the first row that is scored. */
static tm_status warm_up(tm_replay_running *r, tm_err *err) {
    if (r->warm_begin == r->warm_end) {
        return TM_OK;
    }
    TM_TRY(ask_due(r, r->warm_begin, r->stream->first, err));
    for (uint64_t row = r->warm_begin; row < r->warm_end; row += TICK_ROWS) {
        const uint64_t end = row + TICK_ROWS < r->warm_end ? row + TICK_ROWS : r->warm_end;
        TM_TRY(put_tick(r, row, end, err));
    }
    return TM_OK;
}

static tm_status check_limits(const tm_replay_running *r, tm_err *err) {
    const tm_replay_options *const o = r->options;
    const bool is_spent = o->work_max > 0 && r->policy.work > o->work_max;
    if (is_spent || (o->deadline_ns > 0 && tm__mono_ns() > o->deadline_ns)) {
        return TM_FAIL(err, TM_E_LIMIT, "the replay takes more than its part of the budget");
    }
    return TM_OK;
}

static tm_status run_rows(tm_replay_running *r, tm_err *err) {
    const tm_replay_stream *const s = r->stream;
    for (uint32_t i = 0; i < TM_REPLAY_RULES; i++) {
        tm__policy_join(&r->policy, i);
    }
    if (!s->is_classes) {
        tm__policy_join(&r->policy, AMENDED - (uint32_t)N_ARMS);
    }
    TM_TRY(warm_up(r, err));
    for (uint64_t row = s->first; row < s->n_rows;) {
        const uint64_t end = row + TICK_ROWS < s->n_rows ? row + TICK_ROWS : s->n_rows;
        if (tm__ctx_cancelled(r->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "the replay was cancelled");
        }
        TM_TRY(check_limits(r, err));
        TM_TRY(tell_labels(r, s->known[row], err));
        recall_before_change(r);
        TM_TRY(ask_due(r, s->known[row], row, err));
        TM_TRY(tm__replay_since_try(r, s->known[row], row, err));
        TM_TRY(put_tick(r, row, end, err));
        row = end;
    }
    TM_TRY(tell_labels(r, s->n_rows, err)); /* in the end all are known */
    r->run->score = tm__replay_score(s, r->run->answers, s->first, s->n_rows);
    return TM_OK;
}

/* ---- all of it ---- */

static tm_status prepare(tm_replay_running *r, const tm_replay_options *options, tm_err *err) {
    const uint64_t n = r->stream->n_rows * r->stream->n_outputs;
    bool ok = true;
    r->room = tm__mem_alloc((uint64_t)TM_REPLAY_TICKS_MAX * TICK_ROWS * r->stream->n_outputs,
                            sizeof(*r->room));
    r->together = tm__mem_alloc(r->stream->n_rows, sizeof(*r->together));
    r->base = tm__mem_alloc(r->stream->n_rows, sizeof(*r->base));
    r->since.besides = tm__mem_alloc(r->stream->n_rows, sizeof(*r->since.besides));
    r->amend_terms = tm__mem_zalloc(r->stream->n_rows, TM_AMEND_TERMS * sizeof(*r->amend_terms));
    r->lag = tm__replay_lag(r->stream, options);
    tm__amend_init(&r->amend, AMEND_MEMORY);
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        r->arms[i].answers = tm__mem_alloc(n, sizeof(float));
        r->arms[i].answers_before = tm__mem_alloc(n, sizeof(float));
        ok = ok && r->arms[i].answers != NULL && r->arms[i].answers_before != NULL;
    }
    r->warm_end = r->stream->known[r->stream->first];
    r->warm_begin = r->warm_end - r->warm_end / WARM_SHARE;
    r->warm_begin = r->warm_end - r->warm_begin < WARM_MIN ? r->warm_end : r->warm_begin;
    r->shares = tm__mem_zalloc(r->stream->n_rows / TICK_ROWS + 2, sizeof(*r->shares));
    if (!ok || r->room == NULL || r->together == NULL || r->base == NULL ||
        r->since.besides == NULL || r->amend_terms == NULL || r->shares == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a replay");
    }
    for (uint64_t row = 0; row < r->stream->n_rows; row++) {
        r->together[row] = tm__nan();
        r->base[row] = tm__nan();
        r->since.besides[row] = tm__nan();
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        for (uint64_t k = 0; k < n; k++) {
            r->arms[i].answers[k] = (float)tm__nan();
            r->arms[i].answers_before[k] = (float)tm__nan();
        }
    }
    float *const rules[TM_REPLAY_RULES] = {r->arms[N_ARMS].answers, r->arms[N_ARMS + 1].answers,
                                           r->arms[N_ARMS + 2].answers};
    if (!r->stream->is_classes) {
        TM_TRY(tm__replay_near_init(r->stream, &r->near, err));
    }
    return tm__replay_rule_chances(r->stream, options, rules, err);
}

void tm__replay_shares_now(const tm_replay_running *r, double *out) {
    tm_blend_shares shares;
    tm__policy_shares(&r->policy, &shares);
    memcpy(out, r->since.is_on ? r->since.shares : shares.both, N_MEMBERS * sizeof(*out));
}

static json_t *tell_arms(const tm_replay_running *r) {
    double shares[N_MEMBERS];
    json_t *const list = json_array();
    tm__replay_shares_now(r, shares);
    for (uint32_t i = 0; i < r->policy.blend.n; i++) {
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:f, s:f, s:f}", "arm", tm__replay_member_name(r->stream, i),
                      "learner", i < N_ARMS ? tm__replay_arm_get(r->stream, i)->learner : "none",
                      "fits", (json_int_t)r->policy.arms[i].n_fits, "train_seconds",
                      r->arms[i].train_seconds, "weight", shares[i], "step_rows",
                      r->policy.arms[i].step));
    }
    return list;
}

static json_t *tell_run(const tm_replay_running *r) {
    json_t *const json = tm__replay_run_json(r->run);
    json_object_set_new(json, "changes", json_integer((json_int_t)r->policy.n_changes));
    json_object_set_new(json, "why",
                        json_pack("{s:I, s:I, s:I}", "begin", (json_int_t)r->n_why[0], "change",
                                  (json_int_t)r->n_why[1], "new_rows", (json_int_t)r->n_why[2]));
    json_object_set_new(json, "arms", tell_arms(r));
    json_object_set(json, "turns", r->turns);
    json_object_set_new(json, "mixture", tm__replay_parts(r));
    json_object_set_new(json, "say", tm__json_number(tm__replay_say(r)));
    const uint32_t leader = tm__policy_leader(&r->policy);
    if (leader != TM_POLICY_TOGETHER) {
        json_object_set_new(json, "rule", json_string(tm__replay_member_name(r->stream, leader)));
    }
    return json;
}

tm_status tm__replay_policy(tm_ctx *ctx, const tm_replay_stream *stream,
                            const tm_replay_options *options, tm_replay_run *out, json_t **json,
                            tm_err *err) {
    const tm_policy_terms terms = tm__replay_terms(stream);
    tm_replay_running *const r = tm__mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a policy");
    }
    r->ctx = ctx;
    r->stream = stream;
    r->options = options;
    r->seed = options->seed;
    r->run = out;
    r->turns = json_array();
    tm__policy_init(&r->policy, &terms);
    tm_status st = prepare(r, options, err);
    if (st == TM_OK) {
        st = run_rows(r, err);
    }
    if (st == TM_OK) {
        *json = tell_run(r);
    }
    tm__replay_due_reset(&r->due);
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        tm__replay_give_back(r->arms[i].now);
        tm__replay_give_back(r->arms[i].before);
        tm__mem_free(r->arms[i].answers);
        tm__mem_free(r->arms[i].answers_before);
    }
    tm__replay_near_done(&r->near);
    json_decref(r->turns);
    tm__mem_free(r->shares);
    tm__mem_free(r->room);
    tm__mem_free(r->together);
    tm__mem_free(r->base);
    tm__mem_free(r->since.besides);
    tm__mem_free(r->amend_terms);
    tm__mem_free(r);
    return st;
}
