/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   keep   file ── is the object there? no ──> put ──┐
 *   find   no file ── is the object there? ──> get ──┴─> is the folder too large?
 *                                                        yes ──> the oldest that it has go
 */
#include "store/bucket.h"

#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/bucket_priv.h"

#define RECENT_US (INT64_C(600) * 1000000) /* so long after its use a file stays */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static const char *key_of(const tm_bucket_placed *p) {
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

static tm_status look(const tm_bucket_placed *p, object *out, tm_err *err) {
    tm_bucket_client *const c = p->client;
    *out = (object){.key = key_of(p)};
    const tm_s3_list list = {.bucket = c->bucket, .prefix = out->key, .fn = see, .arg = out};
    TM_TRY(tm__bucket_connect(c, err));
    return tm__s3_list(c->s3, &list, err);
}

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
static tm_status list_names(const tm_bucket_placed *p, bool (*fn)(void *arg, const char *name),
                            void *arg, tm_err *err) {
    tm_bucket_client *const c = p->client;
    naming n = {.fn = fn, .arg = arg};
    const char *const slash = strrchr(key_of(p), '/');
    tm_buf prefix;
    TM_TRY(tm__bucket_connect(c, err));
    n.skip = (size_t)(slash - key_of(p)) + 1;
    tm__buf_init(&prefix, TM_S3_KEY_MAX);
    const tm_s3_list list = {
        .bucket = c->bucket,
        .prefix = tm__buf_append(&prefix, p->key.data, n.skip) ? (const char *)prefix.data : "",
        .fn = name_it,
        .arg = &n};
    const tm_status st = prefix.failed ? no_memory(err) : tm__s3_list(c->s3, &list, err);
    tm__buf_done(&prefix);
    return st;
}

static bool note_name(void *arg, const char *name) {
    return json_object_set_new(arg, name, json_true()) == 0;
}

/* The names of the key's folder, at hand until another folder's are asked for. */
static tm_status have_names(const tm_bucket_placed *p, tm_err *err) {
    tm_bucket_client *const c = p->client;
    const size_t n = (size_t)(strrchr(key_of(p), '/') - key_of(p)) + 1;
    if (c->names != NULL && c->names_of.len == n && memcmp(c->names_of.data, p->key.data, n) == 0) {
        return TM_OK;
    }
    json_decref(c->names);
    c->names = json_object();
    tm__buf_reset(&c->names_of);
    tm_status st = c->names == NULL || !tm__buf_append(&c->names_of, p->key.data, n)
                       ? no_memory(err)
                       : list_names(p, note_name, c->names, err);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(c->names);
        c->names = NULL;
    }
    return st;
}

/* The object was put, or removed. */
static void note(const tm_bucket_placed *p, bool is_there) {
    tm_bucket_client *const c = p->client;
    const char *const name = strrchr(key_of(p), '/') + 1;
    const size_t n = (size_t)(name - key_of(p));
    if (c->names == NULL || c->names_of.len != n || memcmp(c->names_of.data, p->key.data, n) != 0) {
        return;
    }
    if (!is_there) {
        (void)json_object_del(c->names, name);
    } else if (json_object_set_new(c->names, name, json_true()) != 0) {
        json_decref(c->names);
        c->names = NULL;
    }
}

/* ---- The cache ---- */

static bool is_kept(void *arg, const char *name) {
    return json_object_get(arg, name) != NULL;
}

static tm_status make_room_in(const tm_bucket_placed *p, const char *dir, tm_err *err) {
    tm_s3_cache_room room = {.dir = dir,
                             .size_bytes = p->client->cache_bytes,
                             .n_files = SIZE_MAX,
                             .recent_us = RECENT_US};
    TM_TRY(tm__s3_cache_is_full(&room, err));
    if (!room.is_full) {
        return TM_OK;
    }
    TM_TRY(have_names(p, err));
    room.may_go = is_kept;
    room.arg = p->client->names;
    return tm__s3_cache_make_room(&room, err);
}

static tm_status make_room(const tm_bucket_placed *p, const char *path, tm_err *err) {
    char *const dir = tm__mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    const tm_status st = dir == NULL ? no_memory(err) : make_room_in(p, dir, err);
    tm__mem_free(dir);
    return st;
}

/* ---- Both ways ---- */

/* What is done with an object: p->client is not NULL. */
typedef tm_status (*work_fn)(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err);

static tm_status with(tm_bucket *bucket, const char *path, work_fn work, void *arg, tm_err *err) {
    tm_bucket own = {0};
    tm_bucket_placed p;
    tm_status st = tm__bucket_place(bucket == NULL ? &own : bucket, path, &p, err);
    st = st == TM_OK && p.client != NULL ? work(&p, path, arg, err) : st;
    tm__bucket_placed_done(&p);
    tm__bucket_done(&own);
    return st;
}

static tm_status say_yes(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    (void)p;
    (void)path;
    (void)err;
    *(bool *)arg = true;
    return TM_OK;
}

tm_status tm__bucket_takes(tm_bucket *bucket, const char *path, bool *out, tm_err *err) {
    *out = false;
    return with(bucket, path, say_yes, out, err);
}

static tm_status claim(const tm_bucket_placed *p, tm_err *err) {
    return p->is_segment ? tm__bucket_claim(p->client, err) : TM_OK;
}

static tm_status put(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    const tm_s3_place place = {p->client->bucket, key_of(p)};
    (void)arg;
    TM_TRY(claim(p, err));
    TM_TRY(tm__bucket_connect(p->client, err));
    TM_TRY(tm__s3_put(p->client->s3, &place, path, err));
    note(p, true);
    return make_room(p, path, err);
}

tm_status tm__bucket_replace(tm_bucket *bucket, const char *path, tm_err *err) {
    return with(bucket, path, put, NULL, err);
}

/* What was removed from the tables goes from the bucket before it comes anew. */
static tm_status is_going(const char *path, tm_err *err) {
    tm_buf mark;
    tm__buf_init(&mark, 8192);
    const bool is_made = tm__buf_printf(&mark, "%s%s", path, TM_BUCKET_DROP);
    const bool is_going = is_made && tm__fs_info((const char *)mark.data).kind == TM_PATH_FILE;
    tm__buf_done(&mark);
    if (is_going) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "the same rows are about to go from the bucket");
        tm_err_hint(err, "Nothing is lost; 'tidemill data compact' ends it, then try again.");
        tm_err_at(err, path, 0, 0);
        return TM_E_UNAVAILABLE;
    }
    return is_made ? TM_OK : no_memory(err);
}

static tm_status keep(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    object o;
    TM_TRY(is_going(path, err));
    TM_TRY(claim(p, err));
    TM_TRY(look(p, &o, err));
    return o.is_there && o.size_bytes == tm__fs_info(path).size_bytes ? make_room(p, path, err)
                                                                      : put(p, path, arg, err);
}

tm_status tm__bucket_keep(tm_bucket *bucket, const char *path, tm_err *err) {
    return with(bucket, path, keep, NULL, err);
}

static tm_status make_folder(const char *path, tm_err *err) {
    char *const dir = tm__mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    const tm_status st = dir == NULL ? no_memory(err) : tm__fs_mkdir(dir, err);
    tm__mem_free(dir);
    return st;
}

static tm_status get(const tm_bucket_placed *p, const object *o, const char *path, tm_err *err) {
    const tm_s3_object found = {p->client->bucket, o->key, o->etag, o->size_bytes};
    return tm__s3_get_to(p->client->s3, &found, path, err);
}

/* One that was put in its place meanwhile, sealed with another key, is as good. */
static tm_status get_as_it_is(const tm_bucket_placed *p, const object *o, const char *path,
                              tm_err *err) {
    tm_err why = {0};
    object now;
    const tm_status st = get(p, o, path, &why);
    if (st == TM_E_UNAVAILABLE && look(p, &now, NULL) == TM_OK && now.is_there &&
        strcmp(now.etag, o->etag) != 0) {
        return get(p, &now, path, err);
    }
    if (st != TM_OK && err != NULL) {
        *err = why;
    }
    return st;
}

static tm_status fetch(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    object o;
    TM_TRY(look(p, &o, err));
    if (!o.is_there) {
        return TM_OK;
    }
    TM_TRY(make_folder(path, err));
    TM_TRY(get_as_it_is(p, &o, path, err));
    *(bool *)arg = true;
    return make_room(p, path, err);
}

/* It is here; in a cache its time is that of its last use. */
static tm_status touch(const char *path, tm_err *err) {
    bool is_near = false;
    TM_TRY(tm__bucket_is_near(path, &is_near, err));
    return is_near ? tm__fs_touch(path, err) : TM_OK;
}

tm_status tm__bucket_find(tm_bucket *bucket, const char *path, bool *out_fetched, tm_err *err) {
    bool is_fetched = false;
    *out_fetched = false;
    if (tm__fs_info(path).kind == TM_PATH_FILE) {
        return touch(path, err);
    }
    const tm_status st = with(bucket, path, fetch, &is_fetched, err);
    *out_fetched = st == TM_OK && is_fetched;
    return st;
}

static tm_status see_one(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    object o;
    (void)path;
    TM_TRY(look(p, &o, err));
    *(bool *)arg = o.is_there;
    return TM_OK;
}

static tm_status find_name(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    (void)path;
    TM_TRY(have_names(p, err));
    *(bool *)arg = is_kept(p->client->names, strrchr(key_of(p), '/') + 1);
    return TM_OK;
}

tm_status tm__bucket_has(tm_bucket *bucket, const char *path, bool *out, tm_err *err) {
    bool has = false;
    const tm_status st = with(bucket, path, bucket == NULL ? see_one : find_name, &has, err);
    *out = st == TM_OK && has;
    return st;
}

static tm_status head(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    tm_buf *const out = arg;
    tm_err why = {0};
    tm_s3_answer answer;
    const tm_s3_request request = {
        .bucket = p->client->bucket, .key = key_of(p), .len = out->size_max};
    (void)path;
    TM_TRY(tm__bucket_connect(p->client, err));
    tm__s3_answer_init(&answer, out->size_max);
    tm_status st = tm__s3_ask(p->client->s3, &request, &answer, &why);
    if (st == TM_OK && !tm__buf_append(out, answer.body.data, answer.body.len)) {
        st = no_memory(&why);
    }
    tm__s3_answer_done(&answer);
    if (st != TM_OK && st != TM_E_NOT_FOUND && err != NULL) {
        *err = why;
    }
    return st == TM_E_NOT_FOUND ? TM_OK : st;
}

tm_status tm__bucket_head(tm_bucket *bucket, const char *path, tm_buf *out, tm_err *err) {
    tm__buf_reset(out);
    return with(bucket, path, head, out, err);
}

static tm_status drop(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    const tm_s3_place place = {p->client->bucket, key_of(p)};
    (void)path;
    (void)arg;
    TM_TRY(claim(p, err));
    TM_TRY(tm__bucket_connect(p->client, err));
    TM_TRY(tm__s3_drop(p->client->s3, &place, err));
    note(p, false);
    return TM_OK;
}

tm_status tm__bucket_drop(tm_bucket *bucket, const char *path, tm_err *err) {
    return with(bucket, path, drop, NULL, err);
}

void tm__bucket_refuse(const char *path) {
    const tm_status st = tm__fs_remove(path, NULL);
    (void)st; /* it is refused by each who reads it */
}

typedef struct listing {
    bool (*fn)(void *arg, const char *name);
    void *arg;
} listing;

static tm_status list(const tm_bucket_placed *p, const char *path, void *arg, tm_err *err) {
    const listing *const l = arg;
    (void)path;
    return list_names(p, l->fn, l->arg, err);
}

tm_status tm__bucket_list(tm_bucket *bucket, const char *dir,
                          bool (*fn)(void *arg, const char *name), void *arg, tm_err *err) {
    listing l = {fn, arg};
    char *const path = tm__fs_join(dir, "x");
    const tm_status st = path == NULL ? no_memory(err) : with(bucket, path, list, &l, err);
    tm__mem_free(path);
    return st;
}
