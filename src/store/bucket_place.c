/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   HOME/bundles/NAME           PREFIX/bundles/NAME
 *   HOME/snapshots/NAME         PREFIX/snapshots/NAME
 *   HOME/segments/SOURCE/NAME   PREFIX/segments/SEGMENTS/SOURCE/NAME
 *
 * Model files and snapshots are those of the tables that all replicas share. Sources are a home's
 * own, so its segments lie in a folder of their own, PREFIX/segments/SEGMENTS. Whose it is says the
 * object PREFIX/segments/SEGMENTS.owner, which has the same bytes as HOME/bucket.owner: who has
 * others may read there and changes nothing.
 */
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/bucket_priv.h"

#define PLACE_BYTES_MAX ((size_t)64 << 10)
#define CACHE_BYTES ((uint64_t)10 << 30)
#define OWNER_BYTES 33u /* 32 digits and the end of a line */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- bucket.json ---- */

static tm_status bad_place(const char *file, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "'%s' does not say where the bucket is", file);
    tm_err_hint(err,
                "It reads {\"url\": \"s3://BUCKET/PREFIX\", \"credentials\": \"/absolute/s3.ini\", "
                "\"cache\": \"10G\", \"segments\": \"NAME\"}.");
    tm_err_at(err, file, 0, 0);
    return TM_E_DATA;
}

static bool is_name(const char *text) {
    const size_t n = strlen(text);
    return n > 0 && n <= 64 && text[0] != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* What a later release may say there means something that this one would not do. */
static tm_status check_words(const char *file, const json_t *place, tm_err *err) {
    static const char *const known[] = {"url", "credentials", "cache", "segments"};
    const char *word = NULL;
    const json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)place, word, value) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            is_known = is_known || strcmp(word, known[i]) == 0;
        }
        if (!is_known) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                          "'%s' says '%.64s', which this release does not know", file, word);
            tm_err_hint(err, "Mend the word, or use the release that wrote it.");
            tm_err_at(err, file, 0, 0);
            return TM_E_UNSUPPORTED;
        }
    }
    return TM_OK;
}

static tm_status read_place(tm_bucket_client *c, const char *file, const json_t *place,
                            tm_err *err) {
    TM_TRY(check_words(file, place, err));
    const char *const credentials = tm__json_text(place, "credentials", "");
    const char *const cache = tm__json_text(place, "cache", NULL);
    const json_t *const segments = json_object_get(place, "segments");
    tm_str rest = tm__str(tm__json_text(place, "url", ""));
    if (!tm__str_has_prefix(rest, "s3://") || credentials[0] != '/' ||
        (segments != NULL &&
         (!json_is_string(segments) || !is_name(json_string_value(segments))))) {
        return bad_place(file, err);
    }
    rest = (tm_str){rest.ptr + 5, rest.len - 5};
    const tm_str bucket = tm__str_cut(&rest, '/');
    c->cache_bytes = CACHE_BYTES;
    if (!tm__s3_is_bucket(bucket) || !tm__str_copy(c->bucket, sizeof(c->bucket), bucket) ||
        (cache != NULL && !tm__str_to_bytes(tm__str(cache), &c->cache_bytes))) {
        return bad_place(file, err);
    }
    (void)tm__str_copy(c->segments, sizeof(c->segments),
                       tm__str(segments == NULL ? "" : json_string_value(segments)));
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    tm__buf_printf(&c->prefix, "%.*s%s", (int)rest.len, rest.ptr, rest.len > 0 ? "/" : "");
    c->credentials = tm__mem_strdup(credentials);
    return c->prefix.failed || c->credentials == NULL ? no_memory(err) : TM_OK;
}

static tm_status read_file(tm_bucket_client *c, tm_err *err) {
    tm_buf text;
    json_t *place = NULL;
    char *const file = tm__fs_join(c->home, TM_HOME_BUCKET);
    if (file == NULL) {
        return no_memory(err);
    }
    tm__buf_init(&text, PLACE_BYTES_MAX);
    tm_status st = tm__fs_read_all(file, &text, err);
    if (st == TM_OK) {
        st = tm__json_parse(text.data, text.len, 8, &place, NULL);
        st = st == TM_OK || st == TM_E_NOMEM ? st : bad_place(file, err);
    }
    st = st == TM_OK ? read_place(c, file, place, err) : st;
    json_decref(place);
    tm__buf_done(&text);
    tm__mem_free(file);
    return st;
}

bool tm__bucket_is_used(const char *home) {
    char *const file = tm__fs_join(home, TM_HOME_BUCKET);
    const bool is_used = file != NULL && tm__fs_info(file).kind == TM_PATH_FILE;
    tm__mem_free(file);
    return is_used;
}

/* ---- The client ---- */

static void client_free(tm_bucket_client *c) {
    if (c != NULL) {
        tm__s3_close(c->s3);
        json_decref(c->names);
        tm__buf_done(&c->names_of);
        tm__buf_done(&c->prefix);
        tm__mem_free(c->credentials);
        tm__mem_free(c->home);
        tm__mem_free(c);
    }
}

void tm__bucket_done(tm_bucket *bucket) {
    client_free(bucket->client);
    bucket->client = NULL;
}

/* home is taken. */
static tm_status client_create(char *home, tm_bucket_client **out, tm_err *err) {
    tm_bucket_client *const c = tm__mem_zalloc(1, sizeof(*c));
    if (c == NULL) {
        tm__mem_free(home);
        return no_memory(err);
    }
    c->home = home;
    tm__buf_init(&c->prefix, TM_S3_KEY_MAX);
    tm__buf_init(&c->names_of, TM_S3_KEY_MAX);
    const tm_status st = read_file(c, err);
    if (st != TM_OK) {
        client_free(c);
        return st;
    }
    *out = c;
    return TM_OK;
}

tm_status tm__bucket_connect(tm_bucket_client *c, tm_err *err) {
    const tm_s3_options options = {.credentials = c->credentials};
    return c->s3 != NULL ? TM_OK : tm__s3_open(NULL, &options, &c->s3, err);
}

/* ---- Paths ---- */

/* path without its last n parts, which follow in *out_rest; *out NULL when it has no more than
 * these. */
static tm_status cut_path(const char *path, uint32_t n, char **out, const char **out_rest,
                          tm_err *err) {
    const char *at = path + strlen(path);
    *out = NULL;
    for (uint32_t i = 0; at != NULL && i < n; i++) {
        do {
            at = at > path ? at - 1 : NULL;
        } while (at != NULL && *at != '/');
    }
    if (at == NULL || at == path) {
        return TM_OK;
    }
    *out_rest = at + 1;
    *out = tm__mem_strndup(path, (size_t)(at - path));
    return *out == NULL ? no_memory(err) : TM_OK;
}

/* The home of a path that has a bucket; *out NULL: none. */
static tm_status find_home(const char *path, char **out, const char **out_rest, tm_err *err) {
    TM_TRY(cut_path(path, 3, out, out_rest, err));
    if (*out != NULL &&
        (!tm__str_has_prefix(tm__str(*out_rest), "segments/") || !tm__bucket_is_used(*out))) {
        tm__mem_free(*out);
        *out = NULL;
    }
    if (*out == NULL) {
        TM_TRY(cut_path(path, 2, out, out_rest, err));
    }
    if (*out != NULL && !tm__bucket_is_used(*out)) {
        tm__mem_free(*out);
        *out = NULL;
    }
    return TM_OK;
}

tm_status tm__bucket_is_near(const char *path, bool *out, tm_err *err) {
    char *home = NULL;
    const char *rest = "";
    TM_TRY(find_home(path, &home, &rest, err));
    *out = home != NULL;
    tm__mem_free(home);
    return TM_OK;
}

tm_status tm__bucket_place(tm_bucket *bucket, const char *path, tm_bucket_placed *out,
                           tm_err *err) {
    char *home = NULL;
    const char *rest = "";
    *out = (tm_bucket_placed){0};
    tm__buf_init(&out->key, TM_S3_KEY_MAX);
    TM_TRY(find_home(path, &home, &rest, err));
    if (home == NULL) {
        return TM_OK;
    }
    if (bucket->client != NULL && strcmp(bucket->client->home, home) == 0) {
        tm__mem_free(home);
    } else {
        tm__bucket_done(bucket);
        TM_TRY(client_create(home, &bucket->client, err));
    }
    tm_bucket_client *const c = bucket->client;
    out->is_segment = tm__str_has_prefix(tm__str(rest), "segments/");
    if (out->is_segment && c->segments[0] == '\0') {
        return TM_OK;
    }
    out->client = c;
    (void)tm__buf_append(&out->key, c->prefix.data, c->prefix.len);
    if (out->is_segment) {
        (void)tm__buf_printf(&out->key, "segments/%s/%s", c->segments, rest + strlen("segments/"));
    } else {
        (void)tm__buf_text(&out->key, rest);
    }
    return out->key.failed ? no_memory(err) : TM_OK;
}

void tm__bucket_placed_done(tm_bucket_placed *placed) {
    tm__buf_done(&placed->key);
}

/* ---- Whose segments they are ---- */

/* The home's own word, made when it has none. */
static tm_status own_word(const char *file, tm_buf *out, tm_err *err) {
    tm_hash number = {0};
    char text[TM_HASH_TEXT];
    if (tm__fs_info(file).kind == TM_PATH_FILE) {
        return tm__fs_read_all(file, out, err);
    }
    tm__random_bytes(number.bytes, sizeof(number.bytes));
    tm__hash_to_text(&number, text);
    (void)tm__buf_printf(out, "%.32s\n", text);
    return out->failed ? no_memory(err) : tm__fs_publish(file, out->data, out->len, err);
}

static tm_status other_owner(const tm_bucket_client *c, tm_err *err) {
    (void)TM_FAIL(err, TM_E_CONFLICT, "the segments '%s' in bucket '%s' are those of another home",
                  c->segments, c->bucket);
    tm_err_hint(err,
                "Write a name of its own as \"segments\" into " TM_HOME_BUCKET " of each home.");
    return TM_E_CONFLICT;
}

static tm_status read_owner(tm_bucket_client *c, const char *key, tm_s3_answer *answer,
                            tm_err *err) {
    const tm_s3_request request = {.bucket = c->bucket, .key = key, .len = OWNER_BYTES};
    return tm__s3_ask(c->s3, &request, answer, err);
}

static tm_status claim(tm_bucket_client *c, const char *file, const char *key, tm_s3_answer *answer,
                       tm_err *err) {
    tm_buf word;
    tm_err why = {0};
    const tm_s3_place place = {c->bucket, key};
    tm__buf_init(&word, OWNER_BYTES);
    tm_status st = own_word(file, &word, err);
    if (st == TM_OK) {
        st = read_owner(c, key, answer, &why);
        if (st == TM_E_NOT_FOUND) { /* of two that come together one finds the other's */
            st = tm__s3_put(c->s3, &place, file, err);
            st = st == TM_OK ? read_owner(c, key, answer, err) : st;
        } else if (st != TM_OK && err != NULL) {
            *err = why;
        }
    }
    if (st == TM_OK &&
        (answer->body.len != word.len || memcmp(answer->body.data, word.data, word.len) != 0)) {
        st = other_owner(c, err);
    }
    tm__buf_done(&word);
    return st;
}

tm_status tm__bucket_claim(tm_bucket_client *c, tm_err *err) {
    if (c->is_owner) {
        return TM_OK;
    }
    tm_buf key;
    tm_s3_answer answer;
    TM_TRY(tm__bucket_connect(c, err));
    char *const file = tm__fs_join(c->home, TM_HOME_BUCKET_OWNER);
    tm__buf_init(&key, TM_S3_KEY_MAX);
    tm__s3_answer_init(&answer, OWNER_BYTES);
    (void)tm__buf_append(&key, c->prefix.data, c->prefix.len);
    const bool is_made = tm__buf_printf(&key, "segments/%s.owner", c->segments);
    const tm_status st = file == NULL || !is_made
                             ? no_memory(err)
                             : claim(c, file, (const char *)key.data, &answer, err);
    c->is_owner = st == TM_OK;
    tm__s3_answer_done(&answer);
    tm__buf_done(&key);
    tm__mem_free(file);
    return st;
}
