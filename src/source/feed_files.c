/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, each once: by a glob ("files"), or what comes into a folder ("watch").
 *
 *   listing ──> new ── complete? ──> types (before the first row) ──> pieces ──> taken
 *          ├──> taken, as it was ── nothing
 *          └──> taken, and written to since ──┬─ the same bytes ── mark renewed
 *                                             ├─ more behind them ── pieces from there
 *                                             └─ others ── fault, or read anew ("changed")
 *
 * state {"types": true, "header", "dates": {column: "d" | "m"}, "reading": item}
 * mark  {"size", "modified_us", "partial", "bytes", "lines", "hash", "ends"} of each file
 *
 * 1. A block and the mark of how far its file was read are one transaction. So a kill at any time
 *    repeats no row and leaves none out.
 * 2. A type holds for all rows that come later, so before the first row all cells of all files that
 *    are there are looked at.
 * 3. A faulty file holds up no other: they are read first, then it is told. It is not taken.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/feed_priv.h"
#include "source/json_lines.h"
#include "source/source.h"

#define FILES_MAX 1000000u
#define SETTLE_US INT64_C(2000000) /* a file that stood still for so long is complete */
#define HASH_BYTES ((size_t)1 << 20)

typedef struct entry {
    char *path;
    const char *item; /* in path: its name in the source */
    bool is_late;     /* it was not complete when types were looked at */
} entry;

typedef struct learnt {
    char *name;
    uint32_t kinds;
} learnt;

typedef struct run {
    tm_ctx *ctx;
    const tm_feed_input *in;
    const tm_feed_sink *sink;
    char *root;    /* folder or glob */
    size_t n_skip; /* bytes of a path before its item */
    bool is_watch;
    bool settles; /* a file must have stood still; who adds a source means those that are there */
    bool has_given;
    bool has_failed;
    entry *entries;
    uint32_t n, capacity;
    json_t *state;
    tm_schema known; /* names that tell a header */
    /* types: */
    learnt *columns;
    uint32_t n_columns, columns_max;
    tm_dict *names;
    /* the file being read: */
    const entry *current;
    tm_file_look look;
    uint64_t n_rows, n_rows_old; /* of tables */
    tm_hash hash;
    /* the first fault: */
    tm_status fault_status;
    tm_err fault;
} run;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read files");
}

/* ---- What is declared ---- */

static tm_status check_changed(const json_t *spec, tm_err *err) {
    const char *const changed = tm__json_text(spec, "changed", "stop");
    if (strcmp(changed, "stop") != 0 && strcmp(changed, "again") != 0) {
        return TM_FAIL(err, TM_E_USAGE, "'changed' is stop or again, not '%s'", changed);
    }
    return TM_OK;
}

static tm_status check(const json_t *spec, const char *name, tm_err *err) {
    const char *const path = tm__json_text(spec, name, "");
    if (path[0] == '\0') {
        return TM_FAIL(err, TM_E_USAGE, "a source of '%s' needs to know what to read", name);
    }
    return check_changed(spec, err);
}

tm_status tm__feed_files_check(const json_t *spec, bool has_key, tm_err *err) {
    (void)has_key;
    return check(spec, "files", err);
}

tm_status tm__feed_watch_check(const json_t *spec, bool has_key, tm_err *err) {
    (void)has_key;
    TM_TRY(check(spec, "watch", err));
    if (strpbrk(tm__json_text(spec, "watch", ""), "*?[") != NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a watched folder is one folder");
        tm_err_hint(err, "Give --files GLOB --every 1m for a pattern.");
        return st;
    }
    return TM_OK;
}

/* ---- What is there ---- */

/* Names that writers give to what is not finished. */
static bool is_temporary(const char *path) {
    static const char *const ends[] = {".part",       ".partial", ".tmp", ".temp",
                                       ".crdownload", ".swp",     "~"};
    const char *const slash = strrchr(path, '/');
    const tm_str name = tm__str(slash == NULL ? path : slash + 1);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (tm__str_has_suffix(name, ends[i])) {
            return true;
        }
    }
    return name.len > 0 && name.ptr[0] == '.';
}

/* Takes the path. */
static bool add_path(run *r, char *path) {
    if (path != NULL && r->n == r->capacity) {
        const uint32_t capacity = r->capacity == 0 ? 64 : r->capacity * 2;
        entry *const entries = tm__mem_realloc(r->entries, capacity, sizeof(*entries));
        r->entries = entries != NULL ? entries : r->entries;
        r->capacity = entries != NULL ? capacity : r->capacity;
    }
    if (path == NULL || r->n == r->capacity) {
        tm__mem_free(path);
        r->has_failed = true;
        return false;
    }
    r->entries[r->n++] = (entry){.path = path, .item = path + r->n_skip};
    return r->n < FILES_MAX;
}

static bool add_entry(void *arg, const char *name) {
    run *const r = arg;
    return is_temporary(name) || tm__source_kind(name) == TM_FILE_OTHER ||
           add_path(r, tm__fs_join(r->root, name));
}

static bool add_match(void *arg, const char *path) {
    return is_temporary(path) || add_path(arg, tm__mem_strdup(path));
}

static tm_status list_folder(run *r, tm_err *err) {
    r->n_skip = r->is_watch ? strlen(r->root) + 1 : r->n_skip;
    const tm_status st = tm__fs_list(r->root, add_entry, r, err);
    if (st != TM_OK && r->is_watch && st != TM_E_NOMEM) {
        /* A disk that is not mounted comes back. */
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "the watched folder cannot be read");
        tm_err_at(err, r->root, 0, 0);
        tm_err_hint(err, "Make it, or mount its disk: it is looked at again by itself.");
        return TM_E_UNAVAILABLE;
    }
    return st;
}

static tm_status list(run *r, tm_err *err) {
    uint64_t n = 0;
    const tm_path_kind what = tm__fs_info(r->root).kind;
    if (r->is_watch || what == TM_PATH_DIR) {
        TM_TRY(list_folder(r, err));
    } else if (what == TM_PATH_NONE) {
        TM_TRY(tm__fs_glob(r->root, add_match, r, &n, err));
    } else if (!add_path(r, tm__mem_strdup(r->root))) {
        return no_memory(err);
    }
    if (r->has_failed) {
        return no_memory(err);
    }
    if (r->n >= FILES_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u files in '%s'", FILES_MAX, r->root);
    }
    if (r->n == 0 && !r->is_watch && json_is_null(r->in->state)) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "no data file '%s'", r->root);
        tm_err_hint(err, "Data files end in .csv, .tsv, .jsonl, .ndjson, .json or .parquet, and "
                         "may be packed as .gz or .zst; --watch waits for them.");
        return st;
    }
    return TM_OK;
}

/* Nobody is writing to it: it stood still, or was renamed or touched after its last byte. */
static bool is_complete(const run *r, const tm_file_look *look) {
    if (look->kind != TM_PATH_FILE || look->is_open || look->size_bytes == 0) {
        return false;
    }
    return !r->settles || look->changed_us > look->modified_us ||
           tm__now_us() - look->modified_us >= SETTLE_US ||
           look->modified_us > tm__now_us() + SETTLE_US; /* of a clock that is ahead */
}

/* ---- State and marks ---- */

static json_t *place_json(const tm_text_place *place) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(&place->hash, text);
    return json_pack("{s:I, s:I, s:s, s:b}", "bytes", (json_int_t)place->bytes, "lines",
                     (json_int_t)place->lines, "hash", text, "ends", (int)place->ends);
}

static bool place_from(const json_t *json, tm_text_place *out) {
    *out = (tm_text_place){.bytes = (uint64_t)tm__json_i64(json, "bytes", 0),
                           .lines = (uint64_t)tm__json_i64(json, "lines", 0),
                           .ends = json_is_true(json_object_get(json, "ends"))};
    return tm__hash_from_text(tm__json_text(json, "hash", ""), &out->hash);
}

/* Give a block; the mark, where its file's reading stands behind it, is taken. */
static tm_status give(run *r, tm_feed_block *block, json_t *mark, bool is_last, tm_err *err) {
    json_object_set_new(mark, "size", json_integer((json_int_t)r->look.size_bytes));
    json_object_set_new(mark, "modified_us", json_integer((json_int_t)r->look.modified_us));
    if (is_last) {
        json_object_del(r->state, "reading");
    } else {
        json_object_set_new(mark, "partial", json_true());
        json_object_set_new(r->state, "reading", json_string(r->current->item));
    }
    block->item = block->origin = r->current->item;
    block->mark = mark;
    block->state = r->state;
    tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        st = r->sink->take(r->sink->arg, block, err);
    }
    r->has_given = true;
    json_decref(mark);
    return st;
}

static tm_status give_nothing(run *r, tm_err *err) {
    char nothing[1] = "";
    const tm_feed_block block = {
        .form = TM_PUSH_LINES, .data = nothing, .state = r->state, .origin = ""};
    TM_TRY(tm__json_check(err));
    return r->sink->take(r->sink->arg, &block, err);
}

/* ---- Types ---- */

static tm_status learn_column(void *arg, const tm_csv_column *column, tm_err *err) {
    run *const r = arg;
    const uint32_t code = tm__dict_add(r->names, tm__str(column->name));
    if (code != TM_CODE_MISSING && code == r->columns_max) {
        const uint32_t n = r->columns_max == 0 ? 64 : r->columns_max * 2;
        learnt *const grown = tm__mem_realloc(r->columns, n, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        r->columns = grown;
        r->columns_max = n;
    }
    if (code == TM_CODE_MISSING) {
        return no_memory(err);
    }
    if (code == r->n_columns) {
        r->columns[code] = (learnt){.name = tm__mem_strdup(column->name)};
        r->n_columns++;
        if (r->columns[code].name == NULL) {
            return no_memory(err);
        }
    }
    r->columns[code].kinds |= column->kinds;
    return TM_OK;
}

/* Type of a column with cells of these kinds; its order of day and month in *out_order. */
static tm_type settle(uint32_t kinds, char *out_order) {
    /* A number that no double holds is its row's fault. */
    const tm_type type = tm__csv_decide(kinds & ~TM_CAN_HUGE);
    const bool is_time = type == TM_TYPE_DATE || type == TM_TYPE_TIME;
    *out_order = !is_time || (kinds & TM_CAN_NATIONAL) == 0 ? 0
                 : (kinds & TM_CAN_DAY_FIRST) != 0          ? 'd'
                                                            : 'm';
    return type == TM_TYPE_NONE ? TM_TYPE_TEXT : type; /* nobody can tell day from month */
}

static bool has_values(uint32_t kinds) {
    return (kinds & ~(TM_CAN_MISSING | TM_CAN_MARK)) != 0;
}

/* All values are dates, but no reading holds them all. */
static bool has_both_orders(uint32_t kinds) {
    return tm__csv_decide(kinds) == TM_TYPE_NONE && (kinds & TM_CAN_DAY_FIRST) != 0 &&
           (kinds & TM_CAN_MONTH_FIRST) != 0;
}

static tm_status two_orders(const run *r, uint32_t col, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "dates of column '%s' begin with the day and with the month",
                  r->columns[col].name);
    tm_err_at(err, r->n == 1 ? r->entries[0].path : r->root, 0, 0);
    tm_err_hint(err, "Write all as 2001-12-31, or read the column as text by --sql with "
                     "read_csv(..., types = {...}).");
    return TM_E_DATA;
}

/* A table without rows: columns that have a value, with their types. */
static tm_status build_types(run *r, json_t *dates, tm_table **out, tm_err *err) {
    tm_table_builder *const builder = tm__builder_create();
    tm_status st = builder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < r->n_columns; i++) {
        char order = 0;
        const tm_type type = settle(r->columns[i].kinds, &order);
        if (has_both_orders(r->columns[i].kinds)) {
            st = two_orders(r, i, err);
        } else if (has_values(r->columns[i].kinds)) {
            st = tm__builder_add_column(builder, r->columns[i].name, type, err);
        }
        if (order != 0) {
            json_object_set_new(dates, r->columns[i].name, json_stringn(&order, 1));
        }
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

static tm_status look_at_types(run *r, tm_err *err) {
    json_t *dates = json_object();
    tm_table *table = NULL;
    const tm_source_spec spec = {
        .no_header = json_is_true(json_object_get(r->in->spec, "no_header")), .skips_bad = true};
    for (uint32_t i = 0; i < r->n; i++) {
        tm_err ignored = {0};
        const tm_file_look look = tm__fs_look(r->entries[i].path);
        const tm_file_kind kind = tm__source_kind(r->entries[i].path);
        r->entries[i].is_late = !is_complete(r, &look);
        if (r->entries[i].is_late || kind == TM_FILE_JSON || kind == TM_FILE_PARQUET) {
            continue;
        }
        /* What is wrong with a file is told when it is read. */
        const tm_status st =
            tm__csv_examine_file(r->ctx, &spec, r->entries[i].path, learn_column, r, &ignored);
        if (st == TM_E_NOMEM || st == TM_E_CANCELLED) {
            json_decref(dates);
            if (err != NULL) {
                *err = ignored;
            }
            return st;
        }
    }
    json_object_set_new(r->state, "dates", dates);
    json_object_set_new(r->state, "types", json_true());
    if (r->n_columns == 0) {
        return TM_OK; /* stored with the first block */
    }
    tm_status st = build_types(r, dates, &table, err);
    if (st == TM_OK && tm__table_cols(table) > 0) {
        const tm_feed_block block = {.rows = table, .origin = "", .state = r->state};
        st = tm__json_check(err);
        st = st == TM_OK ? r->sink->take(r->sink->arg, &block, err) : st;
    }
    tm__table_unref(table);
    return st;
}

/* ---- One file ---- */

static char order_of(void *arg, const char *column) {
    const run *const r = arg;
    return tm__json_text(json_object_get(r->state, "dates"), column, "")[0];
}

static bool is_known(const run *r, const char *name) {
    const uint32_t at = tm__schema_find(&r->known, tm__str(name));
    return at != UINT32_MAX ||
           (r->names != NULL && tm__dict_find(r->names, tm__str(name)) != TM_CODE_MISSING);
}

/* Files of a source agree on whether the first line is one of names: else rows would become names,
 * or names a row. */
static tm_status check_header(void *arg, const tm_push_csv *csv, bool has_header, tm_err *err) {
    run *const r = arg;
    const json_t *const before = json_object_get(r->state, "header");
    bool is_any = false;
    for (uint32_t i = 0; i < csv->n_names; i++) {
        is_any = is_any || is_known(r, csv->names[i]);
    }
    if (before == NULL) {
        json_object_set_new(r->state, "header", json_boolean(has_header));
        return TM_OK;
    }
    if (json_is_true(before) && (!has_header || !is_any)) {
        (void)TM_FAIL(err, TM_E_DATA, "the first line names no column of the source");
        tm_err_at(err, r->current->path, 1, 0);
        tm_err_hint(err, "Put the line of names in front, as in the files before.");
        return TM_E_DATA;
    }
    return TM_OK;
}

static tm_status take_piece(void *arg, const tm_text_piece *piece, tm_err *err) {
    run *const r = arg;
    tm_feed_block block = {.form = piece->csv != NULL ? TM_PUSH_CSV : TM_PUSH_LINES,
                           .data = piece->data,
                           .len = piece->len,
                           .first_line = piece->first_line,
                           .csv = piece->csv};
    return give(r, &block, place_json(&piece->behind), piece->is_last, err);
}

static tm_status read_text(run *r, bool is_lines, const json_t *from, bool *out_changed,
                           tm_err *err) {
    const json_t *const header = json_object_get(r->state, "header");
    const tm_text_file file = {.path = r->current->path,
                               .is_lines = is_lines,
                               .no_header =
                                   json_is_true(json_object_get(r->in->spec, "no_header")) ||
                                   json_is_false(header),
                               .known = &r->known,
                               .order = order_of,
                               .named = check_header,
                               .take = take_piece,
                               .arg = r,
                               .piece_bytes = (size_t)tm__json_i64(r->in->spec, "piece_bytes", 0)};
    tm_text_place place;
    if (from != NULL && !place_from(from, &place)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the state of the source is damaged");
    }
    return tm__feed_text(r->ctx, &file, from == NULL ? NULL : &place, out_changed, err);
}

static tm_status hash_file(run *r, tm_err *err) {
    tm_file *file = NULL;
    tm_hasher hasher;
    uint8_t *const bytes = tm__mem_alloc(HASH_BYTES, 1);
    tm_status st =
        bytes == NULL ? no_memory(err) : tm__file_open(r->current->path, TM_OPEN_READ, &file, err);
    tm__hasher_init(&hasher);
    for (size_t n = 1; st == TM_OK && n > 0;) {
        st = tm__file_read(file, bytes, HASH_BYTES, &n, err);
        if (st == TM_OK) {
            tm__hasher_update(&hasher, bytes, n);
        }
    }
    tm__hasher_final(&hasher, &r->hash);
    tm__mem_free(bytes);
    if (file != NULL) {
        tm__file_close(file);
    }
    return st;
}

/* Of tables: "rows" are behind, and the hash is the whole file's. */
static json_t *rows_place(const run *r) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(&r->hash, text);
    return json_pack("{s:I, s:s}", "rows", (json_int_t)r->n_rows, "hash", text);
}

static tm_status take_rows(run *r, tm_table *table, tm_err *err) {
    tm_feed_block block = {.rows = table, .first_row = r->n_rows};
    r->n_rows += tm__table_rows(table);
    return give(r, &block, rows_place(r), false, err);
}

static tm_status take_table(void *arg, tm_table *table, tm_err *err) {
    run *const r = arg;
    const uint64_t n = tm__table_rows(table);
    if (r->n_rows + n <= r->n_rows_old) {
        r->n_rows += n;
        return TM_OK;
    }
    if (r->n_rows >= r->n_rows_old) {
        return take_rows(r, table, err);
    }
    const uint64_t first = r->n_rows_old - r->n_rows;
    uint32_t *const rows = tm__mem_alloc(n - first, sizeof(*rows));
    tm_table *rest = NULL;
    for (uint64_t i = first; rows != NULL && i < n; i++) {
        rows[i - first] = (uint32_t)i;
    }
    tm_status st =
        rows == NULL ? no_memory(err) : tm__table_take_rows(table, rows, n - first, &rest, err);
    r->n_rows = r->n_rows_old;
    st = st == TM_OK ? take_rows(r, rest, err) : st;
    tm__table_unref(rest);
    tm__mem_free(rows);
    return st;
}

static tm_status read_tables(run *r, const json_t *from, bool *out_changed, tm_err *err) {
    char text[TM_HASH_TEXT];
    char nothing[1] = "";
    tm_feed_block last = {.form = TM_PUSH_LINES, .data = nothing};
    TM_TRY(hash_file(r, err));
    tm__hash_to_text(&r->hash, text);
    r->n_rows = 0;
    r->n_rows_old = from == NULL ? 0 : (uint64_t)tm__json_i64(from, "rows", 0);
    *out_changed = from != NULL && strcmp(text, tm__json_text(from, "hash", "")) != 0;
    if (*out_changed) {
        return TM_OK;
    }
    const bool is_whole = from != NULL && json_object_get(from, "partial") == NULL;
    if (!is_whole) { /* else the same bytes under a new time */
        const tm_source_spec spec = {.path = r->current->path, .temp_dir = r->in->temp_dir};
        TM_TRY(tm__source_stream(r->ctx, &spec, take_table, r, err));
    } else {
        r->n_rows = r->n_rows_old;
    }
    return give(r, &last, rows_place(r), true, err);
}

static tm_status read_kind(run *r, const json_t *from, bool *out_changed, tm_err *err) {
    const char *const path = r->current->path;
    const tm_file_kind kind = tm__source_kind(path);
    bool is_lines = false;
    if (kind == TM_FILE_JSON) {
        tm_str name = tm__str(path);
        name.len -= tm__str_has_suffix(name, ".gz") ? 3 : tm__str_has_suffix(name, ".zst") ? 4 : 0;
        const bool is_named = tm__str_has_suffix(name, "l") || tm__str_has_suffix(name, ".ndjson");
        TM_TRY(tm__json_lines_found(path, is_named, &is_lines, err));
    }
    if (kind == TM_FILE_PARQUET || (kind == TM_FILE_JSON && !is_lines)) {
        return read_tables(r, from, out_changed, err);
    }
    return read_text(r, is_lines, from, out_changed, err);
}

static tm_status changed_fault(const run *r, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "the file was written anew after its rows were taken");
    tm_err_at(err, r->current->path, 0, 0);
    tm_err_hint(err, "Put it back and new rows into a new file, or read such files again: "
                     "--changed again.");
    return TM_E_DATA;
}

/* Read a file, from where its reading or its mark stands. */
static tm_status read_file(run *r, const json_t *from, tm_err *err) {
    bool is_changed = false;
    TM_TRY(read_kind(r, from, &is_changed, err));
    if (!is_changed) {
        return TM_OK;
    }
    if (strcmp(tm__json_text(r->in->spec, "changed", "stop"), "again") != 0) {
        return changed_fault(r, err);
    }
    return read_kind(r, NULL, &is_changed, err);
}

/* Keep the first fault of a file; the others are read all the same. */
static tm_status keep_fault(run *r, tm_status st, const tm_err *failure, tm_err *err) {
    const bool is_file =
        st == TM_E_DATA || st == TM_E_LIMIT || st == TM_E_IO || st == TM_E_NOT_FOUND;
    if (!is_file) {
        if (err != NULL) {
            *err = *failure;
        }
        return st;
    }
    if (r->fault_status == TM_OK) {
        r->fault_status = st;
        r->fault = *failure;
        if (r->fault.data_path[0] == '\0') {
            tm_err_at(&r->fault, r->current->path, failure->data_row, failure->data_col);
        }
    }
    return TM_OK;
}

static tm_status read_entry(run *r, const entry *e, const json_t *from, tm_err *err) {
    tm_err failure = {0};
    r->current = e;
    const tm_status st = read_file(r, from, &failure);
    return st == TM_OK ? TM_OK : keep_fault(r, st, &failure, err);
}

/* ---- All files ---- */

static const entry *find_entry(const run *r, const char *item) {
    for (uint32_t i = 0; i < r->n; i++) {
        if (strcmp(r->entries[i].item, item) == 0) {
            return &r->entries[i];
        }
    }
    return NULL;
}

static void empty_fault(run *r, const entry *e) {
    if (r->fault_status == TM_OK) {
        r->fault_status = TM_FAIL(&r->fault, TM_E_DATA, "the file is empty");
        tm_err_at(&r->fault, e->path, 0, 0);
        tm_err_hint(&r->fault, "Give a file with a header and rows.");
    }
}

static tm_status look_at(run *r, const entry *e, tm_err *err) {
    json_t *mark = NULL;
    r->look = tm__fs_look(e->path);
    if (r->look.kind == TM_PATH_FILE && r->look.size_bytes == 0 && !r->is_watch) {
        empty_fault(r, e); /* nobody waits for its writer */
        return TM_OK;
    }
    if (r->look.kind != TM_PATH_FILE || e->is_late) {
        return TM_OK; /* gone since, or a folder */
    }
    TM_TRY(r->in->find_mark(r->in->arg, e->item, &mark, err));
    const bool is_taken = json_is_object(mark);
    const bool is_partial = is_taken && json_object_get(mark, "partial") != NULL;
    const bool is_same = is_taken &&
                         tm__json_i64(mark, "size", -1) == (int64_t)r->look.size_bytes &&
                         tm__json_i64(mark, "modified_us", -1) == r->look.modified_us;
    const bool is_empty = is_taken && r->look.size_bytes == 0;
    tm_status st = TM_OK;
    if ((is_partial || !is_same) && (is_complete(r, &r->look) || is_empty)) {
        st = read_entry(r, e, is_taken ? mark : NULL, err);
    }
    json_decref(mark);
    return st;
}

/* A file whose reading was broken off comes first. When it is gone, that its rest is missing is
 * told once. */
static tm_status go_on(run *r, tm_err *err) {
    const char *const item = tm__json_text(r->state, "reading", NULL);
    const entry *const e = item == NULL ? NULL : find_entry(r, item);
    json_t *mark = NULL;
    if (item == NULL || e != NULL) {
        return e == NULL ? TM_OK : look_at(r, e, err);
    }
    TM_TRY(r->in->find_mark(r->in->arg, item, &mark, err));
    r->fault_status =
        TM_FAIL(&r->fault, TM_E_DATA, "the file vanished while it was read, behind %s %lld",
                json_object_get(mark, "lines") != NULL ? "line" : "row",
                (long long)(tm__json_i64(mark, "lines", 0) + tm__json_i64(mark, "rows", 0)));
    tm_err_at(&r->fault, item, 0, 0);
    tm_err_hint(
        &r->fault,
        "What was taken stays. Put it back, or its rest under another name, and pull again.");
    json_decref(mark);
    json_object_del(r->state, "reading");
    return give_nothing(r, err);
}

static tm_status read_all(run *r, tm_err *err) {
    TM_TRY(go_on(r, err));
    for (uint32_t i = 0; i < r->n; i++) {
        TM_TRY(look_at(r, &r->entries[i], err));
    }
    if (r->fault_status != TM_OK && err != NULL) {
        *err = r->fault;
    }
    return r->fault_status;
}

static bool copy_known(run *r) {
    const tm_schema *const from = r->in->schema;
    r->known.cols = tm__mem_zalloc((size_t)from->n_cols + 1, sizeof(*r->known.cols));
    for (uint32_t i = 0; r->known.cols != NULL && i < from->n_cols; i++) {
        if (from->cols[i].type != TM_TYPE_NONE) {
            tm_schema_column *const to = &r->known.cols[r->known.n_cols];
            *to = (tm_schema_column){.name = tm__mem_strdup(from->cols[i].name),
                                     .type = from->cols[i].type};
            if (to->name == NULL) {
                return false;
            }
            r->known.n_cols++;
        }
    }
    return r->known.cols != NULL;
}

static void done(run *r) {
    for (uint32_t i = 0; i < r->n; i++) {
        tm__mem_free(r->entries[i].path);
    }
    for (uint32_t i = 0; i < r->n_columns; i++) {
        tm__mem_free(r->columns[i].name);
    }
    tm__mem_free(r->entries);
    tm__mem_free(r->columns);
    tm__dict_free(r->names);
    tm__schema_done(&r->known);
    json_decref(r->state);
    tm__mem_free(r->root);
}

tm_status tm__feed_files_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                              tm_err *err) {
    const char *const watched = tm__json_text(in->spec, "watch", NULL);
    const char *const named = watched != NULL ? watched : tm__json_text(in->spec, "files", "");
    const bool is_first = json_is_null(in->state);
    run r = {.ctx = ctx,
             .in = in,
             .sink = sink,
             .is_watch = watched != NULL,
             .settles = !is_first && json_object_get(in->spec, "every_s") != NULL,
             .root = tm__feed_path(in->spec, named),
             .names = tm__dict_create(),
             .state = is_first ? json_object() : json_deep_copy(in->state)};
    /* Items are named as the source was declared, wherever its folder lies. */
    r.n_skip = r.root == NULL ? 0 : strlen(r.root) - strlen(named);
    tm_status st = r.root == NULL || r.names == NULL || r.state == NULL || !copy_known(&r)
                       ? no_memory(err)
                       : list(&r, err);
    if (st == TM_OK && json_object_get(r.state, "types") == NULL && r.n > 0) {
        st = look_at_types(&r, err);
    }
    if (st == TM_OK) {
        st = read_all(&r, err);
    }
    if (st == TM_OK && is_first && !r.has_given) {
        st = give_nothing(&r, err); /* from now on writers are waited for */
    }
    done(&r);
    return st;
}
