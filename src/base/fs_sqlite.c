/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite VFS "tidemill": the unix VFS with a seam in its writes and syncs. A file is ours,
 * followed by that of the unix VFS:
 *
 *   | shim_file | sqlite3_file of unix, szOsFile bytes |
 *
 * A failed sync poisons the file as in fs.c. The shared memory of the WAL index is no file content
 * (SQLite builds it anew after a crash) and passes as it is.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/fs.h"
#include "base/fs_priv.h"

typedef struct shim_file {
    sqlite3_file base;
    bool is_poisoned;
} shim_file;

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
    if (tm__fs_count()) {
        /* Cut short: the first half reaches the file. */
        (void)inner(file)->pMethods->xWrite(inner(file), data, len / 2, offset);
        return SQLITE_IOERR_WRITE;
    }
    return inner(file)->pMethods->xWrite(inner(file), data, len, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return inner(file)->pMethods->xTruncate(inner(file), size);
}

static int shim_sync(sqlite3_file *file, int flags) {
    shim_file *self = (shim_file *)file;
    const bool must_fail = self->is_poisoned || tm__fs_count();
    const int result =
        must_fail ? SQLITE_IOERR_FSYNC : inner(file)->pMethods->xSync(inner(file), flags);
    self->is_poisoned = self->is_poisoned || result != SQLITE_OK;
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
    *self = (shim_file){0};
    const int result = unix_vfs->xOpen(unix_vfs, name, inner(file), flags, out_flags);
    const sqlite3_io_methods *real = inner(file)->pMethods;
    if (real != NULL) {
        const int version = real->iVersion < 1 ? 1 : real->iVersion > 3 ? 3 : real->iVersion;
        self->base.pMethods = &methods[version - 1];
    }
    return result;
}

static void register_vfs(void) {
    unix_vfs = sqlite3_vfs_find("unix");
    if (unix_vfs == NULL) {
        register_result = SQLITE_ERROR;
        return;
    }
    /* All calls but xOpen are those of the unix VFS, which do not look at the VFS they are given
     * beyond the fields copied here. */
    shim_vfs = *unix_vfs;
    shim_vfs.zName = "tidemill";
    shim_vfs.szOsFile = unix_vfs->szOsFile + (int)SHIM_BYTES;
    shim_vfs.pNext = NULL;
    shim_vfs.xOpen = shim_open;
    register_result = sqlite3_vfs_register(&shim_vfs, 0);
}

tm_status tm__sqlite_vfs_init(tm_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_vfs);
    if (register_result != SQLITE_OK) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "sqlite refuses the vfs 'tidemill' (code %d)",
                       register_result);
    }
    return TM_OK;
}
