/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: processes of the same program that do one training together, each with a part of the rows.
 *
 * All ranks call the same functions in the same order, from their owner thread. Every call gives
 * all ranks the same result, bit for bit: what is added up are integers, what is gathered keeps the
 * order of ranks. NULL is one rank alone, for which every call is free.
 *
 * A failure stays: after it calls do nothing, and tm__comm_status() tells it. So code that cannot
 * fail may use ranks, and who called it looks once.
 *
 * Not for data that only some ranks have to know, nor for ranks of different releases.
 */
#ifndef TM_BASE_COMM_H
#define TM_BASE_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemill/err.h"

typedef struct tm_comm tm_comm;

/* No rank to send to, or to receive from. */
#define TM_RANK_NONE UINT32_MAX

/* One message each way; either side may be TM_RANK_NONE. */
typedef struct tm_exchange {
    uint32_t to;
    const void *out;
    size_t out_bytes;
    uint32_t from;
    void *in;
    size_t in_bytes;
} tm_exchange;

/* What a transport has to know. Collective calls are made of it in comm.c. */
typedef struct tm_comm_ops {
    const char *name;
    /** Send and receive at the same time; back when both are done. At most TM_MESSAGE_MAX bytes. */
    tm_status (*exchange)(void *self, const tm_exchange *exchange, tm_err *err);
    /** is_ok: all ranks end well, and wait for each other. */
    void (*close)(void *self, bool is_ok);
} tm_comm_ops;

#define TM_MESSAGE_MAX ((size_t)1 << 30)
/* Rows times columns of a fit that is worth dividing: fewer are added up while a message is on its
 * way. */
#define TM_SHARED_CELLS ((uint64_t)1 << 16)

/* What ends a wait for others. */
typedef struct tm_comm_wait {
    volatile _Atomic bool *cancel; /* when it becomes true; may be NULL */
    uint64_t timeout_ns;           /* without one whole message; 0: never */
} tm_comm_wait;

/** A rank of a transport, whose `self` it takes over. NULL when out of memory. */
tm_comm *tm__comm_create(const tm_comm_ops *ops, void *self, uint32_t rank, uint32_t n_ranks);
/**
 * The ranks that this process was started as one of: `mpirun` says so in the environment. Opens the
 * library of MPI only then; *out is NULL for a process alone.
 *
 * Errors:  TM_E_UNSUPPORTED (no library of MPI, or another one than Open MPI), TM_E_NOMEM.
 *          A call then fails with TM_E_CANCELLED or TM_E_UNAVAILABLE by the wait.
 * Threads: before the first thread of a pool is best; calls come from this thread.
 */
TM_NODISCARD tm_status tm__comm_open(const tm_comm_wait *wait, tm_comm **out, tm_err *err);
/** Whether this process was started as one of several ranks; opens nothing. */
bool tm__comm_is_rank(void);
/** is_ok: the rank did all that the others wait for. Else its end ends them. NULL is a no-op. */
void tm__comm_close(tm_comm *comm, bool is_ok);

uint32_t tm__comm_rank(const tm_comm *comm);  /* 0 for NULL */
uint32_t tm__comm_ranks(const tm_comm *comm); /* 1 for NULL */
/** The first failure, if there was one. */
TM_NODISCARD tm_status tm__comm_status(const tm_comm *comm, tm_err *err);
bool tm__comm_is_lost(const tm_comm *comm);

/** Sums over ranks, modulo 2^64: io [n]. Each rank sends 2 (p - 1) / p of the bytes in 2 log2(p)
 * messages (Rabenseifner 2004, doi:10.1007/978-3-540-24685-5_1), of two ranks in one; with p no
 * power of two some send all of it once more. */
void tm__comm_sum(tm_comm *comm, int64_t *io, size_t n);
/** The sum of one count. */
uint64_t tm__comm_total(tm_comm *comm, uint64_t n);
/* A rank's part of rows: whole chunks, so that sums by chunk are the same for any number of ranks.
 */
typedef struct tm_row_part {
    uint64_t begin, end;
} tm_row_part;
typedef struct tm_row_deal {
    uint64_t n_rows;
    uint64_t chunk_rows;
} tm_row_deal;
/** The part of a rank: parts follow each other in the order of ranks; some may be empty. */
tm_row_part tm__comm_part(tm_row_deal deal, uint32_t rank, uint32_t n_ranks);
/** Values of all rows: each rank has filled those of its part of `all` [n_rows x row_bytes]. */
void tm__comm_gather(tm_comm *comm, tm_row_deal deal, size_t row_bytes, void *all);
/** What rank 0 has becomes what all have. */
void tm__comm_spread(tm_comm *comm, void *data, size_t bytes);
/** Same of the rank `from`. */
void tm__comm_spread_from(tm_comm *comm, uint32_t from, void *data, size_t bytes);
/** `data` of the rank `from`, which is not 0, comes into `room` of rank 0; the others pass by. */
void tm__comm_hand(tm_comm *comm, uint32_t from, const void *data, void *room, size_t bytes);
/** Rank 0's answer to a question. */
bool tm__comm_agree(tm_comm *comm, bool answer);
/** Whether a step went well everywhere: else the failure of the first rank where it did not, which
 * its message names. For steps with no call of this table inside. */
TM_NODISCARD tm_status tm__comm_check(tm_comm *comm, tm_status st, tm_err *err);

/* What this rank sent. */
typedef struct tm_comm_traffic {
    uint64_t n_messages;
    uint64_t bytes;
    uint64_t waited_ns;     /* in calls of this table */
    uint64_t waited_cpu_ns; /* of it on a core of the caller's thread */
    uint64_t n_trees;       /* of these it was: */
    uint64_t tree_messages, tree_bytes;
    uint64_t n_fits; /* that ranks made at the same time, each another one */
} tm_comm_traffic;
tm_comm_traffic tm__comm_traffic(const tm_comm *comm);
/** What was sent since `before` was for n trees. */
void tm__comm_count_trees(tm_comm *comm, const tm_comm_traffic *before, uint32_t n);
/** A fit that ranks made at the same time as others was of use. */
void tm__comm_count_fit(tm_comm *comm);

#endif
