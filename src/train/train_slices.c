/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of the groups of a column, each as if it were all there is. */
#include <string.h>

#include "base/mem.h"
#include "train/train_look_priv.h"

#define ROWS_LEAST 100u /* fewer say little of a score, and intervals by draws are too narrow */
#define LEVELS 32u
#define BINS 5u

/* Rows of a group, in the form of a look. Units are rows: a group may cut through an entity. */
typedef struct part {
    tm_look look;
    double *other; /* NULL: none */
} part;

static void part_done(part *p) {
    tm__mem_free(p->look.rows);
    tm__mem_free(p->look.y);
    tm__mem_free(p->look.pred);
    tm__mem_free(p->look.weights);
    tm__mem_free(p->other);
}

static tm_status part_init(const tm_look *look, const double *other, const tm_row_groups *groups,
                           uint32_t group, part *out, tm_err *err) {
    const uint64_t n = groups->counts[group];
    const uint32_t k = look->n_outputs;
    part p = {.look = *look};
    p.look.rows = tm__mem_alloc(n, sizeof(*p.look.rows));
    p.look.y = tm__mem_alloc(n, sizeof(double));
    p.look.pred = tm__mem_alloc(n * k, sizeof(double));
    p.look.weights = look->weights == NULL ? NULL : tm__mem_alloc(n, sizeof(double));
    p.look.queries = p.look.units = NULL;
    p.look.unit = "rows";
    p.other = other == NULL ? NULL : tm__mem_alloc(n * k, sizeof(double));
    if (p.look.rows == NULL || p.look.y == NULL || p.look.pred == NULL ||
        (look->weights != NULL && p.look.weights == NULL) || (other != NULL && p.other == NULL)) {
        part_done(&p);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a group of rows");
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < look->n && at < n; i++) {
        if (groups->of_row[i] != group) {
            continue;
        }
        p.look.rows[at] = look->rows[i];
        p.look.y[at] = look->y[i];
        memcpy(p.look.pred + at * k, look->pred + i * k, k * sizeof(double));
        if (look->weights != NULL) {
            p.look.weights[at] = look->weights[i];
        }
        if (other != NULL) {
            memcpy(p.other + at * k, other + i * k, k * sizeof(double));
        }
        at++;
    }
    p.look.n = p.look.n_units = at;
    *out = p;
    return TM_OK;
}

static tm_status add_slice(const tm_look *look, const double *other, const tm_row_groups *groups,
                           uint32_t group, json_t *list, tm_err *err) {
    part p = {.other = NULL};
    json_t *scores = NULL;
    TM_TRY(part_init(look, other, groups, group, &p, err));
    const tm_status st = tm__look_scores(&p.look, p.other, &scores, err);
    if (st == TM_OK) {
        json_array_append_new(list, json_pack("{s:s, s:I, s:O}", "group", groups->names[group],
                                              "rows", (json_int_t)p.look.n, "scores",
                                              json_object_get(scores, "list")));
        json_decref(scores);
    }
    part_done(&p);
    return st;
}

static tm_status add_slices(const tm_look *look, const double *other, const tm_row_groups *groups,
                            json_t *list, tm_err *err) {
    for (uint32_t g = 0; g < groups->n; g++) {
        if (groups->counts[g] >= ROWS_LEAST) {
            TM_TRY(add_slice(look, other, groups, g, list, err));
        }
    }
    return TM_OK;
}

tm_status tm__look_slices(const tm_look *look, const double *other, const char *column,
                          json_t **out, tm_err *err) {
    const tm_row_groups_options options = {
        .n_levels = LEVELS, .n_bins = BINS, .rows_min = ROWS_LEAST, .is_kept_alone = true};
    const uint32_t col = tm__table_find(look->table, column);
    tm_row_groups groups = {0};
    size_t i = 0;
    json_t *item = NULL;
    if (col == UINT32_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "the rows have no column '%s'", column);
    }
    if (look->task == TM_TASK_RANKING) {
        return TM_FAIL(err, TM_E_USAGE, "rows of a ranking are scored by query, not by group");
    }
    TM_TRY(tm__row_groups_init(look, col, &options, &groups, err));
    json_t *list = json_array();
    tm_status st = add_slices(look, other, &groups, list, err);
    tm__row_groups_done(&groups);
    if (st == TM_OK && json_array_size(list) == 0) {
        st = TM_FAIL(err, TM_E_DATA, "no group of '%s' has %u rows", column, ROWS_LEAST);
    }
    json_array_foreach(list, i, item) {
        json_object_set_new(item, "column", json_string(column));
    }
    return tm__json_give(st, list, out, err);
}
