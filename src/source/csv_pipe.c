/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV files in parts. Every thread does the same: take the next bytes, do all that has to be done
 * with them, put the result where it belongs.
 *
 *     take   one at a time: read whole records, uncut, and a number that counts parts
 *     work   all at once: cut, read columns, the sink's work
 *     put    into the slot of the number; who finds the next one ready writes it and those behind
 *
 *     slots  [ 7 | 4 | 5 | 6 ]    n_written = 4, n_taken = 7: 4 is written as soon as it is ready
 *
 * 1. Parts are written in the order in which they were taken, which is the order of the rows. The
 *    first failure in this order ends the run, whatever threads found before.
 * 2. A part is taken only when its slot is free, so memory is bounded by the number of slots.
 * 3. Types are settled before a part is read (a first pass learns them where the schema does not
 *    give them), so no value depends on where parts were cut.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"

#define PART_BYTES (1u << 20)
#define OUT_BYTES_MAX ((size_t)1 << 30) /* of one part */
#define SLOTS_PER_THREAD 2u

/* What one thread works with. */
typedef struct hand {
    tm_csv_scanner *part;
    tm_csv_column *cols; /* [n_cols] names and types of the reader's */
    tm_csv_block block;
    const uint32_t *raw; /* [n_raw] columns */
} hand;

typedef struct slot {
    bool is_ready;
    tm_buf out;
    uint64_t n_rows, pos;
    tm_status status;
    tm_err err;
} slot;

typedef struct pipe {
    tm_csv_reader *r;
    const tm_source_sink *sink; /* NULL: columns learn */
    hand *hands;                /* [n_threads] */
    uint32_t n_threads;
    size_t part_bytes;
    uint32_t n_raw;
    uint32_t *raw;          /* [n_raw] columns */
    const char **raw_names; /* [n_raw] */
    slot *slots;
    uint32_t n_slots;
    tm_mutex *input; /* held while bytes are taken */
    bool is_first;   /* part of the file */
    bool at_end;     /* of the file */
    tm_mutex *order; /* guards what follows */
    tm_cond *moved;
    uint64_t n_taken, n_written;
    bool is_writing, is_over;
    tm_status status;
    tm_err err;
} pipe;

/* --- work --- */

tm_str tm__source_part_raw(const tm_source_part *part, uint32_t raw, uint64_t row) {
    hand *const h = part->raw_from;
    return tm__csv_column_text(&h->cols[h->raw[raw]], &h->block, h->block.record + row);
}

static tm_status work(pipe *p, hand *h, uint32_t worker, slot *to, tm_err *err) {
    tm_source_part part = {.n_rows = h->block.record_end - h->block.record,
                           .n_raw = p->n_raw,
                           .raw_names = p->raw_names,
                           .raw_from = h};
    TM_TRY(tm__csv_table(h->cols, p->r->n_cols, part.n_rows, &part.table, err));
    tm_status st = p->sink->work(p->sink->arg, &part, worker, &to->out, err);
    if (st != TM_OK && err->data_row > 0) { /* of the part: its line says more */
        const uint64_t record = h->block.record + err->data_row - 1;
        const tm_csv_field field = h->block.fields[record * h->block.n_cols];
        tm_err_at(err, p->r->path, tm__csv_line(h->part, field), 0);
    }
    if (st == TM_OK) {
        st = tm__csv_columns_check(h->cols, &h->block, p->r->path, err); /* memory of raw texts */
    }
    if (st == TM_OK && to->out.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for what becomes of some rows");
    }
    tm__table_unref(part.table);
    return st;
}

/* From bytes to the sink's result. */
static tm_status run_part(pipe *p, hand *h, uint32_t worker, bool is_first, slot *to) {
    uint64_t n_records = 0;
    tm_err *const err = &to->err;
    TM_TRY(tm__csv_cut(h->part, &n_records, err));
    h->block.scanner = h->part;
    h->block.fields = tm__csv_fields(h->part);
    h->block.n_cols = p->r->n_cols;
    h->block.record = is_first && p->r->has_header && n_records > 0 ? 1 : 0;
    h->block.record_end = n_records;
    h->block.is_learning_only = p->sink == NULL;
    to->n_rows = n_records - h->block.record;
    if (to->n_rows == 0) {
        return TM_OK;
    }
    for (uint32_t col = 0; col < p->r->n_cols; col++) {
        tm__csv_column_block(&h->cols[col], &h->block);
    }
    TM_TRY(tm__csv_columns_check(h->cols, &h->block, p->r->path, err));
    return p->sink == NULL ? TM_OK : work(p, h, worker, to, err);
}

/* --- order --- */

static tm_status check_rows(pipe *p, const slot *s, tm_err *err) {
    const tm_source_spec *const spec = p->r->spec;
    const uint64_t most = spec->n_rows_max == 0 ? TM_MAX_ROWS : spec->n_rows_max;
    p->r->n_rows += s->n_rows;
    if (p->r->n_rows > most) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %llu rows", (unsigned long long)most);
        tm_err_hint(err, "Select fewer rows with --sql.");
        tm_err_at(err, p->r->path, 0, 0);
        return TM_E_LIMIT;
    }
    return TM_OK;
}

/* One writer at a time comes here, without the lock. */
static tm_status write_slot(pipe *p, slot *s, tm_err *err) {
    char note[48];
    if (s->status != TM_OK) {
        *err = s->err;
        return s->status;
    }
    TM_TRY(check_rows(p, s, err));
    if (p->sink != NULL && s->n_rows > 0) {
        TM_TRY(p->sink->write(p->sink->arg, &s->out, s->n_rows, err));
    }
    (void)snprintf(note, sizeof(note), "%llu rows", (unsigned long long)p->r->n_rows);
    tm__ctx_progress(p->r->ctx, p->sink != NULL ? p->sink->stage : "types",
                     p->r->bytes_done + s->pos, p->r->bytes, note);
    return TM_OK;
}

static void write_ready(pipe *p) {
    tm__mutex_lock(p->order);
    if (p->is_writing) {
        tm__mutex_unlock(p->order);
        return;
    }
    p->is_writing = true;
    for (slot *s = &p->slots[p->n_written % p->n_slots]; s->is_ready && !p->is_over;
         s = &p->slots[p->n_written % p->n_slots]) {
        tm_err err = {0};
        tm__mutex_unlock(p->order);
        const tm_status st = write_slot(p, s, &err);
        tm__mutex_lock(p->order);
        if (st != TM_OK) {
            p->status = st;
            p->err = err;
            p->is_over = true;
        }
        s->is_ready = false;
        p->n_written++;
        tm__cond_signal_all(p->moved);
    }
    p->is_writing = false;
    tm__mutex_unlock(p->order);
}

/* Wait for the slot of the next part; NULL when the run is over. */
static slot *take_slot(pipe *p) {
    slot *s = NULL;
    tm__mutex_lock(p->order);
    while (p->n_taken - p->n_written >= p->n_slots && !p->is_over) {
        tm__cond_wait(p->moved, p->order, UINT32_MAX);
    }
    if (!p->is_over) {
        s = &p->slots[p->n_taken++ % p->n_slots];
        tm__buf_reset(&s->out);
        s->n_rows = 0;
        s->status = TM_OK;
    }
    tm__mutex_unlock(p->order);
    return s;
}

static slot *take_part(pipe *p, hand *h, bool *out_first) {
    bool more = false;
    slot *s = NULL;
    tm__mutex_lock(p->input);
    if (!p->at_end) {
        s = take_slot(p);
    }
    if (s != NULL) {
        s->status = tm__ctx_cancelled(p->r->ctx)
                        ? TM_FAIL(&s->err, TM_E_CANCELLED, "reading was cancelled")
                        : tm__csv_hand(p->r->scanner, h->part, &more, &s->err);
        s->pos = tm__csv_pos(p->r->scanner);
        p->at_end = s->status != TM_OK || !more;
        *out_first = p->is_first;
        p->is_first = false;
    }
    tm__mutex_unlock(p->input);
    return s;
}

static void run_parts(void *arg, uint64_t item, uint32_t worker) {
    pipe *const p = arg;
    hand *const h = &p->hands[worker];
    bool is_first = false;
    (void)item;
    for (slot *s = take_part(p, h, &is_first); s != NULL; s = take_part(p, h, &is_first)) {
        if (s->status == TM_OK) {
            s->status = run_part(p, h, worker, is_first, s);
        }
        tm__mutex_lock(p->order);
        s->is_ready = true;
        tm__mutex_unlock(p->order);
        write_ready(p);
    }
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
    p->at_end = false;
    tm__pool_run(r->ctx->pool, p->n_threads, run_parts, p);
    if (p->status != TM_OK && err != NULL) {
        *err = p->err;
    }
    return p->status;
}

static tm_status run_files(pipe *p, tm_err *err) {
    p->r->n_rows = 0;
    p->r->bytes_done = 0;
    for (uint32_t number = 0; number < p->r->n_paths; number++) {
        const tm_status st = run_file(p, number, err);
        tm__csv_reader_close(p->r);
        TM_TRY(st);
    }
    return tm__csv_reader_check(p->r, err);
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
    for (uint32_t i = 0; p->slots != NULL && i < p->n_slots; i++) {
        tm__buf_done(&p->slots[i].out);
    }
    tm__mem_free(p->hands);
    tm__mem_free(p->slots);
    tm__mem_free(p->raw);
    tm__mem_free(p->raw_names);
    tm__mutex_free(p->input);
    tm__mutex_free(p->order);
    tm__cond_free(p->moved);
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
    p->n_slots = p->n_threads * SLOTS_PER_THREAD;
    p->hands = tm__mem_zalloc(p->n_threads, sizeof(*p->hands));
    p->slots = tm__mem_zalloc(p->n_slots, sizeof(*p->slots));
    p->raw = tm__mem_alloc(r->n_cols, sizeof(*p->raw));
    p->raw_names = tm__mem_alloc(r->n_cols, sizeof(*p->raw_names));
    p->input = tm__mutex_create();
    p->order = tm__mutex_create();
    p->moved = tm__cond_create();
    if (p->hands == NULL || p->slots == NULL || p->raw == NULL || p->raw_names == NULL ||
        p->input == NULL || p->order == NULL || p->moved == NULL || !init_hands(p)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", r->paths[0]);
    }
    for (uint32_t i = 0; i < p->n_slots; i++) {
        tm__buf_init(&p->slots[i].out, OUT_BYTES_MAX);
    }
    for (uint32_t col = 0; col < r->n_cols; col++) {
        if (r->cols[col].is_raw) {
            p->raw_names[p->n_raw] = r->cols[col].name;
            p->raw[p->n_raw++] = col;
        }
    }
    return TM_OK;
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
