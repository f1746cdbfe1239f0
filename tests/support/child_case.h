/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor for programs whose tests start the program itself as a child. */
#ifndef TM_SUPPORT_CHILD_CASE_H
#define TM_SUPPORT_CHILD_CASE_H

#include "base/proc.h"

extern tm_supervisor *child_case_supervisor;

/** Set-up and tear-down of a group; main() plays the child before it. */
int child_case_open(void **state);
int child_case_close(void **state);

#endif
