/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor's checks found. */
#ifndef TM_SUPPORT_CHECK_CASE_H
#define TM_SUPPORT_CHECK_CASE_H

#include "cli/doctor.h"

/** The first check of the name; fails the test when there is none. */
const tm_check *check_case_find(const tm_checks *checks, const char *name);

#endif
