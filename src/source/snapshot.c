/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/fs_memory.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/snapshot_priv.h"
#include "store/bucket.h"
#include "store/duck.h"
#include "store/parquet.h"
#include "store/vault.h"

/* dir/<hash><suffix> in a fresh block. */
static char *make_path(const char *dir, const tm_hash *hash, const char *suffix) {
    char name[TM_HASH_TEXT + 64];
    char text[TM_HASH_TEXT];
    tm__hash_to_text(hash, text);
    (void)snprintf(name, sizeof(name), "%s%s", text, suffix);
    return tm__fs_join(dir, name);
}

/* Rows that are to be sealed do not touch the disk before they are. */
static tm_status write_file(const tm_snapshot_maker *maker, const char *temp, const char *path,
                            tm_err *err) {
    bool has_vault = false;
    tm_file *memory = NULL;
    TM_TRY(tm__vault_has(path, &has_vault, err));
    if (has_vault) {
        TM_TRY(tm__memory_file_open(&memory, err));
        tm_status st = maker->write(maker->arg, tm__file_path(memory), err);
        st = st == TM_OK ? tm__vault_publish_file(tm__file_path(memory), path, err) : st;
        tm__file_close(memory);
        return st;
    }
    tm_status st = maker->write(maker->arg, temp, err);
    st = st == TM_OK ? tm__fs_move(temp, path, err) : st;
    const tm_status removed = tm__fs_remove(temp, st == TM_OK ? err : NULL);
    return st != TM_OK ? st : removed;
}

bool tm__snapshot_is_there(const char *dir, const tm_hash *hash) {
    char *const path = make_path(dir, hash, ".parquet");
    const bool is_there = path != NULL && tm__fs_info(path).kind == TM_PATH_FILE;
    tm__mem_free(path);
    return is_there;
}

tm_status tm__snapshot_put(const char *dir, const tm_hash *hash, const tm_snapshot_maker *maker,
                           tm_err *err) {
    char suffix[48];
    uint64_t number = 0;
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(suffix, sizeof(suffix), ".%016" PRIx64 ".tmp", number);
    char *const path = make_path(dir, hash, ".parquet");
    char *const temp = make_path(dir, hash, suffix);
    tm_status st = path == NULL || temp == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot")
                       : tm__fs_mkdir(dir, err);
    if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_FILE) {
        st = tm__fs_ensure(path, err);
    } else if (st == TM_OK) {
        st = write_file(maker, temp, path, err);
    }
    st = st == TM_OK ? tm__bucket_keep(maker->bucket, path, err) : st;
    tm__mem_free(path);
    tm__mem_free(temp);
    return st;
}

typedef struct rows_of {
    tm_ctx *ctx;
    const tm_table *table;
} rows_of;

static tm_status write_rows(void *arg, const char *path, tm_err *err) {
    const rows_of *rows = arg;
    return tm__parquet_write_path(rows->ctx, rows->table, path, err);
}

tm_status tm__snapshot_save_as(tm_ctx *ctx, const char *dir, const tm_table *table,
                               const tm_hash *hash, tm_err *err) {
    rows_of rows = {ctx, table};
    const tm_snapshot_maker maker = {.write = write_rows, .arg = &rows};
    return tm__snapshot_put(dir, hash, &maker, err);
}

tm_status tm__snapshot_save_by(tm_ctx *ctx, tm_bucket *bucket, const char *dir,
                               const tm_table *table, tm_hash *out_hash, tm_err *err) {
    tm_hash hash;
    rows_of rows = {ctx, table};
    const tm_snapshot_maker maker = {.write = write_rows, .arg = &rows, .bucket = bucket};
    tm__table_hash(table, &hash);
    TM_TRY(tm__snapshot_put(dir, &hash, &maker, err));
    *out_hash = hash;
    return TM_OK;
}

tm_status tm__snapshot_save(tm_ctx *ctx, const char *dir, const tm_table *table, tm_hash *out_hash,
                            tm_err *err) {
    return tm__snapshot_save_by(ctx, NULL, dir, table, out_hash, err);
}

static tm_status damaged(const char *path, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "the snapshot does not hold the rows that its name says");
    tm_err_hint(err, "Restore the file from a backup, or train on the source again.");
    tm_err_at(err, path, 0, 0);
    return TM_E_INTEGRITY;
}

/* view: the path that DuckDB may open, and no other. */
static tm_status read_view(tm_ctx *ctx, const char *view, tm_table **out, tm_err *err) {
    const tm_duck_options options = {.paths = &view,
                                     .n_paths = 1,
                                     .n_threads = tm__pool_threads(ctx->pool),
                                     .cancel = ctx->cancel};
    tm_duck *duck = NULL;
    TM_TRY(tm__duck_open(&options, &duck, err));
    const tm_status st = tm__duck_read_parquet(duck, view, out, err);
    tm__duck_close(duck);
    return st;
}

static tm_status read_file(tm_ctx *ctx, const char *path, const tm_hash *hash, tm_table **out,
                           tm_err *err) {
    tm_vault_view view = {0};
    tm_table *table = NULL;
    tm_hash found;
    tm_err inner = {0};
    TM_TRY(tm__vault_view_open(path, &view, err));
    const tm_status st = read_view(ctx, view.path, &table, &inner);
    tm__vault_view_close(&view);
    if (st == TM_E_DATA || st == TM_E_USAGE || st == TM_E_LIMIT) {
        return damaged(path, err);
    }
    if (st != TM_OK) {
        if (err != NULL) {
            *err = inner;
        }
        return st;
    }
    tm__table_hash(table, &found);
    if (!tm__hash_eq(&found, hash)) {
        tm__table_unref(table);
        return damaged(path, err);
    }
    *out = table;
    return TM_OK;
}

tm_status tm__snapshot_load(tm_ctx *ctx, const char *dir, const tm_hash *hash, tm_table **out,
                            tm_err *err) {
    char *const path = make_path(dir, hash, ".parquet");
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a snapshot");
    }
    bool is_fetched = false;
    tm_status st = tm__bucket_find(NULL, path, &is_fetched, err);
    if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_NONE) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "no snapshot '%s'", path);
        tm_err_hint(err, "It was deleted or never written; train on the source again.");
    } else if (st == TM_OK) {
        st = read_file(ctx, path, hash, out, err);
        if (st == TM_E_INTEGRITY && is_fetched) {
            tm__bucket_refuse(path);
        }
    }
    tm__mem_free(path);
    return st;
}
