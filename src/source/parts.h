/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that take the parts of a stream, work on them and leave what becomes of them in order, in
 * bounded memory. What a part is, the caller knows. Not for work that fits into memory: see
 * base/pool.
 */
#ifndef TM_SOURCE_PARTS_H
#define TM_SOURCE_PARTS_H

#include "base/buf.h"
#include "base/ctx.h"

typedef struct tm_parts {
    /* The next part, for a worker below the threads of the pool. One at a time, in order. *out_more
     * is false when there is nothing behind it; *out_pos is given to write(). */
    tm_status (*take)(void *arg, uint32_t worker, bool *out_more, uint64_t *out_pos, tm_err *err);
    /* What becomes of the part that this worker took last. All at once. */
    tm_status (*work)(void *arg, uint32_t worker, tm_buf *out, uint64_t *out_rows, tm_err *err);
    /* One at a time, in the order in which parts were taken, on any thread. */
    tm_status (*write)(void *arg, const tm_buf *out, uint64_t n_rows, uint64_t pos, tm_err *err);
    void *arg;
} tm_parts;

/** Until nothing is left, or to the first failure in the order of the parts; write() got all parts
 * before it. */
TM_NODISCARD tm_status tm__parts_run(tm_ctx *ctx, const tm_parts *parts, tm_err *err);

#endif
