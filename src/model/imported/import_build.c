/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A draft becomes a feature program and a model.
 *
 *     columns of the file         features of the program            forest
 *     price                   ->  price                           <- nodes that ask it
 *     weight (zeros missing)  ->  weight.1, weight.2               <- with zeros, without
 *     city                    ->  city.1, city.2, ...              <- sets, by group
 * (import_sets.c) never asked             ->  (an input alone)
 *
 * Trees are put into breadth-first order on the way; that walk finds cycles, shared and missing
 * children and paths that are too long. Trees of several outputs are dealt in turn, as a forest has
 * them; an output with fewer trees gets leaves of 0. The order of the trees of one output stays.
 */
#include "model/imported/import_build.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_make.h"

#define NONE UINT32_MAX
#define COVER_TOTAL 1073741824.0 /* 2^30: what covers that are no counts are scaled to */

typedef struct build {
    tm_import_draft *draft;
    tm_column_sets *sets; /* [n_columns] */
    uint32_t *plain;      /* [n_columns] feature for numbers; NONE */
    uint32_t *zero;       /* [n_columns] feature for numbers whose zeros are missing */
    uint32_t *coded;      /* [n_columns] first feature of its groups */
    uint32_t *group_of;   /* [n_nodes] of nodes with a set */
    tm_make_feature *features;
    uint32_t n_features;
    tm_imported *model;
    /* of one tree */
    uint32_t *order, *place; /* [tree_max] node at each place, place of each node */
    tm_tree_node *out_nodes;
    double *out_values;
    double *weights;
    uint32_t *covers;
    tm_tree_set *out_sets;
} build;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for an imported model");
}

/* ---- single precision ---- */

static uint32_t f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

double tm__import_below(float t) {
    const float p = nextafterf(t, -INFINITY);
    const double top = isinf(t) ? 0x1p128 : (double)t;
    const double middle = isinf(p) ? -0x1.ffffffp127 : (double)p / 2 + top / 2;
    /* What lies in the middle is rounded to the even one of its neighbours. */
    return (f32_bits(p) & 1) == 0 ? middle : nextafter(middle, -(double)INFINITY);
}

double tm__import_at_most(float t) {
    return isinf(t) && t > 0 ? (double)INFINITY : tm__import_below(nextafterf(t, INFINITY));
}

/* ---- features ---- */

static tm_status codes_count(build *b, tm_err *err) {
    tm_import_draft *d = b->draft;
    for (uint32_t i = 0; i < d->n_nodes; i++) {
        const tm_import_node *node = &d->nodes[i];
        if ((node->flags & TM_IMPORT_SET) != 0) {
            tm_column_sets *sets = &b->sets[node->column];
            const uint32_t n = node->set.n * 32;
            sets->n_codes = n > sets->n_codes ? n : sets->n_codes;
        }
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        tm_column_sets *sets = &b->sets[c];
        sets->n_codes =
            d->columns[c].n_levels > sets->n_codes ? d->columns[c].n_levels : sets->n_codes;
        sets->used = tm__mem_zalloc((size_t)sets->n_codes / 32 + 1, sizeof(uint32_t));
        if (sets->used == NULL) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

/* What each inner node asks. */
static tm_status nodes_sort(build *b, tm_err *err) {
    tm_import_draft *d = b->draft;
    for (uint32_t i = 0; i < d->n_nodes; i++) {
        const tm_import_node *node = &d->nodes[i];
        const uint32_t column = node->column;
        if ((node->flags & TM_IMPORT_LEAF) != 0) {
            continue;
        }
        TM_ASSERT(column < d->n_columns);
        if ((node->flags & TM_IMPORT_SET) == 0) {
            uint32_t *of = (node->flags & TM_IMPORT_ZERO_MISSING) != 0 ? b->zero : b->plain;
            of[column] = 0;
            continue;
        }
        tm_column_sets *sets = &b->sets[column];
        const uint32_t *words = d->words + node->set.first;
        for (uint32_t w = 0; w < node->set.n; w++) {
            sets->used[w] |= words[w];
        }
        TM_TRY(tm__sets_add(sets, words, node->set.n, &b->group_of[i], err));
        d->columns[column].is_category = true;
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        if (d->columns[c].is_category && (b->plain[c] != NONE || b->zero[c] != NONE)) {
            return TM_FAIL(err, TM_E_UNSUPPORTED,
                           "column '%.*s' is asked for categories and for numbers",
                           (int)d->columns[c].name.len, d->columns[c].name.ptr);
        }
    }
    return TM_OK;
}

static tm_make_feature *feature_add(build *b, uint32_t column, tm_make_kind kind, uint32_t part) {
    b->features[b->n_features] = (tm_make_feature){.column = column, .kind = kind, .part = part};
    return &b->features[b->n_features++];
}

static tm_status features_number(build *b, tm_err *err) {
    tm_import_draft *d = b->draft;
    uint64_t n = 0;
    const bool is_linear = d->shape.kind == TM_IMPORTED_LINEAR || d->shape.has_front;
    for (uint32_t c = 0; c < d->n_columns; c++) {
        b->plain[c] = is_linear ? 0 : b->plain[c];
        n += (uint64_t)(b->plain[c] != NONE) + (b->zero[c] != NONE) + b->sets[c].n_groups;
    }
    if (n > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_LIMIT, "the model asks for more than %u features", TM_MAX_COLS);
    }
    b->features = tm__mem_zalloc((size_t)n, sizeof(tm_make_feature));
    if (b->features == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        const bool both = b->plain[c] != NONE && b->zero[c] != NONE;
        if (b->plain[c] != NONE) {
            b->plain[c] = b->n_features;
            (void)feature_add(b, c, TM_MAKE_NUMBER, both ? 1 : 0);
        }
        if (b->zero[c] != NONE) {
            b->zero[c] = b->n_features;
            (void)feature_add(b, c, TM_MAKE_ZERO, both ? 2 : 0);
        }
        b->coded[c] = b->n_features;
        for (uint32_t g = 0; g < b->sets[c].n_groups; g++) {
            tm_make_feature *made =
                feature_add(b, c, TM_MAKE_LEVEL, b->sets[c].n_groups > 1 ? g + 1 : 0);
            if (g == 0) {
                TM_TRY(tm__sets_levels(d, &d->columns[c], &b->sets[c], err));
            }
            double *values = NULL;
            TM_TRY(tm__sets_values(&b->sets[c], g, &values, err));
            made->values = values;
        }
    }
    return TM_OK;
}

static tm_status program_make(build *b, tm_program **out, tm_err *err) {
    tm_import_draft *d = b->draft;
    tm_make_column *columns = tm__arena_zalloc(d->arena, d->n_columns, sizeof(tm_make_column));
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        const tm_import_column *from = &d->columns[c];
        const bool has_levels = b->sets[c].n_groups > 0;
        columns[c] =
            (tm_make_column){.name = from->name.ptr,
                             .is_category = from->is_category,
                             .is_nullable = from->is_nullable,
                             .min = from->min,
                             .max = from->max,
                             .levels = has_levels ? b->sets[c].levels : from->levels,
                             .n_levels = has_levels ? b->sets[c].n_levels : from->n_levels};
    }
    const tm_make make = {.columns = columns,
                          .n_columns = d->n_columns,
                          .features = b->features,
                          .n_features = b->n_features};
    return tm__program_make(&make, out, err);
}

/* ---- trees ---- */

static tm_status bad_tree(const build *b, uint32_t tree, uint32_t node, const char *what,
                          tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "node %u of tree %u of the file %s", node, tree, what);
    (void)b;
    tm_err_hint(err,
                "The file is damaged, or was not written by its library; save the model again.");
    return st;
}

/* Nodes of a tree in breadth-first order; *out_n of them. */
static tm_status tree_order(build *b, uint32_t t, uint32_t *out_n, tm_err *err) {
    const tm_import_tree *tree = &b->draft->trees[t];
    const tm_import_node *nodes = b->draft->nodes + tree->first;
    uint32_t n = 1, level_end = 1, depth = 0;
    if (tree->n == 0 || tree->root >= tree->n) {
        return bad_tree(b, t, tree->root, "is its root and is not there", err);
    }
    memset(b->place, 0xFF, tree->n * sizeof(uint32_t));
    b->order[0] = tree->root;
    b->place[tree->root] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const tm_import_node *node = &nodes[b->order[i]];
        if (i == level_end) {
            level_end = n;
            if (++depth > TM_TREE_MAX_DEPTH) {
                return bad_tree(b, t, b->order[i], "lies too deep: 1024 edges are the most", err);
            }
        }
        if ((node->flags & TM_IMPORT_LEAF) != 0) {
            if (!isfinite(node->number)) {
                return bad_tree(b, t, b->order[i], "is a leaf without a finite value", err);
            }
            continue;
        }
        if ((node->flags & TM_IMPORT_SET) == 0 && isnan(node->number)) {
            return bad_tree(b, t, b->order[i], "has a threshold that is no number", err);
        }
        const uint32_t children[] = {node->left, node->right};
        for (uint32_t k = 0; k < 2; k++) {
            if (children[k] >= tree->n) {
                return bad_tree(b, t, b->order[i], "has a child that is not there", err);
            }
            if (b->place[children[k]] != NONE) {
                return bad_tree(b, t, children[k], "has two parents or is above itself", err);
            }
            b->place[children[k]] = n;
            b->order[n++] = children[k];
        }
    }
    if (n < tree->n && !b->draft->may_be_loose) {
        return TM_FAIL(err, TM_E_DATA, "tree %u of the file has nodes that no path reaches", t);
    }
    *out_n = n;
    return TM_OK;
}

/* Covers as whole numbers over 0 that add up. */
static void tree_covers(build *b, const tm_import_node *nodes, uint32_t n) {
    double total = 0;
    bool are_counts = true;
    for (uint32_t i = 0; i < n; i++) {
        const tm_import_node *node = &nodes[b->order[i]];
        if ((node->flags & TM_IMPORT_LEAF) != 0) {
            const bool is_known = node->cover > 0 && isfinite(node->cover);
            b->weights[i] = is_known ? node->cover : 0;
            total += b->weights[i];
            are_counts = are_counts && is_known && node->cover == floor(node->cover);
        }
    }
    const double by = are_counts && total < COVER_TOTAL ? 1 : total > 0 ? COVER_TOTAL / total : 0;
    for (uint32_t i = n; i-- > 0;) {
        if ((nodes[b->order[i]].flags & TM_IMPORT_LEAF) != 0) {
            const double cover = floor(b->weights[i] * by + 0.5);
            b->covers[i] = cover >= 1 ? (uint32_t)cover : 1;
        } else {
            const uint32_t left = b->out_nodes[i].left;
            b->covers[i] = b->covers[left] + b->covers[left + 1];
        }
    }
}

static uint32_t node_feature(const build *b, const tm_import_node *node, uint32_t i) {
    if ((node->flags & TM_IMPORT_SET) != 0) {
        return b->coded[node->column] + b->group_of[i];
    }
    return (node->flags & TM_IMPORT_ZERO_MISSING) != 0 ? b->zero[node->column]
                                                       : b->plain[node->column];
}

static tm_status tree_add(build *b, uint32_t t, tm_err *err) {
    const tm_import_draft *d = b->draft;
    const tm_import_tree *tree = &d->trees[t];
    const tm_import_node *nodes = d->nodes + tree->first;
    uint32_t n = 0, n_sets = 0, next = 1;
    TM_TRY(tree_order(b, t, &n, err));
    for (uint32_t i = 0; i < n; i++) {
        const tm_import_node *node = &nodes[b->order[i]];
        tm_tree_node *out = &b->out_nodes[i];
        b->out_values[i] = 0;
        if ((node->flags & TM_IMPORT_LEAF) != 0) {
            *out = (tm_tree_node){.threshold = (double)INFINITY,
                                  .left = i,
                                  .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
            b->out_values[i] = node->number;
            continue;
        }
        const uint32_t feature = node_feature(b, node, tree->first + b->order[i]);
        out->left = next;
        next += 2;
        out->meta =
            feature | ((node->flags & TM_IMPORT_MISSING_LEFT) != 0 ? TM_NODE_MISSING_LEFT : 0);
        if ((node->flags & TM_IMPORT_SET) != 0) {
            out->meta |= TM_NODE_CATEGORICAL;
            out->set = n_sets;
            tm__sets_write(&b->sets[node->column], b->group_of[tree->first + b->order[i]],
                           d->words + node->set.first, node->set.n,
                           (node->flags & TM_IMPORT_SET_RIGHT) != 0, &b->out_sets[n_sets++]);
        } else {
            out->threshold = node->number;
        }
        b->model->gains[feature] += node->gain > 0 && node->gain <= 1e100 ? node->gain : 0;
    }
    tree_covers(b, nodes, n);
    const tm_tree_draft made = {.n_nodes = n,
                                .n_sets = n_sets,
                                .nodes = b->out_nodes,
                                .values = b->out_values,
                                .covers = b->covers,
                                .sets = b->out_sets};
    return tm__forest_add(&b->model->forest, &made, err);
}

static tm_status leaf_add(build *b, tm_err *err) {
    const tm_tree_node node = {.threshold = (double)INFINITY,
                               .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
    const double value = 0;
    const uint32_t cover = 1;
    const tm_tree_draft made = {.n_nodes = 1, .nodes = &node, .values = &value, .covers = &cover};
    return tm__forest_add(&b->model->forest, &made, err);
}

static tm_status tree_room(build *b, tm_err *err) {
    size_t most = 1;
    for (uint32_t t = 0; t < b->draft->n_trees; t++) {
        most = b->draft->trees[t].n > most ? b->draft->trees[t].n : most;
    }
    b->order = tm__mem_alloc(most, sizeof(uint32_t));
    b->place = tm__mem_alloc(most, sizeof(uint32_t));
    b->out_nodes = tm__mem_alloc(most, sizeof(tm_tree_node));
    b->out_values = tm__mem_alloc(most, sizeof(double));
    b->weights = tm__mem_zalloc(most, sizeof(double));
    b->covers = tm__mem_alloc(most, sizeof(uint32_t));
    b->out_sets = tm__mem_alloc(most, sizeof(tm_tree_set));
    const bool ok = b->order != NULL && b->place != NULL && b->out_nodes != NULL &&
                    b->out_values != NULL && b->weights != NULL && b->covers != NULL &&
                    b->out_sets != NULL;
    return ok ? TM_OK : no_memory(err);
}

/* No row may get a score that is not finite. */
static tm_status check_sums(const build *b, tm_err *err) {
    const tm_import_draft *d = b->draft;
    double sum = 0;
    for (uint32_t t = 0; t < d->n_trees; t++) {
        double most = 0;
        for (uint32_t i = 0; i < d->trees[t].n; i++) {
            const tm_import_node *node = &d->nodes[d->trees[t].first + i];
            if ((node->flags & TM_IMPORT_LEAF) != 0 && isfinite(node->number)) {
                most = fmax(most, fabs(node->number));
            }
        }
        sum += most;
    }
    for (uint32_t k = 0; d->base != NULL && k < d->shape.n_outputs; k++) {
        sum += fabs(d->base[k]);
    }
    if (!(sum <= TM_TREE_SCORE_MAX / 1e10)) {
        return TM_FAIL(err, TM_E_DATA, "the leaves of the file add up to more than a score may be");
    }
    return TM_OK;
}

static tm_status trees_add(build *b, tm_err *err) {
    const tm_import_draft *d = b->draft;
    const uint32_t k = d->shape.n_outputs;
    TM_TRY(check_sums(b, err));
    TM_TRY(tree_room(b, err));
    uint32_t *at = tm__arena_zalloc(d->arena, k, sizeof(uint32_t));
    if (at == NULL) {
        return no_memory(err);
    }
    /* The next tree of each output in turn, until all have none. */
    for (uint32_t left = d->n_trees; left > 0;) {
        for (uint32_t output = 0; output < k; output++) {
            while (at[output] < d->n_trees && d->trees[at[output]].output != output) {
                at[output]++;
            }
            if (at[output] < d->n_trees) {
                TM_TRY(tree_add(b, at[output]++, err));
                left--;
            } else {
                TM_TRY(leaf_add(b, err));
            }
        }
    }
    if (d->base != NULL) {
        memcpy(b->model->forest.base, d->base, k * sizeof(double));
    }
    double sum = 0;
    for (uint32_t f = 0; f < b->n_features; f++) {
        sum += b->model->gains[f];
    }
    if (!(sum > 0)) {
        tm__forest_add_splits(&b->model->forest, b->model->gains);
    }
    return TM_OK;
}

/* ---- all of it ---- */

static tm_status front_copy(build *b, tm_err *err) {
    const tm_front *front = &b->draft->front;
    for (uint32_t i = 0; i < front->n_steps; i++) {
        TM_TRY(tm__imported_add_step(b->model, front->steps[i].kind, front->steps[i].values, err));
    }
    return TM_OK;
}

static void weights_copy(build *b) {
    const tm_import_draft *d = b->draft;
    const size_t line = d->n_columns + (size_t)1;
    memcpy(b->model->weights, d->weights, d->shape.n_outputs * line * sizeof(double));
    for (uint32_t k = 0; k < d->shape.n_outputs; k++) {
        for (uint32_t c = 0; c < d->n_columns; c++) {
            b->model->gains[c] += fabs(d->weights[k * line + c]);
        }
    }
}

static tm_status model_make(build *b, tm_err *err) {
    tm_import_draft *d = b->draft;
    tm_imported_shape shape = d->shape;
    shape.n_cols = b->n_features;
    if (shape.has_front && shape.n_cols > TM_FRONT_COLS_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "%u columns behind a scaler are more than %u", shape.n_cols,
                       TM_FRONT_COLS_MAX);
    }
    b->model = tm__imported_create(&shape);
    if (b->model == NULL) {
        return no_memory(err);
    }
    b->model->base.n_rounds = d->n_rounds;
    b->model->scale = d->scale;
    b->model->divide = d->divide;
    if (shape.has_front) {
        TM_TRY(front_copy(b, err));
    }
    if (shape.kind == TM_IMPORTED_LINEAR) {
        weights_copy(b);
        return TM_OK;
    }
    return trees_add(b, err);
}

static bool build_room(build *b) {
    const uint32_t n = b->draft->n_columns;
    b->sets = tm__mem_zalloc(n, sizeof(tm_column_sets));
    b->plain = tm__mem_alloc(n, sizeof(uint32_t));
    b->zero = tm__mem_alloc(n, sizeof(uint32_t));
    b->coded = tm__mem_alloc(n, sizeof(uint32_t));
    b->group_of = tm__mem_alloc(b->draft->n_nodes, sizeof(uint32_t));
    if (b->sets == NULL || b->plain == NULL || b->zero == NULL || b->coded == NULL ||
        b->group_of == NULL) {
        return false;
    }
    memset(b->plain, 0xFF, n * sizeof(uint32_t));
    memset(b->zero, 0xFF, n * sizeof(uint32_t));
    return true;
}

static void build_done(build *b) {
    for (uint32_t c = 0; b->sets != NULL && c < b->draft->n_columns; c++) {
        tm__sets_done(&b->sets[c]);
    }
    for (uint32_t f = 0; f < b->n_features; f++) {
        tm__mem_free((void *)(uintptr_t)b->features[f].values);
    }
    void *const blocks[] = {b->sets,     b->plain,  b->zero,    b->coded,     b->group_of,
                            b->features, b->order,  b->place,   b->out_nodes, b->out_values,
                            b->weights,  b->covers, b->out_sets};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        tm__mem_free(blocks[i]);
    }
    tm__model_free(b->model != NULL ? &b->model->base : NULL);
}

tm_status tm__import_build(tm_import_draft *draft, tm_program **out_program, tm_model **out_model,
                           tm_err *err) {
    build b = {.draft = draft};
    tm_program *program = NULL;
    tm_status st = build_room(&b) ? codes_count(&b, err) : no_memory(err);
    if (st == TM_OK) {
        st = nodes_sort(&b, err);
    }
    if (st == TM_OK) {
        st = features_number(&b, err);
    }
    if (st == TM_OK) {
        st = program_make(&b, &program, err);
    }
    if (st == TM_OK) {
        st = model_make(&b, err);
    }
    if (st == TM_OK) {
        *out_program = program;
        *out_model = &b.model->base;
        program = NULL;
        b.model = NULL;
    }
    tm__program_free(program);
    build_done(&b);
    return st;
}
