/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share that walk the answers of a model in the log. */
#ifndef TM_CLI_WALK_ARGS_H
#define TM_CLI_WALK_ARGS_H

#include "cli/model_args.h"
#include "monitor/monitor_walk.h"

/* The answers that MODEL, --since and --until mean, and the log that has them; zeroed fields are
 * not open. */
typedef struct tm_walk_args {
    tm_place place;
    tm_monitor *monitor;
    tm_walk_options options;
} tm_walk_args;
TM_NODISCARD tm_status tm__walk_args_open(tm_cli *cli, tm_walk_args *out, tm_err *err);
void tm__walk_args_close(tm_walk_args *args);

#endif
