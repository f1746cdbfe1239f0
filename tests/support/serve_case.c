/* SPDX-License-Identifier: Apache-2.0 */
#include "serve_case.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "test.h"
#include "tiny_bundle.h"

/* Bounds, not expectations: on a machine that links something beside, a thread may wait for a core
 * for more than a second. */
#define CONNECT_MS 60000u
#define REPLY_MS 60000u
#define PATIENCE_MS 600000u

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

static void run(void *arg) {
    serve_case *c = arg;
    tm_err err = {0};
    assert_int_equal(tm__server_run(c->server, &c->signal, &err), TM_OK);
}

static void add_versions(serve_case *c) {
    static const double aucs[] = {0.7, 0.8};
    for (uint32_t i = 0; i < 2; i++) {
        const tm_tiny_bundle options = {.auc = aucs[i]};
        tm_err err = {0};
        tm_version version = {0};
        tm_bundle *bundle = tm__tiny_bundle_create(c->home, &options);
        if (tm__registry_add(c->registry, "tiny", bundle, NULL, &actor, &version, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
}

tm_serve_limits serve_case_patient(const tm_serve_limits *limits) {
    tm_serve_limits r = limits != NULL ? *limits : (tm_serve_limits){0};
    uint32_t *const times[] = {&r.header_timeout_ms, &r.io_timeout_ms, &r.idle_timeout_ms,
                               &r.wait_ms_max, &r.stop_timeout_ms};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        *times[i] = *times[i] != 0 ? *times[i] : PATIENCE_MS;
    }
    return r;
}

void serve_case_open(serve_case *c, tm_home *home, const tm_serve_limits *limits) {
    memset(c, 0, sizeof *c);
    c->home = home;
    tm_err err = {0};
    tm__buf_init(&c->reply, 64u << 20);
    assert_int_equal(tm__registry_open(home, &c->registry, &err), TM_OK);
    add_versions(c);
    const tm_serve_limits patient = serve_case_patient(limits);
    const tm_serve_options options = {.listen = "127.0.0.1:0", .log = &quiet, .limits = &patient};
    if (tm__server_open(home, &options, &c->server, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    c->thread = tm__thread_create(run, c, "server");
    assert_non_null(c->thread);
}

void serve_case_close(serve_case *c) {
    tm__server_stop(c->server);
    tm__thread_join(c->thread);
    tm__server_close(c->server);
    tm__registry_close(c->registry);
    tm__buf_done(&c->reply);
}

void serve_case_key(serve_case *c, tm_guard_role role, tm_key *out) {
    tm_err err = {0};
    tm__key_create(out);
    if (tm__registry_key_add(c->registry, out, &(tm_key_terms){.role = role}, &actor, &err) !=
        TM_OK) {
        fail_msg("%s", err.message);
    }
}

void serve_case_key_seen(serve_case *c, tm_guard_role role, tm_key *out) {
    serve_case_key(c, role, out);
    for (unsigned i = 0; i < TEST_LOOKS && serve_case_call(c, "/v1/models", NULL, out->text) == 401;
         i++) {
        tm__sleep_ms(5);
    }
}

void serve_case_raw(serve_case *c, const char *bytes, size_t len, uint32_t timeout_ms) {
    int fd = -1;
    assert_int_equal(tm__net_connect(tm__server_address(c->server), CONNECT_MS, &fd, NULL), TM_OK);
    tm_poller *poller = tm__poller_create();
    assert_true(tm__poller_set(poller, fd, 1, true, false));
    for (size_t sent = 0; sent < len;) {
        const int64_t n = tm__net_write(fd, bytes + sent, len - sent);
        if (n < 0) {
            break;
        }
        sent += (size_t)n;
    }
    tm__buf_reset(&c->reply);
    const uint64_t end = tm__mono_ns() + timeout_ms * UINT64_C(1000000);
    for (uint64_t now = tm__mono_ns(); now < end; now = tm__mono_ns()) {
        tm_poll_event event;
        if (tm__poller_wait(poller, &event, 1, (int)((end - now) / 1000000) + 1) == 0) {
            continue;
        }
        char piece[65536];
        const int64_t n = tm__net_read(fd, piece, sizeof piece);
        if (n == TM_NET_CLOSED) {
            break;
        }
        if (n > 0) {
            assert_true(tm__buf_append(&c->reply, piece, (size_t)n));
        }
    }
    assert_true(tm__buf_byte(&c->reply, 0));
    tm__poller_free(poller);
    tm__net_close(fd);
}

static uint32_t call(serve_case *c, const tm_buf *request) {
    serve_case_raw(c, (const char *)request->data, request->len, REPLY_MS);
    c->headers = (const char *)c->reply.data;
    c->body = strstr(c->headers, "\r\n\r\n");
    assert_non_null(c->body);
    c->body += 4;
    assert_int_equal(strncmp(c->headers, "HTTP/1.1 ", 9), 0);
    c->status = (uint32_t)strtoul(c->headers + 9, NULL, 10);
    return c->status;
}

uint32_t serve_case_send(serve_case *c, const char *target, const char *headers, const void *body,
                         size_t len) {
    tm_buf request;
    tm__buf_init(&request, 8u << 20);
    tm__buf_printf(&request, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                   target);
    tm__buf_printf(&request, "%sContent-Length: %zu\r\n\r\n", headers, len);
    tm__buf_append(&request, body, len);
    const uint32_t status = call(c, &request);
    tm__buf_done(&request);
    return status;
}

uint32_t serve_case_call(serve_case *c, const char *target, const char *body, const char *key) {
    tm_buf request;
    tm__buf_init(&request, 8u << 20);
    tm__buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                   body != NULL ? "POST" : "GET", target);
    if (key != NULL) {
        tm__buf_printf(&request, "Authorization: Bearer %s\r\n", key);
    }
    if (body != NULL) {
        tm__buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                       strlen(body));
    }
    tm__buf_text(&request, "\r\n");
    tm__buf_text(&request, body != NULL ? body : "");
    const uint32_t status = call(c, &request);
    tm__buf_done(&request);
    return status;
}

bool serve_case_wait_version(serve_case *c, uint32_t version, const char *key) {
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "\"version\":%u,", version);
    /* A machine that builds something beside takes its time; what never comes fails all the same.
     */
    const uint64_t end_ns = tm__mono_ns() + UINT64_C(60000000000);
    while (tm__mono_ns() < end_ns) {
        if (serve_case_call(c, "/v1/routes/tiny/predict", "{\"rows\":[]}", key) == 200 &&
            strstr(c->body, wanted) != NULL) {
            return true;
        }
        tm__sleep_ms(10);
    }
    return false;
}
