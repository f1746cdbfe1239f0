/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of whom are believed: label_guard.h for rows that bring their target with them. A column of
 * the source says who a row is from (`labels: {origin: COLUMN}`); each value is an origin by the
 * name COLUMN=VALUE, in the same history and with the same states as senders of labels.
 *
 *     new rows ── answers of the champion ──> origin_judge.h ── wrong ──> labels.quarantined
 *     rows of who is quarantined, new or known ──> neither learned from nor judged by
 */
#ifndef TM_LOOP_ROW_GUARD_H
#define TM_LOOP_ROW_GUARD_H

#include "loop/loop_priv.h"
#include "registry/registry.h"

#define TM_ROW_ORIGIN_SIZE 256u /* of a name; a longer one is cut */

typedef struct tm_row_guard {
    const tm_home *home;
    tm_registry *registry;
    const tm_bundle *bundle; /* of the champion */
    const char *model;
    const json_t *recipe;
    const tm_actor *actor; /* noted with what is found */
} tm_row_guard;

/** The column that a recipe names; NULL: none. */
const char *tm__row_guard_column(const json_t *recipe);

/**
 * Judge the new rows of a source by who they are from, quarantine who is found wrong, and append
 * their names to names. Without a declared column nothing is done. Rows without a target, and
 * rankings, are not judged; of many origins the 63 with the most new rows are, and the newest
 * 200,000 rows.
 *
 * Owns:    nothing is kept.
 * Errors:  TM_E_DATA (no such column), TM_E_NOMEM, those of the history.
 * Threads: one caller; uses ctx->pool.
 * Cost:    one answer of the champion a row, and a sort for each origin.
 */
TM_NODISCARD tm_status tm__row_guard_act(tm_ctx *ctx, const tm_row_guard *guard, tm_table *source,
                                         const tm_row_list *news, json_t *names, tm_err *err);

/** Take the rows of the origins named out of a source and of the list of its new rows; how many of
 * the source went is *out_n. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__row_guard_leave_out(const json_t *recipe, const json_t *names,
                                               tm_table **source, tm_row_list *news,
                                               uint64_t *out_n, tm_err *err);

#endif
