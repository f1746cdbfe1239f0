/* SPDX-License-Identifier: Apache-2.0 */
/* What data is worth as one page of HTML that loads nothing and runs no script. */
#ifndef TM_CLI_VALUE_PAGE_H
#define TM_CLI_VALUE_PAGE_H

#include "base/buf.h"
#include "base/json.h"

/** Append the page of what `data value --json` prints; title names the data. out->failed when out
 * of memory. */
void tm__value_page(const json_t *value, const char *title, tm_buf *out);

#endif
