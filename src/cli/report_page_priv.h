/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the page of a report. Only for report_*.c. */
#ifndef TM_CLI_REPORT_PAGE_PRIV_H
#define TM_CLI_REPORT_PAGE_PRIV_H

#include <stdarg.h>

#include "cli/page_priv.h"
#include "cli/report_plot.h"

/* report_facts.c: what several forms of a report say. */
/** The entry of a score; NULL when it is not there. name NULL: the one that decides. */
const json_t *tm__report_score(const json_t *report, const char *name);
/** A word for how good it is, of tm__score_word(). */
const char *tm__report_verdict(const json_t *report);
/** "sex = female", "age from 40 to 52 and city = Oslo" in out. */
const char *tm__report_group_text(const json_t *group, char *out, size_t size);
/** "0.8123 (0.80 to 0.82)" of {"value", "low", "high"}; digits that the interval bears. */
const char *tm__report_interval_text(const json_t *interval, char *out, size_t size);
/** A text by its format, cut where it is too long, not within a character. */
void tm__report_format(char *out, size_t size, const char *fmt, va_list args) TM_PRINTF(3, 0);
/** A number with the digits that people read. */
const char *tm__report_number_text(double value, char *out, size_t size);
/** What stands out, a sentence each: ["..."]. Every figure in it is one of the report's. New
 * reference. */
json_t *tm__report_sentences(const json_t *report);
/** What the answers must not be used for or trusted in, as far as it was measured. New reference.
 */
json_t *tm__report_limits(const json_t *report);
/** What a trial is, in words: "boosted trees, 31 leaves, rate 0.1" in out. */
const char *tm__report_trial_text(const json_t *trial, char *out, size_t size);

/* report_page_score.c: after the table of scores. */
void tm__report_put_curves(tm_buf *out, const json_t *report);
/* report_page_why.c */
void tm__report_put_weak(tm_buf *out, const json_t *report);
void tm__report_put_fairness(tm_buf *out, const json_t *report);
void tm__report_put_worth(tm_buf *out, const json_t *report);
void tm__report_put_dependence(tm_buf *out, const json_t *report);
/* report_page_made.c */
void tm__report_put_made(tm_buf *out, const json_t *report);

#endif
