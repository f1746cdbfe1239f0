/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that are due run in children, each sink in one at a time. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "loop/loop_sink_priv.h"

#define RUNNING_MS 500u
#define LOOK_MS 1000u
#define RETRY_MS 5000u

static void say(const tm_sinking *s, tm_log_level level, const char *name, const char *result) {
    if (s->log != NULL) {
        tm_log_event(s->log, level, "sink.ended", TM_FT("sink", name), TM_FT("result", result));
    }
}

/* ---- Children that ended ---- */

/* A child notes its own end; one that was killed could not, so it is noted here that it failed. */
static void note_killed(const tm_sinking *s, const char *name, int signal) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    tm_file *lock = NULL; /* whoever runs it now knows better */
    tm_err failure = {0};
    (void)TM_FAIL(&failure, TM_E_UNAVAILABLE, "the process was ended by signal %d", signal);
    tm_status st = tm__sink_lock(s->children.home, name, &lock, NULL);
    st = st == TM_OK ? tm__sink_store_open(s->children.home, false, &store, NULL) : st;
    st = st == TM_OK ? tm__sink_store_find(store, name, &row, NULL) : st;
    st = st == TM_OK ? tm__sink_record(store, &row, &failure, NULL) : st;
    (void)st; /* it is due all the same, and tried again */
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    tm__file_close(lock);
}

static void reap(tm_sinking *s) {
    tm_named_child ended;
    tm_child_state state = {0};
    while (tm__children_next_ended(&s->children, &ended, &state)) {
        if (state.exit_code < 0) {
            note_killed(s, ended.name, state.signal);
        }
        say(s, state.exit_code == 0 ? TM_INFO : TM_WARN, ended.name,
            state.exit_code == 0  ? "done"
            : state.exit_code < 0 ? "killed"
                                  : "failed");
    }
}

/* ---- Sinks that are due ---- */

static tm_status look_at(tm_sinking *s, tm_sink_store *store, const char *name, int64_t *next_us,
                         tm_err *err) {
    tm_sink_row row = {0};
    if (tm__children_has(&s->children, name) || s->children.n == TM_CHILDREN_MAX) {
        return TM_OK;
    }
    TM_TRY(tm__sink_store_find(store, name, &row, err));
    const int64_t now_us = tm__now_us();
    const bool is_due =
        row.next_us > 0 && (row.next_us <= now_us || row.tried_us > now_us + TM_CLOCK_AHEAD_US);
    if (row.next_us > 0 && row.next_us < *next_us) {
        *next_us = row.next_us;
    }
    tm__sink_row_done(&row);
    return is_due ? tm__children_start(&s->children, "sink", "run", name, err) : TM_OK;
}

static tm_status look(tm_sinking *s, int64_t *next_us, tm_err *err) {
    tm_sink_store *store = NULL;
    json_t *names = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__sink_store_open(s->children.home, false, &store, err));
    tm_status st = tm__sink_store_names(store, &names, err);
    json_array_foreach(names, i, name) {
        st = st == TM_OK ? look_at(s, store, json_string_value(name), next_us, err) : st;
    }
    json_decref(names);
    tm__sink_store_close(store);
    return st;
}

uint32_t tm__sinking_step(tm_sinking *s) {
    tm_err err = {0};
    int64_t next_us = INT64_MAX;
    reap(s);
    if (tm__fs_info(tm__home_intake_db(s->children.home)).kind == TM_PATH_NONE) {
        return LOOK_MS;
    }
    if (look(s, &next_us, &err) != TM_OK) {
        say(s, TM_WARN, "", err.message);
        return RETRY_MS;
    }
    if (s->children.n > 0) {
        return RUNNING_MS;
    }
    const int64_t left_ms = (next_us - tm__now_us()) / 1000 + 1;
    return left_ms < 1 ? 1 : left_ms < LOOK_MS ? (uint32_t)left_ms : LOOK_MS;
}
