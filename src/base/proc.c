/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's side: fork the supervisor, ask it. One request at a time; a mutex keeps requests
 * and replies together. When the socket breaks, every later request fails with TM_E_UNAVAILABLE.
 */
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kept_secret.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/proc_priv.h"
#include "base/sandbox.h"

struct tm_supervisor {
    int fd;
    pid_t pid;
    tm_mutex *mutex;
};

typedef struct reply {
    uint64_t id;
    tm_child_state state;
} reply;

bool tm__proc_send(int fd, const tm_buf *message) {
    uint8_t head[4];
    for (unsigned i = 0; i < 4; i++) {
        head[i] = (uint8_t)(message->len >> (8 * i));
    }
    const struct {
        const uint8_t *bytes;
        size_t len;
    } parts[] = {{head, sizeof(head)}, {message->data, message->len}};
    for (unsigned i = 0; i < 2; i++) {
        for (size_t done = 0; done < parts[i].len;) {
            const ssize_t n = send(fd, parts[i].bytes + done, parts[i].len - done, MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n <= 0) {
                return false;
            }
            done += (size_t)n;
        }
    }
    return true;
}

static bool receive_bytes(int fd, uint8_t *out, size_t len) {
    for (size_t done = 0; done < len;) {
        const ssize_t n = recv(fd, out + done, len - done, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

bool tm__proc_receive(int fd, tm_buf *message) {
    uint8_t head[4];
    if (!receive_bytes(fd, head, sizeof(head))) {
        return false;
    }
    tm_reader reader;
    tm__reader_init(&reader, head, sizeof(head));
    const uint32_t len = tm__reader_u32(&reader);
    uint8_t *bytes = tm__buf_reserve(message, len);
    if (bytes == NULL || !receive_bytes(fd, bytes, len)) {
        return false;
    }
    message->len += len;
    return true;
}

static bool is_kind(const char *kind) {
    const char *const text = getenv(TM_PROC_VARIABLE);
    return text != NULL && strcmp(text, kind) == 0;
}

tm_status tm__child_begin(tm_err *err) {
    return is_kind(TM_PROC_LEAF) ? tm__sandbox_enter(TM_SANDBOX_NO_EXEC, err) : TM_OK;
}

bool tm__process_is_child(void) {
    return is_kind(TM_PROC_LEAF) || is_kind(TM_PROC_PARENT);
}

int64_t tm__process_epoch(void) {
    int64_t epoch = 0;
    const char *const text = getenv(TM_PROC_EPOCH);
    return text != NULL && tm__str_to_i64(tm__str(text), &epoch) ? epoch : 0;
}

tm_status tm__supervisor_open(tm_supervisor **out_supervisor, tm_err *err) {
    int fds[2] = {-1, -1};
    tm_status st = TM_OK;
    tm_supervisor *supervisor = tm__mem_zalloc(1, sizeof(*supervisor));
    tm_mutex *mutex = tm__mutex_create();
    if (supervisor == NULL || mutex == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while starting the supervisor");
        goto out;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "cannot make sockets for the supervisor");
        goto out;
    }
    const pid_t pid = fork();
    if (pid < 0) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "cannot fork the supervisor");
        goto out;
    }
    if (pid == 0) {
        tm__supervisor_main(fds[1]);
    }
    *supervisor = (tm_supervisor){.fd = fds[0], .pid = pid, .mutex = mutex};
    fds[0] = -1;
    mutex = NULL;
    st = is_kind(TM_PROC_PARENT) ? tm__sandbox_enter(TM_SANDBOX_NO_EXEC, err) : TM_OK;
    if (st != TM_OK) {
        tm__supervisor_close(supervisor);
    } else {
        *out_supervisor = supervisor;
    }
    supervisor = NULL;
out:
    for (unsigned i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    tm__mutex_free(mutex);
    tm__mem_free(supervisor);
    return st;
}

#define REPLY_BYTES_MAX (sizeof(tm_err) + TM_KEPT_TEXT + 64)

static tm_status read_reply(const tm_buf *message, reply *out, tm_err *err) {
    tm_reader reader;
    tm__reader_init(&reader, message->data, message->len);
    const tm_status status = (tm_status)tm__reader_u32(&reader);
    const tm_str text = tm__reader_str(&reader);
    const tm_str hint = tm__reader_str(&reader);
    const reply answer = {
        .id = tm__reader_u64(&reader),
        .state.is_running = tm__reader_u8(&reader) != 0,
        .state.exit_code = (int)tm__reader_i64(&reader),
        .state.signal = (int)tm__reader_i64(&reader),
    };
    if (!tm__reader_is_done(&reader)) {
        return TM_FAIL(err, TM_E_INTERNAL, "the supervisor gave a reply of the wrong form");
    }
    if (status != TM_OK) {
        (void)TM_FAIL(err, status, "%.*s", (int)text.len, text.ptr);
        tm_err_hint(err, "%.*s", (int)hint.len, hint.ptr);
        return status;
    }
    *out = answer;
    return TM_OK;
}

static tm_status fail_gone(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE,
                                 "the process that starts children is gone: it was killed, or "
                                 "memory ran out");
    tm_err_hint(err, "Start the program again, as a service manager does with Restart=on-failure.");
    return st;
}

static tm_status exchange(tm_supervisor *supervisor, const tm_buf *request, tm_buf *message,
                          tm_err *err) {
    if (request->no_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the command of a child");
    }
    if (request->failed) {
        return TM_FAIL(err, TM_E_LIMIT, "the command of a child is too long");
    }
    /* Room for the reply before it is asked for: one that is not read ends the supervisor. */
    if (tm__buf_reserve(message, REPLY_BYTES_MAX) == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the answer about a child");
    }
    tm__mutex_lock(supervisor->mutex);
    bool is_answered = supervisor->fd >= 0 && tm__proc_send(supervisor->fd, request) &&
                       tm__proc_receive(supervisor->fd, message);
    if (!is_answered && supervisor->fd >= 0) {
        /* A reply that comes late must not answer the next request. */
        close(supervisor->fd);
        supervisor->fd = -1;
    }
    tm__mutex_unlock(supervisor->mutex);
    return is_answered ? TM_OK : fail_gone(err);
}

static tm_status ask(tm_supervisor *supervisor, const tm_buf *request, reply *out, tm_err *err) {
    tm_buf message;
    tm__buf_init(&message, TM_PROC_MESSAGE_MAX);
    tm_status st = exchange(supervisor, request, &message, err);
    st = st == TM_OK ? read_reply(&message, out, err) : st;
    tm__buf_done(&message);
    return st;
}

static tm_status read_renewal(const tm_buf *message, char *out, tm_err *err) {
    tm_reader reader;
    tm__reader_init(&reader, message->data, message->len);
    const tm_status status = (tm_status)tm__reader_u32(&reader);
    const tm_str text = tm__reader_str(&reader);
    const tm_str hint = tm__reader_str(&reader);
    if (!tm__reader_is_done(&reader) || text.len >= TM_KEPT_TEXT) {
        return TM_FAIL(err, TM_E_INTERNAL, "the supervisor gave a reply of the wrong form");
    }
    if (status != TM_OK) {
        (void)TM_FAIL(err, status, "%.*s", (int)text.len, text.ptr);
        tm_err_hint(err, "%.*s", (int)hint.len, hint.ptr);
        return status;
    }
    (void)tm__str_copy(out, TM_KEPT_TEXT, text);
    return TM_OK;
}

tm_status tm__supervisor_renew(tm_supervisor *supervisor, const char *name, char *out,
                               tm_err *err) {
    tm_buf request, message;
    tm__buf_init(&request, TM_PROC_MESSAGE_MAX);
    tm__buf_init(&message, TM_PROC_MESSAGE_MAX);
    (void)tm__buf_u8(&request, TM_PROC_RENEW);
    (void)tm__buf_str(&request, tm__str(name));
    tm_status st = exchange(supervisor, &request, &message, err);
    st = st == TM_OK ? read_renewal(&message, out, err) : st;
    if (message.data != NULL) {
        explicit_bzero(message.data, message.capacity);
    }
    tm__buf_done(&message);
    tm__buf_done(&request);
    return st;
}

tm_status tm__child_start(tm_supervisor *supervisor, const tm_child_spec *spec, uint64_t *out_id,
                          tm_err *err) {
    tm_buf request;
    tm__buf_init(&request, TM_PROC_MESSAGE_MAX);
    (void)tm__buf_u8(&request, TM_PROC_START);
    (void)tm__buf_u64(&request, spec->memory_bytes_max);
    (void)tm__buf_u64(&request, spec->data_bytes_max);
    (void)tm__buf_u32(&request, spec->seconds_max);
    (void)tm__buf_u8(&request, spec->has_network ? 1 : 0);
    (void)tm__buf_u8(&request, spec->has_children ? 1 : 0);
    (void)tm__buf_i64(&request, spec->epoch);
    (void)tm__buf_str(&request, tm__str(spec->stdout_path));
    (void)tm__buf_str(&request, tm__str(spec->stderr_path));
    uint32_t n = 0;
    while (spec->argv[n] != NULL) {
        n++;
    }
    (void)tm__buf_u32(&request, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)tm__buf_str(&request, tm__str(spec->argv[i]));
    }
    reply answer;
    const tm_status st = ask(supervisor, &request, &answer, err);
    if (st == TM_OK) {
        *out_id = answer.id;
    }
    tm__buf_done(&request);
    return st;
}

static tm_status ask_about(tm_supervisor *supervisor, uint8_t op, uint64_t id, reply *out,
                           tm_err *err) {
    tm_buf request;
    tm__buf_init(&request, TM_PROC_MESSAGE_MAX);
    (void)tm__buf_u8(&request, op);
    (void)tm__buf_u64(&request, id);
    const tm_status st = ask(supervisor, &request, out, err);
    tm__buf_done(&request);
    return st;
}

tm_status tm__child_state(tm_supervisor *supervisor, uint64_t id, tm_child_state *out_state,
                          tm_err *err) {
    reply answer;
    TM_TRY(ask_about(supervisor, TM_PROC_STATE, id, &answer, err));
    *out_state = answer.state;
    return TM_OK;
}

tm_status tm__child_stop(tm_supervisor *supervisor, uint64_t id, tm_err *err) {
    reply answer;
    return ask_about(supervisor, TM_PROC_STOP, id, &answer, err);
}

tm_status tm__supervisor_check(tm_supervisor *supervisor, tm_err *err) {
    tm__mutex_lock(supervisor->mutex);
    struct pollfd peer = {.fd = supervisor->fd};
    const bool is_there = supervisor->fd >= 0 && poll(&peer, 1, 0) <= 0;
    tm__mutex_unlock(supervisor->mutex);
    return is_there ? TM_OK : fail_gone(err);
}

void tm__supervisor_close(tm_supervisor *supervisor) {
    if (supervisor == NULL) {
        return;
    }
    if (supervisor->fd >= 0) {
        uint8_t op = TM_PROC_CLOSE;
        const tm_buf message = {.data = &op, .len = 1};
        (void)tm__proc_send(supervisor->fd, &message);
        close(supervisor->fd);
    }
    while (waitpid(supervisor->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    tm__mutex_free(supervisor->mutex);
    tm__mem_free(supervisor);
}

const char *tm__program_path(void) {
    static char path[4096];
    if (path[0] == '\0') {
        const ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
        path[len < 0 ? 0 : len] = '\0';
    }
    return path;
}
