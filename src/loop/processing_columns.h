/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a data set in records of processing: what they hold of people, and their policies. */
#ifndef TM_LOOP_PROCESSING_COLUMNS_H
#define TM_LOOP_PROCESSING_COLUMNS_H

#include "base/json.h"
#include "registry/registry.h"

/** Append those of a source, as tm__intake_show() and its profile (NULL: none) have them, to
 * "columns" of a set, and to its "gaps" what has no policy. Losses are told by tm__json_check().
 * Any thread. */
void tm__processing_columns_of_source(json_t *set, const json_t *source, const json_t *profile);
/** Same of a file or query: those that a version learned from or left out. Nothing for a set that
 * has columns, and for a version without a file. Errors: those of tm__registry_bundle(). */
TM_NODISCARD tm_status tm__processing_columns_of_version(tm_registry *registry,
                                                         const tm_version *version, json_t *set,
                                                         tm_err *err);

#endif
