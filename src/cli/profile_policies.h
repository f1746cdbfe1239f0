/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile proposes to keep of columns that tell who somebody is. */
#ifndef TM_CLI_PROFILE_POLICIES_H
#define TM_CLI_PROFILE_POLICIES_H

#include "cli/cli.h"
#include "store/home.h"

/** Put what a source has declared in place of what is proposed for its columns: "declared" of
 * "personal"; its key can only be a pseudonym. Errors: those of tm__intake_show(). */
TM_NODISCARD tm_status tm__profile_policies_declared(const tm_home *home, const char *source,
                                                     json_t *profile, tm_err *err);
/** Print the lines of tidemill.yaml that are proposed; nothing when there are none. */
void tm__profile_policies_print(tm_cli *cli, const json_t *profile);

#endif
