/* SPDX-License-Identifier: Apache-2.0 */
/* A subject's id as a command is given it. Threads: any. */
#ifndef TM_CLI_SUBJECT_ID_H
#define TM_CLI_SUBJECT_ID_H

#include "tidemill/err.h"

#define TM_SUBJECT_ID_BYTES_MAX 1024u

/** The id itself, or for "-" the first line of standard input, so that it stands in no list of
 * processes and no history of a shell. TM_E_USAGE for an empty one. *out ends with
 * tm__cli_subject_done(). */
TM_NODISCARD tm_status tm__cli_subject_read(const char *text, char **out, tm_err *err);
/** Overwrite and end it; NULL is a no-op. */
void tm__cli_subject_done(char *id);

#endif
