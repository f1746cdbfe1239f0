/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy has come to at the end of a stream, as models that a training can learn anew and
 * a bundle can hold: the windows of its arms and of the models of before a change, and their
 * shares. Rules, and the mean that late labels amend, answer by labels of a moment ago, which no
 * bundle has. Their shares go to the models.
 */
#include <string.h>

#include "base/fmath.h"
#include "loop/replay_policy_priv.h"

#define SHARE_MIN 0.01 /* a smaller one costs an answer more than it is worth */
#define SAY_MIN 0.5    /* of the models, for shares that are found beside rules */

static tm_mixture_part part_of(const tm_replay_running *r, uint32_t member) {
    const uint64_t n_rows = r->stream->n_rows;
    const bool is_arm = member < N_ARMS;
    const tm_replay_arm *const arm =
        tm__replay_arm_get(r->stream, is_arm ? member : TM_REPLAY_ARM_SINCE);
    tm_mixture_part out = {.learner = arm->learner,
                           .params = r->arms[member].now->params,
                           .half_life = (uint64_t)arm->half_life};
    if (is_arm) {
        const uint64_t begin = tm__policy_begin(&r->policy, member, n_rows);
        out.rows = begin > 0 ? n_rows - begin : 0;
    } else {
        out.rows = r->arms[member].now->end - r->arms[member].now->begin;
        out.passed = n_rows - r->arms[member].now->end;
    }
    return out;
}

static bool is_held(const tm_replay_running *r, uint32_t member) {
    return (member < N_ARMS || member >= FIRST_RECALLED) && r->arms[member].now != NULL;
}

/* What models have to say, and what rules have. */
static void sum_shares(const tm_replay_running *r, double *out_models, double *out_rules) {
    double shares[N_MEMBERS];
    *out_models = *out_rules = 0.0;
    tm__replay_shares_now(r, shares);
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        *out_models += is_held(r, i) ? shares[i] : 0.0;
        *out_rules += i >= N_ARMS && i < FIRST_RECALLED ? shares[i] : 0.0;
    }
}

double tm__replay_say(const tm_replay_running *r) {
    double models = 0.0, rules = 0.0;
    sum_shares(r, &models, &rules);
    return models + rules > 0.0 ? models / (models + rules) : 1.0;
}

/* As they are where models have most of the say, else as if nobody else had joined: of little,
 * what is left to models is what goes well with a rule. */
static void share_among_models(const tm_replay_running *r, double *out) {
    tm_policy policy = r->policy;
    tm_blend_shares shares;
    double models = 0.0, rules = 0.0;
    sum_shares(r, &models, &rules);
    if (models >= SAY_MIN) {
        tm__replay_shares_now(r, out);
        return;
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        policy.blend.is_in[i] = policy.blend.is_in[i] && is_held(r, i);
    }
    tm__policy_shares(&policy, &shares);
    memcpy(out, shares.both, N_MEMBERS * sizeof(*out));
}

json_t *tm__replay_parts(const tm_replay_running *r) {
    tm_mixture_part parts[N_MEMBERS];
    double shares[N_MEMBERS];
    double sum = 0.0;
    uint32_t n = 0;
    share_among_models(r, shares);
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        sum += is_held(r, i) && shares[i] >= SHARE_MIN ? shares[i] : 0.0;
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        if (is_held(r, i) && shares[i] >= SHARE_MIN) {
            parts[n] = part_of(r, i);
            parts[n++].share = shares[i] / sum;
        }
    }
    return tm__mixture_json(parts, n, r->stream->n_rows - r->stream->known[r->stream->n_rows - 1]);
}

static json_t *tell(const tm_replay_stream *stream, const tm_replay_run *run, json_t *policy) {
    json_t *const out = json_pack(
        "{s:O, s:O, s:I, s:o, s:s, s:O, s:I}", "mixture", json_object_get(policy, "mixture"), "say",
        json_object_get(policy, "say"), "rows", (json_int_t)(stream->n_rows - stream->first),
        "score", tm__json_number(run->score), "metric", stream->is_classes ? "accuracy" : "rmse",
        "changes", json_object_get(policy, "changes"), "fits", (json_int_t)run->n_retrains);
    json_object_set(out, "rule", json_object_get(policy, "rule"));
    return out;
}

tm_status tm__replay_mixture(tm_ctx *ctx, tm_table *table, const tm_replay_options *options,
                             json_t **out, tm_err *err) {
    tm_replay_stream stream;
    tm_replay_run run;
    json_t *policy = NULL;
    TM_TRY(tm__replay_stream_init(table, options, &stream, err));
    tm_status st = tm__replay_run_init(&stream, &run, err);
    if (st == TM_OK) {
        st = tm__replay_policy(ctx, &stream, options, &run, &policy, err);
        *out = st == TM_OK ? tell(&stream, &run, policy) : NULL;
        tm__replay_run_done(&run);
    }
    json_decref(policy);
    tm__replay_stream_done(&stream);
    return st == TM_OK ? tm__json_check(err) : st;
}
