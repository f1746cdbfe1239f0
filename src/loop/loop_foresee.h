/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a retraining takes at the least, before a row of its source is read: by the source's count
 * of rows, the champion's columns and features, and what the recipe asks for. A bound that is
 * always below what the plan of train_plan.c finds once rows are there, which decides afterwards.
 */
#ifndef TM_LOOP_LOOP_FORESEE_H
#define TM_LOOP_LOOP_FORESEE_H

#include "loop/loop_turn.h"

/**
 * Bytes of the table, and of its features where all rows are learned from; 0: not known, as of a
 * file or a query.
 *
 * Errors: TM_E_NOMEM, those of intake.db.  Threads: any.  Cost: a query of the list of sources.
 */
TM_NODISCARD tm_status tm__foresee_bytes(const tm_retraining *r, uint64_t *out, tm_err *err);

/** TM_E_LIMIT when these are more than r->admission lets it take: r->turn is begun, without rows,
 * and waits as one does whose plan was refused. A turn that waits so already stays. */
TM_NODISCARD tm_status tm__foresee_admit(tm_retraining *r, tm_err *err);

/** A turn that waits without rows. */
bool tm__foresee_waits(const tm_turn *turn);

#endif
