/* SPDX-License-Identifier: Apache-2.0 */
/* Records of spill files on their way into the log, in pieces between other transactions. */
#include <string.h>

#include "base/clock.h"
#include "monitor/monitor_spill.h"
#include "monitor/monitor_writer.h"

bool tm__replay_may_locked(const tm_monitor *monitor) {
    return monitor->n_spilled > 0 && !monitor->must_stop && !monitor->is_broken &&
           monitor->queue.n < monitor->queue_max / 2 && tm__mono_ns() >= monitor->spill_ns;
}

static tm_stream *find_stream(void *arg, const tm_stream *like) {
    tm_monitor *const monitor = arg;
    tm__mutex_lock(monitor->mutex);
    tm_stream *const stream = tm__stream_find(&monitor->streams, like);
    if (stream != NULL && stream->lane == NULL) {
        stream->lane = tm__lane_of_locked(monitor, like->model);
    }
    tm__mutex_unlock(monitor->mutex);
    return stream;
}

static tm_status replay_locked(tm_monitor *monitor, tm_work *work, const tm_spill_piece *piece,
                               tm_tally *tally, tm_err *err) {
    tm_db *db = monitor->writer;
    tm_spill_place there;
    TM_TRY(tm__log_stamp_locked(db, &tally->stamp_us, err));
    TM_TRY(tm__spill_place_read(db, &there, err));
    /* A commit that failed may be there all the same: the place tells. */
    if (there.file != piece->place.file || there.at < piece->place.at) {
        const tm_block_batch batch = {.db = db, .runs = &piece->runs, .tally = tally};
        TM_TRY(tm__work_write_locked(work, &batch, err));
    }
    for (uint32_t i = 0; i < work->notes.n; i++) {
        tm_lane_counts *const by = &work->notes.list[i].by;
        by->n[TM_LANE_REPLAYED] = by->n[TM_LANE_WRITTEN];
    }
    TM_TRY(tm__spill_place_save_locked(db, &piece->place, err));
    TM_TRY(tm__log_count_tally_locked(db, tally, err));
    TM_TRY(tm__log_totals_locked(db, tally, err));
    return tm__lane_notes_save_locked(db, &work->notes, err);
}

static tm_status replay_piece(tm_monitor *monitor, tm_work *work, const tm_spill_piece *piece,
                              tm_tally *tally, tm_err *err) {
    TM_TRY(tm__db_begin(monitor->writer, err));
    const tm_status st =
        tm__db_end(monitor->writer, replay_locked(monitor, work, piece, tally, err), err);
    if (st != TM_OK) {
        tm__work_forget_streams(work);
    }
    return st;
}

static void note_bytes(const tm_work *work, const tm_buf *runs) {
    for (size_t at = 0; at < runs->len;) {
        tm_run run;
        memcpy(&run, runs->data + at, sizeof(run));
        tm__lane_note_find(&work->notes, run.stream->lane)->n_bytes += run.size;
        at += sizeof(run) + run.size;
    }
}

/* A piece of the spill files, if there is one; called and returns with the lock held. */
void tm__replay_group_locked(tm_monitor *monitor) {
    tm_tally tally = {0};
    tm_spill_piece piece = {0};
    tm_err err = {0};
    tm__buf_init(&piece.runs, 2 * TM_MONITOR_BYTES);
    tm__mutex_unlock(monitor->mutex);
    tm_status st = tm__spill_take(monitor->spill, find_stream, monitor, &piece, &err);
    tm__mutex_lock(monitor->mutex);
    tm_work work = {.streams = monitor->streams, .notes = tm__lane_notes_take_locked(monitor)};
    tm__buf_init(&work.sync, 1);
    st = st == TM_OK && work.notes.n == 0 ? TM_FAIL(&err, TM_E_NOMEM, "out of memory") : st;
    if (st == TM_OK && piece.runs.len > 0) {
        note_bytes(&work, &piece.runs);
        tm__mutex_unlock(monitor->mutex);
        st = replay_piece(monitor, &work, &piece, &tally, &err);
        tm__mutex_lock(monitor->mutex);
        if (st == TM_OK) {
            tm__work_count_locked(monitor, &tally, &work);
            tm__spill_done(monitor->spill, &piece);
        }
    }
    if (st != TM_OK || piece.runs.len == 0) { /* or what is counted is just being written */
        monitor->spill_ns = tm__mono_ns() + TM_WRITER_RETRY_MS * UINT64_C(1000000);
    }
    monitor->is_broken = monitor->is_broken || (st != TM_OK && !tm__work_may_try_again(st));
    tm__work_done(&work);
    tm__buf_done(&piece.runs);
}
