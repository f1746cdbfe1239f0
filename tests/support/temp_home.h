/* SPDX-License-Identifier: Apache-2.0 */
/* A home in a folder of its own for one test. */
#ifndef TM_SUPPORT_TEMP_HOME_H
#define TM_SUPPORT_TEMP_HOME_H

#include "store/home.h"

/** Set-up and tear-down of cmocka: *state is a tm_home *. */
int tm__temp_home_open(void **state);
/** Skip this test where the registry's tables are in PostgreSQL: it looks into the file meta.db, or
 * counts what fails on this machine. */
void tm__temp_home_needs_file(void);
/** A home beside it whose tables are in PostgreSQL, in this schema, where nobody answers. The
 * caller closes it. */
tm_home *tm__temp_home_away(const tm_home *beside, const char *schema);
int tm__temp_home_close(void **state);

#endif
