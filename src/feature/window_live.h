/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The features of a fitted set, kept entity by entity instead of computed for a table: what a store
 * needs to know of them. Features of equal keys that become known alike are a group, with one
 * tm_window_state for each entity; its answers are those of tm__window_set_apply(), bit for bit.
 *
 *     rows of the source ──> key, known time, cells of each group ──> states by key
 *     a row that asks    ──> key, moment ──> the group's features
 *
 * A text is kept as 63 bits of its hash, since all that is asked of it is whether two are the same;
 * no text of a row is in a state. Functions that need a text's place in a dictionary (LAST and LAG
 * of a text) have no meaning that lasts, and are refused.
 */
#ifndef TM_FEATURE_WINDOW_LIVE_H
#define TM_FEATURE_WINDOW_LIVE_H

#include "feature/window.h"
#include "feature/window_set.h"

typedef struct tm_window_live tm_window_live;

#define TM_WINDOW_LATE_US (INT64_C(3600) * 1000000) /* when nothing else is said */

typedef struct tm_window_group {
    tm_window_plan plan;
    const uint32_t *places; /* [plan.n_features] of the set's features */
    const char *source;     /* of the events; NULL: the one whose rows are asked about */
    uint32_t n_keys;
    const char *const *keys;       /* of the row that asks */
    const char *const *event_keys; /* of the events */
    tm_hash mark; /* of all that decides a state: groups of one mark may share them */
} tm_window_group;

/**
 * The groups of a set. late_us: how far before an entity's newest event it may be asked about; < 0:
 * TM_WINDOW_LATE_US. The set must live as long.
 *
 * Errors:  TM_E_UNSUPPORTED (a feature that cannot be kept, by name), TM_E_USAGE, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__window_live_create(const tm_window_set *set, int64_t late_us,
                                              tm_window_live **out, tm_err *err);
void tm__window_live_free(tm_window_live *live);
uint32_t tm__window_live_count(const tm_window_live *live);
const tm_window_group *tm__window_live_group(const tm_window_live *live, uint32_t i);

/** Append a key of typed values: one sequence of bytes for equal values of equal types, and for no
 * others. False when one is missing (then nobody is asked about), or when memory is out. */
bool tm__window_key_write(const tm_cell *cells, uint32_t n, tm_buf *out);

/* Rows of a source as events of a group. */
typedef struct tm_window_block {
    uint64_t n_rows;
    int64_t *known_us;  /* [n_rows] */
    uint64_t *cells;    /* [n_rows x plan.n_cols] */
    uint32_t *entities; /* [n_rows], numbers of keys; TM_CODE_MISSING: no entity */
    tm_dict *keys;      /* bytes of keys by number */
    tm_type key_types[TM_WINDOW_KEYS_MAX];
} tm_window_block;
/** TM_E_NOT_FOUND, TM_E_DATA: a column that is gone, or of another type than in training. O(rows) a
 * column. */
TM_NODISCARD tm_status tm__window_live_block(const tm_window_live *live, uint32_t group,
                                             const tm_table *rows, tm_window_block *out,
                                             tm_err *err);
void tm__window_block_done(tm_window_block *block);

#endif
