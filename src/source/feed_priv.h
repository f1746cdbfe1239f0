/* SPDX-License-Identifier: Apache-2.0 */
/* What the feeds of files share: only for this folder. */
#ifndef TM_SOURCE_FEED_PRIV_H
#define TM_SOURCE_FEED_PRIV_H

#include "base/hash.h"
#include "source/feed.h"

TM_NODISCARD tm_status tm__feed_files_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_watch_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_files_read(tm_ctx *ctx, const tm_feed_input *in,
                                           const tm_feed_sink *sink, tm_err *err);
TM_NODISCARD tm_status tm__feed_kafka_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_kafka_read(tm_ctx *ctx, const tm_feed_input *in,
                                           const tm_feed_sink *sink, tm_err *err);

/* How far a text was read. */
typedef struct tm_text_place {
    uint64_t bytes; /* unpacked, without a byte order mark */
    uint64_t lines; /* that ended in them */
    tm_hash hash;   /* of these bytes */
    bool ends;      /* with a line end */
} tm_text_place;

typedef struct tm_text_piece {
    char *data; /* [len] and a NUL; whole records */
    size_t len;
    uint64_t first_line;
    const tm_push_csv *csv; /* NULL: lines of JSON */
    tm_text_place behind;
    bool is_last;
} tm_text_piece;

typedef struct tm_text_file {
    const char *path;
    struct tm_input *input; /* NULL, or the file, opened: it is taken, and the path only names it */
    bool is_lines;          /* of JSON */
    bool no_header;         /* of CSV: columns are c0, c1, ... */
    const tm_schema *known; /* columns whose names tell a header; may be NULL */
    /* Order of the dates of a column that are not ISO: 'd', 'm' or 0. */
    char (*order)(void *arg, const char *column);
    /* A header was looked for; a failure ends the reading. */
    tm_status (*named)(void *arg, const tm_push_csv *csv, bool has_header, tm_err *err);
    /* In order; at least one, the last of which is_last. */
    tm_status (*take)(void *arg, const tm_text_piece *piece, tm_err *err);
    void *arg;
    size_t piece_bytes; /* about; 0: 16 MiB */
} tm_text_file;
/**
 * Read a file in pieces, from a place on (NULL: all of it). *out_changed without a piece: what
 * stood before the place is not there any more, or the last record before it goes on.
 */
TM_NODISCARD tm_status tm__feed_text(tm_ctx *ctx, const tm_text_file *file,
                                     const tm_text_place *from, bool *out_changed, tm_err *err);

#endif
