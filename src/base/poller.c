/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"

#define EVENTS_MAX 1024u

struct tm_poller {
    int fd;
    struct epoll_event events[EVENTS_MAX];
};

tm_poller *tm__poller_create(void) {
    tm_poller *poller = tm__mem_zalloc(1, sizeof(*poller));
    if (poller == NULL) {
        return NULL;
    }
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        tm__mem_free(poller);
        return NULL;
    }
    return poller;
}

bool tm__poller_set(tm_poller *poller, int fd, uint64_t tag, bool want_read, bool want_write) {
    struct epoll_event event = {.data.u64 = tag};
    event.events = (want_read ? (uint32_t)EPOLLIN : 0u) | (want_write ? (uint32_t)EPOLLOUT : 0u);
    if (epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) == 0) {
        return true;
    }
    return errno == ENOENT && epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void tm__poller_remove(tm_poller *poller, int fd) {
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL);
}

uint32_t tm__poller_wait(tm_poller *poller, tm_poll_event *out, uint32_t n_max, int timeout_ms) {
    const uint32_t n_wanted = n_max < EVENTS_MAX ? n_max : EVENTS_MAX;
    const int n = epoll_wait(poller->fd, poller->events, (int)n_wanted, timeout_ms);
    if (n <= 0) {
        return 0; /* A timeout or a signal: the caller's loop looks at its clock either way. */
    }
    for (int i = 0; i < n; i++) {
        const uint32_t events = poller->events[i].events;
        out[i] = (tm_poll_event){
            .tag = poller->events[i].data.u64,
            .can_read = (events & EPOLLIN) != 0,
            .can_write = (events & EPOLLOUT) != 0,
            .is_closed = (events & (EPOLLHUP | EPOLLERR)) != 0,
        };
    }
    return (uint32_t)n;
}

void tm__poller_free(tm_poller *poller) {
    if (poller != NULL) {
        close(poller->fd);
        tm__mem_free(poller);
    }
}

int tm__wake_open(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void tm__wake_signal(int fd) {
    const uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void tm__wake_reset(int fd) {
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}
