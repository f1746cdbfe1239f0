/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_home.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/bundle.h"
#include "store/vault.h"

#define PATH_MAX_BYTES 1024u

static void must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

static void join(char *out, const char *folder, const char *name) {
    must(snprintf(out, PATH_MAX_BYTES, "%s/%s", folder, name) < (int)PATH_MAX_BYTES, name);
}

static void copy_file(const char *from, const char *to) {
    char piece[65536];
    const int in = open(from, O_RDONLY);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    must(in >= 0 && out >= 0, to);
    for (ssize_t n = read(in, piece, sizeof(piece)); n > 0; n = read(in, piece, sizeof(piece))) {
        must(write(out, piece, (size_t)n) == n, to);
    }
    close(in);
    close(out);
}

void fault_copy(const char *from, const char *to) {
    char a[PATH_MAX_BYTES], b[PATH_MAX_BYTES];
    struct stat info;
    must(mkdir(to, 0700) == 0, to);
    DIR *dir = opendir(from);
    must(dir != NULL, from);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        join(a, from, entry->d_name);
        join(b, to, entry->d_name);
        must(stat(a, &info) == 0, a);
        if (S_ISDIR(info.st_mode)) {
            fault_copy(a, b);
        } else if (S_ISREG(info.st_mode)) {
            copy_file(a, b);
        }
    }
    closedir(dir);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void fault_remove(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *fault_read(const char *path) {
    char *text = calloc(FAULT_TEXT_MAX + 1, 1);
    must(text != NULL, "read");
    const int fd = open(path, O_RDONLY);
    size_t len = 0;
    for (ssize_t n = 1; fd >= 0 && n > 0 && len < FAULT_TEXT_MAX; len += (size_t)n) {
        n = read(fd, text + len, FAULT_TEXT_MAX - len);
        must(n >= 0, path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

#define RANDOM_MIN 40 /* no word of ours is as long as a key without a digit in it */

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* End of the word at p, with what the signs of numbers, times and keys join to it. */
static const char *word_end(const char *p, bool *out_digit) {
    *out_digit = false;
    while (is_word(*p) ||
           (*p != '\0' && strchr(".:-+", *p) != NULL && (is_word(p[1]) || p[1] == '-'))) {
        *out_digit = *out_digit || isdigit((unsigned char)*p);
        p++;
    }
    return p;
}

/* True when a member's name and the opening of its text come before `at`. */
static bool follows(const char *text, const char *at, const char *name) {
    const size_t len = strlen(name);
    if (at == text || at[-1] != '"') {
        return false;
    }
    at -= at - text >= 2 && at[-2] == ' ' ? 2 : 1;
    return (size_t)(at - text) >= len && memcmp(at - len, name, len) == 0;
}

/* A word with a digit, or an id, which has one by luck, becomes '#', so does a very long one;
 * blanks that align columns become one.
 */
void fault_level(char *text) {
    char *out = text;
    for (const char *p = text; *p != '\0';) {
        if (is_word(*p)) {
            bool has_digit = false;
            const char *end = word_end(p, &has_digit);
            const bool is_id = follows(text, out, "\"id\":") || follows(text, out, "\"key\":") ||
                               strncmp(p, "key:", 4) == 0; /* "key:ID" */
            if (has_digit || is_id || end - p >= RANDOM_MIN) {
                /* The version before joins those that answer when the first request is long done.
                 */
                out -= follows(text, out, "\"versions\":[\"#\",") ? strlen("#\",\"") : 0;
                *out++ = '#';
            } else {
                memmove(out, p, (size_t)(end - p));
                out += end - p;
            }
            p = end;
        } else if (*p == '-' && isdigit((unsigned char)p[1])) {
            p++;
        } else if (*p == ' ' && p[1] == ' ') {
            p++;
        } else {
            *out++ = *p++;
        }
    }
    *out = '\0';
}

/* FNV-1a. */
static void mix(uint64_t *hash, const void *data, size_t len) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
}

static void mix_value(fault_state *out, sqlite3_stmt *row, int col) {
    const int type = sqlite3_column_type(row, col);
    const void *data = type == SQLITE_BLOB ? sqlite3_column_blob(row, col)
                                           : (const void *)sqlite3_column_text(row, col);
    const size_t len = (size_t)sqlite3_column_bytes(row, col);
    mix(&out->exact, &type, sizeof(type));
    mix(&out->exact, data, len);
    mix(&out->shape, &type, sizeof(type));
    const bool is_id = strcmp(sqlite3_column_name(row, col), "id") == 0; /* digits in it are luck */
    if (type == SQLITE_TEXT && !is_id) {
        char *text = strndup(data, len);
        must(text != NULL, "level");
        fault_level(text);
        mix(&out->shape, text, strlen(text));
        free(text);
    }
}

static void note_wrong(fault_state *out, const char *what, const char *name) {
    if (out->wrong[0] == '\0') {
        (void)snprintf(out->wrong, sizeof(out->wrong), "%s: %.200s", what, name);
    }
}

static void look_at_table(fault_state *out, sqlite3 *db, const char *table) {
    char sql[256];
    sqlite3_stmt *rows = NULL;
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\" ORDER BY 1, 2", table);
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK) {
        (void)snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\" ORDER BY 1", table);
        must(sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK, sql);
    }
    while (sqlite3_step(rows) == SQLITE_ROW) {
        mix(&out->exact, table, strlen(table));
        mix(&out->shape, table, strlen(table));
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            mix_value(out, rows, i);
        }
    }
    sqlite3_finalize(rows);
}

/* Rows that are there from the start, and the number of the daemon's start, are no content; nor is
 * what a server counts once a second, if it runs for so long. */
static bool is_content(const char *table) {
    return strcmp(table, "epoch") != 0 && strcmp(table, "chain") != 0 &&
           strcmp(table, "windows") != 0 && strcmp(table, "traffic") != 0 &&
           strcmp(table, "fields") != 0 && strncmp(table, "sqlite_", 7) != 0;
}

static void look_at_db(fault_state *out, const char *path) {
    sqlite3 *db = NULL;
    sqlite3_stmt *tables = NULL;
    if (access(path, F_OK) != 0) {
        return;
    }
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, path);
    must(sqlite3_busy_timeout(db, 60000) == SQLITE_OK, path); /* the server goes on meanwhile */
    sqlite3_stmt *check = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL) != SQLITE_OK ||
        sqlite3_step(check) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0) {
        note_wrong(out, "damaged", path);
    }
    sqlite3_finalize(check);
    if (sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name",
                           -1, &tables, NULL) == SQLITE_OK) {
        while (sqlite3_step(tables) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(tables, 0);
            if (is_content(name)) {
                look_at_table(out, db, name);
            }
        }
    }
    sqlite3_finalize(tables);
    must(sqlite3_close(db) == SQLITE_OK, path);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* A model file is named by the hash of its bytes; a snapshot or segment by that of its values, so
 * only its ends are looked at. */
static void look_at_artifact(fault_state *out, const char *path, const char *name) {
    char text[TM_HASH_TEXT] = "";
    if (ends_with(name, ".tmb")) {
        tm_bundle *bundle = NULL;
        if (tm__bundle_open(path, &bundle, NULL) == TM_OK) {
            tm__hash_to_text(tm__bundle_hash(bundle), text);
        }
        if (strncmp(text, name, strlen(name) - 4) != 0) {
            note_wrong(out, "torn", path);
        }
        tm__bundle_unref(bundle);
    } else if (ends_with(name, ".parquet")) {
        tm_map map = {0}; /* of what it holds, where it is sealed */
        if (tm__vault_map_open(path, &map, NULL) != TM_OK || map.len < 8 ||
            memcmp(map.data, "PAR1", 4) != 0 || memcmp(map.data + map.len - 4, "PAR1", 4) != 0) {
            note_wrong(out, "torn", path);
        }
        tm__map_close(&map);
    } else {
        note_wrong(out, "a file with another name", path);
    }
    out->n_files_garbage++; /* the caller takes off those that were there before */
}

static void look_in(fault_state *out, const char *folder, const char *below);

static void look_at_file(fault_state *out, const char *path, const char *name, const char *below) {
    if (ends_with(name, ".lock") || ends_with(name, "-wal") || ends_with(name, "-shm") ||
        name[0] == '.') { /* what the test itself wrote begins with a dot */
        return;
    }
    if (ends_with(name, ".db")) {
        look_at_db(out, path);
        return;
    }
    struct stat info;
    must(stat(path, &info) == 0, path);
    char *bytes = fault_read(path);
    if (strcmp(below, "bundles") == 0 || strcmp(below, "snapshots") == 0 ||
        strstr(path, "/segments/") != NULL) {
        look_at_artifact(out, path, name);
    } else if (strcmp(name, "keys.secret") == 0) { /* counts once meta.db refers to it */
        if (info.st_size != 65 || strspn(bytes, "0123456789abcdef") != 64) {
            note_wrong(out, "torn", path);
        }
    } else {
        mix(&out->exact, name, strlen(name));
        mix(&out->exact, bytes, strlen(bytes));
        fault_level(bytes);
        mix(&out->shape, name, strlen(name));
        mix(&out->shape, bytes, strlen(bytes));
    }
    free(bytes);
}

static void look_in(fault_state *out, const char *folder, const char *below) {
    char path[PATH_MAX_BYTES];
    char *names[256];
    size_t n = 0;
    struct stat info;
    DIR *dir = opendir(folder);
    must(dir != NULL, folder);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            must(n < 256 && (names[n] = strdup(entry->d_name)) != NULL, "too many files");
            n++;
        }
    }
    closedir(dir);
    qsort(names, n, sizeof(names[0]), by_name);
    for (size_t i = 0; i < n; i++) {
        join(path, folder, names[i]);
        if (ends_with(names[i], "-wal") || ends_with(names[i], "-shm") ||
            strstr(names[i], ".tmp-") != NULL || strncmp(names[i], "serving.json", 12) == 0 ||
            strcmp(names[i], "audit.anchor") == 0 || strcmp(names[i], "signing.secret") == 0) {
            free(names[i]); /* comes and goes with the database; is unfinished by its name; is what
                               a server says of itself, another each second; may lag; a key that
                               nothing was signed with changes nothing */
            continue;
        }
        must(lstat(path, &info) == 0, path);
        const bool is_quiet = strcmp(names[i], "temp") == 0 || strcmp(names[i], "jobs") == 0;
        if (S_ISDIR(info.st_mode) && !is_quiet) {
            look_in(out, path, names[i]);
        } else if (S_ISREG(info.st_mode)) {
            look_at_file(out, path, names[i], below);
        }
        free(names[i]);
    }
}

void fault_look(const char *folder, fault_state *out) {
    memset(out, 0, sizeof(*out));
    out->exact = out->shape = UINT64_C(14695981039346656037);
    look_in(out, folder, "");
}
