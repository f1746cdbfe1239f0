/* SPDX-License-Identifier: Apache-2.0 */
/* What an experiment on a model was started to do at its verdict (registry/experiment.h). */
#ifndef TM_CLI_EXPERIMENT_ACT_H
#define TM_CLI_EXPERIMENT_ACT_H

#include "cli/model_args.h"

/**
 * Act on a judged experiment: `status` is what tm__registry_experiment() gave, with its verdict.
 * Adds "action": "nothing" (as it was started), "wait", "promoted", "stopped", and "reason".
 *
 * A treatment that is better and cannot be promoted (its gate refuses it by now, its file is gone,
 * another version is the champion) is a stop that says why.
 *
 * Errors: TM_E_CONFLICT when none runs, or another moved at the same moment: then nothing was done,
 *         and the next look sees what is so. Those of the registry; TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__experiment_act(const tm_place *place, const char *model,
                                          const char *actor, json_t *status, tm_err *err);

#endif
