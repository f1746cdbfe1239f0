/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks: a model's answers for the rows of a source or a query, written where others read them,
 * each row once, and logged like answers that were served.
 *
 *   plan a batch ──> its rows, scored ──> target ──> log.db ──> done
 *   (committed)                           (by batch id)  (by batch id)  (committed)
 *
 * A batch is a fixed cut of the input and one version of the model. What was begun is done again
 * after a kill with the same rows, version, ids and bits, and both ends know what they have of it.
 */
#ifndef TM_LOOP_SINK_H
#define TM_LOOP_SINK_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"

/**
 * What a sink is, as it is stored; paths are absolute:
 * {"model": "late" or "late@NAME", "read": "SOURCE" or {"postgres": {"dsn_file", "query"}},
 *  "write": {"postgres": {"dsn_file", "table"}} or {"parquet": DIR} or {"csv": DIR},
 *  "history": "SOURCE" or absent: of the model's features over windows,
 *  "key": [names], "every_s": N or absent, "batch_rows": N or absent}
 * TM_E_DATA says what is wrong. Looks at nothing outside.
 */
TM_NODISCARD tm_status tm__sink_check(const char *name, const json_t *spec, tm_err *err);

/** Add a sink. Its model and source must be there. TM_E_CONFLICT when the name is taken. */
TM_NODISCARD tm_status tm__sink_add(const tm_home *home, const char *name, const json_t *spec,
                                    tm_err *err);
typedef enum tm_sink_change { TM_SINK_SAME, TM_SINK_NEW, TM_SINK_CHANGED } tm_sink_change;
/** How a declared sink differs from the home's. */
TM_NODISCARD tm_status tm__sink_compare(const tm_home *home, const char *name, const json_t *spec,
                                        tm_sink_change *out, tm_err *err);
/** Bring the home's sink to what is declared. Another input begins anew; TM_E_CONFLICT while a
 * batch of the old one is not done. */
TM_NODISCARD tm_status tm__sink_declare(const tm_home *home, const char *name, const json_t *spec,
                                        tm_err *err);
TM_NODISCARD tm_status tm__sink_remove(const tm_home *home, const char *name, tm_err *err);

/** {"sink", "model", "read", "write", "key", "every_seconds", "status", "error", "rows", "batches",
 * "waiting", "missed", "last_run_at", "last_done_at", "next_at", "failures", "batch"}.
 * TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__sink_show(const tm_home *home, const char *name, json_t **out,
                                     tm_err *err);
/** An array of the same, by name. */
TM_NODISCARD tm_status tm__sink_list(const tm_home *home, json_t **out, tm_err *err);

/**
 * Write what waits: all rows that the input had when it began. *out: {"sink", "rows", "batches",
 * "missed"}, counting what this run wrote. A failure is recorded: "retrying" (the target or input
 * is unavailable; the next try is planned with back-off and jitter) or "stopped" until a run goes
 * well. TM_E_CONFLICT when another process runs it.
 */
TM_NODISCARD tm_status tm__sink_run(tm_ctx *ctx, const tm_home *home, const char *name,
                                    json_t **out, tm_err *err);

#endif
