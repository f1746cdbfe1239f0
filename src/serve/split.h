/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large batch in parts: the thread that has it and those that are idle score a few hundred rows
 * at a time. Answers, errors and the log are those of one thread, in the order of the rows; between
 * parts the client's deadline is looked at, and whether the client is still there.
 */
#ifndef TM_SERVE_SPLIT_H
#define TM_SERVE_SPLIT_H

#include "serve/score.h"

typedef struct tm_split tm_split;

/** Score all rows of s->decoder and append the answers to the reply; sets s->split, which the
 * caller frees. False when the exchange has its (bad) answer. Owner thread of the exchange. */
bool tm__split_run(tm_scoring *s);
/** True when some row is bad, so that none needs a score any more. NULL has none. Any thread. */
bool tm__split_is_bad(const tm_split *split);

/* What follows is for the owner, when all is scored. */
tm_decode_counts tm__split_counts(const tm_split *split);
/** The answers of the part where the place is, or of the next part when it is behind the last one.
 */
const tm_buf *tm__split_answers(const tm_split *split, tm_score_place *place);
/** Who gave the answers of the part where the place is, when several do. */
const tm_buf *tm__split_ways(const tm_score_place *place);
/** Same as tm__score_log() of all answers. */
TM_NODISCARD tm_status tm__split_log(tm_split *split, uint64_t elapsed_ns, uint64_t *out_dropped,
                                     tm_err *err);
void tm__split_free(tm_split *split);

#endif
