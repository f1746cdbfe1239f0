/* SPDX-License-Identifier: Apache-2.0 */
/* How `data add` and `apply` make a source. */
#ifndef TM_CLI_SOURCE_ADD_H
#define TM_CLI_SOURCE_ADD_H

#include "source/intake.h"

/** Add a source and read what it reads; when that fails it is removed again. A source of files or a
 * query without any good row is TM_E_DATA. */
TM_NODISCARD tm_status tm__source_add_and_pull(tm_ctx *ctx, const tm_home *home,
                                               const tm_intake_add *add, tm_err *err);

#endif
