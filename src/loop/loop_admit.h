/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a training may begin by the memory that it would take: the queue of a daemon starts what
 * fits, and a turn that does not fit waits, with its reason in its story ("waits": {"since",
 * "reason", "needs_bytes", "free_bytes", "until"?: when it went on}).
 */
#ifndef TM_LOOP_LOOP_ADMIT_H
#define TM_LOOP_LOOP_ADMIT_H

#include "loop/loop_turn.h"

/** Bytes that trainings may still take: what the machine has free, most (0: no bound of the daemon)
 * less what is held at the most; 0: not known. */
uint64_t tm__admit_free(uint64_t most, uint64_t held);
/** A turn waits, for the plan of its training did not fit: its story says so. */
void tm__admit_wait(tm_turn *turn, const tm_admission *admission, const char *reason);
/** It is gone on with: what was planned is told. */
void tm__admit_begin(tm_turn *turn, const tm_admission *admission);
/** Whether a turn waits; its reason in *out_reason (borrowed of the turn; may be NULL). */
bool tm__admit_waits(const tm_turn *turn, const char **out_reason);
/** Whether one that waits would fit by now. */
bool tm__admit_fits(const tm_turn *turn, uint64_t free_bytes);

#endif
