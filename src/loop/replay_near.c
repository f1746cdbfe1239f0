/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/replay_near.h"

#include "base/fmath.h"
#include "base/mem.h"

#define BLOCK_ROWS 50u
#define NEWEST_BLOCKS 2u
#define FAR_MAX 4.0 /* a column that grows without end would be all that counts */

static bool is_number(const tm_column *column) {
    return column->type == TM_TYPE_INT || column->type == TM_TYPE_FLOAT;
}

/* Sums are of differences from the first value, or large levels would drown small changes. */
static void sum_up(const tm_column *column, uint64_t n_rows, tm_replay_sums *out) {
    double zero = tm__nan();
    for (uint64_t row = 0; row < n_rows; row++) {
        tm_replay_sums *const sums = &out[row / BLOCK_ROWS + 1];
        const double value = tm__column_number(column, row);
        zero = zero == zero ? zero : value;
        if (row % BLOCK_ROWS == 0) {
            *sums = sums[-1];
        }
        if (value == value) {
            sums->n += 1.0;
            sums->sum += value - zero;
            sums->squares += (value - zero) * (value - zero);
        }
    }
}

tm_status tm__replay_near_init(const tm_replay_stream *stream, tm_replay_near *out, tm_err *err) {
    out->n = 0;
    for (uint32_t c = 0; c < stream->schema.n_cols && out->n < TM_REPLAY_NEAR_COLS; c++) {
        const tm_column *const column = tm__table_column(stream->table, c);
        if (stream->schema.cols[c].role != TM_ROLE_FEATURE || !is_number(column)) {
            continue;
        }
        tm_replay_sums *const sums = tm__mem_zalloc(stream->n_rows / BLOCK_ROWS + 2, sizeof(*sums));
        if (sums == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to tell how far rows of a replay lie");
        }
        sum_up(column, stream->n_rows, sums);
        out->cols[out->n++] = sums;
    }
    return TM_OK;
}

void tm__replay_near_done(tm_replay_near *near) {
    for (uint32_t c = 0; c < near->n; c++) {
        tm__mem_free(near->cols[c]);
    }
    near->n = 0;
}

static tm_replay_sums between(const tm_replay_sums *sums, uint64_t begin, uint64_t end) {
    return (tm_replay_sums){.n = sums[end].n - sums[begin].n,
                            .sum = sums[end].sum - sums[begin].sum,
                            .squares = sums[end].squares - sums[begin].squares};
}

double tm__replay_near_far(const tm_replay_near *near, uint64_t begin, uint64_t end, uint64_t row) {
    const uint64_t now = row / BLOCK_ROWS, newest = now > NEWEST_BLOCKS ? now - NEWEST_BLOCKS : 0;
    double most = 0.0;
    for (uint32_t c = 0; c < near->n; c++) {
        const tm_replay_sums was = between(near->cols[c], begin / BLOCK_ROWS, end / BLOCK_ROWS);
        const tm_replay_sums is = between(near->cols[c], newest, now);
        if (was.n < 2.0 || is.n < 2.0) {
            continue;
        }
        const double mean = was.sum / was.n, off = is.sum / is.n - mean;
        const double spread = was.squares / was.n - mean * mean;
        const double far = off * off < FAR_MAX * spread ? off * off / spread
                           : off * off > 0.0            ? FAR_MAX
                                                        : 0.0;
        most = far > most ? far : most;
    }
    return most;
}
