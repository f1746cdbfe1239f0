/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of log.db: a thread that turns what waits into transactions.
 *
 *     queue ──┐                       ┌── spill files, when the queue has room again
 *     tickets ┴─> one transaction     └─> one transaction, at most some MiB
 *
 * 1. One thread writes: it takes all that is queued and every ticket, so that a label finds the
 *    answers queued before it, and many callers share one sync.
 * 2. It writes as soon as there is a ticket or 4,096 answers, else 50 ms after the first answer.
 * 3. What a transaction writes and what it counts are in it together, so the log never says
 *    anything else than what it holds.
 * 4. A full disk or a busy file is tried again, with the answers kept. Any other failure, such as a
 *    failed sync, ends writing until a restart: what waits goes to a spill file where the policy
 *    says so and is counted as dropped else; labels, and answers that wait for the disk, fail.
 */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_spill.h"
#include "monitor/monitor_writer.h"

#define DELAY_MS 50u

/* ---- Work ---- */

static void queue_reset(tm_queue *queue) {
    tm__buf_reset(&queue->runs);
    queue->n = 0;
}

/* Count the records of each stream in some runs. Streams that others add meanwhile have none. */
static void count_runs(tm_stream *streams, const tm_buf *runs) {
    for (tm_stream *stream = streams; stream != NULL; stream = stream->next) {
        stream->n_batch = 0;
    }
    for (size_t at = 0; at < runs->len;) {
        tm_run run;
        memcpy(&run, runs->data + at, sizeof(run));
        run.stream->n_batch += run.n;
        at += sizeof(run) + run.size;
    }
}

/* Write the runs; what each stream has got of them is added to its model's note. */
tm_status tm__work_write_locked(const tm_work *work, const tm_block_batch *batch, tm_err *err) {
    count_runs(work->streams, batch->runs);
    for (tm_stream *stream = work->streams; stream != NULL; stream = stream->next) {
        if (stream->n_batch > 0) {
            const uint64_t before = batch->tally->n_written;
            TM_TRY(tm__block_write_locked(batch, stream, err));
            tm_lane_note *const note = tm__lane_note_find(&work->notes, stream->lane);
            note->by.n[TM_LANE_WRITTEN] += batch->tally->n_written - before;
        }
    }
    return TM_OK;
}

static tm_status labels_write_locked(tm_db *db, tm_ticket *tickets, tm_tally *tally, tm_err *err) {
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (tm_ticket *ticket = tickets; ticket != NULL; ticket = ticket->next) {
        for (uint64_t i = 0; i < ticket->n && st == TM_OK; i++) {
            st = tm__log_label_locked(&block, &ticket->labels[i], tally, &ticket->results[i], err);
        }
    }
    tm__block_done(&block);
    return st;
}

static tm_status batch_write_locked(tm_monitor *monitor, tm_work *work, tm_tally *tally,
                                    tm_err *err) {
    tm_db *db = monitor->writer;
    TM_TRY(tm__log_stamp_locked(db, &tally->stamp_us, err));
    tm_block_batch batch = {
        .db = db, .runs = &monitor->batch.runs, .must_look = monitor->must_look, .tally = tally};
    TM_TRY(tm__work_write_locked(work, &batch, err));
    batch.runs = &work->sync;
    batch.must_look = false; /* a ticket is tried once */
    TM_TRY(tm__work_write_locked(work, &batch, err));
    TM_TRY(labels_write_locked(db, work->tickets, tally, err));
    TM_TRY(tm__log_count_tally_locked(db, tally, err));
    TM_TRY(tm__log_totals_locked(db, tally, err));
    return tm__lane_notes_save_locked(db, &work->notes, err);
}

/* Rows of streams may be gone with a transaction that failed. */
void tm__work_forget_streams(const tm_work *work) {
    for (tm_stream *stream = work->streams; stream != NULL; stream = stream->next) {
        stream->row_id = 0;
    }
}

static tm_status batch_write(tm_monitor *monitor, tm_work *work, tm_tally *tally, tm_err *err) {
    tm_status st = tm__db_begin(monitor->writer, err);
    if (st == TM_OK) {
        st = tm__db_end(monitor->writer, batch_write_locked(monitor, work, tally, err), err);
    }
    monitor->must_look = st != TM_OK;
    if (st != TM_OK) {
        tm__work_forget_streams(work);
    }
    return st;
}

/* ---- The thread ---- */

bool tm__work_may_try_again(tm_status status) {
    return status == TM_E_UNAVAILABLE || status == TM_E_CONFLICT || status == TM_E_NOMEM;
}

/* Batch jobs count in the log too, so the log knows. */
void tm__work_count_locked(tm_monitor *monitor, const tm_tally *tally, const tm_work *work) {
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        monitor->n_labels[i] = tally->n_labels_in_all[i];
    }
    tm__lane_notes_apply_locked(monitor, &work->notes);
}

/* A run of the batch that will not be written: to a file where that is its policy. */
static void give_up_run_locked(tm_monitor *monitor, const tm_run *run, const uint8_t *records) {
    tm_lane *const lane = run->stream->lane;
    const bool spills = lane->terms.policy == TM_LOG_SPILL &&
                        tm__spill_put(monitor->spill, run, records, NULL) == TM_OK;
    lane->n_queued -= run->n;
    if (spills) {
        tm__lane_spill_locked(lane, run->n);
        lane->spilled_bytes += run->size;
        monitor->n_spilled += run->n;
    } else {
        lane->n_dropped += run->n;
    }
}

static void give_up_batch_locked(tm_monitor *monitor) {
    const tm_buf *const runs = &monitor->batch.runs;
    for (size_t at = 0; at < runs->len;) {
        tm_run run;
        memcpy(&run, runs->data + at, sizeof(run));
        at += sizeof(run);
        give_up_run_locked(monitor, &run, runs->data + at);
        at += run.size;
    }
    queue_reset(&monitor->batch);
}

static void tickets_end_locked(tm_monitor *monitor, tm_ticket *tickets, tm_status status,
                               const tm_err *err) {
    for (tm_ticket *ticket = tickets; ticket != NULL;) {
        tm_ticket *next = ticket->next; /* the ticket is its caller's again once it is done */
        ticket->status = status;
        ticket->err = *err;
        ticket->is_done = true;
        ticket = next;
    }
    if (tickets != NULL) {
        tm__cond_signal_all(monitor->done);
    }
}

static bool has_uncounted(const tm_monitor *monitor) {
    for (const tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        if (lane->n_dropped != lane->kept.n[TM_LANE_DROPPED] ||
            lane->n_sampled != lane->kept.n[TM_LANE_SAMPLED]) {
            return true;
        }
    }
    return false;
}

/* Wait until there is work; false when there is none and the monitor closes. */
static bool wait_for_work_locked(tm_monitor *monitor) {
    while (!monitor->must_stop && monitor->queue.n == 0 && monitor->first_ticket == NULL &&
           monitor->batch.n == 0 && !tm__replay_may_locked(monitor) &&
           !tm__retain_is_due_locked(monitor)) {
        const bool must_count = has_uncounted(monitor) && !monitor->is_broken;
        const bool waits = must_count || (monitor->n_spilled > 0 && !monitor->is_broken) ||
                           tm__retain_is_declared_locked(monitor);
        tm__cond_wait(monitor->wake, monitor->mutex, waits ? TM_WRITER_RETRY_MS : UINT32_MAX);
        if (must_count) {
            break; /* of what was dropped or left out nothing else may come to be written */
        }
    }
    /* A batch that is there failed before: it waits longer. */
    const uint64_t delay_ms = monitor->batch.n > 0 ? TM_WRITER_RETRY_MS : DELAY_MS;
    const uint64_t deadline_ns = tm__mono_ns() + delay_ms * 1000000u;
    while (
        !monitor->must_stop && monitor->first_ticket == NULL &&
        (monitor->batch.n > 0 || (monitor->queue.n > 0 && monitor->queue.n < TM_MONITOR_GROUP))) {
        const uint64_t now_ns = tm__mono_ns();
        if (now_ns >= deadline_ns) {
            break;
        }
        const uint64_t left_ms = (deadline_ns - now_ns) / 1000000u + 1;
        tm__cond_wait(monitor->wake, monitor->mutex, (uint32_t)left_ms);
    }
    return monitor->queue.n > 0 || monitor->batch.n > 0 || monitor->first_ticket != NULL ||
           tm__replay_may_locked(monitor) || tm__retain_is_due_locked(monitor) ||
           (has_uncounted(monitor) && !monitor->is_broken);
}

/* Move what is queued behind what is left of the batch: mostly nothing is, and two pointers move.
 * Without memory for more it stays queued. */
static void take_queue_locked(tm_monitor *monitor) {
    if (monitor->batch.n == 0) {
        const tm_queue empty = monitor->batch;
        monitor->batch = monitor->queue;
        monitor->queue = empty;
    } else if (tm__buf_append(&monitor->batch.runs, monitor->queue.runs.data,
                              monitor->queue.runs.len)) {
        monitor->batch.n += monitor->queue.n;
        queue_reset(&monitor->queue);
    } else {
        monitor->batch.runs.failed = false;
    }
}

static bool take_sync(tm_work *work) {
    bool ok = true;
    for (const tm_ticket *ticket = work->tickets; ticket != NULL; ticket = ticket->next) {
        if (ticket->run.n > 0) {
            ok = ok && tm__buf_append(&work->sync, &ticket->run, sizeof(ticket->run)) &&
                 tm__buf_append(&work->sync, ticket->records, ticket->run.size);
            tm_lane_note *const note = tm__lane_note_find(&work->notes, ticket->run.stream->lane);
            note->n_taken += ticket->run.n;
        }
    }
    return ok;
}

static tm_work take_work_locked(tm_monitor *monitor) {
    TM_ASSERT(monitor->batch.n + monitor->queue.n <= monitor->queue_max);
    take_queue_locked(monitor);
    tm_work work = {.streams = monitor->streams, .tickets = monitor->first_ticket};
    monitor->first_ticket = monitor->last_ticket = NULL;
    tm__buf_init(&work.sync, 2 * TM_MONITOR_BYTES);
    work.notes = tm__lane_notes_take_locked(monitor);
    work.is_whole = work.notes.n > 0;
    for (size_t at = 0; work.is_whole && at < monitor->batch.runs.len;) {
        tm_run run;
        memcpy(&run, monitor->batch.runs.data + at, sizeof(run));
        tm__lane_note_find(&work.notes, run.stream->lane)->n_batch += run.n;
        at += sizeof(run) + run.size;
    }
    work.is_whole = work.is_whole && take_sync(&work);
    return work;
}

void tm__work_done(tm_work *work) {
    tm__lane_notes_done(&work->notes);
    tm__buf_done(&work->sync);
}

static tm_status broken(const tm_monitor *monitor, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_UNAVAILABLE, "the log '%s' stopped after a failed write", monitor->path);
    tm_err_hint(err, "Check the disk, then start the server again.");
    return st;
}

/* One group: called and returns with the lock held, without it while it writes. */
static void write_group_locked(tm_monitor *monitor) {
    tm_tally tally = {0};
    tm_err err = {0};
    tm_status st = TM_OK;
    tm_work work = take_work_locked(monitor);
    if (monitor->is_broken) {
        st = broken(monitor, &err);
    } else if (!work.is_whole) {
        st = TM_FAIL(&err, TM_E_NOMEM, "no memory to write the log");
    } else {
        tm__mutex_unlock(monitor->mutex);
        st = batch_write(monitor, &work, &tally, &err);
        tm__mutex_lock(monitor->mutex);
    }
    if (st == TM_OK) {
        tm__work_count_locked(monitor, &tally, &work);
        queue_reset(&monitor->batch);
    } else if (!tm__work_may_try_again(st) || monitor->is_broken || monitor->must_stop) {
        monitor->is_broken = true;
        give_up_batch_locked(monitor);
    }
    tickets_end_locked(monitor, work.tickets, st, &err);
    tm__work_done(&work);
}

/* ---- All of it ---- */

void tm__monitor_write_main(void *arg) {
    tm_monitor *monitor = arg;
    tm__mutex_lock(monitor->mutex);
    while (wait_for_work_locked(monitor)) {
        if (monitor->queue.n > 0 || monitor->batch.n > 0 || monitor->first_ticket != NULL ||
            has_uncounted(monitor)) {
            write_group_locked(monitor);
        }
        if (tm__replay_may_locked(monitor)) {
            tm__replay_group_locked(monitor);
        }
        if (tm__retain_is_due_locked(monitor)) {
            tm__retain_group_locked(monitor);
        }
    }
    tm__mutex_unlock(monitor->mutex);
}
