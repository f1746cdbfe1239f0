/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the readers of files and what is made of them: a draft of a model, with trees as they
 * stand in the file.
 */
#ifndef TM_MODEL_IMPORT_PRIV_H
#define TM_MODEL_IMPORT_PRIV_H

#include "base/arena.h"
#include "base/str.h"
#include "model/imported/import.h"
#include "model/imported/imported_priv.h"

enum {
    TM_IMPORT_LEAF = 1,
    TM_IMPORT_MISSING_LEFT = 2,
    TM_IMPORT_ZERO_MISSING = 4, /* of a column whose zeros are missing */
    TM_IMPORT_SET = 8,          /* codes of the set go one way, all others the other */
    TM_IMPORT_SET_RIGHT = 16    /* the set goes right; else left */
};

typedef struct tm_import_node {
    uint32_t left, right; /* places in the tree */
    uint32_t column;
    uint32_t flags;
    union {
        double number; /* x <= number goes left; or the value of a leaf */
        struct {
            uint32_t first, n; /* words of the pool; bit b of word w is code 32 w + b */
        } set;
    };
    double cover; /* rows or their weight that came by; not over 0: not known */
    double gain;  /* what the split was worth; not over 0: not known */
} tm_import_node;

typedef struct tm_import_tree {
    uint32_t first, n; /* nodes */
    uint32_t root;     /* place in the tree */
    uint32_t output;
} tm_import_tree;

typedef struct tm_import_column {
    tm_str name;
    bool is_category;
    bool is_nullable;
    double min, max;
    tm_str *levels;   /* [n_levels] text of each code; NULL: the codes are the texts */
    bool are_numbers; /* of the levels: 2.0 is the level 2 */
    uint32_t n_levels;
} tm_import_column;

typedef struct tm_import_draft {
    tm_arena *arena; /* of all texts and lists */
    const tm_import_options *options;
    const char *format;
    const char *version, *objective;
    tm_imported_shape shape; /* but for n_cols */
    double scale, divide;
    double *base; /* [n_outputs]; NULL: 0 */
    uint32_t n_rounds;
    tm_import_column *columns;
    uint32_t n_columns;
    tm_import_node *nodes; /* mapped memory of their own */
    uint32_t n_nodes, nodes_capacity;
    tm_import_tree *trees;
    uint32_t n_trees, trees_capacity;
    uint32_t *words; /* pool of sets */
    uint32_t n_words, words_capacity;
    bool may_be_loose;     /* nodes that no path reaches are no fault */
    double *weights;       /* LINEAR [n_outputs x (n_columns + 1)] */
    tm_front front;        /* values [n_columns] in the arena */
    const tm_str *classes; /* [n_outputs], 2 of BINARY; NULL: "0", "1", ... */
    json_t *notes;
} tm_import_draft;

/** Room for n more; they count at once, cleared. NULL and err when there is none. */
tm_import_node *tm__draft_nodes(tm_import_draft *draft, uint32_t n, tm_err *err);
tm_import_tree *tm__draft_tree(tm_import_draft *draft, tm_err *err);
uint32_t *tm__draft_words(tm_import_draft *draft, uint32_t n, tm_err *err);
/** n columns without a name, nullable; the names of the options when there are any. */
TM_NODISCARD tm_status tm__draft_columns(tm_import_draft *draft, uint32_t n, tm_err *err);
/** A text in the arena, as printf. */
tm_str tm__draft_text(tm_import_draft *draft, const char *fmt, ...) TM_PRINTF(2, 3);
void tm__draft_note(tm_import_draft *draft, const char *text);
void tm__draft_done(tm_import_draft *draft);

/** The program and the model of a draft. */
TM_NODISCARD tm_status tm__import_build(tm_import_draft *draft, tm_program **out_program,
                                        tm_model **out_model, tm_err *err);

/** The greatest double that becomes less than t (at most t) when it is rounded to single precision:
 * `x <= result` decides as `(float)x < t` does. t is not NaN, and not -infinity. */
double tm__import_below(float t);
double tm__import_at_most(float t);

/** Readers of one format each: fill a draft. data[len] is a NUL byte. */
TM_NODISCARD tm_status tm__import_xgboost(tm_buf *bytes, tm_import_draft *draft, tm_err *err);
TM_NODISCARD tm_status tm__import_lightgbm(const char *data, size_t len, tm_import_draft *draft,
                                           tm_err *err);

TM_NODISCARD tm_status tm__import_onnx(const void *data, size_t len, tm_import_draft *draft,
                                       tm_err *err);
/** UBJSON as JSON text, appended to out. */
TM_NODISCARD tm_status tm__import_ubjson(const void *data, size_t len, tm_buf *out, tm_err *err);

#endif
