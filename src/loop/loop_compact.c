/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted rows of sources become segments in a child, one source at a time. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
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
                          is_collecting ? "--home" : tm__home_path(c->child.home),
                          is_collecting ? tm__home_path(c->child.home) : "--json",
                          is_collecting ? "--json" : NULL,
                          NULL};
    const tm_lone_limits limits = {.seconds_max = CHILD_SECONDS_MAX,
                                   .memory_bytes_max = tm__children_memory_max()};
    return tm__lone_start(&c->child, argv, "compact.err", &limits, err);
}

static void say(const tm_compacting *c, tm_log_level level, const char *event, const char *text) {
    if (c->child.log != NULL) {
        tm_log_event(c->child.log, level, event, TM_FT("source", c->source), TM_FT("result", text));
    }
}

uint32_t tm__compacting_step(tm_compacting *c) {
    tm_err err = {0};
    int code = 0;
    if (tm__lone_has_ended(&c->child, &code)) {
        c->not_before_ns = code == 0 ? 0 : tm__mono_ns() + RETRY_NS;
        say(c, code == 0 ? TM_INFO : TM_WARN, "source.compacted", code == 0 ? "done" : "failed");
    }
    if (c->child.is_running) {
        return RUNNING_MS;
    }
    if (tm__mono_ns() < c->not_before_ns) {
        return LOOK_MS;
    }
    tm_status st = tm__intake_due(c->child.home, c->source, &err);
    const bool is_due = c->source[0] != '\0';
    const bool collects = !is_due && tm__mono_ns() >= c->collect_ns &&
                          tm__fs_info(tm__home_intake_db(c->child.home)).kind == TM_PATH_FILE;
    if (st == TM_OK && (is_due || collects)) {
        c->collect_ns = tm__mono_ns() + COLLECT_NS; /* every child does it */
        st = child_start(c, c->source, &err);
    }
    if (st != TM_OK) {
        c->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(c, TM_WARN, "source.compacted", err.message);
    }
    return c->child.is_running ? RUNNING_MS : LOOK_MS;
}

void tm__compacting_stop(tm_compacting *c) {
    tm__lone_stop(&c->child);
}
