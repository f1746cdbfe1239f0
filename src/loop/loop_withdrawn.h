/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent that was taken back, and models that learned before. A version is behind when somebody
 * whose rows it learned from does not agree to its purpose any more (source/consent.h); it is then
 * fitted anew by its own record on the rows that are left, as an erasure does (subject_refit.h).
 * A retraining would need new rows to judge by, and one person who says no brings none.
 */
#ifndef TM_LOOP_LOOP_WITHDRAWN_H
#define TM_LOOP_LOOP_WITHDRAWN_H

#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

struct tm_load_tester;

/** How many rows that a version learned from are of people who do not agree now; 0 for one that
 * learned from a file or a query, from a source that asks nobody, or whose snapshot is gone. memo:
 * an object of the caller's that lives between looks, so that rows are read only when somebody said
 * something since; NULL: none. Cost: a look at the source, else its rows and the snapshots. */
TM_NODISCARD tm_status tm__withdrawn_count(tm_ctx *ctx, const tm_home *home,
                                           const tm_version *version, json_t *memo, uint64_t *out,
                                           tm_err *err);

/**
 * Champions that learned from people who took consent back since, and that tm__withdrawn_refit()
 * does not reach: [{"model", "version", "why", "sources": [{"source", "people"}]}]. They learned
 * from a query, from events of other sources, or went on from another model; whoever trains anew
 * reads without these people. New reference. A source that is gone says nothing. Cost: reads the
 * sources where consent is said, twice each.
 */
TM_NODISCARD tm_status tm__withdrawn_left(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                          json_t **out, tm_err *err);

typedef struct tm_withdrawn_order {
    const char *model;
    const tm_actor *actor;
    const struct tm_load_tester *load; /* as tm_subject_erasure has it */
} tm_withdrawn_order;
/** Fit the champion of a model anew without those rows, register it, let the gate judge it, and
 * promote it unless the gate refuses. *out: {"model", "from", "version" (of the champion then),
 * "rows": left out, "refused": {"version", "reason"} or null}. New reference.
 * Errors: TM_E_REFUSED when nobody took anything back; TM_E_CONFLICT as tm__subject_can_refit(). */
TM_NODISCARD tm_status tm__withdrawn_refit(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                           const tm_withdrawn_order *order, json_t **out,
                                           tm_err *err);

#endif
