/* SPDX-License-Identifier: Apache-2.0 */
/* What is found of a subject by its files alone. Any thread. */
#ifndef TM_LOOP_SUBJECT_SCAN_H
#define TM_LOOP_SUBJECT_SCAN_H

#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

#define TM_SCAN_ID_BYTES_MIN 6u /* what is shorter stands anywhere by chance */

/** Append to out the names, below the home, of files that hold the id. is_asked: which entries of
 * the home are looked into. Cost: reads those files once. */
TM_NODISCARD tm_status tm__subject_scan(const tm_home *home, const char *id,
                                        bool (*is_asked)(const char *entry), json_t *out,
                                        tm_err *err);

/** Append to rest, as {"what", "why"}, the snapshots that neither a version nor an open turn names:
 * what a killed training left. Their rows are packed, so the search above does not see an id in
 * them. Cost: lists a folder. */
TM_NODISCARD tm_status tm__subject_unnamed(const tm_home *home, tm_registry *registry, json_t *rest,
                                           tm_err *err);

#endif
