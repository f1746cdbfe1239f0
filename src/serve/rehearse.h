/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as a server would give them, without one: for proofs that serving answers as training
 * did, for what a version is asked before it is visible, and for a load on it. */
#ifndef TM_SERVE_REHEARSE_H
#define TM_SERVE_REHEARSE_H

#include "base/buf.h"
#include "model/bundle.h"

/* One version, asked by one thread. */
typedef struct tm_rehearsal tm_rehearsal;
TM_NODISCARD tm_status tm__rehearsal_create(const tm_bundle *bundle, tm_rehearsal **out,
                                            tm_err *err);
void tm__rehearsal_free(tm_rehearsal *rehearsal);
/**
 * Answer the rows of a JSON array by the code of a request: its check, its decoder, a row at a
 * time.
 *
 * rows     [len] the array as text; it is rewritten in place.
 * n_rows   that it must hold.
 * out      [n_rows x outputs] answers.
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_DATA (a row that a request could not bring, with why), TM_E_NOMEM.
 * Threads: owner thread.
 */
TM_NODISCARD tm_status tm__rehearsal_ask(tm_rehearsal *rehearsal, char *rows, size_t len,
                                         uint64_t n_rows, double *out, tm_err *err);

/* What the columns of a row added to an answer. */
typedef struct tm_rehearsed {
    double *answer;   /* [outputs] */
    double *parts;    /* [inputs] of the output that decides, in the order of the schema */
    double base, raw; /* base and parts sum to raw */
} tm_rehearsed;
/** Same of one row, with its parts. */
TM_NODISCARD tm_status tm__rehearsal_explain(tm_rehearsal *rehearsal, char *rows, size_t len,
                                             tm_rehearsed *out, tm_err *err);

/** Same of one array alone. Any thread. */
TM_NODISCARD tm_status tm__rehearse(const tm_bundle *bundle, tm_buf *rows, uint64_t n_rows,
                                    double *out, tm_err *err);

#endif
