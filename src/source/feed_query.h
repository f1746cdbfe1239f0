/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What feeds that read a query of a database share: what is new, and each row once.
 *
 *   with a cursor   rows with the last value or a later one, in order; those of the last value that
 *                   came before are known by their hashes
 *   with a key      all rows each time; the source drops those that it has
 *   with neither    all rows of one moment, once, through a file of their own
 */
#ifndef TM_SOURCE_FEED_QUERY_H
#define TM_SOURCE_FEED_QUERY_H

#include "source/feed.h"

typedef struct tm_query_select {
    const char *query;
    const char *cursor;      /* NULL: none. Then rows are in its order, and have a value of it. */
    tm_str after;            /* text of the last value; ptr NULL: none yet */
    int64_t until_us;        /* 0, or rows of before this time only */
    const tm_schema *schema; /* of the source so far; only read by select */
    const json_t *known;     /* names of the columns that earlier rows had; NULL: any */
} tm_query_select;

typedef struct tm_query_block {
    tm_table *rows;         /* NULL: there are no more */
    tm_table *cursor;       /* NULL, or one column with the exact values of the cursor */
    uint64_t *hashes;       /* NULL, or one a row, [n rows] of tm__mem_alloc() */
    uint64_t *known_hashes; /* the same over the known columns; NULL: there are no others */
    tm_bad_values bad;      /* what has no place in rows */
} tm_query_block;

typedef struct tm_query_ops {
    const char *name; /* of the feed, and of the file in its spec */
    const char *noun; /* "PostgreSQL" */
    bool can_settle;
    tm_status (*open)(tm_ctx *ctx, const char *file, void **out, tm_err *err);
    tm_status (*select)(void *self, const tm_query_select *what, tm_err *err);
    tm_status (*next)(void *self, tm_query_block *out, tm_err *err);
    void (*close)(void *self); /* NULL is a no-op */
} tm_query_ops;

/** Spec: {name of the feed: file, "query", "cursor", "every_s", "settle_s"}. */
TM_NODISCARD tm_status tm__feed_query_check(const tm_query_ops *ops, const json_t *spec,
                                            bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_query_read(const tm_query_ops *ops, tm_ctx *ctx,
                                           const tm_feed_input *in, const tm_feed_sink *sink,
                                           tm_err *err);

/* The feeds. */
TM_NODISCARD tm_status tm__feed_postgres_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_postgres_read(tm_ctx *ctx, const tm_feed_input *in,
                                              const tm_feed_sink *sink, tm_err *err);
TM_NODISCARD tm_status tm__feed_sqlite_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_sqlite_read(tm_ctx *ctx, const tm_feed_input *in,
                                            const tm_feed_sink *sink, tm_err *err);
TM_NODISCARD tm_status tm__feed_odbc_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_odbc_read(tm_ctx *ctx, const tm_feed_input *in,
                                          const tm_feed_sink *sink, tm_err *err);

#endif
