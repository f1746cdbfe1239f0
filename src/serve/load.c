/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      due at start + k / rate --free connection--> sent --answer--> histogram(now - due)
 *
 * A histogram has 32 steps for each power of two of nanoseconds, so a percentile is right to 3 %;
 * the maximum is exact.
 */
#include "serve/load.h"

#include <llhttp.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/net.h"

#define STEPS 32u
#define N_BUCKETS (64u * STEPS)
#define READ_BYTES 65536u
#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define EVENTS_MAX 256u
#define CONNECT_MS 5000u
#define LAST_NS UINT64_C(5000000000) /* answers that are under way at the end have this long */
#define SPIN_NS UINT64_C(2000000)

typedef struct histogram {
    uint64_t n, max_ns;
    uint64_t buckets[N_BUCKETS];
} histogram;

typedef struct load load;
typedef struct asker {
    load *owner;
    int fd; /* -1: broken */
    bool is_busy, is_done;
    uint64_t due_ns;
    uint32_t body; /* that it asked with */
    tm_buf reply;  /* when answers are checked */
    llhttp_t parser;
} asker;

struct load {
    const tm_load_options *options;
    tm_load_report *report;
    llhttp_settings_t settings;
    tm_buf *requests; /* [n_bodies] head and body */
    asker *askers;    /* [connections] */
    uint32_t *idle;   /* [n_idle] their numbers */
    uint32_t n_idle, n_busy;
    tm_poller *poller;
    char *bytes; /* [READ_BYTES] */
    histogram *ok, *refused;
    uint64_t n_asked, start_ns, end_ns, last_ns;
};

static void add(histogram *h, uint64_t ns) {
    uint32_t shift = 0;
    uint64_t v = ns;
    while (v >= 2u * STEPS) {
        v >>= 1;
        shift++;
    }
    /* v < 64: below 32 it is its own bucket, above it the 32 steps of its power of two. */
    const uint32_t bucket = shift * STEPS + (uint32_t)v;
    h->buckets[bucket < N_BUCKETS ? bucket : N_BUCKETS - 1]++;
    h->n++;
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

/* The upper end of the bucket that holds the quantile. */
static double quantile_ms(const histogram *h, double q) {
    const double wanted = q * (double)h->n;
    uint64_t below = 0;
    for (uint32_t b = 0; b < N_BUCKETS; b++) {
        below += h->buckets[b];
        if (h->buckets[b] > 0 && (double)below >= wanted) {
            const uint32_t shift = b < 2 * STEPS ? 0 : b / STEPS - 1;
            const uint64_t v = b - shift * STEPS;
            const uint64_t end = ((v + 1) << shift) - 1;
            return (double)(end < h->max_ns ? end : h->max_ns) * 1e-6;
        }
    }
    return 0;
}

static void take_points(const histogram *h, double *out) {
    static const double points[] = {0.5, 0.9, 0.99, 0.999};
    for (uint32_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        out[i] = quantile_ms(h, points[i]);
    }
    out[TM_LOAD_MAX] = (double)h->max_ns * 1e-6;
}

static int on_complete(llhttp_t *parser) {
    asker *a = parser->data;
    a->is_done = true;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    asker *a = parser->data;
    (void)tm__buf_append(&a->reply, at, len);
    return 0;
}

/* Whether a reply's answers are those of a version. */
static bool is_answer_of(const tm_load_options *o, const tm_load_expected *e, uint32_t body,
                         const json_t *rows) {
    bool same = json_array_size(rows) == o->n_rows;
    for (uint32_t i = 0; same && i < o->n_rows; i++) {
        const double want = e->answers[(size_t)body * o->n_rows + i];
        const json_t *got = json_object_get(json_array_get(rows, i), o->member);
        same = json_is_number(got) && json_number_value(got) == want;
    }
    return same;
}

static void check_answer(load *l, const asker *a) {
    const tm_load_options *o = l->options;
    json_t *reply = NULL;
    const tm_status st = a->reply.failed ? TM_E_NOMEM
                                         : tm__json_parse(a->reply.data, a->reply.len,
                                                          TM_MAX_JSON_DEPTH, &reply, NULL);
    const int64_t version = st == TM_OK ? tm__json_i64(reply, "version", 0) : 0;
    uint32_t i = 0;
    while (i < o->n_expected && o->expected[i].version != version) {
        i++;
    }
    if (st == TM_OK && i < o->n_expected &&
        is_answer_of(o, &o->expected[i], a->body, json_object_get(reply, "predictions"))) {
        l->report->n_by_version[i]++;
    } else {
        l->report->n_wrong++;
    }
    json_decref(reply);
}

static tm_status make_requests(load *l, tm_err *err) {
    const tm_load_options *o = l->options;
    l->requests = tm__mem_zalloc(o->n_bodies, sizeof *l->requests);
    if (l->requests == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < o->n_bodies; i++) {
        tm_buf *out = &l->requests[i];
        tm__buf_init(out, (size_t)TM_MAX_BODY_BYTES + TM_MAX_HEADER_BYTES);
        tm__buf_printf(out, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n",
                       o->path, strncmp(o->address, "unix:", 5) == 0 ? "localhost" : o->address);
        if (o->key != NULL) {
            tm__buf_printf(out, "Authorization: Bearer %s\r\n", o->key);
        }
        tm__buf_printf(out, "Content-Length: %zu\r\n\r\n", o->bodies[i].len);
        tm__buf_append(out, o->bodies[i].data, o->bodies[i].len);
        if (out->failed) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for the requests");
        }
    }
    return TM_OK;
}

static tm_status connect_asker(load *l, uint32_t i, tm_err *err) {
    asker *a = &l->askers[i];
    tm_buf reply = a->reply; /* of the connection before, or none */
    *a = (asker){.owner = l, .fd = -1, .reply = reply};
    TM_TRY(tm__net_connect(l->options->address, CONNECT_MS, &a->fd, err));
    if (!tm__poller_set(l->poller, a->fd, i, true, false)) {
        tm__net_close(a->fd);
        a->fd = -1;
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot watch a socket");
    }
    return TM_OK;
}

static void end_asker(asker *a) {
    if (a->fd >= 0) {
        tm__poller_remove(a->owner->poller, a->fd);
        tm__net_close(a->fd);
        a->fd = -1;
    }
}

static void lose(load *l, uint32_t i) {
    asker *a = &l->askers[i];
    if (a->is_busy) {
        a->is_busy = false;
        l->n_busy--;
        l->report->n_lost++;
        l->idle[l->n_idle++] = i;
    }
    end_asker(a); /* ask() connects it again */
}

static void ask(load *l, uint64_t due_ns) {
    const uint32_t i = l->idle[--l->n_idle];
    asker *a = &l->askers[i];
    const uint32_t body = (uint32_t)(l->n_asked++ % l->options->n_bodies);
    const tm_buf *request = &l->requests[body];
    if (a->fd < 0 && connect_asker(l, i, NULL) != TM_OK) {
        l->report->n_lost++;
        l->idle[l->n_idle++] = i;
        return;
    }
    a->is_busy = true;
    a->is_done = false;
    a->due_ns = due_ns;
    a->body = body;
    tm__buf_reset(&a->reply);
    l->n_busy++;
    llhttp_init(&a->parser, HTTP_RESPONSE, &l->settings);
    a->parser.data = a;
    for (size_t at = 0; at < request->len;) {
        const int64_t n = tm__net_write(a->fd, request->data + at, request->len - at);
        if (n < 0) {
            lose(l, i);
            return;
        }
        at += (size_t)n;
    }
}

static void note_answer(load *l, asker *a, uint32_t i) {
    const uint64_t now_ns = tm__mono_ns();
    const unsigned status = a->parser.status_code;
    const uint64_t ns = now_ns > a->due_ns ? now_ns - a->due_ns : 0;
    l->last_ns = now_ns;
    if (status >= 200 && status < 300) {
        l->report->n_ok++;
        add(l->ok, ns);
        if (l->options->expected != NULL) {
            check_answer(l, a);
        }
    } else if (status == 429 || status == 503) {
        l->report->n_refused++;
        add(l->refused, ns);
    } else {
        l->report->n_failed++;
    }
    a->is_busy = false;
    l->n_busy--;
    l->idle[l->n_idle++] = i;
    if (llhttp_should_keep_alive(&a->parser) == 0) {
        end_asker(a);
    }
}

static void hear(load *l, uint32_t i) {
    asker *a = &l->askers[i];
    const int64_t n = a->fd < 0 ? TM_NET_CLOSED : tm__net_read(a->fd, l->bytes, READ_BYTES);
    if (n == TM_NET_AGAIN) {
        return;
    }
    if (n <= 0 || !a->is_busy) { /* closed, or bytes that nobody asked for */
        lose(l, i);
        return;
    }
    const llhttp_errno_t e = llhttp_execute(&a->parser, l->bytes, (size_t)n);
    if (a->is_done) {
        note_answer(l, a, i);
    } else if (e != HPE_OK) {
        lose(l, i);
    }
}

/* Ask what is due; the time at which the next is due, or the end. */
static uint64_t ask_due(load *l, uint64_t now_ns) {
    const double rate = l->options->rate;
    if (rate <= 0) {
        while (l->n_idle > 0 && now_ns < l->end_ns) {
            const uint32_t n_idle = l->n_idle;
            ask(l, now_ns);
            if (l->n_idle == n_idle) {
                break; /* it could not connect: not at once again */
            }
        }
        return l->end_ns;
    }
    for (;;) {
        const uint64_t due_ns = l->start_ns + (uint64_t)((double)l->n_asked * 1e9 / rate);
        if (due_ns > now_ns || due_ns >= l->end_ns || l->n_idle == 0) {
            return due_ns;
        }
        ask(l, due_ns);
    }
}

static void run(load *l) {
    tm_poll_event events[EVENTS_MAX];
    l->start_ns = tm__mono_ns();
    l->end_ns = l->start_ns + (uint64_t)(l->options->seconds * 1e9);
    l->last_ns = l->start_ns;
    for (;;) {
        const uint64_t now_ns = tm__mono_ns();
        const uint64_t next_ns = now_ns < l->end_ns ? ask_due(l, now_ns) : 0;
        if (now_ns >= l->end_ns && l->n_busy == 0) {
            break;
        }
        int wait_ms = 10;
        if (next_ns > now_ns && next_ns - now_ns < SPIN_NS) {
            wait_ms = 0;
        }
        const uint32_t n = tm__poller_wait(l->poller, events, EVENTS_MAX, wait_ms);
        for (uint32_t i = 0; i < n; i++) {
            hear(l, (uint32_t)events[i].tag);
        }
        if (now_ns >= l->end_ns + LAST_NS) { /* and what came meanwhile is heard */
            break;
        }
    }
    l->report->n_lost += l->n_busy;
    l->report->seconds = (double)(l->last_ns - l->start_ns) * 1e-9;
    if (l->options->rate > 0) {
        const uint64_t n_due = (uint64_t)(l->options->seconds * l->options->rate);
        l->report->n_unsent = n_due > l->n_asked ? n_due - l->n_asked : 0;
    }
    take_points(l->ok, l->report->ok_ms);
    take_points(l->refused, l->report->refused_ms);
}

tm_status tm__load_run(const tm_load_options *options, tm_load_report *out, tm_err *err) {
    tm_load_report report = {0};
    load l = {.options = options, .report = &report};
    tm_status st = TM_OK;
    llhttp_settings_init(&l.settings);
    l.settings.on_message_complete = on_complete;
    if (options->expected != NULL) {
        l.settings.on_body = on_body;
    }
    l.askers = tm__mem_zalloc(options->connections, sizeof *l.askers);
    l.idle = tm__mem_alloc(options->connections, sizeof *l.idle);
    l.poller = tm__poller_create();
    l.bytes = tm__mem_alloc(1, READ_BYTES);
    l.ok = tm__mem_zalloc(1, sizeof *l.ok);
    l.refused = tm__mem_zalloc(1, sizeof *l.refused);
    if (l.askers == NULL || l.idle == NULL || l.poller == NULL || l.bytes == NULL || l.ok == NULL ||
        l.refused == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = st != TM_OK ? st : make_requests(&l, err);
    for (uint32_t i = 0; l.askers != NULL && i < options->connections; i++) {
        tm__buf_init(&l.askers[i].reply, REPLY_BYTES_MAX);
    }
    for (uint32_t i = 0; st == TM_OK && i < options->connections; i++) {
        st = connect_asker(&l, i, err);
        l.idle[l.n_idle++] = i;
    }
    if (st == TM_OK) {
        run(&l);
        *out = report;
    }
    for (uint32_t i = 0; l.poller != NULL && i < l.n_idle + l.n_busy; i++) {
        end_asker(&l.askers[i]);
    }
    for (uint32_t i = 0; l.askers != NULL && i < options->connections; i++) {
        tm__buf_done(&l.askers[i].reply);
    }
    for (uint32_t i = 0; l.requests != NULL && i < options->n_bodies; i++) {
        tm__buf_done(&l.requests[i]);
    }
    tm__poller_free(l.poller);
    tm__mem_free(l.requests);
    tm__mem_free(l.askers);
    tm__mem_free(l.idle);
    tm__mem_free(l.bytes);
    tm__mem_free(l.ok);
    tm__mem_free(l.refused);
    return st;
}
