/* SPDX-License-Identifier: Apache-2.0 */
#include "child_case.h"

#include <stddef.h>

tm_supervisor *child_case_supervisor;

int child_case_open(void **state) {
    (void)state;
    (void)tm__program_path(); /* asked before a test enters a folder of its own */
    return tm__supervisor_open(&child_case_supervisor, NULL) == TM_OK ? 0 : 1;
}

int child_case_close(void **state) {
    (void)state;
    tm__supervisor_close(child_case_supervisor);
    return 0;
}
