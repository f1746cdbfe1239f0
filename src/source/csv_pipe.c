/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV files in parts: a part is whole records, uncut, of one file; its thread cuts them, reads
 * their columns and does the sink's work (parts.c has the order).
 *
 * Types are settled before a part is read (a first pass learns them where the schema does not give
 * them), so no value depends on where parts were cut.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"
#include "source/parts.h"

#define PART_BYTES (1u << 20)

/* What one thread works with. */
typedef struct hand {
    tm_csv_scanner *part;
    tm_csv_column *cols; /* [n_cols] names and types of the reader's */
    tm_csv_block block;
    const uint32_t *raw; /* [n_raw] columns */
    bool is_first;       /* part of its file */
    uint64_t number;
} hand;

typedef struct pipe {
    tm_csv_reader *r;
    const tm_source_sink *sink; /* NULL: columns learn */
    hand *hands;                /* [n_threads] */
    uint32_t n_threads;
    size_t part_bytes;
    uint32_t n_raw;
    uint32_t *raw;          /* [n_raw] columns */
    const char **raw_names; /* [n_raw] */
    bool is_first;          /* no part of the file was taken yet */
    uint64_t n_taken;
} pipe;

/* --- work --- */

tm_str tm__source_part_raw(const tm_source_part *part, uint32_t raw, uint64_t row) {
    hand *const h = part->raw_from;
    return tm__csv_column_text(&h->cols[h->raw[raw]], &h->block, h->block.record + row);
}

static tm_status work(pipe *p, hand *h, uint32_t worker, tm_buf *out, tm_err *err) {
    tm_source_part part = {.n_rows = h->block.record_end - h->block.record,
                           .number = h->number,
                           .n_raw = p->n_raw,
                           .raw_names = p->raw_names,
                           .raw_from = h};
    TM_TRY(tm__csv_table(h->cols, p->r->n_cols, part.n_rows, &part.table, err));
    tm_status st = p->sink->work(p->sink->arg, &part, worker, out, err);
    if (st != TM_OK && err->data_row > 0) { /* of the part: its line says more */
        const uint64_t record = h->block.record + err->data_row - 1;
        const tm_csv_field field = h->block.fields[record * h->block.n_cols];
        tm_err_at(err, p->r->path, tm__csv_line(h->part, field), 0);
    }
    if (st == TM_OK) {
        st = tm__csv_columns_check(h->cols, &h->block, p->r->path, err); /* memory of raw texts */
    }
    tm__table_unref(part.table);
    return st;
}

/* From bytes to the sink's result. */
static tm_status run_part(void *arg, uint32_t worker, tm_buf *out, uint64_t *out_rows,
                          tm_err *err) {
    pipe *const p = arg;
    hand *const h = &p->hands[worker];
    uint64_t n_records = 0;
    TM_TRY(tm__csv_cut(h->part, &n_records, err));
    h->block.scanner = h->part;
    h->block.path = p->r->path;
    h->block.fields = tm__csv_fields(h->part);
    h->block.n_cols = p->r->n_cols;
    h->block.record = h->is_first && p->r->has_header && n_records > 0 ? 1 : 0;
    h->block.record_end = n_records;
    h->block.is_learning_only = p->sink == NULL;
    *out_rows = n_records - h->block.record;
    if (*out_rows == 0) {
        return TM_OK;
    }
    for (uint32_t col = 0; col < p->r->n_cols; col++) {
        tm__csv_column_block(&h->cols[col], &h->block);
    }
    TM_TRY(tm__csv_columns_check(h->cols, &h->block, p->r->path, err));
    return p->sink == NULL ? TM_OK : work(p, h, worker, out, err);
}

/* --- order --- */

static tm_status take_part(void *arg, uint32_t worker, bool *out_more, uint64_t *out_pos,
                           tm_err *err) {
    pipe *const p = arg;
    hand *const h = &p->hands[worker];
    TM_TRY(tm__csv_hand(p->r->scanner, h->part, out_more, err));
    *out_pos = tm__csv_pos(p->r->scanner);
    h->is_first = p->is_first;
    p->is_first = false;
    h->number = p->n_taken++;
    return TM_OK;
}

static tm_status check_rows(pipe *p, uint64_t n_rows, tm_err *err) {
    const tm_source_spec *const spec = p->r->spec;
    const uint64_t most = spec->n_rows_max == 0 ? TM_MAX_ROWS : spec->n_rows_max;
    p->r->n_rows += n_rows;
    if (p->r->n_rows > most) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %llu rows", (unsigned long long)most);
        tm_err_hint(err, "Select fewer rows with --sql.");
        tm_err_at(err, p->r->path, 0, 0);
        return TM_E_LIMIT;
    }
    return TM_OK;
}

static tm_status write_part(void *arg, const tm_buf *out, uint64_t n_rows, uint64_t pos,
                            tm_err *err) {
    pipe *const p = arg;
    char note[48];
    TM_TRY(check_rows(p, n_rows, err));
    if (p->sink != NULL && n_rows > 0) {
        TM_TRY(p->sink->write(p->sink->arg, out, n_rows, err));
    }
    (void)snprintf(note, sizeof(note), "%llu rows", (unsigned long long)p->r->n_rows);
    tm__ctx_progress(p->r->ctx, p->sink != NULL ? p->sink->stage : "types", p->r->bytes_done + pos,
                     p->r->bytes, note);
    return TM_OK;
}

/* --- files --- */

static tm_status run_file(pipe *p, uint32_t number, tm_err *err) {
    tm_csv_reader *const r = p->r;
    uint64_t n_records = 0;
    TM_TRY(tm__csv_reader_open(r, number, &n_records, err));
    tm__csv_rewind(r->scanner);
    for (uint32_t i = 0; i < p->n_threads; i++) {
        hand *const h = &p->hands[i];
        tm__csv_close(h->part);
        h->part = tm__csv_part_create(r->scanner, p->part_bytes);
        if (h->part == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", r->path);
        }
        for (uint32_t col = 0; col < r->n_cols; col++) {
            h->cols[col].field = r->cols[col].field;
        }
    }
    p->is_first = true;
    const tm_parts parts = {.take = take_part, .work = run_part, .write = write_part, .arg = p};
    return tm__parts_run(r->ctx, &parts, err);
}

static tm_status run_files(pipe *p, tm_err *err) {
    p->r->n_rows = 0;
    p->r->bytes_done = 0;
    for (uint32_t number = 0; number < p->r->n_paths; number++) {
        const tm_status st = run_file(p, number, err);
        tm__csv_reader_close(p->r);
        TM_TRY(st);
    }
    return p->r->spec->skips_bad ? TM_OK : tm__csv_reader_check(p->r, err);
}

/* --- passes --- */

static void pipe_done(pipe *p) {
    for (uint32_t i = 0; p->hands != NULL && i < p->n_threads; i++) {
        hand *const h = &p->hands[i];
        tm__csv_close(h->part);
        for (uint32_t col = 0; h->cols != NULL && col < p->r->n_cols; col++) {
            h->cols[col].name = NULL; /* the reader's */
            tm__csv_column_done(&h->cols[col]);
        }
        tm__mem_free(h->cols);
    }
    tm__mem_free(p->hands);
    tm__mem_free(p->raw);
    tm__mem_free(p->raw_names);
}

static bool init_hands(pipe *p) {
    const tm_csv_reader *const r = p->r;
    for (uint32_t i = 0; i < p->n_threads; i++) {
        hand *const h = &p->hands[i];
        h->raw = p->raw;
        h->cols = tm__mem_zalloc(r->n_cols, sizeof(*h->cols));
        if (h->cols == NULL) {
            return false;
        }
        for (uint32_t col = 0; col < r->n_cols; col++) {
            h->cols[col] = r->cols[col];
        }
    }
    return true;
}

/* The columns of the reader have neither values nor room of their own yet. */
static tm_status pipe_init(pipe *p, tm_csv_reader *r, const tm_source_sink *sink, tm_err *err) {
    *p = (pipe){.r = r, .sink = sink, .n_threads = tm__pool_threads(r->ctx->pool)};
    p->part_bytes = r->spec->block_bytes == 0 ? PART_BYTES : r->spec->block_bytes;
    p->hands = tm__mem_zalloc(p->n_threads, sizeof(*p->hands));
    p->raw = tm__mem_alloc(r->n_cols, sizeof(*p->raw));
    p->raw_names = tm__mem_alloc(r->n_cols, sizeof(*p->raw_names));
    if (p->hands == NULL || p->raw == NULL || p->raw_names == NULL || !init_hands(p)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", r->paths[0]);
    }
    for (uint32_t col = 0; col < r->n_cols; col++) {
        if (r->cols[col].is_raw) {
            p->raw_names[p->n_raw] = r->cols[col].name;
            p->raw[p->n_raw++] = col;
        }
    }
    return TM_OK;
}

/* The earlier place of a number that is too large. Where dates change their order no thread knows:
 * each saw some of the rows. */
static void take_odd(const tm_csv_reader *r, tm_csv_column *to, const tm_csv_column *from) {
    if ((from->kinds & TM_CAN_HUGE) == 0) {
        return;
    }
    for (uint32_t i = 0; i < r->n_paths; i++) {
        const bool is_from = from->odd_path == r->paths[i], is_to = to->odd_path == r->paths[i];
        if (is_from && (!is_to || from->odd_line < to->odd_line)) {
            to->odd_path = from->odd_path;
            to->odd_line = from->odd_line;
        }
        if (is_from || is_to) {
            return;
        }
    }
}

/* One pass; a pass that learns adds what its threads saw to the reader's columns. */
static tm_status run_pass(tm_csv_reader *r, const tm_source_sink *sink, tm_err *err) {
    pipe p;
    tm_status st = pipe_init(&p, r, sink, err);
    if (st == TM_OK) {
        st = run_files(&p, err);
    }
    for (uint32_t i = 0; st == TM_OK && sink == NULL && i < p.n_threads; i++) {
        for (uint32_t col = 0; col < r->n_cols; col++) {
            r->cols[col].kinds |= p.hands[i].cols[col].kinds;
            take_odd(r, &r->cols[col], &p.hands[i].cols[col]);
        }
    }
    pipe_done(&p);
    return st;
}

/* Columns by the first file; those without a given type, and dates, whose order may be open, are to
 * learn. */
static tm_status open_columns(tm_csv_reader *r, bool wants_raw, bool *out_learns, tm_err *err) {
    uint64_t n_records = 0;
    const tm_status st = tm__csv_reader_open(r, 0, &n_records, err);
    tm__csv_reader_close(r);
    *out_learns = false;
    for (uint32_t col = 0; col < r->n_cols && st == TM_OK; col++) {
        tm_csv_column *const c = &r->cols[col];
        c->is_raw = wants_raw && c->wanted == NULL;
        c->is_active = !c->is_raw && (c->type == TM_TYPE_NONE || c->type == TM_TYPE_DATE ||
                                      c->type == TM_TYPE_TIME);
        c->is_learning = c->is_active;
        *out_learns |= c->is_active;
    }
    return st;
}

tm_status tm__csv_pipe(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                       uint32_t n_paths, const tm_source_sink *sink, tm_err *err) {
    tm_csv_reader r = tm__csv_reader_make(ctx, spec, paths, n_paths);
    bool learns = false, needs_pass = false;
    tm_status st = open_columns(&r, sink->wants_raw, &learns, err);
    if (st == TM_OK && learns) {
        st = run_pass(&r, NULL, err);
    }
    if (st == TM_OK) {
        st = tm__csv_reader_settle(&r, &needs_pass, err);
    }
    if (st == TM_OK) {
        for (uint32_t col = 0; col < r.n_cols; col++) {
            r.cols[col].is_active = !r.cols[col].is_raw;
        }
        st = run_pass(&r, sink, err);
    }
    tm__csv_reader_done(&r);
    return st;
}

tm_status tm__csv_examine_file(tm_ctx *ctx, const tm_source_spec *spec, const char *path,
                               tm_status (*fn)(void *arg, const tm_csv_column *column, tm_err *err),
                               void *arg, tm_err *err) {
    tm_csv_reader r = tm__csv_reader_make(ctx, spec, &path, 1);
    bool learns = false;
    tm_status st = open_columns(&r, false, &learns, err);
    if (st == TM_OK && learns) {
        st = run_pass(&r, NULL, err);
    }
    for (uint32_t col = 0; st == TM_OK && col < r.n_cols; col++) {
        st = fn(arg, &r.cols[col], err);
    }
    tm__csv_reader_done(&r);
    return st;
}
