/* SPDX-License-Identifier: Apache-2.0 */
#include "canned_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "test.h"

struct canned_server {
    const char *const *answers;
    uint32_t n_answers;
    int fd;
    uint32_t port;
    tm_thread *thread;
    _Atomic uint32_t n;
    _Atomic bool is_ending;
    char requests[CANNED_MAX][CANNED_REQUEST];
};

static void answer(canned_server *s, int fd) {
    const uint32_t number = atomic_load(&s->n);
    char *const request = s->requests[number];
    size_t len = 0;
    while (len < CANNED_REQUEST - 1 && strstr(request, "\r\n\r\n") == NULL) {
        const ssize_t got = read(fd, request + len, CANNED_REQUEST - 1 - len);
        if (got <= 0) {
            return;
        }
        len += (size_t)got;
        request[len] = '\0';
    }
    atomic_store(&s->n, number + 1);
    const char *p = s->answers[number];
    const size_t n = strlen(p);
    const bool is_silent = n > 0 && p[n - 1] == CANNED_SILENCE[0];
    for (size_t left = is_silent ? n - 1 : n; left > 0;) {
        const ssize_t put = send(fd, p, left, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        p += put;
        left -= (size_t)put;
    }
    if (!is_silent) {
        (void)shutdown(fd, SHUT_WR);
    }
    while (read(fd, (char[64]){0}, 64) > 0) {
    }
}

static void run(void *arg) {
    canned_server *const s = arg;
    while (!atomic_load(&s->is_ending) && atomic_load(&s->n) < s->n_answers) {
        const int fd = accept(s->fd, NULL, NULL);
        if (fd >= 0) {
            answer(s, fd);
            (void)close(fd);
        }
    }
}

canned_server *canned_server_open(const char *const *answers, uint32_t n) {
    canned_server *s = tm__mem_zalloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    assert_non_null(s);
    assert_true(n <= CANNED_MAX);
    s->answers = answers;
    s->n_answers = n;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
                listen(s->fd, 16) == 0 && getsockname(s->fd, (struct sockaddr *)&at, &size) == 0);
    s->port = ntohs(at.sin_port);
    s->thread = tm__thread_create(run, s, "canned");
    assert_non_null(s->thread);
    return s;
}

uint32_t canned_server_port(const canned_server *server) {
    return server->port;
}

uint32_t canned_server_count(const canned_server *server) {
    return atomic_load(&server->n);
}

const char *canned_server_request(const canned_server *server, uint32_t number) {
    assert_true(number < canned_server_count(server));
    return server->requests[number];
}

void canned_server_credentials(const canned_server *server, const char *path) {
    char text[256];
    (void)snprintf(text, sizeof text,
                   "aws_access_key_id=AK\naws_secret_access_key=SK\nendpoint_url=http://"
                   "127.0.0.1:%u\n",
                   canned_server_port(server));
    assert_int_equal(tm__fs_publish_secret(path, text, strlen(text), NULL), TM_OK);
}

void canned_server_close(canned_server *server) {
    atomic_store(&server->is_ending, true);
    (void)shutdown(server->fd, SHUT_RDWR);
    tm__thread_join(server->thread);
    (void)close(server->fd);
    tm__mem_free(server);
}
