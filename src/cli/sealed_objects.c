/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a home's bucket, each by its head, since most have no file here:
 *
 *   head ── the key that seals now ──> counted
 *      └─ another, or none ──> fetched ──> sealed ──> put in its own place ──> the file goes again
 *
 * A kill leaves an object as it was or as it shall be. One that is put anew must not come back when
 * somebody removes it meanwhile: segments are removed under files.lock, which the caller holds, and
 * of the others meta.db is asked once they are put.
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/sealed_files.h"
#include "registry/collect.h"
#include "store/bucket.h"
#include "store/vault.h"

typedef struct objects {
    const tm_ctx *ctx;
    const char *dir;
    const tm_sealed_walk *walk;
    tm_sealed_count *count;
    tm_bucket bucket;
    json_t *names;
} objects;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* The bucket's word becomes a path: NAME, or SOURCE/NAME. */
static bool is_path(const char *name) {
    const char *const slash = strchr(name, '/');
    const char *const last = slash == NULL ? name : slash + 1;
    return name[0] != '.' && last[0] != '.' && last[0] != '\0' && strchr(last, '/') == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
               strlen(name);
}

static bool note_name(void *arg, const char *name) {
    return !is_path(name) || json_array_append_new(arg, json_string(name)) == 0;
}

static bool is_current(const objects *o, const tm_vault_look *look) {
    return strcmp(look->key, o->walk->key) == 0;
}

static tm_status renew_file(const objects *o, const char *path, bool is_segment, tm_err *err) {
    tm_vault_look look;
    TM_TRY(tm__vault_look(path, &look, err));
    if (is_current(o, &look)) {
        return TM_OK;
    }
    return is_segment ? tm__vault_renew(path, err)
                      : tm__registry_file_renew(o->walk->registry, path, err);
}

static tm_status renew(objects *o, const char *path, bool is_segment, tm_err *err) {
    const bool is_here = tm__fs_info(path).kind == TM_PATH_FILE;
    bool is_fetched = false;
    TM_TRY(tm__bucket_find(&o->bucket, path, &is_fetched, err));
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        return TM_OK; /* removed meanwhile */
    }
    tm_status st = renew_file(o, path, is_segment, err);
    st = st == TM_OK ? tm__bucket_replace(&o->bucket, path, err) : st;
    if (st == TM_OK && !is_segment) {
        st = tm__registry_object_settle(o->walk->registry, path, err);
    }
    if (!is_here) {
        const tm_status removed = tm__fs_remove(path, st == TM_OK ? err : NULL);
        st = st == TM_OK ? removed : st;
        o->count->n_renewed += st == TM_OK;
    }
    return st;
}

static tm_status look_at(objects *o, const char *name, const char *path, tm_err *err) {
    const bool is_here = tm__fs_info(path).kind == TM_PATH_FILE;
    tm_buf head;
    tm__buf_init(&head, TM_SEAL_HEAD_BYTES);
    tm_status st = tm__bucket_head(&o->bucket, path, &head, err);
    const tm_vault_look look = tm__vault_look_at(head.data, head.len);
    const bool is_there = head.len > 0;
    bool is_right = is_current(o, &look);
    tm__buf_done(&head);
    if (st == TM_OK && !is_there) {
        return TM_OK; /* removed meanwhile */
    }
    if (st == TM_OK && !is_right && o->walk->registry != NULL) {
        st = renew(o, path, strchr(name, '/') != NULL, err);
        is_right = true;
    }
    if (!is_here || !is_right) {
        uint64_t *const n = o->walk->key[0] != '\0' && is_right ? &o->count->n_sealed
                            : look.is_sealed                    ? &o->count->n_earlier
                                                                : &o->count->n_plain;
        *n += st == TM_OK;
    }
    return st;
}

static tm_status look_at_all(objects *o, tm_err *err) {
    size_t i = 0;
    const json_t *name = NULL;
    tm_status st = tm__bucket_list(&o->bucket, o->dir, note_name, o->names, err);
    st = st == TM_OK ? tm__json_check(err) : st;
    json_array_foreach(o->names, i, name) {
        char *const path = st == TM_OK ? tm__fs_join(o->dir, json_string_value(name)) : NULL;
        st = st == TM_OK && path == NULL ? no_memory(err) : st;
        st = st == TM_OK ? look_at(o, json_string_value(name), path, err) : st;
        tm__mem_free(path);
        if (st == TM_OK && tm__ctx_cancelled(o->ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "stopped; the same command goes on");
        }
        if (st != TM_OK) {
            break;
        }
        tm__ctx_progress(o->ctx, "objects", i + 1, json_array_size(o->names), "objects");
    }
    return st;
}

tm_status tm__sealed_objects(const tm_ctx *ctx, const char *dir, const tm_sealed_walk *walk,
                             tm_sealed_count *count, tm_err *err) {
    objects o = {.ctx = ctx, .dir = dir, .walk = walk, .count = count, .names = json_array()};
    const tm_status st = o.names == NULL ? no_memory(err) : look_at_all(&o, err);
    json_decref(o.names);
    tm__bucket_done(&o.bucket);
    return st;
}
