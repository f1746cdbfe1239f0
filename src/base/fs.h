/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: the only caller of open, write, fsync and rename. An fsync that fails is never retried:
 * the file is poisoned and every later call on it fails. Tests stand in the seam tm__disk_watch().
 * Errors name the path. Paths are bytes, relative ones are below the working
 * folder.
 */
#ifndef TM_BASE_FS_H
#define TM_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

typedef struct tm_file tm_file;

typedef enum tm_open_mode {
    TM_OPEN_READ,
    TM_OPEN_CREATE,   /* write; must not exist; mode 0600 */
    TM_OPEN_TRUNCATE, /* write from the start; made when missing; mode 0644 (results that a user
                         asked for) */
    TM_OPEN_APPEND    /* write at the end, whoever else does; made when missing; mode 0600 */
} tm_open_mode;

TM_NODISCARD tm_status tm__file_open(const char *path, tm_open_mode mode, tm_file **out_file,
                                     tm_err *err);
TM_NODISCARD tm_status tm__file_read(tm_file *file, void *out, size_t len, size_t *out_len,
                                     tm_err *err);
/** One piece of a stream, as soon as there is any; *out_len 0 is the end. TM_E_CANCELLED within 0.1
 * s of *cancel being set. */
TM_NODISCARD tm_status tm__file_read_some(tm_file *file, const volatile _Atomic bool *cancel,
                                          void *out, size_t len, size_t *out_len, tm_err *err);
TM_NODISCARD tm_status tm__file_write(tm_file *file, const void *data, size_t len, tm_err *err);
TM_NODISCARD tm_status tm__file_sync(tm_file *file, tm_err *err);
void tm__file_close(tm_file *file);

/** Whole file into buf (appended); TM_E_LIMIT past buf->size_max. A folder is TM_E_DATA with a
 * hint. */
TM_NODISCARD tm_status tm__fs_read_all(const char *path, tm_buf *buf, tm_err *err);
/** Temporary file beside path, fsync, rename over path, fsync of the folder: path is old or new,
 * never half. */
TM_NODISCARD tm_status tm__fs_publish(const char *path, const void *data, size_t len, tm_err *err);
/** Same for what only this user may read: mode 0600. */
TM_NODISCARD tm_status tm__fs_publish_secret(const char *path, const void *data, size_t len,
                                             tm_err *err);
/** Same without a sync, for what is written anew all the time and may be lost: path is old or new
 * while the machine runs, and after its crash may be anything. One writer at a time. */
TM_NODISCARD tm_status tm__fs_replace(const char *path, const void *data, size_t len, tm_err *err);
/** Copy a finished temporary of another library through the seam to path with the same guarantee.
 */
TM_NODISCARD tm_status tm__fs_publish_file(const char *from, const char *path, tm_err *err);
/** Make sure that a published file which was found at its path is durable: its publisher may have
 * been stopped, or may still be, between its rename and its fsync of the folder. */
TM_NODISCARD tm_status tm__fs_ensure(const char *path, tm_err *err);
/** Rename a finished, synced temporary to its path and sync the folder. A folder takes the place of
 * an empty one; TM_E_CONFLICT when another stands there. After a failure it has its old name. */
TM_NODISCARD tm_status tm__fs_move(const char *from, const char *to, tm_err *err);
/** Make the names in a folder durable. */
TM_NODISCARD tm_status tm__fs_sync_folder(const char *dir, tm_err *err);
/** Same folder, no error when it is there; parents are made too; mode 0700. */
TM_NODISCARD tm_status tm__fs_mkdir(const char *path, tm_err *err);
TM_NODISCARD tm_status tm__fs_remove(const char *path, tm_err *err); /* absent is no error */

typedef enum tm_path_kind { TM_PATH_NONE, TM_PATH_FILE, TM_PATH_DIR, TM_PATH_OTHER } tm_path_kind;
typedef struct tm_path_info {
    tm_path_kind kind;
    uint64_t size_bytes;
    int64_t modified_us;
} tm_path_info;
/** What stands at a path (links are followed); TM_PATH_NONE when nothing does. */
tm_path_info tm__fs_info(const char *path);
/** Whether two paths are on different file systems; of one that is not there, its nearest folder
 * that is. */
bool tm__fs_is_apart(const char *a, const char *b);
/** Names of a folder's entries in byte order, one call each; a callback that returns false ends the
 * walk. */
TM_NODISCARD tm_status tm__fs_list(const char *dir, bool (*fn)(void *arg, const char *name),
                                   void *arg, tm_err *err);
/** Whether a folder has an entry; what is no folder has none. */
TM_NODISCARD tm_status tm__fs_has_entry(const char *dir, bool *out, tm_err *err);
/** Paths that match a glob (*, ?, [..]) in byte order, one call each; *out_n counts them. */
TM_NODISCARD tm_status tm__fs_glob(const char *pattern, bool (*fn)(void *arg, const char *path),
                                   void *arg, uint64_t *out_n, tm_err *err);
/** Absolute path without links; the caller frees with tm__mem_free(). */
TM_NODISCARD tm_status tm__fs_real_path(const char *path, char **out_path, tm_err *err);
/** dir + "/" + name in a fresh block; NULL when out of memory. */
char *tm__fs_join(const char *dir, const char *name);

/* A file as it stood: another one, or the same one written to since, has another. */
typedef struct tm_file_id {
    uint64_t device, number, size_bytes;
    int64_t changed_ns;
} tm_file_id;
/** True when a path still leads to that file, and nobody wrote to it. */
bool tm__fs_is_same(const char *path, const tm_file_id *id);

/** Say that a file was used now: sets the time of its last change. Nothing relies on it after a
 * crash. */
TM_NODISCARD tm_status tm__fs_touch(const char *path, tm_err *err);

/* How a file stands, to tell whether its writer is through with it. */
typedef struct tm_file_look {
    tm_path_kind kind;
    uint64_t size_bytes;
    int64_t modified_us; /* its bytes */
    int64_t changed_us;  /* its bytes, name or rights: later than modified_us after a rename */
    bool is_open;        /* a process has it open for writing, as far as the system tells */
} tm_file_look;
/** Look at a path; asking for the lease that tells is_open costs an open. */
tm_file_look tm__fs_look(const char *path);

/** Bytes that this user may still write where a path lies; false when it cannot be told. */
bool tm__fs_free_bytes(const char *path, uint64_t *out);

/* Read-only mapping of a whole file. */
typedef struct tm_map {
    const uint8_t *data;
    size_t len;
    tm_file_id id;
} tm_map;
TM_NODISCARD tm_status tm__map_open(const char *path, tm_map *out_map, tm_err *err);
/** Bring every page into memory and into this process's table of pages, so that no later read of it
 * faults. Some 0.1 ms a MiB that the system has cached, the disk's time otherwise. */
void tm__map_populate(const tm_map *map);
void tm__map_close(tm_map *map);

/* Bytes of a file that all who map it see at once, and that outlive a kill of this process (not a
 * failure of power). What is stored in them passes no seam. */
typedef struct tm_shared {
    uint8_t *data;
    size_t len;
} tm_shared;
/** Map a file of len bytes for reading and writing; it is made of zeros, its room taken on the
 * disk, when it is missing or has another size. Mode 0600. */
TM_NODISCARD tm_status tm__shared_open(const char *path, size_t len, tm_shared *out, tm_err *err);
void tm__shared_close(tm_shared *shared);

/** Advisory lock on a file, held until closed or the process ends; TM_E_CONFLICT when another
 * process has it. */
TM_NODISCARD tm_status tm__lock_open(const char *path, tm_file **out_lock, tm_err *err);

/* One change of the disk that is about to be made. */
typedef enum tm_disk_op {
    TM_DISK_CREATE,     /* path: an empty file */
    TM_DISK_WRITE,      /* path, data, len, offset */
    TM_DISK_TRUNCATE,   /* path, offset: the new size; a missing file is made */
    TM_DISK_SYNC,       /* path: a file */
    TM_DISK_MKDIR,      /* path */
    TM_DISK_RENAME,     /* path, to */
    TM_DISK_REMOVE,     /* path */
    TM_DISK_SYNC_FOLDER /* path: a folder */
} tm_disk_op;
typedef struct tm_disk_event {
    tm_disk_op op;
    const char *path; /* as the caller named it; NULL for a file without a name */
    const char *to;
    const void *data;
    size_t len;
    uint64_t offset;
} tm_disk_event;
/** Called before each change, from the thread that makes it. 0 lets it happen; an errno fails it
 * (of a write, the first half still reaches the file). */
typedef int (*tm_disk_fn)(const tm_disk_event *event);
/** Tests: stand in the seam of this process; NULL leaves it. */
void tm__disk_watch(tm_disk_fn fn);

/** Register the SQLite VFS "tidemill" (over the unix VFS; its changes pass the same seam). Any
 * thread, once or more. */
TM_NODISCARD tm_status tm__sqlite_vfs_init(tm_err *err);

#endif
