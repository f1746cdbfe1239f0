/* SPDX-License-Identifier: Apache-2.0 */
/* `tidemill train --repeat`: a version again from its record. */
#ifndef TM_CLI_TRAIN_REPEAT_H
#define TM_CLI_TRAIN_REPEAT_H

#include "cli/cli.h"

/** Train the version of --repeat again and compare the bytes. TM_E_INTEGRITY when they differ. */
TM_NODISCARD tm_status tm__train_repeat(tm_cli *cli, tm_err *err);

#endif
