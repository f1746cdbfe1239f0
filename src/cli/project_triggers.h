/* SPDX-License-Identifier: Apache-2.0 */
/* Triggers of `retrain:` that look at a source of the home, where the model reads none: nothing
 * ever sets them off. */
#ifndef TM_CLI_PROJECT_TRIGGERS_H
#define TM_CLI_PROJECT_TRIGGERS_H

#include "cli/project.h"

/** Whether a recipe reads a source of the home, and no file or query. */
bool tm__recipe_reads_source(const json_t *recipe);
/** [{"model", "trigger"}]; the trigger is "new_rows" or "schema". New reference; NULL: no memory.
 */
json_t *tm__project_unfed(const tm_project *project);

#endif
