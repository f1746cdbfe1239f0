/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What brings the rows of a source by itself: files, a query, a table of a database, a bucket.
 *
 *   spec (declared) ─┐
 *   state (stored) ──┴─> read ── block of rows, state behind it ──> one transaction of intake.db
 *                          └──── block, state ──> ...
 *
 * A block and the state behind it are committed together, so after any crash reading goes on behind
 * the last block that is there: each row is there once. Blocks of some 10,000 to 100,000 rows cost
 * the least.
 */
#ifndef TM_SOURCE_FEED_H
#define TM_SOURCE_FEED_H

#include "base/ctx.h"
#include "base/json.h"
#include "source/intake.h"
#include "store/bad_values.h"
#include "store/db.h"
#include "table/schema.h"

typedef struct tm_feed_block {
    tm_table *rows;           /* with types; or NULL and text: */
    const tm_bad_values *bad; /* of rows: their rows go to quarantine. NULL: none */
    const uint32_t *numbers; /* [n rows] of each in its origin, behind first_row; NULL: 0, 1, ... */
    const char *cursor;      /* column that tells the place of a row too; NULL: none */
    tm_push_form form;       /* LINES or CSV with its line of names: bad rows go to quarantine */
    char *data;              /* [len] and a NUL; only read */
    size_t len;
    const char *origin; /* a file or table, as people know it; no secret */
    uint64_t first_row; /* rows of the origin before the block */
    uint64_t
        first_line; /* or its line that the text starts with: bad rows are told by lines then */
    bool from_zero; /* lines are offsets, of which the first is 0: first_line is one more */
    const uint64_t *late; /* [n_late] lines of the text that go to quarantine; rising. With the
                             column that says so */
    uint32_t n_late;
    const char *late_column;
    const tm_push_csv *csv; /* how CSV is written; NULL: with a line of names */
    const json_t *state;    /* where to go on behind it */
    const char *item;       /* NULL, or what is taken with this block, as a file: for find_mark() */
    const json_t *mark;     /* what is known of it */
    const json_t *mark_before; /* with a share: what was known of it until now; and `state` says
                                  only what this block adds */
} tm_feed_block;

typedef struct tm_feed_sink {
    /* The block is durable on return. */
    tm_status (*take)(void *arg, const tm_feed_block *block, tm_err *err);
    /* All that is there was given, and reading goes on; of feeds that follow. */
    tm_status (*caught_up)(void *arg, tm_err *err);
    /* NULL, or told how many new files were left for another time: somebody may yet write to them.
     */
    void (*left)(void *arg, uint32_t n_files);
    void *arg;
} tm_feed_sink;

typedef struct tm_feed_input {
    const char *name; /* of the source */
    const json_t *spec;
    const json_t *state;     /* behind the block that came last; JSON null: at the beginning */
    const tm_schema *schema; /* columns at the start; NONE: only missing values yet */
    bool follows;            /* wait for more until the run is cancelled; only of streams */
    int64_t created_us;      /* when the source was added */
    bool has_key;            /* rows that come again are dropped */
    const char *home;        /* folder: a feed may keep caches in it */
    const char *common;      /* same, for what its state names: who reads on finds it there */
    /* The mark of an item that was taken; JSON null: none. New reference. */
    tm_status (*find_mark)(void *arg, const char *item, json_t **out, tm_err *err);
    void *arg;
    const char *temp_dir;
    struct tm_share *share; /* of a stream that homes divide; NULL: all of it is ours */
} tm_feed_input;

typedef struct tm_feed {
    const char *name; /* in the command line, tidemill.yaml and intake.db */
    /* Whether a spec can be read at all, before a source is added. Looks at nothing outside. */
    tm_status (*check)(const json_t *spec, bool has_key, tm_err *err);
    /* Give all that is new. TM_E_UNAVAILABLE: try again later. */
    tm_status (*read)(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink, tm_err *err);
    bool is_stream; /* it has no end, and can be followed */
} tm_feed;
/** A path as a spec means it: a relative one starts in the folder "dir" of the spec, where it was
 * declared. The caller frees it; NULL when out of memory. */
char *tm__feed_path(const json_t *spec, const char *path);
/** NULL when there is none of this name. */
const tm_feed *tm__feed_find(const char *name);

typedef struct tm_feed_pull {
    uint64_t accepted, duplicates, quarantined, dropped, blocks;
    uint32_t n_left; /* new files that somebody may yet write to: not read */
} tm_feed_pull;
/**
 * Read what is new of a source into it, and with `follow` (a stream) all that comes until the run
 * is cancelled. What a failure leaves is whole and recorded: status
 * "retrying" (TM_E_UNAVAILABLE, TM_E_NOMEM; the next try is planned with back-off and jitter) or
 * "stopped". TM_E_CONFLICT for a source of pushes and when another process reads it.
 */
TM_NODISCARD tm_status tm__feed_pull(tm_ctx *ctx, const tm_home *home, const char *name,
                                     bool follow, tm_feed_pull *out, tm_err *err);
typedef enum tm_due { TM_DUE_ENDING, TM_DUE_STREAMS, TM_DUE_SHARED } tm_due;
/** Names of all sources that are due, longest first: the streams, those of them that homes divide,
 * or what is no stream; new reference. kept: NULL, or the connection for the next call, which the
 * caller closes; only of tables on a server. */
TM_NODISCARD tm_status tm__feed_due(const tm_home *home, tm_due what, tm_db **kept, json_t **out,
                                    tm_err *err);
/** A failure as sources and sinks keep it: {"status", "message", "at"} and, where they are known,
 * "hint", "file", "row", "column". New reference. */
json_t *tm__failure_json(const tm_err *failure);
/** Record a try that ended without doing so itself, as a child that was killed. */
TM_NODISCARD tm_status tm__feed_record(const tm_home *home, const char *name, const tm_err *failure,
                                       tm_err *err);
/** The same for a try that may have done so: nothing when one was recorded since begun_us. */
TM_NODISCARD tm_status tm__feed_record_unsaid(const tm_home *home, const char *name,
                                              int64_t begun_us, const tm_err *failure, tm_err *err);

#endif
