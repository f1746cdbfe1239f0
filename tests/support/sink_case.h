/* SPDX-License-Identifier: Apache-2.0 */
/* A home with the model 'made' and a source 'rows' (key id) whose rows sinks read. */
#ifndef TM_SUPPORT_SINK_CASE_H
#define TM_SUPPORT_SINK_CASE_H

#include "base/buf.h"
#include "base/json.h"
#include "store/home.h"

/** Train version 1 of 'made' and add an empty source 'rows'. */
void tm__sink_case_make(const tm_home *home);
/** Train another version on other rows and, when asked, promote it; its number. */
uint32_t tm__sink_case_train(const tm_home *home, bool is_promoted);
/** Push rows with the ids first .. first + n - 1; x and c are functions of the id. */
void tm__sink_case_push(const tm_home *home, uint32_t first, uint32_t n);
/** Remove the rows that are in segments, as a retention does. */
void tm__sink_case_drop_segments(const tm_home *home);
/** A spec that reads 'rows' and writes CSV or Parquet (`kind`) to DIR in the home. */
json_t *tm__sink_case_spec(const tm_home *home, const char *kind, uint32_t batch_rows);
/** Make a version the champion. */
void tm__sink_case_promote(const tm_home *home, uint32_t version);
/** Names and bytes of the files in the sink's folder, in order of the names; how many there are,
 * half-written ones among them. */
uint32_t tm__sink_case_files(const tm_home *home, tm_buf *out);
/** Remove them. */
void tm__sink_case_clear(const tm_home *home);

#endif
