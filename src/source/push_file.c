/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. A piece is cut by the CSV reader, between values of a JSON array, or is so many rows of
 * Parquet: a function of what was read before it and of itself. Its idempotency key has its number,
 * and the intake holds its bytes against those that came with the key before.
 * 2. One piece at a time: what is told as taken is all that stands before it.
 */
#include "source/push_file.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/feed_priv.h"
#include "source/push_file_priv.h"

#define PIECE_BYTES ((size_t)8 << 20)
#define PEEK_BYTES ((size_t)65536)
#define TRIES_MAX 8u /* while another process declares columns, or the disk is full */
#define WAIT_US_MIN INT64_C(50000)
#define WAIT_US_MAX INT64_C(2000000)

typedef enum content {
    CONTENT_NOTHING,
    CONTENT_CSV,
    CONTENT_LINES,
    CONTENT_JSON,
    CONTENT_PARQUET
} content;

static tm_status no_memory(const tm_pushing *p, tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->file->shown);
}

/* ---- One piece ---- */

/* Wait after n tries; false when the reading was cancelled. */
static bool wait_for_try(const tm_pushing *p, uint32_t n) {
    int64_t left_ms = tm__backoff_us(n, WAIT_US_MIN, WAIT_US_MAX) / 1000;
    while (left_ms > 0 && !tm__ctx_cancelled(p->ctx)) {
        const uint32_t part = left_ms < 100 ? (uint32_t)left_ms : 100;
        tm__sleep_ms(part);
        left_ms -= part;
    }
    return !tm__ctx_cancelled(p->ctx);
}

tm_status tm__push_piece(tm_pushing *p, tm_push *push, tm_err *err) {
    char key[TM_PUSH_FILE_KEY_MAX + 32];
    tm_push_result result = {0};
    tm_status st = TM_E_UNAVAILABLE;
    push->source = p->file->source;
    push->n_rows_max = TM_MAX_ROWS; /* its bytes are few */
    if (p->file->key != NULL) {
        (void)snprintf(key, sizeof(key), "%s/%llu", p->file->key,
                       (unsigned long long)p->out->n_pieces + 1);
        push->key = tm__str(key);
    }
    for (uint32_t i = 0; st == TM_E_UNAVAILABLE && i < TRIES_MAX; i++) {
        if (i > 0 && !wait_for_try(p, i - 1)) {
            break;
        }
        st = tm__intake_push_wait(p->intake, push, &result, err);
    }
    TM_TRY(st);
    p->out->accepted += result.accepted;
    p->out->duplicates += result.duplicates;
    p->out->quarantined += result.quarantined;
    p->out->dropped += result.dropped;
    p->out->n_repeats += result.is_repeat;
    p->out->n_pieces++;
    return tm__ctx_cancelled(p->ctx) ? TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled")
                                     : TM_OK;
}

/* ---- Text ---- */

static char no_order(void *arg, const char *column) {
    (void)arg;
    (void)column;
    return 0;
}

/* Else rows would become names, or names a row. */
static tm_status check_header(void *arg, const tm_push_csv *csv, bool has_header, tm_err *err) {
    const tm_pushing *const p = arg;
    bool is_any = p->known.n_cols == 0;
    for (uint32_t i = 0; i < csv->n_names && !is_any; i++) {
        is_any = tm__intake_columns_find(p->columns, tm__str(csv->names[i])) != UINT32_MAX;
    }
    if (has_header && is_any) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_DATA, "the first line %s",
                  has_header ? "names no column of the source" : "is not one of names");
    tm_err_at(err, p->file->shown, 1, 0);
    tm_err_hint(err, "Send a line of names first, then rows.");
    return TM_E_DATA;
}

static tm_status take_piece(void *arg, const tm_text_piece *piece, tm_err *err) {
    tm_pushing *const p = arg;
    if (piece->len == 0) {
        return TM_OK; /* behind the last row */
    }
    tm_push push = {.form = piece->csv != NULL ? TM_PUSH_CSV : TM_PUSH_LINES,
                    .data = piece->data,
                    .len = piece->len,
                    .first_line = piece->first_line,
                    .csv = piece->csv};
    const tm_status st = tm__push_piece(p, &push, err);
    if (st == TM_OK || st == TM_E_CANCELLED) {
        p->out->n_lines = piece->behind.lines + (piece->behind.ends ? 0 : 1);
    }
    return st;
}

static tm_status push_text(tm_pushing *p, tm_input *input, bool is_lines, tm_err *err) {
    bool is_changed = false;
    const tm_text_file file = {.path = p->file->shown,
                               .input = input,
                               .is_lines = is_lines,
                               .known = &p->known,
                               .order = no_order,
                               .named = check_header,
                               .take = take_piece,
                               .arg = p,
                               .piece_bytes =
                                   p->file->piece_bytes == 0 ? PIECE_BYTES : p->file->piece_bytes};
    return tm__feed_text(p->ctx, &file, NULL, &is_changed, err);
}

/* ---- What it is ---- */

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && memchr(" \t\r\n", *at, 4) != NULL) {
        at++;
    }
    return at;
}

/* Whether the object that begins there is {"rows": [...]}, or goes over several lines. */
static bool is_document(const char *at, const char *end) {
    static const char name[] = "\"rows\"";
    const char *next = at + 1;
    while (next < end && (*next == ' ' || *next == '\t' || *next == '\r')) {
        next++;
    }
    if (next < end && *next == '\n') {
        return true;
    }
    if ((size_t)(end - next) < sizeof(name) || memcmp(next, name, sizeof(name) - 1) != 0) {
        return false;
    }
    next = skip_blanks(next + sizeof(name) - 1, end);
    next = next < end && *next == ':' ? skip_blanks(next + 1, end) : end;
    return next < end && *next == '[';
}

static content find_content(const char *text, size_t len) {
    const char *const end = text + len;
    const char *at = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text;
    if (len >= 4 && memcmp(text, "PAR1", 4) == 0) {
        return CONTENT_PARQUET;
    }
    at = skip_blanks(at, end);
    if (at == end) {
        return len < PEEK_BYTES ? CONTENT_NOTHING : CONTENT_CSV;
    }
    if (*at == '{') {
        return is_document(at, end) ? CONTENT_JSON : CONTENT_LINES;
    }
    return *at == '[' ? CONTENT_JSON : CONTENT_CSV;
}

static tm_status push_nothing(const tm_pushing *p, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "there are no rows");
    tm_err_at(err, p->file->shown, 0, 0);
    tm_err_hint(err, "Give CSV with a line of names, or JSON.");
    return TM_E_DATA;
}

/* The input knows the path alone. */
static tm_status name_input(const tm_pushing *p, tm_status st, tm_err *err) {
    if (st != TM_OK && err != NULL && strcmp(err->data_path, p->file->path) == 0) {
        tm_err_at(err, p->file->shown, err->data_row, err->data_col);
    }
    return st;
}

static tm_status push_all(tm_pushing *p, tm_err *err) {
    tm_input *input = NULL;
    const char *head = NULL;
    size_t len = 0;
    TM_TRY(tm__input_open_stream(p->file->path, TM_PUSH_INPUT_BYTES,
                                 p->file->is_stream ? p->ctx->cancel : NULL, &input, err));
    tm_status st = tm__input_peek(input, PEEK_BYTES, &head, &len, err);
    const content what = st == TM_OK ? find_content(head, len) : CONTENT_NOTHING;
    if (st == TM_OK && (what == CONTENT_CSV || what == CONTENT_LINES)) {
        return push_text(p, input, what == CONTENT_LINES, err); /* takes the input */
    }
    if (st == TM_OK) {
        st = what == CONTENT_JSON      ? tm__push_document(p, input, err)
             : what == CONTENT_PARQUET ? tm__push_parquet(p, input, err)
                                       : push_nothing(p, err);
    }
    tm__input_close(input);
    return st;
}

/* ---- All of it ---- */

/* Columns as they are now: a view of those with a type. */
static tm_status find_columns(tm_pushing *p, const tm_home *home, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    TM_TRY(tm__intake_db_open_there(home, false, &db, err));
    tm_status st = tm__intake_db_source(db, p->file->source, &source, err);
    st = st == TM_OK ? tm__intake_db_columns(db, &source, &p->columns, err) : st;
    tm__source_row_done(&source);
    tm__db_close(db);
    TM_TRY(st);
    const tm_schema *const all = &p->columns->schema;
    p->known.cols = tm__mem_zalloc((size_t)all->n_cols + 1, sizeof(*p->known.cols));
    for (uint32_t i = 0; p->known.cols != NULL && i < all->n_cols; i++) {
        if (all->cols[i].type != TM_TYPE_NONE) {
            p->known.cols[p->known.n_cols++] = all->cols[i];
        }
    }
    return p->known.cols == NULL ? no_memory(p, err) : TM_OK;
}

static tm_status find_intake(tm_pushing *p, const tm_home *home, tm_err *err) {
    p->intake = tm__intake_create(home);
    if (p->intake == NULL) {
        return no_memory(p, err);
    }
    const tm_status st = tm__intake_ready(p->intake, p->file->source, err);
    if (st != TM_E_UNAVAILABLE || !tm__intake_is_elsewhere(p->intake)) {
        return st;
    }
    (void)TM_FAIL(err, TM_E_CONFLICT, "another process takes the pushes of this home");
    tm_err_hint(err,
                "If it is a server, send them there: POST /v1/sources/%.60s/rows. Else let it end.",
                p->file->source);
    return TM_E_CONFLICT;
}

static tm_status check_key(const char *key, tm_err *err) {
    const size_t len = key == NULL ? 1 : strlen(key);
    return len == 0 || len > TM_PUSH_FILE_KEY_MAX
               ? TM_FAIL(err, TM_E_USAGE, "an idempotency key of a file has 1 to %u bytes",
                         TM_PUSH_FILE_KEY_MAX)
               : TM_OK;
}

tm_status tm__push_file(tm_ctx *ctx, const tm_home *home, const tm_push_file *file,
                        tm_push_file_result *out, tm_err *err) {
    tm_pushing p = {.ctx = ctx, .file = file, .out = out, .temp_dir = tm__home_temp(home)};
    *out = (tm_push_file_result){0};
    TM_TRY(check_key(file->key, err));
    tm_status st = find_intake(&p, home, err);
    st = st == TM_OK ? find_columns(&p, home, err) : st;
    st = st == TM_OK ? name_input(&p, push_all(&p, err), err) : st;
    if (p.intake != NULL && !tm__intake_end(p.intake) && st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOMEM,
                     "the rows are accepted, but there was no memory to keep what rows of '%s' "
                     "usually are",
                     file->source);
    }
    tm__intake_close(p.intake);
    tm__mem_free(p.known.cols);
    tm__intake_columns_unref(p.columns);
    return st;
}
