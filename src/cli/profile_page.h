/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as one page of HTML that loads nothing and runs no script. */
#ifndef TM_CLI_PROFILE_PAGE_H
#define TM_CLI_PROFILE_PAGE_H

#include "base/buf.h"
#include "base/json.h"

/** Append the page of what `data profile --json` prints; out->failed when out of memory. */
void tm__profile_page(const json_t *profile, tm_buf *out);

#endif
