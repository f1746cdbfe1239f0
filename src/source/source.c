/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user names to rows:
 *
 *     path, folder, glob --> files in byte order --> CSV       our reader, csv.c
 *                                                --> JSON      DuckDB, sealed to these files;
 *                                                              lines in parts: json_lines.c
 *                                                --> Parquet   DuckDB, sealed to these files
 *     SQL ------------------------------------------------->   DuckDB, reads what the user can
 *
 * Rows of DuckDB keep DuckDB's types, and are fitted to a schema afterwards.
 */
#include "source/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/csv_priv.h"
#include "source/json_lines.h"
#include "store/duck.h"

#define FILES_MAX 100000u
#define SQL_MAX (64u << 20)
#define NAME_HINTS 4096u
#define OUT_BYTES_MAX ((size_t)1 << 30) /* of one table */

typedef enum kind { KIND_CSV, KIND_JSON, KIND_PARQUET } kind;

static const struct {
    const char *suffix;
    kind kind;
} suffixes[] = {{".csv", KIND_CSV},    {".tsv", KIND_CSV},     {".json", KIND_JSON},
                {".jsonl", KIND_JSON}, {".ndjson", KIND_JSON}, {".parquet", KIND_PARQUET},
                {".pq", KIND_PARQUET}};
#define N_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

#define BATCH_MAX 64u

/* --- files --- */

typedef struct file_list {
    char **paths; /* owned, in byte order */
    uint32_t n, capacity;
    const char *dir; /* of a folder's names */
    bool failed;
} file_list;

static void list_done(file_list *list) {
    for (uint32_t i = 0; i < list->n; i++) {
        tm__mem_free(list->paths[i]);
    }
    tm__mem_free(list->paths);
    *list = (file_list){0};
}

/* Takes the path. */
static bool list_add(file_list *list, char *path) {
    if (path != NULL && list->n == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        char **const paths = tm__mem_realloc(list->paths, capacity, sizeof(*paths));
        if (paths != NULL) {
            list->paths = paths;
            list->capacity = capacity;
        }
    }
    if (path == NULL || list->n == list->capacity) {
        tm__mem_free(path);
        list->failed = true;
        return false;
    }
    list->paths[list->n++] = path;
    return list->n < FILES_MAX;
}

static tm_str bare_name(const char *path) {
    tm_str name = tm__str(path);
    if (tm__str_has_suffix(name, ".gz")) {
        name.len -= 3;
    } else if (tm__str_has_suffix(name, ".zst")) {
        name.len -= 4;
    }
    return name;
}

/* True and the kind when a name ends like a data file. */
static bool find_suffix(const char *path, kind *out) {
    const tm_str name = bare_name(path);
    for (size_t i = 0; i < N_SUFFIXES; i++) {
        const size_t len = strlen(suffixes[i].suffix);
        if (name.len > len &&
            tm__str_is_nocase((tm_str){name.ptr + name.len - len, len}, suffixes[i].suffix)) {
            *out = suffixes[i].kind;
            return true;
        }
    }
    return false;
}

tm_file_kind tm__source_kind(const char *path) {
    static const tm_file_kind kinds[] = {
        [KIND_CSV] = TM_FILE_CSV, [KIND_JSON] = TM_FILE_JSON, [KIND_PARQUET] = TM_FILE_PARQUET};
    kind found = KIND_CSV;
    return find_suffix(path, &found) ? kinds[found] : TM_FILE_OTHER;
}

static bool add_entry(void *arg, const char *name) {
    file_list *const list = arg;
    kind ignored;
    if (name[0] == '.' || !find_suffix(name, &ignored)) {
        return true;
    }
    char *const path = tm__fs_join(list->dir, name);
    if (path != NULL && tm__fs_info(path).kind != TM_PATH_FILE) {
        tm__mem_free(path);
        return true;
    }
    return list_add(list, path);
}

static bool add_match(void *arg, const char *path) {
    file_list *const list = arg;
    return tm__fs_info(path).kind != TM_PATH_FILE || list_add(list, tm__mem_strdup(path));
}

/* --- a name that is not there --- */

typedef struct near_names {
    char *names[NAME_HINTS];
    uint32_t n;
} near_names;

static bool add_name(void *arg, const char *name) {
    near_names *const near = arg;
    char *const copy = tm__mem_strdup(name);
    if (copy != NULL) {
        near->names[near->n++] = copy;
    }
    return copy != NULL && near->n < NAME_HINTS;
}

static tm_status fail_missing(const char *path, tm_err *err) {
    char dir[1024] = ".";
    const char *const slash = strrchr(path, '/');
    const char *const name = slash == NULL ? path : slash + 1;
    near_names *const near = tm__mem_zalloc(1, sizeof(*near));
    if (slash != NULL) {
        (void)tm__str_copy(dir, sizeof(dir), (tm_str){path, (size_t)(slash - path) + 1});
    }
    (void)TM_FAIL(err, TM_E_NOT_FOUND, "no file '%s'", path);
    tm_err_hint(err, "Paths are relative to the folder the command runs in.");
    if (near != NULL && tm__fs_list(dir, add_name, near, NULL) == TM_OK) {
        const char *const nearest =
            tm__str_nearest(tm__str(name), (const char *const *)near->names, near->n);
        if (nearest != NULL) {
            tm_err_hint(err, "Did you mean '%s%s'?", slash == NULL ? "" : dir, nearest);
        }
    }
    for (uint32_t i = 0; near != NULL && i < near->n; i++) {
        tm__mem_free(near->names[i]);
    }
    tm__mem_free(near);
    return TM_E_NOT_FOUND;
}

static tm_status check_list(const char *path, const file_list *list, const char *what,
                            tm_err *err) {
    if (list->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to list '%s'", path);
    }
    if (list->n == 0) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "%s '%s'", what, path);
        tm_err_hint(err,
                    "Data files end in .csv, .tsv, .jsonl, .ndjson, .json or .parquet, and may "
                    "be packed as .gz or .zst.");
        return TM_E_NOT_FOUND;
    }
    if (list->n >= FILES_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u files in '%s'", FILES_MAX, path);
    }
    return TM_OK;
}

static tm_status list_files(const char *path, file_list *list, tm_err *err) {
    const tm_path_kind what = tm__fs_info(path).kind;
    if (what == TM_PATH_FILE) {
        return list_add(list, tm__mem_strdup(path))
                   ? TM_OK
                   : TM_FAIL(err, TM_E_NOMEM, "no memory to list '%s'", path);
    }
    if (what == TM_PATH_DIR) {
        list->dir = path;
        TM_TRY(tm__fs_list(path, add_entry, list, err));
        return check_list(path, list, "no data files in folder", err);
    }
    if (what == TM_PATH_OTHER) {
        (void)TM_FAIL(err, TM_E_DATA, "'%s' is neither a file nor a folder", path);
        tm_err_hint(err, "Give a regular file: it may be read more than once.");
        return TM_E_DATA;
    }
    if (strpbrk(path, "*?[") == NULL) {
        return fail_missing(path, err);
    }
    uint64_t n = 0;
    TM_TRY(tm__fs_glob(path, add_match, list, &n, err));
    return check_list(path, list, "no file matches", err);
}

/* --- kinds --- */

/* Parquet is known by its first bytes under any name; a file that is cut lacks the last ones. */
static tm_status check_parquet(const char *path, bool is_named, bool *out, tm_err *err) {
    tm_map map = {0};
    *out = is_named;
    if (tm__fs_info(path).size_bytes == 0) {
        if (!is_named) {
            return TM_OK; /* its reader says so */
        }
        (void)TM_FAIL(err, TM_E_DATA, "the file is empty");
        tm_err_at(err, path, 0, 0);
        tm_err_hint(err, "Copy it again.");
        return TM_E_DATA;
    }
    TM_TRY(tm__map_open(path, &map, err));
    const bool starts = map.len >= 4 && memcmp(map.data, "PAR1", 4) == 0;
    const bool ends = map.len >= 12 && memcmp(map.data + map.len - 4, "PAR1", 4) == 0;
    tm__map_close(&map);
    *out = starts && (ends || is_named);
    if (is_named && !starts) {
        (void)TM_FAIL(err, TM_E_DATA, "the file is named like Parquet, but is not");
        tm_err_hint(err, "Rename it by its kind, or convert it.");
    } else if (is_named && !ends) {
        (void)TM_FAIL(err, TM_E_DATA, "the Parquet file is cut short");
        tm_err_hint(err, "Copy or download the file again.");
    } else {
        return TM_OK;
    }
    tm_err_at(err, path, 0, 0);
    return TM_E_DATA;
}

static tm_status find_kind(const file_list *list, kind *out, tm_err *err) {
    kind first = KIND_CSV;
    for (uint32_t i = 0; i < list->n; i++) {
        kind found = KIND_CSV;
        bool is_parquet = false;
        const bool is_known = find_suffix(list->paths[i], &found);
        TM_TRY(check_parquet(list->paths[i], is_known && found == KIND_PARQUET, &is_parquet, err));
        found = is_parquet ? KIND_PARQUET : found;
        if (i > 0 && found != first) {
            (void)TM_FAIL(err, TM_E_DATA, "'%.100s' and '%.100s' are files of different kinds",
                          list->paths[0], list->paths[i]);
            tm_err_hint(err, "Name files of one kind, for example by a glob.");
            return TM_E_DATA;
        }
        first = found;
    }
    *out = first;
    return TM_OK;
}

/* --- rows of DuckDB --- */

/* Tables of a stream that threads work on at once, and what becomes of them. */
typedef struct batch {
    struct run *run;
    tm_table *tables[BATCH_MAX];
    uint64_t first_rows[BATCH_MAX];
    tm_buf outs[BATCH_MAX];
    tm_status statuses[BATCH_MAX];
    tm_err errs[BATCH_MAX];
    uint32_t n, n_max;
} batch;

typedef struct run {
    tm_ctx *ctx;
    const tm_source_spec *spec;
    const file_list *files; /* NULL for SQL */
    uint64_t n_rows;
    bool is_parquet, is_json;
    bool has_failed;            /* what is done with rows failed, not their reading */
    uint64_t n_rows_all;        /* that will come; 0: not known */
    const tm_source_sink *sink; /* NULL: one table of all rows, or tables to: */
    tm_status (*give)(void *arg, tm_table *table, tm_err *err);
    void *give_arg;
    batch *batch;
} run;

static uint64_t rows_max(const tm_source_spec *spec) {
    return spec->n_rows_max == 0 ? TM_MAX_ROWS : spec->n_rows_max;
}

static void append_paths(const file_list *files, tm_buf *sql) {
    for (uint32_t i = 0; i < files->n; i++) {
        (void)tm__buf_text(sql, i == 0 ? "'" : ", '");
        for (const char *c = files->paths[i]; *c != '\0'; c++) {
            (void)tm__buf_text(sql, *c == '\'' ? "'" : "");
            (void)tm__buf_byte(sql, (uint8_t)*c);
        }
        (void)tm__buf_byte(sql, '\'');
    }
}

static void append_sql(const file_list *files, kind what, tm_buf *sql) {
    (void)tm__buf_text(sql, what == KIND_JSON ? "SELECT * FROM read_json(["
                                              : "SELECT * FROM read_parquet([");
    append_paths(files, sql);
    /* All rows decide a JSON column's type, and values below the first level become text. */
    (void)tm__buf_text(sql, what == KIND_JSON ? "], sample_size = -1, maximum_depth = 2)" : "])");
}

static tm_status open_duck(const run *r, tm_duck **out, tm_err *err) {
    char temp[1024];
    const char *dir = r->spec->temp_dir;
    if (dir == NULL) {
        dir = getenv("TMPDIR");
        dir = dir == NULL || dir[0] == '\0' ? "/tmp" : dir;
    }
    uint64_t number = 0;
    tm__random_bytes(&number, sizeof(number));
    /* A folder of its own, which DuckDB makes when it must spill and removes in the end. */
    (void)snprintf(temp, sizeof(temp), "%s/tidemill-%016" PRIx64, dir, number);
    const tm_duck_options options = {
        .paths = r->files == NULL ? NULL : (const char *const *)r->files->paths,
        .n_paths = r->files == NULL ? 0 : r->files->n,
        .temp_dir = temp,
        .n_threads = tm__pool_threads(r->ctx->pool),
        .cancel = r->ctx->cancel,
        .bad = r->spec->bad};
    return tm__duck_open(&options, out, err);
}

/* A column as the schema has it. */
static tm_status fit_column(const tm_column *from, uint64_t n_rows, uint64_t first_row,
                            const tm_schema_column *wanted, tm_table_builder *to, uint32_t col,
                            tm_err *err) {
    tm_dict *const dict = tm__builder_dict(to, col);
    for (uint64_t row = 0; row < n_rows; row++) {
        char room[32];
        bool is_coerced = false;
        tm_cell cell = tm__column_cell(from, row);
        const tm_status st = tm__cell_fit(wanted, &cell, room, &is_coerced, err);
        if (st != TM_OK) {
            tm_err_at(err, NULL, first_row + row + 1, 0);
            return st;
        }
        const bool is_missing = cell.type == TM_TYPE_NONE;
        if (wanted->type == TM_TYPE_TEXT) {
            const uint32_t code = is_missing ? TM_CODE_MISSING : tm__dict_add(dict, cell.text);
            if (code == TM_CODE_MISSING && !is_missing) {
                return TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", from->name);
            }
            tm__builder_codes(to, col)[row] = code;
        } else if (wanted->type == TM_TYPE_FLOAT) {
            tm__builder_floats(to, col)[row] = is_missing ? __builtin_nan("") : cell.f64;
        } else {
            tm__builder_ints(to, col)[row] = is_missing ? TM_INT_MISSING : cell.i64;
        }
    }
    return TM_OK;
}

static const tm_schema_column *find_wanted(const tm_schema *schema, const tm_column *column) {
    const uint32_t at = tm__schema_find(schema, tm__str(column->name));
    return at == UINT32_MAX ? NULL : &schema->cols[at];
}

static tm_status fill_fitted(const tm_table *table, const tm_schema *schema, uint64_t first_row,
                             tm_table_builder *to, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        const tm_schema_column *const wanted = find_wanted(schema, c);
        TM_TRY(tm__builder_add_column(to, c->name, wanted != NULL ? wanted->type : c->type, err));
    }
    TM_TRY(tm__builder_reserve(to, n_rows, err));
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        const tm_schema_column own = {.name = (char *)(uintptr_t)c->name, .type = c->type};
        const tm_schema_column *const wanted = find_wanted(schema, c);
        TM_TRY(fit_column(c, n_rows, first_row, wanted != NULL ? wanted : &own, to, col, err));
    }
    tm__builder_set_rows(to, n_rows);
    return TM_OK;
}

tm_status tm__source_fit(tm_table *table, const tm_schema *schema, uint64_t first_row,
                         tm_table **out, tm_err *err) {
    bool fits = true;
    for (uint32_t col = 0; schema != NULL && col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        const tm_schema_column *const wanted = find_wanted(schema, c);
        fits = fits && (wanted == NULL || wanted->type == c->type);
    }
    if (fits) {
        *out = tm__table_ref(table);
        return TM_OK;
    }
    tm_table_builder *const to = tm__builder_create();
    if (to == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    }
    const tm_status st = fill_fitted(table, schema, first_row, to, err);
    if (st != TM_OK) {
        tm__builder_free(to);
        return st;
    }
    return tm__builder_finish(to, out, err);
}

/* DuckDB reads 1e400 and the word Infinity, neither of which JSON has, as infinite. */
static tm_status check_numbers(const run *r, const tm_table *table, uint64_t first_row,
                               tm_err *err) {
    for (uint32_t col = 0; r->is_json && col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        for (uint64_t row = 0; c->type == TM_TYPE_FLOAT && row < tm__table_rows(table); row++) {
            if (isinf(tm__column_cell(c, row).f64)) {
                (void)TM_FAIL(err, TM_E_DATA, "a number of column '%s' is larger than a double",
                              c->name);
                tm_err_hint(err, "Correct it, or write null.");
                tm_err_at(err, r->files->n == 1 ? r->files->paths[0] : NULL, first_row + row + 1,
                          0);
                return TM_E_DATA;
            }
        }
    }
    return TM_OK;
}

static tm_status fail_empty(const run *r, tm_err *err) {
    if (r->files == NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "the query gives no rows");
        tm_err_hint(err, "Check its WHERE and JOIN conditions.");
    } else {
        (void)TM_FAIL(err, TM_E_DATA, "the file has no rows");
        tm_err_hint(err, "Give a file with rows.");
        tm_err_at(err, r->files->paths[0], 0, 0);
    }
    return TM_E_DATA;
}

static tm_status work_table(batch *b, uint32_t i, uint32_t worker, tm_err *err) {
    const run *const r = b->run;
    tm_table *fitted = NULL;
    TM_TRY(check_numbers(r, b->tables[i], b->first_rows[i], err));
    TM_TRY(tm__source_fit(b->tables[i], r->spec->schema, b->first_rows[i], &fitted, err));
    const tm_source_part part = {
        .table = fitted, .n_rows = tm__table_rows(fitted), .number = b->first_rows[i]};
    tm_status st = r->sink->work(r->sink->arg, &part, worker, &b->outs[i], err);
    if (st != TM_OK) {
        err->data_row += err->data_row > 0 ? b->first_rows[i] : 0;
    } else if (b->outs[i].failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for what becomes of some rows");
    }
    tm__table_unref(fitted);
    return st;
}

static void run_table(void *arg, uint64_t item, uint32_t worker) {
    batch *const b = arg;
    b->statuses[item] = work_table(b, (uint32_t)item, worker, &b->errs[item]);
}

/* Work on the tables at hand and write what becomes of them, in order. */
static tm_status run_batch(batch *b, tm_err *err) {
    run *const r = b->run;
    tm_status st = TM_OK;
    tm__pool_run(r->ctx->pool, b->n, run_table, b);
    for (uint32_t i = 0; i < b->n; i++) {
        const uint64_t n_rows = tm__table_rows(b->tables[i]);
        if (st == TM_OK && b->statuses[i] != TM_OK) {
            st = b->statuses[i];
            if (err != NULL) {
                *err = b->errs[i];
            }
        }
        if (st == TM_OK) {
            st = r->sink->write(r->sink->arg, &b->outs[i], n_rows, err);
            tm__ctx_progress(r->ctx, r->sink->stage, b->first_rows[i] + n_rows, r->n_rows_all,
                             NULL);
        }
        tm__buf_reset(&b->outs[i]);
        tm__table_unref(b->tables[i]);
    }
    b->n = 0;
    return st;
}

static tm_status give_chunk(void *arg, tm_table *chunk, tm_err *err) {
    run *const r = arg;
    batch *const b = r->batch;
    if (tm__ctx_cancelled(r->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
    }
    b->tables[b->n] = tm__table_ref(chunk);
    b->first_rows[b->n++] = r->n_rows;
    r->n_rows += tm__table_rows(chunk);
    if (r->n_rows > rows_max(r->spec)) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %" PRIu64 " rows", rows_max(r->spec));
        tm_err_hint(err, "Select fewer rows with --sql.");
        return TM_E_LIMIT;
    }
    const tm_status st = b->n == b->n_max ? run_batch(b, err) : TM_OK;
    r->has_failed = st != TM_OK;
    return st;
}

/* Whatever DuckDB finds wrong with a Parquet file, its bytes are not what a writer made: the file
 * starts and ends as it should, so sizes, places or counts in its footer do not hold. */
static tm_status name_damage(const run *r, tm_status st, tm_err *err) {
    if (!r->is_parquet || (st != TM_E_DATA && st != TM_E_INTERNAL)) {
        return st;
    }
    if (r->files->n > 1) {
        (void)TM_FAIL(err, TM_E_DATA, "the Parquet files have other columns, or one is damaged");
        tm_err_hint(err, "Read them one by one to see which.");
    } else {
        (void)TM_FAIL(err, TM_E_DATA, "the Parquet file is damaged: its footer and data disagree");
        tm_err_hint(err, "Copy or download the file again, or write it anew.");
    }
    return TM_E_DATA;
}

/* The counts of footers against each other: DuckDB believes that of a group, and would give fewer
 * rows than there are. *out_rows is for progress. */
static tm_status check_counts(const run *r, tm_duck *duck, uint64_t *out_rows, tm_err *err) {
    static const char *const parts[] = {
        "WITH g AS (SELECT file_name, row_group_id, any_value(row_group_num_rows) AS n,"
        " min(num_values) AS low, max(num_values) AS high FROM parquet_metadata([",
        "]) GROUP BY ALL), t AS (SELECT file_name, sum(n) AS n, bool_and(n >= 0 AND low >= n) AS "
        "fits,"
        " bool_or(high > n) AS lists FROM g GROUP BY file_name),"
        " l AS (SELECT DISTINCT file_name FROM parquet_schema([",
        "]) WHERE repetition_type = 'REPEATED')"
        " SELECT CAST(sum(f.num_rows) AS BIGINT), CAST(count(*) FILTER (WHERE"
        " f.num_rows <> coalesce(t.n, 0) OR NOT coalesce(t.fits, true)"
        " OR (t.lists AND l.file_name IS NULL)) AS BIGINT) FROM parquet_file_metadata([",
        "]) f LEFT JOIN t USING (file_name) LEFT JOIN l USING (file_name)"};
    tm_buf sql;
    tm_table *table = NULL;
    tm__buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (i > 0) {
            append_paths(r->files, &sql);
        }
        (void)tm__buf_text(&sql, parts[i]);
    }
    tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for a query")
                              : tm__duck_query(duck, (const char *)sql.data, 1, &table, err);
    if (st == TM_OK) {
        const tm_cell n = tm__column_cell(tm__table_column(table, 0), 0);
        const tm_cell n_bad = tm__column_cell(tm__table_column(table, 1), 0);
        *out_rows = n.type == TM_TYPE_INT && n.i64 > 0 ? (uint64_t)n.i64 : 0;
        st = n_bad.type == TM_TYPE_INT && n_bad.i64 == 0
                 ? TM_OK
                 : TM_FAIL(err, TM_E_DATA, "counts of a footer differ");
    }
    tm__table_unref(table);
    tm__buf_done(&sql);
    return name_damage(r, st, err);
}

static tm_status stream_duck(run *r, tm_duck *duck, const char *sql, tm_err *err) {
    batch *const b = tm__mem_zalloc(1, sizeof(*b));
    if (b == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read rows");
    }
    const uint32_t n_threads = tm__pool_threads(r->ctx->pool);
    b->run = r;
    b->n_max = n_threads > BATCH_MAX ? BATCH_MAX : n_threads;
    for (uint32_t i = 0; i < b->n_max; i++) {
        tm__buf_init(&b->outs[i], OUT_BYTES_MAX);
    }
    r->batch = b;
    tm_status st = tm__duck_stream(duck, sql, give_chunk, r, err);
    st = r->has_failed ? st : name_damage(r, st, err);
    if (st == TM_OK) {
        st = run_batch(b, err);
    }
    for (uint32_t i = 0; i < b->n; i++) {
        tm__table_unref(b->tables[i]);
    }
    for (uint32_t i = 0; i < b->n_max; i++) {
        tm__buf_done(&b->outs[i]);
    }
    tm__mem_free(b);
    r->batch = NULL;
    return st == TM_OK && r->n_rows == 0 && r->files != NULL ? fail_empty(r, err) : st;
}

static tm_status give_table(void *arg, tm_table *table, tm_err *err) {
    run *const r = arg;
    TM_TRY(check_numbers(r, table, r->n_rows, err));
    r->n_rows += tm__table_rows(table);
    const tm_status st = r->give(r->give_arg, table, err);
    r->has_failed = st != TM_OK;
    return st;
}

/* Errors of DuckDB about a single file need its name. */
static void name_file(const run *r, tm_err *err) {
    if (err != NULL && r->files != NULL && r->files->n == 1 &&
        (err->data_path[0] == '\0' || strcmp(err->data_path, "query") == 0)) {
        tm_err_at(err, r->files->paths[0], 0, 0);
        err->data_row = 0;
        err->data_col = 0;
    }
}

static tm_status read_duck(run *r, const char *sql, tm_table **out, tm_err *err) {
    tm_duck *duck = NULL;
    tm_table *table = NULL;
    tm_status st = open_duck(r, &duck, err);
    if (st == TM_OK && r->is_parquet) {
        st = check_counts(r, duck, &r->n_rows_all, err);
    }
    if (st == TM_OK && r->give != NULL) {
        st = tm__duck_stream(duck, sql, give_table, r, err);
        st = r->has_failed ? st : name_damage(r, st, err);
    } else if (st == TM_OK && r->sink != NULL) {
        st = stream_duck(r, duck, sql, err);
    } else if (st == TM_OK) {
        tm__ctx_progress(r->ctx, "load", 0, 0, NULL);
        const tm_source_share *const of = &r->spec->share;
        const tm_duck_share share = {of->first, of->step, of->out_n_cols};
        st = name_damage(r, tm__duck_query_share(duck, sql, share, rows_max(r->spec), &table, err),
                         err);
        if (st == TM_OK && tm__table_rows(table) == 0) {
            st = fail_empty(r, err);
        } else if (st == TM_OK) {
            st = check_numbers(r, table, 0, err);
        }
    }
    tm__duck_close(duck);
    if (st != TM_OK) {
        if (st == TM_E_DATA || st == TM_E_USAGE) {
            name_file(r, err);
        }
    } else if (r->sink == NULL && r->give == NULL) {
        st = tm__source_fit(table, r->spec->schema, 0, out, err);
    }
    tm__table_unref(table);
    return st;
}

static tm_status read_files(run *r, tm_table **out, tm_err *err) {
    file_list files = {0};
    kind what = KIND_CSV;
    tm_buf sql;
    tm__buf_init(&sql, SQL_MAX);
    tm_status st = list_files(r->spec->path, &files, err);
    if (st == TM_OK) {
        st = find_kind(&files, &what, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    if (what == KIND_CSV) {
        const char *const *const paths = (const char *const *)files.paths;
        st = r->sink != NULL ? tm__csv_pipe(r->ctx, r->spec, paths, files.n, r->sink, err)
                             : tm__csv_read(r->ctx, r->spec, paths, files.n, out, err);
        goto out;
    }
    bool is_lines = false;
    if (what == KIND_JSON && r->sink != NULL && r->sink->takes_members && r->spec->schema != NULL) {
        const tm_str name = bare_name(files.paths[0]);
        const bool is_named = tm__str_has_suffix(name, "l") || tm__str_has_suffix(name, ".ndjson");
        st = tm__json_lines_found(files.paths[0], is_named, &is_lines, err);
        if (st == TM_OK && is_lines) {
            st = tm__json_pipe(r->ctx, r->spec, (const char *const *)files.paths, files.n, r->sink,
                               err);
        }
        if (st != TM_OK || is_lines) {
            goto out;
        }
    }
    r->files = &files;
    r->is_parquet = what == KIND_PARQUET;
    r->is_json = what == KIND_JSON;
    append_sql(&files, what, &sql);
    st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for a query")
                    : read_duck(r, (const char *)sql.data, out, err);
out:
    r->files = NULL;
    tm__buf_done(&sql);
    list_done(&files);
    return st;
}

static tm_status read_any(run *r, tm_table **out, tm_err *err) {
    if ((r->spec->path == NULL) == (r->spec->sql == NULL)) {
        (void)TM_FAIL(err, TM_E_USAGE, "either a file or a query is needed");
        tm_err_hint(err, "Name a file, or give --sql QUERY.");
        return TM_E_USAGE;
    }
    return r->spec->sql != NULL ? read_duck(r, r->spec->sql, out, err) : read_files(r, out, err);
}

tm_status tm__source_each_file(const char *path,
                               tm_status (*fn)(void *arg, const char *path, tm_err *err), void *arg,
                               tm_err *err) {
    file_list files = {0};
    tm_status st = list_files(path, &files, err);
    for (uint32_t i = 0; st == TM_OK && i < files.n; i++) {
        st = fn(arg, files.paths[i], err);
    }
    list_done(&files);
    return st;
}

bool tm__source_is_share(tm_source_share share, uint32_t col, uint32_t n_cols) {
    return share.step == 0 || col % share.step == share.first ||
           (share.first >= n_cols && col == 0);
}

tm_status tm__source_read(tm_ctx *ctx, const tm_source_spec *spec, tm_table **out, tm_err *err) {
    run r = {.ctx = ctx, .spec = spec};
    return read_any(&r, out, err);
}

tm_status tm__source_pipe(tm_ctx *ctx, const tm_source_spec *spec, const tm_source_sink *sink,
                          tm_err *err) {
    run r = {.ctx = ctx, .spec = spec, .sink = sink};
    return read_any(&r, NULL, err);
}

tm_status tm__source_stream(tm_ctx *ctx, const tm_source_spec *spec,
                            tm_status (*fn)(void *arg, tm_table *table, tm_err *err), void *arg,
                            tm_err *err) {
    run r = {.ctx = ctx, .spec = spec, .give = fn, .give_arg = arg};
    tm_table *none = NULL;
    TM_ASSERT(spec->sql != NULL || tm__source_kind(spec->path) != TM_FILE_CSV);
    return read_any(&r, &none, err);
}

tm_status tm__source_read_in(tm_ctx *ctx, const tm_source_spec *spec, const char *dir,
                             tm_table **out, tm_err *err) {
    char *here = NULL;
    if (dir == NULL) {
        return tm__source_read(ctx, spec, out, err);
    }
    TM_TRY(tm__fs_real_path(".", &here, err));
    tm_status st = TM_OK;
    if (chdir(dir) != 0) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "cannot enter the folder '%.200s'", dir);
        tm_err_hint(err, "Paths start there: train or add the source again from where its data "
                         "lie now.");
    } else {
        st = tm__source_read(ctx, spec, out, err);
        if (chdir(here) != 0 && st == TM_OK) {
            tm__table_unref(*out);
            *out = NULL;
            st = TM_FAIL(err, TM_E_IO, "cannot go back to the folder '%.200s'", here);
        }
    }
    tm__mem_free(here);
    return st;
}
