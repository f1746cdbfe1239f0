/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of decision trees: storage, prediction, files, exact Shapley values. Shared by the tree
 * learners, which build a tm_tree_draft for each tree and add it.
 *
 * Nodes of a tree are in breadth-first order with siblings adjacent, so that a node holds only its
 * left child and "go right" is + 1. A leaf points at itself and sends every value left: a walk that
 * is done may go on in step with others without a branch.
 *
 * Not for: growing trees.
 */
#ifndef TM_MODEL_TREE_H
#define TM_MODEL_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"
#include "feature/feature.h"

/* A path longer than this is refused when a file is read: explaining recurses along it. */
#define TM_TREE_MAX_DEPTH 1024u
/* Nodes of one forest: 2^28 of them are 9 GiB, past what a bundle may hold. */
#define TM_TREE_MAX_NODES (UINT32_C(1) << 28)

/* Raw scores of a forest that was read are below it: that of model.h. */
#define TM_TREE_SCORE_MAX 1e300

#define TM_NODE_COLUMN 0xFFFFu          /* low bits of meta: column of the view */
#define TM_NODE_MISSING_LEFT (1u << 16) /* a missing value goes left            */
#define TM_NODE_CATEGORICAL (1u << 17)  /* goes left when the code is in the set */
#define TM_NODE_LEAF (1u << 18)

typedef struct tm_tree_node {
    union {
        double threshold; /* x <= threshold goes left; +infinity in a leaf */
        uint64_t set;     /* TM_NODE_CATEGORICAL: index into sets          */
    };
    uint32_t left; /* in a draft: from the tree's root; in a forest: from its first node */
    uint32_t meta;
} tm_tree_node;

_Static_assert(sizeof(tm_tree_node) == 16, "four nodes fill a cache line");

/* Codes 0 .. 255 that go left. Other codes are missing values. */
typedef struct tm_tree_set {
    uint64_t bits[4];
} tm_tree_set;

/* One tree as a learner hands it over: nodes in the order named above, children counted from 0. */
typedef struct tm_tree_draft {
    uint32_t n_nodes;
    uint32_t n_sets;
    const tm_tree_node *nodes;
    const double *values;    /* [n_nodes] of leaves; 0 elsewhere              */
    const uint32_t *covers;  /* [n_nodes] training rows that came by, over 0 */
    const tm_tree_set *sets; /* [n_sets], indices of nodes[].set              */
} tm_tree_draft;

/* The forest as small integers, for prediction: tree_codes.h. */
typedef struct tm_forest_codes tm_forest_codes;

/* Open for reading. Tree t adds to output t % n_outputs. */
typedef struct tm_forest {
    uint32_t n_outputs;
    uint32_t n_cols;
    uint32_t n_trees;
    uint32_t n_nodes;
    uint32_t n_sets;
    uint32_t depth_max;     /* edges on the longest path */
    double *base;           /* [n_outputs] score before the first tree */
    uint32_t *roots;        /* [n_trees] */
    tm_tree_node *nodes;    /* [n_nodes] */
    double *values;         /* [n_nodes] */
    uint32_t *covers;       /* [n_nodes] */
    tm_tree_set *sets;      /* [n_sets]  */
    tm_forest_codes *codes; /* NULL: prediction walks the nodes */
    uint32_t trees_capacity;
    uint32_t nodes_capacity;
    uint32_t sets_capacity;
} tm_forest;

/** Behind the last node of a tree. */
static inline uint32_t tm__forest_end(const tm_forest *forest, uint32_t tree) {
    return tree + 1 < forest->n_trees ? forest->roots[tree + 1] : forest->n_nodes;
}

/** An empty forest; base scores are 0. */
TM_NODISCARD tm_status tm__forest_init(tm_forest *forest, uint32_t n_outputs, uint32_t n_cols,
                                       tm_err *err);
/** Copy a tree in. On failure the forest is as before. */
TM_NODISCARD tm_status tm__forest_add(tm_forest *forest, const tm_tree_draft *draft, tm_err *err);
/** A forest of its own with the same trees, to which more can be added. */
TM_NODISCARD tm_status tm__forest_copy(const tm_forest *forest, tm_forest *out, tm_err *err);
/** Keep the first n_trees trees. */
void tm__forest_truncate(tm_forest *forest, uint32_t n_trees);
void tm__forest_done(tm_forest *forest);

/** Choose how to predict, once all trees are there; without it, nodes are walked. A change of the
 * forest takes it back. */
TM_NODISCARD tm_status tm__forest_settle(tm_forest *forest, tm_err *err);
/** out [n_rows x n_outputs]; any thread may call it, with the pool of its own context. */
TM_NODISCARD tm_status tm__forest_predict(tm_ctx *ctx, const tm_forest *forest, const tm_view *x,
                                          double *out, tm_err *err);
/** Same bits for row `row` of the columns; out [n_outputs]. */
void tm__forest_predict_row(const tm_forest *forest, const double *const *cols, uint64_t row,
                            double *out);
/** Same bits, one tree after the other: the reference. */
void tm__forest_predict_row_ref(const tm_forest *forest, const double *const *cols, uint64_t row,
                                double *out);
/** The child that row `row` goes to from a node; a leaf is its own. */
uint32_t tm__forest_next(const tm_forest *forest, uint32_t node, const double *const *cols,
                         uint64_t row);
/** Add what one tree gives to rows row_begin .. row_end-1: scores [rows of the view]. */
void tm__forest_add_scores(const tm_forest *forest, uint32_t tree, const tm_view *x,
                           uint64_t row_begin, uint64_t row_end, double *scores);

/**
 * Shapley values of row 0 under the path-dependent expectation: out [n_outputs x (n_cols + 2)]:
 * columns, 0 for text terms, the expected score; a line sums to the raw score.
 *
 * Cost:    O(nodes * depth), 32 * depth^2 bytes; a depth counts as n_cols at most.
 * Errors:  TM_E_NOMEM.
 * Source:  Owen 1972, doi:10.1287/mnsc.18.5.64; the game is that of arXiv:1802.03888.
 */
TM_NODISCARD tm_status tm__forest_explain(const tm_forest *forest, const double *const *cols,
                                          double *out, tm_err *err);
/** Same bits, without vectors. */
TM_NODISCARD tm_status tm__forest_explain_ref(const tm_forest *forest, const double *const *cols,
                                              double *out, tm_err *err);
/** Leaves of a tree. */
uint32_t tm__forest_leaves(const tm_forest *forest, uint32_t tree);

/* ---- tree_shape.c ---- */
/** Add the number of splits by each column to sums [n_cols]. */
void tm__forest_add_splits(const tm_forest *forest, double *sums);
/** Shares of gains [n_cols], all 0 when there are none; out [n_cols + 1], 0 for text terms, which
 * trees do not see. */
void tm__forest_importance(const double *gains, uint32_t n_cols, double *out);
/** Add "n_trees", "n_leaves", "max_leaves" and "max_depth" to head, which becomes the caller's
 * again. NULL when out of memory; head may be NULL for that reason, too. */
json_t *tm__forest_describe(const tm_forest *forest, json_t *head);

TM_NODISCARD tm_status tm__forest_save(const tm_forest *forest, tm_buf *out, tm_err *err);
/** Every field is checked: a forest that loads can be walked. */
TM_NODISCARD tm_status tm__forest_load(tm_reader *reader, uint32_t n_outputs, uint32_t n_cols,
                                       tm_forest *out, tm_err *err);

#endif
