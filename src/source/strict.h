/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that say "personal: declared": each column that tells who somebody is has a policy, be it
 * `plain`. By its name that is asked when the source is declared; by its values before rows are
 * learned from, since nobody can tell the values of a column that has not come yet.
 */
#ifndef TM_SOURCE_STRICT_H
#define TM_SOURCE_STRICT_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"

/** Check the columns and keys that a spec declares, by their names; nothing is asked of a spec that
 * is not strict. TM_E_USAGE names the column and what it seems to hold. Any thread. */
TM_NODISCARD tm_status tm__strict_check(const json_t *spec, const char *const *keys,
                                        uint32_t n_keys, tm_err *err);
/**
 * Check all columns of a source, by what its rows hold and by name.
 *
 * Errors:  TM_E_NOT_ALLOWED names the column and what it seems to hold, never a value;
 * TM_E_NOT_FOUND, those of tm__profile_source(). Threads: one caller; uses ctx->pool. Cost: the
 * merge of the profiles of segments; nothing for a source that is not strict.
 */
TM_NODISCARD tm_status tm__strict_check_rows(tm_ctx *ctx, const tm_home *home, const char *source,
                                             tm_err *err);

#endif
