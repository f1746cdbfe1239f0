/* SPDX-License-Identifier: Apache-2.0 */
/* What the home knows now of a model, for loop_trigger.h. Kept between looks, so that a look reads
 * the news alone. Owner thread: that of the loop. */
#ifndef TM_LOOP_LOOP_EVIDENCE_H
#define TM_LOOP_LOOP_EVIDENCE_H

#include "loop/loop_trigger.h"
#include "registry/registry.h"
#include "store/home.h"

typedef struct tm_evidence tm_evidence;

/** NULL when out of memory. The registry is the caller's and lives longer. */
tm_evidence *tm__evidence_create(const tm_home *home, tm_registry *registry);
void tm__evidence_free(tm_evidence *evidence);

/**
 * Facts of a model, as far as the terms ask for them: jobs always, the log only for labels and
 * scores, alerts only for these. out->alerts lives until the next call.
 *
 * Errors: TM_E_NOMEM, those of the home's files.  Cost: that of the news; the first look at a
 * version's score reads its newest labels.
 */
TM_NODISCARD tm_status tm__evidence_look(tm_evidence *evidence, const char *model,
                                         const json_t *recipe, const tm_trigger_terms *terms,
                                         tm_trigger_facts *out, tm_err *err);

/** How many labels of a model joined later than that; 0 without a log. Cost: a count in an index.
 */
TM_NODISCARD tm_status tm__evidence_labels(tm_evidence *evidence, const char *model,
                                           int64_t after_us, uint64_t *out, tm_err *err);

#endif
