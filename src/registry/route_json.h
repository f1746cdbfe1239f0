/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers a route, for people and programs: one reading for the command line, status, HTTP and
 * metrics. */
#ifndef TM_REGISTRY_ROUTE_JSON_H
#define TM_REGISTRY_ROUTE_JSON_H

#include "registry/registry.h"

/**
 * {"route", "model", "champion", "arms": [{"version", "weight": percent}], "shadow": {"version",
 * "share": percent} or null, "rollout": as tm__rollout_json() or null}. New reference.
 *
 * Errors: those of the registry, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__registry_route_json(tm_registry *registry, const tm_route *route,
                                               json_t **out, tm_err *err);
/** Add to its shadow, if there is one, what the server counted (store/serving_file.h); arms are
 * those of the route as the server tells them. */
void tm__route_json_count(json_t *route, const json_t *arms);
/** [{"version", "weight": percent}]; NULL when out of memory. */
json_t *tm__route_json_arms(const tm_arm *arms, uint32_t n);

#endif
