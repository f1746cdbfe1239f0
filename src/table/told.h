/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of the values of a column whose policy is `mask`: they are kept and learned from as
 * they came, told in full to the roles that the policy names, and to everybody else without what
 * tells who somebody is. Whatever leaves the program to somebody with a role goes through here, and
 * what leaves it to nobody in particular (alerts, receivers) with role NULL.
 *
 *   mask                  only admins see them
 *   mask:admin,operator   these roles do
 *
 * A masked text is its first character and three stars, and three stars alone when it has fewer
 * than five; so is everything else but a missing value. How long it was is not told.
 */
#ifndef TM_TABLE_TOLD_H
#define TM_TABLE_TOLD_H

#include "base/buf.h"
#include "base/json.h"

#define TM_TOLD_STARS "***"

/** Whether {COLUMN: POLICY} (may be NULL) masks a column. Any thread. */
bool tm__told_is_masked(const json_t *policies, const char *column);
/** Whether a role (NULL: nobody in particular) sees a column in full. Any thread. */
bool tm__told_in_full(const json_t *policies, const char *column, const char *role);
/** Append the masked form of a text; out->failed when out of memory. Any thread. */
void tm__told_mask(tm_str text, tm_buf *out);
/** What a role is told of a value of a column that is masked: the value itself, or a masked text.
 * New reference; NULL when out of memory. Any thread. */
json_t *tm__told_value(const json_t *policies, const char *column, const char *role,
                       const json_t *value);

#endif
