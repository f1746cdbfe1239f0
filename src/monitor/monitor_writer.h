/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the thread that writes the log: what one transaction is made of. */
#ifndef TM_MONITOR_MONITOR_WRITER_H
#define TM_MONITOR_MONITOR_WRITER_H

#include "monitor/monitor_priv.h"

#define TM_WRITER_RETRY_MS 1000u

/* What is to be written, beside the batch or a piece of a spill file. */
typedef struct tm_work {
    tm_stream *streams; /* as they were: new ones come before the first */
    tm_ticket *tickets;
    tm_buf sync; /* answers of tickets, as runs */
    tm_lane_notes notes;
    bool is_whole; /* there was memory for all of it */
} tm_work;
void tm__work_done(tm_work *work);

/** In a transaction: the runs of a batch; what each model has got of them is added to its note. */
TM_NODISCARD tm_status tm__work_write_locked(const tm_work *work, const tm_block_batch *batch,
                                             tm_err *err);
/** Rows of streams may be gone with a transaction that failed. */
void tm__work_forget_streams(const tm_work *work);
/** Counters after a commit. */
void tm__work_count_locked(tm_monitor *monitor, const tm_tally *tally, const tm_work *work);
/** True when a failure may be gone with the next try. */
bool tm__work_may_try_again(tm_status status);

/** True when a piece of the spill files may be written now: when memory is no longer full, and not
 * while the monitor closes. */
bool tm__replay_may_locked(const tm_monitor *monitor);
/** Write a piece of the spill files, if there is one; called and returns with the lock held. */
void tm__replay_group_locked(tm_monitor *monitor);

/** True when records of a model are declared to go after a time or past a size. */
bool tm__retain_is_declared_locked(const tm_monitor *monitor);
/** True when it is time to look for such records: once a minute, and when something is declared. */
bool tm__retain_is_due_locked(const tm_monitor *monitor);
/** Remove some; called and returns with the lock held. */
void tm__retain_group_locked(tm_monitor *monitor);

#endif
