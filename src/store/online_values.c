/* SPDX-License-Identifier: Apache-2.0 */
/* Values and records of the online store: their keys and bytes, and the transactions. */
#include <string.h>

#include "base/le.h"
#include "base/mem.h"
#include "store/online_seal.h"

#define HEAD 8u /* check sum, length of the key that stands before the bytes */
#define RECORD_MAX 4096u
#define DROP_MAX 20000u
#define READERS_EVERY 64u /* transactions between looks for readers that died */

/* Where values are read, and opened when they are sealed. */
typedef struct place {
    const tm_online *online;
    MDB_txn *txn;
    tm_buf *buf;
} place;

static void put_view(uint8_t *to, uint32_t view) {
    to[0] = 'V';
    for (uint32_t i = 0; i < 4; i++) {
        to[1 + i] = (uint8_t)(view >> (24 - 8 * i));
    }
}

static uint32_t load_view(const uint8_t *from) {
    return (uint32_t)from[1] << 24 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 8 | from[4];
}

static void make_key(const tm_online *online, uint32_t view, tm_str key, online_key *out) {
    put_view(out->bytes, view);
    if (online->values.n > 0) {
        tm__online_seal_key(online, key, out);
        return;
    }
    out->is_hashed = key.len > ONLINE_KEY_SHORT;
    out->bytes[5] = out->is_hashed;
    if (out->is_hashed) {
        tm_hash hash;
        tm__hash_bytes(key.ptr, key.len, &hash);
        memcpy(out->bytes + ONLINE_KEY_HEAD, hash.bytes, TM_HASH_BYTES);
    } else if (key.len > 0) {
        memcpy(out->bytes + ONLINE_KEY_HEAD, key.ptr, key.len);
    }
    out->len = ONLINE_KEY_HEAD + (out->is_hashed ? TM_HASH_BYTES : key.len);
}

static void make_record_key(const tm_hash *mark, online_key *out) {
    out->bytes[0] = 'R';
    memcpy(out->bytes + 1, mark->bytes, TM_HASH_BYTES);
    out->len = 1 + TM_HASH_BYTES;
    out->is_hashed = false;
}

static tm_status damaged(tm_err *err) {
    return tm__online_fail(MDB_CORRUPTED, "value", err);
}

/* The bytes of a value that was found under a key, after its check. */
static tm_status open_value(const online_key *key, const MDB_val *value, tm_str whole, tm_str *out,
                            tm_err *err) {
    const uint8_t *const data = value->mv_data;
    if (value->mv_size < HEAD) {
        return damaged(err);
    }
    const uint32_t sum = tm__crc32c(0, key->bytes, key->len);
    const size_t n_key = tm__le_u32(data + 4);
    if (tm__le_u32(data) != tm__crc32c(sum, data + 4, value->mv_size - 4) ||
        n_key > value->mv_size - HEAD || (n_key > 0) != key->is_hashed) {
        return damaged(err);
    }
    if (key->is_hashed && whole.ptr != NULL &&
        (n_key != whole.len || memcmp(data + HEAD, whole.ptr, n_key) != 0)) {
        return TM_E_NOT_FOUND; /* two keys of one hash; nobody knows such */
    }
    *out = (tm_str){(const char *)data + HEAD + n_key, value->mv_size - HEAD - n_key};
    return TM_OK;
}

static bool is_sealed(const online_key *key) {
    return key->bytes[0] == 'V' && key->bytes[ONLINE_KEY_HEAD - 1] == ONLINE_KEY_SEALED;
}

static tm_status get(const place *p, const online_key *key, tm_str whole, tm_str *out,
                     tm_err *err) {
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes}, value;
    const int code = mdb_get(p->txn, p->online->dbi, &k, &value);
    if (code != 0) {
        return tm__online_fail(code, "read", err);
    }
    if (!is_sealed(key)) {
        return open_value(key, &value, whole, out, err);
    }
    tm_str other;
    TM_TRY(tm__online_unseal_value(p->online, key, &value, p->buf, &other, out, err));
    return tm__str_eq(other, whole) ? TM_OK : TM_E_NOT_FOUND;
}

static tm_status put_sealed(tm_online *online, const online_key *key, tm_str whole, tm_str bytes,
                            tm_err *err) {
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes};
    MDB_val value = {tm__online_seal_size(whole, bytes), NULL};
    const int code = mdb_put(online->txn, online->dbi, &k, &value, MDB_RESERVE);
    return code == 0 ? tm__online_seal_value(online, key, whole, bytes, value.mv_data, err)
                     : tm__online_fail(code, "write", err);
}

static tm_status put(tm_online *online, const online_key *key, tm_str whole, tm_str bytes,
                     tm_err *err) {
    const uint32_t n_key = key->is_hashed ? (uint32_t)whole.len : 0;
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes};
    MDB_val value = {HEAD + n_key + bytes.len, NULL};
    const int code = mdb_put(online->txn, online->dbi, &k, &value, MDB_RESERVE);
    if (code != 0) {
        return tm__online_fail(code, "write", err);
    }
    uint8_t *const to = value.mv_data;
    memcpy(to + 4, &n_key, sizeof(n_key));
    if (n_key > 0) {
        memcpy(to + HEAD, whole.ptr, n_key);
    }
    if (bytes.len > 0) {
        memcpy(to + HEAD + n_key, bytes.ptr, bytes.len);
    }
    const uint32_t sum = tm__crc32c(tm__crc32c(0, key->bytes, key->len), to + 4, value.mv_size - 4);
    memcpy(to, &sum, sizeof(sum));
    return TM_OK;
}

/* ---- Records of views ---- */

static void write_record(const tm_online_view *v, tm_buf *out) {
    (void)tm__buf_u32(out, v->id);
    (void)tm__buf_i64(out, v->source_us);
    (void)tm__buf_u64(out, v->next);
    (void)tm__buf_u64(out, v->n_events);
    (void)tm__buf_u64(out, v->n_entities);
    (void)tm__buf_u64(out, v->n_missed);
    (void)tm__buf_i64(out, v->newest_us);
    (void)tm__buf_i64(out, v->checked_us);
    (void)tm__buf_i64(out, v->built_us);
    (void)tm__buf_u32(out, v->n_keys);
    (void)tm__buf_append(out, v->key_types, TM_ONLINE_KEY_COLS);
    (void)tm__buf_str(out, tm__str(v->source));
    (void)tm__buf_str(out, tm__str(v->problem));
}

static tm_status read_record(const tm_hash *mark, tm_str bytes, tm_online_view *out, tm_err *err) {
    tm_online_view v = {.mark = *mark};
    tm_reader in;
    tm__reader_init(&in, bytes.ptr, bytes.len);
    v.id = tm__reader_u32(&in);
    v.source_us = tm__reader_i64(&in);
    v.next = tm__reader_u64(&in);
    v.n_events = tm__reader_u64(&in);
    v.n_entities = tm__reader_u64(&in);
    v.n_missed = tm__reader_u64(&in);
    v.newest_us = tm__reader_i64(&in);
    v.checked_us = tm__reader_i64(&in);
    v.built_us = tm__reader_i64(&in);
    v.n_keys = tm__reader_u32(&in);
    const void *const types = tm__reader_view(&in, TM_ONLINE_KEY_COLS, 1);
    const tm_str source = tm__reader_str(&in), problem = tm__reader_str(&in);
    if (!tm__reader_is_done(&in) || types == NULL || v.n_keys > TM_ONLINE_KEY_COLS || v.id == 0 ||
        !tm__str_copy(v.source, sizeof(v.source), source) ||
        !tm__str_copy(v.problem, sizeof(v.problem), problem)) {
        return damaged(err);
    }
    memcpy(v.key_types, types, TM_ONLINE_KEY_COLS);
    *out = v;
    return TM_OK;
}

tm_status tm__online_find_view(tm_online_reader *reader, const tm_hash *mark, tm_online_view *out,
                               tm_err *err) {
    online_key key;
    tm_str bytes = {0};
    const place p = {reader->online, reader->txn, &reader->buf};
    make_record_key(mark, &key);
    TM_TRY(get(&p, &key, (tm_str){0}, &bytes, err));
    return read_record(mark, bytes, out, err);
}

typedef struct walk { /* of records */
    bool (*fn)(void *arg, const tm_online_view *view);
    void *arg;
} walk;

static tm_status walk_views(MDB_cursor *cursor, const walk *w, tm_err *err) {
    char first[] = "R";
    MDB_val key = {1, first}, value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && key.mv_size > 0 && *(const char *)key.mv_data == 'R') {
        online_key stored;
        tm_online_view view;
        tm_hash mark;
        tm_str bytes = {0};
        if (key.mv_size != 1 + TM_HASH_BYTES) {
            return damaged(err);
        }
        memcpy(mark.bytes, (const uint8_t *)key.mv_data + 1, TM_HASH_BYTES);
        make_record_key(&mark, &stored);
        TM_TRY(open_value(&stored, &value, (tm_str){0}, &bytes, err));
        TM_TRY(read_record(&mark, bytes, &view, err));
        if (!w->fn(w->arg, &view)) {
            return TM_OK;
        }
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return code == 0 || code == MDB_NOTFOUND ? TM_OK : tm__online_fail(code, "read", err);
}

static tm_status views_of(MDB_txn *txn, MDB_dbi dbi, const walk *w, tm_err *err) {
    MDB_cursor *cursor = NULL;
    const int code = mdb_cursor_open(txn, dbi, &cursor);
    if (code != 0) {
        return tm__online_fail(code, "read", err);
    }
    const tm_status st = walk_views(cursor, w, err);
    mdb_cursor_close(cursor);
    return st;
}

tm_status tm__online_views(tm_online_reader *reader,
                           bool (*fn)(void *arg, const tm_online_view *view), void *arg,
                           tm_err *err) {
    const walk w = {.fn = fn, .arg = arg};
    return views_of(reader->txn, reader->online->dbi, &w, err);
}

static bool note_id(void *arg, const tm_online_view *view) {
    uint32_t *const last = arg;
    *last = view->id > *last ? view->id : *last;
    return true;
}

tm_status tm__online_put_view(tm_online *online, tm_online_view *view, tm_err *err) {
    online_key key;
    tm_buf bytes;
    uint32_t id = view->id;
    if (id == 0) {
        const walk w = {.fn = note_id, .arg = &id};
        TM_TRY(views_of(online->txn, online->dbi, &w, err));
        id++;
    }
    tm_online_view v = *view;
    v.id = id;
    tm__buf_init(&bytes, RECORD_MAX);
    write_record(&v, &bytes);
    make_record_key(&view->mark, &key);
    const tm_status st = bytes.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the online store")
                                      : put(online, &key, (tm_str){0},
                                            (tm_str){(const char *)bytes.data, bytes.len}, err);
    tm__buf_done(&bytes);
    if (st == TM_OK) {
        view->id = id;
    }
    return st;
}

/* ---- Values ---- */

tm_status tm__online_get(tm_online_reader *reader, uint32_t view, tm_str key, tm_str *out,
                         tm_err *err) {
    online_key stored;
    const place p = {reader->online, reader->txn, &reader->buf};
    make_key(reader->online, view, key, &stored);
    return get(&p, &stored, key, out, err);
}

tm_status tm__online_get_mine(tm_online *online, uint32_t view, tm_str key, tm_str *out,
                              tm_err *err) {
    online_key stored;
    const place p = {online, online->txn, &online->buf};
    make_key(online, view, key, &stored);
    return get(&p, &stored, key, out, err);
}

tm_status tm__online_put(tm_online *online, uint32_t view, tm_str key, tm_str value, tm_err *err) {
    online_key stored;
    if (key.len > TM_ONLINE_KEY_MAX || value.len > UINT32_MAX / 2) {
        return TM_FAIL(err, TM_E_LIMIT, "a value is too large for the online store");
    }
    make_key(online, view, key, &stored);
    return is_sealed(&stored) ? put_sealed(online, &stored, key, value, err)
                              : put(online, &stored, key, value, err);
}

static bool is_of(const MDB_val *key, uint32_t view) {
    uint8_t head[5];
    put_view(head, view);
    return key->mv_size >= sizeof(head) && memcmp(key->mv_data, head, sizeof(head)) == 0;
}

tm_status tm__online_drop_some(tm_online *online, const tm_online_view *view, bool *out_more,
                               tm_err *err) {
    online_key record;
    uint8_t head[5];
    MDB_cursor *cursor = NULL;
    put_view(head, view->id);
    MDB_val key = {sizeof(head), head}, value;
    int code = mdb_cursor_open(online->txn, online->dbi, &cursor);
    if (code != 0) {
        return tm__online_fail(code, "write", err);
    }
    uint32_t n = 0;
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && is_of(&key, view->id) && n < DROP_MAX) {
        code = mdb_cursor_del(cursor, 0); /* then the next one is the one that takes its place */
        code = code == 0 ? mdb_cursor_get(cursor, &key, &value, MDB_NEXT) : code;
        n++;
    }
    const bool more = code == 0 && n == DROP_MAX && is_of(&key, view->id);
    mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND) {
        return tm__online_fail(code, "write", err);
    }
    if (!more) { /* the record last: its number is not given again before its values are gone */
        make_record_key(&view->mark, &record);
        MDB_val k = {record.len, record.bytes};
        code = mdb_del(online->txn, online->dbi, &k, NULL);
        if (code != 0 && code != MDB_NOTFOUND) {
            return tm__online_fail(code, "write", err);
        }
    }
    *out_more = more;
    return TM_OK;
}

/* ---- Transactions ---- */

tm_status tm__online_begin(tm_online *online, tm_err *err) {
    int n_dead = 0;
    if (online->n_begins++ % READERS_EVERY == 0) { /* pages of a reader that died are kept for it */
        (void)mdb_reader_check(online->env, &n_dead);
    }
    const int code = mdb_txn_begin(online->env, NULL, 0, &online->txn);
    if (code != 0) {
        online->txn = NULL;
        return tm__online_fail(code, "begin", err);
    }
    return TM_OK;
}

tm_status tm__online_commit(tm_online *online, tm_err *err) {
    const int code = mdb_txn_commit(online->txn);
    online->txn = NULL;
    return code == 0 ? TM_OK : tm__online_fail(code, "commit", err);
}

void tm__online_rollback(tm_online *online) {
    if (online->txn != NULL) {
        mdb_txn_abort(online->txn);
        online->txn = NULL;
    }
}

tm_status tm__online_reader_create(tm_online *online, tm_online_reader **out, tm_err *err) {
    tm_online_reader *const reader = tm__mem_zalloc(1, sizeof(*reader));
    if (reader == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the online store");
    }
    const int code = mdb_txn_begin(online->env, NULL, MDB_RDONLY, &reader->txn);
    if (code != 0) {
        tm__mem_free(reader);
        return tm__online_fail(code, "begin", err);
    }
    mdb_txn_reset(reader->txn);
    reader->online = tm__online_ref(online);
    tm__buf_init(&reader->buf, SIZE_MAX / 2);
    *out = reader;
    return TM_OK;
}

tm_online *tm__online_reader_store(const tm_online_reader *reader) {
    return reader->online;
}

tm_status tm__online_reader_begin(tm_online_reader *reader, tm_err *err) {
    const int code = reader->is_open ? 0 : mdb_txn_renew(reader->txn);
    reader->is_open = code == 0;
    return code == 0 ? TM_OK : tm__online_fail(code, "begin", err);
}

uint64_t tm__online_reader_moment(const tm_online_reader *reader) {
    return mdb_txn_id(reader->txn);
}

void tm__online_reader_end(tm_online_reader *reader) {
    if (reader->is_open) {
        mdb_txn_reset(reader->txn);
        reader->is_open = false;
    }
}

void tm__online_reader_free(tm_online_reader *reader) {
    if (reader != NULL) {
        mdb_txn_abort(reader->txn);
        tm__buf_done(&reader->buf);
        tm__online_unref(reader->online);
        tm__mem_free(reader);
    }
}

/* ---- All values ---- */

/* Keys that LMDB has, but for those of records. */
static tm_status take_key(const MDB_val *key, online_key *out, tm_err *err) {
    if (key->mv_size > sizeof(out->bytes) || key->mv_size < ONLINE_KEY_HEAD) {
        return damaged(err);
    }
    out->len = key->mv_size;
    memcpy(out->bytes, key->mv_data, key->mv_size);
    out->is_hashed = out->bytes[ONLINE_KEY_HEAD - 1] == 1;
    return TM_OK;
}

static tm_status read_entry(tm_online_reader *reader, const MDB_val *k, const MDB_val *value,
                            online_entry *out, tm_err *err) {
    online_key key;
    TM_TRY(take_key(k, &key, err));
    out->view = load_view(key.bytes);
    if (is_sealed(&key)) {
        return tm__online_unseal_value(reader->online, &key, value, &reader->buf, &out->key,
                                       &out->bytes, err);
    }
    TM_TRY(open_value(&key, value, (tm_str){0}, &out->bytes, err));
    const char *const inner = (const char *)value->mv_data + HEAD;
    out->key = key.is_hashed ? (tm_str){inner, (size_t)(out->bytes.ptr - inner)}
                             : (tm_str){(const char *)k->mv_data + ONLINE_KEY_HEAD,
                                        key.len - ONLINE_KEY_HEAD};
    return TM_OK;
}

typedef struct value_walk {
    tm_status (*fn)(void *arg, const online_entry *entry, tm_err *err);
    void *arg;
} value_walk;

static tm_status walk_values(tm_online_reader *reader, MDB_cursor *cursor, const value_walk *w,
                             tm_err *err) {
    char first[] = "V";
    MDB_val key = {1, first}, value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0) {
        online_entry entry = {0};
        TM_TRY(read_entry(reader, &key, &value, &entry, err));
        TM_TRY(w->fn(w->arg, &entry, err));
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return code == MDB_NOTFOUND ? TM_OK : tm__online_fail(code, "read", err);
}

tm_status tm__online_values(tm_online_reader *reader,
                            tm_status (*fn)(void *arg, const online_entry *entry, tm_err *err),
                            void *arg, tm_err *err) {
    const value_walk w = {fn, arg};
    MDB_cursor *cursor = NULL;
    const int code = mdb_cursor_open(reader->txn, reader->online->dbi, &cursor);
    if (code != 0) {
        return tm__online_fail(code, "read", err);
    }
    const tm_status st = walk_values(reader, cursor, &w, err);
    mdb_cursor_close(cursor);
    return st;
}

/* ---- Checking ---- */

static tm_status check_value(tm_online_reader *reader, const MDB_val *key, const MDB_val *value,
                             tm_err *err) {
    online_key stored = {.len = key->mv_size};
    online_entry entry;
    tm_str bytes;
    const char kind = key->mv_size > 0 ? *(const char *)key->mv_data : 0;
    if (kind == 'F' || kind == 'S') {
        return TM_OK;
    }
    if (kind == 'V') {
        return read_entry(reader, key, value, &entry, err);
    }
    if (key->mv_size > sizeof(stored.bytes) || kind != 'R') {
        return damaged(err);
    }
    memcpy(stored.bytes, key->mv_data, key->mv_size);
    return open_value(&stored, value, (tm_str){0}, &bytes, err);
}

tm_status tm__online_check(tm_online_reader *reader, uint64_t *out_values, tm_err *err) {
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    uint64_t n = 0;
    int code = mdb_cursor_open(reader->txn, reader->online->dbi, &cursor);
    if (code != 0) {
        return tm__online_fail(code, "read", err);
    }
    tm_status st = TM_OK;
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && st == TM_OK) {
        st = check_value(reader, &key, &value, err);
        n++;
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (st == TM_OK && code != MDB_NOTFOUND) {
        st = tm__online_fail(code, "read", err);
    }
    *out_values = n;
    return st;
}
