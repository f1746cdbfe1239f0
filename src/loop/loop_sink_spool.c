/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a batch in a file of the home, for as long as the batch is not done: a table elsewhere
 * can change under a batch that has to be made again.
 *
 *     "TMSR" u32 version u64 rows u32 columns, then for each column: str name, u32 type, and
 *     8 bytes a row; of texts u32 count, str each, and 4 bytes a row
 *
 * The plan holds the hash of the bytes.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "store/vault.h"

#define MAGIC 0x52534D54u /* "TMSR" */
#define VERSION 1u
#define SPOOL_BYTES_MAX ((size_t)8 << 30)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are stored as they lie");

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a batch");
}

char *tm__sink_spool_path(const tm_sink_run *run, int64_t number) {
    char name[64];
    (void)snprintf(name, sizeof(name), "sink.%s.%d.rows", tm__json_text(run->row.state, "uid", ""),
                   (int)(number & 1));
    return tm__fs_join(tm__home_shares_intake(run->home) ? tm__home_intake_dir(run->home)
                                                         : tm__home_jobs(run->home),
                       name);
}

static void append_column(const tm_column *column, uint64_t n_rows, tm_buf *out) {
    (void)tm__buf_str(out, tm__str(column->name));
    (void)tm__buf_u32(out, (uint32_t)column->type);
    if (column->ints != NULL) {
        (void)tm__buf_append(out, column->ints, n_rows * sizeof(int64_t));
    } else if (column->floats != NULL) {
        (void)tm__buf_append(out, column->floats, n_rows * sizeof(double));
    } else {
        const uint32_t n = tm__dict_count(column->dict);
        (void)tm__buf_u32(out, n);
        for (uint32_t i = 0; i < n; i++) {
            (void)tm__buf_str(out, tm__dict_get(column->dict, i));
        }
        (void)tm__buf_append(out, column->codes, n_rows * sizeof(uint32_t));
    }
}

tm_status tm__sink_spool_write(const char *path, const tm_table *table, tm_hash *out_hash,
                               tm_err *err) {
    tm_buf bytes;
    tm__buf_init(&bytes, SPOOL_BYTES_MAX);
    (void)tm__buf_u32(&bytes, MAGIC);
    (void)tm__buf_u32(&bytes, VERSION);
    (void)tm__buf_u64(&bytes, tm__table_rows(table));
    (void)tm__buf_u32(&bytes, tm__table_cols(table));
    for (uint32_t i = 0; i < tm__table_cols(table); i++) {
        append_column(tm__table_column(table, i), tm__table_rows(table), &bytes);
    }
    tm_status st = bytes.failed ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        tm__hash_bytes(bytes.data, bytes.len, out_hash);
        st = tm__vault_publish(path, bytes.data, bytes.len, err);
    }
    tm__buf_done(&bytes);
    return st;
}

/* ---- Reading ---- */

static tm_status damaged(const char *path, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_INTEGRITY, "the rows of a batch that was begun are gone or damaged");
    tm_err_hint(err, "Remove the sink and add it again; its key keeps rows from standing twice.");
    tm_err_at(err, path, 0, 0);
    return st;
}

static bool read_texts(tm_reader *reader, uint64_t n_rows, uint32_t col, tm_table_builder *to) {
    tm_dict *dict = tm__builder_dict(to, col);
    const uint32_t n = tm__reader_u32(reader);
    for (uint32_t i = 0; i < n && !reader->failed; i++) {
        if (tm__dict_add(dict, tm__reader_str(reader)) != i) {
            return false;
        }
    }
    const void *codes = tm__reader_view(reader, n_rows, sizeof(uint32_t));
    if (codes == NULL) {
        return false;
    }
    if (n_rows > 0) {
        memcpy(tm__builder_codes(to, col), codes, n_rows * sizeof(uint32_t));
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        const uint32_t code = tm__builder_codes(to, col)[row];
        if (code >= n && code != TM_CODE_MISSING) {
            return false;
        }
    }
    return true;
}

/* The types of columns stand before their values, so values are skipped once. */
static bool skip_values(tm_reader *reader, tm_type type, uint64_t n_rows) {
    if (type != TM_TYPE_TEXT) {
        return tm__reader_view(reader, n_rows, 8) != NULL;
    }
    const uint32_t n = tm__reader_u32(reader);
    for (uint32_t i = 0; i < n && !reader->failed; i++) {
        (void)tm__reader_str(reader);
    }
    return tm__reader_view(reader, n_rows, sizeof(uint32_t)) != NULL;
}

static tm_status add_columns(tm_reader reader, uint32_t n_cols, uint64_t n_rows,
                             tm_table_builder *to, tm_err *err) {
    for (uint32_t col = 0; col < n_cols; col++) {
        const tm_str name = tm__reader_str(&reader);
        const tm_type type = (tm_type)tm__reader_u32(&reader);
        if (reader.failed || type < TM_TYPE_BOOL || type > TM_TYPE_TIME) {
            return TM_E_INTEGRITY;
        }
        char *text = tm__mem_alloc(name.len + 1, 1);
        if (text == NULL) {
            return no_memory(err);
        }
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        const tm_status st = tm__builder_add_column(to, text, type, err);
        tm__mem_free(text);
        TM_TRY(st);
        if (!skip_values(&reader, type, n_rows)) {
            return TM_E_INTEGRITY;
        }
    }
    return TM_OK;
}

static bool read_columns(tm_reader *reader, uint32_t n_cols, uint64_t n_rows,
                         tm_table_builder *to) {
    for (uint32_t col = 0; col < n_cols; col++) {
        (void)tm__reader_str(reader);
        const tm_type type = (tm_type)tm__reader_u32(reader);
        if (type == TM_TYPE_TEXT) {
            if (!read_texts(reader, n_rows, col, to)) {
                return false;
            }
            continue;
        }
        const void *values = tm__reader_view(reader, n_rows, 8);
        if (values == NULL) {
            return false;
        }
        if (n_rows > 0) {
            memcpy(type == TM_TYPE_FLOAT ? (void *)tm__builder_floats(to, col)
                                         : (void *)tm__builder_ints(to, col),
                   values, n_rows * 8);
        }
    }
    return tm__reader_is_done(reader);
}

static tm_status parse(const char *path, const tm_buf *bytes, tm_table **out, tm_err *err) {
    tm_reader reader;
    tm__reader_init(&reader, bytes->data, bytes->len);
    const uint32_t magic = tm__reader_u32(&reader), version = tm__reader_u32(&reader);
    const uint64_t n_rows = tm__reader_u64(&reader);
    const uint32_t n_cols = tm__reader_u32(&reader);
    if (reader.failed || magic != MAGIC || version != VERSION || n_rows > TM_SINK_BATCH_ROWS_MAX) {
        return damaged(path, err);
    }
    tm_table_builder *to = tm__builder_create();
    tm_status st = to == NULL ? no_memory(err) : add_columns(reader, n_cols, n_rows, to, err);
    st = st == TM_OK ? tm__builder_reserve(to, n_rows, err) : st;
    if (st == TM_E_INTEGRITY || (st == TM_OK && !read_columns(&reader, n_cols, n_rows, to))) {
        st = damaged(path, err);
    }
    if (st != TM_OK) {
        tm__builder_free(to);
        return st;
    }
    tm__builder_set_rows(to, n_rows);
    return tm__builder_finish(to, out, err);
}

tm_status tm__sink_spool_read(const char *path, const tm_hash *hash, tm_table **out, tm_err *err) {
    tm_buf bytes;
    tm_hash found;
    if (tm__fs_info(path).kind == TM_PATH_NONE) { /* a home that was restored from a backup */
        return damaged(path, err);
    }
    tm__buf_init(&bytes, SPOOL_BYTES_MAX);
    tm_status st = tm__vault_read_all(path, &bytes, err);
    if (st == TM_OK) {
        tm__hash_bytes(bytes.data, bytes.len, &found);
        st = tm__hash_eq(&found, hash) ? parse(path, &bytes, out, err) : damaged(path, err);
    }
    tm__buf_done(&bytes);
    return st;
}
