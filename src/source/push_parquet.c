/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parquet in pieces of so many rows. It is read from its end, so what comes as a stream, and what
 * has another name, is written to a file of the home first.
 *
 *   bytes ──> temp/push-N.parquet ──> tables of DuckDB, as it cuts them ──> pieces
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/push_file_priv.h"
#include "source/source.h"

#define PIECE_ROWS 20000u
#define PATH_MAX_BYTES 1200u

typedef struct waiting {
    tm_pushing *p;
    tm_table *rows;    /* that are no piece yet; NULL: none */
    tm_bad_values bad; /* of them */
    tm_bad_values at_hand;
} waiting;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

/* ---- Pieces ---- */

static tm_status push_rows(tm_pushing *p, const tm_table *table, const tm_bad_values *bad,
                           tm_err *err) {
    tm_push push = {
        .form = TM_PUSH_TABLE, .table = table, .bad = bad, .first_row = p->out->n_lines};
    const tm_status st = tm__push_piece(p, &push, err);
    if (st == TM_OK || st == TM_E_CANCELLED) {
        p->out->n_lines += tm__table_rows(table);
    }
    return st;
}

/* Rows first .. end - 1 of those that wait. */
static tm_status cut(const waiting *w, uint64_t first, uint64_t end, tm_table **out,
                     tm_bad_values *out_bad, tm_err *err) {
    uint32_t *const rows = tm__mem_alloc(end - first + 1, sizeof(*rows));
    tm_table *table = NULL;
    if (rows == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = first; i < end; i++) {
        rows[i - first] = (uint32_t)i;
    }
    tm_status st = tm__table_take_rows(w->rows, rows, end - first, &table, err);
    if (st == TM_OK && !tm__bad_values_take_rows(&w->bad, rows, end - first, out_bad)) {
        st = no_memory(err);
    }
    tm__mem_free(rows);
    if (st != TM_OK) {
        tm__table_unref(table);
        return st;
    }
    *out = table;
    return TM_OK;
}

/* The first rows of those that wait, as one piece. */
static tm_status push_full(waiting *w, tm_err *err) {
    tm_table *piece = NULL, *rest = NULL;
    tm_bad_values piece_bad = {0}, rest_bad = {0};
    tm_status st = cut(w, 0, PIECE_ROWS, &piece, &piece_bad, err);
    st = st == TM_OK ? cut(w, PIECE_ROWS, tm__table_rows(w->rows), &rest, &rest_bad, err) : st;
    st = st == TM_OK ? push_rows(w->p, piece, &piece_bad, err) : st;
    tm__table_unref(piece);
    tm__bad_values_done(&piece_bad);
    if (st != TM_OK) {
        tm__table_unref(rest);
        tm__bad_values_done(&rest_bad);
        return st;
    }
    tm__table_unref(w->rows);
    tm__bad_values_done(&w->bad);
    w->rows = rest;
    w->bad = rest_bad;
    return TM_OK;
}

static tm_status append(waiting *w, tm_table *table, tm_err *err) {
    const uint64_t n = w->rows == NULL ? 0 : tm__table_rows(w->rows);
    tm_table *both = NULL;
    if (w->rows == NULL) {
        both = tm__table_ref(table);
    } else {
        TM_TRY(tm__table_concat(w->rows, table, &both, err));
    }
    tm__table_unref(w->rows);
    w->rows = both;
    for (uint32_t i = 0; i < w->at_hand.n; i++) {
        tm_bad_value value = tm__bad_values_get(&w->at_hand, i);
        value.row += (uint32_t)n;
        if (!tm__bad_values_add(&w->bad, &value)) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

/* DuckDB cuts its tables as it likes, so they are put together first. */
static tm_status take_table(void *arg, tm_table *table, tm_err *err) {
    waiting *const w = arg;
    TM_TRY(append(w, table, err));
    while (tm__table_rows(w->rows) >= PIECE_ROWS) {
        TM_TRY(push_full(w, err));
    }
    return TM_OK;
}

static tm_status push_tables(tm_pushing *p, const char *path, tm_err *err) {
    waiting w = {.p = p};
    const tm_source_spec spec = {.path = path, .temp_dir = p->file->temp_dir, .bad = &w.at_hand};
    p->out->is_table = true;
    tm_status st = tm__source_stream(p->ctx, &spec, take_table, &w, err);
    if (st == TM_OK && w.rows != NULL && tm__table_rows(w.rows) > 0) {
        st = push_rows(p, w.rows, &w.bad, err);
    }
    tm__table_unref(w.rows);
    tm__bad_values_done(&w.bad);
    tm__bad_values_done(&w.at_hand);
    return st;
}

/* ---- A file of the bytes ---- */

static tm_status too_long(const tm_pushing *p, uint64_t most, tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "'%s' has more than %llu bytes of Parquet", p->file->shown,
                  (unsigned long long)most);
    tm_err_hint(err, "Write it to a file that ends in .parquet, and push that.");
    return TM_E_LIMIT;
}

static tm_status copy(const tm_pushing *p, tm_input *input, tm_file *to, tm_err *err) {
    const uint64_t most =
        p->file->spool_bytes_max == 0 ? TM_MAX_SPOOL_BYTES : p->file->spool_bytes_max;
    uint8_t *const bytes = tm__mem_alloc(TM_PUSH_INPUT_BYTES, 1);
    tm_status st = bytes == NULL ? no_memory(err) : TM_OK;
    uint64_t n_all = 0;
    for (size_t n = TM_PUSH_INPUT_BYTES; st == TM_OK && n == TM_PUSH_INPUT_BYTES;) {
        st = tm__input_read(input, bytes, TM_PUSH_INPUT_BYTES, &n, err);
        n_all += st == TM_OK ? n : 0;
        if (st == TM_OK && n_all > most) {
            st = too_long(p, most, err);
        } else if (st == TM_OK && tm__ctx_cancelled(p->ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
        } else if (st == TM_OK) {
            st = tm__file_write(to, bytes, n, err);
        }
    }
    tm__mem_free(bytes);
    return st;
}

tm_status tm__push_parquet(tm_pushing *p, tm_input *input, tm_err *err) {
    char path[PATH_MAX_BYTES];
    uint64_t number = 0;
    tm_file *to = NULL;
    if (!p->file->is_stream && tm__source_kind(p->file->path) == TM_FILE_PARQUET) {
        return push_tables(p, p->file->path, err);
    }
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(path, sizeof(path), "%.1100s/push-%016" PRIx64 ".parquet", p->temp_dir, number);
    TM_TRY(tm__fs_mkdir(p->temp_dir, err));
    TM_TRY(tm__file_open(path, TM_OPEN_CREATE, &to, err));
    tm_status st = copy(p, input, to, err);
    tm__file_close(to);
    st = st == TM_OK ? push_tables(p, path, err) : st;
    if (st != TM_OK && err != NULL && strcmp(err->data_path, path) == 0) {
        tm_err_at(err, p->file->shown, err->data_row, err->data_col);
    }
    const tm_status removed = tm__fs_remove(path, NULL);
    (void)removed; /* what cannot go now goes at the next start */
    return st;
}
