/* SPDX-License-Identifier: Apache-2.0 */
/* A registry with versions of a model 'late', for tests of what moves its requests. */
#ifndef TM_SUPPORT_LATE_CASE_H
#define TM_SUPPORT_LATE_CASE_H

#include "registry/registry.h"

/** Who moves, and why. */
extern const tm_actor tm__late_actor;

/** The open registry of a home, to which n versions of 'late' come: the first is the champion. */
tm_registry *tm__late_open(const tm_home *home, int n);
tm_route tm__late_route(tm_registry *registry);
/** What the last record of its history is. */
const char *tm__late_last_event(tm_registry *registry, char out[32]);

/**
 * Let each write and sync of a move fail, the first, the second, ... until it succeeds: once, or
 * (forever) with all that follow, which is what a kill leaves. The home is opened anew after each,
 * and check() is told whether the move was made: nothing between the two may be there.
 */
void tm__late_each_write(const tm_home *home, bool forever,
                         tm_status (*move)(tm_registry *registry),
                         void (*check)(tm_registry *registry, bool is_made));

#endif
