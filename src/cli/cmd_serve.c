/* SPDX-License-Identifier: Apache-2.0 */
/* `serve` answers predictions; `run` does so and turns the loop: the schedule's steps run on a
 * thread of their own, so that no request waits for them. */
#include <string.h>

#include "base/proc.h"
#include "base/sandbox.h"
#include "cli/cli.h"
#include "loop/loop.h"
#include "serve/serve.h"
#include "store/home.h"

typedef struct turning {
    tm_loop *loop;
    tm_supervisor *supervisor;
} turning;

/* Without its supervisor the loop would stand still while the server answers: then both end. */
static uint32_t turn_loop(void *arg) {
    const turning *turn = arg;
    if (tm__supervisor_check(turn->supervisor, NULL) != TM_OK) {
        return TM_TICK_STOP;
    }
    return tm__loop_step(turn->loop);
}

/* Before the first thread: what starts programs is the supervisor, which is another process; this
 * one starts none and keeps its secrets out of core dumps. */
static tm_status begin(tm_supervisor **out, tm_err *err) {
    TM_TRY(tm__supervisor_open(out, err));
    tm__process_hide();
    return tm__sandbox_enter(TM_SANDBOX_NO_EXEC, err);
}

static tm_status serve_until_stopped(tm_cli *cli, const tm_home *home, turning *turn, tm_err *err) {
    tm_server *server = NULL;
    int signal = 0;
    tm_serve_options options = {
        .listen = tm__cli_text(cli, "listen"),
        .tls_cert = tm__cli_text(cli, "tls-cert"),
        .tls_key = tm__cli_text(cli, "tls-key"),
        .tls_client_ca = tm__cli_text(cli, "tls-client-ca"),
        .behind_proxy = tm__cli_text(cli, "behind-proxy"),
        .allow_hosts = tm__cli_text(cli, "allow-host"),
        .allow_origins = tm__cli_text(cli, "allow-origin"),
        .threads = (uint32_t)tm__cli_i64(cli, "threads"),
        .access_log = tm__cli_text(cli, "access-log"),
        .log_policy = tm__cli_text(cli, "log-policy"),
        .label_wait_us = tm__cli_duration_us(cli, "label-wait"),
        .log = &cli->log,
        .supervisor = turn->supervisor,
        .tick = turn->loop != NULL ? turn_loop : NULL,
        .tick_arg = turn,
    };
    TM_TRY(tm__cli_size(cli, "memory-limit", &options.memory_max, err));
    TM_TRY(tm__server_open(home, &options, &server, err));
    const char *address = tm__server_address(server);
    tm__cli_note(cli, "tidemill serves on %s%s (stop with Ctrl-C)",
                 strncmp(address, "unix:", 5) == 0 ? ""
                 : tm__server_has_tls(server)      ? "https://"
                                                   : "http://",
                 address);
    const tm_status st = tm__server_run(server, &signal, err);
    tm__server_close(server);
    return st;
}

tm_status cmd_serve(tm_cli *cli, tm_err *err) {
    turning turn = {0};
    tm_home *home = NULL;
    tm_status st = begin(&turn.supervisor, err);
    st = st == TM_OK ? tm__home_open(cli->home, true, &home, err) : st;
    if (st == TM_OK) {
        st = serve_until_stopped(cli, home, &turn, err);
    }
    tm__home_close(home);
    tm__supervisor_close(turn.supervisor);
    return st;
}

tm_status cmd_run(tm_cli *cli, tm_err *err) {
    tm_supervisor *supervisor = NULL;
    tm_home *home = NULL;
    tm_loop *loop = NULL;
    tm_status st = begin(&supervisor, err);
    st = st == TM_OK ? tm__home_open(cli->home, true, &home, err) : st;
    if (st == TM_OK) {
        st = tm__loop_open(home, supervisor, &cli->log, &loop, err);
    }
    if (st == TM_OK) {
        turning turn = {.loop = loop, .supervisor = supervisor};
        st = serve_until_stopped(cli, home, &turn, err);
    }
    if (st == TM_OK) {
        st = tm__supervisor_check(supervisor, err);
    }
    tm__loop_close(loop);
    tm__home_close(home);
    tm__supervisor_close(supervisor);
    return st;
}
