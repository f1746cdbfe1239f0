/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that expressions make. Sources of a program are its inputs, then its made columns in the
 * order of the program: each reads sources before it. Steps, level tables and texts read a source,
 * and do not know which of the two it is.
 *
 *   source  0 .. n-1        n .. n+m-1
 *           inputs [n] ──>  made [m], each from sources before it
 *
 * Over columns, a piece of rows is evaluated at a time; a piece of texts has a dictionary of its
 * own, and those are joined in the order of the pieces, so that threads change nothing. What is not
 * among the rows asked for is not written, and never read.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "feature/feature_priv.h"

#define PIECE_ROWS UINT64_C(32768)

uint32_t tm__program_sources(const tm_program *program) {
    return program->schema.n_cols + program->n_made;
}

static const tm_made *made_of(const tm_program *program, uint32_t source) {
    return source < program->schema.n_cols ? NULL : &program->made[source - program->schema.n_cols];
}

const char *tm__source_name(const tm_program *program, uint32_t source) {
    const tm_made *made = made_of(program, source);
    return made == NULL ? program->schema.cols[source].name : made->name;
}

tm_type tm__source_type(const tm_program *program, uint32_t source) {
    const tm_made *made = made_of(program, source);
    return made == NULL ? program->schema.cols[source].type : tm__expr_column_type(made->expr.type);
}

uint32_t tm__source_root(const tm_program *program, uint32_t source) {
    const tm_made *made = made_of(program, source);
    return made == NULL ? source : made->root;
}

void tm__made_done(tm_made *made) {
    tm__mem_free(made->name);
    tm__mem_free(made->words);
    tm__expr_done(&made->expr);
    memset(made, 0, sizeof(*made));
}

/* Marks what marked made columns read, the last first. */
void tm__program_mark(const tm_program *program, uint8_t *is_used) {
    for (uint32_t m = program->n_made; m-- > 0;) {
        const tm_expr *expr = &program->made[m].expr;
        for (uint32_t i = 0; is_used[program->schema.n_cols + m] && i < expr->n_reads; i++) {
            is_used[expr->reads[i]] = 1;
        }
    }
}

uint8_t *tm__program_used(const tm_program *program) {
    uint8_t *is_used = tm__mem_zalloc(tm__program_sources(program), 1);
    for (uint32_t i = 0; is_used != NULL && i < program->n_steps; i++) {
        is_used[program->steps[i].source] = 1;
    }
    for (uint32_t i = 0; is_used != NULL && i < program->n_texts; i++) {
        is_used[program->texts[i].input] = 1;
    }
    if (is_used != NULL) {
        tm__program_mark(program, is_used);
    }
    return is_used;
}

bool tm__program_reads(const tm_program *program, uint32_t input) {
    bool is_read = false;
    for (uint32_t i = 0; i < program->n_steps && !is_read; i++) {
        is_read = program->steps[i].source == input;
    }
    for (uint32_t i = 0; i < program->n_texts && !is_read; i++) {
        is_read = program->texts[i].input == input;
    }
    for (uint32_t m = 0; m < program->n_made && !is_read; m++) {
        for (uint32_t i = 0; i < program->made[m].expr.n_reads && !is_read; i++) {
            is_read = program->made[m].expr.reads[i] == input;
        }
    }
    return is_read;
}

/* ---- Values ---- */

static tm_expr_value of_int(int64_t value) {
    return (tm_expr_value){.number = value == TM_INT_MISSING ? tm__nan() : (double)value};
}

static tm_expr_value of_text(tm_str text) { /* an empty one is there */
    return (tm_expr_value){.text = {text.ptr == NULL ? "" : text.ptr, text.len}};
}

static tm_expr_value no_value(tm_expr_type type) {
    return type == TM_EXPR_TEXT   ? (tm_expr_value){.text = {NULL, 0}}
           : type == TM_EXPR_TIME ? (tm_expr_value){.us = TM_INT_MISSING}
                                  : (tm_expr_value){.number = tm__nan()};
}

static tm_expr_value column_value(const tm_column *column, tm_expr_type type, uint64_t row) {
    if (column == NULL) {
        return no_value(type);
    }
    if (type == TM_EXPR_TEXT) {
        const uint32_t code = column->codes[row];
        return code == TM_CODE_MISSING ? no_value(type) : of_text(tm__dict_get(column->dict, code));
    }
    if (type == TM_EXPR_TIME) {
        return (tm_expr_value){.us = column->ints[row]};
    }
    return column->floats != NULL ? tm__expr_number(column->floats[row])
                                  : of_int(column->ints[row]);
}

static tm_expr_value cell_value(const tm_cell *cell, tm_expr_type type) {
    if (cell->type == TM_TYPE_NONE) {
        return no_value(type);
    }
    if (type == TM_EXPR_TEXT) {
        return of_text(cell->text);
    }
    if (type == TM_EXPR_TIME) {
        return (tm_expr_value){.us = cell->i64};
    }
    return cell->type == TM_TYPE_FLOAT ? tm__expr_number(cell->f64) : of_int(cell->i64);
}

/* ---- Columns ---- */

typedef struct made_job {
    tm_ctx *ctx;
    const tm_program *program;
    const tm_feed *feeds;
    const tm_made *made;
    const uint32_t *rows; /* NULL: all */
    uint64_t n_rows;
    double *floats;
    int64_t *ints;
    uint32_t *codes;   /* of the table's rows */
    uint32_t *locals;  /* [n_rows] codes of the piece's own dictionary */
    tm_dict **dicts;   /* [pieces] */
    uint8_t *is_short; /* [pieces] of memory */
} made_job;

static void store(const made_job *job, uint64_t piece, uint64_t i, tm_expr_value value) {
    const uint64_t row = job->rows == NULL ? i : job->rows[i];
    if (job->floats != NULL) {
        job->floats[row] = value.number;
    } else if (job->ints != NULL) {
        job->ints[row] = value.us;
    } else if (value.text.ptr == NULL) {
        job->locals[i] = TM_CODE_MISSING;
    } else {
        job->locals[i] = tm__dict_add(job->dicts[piece], value.text);
        job->is_short[piece] |= job->locals[i] == TM_CODE_MISSING;
    }
}

static void make_piece(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    made_job *const job = arg;
    const tm_expr *const expr = &job->made->expr;
    tm_expr_value reads[TM_EXPR_READS_MAX];
    tm_expr_type types[TM_EXPR_READS_MAX];
    tm_expr_scratch scratch;
    const uint64_t from = item * PIECE_ROWS;
    const uint64_t end = from + PIECE_ROWS < job->n_rows ? from + PIECE_ROWS : job->n_rows;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    for (uint32_t r = 0; r < expr->n_reads; r++) {
        types[r] = tm__expr_type_of(tm__source_type(job->program, expr->reads[r]));
    }
    if (job->dicts != NULL) {
        job->dicts[item] = tm__dict_create();
        job->is_short[item] = job->dicts[item] == NULL;
    }
    for (uint64_t i = from; i < end && (job->dicts == NULL || !job->is_short[item]); i++) {
        const uint64_t row = job->rows == NULL ? i : job->rows[i];
        for (uint32_t r = 0; r < expr->n_reads; r++) {
            reads[r] = column_value(job->feeds[expr->reads[r]].column, types[r], row);
        }
        store(job, item, i, tm__expr_eval(expr, reads, &scratch));
    }
}

/* Codes of the pieces to codes of one dictionary. */
static bool join_pieces(made_job *job, tm_dict *dict, uint64_t n_pieces) {
    bool ok = true;
    for (uint64_t p = 0; p < n_pieces && ok; p++) {
        const uint64_t from = p * PIECE_ROWS;
        const uint64_t end = from + PIECE_ROWS < job->n_rows ? from + PIECE_ROWS : job->n_rows;
        const uint32_t n = job->dicts[p] == NULL ? 0 : tm__dict_count(job->dicts[p]);
        uint32_t *map = tm__mem_alloc((size_t)n + 1, sizeof(uint32_t));
        ok = map != NULL && !job->is_short[p];
        for (uint32_t c = 0; c < n && ok; c++) {
            map[c] = tm__dict_add(dict, tm__dict_get(job->dicts[p], c));
            ok = map[c] != TM_CODE_MISSING;
        }
        for (uint64_t i = from; i < end && ok; i++) {
            const uint32_t local = job->locals[i];
            job->codes[job->rows == NULL ? i : job->rows[i]] =
                local == TM_CODE_MISSING ? TM_CODE_MISSING : map[local];
        }
        tm__mem_free(map);
        tm__dict_free(job->dicts[p]);
        job->dicts[p] = NULL;
    }
    return ok;
}

static bool job_alloc(made_job *job, tm_feed *feed, uint64_t n_table_rows, uint64_t n_pieces) {
    tm_column *const column = &feed->made;
    if (column->type == TM_TYPE_FLOAT) {
        column->floats = job->floats = tm__mem_alloc(n_table_rows + 1, sizeof(double));
        return job->floats != NULL;
    }
    if (column->type == TM_TYPE_TIME) {
        column->ints = job->ints = tm__mem_alloc(n_table_rows + 1, sizeof(int64_t));
        return job->ints != NULL;
    }
    column->codes = job->codes = tm__mem_alloc(n_table_rows + 1, sizeof(uint32_t));
    column->dict = feed->made_dict = tm__dict_create();
    job->locals = tm__mem_alloc(job->n_rows + 1, sizeof(uint32_t));
    job->dicts = tm__mem_zalloc(n_pieces + 1, sizeof(*job->dicts));
    job->is_short = tm__mem_zalloc(n_pieces + 1, 1);
    return job->codes != NULL && column->dict != NULL && job->locals != NULL &&
           job->dicts != NULL && job->is_short != NULL;
}

static tm_status make_column(made_job *job, tm_feed *feed, uint64_t n_table_rows, tm_err *err) {
    const uint64_t n_pieces = (job->n_rows + PIECE_ROWS - 1) / PIECE_ROWS;
    feed->made =
        (tm_column){.name = job->made->name, .type = tm__expr_column_type(job->made->expr.type)};
    bool ok = job_alloc(job, feed, n_table_rows, n_pieces);
    if (ok) {
        tm__pool_run(job->ctx == NULL ? NULL : job->ctx->pool, n_pieces, make_piece, job);
    }
    if (ok && tm__ctx_cancelled(job->ctx)) {
        ok = true; /* what was not made is not looked at any more */
    } else if (ok && job->dicts != NULL) {
        ok = join_pieces(job, feed->made_dict, n_pieces);
    }
    for (uint64_t p = 0; job->dicts != NULL && p < n_pieces; p++) {
        tm__dict_free(job->dicts[p]);
    }
    tm__mem_free((void *)job->dicts);
    tm__mem_free(job->locals);
    tm__mem_free(job->is_short);
    feed->column = &feed->made;
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the feature '%s'", job->made->name);
}

tm_status tm__feed_make(tm_ctx *ctx, const tm_program *program, const tm_rows *rows,
                        const tm_made *made, const tm_feed *feeds, tm_feed *out, tm_err *err) {
    made_job job = {.ctx = ctx,
                    .program = program,
                    .feeds = feeds,
                    .made = made,
                    .rows = rows->at,
                    .n_rows = rows->n};
    TM_TRY(make_column(&job, out, rows->n_table, err));
    return tm__ctx_cancelled(ctx) ? TM_FAIL(err, TM_E_CANCELLED, "cancelled") : TM_OK;
}

tm_status tm__feeds_make(tm_ctx *ctx, const tm_program *program, const tm_rows *rows,
                         const uint8_t *is_used, tm_feed *feeds, tm_err *err) {
    for (uint32_t m = 0; m < program->n_made; m++) {
        const uint32_t source = program->schema.n_cols + m;
        if (is_used[source]) {
            TM_TRY(
                tm__feed_make(ctx, program, rows, &program->made[m], feeds, &feeds[source], err));
        }
    }
    return TM_OK;
}

/* ---- One row ---- */

struct tm_made_row {
    uint8_t *is_used;         /* [sources] */
    tm_cell *cells;           /* [n_made] */
    tm_expr_scratch *scratch; /* [n_made] a text lives here until the next row */
};

tm_made_row *tm__made_row_create(const tm_program *program) {
    tm_made_row *row = tm__mem_zalloc(1, sizeof(*row));
    if (row == NULL) {
        return NULL;
    }
    row->is_used = tm__program_used(program);
    row->cells = tm__mem_zalloc((size_t)program->n_made + 1, sizeof(tm_cell));
    row->scratch = tm__mem_zalloc((size_t)program->n_made + 1, sizeof(tm_expr_scratch));
    if (row->is_used == NULL || row->cells == NULL || row->scratch == NULL) {
        tm__made_row_free(row);
        return NULL;
    }
    return row;
}

void tm__made_row_free(tm_made_row *row) {
    if (row != NULL) {
        tm__mem_free(row->is_used);
        tm__mem_free(row->cells);
        tm__mem_free(row->scratch);
        tm__mem_free(row);
    }
}

const tm_cell *tm__source_cell(const tm_program *program, const tm_made_row *row,
                               const tm_cell *cells, uint32_t source) {
    const uint32_t n = program->schema.n_cols;
    return source < n ? &cells[source] : &row->cells[source - n];
}

static tm_cell to_cell(tm_expr_type type, tm_expr_value value) {
    if (type == TM_EXPR_TEXT) {
        return (tm_cell){.type = value.text.ptr == NULL ? TM_TYPE_NONE : TM_TYPE_TEXT,
                         .text = value.text};
    }
    if (type == TM_EXPR_TIME) {
        return (tm_cell){.type = value.us == TM_INT_MISSING ? TM_TYPE_NONE : TM_TYPE_TIME,
                         .i64 = value.us};
    }
    return (tm_cell){.type = isnan(value.number) ? TM_TYPE_NONE : TM_TYPE_FLOAT,
                     .f64 = value.number};
}

void tm__made_row_fill(const tm_program *program, tm_made_row *row, const tm_cell *cells) {
    tm_expr_value reads[TM_EXPR_READS_MAX];
    for (uint32_t m = 0; m < program->n_made; m++) {
        const tm_expr *const expr = &program->made[m].expr;
        if (!row->is_used[program->schema.n_cols + m]) {
            continue;
        }
        for (uint32_t r = 0; r < expr->n_reads; r++) {
            const uint32_t source = expr->reads[r];
            reads[r] = cell_value(tm__source_cell(program, row, cells, source),
                                  tm__expr_type_of(tm__source_type(program, source)));
        }
        row->cells[m] = to_cell(expr->type, tm__expr_eval(expr, reads, &row->scratch[m]));
    }
}
