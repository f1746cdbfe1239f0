/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who made a bundle. The signature covers the hash, and what the hash leaves out: the notes and the
 * golden rows; docs/formats/bundle.md has the bytes.
 *
 *   magic version | public key, 32 | signature, 64
 */
#include <string.h>

#include "model/bundle_priv.h"

#define MAGIC UINT32_C(0x47495354) /* "TSIG" */
#define VERSION 1u
#define SECTION_BYTES (8u + TM_PUBLIC_KEY_BYTES + TM_SIGNATURE_BYTES)
#define SAYS "tidemill.bundle-signature/1"
#define SAYS_BYTES (sizeof(SAYS) - 1 + 3 * TM_HASH_BYTES)

/* What is signed: fixed length, so nothing can move from one part to another. A section that is not
 * there counts as an empty one. */
static void says(const tm_bundle_file *file, uint8_t out[SAYS_BYTES]) {
    static const tm_section outside[] = {TM_SECTION_NOTES, TM_SECTION_GOLDEN};
    uint8_t *at = out + sizeof(SAYS) - 1;
    memcpy(out, SAYS, sizeof(SAYS) - 1);
    memcpy(at, file->hash.bytes, TM_HASH_BYTES);
    for (size_t i = 0; i < 2; i++) {
        const tm_bytes *const part = &file->sections[outside[i]];
        tm_hash hash;
        tm__hash_bytes(part->data != NULL ? (const void *)part->data : "", part->len, &hash);
        at += TM_HASH_BYTES;
        memcpy(at, hash.bytes, TM_HASH_BYTES);
    }
}

static tm_status damaged(const char *why, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "bundle is damaged in section 'signature': %s", why);
    tm_err_hint(err, "Take the file from a backup or from its signer; nothing of it was used.");
    return TM_E_INTEGRITY;
}

tm_status tm__bundle_signer_load(const tm_bundle_file *file, tm_bundle_signer *out, tm_err *err) {
    const tm_bytes bytes = file->sections[TM_SECTION_SIGNATURE];
    tm_reader in = {.data = bytes.data, .len = bytes.len};
    tm_bundle_signer signer = {.is_signed = true};
    tm_signature signature;
    uint8_t text[SAYS_BYTES];
    if (bytes.data == NULL) {
        *out = (tm_bundle_signer){.is_signed = false};
        return TM_OK;
    }
    if (bytes.len < 8 || tm__reader_u32(&in) != MAGIC) {
        return damaged("magic", err);
    }
    if (tm__reader_u32(&in) != VERSION) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "bundle has a signature of a later version");
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a later one.");
        return TM_E_UNSUPPORTED;
    }
    if (bytes.len != SECTION_BYTES) {
        return damaged("length", err);
    }
    memcpy(signer.key.bytes, bytes.data + 8, TM_PUBLIC_KEY_BYTES);
    memcpy(signature.bytes, bytes.data + 8 + TM_PUBLIC_KEY_BYTES, TM_SIGNATURE_BYTES);
    says(file, text);
    if (!tm__signature_check(&signer.key, text, sizeof(text), &signature)) {
        return damaged("it is not the signer's", err);
    }
    *out = signer;
    return TM_OK;
}

tm_status tm__bundle_sign(const void *data, size_t len, const tm_signing_key *key, tm_buf *out,
                          tm_err *err) {
    tm_bundle_file file;
    tm_signature signature;
    uint8_t text[SAYS_BYTES];
    tm_buf section;
    TM_TRY(tm__bundle_file_check(data, len, &file, err));
    says(&file, text);
    tm__sign(key, text, sizeof(text), &signature);
    tm__buf_init(&section, SECTION_BYTES);
    tm__buf_u32(&section, MAGIC);
    tm__buf_u32(&section, VERSION);
    (void)tm__buf_append(&section, key->public_key.bytes, TM_PUBLIC_KEY_BYTES);
    (void)tm__buf_append(&section, signature.bytes, TM_SIGNATURE_BYTES);
    file.sections[TM_SECTION_SIGNATURE] = (tm_bytes){section.data, section.len};
    const tm_status st = section.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a signature")
                                        : tm__bundle_file_write(file.sections, out, err);
    tm__buf_done(&section);
    return st;
}
