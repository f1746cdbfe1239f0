/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a change of classes was found. Labels of what is learned since then come a label's delay
 * later, and until then shares know the arms by what they were in another world. So models of the
 * first half of the rows since the change answer the other half. Where they are surely right more
 * often there than what was answered, models of all rows since the change answer, by shares that
 * would have been best on that half, until labels tell of their own answers.
 *
 *     change      mid        n_known          row
 *       |  learn   |  answer   |  no label yet |  answered by models of change to n_known
 *
 * Errors that come in runs look like a change and are over before anything learned of them is
 * asked: nothing is tried where errors are no more than what blocks of labels have had before, or
 * changes come faster than labels, or a rule leads, or this went wrong before.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "loop/replay_policy_priv.h"

#define ROWS_MIN 50u /* since the change; tried again when they have doubled, */
#define ROWS_MAX 1600u
#define LABELS_OWN 150u /* of answers since then, and shares know them again */
#define DISTINCT 300u   /* rows between two changes and their alarms, or they are one */
#define DELAYS 2u       /* that a world lasts at the least */
#define BLOCK_LABELS 100.0
#define BLOCKS_MIN 10.0
#define BLOCKS_MAX 100.0 /* of the mean */
#define UNUSUAL 2.5      /* standard deviations of blocks */
#define SURE 2.0         /* standard errors */
#define RIDGE_LABELS 10.0
#define GAIN_MEMORY 20000.0
#define LOST_MAX 20.0 /* labels */

typedef struct trial {
    tm_replay_model models[TM_REPLAY_TRIED];
    double *answers[TM_REPLAY_TRIED]; /* [end - mid x n_outputs] */
    uint64_t begin, mid, end;         /* rows learned; rows answered */
    bool is_in[N_MEMBERS];
    double shares[N_MEMBERS];
    bool is_sure;
} trial;

static const uint32_t arms_tried[TM_REPLAY_TRIED] = {TM_REPLAY_ARM_NEWEST, TM_REPLAY_ARM_SINCE};

/* ---- what labels say ---- */

void tm__replay_since_note(tm_replay_running *r, uint64_t row, double error) {
    tm_replay_since *const s = &r->since;
    const double y = r->stream->y[row];
    s->gain -= s->gain / GAIN_MEMORY;
    if (s->besides[row] == s->besides[row]) {
        s->gain += (s->besides[row] != y ? 1.0 : 0.0) - (r->together[row] != y ? 1.0 : 0.0);
    }
    s->block += error;
    s->n_block += 1.0;
    if (s->n_block < BLOCK_LABELS) {
        return;
    }
    if (!s->is_on) { /* or a world that is known to be over would be the usual one */
        const double off = s->block / s->n_block - s->usual;
        s->n_blocks += s->n_blocks < BLOCKS_MAX ? 1.0 : 0.0;
        s->usual += off / s->n_blocks;
        s->spread += (off * off * (1.0 - 1.0 / s->n_blocks) - s->spread) / s->n_blocks;
    }
    s->block = s->n_block = 0.0;
}

static bool is_known(const tm_replay_running *r, uint64_t row) {
    return r->stream->y[row] == r->stream->y[row];
}

/* Whether the mean was wrong much more often than in blocks of labels before. */
static bool is_unusual(const tm_replay_running *r, uint64_t begin, uint64_t end) {
    const tm_replay_since *const s = &r->since;
    double wrong = 0.0, n = 0.0;
    for (uint64_t row = begin; row < end; row++) {
        if (is_known(r, row) && r->together[row] == r->together[row]) {
            wrong += r->together[row] != r->stream->y[row] ? 1.0 : 0.0;
            n += 1.0;
        }
    }
    const double least = 1.0 / (BLOCK_LABELS * BLOCK_LABELS);
    return n > 0.0 && s->n_blocks >= BLOCKS_MIN &&
           wrong / n - s->usual > UNUSUAL * tm__sqrt(s->spread + least);
}

/* ---- a trial ---- */

static tm_status learn(tm_replay_running *r, trial *t, tm_err *err) {
    tm_replay_recipe recipes[TM_REPLAY_TRIED];
    tm_replay_seconds seconds;
    for (uint32_t k = 0; k < TM_REPLAY_TRIED; k++) {
        const tm_replay_arm *const how = tm__replay_arm_get(r->stream, arms_tried[k]);
        recipes[k] = (tm_replay_recipe){.learner = how->learner,
                                        .params = how->params,
                                        .begin = t->begin,
                                        .end = t->mid,
                                        .seed = r->seed};
    }
    const tm_status st =
        tm__replay_fit_all(r->ctx, r->stream, recipes, TM_REPLAY_TRIED, t->models, &seconds, err);
    r->run->train_seconds += seconds.wall;
    r->run->train_cpu_seconds += seconds.cpu;
    return st;
}

static tm_status answer(tm_replay_running *r, trial *t, tm_err *err) {
    const uint64_t n = (t->end - t->mid) * r->stream->n_outputs;
    for (uint32_t k = 0; k < TM_REPLAY_TRIED; k++) {
        t->answers[k] = tm__mem_alloc(n, sizeof(double));
        if (t->answers[k] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a trial of a replay");
        }
        TM_TRY(tm__replay_answer(r->ctx, r->stream, &t->models[k], t->mid, t->end, t->answers[k],
                                 err));
    }
    return TM_OK;
}

/* Models of before a change are asked too, in case their world has come back. */
static void find_members(const tm_replay_running *r, trial *t) {
    const uint32_t k = r->stream->n_outputs;
    for (uint32_t j = 0; j < TM_REPLAY_TRIED; j++) {
        t->is_in[arms_tried[j]] = true;
    }
    for (uint32_t i = FIRST_RECALLED; i < FIRST_RECALLED + TM_REPLAY_RECALLED; i++) {
        const float *const a = r->arms[i].answers; /* NaN before it joined */
        t->is_in[i] = r->arms[i].now != NULL && a[t->mid * k] == a[t->mid * k] &&
                      a[(t->end - 1) * k] == a[(t->end - 1) * k];
    }
}

/* What a member says of class c. */
static double said(const tm_replay_running *r, const trial *t, uint32_t i, uint64_t row,
                   uint32_t c) {
    const uint32_t k = r->stream->n_outputs;
    for (uint32_t j = 0; j < TM_REPLAY_TRIED; j++) {
        if (arms_tried[j] == i) {
            return t->answers[j][(row - t->mid) * k + c];
        }
    }
    return (double)r->arms[i].answers[row * k + c];
}

static void add_products(const tm_replay_running *r, const trial *t, uint64_t row,
                         tm_blend_sums *sums) {
    double off[N_MEMBERS] = {0.0};
    for (uint32_t c = 0; c < r->stream->n_outputs; c++) {
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            off[i] = !t->is_in[i]
                         ? 0.0
                         : said(r, t, i, row, c) - ((uint32_t)r->stream->y[row] == c ? 1.0 : 0.0);
        }
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            for (uint32_t j = 0; j < N_MEMBERS; j++) {
                sums->products[i][j] += off[i] * off[j];
            }
        }
    }
    sums->n += 1.0;
}

static void find_shares(const tm_replay_running *r, trial *t) {
    tm_blend_sums sums = {.n = 0.0};
    double n_in = 0.0;
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        n_in += t->is_in[i] ? 1.0 : 0.0;
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        t->shares[i] = t->is_in[i] ? 1.0 / n_in : 0.0;
    }
    for (uint64_t row = t->mid; row < t->end; row++) {
        if (is_known(r, row)) {
            add_products(r, t, row, &sums);
        }
    }
    tm__blend_least(&sums, N_MEMBERS, t->is_in, RIDGE_LABELS, t->shares);
}

static bool is_wrong(tm_replay_running *r, const trial *t, uint64_t row) {
    const uint32_t k = r->stream->n_outputs;
    memset(r->room, 0, k * sizeof(*r->room));
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        for (uint32_t c = 0; c < k && t->is_in[i]; c++) {
            r->room[c] += t->shares[i] * said(r, t, i, row, c);
        }
    }
    return tm__replay_pick(r->stream, r->room) != r->stream->y[row];
}

static void compare(tm_replay_running *r, trial *t) {
    double better = 0.0, spread = 0.0;
    for (uint64_t row = t->mid; row < t->end; row++) {
        if (is_known(r, row)) {
            const double saved = (r->run->answers[row] != r->stream->y[row] ? 1.0 : 0.0) -
                                 (is_wrong(r, t, row) ? 1.0 : 0.0);
            better += saved;
            spread += saved * saved;
        }
    }
    t->is_sure = better > SURE * tm__sqrt(spread);
}

static tm_status hold(tm_replay_running *r, trial *t, tm_err *err) {
    TM_TRY(learn(r, t, err));
    TM_TRY(answer(r, t, err));
    find_members(r, t);
    find_shares(r, t);
    compare(r, t);
    return TM_OK;
}

/* ---- and what follows from it ---- */

static tm_status follow(tm_replay_running *r, const trial *t, uint64_t row, tm_err *err) {
    tm_replay_since *const s = &r->since;
    if (!s->is_on) {
        s->is_on = true;
        s->begin_row = row;
        tm__policy_begin_anew(&r->policy, t->begin, row);
    }
    memcpy(s->shares, t->shares, sizeof(t->shares));
    for (uint32_t k = 0; k < TM_REPLAY_TRIED; k++) {
        const tm_policy_fit fit = {
            .arm = arms_tried[k], .begin = t->begin, .end = t->end, .why = TM_POLICY_CHANGE};
        TM_TRY(tm__replay_begin_fit(r, &fit, row, err));
    }
    return TM_OK;
}

/* A first alarm may say too early a row, which the next ones put right. */
static void note_change(tm_replay_running *r, uint64_t n_known, uint64_t row) {
    tm_replay_since *const s = &r->since;
    const uint64_t at = r->policy.change_at;
    if (s->n_changes == r->policy.n_changes) {
        return;
    }
    s->n_changes = r->policy.n_changes;
    s->alarm_row = row;
    s->next_rows = ROWS_MIN;
    s->change_at = at;
    const bool is_same = n_known <= s->world_alarm + DISTINCT;
    if (at > s->world_at + (is_same ? 0 : DISTINCT)) {
        s->lasted = at - s->world_at + (is_same ? s->lasted : 0);
        s->world_at = at;
        s->world_alarm = is_same ? s->world_alarm : n_known;
    }
}

static bool may_begin(const tm_replay_running *r, uint64_t n_known, uint64_t row) {
    const tm_replay_since *const s = &r->since;
    return n_known < s->alarm_row && s->lasted >= DELAYS * (row - n_known) &&
           s->gain >= -LOST_MAX && tm__policy_leader(&r->policy) == TM_POLICY_TOGETHER;
}

tm_status tm__replay_since_try(tm_replay_running *r, uint64_t n_known, uint64_t row, tm_err *err) {
    tm_replay_since *const s = &r->since;
    if (!r->stream->is_classes || !r->policy.has_change) {
        return TM_OK;
    }
    note_change(r, n_known, row);
    s->is_on = s->is_on && n_known < s->begin_row + LABELS_OWN;
    const uint64_t n = n_known - s->change_at;
    trial t = {.begin = s->change_at, .mid = s->change_at + n / 2, .end = n_known};
    if (n < s->next_rows || n > ROWS_MAX ||
        !(s->is_on ? n_known < s->begin_row : may_begin(r, n_known, row)) ||
        !(s->is_on || is_unusual(r, t.mid, t.end))) {
        return TM_OK;
    }
    s->next_rows = 2 * n;
    tm_status st = hold(r, &t, err);
    if (st == TM_OK && (t.is_sure || s->is_on)) {
        st = follow(r, &t, row, err);
    }
    for (uint32_t k = 0; k < TM_REPLAY_TRIED; k++) {
        tm__replay_model_done(&t.models[k]);
        tm__mem_free(t.answers[k]);
    }
    return st;
}
