/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of objects, within a size and a number.
 *
 *   <dir>/<hash of server, bucket, key, ETag and size><.csv.gz>   and, while it comes, <the
 *   same>.<random>.tmp
 *
 * The time of a file's last change is that of its last use. Processes share the folder without a
 * lock: a file has its name only when it is whole, and one that is taken away while another process
 * reads it stays readable to that process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/s3_priv.h"

#define SIZE_BYTES ((uint64_t)4 << 30)
#define N_FILES 1000u
#define SUFFIX_MAX 24u
#define STALE_US (INT64_C(3600) * 1000000) /* what a process that died left half fetched */

typedef struct cached {
    char name[128];
    uint64_t size_bytes;
    int64_t used_us;
} cached;

typedef struct listing {
    const char *dir;
    cached *items;
    size_t n, capacity;
    bool failed;
} listing;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while looking at the cache");
}

static bool note_file(void *arg, const char *name) {
    listing *const l = arg;
    char *const path = tm__fs_join(l->dir, name);
    if (path == NULL) {
        l->failed = true;
        return false;
    }
    const tm_path_info info = tm__fs_info(path);
    tm__mem_free(path);
    if (info.kind != TM_PATH_FILE || strlen(name) >= sizeof(l->items->name)) {
        return true;
    }
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        cached *items = tm__mem_realloc(l->items, capacity, sizeof(*items));
        if (items == NULL) {
            l->failed = true;
            return false;
        }
        l->items = items;
        l->capacity = capacity;
    }
    cached *const item = &l->items[l->n++];
    item->size_bytes = info.size_bytes;
    item->used_us = info.modified_us;
    (void)tm__str_copy(item->name, sizeof(item->name), tm__str(name));
    return true;
}

static int by_use(const void *a, const void *b) {
    const cached *const x = a;
    const cached *const y = b;
    return x->used_us != y->used_us ? (x->used_us < y->used_us ? -1 : 1) : strcmp(x->name, y->name);
}

static tm_status remove_file(const char *dir, const char *name, tm_err *err) {
    char *const path = tm__fs_join(dir, name);
    const tm_status st = path == NULL ? no_memory(err) : tm__fs_remove(path, err);
    tm__mem_free(path);
    return st;
}

static tm_status list_files(const tm_s3_cache_room *room, listing *l, tm_err *err) {
    *l = (listing){.dir = room->dir};
    tm_status st = tm__fs_list(room->dir, note_file, l, err);
    return st == TM_OK && l->failed ? no_memory(err) : st;
}

static uint64_t bytes_of(const listing *l) {
    uint64_t total = 0;
    for (size_t i = 0; i < l->n; i++) {
        total += l->items[i].size_bytes;
    }
    return total;
}

tm_status tm__s3_cache_is_full(tm_s3_cache_room *io, tm_err *err) {
    listing l;
    const tm_status st = list_files(io, &l, err);
    io->is_full = bytes_of(&l) + io->more_bytes > io->size_bytes;
    tm__mem_free(l.items);
    return st;
}

tm_status tm__s3_cache_make_room(const tm_s3_cache_room *room, tm_err *err) {
    listing l;
    tm_status st = list_files(room, &l, err);
    uint64_t total = bytes_of(&l) + room->more_bytes;
    size_t n = l.n + (room->more_bytes > 0 ? 1 : 0);
    if (l.n > 0) {
        qsort(l.items, l.n, sizeof(*l.items), by_use);
    }
    const int64_t now_us = tm__now_us();
    for (size_t i = 0; st == TM_OK && i < l.n; i++) {
        const cached *const item = &l.items[i];
        const bool is_half = tm__str_has_suffix(tm__str(item->name), ".tmp");
        const bool is_stale = is_half && item->used_us < now_us - STALE_US;
        const bool is_full = total > room->size_bytes || n > room->n_files;
        const bool may_go = item->used_us <= now_us - room->recent_us &&
                            (room->may_go == NULL || room->may_go(room->arg, item->name));
        if (is_stale || (is_full && !is_half && may_go)) {
            st = remove_file(room->dir, item->name, err);
            total -= item->size_bytes;
            n--;
        }
    }
    tm__mem_free(l.items);
    return st;
}

static tm_status make_room(const tm_s3_cache *cache, uint64_t size_bytes, tm_err *err) {
    const tm_s3_cache_room room = {.dir = cache->dir,
                                   .size_bytes =
                                       cache->size_bytes == 0 ? SIZE_BYTES : cache->size_bytes,
                                   .n_files = cache->n_files == 0 ? N_FILES : cache->n_files,
                                   .more_bytes = size_bytes + (size_bytes == 0 ? 1 : 0)};
    return tm__s3_cache_make_room(&room, err);
}

/* What the name of an object ends with, which says what it is: ".csv", ".csv.gz"; or nothing. */
static const char *suffix_of(const char *key) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.";
    const char *const slash = strrchr(key, '/');
    const char *const name = slash == NULL ? key : slash + 1;
    const char *const dot = strrchr(name, '.');
    if (dot == NULL || dot == name) {
        return "";
    }
    const bool is_packed = strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0;
    const char *at = dot;
    while (is_packed && at > name + 1 && *--at != '.') {
    }
    at = *at == '.' ? at : dot;
    return strlen(at) > SUFFIX_MAX || strspn(at, plain) != strlen(at) ? "" : at;
}

static char *object_path(const tm_s3 *s3, const tm_s3_cache *cache, const tm_s3_object *object) {
    tm_hash hash;
    char text[TM_HASH_TEXT + SUFFIX_MAX];
    const char *const parts[] = {s3->credentials.endpoint, object->bucket, object->key,
                                 object->etag};
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        tm__hasher_update(&hasher, parts[i], strlen(parts[i]) + 1);
    }
    tm__hasher_update(&hasher, &object->size_bytes, sizeof(object->size_bytes));
    tm__hasher_final(&hasher, &hash);
    tm__hash_to_text(&hash, text);
    (void)snprintf(text + TM_HASH_TEXT - 1, SUFFIX_MAX + 1, "%s", suffix_of(object->key));
    return tm__fs_join(cache->dir, text);
}

static tm_status check_size(const tm_s3_cache *cache, const tm_s3_object *object, tm_err *err) {
    const uint64_t size_max = cache->size_bytes == 0 ? SIZE_BYTES : cache->size_bytes;
    uint64_t free_bytes = 0;
    tm_status st = TM_OK;
    if (object->size_bytes > size_max) {
        st = TM_FAIL(err, TM_E_LIMIT, "an object of bucket '%s' has %llu bytes, the cache %llu",
                     object->bucket, (unsigned long long)object->size_bytes,
                     (unsigned long long)size_max);
        tm_err_hint(err, "Give the cache more with --cache SIZE, or upload smaller objects.");
    } else if (tm__fs_free_bytes(cache->dir, &free_bytes) && free_bytes < object->size_bytes) {
        st = TM_FAIL(err, TM_E_IO, "no space for an object of bucket '%s' with %llu bytes",
                     object->bucket, (unsigned long long)object->size_bytes);
        tm_err_hint(err, "Make room on the disk of '%.100s'.", cache->dir);
    }
    if (st != TM_OK) {
        tm_err_at(err, object->key, 0, 0);
    }
    return st;
}

tm_status tm__s3_get_to(tm_s3 *s3, const tm_s3_object *object, const char *path, tm_err *err) {
    tm_buf temp;
    uint64_t number = 0;
    tm__random_bytes(&number, sizeof(number));
    tm__buf_init(&temp, 4096);
    tm_status st = tm__buf_printf(&temp, "%s.%016llx.tmp", path, (unsigned long long)number)
                       ? TM_OK
                       : no_memory(err);
    if (st == TM_OK) {
        st = tm__s3_get(s3, object, (const char *)temp.data, err);
    }
    if (st == TM_OK) {
        st = tm__fs_move((const char *)temp.data, path, err);
    }
    tm__buf_done(&temp);
    return st;
}

tm_status tm__s3_cache_get(tm_s3 *s3, const tm_s3_cache *cache, const tm_s3_object *object,
                           char **out_path, tm_err *err) {
    TM_TRY(tm__fs_mkdir(cache->dir, err));
    char *path = object_path(s3, cache, object);
    if (path == NULL) {
        return no_memory(err);
    }
    const tm_path_info info = tm__fs_info(path);
    tm_status st = TM_OK;
    if (info.kind == TM_PATH_FILE && info.size_bytes == object->size_bytes) {
        st = tm__fs_touch(path, err);
    } else {
        st = tm__fs_remove(path, err);
        if (st == TM_OK) {
            st = check_size(cache, object, err);
        }
        if (st == TM_OK) {
            st = make_room(cache, object->size_bytes, err);
        }
        if (st == TM_OK) {
            st = tm__s3_get_to(s3, object, path, err);
        }
    }
    if (st != TM_OK) {
        tm__mem_free(path);
        return st;
    }
    *out_path = path;
    return TM_OK;
}
