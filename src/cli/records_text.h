/* SPDX-License-Identifier: Apache-2.0 */
/* Records of processing (loop/processing.h) as Markdown, which is what people read, too. */
#ifndef TM_CLI_RECORDS_TEXT_H
#define TM_CLI_RECORDS_TEXT_H

#include "base/buf.h"
#include "base/json.h"

/** Append them; a buffer that failed says that memory was short. Any thread. */
void tm__records_text(const json_t *records, tm_buf *out);

#endif
