/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in a bucket: beside HASH.parquet, an object of the same name. It is written, put, and
 * then named in a transaction. When no row names it any more, it goes in this order:
 *
 *   HASH.parquet.gone   no file was here: so long an hour passes; else it is the file's age
 *   HASH.parquet.drop   the file is removed, and nothing is put under the name
 *   (neither)           the object is removed, then the mark
 *
 * 1. HASH.parquet.drop is made, and the file removed, under the lock of intake.db's writers, when
 *    no row names the segment. A transaction that would name it finds no file; nothing is put while
 *    the mark is there. So an object that is named stays, and nobody waits for the network in a
 *    lock.
 * 2. The mark is removed after the object: a kill, or a bucket that is away, leaves it for the
 *    next.
 */
#include "source/intake_away.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/source.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the segments of a source");
}

/* ---- Names ---- */

#define SUFFIX ".parquet"
#define NAME_MAX_BYTES (TM_HASH_TEXT + 32)

static void name_of(const tm_hash *hash, const char *behind, char out[NAME_MAX_BYTES]) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(hash, text);
    (void)snprintf(out, NAME_MAX_BYTES, "%s%s%s", text, SUFFIX, behind);
}

static char *path_of(const char *dir, const tm_hash *hash, const char *behind) {
    char name[NAME_MAX_BYTES];
    name_of(hash, behind, name);
    return tm__fs_join(dir, name);
}

bool tm__segment_name(const char *name, tm_hash *out, const char **out_behind) {
    char text[TM_HASH_TEXT];
    const size_t n = TM_HASH_TEXT - 1;
    if (strlen(name) < n + strlen(SUFFIX) || strncmp(name + n, SUFFIX, strlen(SUFFIX)) != 0) {
        return false;
    }
    (void)tm__str_copy(text, sizeof(text), (tm_str){name, n});
    *out_behind = name + n + strlen(SUFFIX);
    return tm__hash_from_text(text, out);
}

tm_status tm__segment_load(tm_ctx *ctx, tm_bucket *bucket, const char *dir, const tm_hash *hash,
                           tm_table **out, tm_err *err) {
    bool is_fetched = false;
    char *const path = path_of(dir, hash, "");
    tm_status st = path == NULL ? no_memory(err) : tm__bucket_find(bucket, path, &is_fetched, err);
    st = st == TM_OK ? tm__snapshot_load(ctx, dir, hash, out, err) : st;
    if (st == TM_E_INTEGRITY && is_fetched) {
        tm__bucket_refuse(path);
    }
    tm__mem_free(path);
    return st;
}

/* ---- Letting go ---- */

static tm_status remove_at(const char *dir, const tm_hash *hash, const char *behind, tm_err *err) {
    char *const path = path_of(dir, hash, behind);
    const tm_status st = path == NULL ? no_memory(err) : tm__fs_remove(path, err);
    tm__mem_free(path);
    return st;
}

static tm_status mark(const char *dir, const tm_hash *hash, const char *behind, tm_err *err) {
    char *const path = path_of(dir, hash, behind);
    const tm_status st = path == NULL ? no_memory(err) : tm__fs_publish(path, "", 0, err);
    tm__mem_free(path);
    return st;
}

tm_status tm__away_release_locked(const char *dir, const tm_hash *hash, tm_err *err) {
    TM_TRY(mark(dir, hash, TM_BUCKET_DROP, err));
    TM_TRY(remove_at(dir, hash, "", err));
    return remove_at(dir, hash, TM_AWAY_GONE, err);
}

typedef struct dropping {
    tm_bucket *bucket;
    const char *dir;
    tm_status st;
    tm_err *err;
} dropping;

static tm_status drop(const dropping *d, const tm_hash *hash) {
    char *const path = path_of(d->dir, hash, "");
    const tm_status st =
        path == NULL ? no_memory(d->err) : tm__bucket_drop(d->bucket, path, d->err);
    tm__mem_free(path);
    return st == TM_OK ? remove_at(d->dir, hash, TM_BUCKET_DROP, d->err) : st;
}

static bool drop_each(void *arg, const char *name) {
    dropping *const d = arg;
    tm_hash hash;
    const char *behind = "";
    if (tm__segment_name(name, &hash, &behind) && strcmp(behind, TM_BUCKET_DROP) == 0) {
        d->st = drop(d, &hash);
    }
    return d->st == TM_OK;
}

tm_status tm__away_drop(tm_bucket *bucket, const char *dir, tm_err *err) {
    dropping d = {.bucket = bucket, .dir = dir, .err = err};
    const tm_status st = tm__fs_list(dir, drop_each, &d, err);
    return st == TM_OK ? d.st : st;
}

/* ---- All sources ---- */

typedef struct tending {
    const tm_home *home;
    tm_bucket bucket;
    char *segments; /* folder */
    json_t *named;  /* {"SOURCE/NAME": true} */
    json_t *there;  /* same, of objects */
    tm_status st;
    tm_err *err;
} tending;

/* *out: HOME/segments when it is there and its files go to a bucket. */
static tm_status open_away(tending *t, const tm_home *home, tm_err *err) {
    bool takes = false;
    *t = (tending){.home = home, .err = err};
    if (!tm__bucket_is_used(tm__home_intake_dir(home))) {
        return TM_OK;
    }
    char *const dir = tm__fs_join(tm__home_intake_dir(home), "segments");
    char *const some = dir == NULL ? NULL : tm__fs_join(dir, "x");
    const tm_status st =
        some == NULL ? no_memory(err) : tm__bucket_takes(&t->bucket, some, &takes, err);
    tm__mem_free(some);
    if (st == TM_OK && takes) {
        t->segments = dir;
    } else {
        tm__mem_free(dir);
    }
    return st;
}

static bool drop_folder(void *arg, const char *source) {
    tending *const t = arg;
    char *const dir = tm__fs_join(t->segments, source);
    t->st = dir == NULL ? no_memory(t->err) : TM_OK;
    if (t->st == TM_OK && tm__fs_info(dir).kind == TM_PATH_DIR) {
        t->st = tm__away_drop(&t->bucket, dir, t->err);
    }
    tm__mem_free(dir);
    return t->st == TM_OK;
}

static tm_status drop_all(tending *t, tm_err *err) {
    if (tm__fs_info(t->segments).kind != TM_PATH_DIR) {
        return TM_OK;
    }
    const tm_status st = tm__fs_list(t->segments, drop_folder, t, err);
    return st == TM_OK ? t->st : st;
}

static void done(tending *t) {
    tm__bucket_done(&t->bucket);
    tm__mem_free(t->segments);
    json_decref(t->named);
    json_decref(t->there);
}

tm_status tm__away_is_used(const tm_home *home, bool *out, tm_err *err) {
    tending t;
    const tm_status st = open_away(&t, home, err);
    *out = t.segments != NULL;
    done(&t);
    return st;
}

tm_status tm__away_drop_all(const tm_home *home, tm_err *err) {
    tending t;
    tm_status st = open_away(&t, home, err);
    st = st == TM_OK && t.segments != NULL ? drop_all(&t, err) : st;
    done(&t);
    return st;
}

static tm_status note_named(void *arg, const tm_intake_file *file, tm_err *err) {
    const tending *const t = arg;
    char name[NAME_MAX_BYTES], key[TM_MAX_NAME + 1 + NAME_MAX_BYTES];
    if (file->kind != TM_INTAKE_SEGMENT) {
        return TM_OK;
    }
    name_of(&file->hash, "", name);
    (void)snprintf(key, sizeof(key), "%s/%s", file->source, name);
    return json_object_set_new(t->named, key, json_true()) == 0 ? TM_OK : no_memory(err);
}

/* Keys are the bucket's word: what is no source and no segment is none of ours. */
static bool note_there(void *arg, const char *key) {
    tending *const t = arg;
    tm_hash hash;
    const char *behind = "";
    char source[TM_MAX_NAME + 1];
    tm_str rest = tm__str(key);
    const tm_str name = tm__str_cut(&rest, '/');
    const tm_intake_add add = {.name = source};
    if (tm__str_copy(source, sizeof(source), name) && tm__intake_check_name(&add, NULL) == TM_OK &&
        tm__segment_name(rest.ptr, &hash, &behind) && behind[0] == '\0') {
        t->st = json_object_set_new(t->there, key, json_true()) == 0 ? TM_OK : no_memory(t->err);
    }
    return t->st == TM_OK;
}

static tm_status mark_gone(const tending *t, const char *key, tm_err *err) {
    tm_hash hash = {0};
    const char *behind = "";
    char *const path = tm__fs_join(t->segments, key);
    if (path == NULL) {
        return no_memory(err);
    }
    char *const name = strrchr(path, '/');
    *name = '\0';
    tm_status st = tm__segment_name(name + 1, &hash, &behind) ? tm__fs_mkdir(path, err) : TM_OK;
    bool has_any = false;
    static const char *const marks[] = {"", TM_AWAY_GONE, TM_BUCKET_DROP};
    for (size_t i = 0; st == TM_OK && i < sizeof(marks) / sizeof(marks[0]); i++) {
        char *const other = path_of(path, &hash, marks[i]);
        st = other == NULL ? no_memory(err) : TM_OK;
        has_any = has_any || (other != NULL && tm__fs_info(other).kind == TM_PATH_FILE);
        tm__mem_free(other);
    }
    st = st == TM_OK && !has_any ? mark(path, &hash, TM_AWAY_GONE, err) : st;
    tm__mem_free(path);
    return st;
}

static tm_status put_missing(tending *t, const char *key, tm_err *err) {
    char *const path = tm__fs_join(t->segments, key);
    tm_status st = path == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_FILE) {
        st = tm__bucket_keep(&t->bucket, path, err);
    }
    tm__mem_free(path);
    return st;
}

static tm_status compare(tending *t, tm_err *err) {
    const char *key = NULL;
    json_t *unused = NULL;
    const tm_intake_files files = {note_named, t};
    TM_TRY(tm__bucket_list(&t->bucket, t->segments, note_there, t, err));
    TM_TRY(t->st);
    TM_TRY(tm__intake_files(t->home, &files, err));
    tm_status st = TM_OK;
    json_object_foreach(t->there, key, unused) {
        st = st == TM_OK && json_object_get(t->named, key) == NULL ? mark_gone(t, key, err) : st;
    }
    json_object_foreach(t->named, key, unused) {
        st = st == TM_OK && json_object_get(t->there, key) == NULL ? put_missing(t, key, err) : st;
    }
    return st;
}

tm_status tm__away_tend(const tm_home *home, tm_err *err) {
    tending t;
    tm_status st = open_away(&t, home, err);
    if (st == TM_OK && t.segments != NULL) {
        t.named = json_object();
        t.there = json_object();
        st = t.named == NULL || t.there == NULL ? no_memory(err) : drop_all(&t, err);
        st = st == TM_OK ? compare(&t, err) : st;
    }
    done(&t);
    return st;
}
