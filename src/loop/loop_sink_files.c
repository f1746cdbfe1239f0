/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file for each batch, DIR/<batch>.csv or .parquet: written beside its place, synced and renamed,
 * so whoever reads the folder sees whole batches only. A batch that is written again is the same
 * bytes under the same name.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "store/parquet.h"

#define CSV_BYTES_MAX ((size_t)4 << 30)

typedef struct files_target {
    tm_sink_run *run;
    const char *dir;
    bool is_parquet;
} files_target;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a file of a sink");
}

static void append_csv(const tm_table *table, tm_buf *out) {
    const uint32_t n_cols = tm__table_cols(table);
    for (uint32_t col = 0; col < n_cols; col++) {
        (void)tm__buf_text(out, col == 0 ? "" : ",");
        (void)tm__text_write_csv(tm__str(tm__table_column(table, col)->name), out);
    }
    (void)tm__buf_byte(out, '\n');
    for (uint64_t row = 0; row < tm__table_rows(table) && !out->failed; row++) {
        for (uint32_t col = 0; col < n_cols; col++) {
            const tm_cell cell = tm__column_cell(tm__table_column(table, col), row);
            if (col > 0) {
                (void)tm__buf_byte(out, ',');
            }
            (void)tm__cell_write_csv(&cell, out);
        }
        (void)tm__buf_byte(out, '\n');
    }
}

static tm_status write_csv(const tm_table *table, const char *path, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, CSV_BYTES_MAX);
    append_csv(table, &text);
    const tm_status st =
        text.failed ? no_memory(err) : tm__fs_publish(path, text.data, text.len, err);
    tm__buf_done(&text);
    return st;
}

/* To a temporary in the home first. */
static tm_status write_parquet(const files_target *target, const tm_table *table, const char *path,
                               tm_err *err) {
    char name[TM_MAX_NAME + 24];
    (void)snprintf(name, sizeof(name), "sink.%s.parquet", target->run->row.name);
    char *temp = tm__fs_join(tm__home_jobs(target->run->home), name);
    if (temp == NULL) {
        return no_memory(err);
    }
    tm_status st = tm__fs_remove(temp, err); /* a run that was killed may have left it */
    st = st == TM_OK ? tm__parquet_write_path(target->run->ctx, table, temp, err) : st;
    st = st == TM_OK ? tm__fs_publish_file(temp, path, err) : st;
    const tm_status removed = tm__fs_remove(temp, st == TM_OK ? err : NULL);
    tm__mem_free(temp);
    return st != TM_OK ? st : removed;
}

static tm_status write_batch(void *self, const tm_sink_batch *batch, tm_err *err) {
    const files_target *target = self;
    char name[TM_SINK_BATCH_ID + 16];
    (void)snprintf(name, sizeof(name), "%s.%s", batch->id, target->is_parquet ? "parquet" : "csv");
    char *path = tm__fs_join(target->dir, name);
    if (path == NULL) {
        return no_memory(err);
    }
    const tm_status st = target->is_parquet ? write_parquet(target, batch->result, path, err)
                                            : write_csv(batch->result, path, err);
    tm__mem_free(path);
    return st;
}

/* Half-written files of runs that were killed: nobody else writes under this sink's name. */
typedef struct leftovers {
    const files_target *target;
    tm_status status;
    tm_err *err;
} leftovers;

static bool remove_leftover(void *arg, const char *name) {
    leftovers *l = arg;
    const char *sink = l->target->run->row.name;
    const size_t len = strlen(sink);
    if (strncmp(name, sink, len) != 0 || name[len] != '-' ||
        (strstr(name, ".csv.tmp-") == NULL && strstr(name, ".parquet.tmp-") == NULL)) {
        return true;
    }
    char *path = tm__fs_join(l->target->dir, name);
    l->status = path == NULL ? no_memory(l->err) : tm__fs_remove(path, l->err);
    tm__mem_free(path);
    return l->status == TM_OK;
}

static tm_status remove_leftovers(const files_target *target, tm_err *err) {
    leftovers l = {.target = target, .err = err};
    TM_TRY(tm__fs_list(target->dir, remove_leftover, &l, err));
    return l.status;
}

static void close_target(void *self) {
    tm__mem_free(self);
}

tm_status tm__sink_files_open(tm_sink_run *run, tm_sink_target *out, tm_err *err) {
    const json_t *write = json_object_get(run->row.spec, "write");
    const char *parquet = tm__json_text(write, "parquet", NULL);
    files_target *target = tm__mem_zalloc(1, sizeof(*target));
    if (target == NULL) {
        return no_memory(err);
    }
    target->run = run;
    target->is_parquet = parquet != NULL;
    target->dir = parquet != NULL ? parquet : tm__json_text(write, "csv", "");
    tm_status st = tm__fs_mkdir(target->dir, err);
    st = st == TM_OK ? remove_leftovers(target, err) : st;
    if (st != TM_OK) {
        close_target(target);
        return st;
    }
    *out = (tm_sink_target){.write = write_batch, .close = close_target, .self = target};
    return TM_OK;
}
