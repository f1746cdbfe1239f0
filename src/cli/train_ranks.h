/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train as one of several ranks, which `mpirun` started: rank 0 prints and writes, the others work.
 * Every rank reads the rows and learns the same model; what they must agree on is asked.
 */
#ifndef TM_CLI_TRAIN_RANKS_H
#define TM_CLI_TRAIN_RANKS_H

#include "cli/cli.h"
#include "train/train.h"

/** Open the ranks into ctx->comm, NULL for a process alone. Ranks of another release are refused
 * (TM_E_CONFLICT). A rank that is not the first says nothing from then on. */
TM_NODISCARD tm_status tm__train_ranks_open(tm_cli *cli, tm_ctx *ctx, tm_err *err);
/** Other rows or other options than rank 0 has: TM_E_CONFLICT. */
TM_NODISCARD tm_status tm__train_ranks_check(const tm_ctx *ctx, const tm_train_options *options,
                                             tm_err *err);
/** Another model than rank 0 learned: TM_E_INTEGRITY. */
TM_NODISCARD tm_status tm__train_ranks_same(const tm_ctx *ctx, const tm_hash *bundle, tm_err *err);
/** {"n", "messages", "bytes_sent", "seconds_waited", "fits_dealt"} of this rank, and what of it was
 * for "trees" of boosting: "messages_per_tree", "bytes_per_tree". NULL for a process alone. */
json_t *tm__train_ranks_report(const tm_ctx *ctx);
/** The end of what ranks do together. Says which rank failed; a failure that rank 0 tells, too, is
 * not told twice. ctx->comm is NULL after it. */
void tm__train_ranks_close(tm_cli *cli, tm_ctx *ctx, tm_status st, tm_err *err);

#endif
