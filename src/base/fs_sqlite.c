/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite VFS "tidemill": the unix VFS with the seam of fs.c before each of its changes. A file
 * is ours, followed by that of the unix VFS:
 *
 *   | shim_file | sqlite3_file of unix, szOsFile bytes |
 *
 * A failed sync poisons the file as in fs.c. The unix VFS syncs the folder with the first sync of a
 * journal or log that it may have made, and after a deletion where SQLite asks for it; the seam is
 * told of both. The shared memory of the WAL index is no file content
 * (SQLite builds it anew after a crash) and passes as it is.
 */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/fs.h"
#include "base/fs_priv.h"
#include "base/mem.h"
#include "base/str.h"

typedef struct shim_file {
    sqlite3_file base;
    const char *path; /* SQLite keeps it until the file is closed; NULL: a temporary */
    bool is_poisoned;
    bool syncs_folder; /* with the next sync */
} shim_file;

#define TM_FOLDER_MAX 4096u
#define SHIM_BYTES ((sizeof(shim_file) + 15u) & ~(size_t)15u)

/* The VFS must outlive every connection, so it lives as long as the process. */
static sqlite3_vfs shim_vfs;
static sqlite3_vfs *unix_vfs;
static int register_result;

static sqlite3_file *inner(sqlite3_file *file) {
    return (sqlite3_file *)(void *)((char *)file + SHIM_BYTES);
}

static int shim_close(sqlite3_file *file) {
    return inner(file)->pMethods->xClose(inner(file));
}

static int shim_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset) {
    return inner(file)->pMethods->xRead(inner(file), out, len, offset);
}

static int shim_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset) {
    shim_file *self = (shim_file *)file;
    if (self->is_poisoned) {
        return SQLITE_IOERR_WRITE;
    }
    const tm_disk_event event = {.op = TM_DISK_WRITE,
                                 .path = self->path,
                                 .data = data,
                                 .len = (size_t)len,
                                 .offset = (uint64_t)offset};
    const int number = tm__disk_tell(&event);
    if (number != 0) {
        /* Cut short: the first half reaches the file. */
        (void)inner(file)->pMethods->xWrite(inner(file), data, len / 2, offset);
        return number == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    return inner(file)->pMethods->xWrite(inner(file), data, len, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    const tm_disk_event event = {
        .op = TM_DISK_TRUNCATE, .path = ((shim_file *)file)->path, .offset = (uint64_t)size};
    if (tm__disk_tell(&event) != 0) {
        return SQLITE_IOERR_TRUNCATE;
    }
    return inner(file)->pMethods->xTruncate(inner(file), size);
}

/* Tell of the sync of the folder that holds path. */
static int tell_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char folder[TM_FOLDER_MAX];
    const size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (!tm__str_copy(folder, sizeof(folder), (tm_str){slash == NULL ? "." : path, len})) {
        return ENAMETOOLONG;
    }
    return tm__disk_tell(&(tm_disk_event){.op = TM_DISK_SYNC_FOLDER, .path = folder});
}

static int shim_sync(sqlite3_file *file, int flags) {
    shim_file *self = (shim_file *)file;
    if (self->is_poisoned) {
        return SQLITE_IOERR_FSYNC;
    }
    int result = SQLITE_IOERR_FSYNC;
    if (tm__disk_tell(&(tm_disk_event){.op = TM_DISK_SYNC, .path = self->path}) == 0) {
        result = inner(file)->pMethods->xSync(inner(file), flags);
    }
    if (result == SQLITE_OK && self->syncs_folder && tell_folder(self->path) != 0) {
        result = SQLITE_IOERR_FSYNC;
    }
    self->syncs_folder = self->syncs_folder && result != SQLITE_OK;
    self->is_poisoned = result != SQLITE_OK;
    return result;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *out) {
    return inner(file)->pMethods->xFileSize(inner(file), out);
}

static int shim_lock(sqlite3_file *file, int level) {
    return inner(file)->pMethods->xLock(inner(file), level);
}

static int shim_unlock(sqlite3_file *file, int level) {
    return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *out) {
    return inner(file)->pMethods->xCheckReservedLock(inner(file), out);
}

static int shim_control(sqlite3_file *file, int op, void *arg) {
    return inner(file)->pMethods->xFileControl(inner(file), op, arg);
}

static int shim_sector(sqlite3_file *file) {
    return inner(file)->pMethods->xSectorSize(inner(file));
}

static int shim_device(sqlite3_file *file) {
    return inner(file)->pMethods->xDeviceCharacteristics(inner(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return inner(file)->pMethods->xShmMap(inner(file), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return inner(file)->pMethods->xShmLock(inner(file), offset, n, flags);
}

static void shim_shm_barrier(sqlite3_file *file) {
    inner(file)->pMethods->xShmBarrier(inner(file));
}

static int shim_shm_unmap(sqlite3_file *file, int drop) {
    return inner(file)->pMethods->xShmUnmap(inner(file), drop);
}

static int shim_fetch(sqlite3_file *file, sqlite3_int64 offset, int len, void **out) {
    return inner(file)->pMethods->xFetch(inner(file), offset, len, out);
}

static int shim_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page) {
    return inner(file)->pMethods->xUnfetch(inner(file), offset, page);
}

/* One table for each version of the methods that the unix VFS gave: SQLite asks the version before
 * it maps shared memory (2) or pages (3). */
#define METHODS(version)                                                                           \
    {                                                                                              \
        version, shim_close, shim_read, shim_write, shim_truncate, shim_sync, shim_size,           \
            shim_lock, shim_unlock, shim_check_lock, shim_control, shim_sector, shim_device,       \
            shim_shm_map, shim_shm_lock, shim_shm_barrier, shim_shm_unmap, shim_fetch,             \
            shim_unfetch                                                                           \
    }
static const sqlite3_io_methods methods[] = {METHODS(1), METHODS(2), METHODS(3)};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags) {
    (void)vfs;
    shim_file *self = (shim_file *)file;
    const int logs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    const bool may_make = (flags & SQLITE_OPEN_CREATE) != 0 && name != NULL;
    int exists = 1;
    *self = (shim_file){.path = name, .syncs_folder = may_make && (flags & logs) != 0};
    if (may_make) {
        (void)unix_vfs->xAccess(unix_vfs, name, SQLITE_ACCESS_EXISTS, &exists);
    }
    if (exists == 0 && tm__disk_tell(&(tm_disk_event){.op = TM_DISK_CREATE, .path = name}) != 0) {
        return SQLITE_CANTOPEN;
    }
    const int result = unix_vfs->xOpen(unix_vfs, name, inner(file), flags, out_flags);
    const sqlite3_io_methods *real = inner(file)->pMethods;
    if (real != NULL) {
        const int version = real->iVersion < 1 ? 1 : real->iVersion > 3 ? 3 : real->iVersion;
        self->base.pMethods = &methods[version - 1];
    }
    return result;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    if (tm__disk_tell(&(tm_disk_event){.op = TM_DISK_REMOVE, .path = path}) != 0) {
        return SQLITE_IOERR_DELETE;
    }
    const int result = unix_vfs->xDelete(unix_vfs, path, sync_folder);
    if (result == SQLITE_OK && sync_folder != 0 && tell_folder(path) != 0) {
        return SQLITE_IOERR_DIR_FSYNC;
    }
    return result;
}

static void register_vfs(void) {
    unix_vfs = sqlite3_vfs_find("unix");
    if (unix_vfs == NULL) {
        register_result = SQLITE_ERROR;
        return;
    }
    /* All calls but xOpen and xDelete are those of the unix VFS, which do not look at the VFS they
     * are given beyond the fields copied here. */
    shim_vfs = *unix_vfs;
    shim_vfs.zName = "tidemill";
    shim_vfs.szOsFile = unix_vfs->szOsFile + (int)SHIM_BYTES;
    shim_vfs.pNext = NULL;
    shim_vfs.xOpen = shim_open;
    shim_vfs.xDelete = shim_delete;
    register_result = sqlite3_vfs_register(&shim_vfs, 0);
}

tm_status tm__sqlite_vfs_init(tm_err *err) {
    static pthread_once_t once_memory = PTHREAD_ONCE_INIT;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once_memory, tm__mem_sqlite_init);
    /* May be called again when memory ran out, and does nothing when all is set up. */
    if (sqlite3_initialize() != SQLITE_OK) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while starting sqlite");
    }
    pthread_once(&once, register_vfs);
    if (register_result != SQLITE_OK) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "sqlite refuses the vfs 'tidemill' (code %d)",
                       register_result);
    }
    return TM_OK;
}
