/* SPDX-License-Identifier: Apache-2.0 */
/* What `monitor report --json` prints: how a model fares, as far as its log says. */
#ifndef TM_CLI_MONITOR_REPORT_H
#define TM_CLI_MONITOR_REPORT_H

#include "cli/model_args.h"
#include "monitor/monitor_live.h"

typedef struct tm_monitor_report_options {
    bool is_version; /* of the place's version alone, else of all of the model */
    tm_live_options live;
} tm_monitor_report_options;

/**
 * Make the report of the model that a place holds; docs/monitoring.md names its members.
 *
 * Errors: those of tm__monitor_live_report(). New reference in *out.
 */
TM_NODISCARD tm_status tm__monitor_report_make(tm_ctx *ctx, const tm_place *place,
                                               tm_monitor *monitor,
                                               const tm_monitor_report_options *options,
                                               json_t **out, tm_err *err);

/* ---- what its forms say: monitor_findings.c ---- */

/** [{"level": "bad", "warn" or "note", "text"}], what matters most first, of a report without
 * findings. Every figure is one of the report's. New reference. */
json_t *tm__monitor_findings(const json_t *report);
/** The entry of a score in a list of scores; NULL when it is not there. */
const json_t *tm__monitor_score(const json_t *scores, const char *name);

/** Print it for people. */
void tm__monitor_words_print(tm_cli *cli, const json_t *report);
/** Append the page of it; out->failed when out of memory. */
void tm__monitor_page(const json_t *report, tm_buf *out);

#endif
