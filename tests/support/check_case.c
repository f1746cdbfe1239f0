/* SPDX-License-Identifier: Apache-2.0 */
#include "check_case.h"

#include <string.h>

#include "test.h"

const tm_check *check_case_find(const tm_checks *checks, const char *name) {
    for (uint32_t i = 0; i < checks->n; i++) {
        if (strcmp(checks->list[i].name, name) == 0) {
            return &checks->list[i];
        }
    }
    fail_msg("no check '%s'", name);
    return NULL;
}
