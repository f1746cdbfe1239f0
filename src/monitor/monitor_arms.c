/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_arms.h"

#include <string.h>

#include "monitor/monitor_walk.h"

typedef struct reading {
    const tm_arms_query *query;
    uint32_t arm;
    int64_t begun_us; /* answers up to then do not count; INT64_MAX: none has been seen */
} reading;

static tm_status take_row(void *arg, const tm_walk_row *row, tm_err *err) {
    reading *const r = arg;
    if (strcmp(row->arm, TM_SHADOW_ARM) == 0) { /* nobody was given it */
        return TM_OK;
    }
    r->begun_us = r->begun_us == INT64_MAX ? row->at_us : r->begun_us;
    if (row->at_us <= r->begun_us) {
        return TM_OK;
    }
    const int64_t known_us = row->label != NULL ? row->known_us : row->at_us;
    const tm_arm_answer answer = {.arm = r->arm,
                                  .id = tm__str(row->id),
                                  .entity = row->entity,
                                  .at_us = row->at_us,
                                  .outputs = row->outputs,
                                  .n_outputs = row->n_outputs,
                                  .latency_us = row->latency_us,
                                  .label = row->label,
                                  .known_us = known_us > row->at_us ? known_us : row->at_us};
    return r->query->fn(r->query->arg, &answer, err);
}

tm_status tm__monitor_arms(tm_monitor *monitor, const tm_arms_query *query, tm_err *err) {
    reading r = {.query = query, .begun_us = query->waits ? INT64_MAX : INT64_MIN};
    for (uint32_t i = 0; i < 2; i++) {
        r.arm = query->waits ? 1 - i : i; /* the control's count from the treatment's on */
        const tm_walk_options options = {.model = query->model,
                                         .version = query->versions[r.arm],
                                         .from_us = query->from_us,
                                         .until_us = query->until_us};
        TM_TRY(tm__monitor_walk(monitor, &options, take_row, &r, err));
        if (r.begun_us == INT64_MAX) {
            return TM_OK; /* it has not begun */
        }
    }
    return TM_OK;
}
