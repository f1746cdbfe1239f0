/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and publishing.
 *
 * 1. Every write and fsync passes tm__fs_count(), so that tests can fail each of them.
 * 2. A write or fsync that failed poisons the file: what the disk holds is unknown then, and a
 *    second fsync that succeeds would prove nothing (the kernel may have dropped the pages).
 * 3. Publishing: temporary file beside the path, fsync, rename, fsync of the folder. A failure
 *    before the rename leaves the old file and no temporary.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs_priv.h"
#include "base/mem.h"
#include "base/rng.h"

#define CHUNK_BYTES ((size_t)1 << 20)

struct tm_file {
    int fd;
    bool is_poisoned;
    char path[];
};

/* The file seam: state of the process, for tests. */
static _Atomic uint64_t n_calls;
static _Atomic uint64_t fail_at;
static _Atomic bool fail_forever;

void tm__fs_fail_at(uint64_t nth, bool forever) {
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_at, nth == 0 ? 0 : atomic_load(&n_calls) + nth);
}

uint64_t tm__fs_calls(void) {
    return atomic_load(&n_calls);
}

bool tm__fs_count(void) {
    const uint64_t call = atomic_fetch_add(&n_calls, 1) + 1;
    const uint64_t nth = atomic_load(&fail_at);
    return nth != 0 && (call == nth || (call > nth && atomic_load(&fail_forever)));
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

/* Take ownership of fd. */
static tm_status make_file(int fd, const char *path, tm_file **out_file, tm_err *err) {
    const size_t len = strlen(path);
    tm_file *file = tm__mem_alloc(1, sizeof(*file) + len + 1);
    if (file == NULL) {
        close(fd);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while opening '%s'", path);
    }
    *file = (tm_file){.fd = fd};
    memcpy(file->path, path, len + 1);
    *out_file = file;
    return TM_OK;
}

static int open_retry(const char *path, int flags, mode_t mode) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

tm_status tm__file_open(const char *path, tm_open_mode mode, tm_file **out_file, tm_err *err) {
    static const struct {
        int flags;
        mode_t mode;
        const char *verb;
    } modes[] = {
        [TM_OPEN_READ] = {O_RDONLY, 0, "open"},
        [TM_OPEN_CREATE] = {O_WRONLY | O_CREAT | O_EXCL, 0600, "create"},
        [TM_OPEN_APPEND] = {O_WRONLY | O_CREAT | O_APPEND, 0600, "open"},
        [TM_OPEN_TRUNCATE] = {O_WRONLY | O_CREAT | O_TRUNC, 0644, "write"},
    };
    const int fd = open_retry(path, modes[mode].flags, modes[mode].mode);
    if (fd < 0) {
        return tm__fs_errno(err, errno, modes[mode].verb, path);
    }
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        const int number = S_ISDIR(info.st_mode) ? EISDIR : errno;
        close(fd);
        return tm__fs_errno(err, number, "read", path);
    }
    return make_file(fd, path, out_file, err);
}

static tm_status fail_poisoned(const tm_file *file, tm_err *err) {
    return TM_FAIL(err, TM_E_IO, "cannot use '%s': an earlier write of it failed", file->path);
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
            return tm__fs_errno(err, errno, "read", file->path);
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *out_len = done;
    return TM_OK;
}

/* 0 or an errno. A write that a test fails is cut short: the first half reaches the file. */
static int write_all(int fd, const uint8_t *bytes, size_t len) {
    const bool must_fail = tm__fs_count();
    len = must_fail ? len / 2 : len;
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return must_fail ? EIO : 0;
}

static int sync_fd(int fd) {
    if (tm__fs_count()) {
        return EIO;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

tm_status tm__file_write(tm_file *file, const void *data, size_t len, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    if (len == 0) {
        return TM_OK;
    }
    const int number = write_all(file->fd, data, len);
    if (number != 0) {
        file->is_poisoned = true;
        return tm__fs_errno(err, number, "write", file->path);
    }
    return TM_OK;
}

tm_status tm__file_sync(tm_file *file, tm_err *err) {
    if (file->is_poisoned) {
        return fail_poisoned(file, err);
    }
    const int number = sync_fd(file->fd);
    if (number != 0) {
        file->is_poisoned = true;
        return tm__fs_errno(err, number, "sync", file->path);
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

/* Folder of a path in a fresh block; NULL when out of memory. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
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
    const int number = fd < 0 ? errno : sync_fd(fd);
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

static tm_status publish_begin(const char *path, publication *out, tm_err *err) {
    uint64_t random;
    tm__random_bytes(&random, sizeof(random));
    const size_t size = strlen(path) + 32;
    *out = (publication){.path = path, .temp = tm__mem_alloc(size, 1)};
    if (out->temp == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while writing '%s'", path);
    }
    snprintf(out->temp, size, "%s.tmp-%016llx", path, (unsigned long long)random);
    const int fd = open_retry(out->temp, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) {
        const int number = errno;
        tm__mem_free(out->temp);
        return tm__fs_errno(err, number, "write", path);
    }
    const tm_status st = make_file(fd, path, &out->file, err);
    if (st != TM_OK) {
        (void)unlink(out->temp);
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
    if (st == TM_OK && rename(in->temp, in->path) != 0) {
        st = tm__fs_errno(err, errno, "write", in->path);
    }
    if (st != TM_OK) {
        (void)unlink(in->temp);
    } else {
        st = sync_folder_of(in->path, err);
    }
    tm__mem_free(in->temp);
    return st;
}

tm_status tm__fs_publish(const char *path, const void *data, size_t len, tm_err *err) {
    publication to;
    TM_TRY(publish_begin(path, &to, err));
    return publish_end(&to, tm__file_write(to.file, data, len, err), err);
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
    st = publish_begin(path, &to, err);
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

/* Make one folder; no error when it stands there already. */
static tm_status make_folder(const char *path, tm_err *err) {
    if (mkdir(path, 0700) == 0) {
        return sync_folder_of(path, err);
    }
    const int number = errno;
    if (number == EEXIST && tm__fs_info(path).kind == TM_PATH_DIR) {
        return TM_OK;
    }
    return tm__fs_errno(err, number, "make the folder", path);
}

tm_status tm__fs_mkdir(const char *path, tm_err *err) {
    if (tm__fs_info(path).kind == TM_PATH_DIR) {
        return TM_OK;
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
            st = make_folder(part, err);
            part[i] = end;
        }
    }
    tm__mem_free(part);
    return st;
}

tm_status tm__fs_remove(const char *path, tm_err *err) {
    /* remove() takes files and empty folders. */
    if (remove(path) != 0 && errno != ENOENT) {
        return tm__fs_errno(err, errno, "remove", path);
    }
    return TM_OK;
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
    return make_file(fd, path, out_lock, err);
}
