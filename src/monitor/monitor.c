/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of log.db.
 *
 *   any thread ── answers ──> queue ─┐
 *              ── labels ──> tickets ┴─> writer thread: one transaction ──> log.db
 *
 * 1. One thread writes: it takes all that is queued and every ticket, so that a label finds the
 *    answers queued before it, and many callers share one sync.
 * 2. It writes as soon as there is a ticket or 4,096 answers, else 20 ms after the first answer.
 * 3. Queued and unwritten answers together are at most queue_max; past that an answer is dropped
 *    and counted. n answers = written + dropped + queued + in the batch, at any time.
 * 4. A full disk or a busy file is tried again, with the answers kept. Any other failure, such as a
 *    failed sync, ends writing until a restart: what waits is counted as dropped, labels fail.
 */
#include "monitor/monitor.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"

#define TM_MONITOR_QUEUE 65536u
#define TM_MONITOR_GROUP 4096u
#define TM_MONITOR_DELAY_MS 20u
#define TM_MONITOR_RETRY_MS 1000u

/* ---- Counting what is dropped ---- */

tm_drops *tm__monitor_drops_locked(tm_monitor *monitor, const char *model) {
    for (uint32_t i = 0; i < monitor->n_drops; i++) {
        if (strcmp(monitor->drops[i].model, model) == 0) {
            return &monitor->drops[i];
        }
    }
    tm_drops *grown =
        tm__mem_realloc(monitor->drops, (size_t)monitor->n_drops + 1, sizeof(*monitor->drops));
    if (grown == NULL) {
        return &monitor->drops[0]; /* of no model in particular; made when the monitor was opened */
    }
    monitor->drops = grown;
    tm_drops *drops = &grown[monitor->n_drops++];
    memset(drops, 0, sizeof(*drops));
    (void)tm__str_copy(drops->model, sizeof(drops->model), tm__str(model));
    return drops;
}

/* Count the records of each stream of the batch. */
static void count_batch(tm_monitor *monitor) {
    for (tm_stream *stream = monitor->streams; stream != NULL; stream = stream->next) {
        stream->n_batch = 0;
    }
    for (size_t at = 0; at < monitor->batch.runs.len;) {
        tm_run run;
        memcpy(&run, monitor->batch.runs.data + at, sizeof(run));
        run.stream->n_batch += run.n;
        at += sizeof(run) + run.size;
    }
}

static void queue_reset(tm_queue *queue) {
    tm__buf_reset(&queue->runs);
    queue->n = 0;
}

static void drop_batch_locked(tm_monitor *monitor) {
    for (tm_stream *stream = monitor->streams; stream != NULL; stream = stream->next) {
        if (stream->n_batch > 0) {
            tm__monitor_drops_locked(monitor, stream->model)->n += stream->n_batch;
        }
    }
    queue_reset(&monitor->batch);
}

/* ---- One transaction ---- */

/* Drops since the last transaction, as they stood when this one began. */
typedef struct tm_drop_mark {
    tm_drops *drops; /* copies, owned */
    uint32_t n;
} tm_drop_mark;

/* What is to be written beside the batch. */
typedef struct tm_work {
    tm_stream *streams; /* as they were: new ones come before the first */
    tm_ticket *tickets;
    tm_drop_mark mark;
} tm_work;

static tm_status drops_save_locked(tm_db *db, const tm_drop_mark *mark, tm_err *err) {
    for (uint32_t i = 0; i < mark->n; i++) {
        const int64_t by = (int64_t)(mark->drops[i].n - mark->drops[i].n_saved);
        TM_TRY(tm__log_count_locked(db, mark->drops[i].model, "dropped", by, err));
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

static tm_status batch_write_locked(tm_monitor *monitor, const tm_work *work, tm_tally *tally,
                                    tm_err *err) {
    tm_db *db = monitor->writer;
    TM_TRY(tm__log_stamp_locked(db, &tally->stamp_us, err));
    const tm_block_batch batch = {
        .db = db, .runs = &monitor->batch.runs, .must_look = monitor->must_look, .tally = tally};
    for (tm_stream *stream = work->streams; stream != NULL; stream = stream->next) {
        if (stream->n_batch > 0) {
            TM_TRY(tm__block_write_locked(&batch, stream, err));
        }
    }
    TM_TRY(labels_write_locked(db, work->tickets, tally, err));
    TM_TRY(tm__log_count_tally_locked(db, tally, err));
    return tm__log_totals_locked(db, tally, err);
}

static tm_status batch_write(tm_monitor *monitor, const tm_work *work, tm_tally *tally,
                             tm_err *err) {
    tm_status st = tm__db_begin(monitor->writer, err);
    if (st == TM_OK) {
        st = batch_write_locked(monitor, work, tally, err);
        if (st == TM_OK) {
            st = drops_save_locked(monitor->writer, &work->mark, err);
        }
        if (st == TM_OK) {
            st = tm__db_commit(monitor->writer, err);
        } else {
            tm__db_rollback(monitor->writer);
        }
    }
    monitor->must_look = st != TM_OK;
    for (tm_stream *stream = work->streams; st != TM_OK && stream != NULL; stream = stream->next) {
        stream->row_id = 0; /* its row may be gone with the transaction */
    }
    return st;
}

/* ---- The writer thread ---- */

static bool can_try_again(tm_status status) {
    return status == TM_E_UNAVAILABLE || status == TM_E_CONFLICT || status == TM_E_NOMEM;
}

/* Counters after a commit; under the lock. Batch jobs count in the log too, so the log knows. */
static void count_locked(tm_monitor *monitor, const tm_tally *tally, const tm_drop_mark *mark) {
    monitor->n_written = tally->n_written_in_all;
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        monitor->n_labels[i] = tally->n_labels_in_all[i];
    }
    for (uint32_t i = 0; i < mark->n; i++) {
        monitor->drops[i].n_saved = mark->drops[i].n; /* drops never move in their list */
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

static bool has_unsaved_drops(const tm_monitor *monitor) {
    for (uint32_t i = 0; i < monitor->n_drops; i++) {
        if (monitor->drops[i].n != monitor->drops[i].n_saved) {
            return true;
        }
    }
    return false;
}

/* Wait until there is work; false when there is none and the monitor closes. */
static bool wait_for_work_locked(tm_monitor *monitor) {
    while (!monitor->must_stop && monitor->queue.n == 0 && monitor->first_ticket == NULL &&
           monitor->batch.n == 0) {
        tm__cond_wait(monitor->wake, monitor->mutex, UINT32_MAX);
    }
    /* A batch that is there failed before: it waits longer. */
    const uint64_t delay_ms = monitor->batch.n > 0 ? TM_MONITOR_RETRY_MS : TM_MONITOR_DELAY_MS;
    const uint64_t deadline_ns = tm__mono_ns() + delay_ms * 1000000u;
    while (!monitor->must_stop && monitor->first_ticket == NULL &&
           (monitor->batch.n > 0 || monitor->queue.n < TM_MONITOR_GROUP)) {
        const uint64_t now_ns = tm__mono_ns();
        if (now_ns >= deadline_ns) {
            break;
        }
        const uint64_t left_ms = (deadline_ns - now_ns) / 1000000u + 1;
        tm__cond_wait(monitor->wake, monitor->mutex, (uint32_t)left_ms);
    }
    return monitor->queue.n > 0 || monitor->batch.n > 0 || monitor->first_ticket != NULL ||
           (has_unsaved_drops(monitor) && !monitor->is_broken);
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
    count_batch(monitor);
}

static tm_work take_work_locked(tm_monitor *monitor) {
    TM_ASSERT(monitor->batch.n + monitor->queue.n <= monitor->queue_max);
    take_queue_locked(monitor);
    tm_work work = {.streams = monitor->streams, .tickets = monitor->first_ticket};
    monitor->first_ticket = monitor->last_ticket = NULL;
    work.mark.drops = tm__mem_alloc(monitor->n_drops, sizeof(*work.mark.drops));
    if (work.mark.drops != NULL) { /* else the next transaction counts them */
        work.mark.n = monitor->n_drops;
        memcpy(work.mark.drops, monitor->drops, work.mark.n * sizeof(*work.mark.drops));
    }
    return work;
}

/* One group: called and returns with the lock held, without it while it writes. */
static void write_group_locked(tm_monitor *monitor) {
    tm_tally tally = {0};
    tm_err err = {0};
    tm_status st = TM_OK;
    const tm_work work = take_work_locked(monitor);
    if (monitor->is_broken) {
        st = TM_FAIL(&err, TM_E_UNAVAILABLE, "the log '%s' stopped after a failed write",
                     monitor->path);
        tm_err_hint(&err, "Check the disk, then start the server again.");
    } else {
        tm__mutex_unlock(monitor->mutex);
        st = batch_write(monitor, &work, &tally, &err);
        tm__mutex_lock(monitor->mutex);
    }
    if (st == TM_OK) {
        count_locked(monitor, &tally, &work.mark);
    } else if (!can_try_again(st) || monitor->is_broken || monitor->must_stop) {
        monitor->is_broken = true;
        drop_batch_locked(monitor);
    }
    tickets_end_locked(monitor, work.tickets, st, &err);
    tm__mem_free(work.mark.drops);
}

static void writer_main(void *arg) {
    tm_monitor *monitor = arg;
    tm__mutex_lock(monitor->mutex);
    while (wait_for_work_locked(monitor)) {
        write_group_locked(monitor);
    }
    tm__mutex_unlock(monitor->mutex);
}

/* ---- Opening and closing ---- */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status writer_open(tm_monitor *monitor, const tm_home *home, uint32_t queue_max,
                             tm_err *err) {
    char *lock_path = tm__fs_join(tm__home_path(home), "log.lock");
    if (lock_path == NULL) {
        return no_memory(err);
    }
    const tm_status st = tm__lock_open(lock_path, &monitor->lock, err);
    tm__mem_free(lock_path);
    TM_TRY(st);
    TM_TRY(tm__log_open(monitor->path, true, &monitor->writer, err));
    TM_TRY(tm__log_counters_load(monitor->writer, monitor, err));
    monitor->queue_max = queue_max == 0 ? TM_MONITOR_QUEUE : queue_max;
    monitor->thread = tm__thread_create(writer_main, monitor, "log-writer");
    return monitor->thread != NULL
               ? TM_OK
               : TM_FAIL(err, TM_E_UNAVAILABLE, "no memory or no room for a thread");
}

tm_status tm__monitor_open(const tm_home *home, const tm_monitor_options *options, tm_monitor **out,
                           tm_err *err) {
    tm_status st = TM_OK;
    tm_monitor *monitor = tm__mem_zalloc(1, sizeof(*monitor));
    if (monitor == NULL) {
        return no_memory(err);
    }
    tm__buf_init(&monitor->queue.runs, 2 * TM_MONITOR_BYTES); /* they change places */
    tm__buf_init(&monitor->batch.runs, 2 * TM_MONITOR_BYTES);
    monitor->path = tm__mem_strdup(tm__home_log_db(home));
    monitor->mutex = tm__mutex_create();
    monitor->read_mutex = tm__mutex_create();
    monitor->wake = tm__cond_create();
    monitor->done = tm__cond_create();
    monitor->drops = tm__mem_zalloc(1, sizeof(*monitor->drops));
    if (monitor->path == NULL || monitor->mutex == NULL || monitor->read_mutex == NULL ||
        monitor->wake == NULL || monitor->done == NULL || monitor->drops == NULL) {
        st = no_memory(err);
        goto out;
    }
    monitor->n_drops = 1;
    if (options->can_write) {
        st = writer_open(monitor, home, options->queue_max, err);
    }
    if (st == TM_OK && tm__fs_info(monitor->path).kind != TM_PATH_NONE) {
        st = tm__log_open(monitor->path, false, &monitor->reader, err);
    }
    if (st == TM_OK) {
        *out = monitor;
        monitor = NULL;
    }
out:
    tm__monitor_close(monitor);
    return st;
}

void tm__monitor_close(tm_monitor *monitor) {
    if (monitor == NULL) {
        return;
    }
    if (monitor->thread != NULL) {
        tm__mutex_lock(monitor->mutex);
        monitor->must_stop = true;
        tm__cond_signal_all(monitor->wake);
        tm__mutex_unlock(monitor->mutex);
        tm__thread_join(monitor->thread);
    }
    tm__db_close(monitor->reader);
    tm__db_close(monitor->writer);
    tm__file_close(monitor->lock);
    tm__buf_done(&monitor->queue.runs);
    tm__buf_done(&monitor->batch.runs);
    tm__streams_free(monitor->streams);
    tm__mem_free(monitor->drops);
    tm__cond_free(monitor->wake);
    tm__cond_free(monitor->done);
    tm__mutex_free(monitor->mutex);
    tm__mutex_free(monitor->read_mutex);
    tm__mem_free(monitor->path);
    tm__mem_free(monitor);
}

/* ---- Answers ---- */

/* Of n records the first that fit in the queue: how many, and their bytes. */
static uint32_t fitting_locked(const tm_monitor *monitor, const tm_buf *records, uint32_t n,
                               size_t *out_bytes) {
    const uint32_t room = monitor->queue_max - monitor->queue.n - monitor->batch.n;
    *out_bytes = records->len;
    if (n > room) {
        *out_bytes = 0;
        for (uint32_t i = 0; i < room; i++) {
            *out_bytes += tm__record_size(records->data + *out_bytes);
        }
    }
    return monitor->is_broken ? 0 : n < room ? n : room;
}

/* Behind the answers of the same stream, or as a run of its own. */
static bool queue_append_locked(tm_queue *queue, tm_run run, const uint8_t *records) {
    const size_t before = queue->runs.len;
    tm_run last = {0};
    if (before > 0) {
        memcpy(&last, queue->runs.data + queue->last_run, sizeof(last));
    }
    const bool is_more = last.stream == run.stream && run.size <= UINT32_MAX - last.size;
    if (before + run.size > TM_MONITOR_BYTES ||
        tm__buf_reserve(&queue->runs, sizeof(run) + run.size) == NULL) {
        queue->runs.failed = false;
        return false;
    }
    if (is_more) {
        last.n += run.n;
        last.size += run.size;
    } else {
        queue->last_run = before;
        last = run;
        tm__buf_append(&queue->runs, &run, sizeof(run));
    }
    tm__buf_append(&queue->runs, records, run.size);
    memcpy(queue->runs.data + queue->last_run, &last, sizeof(last));
    queue->n += run.n;
    return true;
}

uint32_t tm__monitor_answers(tm_monitor *monitor, tm_stream *stream, const tm_answers *answers) {
    TM_ASSERT(monitor->thread != NULL);
    tm_buf *records = answers->bytes;
    uint32_t n_given = 0;
    for (size_t at = 0; at < records->len; n_given++) {
        at += tm__record_stamp(records->data + at, answers->at_us, answers->latency_us);
    }
    if (n_given == 0) {
        return 0;
    }
    tm__mutex_lock(monitor->mutex);
    size_t bytes = 0;
    uint32_t n = fitting_locked(monitor, records, n_given, &bytes);
    const uint32_t before = monitor->queue.n;
    const tm_run run = {stream, n, (uint32_t)bytes};
    if (n > 0 && !queue_append_locked(&monitor->queue, run, records->data)) {
        n = 0;
    }
    if (n < n_given) {
        tm__monitor_drops_locked(monitor, stream->model)->n += n_given - n;
    }
    if (n > 0 && (before == 0 || (before < TM_MONITOR_GROUP && before + n >= TM_MONITOR_GROUP))) {
        tm__cond_signal_all(monitor->wake);
    }
    tm__mutex_unlock(monitor->mutex);
    return n_given - n;
}

/* ---- Labels ---- */

tm_status tm__label_check(const tm_label *label, uint64_t index, tm_err *err) {
    tm_status st = TM_OK;
    if (label->value == NULL) {
        st = TM_FAIL(err, TM_E_DATA, "a label has no value");
    } else if (label->prediction_id == NULL && label->entity == NULL) {
        st = TM_FAIL(err, TM_E_DATA, "a label names neither a prediction nor an entity");
        tm_err_hint(err, "Give 'prediction_id', or 'model' with 'entity' and the time.");
    } else if (label->prediction_id == NULL && label->model == NULL) {
        st = TM_FAIL(err, TM_E_DATA, "a label by entity names no model");
        tm_err_hint(err, "Give 'model' beside 'entity'.");
    }
    if (st != TM_OK) {
        tm_err_at(err, NULL, index + 1, 0);
    }
    return st;
}

static tm_status ticket_run(tm_monitor *monitor, tm_ticket *ticket, tm_err *err) {
    if (monitor->thread == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_ALLOWED, "the log is open for reading only");
        tm_err_hint(err, "Send labels to the server that writes it.");
        return st;
    }
    tm__mutex_lock(monitor->mutex);
    if (monitor->last_ticket == NULL) {
        monitor->first_ticket = ticket;
    } else {
        monitor->last_ticket->next = ticket;
    }
    monitor->last_ticket = ticket;
    tm__cond_signal_all(monitor->wake);
    while (!ticket->is_done) {
        tm__cond_wait(monitor->done, monitor->mutex, UINT32_MAX);
    }
    tm__mutex_unlock(monitor->mutex);
    if (ticket->status != TM_OK && err != NULL) {
        *err = ticket->err;
    }
    return ticket->status;
}

tm_status tm__monitor_labels(tm_monitor *monitor, const tm_label *labels, uint64_t n,
                             tm_label_result *out_results, tm_err *err) {
    for (uint64_t i = 0; i < n; i++) {
        TM_TRY(tm__label_check(&labels[i], i, err));
    }
    tm_ticket ticket = {.labels = labels, .n = n};
    ticket.results = tm__mem_zalloc(n, sizeof(*ticket.results));
    if (ticket.results == NULL) {
        return no_memory(err);
    }
    const tm_status st = ticket_run(monitor, &ticket, err);
    if (st == TM_OK && n > 0 && out_results != NULL) {
        memcpy(out_results, ticket.results, n * sizeof(*out_results));
    }
    tm__mem_free(ticket.results);
    return st;
}

tm_status tm__monitor_sync(tm_monitor *monitor, tm_err *err) {
    tm_ticket ticket = {0};
    return ticket_run(monitor, &ticket, err);
}

/* ---- Counters ---- */

static json_t *counters_json_locked(const tm_monitor *monitor) {
    uint64_t n_dropped = 0;
    for (uint32_t i = 0; i < monitor->n_drops; i++) {
        n_dropped += monitor->drops[i].n;
    }
    const uint64_t n_waiting = (uint64_t)monitor->queue.n + monitor->batch.n;
    json_t *labels = json_object();
    int rc = labels == NULL;
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        rc |= json_object_set_new(labels, tm__label_result_names[i],
                                  json_integer((json_int_t)monitor->n_labels[i]));
    }
    json_t *object = json_object();
    rc |= json_object_set_new(
        object, "answers", json_integer((json_int_t)(monitor->n_written + n_dropped + n_waiting)));
    rc |= json_object_set_new(object, "written", json_integer((json_int_t)monitor->n_written));
    rc |= json_object_set_new(object, "dropped", json_integer((json_int_t)n_dropped));
    rc |= json_object_set_new(object, "queued", json_integer((json_int_t)n_waiting));
    rc |= json_object_set_new(object, "broken", json_boolean(monitor->is_broken));
    rc |= json_object_set_new(object, "labels", labels);
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* A process that only reads takes the counters from the log each time. */
static tm_status counters_reload(tm_monitor *monitor) {
    tm_status st = TM_OK;
    tm__mutex_lock(monitor->read_mutex);
    if (monitor->reader != NULL) {
        tm__mutex_lock(monitor->mutex);
        monitor->n_written = 0;
        memset(monitor->n_labels, 0, sizeof(monitor->n_labels));
        for (uint32_t i = 0; i < monitor->n_drops; i++) {
            monitor->drops[i].n = monitor->drops[i].n_saved = 0;
        }
        st = tm__log_counters_load(monitor->reader, monitor, NULL);
        tm__mutex_unlock(monitor->mutex);
    }
    tm__mutex_unlock(monitor->read_mutex);
    return st;
}

json_t *tm__monitor_counters(tm_monitor *monitor) {
    if (monitor->thread == NULL && counters_reload(monitor) != TM_OK) {
        return NULL;
    }
    tm__mutex_lock(monitor->mutex);
    json_t *object = counters_json_locked(monitor);
    tm__mutex_unlock(monitor->mutex);
    return object;
}
