/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with what in a sample of rows: for `data profile`. */
#ifndef TM_CLI_PROFILE_TARGET_H
#define TM_CLI_PROFILE_TARGET_H

#include "base/json.h"
#include "table/table.h"

/** {"columns": [names], "values": [[rank correlation or null]]} of at most 12 columns of numbers;
 * lost values are told by tm__json_check(). NULL below two. New reference. */
json_t *tm__profile_correlations(const tm_table *sample);
/**
 * {"column", "rows", "positive"?, "mean", "columns": [{"column", "measure", "value", "ordered",
 * "by"?: [{"label", "rows", "value"}]}]}, strongest first. columns: those of the profile, which
 * says whose values may be shown. New reference.
 */
json_t *tm__profile_target(const tm_table *sample, uint32_t col, const json_t *columns,
                           bool shows_values);

#endif
