/* SPDX-License-Identifier: Apache-2.0 */
/* What `experiment start` is told to watch besides. */
#ifndef TM_CLI_EXPERIMENT_ASKED_H
#define TM_CLI_EXPERIMENT_ASKED_H

#include "cli/cli.h"
#include "model/bundle.h"

/**
 * --guardrail METRIC[=MARGIN]... and --slow of a command, for a bundle's task; metric is what the
 * experiment compares. Null when none is said. New reference.
 *
 * Errors: TM_E_USAGE (no such metric, one that is said twice, a margin that is no number from 0,
 *         latency without --slow or the contrary), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__guards_read(const tm_cli *cli, const tm_bundle *bundle,
                                       const char *metric, json_t **out, tm_err *err);

#endif
