/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed files.
 *
 *   head (128 bytes) | chunk | chunk | ... | last chunk
 *
 *   head:   0 "TMSEALED"   8 u32 version   12 u32 bytes of a chunk   16 id of the envelope key (8)
 *           24 nonce (24)   48 wrapped data key (32 + 16)   96 head of the secretstream (24)
 *           120 zeros (8)
 *   chunk:  a message of the secretstream: at most CHUNK bytes and 17; all but the last are full
 *
 * The data key is wrapped by XChaCha20-Poly1305; with it are bound the first 24 bytes and the name.
 */
#include "guard/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/rng.h"

#define MAGIC "TMSEALED"
#define VERSION 1u
#define CHUNK 65536u
#define PACKED (CHUNK + crypto_secretstream_xchacha20poly1305_ABYTES)
#define NAME_MAX_BYTES 256u
#define BOUND 24u /* bytes of the head that the wrapped key is bound to */
#define AT_NONCE 24u
#define AT_WRAPPED 48u
#define AT_STREAM 96u
#define WRAPPED_BYTES (32u + crypto_aead_xchacha20poly1305_ietf_ABYTES)

_Static_assert(AT_WRAPPED - AT_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "a nonce");
_Static_assert(AT_STREAM - AT_WRAPPED == WRAPPED_BYTES, "a wrapped key");
_Static_assert(TM_SEAL_HEAD_BYTES - AT_STREAM ==
                   crypto_secretstream_xchacha20poly1305_HEADERBYTES + 8,
               "a head of a stream");

typedef crypto_secretstream_xchacha20poly1305_state stream_state;

struct tm_seal_writer {
    tm_file *to;
    stream_state stream;
    size_t n; /* bytes in plain */
    uint8_t plain[CHUNK], packed[PACKED];
};

struct tm_seal_reader {
    tm_sealed from;
    size_t at; /* of the next chunk */
    stream_state stream;
    bool is_end;
    size_t n, given; /* bytes in plain, and of those given out */
    uint8_t plain[CHUNK];
};

/* ---- Keys ---- */

void tm__envelope_key_of(const uint8_t bytes[32], tm_envelope_key *out) {
    static const char mark[] = "tidemill.envelope";
    tm_hash secret, id;
    memcpy(secret.bytes, bytes, sizeof(secret.bytes));
    tm__hash_keyed(&secret, mark, sizeof(mark) - 1, &id);
    memcpy(out->bytes, secret.bytes, sizeof(out->bytes));
    memcpy(out->id, id.bytes, sizeof(out->id));
    sodium_memzero(&secret, sizeof(secret));
}

bool tm__envelope_key_from_text(tm_str text, tm_envelope_key *out) {
    tm_hash secret;
    size_t n = 0;
    if (text.len != 64 ||
        sodium_hex2bin(secret.bytes, sizeof(secret.bytes), text.ptr, text.len, NULL, &n, NULL) !=
            0 ||
        n != sizeof(secret.bytes)) {
        return false;
    }
    tm__envelope_key_of(secret.bytes, out);
    sodium_memzero(&secret, sizeof(secret));
    return true;
}

void tm__envelope_id_to_text(const uint8_t id[TM_ENVELOPE_ID_BYTES], char *out) {
    (void)sodium_bin2hex(out, TM_ENVELOPE_ID_TEXT, id, TM_ENVELOPE_ID_BYTES);
}

void tm__envelope_ring_done(tm_envelope_ring *ring) {
    sodium_memzero(ring, sizeof(*ring));
}

/* ---- The head ---- */

/* What the wrapped key is bound to; its length. */
static size_t bound_bytes(const uint8_t *head, const char *name,
                          uint8_t out[BOUND + NAME_MAX_BYTES]) {
    const size_t len = strlen(name);
    TM_ASSERT(len <= NAME_MAX_BYTES);
    memcpy(out, head, BOUND);
    memcpy(out + BOUND, name, len);
    return BOUND + len;
}

tm_status tm__seal_writer_create(const tm_envelope_key *key, const char *name, tm_file *to,
                                 tm_seal_writer **out, tm_err *err) {
    uint8_t head[TM_SEAL_HEAD_BYTES] = {0}, bound[BOUND + NAME_MAX_BYTES], data_key[32];
    tm_seal_writer *writer = tm__mem_alloc(1, sizeof(*writer));
    if (writer == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a sealed file");
    }
    writer->to = to;
    writer->n = 0;
    memcpy(head, MAGIC, 8);
    tm__le_put_u32(head + 8, VERSION);
    tm__le_put_u32(head + 12, CHUNK);
    memcpy(head + 16, key->id, TM_ENVELOPE_ID_BYTES);
    tm__random_bytes(head + AT_NONCE, AT_WRAPPED - AT_NONCE);
    tm__random_bytes(data_key, sizeof(data_key));
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        head + AT_WRAPPED, NULL, data_key, sizeof(data_key), bound, bound_bytes(head, name, bound),
        NULL, head + AT_NONCE, key->bytes);
    (void)crypto_secretstream_xchacha20poly1305_init_push(&writer->stream, head + AT_STREAM,
                                                          data_key);
    sodium_memzero(data_key, sizeof(data_key));
    const tm_status st = tm__file_write(to, head, sizeof(head), err);
    if (st != TM_OK) {
        tm__seal_writer_free(writer);
        return st;
    }
    *out = writer;
    return TM_OK;
}

/* ---- Writing ---- */

static tm_status put_chunk(tm_seal_writer *writer, uint8_t tag, tm_err *err) {
    unsigned long long len = 0;
    (void)crypto_secretstream_xchacha20poly1305_push(&writer->stream, writer->packed, &len,
                                                     writer->plain, writer->n, NULL, 0, tag);
    writer->n = 0;
    return tm__file_write(writer->to, writer->packed, (size_t)len, err);
}

tm_status tm__seal_write(tm_seal_writer *writer, const void *data, size_t len, tm_err *err) {
    const uint8_t *bytes = data;
    while (len > 0) {
        if (writer->n == CHUNK) { /* a full one may be the last, so it waits for what follows */
            TM_TRY(put_chunk(writer, crypto_secretstream_xchacha20poly1305_TAG_MESSAGE, err));
        }
        const size_t room = CHUNK - writer->n;
        const size_t n = len < room ? len : room;
        memcpy(writer->plain + writer->n, bytes, n);
        writer->n += n;
        bytes += n;
        len -= n;
    }
    return TM_OK;
}

tm_status tm__seal_write_end(tm_seal_writer *writer, tm_err *err) {
    return put_chunk(writer, crypto_secretstream_xchacha20poly1305_TAG_FINAL, err);
}

void tm__seal_writer_free(tm_seal_writer *writer) {
    if (writer != NULL) {
        sodium_memzero(writer, sizeof(*writer));
        tm__mem_free(writer);
    }
}

/* ---- Reading ---- */

bool tm__seal_is_sealed(const void *data, size_t len) {
    return len >= 8 && memcmp(data, MAGIC, 8) == 0;
}

void tm__seal_key_id(const void *head, uint8_t out[TM_ENVELOPE_ID_BYTES]) {
    memcpy(out, (const uint8_t *)head + 16, TM_ENVELOPE_ID_BYTES);
}

static tm_status damaged(const tm_sealed *from, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "the sealed file is damaged, or is another one's");
    tm_err_hint(err, "Restore it from a backup.");
    tm_err_at(err, from->path, 0, 0);
    return TM_E_INTEGRITY;
}

/* NULL when it is not there. */
static const tm_envelope_key *key_of(const tm_envelope_ring *ring,
                                     const uint8_t id[TM_ENVELOPE_ID_BYTES]) {
    for (uint32_t i = 0; i < ring->n; i++) {
        if (sodium_memcmp(ring->keys[i].id, id, TM_ENVELOPE_ID_BYTES) == 0) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

static tm_status fail_key(const char *what, const uint8_t id[TM_ENVELOPE_ID_BYTES], tm_err *err) {
    char text[TM_ENVELOPE_ID_TEXT];
    tm__envelope_id_to_text(id, text);
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "the %s is sealed with the key %s, which is not here",
                  what, text);
    tm_err_hint(err, "Name the source of that key: 'tidemill encrypt --key SOURCE', or --key of "
                     "'restore'.");
    return TM_E_NOT_ALLOWED;
}

static tm_status find_key(const tm_envelope_ring *ring, const tm_sealed *from,
                          const tm_envelope_key **out, tm_err *err) {
    uint8_t id[TM_ENVELOPE_ID_BYTES];
    tm__seal_key_id(from->data, id);
    const tm_envelope_key *const key = key_of(ring, id);
    if (key == NULL) {
        const tm_status st = fail_key("file", id, err);
        tm_err_at(err, from->path, 0, 0);
        return st;
    }
    *out = key;
    return TM_OK;
}

static tm_status check_head(const tm_sealed *from, tm_err *err) {
    if (from->len < TM_SEAL_HEAD_BYTES || !tm__seal_is_sealed(from->data, from->len)) {
        return damaged(from, err);
    }
    const uint8_t *const head = from->data;
    if (tm__le_u32(head + 8) != VERSION) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "the file is sealed in format %u and this program knows %u",
                      tm__le_u32(head + 8), VERSION);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a newer one.");
        tm_err_at(err, from->path, 0, 0);
        return TM_E_UNSUPPORTED;
    }
    static const uint8_t zeros[8];
    return tm__le_u32(head + 12) == CHUNK && memcmp(head + 120, zeros, sizeof(zeros)) == 0
               ? TM_OK
               : damaged(from, err);
}

tm_status tm__seal_reader_create(const tm_envelope_ring *ring, const tm_sealed *from,
                                 tm_seal_reader **out, tm_err *err) {
    const tm_envelope_key *key = NULL;
    uint8_t bound[BOUND + NAME_MAX_BYTES], data_key[32];
    TM_TRY(check_head(from, err));
    TM_TRY(find_key(ring, from, &key, err));
    const uint8_t *const head = from->data;
    tm_seal_reader *reader = tm__mem_alloc(1, sizeof(*reader));
    if (reader == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a sealed file");
    }
    reader->from = *from;
    reader->at = TM_SEAL_HEAD_BYTES;
    reader->is_end = false;
    reader->n = reader->given = 0;
    const bool is_good =
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            data_key, NULL, NULL, head + AT_WRAPPED, WRAPPED_BYTES, bound,
            bound_bytes(head, from->name, bound), head + AT_NONCE, key->bytes) == 0 &&
        crypto_secretstream_xchacha20poly1305_init_pull(&reader->stream, head + AT_STREAM,
                                                        data_key) == 0;
    sodium_memzero(data_key, sizeof(data_key));
    if (!is_good) {
        tm__seal_reader_free(reader);
        return damaged(from, err);
    }
    *out = reader;
    return TM_OK;
}

static tm_status get_chunk(tm_seal_reader *reader, tm_err *err) {
    const size_t left = reader->from.len - reader->at;
    const size_t n = left < PACKED ? left : PACKED;
    unsigned long long len = 0;
    uint8_t tag = 0;
    if (n < crypto_secretstream_xchacha20poly1305_ABYTES ||
        crypto_secretstream_xchacha20poly1305_pull(&reader->stream, reader->plain, &len, &tag,
                                                   (const uint8_t *)reader->from.data + reader->at,
                                                   n, NULL, 0) != 0) {
        return damaged(&reader->from, err);
    }
    reader->at += n;
    reader->is_end = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    if (reader->is_end != (reader->at == reader->from.len)) {
        return damaged(&reader->from, err); /* cut, or something follows */
    }
    reader->n = (size_t)len;
    reader->given = 0;
    return TM_OK;
}

tm_status tm__seal_read(tm_seal_reader *reader, void *out, size_t len, size_t *out_len,
                        tm_err *err) {
    size_t done = 0;
    while (done < len) {
        if (reader->given == reader->n && reader->is_end) {
            break;
        }
        if (reader->given == reader->n) {
            TM_TRY(get_chunk(reader, err));
        }
        const size_t have = reader->n - reader->given;
        const size_t n = have < len - done ? have : len - done;
        memcpy((uint8_t *)out + done, reader->plain + reader->given, n);
        reader->given += n;
        done += n;
    }
    *out_len = done;
    return TM_OK;
}

void tm__seal_reader_free(tm_seal_reader *reader) {
    if (reader != NULL) {
        sodium_memzero(reader, sizeof(*reader));
        tm__mem_free(reader);
    }
}

/* ---- Cells ---- */

#define CELL_MAGIC "TMSCELL"
#define CELL_MAGIC_BYTES (sizeof(CELL_MAGIC) - 1)
#define CELL_OF_TABLE '1' /* bound to the table alone, as earlier releases sealed */
#define CELL_OF_ROW '2'
#define CELL_HEAD 40u /* magic and form, id, nonce */
#define BOUND_MAX (16u + TM_CELL_PLACE_MAX)

/* What a cell of a form is bound to; its length, 0 for a form that is not known. */
static size_t bound_cell(const uint8_t *head, const tm_cell_place *place, uint8_t out[BOUND_MAX]) {
    const size_t n_column = strlen(place->column);
    const char *const dot = strchr(place->column, '.');
    TM_ASSERT(n_column + place->row.len < TM_CELL_PLACE_MAX);
    memcpy(out, head, 16);
    if (head[CELL_MAGIC_BYTES] == CELL_OF_TABLE) {
        const size_t n_table = dot == NULL ? n_column : (size_t)(dot - place->column);
        memcpy(out + 16, place->column, n_table);
        return 16 + n_table;
    }
    if (head[CELL_MAGIC_BYTES] != CELL_OF_ROW) {
        return 0;
    }
    memcpy(out + 16, place->column, n_column);
    out[16 + n_column] = ':';
    memcpy(out + 17 + n_column, place->row.ptr, place->row.len);
    return 17 + n_column + place->row.len;
}

void tm__seal_cell(const tm_envelope_key *key, const tm_cell_place *place, const void *data,
                   size_t len, uint8_t *out) {
    uint8_t bound[BOUND_MAX];
    memcpy(out, CELL_MAGIC, CELL_MAGIC_BYTES);
    out[CELL_MAGIC_BYTES] = CELL_OF_ROW;
    memcpy(out + 8, key->id, TM_ENVELOPE_ID_BYTES);
    tm__random_bytes(out + 16, CELL_HEAD - 16);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + CELL_HEAD, NULL, data, len, bound,
                                                     bound_cell(out, place, bound), NULL, out + 16,
                                                     key->bytes);
}

bool tm__seal_is_cell(const void *data, size_t len, tm_cell_head *out_head) {
    if (len < TM_SEAL_CELL_BYTES || memcmp(data, CELL_MAGIC, CELL_MAGIC_BYTES) != 0) {
        return false;
    }
    if (out_head != NULL) {
        memcpy(out_head->key_id, (const uint8_t *)data + 8, TM_ENVELOPE_ID_BYTES);
        out_head->is_of_row = ((const uint8_t *)data)[CELL_MAGIC_BYTES] == CELL_OF_ROW;
    }
    return true;
}

tm_status tm__unseal_cell(const tm_envelope_ring *ring, const tm_cell_place *place,
                          const void *data, size_t len, uint8_t *out, tm_err *err) {
    tm_cell_head head;
    uint8_t bound[BOUND_MAX];
    const uint8_t *const cell = data;
    const bool is_cell = tm__seal_is_cell(data, len, &head);
    TM_ASSERT(is_cell);
    const size_t n_bound = bound_cell(cell, place, bound);
    const tm_envelope_key *const key = key_of(ring, head.key_id);
    if (n_bound == 0) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a sealed record has a form that is not known here");
    }
    if (key == NULL) {
        return fail_key("record", head.key_id, err);
    }
    const bool is_good = crypto_aead_xchacha20poly1305_ietf_decrypt(
                             out, NULL, NULL, cell + CELL_HEAD, len - CELL_HEAD, bound, n_bound,
                             cell + 16, key->bytes) == 0;
    return is_good ? TM_OK : TM_FAIL(err, TM_E_INTEGRITY, "a sealed record is damaged");
}
