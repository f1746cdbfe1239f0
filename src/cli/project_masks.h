/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that the file masks, and versions that learned from them before: those tell values as
 * their own record says, until others take their place. */
#ifndef TM_CLI_PROJECT_MASKS_H
#define TM_CLI_PROJECT_MASKS_H

#include "cli/project.h"
#include "registry/registry.h"

/** Whether a version with this info learned from a column of a source under another policy than
 * this one. */
bool tm__project_tells(const json_t *info, const char *source, const char *column,
                       const char *policy);
/** [{"model", "versions": [1, 2], "source", "column", "policy"}] of all that are not collected. New
 * reference. Cost: reads the record of each version, where the file masks anything. */
TM_NODISCARD tm_status tm__project_unmasked(tm_registry *registry, const tm_project *project,
                                            json_t **out, tm_err *err);

#endif
