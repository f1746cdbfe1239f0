/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as small integers, made beside its nodes when it is ready to predict. A row is turned
 * into codes once, by the forest's own thresholds, and trees compare codes. Answers have the bits
 * of the walk over the forest's nodes.
 *
 * Not for: files. The layout follows from the forest and is never saved.
 */
#ifndef TM_MODEL_TREE_CODES_H
#define TM_MODEL_TREE_CODES_H

#include "model/tree/tree.h"

enum {
    TM_CODES_SET_WORDS = 9,   /* bits of a set: classes of 256 codes, of no set, of missing */
    TM_CODES_GROUP = 16,      /* trees that walk in step: 32-bit lanes of a register */
    TM_CODES_SLOTS_MAX = 4096 /* codes of a row are on the stack */
};

/* One code of a row. A column has up to three: for nodes that send missing values left, for those
 * that send them right, and as a category. */
typedef struct tm_code_slot {
    uint32_t column;
    uint32_t first; /* of its 2^n_steps - 1 cuts, filled up with +infinity; or of its 257 classes */
    uint16_t n_steps; /* of the search among cuts */
    uint16_t missing; /* bits that a missing value adds to its code 0: none, or all */
    bool is_twin;     /* the slot before has the same cuts and adds none: its code will do */
} tm_code_slot;

typedef struct tm_forest_masks tm_forest_masks;

/* Node i of the forest is node i here: values, roots and positions are shared. */
struct tm_forest_codes {
    bool is_wide;
    bool for_rows; /* a row alone is predicted with codes too; else only batches are */
    uint32_t n_slots;
    uint32_t n_numbers; /* slots before it have cuts, from it on classes */
    uint32_t *narrow;   /* [n_nodes] code | slot << 8 | left << 16, left from the tree's root; or */
    uint64_t *wide;     /* [n_nodes] code | slot << 16 | left << 32 */
    uint32_t *set_of;   /* [n_nodes] first word of a categorical node's set; NULL: no such node */
    uint32_t *sets;     /* bit c: class c goes left */
    uint16_t *sure;     /* [groups of trees] steps that some lane takes for every row */
    tm_code_slot *slots;
    double *cuts;
    uint16_t *classes;      /* class of code 0 .. 255, of missing */
    tm_forest_masks *masks; /* tree_masks.h; NULL: trees are too large, or have sets */
};

/**
 * Make forest->codes, whether it pays or not; NULL for a forest that codes cannot express: more
 * than 65535 thresholds of a column, or TM_CODES_SLOTS_MAX slots.
 *
 * Cost:    O(n_nodes) time, 4 bytes a node (12 at most), 5 more while it is made; for small trees
 *          those of tree_masks.h.
 * Errors:  TM_E_NOMEM; the forest stays without codes.
 */
TM_NODISCARD tm_status tm__forest_codes_create(tm_forest *forest, tm_err *err);
void tm__forest_codes_free(tm_forest_codes *codes);

/** out [n_outputs] of row `row`; forest->codes is there. No allocation. */
void tm__forest_codes_predict_row(const tm_forest *forest, const double *const *cols, uint64_t row,
                                  double *out);
/** Rows that a block may have: their codes fit the first cache. */
uint32_t tm__forest_codes_rows(const tm_forest_codes *codes);
/** Bytes of a block's codes. */
size_t tm__forest_codes_bytes(const tm_forest *forest);
/** out [n_rows x n_outputs] of rows from `row` on, at most tm__forest_codes_rows();
 * block is 64-byte aligned. */
void tm__forest_codes_predict(const tm_forest *forest, const double *const *cols, uint64_t row,
                              uint32_t n_rows, void *block, double *out);

#endif
