/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that the source of a user's module reads. A spec is {"reader": the module's name, "options":
 * {name: text}, "every_s", "dir"}, the state behind a batch {"position": text of the module,
 * "rows": so far}. What a module gives is checked before it is taken: its columns and their values,
 * and that its position moves.
 */
#ifndef TM_SOURCE_FEED_READER_H
#define TM_SOURCE_FEED_READER_H

#include "source/feed.h"

TM_NODISCARD tm_status tm__feed_reader_check(const json_t *spec, bool has_key, tm_err *err);
TM_NODISCARD tm_status tm__feed_reader_read(tm_ctx *ctx, const tm_feed_input *in,
                                            const tm_feed_sink *sink, tm_err *err);

#endif
