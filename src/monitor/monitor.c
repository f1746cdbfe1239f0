/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a process: what threads hand to its writer.
 *
 *   any thread ── answers ─┬> queue ───────┐
 *                          └> spill file ──┼─> writer thread (monitor_writer.c) ──> log.db
 *              ── labels, sync ─> tickets ─┘
 *
 * 1. Queued and unwritten answers together are at most queue_max, and of a model at most what its
 *    terms say; of what comes past that the model's policy decides.
 * 2. An answer is counted as taken before anything else is done with it, and until it is written,
 *    in a file, left out or dropped it counts as queued: the sum holds at any time.
 */
#include "monitor/monitor.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "monitor/monitor_priv.h"
#include "monitor/monitor_spill.h"

#define TM_MONITOR_QUEUE 65536u

/* ---- Opening and closing ---- */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static void count_spilled(void *arg, const char *model, uint64_t n, uint64_t bytes) {
    tm_lane *const lane = tm__lane_of_locked(arg, model);
    lane->n_spilled += n;
    lane->spilled_bytes += bytes;
}

/* A number of this log, so that who chooses ids cannot choose what is left out. */
static tm_status read_sample_key(tm_monitor *monitor, tm_err *err) {
    int64_t key = 0;
    TM_TRY(tm__log_number(monitor->writer, "sample_key", &key, err));
    if (key == 0) {
        tm__random_bytes(&key, sizeof(key));
        key |= 1;
        TM_TRY(tm__db_begin(monitor->writer, err));
        TM_TRY(tm__db_end(monitor->writer,
                          tm__log_set_number_locked(monitor->writer, "sample_key", key, err), err));
    }
    monitor->sample_key = (uint64_t)key;
    return TM_OK;
}

/* What the log and the files beside it say, before the first answer. */
static tm_status read_past(tm_monitor *monitor, const tm_home *home, tm_err *err) {
    tm_spill_place place = {0};
    TM_TRY(tm__log_counters_load(monitor->writer, monitor, err));
    TM_TRY(tm__spill_place_read(monitor->writer, &place, err));
    TM_TRY(tm__spill_open(home, &place, count_spilled, monitor, &monitor->spill, err));
    TM_TRY(tm__lanes_settle(monitor, err));
    return read_sample_key(monitor, err);
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
    TM_TRY(tm__lanes_open(monitor, home, true, err));
    TM_TRY(read_past(monitor, home, err));
    monitor->queue_max = queue_max == 0 ? TM_MONITOR_QUEUE : queue_max;
    monitor->thread = tm__thread_create(tm__monitor_write_main, monitor, "log-writer");
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
    monitor->terms = options->terms != NULL ? *options->terms : tm__log_terms_default;
    if (monitor->path == NULL || monitor->mutex == NULL || monitor->read_mutex == NULL ||
        monitor->wake == NULL || monitor->done == NULL) {
        st = no_memory(err);
        goto out;
    }
    st = options->can_write ? writer_open(monitor, home, options->queue_max, err)
                            : tm__lanes_open(monitor, home, false, err);
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
    tm__spill_close(monitor->spill);
    tm__streams_free(monitor->streams);
    tm__lanes_close(monitor);
    tm__cond_free(monitor->wake);
    tm__cond_free(monitor->done);
    tm__mutex_free(monitor->mutex);
    tm__mutex_free(monitor->read_mutex);
    tm__mem_free(monitor->path);
    tm__mem_free(monitor);
}

/* ---- Terms ---- */

void tm__monitor_declare(tm_monitor *monitor, const char *model, const tm_log_terms *terms) {
    tm__mutex_lock(monitor->mutex);
    tm_lane *const lane = tm__lane_of_locked(monitor, model);
    if (lane->model[0] != '\0') {
        lane->terms = terms != NULL ? *terms : monitor->terms;
        atomic_store(&lane->is_sync, lane->terms.policy == TM_LOG_SYNC);
        monitor->retain_ns = 0;
        tm__cond_signal_all(monitor->wake);
    }
    tm__mutex_unlock(monitor->mutex);
}

bool tm__stream_is_sync(const tm_stream *stream) {
    return atomic_load_explicit(&stream->lane->is_sync, memory_order_relaxed);
}

/* ---- Answers ---- */

/* Of n records the first that fit in the queue: how many, and their bytes. */
static uint32_t fitting_locked(const tm_monitor *monitor, const tm_lane *lane,
                               const tm_buf *records, uint32_t n, size_t *out_bytes) {
    uint32_t room = monitor->queue_max - monitor->queue.n - monitor->batch.n;
    if (lane->terms.queue_max > 0) {
        const uint64_t left =
            lane->terms.queue_max > lane->n_queued ? lane->terms.queue_max - lane->n_queued : 0;
        room = left < room ? (uint32_t)left : room;
    }
    room = monitor->is_broken ? 0 : room;
    *out_bytes = records->len;
    if (n > room) {
        *out_bytes = 0;
        for (uint32_t i = 0; i < room; i++) {
            *out_bytes += tm__record_size(records->data + *out_bytes);
        }
    }
    return n < room ? n : room;
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

/* The stream with the share that its lane has now; NULL when out of memory. */
static tm_stream *stream_now_locked(tm_monitor *monitor, tm_stream *stream) {
    const double share = stream->lane->terms.share;
    if (stream->share == share) {
        return stream;
    }
    if (stream->twin == NULL || stream->twin->share != share) {
        const tm_stream like = {.route = stream->route, /* what the writer changes is its own */
                                .arm = stream->arm,
                                .share = share,
                                .model = stream->model,
                                .columns = stream->columns,
                                .version = stream->version,
                                .n_columns = stream->n_columns};
        stream->twin = tm__stream_find(&monitor->streams, &like);
        if (stream->twin != NULL) {
            stream->twin->lane = stream->lane;
        }
    }
    return stream->twin;
}

/* Keep a share of the records by the hash of their ids; returns how many were left out. */
static uint32_t sample(const tm_monitor *monitor, double share, tm_buf *records) {
    size_t to = 0;
    uint32_t n_out = 0;
    for (size_t at = 0; at < records->len;) {
        const size_t size = tm__record_size(records->data + at);
        const uint64_t hash = tm__record_hash(records->data + at, monitor->sample_key);
        if ((double)(hash >> 11) * 0x1p-53 < share) {
            memmove(records->data + to, records->data + at, size);
            to += size;
        } else {
            n_out++;
        }
        at += size;
    }
    records->len = to;
    return n_out;
}

/* What found no room in memory: to a file where that is the policy. */
static uint32_t put_rest(tm_monitor *monitor, tm_lane *lane, const tm_run *run,
                         const uint8_t *records, bool may_spill) {
    const bool is_there = may_spill && tm__spill_put(monitor->spill, run, records, NULL) == TM_OK;
    tm__mutex_lock(monitor->mutex);
    lane->n_queued -= run->n;
    if (is_there) {
        monitor->n_spilled += run->n;
        lane->spilled_bytes += run->size;
        tm__lane_spill_locked(lane, run->n);
    } else {
        lane->n_dropped += run->n;
    }
    tm__cond_signal_all(monitor->wake);
    tm__mutex_unlock(monitor->mutex);
    return is_there ? 0 : run->n;
}

/* Queue what fits; the rest counts as queued until put_rest() knows better. */
static uint32_t take_answers(tm_monitor *monitor, tm_stream *given, tm_buf *records, uint32_t n) {
    tm_lane *const lane = given->lane;
    size_t bytes = 0;
    tm__mutex_lock(monitor->mutex);
    tm_stream *const stream = stream_now_locked(monitor, given);
    const bool was_counted = lane->n_sampled == lane->kept.n[TM_LANE_SAMPLED];
    tm__lane_accept_locked(lane, n);
    uint32_t n_out = 0;
    if (lane->terms.policy == TM_LOG_SAMPLE) {
        n_out = sample(monitor, lane->terms.share, records);
        lane->n_sampled += n_out;
        n -= n_out;
    }
    uint32_t n_in = stream == NULL ? 0 : fitting_locked(monitor, lane, records, n, &bytes);
    const uint32_t before = monitor->queue.n;
    const tm_run run = {stream, n_in, (uint32_t)bytes};
    if (n_in > 0 && !queue_append_locked(&monitor->queue, run, records->data)) {
        n_in = 0;
        bytes = 0;
    }
    lane->n_queued += n;
    if ((n_in > 0 &&
         (before == 0 || (before < TM_MONITOR_GROUP && before + n_in >= TM_MONITOR_GROUP))) ||
        (n_out > 0 && was_counted)) {
        tm__cond_signal_all(monitor->wake);
    }
    const bool may_spill = lane->terms.policy == TM_LOG_SPILL && stream != NULL &&
                           (lane->terms.spill_bytes == 0 ||
                            lane->spilled_bytes + records->len - bytes <= lane->terms.spill_bytes);
    tm__mutex_unlock(monitor->mutex);
    const tm_run rest = {stream, n - n_in, (uint32_t)(records->len - bytes)};
    return rest.n == 0 ? 0 : put_rest(monitor, lane, &rest, records->data + bytes, may_spill);
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

/* ---- Answers, by policy ---- */

static tm_status log_now(tm_monitor *monitor, tm_stream *stream, const tm_buf *records, uint32_t n,
                         tm_err *err) {
    tm_ticket ticket = {.run = {stream, n, (uint32_t)records->len}, .records = records->data};
    tm__mutex_lock(monitor->mutex);
    ticket.run.stream = stream_now_locked(monitor, stream);
    tm__mutex_unlock(monitor->mutex);
    return ticket.run.stream == NULL ? no_memory(err) : ticket_run(monitor, &ticket, err);
}

tm_status tm__monitor_answers(tm_monitor *monitor, tm_stream *stream, const tm_answers *answers,
                              uint32_t *out_dropped, tm_err *err) {
    TM_ASSERT(monitor->thread != NULL);
    tm_buf *records = answers->bytes;
    uint32_t n_given = 0, n_dropped = 0;
    for (size_t at = 0; at < records->len; n_given++) {
        at += tm__record_stamp(records->data + at, answers->at_us, answers->latency_us);
    }
    if (n_given > 0 && tm__stream_is_sync(stream)) {
        TM_TRY(log_now(monitor, stream, records, n_given, err));
    } else if (n_given > 0) {
        n_dropped = take_answers(monitor, stream, records, n_given);
    }
    if (out_dropped != NULL) {
        *out_dropped = n_dropped;
    }
    return TM_OK;
}
