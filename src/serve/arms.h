/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version of a split route answers a request. A unit (a customer, a session) comes to the
 * same arm each time, whichever server it asks: weighted rendezvous hashing, so that a change of
 * weights moves only as many units as it must.
 *
 *      unit -> SipHash by the route's salt -> u_i in (0, 1) of each arm -> least -ln(u_i) /
 * weight_i
 *
 * Sources: Thaler and Ravishankar 1998, doi:10.1109/90.663936; weights by logarithms: Schindelhauer
 * and Schomaker 2005, doi:10.1145/1073970.1074008.
 */
#ifndef TM_SERVE_ARMS_H
#define TM_SERVE_ARMS_H

#include "serve/score.h"

/* A split route as it is served. */
typedef struct tm_arms {
    tm_route route;
    /* Entries of the arms, borrowed from the generation; NULL: it could not be made ready, and the
     * champion answers for it. */
    tm_served *served[TM_ARMS_MAX];
    tm_served *shadow; /* borrowed too; NULL: the route has none, or it could not be made ready */
} tm_arms;

/** The arm of a unit: an index into route->arms, of which there is at least one. Pure. */
uint32_t tm__arm_of(const tm_route *route, tm_str unit);

/** True when they split alike; either may be NULL. */
bool tm__arms_are_same(const tm_arms *a, const tm_arms *b);

/** Settle which arm answers: s->served and s->arm. By what X-Tidemill-Unit says; else by the entity
 * of the first row, where rows are objects; else by the request's id. A decoder that has read the
 * first row already is asked, and goes when another version answers. */
void tm__arms_pick(tm_scoring *s, const tm_arms *arms);

#endif
