/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program on a disk that is watched: `tidemill` with its file seam held by this file. Children
 * are the same program, so they are watched too. Environment:
 *
 *   TM_DISK_ROOT    folder whose changes count
 *   TM_DISK_TRACE   file that each change is appended to (virtual_disk.h has the format)
 *   TM_DISK_FAIL    "N": change number N of this process fails; "N+": that one and all later ones
 *   TM_DISK_ERRNO   what a failing change says: EIO (default) or ENOSPC
 *   TM_DISK_COUNT   file that takes the number of changes at the end
 *
 * Marks in the trace, of what is acknowledged, are written by tests/e2e/recorded.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "virtual_disk.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_len;
static int trace_fd = -1;
static unsigned long n_changes, fail_from;
static bool fails_on;
static int fail_errno = EIO;
/* Files that had a failing sync: nothing may be written or synced through the same process again.
 */
static char failed_sync[64][VIRTUAL_PATH_MAX];
static unsigned n_failed_syncs;

/* Absolute path of what a change names, relative to the root; false when it is elsewhere. */
static bool path_below_root(const char *path, char *out) {
    char folder[4096], real[4096];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= sizeof(folder)) {
        return false;
    }
    memcpy(folder, slash == NULL ? "." : path, len);
    folder[len] = '\0';
    if (realpath(folder, real) == NULL) {
        return false;
    }
    char whole[8192];
    snprintf(whole, sizeof(whole), "%s%s%s", real, strcmp(name, ".") == 0 ? "" : "/",
             strcmp(name, ".") == 0 ? "" : name);
    if (strncmp(whole, root, root_len) != 0 ||
        (whole[root_len] != '/' && whole[root_len] != '\0')) {
        return false;
    }
    snprintf(out, VIRTUAL_PATH_MAX, "%s", whole[root_len] == '/' ? whole + root_len + 1 : "");
    return true;
}

static void append(const virtual_record *record, const char *path, const char *to,
                   const void *data) {
    if (trace_fd < 0) {
        return;
    }
    /* One write with O_APPEND: the order of records is the order of changes in all processes. */
    const size_t len = sizeof(*record) + record->path_len + record->to_len + record->data_len;
    const size_t size = (len + 7) / 8 * 8;
    char *bytes = calloc(1, size);
    if (bytes == NULL) {
        abort();
    }
    char *at = bytes;
    memcpy(at, record, sizeof(*record));
    at += sizeof(*record);
    memcpy(at, path, record->path_len);
    at += record->path_len;
    memcpy(at, to, record->to_len);
    at += record->to_len;
    if (record->data_len > 0) {
        memcpy(at, data, record->data_len);
    }
    if (write(trace_fd, bytes, size) != (ssize_t)size) {
        abort();
    }
    free(bytes);
}

/* A change that fails on purpose, or 0. */
static int planned_failure(const tm_disk_event *event, const char *path) {
    n_changes++;
    const bool is_io = event->op == TM_DISK_WRITE || event->op == TM_DISK_SYNC;
    for (unsigned i = 0; is_io && i < n_failed_syncs; i++) {
        if (strcmp(failed_sync[i], path) == 0) {
            fprintf(stderr, "DISK: '%s' is used after its sync failed\n", path);
            abort();
        }
    }
    const bool fails =
        fail_from != 0 && (n_changes == fail_from || (n_changes > fail_from && fails_on));
    if (fails && event->op == TM_DISK_SYNC && n_failed_syncs < 64) {
        snprintf(failed_sync[n_failed_syncs++], sizeof(failed_sync[0]), "%s", path);
    }
    return fails ? fail_errno : 0;
}

static int watch(const tm_disk_event *event) {
    char path[VIRTUAL_PATH_MAX], to[VIRTUAL_PATH_MAX] = "";
    if (event->path == NULL || !path_below_root(event->path, path) ||
        (event->to != NULL && !path_below_root(event->to, to))) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    const int failure = planned_failure(event, path);
    if (failure == 0) {
        const virtual_record record = {.magic = VIRTUAL_MAGIC,
                                       .op = (uint32_t)event->op,
                                       .path_len = (uint32_t)strlen(path),
                                       .to_len = (uint32_t)strlen(to),
                                       .data_len = event->len,
                                       .offset = event->offset};
        append(&record, path, to, event->data);
    }
    pthread_mutex_unlock(&lock);
    return failure;
}

static void write_count(void) {
    const char *path = getenv("TM_DISK_COUNT");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file != NULL) {
        fprintf(file, "%lu\n", n_changes);
        fclose(file);
    }
}

int main(int argc, char **argv) {
    const char *given = getenv("TM_DISK_ROOT"), *trace = getenv("TM_DISK_TRACE");
    const char *fail = getenv("TM_DISK_FAIL"), *kind = getenv("TM_DISK_ERRNO");
    if (given == NULL || realpath(given, root) == NULL) {
        fprintf(stderr, "TM_DISK_ROOT must name a folder\n");
        return 2;
    }
    root_len = strlen(root);
    if (trace != NULL) {
        trace_fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (fail != NULL) {
        char *end = NULL;
        fail_from = strtoul(fail, &end, 10);
        fails_on = *end == '+';
    }
    fail_errno = kind != NULL && strcmp(kind, "ENOSPC") == 0 ? ENOSPC : EIO;
    tm__disk_watch(watch);
    const int code = tm__cli_main(argc, (const char *const *)argv);
    write_count();
    return code;
}
