/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file to rows, whether it lies in a folder or came from a bucket: only for this folder.
 *
 *   types of all that is there ──> item ── CSV, lines of JSON ──> pieces ──┐
 *                                     └─── Parquet, other JSON ─> tables ──┴─> blocks, each with
 *                                                                      the mark of how far it came
 *
 * state {"types": true, "header", "dates": {column: "d" | "m"}, "reading": name of an item}
 * mark  {members of the item's version, "partial", "bytes", "lines", "hash", "ends"}; of tables
 *       "rows" and the hash of the whole file
 *
 * 1. A block and the mark of how far its item was read are one transaction. So a kill at any time
 *    repeats no row and leaves none out.
 * 2. A type holds for all rows that come later, so before the first row all cells of what is there
 *    are looked at.
 * 3. Memory is that of a piece or of a table of some thousand rows, whatever the item's size.
 */
#ifndef TM_SOURCE_FEED_ITEM_H
#define TM_SOURCE_FEED_ITEM_H

#include "source/feed_priv.h"

typedef struct tm_item {
    const char *path;      /* of its bytes; its end says what it is */
    const char *name;      /* in the source: of its mark, and the origin of bad rows */
    const char *shown;     /* in failures */
    const json_t *version; /* members of its mark that tell whether it is as it was */
} tm_item;

typedef struct tm_item_column {
    char *name;
    uint32_t kinds; /* that its cells can be */
} tm_item_column;

/* What all items of a reading share. Owner thread. */
typedef struct tm_items {
    tm_ctx *ctx;
    const tm_feed_input *in;
    const tm_feed_sink *sink;
    json_t *state;
    tm_schema known;         /* names that tell a header */
    tm_item_column *columns; /* [n_columns] that were looked at */
    uint32_t n_columns, columns_max;
    tm_dict *names; /* of them */
    bool has_given; /* a block */
    bool sink_failed;
    /* the item being read: */
    const tm_item *item;
    uint64_t n_rows, n_rows_old; /* of tables */
    tm_bad_values bad;           /* of the table at hand */
    tm_hash hash;
    /* the first fault of an item: */
    tm_status fault_status;
    tm_err fault;
} tm_items;

/** Borrows ctx, in and sink. tm__items_done() also after a failure. */
TM_NODISCARD tm_status tm__items_init(tm_items *items, tm_ctx *ctx, const tm_feed_input *in,
                                      const tm_feed_sink *sink, tm_err *err);
void tm__items_done(tm_items *items);

/** "changed" of a spec is stop or again. */
TM_NODISCARD tm_status tm__items_check_changed(const json_t *spec, tm_err *err);

/* ---- Types ---- */

/** Whether types are settled: no item needs to be looked at. */
bool tm__items_have_types(const tm_items *items);
/** Learn what the columns of a file can be; no Parquet and no JSON, which tell it with their rows.
 * What is wrong with the file is told when it is read: fails for lack of memory and when cancelled.
 */
TM_NODISCARD tm_status tm__items_look(tm_items *items, const char *path, tm_err *err);
/** Settle and give them. TM_E_DATA, at `shown`, for dates that no order of day and month reads. */
TM_NODISCARD tm_status tm__items_settle(tm_items *items, const char *shown, tm_err *err);

/* ---- Rows ---- */

/** Read an item, behind its mark (JSON null: all of it). One that has other bytes there is read
 * again when `again`, else it is TM_E_DATA with `hint`. */
TM_NODISCARD tm_status tm__items_read(tm_items *items, const tm_item *item, const json_t *mark,
                                      bool again, const char *hint, tm_err *err);
/** The state alone. */
TM_NODISCARD tm_status tm__items_give_nothing(tm_items *items, tm_err *err);
/** Keep the first fault of an item, with its name where it has no place; the others are read all
 * the same. */
void tm__items_keep_fault(tm_items *items, tm_status st, const tm_err *failure, const char *shown);
/** The first fault, or TM_OK. */
TM_NODISCARD tm_status tm__items_fault(const tm_items *items, tm_err *err);
/** An item that was half read is gone: told once, as a fault, and forgotten. */
TM_NODISCARD tm_status tm__items_vanished(tm_items *items, const char *name, tm_err *err);

#endif
