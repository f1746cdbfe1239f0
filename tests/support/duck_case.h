/* SPDX-License-Identifier: Apache-2.0 */
/* DuckDB with one thread for the tests of a program. */
#ifndef TM_SUPPORT_DUCK_CASE_H
#define TM_SUPPORT_DUCK_CASE_H

#include "store/duck.h"

extern tm_duck *duck_case;

/** Set-up and tear-down of a group. */
int duck_case_open(void **state);
int duck_case_close(void **state);
/** Same, in a folder of its own: test_folder_enter(). */
int duck_case_enter(void **state);
int duck_case_leave(void **state);

#endif
