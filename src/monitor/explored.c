/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/explored.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define PREFIX "explored:"
#define KEY_IS UINT64_C(0x6578706c6f726564) /* numbers of their own for either question */
#define KEY_CLASS UINT64_C(0x6465636964656420)

void tm__explored_arm(double share, char out[TM_EXPLORED_ARM_SIZE]) {
    char text[32];
    text[tm__f64_to_text(share, text)] = '\0';
    (void)snprintf(out, TM_EXPLORED_ARM_SIZE, PREFIX "%s", text);
}

double tm__explored_share(const char *arm) {
    double share = 0;
    const bool is_explored = strncmp(arm, PREFIX, strlen(PREFIX)) == 0 &&
                             tm__str_to_f64(tm__str(arm + strlen(PREFIX)), &share);
    return is_explored && share > 0 && share <= TM_EXPLORED_SHARE_MAX ? share : 0;
}

bool tm__explored_is(const char id[27], double share) {
    return (double)(tm__hash64(id, strlen(id), KEY_IS) >> 11) * 0x1p-53 < share;
}

uint32_t tm__explored_class(const char id[27], uint32_t n_classes) {
    return (uint32_t)(tm__hash64(id, strlen(id), KEY_CLASS) % n_classes);
}
