/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows in quarantine a command is about: --numbers and --reason. */
#ifndef TM_CLI_CHOICE_H
#define TM_CLI_CHOICE_H

#include "cli/cli.h"
#include "source/intake.h"

/** TM_E_USAGE for what are no numbers of rows. */
TM_NODISCARD tm_status tm__cli_choice(tm_cli *cli, tm_intake_choice *out, tm_err *err);
/** Print a row in quarantine: where it stands and why; its bytes when it has them. */
void tm__bad_row_print(tm_cli *cli, const json_t *row);

#endif
