/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flights as events: id, c (the airport left), tail (a number), day (when it leaves), arrives, late
 * (known on arrival). They come in no order of time; some never arrive, some values are missing,
 * some rows have no airport. Rows are functions of their number.
 */
#ifndef TM_SUPPORT_ONLINE_CASE_H
#define TM_SUPPORT_ONLINE_CASE_H

#include "base/json.h"
#include "feature/window_set.h"
#include "store/home.h"
#include "table/table.h"

#define ONLINE_CASE_FIRST_US (INT64_C(1700000000) * 1000000)
#define ONLINE_CASE_STEP_US (INT64_C(60) * 1000000) /* from one flight to the next */

/** Rows first .. first + n - 1 over so many airports. */
tm_table *online_case_rows(uint32_t first, uint32_t n, uint32_t n_airports);
/** Twelve features: by c, by tail, and by both; one of them is called x. Fitted on rows 0 .. 999.
 */
tm_window_set *online_case_set(void);
/** Add the source 'flights' (push). */
void online_case_source(const tm_home *home);
void online_case_push(const tm_home *home, uint32_t first, uint32_t n, uint32_t n_airports);
/** Register a version of 'tiny' whose input x is a feature of the set, with a recipe's "online"
 * (JSON; may be NULL); its number. */
uint32_t online_case_version(const tm_home *home, double auc, const char *online);

#endif
