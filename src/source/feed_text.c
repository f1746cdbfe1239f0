/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of CSV or lines of JSON in pieces of whole records.
 *
 *     bytes   [......................|...............|..........]
 *             0       was read      from    piece        piece
 *
 * 1. A piece ends where a record does, as the CSV reader sees it; its rows are taken apart by the
 *    reader of pushes, which quarantines what is no row. Both go on with the next line behind a
 *    record that cannot be cut.
 * 2. Reading goes on from a place only behind the very bytes that were read before: their hash is
 *    compared, so a file that was written anew, and one that shrank, are seen. That reads them
 *    again, at the speed of the hash; a packed file could not be entered amid anyway.
 */
#include <string.h>

#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/feed_priv.h"

#define PIECE_BYTES ((size_t)16 << 20)

typedef struct reading {
    tm_ctx *ctx;
    const tm_text_file *file;
    const tm_text_place *from; /* NULL: the start */
    tm_source_spec spec;
    tm_csv_reader r; /* of CSV: its header */
    tm_csv_scanner *scanner, *part;
    const char **names; /* [n names] */
    char *orders;       /* [n names] */
    tm_push_csv csv;
    tm_hasher hasher;
    tm_text_place place;
    bool was_compared;
} reading;

static void done(reading *t) {
    if (t->file->is_lines) {
        tm__csv_close(t->scanner);
    }
    tm__csv_close(t->part);
    tm__csv_reader_done(&t->r);
    tm__mem_free(t->names);
    tm__mem_free(t->orders);
}

static tm_status no_memory(const reading *t, tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", t->file->path);
}

/* The header, and how fields are written. */
static tm_status open_csv(reading *t, tm_err *err) {
    uint64_t n_records = 0;
    t->spec = (tm_source_spec){
        .no_header = t->file->no_header, .schema = t->file->known, .skips_bad = true};
    t->r = tm__csv_reader_make(t->ctx, &t->spec, &t->file->path, 1);
    t->r.input = t->file->input;
    TM_TRY(tm__csv_reader_open(&t->r, 0, &n_records, err));
    t->scanner = t->r.scanner;
    const uint32_t n = t->r.n_cols;
    const tm_csv_dialect dialect = tm__csv_dialect(t->scanner);
    t->names = tm__mem_alloc(n, sizeof(*t->names));
    t->orders = tm__mem_zalloc(n, 1);
    if (t->names == NULL || t->orders == NULL) {
        return no_memory(t, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        t->names[i] = t->r.cols[i].name;
        const char style = tm__csv_style(t->scanner, i);
        t->orders[i] = style != 0 ? style : t->file->order(t->file->arg, t->names[i]);
    }
    t->csv = (tm_push_csv){.delimiter = dialect.delimiter,
                           .quote = dialect.quote,
                           .skips_blanks = dialect.skips_blanks,
                           .n_names = n,
                           .names = t->names,
                           .orders = t->orders};
    tm__csv_rewind(t->scanner);
    return t->file->named(t->file->arg, &t->csv, t->r.has_header, err);
}

static tm_status open_lines(reading *t, tm_err *err) {
    TM_TRY(t->file->input != NULL
               ? tm__csv_open_input(t->file->input, t->file->path, 0, &t->scanner, err)
               : tm__csv_open(t->file->path, 0, &t->scanner, err));
    tm__csv_set_lines(t->scanner);
    return TM_OK;
}

static uint64_t count_lines(const char *data, size_t len) {
    uint64_t n = 0;
    for (const char *end = data + len;
         data < end && (data = memchr(data, '\n', (size_t)(end - data))) != NULL; data++) {
        n++;
    }
    return n;
}

static void pass(reading *t, const char *data, size_t len) {
    tm__hasher_update(&t->hasher, data, len);
    t->place.bytes += len;
    t->place.lines += count_lines(data, len);
    t->place.ends = len > 0 ? data[len - 1] == '\n' : t->place.ends;
}

static tm_hash hash_so_far(const reading *t) {
    tm_hasher hasher = t->hasher;
    tm_hash hash;
    tm__hasher_final(&hasher, &hash);
    return hash;
}

/* Pass by what was read before; false when it is another text. *out_n bytes of the piece are old.
 */
static bool pass_old(reading *t, const char *data, size_t len, size_t *out_n) {
    const uint64_t left = t->from == NULL ? 0 : t->from->bytes - t->place.bytes;
    *out_n = len < left ? len : (size_t)left;
    pass(t, data, *out_n);
    if (t->from == NULL || t->place.bytes < t->from->bytes || t->was_compared) {
        return true;
    }
    const tm_hash hash = hash_so_far(t);
    const char *const next = data + *out_n;
    const size_t n_next = len - *out_n;
    t->was_compared = true;
    if (!tm__hash_eq(&hash, &t->from->hash)) {
        return false;
    }
    /* A last line without its end may go on only by that end. */
    return t->place.ends || n_next == 0 || t->place.bytes == 0 || next[0] == '\n' ||
           (n_next > 1 && next[0] == '\r' && next[1] == '\n');
}

static tm_status give(reading *t, char *data, size_t len, bool is_last, tm_err *err) {
    t->csv.skips_first = t->r.has_header && t->place.bytes == 0;
    tm_text_piece piece = {.data = data,
                           .len = len,
                           .first_line = t->place.lines + 1,
                           .csv = t->file->is_lines ? NULL : &t->csv,
                           .is_last = is_last};
    pass(t, data, len);
    t->place.hash = hash_so_far(t);
    piece.behind = t->place;
    data[len] = '\0';
    TM_TRY(t->file->take(t->file->arg, &piece, err));
    return tm__ctx_cancelled(t->ctx) ? TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled")
                                     : TM_OK;
}

static tm_status read_all(reading *t, bool *out_changed, tm_err *err) {
    char nothing[2] = "";
    for (bool more = true, is_last = false; !is_last;) {
        size_t len = 0, n_old = 0;
        uint64_t line = 0;
        TM_TRY(tm__csv_hand(t->scanner, t->part, &more, err));
        char *data = tm__csv_part_text(t->part, &len, &line);
        is_last = !more || tm__csv_is_done(t->scanner);
        const bool is_same = pass_old(t, data, len, &n_old);
        const bool is_short = is_last && t->from != NULL && t->place.bytes < t->from->bytes;
        if (!is_same || is_short) {
            *out_changed = true;
            return TM_OK;
        }
        if (len > n_old || is_last) {
            TM_TRY(give(t, more ? data + n_old : nothing, len - n_old, is_last, err));
        }
        tm__ctx_progress(t->ctx, "load", tm__csv_pos(t->scanner), t->r.bytes, NULL);
    }
    return TM_OK;
}

tm_status tm__feed_text(tm_ctx *ctx, const tm_text_file *file, const tm_text_place *from,
                        bool *out_changed, tm_err *err) {
    reading t = {.ctx = ctx, .file = file, .from = from};
    *out_changed = false;
    tm__hasher_init(&t.hasher);
    tm_status st = file->is_lines ? open_lines(&t, err) : open_csv(&t, err);
    if (st == TM_OK) {
        t.part = tm__csv_part_create(t.scanner,
                                     file->piece_bytes == 0 ? PIECE_BYTES : file->piece_bytes);
        st = t.part == NULL ? no_memory(&t, err) : read_all(&t, out_changed, err);
    }
    done(&t);
    return st;
}
