/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions that are drawn, not made: of a share of a route's requests each row gets a class at
 * random, so that labels come of rows whatever the model thinks of them. Who serves and who reads
 * the log afterwards compute the same class from the answer's id, and the arm in the log says with
 * which share requests were drawn.
 *
 *     arm "explored:0.02": each class of each row had the propensity 0.02 / classes
 *
 * Source: Horvitz and Thompson 1952, doi:10.1080/01621459.1952.10483446: rows that were drawn by
 * known chances stand for all.
 */
#ifndef TM_MONITOR_EXPLORED_H
#define TM_MONITOR_EXPLORED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define TM_EXPLORED_SHARE_MAX 0.5
#define TM_EXPLORED_ARM_SIZE 48u

/** What the log calls the arm of requests that are drawn with this share. Threads: any. */
void tm__explored_arm(double share, char out[TM_EXPLORED_ARM_SIZE]);
/** The share of an arm of the log; 0 for any other arm. Threads: any. */
double tm__explored_share(const char *arm);
/** Whether the request is drawn whose number (an id that nobody chooses) this is. Threads: any. */
bool tm__explored_is(const char id[27], double share);
/** The class that is drawn for an answer, each as likely as any. n_classes > 0. Threads: any. */
uint32_t tm__explored_class(const char id[27], uint32_t n_classes);

#endif
