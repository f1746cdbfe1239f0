/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the upkeep share. */
#ifndef TM_LOOP_UPKEEP_PRIV_H
#define TM_LOOP_UPKEEP_PRIV_H

#include "loop/upkeep.h"
#include "registry/online_plan.h"
#include "registry/registry.h"

/* A version whose features are kept. */
typedef struct tm_kept_version {
    char model[129];
    uint32_t version;
    tm_online_plan plan;
    char problem[192]; /* why it cannot be; empty: it is */
} tm_kept_version;
typedef struct tm_kept {
    tm_kept_version *versions; /* [n] */
    uint32_t n;
} tm_kept;
/** Champions, challengers and what a rollback would bring back: of all models, those that have
 * features over windows. One that cannot be kept is in it with its problem. */
TM_NODISCARD tm_status tm__kept_read(tm_registry *registry, tm_kept *out, tm_err *err);
/** Same of one version, by name. TM_E_NOT_FOUND, TM_E_UNSUPPORTED when it has no such features. */
TM_NODISCARD tm_status tm__kept_read_one(tm_registry *registry, const char *name,
                                         tm_kept_version *out, tm_err *err);
void tm__kept_version_done(tm_kept_version *version);
void tm__kept_done(tm_kept *kept);

#endif
