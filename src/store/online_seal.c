/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed values of the online store.
 *
 * 1. Keys of a generation are random, made with it and never changed: a copy has others.
 * 2. A value is bound to the hash of its key and to its view, the keys to the generation's number.
 * 3. Opened values are in a buffer of the reader or of the one that writes, until the next call.
 */
#include "store/online_seal.h"

#include <stdio.h>
#include <string.h>

#include "base/le.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/vault.h"

#define KEYS_BYTES ((size_t)2 * TM_HASH_BYTES) /* of values, then of their keys */
#define LENGTH_BYTES 4u                        /* of the key, which stands before the value */
#define COPY_BYTES ((size_t)8 << 20)           /* of one transaction */

/* ---- The keys of a generation ---- */

/* Bound to the number, so that one generation's are not taken for another's. */
static tm_cell_place place_of_keys(const tm_online *online, char text[24]) {
    const int n = snprintf(text, 24, "%llu", (unsigned long long)online->generation);
    return (tm_cell_place){"online.keys", {text, (size_t)n}};
}

static tm_status read_ring(const tm_online *online, tm_envelope_ring *out, tm_err *err) {
    char *const path = tm__fs_join(online->path, "data.mdb");
    const tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the online store")
                                      : tm__vault_ring(path, out, err);
    tm__mem_free(path);
    return st;
}

static void take_keys(tm_online *online, const uint8_t bytes[KEYS_BYTES]) {
    tm__envelope_key_of(bytes, &online->values.keys[0]);
    online->values.n = 1;
    memcpy(online->names.bytes, bytes + TM_HASH_BYTES, TM_HASH_BYTES);
}

/* Two hashes, to be overwritten as such. */
typedef union both_keys {
    tm_hash each[2];
    uint8_t bytes[KEYS_BYTES];
} both_keys;

static void forget(both_keys *keys) {
    tm__hash_reset(&keys->each[0]);
    tm__hash_reset(&keys->each[1]);
}

static tm_status put_keys(tm_online *online, MDB_txn *txn, const tm_envelope_key *key,
                          tm_err *err) {
    uint8_t cell[KEYS_BYTES + TM_SEAL_CELL_BYTES];
    char text[24];
    both_keys keys;
    const tm_cell_place place = place_of_keys(online, text);
    MDB_val name = {1, (char[]){'S'}}, value = {sizeof(cell), cell};
    tm__random_bytes(keys.bytes, KEYS_BYTES);
    tm__seal_cell(key, &place, keys.bytes, KEYS_BYTES, cell);
    const int code = mdb_put(txn, online->dbi, &name, &value, 0);
    if (code == 0) {
        take_keys(online, keys.bytes);
        tm__envelope_id_to_text(key->id, online->sealed_by);
    }
    forget(&keys);
    return code == 0 ? TM_OK : tm__online_fail(code, "begin", err);
}

tm_status tm__online_seal_begin(tm_online *online, MDB_txn *txn, tm_err *err) {
    tm_envelope_ring ring = {0};
    TM_TRY(read_ring(online, &ring, err));
    const tm_status st = ring.n == 0 ? TM_OK : put_keys(online, txn, &ring.keys[0], err);
    tm__envelope_ring_done(&ring);
    return st;
}

/* The record, and which key sealed it. */
static tm_status find_keys(tm_online *online, MDB_txn *txn, MDB_val *out, tm_err *err) {
    tm_cell_head head;
    MDB_val name = {1, (char[]){'S'}};
    const int code = mdb_get(txn, online->dbi, &name, out);
    if (code != 0 && code != MDB_NOTFOUND) {
        return tm__online_fail(code, "read", err);
    }
    if (code == MDB_NOTFOUND || out->mv_size != KEYS_BYTES + TM_SEAL_CELL_BYTES ||
        !tm__seal_is_cell(out->mv_data, out->mv_size, &head)) {
        return tm__online_fail(MDB_CORRUPTED, "keys", err);
    }
    tm__envelope_id_to_text(head.key_id, online->sealed_by);
    return TM_OK;
}

tm_status tm__online_seal_look(tm_online *online, MDB_txn *txn, tm_err *err) {
    MDB_val value;
    return find_keys(online, txn, &value, err);
}

tm_status tm__online_seal_load(tm_online *online, MDB_txn *txn, tm_err *err) {
    tm_envelope_ring ring = {0};
    MDB_val value;
    char text[24];
    both_keys keys;
    const tm_cell_place place = place_of_keys(online, text);
    TM_TRY(find_keys(online, txn, &value, err));
    TM_TRY(read_ring(online, &ring, err));
    const tm_status st =
        tm__unseal_cell(&ring, &place, value.mv_data, value.mv_size, keys.bytes, err);
    tm__envelope_ring_done(&ring);
    if (st == TM_OK) {
        take_keys(online, keys.bytes);
        forget(&keys);
    } else {
        tm_err_hint(err, "'tidemill online rebuild' makes it anew from the sources.");
    }
    return st;
}

void tm__online_seal_done(tm_online *online) {
    tm__envelope_ring_done(&online->values);
    tm__hash_reset(&online->names);
    tm__buf_done(&online->buf);
}

tm_status tm__online_is_current(const tm_online *online, bool *out, tm_err *err) {
    tm_envelope_ring ring = {0};
    char id[TM_ENVELOPE_ID_TEXT] = "";
    TM_TRY(read_ring(online, &ring, err));
    if (ring.n > 0) {
        tm__envelope_id_to_text(ring.keys[0].id, id);
    }
    tm__envelope_ring_done(&ring);
    *out = strcmp(id, online->sealed_by) == 0;
    return TM_OK;
}

/* ---- Values ---- */

void tm__online_seal_key(const tm_online *online, tm_str key, online_key *out) {
    tm_hash hash;
    tm__hash_keyed(&online->names, key.ptr, key.len, &hash);
    out->bytes[ONLINE_KEY_HEAD - 1] = ONLINE_KEY_SEALED;
    memcpy(out->bytes + ONLINE_KEY_HEAD, hash.bytes, TM_HASH_BYTES);
    out->len = ONLINE_KEY_HEAD + TM_HASH_BYTES;
    out->is_hashed = false;
}

static tm_cell_place place_of(const online_key *at) {
    return (tm_cell_place){"online.value", {(const char *)at->bytes, at->len}};
}

size_t tm__online_seal_size(tm_str key, tm_str bytes) {
    return LENGTH_BYTES + key.len + bytes.len + TM_SEAL_CELL_BYTES;
}

tm_status tm__online_seal_value(tm_online *online, const online_key *at, tm_str key, tm_str bytes,
                                uint8_t *out, tm_err *err) {
    const tm_cell_place place = place_of(at);
    tm_buf *const buf = &online->buf;
    tm__buf_reset(buf);
    (void)tm__buf_str(buf, key);
    (void)tm__buf_append(buf, bytes.ptr, bytes.len);
    if (buf->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the online store");
    }
    tm__seal_cell(&online->values.keys[0], &place, buf->data, buf->len, out);
    return TM_OK;
}

tm_status tm__online_unseal_value(const tm_online *online, const online_key *at,
                                  const MDB_val *value, tm_buf *buf, tm_str *out_key,
                                  tm_str *out_bytes, tm_err *err) {
    const tm_cell_place place = place_of(at);
    if (value->mv_size < TM_SEAL_CELL_BYTES + LENGTH_BYTES ||
        !tm__seal_is_cell(value->mv_data, value->mv_size, NULL)) {
        return tm__online_fail(MDB_CORRUPTED, "value", err);
    }
    const size_t len = value->mv_size - TM_SEAL_CELL_BYTES;
    tm__buf_reset(buf);
    uint8_t *const data = tm__buf_reserve(buf, len);
    if (data == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the online store");
    }
    if (tm__unseal_cell(&online->values, &place, value->mv_data, value->mv_size, data, NULL) !=
        TM_OK) {
        return tm__online_fail(MDB_CORRUPTED, "value", err);
    }
    const size_t n_key = tm__le_u32(data);
    if (n_key > len - LENGTH_BYTES) {
        return tm__online_fail(MDB_CORRUPTED, "value", err);
    }
    *out_key = (tm_str){(const char *)data + LENGTH_BYTES, n_key};
    *out_bytes = (tm_str){out_key->ptr + n_key, len - LENGTH_BYTES - n_key};
    return TM_OK;
}

/* ---- A copy under another key ---- */

typedef struct copying {
    tm_online_reader *from;
    tm_online *to;
    size_t n_bytes; /* since the last commit */
    tm_status st;
    tm_err *err;
} copying;

static bool copy_view(void *arg, const tm_online_view *view) {
    copying *const c = arg;
    tm_online_view same = *view;
    c->st = tm__online_put_view(c->to, &same, c->err);
    return c->st == TM_OK;
}

static tm_status copy_value(void *arg, const online_entry *entry, tm_err *err) {
    copying *const c = arg;
    TM_TRY(tm__online_put(c->to, entry->view, entry->key, entry->bytes, err));
    c->n_bytes += entry->key.len + entry->bytes.len;
    if (c->n_bytes < COPY_BYTES) {
        return TM_OK;
    }
    c->n_bytes = 0;
    TM_TRY(tm__online_commit(c->to, err));
    return tm__online_begin(c->to, err);
}

static tm_status copy_all(copying *c, tm_err *err) {
    TM_TRY(tm__online_reader_begin(c->from, err));
    TM_TRY(tm__online_begin(c->to, err));
    TM_TRY(tm__online_views(c->from, copy_view, c, err));
    TM_TRY(c->st);
    TM_TRY(tm__online_values(c->from, copy_value, c, err));
    return tm__online_commit(c->to, err);
}

tm_status tm__online_copy(tm_online *from, tm_online *to, tm_err *err) {
    copying c = {.to = to, .err = err};
    TM_TRY(tm__online_reader_create(from, &c.from, err));
    const tm_status st = copy_all(&c, err);
    if (st != TM_OK) {
        tm__online_rollback(to);
    }
    tm__online_reader_free(c.from);
    return st;
}
