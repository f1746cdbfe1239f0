/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to an entry of the list.
 *
 *   open ── owner, mode ── read ── hash ── sealed copy in memory ── dlopen ── abi ── table ── list
 *
 * 1. Checks, hash and code are of one copy: the file may be changed or replaced at any moment, and
 *    what runs is still what was hashed. The copy is sealed, and its descriptor stays open: the
 *    loader tells libraries apart by their path, which is that of the descriptor.
 * 2. Nothing of a table is read before its ABI number was right, and that is its first field in
 *    every version.
 */
#include "base/user_module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmath.h"
#include "base/fs_priv.h"
#include "base/mem.h"
#include "base/module.h"
#include "base/rng.h"
#include "base/str.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

static tm_user_module list[TM_MAX_MODULES];
static uint32_t n_listed;

/* ---- the file ---- */

static tm_status refuse(const char *path, const char *what, const char *why, tm_err *err) {
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "%s of module '%.150s' %s", what, path, why);
    tm_err_hint(err, "A module runs with your rights: make its file and folder your own, and let "
                     "nobody else write them (chmod go-w).");
    return TM_E_NOT_ALLOWED;
}

static tm_status check_access(const char *path, const char *what, const struct stat *info,
                              tm_err *err) {
    if (info->st_uid != geteuid() && info->st_uid != 0) {
        return refuse(path, what, "belongs to another user", err);
    }
    if ((info->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return refuse(path, what, "can be written by others", err);
    }
    return TM_OK;
}

/* Of the file itself, wherever links lead. */
static tm_status check_folder(const char *path, tm_err *err) {
    struct stat info = {0};
    char *real = NULL;
    TM_TRY(tm__fs_real_path(path, &real, err));
    char *slash = strrchr(real, '/');
    slash[slash == real ? 1 : 0] = '\0';
    const bool is_there = stat(real, &info) == 0;
    const tm_status st = is_there ? check_access(path, "the folder", &info, err)
                                  : tm__fs_errno(err, errno, "look at", real);
    tm__mem_free(real);
    return st;
}

static tm_status read_bytes(int fd, const char *path, size_t len, uint8_t *out, tm_err *err) {
    size_t at = 0;
    while (at < len) {
        const ssize_t n = read(fd, out + at, len - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return tm__fs_errno(err, errno, "read", path);
        }
        if (n == 0) {
            return TM_FAIL(err, TM_E_UNAVAILABLE, "module '%s' changed while it was read", path);
        }
        at += (size_t)n;
    }
    return TM_OK;
}

static tm_status read_open(int fd, const char *path, uint8_t **out_data, size_t *out_len,
                           tm_err *err) {
    struct stat info = {0};
    if (fstat(fd, &info) != 0) {
        return tm__fs_errno(err, errno, "look at", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return TM_FAIL(err, TM_E_DATA, "module '%s' is no file", path);
    }
    TM_TRY(check_access(path, "the file", &info, err));
    TM_TRY(check_folder(path, err));
    if ((uint64_t)info.st_size > TM_MAX_MODULE_BYTES) {
        return TM_FAIL(err, TM_E_LIMIT, "module '%s' is larger than 256 MiB", path);
    }
    uint8_t *data = tm__mem_alloc((size_t)info.st_size, 1);
    if (data == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading module '%s'", path);
    }
    const tm_status st = read_bytes(fd, path, (size_t)info.st_size, data, err);
    if (st != TM_OK) {
        tm__mem_free(data);
        return st;
    }
    *out_data = data;
    *out_len = (size_t)info.st_size;
    return TM_OK;
}

tm_status tm__user_module_read(const char *path, uint8_t **out_data, size_t *out_len,
                               tm_hash *out_hash, tm_err *err) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return tm__fs_errno(err, errno, "open module", path);
    }
    const tm_status st = read_open(fd, path, out_data, out_len, err);
    (void)close(fd);
    if (st == TM_OK) {
        tm__hash_bytes(*out_data, *out_len, out_hash);
    }
    return st;
}

/* ---- the copy that runs ---- */

static tm_status make_copy(const char *path, const uint8_t *data, size_t len, int *out_fd,
                           tm_err *err) {
    int fd = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) { /* a kernel before 6.3 */
        fd = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (fd < 0) {
        return tm__fs_errno(err, errno, "copy module", path);
    }
    size_t at = 0;
    while (at < len) {
        const ssize_t n = write(fd, data + at, len - at);
        if (n < 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (at < len ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        const tm_status st = tm__fs_errno(err, errno, "copy module", path);
        (void)close(fd);
        return st;
    }
    *out_fd = fd;
    return TM_OK;
}

static tm_status open_copy(const char *path, int fd, const tm_module_table **out, tm_err *err) {
    char name[40];
    tm_module *module = NULL;
    tm_err cause = {0};
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    const tm_status opened = tm__module_open(name, &module, &cause);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading '%.150s'", path);
    }
    if (opened != TM_OK) {
        const char *why = strstr(cause.message, name);
        why = why == NULL ? "" : strchr(why, ':');
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "'%.100s' cannot be loaded%.140s", path,
                      why == NULL ? "" : why);
        tm_err_hint(err, "Is it a shared library for this machine, with all that it needs? 'ldd -r "
                         "FILE' tells what is missing.");
        return TM_E_UNSUPPORTED;
    }
    const tm_module_fn function = tm__module_find(module, "tidemill_module");
    tm__module_close(module); /* what it has stays in memory */
    if (function == NULL) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "'%.150s' is no module: it has no function 'tidemill_module'", path);
        tm_err_hint(err, "docs/modules.md shows how one is made.");
        return TM_E_UNSUPPORTED;
    }
    const tm_module_table *table = ((const tm_module_table *(*)(void))function)();
    if (table == NULL) {
        return TM_FAIL(err, TM_E_INVALID, "'%.150s' gives no table of its module", path);
    }
    if (table->abi != TM_MODULE_ABI) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "'%.150s' was built for module ABI %u, this program has %u", path, table->abi,
                      TM_MODULE_ABI);
        tm_err_hint(err, "Build it again with the headers of this release, or use a release whose "
                         "ABI number it has.");
        return TM_E_UNSUPPORTED;
    }
    *out = table;
    return TM_OK;
}

/* ---- the list ---- */

const tm_user_module *tm__user_module_at(uint32_t index) {
    return index < n_listed ? &list[index] : NULL;
}

const tm_user_module *tm__user_module_find(const char *name) {
    for (uint32_t i = 0; i < n_listed; i++) {
        if (strcmp(list[i].table->name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static const tm_user_module *find_hash(const tm_hash *hash) {
    for (uint32_t i = 0; i < n_listed; i++) {
        if (tm__hash_eq(&list[i].hash, hash)) {
            return &list[i];
        }
    }
    return NULL;
}

tm_status tm__user_module_add(const tm_module_table *table, const tm_hash *hash,
                              const tm_user_module **out, tm_err *err) {
    TM_TRY(tm__user_module_check(table, err));
    if (tm__user_module_find(table->name) != NULL) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "two modules have the name '%s'", table->name);
        tm_err_hint(err, "Take one away: 'tidemill module ls' shows those of the home.");
        return TM_E_CONFLICT;
    }
    if (n_listed == TM_MAX_MODULES) {
        return TM_FAIL(err, TM_E_LIMIT, "there are more than %u modules", TM_MAX_MODULES);
    }
    list[n_listed] = (tm_user_module){table, *hash};
    if (out != NULL) {
        *out = &list[n_listed];
    }
    n_listed++;
    return TM_OK;
}

static tm_status load_bytes(const char *path, const uint8_t *data, size_t len, const tm_hash *hash,
                            const tm_user_module **out, tm_err *err) {
    const tm_module_table *table = NULL;
    int fd = -1;
    TM_TRY(make_copy(path, data, len, &fd, err));
    tm_status st = open_copy(path, fd, &table, err);
    st = st == TM_OK ? tm__user_module_add(table, hash, out, err) : st;
    if (st != TM_OK) {
        tm_err_at(err, path, 0, 0);
        /* The descriptor stays: its path must not come again for other bytes. */
    }
    return st;
}

tm_status tm__user_module_load(const char *path, const tm_hash *want_hash,
                               const tm_user_module **out, tm_err *err) {
    uint8_t *data = NULL;
    size_t len = 0;
    tm_hash hash;
    tm_status st = TM_OK;
    TM_TRY(tm__user_module_read(path, &data, &len, &hash, err));
    const tm_user_module *known = find_hash(&hash);
    if (want_hash != NULL && !tm__hash_eq(&hash, want_hash)) {
        st = TM_FAIL(err, TM_E_INTEGRITY,
                     "module '%.150s' is not what was added: its hash is wrong", path);
        tm_err_hint(err, "Remove it with 'tidemill module rm' and add the file that you trust.");
    } else if (known == NULL) {
        st = load_bytes(path, data, len, &hash, out, err);
    } else if (out != NULL) {
        *out = known;
    }
    tm__mem_free(data);
    return st;
}

/* ---- what modules are given ---- */

static void *host_alloc(size_t bytes) {
    return tm__mem_alloc(bytes, 1);
}

const tm_module_host *tm__user_module_host(void) {
    static const tm_module_host host = {
        .size = sizeof(tm_module_host),
        .alloc = host_alloc,
        .free = tm__mem_free,
        .random = tm__rng_at,
        .exp = tm__exp,
        .log = tm__log,
        .pow = tm__pow,
        .sin = tm__sin,
        .cos = tm__cos,
    };
    return &host;
}
