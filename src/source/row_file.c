/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   "TMROWS2\n"    one of an earlier release, "TMROWS1\n", has no bad values
 *   "TMROWS3\n"    is sealed: its key follows (store/vault_parts.h), and the bytes of each block
 * are a part, of a block with its head block   length u64, CRC32C u32, 0 u32, then length bytes:
 *           n_rows u64, n_cols u32, and for each column: type u32, name, for texts the number of
 *           them u32 and each; then the values, in the storage of the column, aligned to 8;
 *           number of bad values u32, and for each: row u32, column u32, kind u32, bytes
 *   ...
 *   "TMROWEND"
 */
#include "source/row_file.h"

#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/vault_parts.h"

#define MAGIC "TMROWS2\n"
#define MAGIC_1 "TMROWS1\n"
#define MAGIC_SEALED "TMROWS3\n"
#define END "TMROWEND"
#define MAGIC_BYTES 8u /* of both */
#define HEAD_BYTES 16u
#define BLOCK_BYTES_MAX ((size_t)1 << 32)

struct tm_row_writer {
    char *path, *temp;
    tm_file *file;
    tm_buf block, sealed;
    tm_vault_parts parts;
    bool is_sealed;
    uint64_t at; /* bytes of the file */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows on their way");
}

static size_t value_size(tm_type type) {
    return type == TM_TYPE_TEXT ? sizeof(uint32_t) : sizeof(uint64_t);
}

/* ---- Writing ---- */

static void writer_free(tm_row_writer *writer) {
    tm__file_close(writer->file);
    tm__buf_done(&writer->block);
    tm__buf_done(&writer->sealed);
    tm__vault_parts_done(&writer->parts);
    tm__mem_free(writer->path);
    tm__mem_free(writer->temp);
    tm__mem_free(writer);
}

static tm_status make_folder(const char *path, tm_err *err) {
    const char *const slash = strrchr(path, '/');
    char *dir = slash == NULL ? NULL : tm__mem_strndup(path, (size_t)(slash - path));
    const tm_status st = slash == NULL ? TM_OK
                         : dir == NULL ? no_memory(err)
                                       : tm__fs_mkdir(dir, err);
    tm__mem_free(dir);
    return st;
}

tm_status tm__row_writer_open(const char *path, tm_row_writer **out, tm_err *err) {
    tm_row_writer *writer = tm__mem_zalloc(1, sizeof(*writer));
    if (writer == NULL) {
        return no_memory(err);
    }
    tm__buf_init(&writer->block, BLOCK_BYTES_MAX);
    tm__buf_init(&writer->sealed, BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 2);
    writer->path = tm__mem_strdup(path);
    writer->temp = tm__mem_alloc(strlen(path) + sizeof(".part"), 1);
    tm_status st = writer->path == NULL || writer->temp == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        memcpy(writer->temp, path, strlen(path));
        memcpy(writer->temp + strlen(path), ".part", sizeof(".part"));
        st = make_folder(path, err);
    }
    st = st != TM_OK ? st : tm__fs_remove(writer->temp, err);
    st = st != TM_OK ? st : tm__file_open(writer->temp, TM_OPEN_CREATE, &writer->file, err);
    if (st != TM_OK) {
        writer_free(writer);
        return st;
    }
    *out = writer;
    return TM_OK;
}

tm_status tm__row_writer_seal(tm_row_writer *writer, tm_err *err) {
    TM_ASSERT(writer->at == 0);
    tm__buf_reset(&writer->sealed);
    (void)tm__buf_text(&writer->sealed, MAGIC_SEALED);
    TM_TRY(tm__vault_parts_begin(writer->path, &writer->parts, &writer->sealed, err));
    writer->is_sealed = writer->sealed.len > MAGIC_BYTES;
    return TM_OK;
}

/* The first bytes of the file; `sealed` holds those of a sealed one. */
static tm_status begin_file(tm_row_writer *writer, tm_err *err) {
    const void *const head = writer->is_sealed ? (const void *)writer->sealed.data : MAGIC;
    const size_t len = writer->is_sealed ? writer->sealed.len : MAGIC_BYTES;
    TM_TRY(writer->at > 0 ? TM_OK : tm__file_write(writer->file, head, len, err));
    writer->at = writer->at > 0 ? writer->at : len;
    return TM_OK;
}

static void put_head(uint8_t head[HEAD_BYTES], uint64_t len, const uint8_t *bytes) {
    const uint32_t crc = tm__crc32c(0, bytes, len);
    memset(head, 0, HEAD_BYTES);
    memcpy(head, &len, sizeof(len));
    memcpy(head + 8, &crc, sizeof(crc));
}

static tm_status put_block(tm_row_writer *writer, const tm_buf *block, tm_err *err) {
    TM_TRY(tm__file_write(writer->file, block->data, block->len, err));
    writer->at += block->len;
    return TM_OK;
}

static tm_status put_sealed(tm_row_writer *writer, tm_err *err) {
    const tm_str bytes = {(const char *)writer->block.data, writer->block.len};
    tm_buf *const out = &writer->sealed;
    tm__buf_reset(out);
    (void)tm__buf_u64(out, 0);
    (void)tm__buf_u64(out, 0);
    if (!tm__vault_part_seal(&writer->parts, writer->at, bytes, out) || out->failed) {
        return no_memory(err);
    }
    put_head(out->data, out->len - HEAD_BYTES, out->data + HEAD_BYTES);
    return put_block(writer, out, err);
}

static void put_column(tm_buf *out, const tm_column *c, uint64_t n_rows) {
    const void *const values = c->type == TM_TYPE_TEXT    ? (const void *)c->codes
                               : c->type == TM_TYPE_FLOAT ? (const void *)c->floats
                                                          : (const void *)c->ints;
    tm__buf_u32(out, (uint32_t)c->type);
    tm__buf_str(out, tm__str(c->name));
    if (c->type == TM_TYPE_TEXT) {
        const uint32_t n = tm__dict_count(c->dict);
        tm__buf_u32(out, n);
        for (uint32_t code = 0; code < n; code++) {
            tm__buf_str(out, tm__dict_get(c->dict, code));
        }
    }
    tm__buf_align(out, 8);
    (void)tm__buf_append(out, values, n_rows * value_size(c->type));
}

static void put_bad(tm_buf *out, const tm_bad_values *bad) {
    const uint32_t n = bad == NULL ? 0 : bad->n;
    tm__buf_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        const tm_bad_value value = tm__bad_values_get(bad, i);
        tm__buf_u32(out, value.row);
        tm__buf_u32(out, value.col);
        tm__buf_u32(out, (uint32_t)value.kind);
        tm__buf_str(out, value.value);
    }
}

tm_status tm__row_writer_put(tm_row_writer *writer, const tm_table *rows, const tm_bad_values *bad,
                             tm_err *err) {
    tm_buf *const out = &writer->block;
    const uint64_t n_rows = tm__table_rows(rows);
    const uint32_t n_cols = tm__table_cols(rows);
    tm__buf_reset(out);
    tm__buf_u64(out, 0); /* the head, known at the end */
    tm__buf_u64(out, 0);
    tm__buf_u64(out, n_rows);
    tm__buf_u32(out, n_cols);
    for (uint32_t col = 0; col < n_cols; col++) {
        put_column(out, tm__table_column(rows, col), n_rows);
    }
    put_bad(out, bad);
    if (out->failed) {
        return no_memory(err);
    }
    put_head(out->data, out->len - HEAD_BYTES, out->data + HEAD_BYTES);
    TM_TRY(begin_file(writer, err));
    return writer->is_sealed ? put_sealed(writer, err) : put_block(writer, out, err);
}

tm_status tm__row_writer_close(tm_row_writer *writer, tm_status st, tm_err *err) {
    if (writer == NULL) {
        return st;
    }
    st = st != TM_OK ? st : begin_file(writer, err);
    st = st != TM_OK ? st : tm__file_write(writer->file, END, MAGIC_BYTES, err);
    st = st != TM_OK ? st : tm__file_sync(writer->file, err);
    tm__file_close(writer->file);
    writer->file = NULL;
    st = st != TM_OK ? st : tm__fs_remove(writer->path, err); /* of a reading that did not end */
    st = st != TM_OK ? st : tm__fs_move(writer->temp, writer->path, err);
    if (st != TM_OK && tm__fs_remove(writer->temp, NULL) != TM_OK) {
        st = st == TM_OK ? TM_E_IO : st; /* the next reading makes it anew */
    }
    writer_free(writer);
    return st;
}

/* ---- Reading ---- */

struct tm_row_reader {
    char *path;
    tm_map map;
    uint64_t at, end;
    bool has_bad; /* blocks have bad values */
    tm_vault_parts parts;
    tm_buf opened; /* a block that was sealed */
};

static tm_status damaged(const tm_row_reader *reader, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "rows that wait to be taken are damaged");
    tm_err_at(err, reader->path, 0, 0);
    tm_err_hint(err, "Remove the source and add it again.");
    return TM_E_INTEGRITY;
}

void tm__row_reader_close(tm_row_reader *reader) {
    if (reader != NULL) {
        tm__map_close(&reader->map);
        tm__vault_parts_done(&reader->parts);
        tm__buf_done(&reader->opened);
        tm__mem_free(reader->path);
        tm__mem_free(reader);
    }
}

static bool begins(const tm_row_reader *reader, const char *magic) {
    return memcmp(reader->map.data, magic, MAGIC_BYTES) == 0;
}

/* Where the first block begins; 0 for what is no such file. */
static uint64_t first_block(const tm_row_reader *reader) {
    const size_t len = reader->map.len;
    if (len < 2 * MAGIC_BYTES || memcmp(reader->map.data + reader->end, END, MAGIC_BYTES) != 0) {
        return 0;
    }
    if (begins(reader, MAGIC_SEALED)) {
        return len >= 2 * MAGIC_BYTES + TM_VAULT_PARTS_HEAD ? MAGIC_BYTES + TM_VAULT_PARTS_HEAD : 0;
    }
    return begins(reader, MAGIC) || begins(reader, MAGIC_1) ? MAGIC_BYTES : 0;
}

static tm_status begin_reading(tm_row_reader *reader, uint64_t at, tm_err *err) {
    reader->end = reader->map.len < MAGIC_BYTES ? 0 : reader->map.len - MAGIC_BYTES;
    const uint64_t first = first_block(reader);
    reader->at = at == 0 ? first : at;
    if (first == 0 || reader->at < first || reader->at > reader->end) {
        return damaged(reader, err);
    }
    reader->has_bad = !begins(reader, MAGIC_1);
    return begins(reader, MAGIC_SEALED)
               ? tm__vault_parts_open(reader->path, reader->map.data + MAGIC_BYTES, &reader->parts,
                                      err)
               : TM_OK;
}

tm_status tm__row_reader_open(const char *path, uint64_t at, tm_row_reader **out, tm_err *err) {
    tm_row_reader *reader = tm__mem_zalloc(1, sizeof(*reader));
    if (reader == NULL || (reader->path = tm__mem_strdup(path)) == NULL) {
        tm__mem_free(reader);
        return no_memory(err);
    }
    tm__buf_init(&reader->opened, BLOCK_BYTES_MAX);
    tm_status st = tm__map_open(path, &reader->map, err);
    st = st == TM_OK ? begin_reading(reader, at, err) : st;
    if (st != TM_OK) {
        tm__row_reader_close(reader);
        return st;
    }
    *out = reader;
    return TM_OK;
}

uint64_t tm__row_reader_at(const tm_row_reader *reader) {
    return reader->at;
}

bool tm__row_reader_is_end(const tm_row_reader *reader) {
    return reader->at == reader->end;
}

static tm_status no_more(const tm_row_reader *reader, bool has_memory, tm_err *err) {
    return has_memory ? damaged(reader, err) : no_memory(err);
}

static tm_status read_column(const tm_row_reader *reader, tm_reader *in, uint64_t n_rows,
                             tm_table_builder *builder, tm_err *err) {
    char name[TM_MAX_COLUMN_NAME + 1];
    tm_dict *dict = NULL;
    const tm_type type = (tm_type)tm__reader_u32(in);
    if (in->failed || type < TM_TYPE_BOOL || type > TM_TYPE_TIME ||
        !tm__str_copy(name, sizeof(name), tm__reader_str(in))) {
        return damaged(reader, err);
    }
    bool has_memory = true, is_good = true;
    if (type == TM_TYPE_TEXT) {
        const uint32_t n = tm__reader_u32(in);
        dict = tm__dict_create();
        has_memory = dict != NULL;
        for (uint32_t i = 0; has_memory && is_good && i < n; i++) {
            const uint32_t code = tm__dict_add(dict, tm__reader_str(in));
            has_memory = code != TM_CODE_MISSING;
            is_good = code == i && !in->failed;
        }
    }
    tm__reader_align(in, 8);
    const void *const values = is_good ? tm__reader_view(in, n_rows, value_size(type)) : NULL;
    void *copy = NULL;
    if (has_memory && values != NULL) {
        copy = tm__mem_alloc(n_rows, value_size(type));
        has_memory = copy != NULL;
    }
    if (copy == NULL) {
        tm__dict_free(dict);
        return no_more(reader, has_memory, err);
    }
    memcpy(copy, values, n_rows * value_size(type));
    for (uint64_t i = 0; type == TM_TYPE_TEXT && i < n_rows; i++) {
        const uint32_t code = ((const uint32_t *)copy)[i];
        is_good = is_good && (code == TM_CODE_MISSING || code < tm__dict_count(dict));
    }
    const tm_status st = is_good
                             ? tm__builder_give_column(builder, name, type, copy, dict, n_rows, err)
                             : damaged(reader, err);
    if (st != TM_OK) {
        tm__mem_free(copy);
        tm__dict_free(dict);
    }
    return st;
}

static tm_status read_bad(const tm_row_reader *reader, tm_reader *in, const tm_table *rows,
                          tm_bad_values *bad, tm_err *err) {
    const uint32_t n = reader->has_bad ? tm__reader_u32(in) : 0;
    uint64_t row = 0;
    for (uint32_t i = 0; i < n && !in->failed; i++) {
        const tm_bad_value value = {.row = tm__reader_u32(in),
                                    .col = tm__reader_u32(in),
                                    .kind = (tm_bad_kind)tm__reader_u32(in),
                                    .value = tm__reader_str(in)};
        if (in->failed || value.row < row || value.row >= tm__table_rows(rows) ||
            value.col >= tm__table_cols(rows) || value.kind >= TM_BAD_KINDS) {
            return damaged(reader, err);
        }
        row = value.row;
        if (!tm__bad_values_add(bad, &value)) {
            return no_memory(err);
        }
    }
    return tm__reader_is_done(in) ? TM_OK : damaged(reader, err);
}

/* The block at the head of some bytes, with its head; false when it is not whole. */
static bool take_block(const uint8_t *bytes, uint64_t left, tm_str *out) {
    uint64_t len = 0;
    uint32_t crc = 0, none = 0;
    if (left < HEAD_BYTES) {
        return false;
    }
    memcpy(&len, bytes, sizeof(len));
    memcpy(&crc, bytes + 8, sizeof(crc));
    memcpy(&none, bytes + 12, sizeof(none));
    *out = (tm_str){(const char *)bytes, HEAD_BYTES + len};
    return none == 0 && len <= left - HEAD_BYTES && tm__crc32c(0, bytes + HEAD_BYTES, len) == crc;
}

/* *out_block views the block as it was before it was sealed. */
static tm_status next_block(tm_row_reader *reader, tm_str *out_block, uint64_t *out_next,
                            tm_err *err) {
    tm_str outer, inner;
    if (!take_block(reader->map.data + reader->at, reader->end - reader->at, &outer)) {
        return damaged(reader, err);
    }
    *out_block = outer;
    *out_next = reader->at + outer.len;
    if (reader->parts.key.n == 0) {
        return TM_OK;
    }
    const tm_str part = {outer.ptr + HEAD_BYTES, outer.len - HEAD_BYTES};
    const tm_status st =
        tm__vault_part_open(&reader->parts, reader->at, part, &reader->opened, &inner, NULL);
    if (st == TM_E_NOMEM) {
        return no_memory(err);
    }
    return st == TM_OK && take_block((const uint8_t *)inner.ptr, inner.len, out_block)
               ? TM_OK
               : damaged(reader, err);
}

static tm_status read_block(const tm_row_reader *reader, tm_str block, tm_table **out,
                            tm_bad_values *bad, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, block.ptr, block.len); /* alignment counts from there */
    (void)tm__reader_view(&in, HEAD_BYTES, 1);
    const uint64_t n_rows = tm__reader_u64(&in);
    const uint32_t n_cols = tm__reader_u32(&in);
    tm_table_builder *builder = tm__builder_create();
    tm_status st = builder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t col = 0; st == TM_OK && col < n_cols; col++) {
        st = read_column(reader, &in, n_rows, builder, err);
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    tm_table *rows = NULL;
    tm__builder_set_rows(builder, n_rows);
    TM_TRY(tm__builder_finish(builder, &rows, err));
    st = read_bad(reader, &in, rows, bad, err);
    if (st != TM_OK) {
        tm__table_unref(rows);
        return st;
    }
    *out = rows;
    return TM_OK;
}

tm_status tm__row_reader_next(tm_row_reader *reader, tm_table **out, tm_bad_values *bad,
                              tm_err *err) {
    tm_str block;
    uint64_t next = 0;
    if (reader->at == reader->end) {
        *out = NULL;
        return TM_OK;
    }
    TM_TRY(next_block(reader, &block, &next, err));
    TM_TRY(read_block(reader, block, out, bad, err));
    reader->at = next;
    return TM_OK;
}

bool tm__row_file_sealed_by(const char *path, char out[TM_ENVELOPE_ID_TEXT]) {
    tm_map map = {0};
    tm_cell_head head;
    if (tm__map_open(path, &map, NULL) != TM_OK) {
        return false;
    }
    const bool is_sealed = map.len >= MAGIC_BYTES + TM_VAULT_PARTS_HEAD &&
                           memcmp(map.data, MAGIC_SEALED, MAGIC_BYTES) == 0 &&
                           tm__seal_is_cell(map.data + MAGIC_BYTES, TM_VAULT_PARTS_HEAD, &head);
    if (is_sealed) {
        tm__envelope_id_to_text(head.key_id, out);
    }
    tm__map_close(&map);
    return is_sealed;
}
