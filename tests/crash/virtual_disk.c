/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   trace ── step() ──> names now ──┐             files[]: bytes now, certain bytes, pending writes
 *                       names certain ├─ path -> number of a file, or FOLDER
 *                       pending names ┘   (in order)
 *
 * 1. `now` is what programs see; `certain` is what survives any failure.
 * 2. A pending change of names leaves the list when the folder that holds its name is synced.
 * 3. A certain name below a folder that is not certain is lost with it.
 */
#include "virtual_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"

#define FOLDER UINT32_MAX

typedef struct bytes {
    uint8_t *data;
    size_t len, capacity;
} bytes;

typedef struct pending_write {
    const uint8_t *data; /* NULL: a change of the size to offset */
    uint64_t offset;
    size_t len;
} pending_write;

typedef struct file {
    bytes now, certain;
    pending_write *pending;
    size_t n_pending, capacity;
} file;

typedef struct name {
    char *path;
    uint32_t file;
} name;

typedef struct names {
    name *list;
    size_t n, capacity;
} names;

typedef struct name_change {
    uint32_t op; /* TM_DISK_CREATE, MKDIR, RENAME, REMOVE */
    uint32_t file;
    char *path, *to;
} name_change;

struct virtual_disk {
    uint8_t *trace;
    size_t trace_len, at, length;
    char path[VIRTUAL_PATH_MAX], text[VIRTUAL_PATH_MAX];
    file *files;
    size_t n_files, capacity;
    names now, certain;
    name_change *pending;
    size_t n_pending, pending_capacity;
};

static void die(const char *what) {
    fprintf(stderr, "virtual disk: %s: %s\n", what, strerror(errno));
    exit(3);
}

/* Room for one more element of a growing array. */
static void *grown(void *list, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) {
        return list;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    list = realloc(list, *capacity * size);
    if (list == NULL) {
        die("memory");
    }
    return list;
}

static char *copy_text(const char *text) {
    char *copy = strdup(text);
    if (copy == NULL) {
        die("memory");
    }
    return copy;
}

/* ---- Bytes ---- */

static void bytes_resize(bytes *self, size_t len) {
    if (len > self->capacity) {
        self->capacity = len * 2;
        self->data = realloc(self->data, self->capacity);
        if (self->data == NULL) {
            die("memory");
        }
    }
    if (len > self->len) {
        memset(self->data + self->len, 0, len - self->len);
    }
    self->len = len;
}

static void bytes_write(bytes *self, uint64_t offset, const uint8_t *data, size_t len) {
    if (offset + len > self->len) {
        bytes_resize(self, offset + len);
    }
    if (len > 0) {
        memcpy(self->data + offset, data, len);
    }
}

static void bytes_copy(bytes *to, const bytes *from) {
    bytes_resize(to, 0);
    bytes_write(to, 0, from->data, from->len);
}

static void file_change(file *self, const pending_write *change) {
    self->pending = grown(self->pending, self->n_pending, &self->capacity, sizeof(*self->pending));
    self->pending[self->n_pending++] = *change;
    if (change->data == NULL) {
        bytes_resize(&self->now, change->offset);
    } else {
        bytes_write(&self->now, change->offset, change->data, change->len);
    }
}

/* ---- Names ---- */

static name *names_find(const names *self, const char *path) {
    for (size_t i = 0; i < self->n; i++) {
        if (strcmp(self->list[i].path, path) == 0) {
            return &self->list[i];
        }
    }
    return NULL;
}

static void names_remove(names *self, const char *path) {
    name *found = names_find(self, path);
    if (found != NULL) {
        free(found->path);
        *found = self->list[--self->n];
    }
}

static void names_set(names *self, const char *path, uint32_t number) {
    name *found = names_find(self, path);
    if (found == NULL) {
        self->list = grown(self->list, self->n, &self->capacity, sizeof(*self->list));
        found = &self->list[self->n++];
        found->path = copy_text(path);
    }
    found->file = number;
}

static bool is_below(const char *path, const char *folder) {
    const size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static void names_rename(names *self, const char *from, const char *to) {
    const name *found = names_find(self, from);
    if (found == NULL) {
        return;
    }
    const uint32_t number = found->file;
    names_remove(self, from);
    names_set(self, to, number);
    for (size_t i = 0; number == FOLDER && i < self->n; i++) {
        if (is_below(self->list[i].path, from)) {
            char moved[VIRTUAL_PATH_MAX * 2];
            snprintf(moved, sizeof(moved), "%s%s", to, self->list[i].path + strlen(from));
            free(self->list[i].path);
            self->list[i].path = copy_text(moved);
        }
    }
}

static void names_apply(names *self, const name_change *change) {
    switch (change->op) {
    case TM_DISK_RENAME:
        names_rename(self, change->path, change->to);
        break;
    case TM_DISK_REMOVE:
        names_remove(self, change->path);
        break;
    default:
        names_set(self, change->path, change->file);
        break;
    }
}

static void names_copy(names *to, const names *from) {
    for (size_t i = 0; i < from->n; i++) {
        names_set(to, from->list[i].path, from->list[i].file);
    }
}

static void names_done(names *self) {
    for (size_t i = 0; i < self->n; i++) {
        free(self->list[i].path);
    }
    free(self->list);
    *self = (names){0};
}

static bool is_in_folder(const char *path, const char *folder) {
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(folder) == len && strncmp(path, folder, len) == 0;
}

/* ---- Steps ---- */

static void change_names(virtual_disk *disk, uint32_t op, const char *path, const char *to,
                         uint32_t number) {
    disk->pending =
        grown(disk->pending, disk->n_pending, &disk->pending_capacity, sizeof(*disk->pending));
    name_change *change = &disk->pending[disk->n_pending++];
    *change = (name_change){.op = op, .file = number, .path = copy_text(path), .to = copy_text(to)};
    names_apply(&disk->now, change);
}

static void sync_folder(virtual_disk *disk, const char *folder) {
    size_t kept = 0;
    for (size_t i = 0; i < disk->n_pending; i++) {
        name_change *change = &disk->pending[i];
        const char *named = change->op == TM_DISK_RENAME ? change->to : change->path;
        if (is_in_folder(named, folder)) {
            names_apply(&disk->certain, change);
            free(change->path);
            free(change->to);
        } else {
            disk->pending[kept++] = *change;
        }
    }
    disk->n_pending = kept;
}

static file *file_at(virtual_disk *disk, const char *path) {
    const name *found = names_find(&disk->now, path);
    if (found == NULL || found->file == FOLDER) {
        fprintf(stderr, "virtual disk: '%s' is changed and was never made\n", path);
        exit(3);
    }
    return &disk->files[found->file];
}

static void make_file(virtual_disk *disk, const char *path) {
    if (names_find(&disk->now, path) == NULL) {
        disk->files = grown(disk->files, disk->n_files, &disk->capacity, sizeof(*disk->files));
        disk->files[disk->n_files] = (file){0};
        change_names(disk, TM_DISK_CREATE, path, "", (uint32_t)disk->n_files++);
    }
}

static void apply(virtual_disk *disk, const virtual_record *record, const char *to,
                  const uint8_t *data) {
    const char *path = disk->path;
    switch (record->op) {
    case TM_DISK_CREATE:
        make_file(disk, path);
        break;
    case TM_DISK_WRITE:
        file_change(file_at(disk, path), &(pending_write){data, record->offset, record->data_len});
        break;
    case TM_DISK_TRUNCATE:
        make_file(disk, path);
        file_change(file_at(disk, path), &(pending_write){NULL, record->offset, 0});
        break;
    case TM_DISK_SYNC: {
        file *synced = file_at(disk, path);
        bytes_copy(&synced->certain, &synced->now);
        synced->n_pending = 0;
        break;
    }
    case TM_DISK_MKDIR:
        if (names_find(&disk->now, path) == NULL) {
            change_names(disk, TM_DISK_MKDIR, path, "", FOLDER);
        }
        break;
    case TM_DISK_RENAME:
    case TM_DISK_REMOVE:
        if (names_find(&disk->now, path) != NULL) {
            change_names(disk, record->op, path, to, 0);
        }
        break;
    case TM_DISK_SYNC_FOLDER:
        sync_folder(disk, path);
        break;
    default:
        break;
    }
}

static size_t record_size(const virtual_record *record) {
    const size_t size = sizeof(*record) + record->path_len + record->to_len + record->data_len;
    return (size + 7) / 8 * 8;
}

const virtual_record *virtual_disk_step(virtual_disk *disk, const char **out_mark) {
    const virtual_record *record = (const virtual_record *)(const void *)(disk->trace + disk->at);
    const uint8_t *bytes_at = disk->trace + disk->at + sizeof(*record);
    if (disk->at + sizeof(*record) > disk->trace_len || record->magic != VIRTUAL_MAGIC ||
        record->path_len >= VIRTUAL_PATH_MAX || record->to_len >= VIRTUAL_PATH_MAX) {
        die("the trace is damaged");
    }
    memcpy(disk->path, bytes_at, record->path_len);
    disk->path[record->path_len] = '\0';
    memcpy(disk->text, bytes_at + record->path_len, record->to_len);
    disk->text[record->to_len] = '\0';
    *out_mark = record->op == VIRTUAL_MARK ? disk->path : NULL;
    apply(disk, record, disk->text, bytes_at + record->path_len + record->to_len);
    disk->at += record_size(record);
    return record;
}

const char *virtual_disk_path(const virtual_disk *disk) {
    return disk->path;
}

void virtual_disk_close(virtual_disk *disk) {
    for (size_t i = 0; i < disk->n_files; i++) {
        free(disk->files[i].now.data);
        free(disk->files[i].certain.data);
        free(disk->files[i].pending);
    }
    for (size_t i = 0; i < disk->n_pending; i++) {
        free(disk->pending[i].path);
        free(disk->pending[i].to);
    }
    names_done(&disk->now);
    names_done(&disk->certain);
    free(disk->files);
    free(disk->pending);
    free(disk->trace);
    free(disk);
}

static void read_into(const char *path, bytes *out) {
    struct stat info;
    FILE *in = fopen(path, "rb");
    if (in == NULL || fstat(fileno(in), &info) != 0) {
        die(path);
    }
    bytes_resize(out, (size_t)info.st_size);
    if (fread(out->data, 1, out->len, in) != out->len) {
        die(path);
    }
    fclose(in);
}

/* All below a folder, as files and names that are certain. */
static void load_folder(virtual_disk *disk, const char *root, const char *below) {
    char path[VIRTUAL_PATH_MAX * 2];
    snprintf(path, sizeof(path), "%s/%s", root, below);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        die(path);
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char inner[VIRTUAL_PATH_MAX], real[VIRTUAL_PATH_MAX * 2];
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (snprintf(inner, sizeof(inner), "%s%s%s", below, below[0] == '\0' ? "" : "/",
                     entry->d_name) >= (int)sizeof(inner)) {
            die(entry->d_name);
        }
        snprintf(real, sizeof(real), "%s/%s", root, inner);
        if (stat(real, &info) != 0) {
            die(real);
        }
        if (S_ISDIR(info.st_mode)) {
            names_set(&disk->now, inner, FOLDER);
            names_set(&disk->certain, inner, FOLDER);
            load_folder(disk, root, inner);
            continue;
        }
        disk->files = grown(disk->files, disk->n_files, &disk->capacity, sizeof(*disk->files));
        file *one = &disk->files[disk->n_files];
        *one = (file){0};
        read_into(real, &one->certain);
        bytes_copy(&one->now, &one->certain);
        names_set(&disk->now, inner, (uint32_t)disk->n_files);
        names_set(&disk->certain, inner, (uint32_t)disk->n_files++);
    }
    closedir(dir);
}

virtual_disk *virtual_disk_open(const char *trace_path, const char *start) {
    virtual_disk *disk = calloc(1, sizeof(*disk));
    bytes trace = {0};
    if (disk == NULL) {
        die("memory");
    }
    read_into(trace_path, &trace);
    disk->trace = trace.data;
    disk->trace_len = trace.len;
    for (size_t at = 0; at < disk->trace_len; disk->length++) {
        at += record_size((const virtual_record *)(const void *)(disk->trace + at));
    }
    if (start != NULL) {
        load_folder(disk, start, "");
    }
    return disk;
}

size_t virtual_disk_length(const virtual_disk *disk) {
    return disk->length;
}

const uint8_t *virtual_disk_read(const virtual_disk *disk, const char *path, size_t *out_len) {
    const name *found = names_find(&disk->now, path);
    if (found == NULL || found->file == FOLDER) {
        return NULL;
    }
    *out_len = disk->files[found->file].now.len;
    return *out_len == 0 ? (const uint8_t *)"" : disk->files[found->file].now.data;
}

/* ---- Failures ---- */

static uint64_t draw(const virtual_failure *failure, uint64_t *counter) {
    return tm__rng_at(failure->seed, (*counter)++);
}

/* Each block of each pending write survives or not; so does each change of a size. */
static void tear(const file *self, const virtual_failure *failure, uint64_t *counter, bytes *out) {
    bytes_copy(out, &self->certain);
    for (size_t i = 0; i < self->n_pending; i++) {
        const pending_write *change = &self->pending[i];
        if (change->data == NULL) {
            if (draw(failure, counter) % 2 == 0) {
                bytes_resize(out, change->offset);
            }
            continue;
        }
        for (size_t at = 0; at < change->len;) {
            const uint64_t offset = change->offset + at;
            size_t n = failure->block_bytes - offset % failure->block_bytes;
            n = n < change->len - at ? n : change->len - at;
            if (draw(failure, counter) % 2 == 0) {
                bytes_write(out, offset, change->data + at, n);
            }
            at += n;
        }
    }
}

static void write_file(const char *path, const bytes *content) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content->data, content->len) != (ssize_t)content->len) {
        die(path);
    }
    close(fd);
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(((const name *)a)->path, ((const name *)b)->path);
}

static void hash_left(tm_hasher *hasher, const char *path, const bytes *content) {
    const uint64_t lens[] = {strlen(path), content == NULL ? UINT64_MAX : content->len};
    tm__hasher_update(hasher, lens, sizeof(lens));
    tm__hasher_update(hasher, path, strlen(path));
    if (content != NULL && content->len > 0) {
        tm__hasher_update(hasher, content->data, content->len);
    }
}

void virtual_disk_fail(const virtual_disk *disk, const virtual_failure *failure, const char *folder,
                       tm_hash *out_left) {
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    names left = {0};
    bytes torn = {0};
    uint64_t counter = 0;
    size_t n_kept = failure->loss == VIRTUAL_KEEP ? disk->n_pending : 0;
    if (failure->loss == VIRTUAL_TEAR) {
        n_kept = draw(failure, &counter) % (disk->n_pending + 1);
    }
    names_copy(&left, &disk->certain);
    for (size_t i = 0; i < n_kept; i++) {
        names_apply(&left, &disk->pending[i]);
    }
    /* Folders come before what they hold. */
    qsort(left.list, left.n, sizeof(*left.list), compare_paths);
    for (size_t i = 0; i < left.n; i++) {
        char path[VIRTUAL_PATH_MAX * 2];
        snprintf(path, sizeof(path), "%s/%s", folder, left.list[i].path);
        char parent[VIRTUAL_PATH_MAX * 2];
        snprintf(parent, sizeof(parent), "%s", path);
        *strrchr(parent, '/') = '\0';
        if (access(parent, F_OK) != 0) {
            continue; /* lost with its folder */
        }
        if (left.list[i].file == FOLDER) {
            if (mkdir(path, 0700) != 0) {
                die(path);
            }
            hash_left(&hasher, left.list[i].path, NULL);
            continue;
        }
        const file *one = &disk->files[left.list[i].file];
        const bytes *content = failure->loss == VIRTUAL_KEEP ? &one->now : &one->certain;
        if (failure->loss == VIRTUAL_TEAR) {
            tear(one, failure, &counter, &torn);
            content = &torn;
        }
        write_file(path, content);
        hash_left(&hasher, left.list[i].path, content);
    }
    tm_hash hash;
    tm__hasher_final(&hasher, &hash);
    if (out_left != NULL) {
        *out_left = hash;
    }
    free(torn.data);
    names_done(&left);
}
