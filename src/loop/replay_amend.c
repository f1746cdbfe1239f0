/* SPDX-License-Identifier: Apache-2.0 */
/* What the newest labels say of answers of values to come: loop_amend.h over the stream. */
#include <string.h>

#include "base/fmath.h"
#include "loop/replay_policy_priv.h"

static const double late_rows[TM_REPLAY_LATE] = {3.0, 24.0, 200.0};

/* Off of the answer a period ago, where its label is known. */
static double off_last_period(const tm_replay_running *r, uint64_t row, uint64_t known) {
    const uint64_t lag = r->lag;
    if (lag == 0 || lag > row || row - lag >= known) {
        return 0.0;
    }
    const double off = r->stream->y[row - lag] - r->base[row - lag];
    return off == off ? off : 0.0;
}

static void note_off(tm_replay_running *r, uint64_t row) {
    const double off = r->stream->y[row] - r->base[row];
    if (off != off) {
        return;
    }
    tm__amend_update(&r->amend, r->amend_terms + row * TM_AMEND_TERMS, off);
    for (uint32_t i = 0; i < TM_REPLAY_LATE; i++) {
        r->late_off[i] += (off - r->late_off[i]) / late_rows[i];
    }
}

static void fill_terms(const tm_replay_running *r, uint64_t row, double *terms) {
    terms[0] = 1.0;
    terms[1] = r->base[row];
    terms[2] = off_last_period(r, row, r->n_amended);
    memcpy(terms + 3, r->late_off, sizeof(r->late_off));
}

void tm__replay_amend(tm_replay_running *r, const tm_blend_shares *shares, uint64_t begin,
                      uint64_t end) {
    double of_arms[N_MEMBERS] = {0.0};
    if (r->stream->is_classes) {
        return;
    }
    for (uint32_t i = 0; i < N_ARMS; i++) {
        of_arms[i] = 0.5 * (shares->sets[0][i] + shares->sets[1][i]);
    }
    for (uint64_t row = begin; row < end; row++) {
        double *const terms = r->amend_terms + row * TM_AMEND_TERMS;
        tm__replay_answer_of_all(r, row, of_arms, &r->base[row]);
        for (; r->n_amended < r->stream->known[row]; r->n_amended++) {
            note_off(r, r->n_amended);
        }
        fill_terms(r, row, terms);
        r->arms[AMENDED].answers[row] = (float)(r->base[row] + tm__amend_predict(&r->amend, terms));
    }
}
