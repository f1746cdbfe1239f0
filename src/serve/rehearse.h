/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as a server would give them, without one: for proofs that serving answers as training
 * did. */
#ifndef TM_SERVE_REHEARSE_H
#define TM_SERVE_REHEARSE_H

#include "base/buf.h"
#include "model/bundle.h"

/**
 * Answer the rows of a JSON array by the code of a request: its check, its decoder, a row at a
 * time.
 *
 * rows     the array as text; it is rewritten in place.
 * n_rows   that it must hold.
 * out      [n_rows x outputs] answers.
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_DATA (a row that a request could not bring, with why), TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__rehearse(const tm_bundle *bundle, tm_buf *rows, uint64_t n_rows,
                                    double *out, tm_err *err);

#endif
