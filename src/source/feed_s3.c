/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a bucket, each version of them once.
 *
 *   list by prefix, a batch at a time ──> matches the pattern, is data ──> as its mark says?
 *        never ─────────────────────────────> cache ──> an item of feed_item.c
 *        another ETag or size ──────────────> the same: what is behind the bytes that were read, or
 *                                             anew (a key drops what is the same), or a fault
 *        half read ─────────────────────────> the same, behind what is there
 *        the same ──────────────────────────> nothing
 *
 * spec   {"s3": "s3://bucket/pattern", "credentials": file, "cache_bytes", "changed", "every_s"}
 * mark   {"etag", "size", and what feed_item.h says} of each object, named s3://bucket/key
 *
 * 1. What is known of objects stands in their marks, in the database: memory holds one batch of the
 *    list, and the next begins behind its last key (start-after). So the keys must rise, which all
 *    servers but those of directory buckets see to.
 * 2. An object that is faulty, refused or gone holds up no other: they are read first, then it is
 *    told. Two in a row that the server does not give, or many that it refuses, end the run.
 * 3. Types come from the objects that the cache holds beside each other, or each would be fetched
 *    twice. An object without bytes has no rows and no mark.
 */
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/feed_item.h"
#include "source/feed_s3.h"
#include "source/source.h"
#include "store/s3.h"
#include "store/vault.h"

#define BATCH 1000u /* objects of a list that are in memory: as many as a server gives at once */
#define REFUSED_MAX 20u                    /* in a row: it is not those objects */
#define LOOK_FILES_MAX 900u                /* the cache has 1000 */
#define LOOK_BYTES_MAX ((uint64_t)4 << 30) /* of a cache whose size nobody said */
#define SCHEME "s3://"

typedef struct entry {
    char *key;
    char etag[TM_S3_ETAG_MAX];
    uint64_t size_bytes;
} entry;

typedef struct run {
    tm_ctx *ctx;
    const tm_feed_input *in;
    tm_items items;
    tm_s3 *s3;
    tm_s3_cache cache;
    char *cache_dir;
    char *bucket;
    const char *pattern;           /* in spec, behind the bucket */
    char *prefix;                  /* of the pattern, without what stands for something else */
    entry *entries;                /* [BATCH] */
    uint32_t n;                    /* of them */
    char after[TM_S3_KEY_MAX + 1]; /* the last key that was listed; empty: none */
    bool is_found, has_failed, is_disordered;
    uint64_t n_looked, n_look_bytes; /* objects at which types were looked for */
    uint64_t n_seen;
    bool was_unavailable; /* the object before */
    uint32_t n_refused;   /* in a row */
} run;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read a bucket");
}

/* ---- What is declared ---- */

/* Behind "s3://": the bucket, and the pattern behind it. */
static bool cut_address(const json_t *spec, tm_str *out_bucket, const char **out_pattern) {
    const char *const text = tm__json_text(spec, "s3", "");
    if (!tm__str_has_prefix(tm__str(text), SCHEME)) {
        return false;
    }
    tm_str rest = tm__str(text + strlen(SCHEME));
    const char *const end = rest.ptr + rest.len;
    *out_bucket = tm__str_cut(&rest, '/');
    *out_pattern = rest.len > 0 ? rest.ptr : end;
    return tm__s3_is_bucket(*out_bucket) && rest.len <= TM_S3_KEY_MAX &&
           tm__str_is_utf8(tm__str(*out_pattern));
}

tm_status tm__feed_s3_check(const json_t *spec, bool has_key, tm_err *err) {
    tm_str bucket;
    const char *pattern = NULL;
    tm_status st = TM_OK;
    (void)has_key;
    TM_TRY(tm__items_check_changed(spec, err));
    if (!cut_address(spec, &bucket, &pattern)) {
        st = TM_FAIL(err, TM_E_USAGE, "'%.200s' is no address of objects",
                     tm__json_text(spec, "s3", ""));
        tm_err_hint(err, "Write s3://BUCKET/PREFIX, as s3://rows/orders/2026-*.csv.");
    } else if (tm__json_text(spec, "credentials", NULL) == NULL) {
        st = TM_FAIL(err, TM_E_USAGE, "a bucket needs a file of credentials");
        tm_err_hint(err, "Name it with --credentials FILE.");
    }
    return st;
}

/* ---- Names ---- */

/* "[a-z]" at *pattern against c; *pattern moves behind it. A bracket that is not closed is itself.
 */
static bool match_set(const char **pattern, char c) {
    const char *p = *pattern + 1;
    const bool is_not = *p == '!' || *p == '^';
    bool found = false;
    p += is_not ? 1 : 0;
    const char *const start = p;
    if (strchr(start + (*start != '\0' ? 1 : 0), ']') == NULL) {
        (*pattern)++;
        return c == '[';
    }
    while (*p != ']' || p == start) {
        const char low = *p++;
        const char high = p[0] == '-' && p[1] != ']' ? p[1] : low;
        p += high == low ? 0 : 2;
        found = found || (c >= low && c <= high);
    }
    *pattern = p + 1;
    return found != is_not && c != '/';
}

/* '*' stands for all but '/', '**' for all, '?' for one that is not '/'. Linear in memory, and at
 * most quadratic in time: each star goes back to the last one only. */
static bool matches(const char *pattern, const char *text) {
    const char *star = NULL, *at = NULL;
    bool is_wide = false;
    const char *wide = NULL, *wide_at = NULL;
    for (;;) {
        const char *p = pattern;
        if (*p == '*') {
            is_wide = p[1] == '*';
            pattern = p + (is_wide ? 2 : 1);
            star = is_wide ? NULL : pattern;
            at = text;
            wide = is_wide ? pattern : wide;
            wide_at = is_wide ? text : wide_at;
            continue;
        }
        bool is_same = *text != '\0' && *p != '\0';
        if (is_same && *p == '[') {
            is_same = match_set(&p, *text);
        } else if (is_same) {
            is_same = *p == *text || (*p == '?' && *text != '/');
            p++;
        }
        if (is_same) {
            pattern = p;
            text++;
        } else if (*p == '\0' && *text == '\0') {
            return true;
        } else if (star != NULL && *at != '\0' && *at != '/') {
            pattern = star;
            text = ++at;
        } else if (wide != NULL && *wide_at != '\0') {
            pattern = wide;
            text = ++wide_at;
            star = NULL;
        } else {
            return false;
        }
    }
}

bool tm__feed_s3_matches(const char *pattern, const char *key) {
    const size_t n_plain = strcspn(pattern, "*?[");
    /* Without a star it is a prefix, as s3:// addresses are. */
    return pattern[n_plain] == '\0' ? strncmp(pattern, key, n_plain) == 0 : matches(pattern, key);
}

/* ---- The list ---- */

static void reset(run *r) {
    for (uint32_t i = 0; i < r->n; i++) {
        tm__mem_free(r->entries[i].key);
    }
    r->n = 0;
}

static bool add_entry(run *r, const tm_s3_object *object) {
    entry *const e = &r->entries[r->n];
    *e = (entry){.key = tm__mem_strdup(object->key), .size_bytes = object->size_bytes};
    (void)tm__str_copy(e->etag, sizeof(e->etag), tm__str(object->etag));
    r->has_failed = e->key == NULL;
    r->n += r->has_failed ? 0 : 1;
    return !r->has_failed && r->n < BATCH;
}

static bool take_object(void *arg, const tm_s3_object *object) {
    run *const r = arg;
    r->is_disordered = strcmp(object->key, r->after) <= 0;
    if (r->is_disordered) {
        return false;
    }
    (void)tm__str_copy(r->after, sizeof(r->after), tm__str(object->key));
    if (tm__source_kind(object->key) == TM_FILE_OTHER ||
        !tm__feed_s3_matches(r->pattern, object->key)) {
        return true;
    }
    r->is_found = true;
    return object->size_bytes == 0 || add_entry(r, object);
}

static tm_status list_batch(run *r, tm_err *err) {
    const tm_s3_list what = {.bucket = r->bucket,
                             .prefix = r->prefix,
                             .after = r->after[0] == '\0' ? NULL : r->after,
                             .fn = take_object,
                             .arg = r};
    reset(r);
    TM_TRY(tm__s3_list(r->s3, &what, err));
    if (r->has_failed) {
        return no_memory(err);
    }
    if (r->is_disordered) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "the list of bucket '%s' is in no order", r->bucket);
        tm_err_hint(err, "Objects are read in the order of their keys, which directory buckets do "
                         "not keep: use a bucket of another kind.");
        return st;
    }
    return TM_OK;
}

/* All objects, a batch of the list at a time; *out_stop ends it. */
static tm_status walk(run *r, tm_status (*fn)(run *r, const entry *e, bool *out_stop, tm_err *err),
                      tm_err *err) {
    bool is_done = false;
    r->after[0] = '\0';
    while (!is_done) {
        TM_TRY(list_batch(r, err));
        is_done = r->n < BATCH;
        for (uint32_t i = 0; i < r->n; i++) {
            bool stops = false;
            TM_TRY(fn(r, &r->entries[i], &stops, err));
            if (tm__ctx_cancelled(r->ctx)) {
                return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
            }
            if (stops) {
                return TM_OK;
            }
        }
    }
    return TM_OK;
}

/* ---- Types ---- */

static tm_status fetch(run *r, const entry *e, char **out_path, tm_err *err) {
    const tm_s3_object object = {
        .bucket = r->bucket, .key = e->key, .etag = e->etag, .size_bytes = e->size_bytes};
    return tm__s3_cache_get(r->s3, &r->cache, &object, out_path, err);
}

/* What is wrong with an object is told when it is read. */
static tm_status look(run *r, const entry *e, bool *out_stop, tm_err *err) {
    const uint64_t bytes_max = r->cache.size_bytes == 0 ? LOOK_BYTES_MAX : r->cache.size_bytes;
    const tm_file_kind kind = tm__source_kind(e->key);
    tm_err failure = {0};
    char *path = NULL;
    if (kind == TM_FILE_JSON || kind == TM_FILE_PARQUET) {
        return TM_OK;
    }
    r->n_looked++;
    r->n_look_bytes += e->size_bytes;
    *out_stop = r->n_looked > LOOK_FILES_MAX || r->n_look_bytes > bytes_max;
    if (*out_stop) {
        return TM_OK;
    }
    tm_status st = fetch(r, e, &path, &failure);
    if (st == TM_OK) {
        st = tm__items_look(&r->items, path, &failure);
    }
    tm__mem_free(path);
    if (st != TM_E_NOMEM && st != TM_E_CANCELLED && st != TM_E_UNAVAILABLE) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = failure;
    }
    return st;
}

static tm_status look_at_types(run *r, tm_err *err) {
    const char *const address = tm__json_text(r->in->spec, "s3", "");
    TM_TRY(walk(r, look, err));
    if (r->is_found) {
        return tm__items_settle(&r->items, address, err);
    }
    if (!json_is_null(r->in->state) || json_object_get(r->in->spec, "every_s") != NULL) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "no object of data at '%s'", address);
    tm_err_hint(err, "Objects end in .csv, .tsv, .jsonl, .ndjson, .json or .parquet, and may be "
                     "packed as .gz or .zst; --every waits for them.");
    return st;
}

/* ---- One object ---- */

static tm_status gone(const run *r, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_UNAVAILABLE, "an object of bucket '%s' was removed before it was read",
                r->bucket);
    tm_err_hint(err, "It was listed and nothing of it was taken; the next reading goes on without "
                     "it.");
    return st;
}

static tm_status read_fetched(run *r, const entry *e, const char *path, const char *name,
                              const json_t *mark, tm_err *err) {
    const bool again =
        r->in->has_key || strcmp(tm__json_text(r->in->spec, "changed", "stop"), "again") == 0;
    json_t *const version =
        json_pack("{s:s, s:I}", "etag", e->etag, "size", (json_int_t)e->size_bytes);
    const tm_item item = {.path = path, .name = name, .shown = name, .version = version};
    tm_status st = version == NULL
                       ? no_memory(err)
                       : tm__items_read(&r->items, &item, mark, again,
                                        "Upload new rows under new names; or add the source with "
                                        "--key or --changed again, then it is read again.",
                                        err);
    json_decref(version);
    if (st != TM_OK && !r->items.sink_failed && tm__fs_info(path).kind == TM_PATH_NONE) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "an object made room in the cache while it was read");
        tm_err_hint(err, "Other sources read, too: give the cache more with --cache SIZE.");
    }
    return st;
}

/* In a home that is sealed nothing rests in clear; an object that was read is not asked for again.
 * What cannot be removed now makes room later. */
static void leave(const char *path) {
    bool is_sealed = false;
    if (tm__vault_has(path, &is_sealed, NULL) == TM_OK && is_sealed) {
        const tm_status st = tm__fs_remove(path, NULL);
        (void)st;
    }
}

static tm_status read_object(run *r, const entry *e, const char *name, const json_t *mark,
                             tm_err *err) {
    char *path = NULL;
    tm_status st = fetch(r, e, &path, err);
    if (st == TM_OK) {
        st = read_fetched(r, e, path, name, mark, err);
    } else if (st == TM_E_NOT_FOUND) {
        st = gone(r, err);
    }
    if (path != NULL) {
        leave(path);
    }
    tm__mem_free(path);
    return st;
}

/* A fault of one object is kept, and the others are read; any other failure ends the run. */
static tm_status keep_fault(run *r, tm_status st, tm_err *failure, const char *name, tm_err *err) {
    const bool is_unavailable = st == TM_E_UNAVAILABLE && !r->items.sink_failed;
    const bool is_second = is_unavailable && r->was_unavailable;
    r->was_unavailable = is_unavailable;
    r->n_refused += st == TM_E_NOT_ALLOWED ? 1 : 0;
    const bool is_object =
        st == TM_E_DATA || (!r->items.sink_failed && !is_second &&
                            (is_unavailable || st == TM_E_LIMIT || st == TM_E_INTEGRITY ||
                             (st == TM_E_NOT_ALLOWED && r->n_refused < REFUSED_MAX)));
    if (!r->items.sink_failed) {
        tm_err_at(failure, name, failure->data_row, failure->data_col);
    }
    if (is_object) {
        tm__items_keep_fault(&r->items, st, failure, name);
        return TM_OK;
    }
    if (err != NULL) {
        *err = *failure;
    }
    return st;
}

static char *make_name(const run *r, const char *key) {
    const size_t len = strlen(SCHEME) + strlen(r->bucket) + 1 + strlen(key);
    tm_buf text;
    tm__buf_init(&text, len);
    (void)tm__buf_printf(&text, SCHEME "%s/%s", r->bucket, key);
    char *const name = text.failed ? NULL : tm__mem_strdup((const char *)text.data);
    tm__buf_done(&text);
    return name;
}

/* Read an object when it is new, changed, or half read. */
static tm_status look_at(run *r, const entry *e, bool *out_stop, tm_err *err) {
    tm_err failure = {0};
    json_t *mark = NULL;
    char *const name = make_name(r, e->key);
    tm_status st = name == NULL ? no_memory(err) : r->in->find_mark(r->in->arg, name, &mark, err);
    (void)out_stop;
    const bool is_same = st == TM_OK && json_is_object(mark) &&
                         json_object_get(mark, "partial") == NULL &&
                         strcmp(tm__json_text(mark, "etag", ""), e->etag) == 0 &&
                         tm__json_i64(mark, "size", -1) == (int64_t)e->size_bytes;
    if (st == TM_OK && !is_same) {
        st = read_object(r, e, name, mark, &failure);
        if (st != TM_OK) {
            st = keep_fault(r, st, &failure, name, err);
        } else {
            r->was_unavailable = false;
            r->n_refused = 0;
        }
    }
    json_decref(mark);
    tm__mem_free(name);
    tm__ctx_progress(r->ctx, "reading", ++r->n_seen, 0, "objects");
    return st;
}

/* ---- All ---- */

/* What was half read goes on first: there is one at a time. */
static tm_status go_on(run *r, tm_err *err) {
    const char *const name = tm__json_text(r->items.state, "reading", NULL);
    const size_t n_skip = strlen(SCHEME) + strlen(r->bucket) + 1;
    bool stops = false;
    if (name == NULL) {
        return TM_OK;
    }
    const char *const key = strlen(name) > n_skip ? name + n_skip : "";
    const tm_s3_list what = {.bucket = r->bucket, .prefix = key, .fn = take_object, .arg = r};
    reset(r);
    r->after[0] = '\0';
    TM_TRY(tm__s3_list(r->s3, &what, err));
    if (r->has_failed) {
        return no_memory(err);
    }
    if (r->n == 0 || strcmp(r->entries[0].key, key) != 0) {
        return tm__items_vanished(&r->items, name, err);
    }
    return look_at(r, &r->entries[0], &stops, err);
}

static tm_status open_run(run *r, tm_err *err) {
    tm_str bucket;
    if (!cut_address(r->in->spec, &bucket, &r->pattern)) {
        return tm__feed_s3_check(r->in->spec, r->in->has_key, err);
    }
    const tm_s3_options options = {.credentials = tm__json_text(r->in->spec, "credentials", "")};
    r->bucket = tm__mem_strndup(bucket.ptr, bucket.len);
    r->prefix = tm__mem_strndup(r->pattern, strcspn(r->pattern, "*?["));
    r->cache_dir = tm__fs_join(r->in->home, "cache");
    r->entries = tm__mem_alloc(BATCH, sizeof(*r->entries));
    r->cache = (tm_s3_cache){.dir = r->cache_dir,
                             .size_bytes = (uint64_t)tm__json_i64(r->in->spec, "cache_bytes", 0)};
    if (r->bucket == NULL || r->prefix == NULL || r->cache_dir == NULL || r->entries == NULL) {
        return no_memory(err);
    }
    return tm__s3_open(r->ctx, &options, &r->s3, err);
}

static void done(run *r) {
    reset(r);
    tm__mem_free(r->entries);
    tm__s3_close(r->s3);
    tm__items_done(&r->items);
    tm__mem_free(r->bucket);
    tm__mem_free(r->prefix);
    tm__mem_free(r->cache_dir);
}

tm_status tm__feed_s3_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                           tm_err *err) {
    run r = {.ctx = ctx, .in = in};
    tm_status st = tm__items_init(&r.items, ctx, in, sink, err);
    if (st == TM_OK) {
        st = open_run(&r, err);
    }
    if (st == TM_OK && !tm__items_have_types(&r.items)) {
        st = look_at_types(&r, err);
    }
    if (st == TM_OK) {
        st = go_on(&r, err);
    }
    if (st == TM_OK) {
        st = walk(&r, look_at, err);
    }
    if (st == TM_OK) {
        st = tm__items_fault(&r.items, err);
    }
    done(&r);
    return st;
}
