/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands where: information, folders, globs, paths and mappings. Names come in byte order,
 * whatever the locale and the file system, because the order of files decides results.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_priv.h"
#include "base/mem.h"

#define NAMES_MAX ((size_t)1 << 24)
#define PAGE 4096u /* the smallest that there is */

tm_path_info tm__fs_info(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return (tm_path_info){.kind = TM_PATH_NONE};
    }
    return (tm_path_info){
        .kind = S_ISREG(info.st_mode)   ? TM_PATH_FILE
                : S_ISDIR(info.st_mode) ? TM_PATH_DIR
                                        : TM_PATH_OTHER,
        .size_bytes = (uint64_t)info.st_size,
        .modified_us = (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000,
    };
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A growing list of names, owned. */
typedef struct name_list {
    char **names;
    size_t n;
    size_t capacity;
} name_list;

static bool add_name(name_list *list, const char *name) {
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 32 : list->capacity * 2;
        char **names =
            capacity > NAMES_MAX ? NULL : tm__mem_realloc(list->names, capacity, sizeof(*names));
        if (names == NULL) {
            return false;
        }
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->n] = tm__mem_strdup(name);
    if (list->names[list->n] == NULL) {
        return false;
    }
    list->n++;
    return true;
}

static void name_list_done(name_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        tm__mem_free(list->names[i]);
    }
    tm__mem_free(list->names);
}

tm_status tm__fs_list(const char *dir, bool (*fn)(void *arg, const char *name), void *arg,
                      tm_err *err) {
    DIR *handle = opendir(dir);
    if (handle == NULL) {
        return tm__fs_errno(err, errno, "list", dir);
    }
    name_list list = {0};
    tm_status st = TM_OK;
    errno = 0;
    for (const struct dirent *entry; st == TM_OK && (entry = readdir(handle)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !add_name(&list, entry->d_name)) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory while listing '%s'", dir);
        }
    }
    if (st == TM_OK && errno != 0) {
        st = tm__fs_errno(err, errno, "list", dir);
    }
    closedir(handle);
    if (st == TM_OK && list.n > 0) {
        qsort(list.names, list.n, sizeof(*list.names), compare_names);
        for (size_t i = 0; i < list.n && fn(arg, list.names[i]); i++) {
        }
    }
    name_list_done(&list);
    return st;
}

static bool note_entry(void *arg, const char *name) {
    (void)name;
    *(bool *)arg = true;
    return false;
}

tm_status tm__fs_has_entry(const char *dir, bool *out, tm_err *err) {
    *out = false;
    return tm__fs_info(dir).kind == TM_PATH_DIR ? tm__fs_list(dir, note_entry, out, err) : TM_OK;
}

tm_status tm__fs_glob(const char *pattern, bool (*fn)(void *arg, const char *path), void *arg,
                      uint64_t *out_n, tm_err *err) {
    glob_t found = {0};
    const int result = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    tm_status st = TM_OK;
    uint64_t n = 0;
    if (result == GLOB_NOSPACE) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while looking for '%s'", pattern);
    } else if (result == GLOB_ABORTED) {
        st = TM_FAIL(err, TM_E_IO, "cannot read a folder of '%s'", pattern);
    } else if (result == GLOB_NOMATCH) {
        /* A file whose own name holds a bracket or a star. */
        if (tm__fs_info(pattern).kind != TM_PATH_NONE) {
            (void)fn(arg, pattern);
            n = 1;
        }
    } else {
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), compare_names);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            n++;
            if (!fn(arg, found.gl_pathv[i])) {
                break;
            }
        }
    }
    globfree(&found);
    if (st == TM_OK && out_n != NULL) {
        *out_n = n;
    }
    return st;
}

tm_status tm__fs_real_path(const char *path, char **out_path, tm_err *err) {
    char *real = realpath(path, NULL);
    if (real == NULL) {
        return tm__fs_errno(err, errno, "find", path);
    }
    char *copy = tm__mem_strdup(real);
    free(real);
    if (copy == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while looking for '%s'", path);
    }
    *out_path = copy;
    return TM_OK;
}

char *tm__fs_join(const char *dir, const char *name) {
    const size_t n_dir = strlen(dir), n_name = strlen(name);
    char *path = tm__mem_alloc(n_dir + n_name + 2, 1);
    if (path != NULL) {
        memcpy(path, dir, n_dir);
        path[n_dir] = '/';
        memcpy(path + n_dir + 1, name, n_name + 1);
    }
    return path;
}

static tm_file_id id_of(const struct stat *info) {
    return (tm_file_id){
        .device = (uint64_t)info->st_dev,
        .number = (uint64_t)info->st_ino,
        .size_bytes = (uint64_t)info->st_size,
        .changed_ns = (int64_t)info->st_ctim.tv_sec * 1000000000 + info->st_ctim.tv_nsec,
    };
}

bool tm__fs_is_same(const char *path, const tm_file_id *id) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return false;
    }
    const tm_file_id now = id_of(&info);
    return now.device == id->device && now.number == id->number &&
           now.size_bytes == id->size_bytes && now.changed_ns == id->changed_ns;
}

/* A lease to read is refused while anybody may write. The signal for a writer that comes in between
 * is one that nobody listens to; he waits for the microsecond until the lease is given back. */
static bool is_open_elsewhere(int fd) {
    bool is_open = false;
    if (fcntl(fd, F_SETSIG, SIGURG) == 0) {
        is_open = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    }
    return is_open;
}

static int64_t us_of(struct timespec time) {
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

tm_file_look tm__fs_look(const char *path) {
    struct stat info;
    tm_file_look look = {.kind = TM_PATH_NONE};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        look.kind = tm__fs_info(path).kind;
        return look;
    }
    if (fstat(fd, &info) == 0) {
        look = (tm_file_look){.kind = S_ISREG(info.st_mode)   ? TM_PATH_FILE
                                      : S_ISDIR(info.st_mode) ? TM_PATH_DIR
                                                              : TM_PATH_OTHER,
                              .size_bytes = (uint64_t)info.st_size,
                              .modified_us = us_of(info.st_mtim),
                              .changed_us = us_of(info.st_ctim)};
        look.is_open = look.kind == TM_PATH_FILE && is_open_elsewhere(fd);
    }
    (void)close(fd);
    return look;
}

bool tm__fs_free_bytes(const char *path, uint64_t *out) {
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return false;
    }
    *out = (uint64_t)info.f_bavail * info.f_frsize;
    return true;
}

tm_status tm__fs_touch(const char *path, tm_err *err) {
    return utimensat(AT_FDCWD, path, NULL, 0) == 0 ? TM_OK
                                                   : tm__fs_errno(err, errno, "touch", path);
}

tm_status tm__map_open(const char *path, tm_map *out_map, tm_err *err) {
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return tm__fs_errno(err, errno, "open", path);
    }
    struct stat info;
    tm_status st = TM_OK;
    if (fstat(fd, &info) != 0) {
        st = tm__fs_errno(err, errno, "open", path);
    } else if (S_ISDIR(info.st_mode)) {
        st = tm__fs_errno(err, EISDIR, "read", path);
    } else if (info.st_size == 0) {
        *out_map = (tm_map){.id = id_of(&info)};
    } else {
        const size_t len = (size_t)info.st_size;
        void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            st = tm__fs_errno(err, errno, "map", path);
        } else {
            *out_map = (tm_map){.data = data, .len = len, .id = id_of(&info)};
        }
    }
    close(fd);
    return st;
}

void tm__map_populate(const tm_map *map) {
    if (map->data == NULL) {
        return;
    }
#ifdef MADV_POPULATE_READ /* Linux 5.14 */
    if (madvise((void *)(uintptr_t)map->data, map->len, MADV_POPULATE_READ) == 0) {
        return;
    }
#endif
    const volatile uint8_t *bytes = map->data;
    for (size_t at = 0; at < map->len; at += PAGE) {
        (void)bytes[at];
    }
}

void tm__map_close(tm_map *map) {
    if (map->data != NULL) {
        (void)munmap((void *)(uintptr_t)map->data, map->len);
    }
    *map = (tm_map){0};
}

/* The file system of a path, or of the nearest folder above it; false when nothing of it is there.
 */
static bool device_of(const char *path, dev_t *out) {
    struct stat info;
    char *const part = tm__mem_strdup(path);
    char *slash = part;
    bool is_known = part != NULL && stat(part, &info) == 0;
    while (!is_known && slash != NULL) {
        slash = strrchr(part, '/');
        if (slash == NULL || slash == part) {
            break;
        }
        *slash = '\0';
        is_known = stat(part, &info) == 0;
    }
    tm__mem_free(part);
    *out = is_known ? info.st_dev : 0;
    return is_known;
}

bool tm__fs_is_apart(const char *a, const char *b) {
    dev_t of_a = 0, of_b = 0;
    return device_of(a, &of_a) && device_of(b, &of_b) && of_a != of_b;
}
