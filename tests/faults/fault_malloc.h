/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The malloc of the fault driver: every allocation of the process that is neither DuckDB's nor the
 * C++ runtime's is numbered while it is armed, whoever asks (Tidemill, SQLite, jansson, libyaml,
 * zstd, libsodium, libc, the loader), and the n-th fails, once or for ever. mmap is not seen.
 */
#ifndef TM_FAULT_MALLOC_H
#define TM_FAULT_MALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_FRAMES 24u

typedef struct fault_plan {
    uint64_t nth; /* 1-based; 0: only count */
    bool forever;
} fault_plan;

/* What happened since it was armed. */
typedef struct fault_count {
    uint64_t n_calls;  /* allocations asked for */
    uint64_t n_failed; /* of them made to fail */
    uint32_t n_frames;
    void *frames[FAULT_FRAMES]; /* of the first one that failed */
} fault_count;

/** Start counting and failing. */
void fault_arm(const fault_plan *plan);
/** Stop, and say what happened. */
void fault_disarm(fault_count *out);
/** Allocations of this thread are never counted: it is the test's, not the program's. */
void fault_exempt(bool is_exempt);
/** Load what a backtrace needs, and find where excluded libraries lie. Call before arming. */
void fault_prepare(void);

#endif
