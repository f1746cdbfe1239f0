/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream sockets. An address text is "HOST:PORT", "[IPV6]:PORT" or "unix:PATH"; it is split once
 * into an `endpoint`, and everything else works on that.
 */
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs_priv.h"
#include "base/str.h"

#define HOST_BYTES 256u
#define PORT_BYTES 8u

typedef struct endpoint {
    bool is_unix;
    char host[HOST_BYTES]; /* empty: every interface */
    char port[PORT_BYTES];
    struct sockaddr_un path;
} endpoint;

static bool parse_unix(tm_str path, endpoint *out) {
    out->is_unix = true;
    out->path.sun_family = AF_UNIX;
    return path.len > 0 && tm__str_copy(out->path.sun_path, sizeof(out->path.sun_path), path);
}

static bool parse_endpoint(const char *address, endpoint *out) {
    *out = (endpoint){0};
    const tm_str text = tm__str(address);
    if (tm__str_has_prefix(text, "unix:")) {
        return parse_unix((tm_str){text.ptr + 5, text.len - 5}, out);
    }
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (colon == NULL || !tm__str_to_u64(tm__str(colon + 1), &port) || port > 65535) {
        return false;
    }
    snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
    tm_str host = {address, (size_t)(colon - address)};
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = (tm_str){host.ptr + 1, host.len - 2};
    } else if (memchr(host.ptr, ':', host.len) != NULL) {
        return false; /* An IPv6 address without brackets: which colon ends it? */
    }
    return tm__str_copy(out->host, sizeof(out->host), host);
}

static tm_status fail_address(const char *address, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' is not an address", address);
    tm_err_hint(err, "Write HOST:PORT, [IPV6]:PORT or unix:PATH.");
    return st;
}

tm_status tm__net_check(const char *address, tm_err *err) {
    endpoint at;
    return parse_endpoint(address, &at) ? TM_OK : fail_address(address, err);
}

static tm_status fail_socket(const char *verb, const char *address, int number, tm_err *err) {
    char why[TM_ERRNO_TEXT];
    const tm_status st = TM_FAIL(err, number == EADDRINUSE ? TM_E_CONFLICT : TM_E_UNAVAILABLE,
                                 "cannot %s '%s': %s", verb, address, tm__errno_text(number, why));
    if (number == EADDRINUSE) {
        tm_err_hint(err, "Stop the other program, or choose another port.");
    } else if (number == EACCES) {
        tm_err_hint(err, "Choose a port above 1023, or a path that this user may write.");
    }
    return st;
}

static void format_address(const struct sockaddr_storage *at, char *out, size_t size) {
    char host[INET6_ADDRSTRLEN] = "";
    if (at->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)at;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, size, "%s:%u", host, (unsigned)ntohs(in->sin_port));
    } else if (at->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)at;
        (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        snprintf(out, size, "[%s]:%u", host, (unsigned)ntohs(in->sin6_port));
    } else {
        (void)tm__str_copy(out, size, TM_STR("unix"));
    }
}

/* A socket file that nobody listens on is what an earlier process left. */
static void remove_stale(const endpoint *at) {
    struct stat info;
    if (lstat(at->path.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        if (connect(fd, (const struct sockaddr *)&at->path, sizeof(at->path)) != 0 &&
            errno == ECONNREFUSED) {
            (void)unlink(at->path.sun_path);
        }
        close(fd);
    }
}

static int listen_unix(const endpoint *at) {
    remove_stale(at);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    /* Linux gives the file the mode of the socket less the umask: never open to others, not even
     * for a moment. Then the group is let in, whatever the umask is. */
    if (fchmod(fd, 0660) != 0 ||
        bind(fd, (const struct sockaddr *)&at->path, sizeof(at->path)) != 0 ||
        chmod(at->path.sun_path, 0660) != 0 || listen(fd, SOMAXCONN) != 0) {
        const int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static int listen_inet(const struct addrinfo *at) {
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        const int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static tm_status resolve(const endpoint *at, const char *address, int flags,
                         struct addrinfo **out_list, tm_err *err) {
    const struct addrinfo wanted = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    const char *host = at->host[0] == '\0' ? NULL : at->host;
    const int result = getaddrinfo(host, at->port, &wanted, out_list);
    if (result != 0) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot find the host of '%s': %s", address,
                       gai_strerror(result));
    }
    return TM_OK;
}

tm_status tm__net_listen(const char *address, int *out_fd, char *out_addr, size_t addr_size,
                         tm_err *err) {
    endpoint at;
    if (!parse_endpoint(address, &at)) {
        return fail_address(address, err);
    }
    int fd = -1;
    int number = 0;
    if (at.is_unix) {
        fd = listen_unix(&at);
        number = errno;
    } else {
        struct addrinfo *list = NULL;
        TM_TRY(resolve(&at, address, AI_PASSIVE, &list, err));
        for (const struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next) {
            fd = listen_inet(one);
            number = errno;
        }
        freeaddrinfo(list);
    }
    if (fd < 0) {
        return fail_socket("listen on", address, number, err);
    }
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    if (at.is_unix || getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        (void)tm__str_copy(out_addr, addr_size, tm__str(address));
    } else {
        format_address(&bound, out_addr, addr_size);
    }
    *out_fd = fd;
    return TM_OK;
}

bool tm__net_is_loopback(const char *address) {
    endpoint at;
    if (!parse_endpoint(address, &at)) {
        return false;
    }
    if (at.is_unix || tm__str_is_nocase(tm__str(at.host), "localhost")) {
        return true;
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, at.host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, at.host, &v6) != 1) {
        return false;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

/* An IPv4 or IPv6 address as the 16 bytes of an IPv6 one. */
static bool parse_ip(const char *text, uint8_t *out, bool *out_is_v4) {
    *out_is_v4 = inet_pton(AF_INET, text, out + 12) == 1;
    if (*out_is_v4) {
        memset(out, 0, 10);
        out[10] = out[11] = 0xFF;
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool has_bit(const uint8_t *bytes, uint32_t bit) {
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

bool tm__net_range_parse(const char *text, tm_net_range *out) {
    char host[HOST_BYTES];
    tm_net_range range = {.n_bits = 128};
    tm_str bits = tm__str(text);
    const tm_str ip = tm__str_cut(&bits, '/');
    bool is_v4 = false;
    if (!tm__str_copy(host, sizeof(host), ip) || !parse_ip(host, range.bytes, &is_v4)) {
        return false;
    }
    if (strchr(text, '/') != NULL) {
        uint64_t n = 0;
        if (!tm__str_to_u64(bits, &n) || n > (is_v4 ? 32u : 128u)) {
            return false;
        }
        range.n_bits = (uint32_t)n + (is_v4 ? 96u : 0u);
    }
    for (uint32_t i = range.n_bits; i < 128; i++) {
        if (has_bit(range.bytes, i)) {
            return false; /* 10.0.0.1/8: meant is 10.0.0.0/8, or one address? */
        }
    }
    *out = range;
    return true;
}

bool tm__net_range_has(const tm_net_range *range, const char *peer) {
    endpoint at;
    uint8_t bytes[16];
    bool is_v4 = false;
    if (!parse_endpoint(peer, &at) || at.is_unix || !parse_ip(at.host, bytes, &is_v4)) {
        return false;
    }
    for (uint32_t i = 0; i < range->n_bits; i++) {
        if (has_bit(range->bytes, i) != has_bit(bytes, i)) {
            return false;
        }
    }
    return true;
}

int tm__net_accept(int listen_fd, char *peer, size_t peer_size) {
    struct sockaddr_storage from = {0};
    int fd;
    do {
        socklen_t size = sizeof(from);
        fd = accept4(listen_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        return -1;
    }
    if (from.ss_family != AF_UNIX) {
        const int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    format_address(&from, peer, peer_size);
    return fd;
}

/* 0 or an errno. */
static int connect_within(int fd, const struct sockaddr *to, socklen_t size, uint64_t deadline_ns) {
    if (connect(fd, to, size) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    for (;;) {
        const uint64_t now = tm__mono_ns();
        if (now >= deadline_ns) {
            return ETIMEDOUT;
        }
        const uint64_t left_ms = (deadline_ns - now) / 1000000 + 1;
        struct pollfd one = {.fd = fd, .events = POLLOUT};
        const int n = poll(&one, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    int number = 0;
    socklen_t len = sizeof(number);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) == 0 ? number : errno;
}

/* A connected blocking socket whose reads and writes take at most timeout_ms; -1 and errno. */
static int connect_one(int family, const struct sockaddr *to, socklen_t size, uint64_t deadline_ns,
                       uint32_t timeout_ms) {
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int number = connect_within(fd, to, size, deadline_ns);
    const int flags = fcntl(fd, F_GETFL);
    if (number == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)) {
        number = errno;
    }
    if (number != 0) {
        close(fd);
        errno = number;
        return -1;
    }
    const struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                                  .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    const int on = 1;
    if (family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

tm_status tm__net_connect(const char *address, uint32_t timeout_ms, int *out_fd, tm_err *err) {
    endpoint at;
    if (!parse_endpoint(address, &at)) {
        return fail_address(address, err);
    }
    const uint64_t deadline_ns = tm__mono_ns() + (uint64_t)timeout_ms * 1000000;
    int fd = -1;
    int number = 0;
    if (at.is_unix) {
        fd = connect_one(AF_UNIX, (const struct sockaddr *)&at.path, sizeof(at.path), deadline_ns,
                         timeout_ms);
        number = errno;
    } else {
        struct addrinfo *list = NULL;
        TM_TRY(resolve(&at, address, 0, &list, err));
        for (const struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next) {
            fd =
                connect_one(one->ai_family, one->ai_addr, one->ai_addrlen, deadline_ns, timeout_ms);
            number = errno;
        }
        freeaddrinfo(list);
    }
    if (fd < 0) {
        return fail_socket("connect to", address, number, err);
    }
    *out_fd = fd;
    return TM_OK;
}

int64_t tm__net_read(int fd, void *out, size_t len) {
    ssize_t n;
    do {
        n = recv(fd, out, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        return n;
    }
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? TM_NET_AGAIN : TM_NET_CLOSED;
}

int64_t tm__net_write(int fd, const void *data, size_t len) {
    ssize_t n;
    do {
        n = send(fd, data, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? TM_NET_AGAIN : TM_NET_CLOSED;
}

void tm__net_shutdown_write(int fd) {
    (void)shutdown(fd, SHUT_WR);
}

bool tm__net_wait(int fd, bool want_write, uint32_t timeout_ms) {
    struct pollfd one = {.fd = fd, .events = (short)(want_write ? POLLIN | POLLOUT : POLLIN)};
    return poll(&one, 1, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms) > 0;
}

bool tm__net_has_ended(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLRDHUP};
    return poll(&one, 1, 0) > 0;
}

void tm__net_close(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

uint64_t tm__net_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    const struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}
