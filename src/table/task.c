/* SPDX-License-Identifier: Apache-2.0 */
#include "table/task.h"

#include <string.h>

static const char *const names[] = {"none", "binary", "multiclass", "regression", "ranking"};

const char *tm__task_text(tm_task task) {
    return (unsigned)task < sizeof(names) / sizeof(names[0]) ? names[task] : "none";
}

tm_task tm__task_from_text(const char *text) {
    for (unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (tm_task)i;
        }
    }
    return TM_TASK_NONE;
}
