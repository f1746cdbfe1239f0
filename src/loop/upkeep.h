/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The online store's upkeep: the rows of sources become events in the states of entities, each row
 * once. A block of rows and the place behind it are one transaction of the store, so a kill leaves
 * both or neither; rows keep their place in a source whatever becomes of its files.
 *
 *     versions that are served, or may be soon ──> views, each of one group and source
 *     rows of a source from `next` on ──> states, next     (one commit a block)
 *
 * Views that no version needs any more are dropped. One process does it (online.lock).
 */
#ifndef TM_LOOP_UPKEEP_H
#define TM_LOOP_UPKEEP_H

#include "base/ctx.h"
#include "base/json.h"
#include "feature/window_live.h"
#include "store/home.h"
#include "store/online.h"

typedef struct tm_upkeep_options {
    bool begins_anew; /* with an empty store */
    bool follows;     /* go on until cancelled, else until all rows that are there are in */
    bool checks;      /* read the whole store first; what is damaged is made anew */
} tm_upkeep_options;
/** *out: {"rows", "views": [...], "anew"}. TM_E_CONFLICT while another process does it. */
TM_NODISCARD tm_status tm__upkeep_run(tm_ctx *ctx, const tm_home *home,
                                      const tm_upkeep_options *options, json_t **out, tm_err *err);

/** [{"model", "version", "source", "features", "keys", "next", "waiting", "entities", "events",
 * "newest_at", "lag_seconds", "bytes", "problem"}] of the versions that the store is kept for. */
TM_NODISCARD tm_status tm__upkeep_list(const tm_home *home, json_t **out, tm_err *err);

/** Read the whole store; *out_values of it. TM_E_INTEGRITY; a damaged page may end the process. */
TM_NODISCARD tm_status tm__upkeep_check(const tm_home *home, uint64_t *out_values, tm_err *err);

typedef struct tm_upkeep_ask {
    const char *model;       /* "late", "late@3" */
    const char *const *keys; /* "origin=ABQ" */
    uint32_t n_keys;
    int64_t moment_us;
} tm_upkeep_ask;
/** The features of an entity: {"model", "version", "at", "lag_seconds", "features": {name: value},
 * "groups": [{"keys", "events", "newest_at", "age_seconds"}]}. Groups whose keys are not all given
 * are left out. TM_E_NOT_FOUND without a store. */
TM_NODISCARD tm_status tm__upkeep_show(const tm_home *home, const tm_upkeep_ask *ask, json_t **out,
                                       tm_err *err);

/* One block of rows into a view, within a transaction of the store. */
typedef struct tm_upkeep_block {
    const tm_window_live *live;
    uint32_t group;
    const tm_table *rows; /* those from view->next on */
    int64_t now_us;
} tm_upkeep_block;
/** Changes the view and puts it. TM_E_DATA when the rows do not fit what was fitted. */
TM_NODISCARD tm_status tm__upkeep_apply(tm_online *online, tm_online_view *view,
                                        const tm_upkeep_block *block, tm_err *err);

#endif
