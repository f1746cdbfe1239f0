/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of pages: of a profile and of what data is worth. Only for page*.c, profile_*.c, value_*.c,
 * report_*.c, monitor_*.c.
 */
#ifndef TM_CLI_PAGE_PRIV_H
#define TM_CLI_PAGE_PRIV_H

#include "base/buf.h"
#include "base/json.h"
#include "cli/cli.h"

/* page.c */
/** Head and style; kind is what the page shows: "profile". */
void tm__page_begin(tm_buf *out, const char *title, const char *kind);
void tm__page_end(tm_buf *out);
/** Write a whole page to a file, and say so. TM_E_NOMEM when page->failed. */
TM_NODISCARD tm_status tm__page_save(tm_cli *cli, const char *path, const tm_buf *page,
                                     tm_err *err);
/** One figure of a <dl class=tiles>. */
void tm__page_tile(tm_buf *out, const char *name, int64_t count);
void tm__page_tile_text(tm_buf *out, const char *name, const char *text);
void tm__page_tile_share(tm_buf *out, const char *name, double share);
/* Text with what HTML reserves escaped; numbers as people write them. */
void tm__page_text(tm_buf *out, const char *text);
/** A number in digits, those before the point in groups of three. */
void tm__page_groups(tm_buf *out, const char *text);
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

/* value_plot.c */
/** Steps of 1, 2 or 5 times a power of ten that cut a range into at most five. */
double tm__page_step(double range);
/** Score against rows, with intervals, the fit, and what twice as many rows may bring. */
void tm__page_learning_curve(tm_buf *out, const json_t *value);
/** Share of answers with a label by the time since; nothing without labels. */
void tm__page_arrival(tm_buf *out, const json_t *labels);
void tm__page_periods(tm_buf *out, const json_t *list);

#endif
