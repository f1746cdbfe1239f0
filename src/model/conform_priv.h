/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_CONFORM_PRIV_H
#define TM_MODEL_CONFORM_PRIV_H

#include "model/conform.h"

#define TM_CONFORM_COLS 5u

/* Rows of one task. Columns: a number that decides, a number with gaps, a category of 5 levels that
 * decides a little, noise, a number of few values. */
typedef struct tm_conform_rows {
    tm_task task;
    uint32_t n_classes;
    tm_view view;
    tm_feature features[TM_CONFORM_COLS];
    const double *cols[TM_CONFORM_COLS];
    double *cells; /* [TM_CONFORM_COLS x n_rows] */
    double *y;
    double *weights;   /* all 1 */
    uint32_t *queries; /* RANKING: 10 rows each */
} tm_conform_rows;

typedef enum tm_conform_kind {
    TM_CONFORM_SIGNAL,   /* the target follows from columns, with noise */
    TM_CONFORM_SHUFFLED, /* and is dealt out anew */
    TM_CONFORM_CONSTANT,
    TM_CONFORM_GAPS,    /* every cell is missing */
    TM_CONFORM_INFINITE /* some numbers are infinite */
} tm_conform_kind;

typedef struct tm_conform {
    const tm_model_ops *ops;
    tm_params params;
    const tm_conform_options *options;
    tm_task task;
    tm_conform_result *result;
} tm_conform;

/** seed: other rows of the same kind. False when out of memory; done() all the same. */
bool tm__conform_rows_init(tm_conform_rows *rows, tm_task task, tm_conform_kind kind,
                           uint64_t n_rows, uint64_t seed);
void tm__conform_rows_done(tm_conform_rows *rows);
tm_fit_input tm__conform_input(const tm_conform_rows *rows);
/** One row of a view, over storage of the caller. */
tm_view tm__conform_row(const tm_view *x, uint64_t row, const double *cols[TM_CONFORM_COLS]);

/** Say what is wrong; returns false. */
__attribute__((format(printf, 2, 3))) bool tm__conform_broken(tm_conform *c, const char *format,
                                                              ...);
bool tm__conform_pass_over(tm_conform *c, const char *why);
/** Fit with the check's parameters; NULL, and the check is broken, when that fails. */
tm_model *tm__conform_fit(tm_conform *c, tm_ctx *ctx, const tm_fit_input *in);
/** Bytes of a model; false, and the check is broken, when it cannot be saved. */
bool tm__conform_save(tm_conform *c, const tm_model *model, tm_buf *out);
/** Answers [n_rows x n_outputs], the caller's to free; NULL when broken. */
double *tm__conform_predict(tm_conform *c, const tm_model *model, const tm_view *x);
/** Share of pairs of rows that raw scores and targets order alike, one half by chance. MULTICLASS:
 * of rows of class 0 and others. */
double tm__conform_order(const tm_conform_rows *rows, const double *raw, uint32_t n_outputs);

/* The checks: conform_answer.c, conform_rows.c, conform_break.c. Each is for one task; false when
 * broken. */
bool tm__conform_shape(tm_conform *c);
bool tm__conform_learns(tm_conform *c);
bool tm__conform_saved(tm_conform *c);
bool tm__conform_threads(tm_conform *c);
bool tm__conform_alone(tm_conform *c);
bool tm__conform_explained(tm_conform *c);
bool tm__conform_shares(tm_conform *c);
bool tm__conform_chance(tm_conform *c);
bool tm__conform_weights(tm_conform *c);
bool tm__conform_constant(tm_conform *c);
bool tm__conform_few(tm_conform *c);
bool tm__conform_gaps(tm_conform *c);
bool tm__conform_infinite(tm_conform *c);
bool tm__conform_levels(tm_conform *c);
bool tm__conform_terms(tm_conform *c);
bool tm__conform_parameters(tm_conform *c);
bool tm__conform_cancelled(tm_conform *c);
bool tm__conform_budget(tm_conform *c);
bool tm__conform_memory(tm_conform *c);
bool tm__conform_allocations(tm_conform *c);
bool tm__conform_damage(tm_conform *c);

#endif
