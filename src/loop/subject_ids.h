/* SPDX-License-Identifier: Apache-2.0 */
/* Where ids of subjects stand, and all that a home has. One caller; uses ctx->pool. */
#ifndef TM_LOOP_SUBJECT_IDS_H
#define TM_LOOP_SUBJECT_IDS_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"
#include "table/privacy.h"
#include "table/table.h"

/** Names of the columns of a source (as tm__intake_show() tells it): those whose role is entity,
 * else the key. New reference. */
json_t *tm__subject_columns_of_source(const json_t *source);
/** Same of a version: the entity of its recipe, else those of the source that it learns from. */
TM_NODISCARD tm_status tm__subject_columns_of_version(const tm_home *home,
                                                      const tm_version *version, json_t **out,
                                                      tm_err *err);
/** Whether a source, or a version that learned from one, names subjects by pseudonyms
 * (table/privacy.h). Errors of files. Cost: reads the record of each version. */
TM_NODISCARD tm_status tm__subject_has_pseudonyms(const tm_home *home, tm_registry *registry,
                                                  bool *out, tm_err *err);
/** Call fn for the ids in these columns of sources and of the snapshots of versions, and of logged
 * answers; for many of them more than once. A snapshot that is gone is passed over. Errors: those
 * of fn, which end it, and of files. Cost: reads every source, snapshot and block of the log. */
TM_NODISCARD tm_status tm__subject_ids(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                       tm_status (*fn)(void *arg, const char *id, tm_err *err),
                                       void *arg, tm_err *err);

#endif
