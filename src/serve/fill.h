/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features over windows that a row of a request leaves out, from the online store: as of the row's
 * own time column when it has a value, else as of now. What a row gives itself wins, also null.
 *
 *     row: keys, time, some features ──> tm__online_ask() ──> the cells of the others
 *
 * Nothing waits: a look-up reads memory, and each thread has a way into the store of its own.
 */
#ifndef TM_SERVE_FILL_H
#define TM_SERVE_FILL_H

#include "registry/online_ask.h"
#include "serve/score.h"

typedef struct tm_fill tm_fill;
typedef struct tm_fill_desk tm_fill_desk;

/** What a version needs of the store and how its model wants to be answered. *out NULL: it has no
 * such features, or none that a store keeps; then a row must give them. TM_E_DATA for a damaged
 * record. */
TM_NODISCARD tm_status tm__fill_create(const tm_bundle *bundle, const json_t *recipe,
                                       uint32_t n_desks, tm_fill **out, tm_err *err);
void tm__fill_free(tm_fill *fill);
/** True when a recipe would make the same. */
bool tm__fill_is_like(const tm_fill *fill, const json_t *info, const json_t *recipe);
/** Names that a row may have for it, besides the model's inputs: keys and time. [*out_n] */
const char *const *tm__fill_names(const tm_fill *fill, uint32_t *out_n);
/** Find the names in the plan of the same version. */
void tm__fill_bind(tm_fill *fill, const tm_plan *plan);

/* A thread's way into the store; it follows when another store takes the place of one. */
tm_fill_desk *tm__fill_desk_create(void);
void tm__fill_desk_free(tm_fill_desk *desk);
/** Its reader of a store, begun; who asked ends it. TM_E_UNAVAILABLE without a store. */
TM_NODISCARD tm_status tm__fill_desk_open(tm_fill_desk *desk, tm_online *online,
                                          tm_online_reader **out, tm_err *err);
/** Gauges of what a store (NULL: none) holds. */
void tm__prom_online(tm_fill_desk *desk, tm_online *online, tm_arena *arena, tm_buf *out);

/** Fill the row that the decoder stands at, and say in s->filled what it was filled from. False
 * with the exchange answered (the store is stale, or memory is out); what is wrong with the row is
 * noted as one of its errors. */
bool tm__fill_row(tm_scoring *s);
/** Append what a row was filled from as a member of its answer, when it was. */
void tm__fill_write(const tm_filled *filled, tm_buf *out);

#endif
