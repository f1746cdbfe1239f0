/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of subjects as a command is given them. One caller. */
#ifndef TM_CLI_SUBJECT_ID_H
#define TM_CLI_SUBJECT_ID_H

#include "cli/cli.h"
#include "cli/model_args.h"
#include "table/table.h"

#define TM_SUBJECT_ID_BYTES_MAX 1024u
#define TM_SUBJECTS_MAX 10000u /* that one command erases: more are more commands */

/** The id itself, or for "-" the first line of standard input, so that it stands in no list of
 * processes and no history of a shell. TM_E_USAGE for an empty one. *out ends with
 * tm__cli_subject_done(). */
TM_NODISCARD tm_status tm__cli_subject_read(const char *text, char **out, tm_err *err);
/** Overwrite and end it; NULL is a no-op. */
void tm__cli_subject_done(char *id);

/* Of one subject or several. */
typedef struct tm_cli_subjects {
    tm_dict *ids;    /* by which the home knows them; owned */
    tm_dict *before; /* as they were given, where that is another text; owned */
} tm_cli_subjects;

/** One of both: an id as above, or a file ("-": standard input) with an id a line, of which empty
 * ones are passed over. TM_E_USAGE for neither, both, and no id; TM_E_LIMIT for over
 * TM_SUBJECTS_MAX. */
TM_NODISCARD tm_status tm__cli_subjects_read(const char *id, const char *path, tm_cli_subjects *out,
                                             tm_err *err);
/** Where subjects are kept by pseudonyms ids become these, unless the home knows the id itself.
 * TM_E_CONFLICT when it knows both. */
TM_NODISCARD tm_status tm__cli_subjects_find(tm_cli *cli, tm_ctx *ctx, const tm_place *place,
                                             tm_cli_subjects *subjects, tm_err *err);
/** A zeroed one is a no-op. */
void tm__cli_subjects_done(tm_cli_subjects *subjects);
/** Rows of them in all sources: the sum of "n" in "sources" of what was found. */
int64_t tm__cli_subject_rows(const json_t *sources);

#endif
