/* SPDX-License-Identifier: Apache-2.0 */
/* Children of the daemon: those that each work on one thing with a name, a source or a sink, and
 * those of which there is one. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/system.h"
#include "loop/loop_priv.h"

#define ADDRESSES_MIN (UINT64_C(8) << 30)

bool tm__children_has(const tm_children *c, const char *name) {
    for (uint32_t i = 0; i < c->n; i++) {
        if (strcmp(c->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool tm__children_next_ended(tm_children *c, tm_named_child *out, tm_child_state *out_state) {
    for (uint32_t i = 0; i < c->n; i++) {
        tm_child_state state = {.exit_code = -1};
        if (tm__child_state(c->supervisor, c->items[i].id, &state, NULL) == TM_OK &&
            state.is_running) {
            continue;
        }
        *out = c->items[i];
        *out_state = state;
        memmove(&c->items[i], &c->items[i + 1], (c->n - i - 1) * sizeof(c->items[0]));
        c->n--;
        return true;
    }
    return false;
}

/* Of addresses, which a small machine with many threads reserves more of than it has memory. */
uint64_t tm__children_memory_max(void) {
    const uint64_t memory = tm__memory_bytes(NULL);
    return TM_CHILD_ADDRESSES(memory > ADDRESSES_MIN ? memory : ADDRESSES_MIN);
}

tm_status tm__children_start(tm_children *c, const char *command, const char *verb,
                             const char *name, tm_err *err) {
    char file[TM_MAX_NAME + 32];
    tm_named_child *one = &c->items[c->n];
    (void)snprintf(file, sizeof(file), "%s.%s.err", command, name);
    char *errors = tm__fs_join(tm__home_jobs(c->home), file);
    if (errors == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const char *argv[] = {tm__program_path(),     command,  verb,      name, "--home",
                          tm__home_path(c->home), "--json", c->option, NULL};
    const tm_child_spec spec = {.argv = argv,
                                .stderr_path = errors,
                                .memory_bytes_max = tm__children_memory_max(),
                                .epoch = c->epoch,
                                .has_network = c->has_network || tm__home_needs_network(c->home)};
    one->begun_us = tm__now_us();
    const tm_status st = tm__child_start(c->supervisor, &spec, &one->id, err);
    tm__mem_free(errors);
    if (st == TM_OK) {
        (void)tm__str_copy(one->name, sizeof(one->name), tm__str(name));
        c->n++;
    }
    return st;
}

void tm__children_stop(tm_children *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        /* A child that cannot be stopped now dies with its supervisor; what it began is done again,
         * and a kill loses nothing. */
        const tm_status stopped = tm__child_stop(c->supervisor, c->items[i].id, NULL);
        (void)stopped;
    }
    c->n = 0;
}

/* ---- One alone ---- */

tm_status tm__lone_start(tm_lone_child *c, const char *const *argv, const char *errors,
                         const tm_lone_limits *limits, tm_err *err) {
    char *const path = tm__fs_join(tm__home_jobs(c->home), errors);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_child_spec spec = {.argv = argv,
                                .stderr_path = path,
                                .memory_bytes_max = limits->memory_bytes_max,
                                .data_bytes_max = limits->data_bytes_max,
                                .seconds_max = limits->seconds_max,
                                .epoch = c->epoch,
                                .has_network = tm__home_needs_network(c->home)};
    const tm_status st = tm__child_start(c->supervisor, &spec, &c->id, err);
    tm__mem_free(path);
    c->is_running = st == TM_OK;
    return st;
}

bool tm__lone_has_ended(tm_lone_child *c, int *out_exit) {
    tm_child_state state = {.exit_code = -1};
    if (!c->is_running ||
        (tm__child_state(c->supervisor, c->id, &state, NULL) == TM_OK && state.is_running)) {
        return false;
    }
    c->is_running = false;
    *out_exit = state.exit_code;
    return true;
}

void tm__lone_stop(tm_lone_child *c) {
    if (c->is_running) {
        const tm_status stopped = tm__child_stop(c->supervisor, c->id, NULL);
        (void)stopped;
        c->is_running = false;
    }
}
