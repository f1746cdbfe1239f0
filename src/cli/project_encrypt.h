/* SPDX-License-Identifier: Apache-2.0 */
/* `encrypt:` of tidemill.yaml against the home. One owner thread. */
#ifndef TM_CLI_PROJECT_ENCRYPT_H
#define TM_CLI_PROJECT_ENCRYPT_H

#include "cli/project.h"
#include "store/home.h"

typedef enum tm_encrypt_change {
    TM_ENCRYPT_SAME, /* also when the file says nothing */
    TM_ENCRYPT_NEW,  /* the home has no key, and nothing in clear */
    TM_ENCRYPT_MOVED /* the same key in another place */
} tm_encrypt_change;

/** How the home differs. TM_E_CONFLICT with the place in the file when it holds rows or models in
 * clear, or has another key; what tm__vault_source_find() fails with when the key is not there. */
TM_NODISCARD tm_status tm__project_encrypt_compare(const tm_home *home, const tm_project *project,
                                                   const char *path, tm_encrypt_change *out,
                                                   tm_err *err);
/** "the home is not sealed"; static. */
const char *tm__project_encrypt_text(tm_encrypt_change change);
/** Seal with the key of the file from now on, and say so in the audit chain. */
TM_NODISCARD tm_status tm__project_encrypt_apply(const tm_home *home, const tm_project *project,
                                                 tm_err *err);

#endif
