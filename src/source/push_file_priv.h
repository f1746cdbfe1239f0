/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One push of a file, for its kinds of content:
 *
 *     push_file.c      what it is, pieces of text
 *     push_json.c      one document of JSON; a long array in pieces
 *     push_parquet.c   tables of Parquet, of a stream through a file of its bytes
 */
#ifndef TM_SOURCE_PUSH_FILE_PRIV_H
#define TM_SOURCE_PUSH_FILE_PRIV_H

#include "source/csv_priv.h"
#include "source/intake_priv.h"
#include "source/push_file.h"

#define TM_PUSH_INPUT_BYTES ((size_t)1 << 20) /* that are read at a time */

typedef struct tm_pushing {
    tm_ctx *ctx;
    const tm_push_file *file;
    tm_push_file_result *out;
    tm_intake *intake;
    tm_intake_columns *columns; /* as they were at the start */
    tm_schema known;            /* names that tell a header; views of columns */
    const char *temp_dir;       /* of the home */
} tm_pushing;

/** Push the next piece and count what became of it; its source, key and number of rows are filled
 * in. Tries again for a while what may pass. TM_E_CANCELLED: it was taken, and no more is wanted.
 */
TM_NODISCARD tm_status tm__push_piece(tm_pushing *p, tm_push *push, tm_err *err);
TM_NODISCARD tm_status tm__push_document(tm_pushing *p, tm_input *input, tm_err *err);
TM_NODISCARD tm_status tm__push_parquet(tm_pushing *p, tm_input *input, tm_err *err);

#endif
