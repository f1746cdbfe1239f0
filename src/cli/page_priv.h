/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the page of a profile. Only for profile_page.c and profile_plot.c. */
#ifndef TM_CLI_PAGE_PRIV_H
#define TM_CLI_PAGE_PRIV_H

#include "base/buf.h"
#include "base/json.h"

/* profile_page.c: text with what HTML reserves escaped; numbers as people write them. */
void tm__page_text(tm_buf *out, const char *text);
void tm__page_number(tm_buf *out, double value);
void tm__page_count(tm_buf *out, int64_t count);
void tm__page_share(tm_buf *out, double share);

/* profile_plot.c */
void tm__page_histogram(tm_buf *out, const json_t *column);
void tm__page_top(tm_buf *out, const json_t *column);
/** How the target changes along a column; `entry` is the column's of target.columns. */
void tm__page_by(tm_buf *out, const json_t *target, const json_t *entry);
/** What goes with the target, strongest first; nothing for NULL. */
void tm__page_target(tm_buf *out, const json_t *target);
void tm__page_correlations(tm_buf *out, const json_t *correlations);

#endif
