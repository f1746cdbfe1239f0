/* SPDX-License-Identifier: Apache-2.0 */
/* The score of a boosted model after its first rounds, on rows that it never learned from: a
 * learning curve that follows from the bundle, so nothing of it must be kept in one. */
#include <math.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_look_priv.h"

enum { POINTS = 20 };

typedef struct rounds_job {
    const tm_look *look;
    const tm_view *x;
    double *pred; /* [n x n_outputs] */
} rounds_job;

static tm_status score_first(const rounds_job *job, uint32_t n_rounds, double *out, tm_err *err) {
    const tm_look *look = job->look;
    const tm_model *whole = tm__bundle_model(look->bundle);
    tm_model *first = NULL;
    TM_TRY(whole->ops->first_rounds(whole, n_rounds, &first, err));
    tm_status st = tm__model_predict(look->ctx, first, job->x, job->pred, err);
    tm__model_free(first);
    if (st == TM_OK) {
        tm__bundle_link(look->bundle, look->n, job->pred);
        const tm_score_input in = {.task = look->task,
                                   .n_classes = look->n_classes,
                                   .n_rows = look->n,
                                   .y = look->y,
                                   .pred = job->pred,
                                   .weights = look->weights,
                                   .groups = look->queries,
                                   .threshold = look->threshold};
        st = tm__metric_score(look->metric, &in, out, err);
    }
    return st;
}

/* Points lie close at the start, where a curve bends: their roots are as far apart. */
static tm_status walk(const rounds_job *job, json_t *rounds, json_t *scores, tm_err *err) {
    const uint32_t n = tm__bundle_model(job->look->bundle)->n_rounds;
    uint32_t last = 0;
    for (uint32_t i = 1; i <= POINTS; i++) {
        const double share = (double)i / POINTS;
        const uint32_t at = (uint32_t)ceil(share * share * n);
        double score = 0;
        if (at <= last) {
            continue;
        }
        last = at;
        TM_TRY(score_first(job, at < n ? at : n, &score, err));
        json_array_append_new(rounds, json_integer((json_int_t)(at < n ? at : n)));
        json_array_append_new(scores, tm__json_number(score));
        tm__ctx_progress(job->look->ctx, "rounds", at, n, NULL);
    }
    return TM_OK;
}

static tm_status look_at(const tm_look *look, json_t **out, tm_err *err) {
    rounds_job job = {.look = look};
    tm_matrix *matrix = NULL;
    TM_TRY(tm__program_apply(look->ctx, tm__bundle_program(look->bundle), look->table, look->rows,
                             look->n, &matrix, err));
    json_t *rounds = json_array(), *scores = json_array();
    tm_status st = TM_OK;
    job.x = tm__matrix_view(matrix);
    job.pred = tm__mem_alloc(look->n * look->n_outputs, sizeof(double));
    st = job.pred == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for answers of the first rounds")
                          : walk(&job, rounds, scores, err);
    tm__mem_free(job.pred);
    tm__matrix_free(matrix);
    json_t *told = json_pack("{s:s, s:o, s:o}", "metric", look->metric->name, "rounds", rounds,
                             "score", scores);
    return tm__json_give(st, told, out, err);
}

tm_status tm__look_rounds(const tm_look *look, json_t **out, tm_err *err) {
    const tm_model *model = tm__bundle_model(look->bundle);
    if (model->ops->first_rounds == NULL || model->n_rounds < 2) {
        *out = json_null();
        return TM_OK;
    }
    return look_at(look, out, err);
}
