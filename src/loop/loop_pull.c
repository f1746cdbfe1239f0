/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that are due are read by children, some at a time, so that a slow one holds up no other.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
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

static tm_status child_start(tm_pulling *p, tm_pull_child *child, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    const char *argv[] = {tm__program_path(),     "data",   "pull", child->source, "--home",
                          tm__home_path(p->home), "--json", NULL};
    (void)snprintf(name, sizeof(name), "pull-%s.err", child->source);
    char *errors = tm__fs_join(tm__home_jobs(p->home), name);
    if (errors == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_child_spec spec = {.argv = argv, .stderr_path = errors};
    const tm_status st = tm__child_start(p->supervisor, &spec, &child->id, err);
    tm__mem_free(errors);
    return st;
}

static bool is_due(const json_t *due, const char *source) {
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(due, i, name) {
        if (strcmp(json_string_value(name), source) == 0) {
            return true;
        }
    }
    return false;
}

/* A child says by itself how it went; one that was killed leaves its source due. */
static void record(const tm_pulling *p, const tm_pull_child *child, const tm_child_state *state) {
    json_t *due = NULL;
    if (tm__feed_due(p->home, &due, NULL) == TM_OK && is_due(due, child->source)) {
        tm_err failure = {0};
        (void)TM_FAIL(&failure, TM_E_UNAVAILABLE, "the reading ended without a result (%s %d)",
                      state->signal != 0 ? "signal" : "exit",
                      state->signal != 0 ? state->signal : state->exit_code);
        const tm_status recorded = tm__feed_record(p->home, child->source, &failure, NULL);
        (void)recorded; /* else it is due again at once, and no row is read twice */
    }
    json_decref(due);
}

static void reap(tm_pulling *p) {
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < p->n_children; i++) {
        const tm_pull_child child = p->children[i];
        tm_child_state state = {.exit_code = -1};
        if (tm__child_state(p->supervisor, child.id, &state, NULL) == TM_OK && state.is_running) {
            p->children[n_kept++] = child;
            continue;
        }
        if (state.exit_code == EXIT_CONFLICT) {
            p->not_before_ns = tm__mono_ns() + (uint64_t)LOOK_MS * 1000000;
        } else if (state.exit_code != 0) {
            record(p, &child, &state);
            say(p, TM_WARN, child.source, "failed");
        } else {
            say(p, TM_DEBUG, child.source, "done");
        }
    }
    p->n_children = n_kept;
}

static bool is_running(const tm_pulling *p, const char *source) {
    for (uint32_t i = 0; i < p->n_children; i++) {
        if (strcmp(p->children[i].source, source) == 0) {
            return true;
        }
    }
    return false;
}

uint32_t tm__pulling_step(tm_pulling *p) {
    json_t *due = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    tm_err err = {0};
    reap(p);
    if (tm__mono_ns() < p->not_before_ns) {
        return LOOK_MS;
    }
    if (tm__feed_due(p->home, &due, &err) != TM_OK) {
        say(p, TM_WARN, "", err.message);
        return LOOK_MS;
    }
    json_array_foreach(due, i, name) {
        tm_pull_child child = {0};
        (void)tm__str_copy(child.source, sizeof(child.source), tm__str(json_string_value(name)));
        if (p->n_children == TM_PULL_CHILDREN_MAX || is_running(p, child.source)) {
            continue;
        }
        if (child_start(p, &child, &err) != TM_OK) {
            say(p, TM_WARN, child.source, err.message);
            break;
        }
        p->children[p->n_children++] = child;
    }
    json_decref(due);
    return p->n_children > 0 ? RUNNING_MS : LOOK_MS;
}

void tm__pulling_stop(tm_pulling *p) {
    for (uint32_t i = 0; i < p->n_children; i++) {
        /* A child that cannot be stopped now dies with its supervisor; a kill loses nothing. */
        const tm_status stopped = tm__child_stop(p->supervisor, p->children[i].id, NULL);
        (void)stopped;
    }
    p->n_children = 0;
}
