/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_derived.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"

static const char *const folders[] = {"cache", "checkpoints"};

bool tm__subject_is_derived(const char *entry) {
    return strcmp(entry, "online") == 0 || strcmp(entry, folders[0]) == 0 ||
           strcmp(entry, folders[1]) == 0;
}

typedef struct emptying {
    const char *folder;
    tm_status st;
    tm_err *err;
} emptying;

static bool remove_file(void *arg, const char *name) {
    emptying *const e = arg;
    char *const path = tm__fs_join(e->folder, name);
    e->st =
        path == NULL ? TM_FAIL(e->err, TM_E_NOMEM, "out of memory") : tm__fs_remove(path, e->err);
    tm__mem_free(path);
    return e->st == TM_OK;
}

/* fn: remove_file, or for some of the files. */
static tm_status empty_folder(const char *folder, bool (*fn)(void *arg, const char *name),
                              tm_err *err) {
    emptying e = {.folder = folder, .err = err};
    if (tm__fs_info(folder).kind != TM_PATH_DIR) {
        return TM_OK;
    }
    TM_TRY(tm__fs_list(folder, fn, &e, err));
    TM_TRY(e.st);
    return tm__fs_sync_folder(folder, err);
}

bool tm__subject_is_spool(const char *name) {
    const size_t len = strlen(name);
    return strncmp(name, "jobs/sink.", 10) == 0 && strcmp(name + len - 5, ".rows") == 0;
}

/* Rows that a sink has spooled and, since no batch of it waits, does not need. */
static bool remove_spool(void *arg, const char *name) {
    char below[TM_MAX_NAME + 64];
    (void)snprintf(below, sizeof(below), "jobs/%s", name);
    return tm__subject_is_spool(below) ? remove_file(arg, name) : true;
}

tm_status tm__subject_remove_derived(const tm_home *home, tm_err *err) {
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *const folder = tm__fs_join(tm__home_path(home), folders[i]);
        const tm_status st = folder == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                            : empty_folder(folder, remove_file, err);
        tm__mem_free(folder);
        TM_TRY(st);
    }
    return empty_folder(tm__home_jobs(home), remove_spool, err);
}
