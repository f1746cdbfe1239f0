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
    tm_plan *units;    /* reads the entity of rows and nothing else; NULL: they have none */
    tm_schema_column unit_column; /* of it, when the champion reads the entity too */
    tm_schema unit_schema;
} tm_arms;

/** The arm of a unit: an index into route->arms, of which there is at least one. Pure. */
uint32_t tm__arm_of(const tm_route *route, tm_str unit);

/** True when they split alike; either may be NULL. */
bool tm__arms_are_same(const tm_arms *a, const tm_arms *b);

/** What reads units, as the champion of the route has the entity. False when out of memory. */
bool tm__arms_read_units(tm_arms *arms, const tm_served *champion);
/** NULL is a no-op. */
void tm__arms_free(tm_arms *arms);

/** Settle who answers a unit: s->served and s->arm are the route's, and become its arm's. */
void tm__arms_answer(tm_scoring *s, const tm_arms *arms, tm_str unit);
/** Settle who answers: s->served, s->arm and, for rows of several units, s->mixed. By what
 * X-Tidemill-Unit says; else by the entity of each row; else by the request's id. A decoder that
 * has read the only row already is asked, and goes when another version answers. */
void tm__arms_pick(tm_scoring *s, const tm_arms *arms);

#endif
