/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that learn nothing, as a measure of what models are worth: the last label that is known,
 * the one of the same time last period, and the most frequent class (of values their mean) so far.
 */
#include "loop/replay_priv.h"

#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define LAGS_MAX 2048u /* that are tried, from the first that may be known */

typedef enum rule { RULE_LAST, RULE_PERIOD, RULE_USUAL, N_RULES } rule;

static const char *const rule_names[N_RULES] = {"last", "period", "majority"};

/* The newest label known at each row. */
static void answer_last(const tm_replay_stream *stream, double *out) {
    double last = tm__nan();
    uint64_t n = 0;
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        for (; n < stream->known[row]; n++) {
            last = stream->y[n] == stream->y[n] ? stream->y[n] : last;
        }
        out[row] = last;
    }
}

static tm_status answer_usual(const tm_replay_stream *stream, double *out, tm_err *err) {
    uint64_t *const counts = tm__mem_zalloc(stream->n_outputs, sizeof(*counts));
    double sum = 0.0;
    uint64_t n = 0, n_labels = 0;
    uint32_t best = 0;
    if (counts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to count classes");
    }
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        for (; n < stream->known[row]; n++) {
            const double y = stream->y[n];
            if (y == y && stream->is_classes) {
                const uint32_t c = (uint32_t)y;
                counts[c]++;
                best = counts[c] > counts[best] ? c : best;
            }
            sum += y == y ? y : 0.0;
            n_labels += y == y ? 1 : 0;
        }
        out[row] = n_labels == 0 ? tm__nan() : stream->is_classes ? best : sum / (double)n_labels;
    }
    tm__mem_free(counts);
    return TM_OK;
}

/* How well rows of the first part foretell those `lag` later: accuracy or -RMSE. */
static double lag_score(const tm_replay_stream *stream, uint64_t lag, uint64_t end) {
    double sum = 0.0;
    uint64_t n = 0;
    for (uint64_t row = lag; row < end; row++) {
        const double was = stream->y[row - lag];
        const double is = stream->y[row];
        if (was == was && is == is) {
            sum += stream->is_classes ? (was == is ? 1.0 : 0.0) : -(was - is) * (was - is);
            n++;
        }
    }
    return n > 0 ? sum / (double)n : -1e300;
}

uint64_t tm__replay_lag(const tm_replay_stream *stream, const tm_replay_options *options) {
    const uint64_t end = stream->known[stream->first];
    const uint64_t delay = stream->first - end + 1;
    uint64_t best = 0;
    double best_score = -1e300;
    if (options->period > 0) {
        return (delay + options->period - 1) / options->period * options->period;
    }
    for (uint64_t lag = delay; lag < delay + LAGS_MAX && lag <= end / 2; lag++) {
        const double score = lag_score(stream, lag, end);
        if (score > best_score) {
            best = lag;
            best_score = score;
        }
    }
    return best;
}

static void answer_period(const tm_replay_stream *stream, uint64_t lag, double *out) {
    for (uint64_t row = stream->first; row < stream->n_rows; row++) {
        out[row] = lag > 0 && lag <= row && row - lag < stream->known[row] ? stream->y[row - lag]
                                                                           : tm__nan();
    }
}

tm_status tm__replay_rules(const tm_replay_stream *stream, const tm_replay_options *options,
                           tm_replay_run *out, json_t **json, tm_err *err) {
    tm_replay_run run;
    const uint64_t lag = tm__replay_lag(stream, options);
    rule best = RULE_LAST;
    TM_TRY(tm__replay_run_init(stream, &run, err));
    json_t *const scores = json_object();
    tm_status st = TM_OK;
    for (rule r = RULE_LAST; r < N_RULES && st == TM_OK; r++) {
        if (r == RULE_LAST) {
            answer_last(stream, run.answers);
        } else if (r == RULE_PERIOD) {
            answer_period(stream, lag, run.answers);
        } else {
            st = answer_usual(stream, run.answers, err);
        }
        run.score = tm__replay_score(stream, run.answers, stream->first, stream->n_rows);
        const bool is_none = r == RULE_PERIOD && lag == 0; /* no period that a label is known of */
        json_object_set_new(scores, rule_names[r],
                            is_none ? json_null() : tm__json_number(run.score));
        if (is_none) {
            continue;
        }
        if (r == RULE_LAST || run.score > out->score) {
            best = r;
            out->score = run.score;
            memcpy(out->answers, run.answers, stream->n_rows * sizeof(double));
        }
    }
    tm__replay_run_done(&run);
    if (st != TM_OK) {
        json_decref(scores);
        return st;
    }
    *json = tm__replay_run_json(out);
    json_object_set_new(*json, "rule", json_string(rule_names[best]));
    json_object_set_new(*json, "period_rows", json_integer((json_int_t)lag));
    json_object_set_new(*json, "rules", scores);
    return TM_OK;
}
