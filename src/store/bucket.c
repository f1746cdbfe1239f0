/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   keep   file ── is the object there? no ──> put ──┐
 *   find   no file ── is the object there? ──> get ──┴─> is the folder too large? ──> the oldest
 * that the bucket has go
 *
 * Each call reads bucket.json and opens a client of its own: calls are as rare as trainings, and
 * wait for the network anyway.
 */
#include "store/bucket.h"

#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/s3_priv.h"

#define PLACE_BYTES_MAX ((size_t)64 << 10)
#define CACHE_BYTES ((uint64_t)10 << 30)
#define RECENT_US (INT64_C(600) * 1000000) /* so long after its use a file stays */

/* A file and where its object is. */
typedef struct placed {
    char *home;         /* folder */
    const char *folder; /* "bundles/NAME", within path */
    char bucket[64];
    tm_buf key;
    uint64_t cache_bytes;
    tm_s3 *s3;
} placed;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Where ---- */

/* The home of HOME/FOLDER/NAME; *out NULL when a path is not like that. */
static bool split(const char *path, placed *p) {
    const char *name = strrchr(path, '/');
    const char *folder = name;
    while (folder != NULL && folder > path && folder[-1] != '/') {
        folder--;
    }
    if (folder == NULL || folder <= path + 1) {
        return true;
    }
    p->folder = folder;
    p->home = tm__mem_alloc((size_t)(folder - path), 1);
    if (p->home != NULL) {
        memcpy(p->home, path, (size_t)(folder - path) - 1);
        p->home[folder - path - 1] = '\0';
    }
    return p->home != NULL;
}

static tm_status bad_place(const char *file, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "'%s' does not say where the bucket is", file);
    tm_err_hint(err,
                "It reads {\"url\": \"s3://BUCKET/PREFIX\", \"credentials\": \"/absolute/s3.ini\", "
                "\"cache\": \"10G\"}.");
    tm_err_at(err, file, 0, 0);
    return TM_E_DATA;
}

static tm_status read_place(placed *p, const char *file, const json_t *place,
                            char **out_credentials, tm_err *err) {
    const char *const url = tm__json_text(place, "url", "");
    const char *const credentials = tm__json_text(place, "credentials", "");
    const char *const cache = tm__json_text(place, "cache", NULL);
    tm_str rest = tm__str(url);
    if (!tm__str_has_prefix(rest, "s3://") || credentials[0] != '/') {
        return bad_place(file, err);
    }
    rest = (tm_str){rest.ptr + 5, rest.len - 5};
    const tm_str bucket = tm__str_cut(&rest, '/');
    p->cache_bytes = CACHE_BYTES;
    if (!tm__s3_is_bucket(bucket) || !tm__str_copy(p->bucket, sizeof(p->bucket), bucket) ||
        (cache != NULL && !tm__str_to_bytes(tm__str(cache), &p->cache_bytes))) {
        return bad_place(file, err);
    }
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    tm__buf_append(&p->key, rest.ptr, rest.len);
    tm__buf_printf(&p->key, "%s%s", rest.len > 0 ? "/" : "", p->folder);
    *out_credentials = tm__mem_strdup(credentials);
    return p->key.failed || *out_credentials == NULL ? no_memory(err) : TM_OK;
}

static tm_status open_place(placed *p, const char *file, tm_err *err) {
    tm_buf text;
    json_t *place = NULL;
    char *credentials = NULL;
    tm__buf_init(&text, PLACE_BYTES_MAX);
    tm_status st = tm__fs_read_all(file, &text, err);
    if (st == TM_OK) {
        st = tm__json_parse(text.data, text.len, 8, &place, NULL);
        st = st == TM_OK || st == TM_E_NOMEM ? st : bad_place(file, err);
    }
    st = st == TM_OK ? read_place(p, file, place, &credentials, err) : st;
    if (st == TM_OK) {
        const tm_s3_options options = {.credentials = credentials};
        st = tm__s3_open(NULL, &options, &p->s3, err);
    }
    tm__mem_free(credentials);
    json_decref(place);
    tm__buf_done(&text);
    return st;
}

static void place_done(placed *p) {
    tm__s3_close(p->s3);
    tm__buf_done(&p->key);
    tm__mem_free(p->home);
}

bool tm__bucket_is_used(const char *home) {
    char *const file = tm__fs_join(home, TM_HOME_BUCKET);
    const bool is_used = file != NULL && tm__fs_info(file).kind == TM_PATH_FILE;
    tm__mem_free(file);
    return is_used;
}

/* p->s3 NULL: the home keeps nothing in a bucket. */
static tm_status place_open(placed *p, const char *path, tm_err *err) {
    *p = (placed){0};
    tm__buf_init(&p->key, TM_S3_KEY_MAX);
    if (!split(path, p)) {
        return no_memory(err);
    }
    if (p->home == NULL || !tm__bucket_is_used(p->home)) {
        return TM_OK;
    }
    char *const file = tm__fs_join(p->home, TM_HOME_BUCKET);
    const tm_status st = file == NULL ? no_memory(err) : open_place(p, file, err);
    tm__mem_free(file);
    return st;
}

static const char *key_of(const placed *p) {
    return (const char *)p->key.data;
}

/* ---- What is there ---- */

typedef struct object {
    const char *key;
    char etag[TM_S3_ETAG_MAX];
    uint64_t size_bytes;
    bool is_there;
} object;

static bool see(void *arg, const tm_s3_object *found) {
    object *const o = arg;
    o->is_there = strcmp(found->key, o->key) == 0;
    o->size_bytes = found->size_bytes;
    (void)tm__str_copy(o->etag, sizeof(o->etag), tm__str(found->etag));
    return false; /* keys come in order, and this one before those that it begins */
}

static tm_status look(const placed *p, object *out, tm_err *err) {
    *out = (object){.key = key_of(p)};
    const tm_s3_list list = {.bucket = p->bucket, .prefix = out->key, .fn = see, .arg = out};
    return tm__s3_list(p->s3, &list, err);
}

/* ---- The cache ---- */

typedef struct naming {
    size_t skip; /* of the keys' beginning */
    bool (*fn)(void *arg, const char *name);
    void *arg;
} naming;

static bool name_it(void *arg, const tm_s3_object *found) {
    const naming *const n = arg;
    return n->fn(n->arg, found->key + n->skip);
}

/* Those of the key's folder. */
static tm_status list_names(placed *p, bool (*fn)(void *arg, const char *name), void *arg,
                            tm_err *err) {
    naming n = {.fn = fn, .arg = arg};
    const char *const slash = strrchr(key_of(p), '/');
    tm_buf prefix;
    n.skip = (size_t)(slash - key_of(p)) + 1;
    tm__buf_init(&prefix, TM_S3_KEY_MAX);
    const tm_s3_list list = {
        .bucket = p->bucket,
        .prefix = tm__buf_append(&prefix, p->key.data, n.skip) ? (const char *)prefix.data : "",
        .fn = name_it,
        .arg = &n};
    const tm_status st = prefix.failed ? no_memory(err) : tm__s3_list(p->s3, &list, err);
    tm__buf_done(&prefix);
    return st;
}

static bool note_name(void *arg, const char *name) {
    return json_object_set_new(arg, name, json_true()) == 0;
}

static bool is_kept(void *arg, const char *name) {
    return json_object_get(arg, name) != NULL;
}

static tm_status make_room_in(placed *p, const char *dir, tm_err *err) {
    tm_s3_cache_room room = {
        .dir = dir, .size_bytes = p->cache_bytes, .n_files = SIZE_MAX, .recent_us = RECENT_US};
    TM_TRY(tm__s3_cache_is_full(&room, err));
    if (!room.is_full) {
        return TM_OK;
    }
    json_t *const kept = json_object();
    room.may_go = is_kept;
    room.arg = kept;
    tm_status st = kept == NULL ? no_memory(err) : list_names(p, note_name, kept, err);
    st = st == TM_OK ? tm__s3_cache_make_room(&room, err) : st;
    json_decref(kept);
    return st;
}

static tm_status make_room(placed *p, const char *path, tm_err *err) {
    char *const dir = tm__mem_strdup(path);
    if (dir == NULL) {
        return no_memory(err);
    }
    *strrchr(dir, '/') = '\0';
    const tm_status st = make_room_in(p, dir, err);
    tm__mem_free(dir);
    return st;
}

/* ---- Both ways ---- */

tm_status tm__bucket_keep(const char *path, tm_err *err) {
    placed p;
    object o;
    tm_status st = place_open(&p, path, err);
    if (st == TM_OK && p.s3 != NULL) {
        const tm_s3_place place = {p.bucket, key_of(&p)};
        st = look(&p, &o, err);
        if (st == TM_OK && (!o.is_there || o.size_bytes != tm__fs_info(path).size_bytes)) {
            st = tm__s3_put(p.s3, &place, path, err);
        }
        st = st == TM_OK ? make_room(&p, path, err) : st;
    }
    place_done(&p);
    return st;
}

static tm_status fetch(placed *p, const object *o, const char *path, tm_err *err) {
    const tm_s3_object found = {p->bucket, o->key, o->etag, o->size_bytes};
    TM_TRY(tm__s3_get_to(p->s3, &found, path, err));
    return make_room(p, path, err);
}

/* It is there; in a cache its time is that of its last use. */
static tm_status use(const char *path, tm_err *err) {
    placed p = {0};
    const bool has_home = split(path, &p);
    const tm_status st = !has_home                                      ? no_memory(err)
                         : p.home != NULL && tm__bucket_is_used(p.home) ? tm__fs_touch(path, err)
                                                                        : TM_OK;
    tm__mem_free(p.home);
    return st;
}

tm_status tm__bucket_find(const char *path, bool *out_fetched, tm_err *err) {
    placed p;
    object o = {0};
    *out_fetched = false;
    if (tm__fs_info(path).kind == TM_PATH_FILE) {
        return use(path, err);
    }
    tm_status st = place_open(&p, path, err);
    st = st == TM_OK && p.s3 != NULL ? look(&p, &o, err) : st;
    if (st == TM_OK && o.is_there) {
        st = fetch(&p, &o, path, err);
        *out_fetched = st == TM_OK;
    }
    place_done(&p);
    return st;
}

tm_status tm__bucket_has(const char *path, bool *out, tm_err *err) {
    placed p;
    object o = {0};
    tm_status st = place_open(&p, path, err);
    st = st == TM_OK && p.s3 != NULL ? look(&p, &o, err) : st;
    *out = st == TM_OK && o.is_there;
    place_done(&p);
    return st;
}

tm_status tm__bucket_drop(const char *path, tm_err *err) {
    placed p;
    tm_status st = place_open(&p, path, err);
    if (st == TM_OK && p.s3 != NULL) {
        const tm_s3_place place = {p.bucket, key_of(&p)};
        st = tm__s3_drop(p.s3, &place, err);
    }
    place_done(&p);
    return st;
}

void tm__bucket_refuse(const char *path) {
    const tm_status st = tm__fs_remove(path, NULL);
    (void)st; /* it is refused by each who reads it */
}

tm_status tm__bucket_list(const char *dir, bool (*fn)(void *arg, const char *name), void *arg,
                          tm_err *err) {
    placed p;
    char *const path = tm__fs_join(dir, "x");
    tm_status st = path == NULL ? no_memory(err) : place_open(&p, path, err);
    if (path != NULL) {
        st = st == TM_OK && p.s3 != NULL ? list_names(&p, fn, arg, err) : st;
        place_done(&p);
    }
    tm__mem_free(path);
    return st;
}
