/* SPDX-License-Identifier: Apache-2.0 */
/* What is found of subjects by the files of a home alone. Any thread. */
#ifndef TM_LOOP_SUBJECT_SCAN_H
#define TM_LOOP_SUBJECT_SCAN_H

#include "base/json.h"
#include "loop/subject_needles.h"
#include "registry/registry.h"
#include "store/home.h"

/** Append to out the names, below the home, of files that hold any of the ids. is_asked: which
 * entries of the home are looked into. Cost: reads those files once. */
TM_NODISCARD tm_status tm__subject_scan(const tm_home *home, const tm_needles *ids,
                                        bool (*is_asked)(const char *entry), json_t *out,
                                        tm_err *err);

/** Append to rest, as {"what", "why"}, the snapshots that neither a version nor an open turn names:
 * what a killed training left. Their rows are packed, so the search above does not see an id in
 * them. Cost: lists a folder. */
TM_NODISCARD tm_status tm__subject_unnamed(const tm_home *home, tm_registry *registry, json_t *rest,
                                           tm_err *err);

#endif
