/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program over columns and over one row. Both call the same per-value code: `column` and
 * `cell` of a step's ops for what is not text, tm__text_read and tm__text_value for what is.
 *
 * Columns. Work is cut into (step, piece of rows) for the steps without text, then into pieces of
 * rows for the texts, where one reading of a text serves all its steps and its terms. Terms of a
 * piece are collected in a list of the piece, and joined in the order of the pieces, so that
 * threads cannot change anything.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/pool.h"
#include "feature/feature_priv.h"

#define PIECE_ROWS UINT64_C(32768)
#define TEXT_PIECE_ROWS UINT64_C(1024)

static bool is_text_step(const tm_step *step) {
    return tm__step_ops(step->kind)->reads_text;
}

uint32_t tm__program_terms_max(const tm_program *program) {
    uint32_t n_max = 0;
    for (uint32_t i = 0; i < program->n_texts; i++) {
        n_max = program->texts[i].n_terms > n_max ? program->texts[i].n_terms : n_max;
    }
    return n_max;
}

static tm_status feed_alloc(tm_feed *feed, tm_type type, uint64_t n_rows, tm_err *err) {
    tm_column *made = &feed->made;
    if (type == TM_TYPE_TEXT) {
        made->codes = tm__mem_alloc(n_rows, sizeof(uint32_t));
        feed->made_dict = tm__dict_create();
        made->dict = feed->made_dict;
    } else if (type == TM_TYPE_FLOAT) {
        made->floats = tm__mem_alloc(n_rows, sizeof(double));
    } else {
        made->ints = tm__mem_alloc(n_rows, sizeof(int64_t));
    }
    const bool ok = type == TM_TYPE_TEXT ? made->codes != NULL && made->dict != NULL
                                         : made->floats != NULL || made->ints != NULL;
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for column '%s'", made->name);
}

/* A column of whole numbers may have become one of fractions since the program was made: what
 * stands in a table was read as numbers on purpose, and is read as the nearest whole ones. */
static void take_nearest(const tm_schema_column *want, tm_cell *cell) {
    const double whole = floor(cell->f64 + 0.5);
    if (want->type == TM_TYPE_INT && cell->type == TM_TYPE_FLOAT && isfinite(whole)) {
        cell->f64 = whole;
    }
}

/* Fits every value of a column of another type, as a request's values are fitted. */
static tm_status feed_convert(tm_feed *feed, const tm_schema_column *want, const tm_column *have,
                              uint64_t n_rows, tm_err *err) {
    feed->made = (tm_column){.name = want->name, .type = want->type};
    TM_TRY(feed_alloc(feed, want->type, n_rows, err));
    int64_t *ints = (int64_t *)(uintptr_t)feed->made.ints;
    double *floats = (double *)(uintptr_t)feed->made.floats;
    uint32_t *codes = (uint32_t *)(uintptr_t)feed->made.codes;
    for (uint64_t row = 0; row < n_rows; row++) {
        char text[32];
        bool coerced = false;
        tm_cell cell = tm__column_cell(have, row);
        if (cell.type != TM_TYPE_NONE) {
            take_nearest(want, &cell);
            const tm_status status = tm__cell_fit(want, &cell, text, &coerced, err);
            if (status != TM_OK) {
                tm_err_at(err, NULL, row + 1, 0);
                return status;
            }
        }
        const bool is_missing = cell.type == TM_TYPE_NONE;
        if (ints != NULL) {
            ints[row] = is_missing ? TM_INT_MISSING : cell.i64;
        }
        if (floats != NULL) {
            floats[row] = is_missing ? (double)__builtin_nan("")
                                     : (cell.type == TM_TYPE_FLOAT ? cell.f64 : (double)cell.i64);
        }
        if (codes != NULL) {
            codes[row] = is_missing ? TM_CODE_MISSING : tm__dict_add(feed->made_dict, cell.text);
            if (!is_missing && codes[row] == TM_CODE_MISSING) {
                return TM_FAIL(err, TM_E_NOMEM, "out of memory for column '%s'", want->name);
            }
        }
    }
    feed->column = &feed->made;
    return TM_OK;
}

/* A column of the table that the program does not read and whose name is nearly this one; or NULL.
 */
static const char *nearest_unread(const tm_program *program, const tm_table *table,
                                  const char *name) {
    const char *names[TM_MAX_COLS];
    uint32_t n = 0;
    for (uint32_t c = 0; c < tm__table_cols(table); c++) {
        const char *const one = tm__table_column(table, c)->name;
        if (tm__schema_find(&program->schema, tm__str(one)) == UINT32_MAX) {
            names[n++] = one;
        }
    }
    return tm__str_nearest(tm__str(name), names, n);
}

static tm_status feed_open(const tm_program *program, const tm_table *table, uint32_t input,
                           tm_feed *feed, tm_err *err) {
    const tm_schema_column *want = &program->schema.cols[input];
    const uint32_t col = tm__table_find(table, want->name);
    if (col == UINT32_MAX) {
        if (want->is_nullable) {
            return TM_OK;
        }
        const tm_status status = TM_FAIL(err, TM_E_DATA, "column '%s' is missing", want->name);
        const char *const near = nearest_unread(program, table, want->name);
        if (near != NULL) {
            tm_err_hint(err, "Rename '%s' if it is meant; each training row had a value.", near);
        } else {
            tm_err_hint(err, "Give the column, it had a value in every training row.");
        }
        return status;
    }
    const tm_column *have = tm__table_column(table, col);
    if (have->type == want->type) {
        feed->column = have;
    } else if (have->n_missing < tm__table_rows(table)) {
        return feed_convert(feed, want, have, tm__table_rows(table), err);
    }
    return TM_OK;
}

/* Columns of the sources that steps use; [sources]. rows: those that are looked at. */
static tm_status open_feeds(tm_ctx *ctx, const tm_program *program, const tm_table *table,
                            const tm_rows *rows, tm_feed **out, tm_err *err) {
    const uint32_t n = tm__program_sources(program);
    tm_feed *feeds = tm__mem_zalloc(n, sizeof(tm_feed));
    uint8_t *is_used = tm__program_used(program);
    tm_status status = TM_OK;
    if (feeds == NULL || is_used == NULL) {
        status = TM_FAIL(err, TM_E_NOMEM, "out of memory for features");
    }
    for (uint32_t i = 0; i < program->schema.n_cols && status == TM_OK; i++) {
        status = is_used[i] ? feed_open(program, table, i, &feeds[i], err) : TM_OK;
    }
    if (status == TM_OK) {
        status = tm__feeds_make(ctx, program, rows, is_used, feeds, err);
    }
    tm__mem_free(is_used);
    if (status != TM_OK) {
        tm__feeds_close(feeds, n);
        return status;
    }
    *out = feeds;
    return TM_OK;
}

void tm__feeds_close(tm_feed *feeds, uint32_t n_sources) {
    for (uint32_t i = 0; feeds != NULL && i < n_sources; i++) {
        tm__mem_free((void *)(uintptr_t)feeds[i].made.ints);
        tm__mem_free((void *)(uintptr_t)feeds[i].made.floats);
        tm__mem_free((void *)(uintptr_t)feeds[i].made.codes);
        tm__dict_free(feeds[i].made_dict);
    }
    tm__mem_free(feeds);
}

/* One application of a program to columns. */
typedef struct apply_job {
    tm_ctx *ctx;
    const tm_program *program;
    const tm_feed *feeds;
    uint32_t **maps;      /* [n_tables] level of each code */
    uint32_t *steps;      /* [n_steps_plain] those without text */
    const uint32_t *rows; /* NULL: all */
    uint64_t n_rows;
    uint64_t n_pieces;
    tm_matrix *matrix;
    tm_text_scratch *scratches; /* [threads] */
    tm_buf *terms;              /* [n_text_pieces] u32 terms */
    tm_buf *values;             /* [n_text_pieces] f32 weights */
    uint32_t *row_terms;        /* [n_rows] number of terms */
} apply_job;

static void apply_piece(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    const apply_job *job = arg;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    const uint32_t s = job->steps[item / job->n_pieces];
    const tm_step *step = &job->program->steps[s];
    const uint64_t row = (item % job->n_pieces) * PIECE_ROWS;
    const tm_piece piece = {
        .column = job->feeds[step->source].column,
        .level_map = tm__step_ops(step->kind)->has_levels ? job->maps[step->from] : NULL,
        .rows = job->rows,
        .row = row,
        .row_end = row + PIECE_ROWS < job->n_rows ? row + PIECE_ROWS : job->n_rows,
    };
    tm__step_column(job->program, step, &piece, job->matrix->cols[s]);
}

/* Reads one text of a row: its steps, and its terms at the end of the piece's lists. */
static void apply_text(apply_job *job, uint32_t t, uint64_t i, uint64_t piece,
                       tm_text_scratch *scratch) {
    const tm_program *program = job->program;
    const tm_text *text = &program->texts[t];
    const tm_column *column = job->feeds[text->input].column;
    const uint64_t row = job->rows == NULL ? i : job->rows[i];
    tm_str value = {NULL, 0};
    const bool is_missing = column == NULL || column->codes[row] == TM_CODE_MISSING;
    if (!is_missing) {
        value = tm__dict_get(column->dict, column->codes[row]);
    }
    tm__text_read(scratch, text, is_missing ? NULL : &value);
    for (uint32_t s = 0; s < program->n_steps; s++) {
        if (is_text_step(&program->steps[s]) && program->steps[s].from == t) {
            job->matrix->cols[s][i] = tm__text_value(scratch, text, &program->steps[s]);
        }
    }
    const uint32_t n = scratch->n_touched;
    uint8_t *terms = tm__buf_reserve(&job->terms[piece], n * sizeof(uint32_t));
    uint8_t *values = tm__buf_reserve(&job->values[piece], n * sizeof(float));
    if (terms == NULL || values == NULL) {
        return; /* the buffer remembers */
    }
    tm__text_weights(scratch, text, (uint32_t *)(void *)terms, (float *)(void *)values);
    job->terms[piece].len += n * sizeof(uint32_t);
    job->values[piece].len += n * sizeof(float);
    job->row_terms[i] += n;
}

static void apply_text_piece(void *arg, uint64_t item, uint32_t worker) {
    apply_job *job = arg;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    const uint64_t row = item * TEXT_PIECE_ROWS;
    const uint64_t end = row + TEXT_PIECE_ROWS < job->n_rows ? row + TEXT_PIECE_ROWS : job->n_rows;
    for (uint64_t i = row; i < end; i++) {
        job->row_terms[i] = 0;
        for (uint32_t t = 0; t < job->program->n_texts; t++) {
            apply_text(job, t, i, item, &job->scratches[worker]);
        }
    }
}

/* Joins the lists of the pieces to one sparse matrix. */
static tm_status join_terms(apply_job *job, uint64_t n_pieces, tm_err *err) {
    tm_matrix *matrix = job->matrix;
    uint64_t n = 0;
    for (uint64_t p = 0; p < n_pieces; p++) {
        if (job->terms[p].failed || job->values[p].failed) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
        }
        n += job->terms[p].len / sizeof(uint32_t);
    }
    matrix->starts = tm__mem_alloc(job->n_rows + 1, sizeof(uint64_t));
    matrix->terms = tm__mem_alloc(n, sizeof(uint32_t));
    matrix->values = tm__mem_alloc(n, sizeof(float));
    if (matrix->starts == NULL || matrix->terms == NULL || matrix->values == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
    }
    uint64_t at = 0;
    for (uint64_t p = 0; p < n_pieces; p++) {
        const size_t len = job->terms[p].len;
        if (len > 0) {
            memcpy(matrix->terms + at, job->terms[p].data, len);
            memcpy(matrix->values + at, job->values[p].data, len);
        }
        at += len / sizeof(uint32_t);
        tm__buf_done(&job->terms[p]);
        tm__buf_done(&job->values[p]);
    }
    matrix->starts[0] = 0;
    for (uint64_t i = 0; i < job->n_rows; i++) {
        matrix->starts[i + 1] = matrix->starts[i] + job->row_terms[i];
    }
    matrix->sparse = (tm_sparse){.n_terms = job->program->n_terms,
                                 .starts = matrix->starts,
                                 .terms = matrix->terms,
                                 .values = matrix->values};
    matrix->view.sparse = job->program->n_terms > 0 ? &matrix->sparse : NULL;
    return TM_OK;
}

static tm_status apply_texts(apply_job *job, tm_err *err) {
    struct tm_pool *pool = job->ctx == NULL ? NULL : job->ctx->pool;
    const uint32_t n_threads = tm__pool_threads(pool);
    const uint64_t n_pieces = (job->n_rows + TEXT_PIECE_ROWS - 1) / TEXT_PIECE_ROWS;
    const uint32_t n_terms_max = tm__program_terms_max(job->program);
    tm_status status = TM_OK;
    job->scratches = tm__mem_zalloc(n_threads, sizeof(tm_text_scratch));
    job->terms = tm__mem_zalloc(n_pieces, sizeof(tm_buf));
    job->values = tm__mem_zalloc(n_pieces, sizeof(tm_buf));
    job->row_terms = tm__mem_zalloc(job->n_rows, sizeof(uint32_t));
    if (job->scratches == NULL || job->terms == NULL || job->values == NULL ||
        job->row_terms == NULL) {
        status = TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
        goto out;
    }
    for (uint64_t p = 0; p < n_pieces; p++) {
        tm__buf_init(&job->terms[p], SIZE_MAX / 4);
        tm__buf_init(&job->values[p], SIZE_MAX / 4);
    }
    for (uint32_t i = 0; i < n_threads; i++) {
        status = tm__text_scratch_init(&job->scratches[i], n_terms_max, err);
        if (status != TM_OK) {
            goto out;
        }
    }
    tm__pool_run(pool, n_pieces, apply_text_piece, job);
    status = join_terms(job, n_pieces, err);
out:
    for (uint32_t i = 0; job->scratches != NULL && i < n_threads; i++) {
        tm__text_scratch_done(&job->scratches[i]);
    }
    for (uint64_t p = 0; job->terms != NULL && p < n_pieces; p++) {
        tm__buf_done(&job->terms[p]);
    }
    for (uint64_t p = 0; job->values != NULL && p < n_pieces; p++) {
        tm__buf_done(&job->values[p]);
    }
    tm__mem_free(job->scratches);
    tm__mem_free(job->terms);
    tm__mem_free(job->values);
    tm__mem_free(job->row_terms);
    return status;
}

static tm_status apply_plain(apply_job *job, tm_err *err) {
    const tm_program *program = job->program;
    struct tm_pool *pool = job->ctx == NULL ? NULL : job->ctx->pool;
    for (uint32_t t = 0; t < program->n_tables; t++) {
        const tm_column *column = job->feeds[program->tables[t].input].column;
        if (column == NULL) {
            continue;
        }
        job->maps[t] = tm__mem_alloc(tm__dict_count(column->dict), sizeof(uint32_t));
        if (job->maps[t] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
        }
        tm__levels_map(job->ctx, &program->tables[t], column->dict, job->maps[t]);
    }
    uint64_t n_plain = 0;
    for (uint32_t s = 0; s < program->n_steps; s++) {
        if (!is_text_step(&program->steps[s])) {
            job->steps[n_plain++] = s;
        }
    }
    job->n_pieces = (job->n_rows + PIECE_ROWS - 1) / PIECE_ROWS;
    tm__pool_run(pool, n_plain * job->n_pieces, apply_piece, job);
    return TM_OK;
}

tm_status tm__program_apply(tm_ctx *ctx, const tm_program *program, const tm_table *table,
                            const uint32_t *rows, uint64_t n_rows, tm_matrix **out, tm_err *err) {
    tm_feed *feeds = NULL;
    apply_job job = {.ctx = ctx, .program = program, .rows = rows};
    job.n_rows = rows == NULL ? tm__table_rows(table) : n_rows;
    const tm_rows wanted = {.at = rows, .n = job.n_rows, .n_table = tm__table_rows(table)};
    TM_TRY(open_feeds(ctx, program, table, &wanted, &feeds, err));
    tm_status status = TM_OK;
    job.feeds = feeds;
    job.maps = tm__mem_zalloc(program->n_tables, sizeof(uint32_t *));
    job.steps = tm__mem_alloc(program->n_steps, sizeof(uint32_t));
    job.matrix = tm__matrix_create(program, job.n_rows);
    if (job.maps == NULL || job.steps == NULL || job.matrix == NULL) {
        status = TM_FAIL(err, TM_E_NOMEM, "out of memory for features");
        goto out;
    }
    status = apply_plain(&job, err);
    if (status == TM_OK && program->n_texts > 0) {
        status = apply_texts(&job, err);
    }
    if (status == TM_OK && tm__ctx_cancelled(ctx)) {
        status = TM_FAIL(err, TM_E_CANCELLED, "cancelled");
    }
    if (status == TM_OK) {
        *out = job.matrix;
        job.matrix = NULL;
    }
out:
    for (uint32_t t = 0; job.maps != NULL && t < program->n_tables; t++) {
        tm__mem_free(job.maps[t]);
    }
    tm__mem_free(job.maps);
    tm__mem_free(job.steps);
    tm__matrix_free(job.matrix);
    tm__feeds_close(feeds, tm__program_sources(program));
    return status;
}
