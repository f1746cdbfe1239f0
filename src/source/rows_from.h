/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of what a recipe or a person names: a source of the home, a query, a file or glob. */
#ifndef TM_SOURCE_ROWS_FROM_H
#define TM_SOURCE_ROWS_FROM_H

#include "base/json.h"
#include "source/consent.h"
#include "source/source.h"
#include "store/home.h"

/**
 * {"source"}, {"sql"} or {"path"} of a text: a query when it starts as one, a source when no file
 * or folder below dir (NULL: where the process is) has the name and it is a plain word, else a
 * path. New reference; NULL when out of memory.
 */
json_t *tm__rows_from_text(const char *text, const char *dir);
typedef struct tm_rows_ask {
    const json_t *from; /* as it stands in a recipe: {"source"}, {"sql"}, or {"path"} with
                           "no_header" */
    const char *dir;    /* where paths and files of a query begin; NULL: where the process is */
    const tm_schema *schema; /* types of columns, or NULL */
    tm_learning *learning;   /* rows of sources without consent to it are left out; NULL: nobody
                                learns from them */
} tm_rows_ask;
/** All rows. TM_E_USAGE when `from` names none. */
TM_NODISCARD tm_status tm__rows_from_read(tm_ctx *ctx, const tm_home *home, const tm_rows_ask *ask,
                                          tm_table **out, tm_err *err);

#endif
