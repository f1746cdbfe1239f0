/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/replay_priv.h"

#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

tm_status tm__replay_run_init(const tm_replay_stream *stream, tm_replay_run *out, tm_err *err) {
    memset(out, 0, sizeof(*out));
    out->answers = tm__mem_alloc(stream->n_rows, sizeof(*out->answers));
    if (out->answers == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a replay");
    }
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        out->answers[row] = tm__nan();
    }
    return TM_OK;
}

void tm__replay_run_done(tm_replay_run *run) {
    tm__mem_free(run->answers);
    tm__mem_free(run->chances);
    run->answers = run->chances = NULL;
}

double tm__replay_pick(const tm_replay_stream *stream, const double *outputs) {
    uint32_t best = 0;
    if (!stream->is_classes) {
        return outputs[0];
    }
    for (uint32_t c = 1; c < stream->n_outputs; c++) {
        best = outputs[c] > outputs[best] ? c : best;
    }
    return best;
}

double tm__replay_score(const tm_replay_stream *stream, const double *answers, uint64_t begin,
                        uint64_t end) {
    double sum = 0.0;
    uint64_t n = 0;
    for (uint64_t row = begin; row < end; row++) {
        const double y = stream->y[row];
        if (y != y) {
            continue;
        }
        n++;
        if (stream->is_classes) {
            sum += answers[row] == y ? 1.0 : 0.0;
        } else {
            const double off = answers[row] == answers[row] ? answers[row] - y : y;
            sum += off * off;
        }
    }
    if (n == 0) {
        return tm__nan();
    }
    return stream->is_classes ? sum / (double)n : -tm__sqrt(sum / (double)n);
}

json_t *tm__replay_run_json(const tm_replay_run *run) {
    return json_pack("{s:o, s:I, s:f, s:f, s:f}", "score", tm__json_number(run->score), "retrains",
                     (json_int_t)run->n_retrains, "train_seconds", run->train_seconds,
                     "train_cpu_seconds", run->train_cpu_seconds, "answer_seconds",
                     run->answer_seconds);
}

static uint64_t part_end(const tm_replay_stream *stream, uint32_t part) {
    const uint64_t n = stream->n_rows - stream->first;
    return stream->first + n * part / TM_REPLAY_CURVE;
}

json_t *tm__replay_curve(const tm_replay_stream *stream, const double *answers) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < TM_REPLAY_CURVE; i++) {
        json_array_append_new(list,
                              tm__json_number(tm__replay_score(stream, answers, part_end(stream, i),
                                                               part_end(stream, i + 1))));
    }
    return list;
}

json_t *tm__replay_curve_rows(const tm_replay_stream *stream) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < TM_REPLAY_CURVE; i++) {
        json_array_append_new(list, json_integer((json_int_t)part_end(stream, i + 1)));
    }
    return list;
}
