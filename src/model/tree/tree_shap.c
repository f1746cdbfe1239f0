/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapley values of trees. The game: a set of known columns is worth the expected answer of a tree
 * that follows the row where a split's column is known, and both sides by their cover where not.
 *
 * Algorithm 2 of Lundberg, Erion and Lee 2018 (arXiv:1802.03888) computes them along all paths at
 * once. A path keeps one step for each different column on it: what share of the training rows goes
 * this way (zero), whether the row does (one), and the weight that subsets of i of these columns
 * have (weight[i]). Each level works on its own copy of the path, so that both children find it
 * unchanged; copies lie one after the other in `steps`, the longest path needs
 * (depth + 1) (depth + 2) / 2 steps.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/tree/tree.h"

typedef struct step {
    uint32_t column;
    double zero;
    double one;
    double weight;
} step;

typedef struct shap_job {
    const tm_forest *forest;
    const double *const *cols;
    double *out; /* [n_cols] of the tree's output */
} shap_job;

/* Add a column to a path of `length` steps. */
static void path_extend(step *path, uint32_t length, double zero, double one, uint32_t column) {
    const double n = length + 1;
    path[length] = (step){column, zero, one, length == 0 ? 1 : 0};
    for (uint32_t i = length; i-- > 0;) {
        path[i + 1].weight += one * path[i].weight * (i + 1) / n;
        path[i].weight *= zero * (length - i) / n;
    }
}

/* Weights of the path without step k: called with the last step to the first, and how many. */
static void path_unwind(step *path, uint32_t length, uint32_t k) {
    const uint32_t last = length - 1;
    const double one = path[k].one, zero = path[k].zero;
    double next = path[last].weight;
    for (uint32_t i = last; i-- > 0;) {
        if (one != 0) {
            const double weight = path[i].weight;
            path[i].weight = next * length / ((i + 1) * one);
            next = weight - path[i].weight * zero * (last - i) / length;
        } else {
            path[i].weight = path[i].weight * length / (zero * (last - i));
        }
    }
    for (uint32_t i = k; i < last; i++) {
        path[i].column = path[i + 1].column;
        path[i].zero = path[i + 1].zero;
        path[i].one = path[i + 1].one;
    }
}

/* The sum of the weights that path_unwind would leave. */
static double path_unwound_sum(const step *path, uint32_t length, uint32_t k) {
    const uint32_t last = length - 1;
    const double one = path[k].one, zero = path[k].zero;
    double next = path[last].weight, sum = 0;
    for (uint32_t i = last; i-- > 0;) {
        if (one != 0) {
            const double weight = next * length / ((i + 1) * one);
            next = path[i].weight - weight * zero * (last - i) / length;
            sum += weight;
        } else {
            sum += path[i].weight * length / (zero * (last - i));
        }
    }
    return sum;
}

/* How a path comes to a node: the step that leads there, and the steps before it. */
typedef struct arrival {
    uint32_t node;
    uint32_t length; /* of the parent's path */
    const step *path;
    step step;
} arrival;

static void node_explain(const shap_job *job, const arrival *from, step *path) {
    const tm_forest *forest = job->forest;
    const tm_tree_node *node = &forest->nodes[from->node];
    uint32_t length = from->length;
    memcpy(path, from->path, length * sizeof(step));
    path_extend(path, length, from->step.zero, from->step.one, from->step.column);
    length++;
    if ((node->meta & TM_NODE_LEAF) != 0) {
        for (uint32_t k = 1; k < length; k++) {
            job->out[path[k].column] += path_unwound_sum(path, length, k) *
                                        (path[k].one - path[k].zero) * forest->values[from->node];
        }
        return;
    }
    const uint32_t column = node->meta & TM_NODE_COLUMN;
    double zero = 1, one = 1;
    for (uint32_t k = 1; k < length; k++) {
        if (path[k].column == column) { /* on the path already: merge the two steps */
            zero = path[k].zero;
            one = path[k].one;
            path_unwind(path, length, k);
            length--;
            break;
        }
    }
    const uint32_t hot = tm__forest_next(forest, from->node, job->cols, 0);
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t child = node->left + side;
        const double share = (double)forest->covers[child] / (double)forest->covers[from->node];
        const arrival to = {child, length, path, {column, zero * share, child == hot ? one : 0, 0}};
        node_explain(job, &to, path + length);
    }
}

static double tree_mean(const tm_forest *forest, uint32_t tree) {
    const uint32_t root = forest->roots[tree], end = root + 2 * tm__forest_leaves(forest, tree) - 1;
    double sum = 0;
    for (uint32_t i = root; i < end; i++) {
        if ((forest->nodes[i].meta & TM_NODE_LEAF) != 0) {
            sum += forest->values[i] * forest->covers[i];
        }
    }
    return sum / forest->covers[root];
}

tm_status tm__forest_explain(const tm_forest *forest, const double *const *cols, double *out,
                             tm_err *err) {
    const uint32_t line = forest->n_cols + 2;
    const size_t depth = (size_t)forest->depth_max + 2;
    step *steps = tm__mem_alloc(depth * (depth + 1) / 2, sizeof(step));
    if (steps == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an explanation");
    }
    memset(out, 0, (size_t)forest->n_outputs * line * sizeof(double));
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        out[(size_t)k * line + line - 1] = forest->base[k];
    }
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        double *of_tree = out + (size_t)(t % forest->n_outputs) * line;
        const shap_job job = {forest, cols, of_tree};
        const arrival root = {forest->roots[t], 0, steps, {UINT32_MAX, 1, 1, 0}};
        of_tree[line - 1] += tree_mean(forest, t);
        if ((forest->nodes[forest->roots[t]].meta & TM_NODE_LEAF) == 0) {
            node_explain(&job, &root, steps);
        }
    }
    tm__mem_free(steps);
    return TM_OK;
}
