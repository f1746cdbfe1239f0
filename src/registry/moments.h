/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the history: what was live at a moment and on what evidence, and where a version
 * comes from. Threads as registry.h. */
#ifndef TM_REGISTRY_MOMENTS_H
#define TM_REGISTRY_MOMENTS_H

#include "registry/registry.h"

/**
 * What was live at a moment: [{"model", "champion", "since", "event": "promoted" or "rolled_back",
 * "from", "actor", "reason", "bundle_hash", "evidence": {"gate": {"open", "reason", "at",
 * "checks"?} or null, "forced", "metric", "score"}}] of the models that had a champion then, by
 * name. Of moves at one time the later one counts; where a clock went back, its times do.
 *
 * Owns:    *out is a new reference.
 * Cost:    a few index look-ups a model, whatever the length of the history.
 * Errors:  those of the database.
 * Threads: owner thread.
 */
TM_NODISCARD tm_status tm__registry_at(tm_registry *registry, int64_t at_us, json_t **out,
                                       tm_err *err);
/**
 * Where a version comes from: {"snapshot", "test_snapshot", "source", "recipe_hash", "seed",
 * "code", "registered": {"at", "actor", "reason"}, "parent", "continues", "signer"}. parent: number
 * of the champion that it was registered beside, or null; code: release of Tidemill that registered
 * it. What is not known is null. New reference.
 */
TM_NODISCARD tm_status tm__registry_lineage(tm_registry *registry, const tm_version *version,
                                            json_t **out, tm_err *err);

/** True when a version was the champion of its model before it became so last, or is no longer. */
TM_NODISCARD tm_status tm__registry_was_champion(tm_registry *registry, const char *model,
                                                 uint32_t number, bool *out, tm_err *err);
/**
 * All that is known of a version: its info, and "version", "aliases", "state", "bundle_hash",
 * "bytes" of its file, "created", "tags", "notes" (tags.h) and "lineage" as above. New reference.
 */
TM_NODISCARD tm_status tm__registry_record(tm_registry *registry, const tm_version *version,
                                           json_t **out, tm_err *err);

/** Which version: {"model", "version", "bundle_hash", "aliases"}. New reference. */
json_t *tm__version_brief(const tm_version *version);

#endif
