/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/access_log.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"

#define WAITING_BYTES_MAX ((size_t)4 << 20) /* some 15,000 lines */
#define PAUSE_MS 10u                        /* lines come together: a wake-up a turn costs more */

struct tm_access_log {
    char *path;
    const tm_log *log;
    tm_file *file; /* the thread's; NULL: could not be opened or written */
    tm_thread *thread;
    tm_mutex *lock; /* around what follows */
    tm_cond *cond;
    tm_buf waiting;
    uint64_t n_dropped; /* batches of lines, in lines */
    bool must_reopen, must_end;
};

static uint64_t count_lines(const tm_buf *lines) {
    uint64_t n = 0;
    for (size_t i = 0; i < lines->len; i++) {
        n += lines->data[i] == '\n' ? 1 : 0;
    }
    return n;
}

static void reopen(tm_access_log *self) {
    tm_err err = {0};
    tm__file_close(self->file);
    self->file = NULL;
    if (tm__file_open(self->path, TM_OPEN_APPEND, &self->file, &err) != TM_OK) {
        tm_log_event(self->log, TM_ERROR, "access_log.failed", TM_FT("error", err.message));
    }
}

static void write_lines(tm_access_log *self, const tm_buf *lines) {
    tm_err err = {0};
    if (self->file != NULL && tm__file_write(self->file, lines->data, lines->len, &err) != TM_OK) {
        tm_log_event(self->log, TM_ERROR, "access_log.failed", TM_FT("error", err.message));
        tm__file_close(self->file);
        self->file = NULL; /* until it is opened anew */
    }
}

static void log_main(void *arg) {
    tm_access_log *self = arg;
    tm_buf lines;
    tm__buf_init(&lines, WAITING_BYTES_MAX);
    for (bool must_end = false; !must_end;) {
        tm__mutex_lock(self->lock);
        while (self->waiting.len == 0 && !self->must_end && !self->must_reopen) {
            tm__cond_wait(self->cond, self->lock, UINT32_MAX);
        }
        const tm_buf taken = self->waiting;
        self->waiting = lines;
        lines = taken;
        const uint64_t n_dropped = self->n_dropped;
        const bool must_reopen = self->must_reopen;
        must_end = self->must_end;
        self->n_dropped = 0;
        self->must_reopen = false;
        tm__mutex_unlock(self->lock);
        if (must_reopen) {
            reopen(self);
        }
        write_lines(self, &lines);
        tm__buf_reset(&lines);
        if (n_dropped > 0) {
            tm_log_event(self->log, TM_WARN, "access_log.dropped", TM_FI("lines", n_dropped));
        }
        tm__sleep_ms(must_end ? 0 : PAUSE_MS);
    }
    tm__buf_done(&lines);
}

tm_status tm__access_log_open(const char *path, const tm_log *log, tm_access_log **out,
                              tm_err *err) {
    tm_access_log *self = tm__mem_zalloc(1, sizeof *self);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = TM_OK;
    self->log = log;
    self->path = tm__mem_strdup(path);
    self->lock = tm__mutex_create();
    self->cond = tm__cond_create();
    tm__buf_init(&self->waiting, WAITING_BYTES_MAX);
    if (self->path == NULL || self->lock == NULL || self->cond == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = st != TM_OK ? st : tm__file_open(path, TM_OPEN_APPEND, &self->file, err);
    if (st == TM_OK) {
        self->thread = tm__thread_create(log_main, self, "tm-access-log");
        st = self->thread != NULL ? TM_OK : TM_FAIL(err, TM_E_UNAVAILABLE, "no room for a thread");
    }
    if (st != TM_OK) {
        tm__access_log_close(self);
        return st;
    }
    *out = self;
    return TM_OK;
}

static void field(tm_buf *out, const char *name, const char *value) {
    tm__buf_printf(out, ",\"%s\":", name);
    tm__json_write_text(out, tm__str(value));
}

void tm__access_log_write(const tm_exchange *x, const tm_access_entry *entry, tm_buf *lines) {
    static const char *const methods[] = {
        [TM_GET] = "GET", [TM_HEAD] = "HEAD", [TM_POST] = "POST", [TM_OTHER_METHOD] = "other"};
    const tm_endpoint *endpoint = x->match.endpoint;
    const size_t before = lines->len;
    char time[40];
    (void)tm__time_to_text(entry->now_us, time);
    tm__buf_printf(
        lines, "{\"time\":\"%s\",\"level\":\"info\",\"event\":\"http.request\",\"request\":\"%s\"",
        time, x->request_id);
    if (x->trace.trace_id[0] != '\0') {
        field(lines, "trace", x->trace.trace_id);
        field(lines, "span", x->trace.span_id);
    }
    field(lines, "peer", entry->peer);
    field(lines, "by", x->access.actor);
    field(lines, "method", endpoint != NULL ? methods[x->http->method] : "other");
    field(lines, "path", endpoint != NULL ? endpoint->path : "other");
    if (x->has_model) {
        field(lines, "model", x->model);
        tm__buf_printf(lines, ",\"version\":%u", x->version);
    }
    tm__buf_printf(lines, ",\"status\":%u,\"in\":%llu,\"out\":%zu", x->status,
                   (unsigned long long)(x->http->head.len + x->http->received), entry->out_bytes);
    if (x->arrived_ns > 0 && entry->now_ns >= x->arrived_ns) {
        tm__buf_printf(lines, ",\"us\":%llu",
                       (unsigned long long)((entry->now_ns - x->arrived_ns) / 1000));
    }
    tm__buf_text(lines, "}\n");
    if (lines->failed) {
        lines->len = before; /* half a line is worse than none */
        lines->failed = false;
    }
}

void tm__access_log_give(tm_access_log *self, tm_buf *lines) {
    tm__mutex_lock(self->lock);
    if (!tm__buf_append(&self->waiting, lines->data, lines->len)) {
        self->waiting.failed = false;
        self->n_dropped += count_lines(lines);
    }
    tm__cond_signal_all(self->cond);
    tm__mutex_unlock(self->lock);
    tm__buf_reset(lines);
}

void tm__access_log_reopen(tm_access_log *self) {
    tm__mutex_lock(self->lock);
    self->must_reopen = true;
    tm__cond_signal_all(self->cond);
    tm__mutex_unlock(self->lock);
}

void tm__access_log_close(tm_access_log *self) {
    if (self == NULL) {
        return;
    }
    if (self->thread != NULL) {
        tm__mutex_lock(self->lock);
        self->must_end = true;
        tm__cond_signal_all(self->cond);
        tm__mutex_unlock(self->lock);
        tm__thread_join(self->thread);
    }
    tm__file_close(self->file);
    tm__buf_done(&self->waiting);
    tm__cond_free(self->cond);
    tm__mutex_free(self->lock);
    tm__mem_free(self->path);
    tm__mem_free(self);
}
