/* SPDX-License-Identifier: Apache-2.0 */
/* `replay --target`: what a policy of retraining would have been worth over history. */
#ifndef TM_CLI_REPLAY_HISTORY_H
#define TM_CLI_REPLAY_HISTORY_H

#include "cli/cli.h"

/** The whole command. */
TM_NODISCARD tm_status tm__replay_history(tm_cli *cli, tm_err *err);
/** A page of a finished replay (tm__replay_run()). */
void tm__replay_page(const json_t *result, tm_buf *out);

#endif
