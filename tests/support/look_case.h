/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a model whose answers are made by hand. */
#ifndef TM_SUPPORT_LOOK_CASE_H
#define TM_SUPPORT_LOOK_CASE_H

#include "train/train_look.h"

/** A whole bundle of a task, which nobody asks: BINARY no and yes, MULTICLASS three classes. */
tm_bundle *look_case_bundle(tm_task task);
/** A look at rows with truths and answers [n x outputs], which stay the caller's, as the table
 * does (NULL: none is looked at). The bundle is given to the look; end it with look_case_done(). */
tm_look look_case_make(tm_task task, tm_table *table, double *y, double *pred, uint64_t n);
void look_case_done(tm_look *look);
/** A number of an array in an object, NaN when it is not there. */
double look_case_at(const json_t *object, const char *name, size_t i);

#endif
