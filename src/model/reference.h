/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the columns of the training rows and the model's answers were like: cells of each (bins,
 * levels, missing) with their counts in blocks of rows, what the model lost in each cell on rows
 * that it did not learn from, and what each column is worth. Serving counts rows into the same
 * cells, and monitor/ says what moved and what it costs. docs/formats/bundle.md has the bytes,
 * docs/decisions/0063-reference.md says why it is so.
 *
 * Cells of a column, in order:
 *   NUMBERS, LENGTHS  below the least, (edge to edge], ..., above the largest; missing
 *   LEVELS            each kept level; other known levels; new ones; missing
 *   CLASSES           the class named; all behind the last cell's are in it
 *   PRESENCE          there; missing
 *
 * Immutable once made; read from any thread. Made by train/train_reference.c.
 */
#ifndef TM_MODEL_REFERENCE_H
#define TM_MODEL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "table/table.h"

#define TM_REF_EDGES_MAX 33u
#define TM_REF_LEVELS_MAX 32u
#define TM_REF_CLASSES_MAX 64u
#define TM_REF_BLOCKS_MAX 16u
#define TM_REF_FILTER_MAX 4096u /* bytes */
#define TM_REF_TEXT_MAX 64u     /* bytes kept of a level */
#define TM_REF_ROWS_MAX 65535u  /* counted: more say no more about a share */

typedef enum tm_ref_kind { /* numbers are stored in files */
                           TM_REF_PRESENCE = 0,
                           TM_REF_NUMBERS = 1,
                           TM_REF_LENGTHS = 2, /* of free text, in bytes */
                           TM_REF_LEVELS = 3,
                           TM_REF_CLASSES = 4
} tm_ref_kind;

/* What a row's loss is; numbers are stored in files. */
typedef enum tm_ref_loss {
    TM_REF_LOSS_NONE = 0,
    TM_REF_LOSS_LOG = 1,    /* -log of the probability of what came */
    TM_REF_LOSS_SQUARED = 2 /* of the error of a number */
} tm_ref_loss;

typedef struct tm_ref_level {
    uint64_t hash; /* of the whole text: tm__ref_hash() */
    uint32_t len;  /* of a text that is whole; UINT32_MAX: it may be cut. Set when settled */
    char text[TM_REF_TEXT_MAX + 1];
} tm_ref_level;

typedef struct tm_ref_column {
    tm_ref_kind kind;
    uint32_t n_edges;
    double *edges; /* [n_edges] from the least to the largest; rising, the first two may be equal */
    uint32_t n_levels;
    tm_ref_level *levels; /* [n_levels] most frequent first */
    uint32_t n_filter;
    uint8_t *filter; /* [n_filter] Bloom filter of the other known levels; none: not told apart */
    uint32_t n_classes;          /* cells of CLASSES */
    uint32_t n_cells, n_ordered; /* ordered: the first cells are bins in order */
    uint32_t n_blocks;
    uint64_t *counts;    /* [n_blocks][n_cells] rows */
    uint32_t *loss_rows; /* [n_cells] rows with a known loss */
    double *loss;        /* [n_cells] their mean */
    double importance;   /* share of the model's, 0 to 1; of the answers: 0 */
    uint8_t quick[128];  /* LEVELS: 1 + level by its first and last bytes */
    uint8_t slots[128];  /* LEVELS: 1 + level by hash */
} tm_ref_column;

typedef struct tm_reference {
    bool is_ordered; /* blocks follow one another in time; else rows were dealt to them */
    uint32_t n_columns;
    tm_ref_column *columns; /* [n_columns + 1] the program's inputs in order, then the answers */
    bool has_output;        /* the last one is filled */
    tm_ref_loss loss_kind;
    double loss;          /* mean over rows that were not learned from */
    double loss_constant; /* of the best constant answer, on the same rows */
} tm_reference;

/** Zeroed columns; NULL when out of memory. */
tm_reference *tm__reference_create(uint32_t n_columns);
void tm__reference_free(tm_reference *reference);

/** Cells from kind, edges, levels and classes, and room for their counts; n_blocks is set. False
 * when out of memory. */
bool tm__ref_column_settle(tm_ref_column *column);
uint64_t tm__ref_hash(tm_str text);
/** Keep a text as a level: its hash and, cut at a whole character, its first bytes. */
void tm__ref_level_set(tm_ref_level *level, tm_str text);
void tm__ref_filter_add(tm_ref_column *column, uint64_t hash);

/** The cell of a value. Cost: a search of the edges, or a hash of the text. */
uint32_t tm__ref_cell(const tm_ref_column *column, const tm_cell *value);
/** The cell of an answer [n_outputs]. */
uint32_t tm__ref_output_cell(const tm_ref_column *column, const double *outputs,
                             uint32_t n_outputs);
/* Cells with a meaning of their own; UINT32_MAX: the kind has none. */
uint32_t tm__ref_missing(const tm_ref_column *column);
uint32_t tm__ref_unseen(const tm_ref_column *column);
uint32_t tm__ref_below(const tm_ref_column *column);
uint32_t tm__ref_above(const tm_ref_column *column);

/** Append the section's bytes; the same reference gives the same bytes. */
void tm__reference_save(const tm_reference *self, tm_buf *out);
/** TM_E_INTEGRITY for bytes that are none, TM_E_UNSUPPORTED for those of a later release. */
TM_NODISCARD tm_status tm__reference_load(const void *data, size_t len, tm_reference **out,
                                          tm_err *err);

#endif
