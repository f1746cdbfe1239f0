/* SPDX-License-Identifier: Apache-2.0 */
/* A child tells receivers of alerts when something is due: what hangs or is far away makes nobody
 * else wait. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop_priv.h"
#include "monitor/alert.h"
#include "registry/hooks.h"

#define RUNNING_MS 500u
#define LOOK_MS 1000u
#define RETRY_NS UINT64_C(5000000000) /* after a child that failed */

static void say(const tm_telling *t, const char *text) {
    if (t->child.log != NULL) {
        tm_log_event(t->child.log, TM_WARN, "alerts.deliver", TM_FT("result", text));
    }
}

static tm_status start(tm_telling *t, tm_err *err) {
    const char *const argv[] = {tm__program_path(),           "monitor", "deliver", "--home",
                                tm__home_path(t->child.home), "--json",  NULL};
    return tm__lone_start(&t->child, argv, "alerts.err", 0, err);
}

static bool is_one(void *arg, const tm_delivery *delivery) {
    (void)delivery;
    *(bool *)arg = true;
    return false;
}

static tm_status is_due(const tm_telling *t, tm_registry *registry, bool *out, tm_err *err) {
    tm_drift_store *store = NULL;
    *out = false;
    TM_TRY(tm__hooks_are_due(registry, tm__now_us(), out, err));
    if (*out) {
        return TM_OK;
    }
    TM_TRY(tm__drift_store_open(t->child.home, false, &store, err));
    const tm_status st =
        store == NULL ? TM_OK : tm__delivery_due(store, tm__now_us(), is_one, out, err);
    tm__drift_store_close(store);
    return st;
}

uint32_t tm__telling_step(tm_telling *t, tm_registry *registry) {
    tm_err err = {0};
    bool due = false;
    int code = 0;
    if (tm__lone_has_ended(&t->child, &code) && code != 0) {
        t->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(t, "not all was taken");
    }
    if (t->child.is_running) {
        return RUNNING_MS;
    }
    if (tm__mono_ns() < t->not_before_ns) {
        return LOOK_MS;
    }
    tm_status st = is_due(t, registry, &due, &err);
    if (st == TM_OK && due) {
        st = start(t, &err);
    }
    if (st != TM_OK) {
        t->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(t, err.message);
    }
    return t->child.is_running ? RUNNING_MS : LOOK_MS;
}

void tm__telling_stop(tm_telling *t) {
    tm__lone_stop(&t->child);
}
