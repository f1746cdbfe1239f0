/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for fitting and rows for validation inside the training rows, and their numbers.
 *
 * Time-ordered runs validate on the latest fifth, as the test does. Others use five folds while
 * that is cheap (fewer than 20,000 rows), two up to 60,000, and one held-out fifth beyond; rows of
 * one entity share a fold, and those of a query. Rows of a rare class are dealt to
 * the folds in turn.
 */
#include "train/train_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"

#define FIVE_FOLDS_CELLS 20000u
#define TWO_FOLDS_CELLS 80000u
#define HOLDOUT_PARTS 5u
#define RARE_ROWS                                                                                  \
    1000u /* a class of fewer is dealt to folds; of more, each gets its share by chance */
#define NOT_DEALT UINT8_C(255)

uint32_t tm__fold_count(const tm_train_data *data, uint64_t n_cells) {
    if (data->is_time_ordered || n_cells >= TWO_FOLDS_CELLS) {
        return 1;
    }
    return n_cells < FIVE_FOLDS_CELLS ? TM_MAX_FOLDS : 2;
}

void tm__fold_rows_done(tm_fold_rows *rows) {
    tm__mem_free(rows->fit);
    tm__mem_free(rows->valid);
    memset(rows, 0, sizeof(*rows));
}

/* Where the latest fifth begins; not within a query. */
static uint64_t latest_from(const tm_train_data *data, const uint32_t *rows, uint64_t n_rows) {
    const uint64_t from = n_rows - n_rows / HOLDOUT_PARTS;
    return data->queries != NULL ? tm__queries_cut(data->queries, rows, n_rows, from) : from;
}

/* What is not cut apart: a query, the rows of an entity, a row. */
typedef struct fold_units {
    const tm_train_data *data;
    const uint64_t *entities; /* or NULL */
    uint64_t key;             /* of the draw */
} fold_units;

static uint64_t draw_of(const fold_units *u, uint32_t row) {
    return tm__rng_at(u->key, u->data->queries != NULL ? u->data->queries[row]
                              : u->entities != NULL    ? u->entities[row]
                                                       : row);
}

static void fold_add(tm_fold_rows *rows, uint32_t row, bool is_valid) {
    if (is_valid) {
        rows->valid[rows->n_valid++] = row;
    } else {
        rows->fit[rows->n_fit++] = row;
    }
}

/* The draw left one side empty: of few units, one is held out. */
static void hold_one(const fold_units *u, tm_fold_rows *out, const uint32_t *rows, uint64_t n) {
    uint64_t least = UINT64_MAX;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t draw = draw_of(u, rows[i]);
        least = draw < least ? draw : least;
    }
    out->n_fit = out->n_valid = 0;
    for (uint64_t i = 0; i < n; i++) {
        fold_add(out, rows[i], draw_of(u, rows[i]) == least);
    }
}

tm_status tm__fold_check(const tm_train_data *data, const tm_fold_rows *rows, tm_err *err) {
    if (rows->n_fit > 0 && rows->n_valid > 0) {
        return TM_OK;
    }
    if (data->gap_us > 0 && rows->n_valid > 0) {
        const tm_status st = TM_FAIL(err, TM_E_DATA,
                                     "the gap leaves no rows to learn from before "
                                     "the rows to validate on");
        tm_err_hint(err, "Give a smaller --gap, or rows that go further back.");
        return st;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "no rows can be held out for validation: all are of one %s",
                data->queries != NULL ? "query" : "entity");
    tm_err_hint(err, "Give rows of others, too; or train without validation rows: --learner gbdt "
                     "--param gbdt.early_stopping=0.");
    return st;
}

/* A row of a rare class with its draw. */
typedef struct dealt {
    uint64_t draw;
    uint64_t place;
} dealt;

static int by_draw(const void *a, const void *b) {
    const dealt *x = a, *y = b;
    if (x->draw != y->draw) {
        return x->draw < y->draw ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Rows of one rare class, dealt to the folds in turn. */
static void deal_class(const fold_units *u, const uint32_t *rows, uint64_t n_rows, uint32_t class,
                       const tm_fold_cut *cut, dealt *room, uint8_t *folds) {
    const uint32_t parts = cut->n_folds == 1 ? HOLDOUT_PARTS : cut->n_folds;
    /* The only fold validates on the second row: a class of one is learned from. */
    const uint32_t first = cut->n_folds == 1 ? parts - 1 : class;
    uint64_t n = 0;
    for (uint64_t i = 0; i < n_rows; i++) {
        if (u->data->y[rows[i]] == (double)class) {
            room[n++] = (dealt){.draw = draw_of(u, rows[i]), .place = i};
        }
    }
    qsort(room, n, sizeof(*room), by_draw);
    for (uint64_t k = 0; k < n; k++) {
        folds[room[k].place] = (uint8_t)((k + first) % parts);
    }
}

/* Folds of rows of rare classes, NOT_DEALT for others: a class of few rows is in every fold as far
 * as it has rows, which draws alone would not see to. Nothing is dealt where rows hang together. */
static tm_status deal_rare(const fold_units *u, const uint32_t *rows, uint64_t n_rows,
                           const tm_fold_cut *cut, uint8_t *folds, tm_err *err) {
    const tm_train_data *data = u->data;
    const bool has_classes = data->task == TM_TASK_BINARY || data->task == TM_TASK_MULTICLASS;
    memset(folds, NOT_DEALT, n_rows);
    if (!has_classes || data->is_time_ordered || u->entities != NULL || data->queries != NULL) {
        return TM_OK;
    }
    uint64_t *counts = tm__mem_zalloc((size_t)data->n_classes + 1, sizeof(*counts));
    dealt *room = tm__mem_alloc(RARE_ROWS, sizeof(*room));
    const bool is_made = counts != NULL && room != NULL;
    for (uint64_t i = 0; is_made && i < n_rows; i++) {
        const double y = data->y[rows[i]];
        counts[y < data->n_classes ? (uint32_t)y : data->n_classes]++;
    }
    for (uint32_t k = 0; is_made && k < data->n_classes; k++) {
        if (counts[k] > 0 && counts[k] < RARE_ROWS) {
            deal_class(u, rows, n_rows, k, cut, room, folds);
        }
    }
    tm__mem_free(counts);
    tm__mem_free(room);
    return is_made ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
}

tm_status tm__fold_rows_init(tm_fold_rows *out, const tm_train_data *data, const uint32_t *rows,
                             uint64_t n_rows, const tm_fold_cut *cut, tm_err *err) {
    tm_fold_rows made = {.fit = tm__mem_alloc(n_rows, sizeof(uint32_t)),
                         .valid = tm__mem_alloc(n_rows, sizeof(uint32_t))};
    uint64_t *entities = NULL;
    if (data->entity != UINT32_MAX) {
        entities = tm__mem_alloc(data->n_rows, sizeof(uint64_t));
    }
    if (made.fit == NULL || made.valid == NULL ||
        (data->entity != UINT32_MAX && entities == NULL)) {
        tm__fold_rows_done(&made);
        tm__mem_free(entities);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
    }
    if (entities != NULL) {
        tm__table_row_hashes(data->table, &data->entity, 1, entities);
    }
    const fold_units units = {
        .data = data, .entities = entities, .key = tm__rng_split(cut->seed, "fold", 0).key};
    const uint64_t latest = latest_from(data, rows, n_rows);
    const uint32_t parts = cut->n_folds == 1 ? HOLDOUT_PARTS : cut->n_folds;
    uint8_t *dealt_to = tm__mem_alloc(n_rows, sizeof(*dealt_to));
    const tm_status st = dealt_to == NULL
                             ? TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows")
                             : deal_rare(&units, rows, n_rows, cut, dealt_to, err);
    for (uint64_t i = 0; st == TM_OK && i < n_rows; i++) {
        const uint64_t fold =
            dealt_to[i] != NOT_DEALT ? dealt_to[i] : draw_of(&units, rows[i]) % parts;
        fold_add(&made, rows[i], data->is_time_ordered ? i >= latest : fold == cut->fold);
    }
    tm__mem_free(dealt_to);
    if (st != TM_OK) {
        tm__fold_rows_done(&made);
        tm__mem_free(entities);
        return st;
    }
    if (data->is_time_ordered) {
        made.n_fit = tm__train_gap(data, made.valid, made.n_valid, made.fit, made.n_fit);
    }
    if (cut->n_folds == 1 && !data->is_time_ordered && (made.n_fit == 0 || made.n_valid == 0)) {
        hold_one(&units, &made, rows, n_rows);
    }
    tm__mem_free(entities);
    *out = made;
    return TM_OK;
}

static double *gather(const double *values, const uint32_t *rows, uint64_t n) {
    double *out = tm__mem_alloc(n, sizeof(double));
    for (uint64_t i = 0; out != NULL && i < n; i++) {
        out[i] = values[rows[i]];
    }
    return out;
}

static tm_status gather_targets(tm_fold *fold, const tm_train_data *data, const uint32_t *fit_rows,
                                tm_err *err) {
    fold->y = gather(data->y, fit_rows, fold->n);
    fold->y_valid = gather(data->y, fold->valid_rows, fold->n_valid);
    if (data->weights != NULL) {
        fold->weights = gather(data->weights, fit_rows, fold->n);
        fold->weights_valid = gather(data->weights, fold->valid_rows, fold->n_valid);
    }
    if (fold->y == NULL || fold->y_valid == NULL ||
        (data->weights != NULL && (fold->weights == NULL || fold->weights_valid == NULL))) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the target of a fold");
    }
    return tm__class_weights_fold(data, fold, err);
}

/* Everything but features. */
static tm_status targets_init(tm_fold *fold, const tm_train_data *data, const tm_fold_rows *rows,
                              tm_err *err) {
    memset(fold, 0, sizeof(*fold));
    fold->n = rows->n_fit;
    fold->n_valid = rows->n_valid;
    fold->has_scores = data->score != UINT32_MAX;
    fold->valid_rows = tm__mem_alloc(rows->n_valid, sizeof(uint32_t));
    tm_status st = TM_OK;
    if (fold->valid_rows == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
    } else if (rows->n_valid > 0) {
        memcpy(fold->valid_rows, rows->valid, rows->n_valid * sizeof(uint32_t));
    }
    if (st == TM_OK) {
        st = gather_targets(fold, data, rows->fit, err);
    }
    if (st == TM_OK && data->queries != NULL) {
        fold->queries = tm__queries_number(data->queries, rows->fit, fold->n);
        fold->queries_valid = tm__queries_number(data->queries, fold->valid_rows, fold->n_valid);
        if (fold->queries == NULL || fold->queries_valid == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "no memory for the queries of a fold");
        }
    }
    return st;
}

tm_program_options tm__train_program_options(const tm_train_data *data, uint64_t seed) {
    return (tm_program_options){
        .task = data->task,
        .n_classes = data->n_classes,
        .is_time_ordered = data->is_time_ordered,
        .level_means = data->level_means,
        .exprs = data->exprs,
        .n_exprs = data->n_exprs,
        .as = data->as,
        .n_as = data->n_as,
        .seed = seed,
    };
}

tm_status tm__fold_init(tm_ctx *ctx, tm_fold *fold, const tm_train_data *data,
                        const tm_fold_rows *rows, uint64_t seed, tm_err *err) {
    const tm_program_options options = tm__train_program_options(data, seed);
    tm_status st = targets_init(fold, data, rows, err);
    if (st == TM_OK) {
        st = tm__program_fit(ctx, data->table, &data->schema, data->y, rows->fit, rows->n_fit,
                             &options, &fold->program, &fold->x, err);
    }
    if (st == TM_OK && rows->n_valid > 0) {
        st = tm__program_apply(ctx, fold->program, data->table, fold->valid_rows, rows->n_valid,
                               &fold->x_valid, err);
    }
    if (st != TM_OK) {
        tm__fold_done(fold);
    }
    return st;
}

/* A program of the fold's own with the same steps. */
static tm_status program_copy(const tm_program *program, tm_program **out, tm_err *err) {
    tm_buf bytes;
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm_status st = tm__program_save(program, &bytes, err);
    st = st == TM_OK ? tm__program_load(bytes.data, bytes.len, out, err) : st;
    tm__buf_done(&bytes);
    return st;
}

tm_status tm__fold_init_by(tm_ctx *ctx, tm_fold *fold, const tm_train_data *data,
                           const tm_fold_rows *rows, const tm_program *program, tm_err *err) {
    tm_status st = targets_init(fold, data, rows, err);
    st = st == TM_OK ? program_copy(program, &fold->program, err) : st;
    st = st == TM_OK ? tm__program_apply(ctx, fold->program, data->table, rows->fit, rows->n_fit,
                                         &fold->x, err)
                     : st;
    if (st == TM_OK && rows->n_valid > 0) {
        st = tm__program_apply(ctx, fold->program, data->table, fold->valid_rows, rows->n_valid,
                               &fold->x_valid, err);
    }
    if (st != TM_OK) {
        tm__fold_done(fold);
    }
    return st;
}

tm_view tm__fold_view(const tm_fold *fold, const tm_matrix *matrix) {
    tm_view view = *tm__matrix_view(matrix);
    view.n_cols -= fold->has_scores ? 1 : 0;
    return view;
}

const double *tm__fold_scores(const tm_fold *fold, const tm_matrix *matrix) {
    const tm_view *view = tm__matrix_view(matrix);
    return fold->has_scores ? view->cols[view->n_cols - 1] : NULL;
}

void tm__fold_done(tm_fold *fold) {
    tm__program_free(fold->program);
    tm__matrix_free(fold->x);
    tm__matrix_free(fold->x_valid);
    tm__mem_free(fold->y);
    tm__mem_free(fold->y_valid);
    tm__mem_free(fold->weights);
    tm__mem_free(fold->weights_valid);
    tm__mem_free(fold->queries);
    tm__mem_free(fold->queries_valid);
    tm__mem_free(fold->valid_rows);
    memset(fold, 0, sizeof(*fold));
}
