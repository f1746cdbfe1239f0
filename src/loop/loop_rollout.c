/* SPDX-License-Identifier: Apache-2.0 */
/* A child looks at each rollout and takes its steps, another at each experiment that acts at its
 * verdict: they read the log, which is work. */
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
    char model[TM_MAX_NAME + 1];
    tm_child_state state;
    while (tm__children_next_ended(&r->children, model, &state)) {
        if (state.exit_code != 0 && state.exit_code != 5) { /* 5: it was moved meanwhile */
            say(r, model, "failed");
        }
        const uint64_t now_ns = tm__mono_ns();
        r->not_before_ns = now_ns + (now_ns - r->started_ns) * LOOKS_SHARE;
    }
}

typedef struct looking {
    tm_status (*list)(tm_registry *registry, json_t **out, tm_err *err);
    const char *command, *verb, *option;
} looking;

static void start_each(tm_rolling *r, tm_registry *registry, const looking *what) {
    tm_err err = {0};
    json_t *models = NULL, *model = NULL;
    size_t i = 0;
    if (what->list(registry, &models, &err) != TM_OK) {
        say(r, "", err.message);
        return;
    }
    r->children.option = what->option;
    json_array_foreach(models, i, model) {
        if (r->children.n < TM_CHILDREN_MAX &&
            tm__children_start(&r->children, what->command, what->verb, json_string_value(model),
                               &err) != TM_OK) {
            say(r, json_string_value(model), err.message);
        }
    }
    json_decref(models);
}

uint32_t tm__rolling_step(tm_rolling *r, tm_registry *registry) {
    static const looking rollouts = {tm__registry_rollouts, "route", "rollout", "--look"};
    static const looking verdicts = {tm__registry_experiments_acting, "experiment", "status",
                                     "--act"};
    reap(r);
    if (r->children.n > 0) {
        return BUSY_MS;
    }
    const uint64_t now_ns = tm__mono_ns();
    if (now_ns < r->not_before_ns) {
        return LOOK_MS;
    }
    r->started_ns = now_ns;
    start_each(r, registry, &rollouts);
    start_each(r, registry, &verdicts);
    return r->children.n > 0 ? BUSY_MS : LOOK_MS;
}
