/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files read by ranks: each converts every p-th column, and gives it to the others.
 *
 *     meet      the bytes of the files are the same everywhere     --> or each rank reads all
 *     read      rank r: columns r, r + p, r + 2 p, ...             --> or all fail with one message
 *     heads     name, type and texts of every column, by its owner
 *     room      for the columns of others                          --> or all fail with one message
 *     values    column by column, from its owner to all
 *
 * 1. No rank is in a call of the table of ranks while another may leave for a failure: each step
 *    ends in one check.
 * 2. A column is what one rank alone makes of it, because types and dictionaries of a column depend
 *    on its own cells and nothing else; dictionaries go over in the order of their codes.
 */
#include <string.h>

#include "base/comm.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/source.h"

#define READ_BYTES ((size_t)1 << 20)
/* Bytes of files that are worth dividing: fewer are read while messages are on their way. */
#define SHARED_BYTES ((uint64_t)1 << 16)

/* --- whether ranks read the same --- */

typedef struct digest {
    uint64_t n_bytes, n_files, sum;
    bool is_known; /* all files are of kinds that are divided */
    uint8_t *room; /* [READ_BYTES] */
} digest;

static tm_status add_bytes(digest *d, tm_file *file, uint64_t *out_bytes, uint32_t *out_crc,
                           tm_err *err) {
    size_t n = 1;
    while (n > 0) {
        TM_TRY(tm__file_read(file, d->room, READ_BYTES, &n, err));
        *out_crc = tm__crc32c(*out_crc, d->room, n);
        *out_bytes += n;
    }
    return TM_OK;
}

static tm_status add_file(void *arg, const char *path, tm_err *err) {
    digest *const d = arg;
    const tm_file_kind kind = tm__source_kind(path);
    tm_file *file = NULL;
    d->is_known = d->is_known && (kind == TM_FILE_CSV || kind == TM_FILE_PARQUET);
    if (!d->is_known) {
        return TM_OK;
    }
    uint64_t words[3] = {(uint64_t)kind, 0, 0};
    uint32_t crc = 0;
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &file, err));
    const tm_status st = add_bytes(d, file, &words[1], &crc, err);
    tm__file_close(file);
    words[2] = crc;
    d->n_bytes += words[1];
    d->n_files++;
    d->sum = tm__hash64(words, sizeof(words), d->sum);
    return st;
}

static void add_schema(digest *d, const tm_schema *schema) {
    for (uint32_t i = 0; schema != NULL && i < schema->n_cols; i++) {
        const tm_schema_column *const c = &schema->cols[i];
        d->sum = tm__hash64(c->name, strlen(c->name), d->sum + (uint64_t)c->type);
    }
}

/* 0: nothing that is worth it. */
static tm_status digest_of(const tm_source_spec *spec, uint64_t *out, tm_err *err) {
    *out = 0;
    if (spec == NULL || spec->path == NULL) {
        return TM_OK;
    }
    digest d = {.is_known = true, .room = tm__mem_alloc(READ_BYTES, 1)};
    if (d.room == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", spec->path);
    }
    const tm_status st = tm__source_each_file(spec->path, add_file, &d, err);
    tm__mem_free(d.room);
    d.sum += spec->no_header;
    add_schema(&d, spec->schema);
    if (st == TM_OK && d.is_known && d.n_bytes >= SHARED_BYTES) {
        *out = d.sum | 1;
    }
    return st;
}

tm_status tm__source_ranks_meet(tm_ctx *ctx, const tm_source_spec *spec, tm_status st,
                                bool *out_share, tm_err *err) {
    struct tm_comm *const comm = ctx->comm;
    uint64_t own = 0;
    *out_share = false;
    if (tm__comm_ranks(comm) == 1) {
        return st;
    }
    st = st == TM_OK ? digest_of(spec, &own, err) : st;
    TM_TRY(tm__comm_check(comm, st, err));
    uint64_t first = own;
    tm__comm_spread(comm, &first, sizeof(first));
    *out_share = tm__comm_total(comm, own == 0 || first != own) == 0;
    return tm__comm_status(comm, err);
}

/* --- columns from rank to rank --- */

typedef struct head {
    uint64_t n_rows;
    uint64_t text_bytes; /* of its texts, each behind its length */
    uint32_t n_texts;
    uint32_t type;
    char name[TM_MAX_COLUMN_NAME + 1];
} head;

typedef struct swap {
    struct tm_comm *comm;
    uint32_t rank, n_ranks, n_cols;
    uint64_t n_rows;
    tm_table *part;  /* own columns */
    head *heads;     /* [n_cols] */
    void **values;   /* [n_cols] NULL: of the part, or given away */
    uint8_t **texts; /* [n_cols] NULL: none */
    bool *is_others; /* [n_cols] */
} swap;

static void swap_done(swap *s) {
    for (uint32_t col = 0; col < s->n_cols; col++) {
        tm__mem_free(s->values != NULL ? s->values[col] : NULL);
        tm__mem_free(s->texts != NULL ? s->texts[col] : NULL);
    }
    tm__mem_free(s->heads);
    tm__mem_free(s->values);
    tm__mem_free(s->texts);
    tm__mem_free(s->is_others);
    tm__table_unref(s->part);
}

static const tm_column *own_column(const swap *s, uint32_t col) {
    return s->is_others[col] ? NULL : tm__table_column(s->part, col / s->n_ranks);
}

static void fill_head(const swap *s, const tm_column *column, head *out) {
    *out = (head){.n_rows = tm__table_rows(s->part), .type = (uint32_t)column->type};
    (void)tm__str_copy(out->name, sizeof(out->name), tm__str(column->name));
    out->n_texts = column->dict != NULL ? tm__dict_count(column->dict) : 0;
    for (uint32_t code = 0; code < out->n_texts; code++) {
        out->text_bytes += sizeof(uint32_t) + tm__dict_get(column->dict, code).len;
    }
}

static tm_status swap_heads(swap *s, tm_err *err) {
    bool are_same = true;
    for (uint32_t col = 0; col < s->n_cols; col++) {
        s->is_others[col] = col % s->n_ranks != s->rank;
        if (!s->is_others[col]) {
            fill_head(s, own_column(s, col), &s->heads[col]);
        }
        tm__comm_spread_from(s->comm, col % s->n_ranks, &s->heads[col], sizeof(s->heads[col]));
        are_same = are_same && s->heads[col].n_rows == s->n_rows;
    }
    TM_TRY(tm__comm_status(s->comm, err));
    return are_same ? TM_OK : TM_FAIL(err, TM_E_CONFLICT, "ranks read different numbers of rows");
}

static size_t value_bytes(const head *h) {
    return h->type == TM_TYPE_TEXT ? sizeof(uint32_t) : sizeof(int64_t);
}

static void fill_texts(const tm_dict *dict, uint8_t *to) {
    for (uint32_t code = 0; code < tm__dict_count(dict); code++) {
        const tm_str text = tm__dict_get(dict, code);
        const uint32_t len = (uint32_t)text.len;
        memcpy(to, &len, sizeof(len));
        memcpy(to + sizeof(len), text.ptr, len);
        to += sizeof(len) + len;
    }
}

static tm_status make_room(swap *s, tm_err *err) {
    bool has_room = true;
    for (uint32_t col = 0; has_room && col < s->n_cols; col++) {
        const head *const h = &s->heads[col];
        if (h->text_bytes > 0) {
            s->texts[col] = tm__mem_alloc(h->text_bytes, 1);
            has_room = s->texts[col] != NULL;
        }
        if (has_room && s->is_others[col]) {
            s->values[col] = tm__mem_alloc(s->n_rows, value_bytes(h));
            has_room = s->values[col] != NULL;
        }
    }
    return has_room ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of other ranks");
}

static const void *values_of(const tm_column *column) {
    return column->ints != NULL     ? (const void *)column->ints
           : column->floats != NULL ? (const void *)column->floats
                                    : (const void *)column->codes;
}

static void swap_values(swap *s) {
    for (uint32_t col = 0; col < s->n_cols; col++) {
        const head *const h = &s->heads[col];
        const tm_column *const own = own_column(s, col);
        const uint32_t from = col % s->n_ranks;
        if (h->text_bytes > 0) {
            if (own != NULL) {
                fill_texts(own->dict, s->texts[col]);
            }
            tm__comm_spread_from(s->comm, from, s->texts[col], h->text_bytes);
        }
        /* What is only sent is not written to. */
        void *const values = own != NULL ? (void *)(uintptr_t)values_of(own) : s->values[col];
        tm__comm_spread_from(s->comm, from, values, s->n_rows * value_bytes(h));
    }
}

static tm_dict *read_texts(const head *h, const uint8_t *from) {
    tm_dict *dict = tm__dict_create();
    for (uint32_t code = 0; dict != NULL && code < h->n_texts; code++) {
        uint32_t len = 0;
        memcpy(&len, from, sizeof(len));
        if (tm__dict_add(dict, (tm_str){(const char *)from + sizeof(len), len}) != code) {
            tm__dict_free(dict);
            dict = NULL;
        }
        from += sizeof(len) + len;
    }
    return dict;
}

/* Columns of others as a table. */
static tm_status build_others(swap *s, tm_table **out, tm_err *err) {
    tm_table_builder *const b = tm__builder_create();
    tm_status st = b != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    for (uint32_t col = 0; st == TM_OK && col < s->n_cols; col++) {
        const head *const h = &s->heads[col];
        if (!s->is_others[col]) {
            continue;
        }
        tm_dict *const dict = h->type == TM_TYPE_TEXT ? read_texts(h, s->texts[col]) : NULL;
        st = h->type == TM_TYPE_TEXT && dict == NULL
                 ? TM_FAIL(err, TM_E_NOMEM, "no memory for the texts of column '%s'", h->name)
                 : tm__builder_give_column(b, h->name, (tm_type)h->type, s->values[col], dict,
                                           s->n_rows, err);
        if (st == TM_OK) {
            s->values[col] = NULL;
        } else {
            tm__dict_free(dict);
        }
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    st = tm__builder_reserve(b, s->n_rows, err); /* where no column is of others */
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    tm__builder_set_rows(b, s->n_rows);
    return tm__builder_finish(b, out, err);
}

static tm_status join(swap *s, tm_table **out, tm_err *err) {
    tm_table *others = NULL;
    TM_TRY(build_others(s, &others, err));
    tm_table *const part = s->part;
    s->part = NULL;
    return tm__table_zip(part, others, s->is_others, s->n_cols, out, err);
}

static tm_status swap_init(swap *s, tm_err *err) {
    s->heads = tm__mem_zalloc(s->n_cols, sizeof(*s->heads));
    s->values = tm__mem_zalloc(s->n_cols, sizeof(*s->values));
    s->texts = tm__mem_zalloc(s->n_cols, sizeof(*s->texts));
    s->is_others = tm__mem_zalloc(s->n_cols, sizeof(*s->is_others));
    return s->heads != NULL && s->values != NULL && s->texts != NULL && s->is_others != NULL
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of other ranks");
}

tm_status tm__source_read_ranks(tm_ctx *ctx, const tm_source_spec *spec, tm_table **out,
                                tm_err *err) {
    swap s = {
        .comm = ctx->comm, .rank = tm__comm_rank(ctx->comm), .n_ranks = tm__comm_ranks(ctx->comm)};
    tm_source_spec own = *spec;
    tm_table *table = NULL;
    uint32_t n_cols = 0;
    own.share = (tm_source_share){s.rank, s.n_ranks, &n_cols};
    tm_status st = tm__comm_check(s.comm, tm__source_read(ctx, &own, &s.part, err), err);
    if (st == TM_OK) {
        s.n_rows = tm__table_rows(s.part);
        s.n_cols = n_cols;
        st = tm__comm_check(s.comm, swap_init(&s, err), err);
    }
    st = st == TM_OK ? tm__comm_check(s.comm, swap_heads(&s, err), err) : st;
    st = st == TM_OK ? tm__comm_check(s.comm, make_room(&s, err), err) : st;
    if (st == TM_OK) {
        swap_values(&s);
        st = tm__comm_status(s.comm, err);
        st = st == TM_OK ? join(&s, &table, err) : st;
        st = tm__comm_check(s.comm, st, err);
    }
    swap_done(&s);
    if (st != TM_OK) {
        tm__table_unref(table);
        return st;
    }
    *out = table;
    return TM_OK;
}
