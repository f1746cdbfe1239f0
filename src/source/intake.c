/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushes and the writer of intake.db.
 *
 *   any thread ── body ──> rows, keys ── ticket ──> queue ──> writer's thread: one transaction
 *                          (all the work)                       ├─ done() of each ticket
 *                                                               └─ keys to runs, runs merged
 *
 * 1. One thread writes: it takes every ticket that waits, so that many pushes share one sync.
 *    Meanwhile the next ones gather. A ticket is done after the commit, or failed.
 * 2. A source's columns change under the lock, and only from what they were when the rows were
 *    read; else the rows are read again. A ticket brings the columns that its rows were written
 *    with, and the writer stores those that the file lacks in the same transaction.
 * 3. A source's keys are the writer's (intake_writer.c).
 * 4. Another process may declare other columns or remove the source. Whoever finds that out calls
 *    the source stale: it takes nothing more, and the next push finds it anew in the file.
 * 5. A full disk or a busy file fails the pushes of one group. Any other failure, such as a failed
 *    sync, ends writing until a restart: nothing is acknowledged that may be lost.
 */
#include "source/intake.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "store/db_sweep.h"

#define QUEUE_BYTES_MAX ((uint64_t)512 << 20) /* of rows that wait for the disk */
#define PUSHES_KEPT_US (INT64_C(7) * 86400 * 1000000)
#define PUSHES_LOOK_US (INT64_C(3600) * 1000000)
#define IDEMPOTENCY_KEY_MAX 256u
#define LOOK_US INT64_C(500000)
#define LOG_PAGES                                                                                  \
    8192u /* 32 MiB of log between copies into the file: they cost two more syncs each */

/* A source as this process knows it. */
typedef struct intake_source {
    struct intake_source *next;
    char name[TM_MAX_NAME + 1];
    tm_intake_columns *columns; /* newest; under the lock */
    /* The writer's: */
    tm_source_writer *writer;
    bool is_touched;
    _Atomic bool is_stopped, is_stale, is_full;
    int64_t created_us;
    _Atomic int64_t looked_us; /* at what is declared */
} intake_source;

typedef struct ticket {
    struct ticket *next;
    intake_source *source;
    tm_rows rows;
    char *key; /* NULL: none */
    size_t key_len;
    tm_hash body;
    size_t bytes;
    void (*done)(void *arg, const tm_push_result *result);
    void *arg;
    tm_push_result result;
} ticket;

struct tm_intake {
    const tm_home *home;
    tm_mutex *open_mutex; /* over opening, and over reader */
    tm_db *reader;
    tm_file *lock;
    _Atomic bool is_elsewhere; /* another process had the lock when it was last asked for */
    tm_db *writer;             /* of the writer's thread once it runs */
    tm_db_sweep *sweep;        /* of its log */

    tm_mutex *mutex; /* over what follows */
    tm_cond *wake;
    tm_thread *thread;
    intake_source *sources;
    ticket *first, *last;
    uint64_t queued_bytes;
    bool must_stop, is_broken, is_forgetful;
    int64_t pushes_looked_us; /* the writer's */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- One transaction ---- */

static tm_status ticket_write_locked(tm_intake *intake, ticket *t, tm_err *err) {
    const tm_str key = {t->key, t->key_len};
    t->source->is_touched = true;
    const int64_t id = tm__source_writer_id(t->source->writer);
    const tm_status same = tm__source_writer_check_locked(t->source->writer, intake->writer, err);
    if (same == TM_E_UNAVAILABLE || same == TM_E_NOT_FOUND) {
        t->result = (tm_push_result){.status = same, .err = *err};
        atomic_store(&t->source->is_stale, true);
        tm__source_writer_retire(t->source->writer);
        return TM_OK;
    }
    TM_TRY(same);
    const tm_status loaded = tm__source_writer_load(t->source->writer, intake->writer, err);
    if (loaded != TM_OK && !tm__db_is_in_transaction(intake->writer)) {
        return loaded; /* SQLite gave it up itself: nothing of the group is there */
    }
    if (loaded != TM_OK) { /* other sources go on */
        t->result = (tm_push_result){.status = loaded, .err = *err};
        return TM_OK;
    }
    if (t->key != NULL) {
        bool is_found = false;
        const tm_status st =
            tm__intake_db_find_push(intake->writer, id, key, &t->body, &t->result, &is_found, err);
        if (is_found && st == TM_E_CONFLICT) {
            t->result = (tm_push_result){.status = st, .err = *err}; /* its own fault alone */
            return TM_OK;
        }
        if (st != TM_OK || is_found) {
            return st;
        }
    }
    if (t->rows.is_stopped) {
        TM_TRY(tm__source_writer_stop_locked(t->source->writer, intake->writer, &t->rows, err));
        t->result.status = tm__stopped(t->source->name, &t->rows.stop, &t->result.err);
        atomic_store(&t->source->is_stopped, true);
        return TM_OK;
    }
    TM_TRY(tm__source_writer_unique(t->source->writer, &t->rows, NULL, &t->result.duplicates, err));
    const tm_source_put put = {.rows = &t->rows, .origin = t->key != NULL ? t->key : ""};
    TM_TRY(tm__source_writer_put_locked(t->source->writer, intake->writer, &put, &t->result, err));
    return t->key == NULL
               ? TM_OK
               : tm__intake_db_add_push_locked(intake->writer, id, key, &t->body, &t->result, err);
}

static tm_status group_write(tm_intake *intake, ticket *tickets, tm_err *err) {
    TM_TRY(tm__db_begin(intake->writer, err));
    tm_status st = TM_OK;
    const int64_t now_us = tm__now_us();
    if (now_us - intake->pushes_looked_us > PUSHES_LOOK_US) {
        intake->pushes_looked_us = now_us;
        st = tm__intake_db_drop_pushes_locked(intake->writer, now_us - PUSHES_KEPT_US, err);
    }
    for (ticket *t = tickets; st == TM_OK && t != NULL; t = t->next) {
        st = ticket_write_locked(intake, t, err);
    }
    return tm__db_end(intake->writer, st, err);
}

/* ---- The writer's thread ---- */

static void ticket_free(ticket *t) {
    if (t != NULL) {
        tm__rows_done(&t->rows);
        tm__mem_free(t->key);
        tm__mem_free(t);
    }
}

static bool can_go_on(tm_status status) {
    return status == TM_OK || status == TM_E_UNAVAILABLE || status == TM_E_CONFLICT ||
           status == TM_E_NOMEM;
}

/* Sources of tickets after their group: columns and keys as the file has them. */
static void settle_sources(ticket *tickets, tm_status st) {
    for (ticket *t = tickets; t != NULL; t = t->next) {
        tm__source_writer_settle(t->source->writer, st == TM_OK);
    }
}

static void answer(ticket *tickets, tm_status st, const tm_err *err) {
    for (ticket *t = tickets, *next = NULL; t != NULL; t = next) {
        next = t->next;
        if (st != TM_OK) {
            t->result = (tm_push_result){.status = st, .err = *err};
        }
        t->done(t->arg, &t->result);
        ticket_free(t);
    }
}

static void tend_sources(tm_intake *intake, intake_source *first) {
    for (intake_source *s = first; s != NULL; s = s->next) {
        if (s->is_touched) {
            s->is_touched = false;
            tm__source_writer_tend(s->writer, intake->writer, false);
        }
    }
}

/* Called and returns with the lock held, without it while it writes. */
static void write_group_locked(tm_intake *intake) {
    tm_err err = {0};
    tm_status st = TM_OK;
    ticket *tickets = intake->first;
    const uint64_t bytes = intake->queued_bytes;
    const bool is_broken = intake->is_broken;
    intake->first = intake->last = NULL;
    tm__mutex_unlock(intake->mutex);
    tm__json_reset();
    if (is_broken) {
        st = TM_FAIL(&err, TM_E_UNAVAILABLE, "the intake stopped after a failed write");
        tm_err_hint(&err, "Check the disk, then start the server again.");
    } else {
        st = group_write(intake, tickets, &err);
        settle_sources(tickets, st);
    }
    answer(tickets, st, &err);
    tm__mutex_lock(intake->mutex);
    intake->queued_bytes -= bytes;
    intake->is_broken = intake->is_broken || !can_go_on(st);
    /* New sources come at the head, so the list from here on does not change. */
    intake_source *const first_source = intake->sources;
    if (!intake->is_broken) {
        tm__mutex_unlock(intake->mutex);
        tend_sources(intake, first_source);
        tm__mutex_lock(intake->mutex);
    }
}

static void writer_main(void *arg) {
    tm_intake *intake = arg;
    tm__mutex_lock(intake->mutex);
    for (;;) {
        while (intake->first == NULL && !intake->must_stop) {
            tm__cond_wait(intake->wake, intake->mutex, UINT32_MAX);
        }
        if (intake->first == NULL) {
            break;
        }
        write_group_locked(intake);
    }
    intake_source *const first = intake->sources;
    const bool is_broken = intake->is_broken;
    tm__mutex_unlock(intake->mutex);
    for (intake_source *s = first; s != NULL && !is_broken; s = s->next) {
        tm__source_writer_tend(s->writer, intake->writer, true);
        const tm_status st = tm__source_writer_save(s->writer, intake->writer);
        intake->is_forgetful = intake->is_forgetful || st == TM_E_NOMEM;
    }
}

/* ---- Opening and closing ---- */

tm_intake *tm__intake_create(const tm_home *home) {
    tm_intake *intake = tm__mem_zalloc(1, sizeof(*intake));
    if (intake == NULL) {
        return NULL;
    }
    intake->home = home;
    intake->open_mutex = tm__mutex_create();
    intake->mutex = tm__mutex_create();
    intake->wake = tm__cond_create();
    if (intake->open_mutex == NULL || intake->mutex == NULL || intake->wake == NULL) {
        tm__intake_close(intake);
        return NULL;
    }
    return intake;
}

static tm_status no_source(const char *name, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no source '%s'", name);
    tm_err_hint(err, "'tidemill data add %s --push' makes one.", name);
    return st;
}

static void close_files(tm_intake *intake) {
    tm__db_sweep_stop(intake->sweep);
    tm__db_close(intake->writer);
    tm__db_close(intake->reader);
    tm__file_close(intake->lock);
    intake->writer = intake->reader = NULL;
    intake->sweep = NULL;
    intake->lock = NULL;
}

static tm_status open_files_locked(tm_intake *intake, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(intake->home), "intake.lock");
    if (path == NULL) {
        return no_memory(err);
    }
    tm_status st = tm__lock_open(path, &intake->lock, err);
    tm__mem_free(path);
    intake->is_elsewhere = st == TM_E_CONFLICT;
    if (intake->is_elsewhere) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "another process takes pushes at the moment");
        tm_err_hint(err, "Send it again later.");
    }
    if (st == TM_OK) {
        st = tm__intake_db_open(intake->home, true, &intake->writer, err);
    }
    tm_db_sweep_spec sweep = {.writer = intake->writer, .n_pages = LOG_PAGES};
    if (st == TM_OK) {
        st = tm__intake_db_open(intake->home, true, &sweep.own, err);
    }
    if (st == TM_OK) {
        st = tm__db_sweep_start(&sweep, &intake->sweep, err);
    }
    if (st == TM_OK) {
        st = tm__intake_db_open(intake->home, false, &intake->reader, err);
    }
    return st;
}

static tm_status open_locked(tm_intake *intake, const char *name, tm_err *err) {
    if (intake->thread != NULL) {
        return TM_OK;
    }
    if (tm__fs_info(tm__home_intake_db(intake->home)).kind == TM_PATH_NONE) {
        return no_source(name, err);
    }
    tm_status st = open_files_locked(intake, err);
    if (st == TM_OK) {
        intake->thread = tm__thread_create(writer_main, intake, "intake-writer");
        st = intake->thread != NULL
                 ? TM_OK
                 : TM_FAIL(err, TM_E_UNAVAILABLE, "no memory or no room for a thread");
    }
    if (st != TM_OK) {
        close_files(intake);
    }
    return st;
}

const tm_home *tm__intake_home(const tm_intake *intake) {
    return intake->home;
}

bool tm__intake_end(tm_intake *intake) {
    if (intake->thread != NULL) {
        tm__mutex_lock(intake->mutex);
        intake->must_stop = true;
        tm__cond_signal_all(intake->wake);
        tm__mutex_unlock(intake->mutex);
        tm__thread_join(intake->thread);
        intake->thread = NULL;
    }
    return !intake->is_forgetful;
}

void tm__intake_close(tm_intake *intake) {
    if (intake == NULL) {
        return;
    }
    (void)tm__intake_end(intake);
    for (intake_source *s = intake->sources, *next = NULL; s != NULL; s = next) {
        next = s->next;
        tm__source_writer_free(s->writer);
        tm__intake_columns_unref(s->columns);
        tm__mem_free(s);
    }
    close_files(intake);
    tm__cond_free(intake->wake);
    tm__mutex_free(intake->mutex);
    tm__mutex_free(intake->open_mutex);
    tm__mem_free(intake);
}

/* ---- Pushes ---- */

static intake_source *known_source(tm_intake *intake, const char *name) {
    tm__mutex_lock(intake->mutex);
    intake_source *s = intake->sources;
    while (s != NULL && (atomic_load(&s->is_stale) || strcmp(s->name, name) != 0)) {
        s = s->next;
    }
    tm__mutex_unlock(intake->mutex);
    return s;
}

/* Stopped by a change, or paused. */
static bool stands_still(const tm_source_row *row) {
    return strcmp(row->status, "stopped") == 0 || strcmp(row->status, "paused") == 0;
}

static tm_status load_source_locked(tm_intake *intake, const char *name, intake_source **out,
                                    tm_err *err) {
    tm_source_row row = {0};
    intake_source *s = NULL;
    TM_TRY(tm__intake_db_source(intake->reader, name, &row, err));
    tm_status st = TM_OK;
    if (!tm__str_is(tm__str(row.feed), "push")) {
        st = TM_FAIL(err, TM_E_CONFLICT, "source '%s' takes no pushes", name);
        tm_err_hint(err, "It is read from elsewhere; 'tidemill data add NAME --push' makes one "
                         "that takes them.");
        goto out;
    }
    s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL) {
        st = no_memory(err);
        goto out;
    }
    st = tm__intake_db_columns(intake->reader, &row, &s->columns, err);
    if (st == TM_OK) {
        st = tm__source_writer_watch(intake->home, intake->reader, &row, s->columns, err);
    }
    s->created_us = row.created_us;
    atomic_store(&s->is_stopped, stands_still(&row));
    atomic_store(&s->looked_us, 0); /* the first push looks */
    if (st == TM_OK) {
        st = tm__source_writer_create(intake->home, &row, s->columns, &s->writer, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    (void)tm__str_copy(s->name, sizeof(s->name), tm__str(name));
    tm__mutex_lock(intake->mutex);
    s->next = intake->sources;
    intake->sources = s;
    tm__mutex_unlock(intake->mutex);
    *out = s;
    s = NULL;
out:
    tm__source_row_done(&row);
    if (s != NULL) {
        tm__intake_columns_unref(s->columns);
        tm__mem_free(s);
    }
    return st;
}

static tm_status find_source(tm_intake *intake, const char *name, intake_source **out,
                             tm_err *err) {
    *out = known_source(intake, name);
    if (*out != NULL) {
        return TM_OK;
    }
    tm__mutex_lock(intake->open_mutex);
    tm_status st = open_locked(intake, name, err);
    if (st == TM_OK) {
        *out = known_source(intake, name); /* another push may have been first */
        st = *out != NULL ? TM_OK : load_source_locked(intake, name, out, err);
    }
    tm__mutex_unlock(intake->open_mutex);
    return st;
}

/* What another process declared, or that it lets a stopped source go on, is seen within a second.
 */
static tm_status look_again(tm_intake *intake, intake_source *source, tm_err *err) {
    const int64_t now_us = tm__now_us();
    const bool was_stopped = atomic_load(&source->is_stopped);
    const bool was_full = atomic_load(&source->is_full);
    if (!was_stopped && !was_full && now_us - atomic_load(&source->looked_us) < LOOK_US) {
        return TM_OK;
    }
    tm_source_row row = {0};
    json_t *history = NULL;
    atomic_store(&source->looked_us, now_us);
    tm__mutex_lock(intake->mutex);
    tm_watch *watch = tm__watch_ref(source->columns->watch);
    const uint32_t known_version = source->columns->version;
    tm__mutex_unlock(intake->mutex);
    tm__mutex_lock(intake->open_mutex);
    tm_status st = tm__intake_db_source(intake->reader, source->name, &row, err);
    const bool is_stopped = st == TM_OK && stands_still(&row);
    if (st == TM_OK && was_stopped && !is_stopped) {
        st = tm__intake_db_history(intake->reader, row.id, &history, err);
    }
    uint32_t version = 0;
    if (st == TM_OK && row.created_us == source->created_us) {
        st = tm__intake_db_version(intake->reader, row.id, row.created_us, &version, err);
    }
    tm_err no_room = {0};
    const tm_status room =
        st == TM_OK ? tm__intake_has_room(intake->home, intake->reader, &row, &no_room) : TM_OK;
    tm__mutex_unlock(intake->open_mutex);
    atomic_store(&source->is_full, room != TM_OK);
    /* Another source of this name, or columns that this process did not make. */
    const bool is_stale =
        st == TM_E_NOT_FOUND ||
        (st == TM_OK && (row.created_us != source->created_us || version > known_version));
    if (is_stale) {
        atomic_store(&source->is_stale, true);
    } else if (st == TM_OK) {
        st = tm__watch_set(watch, row.spec, err);
        st = st != TM_OK || history == NULL ? st : tm__watch_load(watch, history, err);
    }
    if (st == TM_OK && is_stopped && !is_stale) {
        st = tm__intake_stands_still(&row, err);
    } else if (st == TM_OK && !is_stale) {
        atomic_store(&source->is_stopped, false);
        st = room;
        if (room != TM_OK && err != NULL) {
            *err = no_room;
        }
    }
    json_decref(history);
    tm__watch_unref(watch);
    tm__source_row_done(&row);
    return st;
}

/* The source of a name, as the file has it now. */
static tm_status find_current(tm_intake *intake, const char *name, intake_source **out,
                              tm_err *err) {
    TM_TRY(find_source(intake, name, out, err));
    TM_TRY(look_again(intake, *out, err));
    if (!atomic_load(&(*out)->is_stale)) {
        return TM_OK;
    }
    TM_TRY(find_source(intake, name, out, err));
    return look_again(intake, *out, err);
}

tm_status tm__intake_ready(tm_intake *intake, const char *name, tm_err *err) {
    intake_source *source = NULL;
    return find_current(intake, name, &source, err);
}

bool tm__intake_is_elsewhere(const tm_intake *intake) {
    return intake->is_elsewhere;
}

/* False when the columns have changed since the rows were read with them. */
static bool enqueue(tm_intake *intake, ticket *t, const tm_intake_columns *read_with) {
    intake_source *source = t->source;
    tm__mutex_lock(intake->mutex);
    const bool changes = t->rows.columns != read_with;
    const bool is_current = !changes || source->columns == read_with;
    if (is_current) {
        if (changes) {
            tm__intake_columns_unref(source->columns);
            source->columns = tm__intake_columns_ref(t->rows.columns);
        }
        if (intake->last == NULL) {
            intake->first = t;
        } else {
            intake->last->next = t;
        }
        intake->last = t;
        intake->queued_bytes += t->bytes;
        tm__cond_signal_all(intake->wake);
    }
    tm__mutex_unlock(intake->mutex);
    return is_current;
}

static tm_status read_and_enqueue(tm_intake *intake, const tm_push *push, ticket *t, tm_err *err) {
    for (bool is_queued = false; !is_queued;) {
        tm__mutex_lock(intake->mutex);
        tm_intake_columns *columns = tm__intake_columns_ref(t->source->columns);
        const bool has_room = intake->queued_bytes < QUEUE_BYTES_MAX;
        tm__mutex_unlock(intake->mutex);
        tm__rows_done(&t->rows);
        tm_status st = TM_OK;
        if (!has_room) {
            st = TM_FAIL(err, TM_E_UNAVAILABLE, "too many rows wait for the disk");
            tm_err_hint(err, "Send it again later.");
        } else {
            st = tm__rows_read(push, columns, &t->rows, err);
        }
        if (st == TM_OK) {
            t->bytes = t->rows.batch.len + t->rows.bad_bytes.len;
            is_queued = enqueue(intake, t, columns); /* from here on it is the writer's */
        }
        tm__intake_columns_unref(columns);
        TM_TRY(st);
    }
    return TM_OK;
}

tm_status tm__intake_push(tm_intake *intake, const tm_push *push, tm_err *err) {
    if (push->key.ptr != NULL && (push->key.len == 0 || push->key.len > IDEMPOTENCY_KEY_MAX ||
                                  !tm__str_is_utf8(push->key))) {
        return TM_FAIL(err, TM_E_DATA, "an idempotency key has 1 to %u bytes of UTF-8",
                       IDEMPOTENCY_KEY_MAX);
    }
    ticket *t = tm__mem_zalloc(1, sizeof(*t));
    if (t == NULL) {
        return no_memory(err);
    }
    t->done = push->done;
    t->arg = push->arg;
    tm_status st = find_current(intake, push->source, &t->source, err);
    if (st == TM_OK && push->key.ptr != NULL) {
        t->key = tm__mem_strndup(push->key.ptr, push->key.len);
        t->key_len = push->key.len;
        if (push->data != NULL) {
            tm__hash_bytes(push->data, push->len, &t->body);
        } else {
            tm__table_hash(push->table, &t->body);
        }
        st = t->key == NULL ? no_memory(err) : TM_OK;
    }
    if (st == TM_OK) {
        st = read_and_enqueue(intake, push, t, err);
    }
    if (st != TM_OK) {
        ticket_free(t);
    }
    return st;
}

typedef struct waiting {
    tm_mutex *mutex;
    tm_cond *cond;
    bool is_done;
    tm_push_result *out;
} waiting;

static void wake_up(void *arg, const tm_push_result *result) {
    waiting *w = arg;
    tm__mutex_lock(w->mutex);
    *w->out = *result;
    w->is_done = true;
    tm__cond_signal_all(w->cond);
    tm__mutex_unlock(w->mutex);
}

tm_status tm__intake_push_wait(tm_intake *intake, const tm_push *push, tm_push_result *out,
                               tm_err *err) {
    waiting w = {.mutex = tm__mutex_create(), .cond = tm__cond_create(), .out = out};
    tm_push copy = *push;
    copy.done = wake_up;
    copy.arg = &w;
    tm_status st =
        w.mutex == NULL || w.cond == NULL ? no_memory(err) : tm__intake_push(intake, &copy, err);
    if (st == TM_OK) {
        tm__mutex_lock(w.mutex);
        while (!w.is_done) {
            tm__cond_wait(w.cond, w.mutex, UINT32_MAX);
        }
        tm__mutex_unlock(w.mutex);
        st = out->status;
        if (st != TM_OK && err != NULL) {
            *err = out->err;
        }
    }
    tm__cond_free(w.cond);
    tm__mutex_free(w.mutex);
    return st;
}
