/* SPDX-License-Identifier: Apache-2.0 */
/* `serve` answers predictions; `run` does so and turns the loop: the schedule's steps run on a
 * thread of their own, so that no request waits for them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/kept_secret.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/proc.h"
#include "base/sandbox.h"
#include "base/system.h"
#include "cli/cli.h"
#include "loop/loop.h"
#include "registry/leader.h"
#include "serve/serve.h"
#include "store/home.h"
#include "store/vault.h"

#define STANDBY_MS 100u
#define AGAIN_MS 1000u

typedef struct turning {
    tm_loop *loop;        /* NULL: another one leads */
    tm_loop_share *share; /* what is read meanwhile, of sources in common */
    uint64_t next_ns;     /* of its next look */
    int64_t epoch;        /* that it was opened in */
    tm_leader *leader;
    tm_supervisor *supervisor;
    const tm_home *home;
    const tm_log *log;
    tm_leader_state told; /* what the log has of who leads */
    uint64_t training_memory_max;
} turning;

/* Standing by. While the tables are away there is nothing to read. */
static tm_status turn_with_others(turning *turn, bool is_known, tm_err *err) {
    const tm_loop_place place = {
        .home = turn->home, .supervisor = turn->supervisor, .log = turn->log};
    return turn->share != NULL || !is_known || !tm__home_shares_intake(turn->home)
               ? TM_OK
               : tm__loop_share_open(&place, &turn->share, err);
}

/* The loop is open while this one leads, and in one epoch. */
static tm_status turn_with_leader(turning *turn, tm_err *err) {
    tm_leader_state state;
    tm__leader_state(turn->leader, &state);
    if (turn->loop != NULL && (!state.leads || state.epoch != turn->epoch)) {
        tm__loop_close(turn->loop);
        turn->loop = NULL;
    }
    if (!state.leads) {
        return turn_with_others(turn, state.is_known, err);
    }
    if (turn->loop != NULL) {
        return TM_OK;
    }
    tm__loop_share_close(turn->share);
    turn->share = NULL;
    const tm_loop_place place = {.home = turn->home,
                                 .supervisor = turn->supervisor,
                                 .log = turn->log,
                                 .epoch = state.is_shared ? state.epoch : 0,
                                 .training_memory_max = turn->training_memory_max};
    turn->epoch = state.epoch;
    turn->next_ns = 0;
    return tm__loop_open(&place, &turn->loop, err);
}

/* Without its supervisor the loop would stand still while the server answers: then both end. */
static uint32_t turn_loop(void *arg) {
    turning *turn = arg;
    tm_err err = {0};
    if (tm__supervisor_check(turn->supervisor, NULL) != TM_OK) {
        return TM_TICK_STOP;
    }
    if (turn_with_leader(turn, &err) != TM_OK) {
        tm_log_event(turn->log, TM_WARN, "loop.waits", TM_FT("error", err.message));
        return AGAIN_MS;
    }
    if (turn->loop == NULL && turn->share == NULL) {
        return STANDBY_MS;
    }
    if (tm__mono_ns() >= turn->next_ns) { /* of all else only who leads is looked at */
        const uint32_t ms =
            turn->loop != NULL ? tm__loop_step(turn->loop) : tm__loop_share_step(turn->share);
        turn->next_ns = tm__mono_ns() + ms * UINT64_C(1000000);
    }
    const uint64_t now_ns = tm__mono_ns();
    const uint64_t ms = turn->next_ns > now_ns ? (turn->next_ns - now_ns) / 1000000 + 1 : 0;
    const uint32_t most = tm__home_has_server(turn->home) ? STANDBY_MS : UINT32_MAX;
    return ms < most ? (uint32_t)ms : most;
}

static void tell_leader(const tm_log *log, const tm_leader_state *was, const tm_leader_state *is) {
    if (is->leads && (!was->leads || is->epoch != was->epoch)) {
        tm_log_event(log, TM_INFO, "leader.taken", TM_FI("epoch", is->epoch));
    } else if (was->leads && !is->leads) {
        tm_log_event(log, TM_WARN, "leader.lost", TM_FI("epoch", was->epoch));
    }
    if (is->n_ended != was->n_ended) {
        tm_log_event(log, TM_WARN, "leader.silent", TM_FI("ended", is->n_ended));
    }
    if (!is->leads && is->leader[0] != '\0' && strcmp(is->leader, was->leader) != 0) {
        tm_log_event(log, TM_INFO, "leader.standby", TM_FT("leader", is->leader),
                     TM_FI("epoch", is->epoch));
    }
    if (was->is_known && !is->is_known) {
        tm_log_event(log, TM_WARN, "leader.unknown", TM_FT("error", is->why));
    }
}

static uint32_t beat(void *arg) {
    turning *const turn = arg;
    tm_leader_state is;
    const uint32_t ms = tm__leader_step(turn->leader);
    tm__leader_state(turn->leader, &is);
    tell_leader(turn->log, &turn->told, &is);
    turn->told = is;
    return ms;
}

#define CPUS_A_HEAP 4u /* docs/decisions/0189-heaps-of-a-server.md */

/* Before the first thread: commands that say keys are run, and what starts programs from then on is
 * the supervisor, which is another process; this one starts none and keeps its secrets out of core
 * dumps. */
static tm_status begin(const tm_cli *cli, tm_supervisor **out, tm_err *err) {
    tm_home *home = NULL;
    TM_TRY(tm__home_open(cli->home, true, &home, err));
    const tm_status st = tm__vault_run_commands(home, err);
    tm__home_close(home);
    TM_TRY(st);
    TM_TRY(tm__supervisor_open(out, err));
    tm__kept_renew_by(*out);
    tm__mem_share(1 + tm__cpu_count() / CPUS_A_HEAP);
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
        .away_max_us = tm__cli_duration_us(cli, "away-max"),
        .label_wait_us = tm__cli_duration_us(cli, "label-wait"),
        .log = &cli->log,
        .supervisor = turn->supervisor,
        .tick = turn->leader != NULL ? turn_loop : NULL,
        .tick_arg = turn,
        .beat = turn->leader != NULL && tm__home_has_server(home) ? beat : NULL,
        .beat_arg = turn,
        .leader = turn->leader,
    };
    TM_TRY(tm__cli_size(cli, "memory-limit", &options.memory_max, err));
    TM_TRY(tm__server_open(home, &options, &server, err));
    const char *address = tm__server_address(server);
    const bool is_empty = tm__server_routes(server) == 0;
    tm__cli_note(cli, "tidemill serves on %s%s (stop with Ctrl-C)%s%s%s",
                 strncmp(address, "unix:", 5) == 0 ? ""
                 : tm__server_has_tls(server)      ? "https://"
                                                   : "http://",
                 address, is_empty ? "; no model is in '" : "",
                 is_empty ? tm__home_name(cli->home) : "",
                 is_empty ? "' yet: it answers as soon as one is trained" : "");
    const tm_status st = tm__server_run(server, &signal, err);
    tm__server_close(server);
    return st;
}

tm_status cmd_serve(tm_cli *cli, tm_err *err) {
    turning turn = {0};
    tm_home *home = NULL;
    tm_status st = begin(cli, &turn.supervisor, err);
    st = st == TM_OK ? tm__home_open(cli->home, true, &home, err) : st;
    if (st == TM_OK) {
        st = serve_until_stopped(cli, home, &turn, err);
    }
    tm__home_close(home);
    tm__kept_renew_by(NULL);
    tm__supervisor_close(turn.supervisor);
    return st;
}

static tm_status open_leader(tm_cli *cli, const tm_home *home, tm_leader **out, tm_err *err) {
    char host[32], name[64];
    tm__host_name(host, sizeof(host));
    (void)snprintf(name, sizeof(name), "tidemill run %s %s", host, tm__cli_text(cli, "listen"));
    const tm_leader_options options = {.name = name};
    return tm__leader_open(home, &options, out, err);
}

/* With tables in a file all that is wrong with them shows at once. On a server, which may be away,
 * the loop begins when this one leads. */
static tm_status begin_loop(turning *turn, tm_err *err) {
    return tm__home_has_server(turn->home) ? TM_OK : turn_with_leader(turn, err);
}

tm_status cmd_run(tm_cli *cli, tm_err *err) {
    turning turn = {.log = &cli->log, .told = {.is_known = true}};
    tm_home *home = NULL;
    tm_status st = begin(cli, &turn.supervisor, err);
    st = st == TM_OK ? tm__cli_size(cli, "training-memory", &turn.training_memory_max, err) : st;
    st = st == TM_OK ? tm__home_open(cli->home, true, &home, err) : st;
    turn.home = home;
    st = st == TM_OK ? open_leader(cli, home, &turn.leader, err) : st;
    st = st == TM_OK ? begin_loop(&turn, err) : st;
    st = st == TM_OK ? serve_until_stopped(cli, home, &turn, err) : st;
    st = st == TM_OK ? tm__supervisor_check(turn.supervisor, err) : st;
    tm__loop_close(turn.loop);
    tm__loop_share_close(turn.share);
    tm__leader_close(turn.leader);
    tm__home_close(home);
    tm__kept_renew_by(NULL);
    tm__supervisor_close(turn.supervisor);
    return st;
}
