/* SPDX-License-Identifier: Apache-2.0 */
/* The key of a home's pseudonyms (table/privacy.h): made of its server key, which backups hold. */
#ifndef TM_STORE_PRIVACY_KEY_H
#define TM_STORE_PRIVACY_KEY_H

#include "base/hash.h"
#include "store/home.h"

/**
 * The caller overwrites it by tm__hash_reset() when it is done.
 *
 * Errors:  TM_E_NOT_ALLOWED when the home has no server key, TM_E_INTEGRITY for a file that holds
 *          none; the hint says how it comes back.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__privacy_key_read(const tm_home *home, tm_hash *out, tm_err *err);

#endif
