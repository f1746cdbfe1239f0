/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of rows where a model is worse than elsewhere, or its answers are off to one side.
 *
 *     columns ──> groups (train_groups.c) ──> each group, and each pair of two columns worth most
 *             ──> two tests each ──> Holm over all of them ──> the costliest that do not repeat
 *
 * A row's loss is the squared error of the probabilities, or the absolute error of a value: both
 * have tails that a mean of thirty rows can stand. Its tilt is truth less answer. Means of a group
 * are held against those of all other rows by Welch's statistic, as normal from ROWS_LEAST rows on.
 * p is multiplied as Holm (1979) has it by how many looks there were, so that a list of a model
 * without fault is empty in 95 of 100 cases. Rows are taken as independent, and weigh the same.
 *
 * A tilt must stand out from none at all and from that of the other rows. A pair must be clearly
 * worse than both of its columns alone, and a group that has most of its rows in common with a
 * costlier one is not told again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_look_priv.h"

enum { ROWS_LEAST = 30, PAIR_COLUMNS = 8, LIST_MAX = 8, COLUMNS_MAX = 200, LEVELS = 12, BINS = 5 };

#define GROUP_BYTES ((uint64_t)1 << 28) /* of all columns' groups */
#define SURE 0.05
#define CLEARLY 1.1     /* times the loss elsewhere, or of a pair's columns */
#define TILT_LEAST 0.02 /* of a probability */
#define TILT_SHARE 0.1  /* of the mean absolute error */
#define SAME 0.6        /* rows in common over rows of both */

typedef struct sums {
    uint64_t n;
    double loss, loss2, tilt, tilt2, answer, truth;
    double chance; /* variance of the truths, were the answers right */
} sums;

typedef struct weak_group {
    uint32_t cols[2],
        groups[2]; /* places in search.columns; the second UINT32_MAX: of one column */
    bool is_tilt;
    sums in;
    double p, cost;
} weak_group;

typedef struct column_groups {
    uint32_t col; /* of the table */
    tm_row_groups groups;
    sums *singles; /* [groups.n] */
} column_groups;

typedef struct search {
    const tm_look *look;
    uint64_t rows_least;
    float *loss, *tilt; /* [n] */
    sums all;
    column_groups *columns; /* [n_columns], worth most first */
    uint32_t n_columns;
    weak_group *found;
    uint32_t n_found, n_room;
    uint64_t n_looks;
} search;

/* --- losses of rows --- */

static double loss_of(const tm_look *look, uint64_t i) {
    if (look->task == TM_TASK_REGRESSION) {
        return fabs(look->y[i] - look->pred[i]);
    }
    if (look->task == TM_TASK_BINARY) {
        const double off = tm__look_truth(look, i) - look->pred[i];
        return off * off;
    }
    double sum = 0;
    for (uint32_t k = 0; k < look->n_outputs; k++) {
        const double off = (look->y[i] == (double)k) - look->pred[i * look->n_outputs + k];
        sum += off * off;
    }
    return sum;
}

static void sums_add(sums *s, const search *w, uint64_t i) {
    const double loss = (double)w->loss[i], tilt = (double)w->tilt[i];
    s->n++;
    s->loss += loss;
    s->loss2 += loss * loss;
    s->tilt += tilt;
    s->tilt2 += tilt * tilt;
    const double answer = tm__look_answer(w->look, i);
    s->answer += answer;
    s->chance += w->look->task == TM_TASK_REGRESSION ? 0 : answer * (1 - answer);
    s->truth += tm__look_truth(w->look, i);
}

static tm_status rows_weigh(search *w, tm_err *err) {
    const tm_look *look = w->look;
    w->loss = tm__mem_alloc(look->n, sizeof(*w->loss));
    w->tilt = tm__mem_alloc(look->n, sizeof(*w->tilt));
    if (w->loss == NULL || w->tilt == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the losses of rows");
    }
    for (uint64_t i = 0; i < look->n; i++) {
        w->loss[i] = (float)loss_of(look, i);
        w->tilt[i] = (float)(tm__look_truth(look, i) - tm__look_answer(look, i));
        sums_add(&w->all, w, i);
    }
    return TM_OK;
}

/* --- columns --- */

/* Inputs worth most first; what is not told of comes last. */
static uint32_t column_of(const search *w, const json_t *worth, uint32_t place) {
    const json_t *list = json_object_get(worth, "columns");
    const json_t *entry = json_array_get(list, place);
    return tm__table_find(w->look->table, tm__json_text(entry, "column", ""));
}

static bool singles_fill(const search *w, column_groups *c) {
    c->singles = tm__mem_zalloc(c->groups.n, sizeof(*c->singles));
    for (uint64_t i = 0; c->singles != NULL && i < w->look->n; i++) {
        sums_add(&c->singles[c->groups.of_row[i]], w, i);
    }
    return c->singles != NULL;
}

static tm_status columns_init(search *w, const json_t *worth, tm_err *err) {
    const size_t n = json_array_size(json_object_get(worth, "columns"));
    const uint64_t n_room = GROUP_BYTES / (w->look->n * sizeof(uint32_t)) + 1;
    const tm_row_groups_options options = {
        .n_levels = LEVELS, .n_bins = BINS, .rows_min = w->rows_least, .is_kept_alone = true};
    w->columns = tm__mem_zalloc(n + 1, sizeof(*w->columns));
    if (w->columns == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for groups of rows");
    }
    for (uint32_t i = 0; i < n && w->n_columns < COLUMNS_MAX && w->n_columns < n_room; i++) {
        column_groups *c = &w->columns[w->n_columns];
        c->col = column_of(w, worth, i);
        if (c->col == UINT32_MAX) {
            continue;
        }
        TM_TRY(tm__row_groups_init(w->look, c->col, &options, &c->groups, err));
        if (c->groups.n < 2) {
            tm__row_groups_done(&c->groups);
            continue;
        }
        w->n_columns++;
        if (!singles_fill(w, c)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for groups of '%s'",
                           tm__table_column(w->look->table, c->col)->name);
        }
    }
    return TM_OK;
}

/* --- tests --- */

static double mean(double sum, uint64_t n) {
    return n > 0 ? sum / (double)n : 0;
}

static double error2(double sum, double sum2, uint64_t n) {
    const double m = mean(sum, n);
    return n > 1 ? fmax(sum2 - (double)n * m * m, 0) / (double)(n - 1) / (double)n : INFINITY;
}

/* Of the mean tilt: as the rows scatter, and at least what chance alone would do if the answers
 * were right, since thirty truths without a positive scatter not at all. */
static double tilt_error2(const sums *s) {
    const double n = (double)s->n;
    return s->n > 0 ? fmax(error2(s->tilt, s->tilt2, s->n), s->chance / n / n) : INFINITY;
}

/* The other rows. */
static sums rest_of(const search *w, const sums *in) {
    return (sums){.n = w->all.n - in->n,
                  .loss = w->all.loss - in->loss,
                  .loss2 = w->all.loss2 - in->loss2,
                  .tilt = w->all.tilt - in->tilt,
                  .tilt2 = w->all.tilt2 - in->tilt2,
                  .answer = w->all.answer - in->answer,
                  .truth = w->all.truth - in->truth,
                  .chance = w->all.chance - in->chance};
}

static bool is_clear_tilt(const search *w, double tilt) {
    const double least =
        w->look->task == TM_TASK_REGRESSION ? TILT_SHARE * mean(w->all.loss, w->all.n) : TILT_LEAST;
    return fabs(tilt) >= least;
}

static tm_status keep(search *w, const weak_group *group, tm_err *err) {
    if (w->n_found == w->n_room) {
        const uint32_t n_room = w->n_room > 0 ? 2 * w->n_room : 256;
        weak_group *more = tm__mem_alloc(n_room, sizeof(*more));
        if (more == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for groups of rows");
        }
        if (w->n_found > 0) {
            memcpy(more, w->found, w->n_found * sizeof(*more));
        }
        tm__mem_free(w->found);
        w->found = more;
        w->n_room = n_room;
    }
    w->found[w->n_found++] = *group;
    return TM_OK;
}

/* Both tests of a group; parents: what a pair must be clearly worse than, or NULL. */
static tm_status test_group(search *w, weak_group group, const sums *const parents[2],
                            tm_err *err) {
    const sums *in = &group.in;
    const sums rest = rest_of(w, in);
    if (in->n < w->rows_least || rest.n < w->rows_least) {
        return TM_OK;
    }
    const double loss = mean(in->loss, in->n), others = mean(rest.loss, rest.n);
    const double tilt = mean(in->tilt, in->n), lean = tilt - mean(rest.tilt, rest.n);
    const double loss_error =
        tm__sqrt(error2(in->loss, in->loss2, in->n) + error2(rest.loss, rest.loss2, rest.n));
    const double tilt_error = tm__sqrt(tilt_error2(in) + tilt_error2(&rest));
    bool is_worse = loss >= CLEARLY * others && loss_error > 0;
    bool is_tilted =
        is_clear_tilt(w, tilt) && is_clear_tilt(w, lean) && tilt * lean > 0 && tilt_error > 0;
    for (int i = 0; parents != NULL && i < 2; i++) {
        is_worse = is_worse && loss >= CLEARLY * mean(parents[i]->loss, parents[i]->n);
        is_tilted = is_tilted && fabs(tilt) >= 1.5 * fabs(mean(parents[i]->tilt, parents[i]->n));
    }
    w->n_looks += 2;
    if (is_worse) {
        group.is_tilt = false;
        group.p = tm__look_tail((loss - others) / loss_error);
        group.cost = (loss - others) * (double)in->n;
        TM_TRY(keep(w, &group, err));
    }
    if (is_tilted) {
        group.is_tilt = true;
        group.p = 2 * tm__look_tail(
                          fmin(fabs(lean) / tilt_error, fabs(tilt) / tm__sqrt(tilt_error2(in))));
        group.cost = fabs(lean) * (double)in->n;
        TM_TRY(keep(w, &group, err));
    }
    return TM_OK;
}

static tm_status test_singles(search *w, tm_err *err) {
    for (uint32_t c = 0; c < w->n_columns; c++) {
        for (uint32_t g = 0; g < w->columns[c].groups.n; g++) {
            const weak_group group = {
                .cols = {c, UINT32_MAX}, .groups = {g, 0}, .in = w->columns[c].singles[g]};
            TM_TRY(test_group(w, group, NULL, err));
        }
    }
    return TM_OK;
}

static tm_status test_pair(search *w, uint32_t a, uint32_t b, tm_err *err) {
    const column_groups *x = &w->columns[a], *y = &w->columns[b];
    sums *cells = tm__mem_zalloc((size_t)x->groups.n * y->groups.n, sizeof(*cells));
    tm_status st = TM_OK;
    if (cells == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for groups of rows");
    }
    for (uint64_t i = 0; i < w->look->n; i++) {
        sums_add(&cells[x->groups.of_row[i] * y->groups.n + y->groups.of_row[i]], w, i);
    }
    for (uint32_t g = 0; st == TM_OK && g < x->groups.n * y->groups.n; g++) {
        const uint32_t i = g / y->groups.n, k = g % y->groups.n;
        const sums *const parents[2] = {&x->singles[i], &y->singles[k]};
        const weak_group group = {.cols = {a, b}, .groups = {i, k}, .in = cells[g]};
        st = test_group(w, group, parents, err);
    }
    tm__mem_free(cells);
    return st;
}

static tm_status test_pairs(search *w, tm_err *err) {
    const uint32_t n = w->n_columns < PAIR_COLUMNS ? w->n_columns : PAIR_COLUMNS;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = a + 1; b < n; b++) {
            TM_TRY(test_pair(w, a, b, err));
        }
        tm__ctx_progress(w->look->ctx, "groups", a + 1, n, "pairs of columns");
    }
    return TM_OK;
}

/* --- the list --- */

static int compare_p(const void *a, const void *b) {
    const weak_group *x = a, *y = b;
    if (x->p != y->p) {
        return x->p < y->p ? -1 : 1;
    }
    return memcmp(x->cols, y->cols, sizeof(x->cols) + sizeof(x->groups));
}

static int compare_cost(const void *a, const void *b) {
    const weak_group *x = a, *y = b;
    if (x->is_tilt != y->is_tilt) {
        return x->is_tilt ? 1 : -1;
    }
    if (x->cost != y->cost) {
        return x->cost > y->cost ? -1 : 1;
    }
    return compare_p(a, b);
}

/* Holm: the k-th least p counts times the looks that are left, and none is below one before it.
 * Those that were not kept had no p to be less than. */
static void correct(search *w) {
    double least = 0;
    uint32_t n = 0;
    if (w->n_found == 0) {
        return;
    }
    qsort(w->found, w->n_found, sizeof(*w->found), compare_p);
    for (uint32_t i = 0; i < w->n_found; i++) {
        least = fmax(least, fmin(w->found[i].p * (double)(w->n_looks - i), 1));
        w->found[i].p = least;
        n += least < SURE;
    }
    w->n_found = n; /* they stand first */
    qsort(w->found, w->n_found, sizeof(*w->found), compare_cost);
}

static bool is_in(const search *w, const weak_group *group, uint64_t i) {
    return w->columns[group->cols[0]].groups.of_row[i] == group->groups[0] &&
           (group->cols[1] == UINT32_MAX ||
            w->columns[group->cols[1]].groups.of_row[i] == group->groups[1]);
}

static bool is_same(const search *w, const weak_group *a, const weak_group *b) {
    uint64_t both = 0;
    for (uint64_t i = 0; i < w->look->n; i++) {
        both += is_in(w, a, i) && is_in(w, b, i);
    }
    return (double)both > SAME * (double)(a->in.n + b->in.n - both);
}

/* Loss of one answer for all rows of the group, their own share: what is hard there for anybody. */
static json_t *constant_of(const search *w, const sums *in) {
    const double share = mean(in->truth, in->n);
    return w->look->task == TM_TASK_BINARY ? tm__json_number(share * (1 - share)) : json_null();
}

static json_t *say_group(const search *w, const weak_group *group) {
    const sums *in = &group->in;
    const sums rest = rest_of(w, in);
    json_t *columns = json_array(), *groups = json_array();
    for (int i = 0; i < 2 && group->cols[i] != UINT32_MAX; i++) {
        const column_groups *c = &w->columns[group->cols[i]];
        json_array_append_new(columns, json_string(tm__table_column(w->look->table, c->col)->name));
        json_array_append_new(groups, json_string(c->groups.names[group->groups[i]]));
    }
    return json_pack(
        "{s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "columns", columns, "groups",
        groups, "kind", group->is_tilt ? "tilted" : "worse", "rows", (json_int_t)in->n,
        "share_of_rows", tm__json_number((double)in->n / (double)w->look->n), "loss",
        tm__json_number(mean(in->loss, in->n)), "elsewhere",
        tm__json_number(mean(rest.loss, rest.n)), "answer",
        tm__json_number(mean(in->answer, in->n)), "truth", tm__json_number(mean(in->truth, in->n)),
        "constant", constant_of(w, in), "p", tm__json_number(group->p));
}

static json_t *say_list(const search *w) {
    const weak_group *told[2 * LIST_MAX];
    uint32_t n_told = 0, n_of_kind[2] = {0};
    json_t *list = json_array();
    for (uint32_t i = 0; i < w->n_found; i++) {
        const weak_group *group = &w->found[i];
        bool is_new = n_of_kind[group->is_tilt] < LIST_MAX;
        for (uint32_t k = 0; is_new && k < n_told; k++) {
            is_new = told[k]->is_tilt != group->is_tilt || !is_same(w, group, told[k]);
        }
        if (is_new) {
            told[n_told++] = group;
            n_of_kind[group->is_tilt]++;
            json_array_append_new(list, say_group(w, group));
        }
    }
    return list;
}

static void search_done(search *w) {
    for (uint32_t c = 0; c < w->n_columns; c++) {
        tm__row_groups_done(&w->columns[c].groups);
        tm__mem_free(w->columns[c].singles);
    }
    tm__mem_free(w->columns);
    tm__mem_free(w->found);
    tm__mem_free(w->loss);
    tm__mem_free(w->tilt);
}

static tm_status look_for(search *w, const json_t *worth, tm_err *err) {
    TM_TRY(rows_weigh(w, err));
    TM_TRY(columns_init(w, worth, err));
    TM_TRY(test_singles(w, err));
    TM_TRY(test_pairs(w, err));
    correct(w);
    return TM_OK;
}

tm_status tm__look_weak(const tm_look *look, const json_t *worth, json_t **out, tm_err *err) {
    search w = {.look = look, .rows_least = look->n / 200};
    if (look->task == TM_TASK_RANKING) { /* rows of a query are no looks of their own */
        *out = json_null();
        return TM_OK;
    }
    w.rows_least = w.rows_least > ROWS_LEAST ? w.rows_least : ROWS_LEAST;
    tm_status st = look_for(&w, worth, err);
    if (st == TM_OK) {
        json_t *weak =
            json_pack("{s:I, s:I, s:I, s:s, s:o, s:o}", "looked_at", (json_int_t)w.n_looks, "found",
                      (json_int_t)w.n_found, "rows_least", (json_int_t)w.rows_least, "of",
                      look->task == TM_TASK_REGRESSION ? "absolute error"
                                                       : "squared error of the probability",
                      "loss", tm__json_number(mean(w.all.loss, w.all.n)), "list", say_list(&w));
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = weak;
        } else {
            json_decref(weak);
        }
    }
    search_done(&w);
    return st;
}
