/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted rows of sources become segments in a child, one source at a time. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "source/intake.h"

#define LOOK_MS 5000u
#define RUNNING_MS 500u
#define RETRY_NS UINT64_C(60000000000) /* after a child that failed */
#define CHILD_SECONDS_MAX 3600u
#define COLLECT_NS (UINT64_C(6 * 3600) * 1000000000) /* crashes are rare, and a look is cheap */
#define NO_ROWS "4000000000"                         /* more than a source has: only files */

/* source empty: no rows are moved, but what nobody names is removed. */
static tm_status child_start(tm_compacting *c, const char *source, tm_err *err) {
    const bool is_collecting = source[0] == '\0';
    const char *argv[] = {tm__program_path(),
                          "data",
                          "compact",
                          is_collecting ? "--min-rows" : source,
                          is_collecting ? NO_ROWS : "--home",
                          is_collecting ? "--home" : tm__home_path(c->home),
                          is_collecting ? tm__home_path(c->home) : "--json",
                          is_collecting ? "--json" : NULL,
                          NULL};
    char *errors = tm__fs_join(tm__home_jobs(c->home), "compact.err");
    if (errors == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_child_spec spec = {
        .argv = argv, .stderr_path = errors, .seconds_max = CHILD_SECONDS_MAX};
    const tm_status st = tm__child_start(c->supervisor, &spec, &c->child, err);
    tm__mem_free(errors);
    c->is_running = st == TM_OK;
    return st;
}

static void say(const tm_compacting *c, tm_log_level level, const char *event, const char *text) {
    if (c->log != NULL) {
        tm_log_event(c->log, level, event, TM_FT("source", c->source), TM_FT("result", text));
    }
}

/* True while the child runs. */
static bool reap(tm_compacting *c) {
    tm_child_state state = {.exit_code = -1};
    if (c->is_running && tm__child_state(c->supervisor, c->child, &state, NULL) == TM_OK &&
        state.is_running) {
        return true;
    }
    if (c->is_running) {
        const bool is_done = state.exit_code == 0;
        c->is_running = false;
        c->not_before_ns = is_done ? 0 : tm__mono_ns() + RETRY_NS;
        say(c, is_done ? TM_INFO : TM_WARN, "source.compacted", is_done ? "done" : "failed");
    }
    return false;
}

uint32_t tm__compacting_step(tm_compacting *c) {
    tm_err err = {0};
    if (reap(c)) {
        return RUNNING_MS;
    }
    if (tm__mono_ns() < c->not_before_ns) {
        return LOOK_MS;
    }
    tm_status st = tm__intake_due(c->home, c->source, &err);
    const bool is_due = c->source[0] != '\0';
    const bool collects = !is_due && tm__mono_ns() >= c->collect_ns &&
                          tm__fs_info(tm__home_intake_db(c->home)).kind == TM_PATH_FILE;
    if (st == TM_OK && (is_due || collects)) {
        c->collect_ns = tm__mono_ns() + COLLECT_NS; /* every child does it */
        st = child_start(c, c->source, &err);
    }
    if (st != TM_OK) {
        c->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(c, TM_WARN, "source.compacted", err.message);
    }
    return c->is_running ? RUNNING_MS : LOOK_MS;
}

void tm__compacting_stop(tm_compacting *c) {
    if (c->is_running) {
        /* A child that cannot be stopped now dies with its supervisor; a kill loses nothing. */
        const tm_status stopped = tm__child_stop(c->supervisor, c->child, NULL);
        (void)stopped;
        c->is_running = false;
    }
}
