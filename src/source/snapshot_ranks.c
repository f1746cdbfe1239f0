/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot by ranks, in rounds of some row groups: each rank makes the Parquet of its groups of
 * the round in memory, and rank 0 joins them in their order, while the others make the next ones.
 * Rounds keep what is held small: what is compressed once is not worth fresh memory for all of it.
 */
#include "base/comm.h"
#include "base/fs.h"
#include "base/fs_memory.h"
#include "base/mem.h"
#include "source/snapshot_priv.h"
#include "store/parquet.h"
#include "store/parquet_join.h"

/* Groups of a round that a rank makes. */
#define OWN_GROUPS 2u

typedef struct saving {
    tm_ctx *ctx;
    const tm_table *table;
    tm_file *file; /* of the own part of a round, in memory; NULL: no rows */
    tm_map part;
    tm_parquet_join *join; /* of rank 0 */
    uint8_t *room;         /* of rank 0, for the part of another */
    uint64_t room_bytes;
    bool has_begun; /* ranks came together over the rounds */
} saving;

static tm_status make_part(saving *s, tm_row_span rows, tm_err *err) {
    if (rows.begin == rows.end) {
        return TM_OK;
    }
    TM_TRY(tm__memory_file_open(&s->file, err));
    TM_TRY(tm__parquet_write(s->ctx, s->table, rows, s->file, err));
    return tm__map_open(tm__file_path(s->file), &s->part, err);
}

static void drop_part(saving *s) {
    tm__map_close(&s->part);
    tm__file_close(s->file);
    s->part = (tm_map){0};
    s->file = NULL;
}

/* Joining and writing takes rank 0 a third of what making takes: of two it makes half as much as
 * the other, of more nothing. */
static uint64_t first_groups(uint32_t n_ranks) {
    return n_ranks == 2 ? OWN_GROUPS / 2 : 0;
}

static uint64_t round_rows(uint32_t n_ranks) {
    return (first_groups(n_ranks) + (n_ranks - 1) * OWN_GROUPS) * TM_PARQUET_GROUP_ROWS;
}

/* Rows of a rank in the round that begins at a row. */
static tm_row_span part_of(const saving *s, uint64_t begin) {
    const uint32_t rank = tm__comm_rank(s->ctx->comm), n_ranks = tm__comm_ranks(s->ctx->comm);
    const uint64_t n_rows = tm__table_rows(s->table);
    const uint64_t n_first = first_groups(n_ranks);
    const uint64_t first = rank == 0 ? 0 : n_first + (rank - 1) * OWN_GROUPS;
    const uint64_t end = rank == 0 ? n_first : first + OWN_GROUPS;
    tm_row_span own = {begin + first * TM_PARQUET_GROUP_ROWS, begin + end * TM_PARQUET_GROUP_ROWS};
    own.begin = own.begin < n_rows ? own.begin : n_rows;
    own.end = own.end < n_rows ? own.end : n_rows;
    return own;
}

static tm_status make_room(saving *s, const uint64_t *sizes, tm_err *err) {
    uint64_t most = 0;
    for (uint32_t i = 1; i < tm__comm_ranks(s->ctx->comm); i++) {
        most = sizes[i] > most ? sizes[i] : most;
    }
    if (tm__comm_rank(s->ctx->comm) > 0 || most <= s->room_bytes) {
        return TM_OK;
    }
    tm__mem_free(s->room);
    s->room = tm__mem_alloc(most, 1);
    s->room_bytes = s->room != NULL ? most : 0;
    return s->room != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot");
}

/* Rank 0 adds the parts of the others to its own in their order. It takes what is sent also after a
 * failure: the others send. */
static tm_status add_parts(saving *s, const uint64_t *sizes, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    const bool is_first = tm__comm_rank(comm) == 0;
    tm_status st = TM_OK;
    if (is_first && s->part.len > 0) {
        st = tm__parquet_join_add(s->join, s->part.data, s->part.len, err);
    }
    for (uint32_t from = 1; from < tm__comm_ranks(comm); from++) {
        if (sizes[from] == 0) {
            continue;
        }
        tm__comm_hand(comm, from, s->part.data, s->room, sizes[from]);
        if (is_first && st == TM_OK && !tm__comm_is_lost(comm)) {
            st = tm__parquet_join_add(s->join, s->room, sizes[from], err);
        }
    }
    return st == TM_OK ? tm__comm_status(comm, err) : st;
}

/* Parts are made, and all know their sizes; `st` is of what came before on this rank. A failure is
 * that of all ranks. */
static tm_status begin_round(saving *s, tm_status st, uint64_t begin, uint64_t *sizes,
                             tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    st = st == TM_OK ? make_part(s, part_of(s, begin), err) : st;
    TM_TRY(tm__comm_check(comm, st, err));
    sizes[tm__comm_rank(comm)] = s->part.len;
    tm__comm_gather(comm, (tm_row_deal){tm__comm_ranks(comm), 1}, sizeof(*sizes), sizes);
    return tm__comm_check(comm, make_room(s, sizes, err), err);
}

/* What all ranks do at the same time, once rank 0 has a file or knows that it has none (`st`). What
 * fails at one rank between rounds ends all in the next one, or behind the last. */
static tm_status join_rounds(saving *s, tm_status st, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    const uint32_t n_ranks = tm__comm_ranks(comm);
    uint64_t *const sizes = tm__mem_zalloc(n_ranks, sizeof(*sizes));
    s->has_begun = true;
    if (st == TM_OK && sizes == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot");
    }
    st = tm__comm_check(comm, st, err);
    bool is_told = st != TM_OK;
    for (uint64_t row = 0; !is_told && row < tm__table_rows(s->table); row += round_rows(n_ranks)) {
        st = begin_round(s, st, row, sizes, err);
        is_told = st != TM_OK;
        st = is_told ? st : add_parts(s, sizes, err);
        drop_part(s);
    }
    tm__mem_free(sizes);
    return st;
}

static tm_status join_into(void *arg, const char *path, tm_err *err) {
    saving *const s = arg;
    tm_file *file = NULL;
    tm_status st = tm__file_open(path, TM_OPEN_TRUNCATE, &file, err);
    st = st == TM_OK ? tm__parquet_join_create(file, &s->join, err) : st;
    st = join_rounds(s, st, err);
    st = st == TM_OK ? tm__parquet_join_finish(s->join, err) : st;
    tm__parquet_join_free(s->join);
    s->join = NULL;
    st = st == TM_OK ? tm__file_sync(file, err) : st;
    tm__file_close(file);
    return st;
}

static tm_status save_parts(saving *s, const char *dir, const tm_hash *hash, tm_err *err) {
    struct tm_comm *const comm = s->ctx->comm;
    tm_status st = TM_OK;
    if (tm__comm_rank(comm) > 0) {
        st = join_rounds(s, TM_OK, err);
    } else {
        const tm_snapshot_maker maker = {.write = join_into, .arg = s};
        st = tm__snapshot_put(dir, hash, &maker, err);
        st = s->has_begun ? st : join_rounds(s, st, err);
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
    tm__mem_free(s.room);
    return st;
}
