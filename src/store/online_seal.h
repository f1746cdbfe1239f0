/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed generations of the online store (format 2): values are sealed cells under a data key of
 * the generation, their keys are hashes under another one; both keys are 32 random bytes, sealed by
 * the home's first key in the record 'S' when the generation is made. Another key of the home means
 * another generation. docs/formats/sealed.md has the bytes.
 */
#ifndef TM_STORE_ONLINE_SEAL_H
#define TM_STORE_ONLINE_SEAL_H

#include "store/online_priv.h"

#define ONLINE_FORMAT_SEALED 2u
#define ONLINE_KEY_SEALED 2u /* how a key is kept: by a hash under a key */

/** In a transaction: seal what this new generation will hold, if the home of it is sealed. */
TM_NODISCARD tm_status tm__online_seal_begin(tm_online *online, MDB_txn *txn, tm_err *err);
/** Read the keys of one of format 2. TM_E_NOT_ALLOWED when the home's key is not at hand. */
TM_NODISCARD tm_status tm__online_seal_load(tm_online *online, MDB_txn *txn, tm_err *err);
/** Read which key of the home sealed it, and no key. */
TM_NODISCARD tm_status tm__online_seal_look(tm_online *online, MDB_txn *txn, tm_err *err);
void tm__online_seal_done(tm_online *online);

/** The hash that stands for a key of a view. */
void tm__online_seal_key(const tm_online *online, tm_str key, online_key *out);
/** Bytes of a sealed value. */
size_t tm__online_seal_size(tm_str key, tm_str bytes);
/** Seal a value to where LMDB has room for it. */
TM_NODISCARD tm_status tm__online_seal_value(tm_online *online, const online_key *at, tm_str key,
                                             tm_str bytes, uint8_t *out, tm_err *err);
/** Open one into a buffer; out_key and out_bytes are views of it. */
TM_NODISCARD tm_status tm__online_unseal_value(const tm_online *online, const online_key *at,
                                               const MDB_val *value, tm_buf *buf, tm_str *out_key,
                                               tm_str *out_bytes, tm_err *err);

/** Copy views and values of a generation into an empty one that is made aside. */
TM_NODISCARD tm_status tm__online_copy(tm_online *from, tm_online *to, tm_err *err);

#endif
