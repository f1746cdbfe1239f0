/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The footer of a file of Parquet is one struct in thrift's compact protocol: numbers are varints
 * and structs say nowhere how long they are, so a walk that copies what it meets and writes other
 * numbers for places gives a footer again.
 */
#include "store/parquet_join.h"

#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/thrift.h"

#define MAGIC "PAR1"
enum { MAGIC_BYTES = 4, TAIL_BYTES = 8, DEPTH_MAX = 32, FOOTER_BYTES_MAX = 1 << 30 };

/* Fields of FileMetaData. */
enum { FILE_SCHEMA = 2, FILE_N_ROWS = 3, FILE_ROW_GROUPS = 4 };

/* Structs with places in them, and all others. */
typedef enum kind { KIND_OTHER, KIND_ROW_GROUP, KIND_COLUMN, KIND_COLUMN_META } kind;

struct tm_parquet_join {
    tm_file *file;
    uint64_t size; /* bytes written so far */
    tm_buf head;   /* fields before the row groups but the count of rows, of the first file */
    tm_buf groups; /* row groups of all files */
    tm_buf tail;   /* fields after them, of the first file */
    uint64_t n_rows;
    uint64_t n_groups;
};

typedef struct walk {
    tm_reader in;
    tm_buf *out;
    int64_t moved;   /* bytes, of every place */
    uint32_t n_deep; /* structs and lists around this place */
} walk;

typedef struct field {
    uint8_t type;
    int64_t id;
} field;

static uint64_t read_varint(tm_reader *in) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = tm__reader_u8(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    in->failed = true;
    return 0;
}

static int64_t read_number(tm_reader *in) {
    const uint64_t value = read_varint(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void copy_since(walk *w, size_t pos) {
    if (!w->in.failed) {
        (void)tm__buf_append(w->out, w->in.data + pos, w->in.pos - pos);
    }
}

/* The next field of a struct, whose last one was `last`; TM_THRIFT_STOP when there is none. */
static field read_field(tm_reader *in, int64_t last) {
    const uint8_t head = tm__reader_u8(in);
    field f = {.type = head & 0x0f, .id = last + (head >> 4)};
    if (f.type != TM_THRIFT_STOP && head >> 4 == 0) {
        f.id = read_number(in);
    }
    in->failed = in->failed || f.id < 0 || f.id > INT16_MAX;
    return in->failed ? (field){0} : f;
}

/* Whether the number of a field says where bytes lie. */
static bool is_place(kind of, field f) {
    switch (of) {
    case KIND_ROW_GROUP:
        return f.id == 5; /* file_offset */
    case KIND_COLUMN:
        return f.id == 2 || f.id == 4 || f.id == 6; /* file_offset, offset_index, column_index */
    case KIND_COLUMN_META: /* data, index and dictionary pages, the bloom filter */
        return f.id == 9 || f.id == 10 || f.id == 11 || f.id == 14;
    default:
        return false;
    }
}

static kind kind_below(kind of, field f) {
    if (of == KIND_ROW_GROUP && f.id == 1) {
        return KIND_COLUMN;
    }
    return of == KIND_COLUMN && f.id == 3 ? KIND_COLUMN_META : KIND_OTHER;
}

static void copy_value(walk *w, uint8_t type, kind of);

static void copy_struct(walk *w, kind of) {
    field f = {0};
    for (;;) {
        const size_t start = w->in.pos;
        f = read_field(&w->in, f.id);
        copy_since(w, start);
        if (f.type == TM_THRIFT_STOP || w->in.failed) {
            return;
        }
        if (f.type == TM_THRIFT_I64 && is_place(of, f)) {
            const int64_t place = read_number(&w->in);
            tm__thrift_number(w->out, place == 0 ? 0 : place + w->moved); /* 0: it is not said */
        } else if (f.type != TM_THRIFT_TRUE && f.type != TM_THRIFT_FALSE) {
            copy_value(w, f.type, kind_below(of, f));
        }
    }
}

static uint64_t read_list(tm_reader *in, uint8_t *type) {
    const uint8_t head = tm__reader_u8(in);
    *type = head & 0x0f;
    return head >> 4 == 15 ? read_varint(in) : head >> 4;
}

static void copy_list(walk *w, kind of) {
    const size_t start = w->in.pos;
    uint8_t type = 0;
    const uint64_t n = read_list(&w->in, &type);
    copy_since(w, start);
    for (uint64_t i = 0; i < n && !w->in.failed; i++) {
        copy_value(w, type, of);
    }
}

/* A value without its header; no map is in any footer. */
static void copy_value(walk *w, uint8_t type, kind of) {
    const size_t start = w->in.pos;
    if (++w->n_deep > DEPTH_MAX) {
        w->in.failed = true;
    } else if (type == TM_THRIFT_STRUCT) {
        copy_struct(w, of);
    } else if (type == TM_THRIFT_LIST || type == TM_THRIFT_SET) {
        copy_list(w, of);
    } else if (type == TM_THRIFT_BINARY) {
        (void)tm__reader_view(&w->in, read_varint(&w->in), 1);
        copy_since(w, start);
    } else if (type == TM_THRIFT_DOUBLE) {
        (void)tm__reader_view(&w->in, 1, sizeof(double));
        copy_since(w, start);
    } else if (type == TM_THRIFT_I16 || type == TM_THRIFT_I32 || type == TM_THRIFT_I64) {
        (void)read_varint(&w->in);
        copy_since(w, start);
    } else if (type == TM_THRIFT_TRUE || type == TM_THRIFT_FALSE || type == TM_THRIFT_BYTE) {
        (void)tm__reader_u8(&w->in);
        copy_since(w, start);
    } else {
        w->in.failed = true;
    }
    w->n_deep--;
}

static tm_status check_room(const tm_buf *buf, tm_err *err) {
    return tm__buf_status(buf) == TM_OK
               ? TM_OK
               : TM_FAIL(err, tm__buf_status(buf), "no room for the footer of a file of Parquet");
}

static tm_status check_walk(const walk *w, tm_err *err) {
    return w->in.failed ? TM_FAIL(err, TM_E_DATA, "a part is no whole file of Parquet")
                        : check_room(w->out, err);
}

/* One list of row groups, behind those of the files before. */
static tm_status add_groups(tm_parquet_join *join, walk *w, tm_err *err) {
    uint8_t type = 0;
    const uint64_t n = read_list(&w->in, &type);
    w->out = &join->groups;
    for (uint64_t i = 0; i < n && !w->in.failed; i++) {
        copy_value(w, type, KIND_ROW_GROUP);
    }
    join->n_groups += n;
    return check_walk(w, err);
}

/* What comes before the rows of a footer: version and schema, each with its header. */
static tm_status read_head(walk *w, tm_buf *out, tm_err *err) {
    field f = {0};
    w->out = out;
    while (f.id < FILE_SCHEMA && !w->in.failed) {
        const size_t start = w->in.pos;
        f = read_field(&w->in, f.id);
        copy_since(w, start);
        copy_value(w, f.type, KIND_OTHER);
    }
    w->in.failed = w->in.failed || f.id != FILE_SCHEMA;
    return check_walk(w, err);
}

static tm_status expect_field(walk *w, int64_t last, field wanted, tm_err *err) {
    const field f = read_field(&w->in, last);
    w->in.failed = w->in.failed || f.id != wanted.id || f.type != wanted.type;
    return check_walk(w, err);
}

/* The footer of one file, whose first bytes came to lie `moved` later. */
static tm_status add_footer(tm_parquet_join *join, tm_str footer, int64_t moved, tm_err *err) {
    const bool is_first = join->head.len == 0;
    walk w = {.moved = moved};
    tm_buf head;
    tm__buf_init(&head, FOOTER_BYTES_MAX);
    tm__reader_init(&w.in, footer.ptr, footer.len);
    tm_status st = read_head(&w, is_first ? &join->head : &head, err);
    if (st == TM_OK && !is_first &&
        (head.len != join->head.len || memcmp(head.data, join->head.data, head.len) != 0)) {
        st = TM_FAIL(err, TM_E_DATA, "parts of a file of Parquet have different columns");
    }
    tm__buf_done(&head);
    TM_TRY(st);
    TM_TRY(expect_field(&w, FILE_SCHEMA, (field){TM_THRIFT_I64, FILE_N_ROWS}, err));
    join->n_rows += (uint64_t)read_number(&w.in);
    TM_TRY(expect_field(&w, FILE_N_ROWS, (field){TM_THRIFT_LIST, FILE_ROW_GROUPS}, err));
    TM_TRY(add_groups(join, &w, err));
    if (is_first) { /* who wrote it, and metadata: headers are relative to the field before */
        w.in.pos = w.in.failed ? w.in.len : w.in.pos;
        (void)tm__buf_append(&join->tail, w.in.data + w.in.pos, w.in.len - w.in.pos);
    }
    return check_room(&join->tail, err);
}

static tm_status write_bytes(tm_parquet_join *join, const void *data, size_t len, tm_err *err) {
    TM_TRY(tm__file_write(join->file, data, len, err));
    join->size += len;
    return TM_OK;
}

tm_status tm__parquet_join_create(tm_file *file, tm_parquet_join **out_join, tm_err *err) {
    tm_parquet_join *const join = tm__mem_zalloc(1, sizeof(*join));
    if (join == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to write a file of Parquet");
    }
    join->file = file;
    tm__buf_init(&join->head, FOOTER_BYTES_MAX);
    tm__buf_init(&join->groups, FOOTER_BYTES_MAX);
    tm__buf_init(&join->tail, FOOTER_BYTES_MAX);
    const tm_status st = write_bytes(join, MAGIC, MAGIC_BYTES, err);
    if (st != TM_OK) {
        tm__parquet_join_free(join);
        return st;
    }
    *out_join = join;
    return TM_OK;
}

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

tm_status tm__parquet_join_add(tm_parquet_join *join, const void *data, size_t len, tm_err *err) {
    const uint8_t *const bytes = data;
    const bool is_file = len >= MAGIC_BYTES + TAIL_BYTES &&
                         memcmp(bytes, MAGIC, MAGIC_BYTES) == 0 &&
                         memcmp(bytes + len - MAGIC_BYTES, MAGIC, MAGIC_BYTES) == 0;
    const uint64_t n_footer = is_file ? read_u32(bytes + len - TAIL_BYTES) : 0;
    if (!is_file || n_footer > len - MAGIC_BYTES - TAIL_BYTES) {
        return TM_FAIL(err, TM_E_DATA, "a part is no whole file of Parquet");
    }
    const uint8_t *const footer = bytes + len - TAIL_BYTES - n_footer;
    const int64_t moved = (int64_t)join->size - MAGIC_BYTES;
    TM_TRY(add_footer(join, (tm_str){(const char *)footer, n_footer}, moved, err));
    return write_bytes(join, bytes + MAGIC_BYTES, (size_t)(footer - bytes) - MAGIC_BYTES, err);
}

tm_status tm__parquet_join_finish(tm_parquet_join *join, tm_err *err) {
    tm_buf *const out = &join->head;
    tm_thrift footer = {.out = out, .last = FILE_SCHEMA};
    tm__thrift_i64(&footer, FILE_N_ROWS, (int64_t)join->n_rows);
    tm__thrift_list(&footer, FILE_ROW_GROUPS, TM_THRIFT_STRUCT, join->n_groups);
    (void)tm__buf_append(out, join->groups.data, join->groups.len);
    (void)tm__buf_append(out, join->tail.data, join->tail.len);
    const uint32_t n_footer = (uint32_t)out->len;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        (void)tm__buf_byte(out, (uint8_t)(n_footer >> shift));
    }
    (void)tm__buf_text(out, MAGIC);
    TM_TRY(check_room(out, err));
    return write_bytes(join, out->data, out->len, err);
}

void tm__parquet_join_free(tm_parquet_join *join) {
    if (join != NULL) {
        tm__buf_done(&join->head);
        tm__buf_done(&join->groups);
        tm__buf_done(&join->tail);
        tm__mem_free(join);
    }
}
