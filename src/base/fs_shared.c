/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs_priv.h"
#include "base/mem.h"

/* Written whole, so that a store into it never finds a disk that is full. */
static tm_status make(const char *path, size_t len, tm_err *err) {
    void *const zeros = tm__mem_zalloc(len, 1);
    const tm_status st = zeros == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                       : tm__fs_publish_secret(path, zeros, len, err);
    tm__mem_free(zeros);
    return st;
}

tm_status tm__shared_open(const char *path, size_t len, tm_shared *out, tm_err *err) {
    const tm_path_info info = tm__fs_info(path);
    if (info.kind == TM_PATH_NONE || (info.kind == TM_PATH_FILE && info.size_bytes != len)) {
        TM_TRY(make(path, len, err));
    }
    int fd;
    do {
        fd = open(path, O_RDWR | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return tm__fs_errno(err, errno, "open", path);
    }
    void *const data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int number = errno;
    (void)close(fd);
    if (data == MAP_FAILED) {
        return tm__fs_errno(err, number, "map", path);
    }
    *out = (tm_shared){data, len};
    return TM_OK;
}

void tm__shared_close(tm_shared *shared) {
    if (shared->data != NULL) {
        (void)munmap(shared->data, shared->len);
        *shared = (tm_shared){0};
    }
}
