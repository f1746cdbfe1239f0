/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of answer a model gives. Lives here because scores, features and models all need the
 * word. */
#ifndef TM_TABLE_TASK_H
#define TM_TABLE_TASK_H

typedef enum tm_task { /* numbers are stored in files: never reuse one */
                       TM_TASK_NONE = 0,
                       TM_TASK_BINARY = 1,     /* probability of class 1       */
                       TM_TASK_MULTICLASS = 2, /* probability of each class    */
                       TM_TASK_REGRESSION = 3, /* a value                      */
                       TM_TASK_RANKING = 4     /* a score to sort a group by   */
} tm_task;

/** "binary", "multiclass", "regression", "ranking". */
const char *tm__task_text(tm_task task);
tm_task tm__task_from_text(const char *text); /* TM_TASK_NONE when unknown */

#endif
