/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fit with given parameters, in this process: a program of features and a model, and no bundle,
 * search or report. Classes that none of its rows has are unknown to a model.
 */
#include "loop/replay_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "train/train.h"

/* Labelled rows of a recipe, and their targets by the model's own classes. */
typedef struct fit_rows {
    uint32_t *rows;   /* [n] */
    double *y;        /* [n] */
    double *y_stream; /* [rows of the stream]; only those of `rows` are set */
    double *weights;  /* [n]; NULL: all alike */
    uint64_t n;
} fit_rows;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to learn in a replay");
}

static void rows_done(fit_rows *rows) {
    tm__mem_free(rows->rows);
    tm__mem_free(rows->y);
    tm__mem_free(rows->y_stream);
    tm__mem_free(rows->weights);
}

static tm_status rows_init(const tm_replay_stream *stream, const tm_replay_recipe *recipe,
                           fit_rows *out, tm_err *err) {
    const uint64_t n = recipe->end - recipe->begin;
    out->rows = tm__mem_alloc(n + 1, sizeof(*out->rows));
    out->y = tm__mem_alloc(n + 1, sizeof(*out->y));
    out->y_stream = tm__mem_alloc(stream->n_rows, sizeof(*out->y_stream));
    out->weights = recipe->half_life > 0.0 ? tm__mem_alloc(n + 1, sizeof(*out->weights)) : NULL;
    if (out->rows == NULL || out->y == NULL || out->y_stream == NULL ||
        (recipe->half_life > 0.0 && out->weights == NULL)) {
        return no_memory(err);
    }
    for (uint64_t row = recipe->begin; row < recipe->end; row++) {
        if (stream->y[row] == stream->y[row]) {
            if (out->weights != NULL) {
                out->weights[out->n] =
                    tm__age_weight((double)(recipe->end - 1 - row), recipe->half_life);
            }
            out->y[out->n] = stream->y[row];
            out->rows[out->n++] = (uint32_t)row;
        }
    }
    return TM_OK;
}

/* Number the classes that occur, in the stream's order. */
static tm_status find_classes(const tm_replay_stream *stream, fit_rows *rows, tm_replay_model *out,
                              tm_err *err) {
    uint32_t *const places = tm__mem_zalloc(stream->n_outputs, sizeof(*places));
    out->classes = tm__mem_alloc(stream->n_outputs, sizeof(*out->classes));
    if (places == NULL || out->classes == NULL) {
        tm__mem_free(places);
        return no_memory(err);
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        places[(uint32_t)rows->y[i]] = 1;
    }
    for (uint32_t c = 0; c < stream->n_outputs; c++) {
        if (places[c] != 0) {
            places[c] = out->n_classes;
            out->classes[out->n_classes++] = c;
        }
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        rows->y[i] = places[(uint32_t)rows->y[i]];
    }
    tm__mem_free(places);
    return TM_OK;
}

static tm_status set_params(const tm_model_ops *ops, const tm_replay_recipe *recipe,
                            tm_params *params, tm_err *err) {
    tm__params_init(ops, params);
    for (const char *const *p = recipe->params; p != NULL && *p != NULL; p += 2) {
        TM_TRY(tm__params_set(ops, params, p[0], p[1], err));
    }
    return TM_OK;
}

static tm_status fit_model(tm_ctx *ctx, const tm_replay_stream *stream,
                           const tm_replay_recipe *recipe, const fit_rows *rows,
                           tm_replay_model *out, tm_err *err) {
    const tm_model_ops *const ops = tm__model_find(recipe->learner);
    const tm_task task = !stream->is_classes   ? TM_TASK_REGRESSION
                         : out->n_classes == 2 ? TM_TASK_BINARY
                                               : TM_TASK_MULTICLASS;
    const tm_program_options options = {
        .task = task,
        .n_classes = stream->is_classes ? out->n_classes : 0,
        .is_time_ordered = true,
        .seed = recipe->seed,
    };
    tm_params params;
    tm_matrix *x = NULL;
    TM_TRY(set_params(ops, recipe, &params, err));
    for (uint64_t i = 0; i < rows->n; i++) {
        rows->y_stream[rows->rows[i]] = rows->y[i];
    }
    TM_TRY(tm__program_fit(ctx, stream->table, &stream->schema, rows->y_stream, rows->rows, rows->n,
                           &options, &out->program, &x, err));
    const tm_fit_input in = {
        .task = task,
        .n_classes = task == TM_TASK_MULTICLASS ? out->n_classes : 0,
        .x = tm__matrix_view(x),
        .y = rows->y,
        .weights = rows->weights,
        .seed = recipe->seed,
    };
    const tm_status st = tm__model_fit(ctx, ops, &in, &params, &out->model, err);
    tm__matrix_free(x);
    if (st == TM_OK) {
        out->work = out->model->work_used;
    }
    return st;
}

/* Too few rows for a model are answered by their mean, or their only class. */
#define ROWS_MIN 20u

static void answer_constant(const tm_replay_stream *stream, const fit_rows *rows,
                            tm_replay_model *out) {
    double sum = 0.0;
    for (uint64_t i = 0; i < rows->n; i++) {
        sum += rows->y[i];
    }
    out->constant = rows->n == 0         ? tm__nan()
                    : stream->is_classes ? out->classes[(uint32_t)rows->y[rows->n - 1]]
                                         : sum / (double)rows->n;
}

tm_status tm__replay_fit(tm_ctx *ctx, const tm_replay_stream *stream,
                         const tm_replay_recipe *recipe, tm_replay_model *out, tm_err *err) {
    const uint64_t started = tm__mono_ns(), cpu_started = tm__cpu_ns();
    fit_rows rows = {0};
    memset(out, 0, sizeof(*out));
    tm_status st = rows_init(stream, recipe, &rows, err);
    if (st == TM_OK && stream->is_classes) {
        st = find_classes(stream, &rows, out, err);
    }
    if (st == TM_OK) {
        answer_constant(stream, &rows, out);
        if (rows.n >= ROWS_MIN && (!stream->is_classes || out->n_classes > 1)) {
            st = fit_model(ctx, stream, recipe, &rows, out, err);
        }
    }
    rows_done(&rows);
    out->seconds = (double)(tm__mono_ns() - started) * 1e-9;
    out->cpu_seconds = (double)(tm__cpu_ns() - cpu_started) * 1e-9;
    return st;
}

/* ---- several at once ---- */

#define MUCH_WORK (UINT64_C(1) << 21) /* from here on a fit gains from more threads than one */

typedef struct fit_job {
    tm_ctx ctx; /* of one thread */
    const tm_replay_stream *stream;
    const tm_replay_recipe *recipes;
    tm_replay_model *out;
    uint32_t order[TM_REPLAY_FITS_MAX]; /* most work first */
    tm_status statuses[TM_REPLAY_FITS_MAX];
    tm_err errs[TM_REPLAY_FITS_MAX];
} fit_job;

static void fit_one(void *arg, uint64_t item, uint32_t worker) {
    fit_job *const job = arg;
    const uint32_t i = job->order[item];
    tm_ctx ctx = job->ctx;
    (void)worker;
    job->statuses[i] =
        tm__replay_fit(&ctx, job->stream, &job->recipes[i], &job->out[i], &job->errs[i]);
}

static bool is_more(const tm_replay_recipe *a, const tm_replay_recipe *b) {
    return a->work != b->work ? a->work > b->work : a->end - a->begin > b->end - b->begin;
}

/* Places of the recipes, most work first. */
static void put_in_order(const tm_replay_recipe *recipes, uint32_t n, uint32_t *out) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i;
        for (; at > 0 && is_more(&recipes[i], &recipes[out[at - 1]]); at--) {
            out[at] = out[at - 1];
        }
        out[at] = i;
    }
}

/* How many of the first have all threads, one after the other. */
static uint32_t count_alone(const tm_replay_recipe *recipes, uint32_t n, const uint32_t *order) {
    uint64_t rest = 0;
    uint32_t n_alone = 0;
    for (uint32_t i = 0; i < n; i++) {
        rest += recipes[i].work;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t work = recipes[order[i]].work;
        rest -= work;
        if (work < MUCH_WORK || work < rest) {
            break;
        }
        n_alone++;
    }
    return n_alone;
}

/* A thread of its own takes no budget, checkpoint or progress of the others'. */
static tm_status fit_side_by_side(tm_ctx *ctx, fit_job *job, uint32_t n, tm_err *err) {
    job->ctx = (tm_ctx){.cancel = ctx->cancel, .memory_limit = ctx->memory_limit};
    tm__pool_run(ctx->pool, n, fit_one, job);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = job->order[i];
        if (job->statuses[at] != TM_OK) {
            if (err != NULL) {
                *err = job->errs[at];
            }
            return job->statuses[at];
        }
    }
    return TM_OK;
}

tm_status tm__replay_fit_all(tm_ctx *ctx, const tm_replay_stream *stream,
                             const tm_replay_recipe *recipes, uint32_t n, tm_replay_model *out,
                             tm_replay_seconds *seconds, tm_err *err) {
    const uint64_t started = tm__mono_ns(), cpu_started = tm__cpu_ns();
    tm_status st = TM_OK;
    TM_ASSERT(n <= TM_REPLAY_FITS_MAX);
    memset(out, 0, n * sizeof(*out));
    fit_job *const job = tm__mem_zalloc(1, sizeof(*job));
    if (job == NULL) {
        return no_memory(err);
    }
    *job = (fit_job){.stream = stream, .recipes = recipes, .out = out};
    put_in_order(recipes, n, job->order);
    const uint32_t n_alone = count_alone(recipes, n, job->order);
    for (uint32_t i = 0; st == TM_OK && i < n_alone; i++) {
        const uint32_t at = job->order[i];
        st = tm__replay_fit(ctx, stream, &recipes[at], &out[at], err);
    }
    if (st == TM_OK && n_alone < n) {
        memmove(job->order, job->order + n_alone, (n - n_alone) * sizeof(*job->order));
        st = fit_side_by_side(ctx, job, n - n_alone, err);
    }
    tm__mem_free(job);
    seconds->wall = (double)(tm__mono_ns() - started) * 1e-9;
    seconds->cpu = (double)(tm__cpu_ns() - cpu_started) * 1e-9;
    return st;
}

/* A row's answers of the model's classes as the stream's. */
static void spread_classes(const tm_replay_stream *stream, const tm_replay_model *model,
                           const double *raw, double *out) {
    memset(out, 0, stream->n_outputs * sizeof(*out));
    if (model->n_classes == 2) {
        out[model->classes[0]] = 1.0 - raw[0];
        out[model->classes[1]] = raw[0];
        return;
    }
    for (uint32_t c = 0; c < model->n_classes; c++) {
        out[model->classes[c]] = raw[c];
    }
}

static void answer_same(const tm_replay_stream *stream, const tm_replay_model *model, uint64_t n,
                        double *out) {
    memset(out, 0, n * stream->n_outputs * sizeof(*out));
    for (uint64_t i = 0; i < n; i++) {
        double *const row = out + i * stream->n_outputs;
        if (!stream->is_classes) {
            row[0] = model->constant == model->constant ? model->constant : 0.0;
        } else if (model->constant == model->constant) {
            row[(uint32_t)model->constant] = 1.0;
        }
    }
}

tm_status tm__replay_answer(tm_ctx *ctx, const tm_replay_stream *stream,
                            const tm_replay_model *model, uint64_t begin, uint64_t end, double *out,
                            tm_err *err) {
    const uint64_t n = end - begin;
    tm_matrix *x = NULL;
    if (model->model == NULL) {
        answer_same(stream, model, n, out);
        return TM_OK;
    }
    const uint32_t n_raw = model->model->n_outputs;
    double *const raw = tm__mem_alloc(n * n_raw, sizeof(*raw));
    tm_status st = raw != NULL ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st =
            tm__program_apply(ctx, model->program, stream->table, stream->rows + begin, n, &x, err);
    }
    if (st == TM_OK) {
        st = tm__model_predict(ctx, model->model, tm__matrix_view(x), raw, err);
    }
    if (st == TM_OK) {
        tm__model_link(tm__model_link_of(model->model), n_raw, n, raw);
        for (uint64_t i = 0; i < n; i++) {
            if (stream->is_classes) {
                spread_classes(stream, model, raw + i * n_raw, out + i * stream->n_outputs);
            } else {
                out[i] = raw[i];
            }
        }
    }
    tm__matrix_free(x);
    tm__mem_free(raw);
    return st;
}

void tm__replay_model_done(tm_replay_model *model) {
    tm__mem_free(model->classes);
    tm__program_free(model->program);
    tm__model_free(model->model);
    memset(model, 0, sizeof(*model));
}
