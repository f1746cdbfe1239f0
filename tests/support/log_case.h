/* SPDX-License-Identifier: Apache-2.0 */
/* A log whose writer can be held up, and its counters. */
#ifndef TM_SUPPORT_LOG_CASE_H
#define TM_SUPPORT_LOG_CASE_H

#include "monitor/monitor.h"

/** Open for writing; policy as tm__log_terms_parse() reads it; queue_max 0: the default. Fails the
 * test when it cannot. */
tm_monitor *log_case_open(const tm_home *home, const char *policy, uint32_t queue_max);
/** Open for reading. */
tm_monitor *log_case_read(const tm_home *home);
/** Log n answers of a model, with ids PREFIX0, PREFIX1, ...; how many found no room. */
uint32_t log_case_answers(tm_monitor *monitor, const char *model, const char *prefix, uint32_t n);
/** Same of one answer; its status. */
tm_status log_case_answer(tm_monitor *monitor, const char *model, const char *id,
                          uint32_t *out_dropped);
/** A counter by its name: of a model, or of all (NULL). */
int64_t log_case_count(tm_monitor *monitor, const char *model, const char *name);
/** Fail the test unless what was accepted is what became of it, for each model and for all. */
void log_case_check_sums(tm_monitor *monitor);
/** Wait until a counter has a value; fails the test when it does not come. */
void log_case_wait(tm_monitor *monitor, const char *name, int64_t value);

/** Hold up every write and sync of files whose name ends so by some milliseconds; NULL: none. */
void log_case_slow_disk(const char *suffix, uint32_t ms);
/** Hold them until this is called with NULL. */
void log_case_hold_disk(const char *suffix);
/** Close a monitor whose log is held, and has answers that wait: it goes on when the close began.
 */
void log_case_close_held(tm_monitor *monitor);
/** Let every write of files whose name ends so fail with an errno; NULL: none. */
void log_case_bad_disk(const char *suffix, int number);

#endif
