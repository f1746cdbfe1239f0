/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that are due are read by children, some at a time, so that a slow one holds up no other.
 * Streams are followed by children of their own, which end with the daemon or with an error. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop_priv.h"
#include "source/feed.h"

#define LOOK_MS 1000u
#define RUNNING_MS 200u
#define EXIT_CONFLICT 5 /* another process reads the source */

static void say(const tm_pulling *p, tm_log_level level, const char *source, const char *text) {
    if (p->log != NULL) {
        tm_log_event(p->log, level, "source.pulled", TM_FT("source", source),
                     TM_FT("result", text));
    }
}

/* A child says by itself how it went; one that was killed leaves its source due, and so does one
 * whose next try has come meanwhile. */
static void record(const tm_pulling *p, const tm_named_child *child, const tm_child_state *state) {
    json_t *due = NULL;
    if (tm__feed_due(p->children.home, p->what, p->db, &due, NULL) == TM_OK &&
        tm__json_has_text(due, child->name)) {
        tm_err failure = {0};
        (void)TM_FAIL(&failure, TM_E_UNAVAILABLE, "the reading ended without a result (%s %d)",
                      state->signal != 0 ? "signal" : "exit",
                      state->signal != 0 ? state->signal : state->exit_code);
        const tm_status recorded =
            tm__feed_record_unsaid(p->children.home, child->name, child->begun_us, &failure, NULL);
        (void)recorded; /* else it is due again at once, and no row is read twice */
    }
    json_decref(due);
}

static void reap(tm_pulling *p) {
    tm_named_child ended;
    tm_child_state state = {0};
    while (tm__children_next_ended(&p->children, &ended, &state)) {
        if (state.exit_code == EXIT_CONFLICT) {
            p->not_before_ns = tm__mono_ns() + (uint64_t)LOOK_MS * 1000000;
        } else if (state.exit_code != 0) {
            record(p, &ended, &state);
            say(p, TM_WARN, ended.name, "failed");
        } else {
            say(p, TM_DEBUG, ended.name, "done");
        }
    }
}

uint32_t tm__pulling_step(tm_pulling *p) {
    json_t *due = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    tm_err err = {0};
    const uint32_t n_max = p->what != TM_DUE_ENDING ? TM_STREAM_CHILDREN_MAX : TM_PULL_CHILDREN_MAX;
    reap(p);
    if (tm__mono_ns() < p->not_before_ns) {
        return LOOK_MS;
    }
    if (tm__feed_due(p->children.home, p->what, p->db, &due, &err) != TM_OK) {
        say(p, TM_WARN, "", err.message);
        return LOOK_MS;
    }
    json_array_foreach(due, i, name) {
        const char *source = json_string_value(name);
        if (p->children.n == n_max || tm__children_has(&p->children, source)) {
            continue;
        }
        if (tm__children_start(&p->children, "data", "pull", source, &err) != TM_OK) {
            say(p, TM_WARN, source, err.message);
            break;
        }
    }
    json_decref(due);
    return p->children.n > 0 ? RUNNING_MS : LOOK_MS;
}
