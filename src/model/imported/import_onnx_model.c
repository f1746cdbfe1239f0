/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators of ai.onnx.ml that are models.
 *
 * TreeEnsemble*: lists of one element a node, named by tree and node; weights of leaves in lists of
 * their own, named by tree, node and output. A leaf may have a weight for each class: then its tree
 * is there once for each, since our leaves have one value.
 *
 *     BRANCH_LEQ  x <= v   true child left          BRANCH_GT   x > v    false child left
 *     BRANCH_LT   x <  v   true child left          BRANCH_GTE  x >= v   false child left
 *
 * NaN goes to the true child where missing_value_tracks_true says so, else comparisons fail.
 *
 * Of two classes one answer is enough. With weights of one class only, it is that one's: a share of
 * votes as it is, or with LOGISTIC the sigmoid. With weights of both, it is that of the second.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/imported/import_onnx.h"

#define NONE UINT32_MAX
#define COPIES_MAX (UINT32_C(1) << 25) /* nodes, since a short file could ask for many copies */

/* ---- labels and transforms, of trees and weights ---- */

/* The names of classes; *out_n is 0 for none. */
static tm_status labels_read(tm_onnx *onnx, const tm_onnx_node *node, const char *ints,
                             uint32_t *out_n) {
    tm_onnx_list list = {0};
    tm_str *texts = NULL;
    TM_TRY(tm__onnx_texts(onnx, node, "classlabels_strings", &texts, out_n));
    if (*out_n == 0) {
        TM_TRY(tm__onnx_numbers(onnx, node, ints, &list));
        *out_n = list.n;
        texts = tm__arena_zalloc(onnx->draft->arena, list.n, sizeof(tm_str));
        for (uint32_t k = 0; texts != NULL && k < list.n; k++) {
            texts[k] = tm__draft_text(onnx->draft, "%.0f", list.numbers[k]);
        }
        tm__mem_free(list.numbers);
        if (texts == NULL) {
            return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for classes");
        }
    }
    if (*out_n < 2 || *out_n > TM_MAX_CLASSES) {
        return tm__onnx_damaged(onnx, "it has not 2 to 1000 classes");
    }
    onnx->draft->classes = texts;
    return TM_OK;
}

static tm_status link_read(tm_onnx *onnx, const tm_onnx_node *node) {
    const tm_str transform = tm__onnx_text(node, "post_transform", "NONE");
    tm_link *link = &onnx->draft->shape.link;
    if (tm__str_is(transform, "NONE")) {
        *link = TM_LINK_NONE;
    } else if (tm__str_is(transform, "LOGISTIC")) {
        *link = TM_LINK_SIGMOID;
    } else if (tm__str_is(transform, "SOFTMAX")) {
        *link = TM_LINK_SOFTMAX;
    } else {
        return tm__onnx_unsupported(onnx, node, "has a post_transform that is not known");
    }
    return TM_OK;
}

/* ---- trees ---- */

typedef struct place { /* of a node among the lists */
    double tree, node;
    uint32_t at;
} place;

typedef struct weight {
    uint32_t output, rank; /* of a node */
    double value;
} weight;

enum { TREE, NODE, COLUMN, VALUE, YES, NO, TRACKS, HITS, N_LISTS };

typedef struct trees {
    tm_onnx *onnx;
    const tm_onnx_node *op;
    tm_onnx_list lists[N_LISTS];
    tm_str *modes;
    uint32_t n;      /* nodes */
    place *places;   /* [n] sorted by tree and node */
    uint32_t *rank;  /* [n] place of node `at` among the sorted */
    weight *weights; /* [n_weights] sorted by rank */
    uint32_t n_weights;
    bool all_positive;
} trees;

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->tree != y->tree) {
        return x->tree < y->tree ? -1 : 1;
    }
    return x->node < y->node ? -1 : x->node > y->node;
}

static int compare_weights(const void *a, const void *b) {
    const weight *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Number of a node by its names; NONE when there is none. */
static uint32_t place_find(const trees *t, double tree, double node) {
    const place key = {.tree = tree, .node = node};
    const place *found = bsearch(&key, t->places, t->n, sizeof(place), compare_places);
    return found != NULL ? found->at : NONE;
}

static tm_status lists_read(trees *t) {
    static const char *const names[N_LISTS] = {"nodes_treeids",
                                               "nodes_nodeids",
                                               "nodes_featureids",
                                               "nodes_values",
                                               "nodes_truenodeids",
                                               "nodes_falsenodeids",
                                               "nodes_missing_value_tracks_true",
                                               "nodes_hitrates"};
    uint32_t n_modes = 0;
    for (uint32_t i = 0; i < N_LISTS; i++) {
        TM_TRY(tm__onnx_numbers(t->onnx, t->op, names[i], &t->lists[i]));
        if (i == VALUE && !t->lists[i].is_there) {
            TM_TRY(tm__onnx_numbers(t->onnx, t->op, "nodes_values_as_tensor", &t->lists[i]));
        }
    }
    TM_TRY(tm__onnx_texts(t->onnx, t->op, "nodes_modes", &t->modes, &n_modes));
    t->n = t->lists[TREE].n;
    for (uint32_t i = 0; i < N_LISTS; i++) {
        const bool may_lack = i >= TRACKS && t->lists[i].n == 0;
        if (t->lists[i].n != t->n && !may_lack) {
            return tm__onnx_damaged(t->onnx, "lists of nodes are not of one length");
        }
    }
    return t->n > 0 && n_modes == t->n
               ? TM_OK
               : tm__onnx_damaged(t->onnx, "it has no nodes, or not as many modes");
}

static tm_status places_sort(trees *t) {
    t->places = tm__mem_alloc(t->n, sizeof(place));
    t->rank = tm__mem_alloc(t->n, sizeof(uint32_t));
    if (t->places == NULL || t->rank == NULL) {
        return TM_FAIL(t->onnx->err, TM_E_NOMEM, "out of memory for trees");
    }
    for (uint32_t i = 0; i < t->n; i++) {
        t->places[i] = (place){t->lists[TREE].numbers[i], t->lists[NODE].numbers[i], i};
        if (isnan(t->places[i].tree) || isnan(t->places[i].node)) {
            return tm__onnx_damaged(t->onnx, "a node has no number");
        }
    }
    qsort(t->places, t->n, sizeof(place), compare_places);
    for (uint32_t i = 0; i < t->n; i++) {
        t->rank[t->places[i].at] = i;
        if (i > 0 && compare_places(&t->places[i - 1], &t->places[i]) == 0) {
            return tm__onnx_damaged(t->onnx, "two nodes of a tree have one number");
        }
    }
    return TM_OK;
}

/* Weights of leaves: lists called class_* or target_*. */
static tm_status weights_read(trees *t, bool is_classifier, uint32_t n_outputs) {
    static const char *const names[2][4] = {
        {"target_treeids", "target_nodeids", "target_ids", "target_weights"},
        {"class_treeids", "class_nodeids", "class_ids", "class_weights"}};
    tm_onnx_list lists[4] = {{0}};
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < 4; i++) {
        st = tm__onnx_numbers(t->onnx, t->op, names[is_classifier][i], &lists[i]);
        if (st == TM_OK && i == 3 && !lists[i].is_there) {
            st = tm__onnx_numbers(
                t->onnx, t->op,
                is_classifier ? "class_weights_as_tensor" : "target_weights_as_tensor", &lists[i]);
        }
        if (st == TM_OK && (lists[i].n != lists[0].n || lists[0].n == 0)) {
            st = tm__onnx_damaged(t->onnx, "lists of weights are empty or not of one length");
        }
    }
    t->n_weights = lists[0].n;
    t->all_positive = true;
    t->weights = st == TM_OK ? tm__mem_alloc(t->n_weights, sizeof(weight)) : NULL;
    if (st == TM_OK && t->weights == NULL) {
        st = TM_FAIL(t->onnx->err, TM_E_NOMEM, "out of memory for weights");
    }
    for (uint32_t i = 0; st == TM_OK && i < t->n_weights; i++) {
        const uint32_t at = place_find(t, lists[0].numbers[i], lists[1].numbers[i]);
        const double output = lists[2].numbers[i];
        if (at == NONE || !(output >= 0 && output < n_outputs)) {
            st = tm__onnx_damaged(t->onnx, "a weight is of a node or an output that is not there");
            break;
        }
        t->weights[i] = (weight){(uint32_t)output, t->rank[at], lists[3].numbers[i]};
        t->all_positive = t->all_positive && lists[3].numbers[i] >= 0;
    }
    for (uint32_t i = 0; i < 4; i++) {
        tm__mem_free(lists[i].numbers);
    }
    if (st == TM_OK) {
        qsort(t->weights, t->n_weights, sizeof(weight), compare_weights);
    }
    return st;
}

static tm_status set_branch(trees *t, uint32_t i, tm_import_node *node, uint32_t first) {
    const tm_str mode = t->modes[i];
    const double v = t->lists[VALUE].numbers[i], tree = t->lists[TREE].numbers[i];
    const bool is_less = tm__str_is(mode, "BRANCH_LEQ") || tm__str_is(mode, "BRANCH_LT");
    const bool is_equal = tm__str_is(mode, "BRANCH_LEQ") || tm__str_is(mode, "BRANCH_GT");
    const bool tracks = t->lists[TRACKS].n > 0 && t->lists[TRACKS].numbers[i] != 0;
    const double column = t->lists[COLUMN].numbers[i];
    if (!is_less && !is_equal && !tm__str_is(mode, "BRANCH_GTE")) {
        return tm__onnx_unsupported(t->onnx, t->op, "has a node whose mode is not known");
    }
    if (!(column >= 0 && column < TM_MAX_COLS) || isnan(v) || (!is_equal && isinf(v) && v < 0)) {
        return tm__onnx_damaged(t->onnx, "a node has a column or value that is none");
    }
    const uint32_t yes = place_find(t, tree, t->lists[YES].numbers[i]);
    const uint32_t no = place_find(t, tree, t->lists[NO].numbers[i]);
    /* A child that is not there gets a place past the tree, where it is found to be wrong. */
    const uint32_t yes_at = yes != NONE ? t->rank[yes] - first : NONE;
    const uint32_t no_at = no != NONE ? t->rank[no] - first : NONE;
    node->left = is_less ? yes_at : no_at;
    node->right = is_less ? no_at : yes_at;
    node->column = (uint32_t)column;
    node->flags = is_less == tracks ? TM_IMPORT_MISSING_LEFT : 0;
    if (t->onnx->is_double) {
        node->number = is_equal ? v : nextafter(v, -(double)INFINITY);
    } else {
        node->number = is_equal ? tm__import_at_most((float)v) : tm__import_below((float)v);
    }
    return TM_OK;
}

/* Weight of a leaf for an output; 0 for none. */
static double leaf_value(const trees *t, uint32_t rank, uint32_t output) {
    uint32_t low = 0, high = t->n_weights;
    double sum = 0;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (t->weights[middle].rank < rank) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < t->n_weights && t->weights[low].rank == rank; low++) {
        sum += t->weights[low].output == output ? t->weights[low].value : 0;
    }
    return sum;
}

/* One tree, sorted places first .. end - 1, as the trees of one output. */
static tm_status tree_add(trees *t, uint32_t first, uint32_t end, uint32_t output, uint32_t as) {
    tm_import_draft *d = t->onnx->draft;
    if (end - first > COPIES_MAX - d->n_nodes) {
        return TM_FAIL(t->onnx->err, TM_E_LIMIT,
                       "ONNX model: its trees have more than %u nodes, counted once for each class",
                       COPIES_MAX);
    }
    tm_import_tree *tree = tm__draft_tree(d, t->onnx->err);
    tm_import_node *nodes = tree != NULL ? tm__draft_nodes(d, end - first, t->onnx->err) : NULL;
    if (nodes == NULL) {
        return t->onnx->err->status;
    }
    tree->n = end - first;
    tree->output = as;
    uint32_t root = NONE;
    for (uint32_t r = first; r < end; r++) {
        const uint32_t i = t->places[r].at;
        tm_import_node *node = &nodes[r - first];
        const double hits = t->lists[HITS].n > 0 ? t->lists[HITS].numbers[i] : 0;
        /* The exporters write 1 for all, which says nothing. */
        node->cover = hits > 1 ? hits : 0;
        root = root == NONE || i < t->places[first + root].at ? r - first : root;
        if (tm__str_is(t->modes[i], "LEAF")) {
            node->flags = TM_IMPORT_LEAF;
            node->number = leaf_value(t, r, output);
        } else {
            TM_TRY(set_branch(t, i, node, first));
        }
    }
    tree->root = root; /* the tree's first in the lists, as the runtimes take it */
    return TM_OK;
}

/* Every tree for each output that its leaves weigh on; as: number of the output in our model. */
static tm_status trees_add(trees *t, const uint32_t *as, uint32_t n_outputs) {
    uint32_t n_trees = 0, at = 0;
    bool *weighs = tm__arena_zalloc(t->onnx->draft->arena, n_outputs, sizeof(bool));
    if (weighs == NULL) {
        return TM_FAIL(t->onnx->err, TM_E_NOMEM, "out of memory for outputs");
    }
    for (uint32_t first = 0, end; first < t->n; first = end) {
        end = first + 1;
        while (end < t->n && t->places[end].tree == t->places[first].tree) {
            end++;
        }
        memset(weighs, 0, n_outputs * sizeof(bool));
        for (; at < t->n_weights && t->weights[at].rank < end; at++) {
            weighs[t->weights[at].output] = true;
        }
        for (uint32_t k = 0; k < n_outputs; k++) {
            if (weighs[k] && as[k] != NONE) {
                TM_TRY(tree_add(t, first, end, k, as[k]));
            }
        }
        n_trees++;
    }
    if (tm__str_is(tm__onnx_text(t->op, "aggregate_function", "SUM"), "AVERAGE")) {
        t->onnx->draft->divide = n_trees;
    } else if (!tm__str_is(tm__onnx_text(t->op, "aggregate_function", "SUM"), "SUM")) {
        return tm__onnx_unsupported(t->onnx, t->op, "has an aggregate_function that is not known");
    }
    return TM_OK;
}

static tm_status base_read(trees *t, const uint32_t *as, uint32_t n_outputs) {
    tm_import_draft *d = t->onnx->draft;
    tm_onnx_list base = {0};
    TM_TRY(tm__onnx_numbers(t->onnx, t->op, "base_values", &base));
    if (!base.is_there) {
        TM_TRY(tm__onnx_numbers(t->onnx, t->op, "base_values_as_tensor", &base));
    }
    d->base = tm__arena_zalloc(d->arena, d->shape.n_outputs, sizeof(double));
    tm_status st =
        d->base != NULL ? TM_OK : TM_FAIL(t->onnx->err, TM_E_NOMEM, "out of memory for scores");
    if (st == TM_OK && base.n > 1 && base.n != n_outputs) {
        st = tm__onnx_damaged(t->onnx, "base_values are not as many as outputs");
    }
    for (uint32_t k = 0; st == TM_OK && k < base.n; k++) {
        /* Of two classes with one score the second value is the score's, as runtimes have it. */
        const uint32_t to = d->shape.n_outputs > 1 ? as[k] : k + 1 == base.n ? 0 : NONE;
        if (!(fabs(base.numbers[k]) < 1e30)) {
            st = tm__onnx_damaged(t->onnx, "a base value is not finite");
        } else if (to != NONE) {
            d->base[to] = base.numbers[k];
        }
    }
    tm__mem_free(base.numbers);
    return st;
}

/* Which outputs of the file are outputs of our model. */
static tm_status outputs_plan(trees *t, bool is_classifier, uint32_t n_outputs, uint32_t *as) {
    tm_imported_shape *shape = &t->onnx->draft->shape;
    for (uint32_t k = 0; k < n_outputs; k++) {
        as[k] = k;
    }
    shape->task = is_classifier ? TM_TASK_MULTICLASS : TM_TASK_REGRESSION;
    shape->n_outputs = n_outputs;
    if (!is_classifier) {
        return shape->link == TM_LINK_SOFTMAX
                   ? tm__onnx_unsupported(t->onnx, t->op, "makes shares of one number")
                   : TM_OK;
    }
    if (n_outputs > 2) {
        return TM_OK;
    }
    bool has[2] = {false, false};
    for (uint32_t i = 0; i < t->n_weights; i++) {
        has[t->weights[i].output] = true;
    }
    if (has[0] && has[1] && shape->link != TM_LINK_NONE) {
        return TM_OK; /* two scores, each its own */
    }
    if (shape->link == TM_LINK_SOFTMAX || (shape->link == TM_LINK_NONE && !t->all_positive)) {
        return tm__onnx_unsupported(t->onnx, t->op, "has scores of two classes and no transform");
    }
    shape->task = TM_TASK_BINARY;
    shape->n_outputs = 1;
    const uint32_t only = has[0] && !has[1] ? 0 : 1;
    as[only] = 0;
    as[1 - only] = NONE;
    return TM_OK;
}

static tm_status trees_read(trees *t) {
    tm_onnx *onnx = t->onnx;
    const bool is_classifier = tm__str_is(t->op->op, "TreeEnsembleClassifier");
    tm_onnx_list targets = {0};
    uint32_t n_outputs = 1;
    onnx->draft->objective = is_classifier ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor";
    TM_TRY(link_read(onnx, t->op));
    if (is_classifier) {
        TM_TRY(labels_read(onnx, t->op, "classlabels_int64s", &n_outputs));
    } else {
        TM_TRY(tm__onnx_numbers(onnx, t->op, "n_targets", &targets));
        const bool is_one = targets.n == 0 || targets.numbers[0] <= 1;
        tm__mem_free(targets.numbers);
        if (!is_one) {
            return tm__onnx_unsupported(onnx, t->op, "has several targets");
        }
    }
    TM_TRY(lists_read(t));
    TM_TRY(places_sort(t));
    TM_TRY(weights_read(t, is_classifier, n_outputs));
    uint32_t as[TM_MAX_CLASSES];
    TM_TRY(outputs_plan(t, is_classifier, n_outputs, as));
    double last = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        last = fmax(last, t->lists[COLUMN].numbers[i]);
    }
    if (onnx->n_width == 0) {
        TM_TRY(tm__onnx_columns(onnx, last < TM_MAX_COLS ? (uint32_t)last + 1 : 0));
    } else if (last >= onnx->n_width) {
        return tm__onnx_damaged(onnx, "a node asks for a column that is not there");
    }
    TM_TRY(base_read(t, as, n_outputs));
    return trees_add(t, as, n_outputs);
}

tm_status tm__onnx_trees(tm_onnx *onnx, const tm_onnx_node *node) {
    trees t = {.onnx = onnx, .op = node};
    const tm_status st = trees_read(&t);
    for (uint32_t i = 0; i < N_LISTS; i++) {
        tm__mem_free(t.lists[i].numbers);
    }
    tm__mem_free(t.places);
    tm__mem_free(t.rank);
    tm__mem_free(t.weights);
    return st;
}

/* ---- weights ---- */

/* Rows of coefficients as our outputs: lines [n_rows x (n_cols + 1)]. */
static tm_status linear_shape(tm_onnx *onnx, const tm_onnx_node *node, uint32_t n_classes,
                              uint32_t n_rows, double *lines) {
    tm_imported_shape *shape = &onnx->draft->shape;
    const uint32_t line = onnx->n_width + 1;
    shape->task = n_classes == 0   ? TM_TASK_REGRESSION
                  : n_classes == 2 ? TM_TASK_BINARY
                                   : TM_TASK_MULTICLASS;
    shape->n_outputs = n_classes > 2 ? n_classes : 1;
    if (n_classes == 0 || n_classes > 2) {
        return n_rows == shape->n_outputs
                   ? TM_OK
                   : tm__onnx_unsupported(onnx, node, "has not one line of weights an output");
    }
    if (shape->link == TM_LINK_NONE || n_rows > 2) {
        return tm__onnx_unsupported(onnx, node, "has scores of two classes and no transform");
    }
    /* The second class is the positive one; softmax of two is the sigmoid of their difference. */
    for (uint32_t c = 0; c < line && n_rows == 2; c++) {
        lines[c] = shape->link == TM_LINK_SOFTMAX ? lines[line + c] - lines[c] : lines[line + c];
    }
    shape->link = TM_LINK_SIGMOID;
    return TM_OK;
}

static tm_status linear_fill(tm_onnx *onnx, const tm_onnx_node *node, uint32_t n_classes,
                             const tm_onnx_list *weights, const tm_onnx_list *constants) {
    tm_import_draft *d = onnx->draft;
    const uint32_t n_rows = constants->n > 0 ? constants->n : n_classes > 2 ? n_classes : 1;
    if (weights->n == 0 || weights->n % n_rows != 0) {
        return tm__onnx_damaged(onnx, "coefficients are not as many as intercepts want");
    }
    TM_TRY(tm__onnx_columns(onnx, weights->n / n_rows));
    const uint32_t n_cols = onnx->n_width;
    d->weights = tm__arena_zalloc(d->arena, (size_t)n_rows * (n_cols + 1), sizeof(double));
    if (d->weights == NULL) {
        return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for weights");
    }
    for (uint32_t k = 0; k < n_rows; k++) {
        double *line = d->weights + (size_t)k * (n_cols + 1);
        memcpy(line, weights->numbers + (size_t)k * n_cols, n_cols * sizeof(double));
        line[n_cols] = constants->n > 0 ? constants->numbers[k] : 0;
    }
    for (size_t i = 0; i < (size_t)n_rows * (n_cols + 1); i++) {
        if (!(fabs(d->weights[i]) < 1e30)) {
            return tm__onnx_damaged(onnx, "a coefficient is not finite");
        }
    }
    return linear_shape(onnx, node, n_classes, n_rows, d->weights);
}

tm_status tm__onnx_linear(tm_onnx *onnx, const tm_onnx_node *node) {
    tm_import_draft *d = onnx->draft;
    tm_onnx_list weights = {0}, constants = {0};
    uint32_t n_classes = 0;
    const bool is_classifier = tm__str_is(node->op, "LinearClassifier");
    d->objective = is_classifier ? "LinearClassifier" : "LinearRegressor";
    d->shape.kind = TM_IMPORTED_LINEAR;
    d->shape.has_front = d->shape.has_front || !onnx->is_double;
    TM_TRY(link_read(onnx, node));
    if (is_classifier) {
        TM_TRY(labels_read(onnx, node, "classlabels_ints", &n_classes));
    } else if (d->shape.link != TM_LINK_NONE) {
        return tm__onnx_unsupported(onnx, node, "has a post_transform that is not known");
    }
    TM_TRY(tm__onnx_numbers(onnx, node, "coefficients", &weights));
    tm_status st = tm__onnx_numbers(onnx, node, "intercepts", &constants);
    if (st == TM_OK) {
        st = linear_fill(onnx, node, n_classes, &weights, &constants);
    }
    tm__mem_free(weights.numbers);
    tm__mem_free(constants.numbers);
    /* Weights have no way with what is missing, unless it was filled before. */
    bool is_filled = false;
    for (uint32_t i = 0; i < d->front.n_steps; i++) {
        is_filled = is_filled || d->front.steps[i].kind == TM_FRONT_FILL;
    }
    for (uint32_t c = 0; st == TM_OK && c < d->n_columns; c++) {
        d->columns[c].is_nullable = is_filled;
    }
    return st;
}
