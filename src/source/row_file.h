/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on their way: blocks of them in a file of one machine, written whole and then read from any
 * block on. A file that is there is complete and synced. Not for keeping: its format may change
 * with each version. One caller.
 */
#ifndef TM_SOURCE_ROW_FILE_H
#define TM_SOURCE_ROW_FILE_H

#include "guard/seal.h"
#include "store/bad_values.h"
#include "table/table.h"

typedef struct tm_row_writer tm_row_writer;
/** Begin a file beside path, whose folder is made. */
TM_NODISCARD tm_status tm__row_writer_open(const char *path, tm_row_writer **out, tm_err *err);
/** Before the first rows: have them sealed where the home of the path is. Not where a child writes
 * that may read no keys. */
TM_NODISCARD tm_status tm__row_writer_seal(tm_row_writer *writer, tm_err *err);
/** Add rows and what has no place in them. */
TM_NODISCARD tm_status tm__row_writer_put(tm_row_writer *writer, const tm_table *rows,
                                          const tm_bad_values *bad, tm_err *err);
/** End the writer, which may be NULL. With st TM_OK the file takes its path, durably; else nothing
 * of it is left, and the result is st with err as it was. */
TM_NODISCARD tm_status tm__row_writer_close(tm_row_writer *writer, tm_status st, tm_err *err);

typedef struct tm_row_reader tm_row_reader;
/** Read from an offset that tm__row_reader_at() gave; 0: the first block. TM_E_INTEGRITY; of a
 * sealed file TM_E_NOT_ALLOWED and what tm__vault_ring() says, where its key is not at hand. */
TM_NODISCARD tm_status tm__row_reader_open(const char *path, uint64_t at, tm_row_reader **out,
                                           tm_err *err);
/** The next block, or NULL at the end; what has no place in it is added to `bad`, which is empty.
 */
TM_NODISCARD tm_status tm__row_reader_next(tm_row_reader *reader, tm_table **out,
                                           tm_bad_values *bad, tm_err *err);
/** Where the next block begins; whether there is none. */
uint64_t tm__row_reader_at(const tm_row_reader *reader);
bool tm__row_reader_is_end(const tm_row_reader *reader);
void tm__row_reader_close(tm_row_reader *reader);
/** The key of the home that sealed a file, its id as text; false for a plain one, or none. */
bool tm__row_file_sealed_by(const char *path, char out[TM_ENVELOPE_ID_TEXT]);

#endif
