/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vault_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "store/vault.h"

#define PLACE_MAX 24

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for a sealed file");
}

static tm_cell_place place_of_file(const char *path) {
    const char *const slash = strrchr(path, '/');
    return (tm_cell_place){"file.key", tm__str(slash == NULL ? path : slash + 1)};
}

static tm_cell_place place_of_part(uint64_t at, char text[PLACE_MAX]) {
    const int n = snprintf(text, PLACE_MAX, "%" PRIu64, at);
    return (tm_cell_place){"file.part", {text, (size_t)n}};
}

tm_status tm__vault_parts_begin(const char *path, tm_vault_parts *out, tm_buf *head, tm_err *err) {
    tm_envelope_ring ring = {0};
    tm_hash secret;
    const tm_cell_place place = place_of_file(path);
    *out = (tm_vault_parts){0};
    TM_TRY(tm__vault_ring(path, &ring, err));
    if (ring.n == 0) {
        return TM_OK;
    }
    uint8_t *const to = tm__buf_reserve(head, TM_VAULT_PARTS_HEAD);
    if (to != NULL) {
        tm__random_bytes(secret.bytes, sizeof(secret.bytes));
        tm__envelope_key_of(secret.bytes, &out->key.keys[0]);
        out->key.n = 1;
        tm__seal_cell(&ring.keys[0], &place, secret.bytes, sizeof(secret.bytes), to);
        head->len += TM_VAULT_PARTS_HEAD;
        tm__hash_reset(&secret);
    }
    tm__envelope_ring_done(&ring);
    return to == NULL ? no_memory(err) : TM_OK;
}

tm_status tm__vault_parts_open(const char *path, const uint8_t head[TM_VAULT_PARTS_HEAD],
                               tm_vault_parts *out, tm_err *err) {
    tm_envelope_ring ring = {0};
    tm_hash secret;
    const tm_cell_place place = place_of_file(path);
    *out = (tm_vault_parts){0};
    if (!tm__seal_is_cell(head, TM_VAULT_PARTS_HEAD, NULL)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a sealed file is damaged");
    }
    TM_TRY(tm__vault_ring(path, &ring, err));
    const tm_status st =
        tm__unseal_cell(&ring, &place, head, TM_VAULT_PARTS_HEAD, secret.bytes, err);
    tm__envelope_ring_done(&ring);
    if (st == TM_OK) {
        tm__envelope_key_of(secret.bytes, &out->key.keys[0]);
        out->key.n = 1;
        tm__hash_reset(&secret);
    }
    return st;
}

void tm__vault_parts_done(tm_vault_parts *parts) {
    tm__envelope_ring_done(&parts->key);
}

size_t tm__vault_part_size(const tm_vault_parts *parts, size_t len) {
    return parts->key.n == 0 ? len : len + TM_SEAL_CELL_BYTES;
}

bool tm__vault_part_seal(const tm_vault_parts *parts, uint64_t at, tm_str bytes, tm_buf *out) {
    char text[PLACE_MAX];
    const tm_cell_place place = place_of_part(at, text);
    const size_t len = tm__vault_part_size(parts, bytes.len);
    if (parts->key.n == 0) {
        return tm__buf_append(out, bytes.ptr, bytes.len);
    }
    uint8_t *const to = tm__buf_reserve(out, len);
    if (to != NULL) {
        tm__seal_cell(&parts->key.keys[0], &place, bytes.ptr, bytes.len, to);
        out->len += len;
    }
    return to != NULL;
}

tm_status tm__vault_part_open(const tm_vault_parts *parts, uint64_t at, tm_str bytes, tm_buf *buf,
                              tm_str *out, tm_err *err) {
    char text[PLACE_MAX];
    const tm_cell_place place = place_of_part(at, text);
    *out = bytes;
    if (parts->key.n == 0) {
        return TM_OK;
    }
    if (!tm__seal_is_cell(bytes.ptr, bytes.len, NULL)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a part of a sealed file is damaged");
    }
    const size_t len = bytes.len - TM_SEAL_CELL_BYTES;
    tm__buf_reset(buf);
    uint8_t *const to = tm__buf_reserve(buf, len);
    if (to == NULL) {
        return no_memory(err);
    }
    TM_TRY(tm__unseal_cell(&parts->key, &place, bytes.ptr, bytes.len, to, err));
    buf->len = len;
    *out = (tm_str){(const char *)to, len};
    return TM_OK;
}
