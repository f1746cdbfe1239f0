/* SPDX-License-Identifier: Apache-2.0 */
/* A child goes on with a duty while something in the registry needs it: it reads segments, which is
 * a library's work, and a damaged file may be its end, after which another one begins. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/follow.h"
#include "loop/loop_priv.h"
#include "loop/loop_upkeep_priv.h"

#define RUNNING_MS 500u
#define LOOK_MS 1000u
#define RETRY_NS UINT64_C(2000000000) /* after a child that failed */

/* Whether a version needs the online store. */
static tm_status needs_store(tm_registry *registry, bool *out, tm_err *err) {
    tm_kept kept = {0};
    *out = false;
    TM_TRY(tm__kept_read(registry, &kept, err));
    for (uint32_t i = 0; i < kept.n; i++) {
        *out = *out || kept.versions[i].problem[0] == '\0';
    }
    tm__kept_done(&kept);
    return TM_OK;
}

const tm_duty tm__duty_online = {"online", "update", "online.err", "online.upkeep", needs_store};
const tm_duty tm__duty_labels = {"monitor", "join", "labels.err", "labels.follow",
                                 tm__follow_is_needed};

static void say(const tm_tending *t, const char *text) {
    if (t->child.log != NULL) {
        tm_log_event(t->child.log, TM_WARN, t->duty->event, TM_FT("result", text));
    }
}

static tm_status start(tm_tending *t, tm_err *err) {
    const char *const argv[] = {
        tm__program_path(),           t->duty->command, t->duty->verb, "--follow", "--home",
        tm__home_path(t->child.home), "--json",         NULL};
    /* It goes on, and maps the online store, which takes more addresses than there is memory. */
    const tm_lone_limits limits = {.data_bytes_max = tm__children_memory_max()};
    return tm__lone_start(&t->child, argv, t->duty->errors, &limits, err);
}

/* Looked at anew when the registry changed. */
static tm_status look(tm_tending *t, tm_registry *registry, tm_err *err) {
    int64_t generation = 0;
    TM_TRY(tm__registry_generation(registry, &generation, err));
    if (generation == t->generation && t->has_looked) {
        return TM_OK;
    }
    TM_TRY(t->duty->is_needed(registry, &t->is_needed, err));
    t->generation = generation;
    t->has_looked = true;
    return TM_OK;
}

uint32_t tm__tending_step(tm_tending *t, tm_registry *registry) {
    tm_err err = {0};
    int code = 0;
    if (tm__lone_has_ended(&t->child, &code)) {
        t->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(t, "ended");
    }
    if (t->child.is_running) {
        return RUNNING_MS;
    }
    if (tm__mono_ns() < t->not_before_ns) {
        return LOOK_MS;
    }
    tm_status st = look(t, registry, &err);
    if (st == TM_OK && t->is_needed) {
        st = start(t, &err);
    }
    if (st != TM_OK) {
        t->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(t, err.message);
    }
    return LOOK_MS;
}

void tm__tending_stop(tm_tending *t) {
    tm__lone_stop(&t->child);
}
