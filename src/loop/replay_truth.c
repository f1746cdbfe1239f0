/* SPDX-License-Identifier: Apache-2.0 */
/* What labels say of answers, at the time when they are known. */
#include <string.h>

#include "base/fmath.h"
#include "loop/replay_policy_priv.h"

#define P_MIN 0.01
#define NOISE_ROWS 300.0
#define USUAL_ROWS 3000.0

static double loss_of(const tm_replay_running *r, const double *answer, uint64_t row) {
    const tm_replay_stream *const s = r->stream;
    if (answer[0] != answer[0]) {
        return tm__nan();
    }
    if (s->is_classes) {
        const double p = answer[(uint32_t)s->y[row]];
        return -tm__log(p > P_MIN ? p : P_MIN);
    }
    const double off = answer[0] - s->y[row];
    return r->noise > 0.0 ? off * off / (2.0 * r->noise) : 0.0;
}

static double loss_at(const tm_replay_running *r, const float *answers, uint64_t row) {
    const uint32_t k = r->stream->n_outputs;
    for (uint32_t c = 0; c < k; c++) {
        r->room[c] = (double)answers[row * k + c];
    }
    return loss_of(r, r->room, row);
}

/* A mean over so many newest rows, all of them as long as they are fewer. */
static double follow(double mean, double value, double n_seen, double n_most) {
    return mean + (value - mean) / (n_seen < n_most ? n_seen : n_most);
}

/* Errors of values are held against what they are of late. */
static void know_error(tm_replay_running *r, uint64_t row) {
    const double off = r->together[row] - r->stream->y[row];
    r->n_values += 1.0;
    r->noise = follow(r->noise, off * off, r->n_values, NOISE_ROWS);
    r->usual = follow(r->usual, off * off, r->n_values, USUAL_ROWS);
}

static double champion_error(const tm_replay_running *r, uint64_t row) {
    const tm_replay_stream *const s = r->stream;
    if (s->is_classes) {
        return r->together[row] == s->y[row] ? 0.0 : 1.0;
    }
    const double off = r->together[row] - s->y[row];
    return r->usual > 0.0 ? off * off / (off * off + r->usual) : 0.0;
}

/* The mean of those that answered. */
void tm__replay_answer_of_all(const tm_replay_running *r, uint64_t row, const double *shares,
                              double *out) {
    const uint32_t k = r->stream->n_outputs;
    double sum = 0.0;
    memset(out, 0, k * sizeof(*out));
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        const float *const a = r->arms[i].answers + row * k;
        if (shares[i] > 0.0 && a[0] == a[0]) {
            sum += shares[i];
            for (uint32_t c = 0; c < k; c++) {
                out[c] += shares[i] * (double)a[c];
            }
        }
    }
    for (uint32_t c = 0; c < k && sum > 0.0; c++) {
        out[c] /= sum;
    }
}

/* Of an answer of class c, or of the value. */
static double off_of(const tm_replay_running *r, uint64_t row, double answer, uint32_t c) {
    const double y = r->stream->y[row];
    return answer - (!r->stream->is_classes ? y : (uint32_t)y == c ? 1.0 : 0.0);
}

/* What each was off, class by class; who gave no answer was off by what all together were. */
static void note_products(const tm_replay_running *r, uint64_t row, tm_policy_label *label) {
    const uint32_t k = r->stream->n_outputs, n = r->policy.blend.n;
    double off[N_MEMBERS + 1];
    tm__replay_answer_of_all(r, row, label->shares.both, r->room);
    memset(label->products, 0, sizeof(label->products));
    label->together = loss_of(r, r->room, row);
    for (uint32_t c = 0; c < k; c++) {
        off[n] = off_of(r, row, r->room[c], c);
        for (uint32_t i = 0; i < n; i++) {
            const double a = (double)r->arms[i].answers[row * k + c];
            off[i] = a == a ? off_of(r, row, a, c) : off[n];
        }
        for (uint32_t i = 0; i <= n; i++) {
            for (uint32_t j = 0; j <= i; j++) {
                label->products[i][j] += off[i] * off[j];
            }
        }
    }
    for (uint32_t i = 0; i <= n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            label->products[j][i] = label->products[i][j];
        }
    }
}

/* As the score counts it. */
static double wrong_by(const tm_replay_running *r, double answer, uint64_t row) {
    const double off = answer - r->stream->y[row];
    return !r->stream->is_classes ? off * off : off == 0.0 ? 0.0 : 1.0;
}

static void note_rules(const tm_replay_running *r, uint64_t row, double *out) {
    const uint32_t k = r->stream->n_outputs;
    for (uint32_t i = 0; i < TM_REPLAY_RULES; i++) {
        for (uint32_t c = 0; c < k; c++) {
            r->room[c] = (double)r->arms[N_ARMS + i].answers[row * k + c];
        }
        out[i] = r->room[0] == r->room[0] ? wrong_by(r, tm__replay_pick(r->stream, r->room), row)
                                          : tm__nan();
    }
}

tm_blend_shares *tm__replay_shares_at(const tm_replay_running *r, uint64_t row) {
    const uint64_t n_warm = (r->warm_end - r->warm_begin + TICK_ROWS - 1) / TICK_ROWS;
    return &r->shares[row < r->warm_end ? (row - r->warm_begin) / TICK_ROWS
                                        : n_warm + (row - r->stream->first) / TICK_ROWS];
}

void tm__replay_tell_labels(tm_replay_running *r, uint64_t known) {
    const tm_replay_stream *const s = r->stream;
    for (; r->n_known < known; r->n_known++) {
        const uint64_t row = r->n_known;
        tm_policy_label label;
        if (s->y[row] != s->y[row]) {
            continue;
        }
        note_rules(r, row, label.wrong_rules);
        if (r->together[row] != r->together[row]) {
            tm__policy_note_rules(&r->policy, label.wrong_rules);
            continue;
        }
        if (!s->is_classes) {
            know_error(r, row);
        }
        label.champion = champion_error(r, row);
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            label.losses[i] = loss_at(r, r->arms[i].answers, row);
            label.before[i] = i < N_ARMS ? loss_at(r, r->arms[i].answers_before, row) : tm__nan();
        }
        label.shares = *tm__replay_shares_at(r, row);
        note_products(r, row, &label);
        if (s->is_classes) {
            tm__replay_since_note(r, row, label.champion);
        }
        label.wrong = wrong_by(r, r->together[row], row);
        tm__policy_add(&r->policy, row + 1, &label);
    }
}
