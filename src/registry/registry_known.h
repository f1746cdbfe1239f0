/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a home knows of tables that are in PostgreSQL, for a server that starts while that is away:
 *
 *      known.db     the rows by which requests are answered: routes, versions, keys by their hashes
 *      known.json   when the tables were heard last, and of which place they are
 *
 * A copy is never written to otherwise, and answers for nobody but who has no server. Not the
 * whole: jobs, records and the audit chain stay where they are. Threads as registry.h.
 */
#ifndef TM_REGISTRY_REGISTRY_KNOWN_H
#define TM_REGISTRY_REGISTRY_KNOWN_H

#include "registry/registry.h"

/** Same as tm__registry_open(), also while the server is away: then each call is TM_E_UNAVAILABLE
 * until it is back. */
TM_NODISCARD tm_status tm__registry_open_away(const tm_home *home, tm_registry **out, tm_err *err);
/** Copy what is needed into the home, in place of the copy before. The registry's tables are in
 * PostgreSQL. Cost: reads all versions. */
TM_NODISCARD tm_status tm__registry_known_keep(tm_registry *registry, tm_err *err);
/** Note that the tables were heard at a time. */
TM_NODISCARD tm_status tm__registry_known_hear(const tm_home *home, int64_t heard_us, tm_err *err);
/** The copy, to read only, and when its tables were heard last. TM_E_NOT_FOUND: there is none of
 * the place that the home names. */
TM_NODISCARD tm_status tm__registry_known_open(const tm_home *home, tm_registry **out,
                                               int64_t *out_heard_us, tm_err *err);

#endif
