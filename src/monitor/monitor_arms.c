/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_arms.h"

#include <string.h>

#include "monitor/monitor_walk.h"

typedef struct reading {
    const tm_arms_query *query;
    uint32_t arm;
} reading;

static tm_status take_row(void *arg, const tm_walk_row *row, tm_err *err) {
    const reading *const r = arg;
    if (strcmp(row->arm, TM_SHADOW_ARM) == 0) { /* nobody was given it */
        return TM_OK;
    }
    const int64_t known_us = row->label != NULL ? row->known_us : row->at_us;
    const tm_arm_answer answer = {.arm = r->arm,
                                  .id = tm__str(row->id),
                                  .entity = row->entity,
                                  .at_us = row->at_us,
                                  .outputs = row->outputs,
                                  .n_outputs = row->n_outputs,
                                  .label = row->label,
                                  .known_us = known_us > row->at_us ? known_us : row->at_us};
    return r->query->fn(r->query->arg, &answer, err);
}

tm_status tm__monitor_arms(tm_monitor *monitor, const tm_arms_query *query, tm_err *err) {
    for (uint32_t arm = 0; arm < 2; arm++) {
        reading r = {.query = query, .arm = arm};
        const tm_walk_options options = {.model = query->model,
                                         .version = query->versions[arm],
                                         .from_us = query->from_us,
                                         .until_us = query->until_us};
        TM_TRY(tm__monitor_walk(monitor, &options, take_row, &r, err));
    }
    return TM_OK;
}
