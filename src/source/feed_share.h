/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions of a stream over the homes that share its source: who reads which, by leases in
 * PostgreSQL. docs/decisions/0173-partitions-over-homes.md
 *
 *   free ──> ours ──┬── another home joins ──> to be given up ──> free
 *                   └── our session ends, or says nothing for ten seconds ──> another home's
 *
 * 1. A reader is a session with the tables. It lives while the server says so: nothing is written
 *    to stay alive, and no clock but the server's is asked.
 * 2. Readers have rising numbers that are never used again. What is committed of a partition is
 *    refused unless the partition has our number, and its mark is the one that we went on from.
 *
 * Owner thread: that of the connection.
 */
#ifndef TM_SOURCE_FEED_SHARE_H
#define TM_SOURCE_FEED_SHARE_H

#include "source/feed.h"
#include "store/db.h"

typedef enum tm_share_part {
    TM_SHARE_FREE,
    TM_SHARE_OTHERS,
    TM_SHARE_OURS,
    TM_SHARE_EXCESS /* ours, and to be given up by tm__share_give() */
} tm_share_part;

typedef struct tm_share tm_share;

/** Whether homes divide the partitions of a source. */
bool tm__share_is_for(const tm_home *home, const char *feed, const json_t *spec,
                      const json_t *keys);

/** Become a reader of a source. counts: one of those that the partitions are divided among; who
 * does not count takes only what nobody reads. The connection is the caller's, and is to be the one
 * that commits. */
TM_NODISCARD tm_status tm__share_open(tm_db *db, int64_t source, bool counts, tm_share **out,
                                      tm_err *err);
/** Ends no lease: that does the end of the connection. NULL is a no-op. */
void tm__share_free(tm_share *share);
bool tm__share_counts(const tm_share *share);

/** Look at who reads what, and take what is ours to take. Also what keeps us alive: once a second.
 * TM_E_UNAVAILABLE when the connection was made anew, so that others may have all that was ours. */
TM_NODISCARD tm_status tm__share_look(tm_share *share, uint32_t n_parts, tm_err *err);
/** As it was at the last look. */
tm_share_part tm__share_part_of(const tm_share *share, uint32_t part);
/** Give a partition up: all that was read of it is committed. */
TM_NODISCARD tm_status tm__share_give(tm_share *share, uint32_t part, tm_err *err);

/** In the transaction of a block: TM_E_UNAVAILABLE unless its partition (item) is ours and its mark
 * the one before; then add to the state what the block says of it. */
TM_NODISCARD tm_status tm__share_put_locked(tm_share *share, const tm_feed_block *block,
                                            tm_err *err);

/**
 * Divide: which of our parts are too many, and how many free ones we may take.
 *
 * parts      [n_parts] FREE, OTHERS or OURS; OURS of the highest numbers become EXCESS.
 * n_readers  that count, rank is ours among them. n_readers 0: we do not count.
 *
 * Returns how many of the free ones are ours to take. Threads: any.
 */
uint32_t tm__share_divide(tm_share_part *parts, uint32_t n_parts, uint32_t n_readers,
                          uint32_t rank);

#endif
