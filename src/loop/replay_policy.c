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
#include "loop/loop_policy.h"

#define TICK_ROWS 50u /* between looks of the policy */
#define TURNS_MAX 1000u
#define P_MIN 0.01
#define NOISE_ROWS 300.0
#define USUAL_ROWS 3000.0

typedef struct arm_recipe {
    const char *name, *learner;
    const char *const *params, *const *of_classes; /* NULL: params */
    tm_policy_arm_terms terms;
    double half_life;
} arm_recipe;

static const char *const boosted[] = {
    "n_trees", "25", "learning_rate", "0.2", "max_leaves", "8", "max_bins", "63", NULL};
static const char *const many[] = {
    "n_trees", "60", "learning_rate", "0.15", "max_leaves", "15", "max_bins", "63", NULL};
/* Of classes: what the last third of the trees moves seldom changes which one is likeliest. */
static const char *const fewer[] = {
    "n_trees", "40", "learning_rate", "0.2", "max_leaves", "15", "max_bins", "63", NULL};
static const char *const lines[] = {"strength", "0.001",  "max_iter", "50",
                                    "solver",   "newton", NULL};

static const arm_recipe recipes[] = {
    {"line of 700", "linear", lines, NULL, {.window = 700}, 0.0},
    {"line of 1,500", "linear", lines, NULL, {.window = 1500}, 0.0},
    {"line of all", "linear", lines, NULL, {.step_share = 0.4}, 0.0},
    {"trees of 2,000", "gbdt", boosted, NULL, {.window = 2000}, 0.0},
    {"trees since the change", "gbdt", boosted, NULL, {.window = 3000, .from_change = true}, 0.0},
    {"many trees of 5,000",
     "gbdt",
     many,
     fewer,
     {.window = 5000, .step_share = 0.1, .costs = 4.0},
     0.0},
    {"many trees", "gbdt", many, fewer, {.window = 20000, .step_share = 0.2, .costs = 4.0}, 8000.0},
};
#define N_ARMS (sizeof(recipes) / sizeof(recipes[0]))

typedef struct arm {
    tm_replay_model now, before;
    bool has_now, has_before;
    float *answers, *answers_before; /* [n_rows x n_outputs]; NaN: none */
    double train_seconds;
} arm;

typedef struct running {
    tm_ctx *ctx;
    const tm_replay_stream *stream;
    uint64_t seed;
    tm_policy policy;
    arm arms[N_ARMS];
    tm_blend_shares *shares; /* by which each TICK_ROWS rows were answered */
    tm_replay_run *run;
    uint64_t n_known; /* labels told to the policy, or of rows that nobody answered */
    double n_values;
    double noise, usual; /* mean squared error of the answers, of late and for long */
    json_t *turns;
    uint64_t n_why[3];
} running;

static tm_policy_terms make_terms(void) {
    tm_policy_terms terms = {
        .n_arms = N_ARMS,
        .step = 500,
        .step_min = 500,
        .step_max = 6000,
        .cool_down = 300,
        .memory = 500,
        .fast_memory = 700,
        .slow_memory = 3000,
        .eta = 0.08,
        .pays = 0.01,
        .say_min = 0.05,
    };
    for (uint32_t i = 0; i < N_ARMS; i++) {
        terms.arms[i] = recipes[i].terms;
    }
    return terms;
}

/* ---- what came true ---- */

static double loss_of(const running *r, const float *answers, uint64_t row) {
    const tm_replay_stream *const s = r->stream;
    const float *const a = answers + row * s->n_outputs;
    if (a[0] != a[0]) {
        return tm__nan();
    }
    if (s->is_classes) {
        const double p = (double)a[(uint32_t)s->y[row]];
        return -tm__log(p > P_MIN ? p : P_MIN);
    }
    const double off = (double)a[0] - s->y[row];
    return r->noise > 0.0 ? off * off / (2.0 * r->noise) : 0.0;
}

/* A mean over so many newest rows, all of them as long as they are fewer. */
static double follow(double mean, double value, double n_seen, double n_most) {
    return mean + (value - mean) / (n_seen < n_most ? n_seen : n_most);
}

/* Errors of values are held against what they are of late. */
static void know_error(running *r, uint64_t row) {
    const double off = r->run->answers[row] - r->stream->y[row];
    r->n_values += 1.0;
    r->noise = follow(r->noise, off * off, r->n_values, NOISE_ROWS);
    r->usual = follow(r->usual, off * off, r->n_values, USUAL_ROWS);
}

static double champion_error(const running *r, uint64_t row) {
    const tm_replay_stream *const s = r->stream;
    if (s->is_classes) {
        return r->run->answers[row] == s->y[row] ? 0.0 : 1.0;
    }
    const double off = r->run->answers[row] - s->y[row];
    return r->usual > 0.0 ? off * off / (off * off + r->usual) : 0.0;
}

static void note_products(const running *r, uint64_t row, tm_policy_label *label) {
    const uint32_t k = r->stream->n_outputs;
    memset(label->products, 0, sizeof(label->products));
    for (uint32_t i = 0; i < N_ARMS; i++) {
        const float *const a = r->arms[i].answers + row * k;
        if (a[0] != a[0]) {
            return;
        }
    }
    const double y = r->stream->y[row];
    for (uint32_t i = 0; i < N_ARMS; i++) {
        const float *const a = r->arms[i].answers + row * k;
        for (uint32_t j = 0; j < N_ARMS; j++) {
            const float *const b = r->arms[j].answers + row * k;
            double sum = 0.0;
            for (uint32_t c = 0; c < k; c++) {
                const double t = !r->stream->is_classes ? y : (uint32_t)y == c ? 1.0 : 0.0;
                sum += ((double)a[c] - t) * ((double)b[c] - t);
            }
            label->products[i][j] = sum;
        }
    }
}

/* Tell the policy of labels that are known at a row. */
static void tell_labels(running *r, uint64_t known) {
    const tm_replay_stream *const s = r->stream;
    for (; r->n_known < known; r->n_known++) {
        const uint64_t row = r->n_known;
        tm_policy_label label;
        if (s->y[row] != s->y[row]) {
            continue;
        }
        if (row < s->first) {
            continue;
        }
        if (!s->is_classes) {
            know_error(r, row);
        }
        label.champion = champion_error(r, row);
        for (uint32_t i = 0; i < N_ARMS; i++) {
            label.losses[i] = loss_of(r, r->arms[i].answers, row);
            label.before[i] = loss_of(r, r->arms[i].answers_before, row);
        }
        note_products(r, row, &label);
        label.shares = r->shares[(row - s->first) / TICK_ROWS];
        tm__policy_add(&r->policy, row + 1, &label);
    }
}

/* ---- fits ---- */

static void note_turn(running *r, const tm_policy_fit *fit, uint64_t row) {
    r->n_why[fit->why]++;
    if (json_array_size(r->turns) < TURNS_MAX) {
        json_array_append_new(
            r->turns, json_pack("{s:I, s:s, s:s, s:I, s:I}", "row", (json_int_t)row + 1, "why",
                                tm__policy_why_text(fit->why), "arm", recipes[fit->arm].name,
                                "from", (json_int_t)fit->begin + 1, "to", (json_int_t)fit->end));
    }
}

static tm_replay_recipe recipe_of(const running *r, const tm_policy_fit *fit) {
    const arm_recipe *const how = &recipes[fit->arm];
    return (tm_replay_recipe){
        .learner = how->learner,
        .params = r->stream->is_classes && how->of_classes != NULL ? how->of_classes : how->params,
        .begin = fit->begin,
        .end = fit->end,
        .half_life = how->half_life,
        .work = r->arms[fit->arm].has_now ? r->arms[fit->arm].now.work : 0,
        .seed = r->seed,
    };
}

/* An arm answers by a new model, and its last one beside it. */
static void take_model(running *r, const tm_policy_fit *fit, uint64_t row, tm_replay_model *model) {
    arm *const a = &r->arms[fit->arm];
    if (a->has_before) {
        tm__replay_model_done(&a->before);
    }
    a->before = a->now;
    a->has_before = a->has_now;
    a->now = *model;
    a->has_now = true;
    a->train_seconds += model->seconds;
    r->run->n_retrains += fit->why != TM_POLICY_BEGIN ? 1 : 0;
    note_turn(r, fit, row);
    tm__policy_fitted(&r->policy, fit, model->work);
    memset(model, 0, sizeof(*model));
}

static tm_status fit_due(running *r, uint64_t row, tm_err *err) {
    tm_policy_fit fits[N_ARMS];
    tm_replay_recipe due[N_ARMS];
    tm_replay_model models[N_ARMS];
    tm_replay_seconds seconds;
    const uint32_t n = tm__policy_due(&r->policy, r->stream->known[row], fits);
    if (n == 0) {
        return TM_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        due[i] = recipe_of(r, &fits[i]);
    }
    const tm_status st = tm__replay_fit_all(r->ctx, r->stream, due, n, models, &seconds, err);
    r->run->train_seconds += seconds.wall;
    r->run->train_cpu_seconds += seconds.cpu;
    for (uint32_t i = 0; i < n; i++) {
        if (st == TM_OK) {
            take_model(r, &fits[i], row, &models[i]);
        }
        tm__replay_model_done(&models[i]);
    }
    return st;
}

/* ---- answers ---- */

static tm_status answer_arm(running *r, const tm_replay_model *model, uint64_t begin, uint64_t end,
                            double *room, float *out, tm_err *err) {
    const uint32_t n_outputs = r->stream->n_outputs;
    TM_TRY(tm__replay_answer(r->ctx, r->stream, model, begin, end, room, err));
    for (uint64_t i = 0; i < (end - begin) * n_outputs; i++) {
        out[begin * n_outputs + i] = (float)room[i];
    }
    return TM_OK;
}

static void answer_together(running *r, uint64_t begin, uint64_t end, double *room) {
    const uint32_t n_outputs = r->stream->n_outputs;
    tm_blend_shares *const shares = &r->shares[(begin - r->stream->first) / TICK_ROWS];
    tm__policy_shares(&r->policy, shares);
    for (uint64_t row = begin; row < end; row++) {
        for (uint32_t c = 0; c < n_outputs; c++) {
            double sum = 0.0;
            for (uint32_t i = 0; i < N_ARMS; i++) {
                const float p = r->arms[i].answers[row * n_outputs + c];
                sum += p == p ? shares->both[i] * (double)p : 0.0;
            }
            room[c] = sum;
        }
        r->run->answers[row] = tm__replay_pick(r->stream, room);
    }
}

static tm_status answer_tick(running *r, uint64_t begin, uint64_t end, double *room, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    for (uint32_t i = 0; i < N_ARMS; i++) {
        arm *const a = &r->arms[i];
        if (a->has_now) {
            TM_TRY(answer_arm(r, &a->now, begin, end, room, a->answers, err));
        }
        if (a->has_before) {
            TM_TRY(answer_arm(r, &a->before, begin, end, room, a->answers_before, err));
        }
    }
    answer_together(r, begin, end, room);
    r->run->answer_seconds += (double)(tm__mono_ns() - started) * 1e-9;
    return TM_OK;
}

static tm_status run_rows(running *r, double *room, tm_err *err) {
    const tm_replay_stream *const s = r->stream;
    for (uint64_t row = s->first; row < s->n_rows;) {
        const uint64_t end = row + TICK_ROWS < s->n_rows ? row + TICK_ROWS : s->n_rows;
        if (tm__ctx_cancelled(r->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "the replay was cancelled");
        }
        tell_labels(r, s->known[row]);
        TM_TRY(fit_due(r, row, err));
        TM_TRY(answer_tick(r, row, end, room, err));
        row = end;
    }
    r->run->score = tm__replay_score(s, r->run->answers, s->first, s->n_rows);
    return TM_OK;
}

/* ---- all of it ---- */

static tm_status prepare(running *r, double **room, tm_err *err) {
    const uint64_t n = r->stream->n_rows * r->stream->n_outputs;
    bool ok = true;
    *room = tm__mem_alloc((uint64_t)TICK_ROWS * r->stream->n_outputs, sizeof(**room));
    for (uint32_t i = 0; i < N_ARMS; i++) {
        r->arms[i].answers = tm__mem_alloc(n, sizeof(float));
        r->arms[i].answers_before = tm__mem_alloc(n, sizeof(float));
        ok = ok && r->arms[i].answers != NULL && r->arms[i].answers_before != NULL;
    }
    r->shares = tm__mem_zalloc(r->stream->n_rows / TICK_ROWS + 1, sizeof(*r->shares));
    if (!ok || *room == NULL || r->shares == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a replay");
    }
    for (uint32_t i = 0; i < N_ARMS; i++) {
        for (uint64_t k = 0; k < n; k++) {
            r->arms[i].answers[k] = (float)tm__nan();
            r->arms[i].answers_before[k] = (float)tm__nan();
        }
    }
    return TM_OK;
}

static json_t *tell_arms(const running *r) {
    tm_blend_shares shares;
    json_t *const list = json_array();
    tm__policy_shares(&r->policy, &shares);
    for (uint32_t i = 0; i < N_ARMS; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f, s:f, s:f}", "arm",
                                              recipes[i].name, "learner", recipes[i].learner,
                                              "fits", (json_int_t)r->policy.arms[i].n_fits,
                                              "train_seconds", r->arms[i].train_seconds, "weight",
                                              shares.both[i], "step_rows", r->policy.arms[i].step));
    }
    return list;
}

static json_t *tell_run(const running *r) {
    json_t *const json = tm__replay_run_json(r->run);
    json_object_set_new(json, "changes", json_integer((json_int_t)r->policy.n_changes));
    json_object_set_new(json, "why",
                        json_pack("{s:I, s:I, s:I}", "begin", (json_int_t)r->n_why[0], "change",
                                  (json_int_t)r->n_why[1], "new_rows", (json_int_t)r->n_why[2]));
    json_object_set_new(json, "arms", tell_arms(r));
    json_object_set(json, "turns", r->turns);
    return json;
}

tm_status tm__replay_policy(tm_ctx *ctx, const tm_replay_stream *stream,
                            const tm_replay_options *options, tm_replay_run *out, json_t **json,
                            tm_err *err) {
    const tm_policy_terms terms = make_terms();
    double *room = NULL;
    running *const r = tm__mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a policy");
    }
    r->ctx = ctx;
    r->stream = stream;
    r->seed = options->seed;
    r->run = out;
    r->turns = json_array();
    tm__policy_init(&r->policy, &terms);
    tm_status st = prepare(r, &room, err);
    if (st == TM_OK) {
        st = run_rows(r, room, err);
    }
    if (st == TM_OK) {
        *json = tell_run(r);
    }
    for (uint32_t i = 0; i < N_ARMS; i++) {
        tm__replay_model_done(&r->arms[i].now);
        tm__replay_model_done(&r->arms[i].before);
        tm__mem_free(r->arms[i].answers);
        tm__mem_free(r->arms[i].answers_before);
    }
    json_decref(r->turns);
    tm__mem_free(r->shares);
    tm__mem_free(room);
    tm__mem_free(r);
    return st;
}
