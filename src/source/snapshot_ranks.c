/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot by ranks: each makes the Parquet of its part of the rows in memory, and rank 0 joins
 * them as they come. Compressing is most of what a snapshot takes.
 */
#include "base/comm.h"
#include "base/fs.h"
#include "base/fs_memory.h"
#include "base/mem.h"
#include "source/snapshot_priv.h"
#include "store/parquet.h"
#include "store/parquet_join.h"

/* What joining and writing the file takes beside making all of it; measured. */
#define JOINING 0.5

typedef struct saving {
    tm_ctx *ctx;
    const tm_table *table;
    tm_file *file; /* of the own part, in memory; NULL: no rows */
    tm_map part;
    tm_parquet_join *join; /* of rank 0 */
    bool was_joined;       /* ranks came together over the parts */
} saving;

static tm_status write_part(saving *s, tm_row_span rows, tm_err *err) {
    TM_TRY(tm__memory_file_open(&s->file, err));
    TM_TRY(tm__parquet_write(s->ctx, s->table, rows, s->file, err));
    return tm__map_open(tm__file_path(s->file), &s->part, err);
}

/* Rank 0 adds the parts of the others to its own in their order. It takes what is sent also after a
 * failure: the others send. */
static tm_status add_parts(saving *s, const uint64_t *sizes, uint8_t *room, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    const bool is_first = tm__comm_rank(comm) == 0;
    tm_status st = is_first ? tm__parquet_join_add(s->join, s->part.data, s->part.len, err) : TM_OK;
    for (uint32_t from = 1; from < tm__comm_ranks(comm); from++) {
        tm__comm_hand(comm, from, s->part.data, room, sizes[from]);
        if (is_first && st == TM_OK && sizes[from] > 0 && !tm__comm_is_lost(comm)) {
            st = tm__parquet_join_add(s->join, room, sizes[from], err);
        }
    }
    st = is_first && st == TM_OK ? tm__parquet_join_finish(s->join, err) : st;
    return st == TM_OK ? tm__comm_status(comm, err) : st;
}

/* What all ranks do at the same time, once rank 0 has a file or knows that it has none. */
static tm_status join_parts(saving *s, tm_status st, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    const uint32_t n_ranks = tm__comm_ranks(comm), rank = tm__comm_rank(comm);
    uint64_t *const sizes = tm__mem_zalloc(n_ranks, sizeof(*sizes));
    uint8_t *room = NULL;
    uint64_t most = 0;
    s->was_joined = true;
    if (st == TM_OK && sizes == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot");
    }
    st = tm__comm_check(comm, st, err);
    if (st == TM_OK) {
        sizes[rank] = s->part.len;
        tm__comm_gather(comm, (tm_row_deal){n_ranks, 1}, sizeof(*sizes), sizes);
        for (uint32_t i = 1; i < n_ranks; i++) {
            most = sizes[i] > most ? sizes[i] : most;
        }
        room = rank == 0 ? tm__mem_alloc(most, 1) : NULL;
        st = tm__comm_check(comm,
                            rank == 0 && most > 0 && room == NULL
                                ? TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot")
                                : TM_OK,
                            err);
    }
    if (st == TM_OK) {
        st = add_parts(s, sizes, room, err);
    }
    tm__mem_free(sizes);
    tm__mem_free(room);
    return st;
}

static tm_status join_into(void *arg, const char *path, tm_err *err) {
    saving *const s = arg;
    tm_file *file = NULL;
    tm_status st = tm__file_open(path, TM_OPEN_TRUNCATE, &file, err);
    st = st == TM_OK ? tm__parquet_join_create(file, &s->join, err) : st;
    st = join_parts(s, st, err);
    tm__parquet_join_free(s->join);
    s->join = NULL;
    st = st == TM_OK ? tm__file_sync(file, err) : st;
    tm__file_close(file);
    return st;
}

/* Rank 0 makes a smaller part than others: it writes the file, too. */
static tm_row_part part_of(uint64_t n_rows, uint32_t rank, uint32_t n_ranks) {
    const uint64_t n_groups = (n_rows + TM_PARQUET_GROUP_ROWS - 1) / TM_PARQUET_GROUP_ROWS;
    const double share = (1 + JOINING) / n_ranks - JOINING;
    const uint64_t n_first = share > 0 ? (uint64_t)((double)n_groups * share) : 0;
    const uint64_t first =
        n_first * TM_PARQUET_GROUP_ROWS < n_rows ? n_first * TM_PARQUET_GROUP_ROWS : n_rows;
    if (rank == 0) {
        return (tm_row_part){0, first};
    }
    const tm_row_part rest =
        tm__comm_part((tm_row_deal){n_rows - first, TM_PARQUET_GROUP_ROWS}, rank - 1, n_ranks - 1);
    return (tm_row_part){first + rest.begin, first + rest.end};
}

static tm_status save_parts(saving *s, const char *dir, const tm_hash *hash, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    const uint32_t rank = tm__comm_rank(comm);
    const tm_row_part own = part_of(tm__table_rows(s->table), rank, tm__comm_ranks(comm));
    tm_status st = TM_OK;
    if (own.begin < own.end || rank == 0) {
        st = write_part(s, (tm_row_span){own.begin, own.end}, err);
    }
    TM_TRY(tm__comm_check(comm, st, err));
    if (rank > 0) {
        st = join_parts(s, TM_OK, err);
    } else {
        st = tm__snapshot_put(dir, hash, &(tm_snapshot_maker){.write = join_into, .arg = s}, err);
        st = s->was_joined ? st : join_parts(s, st, err);
    }
    return tm__comm_check(comm, st, err);
}

tm_status tm__snapshot_save_ranks(tm_ctx *ctx, const char *dir, const tm_table *table,
                                  const tm_hash *hash, tm_err *err) {
    struct tm_comm *const comm = ctx->comm;
    const bool is_first = tm__comm_rank(comm) == 0;
    const bool is_shared =
        tm__comm_ranks(comm) > 1 && tm__table_rows(table) > TM_PARQUET_GROUP_ROWS;
    if (!is_shared || !tm__comm_agree(comm, is_first && ctx->memory_limit == 0 &&
                                                !tm__snapshot_is_there(dir, hash))) {
        const tm_status st = is_first ? tm__snapshot_save_as(ctx, dir, table, hash, err) : TM_OK;
        return tm__comm_check(comm, st, err);
    }
    saving s = {.ctx = ctx, .table = table};
    const tm_status st = save_parts(&s, dir, hash, err);
    tm__map_close(&s.part);
    tm__file_close(s.file);
    return st;
}
