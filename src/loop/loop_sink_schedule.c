/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that are due run in children, each sink in one at a time. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
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
    tm_status st = tm__sink_lock(s->home, name, &lock, NULL);
    st = st == TM_OK ? tm__sink_store_open(s->home, false, &store, NULL) : st;
    st = st == TM_OK ? tm__sink_store_find(store, name, &row, NULL) : st;
    st = st == TM_OK ? tm__sink_record(store, &row, &failure, NULL) : st;
    (void)st; /* it is due all the same, and tried again */
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    tm__file_close(lock);
}

static void reap(tm_sinking *s) {
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        const tm_sinking_child one = s->running[i];
        tm_child_state state = {.exit_code = -1};
        if (tm__child_state(s->supervisor, one.child, &state, NULL) == TM_OK && state.is_running) {
            s->running[n_kept++] = one;
            continue;
        }
        if (state.exit_code < 0) {
            note_killed(s, one.name, state.signal);
        }
        say(s, state.exit_code == 0 ? TM_INFO : TM_WARN, one.name,
            state.exit_code == 0  ? "done"
            : state.exit_code < 0 ? "killed"
                                  : "failed");
    }
    s->n_running = n_kept;
}

/* ---- Sinks that are due ---- */

static bool is_running(const tm_sinking *s, const char *name) {
    for (uint32_t i = 0; i < s->n_running; i++) {
        if (strcmp(s->running[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status start(tm_sinking *s, const char *name, tm_err *err) {
    char file[TM_MAX_NAME + 16];
    tm_sinking_child *one = &s->running[s->n_running];
    (void)snprintf(file, sizeof(file), "sink.%.*s.err", (int)TM_MAX_NAME, name);
    char *errors = tm__fs_join(tm__home_jobs(s->home), file);
    if (errors == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const char *argv[] = {tm__program_path(),     "sink",   "run", name, "--home",
                          tm__home_path(s->home), "--json", NULL};
    const tm_child_spec spec = {.argv = argv, .stderr_path = errors};
    const tm_status st = tm__child_start(s->supervisor, &spec, &one->child, err);
    tm__mem_free(errors);
    if (st == TM_OK) {
        (void)tm__str_copy(one->name, sizeof(one->name), tm__str(name));
        s->n_running++;
    }
    return st;
}

static tm_status look_at(tm_sinking *s, tm_sink_store *store, const char *name, int64_t *next_us,
                         tm_err *err) {
    tm_sink_row row = {0};
    if (is_running(s, name) || s->n_running == TM_SINKS_RUNNING_MAX) {
        return TM_OK;
    }
    TM_TRY(tm__sink_store_find(store, name, &row, err));
    const bool is_due = row.next_us > 0 && row.next_us <= tm__now_us();
    if (row.next_us > 0 && row.next_us < *next_us) {
        *next_us = row.next_us;
    }
    tm__sink_row_done(&row);
    return is_due ? start(s, name, err) : TM_OK;
}

static tm_status look(tm_sinking *s, int64_t *next_us, tm_err *err) {
    tm_sink_store *store = NULL;
    json_t *names = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__sink_store_open(s->home, false, &store, err));
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
    if (tm__fs_info(tm__home_intake_db(s->home)).kind == TM_PATH_NONE) {
        return LOOK_MS;
    }
    if (look(s, &next_us, &err) != TM_OK) {
        say(s, TM_WARN, "", err.message);
        return RETRY_MS;
    }
    if (s->n_running > 0) {
        return RUNNING_MS;
    }
    const int64_t left_ms = (next_us - tm__now_us()) / 1000 + 1;
    return left_ms < 1 ? 1 : left_ms < LOOK_MS ? (uint32_t)left_ms : LOOK_MS;
}

void tm__sinking_stop(tm_sinking *s) {
    for (uint32_t i = 0; i < s->n_running; i++) {
        /* A child that cannot be stopped now dies with its supervisor; what it began is done again.
         */
        const tm_status stopped = tm__child_stop(s->supervisor, s->running[i].child, NULL);
        (void)stopped;
    }
    s->n_running = 0;
}
