/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON, an object each, in parts: only for this folder. */
#ifndef TM_SOURCE_JSON_LINES_H
#define TM_SOURCE_JSON_LINES_H

#include "source/source.h"

/** True when a file begins with an object that ends on its line and more follows; of one that is
 * named as lines, when it begins with an object. */
TM_NODISCARD tm_status tm__json_lines_found(const char *path, bool is_named, bool *out,
                                            tm_err *err);
/** Rows of files in parts, in the order given; the sink takes members, the spec has a schema. */
TM_NODISCARD tm_status tm__json_pipe(tm_ctx *ctx, const tm_source_spec *spec,
                                     const char *const *paths, uint32_t n_paths,
                                     const tm_source_sink *sink, tm_err *err);

#endif
