/* SPDX-License-Identifier: Apache-2.0 */
/* What `model report --json` prints: all that is known of a version, measured on rows. */
#ifndef TM_CLI_REPORT_MAKE_H
#define TM_CLI_REPORT_MAKE_H

#include "cli/model_args.h"

typedef struct tm_report_options {
    const char *group;   /* column whose groups are compared; NULL: none */
    const char *against; /* version to hold it against; NULL: the champion, or the one before it */
    uint64_t seed;
} tm_report_options;

/**
 * Make the report of the version that a place holds, on rows, or (NULL) on its test rows, which are
 * read from the home's snapshots. docs/modelling.md names its members.
 *
 * Errors: TM_E_NOT_FOUND (the snapshot is gone), TM_E_DATA (nothing to test on), those of
 * train_look.h. New reference in *out.
 */
TM_NODISCARD tm_status tm__report_make(tm_ctx *ctx, const tm_place *place, tm_table *rows,
                                       const tm_report_options *options, json_t **out, tm_err *err);

/** The rows that the version which a place holds was tested on, from the home's snapshots. Errors
 * as tm__report_make(). */
TM_NODISCARD tm_status tm__report_test_rows(tm_ctx *ctx, const tm_place *place, tm_table **out,
                                            tm_err *err);

#endif
