/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failures at each change of a recorded disk, and what the program finds after them.
 *
 * usage: crash_points TRACE FOLDER SEED EVERY [START]
 *        crash_points --leave TRACE FOLDER SEED N [START]
 *
 * START is a folder with what was on the disk before the trace. With --leave, the disk after a
 * failure at change N (torn at 512 bytes) is left in FOLDER, and what was acknowledged is printed.
 *
 * The trace (virtual_disk.h) holds every change that a session of commands made and, as marks, what
 * had been acknowledged by then: "project" (tidemill.yaml stands), "history N" (records of all
 * models), "labels N" (joined labels), "backup" (copy.tar.zst stands), "restored" (so does the home
 * `other`, made from it). After each EVERY-th change, and in four ways (all that is
 * not certain is lost; it survives; it is torn at 512 bytes; at 4 KiB), the disk is written to
 * FOLDER and the home on it is opened by the library:
 *
 *   1. Whatever was acknowledged is there.
 *   2. Nothing is half: both databases pass their integrity check, the history chain is whole, and
 *      the content of meta.db is the one that belongs to its number of history records, whichever
 *      failure led to it. Labels come in the groups they were sent in.
 *   3. Each version's bundle opens and its snapshot is there; a file that stands under a hash is
 *      whole, referred to or not.
 *   4. The home goes on: a record can be appended.
 */
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "virtual_disk.h"

#define MODEL "churn"
#define LABEL_GROUP 50
#define HISTORY_MAX 1000u

typedef struct checker {
    virtual_disk *disk; /* at the moment of the failure */
    virtual_disk *end;  /* after the last change: what whole files look like */
    const char *folder;
    /* Acknowledged so far. */
    bool has_project, has_backup, is_restored;
    uint64_t n_history, n_labels;
    uint64_t n_history_backup, n_labels_backup;
    /* Hash of meta.db's content by number of history records, once seen. */
    tm_hash content[HISTORY_MAX];
    bool is_known[HISTORY_MAX];
    uint64_t n_points, n_failed, n_without_home;
    const char *failure_text;
    size_t at;
} checker;

static const char *const op_names[] = {"create", "write",  "truncate", "sync",
                                       "mkdir",  "rename", "remove",   "sync folder"};

static void found(checker *self, const char *what, const char *detail) {
    self->n_failed++;
    if (self->n_failed <= 20) {
        printf("  change %zu, %s: %s%s%s\n", self->at, self->failure_text, what,
               detail[0] == '\0' ? "" : ": ", detail);
    }
}

/* ---- Files ---- */

static bool read_file(const char *path, tm_buf *out) {
    tm__buf_init(out, (size_t)1 << 30);
    return tm__fs_read_all(path, out, NULL) == TM_OK;
}

/* A file below the folder is the one that stands at the end of the trace. */
static bool is_whole(const checker *self, const char *path) {
    char real[PATH_MAX * 2];
    size_t len = 0;
    tm_buf content;
    const uint8_t *want = virtual_disk_read(self->end, path, &len);
    snprintf(real, sizeof(real), "%s/%s", self->folder, path);
    const bool is_read = read_file(real, &content);
    const bool answer = is_read && want != NULL && content.len == len &&
                        (len == 0 || memcmp(content.data, want, len) == 0);
    tm__buf_done(&content);
    return answer;
}

typedef struct listing {
    checker *self;
    const char *dir, *ending;
} listing;

static bool check_named(void *arg, const char *name) {
    const listing *list = arg;
    char path[PATH_MAX];
    const size_t len = strlen(name), n = strlen(list->ending);
    snprintf(path, sizeof(path), "%s/%s", list->dir, name);
    if (len == 64 + n && strcmp(name + 64, list->ending) == 0 && !is_whole(list->self, path)) {
        found(list->self, "a file under its hash is not whole", name);
    }
    return true;
}

/* Absent, or as it is at the end; there when it was acknowledged. */
static void check_file(checker *self, const char *name, bool is_acknowledged) {
    char path[PATH_MAX * 2];
    snprintf(path, sizeof(path), "%s/%s", self->folder, name);
    if (!is_whole(self, name) && (is_acknowledged || tm__fs_info(path).kind != TM_PATH_NONE)) {
        found(self, "a file is lost or half", name);
    }
}

static void check_files(checker *self) {
    const struct {
        const char *dir, *ending;
    } kinds[] = {{".tidemill/bundles", ".tmb"},
                 {".tidemill/snapshots", ".parquet"},
                 {"other/bundles", ".tmb"},
                 {"other/snapshots", ".parquet"}};
    for (unsigned i = 0; i < 4; i++) {
        char path[PATH_MAX * 2];
        listing list = {self, kinds[i].dir, kinds[i].ending};
        snprintf(path, sizeof(path), "%s/%s", self->folder, kinds[i].dir);
        if (tm__fs_info(path).kind == TM_PATH_DIR &&
            tm__fs_list(path, check_named, &list, NULL) != TM_OK) {
            found(self, "a folder cannot be listed", kinds[i].dir);
        }
    }
    check_file(self, "tidemill.yaml", self->has_project);
    check_file(self, "copy.tar.zst", self->has_backup);
}

/* ---- Databases ---- */

static bool integrity_is_ok(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    bool is_ok = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK &&
                 sqlite3_step(stmt) == SQLITE_ROW &&
                 strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    return is_ok;
}

static void hash_rows(sqlite3 *db, const char *table, tm_buf *out) {
    char sql[128];
    sqlite3_stmt *stmt = NULL;
    snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY rowid", table);
    tm__buf_text(out, table);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        tm__buf_text(out, "?");
        return;
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            tm__buf_u8(out, (uint8_t)sqlite3_column_type(stmt, i));
            tm__buf_str(
                out,
                (tm_str){sqlite3_column_blob(stmt, i) == NULL ? "" : sqlite3_column_blob(stmt, i),
                         (size_t)sqlite3_column_bytes(stmt, i)});
        }
    }
    sqlite3_finalize(stmt);
}

/* All that a move changes; epoch and jobs are no moves. */
static void check_meta_content(checker *self, sqlite3 *db, uint64_t n_history) {
    static const char *const tables[] = {"models", "versions", "verdicts", "aliases",
                                         "routes", "keys",     "history",  "chain"};
    tm_buf rows;
    tm_hash hash;
    tm__buf_init(&rows, (size_t)1 << 28);
    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        hash_rows(db, tables[i], &rows);
    }
    tm__hash_bytes(rows.data, rows.len, &hash);
    tm__buf_done(&rows);
    if (n_history >= HISTORY_MAX) {
        found(self, "more history than a session makes", "");
    } else if (!self->is_known[n_history]) {
        self->content[n_history] = hash;
        self->is_known[n_history] = true;
    } else if (!tm__hash_eq(&hash, &self->content[n_history])) {
        found(self, "meta.db does not hold what its history says", "");
    }
}

static sqlite3 *open_db(const char *home, const char *name) {
    char path[PATH_MAX * 2];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/%s", home, name);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

static int64_t count(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        n = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return n;
}

/* ---- The home ---- */

static void check_version(checker *self, tm_registry *registry, const char *name) {
    tm_err err = {0};
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    if (tm__registry_find(registry, name, &version, &err) != TM_OK ||
        tm__registry_bundle(registry, &version, &bundle, &err) != TM_OK) {
        found(self, "a version cannot be used", err.message);
    } else if (version.snapshot[0] != '\0') {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), ".tidemill/snapshots/%s.parquet", version.snapshot);
        if (!is_whole(self, path)) {
            found(self, "the snapshot of a version is lost", name);
        }
    }
    tm__bundle_unref(bundle);
    tm__version_done(&version);
}

static void check_registry(checker *self, const tm_home *home, uint64_t n_acknowledged) {
    static const tm_actor actor = {.name = "test"};
    tm_err err = {0};
    tm_registry *registry = NULL;
    uint64_t n_history = 0;
    if (tm__registry_open(home, &registry, &err) != TM_OK ||
        tm__registry_history_check(registry, &n_history, &err) != TM_OK) {
        found(self, "the registry does not open", err.message);
        tm__registry_close(registry);
        return;
    }
    if (n_history < n_acknowledged) {
        found(self, "an acknowledged move is lost", "");
    }
    sqlite3 *db = open_db(tm__home_path(home), "meta.db");
    if (db == NULL || !integrity_is_ok(db)) {
        found(self, "meta.db is damaged", "");
    } else {
        check_meta_content(self, db, n_history);
        const int64_t n_versions = count(db, "SELECT count(*) FROM versions");
        for (int64_t i = 1; i <= n_versions; i++) {
            char name[64];
            snprintf(name, sizeof(name), MODEL "@%" PRId64, i);
            check_version(self, registry, name);
        }
        if (n_versions > 0) {
            check_version(self, registry, MODEL "@champion");
            if (tm__registry_note(registry, MODEL, "crash.checked", 0, &actor, NULL, &err) !=
                TM_OK) {
                found(self, "the home does not go on", err.message);
            }
        }
    }
    sqlite3_close(db);
    tm__registry_close(registry);
}

static void check_log(checker *self, const tm_home *home, uint64_t n_acknowledged) {
    tm_err err = {0};
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    if (tm__fs_info(tm__home_log_db(home)).kind == TM_PATH_NONE) {
        if (n_acknowledged > 0) {
            found(self, "log.db is lost", "");
        }
        return;
    }
    if (tm__monitor_open(home, &options, &monitor, &err) != TM_OK) {
        found(self, "log.db does not open", err.message);
        return;
    }
    sqlite3 *db = open_db(tm__home_path(home), "log.db");
    const char *joined = "SELECT count(*) FROM labels JOIN blocks ON answer_seq >= first_seq"
                         " AND answer_seq < first_seq + n WHERE state = 1";
    const int64_t n_labels = db == NULL ? -1 : count(db, "SELECT count(*) FROM labels");
    if (db == NULL || !integrity_is_ok(db)) {
        found(self, "log.db is damaged", "");
    } else if (n_labels < (int64_t)n_acknowledged) {
        found(self, "an acknowledged label is lost", "");
    } else if (n_labels % LABEL_GROUP != 0 || count(db, joined) != n_labels) {
        found(self, "labels are half there", "");
    }
    sqlite3_close(db);
    tm__monitor_close(monitor);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    return at->level == 0 ? 0 : remove(path);
}

/* False when there is no home, and none was acknowledged. */
static bool check_home(checker *self, const char *name, uint64_t n_history, uint64_t n_labels) {
    char path[PATH_MAX * 2];
    tm_home *home = NULL;
    tm_err err = {0};
    snprintf(path, sizeof(path), "%s/%s", self->folder, name);
    if (tm__home_open(path, false, &home, &err) != TM_OK) {
        if (n_history > 0 || n_labels > 0) {
            found(self, "a home does not open", err.message);
        }
        return false;
    }
    check_registry(self, home, n_history);
    check_log(self, home, n_labels);
    tm__home_close(home);
    return true;
}

static void check_point(checker *self, const virtual_failure *failure) {
    nftw(self->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    virtual_disk_fail(self->disk, failure, self->folder, NULL);
    self->n_points++;
    check_files(self);
    if (!check_home(self, ".tidemill", self->n_history, self->n_labels)) {
        self->n_without_home++;
    }
    /* A restored home has its name only when it is whole. */
    char path[PATH_MAX * 2];
    snprintf(path, sizeof(path), "%s/other", self->folder);
    if (self->is_restored || tm__fs_info(path).kind != TM_PATH_NONE) {
        (void)check_home(self, "other", self->n_history_backup, self->n_labels_backup);
    }
}

static void note_mark(checker *self, const char *mark) {
    uint64_t n;
    if (strcmp(mark, "project") == 0) {
        self->has_project = true;
    } else if (sscanf(mark, "history %" SCNu64, &n) == 1) {
        self->n_history = n;
    } else if (strcmp(mark, "backup") == 0) {
        self->has_backup = true;
        self->n_history_backup = self->n_history;
        self->n_labels_backup = self->n_labels;
    } else if (strcmp(mark, "restored") == 0) {
        self->is_restored = true;
    } else if (sscanf(mark, "labels %" SCNu64, &n) == 1) {
        self->n_labels = n;
    } else {
        fprintf(stderr, "unknown mark '%s'\n", mark);
        exit(3);
    }
}

static void describe(char *out, size_t size, const virtual_failure *failure, uint32_t op,
                     const char *path) {
    const char *how = failure->loss == VIRTUAL_LOSE   ? "the rest lost"
                      : failure->loss == VIRTUAL_KEEP ? "the rest kept"
                                                      : "the rest torn";
    snprintf(out, size, "after %s of %s, %s (%u bytes, seed %" PRIu64 ")",
             op < sizeof(op_names) / sizeof(op_names[0]) ? op_names[op] : "mark", path, how,
             failure->block_bytes, failure->seed);
}

static int leave(checker *self, size_t at, uint64_t seed) {
    const char *mark;
    for (size_t i = 0; i < at; i++) {
        (void)virtual_disk_step(self->disk, &mark);
        if (mark != NULL) {
            note_mark(self, mark);
        }
    }
    const virtual_failure failure = {.loss = VIRTUAL_TEAR, .block_bytes = 512, .seed = seed};
    virtual_disk_fail(self->disk, &failure, self->folder, NULL);
    printf("%s\nhistory %" PRIu64 "\nlabels %" PRIu64 "\n", self->has_project ? "project" : "",
           self->n_history, self->n_labels);
    return 0;
}

int main(int argc, char **argv) {
    const bool leaves = argc > 1 && strcmp(argv[1], "--leave") == 0;
    argv += leaves ? 1 : 0;
    argc -= leaves ? 1 : 0;
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: crash_points [--leave] TRACE FOLDER SEED EVERY [START]\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[3], NULL, 10);
    const size_t every = strtoull(argv[4], NULL, 10);
    checker *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return 3;
    }
    self->disk = virtual_disk_open(argv[1], argc == 6 ? argv[5] : NULL);
    self->end = virtual_disk_open(argv[1], argc == 6 ? argv[5] : NULL);
    self->folder = argv[2];
    if (leaves) {
        return leave(self, every, seed);
    }
    const size_t length = virtual_disk_length(self->disk);
    const char *mark;
    for (size_t i = 0; i < length; i++) {
        (void)virtual_disk_step(self->end, &mark);
    }
    for (self->at = 1; self->at <= length; self->at++) {
        const virtual_record *record = virtual_disk_step(self->disk, &mark);
        if (mark != NULL) {
            note_mark(self, mark);
        }
        if (self->at % every != 0) {
            continue;
        }
        const virtual_failure failures[] = {
            {.loss = VIRTUAL_KEEP},
            {.loss = VIRTUAL_LOSE},
            {.loss = VIRTUAL_TEAR, .block_bytes = 512, .seed = seed + self->at},
            {.loss = VIRTUAL_TEAR, .block_bytes = 4096, .seed = seed + self->at},
        };
        for (unsigned i = 0; i < 4; i++) {
            char text[VIRTUAL_PATH_MAX * 2];
            describe(text, sizeof(text), &failures[i], record->op, virtual_disk_path(self->disk));
            self->failure_text = text;
            check_point(self, &failures[i]);
        }
    }
    printf("%" PRIu64 " crash points over %zu changes, seed %" PRIu64 ": %" PRIu64
           " failed (%" PRIu64 " before there was a home)\n",
           self->n_points, length, seed, self->n_failed, self->n_without_home);
    virtual_disk_close(self->disk);
    virtual_disk_close(self->end);
    free(self);
    return 0;
}
