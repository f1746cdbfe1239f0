/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a bucket, each version of them once.
 *
 *   list by prefix ──> matches the pattern, is data ──> seen before?
 *        never ────────────────────────> cache ──> pieces or tables ──> blocks, the state with them
 *        another ETag or size ─────────> the same, anew (a key drops what is the same), or a fault
 *        half read, the same version ──> the same, behind what is there
 *        the same ─────────────────────> nothing
 *
 * spec   {"s3": "s3://bucket/pattern", "credentials": file, "cache_bytes", "every_s"}
 * state  {"seen": {hash of key: hash of ETag and size}, "reading": {"key", "version", "bytes",
 *        "rows"}}
 *
 * 1. A block and the state of how far its object was read are one transaction: a kill at any time
 *    repeats no row and leaves none out.
 * 2. An object that is faulty holds up no other: they are read first, then it is told. Two in a row
 *    that the server does not give end the run, which is tried again.
 * 3. The list is whole before the first object is read, because its tokens do not last.
 * 4. CSV and lines of JSON go through the reader of pushes, so a bad row is quarantined with its
 *    object and number; other forms are tables of the file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/feed_s3.h"
#include "source/source.h"
#include "store/s3.h"

#define OBJECTS_MAX 20000u /* the state is written with every block */
#define PIECE_BYTES ((size_t)8 << 20)
#define RECORD_BYTES_MAX ((size_t)64 << 20)
#define TABLE_ROWS 100000u
#define KEY_TEXT 17u
#define SCHEME "s3://"

typedef struct entry {
    char *key;
    char *etag;
    uint64_t size_bytes;
} entry;

typedef struct run {
    tm_ctx *ctx;
    const tm_feed_input *in;
    const tm_feed_sink *sink;
    tm_s3 *s3;
    tm_s3_cache cache;
    char *cache_dir;
    char *bucket;
    const char *pattern; /* in spec, behind the bucket */
    char *prefix;        /* of the pattern, without what stands for something else */
    entry *entries;
    uint32_t n, capacity;
    bool has_failed;  /* memory */
    bool sink_failed; /* a failure that is none of the object */
    json_t *state;
    json_t *seen; /* in state */
    /* the object being read: */
    const entry *current;
    char *item;                                      /* "s3://bucket/key" */
    char key_text[KEY_TEXT], version_text[KEY_TEXT]; /* in the state */
    uint64_t bytes, rows;                            /* of it behind the last block */
    /* the first fault: */
    tm_status fault_status;
    tm_err fault;
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

static tm_status s3_check(const json_t *spec, bool has_key, tm_err *err) {
    tm_str bucket;
    const char *pattern = NULL;
    tm_status st = TM_OK;
    (void)has_key;
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

typedef enum form { FORM_NONE, FORM_CSV, FORM_LINES, FORM_TABLE } form;

/* What an object is by the end of its name, packed or not. */
static form form_of(const char *key) {
    static const struct {
        const char *suffix;
        form form;
    } known[] = {{".csv", FORM_CSV},   {".jsonl", FORM_LINES}, {".ndjson", FORM_LINES},
                 {".tsv", FORM_TABLE}, {".json", FORM_TABLE},  {".parquet", FORM_TABLE}};
    tm_str name = tm__str(key);
    name.len -= tm__str_has_suffix(name, ".gz") ? 3 : tm__str_has_suffix(name, ".zst") ? 4 : 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (tm__str_has_suffix(name, known[i].suffix)) {
            return known[i].form;
        }
    }
    return FORM_NONE;
}

static bool take_object(void *arg, const tm_s3_object *object) {
    run *const r = arg;
    if (form_of(object->key) == FORM_NONE || !tm__feed_s3_matches(r->pattern, object->key)) {
        return true;
    }
    if (r->n == r->capacity) {
        const uint32_t capacity = r->capacity == 0 ? 256 : r->capacity * 2;
        entry *const entries = tm__mem_realloc(r->entries, capacity, sizeof(*entries));
        r->entries = entries == NULL ? r->entries : entries;
        r->capacity = entries == NULL ? r->capacity : capacity;
    }
    const entry e = {.key = tm__mem_strdup(object->key),
                     .etag = tm__mem_strdup(object->etag),
                     .size_bytes = object->size_bytes};
    r->has_failed = r->n == r->capacity || e.key == NULL || e.etag == NULL;
    if (r->has_failed) {
        tm__mem_free(e.key);
        tm__mem_free(e.etag);
        return false;
    }
    r->entries[r->n++] = e;
    return r->n <= OBJECTS_MAX;
}

static tm_status list(run *r, tm_err *err) {
    const tm_s3_list what = {.bucket = r->bucket, .prefix = r->prefix, .fn = take_object, .arg = r};
    TM_TRY(tm__s3_list(r->s3, &what, err));
    if (r->has_failed) {
        return no_memory(err);
    }
    tm_status st = TM_OK;
    if (r->n > OBJECTS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "more than %u objects in '%s'", OBJECTS_MAX,
                     tm__json_text(r->in->spec, "s3", ""));
        tm_err_hint(err, "Make several sources, each with a longer prefix.");
    } else if (r->n == 0 && json_is_null(r->in->state) &&
               json_object_get(r->in->spec, "every_s") == NULL) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "no object of data at '%s'",
                     tm__json_text(r->in->spec, "s3", ""));
        tm_err_hint(err, "Objects end in .csv, .tsv, .jsonl, .ndjson, .json or .parquet, and may "
                         "be packed as .gz or .zst; --every waits for them.");
    }
    return st;
}

/* ---- Blocks ---- */

/* 16 digits that stand for some texts. */
static void short_hash(const char *a, const char *b, uint64_t number, char out[KEY_TEXT]) {
    tm_hash hash;
    tm_hasher hasher;
    char text[TM_HASH_TEXT];
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, a, strlen(a) + 1);
    tm__hasher_update(&hasher, b, strlen(b) + 1);
    tm__hasher_update(&hasher, &number, sizeof(number));
    tm__hasher_final(&hasher, &hash);
    tm__hash_to_text(&hash, text);
    (void)tm__str_copy(out, KEY_TEXT, tm__str(text));
}

/* Give a block of the object at hand, with where its reading stands behind it. */
static tm_status give(run *r, tm_feed_block *block, bool is_last, tm_err *err) {
    if (is_last) {
        json_object_set_new(r->seen, r->key_text, json_string(r->version_text));
        json_object_del(r->state, "reading");
    } else {
        json_object_set_new(r->state, "reading",
                            json_pack("{s:s, s:s, s:I, s:I}", "key", r->key_text, "version",
                                      r->version_text, "bytes", (json_int_t)r->bytes, "rows",
                                      (json_int_t)r->rows));
    }
    block->origin = r->item;
    block->state = r->state;
    tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        st = r->sink->take(r->sink->arg, block, err);
    }
    r->sink_failed = st != TM_OK;
    return st;
}

static tm_status give_end(run *r, tm_err *err) {
    char nothing[1] = "";
    tm_feed_block last = {.form = TM_PUSH_LINES, .data = nothing, .first_row = r->rows};
    return give(r, &last, true, err);
}

/* ---- Text ---- */

/* Bytes of an object, unpacked, in pieces of whole records. */
typedef struct tm_splitter {
    tm_input *input;
    bool is_csv;
    tm_buf text;   /* the line of names, then what was read and not given yet */
    size_t n_head; /* bytes of the line of names, with its end */
    bool at_end;
} tm_splitter;

static tm_status fill(tm_splitter *s, size_t piece, tm_err *err) {
    uint8_t *const to = tm__buf_reserve(&s->text, piece);
    size_t n = 0;
    if (to == NULL) {
        return s->text.no_memory
                   ? no_memory(err)
                   : TM_FAIL(err, TM_E_LIMIT, "a row is longer than %zu bytes, or a quote is open",
                             RECORD_BYTES_MAX);
    }
    TM_TRY(tm__input_read(s->input, to, piece, &n, err));
    s->text.len += n;
    s->text.data[s->text.len] = '\0';
    s->at_end = n < piece;
    return TM_OK;
}

/* End of the last whole record from `start` on, and how many there are; 0 when none is whole. Line
 * ends in quotes are none; empty lines are no records. */
static size_t last_end(const tm_splitter *s, size_t start, uint64_t *out_n) {
    const char *const data = (const char *)s->text.data;
    size_t end = 0;
    uint64_t n = 0;
    bool is_quoted = false, has_bytes = false;
    for (size_t i = start; i < s->text.len; i++) {
        if (s->is_csv && data[i] == '"') {
            is_quoted = !is_quoted;
        }
        if (data[i] == '\n' && !is_quoted) {
            n += has_bytes ? 1 : 0;
            has_bytes = false;
            end = i + 1;
            *out_n = n;
        } else {
            has_bytes = has_bytes || (data[i] != '\r' && (s->is_csv || data[i] != ' '));
        }
    }
    if (s->at_end && end < s->text.len) {
        end = s->text.len;
        *out_n = n + (has_bytes ? 1 : 0);
    }
    return end;
}

static tm_status read_head(tm_splitter *s, size_t piece, tm_err *err) {
    uint64_t n = 0;
    const char *end = NULL;
    while (s->is_csv && end == NULL && !s->at_end) {
        TM_TRY(fill(s, piece, err));
        end = memchr(s->text.data, '\n', s->text.len);
    }
    if (!s->is_csv) {
        return TM_OK;
    }
    s->n_head = end == NULL ? s->text.len : (size_t)(end + 1 - (char *)s->text.data);
    (void)n;
    if (end == NULL && s->text.len > 0 && !tm__buf_byte(&s->text, '\n')) {
        return no_memory(err);
    }
    s->n_head = end == NULL ? s->text.len : s->n_head;
    return TM_OK;
}

/* Leave out what was taken before. */
static tm_status skip_bytes(tm_splitter *s, uint64_t bytes, size_t piece, tm_err *err) {
    uint64_t left = bytes;
    while (left > 0) {
        const size_t here = s->text.len - s->n_head;
        const size_t n = here < left ? here : (size_t)left;
        memmove(s->text.data + s->n_head, s->text.data + s->n_head + n, here - n);
        s->text.len -= n;
        left -= n;
        if (left > 0 && s->at_end) {
            return TM_FAIL(err, TM_E_INTEGRITY, "an object has other bytes under the same ETag");
        }
        if (left > 0) {
            TM_TRY(fill(s, piece, err));
        }
    }
    return TM_OK;
}

static tm_status give_pieces(run *r, tm_splitter *s, size_t piece, tm_err *err) {
    for (;;) {
        uint64_t n = 0;
        const size_t end = last_end(s, s->n_head, &n);
        if (end == 0 && !s->at_end) {
            TM_TRY(fill(s, piece, err));
            continue;
        }
        if (end == 0) {
            return give_end(r, err);
        }
        const char behind = (char)s->text.data[end];
        s->text.data[end] = '\0';
        tm_feed_block block = {.form = s->is_csv ? TM_PUSH_CSV : TM_PUSH_LINES,
                               .data = (char *)s->text.data,
                               .len = end,
                               .first_row = r->rows};
        r->bytes += end - s->n_head;
        r->rows += n;
        const bool is_last = s->at_end && end == s->text.len;
        TM_TRY(give(r, &block, is_last, err));
        if (is_last) {
            return TM_OK;
        }
        s->text.data[end] = (uint8_t)behind;
        memmove(s->text.data + s->n_head, s->text.data + end, s->text.len - end);
        s->text.len -= end - s->n_head;
        if (tm__ctx_cancelled(r->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
        }
    }
}

static tm_status read_text(run *r, bool is_csv, const char *path, tm_err *err) {
    tm_splitter s = {.is_csv = is_csv};
    const int64_t asked = tm__json_i64(r->in->spec, "piece_bytes", 0);
    const size_t piece = asked > 0 ? (size_t)asked : PIECE_BYTES;
    tm__buf_init(&s.text, RECORD_BYTES_MAX);
    tm_status st = tm__input_open(path, piece < 65536 ? 65536 : piece, &s.input, err);
    if (st == TM_OK) {
        st = read_head(&s, piece, err);
    }
    if (st == TM_OK) {
        st = skip_bytes(&s, r->bytes, piece, err);
    }
    if (st == TM_OK) {
        st = give_pieces(r, &s, piece, err);
    }
    tm__input_close(s.input);
    tm__buf_done(&s.text);
    return st;
}

/* ---- Tables ---- */

static tm_status give_slice(run *r, tm_table *table, tm_err *err) {
    const uint64_t left = tm__table_rows(table) - r->rows;
    const uint64_t n = left < TABLE_ROWS ? left : TABLE_ROWS;
    uint32_t *const rows = tm__mem_alloc(n, sizeof(*rows));
    tm_table *slice = NULL;
    for (uint64_t i = 0; rows != NULL && i < n; i++) {
        rows[i] = (uint32_t)(r->rows + i);
    }
    tm_status st = rows == NULL ? no_memory(err) : tm__table_take_rows(table, rows, n, &slice, err);
    if (st == TM_OK) {
        tm_feed_block block = {.rows = slice, .first_row = r->rows};
        r->rows += n;
        st = give(r, &block, n == left, err);
    }
    tm__table_unref(slice);
    tm__mem_free(rows);
    return st;
}

static tm_status read_table(run *r, const char *path, tm_err *err) {
    const tm_source_spec spec = {.path = path, .temp_dir = r->in->temp_dir};
    tm_table *table = NULL;
    TM_TRY(tm__source_read(r->ctx, &spec, &table, err));
    tm_status st = TM_OK;
    if (r->rows > tm__table_rows(table)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "an object has other rows under the same ETag");
    } else if (r->rows == tm__table_rows(table)) {
        st = give_end(r, err);
    }
    while (st == TM_OK && r->rows < tm__table_rows(table)) {
        st = give_slice(r, table, err);
    }
    tm__table_unref(table);
    return st;
}

/* ---- One object ---- */

/* What a cached file says of itself is said of the object. */
static tm_status read_object(run *r, tm_err *err) {
    const tm_s3_object object = {.bucket = r->bucket,
                                 .key = r->current->key,
                                 .etag = r->current->etag,
                                 .size_bytes = r->current->size_bytes};
    char *path = NULL;
    if (object.size_bytes == 0) {
        return give_end(r, err);
    }
    TM_TRY(tm__s3_cache_get(r->s3, &r->cache, &object, &path, err));
    const form what = form_of(object.key);
    const tm_status st =
        what == FORM_TABLE ? read_table(r, path, err) : read_text(r, what == FORM_CSV, path, err);
    tm__mem_free(path);
    return st;
}

static tm_status changed_fault(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "an object was written anew after it was read");
    tm_err_hint(err, "Upload new rows under new names; or add the source with --key, then an "
                     "object that changed is read again and what came before is dropped.");
    return st;
}

/* A fault of one object is kept, and the others are read; any other failure ends the run. */
static tm_status keep_fault(run *r, tm_status st, const tm_err *failure, bool is_second,
                            tm_err *err) {
    const bool is_object =
        !r->sink_failed && (st == TM_E_DATA || st == TM_E_LIMIT || st == TM_E_NOT_FOUND ||
                            st == TM_E_INTEGRITY || (st == TM_E_UNAVAILABLE && !is_second));
    if (!is_object) {
        if (err != NULL) {
            *err = *failure;
        }
        return st;
    }
    /* What stops the source is told before what is tried again by itself. */
    if (r->fault_status == TM_OK || r->fault_status == TM_E_UNAVAILABLE) {
        r->fault_status = st;
        r->fault = *failure;
        tm_err_at(&r->fault, r->item, failure->data_row, failure->data_col);
    }
    return TM_OK;
}

static char *make_item(const run *r, const char *key) {
    const size_t len = strlen(SCHEME) + strlen(r->bucket) + 1 + strlen(key);
    tm_buf text;
    tm__buf_init(&text, len);
    (void)tm__buf_printf(&text, SCHEME "%s/%s", r->bucket, key);
    char *const item = text.failed ? NULL : tm__mem_strdup((const char *)text.data);
    tm__buf_done(&text);
    return item;
}

/* Read an object when it is new, changed, or half read. */
static tm_status look_at(run *r, const entry *e, bool was_unavailable, bool *out_unavailable,
                         tm_err *err) {
    tm_err failure = {0};
    tm__mem_free(r->item);
    r->item = make_item(r, e->key);
    if (r->item == NULL) {
        return no_memory(err);
    }
    r->current = e;
    short_hash(e->key, "", 0, r->key_text);
    short_hash(e->etag, "", e->size_bytes, r->version_text);
    const char *const seen = tm__json_text(r->seen, r->key_text, NULL);
    const json_t *const reading = json_object_get(r->state, "reading");
    const bool is_known = strcmp(tm__json_text(reading, "key", ""), r->key_text) == 0;
    const bool is_half =
        is_known && strcmp(tm__json_text(reading, "version", ""), r->version_text) == 0;
    r->bytes = is_half ? (uint64_t)tm__json_i64(reading, "bytes", 0) : 0;
    r->rows = is_half ? (uint64_t)tm__json_i64(reading, "rows", 0) : 0;
    tm_status st = TM_OK;
    if (seen != NULL && strcmp(seen, r->version_text) == 0) {
        return TM_OK;
    }
    if ((seen != NULL || (is_known && !is_half)) && !r->in->has_key) {
        st = changed_fault(&failure);
    } else {
        st = read_object(r, &failure);
    }
    *out_unavailable = st == TM_E_UNAVAILABLE && !r->sink_failed;
    return st == TM_OK ? TM_OK : keep_fault(r, st, &failure, was_unavailable, err);
}

/* What was half read goes on first: there is one at a time. */
static tm_status go_on(run *r, tm_err *err) {
    bool is_unavailable = false;
    char text[KEY_TEXT];
    const char *const key = tm__json_text(json_object_get(r->state, "reading"), "key", NULL);
    for (uint32_t i = 0; key != NULL && i < r->n; i++) {
        short_hash(r->entries[i].key, "", 0, text);
        if (strcmp(text, key) == 0) {
            return look_at(r, &r->entries[i], false, &is_unavailable, err);
        }
    }
    return TM_OK;
}

static tm_status read_all(run *r, tm_err *err) {
    bool is_unavailable = false;
    TM_TRY(go_on(r, err));
    for (uint32_t i = 0; i < r->n; i++) {
        TM_TRY(look_at(r, &r->entries[i], is_unavailable, &is_unavailable, err));
        tm__ctx_progress(r->ctx, "reading", i + 1, r->n, "objects");
        if (tm__ctx_cancelled(r->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
        }
    }
    if (r->fault_status != TM_OK && err != NULL) {
        *err = r->fault;
    }
    return r->fault_status;
}

/* ---- All ---- */

static tm_status open_run(run *r, tm_err *err) {
    tm_str bucket;
    if (!cut_address(r->in->spec, &bucket, &r->pattern)) {
        return s3_check(r->in->spec, r->in->has_key, err);
    }
    const char *const credentials = tm__json_text(r->in->spec, "credentials", "");
    r->bucket = tm__mem_strndup(bucket.ptr, bucket.len);
    r->prefix = tm__mem_strndup(r->pattern, strcspn(r->pattern, "*?["));
    r->cache_dir = tm__fs_join(r->in->home, "cache");
    r->cache = (tm_s3_cache){.dir = r->cache_dir,
                             .size_bytes = (uint64_t)tm__json_i64(r->in->spec, "cache_bytes", 0)};
    r->state = json_is_null(r->in->state) ? json_object() : json_deep_copy(r->in->state);
    r->seen = json_object_get(r->state, "seen");
    if (r->seen == NULL) {
        r->seen = json_object();
        json_object_set_new(r->state, "seen", r->seen);
    }
    tm_status st = r->bucket == NULL || r->prefix == NULL || r->cache_dir == NULL
                       ? no_memory(err)
                       : tm__json_check(err);
    if (st == TM_OK) {
        const tm_s3_options options = {.credentials = credentials};
        st = tm__s3_open(r->ctx, &options, &r->s3, err);
    }
    return st;
}

static void done(run *r) {
    for (uint32_t i = 0; i < r->n; i++) {
        tm__mem_free(r->entries[i].key);
        tm__mem_free(r->entries[i].etag);
    }
    tm__mem_free(r->entries);
    tm__s3_close(r->s3);
    json_decref(r->state);
    tm__mem_free(r->item);
    tm__mem_free(r->bucket);
    tm__mem_free(r->prefix);
    tm__mem_free(r->cache_dir);
}

tm_status tm__feed_s3_check(const json_t *spec, bool has_key, tm_err *err) {
    return s3_check(spec, has_key, err);
}

tm_status tm__feed_s3_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                           tm_err *err) {
    run r = {.ctx = ctx, .in = in, .sink = sink};
    tm_status st = open_run(&r, err);
    if (st == TM_OK) {
        st = list(&r, err);
    }
    if (st == TM_OK) {
        st = read_all(&r, err);
    }
    done(&r);
    return st;
}
