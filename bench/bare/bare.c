/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program without its log and its sketches, for bench/monitor_log.py: calls of these three
 * functions are linked to those here (--wrap), and all else is the same objects.
 */
#include "monitor/monitor.h"
#include "monitor/sketch_cells.h"

void __wrap_tm__cells_add(tm_cells *self, const tm_cell *row, const double *outputs,
                          uint32_t n_outputs);
bool __wrap_tm__answer_append(const tm_answer *answer, tm_buf *out);
tm_status __wrap_tm__monitor_answers(tm_monitor *monitor, tm_stream *stream,
                                     const tm_answers *answers, uint32_t *out_dropped, tm_err *err);

void __wrap_tm__cells_add(tm_cells *self, const tm_cell *row, const double *outputs,
                          uint32_t n_outputs) {
    (void)self;
    (void)row;
    (void)outputs;
    (void)n_outputs;
}

bool __wrap_tm__answer_append(const tm_answer *answer, tm_buf *out) {
    (void)answer;
    (void)out;
    return true;
}

tm_status __wrap_tm__monitor_answers(tm_monitor *monitor, tm_stream *stream,
                                     const tm_answers *answers, uint32_t *out_dropped,
                                     tm_err *err) {
    (void)monitor;
    (void)stream;
    (void)answers;
    (void)err;
    *out_dropped = 0;
    return TM_OK;
}
