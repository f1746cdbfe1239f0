/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of processing, made of what a home knows of itself: what data it holds of people, what
 * for, for how long, who receives it, which models learned from it, and how it is kept. No value of
 * a row is in them.
 */
#ifndef TM_LOOP_PROCESSING_H
#define TM_LOOP_PROCESSING_H

#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

/**
 * {"at", "data": [{"data": name, "kind": "source", "file" or "query", "feed"?, "purposes": [],
 * "rows"?, "retention_seconds"?, "removed_rows"?, "key"?, "consent"?: as
 * it is declared (source/consent.h), "columns": [{"column", "type", "role"?,
 * "keep_seconds"?, "personal"?: what of people it holds, by its values or its name, "policy"?}],
 * "models":
 * [{"model", "purposes", "versions": numbers of those that have files, "removed": n, "answers":
 * version or null}], "recipients": [{"kind": "route" or "sink", "name", "model", "to"?}], "gaps":
 * [what is not declared]}], "answers": [{"model", "keep_seconds"?}]: logs, "recipients":
 * {"receivers": [{"model", "receiver"}], "exports": [{"event", "n", "last_at"}]}, "security":
 * {"sealed_by": [{"id", "from"}], "keys": {role: n}, "policies": [kinds in use]}, "rights":
 * {"exported", "erased", "last_erased_at"}}. New reference.
 *
 * A query is a data set only when it names no source; it is called by its model, since its text may
 * hold values.
 *
 * Errors:  those of reading the home; TM_E_NOMEM.
 * Threads: one caller; uses ctx->pool.
 * Cost:    a record a version, the profiles of segments, one model file a file or query.
 */
TM_NODISCARD tm_status tm__processing(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                      json_t **out, tm_err *err);

/** The part of a home as a whole: "answers", "recipients", "security" and "rights" of *records. */
TM_NODISCARD tm_status tm__processing_home(const tm_home *home, tm_registry *registry,
                                           json_t *records, tm_err *err);

#endif
