/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule that says "the class of the last label" has a chance of being right, which the labels that
 * are known tell; what is left is shared by how often each class came.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "loop/replay_priv.h"

#define HITS_MEMORY 2000.0 /* labels after which one counts 1/e */

/* How often a rule was right. */
typedef struct hits {
    double n_right, n;
} hits;

typedef struct walk {
    const tm_replay_stream *stream;
    uint64_t lag;
    double *counts; /* [n_outputs] of labels that are known, one more of each */
    double sum, n;
    double last;  /* NaN: none is known */
    double *said; /* [n_rows] what the rule of the last label said */
    hits of_last, of_period;
} walk;

static double period_ago(const walk *w, uint64_t row) {
    const bool is_known = w->lag > 0 && w->lag <= row && row - w->lag < w->stream->known[row];
    return is_known ? w->stream->y[row - w->lag] : tm__nan();
}

static void count_hit(hits *h, double said, double y) {
    const double keep = 1.0 - 1.0 / HITS_MEMORY;
    if (said == said) {
        h->n_right = h->n_right * keep + (said == y ? 1.0 : 0.0);
        h->n = h->n * keep + 1.0;
    }
}

static void know_label(walk *w, uint64_t row) {
    const double y = w->stream->y[row];
    if (y != y) {
        return;
    }
    if (w->stream->is_classes) {
        w->counts[(uint32_t)y] += 1.0;
        count_hit(&w->of_last, w->said[row], y);
        count_hit(&w->of_period, period_ago(w, row), y);
    }
    w->sum += y;
    w->n += 1.0;
    w->last = y;
}

static void say(const walk *w, double said, const hits *h, float *out) {
    const uint32_t k = w->stream->n_outputs;
    if (said != said || !w->stream->is_classes) {
        out[0] = (float)said;
        return;
    }
    const double right = (h->n_right + 1.0) / (h->n + 2.0);
    for (uint32_t c = 0; c < k; c++) {
        const double rest = (1.0 - right) * w->counts[c] / (w->n + k);
        out[c] = (float)((c == (uint32_t)said ? right : 0.0) + rest);
    }
}

static void say_usual(const walk *w, float *out) {
    const uint32_t k = w->stream->n_outputs;
    for (uint32_t c = 0; c < k; c++) {
        out[c] = w->stream->is_classes ? (float)(w->counts[c] / (w->n + k))
                 : w->n > 0.0          ? (float)(w->sum / w->n)
                                       : (float)tm__nan();
    }
}

tm_status tm__replay_rule_chances(const tm_replay_stream *stream, const tm_replay_options *options,
                                  float *const out[TM_REPLAY_RULES], tm_err *err) {
    const uint64_t k = stream->n_outputs;
    walk w = {.stream = stream, .lag = tm__replay_lag(stream, options), .last = tm__nan()};
    w.counts = tm__mem_alloc(k, sizeof(*w.counts));
    w.said = tm__mem_alloc(stream->n_rows, sizeof(*w.said));
    if (w.counts == NULL || w.said == NULL) {
        tm__mem_free(w.counts);
        tm__mem_free(w.said);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the rules of a replay");
    }
    for (uint64_t c = 0; c < k; c++) {
        w.counts[c] = 1.0;
    }
    uint64_t n_known = 0;
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        for (; n_known < stream->known[row]; n_known++) {
            know_label(&w, n_known);
        }
        w.said[row] = w.last;
        say(&w, w.last, &w.of_last, out[0] + row * k);
        say(&w, period_ago(&w, row), &w.of_period, out[1] + row * k);
        say_usual(&w, out[2] + row * k);
    }
    tm__mem_free(w.counts);
    tm__mem_free(w.said);
    return TM_OK;
}
