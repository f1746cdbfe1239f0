/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels with every long call: pool, arenas, log, cancellation, budget and progress. No
 * globals.
 *
 * Budget. Work is counted in units (one unit = one row times one feature visited; see each learner)
 * at checkpoints that depend on the data alone. A run ends at the first checkpoint where work_used
 * >= work_limit, or where the clock passed the deadline.
 *
 * Stops. A run with a deadline hears one thing from the clock: yes or no, at questions that are
 * numbered from 1 and follow from the data and the answers before. tm_stops keeps the numbers of
 * those that were answered with yes. Given back, they answer in place of the clock, so that a run
 * that the clock cut, and every part of a search that it cut, ends again where it ended.
 */
#ifndef TM_BASE_CTX_H
#define TM_BASE_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct tm_arena;
struct tm_comm;
struct tm_checkpoint;
struct tm_log;
struct tm_pool;

typedef struct tm_stops {
    bool is_repeat;       /* the answers come from `at`, not from the clock */
    uint64_t n_asked;     /* questions so far */
    uint32_t n;           /* of `at` */
    uint32_t next;        /* of `at` to answer with, when is_repeat */
    struct tm_comm *comm; /* ranks that all hear what the clock of rank 0 says; NULL: one alone */
    uint64_t
        skipped_ns; /* that fits took which an earlier process did: the clock is so much later */
    uint64_t at[TM_MAX_STOPS];
} tm_stops;

typedef struct tm_budget {
    uint64_t work_limit; /* 0: no limit                                  */
    uint64_t work_used;
    uint64_t deadline_ns; /* tm__mono_ns() at which to stop; 0: none      */
    uint64_t started_ns;  /* from when the deadline was counted, for progress; 0: not known */
    tm_stops *stops;      /* what the clock said, shared by the parts of a run; NULL: not kept */
    bool is_cut;          /* a checkpoint ended the run before its natural end */
    bool clock_cut;       /* and it was the clock                          */
    uint64_t cut_above;   /* limits above this and up to what was used when the work ended it */
    uint64_t cut_at;      /* would have ended it there                         */
} tm_budget;

/* Called from the owner thread at checkpoints: stage is a static word ("fit", "search"), done of
 * total (0: unknown). */
typedef void (*tm_progress_fn)(void *arg, const char *stage, uint64_t done, uint64_t total,
                               const char *note);

/* Called as progress is, after a round of a fit that is stopped by rows it does not learn from:
 * the score of these, which the fit's own rule of stopping reads. */
typedef void (*tm_round_fn)(void *arg, uint32_t round, double score);

typedef struct tm_ctx {
    struct tm_pool *pool; /* may be NULL: one thread */
    struct tm_arena
        *run; /* lives as long as the whole run; may be NULL where a call does not name it */
    struct tm_arena
        *scratch; /* of the owner thread; mark on entry, roll back before return; may be NULL */
    const struct tm_log *log;      /* may be NULL */
    volatile _Atomic bool *cancel; /* may be NULL */
    tm_budget *budget;             /* may be NULL: none */
    tm_progress_fn progress;       /* may be NULL */
    void *progress_arg;
    tm_round_fn on_round; /* may be NULL */
    void *on_round_arg;
    uint64_t memory_limit; /* bytes that a training may bring tm__mem_bytes() to; 0: none */
    struct tm_comm *comm;  /* of base/comm.h: ranks that train together; NULL: one alone */
    struct tm_checkpoint
        *checkpoint; /* of model/checkpoint.h: fits keep their state; may be NULL */
} tm_ctx;

/** True when the run was asked to stop; poll once a chunk. */
bool tm__ctx_cancelled(const tm_ctx *ctx);
/** Add work at a checkpoint; true when the budget is spent and the stage must end with what it has.
 */
bool tm__ctx_spend(tm_ctx *ctx, uint64_t work);
/** The clock of a budget: tm__mono_ns(), and what an earlier process of the same run took. Plain
 * without a budget. */
uint64_t tm__budget_now_ns(const tm_budget *budget);
/** Ask the clock whether the deadline is less than need_ns away; false without a deadline. Every
 * question is one of those that tm_stops numbers. */
bool tm__budget_is_late(tm_budget *budget, uint64_t need_ns);
/** True when the budget is spent already. */
bool tm__ctx_is_spent(const tm_ctx *ctx);
void tm__ctx_progress(const tm_ctx *ctx, const char *stage, uint64_t done, uint64_t total,
                      const char *note);
void tm__ctx_round(const tm_ctx *ctx, uint32_t round, double score);

#endif
