/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/audit.h"

#include <sodium.h>
#include <string.h>

#include "base/json.h"

#define OLD_FORM "tidemill.history/1"
#define FORM "tidemill.history/2"
#define HEAD_FORM "tidemill.audit-head/1"
#define ANCHOR_FORM "tidemill.anchor/1"
#define SUBJECT_FORM "tidemill.subject/1"
#define HEAD_BYTES_MAX 128u
#define SIGNATURE_TEXT (2 * TM_SIGNATURE_BYTES + 1)

_Static_assert(TM_SIGNATURE_BYTES == 2 * TM_HASH_BYTES, "a signature is written as two hashes");

static void put_text(tm_buf *buf, tm_str text) {
    if (text.ptr == NULL) {
        tm__buf_u32(buf, UINT32_MAX);
    } else {
        tm__buf_str(buf, text);
    }
}

tm_status tm__audit_hash(const tm_audit_entry *entry, const tm_hash *prev, tm_buf *scratch,
                         tm_hash *out, tm_err *err) {
    const bool is_old =
        entry->object.ptr == NULL && entry->outcome.ptr == NULL && entry->subject.ptr == NULL;
    tm__buf_reset(scratch);
    tm__buf_append(scratch, prev->bytes, TM_HASH_BYTES);
    tm__buf_str(scratch, is_old ? TM_STR(OLD_FORM) : TM_STR(FORM));
    tm__buf_i64(scratch, entry->seq);
    tm__buf_i64(scratch, entry->at_us);
    put_text(scratch, entry->model);
    put_text(scratch, entry->event);
    tm__buf_i64(scratch, entry->version);
    tm__buf_i64(scratch, entry->from);
    put_text(scratch, entry->actor);
    put_text(scratch, entry->reason);
    put_text(scratch, entry->details);
    if (!is_old) {
        put_text(scratch, entry->object);
        put_text(scratch, entry->outcome);
        put_text(scratch, entry->subject);
    }
    if (scratch->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__hash_bytes(scratch->data, scratch->len, out);
    return TM_OK;
}

/* ---- Heads ---- */

/* What is signed. It is short, so it always fits. */
static size_t head_bytes(const tm_audit_head *head, uint8_t out[HEAD_BYTES_MAX]) {
    const tm_str form = TM_STR(HEAD_FORM);
    size_t len = form.len;
    memcpy(out, form.ptr, form.len);
    const uint64_t numbers[2] = {(uint64_t)head->n, (uint64_t)head->at_us};
    for (size_t i = 0; i < 2; i++) {
        for (unsigned byte = 0; byte < 8; byte++) {
            out[len++] = (uint8_t)(numbers[i] >> (8 * byte));
        }
    }
    memcpy(out + len, head->hash.bytes, TM_HASH_BYTES);
    return len + TM_HASH_BYTES;
}

void tm__audit_sign(const tm_signing_key *key, tm_audit_head *head) {
    uint8_t bytes[HEAD_BYTES_MAX];
    const size_t len = head_bytes(head, bytes);
    head->key = key->public_key;
    tm__sign(key, bytes, len, &head->signature);
}

bool tm__audit_is_signed(const tm_audit_head *head) {
    uint8_t bytes[HEAD_BYTES_MAX];
    const size_t len = head_bytes(head, bytes);
    return tm__signature_check(&head->key, bytes, len, &head->signature);
}

/* ---- Anchors ---- */

static void signature_to_text(const tm_signature *signature, char out[SIGNATURE_TEXT]) {
    tm_hash half;
    memcpy(half.bytes, signature->bytes, TM_HASH_BYTES);
    tm__hash_to_text(&half, out);
    memcpy(half.bytes, signature->bytes + TM_HASH_BYTES, TM_HASH_BYTES);
    tm__hash_to_text(&half, out + TM_HASH_TEXT - 1);
}

static bool signature_from_text(const char *text, tm_signature *out) {
    char first[TM_HASH_TEXT];
    tm_hash a, b;
    if (strlen(text) != SIGNATURE_TEXT - 1) {
        return false;
    }
    memcpy(first, text, TM_HASH_TEXT - 1);
    first[TM_HASH_TEXT - 1] = '\0';
    if (!tm__hash_from_text(first, &a) || !tm__hash_from_text(text + TM_HASH_TEXT - 1, &b)) {
        return false;
    }
    memcpy(out->bytes, a.bytes, TM_HASH_BYTES);
    memcpy(out->bytes + TM_HASH_BYTES, b.bytes, TM_HASH_BYTES);
    return true;
}

bool tm__audit_anchor_write(const tm_audit_head *head, tm_buf *out) {
    char hash[TM_HASH_TEXT], key[TM_PUBLIC_KEY_TEXT], signature[SIGNATURE_TEXT];
    tm__hash_to_text(&head->hash, hash);
    tm__public_key_to_text(&head->key, key);
    signature_to_text(&head->signature, signature);
    return tm__buf_printf(out,
                          "\n{\"schema\":\"" ANCHOR_FORM "\",\"n\":%lld,\"at_us\":%lld,"
                          "\"hash\":\"%s\",\"key\":\"%s\",\"signature\":\"%s\"}\n",
                          (long long)head->n, (long long)head->at_us, hash, key, signature);
}

bool tm__audit_anchor_read(tm_str line, tm_audit_head *out) {
    json_t *object = NULL;
    tm_audit_head head = {0};
    if (tm__json_parse(line.ptr, line.len, 2, &object, NULL) != TM_OK) {
        return false;
    }
    head.n = tm__json_i64(object, "n", -1);
    head.at_us = tm__json_i64(object, "at_us", -1);
    const bool is_good =
        strcmp(tm__json_text(object, "schema", ""), ANCHOR_FORM) == 0 && head.n > 0 &&
        tm__hash_from_text(tm__json_text(object, "hash", ""), &head.hash) &&
        tm__public_key_from_text(tm__json_text(object, "key", ""), &head.key) &&
        signature_from_text(tm__json_text(object, "signature", ""), &head.signature);
    json_decref(object);
    if (is_good) {
        *out = head;
    }
    return is_good;
}

/* ---- Subjects ---- */

void tm__audit_subject(const tm_server_key *server, tm_str id, tm_hash *out) {
    tm_hash key;
    tm__hash_keyed(&server->secret, SUBJECT_FORM, sizeof(SUBJECT_FORM) - 1, &key);
    tm__hash_keyed(&key, id.ptr, id.len, out);
    sodium_memzero(&key, sizeof(key));
}
