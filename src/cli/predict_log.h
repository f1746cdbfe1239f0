/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of `predict --log` on their way to log.db. No answer is given out that is not in the log,
 * and none is dropped: who computes them waits. Those of a file, which gets its name only when all
 * are in it, wait beside it, so that a run that fails logs none.
 */
#ifndef TM_CLI_PREDICT_LOG_H
#define TM_CLI_PREDICT_LOG_H

#include "base/buf.h"
#include "cli/model_args.h"

typedef struct tm_predict_log tm_predict_log;
/** place: a home with the version that answers. beside: a file that the answers wait in, made here
 * and removed at the end; NULL: each is logged at once. Errors: those of log.db and of a file.
 * Owner thread. */
TM_NODISCARD tm_status tm__predict_log_open(const tm_place *place, const char *beside,
                                            tm_predict_log **out, tm_err *err);
/** Take answers as tm__answer_append() wrote them: in the log on return, or in the file. */
TM_NODISCARD tm_status tm__predict_log_put(tm_predict_log *log, tm_str records, tm_err *err);
/** All of them are in the log on return; *out_n: how many. */
TM_NODISCARD tm_status tm__predict_log_finish(tm_predict_log *log, uint64_t *out_n, tm_err *err);
void tm__predict_log_close(tm_predict_log *log); /* NULL is a no-op */

#endif
