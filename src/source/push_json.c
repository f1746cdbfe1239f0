/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One document of JSON: whole when it is small, else an array in pieces of whole values.
 *
 *   [ value , value , value , val          cut ──> "[value, value]" is pushed, and "[" + "val"
 * stays ^ cut
 *
 * Only commas of the array itself are looked for; whether a piece is JSON is for its reader to say.
 */
#include <string.h>

#include "base/limits.h"
#include "source/push_file_priv.h"

typedef struct document {
    tm_buf text;
    size_t at;      /* looked at so far */
    size_t cut;     /* the last comma between values of the array; 0: none */
    uint64_t n_cut; /* values before it */
    uint64_t n;     /* commas */
    uint32_t depth;
    bool is_array, in_text, is_escaped;
} document;

static tm_status no_memory(const tm_pushing *p, tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->file->shown);
}

/* Step over the bytes that came; the depth before the array is 0, within it 1. */
static void look(document *d) {
    const char *const text = (const char *)d->text.data;
    for (; d->at < d->text.len; d->at++) {
        const char c = text[d->at];
        if (d->in_text) {
            d->in_text = d->is_escaped || c != '"';
            d->is_escaped = !d->is_escaped && c == '\\';
        } else if (c == '"') {
            d->in_text = true;
        } else if (c == '[' || c == '{') {
            d->is_array = d->is_array || (d->depth == 0 && c == '[');
            d->depth++;
        } else if ((c == ']' || c == '}') && d->depth > 0) {
            d->depth--;
        } else if (c == ',' && d->depth == 1 && d->is_array) {
            d->cut = d->at;
            d->n_cut = ++d->n;
        }
    }
}

static tm_status push_text(tm_pushing *p, document *d, size_t len, tm_err *err) {
    tm_push push = {.form = TM_PUSH_JSON,
                    .data = (char *)d->text.data,
                    .len = len,
                    .first_row = p->out->n_lines};
    const tm_status st = tm__push_piece(p, &push, err);
    if (st == TM_E_DATA && err != NULL && err->data_path[0] == '\0') {
        tm_err_at(err, p->file->shown, err->data_row, err->data_col);
    }
    return st;
}

/* Push the values before the cut. */
static tm_status push_front(tm_pushing *p, document *d, tm_err *err) {
    char *const text = (char *)d->text.data;
    const size_t rest = d->cut + 1;
    const char behind = text[rest];
    text[d->cut] = ']';
    text[rest] = '\0';
    p->out->is_table = true;
    const tm_status st = push_text(p, d, rest, err);
    text[rest] = behind;
    if (st == TM_OK || st == TM_E_CANCELLED) {
        p->out->n_lines += d->n_cut;
    }
    TM_TRY(st);
    text[0] = '[';
    memmove(text + 1, text + rest, d->text.len - rest);
    d->text.len -= d->cut;
    d->at -= d->cut;
    d->n -= d->n_cut;
    d->cut = 0;
    return TM_OK;
}

static tm_status too_long(const tm_pushing *p, const document *d, size_t most, tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "%s of JSON has more than %zu MiB",
                  d->is_array ? "a value" : "a document", most >> 20);
    tm_err_at(err, p->file->shown, d->is_array ? p->out->n_lines + 1 : 0, 0);
    tm_err_hint(err, d->is_array ? "A row has at most so many bytes."
                                 : "Send lines of JSON, an object each: jq -c '.rows[]' makes "
                                   "them.");
    return TM_E_LIMIT;
}

static tm_status read_all(tm_pushing *p, tm_input *input, document *d, tm_err *err) {
    const size_t most = p->file->piece_bytes > 0 ? p->file->piece_bytes : TM_MAX_BODY_BYTES;
    const size_t step = most < TM_PUSH_INPUT_BYTES ? most : TM_PUSH_INPUT_BYTES;
    size_t n = step;
    while (n == step) {
        uint8_t *const to = tm__buf_reserve(&d->text, step + 1);
        if (to == NULL) {
            return no_memory(p, err);
        }
        TM_TRY(tm__input_read(input, to, step, &n, err));
        d->text.len += n;
        d->text.data[d->text.len] = '\0';
        look(d);
        if (d->text.len > most && d->cut > 0) {
            TM_TRY(push_front(p, d, err));
        }
        if (d->text.len > TM_MAX_BODY_BYTES) {
            return too_long(p, d, TM_MAX_BODY_BYTES, err);
        }
    }
    return push_text(p, d, d->text.len, err);
}

tm_status tm__push_document(tm_pushing *p, tm_input *input, tm_err *err) {
    document d = {0};
    tm__buf_init(&d.text, (size_t)TM_MAX_BODY_BYTES + 4 * TM_PUSH_INPUT_BYTES);
    const tm_status st = read_all(p, input, &d, err);
    tm__buf_done(&d.text);
    return st;
}
