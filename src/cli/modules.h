/* SPDX-License-Identifier: Apache-2.0 */
/* Modules of users that a command runs with: those that were added to the home, each named by its
 * hash, and those of --module. */
#ifndef TM_CLI_MODULES_H
#define TM_CLI_MODULES_H

#include "base/user_module.h"
#include "cli/cli.h"

/** Load all that this command runs with; nothing for those that need none, and for `module` itself.
 * Before the first thread. Errors: as tm__user_module_load(). */
TM_NODISCARD tm_status tm__cli_modules_load(const tm_cli *cli, tm_err *err);
/** Load those of the home. Same errors. */
TM_NODISCARD tm_status tm__cli_modules_home(const tm_cli *cli, tm_err *err);
/** Load one, for use by every part of the program. Same errors. */
TM_NODISCARD tm_status tm__cli_module_open(const char *path, const tm_hash *want,
                                           const tm_user_module **out, tm_err *err);
/** Folder of the home's modules; the caller frees with tm__mem_free(); NULL when out of memory. */
char *tm__cli_modules_folder(const tm_cli *cli);
/** Hash that a file of the folder is named by; false for another file. */
bool tm__cli_module_file(const char *name, tm_hash *out);

#endif
