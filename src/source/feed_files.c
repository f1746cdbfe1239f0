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
#include "base/mem.h"
#include "source/feed_item.h"
#include "source/source.h"

#define FILES_MAX 1000000u
#define SETTLE_US INT64_C(2000000) /* a file that stood still for so long is complete */

typedef struct entry {
    char *path;
    const char *item; /* in path: its name in the source */
    bool is_late;     /* it was not complete when types were looked at */
} entry;

typedef struct run {
    const tm_feed_input *in;
    tm_items items;
    char *root;    /* folder or glob */
    size_t n_skip; /* bytes of a path before its item */
    bool is_watch;
    bool settles; /* a file must have stood still; who adds a source means those that are there */
    bool has_failed;
    uint32_t n_left; /* new, and not complete */
    entry *entries;
    uint32_t n, capacity;
} run;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read files");
}

/* ---- What is declared ---- */

static tm_status check(const json_t *spec, const char *name, tm_err *err) {
    const char *const path = tm__json_text(spec, name, "");
    if (path[0] == '\0') {
        return TM_FAIL(err, TM_E_USAGE, "a source of '%s' needs to know what to read", name);
    }
    return tm__items_check_changed(spec, err);
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

/* ---- Types ---- */

static tm_status look_at_types(run *r, tm_err *err) {
    for (uint32_t i = 0; i < r->n; i++) {
        const tm_file_look look = tm__fs_look(r->entries[i].path);
        r->entries[i].is_late = !is_complete(r, &look);
        if (!r->entries[i].is_late) {
            TM_TRY(tm__items_look(&r->items, r->entries[i].path, err));
        }
    }
    return tm__items_settle(&r->items, r->n == 1 ? r->entries[0].path : r->root, err);
}

/* ---- One file ---- */

/* Keep the first fault of a file; the others are read all the same. */
static tm_status keep_fault(run *r, tm_status st, const tm_err *failure, const entry *e,
                            tm_err *err) {
    const bool is_file =
        st == TM_E_DATA ||
        (!r->items.sink_failed && (st == TM_E_LIMIT || st == TM_E_IO || st == TM_E_NOT_FOUND));
    if (is_file) {
        tm__items_keep_fault(&r->items, st, failure, e->path);
        return TM_OK;
    }
    if (err != NULL) {
        *err = *failure;
    }
    return st;
}

static tm_status read_entry(run *r, const entry *e, const tm_file_look *look, const json_t *mark,
                            tm_err *err) {
    tm_err failure = {0};
    json_t *const version = json_pack("{s:I, s:I}", "size", (json_int_t)look->size_bytes,
                                      "modified_us", (json_int_t)look->modified_us);
    const tm_item item = {.path = e->path, .name = e->item, .shown = e->path, .version = version};
    const bool again = strcmp(tm__json_text(r->in->spec, "changed", "stop"), "again") == 0;
    const tm_status st =
        version == NULL
            ? no_memory(&failure)
            : tm__items_read(&r->items, &item, mark, again,
                             "Put it back and new rows into a new file, or read such files again: "
                             "--changed again.",
                             &failure);
    json_decref(version);
    return st == TM_OK ? TM_OK : keep_fault(r, st, &failure, e, err);
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
    tm_err failure = {0};
    const tm_status st = TM_FAIL(&failure, TM_E_DATA, "the file is empty");
    tm_err_hint(&failure, "Give a file with a header and rows.");
    tm__items_keep_fault(&r->items, st, &failure, e->path);
}

static tm_status look_at(run *r, const entry *e, tm_err *err) {
    json_t *mark = NULL;
    const tm_file_look look = tm__fs_look(e->path);
    if (look.kind == TM_PATH_FILE && look.size_bytes == 0 && !r->is_watch) {
        empty_fault(r, e); /* nobody waits for its writer */
        return TM_OK;
    }
    if (look.kind != TM_PATH_FILE) {
        return TM_OK; /* gone since, or a folder */
    }
    TM_TRY(r->in->find_mark(r->in->arg, e->item, &mark, err));
    const bool is_taken = json_is_object(mark);
    const bool is_partial = is_taken && json_object_get(mark, "partial") != NULL;
    const bool is_same = is_taken && tm__json_i64(mark, "size", -1) == (int64_t)look.size_bytes &&
                         tm__json_i64(mark, "modified_us", -1) == look.modified_us;
    const bool is_empty = is_taken && look.size_bytes == 0;
    tm_status st = TM_OK;
    if (is_partial || !is_same) {
        const bool is_read = !e->is_late && (is_complete(r, &look) || is_empty);
        r->n_left += is_read ? 0 : 1;
        st = is_read ? read_entry(r, e, &look, mark, err) : TM_OK;
    }
    json_decref(mark);
    return st;
}

/* A file whose reading was broken off comes first. When it is gone, that its rest is missing is
 * told once. */
static tm_status go_on(run *r, tm_err *err) {
    const char *const name = tm__json_text(r->items.state, "reading", NULL);
    const entry *const e = name == NULL ? NULL : find_entry(r, name);
    if (name == NULL) {
        return TM_OK;
    }
    return e != NULL ? look_at(r, e, err) : tm__items_vanished(&r->items, name, err);
}

static tm_status read_all(run *r, tm_err *err) {
    TM_TRY(go_on(r, err));
    for (uint32_t i = 0; i < r->n; i++) {
        TM_TRY(look_at(r, &r->entries[i], err));
    }
    return tm__items_fault(&r->items, err);
}

static void done(run *r) {
    for (uint32_t i = 0; i < r->n; i++) {
        tm__mem_free(r->entries[i].path);
    }
    tm__mem_free(r->entries);
    tm__items_done(&r->items);
    tm__mem_free(r->root);
}

tm_status tm__feed_files_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                              tm_err *err) {
    const char *const watched = tm__json_text(in->spec, "watch", NULL);
    const char *const named = watched != NULL ? watched : tm__json_text(in->spec, "files", "");
    const bool is_first = json_is_null(in->state);
    run r = {.in = in,
             .is_watch = watched != NULL,
             .settles = !is_first && json_object_get(in->spec, "every_s") != NULL,
             .root = tm__feed_path(in->spec, named)};
    /* Items are named as the source was declared, wherever its folder lies. */
    r.n_skip = r.root == NULL ? 0 : strlen(r.root) - strlen(named);
    tm_status st = tm__items_init(&r.items, ctx, in, sink, err);
    if (st == TM_OK) {
        st = r.root == NULL ? no_memory(err) : list(&r, err);
    }
    if (st == TM_OK && !tm__items_have_types(&r.items) && r.n > 0) {
        st = look_at_types(&r, err);
    }
    if (st == TM_OK) {
        st = read_all(&r, err);
    }
    if (st == TM_OK && r.n_left > 0 && sink->left != NULL) {
        sink->left(sink->arg, r.n_left);
    }
    if (st == TM_OK && is_first && !r.items.has_given) {
        st = tm__items_give_nothing(&r.items, err); /* from now on writers are waited for */
    }
    done(&r);
    return st;
}
