/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/probe.h"

#include "base/fs.h"
#include "store/online.h"

#define CHECK_SECONDS_MAX 3600u
#define EXIT_DAMAGED 8

static bool start(tm_probe *p) {
    const char *const argv[] = {tm__program_path(),     "online", "check", "--home",
                                tm__home_path(p->home), NULL};
    const tm_child_spec spec = {.argv = argv, .seconds_max = CHECK_SECONDS_MAX};
    p->is_running = tm__child_start(p->supervisor, &spec, &p->child, NULL) == TM_OK;
    return p->is_running;
}

static void end(tm_probe *p, uint64_t *out_generation) {
    tm_child_state state = {.exit_code = -1};
    if (tm__child_state(p->supervisor, p->child, &state, NULL) == TM_OK && state.is_running) {
        return;
    }
    p->is_running = false;
    if (state.exit_code == 0) {
        *out_generation = p->asked;
    } else if (state.exit_code != EXIT_DAMAGED) { /* nothing is known: it is walked again */
        p->asked = 0;
    } else if (p->log != NULL) {
        tm_log_event(p->log, TM_ERROR, "online.damaged", TM_FI("store", (int64_t)p->asked),
                     TM_FI("exit", state.exit_code));
    }
}

void tm__probe_step(tm_probe *p, uint64_t *out_generation) {
    if (p->is_running) {
        end(p, out_generation);
        return;
    }
    const uint64_t newest = tm__online_newest(p->home);
    if (newest == p->asked || newest == 0) {
        return;
    }
    if (p->supervisor == NULL) {
        p->asked = newest;
        *out_generation = newest;
    } else if (start(p)) { /* else it is tried at the next look */
        p->asked = newest;
    }
}
