/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Collective calls out of one exchange of messages, so that their cost is known and the
 * same on every transport.
 *
 * Sums: the ranks of a power of two halve what they hold log2(p) times, each keeping the sums of
 * its half, and then double it again. Ranks beyond the power of two hand theirs to a partner first
 * and get the sums from it at the end.
 *
 *     rank 0   [ a b c d ]  -> [ a b ]  -> [ a ]     -> [ a b ]  -> [ a b c d ]
 *     rank 1   [ a b c d ]  -> [ a b ]  ->   [ b ]   -> [ a b ]  -> [ a b c d ]
 *     rank 2   [ a b c d ]  ->   [ c d ] ->   [ c ]  ->   [ c d ] -> [ a b c d ]
 *     rank 3   [ a b c d ]  ->   [ c d ] ->     [ d ] ->  [ c d ] -> [ a b c d ]
 *
 * Gathering goes round a ring, spreading down a tree.
 */
#include "base/comm.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { STEPS_MAX = 32 }; /* of halving */

struct tm_comm {
    const tm_comm_ops *ops;
    void *self;
    uint32_t rank, n_ranks;
    int64_t *buffer; /* what a partner sent, on its way to a sum */
    size_t buffer_n;
    tm_comm_traffic traffic;
    tm_err lost; /* the first failure */
};

tm_comm *tm__comm_create(const tm_comm_ops *ops, void *self, uint32_t rank, uint32_t n_ranks) {
    tm_comm *comm = tm__mem_zalloc(1, sizeof(*comm));
    TM_ASSERT(rank < n_ranks);
    if (comm != NULL) {
        comm->ops = ops;
        comm->self = self;
        comm->rank = rank;
        comm->n_ranks = n_ranks;
    }
    return comm;
}

void tm__comm_close(tm_comm *comm, bool is_ok) {
    if (comm != NULL) {
        comm->ops->close(comm->self, is_ok && !tm__comm_is_lost(comm));
        tm__mem_free(comm->buffer);
        tm__mem_free(comm);
    }
}

uint32_t tm__comm_rank(const tm_comm *comm) {
    return comm != NULL ? comm->rank : 0;
}

uint32_t tm__comm_ranks(const tm_comm *comm) {
    return comm != NULL ? comm->n_ranks : 1;
}

bool tm__comm_is_lost(const tm_comm *comm) {
    return comm != NULL && comm->lost.status != TM_OK;
}

tm_status tm__comm_status(const tm_comm *comm, tm_err *err) {
    if (!tm__comm_is_lost(comm)) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = comm->lost;
    }
    return comm->lost.status;
}

tm_comm_traffic tm__comm_traffic(const tm_comm *comm) {
    return comm != NULL ? comm->traffic : (tm_comm_traffic){0};
}

void tm__comm_count_trees(tm_comm *comm, const tm_comm_traffic *before, uint32_t n) {
    if (comm != NULL) {
        comm->traffic.n_trees += n;
        comm->traffic.tree_messages += comm->traffic.n_messages - before->n_messages;
        comm->traffic.tree_bytes += comm->traffic.bytes - before->bytes;
    }
}

void tm__comm_count_fit(tm_comm *comm) {
    if (comm != NULL) {
        comm->traffic.n_fits++;
    }
}

/* Nothing to say to anybody. */
static bool is_alone(const tm_comm *comm) {
    return comm == NULL || comm->n_ranks == 1 || tm__comm_is_lost(comm);
}

typedef struct moment {
    uint64_t ns, cpu_ns;
} moment;

static moment now(void) {
    return (moment){tm__mono_ns(), tm__thread_cpu_ns()};
}

static void wait_count(tm_comm *comm, moment started) {
    const moment ended = now();
    comm->traffic.waited_ns += ended.ns - started.ns;
    comm->traffic.waited_cpu_ns += ended.cpu_ns - started.cpu_ns;
}

/* Messages of any length, in pieces. */
static void exchange(tm_comm *comm, tm_exchange e) {
    while (!tm__comm_is_lost(comm) && (e.out_bytes > 0 || e.in_bytes > 0)) {
        tm_exchange piece = e;
        piece.out_bytes = e.out_bytes < TM_MESSAGE_MAX ? e.out_bytes : TM_MESSAGE_MAX;
        piece.in_bytes = e.in_bytes < TM_MESSAGE_MAX ? e.in_bytes : TM_MESSAGE_MAX;
        piece.to = piece.out_bytes > 0 ? e.to : TM_RANK_NONE;
        piece.from = piece.in_bytes > 0 ? e.from : TM_RANK_NONE;
        const tm_status st = comm->ops->exchange(comm->self, &piece, &comm->lost);
        TM_ASSERT((st == TM_OK) == (comm->lost.status == TM_OK));
        comm->traffic.n_messages += piece.out_bytes > 0;
        comm->traffic.bytes += piece.out_bytes;
        if (piece.out_bytes > 0) {
            e.out = (const uint8_t *)e.out + piece.out_bytes;
            e.out_bytes -= piece.out_bytes;
        }
        if (piece.in_bytes > 0) {
            e.in = (uint8_t *)e.in + piece.in_bytes;
            e.in_bytes -= piece.in_bytes;
        }
    }
}

static void send_to(tm_comm *comm, uint32_t rank, const void *data, size_t bytes) {
    exchange(comm,
             (tm_exchange){.to = rank, .out = data, .out_bytes = bytes, .from = TM_RANK_NONE});
}

static void receive_from(tm_comm *comm, uint32_t rank, void *data, size_t bytes) {
    exchange(comm, (tm_exchange){.to = TM_RANK_NONE, .from = rank, .in = data, .in_bytes = bytes});
}

/* ---- sums ---- */

static void add(int64_t *restrict io, const int64_t *restrict by, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        io[i] = (int64_t)((uint64_t)io[i] + (uint64_t)by[i]);
    }
}

static bool has_buffer(tm_comm *comm, size_t n) {
    if (comm->buffer_n < n) {
        tm__mem_free(comm->buffer);
        comm->buffer = tm__mem_alloc(n, sizeof(int64_t));
        comm->buffer_n = comm->buffer != NULL ? n : 0;
    }
    if (comm->buffer_n < n) {
        (void)TM_FAIL(&comm->lost, TM_E_NOMEM, "out of memory for sums over ranks");
    }
    return comm->buffer_n >= n;
}

typedef struct tm_span {
    size_t begin, end;
} tm_span;

/* Two give each other all they hold: the bytes of halving and doubling in half of its messages. */
static void sum_pair(tm_comm *comm, int64_t *io, size_t n) {
    const uint32_t other = comm->rank ^ 1;
    exchange(comm, (tm_exchange){.to = other,
                                 .out = io,
                                 .out_bytes = n * sizeof(int64_t),
                                 .from = other,
                                 .in = comm->buffer,
                                 .in_bytes = n * sizeof(int64_t)});
    if (!tm__comm_is_lost(comm)) {
        add(io, comm->buffer, n);
    }
}

/* Halve and double among the first n_group ranks, a power of two. */
static void sum_group(tm_comm *comm, int64_t *io, size_t n, uint32_t n_group) {
    tm_span held[STEPS_MAX + 1] = {{0, n}};
    uint32_t step = 0;
    for (uint32_t mask = n_group / 2; mask > 0; mask /= 2, step++) {
        const tm_span whole = held[step];
        const size_t middle = whole.begin + (whole.end - whole.begin) / 2;
        const bool is_lower = (comm->rank & mask) == 0;
        const tm_span low = {whole.begin, middle}, high = {middle, whole.end};
        const tm_span mine = is_lower ? low : high, others = is_lower ? high : low;
        held[step + 1] = mine;
        exchange(comm, (tm_exchange){.to = comm->rank ^ mask,
                                     .out = io + others.begin,
                                     .out_bytes = (others.end - others.begin) * sizeof(int64_t),
                                     .from = comm->rank ^ mask,
                                     .in = comm->buffer,
                                     .in_bytes = (mine.end - mine.begin) * sizeof(int64_t)});
        if (tm__comm_is_lost(comm)) {
            return;
        }
        add(io + mine.begin, comm->buffer, mine.end - mine.begin);
    }
    for (uint32_t mask = 1; mask < n_group; mask *= 2, step--) {
        const tm_span whole = held[step - 1], mine = held[step];
        const tm_span others = mine.begin == whole.begin ? (tm_span){mine.end, whole.end}
                                                         : (tm_span){whole.begin, mine.begin};
        exchange(comm, (tm_exchange){.to = comm->rank ^ mask,
                                     .out = io + mine.begin,
                                     .out_bytes = (mine.end - mine.begin) * sizeof(int64_t),
                                     .from = comm->rank ^ mask,
                                     .in = io + others.begin,
                                     .in_bytes = (others.end - others.begin) * sizeof(int64_t)});
    }
}

void tm__comm_sum(tm_comm *comm, int64_t *io, size_t n) {
    if (is_alone(comm) || n == 0 || !has_buffer(comm, n)) {
        return;
    }
    const moment started = now();
    uint32_t n_group = 1;
    while (n_group <= comm->n_ranks / 2) {
        n_group *= 2;
    }
    const uint32_t n_rest = comm->n_ranks - n_group;
    if (comm->rank >= n_group) {
        send_to(comm, comm->rank - n_group, io, n * sizeof(int64_t));
        receive_from(comm, comm->rank - n_group, io, n * sizeof(int64_t));
    } else {
        if (comm->rank < n_rest) {
            receive_from(comm, comm->rank + n_group, comm->buffer, n * sizeof(int64_t));
            if (!tm__comm_is_lost(comm)) {
                add(io, comm->buffer, n);
            }
        }
        if (n_group == 2) {
            sum_pair(comm, io, n);
        } else {
            sum_group(comm, io, n, n_group);
        }
        if (comm->rank < n_rest) {
            send_to(comm, comm->rank + n_group, io, n * sizeof(int64_t));
        }
    }
    wait_count(comm, started);
}

uint64_t tm__comm_total(tm_comm *comm, uint64_t n) {
    int64_t sum = (int64_t)n;
    tm__comm_sum(comm, &sum, 1);
    return (uint64_t)sum;
}

/* ---- the same for all ---- */

tm_row_part tm__comm_part(tm_row_deal deal, uint32_t rank, uint32_t n_ranks) {
    const uint64_t n = (deal.n_rows + deal.chunk_rows - 1) / deal.chunk_rows;
    const uint64_t each = n / n_ranks, rest = n % n_ranks;
    const uint64_t begin = (each * rank + rest * rank / n_ranks) * deal.chunk_rows;
    const uint64_t end = (each * (rank + 1) + rest * (rank + 1) / n_ranks) * deal.chunk_rows;
    return (tm_row_part){begin < deal.n_rows ? begin : deal.n_rows,
                         end < deal.n_rows ? end : deal.n_rows};
}

void tm__comm_gather(tm_comm *comm, tm_row_deal deal, size_t row_bytes, void *all) {
    uint8_t *bytes = all;
    if (is_alone(comm)) {
        return;
    }
    const moment started = now();
    const uint32_t p = comm->n_ranks;
    for (uint32_t step = 0; step + 1 < p; step++) {
        const tm_row_part out = tm__comm_part(deal, (comm->rank + p - step) % p, p);
        const tm_row_part in = tm__comm_part(deal, (comm->rank + p - step - 1) % p, p);
        exchange(comm, (tm_exchange){.to = (comm->rank + 1) % p,
                                     .out = bytes + out.begin * row_bytes,
                                     .out_bytes = (out.end - out.begin) * row_bytes,
                                     .from = (comm->rank + p - 1) % p,
                                     .in = bytes + in.begin * row_bytes,
                                     .in_bytes = (in.end - in.begin) * row_bytes});
    }
    wait_count(comm, started);
}

void tm__comm_spread_from(tm_comm *comm, uint32_t from, void *data, size_t bytes) {
    if (is_alone(comm)) {
        return;
    }
    const moment started = now();
    const uint32_t p = comm->n_ranks, place = (comm->rank + p - from) % p; /* in the tree */
    uint32_t mask = 1;
    while (mask < p && (place & mask) == 0) {
        mask *= 2;
    }
    if (place != 0) {
        receive_from(comm, (place - mask + from) % p, data, bytes);
    }
    for (mask /= 2; mask > 0; mask /= 2) {
        if (place + mask < p) {
            send_to(comm, (place + mask + from) % p, data, bytes);
        }
    }
    wait_count(comm, started);
}

void tm__comm_spread(tm_comm *comm, void *data, size_t bytes) {
    tm__comm_spread_from(comm, 0, data, bytes);
}

void tm__comm_hand(tm_comm *comm, uint32_t from, const void *data, void *room, size_t bytes) {
    if (is_alone(comm) || (comm->rank != 0 && comm->rank != from)) {
        return;
    }
    const moment started = now();
    if (comm->rank == from) {
        send_to(comm, 0, data, bytes);
    } else {
        receive_from(comm, from, room, bytes);
    }
    wait_count(comm, started);
}

bool tm__comm_agree(tm_comm *comm, bool answer) {
    uint8_t byte = answer;
    tm__comm_spread(comm, &byte, 1);
    return byte != 0;
}

tm_status tm__comm_check(tm_comm *comm, tm_status st, tm_err *err) {
    if (is_alone(comm)) {
        return st != TM_OK ? st : tm__comm_status(comm, err);
    }
    int64_t n_failed = st != TM_OK;
    tm__comm_sum(comm, &n_failed, 1);
    if (tm__comm_is_lost(comm) || n_failed == 0) {
        return st != TM_OK ? st : tm__comm_status(comm, err);
    }
    const uint32_t p = comm->n_ranks;
    tm_err *all = tm__mem_zalloc(p, sizeof(tm_err));
    uint32_t first = comm->rank;
    if (all != NULL) {
        if (st != TM_OK && err != NULL) {
            all[comm->rank] = *err;
        }
        all[comm->rank].status = st;
        all[comm->rank].src_file = NULL; /* an address of this process */
        tm__comm_gather(comm, (tm_row_deal){p, 1}, sizeof(tm_err), all);
        for (first = 0; first < p && all[first].status == TM_OK; first++) {
        }
    }
    if (st == TM_OK || first < comm->rank) {
        const bool is_told = all != NULL && first < p && first != comm->rank;
        tm_err told = is_told ? all[first] : (tm_err){.status = TM_E_UNAVAILABLE};
        st = TM_FAIL(err, told.status, "rank %u: %.220s", first,
                     is_told ? told.message : "a step failed there");
        if (err != NULL) {
            (void)tm__str_copy(err->hint, sizeof(err->hint), tm__str(told.hint));
            tm_err_at(err, told.data_path, told.data_row, told.data_col);
        }
    }
    tm__mem_free(all);
    return st;
}
