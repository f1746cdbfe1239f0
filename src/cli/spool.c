/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "store/duck.h"

#define COPY_BYTES ((size_t)1 << 20)
#define SQL_MAX ((size_t)16 << 20)
#define NAME_MAX_BYTES 65536u
#define MEMORY_MAX (UINT64_C(1) << 30)

struct tm_spool {
    char path[1100];
    uint64_t most; /* bytes */
};

static const char *temp_dir(void) {
    const char *const dir = getenv("TMPDIR");
    return dir == NULL || dir[0] == '\0' ? "/tmp" : dir;
}

/* Suffix of what begins with these bytes; NULL: packed, which hides it. */
static const char *kind_of(const uint8_t *data, size_t len) {
    static const char marks[] = "\xEF\xBB\xBF";
    if (len >= 4 && memcmp(data, "PAR1", 4) == 0) {
        return "parquet";
    }
    if ((len >= 2 && memcmp(data, "\x1f\x8b", 2) == 0) ||
        (len >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0)) {
        return NULL;
    }
    size_t at = len >= 3 && memcmp(data, marks, 3) == 0 ? 3 : 0;
    while (at < len && memchr(" \t\r\n", data[at], 4) != NULL) {
        at++;
    }
    return at < len && data[at] == '{' ? "jsonl" : at < len && data[at] == '[' ? "json" : "csv";
}

static tm_status fill(tm_file *from, uint8_t *to, size_t *out_len, tm_err *err) {
    size_t len = 0;
    for (size_t n = 1; n > 0 && len < COPY_BYTES; len += n) {
        TM_TRY(tm__file_read(from, to + len, COPY_BYTES - len, &n, err));
    }
    *out_len = len;
    return TM_OK;
}

static tm_status too_long(uint64_t most, tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "standard input has more than %llu bytes",
                  (unsigned long long)most);
    tm_err_hint(err, "Write it to a file, and name that.");
    return TM_E_LIMIT;
}

static tm_status copy(tm_ctx *ctx, tm_file *from, uint8_t *room, tm_spool *spool, tm_err *err) {
    size_t len = 0;
    uint64_t number = 0, n_bytes = 0;
    tm_file *to = NULL;
    TM_TRY(fill(from, room, &len, err));
    const char *const kind = kind_of(room, len);
    if (kind == NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "what comes from standard input is packed");
        tm_err_hint(err, "Unpack it on the way: zcat rows.csv.gz | tidemill predict ... -");
        return TM_E_DATA;
    }
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(spool->path, sizeof(spool->path), "%.1000s/tidemill-%016" PRIx64 ".%s",
                   temp_dir(), number, kind);
    tm_status st = tm__file_open(spool->path, TM_OPEN_CREATE, &to, err);
    while (st == TM_OK && len > 0) {
        st = tm__ctx_cancelled(ctx)        ? TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled")
             : n_bytes + len > spool->most ? too_long(spool->most, err)
                                           : tm__file_write(to, room, len, err);
        n_bytes += len;
        tm__ctx_progress(ctx, "read", n_bytes, 0, NULL);
        if (st == TM_OK) {
            st = fill(from, room, &len, err);
        }
    }
    tm__file_close(to);
    return st;
}

tm_status tm__spool_read(tm_ctx *ctx, const char *from, uint64_t bytes_max, tm_spool **out,
                         tm_err *err) {
    tm_file *file = NULL;
    tm_spool *const spool = tm__mem_zalloc(1, sizeof(*spool));
    uint8_t *const room = tm__mem_alloc(COPY_BYTES, 1);
    tm_status st = spool != NULL && room != NULL
                       ? tm__file_open(from, TM_OPEN_READ, &file, err)
                       : TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", from);
    if (st == TM_OK) {
        spool->most = bytes_max;
        st = copy(ctx, file, room, spool, err);
    }
    tm__file_close(file);
    tm__mem_free(room);
    if (st != TM_OK) {
        tm__spool_free(spool);
        return st;
    }
    *out = spool;
    return TM_OK;
}

const char *tm__spool_path(const tm_spool *spool) {
    return spool->path;
}

void tm__spool_name(const tm_spool *spool, tm_err *err) {
    if (spool != NULL && err != NULL && strcmp(err->data_path, spool->path) == 0) {
        tm_err_at(err, "standard input", err->data_row, err->data_col);
    }
}

void tm__spool_free(tm_spool *spool) {
    if (spool != NULL && spool->path[0] != '\0') {
        const tm_status removed = tm__fs_remove(spool->path, NULL);
        (void)removed; /* a temporary file that stays is harmless */
    }
    tm__mem_free(spool);
}

/* --- Parquet --- */

static void put_number_column(tm_buf *sql, const char *name, bool is_first) {
    (void)tm__buf_text(sql, is_first ? "CAST(" : ", CAST(");
    tm__duck_quote(sql, name, '"');
    (void)tm__buf_text(sql, " AS DOUBLE) AS ");
    tm__duck_quote(sql, name, '"');
}

static void put_numbers(tm_buf *sql, const tm_bundle *bundle) {
    const tm_task task = tm__bundle_task(bundle);
    if (task == TM_TASK_BINARY) {
        put_number_column(sql, "probability", true);
    } else if (task != TM_TASK_MULTICLASS) {
        put_number_column(sql, "prediction", true);
    }
    for (uint32_t k = 0; task == TM_TASK_MULTICLASS && k < tm__bundle_outputs(bundle); k++) {
        tm_buf name;
        tm__buf_init(&name, NAME_MAX_BYTES);
        (void)tm__buf_printf(&name, "probability_%s", tm__bundle_class(bundle, k));
        put_number_column(sql, name.failed ? "" : (const char *)name.data, k == 0);
        sql->failed = sql->failed || name.failed;
        tm__buf_done(&name);
    }
}

tm_status tm__spool_to_parquet(tm_ctx *ctx, const tm_bundle *bundle, const char *from,
                               const char *to, tm_err *err) {
    char temp[1100];
    uint64_t number = 0;
    tm_buf sql;
    tm_duck *duck = NULL;
    tm__buf_init(&sql, SQL_MAX);
    (void)tm__buf_text(&sql, "COPY (SELECT * REPLACE (");
    put_numbers(&sql, bundle);
    (void)tm__buf_text(&sql, ") FROM read_csv(");
    tm__duck_quote(&sql, from, '\'');
    (void)tm__buf_text(&sql, ", all_varchar = true, header = true, delim = ',', quote = '\"', "
                             "escape = '\"', nullstr = '', max_line_size = 4194304)) TO ");
    tm__duck_quote(&sql, to, '\'');
    (void)tm__buf_text(&sql, " (FORMAT PARQUET, COMPRESSION ZSTD)");
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(temp, sizeof(temp), "%.1000s/tidemill-%016" PRIx64, temp_dir(), number);
    const tm_duck_options options = {.temp_dir = temp,
                                     .memory_bytes_max = MEMORY_MAX,
                                     .n_threads = tm__pool_threads(ctx->pool),
                                     .cancel = ctx->cancel};
    tm_status st = sql.failed || tm__buf_byte(&sql, 0) == false
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory for a query")
                       : tm__duck_open(&options, &duck, err);
    if (st == TM_OK) {
        tm__ctx_progress(ctx, "write", 0, 0, NULL);
        st = tm__duck_exec(duck, (const char *)sql.data, err);
    }
    tm__duck_close(duck);
    tm__buf_done(&sql);
    return st;
}
