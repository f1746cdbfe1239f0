/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a reference; docs/formats/bundle.md is what they are checked against.
 *
 * Invariant: what load() accepts has cells and counts that monitor/ can use without a check: each
 * column has a row, edges rise, levels differ, shares are finite.
 */
#include "model/reference.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x46455254) /* "TREF" */
#define VERSION 1u
#define LOSS_MAX 1e300

static void save_column(const tm_ref_column *c, tm_buf *out) {
    tm__buf_u32(out, (uint32_t)c->kind);
    tm__buf_u32(out, c->n_blocks);
    tm__buf_f64(out, c->importance);
    if (c->kind == TM_REF_NUMBERS || c->kind == TM_REF_LENGTHS) {
        tm__buf_u32(out, c->n_edges);
        tm__buf_f64s(out, c->edges, c->n_edges);
    } else if (c->kind == TM_REF_LEVELS) {
        tm__buf_u32(out, c->n_levels);
        for (uint32_t i = 0; i < c->n_levels; i++) {
            tm__buf_u64(out, c->levels[i].hash);
            tm__buf_str(out, tm__str(c->levels[i].text));
        }
        tm__buf_u32(out, c->n_filter);
        tm__buf_append(out, c->filter, c->n_filter);
    } else if (c->kind == TM_REF_CLASSES) {
        tm__buf_u32(out, c->n_classes);
    }
    for (uint32_t i = 0; i < c->n_blocks * c->n_cells; i++) {
        tm__buf_u16(out, (uint16_t)c->counts[i]);
    }
    for (uint32_t i = 0; i < c->n_cells; i++) {
        tm__buf_u32(out, c->loss_rows[i]);
        tm__buf_f64(out, c->loss[i]);
    }
}

void tm__reference_save(const tm_reference *self, tm_buf *out) {
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, self->is_ordered ? 1 : 0);
    tm__buf_u32(out, self->n_columns);
    tm__buf_u32(out, self->has_output ? 1 : 0);
    tm__buf_u32(out, (uint32_t)self->loss_kind);
    tm__buf_f64(out, self->loss);
    tm__buf_f64(out, self->loss_constant);
    for (uint32_t i = 0; i < self->n_columns + (self->has_output ? 1 : 0); i++) {
        save_column(&self->columns[i], out);
    }
}

/* ---- load ---- */

static tm_status bad(const char *what, tm_err *err) {
    return TM_FAIL(err, TM_E_INTEGRITY, "the reference has wrong %s", what);
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a reference");
}

static tm_status load_edges(tm_reader *in, tm_ref_column *c, tm_err *err) {
    c->n_edges = tm__reader_u32(in);
    if (in->failed || c->n_edges < 2 || c->n_edges > TM_REF_EDGES_MAX) {
        return bad("edges", err);
    }
    c->edges = tm__mem_alloc(c->n_edges, sizeof(double));
    if (c->edges == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < c->n_edges; i++) {
        c->edges[i] = tm__reader_f64(in);
        if (!isfinite(c->edges[i]) || (i == 1 && c->edges[1] < c->edges[0]) ||
            (i > 1 && c->edges[i] <= c->edges[i - 1])) {
            return bad("edges", err);
        }
    }
    return TM_OK;
}

static bool load_level(tm_reader *in, const tm_ref_column *c, uint32_t i) {
    tm_ref_level *const level = &c->levels[i];
    level->hash = tm__reader_u64(in);
    const tm_str text = tm__reader_str(in);
    if (in->failed || text.len > TM_REF_TEXT_MAX || !tm__str_is_utf8(text) ||
        (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)) {
        return false;
    }
    memset(level->text, 0, sizeof(level->text));
    if (text.len > 0) {
        memcpy(level->text, text.ptr, text.len);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (c->levels[k].hash == level->hash) {
            return false;
        }
    }
    return true;
}

static tm_status load_levels(tm_reader *in, tm_ref_column *c, tm_err *err) {
    const uint32_t n = tm__reader_u32(in);
    if (in->failed || n > TM_REF_LEVELS_MAX) {
        return bad("levels", err);
    }
    c->levels = tm__mem_zalloc((size_t)n + 1, sizeof(*c->levels));
    if (c->levels == NULL) {
        return no_memory(err);
    }
    for (; c->n_levels < n; c->n_levels++) {
        if (!load_level(in, c, c->n_levels)) {
            return bad("levels", err);
        }
    }
    const uint32_t n_filter = tm__reader_u32(in);
    if (in->failed || n_filter > TM_REF_FILTER_MAX || (n_filter & (n_filter - 1)) != 0) {
        return bad("levels", err);
    }
    const void *const bytes = tm__reader_view(in, n_filter, 1);
    if (n_filter > 0) {
        if (bytes == NULL) {
            return bad("levels", err);
        }
        c->filter = tm__mem_alloc(n_filter, 1);
        if (c->filter == NULL) {
            return no_memory(err);
        }
        memcpy(c->filter, bytes, n_filter);
        c->n_filter = n_filter;
    }
    return TM_OK;
}

static tm_status load_kind(tm_reader *in, tm_ref_column *c, tm_err *err) {
    switch (c->kind) {
    case TM_REF_NUMBERS:
    case TM_REF_LENGTHS:
        return load_edges(in, c, err);
    case TM_REF_LEVELS:
        return load_levels(in, c, err);
    case TM_REF_CLASSES:
        c->n_classes = tm__reader_u32(in);
        return !in->failed && c->n_classes >= 2 && c->n_classes <= TM_REF_CLASSES_MAX
                   ? TM_OK
                   : bad("classes", err);
    default:
        return TM_OK;
    }
}

static tm_status load_column(tm_reader *in, tm_ref_column *c, tm_err *err) {
    const uint32_t kind = tm__reader_u32(in);
    c->n_blocks = tm__reader_u32(in);
    c->importance = tm__reader_f64(in);
    if (in->failed || kind > TM_REF_CLASSES || c->n_blocks < 1 || c->n_blocks > TM_REF_BLOCKS_MAX ||
        !(c->importance >= 0 && c->importance <= 1)) {
        return bad("columns", err);
    }
    c->kind = (tm_ref_kind)kind;
    TM_TRY(load_kind(in, c, err));
    if (!tm__ref_column_settle(c)) {
        return no_memory(err);
    }
    uint64_t n_rows = 0;
    for (uint32_t i = 0; i < c->n_blocks * c->n_cells; i++) {
        c->counts[i] = tm__reader_u16(in);
        n_rows += c->counts[i];
    }
    for (uint32_t i = 0; i < c->n_cells; i++) {
        c->loss_rows[i] = tm__reader_u32(in);
        c->loss[i] = tm__reader_f64(in);
        if (!(c->loss[i] >= 0 && c->loss[i] <= LOSS_MAX) ||
            (c->loss_rows[i] == 0 && c->loss[i] != 0)) {
            return bad("losses", err);
        }
    }
    return in->failed || n_rows == 0 ? bad("counts", err) : TM_OK;
}

static tm_status load_all(tm_reader *in, tm_reference **out, tm_err *err) {
    const uint32_t ordered = tm__reader_u32(in), n_columns = tm__reader_u32(in),
                   has_output = tm__reader_u32(in), loss_kind = tm__reader_u32(in);
    const double loss = tm__reader_f64(in), loss_constant = tm__reader_f64(in);
    if (in->failed || ordered > 1 || has_output > 1 || loss_kind > TM_REF_LOSS_SQUARED ||
        n_columns > TM_MAX_COLS || !(loss >= 0 && loss <= LOSS_MAX) ||
        !(loss_constant >= 0 && loss_constant <= LOSS_MAX)) {
        return bad("numbers in its head", err);
    }
    tm_reference *const self = tm__reference_create(n_columns);
    if (self == NULL) {
        return no_memory(err);
    }
    *out = self;
    self->is_ordered = ordered == 1;
    self->has_output = has_output == 1;
    self->loss_kind = (tm_ref_loss)loss_kind;
    self->loss = loss;
    self->loss_constant = loss_constant;
    for (uint32_t i = 0; i < n_columns + has_output; i++) {
        TM_TRY(load_column(in, &self->columns[i], err));
        if ((self->columns[i].kind == TM_REF_CLASSES) && i < n_columns) {
            return bad("columns", err);
        }
    }
    return tm__reader_is_done(in) ? TM_OK : bad("length", err);
}

tm_status tm__reference_load(const void *data, size_t len, tm_reference **out, tm_err *err) {
    tm_reader in;
    tm_reference *self = NULL;
    tm__reader_init(&in, data, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    if (in.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "no reference");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a reference of a later version");
    }
    const tm_status st = load_all(&in, &self, err);
    if (st != TM_OK) {
        tm__reference_free(self);
        return st;
    }
    *out = self;
    return TM_OK;
}
