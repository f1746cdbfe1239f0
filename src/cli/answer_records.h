/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the answers for the rows of a file, as the log keeps them, with an id for each. */
#ifndef TM_CLI_ANSWER_RECORDS_H
#define TM_CLI_ANSWER_RECORDS_H

#include "guard/guard.h"
#include "monitor/monitor_table.h"
#include "source/source.h"

typedef struct tm_answer_records {
    tm_id_source ids;
    tm_table_log log;
    tm_buf bytes;        /* of the rows since begin */
    tm_buf time, entity; /* texts of a row's, where no table has them */
} tm_answer_records;
/** TM_E_NOMEM. */
TM_NODISCARD tm_status tm__answer_records_init(tm_answer_records *self, const tm_bundle *bundle,
                                               tm_err *err);
void tm__answer_records_done(tm_answer_records *self); /* a no-op on a zeroed one */
/** Begin with the rows of a part. */
void tm__answer_records_begin(tm_answer_records *self, const tm_source_part *part);
/**
 * Give the answer of a row an id and add its record. Members of the row stay as they are.
 *
 * Errors:  false when out of memory.  Threads: owner thread.
 */
bool tm__answer_records_add(tm_answer_records *self, const tm_source_part *part,
                            tm_table_answer *answer);

#endif
