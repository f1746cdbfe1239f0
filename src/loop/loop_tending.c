/* SPDX-License-Identifier: Apache-2.0 */
/* A child keeps the online store while a version needs it: it reads segments, which is a library's
 * work, and a damaged file may be its end, after which it makes the store anew by itself. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop_priv.h"
#include "loop/loop_upkeep_priv.h"

#define RUNNING_MS 500u
#define LOOK_MS 1000u
#define RETRY_NS UINT64_C(2000000000) /* after a child that failed */

static void say(const tm_tending *t, const char *text) {
    if (t->child.log != NULL) {
        tm_log_event(t->child.log, TM_WARN, "online.upkeep", TM_FT("result", text));
    }
}

static tm_status start(tm_tending *t, tm_err *err) {
    const char *const argv[] = {tm__program_path(), "online", "update",
                                "--follow",         "--home", tm__home_path(t->child.home),
                                "--json",           NULL};
    return tm__lone_start(&t->child, argv, "online.err", 0, err);
}

/* Whether a version needs the store; looked at anew when the registry changed. */
static tm_status look(tm_tending *t, tm_registry *registry, tm_err *err) {
    int64_t generation = 0;
    tm_kept kept = {0};
    TM_TRY(tm__registry_generation(registry, &generation, err));
    if (generation == t->generation && t->has_looked) {
        return TM_OK;
    }
    TM_TRY(tm__kept_read(registry, &kept, err));
    t->is_needed = false;
    for (uint32_t i = 0; i < kept.n; i++) {
        t->is_needed = t->is_needed || kept.versions[i].problem[0] == '\0';
    }
    tm__kept_done(&kept);
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
