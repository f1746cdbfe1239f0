/* SPDX-License-Identifier: Apache-2.0 */
/* A version's report as one page of HTML that loads nothing and runs no script. */
#ifndef TM_CLI_REPORT_PAGE_H
#define TM_CLI_REPORT_PAGE_H

#include "base/buf.h"
#include "base/json.h"

/** Append the page of what `model report --json` prints; out->failed when out of memory. */
void tm__report_page(const json_t *report, tm_buf *out);

#endif
