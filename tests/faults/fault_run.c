/* SPDX-License-Identifier: Apache-2.0 */
/* A case, run in a child: its command in this process's main, or its request to a server of its
 * own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "fault_case.h"
#include "fault_home.h"
#include "fault_priv.h"
#include "serve/serve.h"

/* Bounds for what hangs; no machine is so slow. */
#define DEADLINE_MS 600000
#define ANSWER_MS 60000

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void fault_must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

static void sleep_ms(long ms) {
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Sockets of the test's own ---- */

/* Below those that the kernel gives to connections of other programs, which would take it before
 * the server that is to have it listens. */
static uint16_t free_port(void) {
    static uint32_t next;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    next = next == 0 ? (uint32_t)getpid() * 16 : next;
    for (uint32_t tries = 0; tries < 10000; tries++) {
        const uint16_t port = (uint16_t)(16384 + next++ % 16384);
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        at.sin_port = htons(port);
        const bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
        close(fd);
        if (is_free) {
            return port;
        }
    }
    fault_must(false, "port");
    return 0;
}

static int connect_to(uint16_t port) {
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const struct timeval limit = {.tv_sec = ANSWER_MS / 1000};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static bool wait_for(uint16_t port, int limit_ms) {
    for (const int64_t end = now_ms() + limit_ms; now_ms() < end;) {
        const int fd = connect_to(port);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        sleep_ms(3);
    }
    return false;
}

/* The reply's status, its bytes in out; 0 when the connection was closed or nothing came. */
static int request(const fault_case *c, uint16_t port, const char *key, char *out, size_t size) {
    const int fd = connect_to(port);
    size_t len = (size_t)snprintf(out, size,
                                  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                  "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                                  "Content-Length: %zu\r\n\r\n%s",
                                  c->method, c->target, key, c->body != NULL ? strlen(c->body) : 0,
                                  c->body != NULL ? c->body : "");
    if (fd < 0) {
        return 0;
    }
    (void)send(fd, out, len, MSG_NOSIGNAL);
    len = 0;
    for (ssize_t n = 1; n > 0 && len + 1 < size; len += n > 0 ? (size_t)n : 0) {
        n = recv(fd, out + len, size - len - 1, 0);
    }
    out[len] = '\0';
    close(fd);
    return strncmp(out, "HTTP/1.1 ", 9) == 0 ? atoi(out + 9) : 0;
}

/* ---- In the child ---- */

void fault_write_text(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fault_must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}

void fault_to_file(const char *path, int fd) {
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fault_must(file >= 0 && dup2(file, fd) == fd, path);
    close(file);
}

int fault_command(const char *const *words) {
    const char *argv[FAULT_WORDS_MAX + 2] = {"tidemill"};
    int n = 1;
    for (; words[n - 1] != NULL; n++) {
        argv[n] = words[n - 1];
    }
    return tm__cli_main(n, argv);
}

/* Wait until the server of the command answers connections, or has no hope to; then end it. */
static void *end_server(void *arg) {
    fault_exempt(true);
    if (wait_for(*(uint16_t *)arg, 250)) {
        sleep_ms(30); /* so that each of its threads has had a turn */
    }
    kill(getpid(), SIGINT);
    return NULL;
}

static void run_command(const fault_case *c, const fault_plan *plan, fault_result *out) {
    const char *words[FAULT_WORDS_MAX + 1] = {NULL};
    char address[32], id[64] = "";
    uint16_t port = 0;
    pid_t server = 0;
    pthread_t ender;
    char *text = fault_read("id");
    (void)snprintf(id, sizeof(id), "%.40s", text);
    free(text);
    if (c->is_served || c->is_serving) {
        port = free_port();
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    }
    for (uint32_t i = 0; i < FAULT_WORDS_MAX && c->words[i] != NULL; i++) {
        words[i] = strcmp(c->words[i], "ADDRESS") == 0 ? address
                   : strcmp(c->words[i], "ID") == 0    ? id
                                                       : c->words[i];
    }
    if (c->is_served && (server = fork()) == 0) {
        const char *const serve[] = {"serve", "--listen", address, NULL};
        fault_to_file(".server", 2);
        _exit(fault_command(serve));
    }
    fault_must(server == 0 || wait_for(port, ANSWER_MS), "server");
    if (c->is_serving) {
        fault_must(pthread_create(&ender, NULL, end_server, &port) == 0, "thread");
    }
    const uint64_t n_alive = tm__mem_alive();
    fault_arm(plan);
    out->code = fault_command(words);
    fault_disarm(&out->count);
    out->alive = (int64_t)(tm__mem_alive() - n_alive);
    if (c->is_serving) {
        pthread_join(ender, NULL);
    }
    if (server > 0) {
        kill(server, SIGINT);
        (void)waitpid(server, NULL, 0);
    }
}

static void serve_thread(void *arg) {
    tm_err err = {0};
    int number = 0;
    fault_must(tm__server_run(arg, &number, &err) == TM_OK, err.message);
}

/* Answers are written after the reply, and again when that failed: wait until none is left. Returns
 * how many were dropped, which the server counts. */
static long wait_for_log(uint16_t port, const char *key) {
    static const fault_case status = {"status", .method = "GET", .target = "/v1/status"};
    char *text = calloc(FAULT_TEXT_MAX, 1);
    long n_dropped = 0;
    fault_must(text != NULL, "status");
    for (const int64_t end = now_ms() + ANSWER_MS; now_ms() < end;) {
        const int code = request(&status, port, key, text, FAULT_TEXT_MAX);
        const char *log = strstr(text, "\"log\":{"); /* of all models, behind those of each */
        const char *dropped = log == NULL ? NULL : strstr(log, "\"dropped\":");
        if (code == 200 && dropped != NULL && strstr(text, "\"queued\":0") != NULL) {
            n_dropped = strtol(dropped + 10, NULL, 10);
            break;
        }
        sleep_ms(5);
    }
    free(text);
    return n_dropped;
}

static void run_request(const fault_case *c, const fault_plan *plan, fault_result *out) {
    static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
    static const tm_serve_limits limits = {
        .stop_delay_ms = 1, .wait_ms_max = DEADLINE_MS, .header_timeout_ms = DEADLINE_MS};
    const tm_serve_options options = {.listen = "127.0.0.1:0", .log = &quiet, .limits = &limits};
    static const fault_case first = {"first", .method = "GET", .target = "/livez"};
    tm_err err = {0};
    tm_home *home = NULL;
    tm_server *server = NULL;
    char *key = fault_read("key");
    char *reply = calloc(FAULT_TEXT_MAX, 1);
    fault_must(reply != NULL, "reply");
    key[strcspn(key, "\n")] = '\0';
    fault_exempt(true);
    const uint64_t n_alive = tm__mem_alive();
    fault_must(tm__home_open(".tidemill", false, &home, &err) == TM_OK, err.message);
    fault_must(tm__server_open(home, &options, &server, &err) == TM_OK, err.message);
    const uint16_t port = (uint16_t)atoi(strchr(tm__server_address(server), ':') + 1);
    (void)unlink(".tidemill/serving.json");
    tm_thread *thread = tm__thread_create(serve_thread, server, "server");
    fault_must(thread != NULL && request(&first, port, key, reply, FAULT_TEXT_MAX) == 200,
               "server");
    for (int i = 0; i < ANSWER_MS && access(".tidemill/serving.json", F_OK) != 0; i++) {
        sleep_ms(1); /* what the server first says of itself is not of this request */
    }
    fault_arm(plan);
    out->code = request(c, port, key, reply, FAULT_TEXT_MAX);
    if (c->body != NULL) {
        sleep_ms(15); /* answers are written after the reply */
    }
    fault_disarm(&out->count);
    char *const body = strstr(reply, "\r\n\r\n");
    fault_write_text(".out", body != NULL ? body + 4 : reply);
    out->n_dropped = wait_for_log(port, key);
    for (out->is_paused = true; !out->may_go_on;) {
        sleep_ms(1);
    }
    out->code_after = request(c, port, key, reply, FAULT_TEXT_MAX);
    tm__server_stop(server);
    tm__thread_join(thread);
    tm__server_close(server);
    tm__home_close(home);
    out->alive = (int64_t)(tm__mem_alive() - n_alive);
    free(reply);
    free(key);
}

static void run_child(const fault_case *c, const char *folder, const fault_plan *plan,
                      fault_result *out) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    fault_must(chdir(folder) == 0, folder);
    fault_to_file(".out", 1);
    fault_to_file(".err", 2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fault_prepare();
    tm__json_init();
    if (c->words[0] != NULL) {
        run_command(c, plan, out);
    } else {
        run_request(c, plan, out);
    }
    if (__lsan_do_recoverable_leak_check != NULL) {
        out->has_leak = __lsan_do_recoverable_leak_check() != 0;
    }
    out->is_done = true;
}

int fault_run(const fault_case *c, const char *folder, const fault_plan *plan, fault_result *shared,
              void (*look)(void *arg), void *arg) {
    memset(shared, 0, sizeof(*shared));
    const pid_t child = fork();
    fault_must(child >= 0, "fork");
    if (child == 0) {
        setpgid(0, 0);
        run_child(c, folder, plan, shared);
        _exit(0);
    }
    setpgid(child, child);
    int status = -1;
    const int64_t end = now_ms() + DEADLINE_MS;
    long wait_us = 200;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (shared->is_paused && !shared->may_go_on) {
            if (look != NULL) {
                look(arg);
            }
            shared->may_go_on = true;
        }
        if (now_ms() > end) {
            kill(-child, SIGKILL);
            (void)waitpid(child, &status, 0);
            return -1;
        }
        const struct timespec wait = {0, wait_us * 1000};
        (void)nanosleep(&wait, NULL);
        wait_us = wait_us < 2000 ? wait_us * 2 : wait_us;
    }
    kill(-child, SIGKILL); /* what it may have left behind */
    if (look != NULL && !shared->is_paused) {
        look(arg);
    }
    return status;
}
