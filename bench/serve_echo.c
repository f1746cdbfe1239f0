/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server is measured against: one epoll thread that reads a request, finds its end by
 * Content-Length and writes a fixed reply; no parser, no model, no log. `serve_echo PORT BYTES`
 * answers with a body of so many bytes until it is killed. bench/serve.py uses it; alone it prints
 * nothing that is a measurement.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/net.h"

enum { EVENTS = 256, FDS = 65536, READ_BYTES = 65536 };

typedef struct peer {
    size_t wanted; /* of the request under way, 0: its head is not whole yet */
    size_t n;
    char head[4096];
    size_t n_head;
} peer;

static char bytes[READ_BYTES];
static peer peers[FDS];

/* Bytes of a whole request, or 0 while its head is not whole. */
static size_t request_size(const peer *p) {
    const char *end = memmem(p->head, p->n_head, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    const char *field = NULL;
    for (const char *line = p->head; line < end; line++) {
        if (strncasecmp(line, "\r\nContent-Length:", 17) == 0) {
            field = line + 17;
            break;
        }
    }
    return (size_t)(end - p->head) + 4 + (field == NULL ? 0 : strtoul(field, NULL, 10));
}

/* True when a request is whole. Pipelined requests do not happen: wrk sends one at a time. */
static int take(peer *p, const char *data, size_t n) {
    if (p->wanted == 0) {
        const size_t room = sizeof p->head - p->n_head;
        const size_t kept = n < room ? n : room;
        memcpy(p->head + p->n_head, data, kept);
        p->n_head += kept;
        p->wanted = request_size(p);
    }
    p->n += n;
    if (p->wanted == 0 || p->n < p->wanted) {
        return 0;
    }
    p->n = p->n_head = p->wanted = 0;
    return 1;
}

int main(int argc, char **argv) {
    static tm_poll_event events[EVENTS];
    static char reply[1 << 20];
    char address[64];
    char peer_address[128];
    int listener = -1;
    if (argc != 3) {
        fprintf(stderr, "usage: serve_echo PORT BYTES (bench/serve.py runs it)\n");
        return argc == 1 ? 0 : 2; /* `./run bench` calls every program */
    }
    signal(SIGPIPE, SIG_IGN);
    const size_t body = strtoul(argv[2], NULL, 10);
    const int head = snprintf(reply, sizeof reply,
                              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              body);
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    memset(reply + head, 'x', body);
    if (body > sizeof reply / 2 ||
        tm__net_listen(address, &listener, peer_address, sizeof peer_address, NULL) != TM_OK) {
        return 1;
    }
    tm_poller *poller = tm__poller_create();
    if (poller == NULL || !tm__poller_set(poller, listener, (uint64_t)listener, true, false)) {
        return 1;
    }
    for (;;) {
        const uint32_t n = tm__poller_wait(poller, events, EVENTS, -1);
        for (uint32_t i = 0; i < n; i++) {
            const int fd = (int)events[i].tag;
            if (fd == listener) {
                const int fresh = tm__net_accept(listener, peer_address, sizeof peer_address);
                if (fresh >= 0 && fresh < FDS) {
                    memset(&peers[fresh], 0, sizeof peers[fresh]);
                    (void)tm__poller_set(poller, fresh, (uint64_t)fresh, true, false);
                }
                continue;
            }
            const int64_t got = tm__net_read(fd, bytes, READ_BYTES);
            if (got == TM_NET_CLOSED) {
                tm__net_close(fd);
            } else if (got > 0 && take(&peers[fd], bytes, (size_t)got)) {
                (void)tm__net_write(fd, reply, (size_t)head + body);
            }
        }
    }
}
