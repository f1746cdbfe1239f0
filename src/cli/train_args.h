/* SPDX-License-Identifier: Apache-2.0 */
/* What the words of "tidemill train" ask for. */
#ifndef TM_CLI_TRAIN_ARGS_H
#define TM_CLI_TRAIN_ARGS_H

#include "cli/cli.h"
#include "train/train.h"

/** The name of the model: --name, else the source's, else the file's up to its first dot, else the
 * target; only what a route may be called. TM_E_USAGE for a --name that none may. */
TM_NODISCARD tm_status tm__train_args_name(tm_cli *cli, char out[TM_MAX_NAME + 1], tm_err *err);
/** Options of a training and its name; with --continue they are only checked to stand beside it,
 * and none is filled. Texts are borrowed from cli and from name. TM_E_USAGE. */
TM_NODISCARD tm_status tm__train_args(tm_cli *cli, tm_train_options *out,
                                      char name[TM_MAX_NAME + 1], tm_err *err);

#endif
