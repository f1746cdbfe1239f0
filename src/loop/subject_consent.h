/* SPDX-License-Identifier: Apache-2.0 */
/* What a person agreed to, of a source that asks for consent. */
#ifndef TM_LOOP_SUBJECT_CONSENT_H
#define TM_LOOP_SUBJECT_CONSENT_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"

/**
 * [{"for": purpose or null for all, "given": true, false, or null: nothing was said of the person,
 * which is no consent}] by what is said now; *out NULL when the source asks nobody. New reference.
 *
 * source  as tm__intake_show() has it.
 *
 * Errors:  those of tm__consent_open().
 * Threads: one caller; uses ctx->pool.
 */
TM_NODISCARD tm_status tm__subject_consent(tm_ctx *ctx, const tm_home *home, const json_t *source,
                                           const char *id, json_t **out, tm_err *err);

#endif
