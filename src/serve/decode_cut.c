/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows cut into parts that threads decode at once.
 *
 *      whole:  names, place ------cut------cut------cut--...
 *      parts:               [0 .. 255][256 .. 511] ...
 *
 * 1. Decoding rewrites a document in place, so a part is stepped over before anyone reads it, and
 *    the names (read by the whole alone) are shared.
 * 2. A part writes within its own rows, up to the end of its last line; of what follows it reads
 *    white space and one byte that no decoder writes (that which opens a value or a field).
 * 3. Where a step finds the end, or anything that is not as it must be, the part goes to the end:
 *    its decoder says what is wrong, as one of all rows would.
 */
#include <string.h>

#include "serve/decode_priv.h"

/* Behind a record of CSV, as decode_text.c reads it; NULL at the end and where it is none. */
static char *skip_record(char *p) {
    for (;;) {
        if (*p == '"') {
            do { /* doubled quotes are two texts without a gap */
                p = strchr(p + 1, '"');
                if (p == NULL) {
                    return NULL;
                }
                p++;
            } while (*p == '"');
        } else {
            p += strcspn(p, ",\n");
        }
        if (*p == '\r' && p[1] == '\n') {
            p++;
        }
        if (*p == '\n') {
            return p + 1;
        }
        if (*p++ != ',') {
            return NULL;
        }
    }
}

static char *skip_text(const tm_decoder *d, char *p) {
    if (d->place->kind == TM_ROWS_CSV) {
        p = skip_record(p);
        return p == NULL ? NULL : tm__record_next(p);
    }
    p += strcspn(p, "\n");
    return *p == '\0' ? NULL : tm__lines_next(p + 1);
}

static bool skip_across(tm_decoder *d) {
    for (uint32_t c = 0; c < d->n_columns; c++) {
        char *after = NULL;
        if (d->cursors[c] == NULL) {
            return false;
        }
        d->cursors[c] = tm__scan_more(tm__scan_skip(d->cursors[c]), &after);
        if (d->cursors[c] == NULL) {
            return false; /* the last row, or one column is shorter */
        }
    }
    return d->n_columns > 0;
}

/* Step over a row; false when none follows it, as far as one can see. */
static bool skip_row(tm_decoder *d) {
    char *after = NULL;
    switch (d->place->kind) {
    case TM_ROWS_COLUMNS:
        return skip_across(d);
    case TM_ROWS_TENSORS:
        return tm__decoder_skip_tensors(d);
    case TM_ROWS_LINES:
    case TM_ROWS_CSV:
        d->p = skip_text(d, d->p);
        break;
    default:
        d->p = tm__scan_more(tm__scan_skip(d->p), &after);
        break;
    }
    return d->p != NULL;
}

void tm__decoder_pass(tm_decoder *d) {
    const tm_rows_kind kind = d->place->kind;
    const bool is_across = kind == TM_ROWS_COLUMNS || kind == TM_ROWS_TENSORS;
    const uint64_t row = d->row + (d->is_started ? 1 : 0);
    if (d->is_full || (d->row_end != 0 && row >= d->row_end) || (!is_across && d->p == NULL)) {
        return;
    }
    d->row = row;
    d->is_started = true;
    (void)skip_row(d); /* behind the last there is none to read, which who reads finds */
}

static tm_decoder *fork_of(const tm_decoder *from, tm_exchange *x, tm_arena *arena) {
    tm_decoder *d = tm_arena_alloc(arena, tm_decoder, 1);
    if (d == NULL) {
        return NULL;
    }
    *d = *from;
    d->x = x;
    d->cells = tm_arena_zalloc(arena, tm_cell, d->plan->n_cells + 1);
    d->seen = tm_arena_zalloc(arena, uint64_t, d->plan->n_names + 1);
    d->texts = tm_arena_alloc(arena, char, ((size_t)d->plan->n_cells + 1) * 32);
    bool ok =
        d->cells != NULL && d->seen != NULL && d->texts != NULL && tm__decoder_open_names(d, arena);
    if (ok && d->place->kind == TM_ROWS_TENSORS) {
        ok = tm__decoder_fork_tensors(d, arena);
    } else if (ok && d->place->kind == TM_ROWS_COLUMNS) {
        d->cursors = tm_arena_alloc(arena, char *, (size_t)d->n_columns + 1);
        ok = d->cursors != NULL;
        if (ok) {
            memcpy(d->cursors, from->cursors, d->n_columns * sizeof *d->cursors);
        }
    }
    return ok ? d : NULL;
}

tm_decoder *tm__decoder_cut(tm_decoder *from, const tm_decode_part *most, tm_exchange *x,
                            tm_arena *arena, bool *out_more) {
    const bool is_across =
        from->place->kind == TM_ROWS_COLUMNS || from->place->kind == TM_ROWS_TENSORS;
    const char *const start = from->p;
    const uint64_t first = from->row;
    tm_decoder *part = fork_of(from, x, arena);
    if (part == NULL) {
        return NULL;
    }
    bool more = !from->is_full && (is_across || start != NULL);
    while (more && from->row - first < most->n_rows &&
           (is_across || (size_t)(from->p - start) < most->n_bytes)) {
        more = skip_row(from);
        from->row++;
    }
    part->row_end = more ? from->row : 0;
    *out_more = more;
    return part;
}
