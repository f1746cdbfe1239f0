/* SPDX-License-Identifier: Apache-2.0 */
/* A child looks at each rollout and takes its steps, another at each experiment that acts at its
 * verdict: they read the log, which is work. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop_priv.h"
#include "registry/experiment.h"
#include "registry/rollout.h"

#define LOOK_MS 1000u
#define BUSY_MS 200u
#define LOOKS_SHARE 4u /* a look takes at most about this part of the time */

static void say(const tm_rolling *r, const char *model, const char *text) {
    if (r->log != NULL) {
        tm_log_event(r->log, TM_WARN, "rollout.look", TM_FT("model", model), TM_FT("result", text));
    }
}

static void reap(tm_rolling *r) {
    tm_named_child ended;
    tm_child_state state;
    while (tm__children_next_ended(&r->children, &ended, &state)) {
        if (state.exit_code != 0 && state.exit_code != 5) { /* 5: it was moved meanwhile */
            say(r, ended.name, "failed");
        }
        const uint64_t now_ns = tm__mono_ns();
        r->not_before_ns = now_ns + (now_ns - r->started_ns) * LOOKS_SHARE;
    }
}

typedef struct looking {
    tm_status (*list)(tm_registry *registry, json_t **out, tm_err *err);
    const char *command, *verb, *option;
} looking;

static const looking kinds[2] = {
    {tm__registry_rollouts, "route", "rollout", "--look"},
    {tm__registry_experiments_acting, "experiment", "status", "--act"},
};

/* Names of one kind behind those of the kinds before, each with the digit of its kind. */
static tm_status add_turns(tm_registry *registry, uint32_t kind, json_t *out, tm_err *err) {
    json_t *models = NULL, *model = NULL;
    size_t i = 0;
    TM_TRY(kinds[kind].list(registry, &models, err));
    json_array_foreach(models, i, model) {
        json_array_append_new(out, json_sprintf("%u%s", kind, json_string_value(model)));
    }
    json_decref(models);
    return tm__json_check(err);
}

size_t tm__rolling_turn(const json_t *turns, const char *last) {
    size_t i = 0;
    const json_t *turn = NULL;
    json_array_foreach((json_t *)(uintptr_t)turns, i, turn) {
        if (strcmp(json_string_value(turn), last) > 0) {
            return i;
        }
    }
    return 0;
}

static void start_turn(tm_rolling *r, const char *turn) {
    tm_err err = {0};
    const looking *what = &kinds[turn[0] - '0'];
    r->children.option = what->option;
    if (tm__children_start(&r->children, what->command, what->verb, turn + 1, &err) != TM_OK) {
        say(r, turn + 1, err.message);
    }
    (void)tm__str_copy(r->last, sizeof r->last, tm__str(turn));
}

static void start_turns(tm_rolling *r, tm_registry *registry) {
    tm_err err = {0};
    json_t *turns = json_array();
    tm_status st = tm__json_check(&err);
    for (uint32_t kind = 0; st == TM_OK && kind < 2; kind++) {
        st = add_turns(registry, kind, turns, &err);
    }
    if (st != TM_OK) {
        say(r, "", err.message);
    }
    const size_t n = st == TM_OK ? json_array_size(turns) : 0;
    const size_t first = tm__rolling_turn(turns, r->last);
    for (size_t i = 0; i < n && r->children.n < TM_CHILDREN_MAX; i++) {
        start_turn(r, json_string_value(json_array_get(turns, (first + i) % n)));
    }
    json_decref(turns);
}

uint32_t tm__rolling_step(tm_rolling *r, tm_registry *registry) {
    reap(r);
    if (r->children.n > 0) {
        return BUSY_MS;
    }
    const uint64_t now_ns = tm__mono_ns();
    if (now_ns < r->not_before_ns) {
        return LOOK_MS;
    }
    r->started_ns = now_ns;
    start_turns(r, registry);
    return r->children.n > 0 ? BUSY_MS : LOOK_MS;
}
