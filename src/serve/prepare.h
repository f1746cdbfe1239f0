/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version made ready to answer, aside: mapped, every byte checked, brought into memory, a scratch
 * for each thread, golden rows through each. What it gives may be published by a swap of a pointer.
 */
#ifndef TM_SERVE_PREPARE_H
#define TM_SERVE_PREPARE_H

#include "serve/serve_priv.h"
#include "serve/warm.h"

typedef struct tm_prepare {
    tm_registry *registry;
    const tm_route *route; /* name, model, version and hash */
    uint32_t n_desks;      /* threads that predict; 0 stands for 1 */
    uint64_t memory_max;   /* 0: no limit */
    uint64_t held_bytes;   /* of what is served besides */
    tm_warm_source warm;   /* requests that it must be able to answer; zero: none */
} tm_prepare;

/** TM_E_REFUSED, with numbers, when it would not fit beside what is served, and when it cannot
 * answer what the route was asked last (a version that was champion before is asked for warmth
 * alone); TM_E_INTEGRITY when its file is not whole or a golden row gets another answer than where
 * it was made. Takes as long as reading the file, and what tm__warm_up() takes. */
TM_NODISCARD tm_status tm__prepare(const tm_prepare *terms, tm_served **out, tm_err *err);
/** An entry for terms->route that answers with another's bundle, since its own could not be had;
 * older NULL: it cannot answer. NULL when out of memory. */
tm_served *tm__prepare_stale(const tm_prepare *terms, const tm_served *older, const char *problem);

/** Of which share of its requests decisions are drawn, as a recipe declares; 0 without classes. */
double tm__explored_of(const json_t *recipe, const tm_bundle *bundle);

tm_served *tm__served_ref(tm_served *served);
void tm__served_unref(tm_served *served);

#endif
