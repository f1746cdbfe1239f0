/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a sealed home that grow, or are read from their middle: their parts are sealed one by
 * one, by a data key of the file's own that stands sealed in its head. A part is bound to its place
 * in the file, and the data key to the name of the file, so none opens anywhere else; that parts
 * are missing at the end is for their reader to see.
 *
 * Not for: files that are whole when they get their name, which are store/vault.h's.
 */
#ifndef TM_STORE_VAULT_PARTS_H
#define TM_STORE_VAULT_PARTS_H

#include "base/buf.h"
#include "guard/seal.h"

#define TM_VAULT_PARTS_HEAD (32u + TM_SEAL_CELL_BYTES) /* bytes of the sealed data key */

/* Of one file. */
typedef struct tm_vault_parts {
    tm_envelope_ring key; /* n is 0 where parts are plain */
} tm_vault_parts;

/** For a new file at a path: a data key, and where the home of it is sealed the bytes of its head,
 * appended to a buffer. The caller ends it with tm__vault_parts_done(). Any thread. */
TM_NODISCARD tm_status tm__vault_parts_begin(const char *path, tm_vault_parts *out, tm_buf *head,
                                             tm_err *err);
/** The data key of a file that has such a head. TM_E_NOT_ALLOWED when the home's key is not at
 * hand, TM_E_INTEGRITY. Any thread. */
TM_NODISCARD tm_status tm__vault_parts_open(const char *path,
                                            const uint8_t head[TM_VAULT_PARTS_HEAD],
                                            tm_vault_parts *out, tm_err *err);
/** Overwrite the key; a zeroed one is a no-op. */
void tm__vault_parts_done(tm_vault_parts *parts);

/** Bytes of a part when it is sealed. */
size_t tm__vault_part_size(const tm_vault_parts *parts, size_t len);
/** Append the part that stands at an offset of the file, sealed unless parts are plain; false when
 * out of memory. */
bool tm__vault_part_seal(const tm_vault_parts *parts, uint64_t at, tm_str bytes, tm_buf *out);
/** Open one: *out views `bytes` where parts are plain, else `buf`. TM_E_INTEGRITY, TM_E_NOMEM. */
TM_NODISCARD tm_status tm__vault_part_open(const tm_vault_parts *parts, uint64_t at, tm_str bytes,
                                           tm_buf *buf, tm_str *out, tm_err *err);

#endif
