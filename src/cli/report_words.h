/* SPDX-License-Identifier: Apache-2.0 */
/* A version's report in words. */
#ifndef TM_CLI_REPORT_WORDS_H
#define TM_CLI_REPORT_WORDS_H

#include "cli/cli.h"

/** Print what `model report --json` would print, for people. */
void tm__report_words_print(tm_cli *cli, const json_t *report);

#endif
