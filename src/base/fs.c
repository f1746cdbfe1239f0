/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and publishing.
 *
 * 1. Every change of the disk is told to tm__disk_tell() before it is made, so that tests can
 *    record it, fail it, and build the disk that a power failure would leave.
 * 2. A write or fsync that failed poisons the file: what the disk holds is unknown then, and a
 *    second fsync that succeeds would prove nothing (the kernel may have dropped the pages).
 * 3. Publishing: temporary file beside the path, fsync, rename, fsync of the folder. A failure
 *    before the rename leaves the old file and no temporary; when only the fsync of the folder
 *    fails, a file that is new is taken away again, or a later run would find it and rely on it.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fs_memory.h"
#include "base/fs_priv.h"
#include "base/mem.h"
#include "base/rng.h"

#define CHUNK_BYTES ((size_t)1 << 20)
#define MEMORY_FILES "/proc/self/fd/"

struct tm_file {
    int fd;
    bool is_poisoned, is_memory;
    uint64_t size_bytes; /* where the next write goes */
    const char *shown;   /* the path that errors name */
    char path[];
};

/* The file seam: state of the process, for tests. */
static tm_disk_fn _Atomic disk_fn;

void tm__disk_watch(tm_disk_fn fn) {
    atomic_store(&disk_fn, fn);
}

int tm__disk_tell(const tm_disk_event *event) {
    const tm_disk_fn fn = atomic_load_explicit(&disk_fn, memory_order_relaxed);
    return fn == NULL ? 0 : fn(event);
}

const char *tm__errno_text(int number, char *out) {
    const char *text = strerrordesc_np(number);
    (void)tm__str_copy(out, TM_ERRNO_TEXT, tm__str(text == NULL ? "unknown error" : text));
    if (out[0] >= 'A' && out[0] <= 'Z') {
        out[0] = (char)(out[0] - 'A' + 'a');
    }
    return out;
}

tm_status tm__fs_errno(tm_err *err, int number, const char *verb, const char *path) {
    tm_status status = TM_E_IO;
    const char *hint = NULL;
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        status = TM_E_NOT_FOUND;
        hint = "Check the path; a relative one starts at the working folder.";
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        status = TM_E_NOT_ALLOWED;
        hint = "Give the user of this process the right to it, or choose another path.";
        break;
    case EEXIST:
        status = TM_E_CONFLICT;
        hint = "Choose another path, or remove what stands there.";
        break;
    case EISDIR:
        status = TM_E_DATA;
        hint = "Name a file; for all files of a folder, write 'folder/*'.";
        break;
    case ENOSPC:
    case EDQUOT:
        hint = "Free some space on this disk and try again.";
        break;
    case EMFILE:
    case ENFILE:
        status = TM_E_UNAVAILABLE;
        hint = "Raise the limit of open files (ulimit -n).";
        break;
    case ENOMEM:
        status = TM_E_NOMEM;
        break;
    default:
        break;
    }
    char why[TM_ERRNO_TEXT];
    status = TM_FAIL(err, status, "cannot %s '%s': %s", verb, path, tm__errno_text(number, why));
    if (hint != NULL) {
        tm_err_hint(err, "%s", hint);
    }
    return status;
}

static int open_retry(const char *path, int flags, mode_t mode) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Take ownership of fd. shown NULL: errors name the path itself, else a text that outlives the
 * file. */
static tm_status make_file(int fd, const char *path, const char *shown, tm_file **out_file,
                           tm_err *err) {
    const size_t len = strlen(path);
    tm_file *file = tm__mem_alloc(1, sizeof(*file) + len + 1);
    if (file == NULL) {
        close(fd);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while opening '%s'", path);
    }
    *file = (tm_file){.fd = fd};
    memcpy(file->path, path, len + 1);
    file->shown = shown != NULL ? shown : file->path;
    *out_file = file;
    return TM_OK;
}

/* Tell and make one change of names; 0 or an errno. */
static int rename_path(const char *from, const char *to) {
    const int number =
        tm__disk_tell(&(tm_disk_event){.op = TM_DISK_RENAME, .path = from, .to = to});
    if (number != 0) {
        return number;
    }
    return rename(from, to) == 0 ? 0 : errno;
}

/* remove() takes files and empty folders. */
static int remove_path(const char *path) {
    const int number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_REMOVE, .path = path});
    if (number != 0) {
        return number;
    }
    return remove(path) == 0 ? 0 : errno;
}

/* Make a file that must not exist; a descriptor, or minus an errno. */
static int create_path(const char *path, mode_t mode) {
    const int number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_CREATE, .path = path});
    const int fd = number != 0 ? -1 : open_retry(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    return fd >= 0 ? fd : number != 0 ? -number : -errno;
}

/* A file descriptor, or a negative errno. */
static int open_append(const char *path) {
    int fd = open_retry(path, O_WRONLY | O_APPEND, 0);
    if (fd < 0 && errno == ENOENT) {
        const int made = create_path(path, 0600);
        if (made < 0 && made != -EEXIST) {
            return made;
        }
        if (made >= 0) {
            close(made);
        }
        fd = open_retry(path, O_WRONLY | O_APPEND, 0);
    }
    return fd >= 0 ? fd : -errno;
}

tm_status tm__file_open(const char *path, tm_open_mode mode, tm_file **out_file, tm_err *err) {
    const bool is_new = mode == TM_OPEN_CREATE || mode == TM_OPEN_APPEND;
    if (mode == TM_OPEN_TRUNCATE) {
        const int number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_TRUNCATE, .path = path});
        if (number != 0) {
            return tm__fs_errno(err, number, "write", path);
        }
    }
    int fd = mode == TM_OPEN_APPEND     ? open_append(path)
             : is_new                   ? create_path(path, 0600)
             : mode == TM_OPEN_TRUNCATE ? open_retry(path, O_WRONLY | O_CREAT | O_TRUNC, 0644)
                                        : open_retry(path, O_RDONLY, 0);
    if (fd < 0) {
        return tm__fs_errno(err, is_new ? -fd : errno,
                            is_new                     ? "create"
                            : mode == TM_OPEN_TRUNCATE ? "write"
                                                       : "open",
                            path);
    }
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        const int number = S_ISDIR(info.st_mode) ? EISDIR : errno;
        close(fd);
        return tm__fs_errno(err, number, "read", path);
    }
    return make_file(fd, path, NULL, out_file, err);
}

tm_status tm__memory_file_open(tm_file **out_file, tm_err *err) {
    char path[sizeof(MEMORY_FILES) + 16];
    const int fd = memfd_create("tidemill", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return tm__fs_errno(err, errno, "make", "a file in memory");
    }
    (void)snprintf(path, sizeof(path), "%s%d", MEMORY_FILES, fd);
    TM_TRY(make_file(fd, path, NULL, out_file, err));
    (*out_file)->is_memory = true;
    return TM_OK;
}

tm_status tm__memory_file_seal(tm_file *file, tm_err *err) {
    TM_ASSERT(file->is_memory);
    if (fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
            0 ||
        lseek(file->fd, 0, SEEK_SET) != 0) {
        return errno == EBUSY ? TM_FAIL(err, TM_E_CONFLICT, "a file in memory is still written to")
                              : tm__fs_errno(err, errno, "seal", file->shown);
    }
    return TM_OK;
}

const char *tm__file_path(const tm_file *file) {
    return file->path;
}

static tm_status fail_poisoned(const tm_file *file, tm_err *err) {
    return TM_FAIL(err, TM_E_IO, "cannot use '%s': an earlier write of it failed", file->shown);
}

tm_status tm__file_read(tm_file *file, void *out, size_t len, size_t *out_len, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    size_t done = 0;
    while (done < len) {
        const ssize_t n = read(file->fd, (char *)out + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return tm__fs_errno(err, errno, "read", file->shown);
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *out_len = done;
    return TM_OK;
}

#define LOOK_MS 100 /* at a flag, while a stream brings nothing */

tm_status tm__file_read_some(tm_file *file, const volatile _Atomic bool *cancel, void *out,
                             size_t len, size_t *out_len, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    for (;;) {
        struct pollfd one = {.fd = file->fd, .events = POLLIN};
        if (atomic_load(cancel)) {
            return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
        }
        const int n_ready = poll(&one, 1, LOOK_MS);
        if (n_ready == 0 || (n_ready < 0 && errno == EINTR)) {
            continue;
        }
        const ssize_t n = read(file->fd, out, len); /* what poll cannot tell, this does */
        if (n < 0 && errno != EINTR) {
            return tm__fs_errno(err, errno, "read", file->shown);
        }
        if (n >= 0) {
            *out_len = (size_t)n;
            return TM_OK;
        }
    }
}

/* 0 or an errno. A write that a test fails is cut short: the first half reaches the file. */
static int write_all(tm_file *file, const uint8_t *bytes, size_t len) {
    const tm_disk_event event = {.op = TM_DISK_WRITE,
                                 .path = file->path,
                                 .data = bytes,
                                 .len = len,
                                 .offset = file->size_bytes};
    const int failure = file->is_memory ? 0 : tm__disk_tell(&event);
    len = failure != 0 ? len / 2 : len;
    while (len > 0) {
        const ssize_t n = write(file->fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        bytes += n;
        len -= (size_t)n;
        file->size_bytes += (uint64_t)n;
    }
    return failure;
}

tm_status tm__file_write(tm_file *file, const void *data, size_t len, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    if (len == 0) {
        return TM_OK;
    }
    const int number = write_all(file, data, len);
    if (number != 0) {
        file->is_poisoned = true;
        return tm__fs_errno(err, number, "write", file->shown);
    }
    return TM_OK;
}

tm_status tm__file_sync(tm_file *file, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    int number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_SYNC, .path = file->path});
    if (number == 0 && fsync(file->fd) != 0) {
        number = errno;
    }
    if (number != 0) {
        file->is_poisoned = true;
        return tm__fs_errno(err, number, "sync", file->shown);
    }
    return TM_OK;
}

void tm__file_close(tm_file *file) {
    if (file != NULL) {
        close(file->fd);
        tm__mem_free(file);
    }
}

tm_status tm__fs_read_all(const char *path, tm_buf *buf, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &file, err));
    const size_t start = buf->len;
    tm_status st = TM_OK;
    size_t chunk = 16384;
    for (;;) {
        const size_t room = buf->size_max - buf->len;
        /* One byte past the maximum tells a file that just fits from one that does not. */
        if (room == 0) {
            uint8_t more;
            size_t n;
            st = tm__file_read(file, &more, 1, &n, err);
            if (st == TM_OK && n > 0) {
                st = TM_FAIL(err, TM_E_LIMIT, "'%s' is larger than %zu bytes", path, buf->size_max);
            }
            break;
        }
        const size_t want = chunk < room ? chunk : room;
        uint8_t *bytes = tm__buf_reserve(buf, want);
        size_t n = 0;
        if (bytes == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", path);
            break;
        }
        st = tm__file_read(file, bytes, want, &n, err);
        if (st != TM_OK) {
            break;
        }
        buf->len += n;
        bytes[n] = 0;
        if (n < want) {
            break;
        }
        chunk = chunk < CHUNK_BYTES ? chunk * 2 : chunk;
    }
    if (st != TM_OK && buf->data != NULL) {
        buf->len = start;
        buf->data[start] = 0;
    }
    tm__file_close(file);
    return st;
}

/* Folder that holds a path, in a fresh block; NULL when out of memory. */
static char *folder_of(const char *path) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    const char *slash = memrchr(path, '/', len);
    if (slash == NULL) {
        return tm__mem_strdup(".");
    }
    return tm__mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static tm_status sync_folder_of(const char *path, tm_err *err) {
    char *folder = folder_of(path);
    if (folder == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", path);
    }
    tm_status st = TM_OK;
    const int fd = open_retry(folder, O_RDONLY | O_DIRECTORY, 0);
    int number = fd < 0 ? errno : 0;
    if (number == 0) {
        number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_SYNC_FOLDER, .path = folder});
    }
    if (number == 0 && fsync(fd) != 0) {
        number = errno;
    }
    if (number != 0) {
        st = tm__fs_errno(err, number, "sync the folder of", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    tm__mem_free(folder);
    return st;
}

/* A temporary file being written; path and temp are the names. */
typedef struct publication {
    const char *path;
    char *temp;
    tm_file *file;
} publication;

static tm_status publish_begin(const char *path, mode_t mode, publication *out, tm_err *err) {
    uint64_t random;
    tm__random_bytes(&random, sizeof(random));
    const size_t size = strlen(path) + 32;
    *out = (publication){.path = path, .temp = tm__mem_alloc(size, 1)};
    if (out->temp == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", path);
    }
    snprintf(out->temp, size, "%s.tmp-%016llx", path, (unsigned long long)random);
    const int fd = create_path(out->temp, mode);
    if (fd < 0) {
        tm__mem_free(out->temp);
        return tm__fs_errno(err, -fd, "write", path);
    }
    const tm_status st = make_file(fd, out->temp, path, &out->file, err);
    if (st != TM_OK) {
        (void)remove_path(out->temp);
        tm__mem_free(out->temp);
    }
    return st;
}

/* Finish when so far all went well, else undo. */
static tm_status publish_end(publication *in, tm_status so_far, tm_err *err) {
    tm_status st = so_far;
    if (st == TM_OK) {
        st = tm__file_sync(in->file, err);
    }
    tm__file_close(in->file);
    const bool is_new = tm__fs_info(in->path).kind == TM_PATH_NONE;
    if (st == TM_OK) {
        const int number = rename_path(in->temp, in->path);
        st = number == 0 ? TM_OK : tm__fs_errno(err, number, "write", in->path);
    }
    if (st != TM_OK) {
        (void)remove_path(in->temp);
    } else {
        st = sync_folder_of(in->path, err);
        if (st != TM_OK && is_new) {
            (void)remove_path(in->path);
        }
    }
    tm__mem_free(in->temp);
    return st;
}

tm_status tm__fs_move(const char *from, const char *to, tm_err *err) {
    const int number = rename_path(from, to);
    if (number != 0) {
        return tm__fs_errno(err, number == ENOTEMPTY ? EEXIST : number, "make", to);
    }
    const tm_status st = sync_folder_of(to, err);
    if (st != TM_OK) {
        (void)rename_path(to, from); /* what was not acknowledged is not there */
    }
    return st;
}

tm_status tm__fs_sync_folder(const char *dir, tm_err *err) {
    char *inside = tm__fs_join(dir, ".");
    if (inside == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", dir);
    }
    const tm_status st = sync_folder_of(inside, err);
    tm__mem_free(inside);
    return st;
}

tm_status tm__fs_publish(const char *path, const void *data, size_t len, tm_err *err) {
    publication to;
    TM_TRY(publish_begin(path, 0644, &to, err));
    return publish_end(&to, tm__file_write(to.file, data, len, err), err);
}

tm_status tm__fs_publish_secret(const char *path, const void *data, size_t len, tm_err *err) {
    publication to;
    TM_TRY(publish_begin(path, 0600, &to, err));
    return publish_end(&to, tm__file_write(to.file, data, len, err), err);
}

tm_status tm__fs_replace(const char *path, const void *data, size_t len, tm_err *err) {
    const size_t size = strlen(path) + 8;
    char *temp = tm__mem_alloc(size, 1);
    tm_file *file = NULL;
    if (temp == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", path);
    }
    snprintf(temp, size, "%s.new", path);
    tm_status st = tm__file_open(temp, TM_OPEN_TRUNCATE, &file, err);
    if (st == TM_OK) {
        st = tm__file_write(file, data, len, err);
        tm__file_close(file);
    }
    if (st == TM_OK) {
        const int number = rename_path(temp, path);
        st = number == 0 ? TM_OK : tm__fs_errno(err, number, "write", path);
    }
    tm__mem_free(temp);
    return st;
}

tm_status tm__fs_publish_file(const char *from, const char *path, tm_err *err) {
    tm_file *source = NULL;
    TM_TRY(tm__file_open(from, TM_OPEN_READ, &source, err));
    publication to = {0};
    uint8_t *chunk = tm__mem_alloc(CHUNK_BYTES, 1);
    tm_status st = TM_OK;
    if (chunk == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", path);
        goto out;
    }
    st = publish_begin(path, 0644, &to, err);
    if (st != TM_OK) {
        goto out;
    }
    size_t n = CHUNK_BYTES;
    while (st == TM_OK && n == CHUNK_BYTES) {
        st = tm__file_read(source, chunk, CHUNK_BYTES, &n, err);
        if (st == TM_OK) {
            st = tm__file_write(to.file, chunk, n, err);
        }
    }
    st = publish_end(&to, st, err);
out:
    tm__mem_free(chunk);
    tm__file_close(source);
    return st;
}

tm_status tm__fs_ensure(const char *path, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &file, err));
    tm_status st = tm__file_sync(file, err);
    tm__file_close(file);
    if (st == TM_OK) {
        st = sync_folder_of(path, err);
    }
    return st;
}

/* A folder that stands there may be fresh, and its maker stopped before it synced the parent. A
 * parent that may not be read cannot be synced, and was not written by us either. */
static tm_status ensure_folder(const char *path, tm_err *err) {
    tm_err own = {0};
    const tm_status st = sync_folder_of(path, &own);
    if (st == TM_OK || st == TM_E_NOT_ALLOWED) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = own;
    }
    return st;
}

/* Make one folder; no error when it stands there already. */
static tm_status make_folder(const char *path, tm_err *err) {
    int number = tm__disk_tell(&(tm_disk_event){.op = TM_DISK_MKDIR, .path = path});
    if (number == 0 && mkdir(path, 0700) == 0) {
        return sync_folder_of(path, err);
    }
    number = number != 0 ? number : errno;
    if (number == EEXIST && tm__fs_info(path).kind == TM_PATH_DIR) {
        return ensure_folder(path, err);
    }
    return tm__fs_errno(err, number, "make the folder", path);
}

tm_status tm__fs_mkdir(const char *path, tm_err *err) {
    if (tm__fs_info(path).kind == TM_PATH_DIR) {
        return ensure_folder(path, err);
    }
    char *part = tm__mem_strdup(path);
    if (part == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while making '%s'", path);
    }
    tm_status st = path[0] == '\0' ? tm__fs_errno(err, ENOENT, "make the folder", path) : TM_OK;
    for (size_t i = 1; st == TM_OK && part[i - 1] != '\0'; i++) {
        if ((part[i] == '/' && part[i - 1] != '/') || (part[i] == '\0' && part[i - 1] != '/')) {
            const char end = part[i];
            part[i] = '\0';
            st = tm__fs_info(part).kind == TM_PATH_DIR ? TM_OK : make_folder(part, err);
            part[i] = end;
        }
    }
    tm__mem_free(part);
    return st;
}

tm_status tm__fs_remove(const char *path, tm_err *err) {
    const int number = remove_path(path);
    return number == 0 || number == ENOENT ? TM_OK : tm__fs_errno(err, number, "remove", path);
}

tm_status tm__lock_open(const char *path, tm_file **out_lock, tm_err *err) {
    const int fd = open_retry(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        return tm__fs_errno(err, errno, "lock", path);
    }
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        const int number = errno;
        close(fd);
        if (number == EWOULDBLOCK) {
            const tm_status st =
                TM_FAIL(err, TM_E_CONFLICT, "'%s' is locked by another process", path);
            tm_err_hint(err, "Stop the other process, or use another home.");
            return st;
        }
        return tm__fs_errno(err, number, "lock", path);
    }
    return make_file(fd, path, NULL, out_lock, err);
}
