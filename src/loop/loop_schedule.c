/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule of a daemon: a model is retrained when its recipe's "retrain" asks for it
 * (loop_trigger.h), in a child of its own.
 *
 *   due ── the longest waiting one ── job row, child `tidemill retrain` ──> running
 *   a turn that nobody works on, or labels to watch a version by ── the same with `--resume`
 *     running ── exit ──> done | refused | failed, a newer daemon ──> lost
 *     running ── `tidemill job cancel` ──> the child is stopped ──> cancelled
 *
 * One at a time: a training uses all cores, and forty that are due at two in the morning must not
 * kill the machine that serves. One whose plan asks for more memory than is free waits
 * (loop_admit.h), and the others go before it.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/system.h"
#include "loop/loop_admit.h"
#include "loop/loop_evidence.h"
#include "loop/loop_job.h"
#include "loop/loop_priv.h"
#include "loop/loop_sink_priv.h"
#include "loop/loop_turn.h"

#define TM_LOOP_RUNS_MAX 1u     /* children at once; the rest wait for the next look */
#define TM_LOOP_BUSY_MS 500u    /* between looks while a child runs */
#define TM_LOOP_IDLE_MS 60000u  /* between looks at a model at the most */
#define TM_LOOP_FACTS_MS 1000u  /* between looks at what is beside the schedule, at the least, */
#define TM_LOOP_FACTS_TIMES 20u /* and so often what the last one took */
#define TM_LOOP_RETRY_MS 5000u  /* after a failure */
#define TM_LOOP_TURN_MS 1000u   /* between looks at a turn that goes on */
#define TM_LOOP_AGAIN_NS                                                                           \
    UINT64_C(30000000000) /* until a turn whose child failed is taken up again */

typedef struct tm_running {
    char job[TM_JOB_TEXT];
    char model[129];
    uint64_t child;
    bool is_withdrawal; /* the champion is fitted anew */
    bool is_stopping;   /* its job was cancelled, and the child was told */
} tm_running;

struct tm_loop {
    const tm_home *home;
    tm_supervisor *supervisor;
    const struct tm_log *log; /* may be NULL */
    int64_t epoch;
    uint64_t training_memory_max;
    tm_registry *registry;
    tm_running running[TM_LOOP_RUNS_MAX];
    uint32_t n_running;
    tm_evidence *evidence;
    uint64_t facts_ns; /* when facts beside the schedule are next looked at */
    uint32_t n_due;    /* models that the last look found due */
    char failed[129];  /* the model whose turn is not gone on with before turns_ns */
    uint64_t turns_ns;
    tm_compacting compacting;
    tm_tending tending, joining;
    tm_telling telling;
    tm_rolling rolling;
    tm_sinking sinking;
    tm_pulling pulling, streaming;
    tm_db *sources; /* of both */
};

tm_status tm__loop_open(const tm_loop_place *place, tm_loop **out, tm_err *err) {
    const tm_home *const home = place->home;
    tm_supervisor *const supervisor = place->supervisor;
    const struct tm_log *const log = place->log;
    const int64_t epoch = place->epoch;
    tm_loop *loop = tm__mem_zalloc(1, sizeof(*loop));
    if (loop == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    loop->home = home;
    loop->supervisor = supervisor;
    loop->log = log;
    loop->epoch = epoch;
    loop->training_memory_max = place->training_memory_max;
    const tm_lone_child alone = {
        .home = home, .supervisor = supervisor, .log = log, .epoch = epoch};
    loop->compacting = (tm_compacting){.child = alone};
    loop->tending = (tm_tending){.child = alone, .duty = &tm__duty_online};
    loop->joining = (tm_tending){.child = alone, .duty = &tm__duty_labels};
    const tm_children watching = {.home = home, .supervisor = supervisor, .epoch = epoch};
    const tm_children children = {
        .home = home, .supervisor = supervisor, .has_network = true, .epoch = epoch};
    loop->rolling = (tm_rolling){.log = log, .children = watching};
    loop->telling = (tm_telling){.log = log, .children = children};
    loop->pulling = (tm_pulling){.log = log, .children = children, .db = &loop->sources};
    loop->streaming = loop->pulling;
    loop->streaming.what = TM_DUE_STREAMS;
    loop->streaming.children.option = "--follow";
    loop->sinking = (tm_sinking){.log = log, .children = children};
    tm_status st = tm__registry_open(home, &loop->registry, err);
    if (st == TM_OK) {
        tm__registry_work_for(loop->registry, epoch);
        st = tm__job_files_reset(home, err); /* of a daemon that was killed */
    }
    if (st == TM_OK) {
        loop->evidence = tm__evidence_create(home, loop->registry);
        st = loop->evidence == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    }
    if (st == TM_OK) {
        *out = loop;
        loop = NULL;
    }
    tm__loop_close(loop);
    return st;
}

static void log_failure(const tm_loop *loop, const char *model, const char *why) {
    if (loop->log != NULL) {
        tm_log_event(loop->log, TM_WARN, "retrain.failed", TM_FT("model", model),
                     TM_FT("error", why));
    }
}

/* ---- Children that ended ---- */

/* A turn that waits for memory says so itself; its child ended as one that failed. */
static bool waits_now(tm_loop *loop, const char *model) {
    tm_turn turn = {0};
    bool has = false;
    const tm_status st = tm__turn_find(loop->registry, model, &turn, &has, NULL);
    const bool waits = st == TM_OK && has && tm__admit_waits(&turn, NULL);
    tm__turn_done(&turn);
    return waits;
}

static bool is_cancelled(tm_loop *loop, const tm_running *run) {
    bool is = false;
    const tm_status st = tm__registry_cancels(loop->registry, run->model, run->job, &is, NULL);
    return st == TM_OK && is; /* else the next look does */
}

static const char *job_state(tm_loop *loop, const tm_running *run, const tm_child_state *child) {
    if (child->exit_code == 0) {
        return "done";
    }
    return child->exit_code == 1         ? "refused"
           : is_cancelled(loop, run)     ? "cancelled"
           : waits_now(loop, run->model) ? "waits"
                                         : "failed";
}

/* That a model is asked for less and less is said each time one more run came to nothing. */
static void tell_back_off(tm_loop *loop, const char *model) {
    tm_runs runs = {0};
    if (loop->log != NULL &&
        tm__registry_runs(loop->registry, "retrain", model, tm__now_us(), &runs, NULL) == TM_OK &&
        runs.n_fruitless >= TM_TRIGGER_FRUITLESS) {
        tm_log_event(loop->log, TM_WARN, "retrain.backs_off", TM_FT("model", model),
                     TM_FI("fruitless", runs.n_fruitless));
    }
}

static void reap(tm_loop *loop, const tm_running *run, const tm_child_state *child) {
    tm_err err = {0};
    json_t *result = tm__job_result(loop->home, run->job);
    const char *state = job_state(loop, run, child);
    if (strcmp(state, "failed") == 0 || strcmp(state, "waits") == 0) {
        (void)tm__str_copy(loop->failed, sizeof(loop->failed), tm__str(run->model));
        loop->turns_ns = tm__mono_ns() + TM_LOOP_AGAIN_NS;
    }
    if (tm__registry_job_end(loop->registry, run->job, state, result, &err) != TM_OK) {
        log_failure(loop, run->model, err.message);
    } else if (loop->log != NULL) {
        tm_log_event(loop->log, TM_INFO, "retrain.ended", TM_FT("model", run->model),
                     TM_FT("job", run->job), TM_FT("state", state),
                     TM_FI("exit", child->exit_code));
    }
    if (strcmp(state, "failed") == 0) {
        log_failure(loop, run->model, tm__job_why(result));
    }
    tm__job_files_remove(loop->home, run->job);
    json_decref(result);
    tell_back_off(loop, run->model);
}

/* A child that cannot be told now is told at the next look. */
static void stop_cancelled(tm_loop *loop, tm_running *run) {
    if (!run->is_stopping && is_cancelled(loop, run)) {
        run->is_stopping = tm__child_stop(loop->supervisor, run->child, NULL) == TM_OK;
    }
}

static void reap_all(tm_loop *loop) {
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < loop->n_running; i++) {
        tm_running run = loop->running[i];
        tm_child_state child = {.exit_code = -1};
        if (tm__child_state(loop->supervisor, run.child, &child, NULL) == TM_OK &&
            child.is_running) {
            stop_cancelled(loop, &run);
            loop->running[n_kept++] = run;
        } else {
            reap(loop, &run, &child);
        }
    }
    loop->n_running = n_kept;
}

/* ---- Models that are due ---- */

/* why NULL: goes on with a turn. */
static tm_status child_start(tm_loop *loop, tm_running *run, const char *why, tm_err *err) {
    char *out_path = tm__job_path(loop->home, run->job, "out");
    char *err_path = tm__job_path(loop->home, run->job, "err");
    char most[32];
    (void)snprintf(most, sizeof(most), "%llu", (unsigned long long)loop->training_memory_max);
    const char *const bound = loop->training_memory_max > 0 ? "--training-memory" : NULL;
    const char *const begins[] = {
        tm__program_path(),        "retrain", run->model, "--because", why, "--home",
        tm__home_path(loop->home), "--json",  bound,      most,        NULL};
    const char *const goes_on[] = {
        tm__program_path(),        "retrain", run->model, "--resume", "--home",
        tm__home_path(loop->home), "--json",  bound,      most,       NULL};
    const char *const fits_anew[] = {tm__program_path(), "retrain", run->model,
                                     "--withdrawn",      "--home",  tm__home_path(loop->home),
                                     "--json",           NULL};
    const tm_child_spec spec = {.argv = run->is_withdrawal ? fits_anew
                                        : why != NULL      ? begins
                                                           : goes_on,
                                .stdout_path = out_path,
                                .stderr_path = err_path,
                                .has_children = true, /* the load of its gate */
                                .has_network = tm__home_has_server(loop->home),
                                .epoch = loop->epoch,
                                .memory_bytes_max =
                                    TM_CHILD_ADDRESSES(tm__memory_bytes(NULL) / 4 * 3)};
    const tm_status st = out_path == NULL || err_path == NULL
                             ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                             : tm__child_start(loop->supervisor, &spec, &run->child, err);
    tm__mem_free(out_path);
    tm__mem_free(err_path);
    return st;
}

/* The one that has waited for the longest. */
typedef struct due {
    char model[129], why[200];
    bool goes_on, looks_back; /* with a turn that was begun */
    bool is_withdrawal;       /* the champion is to be fitted anew */
    int64_t last_us;          /* INT64_MAX: none is due */
} due;

/* A look back at a promoted version is a job of its own kind: no cool-down counts from it. */
static tm_status start(tm_loop *loop, const due *next, tm_err *err) {
    const char *const model = next->model;
    const char *const why = next->goes_on ? NULL : next->why;
    tm_running run = {.is_withdrawal = !next->goes_on && next->is_withdrawal};
    (void)tm__str_copy(run.model, sizeof(run.model), tm__str(model));
    TM_TRY(tm__registry_job_add(loop->registry, next->looks_back ? "watch" : "retrain", model,
                                run.job, err));
    const tm_status st = child_start(loop, &run, why, err);
    if (st != TM_OK) {
        const tm_status ended = tm__registry_job_end(loop->registry, run.job, "failed", NULL, NULL);
        (void)ended; /* what matters is why it did not start */
        return st;
    }
    loop->running[loop->n_running++] = run;
    if (loop->log != NULL) {
        tm_log_event(loop->log, TM_INFO, "retrain.started", TM_FT("model", model),
                     TM_FT("job", run.job),
                     TM_FT("because", why != NULL ? why : "a turn is gone on with"));
    }
    return TM_OK;
}

/* What a turn that has not ended asks for; *out_is_free: the model may be due for the next. */
static tm_status look_at_turn(tm_loop *loop, const char *model, due *next, bool *out_is_free,
                              tm_err *err) {
    tm_turn_need need = TM_TURN_FREE;
    TM_TRY(tm__turn_need(loop->home, loop->registry, loop->evidence, model,
                         loop->training_memory_max, &need, err));
    *out_is_free = need == TM_TURN_FREE;
    const bool is_paused = strcmp(loop->failed, model) == 0 && tm__mono_ns() < loop->turns_ns;
    if ((need == TM_TURN_GO_ON || need == TM_TURN_LOOK) && !is_paused) {
        *next = (due){.goes_on = true, .looks_back = need == TM_TURN_LOOK, .last_us = INT64_MIN};
        (void)tm__str_copy(next->model, sizeof(next->model), tm__str(model));
    }
    return TM_OK;
}

/* Whether a model is due, and milliseconds until it is worth another look. */
static tm_status look_at(tm_loop *loop, const char *model, bool looks_at_facts, due *next,
                         uint32_t *out_ms, tm_err *err) {
    json_t *recipe = NULL;
    tm_trigger_terms terms;
    tm_trigger_facts facts;
    tm_trigger found;
    bool is_free = false;
    *out_ms = TM_LOOP_TURN_MS;
    TM_TRY(look_at_turn(loop, model, next, &is_free, err));
    if (!is_free) {
        return TM_OK;
    }
    TM_TRY(tm__registry_recipe(loop->registry, model, &recipe, err));
    tm__trigger_terms(recipe, &terms);
    *out_ms = tm__trigger_needs_facts(&terms) ? TM_LOOP_FACTS_MS : UINT32_MAX;
    if (!looks_at_facts) {
        terms = (tm_trigger_terms){.every_us = terms.every_us,
                                   .cool_down_us = terms.cool_down_us,
                                   .per_day_us = terms.per_day_us};
    }
    const bool is_asked = terms.every_us > 0 || tm__trigger_needs_facts(&terms);
    const tm_status st =
        is_asked ? tm__evidence_look(loop->evidence, model, recipe, &terms, &facts, err) : TM_OK;
    json_decref(recipe);
    if (st != TM_OK || !is_asked) {
        return st;
    }
    tm__trigger_decide(&terms, &facts, &found);
    loop->n_due += found.is_due ? 1 : 0;
    if (found.is_due && facts.last_us < next->last_us) {
        next->last_us = facts.last_us;
        next->is_withdrawal = found.is_withdrawal;
        (void)tm__str_copy(next->model, sizeof(next->model), tm__str(model));
        (void)tm__str_copy(next->why, sizeof(next->why), tm__str(found.why));
    }
    const uint32_t most = *out_ms < TM_LOOP_IDLE_MS ? *out_ms : TM_LOOP_IDLE_MS;
    *out_ms = found.is_due ? TM_LOOP_BUSY_MS : found.wait_ms < most ? found.wait_ms : most;
    return TM_OK;
}

/* What changed shows within a second or two, and looks take a twentieth of a core at the most,
 * however many models and facts there are. Where more are due than one, the next look is when that
 * one has ended. */
static void set_next_facts(tm_loop *loop, uint64_t begun_ns) {
    if (loop->n_due > 1) {
        loop->facts_ns = 0;
        return;
    }
    const uint64_t now_ns = tm__mono_ns();
    const uint64_t rest_ns = (now_ns - begun_ns) * TM_LOOP_FACTS_TIMES;
    const uint64_t least_ns = TM_LOOP_FACTS_MS * UINT64_C(1000000);
    loop->facts_ns = now_ns + (rest_ns > least_ns ? rest_ns : least_ns);
}

/* Look at all models, and start the next one; milliseconds until the next look. */
static uint32_t schedule(tm_loop *loop, const json_t *models) {
    due next = {.last_us = INT64_MAX};
    uint32_t next_ms = UINT32_MAX;
    const json_t *model = NULL;
    size_t i = 0;
    if (loop->n_running == TM_LOOP_RUNS_MAX) {
        return TM_LOOP_BUSY_MS;
    }
    const uint64_t now_ns = tm__mono_ns();
    const bool looks_at_facts = now_ns >= loop->facts_ns;
    loop->n_due = 0;
    json_array_foreach(models, i, model) {
        const char *const name = tm__json_text(model, "model", "");
        tm_err err = {0};
        uint32_t ms = UINT32_MAX;
        if (look_at(loop, name, looks_at_facts, &next, &ms, &err) != TM_OK) {
            log_failure(loop, name, err.message);
            ms = TM_LOOP_RETRY_MS;
        }
        next_ms = ms < next_ms ? ms : next_ms;
    }
    if (looks_at_facts) {
        set_next_facts(loop, now_ns);
    }
    if (next.last_us < INT64_MAX) {
        tm_err err = {0};
        next_ms = TM_LOOP_BUSY_MS;
        if (start(loop, &next, &err) != TM_OK) {
            log_failure(loop, next.model, err.message);
            next_ms = TM_LOOP_RETRY_MS;
        }
    }
    return next_ms;
}

uint32_t tm__loop_step(tm_loop *loop) {
    tm_err err = {0};
    json_t *models = NULL;
    uint32_t next_ms = tm__compacting_step(&loop->compacting);
    const uint32_t sinks_ms = tm__sinking_step(&loop->sinking);
    const uint32_t pulls_ms = tm__pulling_step(&loop->pulling);
    const uint32_t streams_ms = tm__pulling_step(&loop->streaming);
    const uint32_t online_ms = tm__tending_step(&loop->tending, loop->registry);
    const uint32_t labels_ms = tm__tending_step(&loop->joining, loop->registry);
    const uint32_t alerts_ms = tm__telling_step(&loop->telling, loop->registry);
    const uint32_t rollouts_ms = tm__rolling_step(&loop->rolling, loop->registry);
    next_ms = online_ms < next_ms ? online_ms : next_ms;
    next_ms = labels_ms < next_ms ? labels_ms : next_ms;
    next_ms = alerts_ms < next_ms ? alerts_ms : next_ms;
    next_ms = rollouts_ms < next_ms ? rollouts_ms : next_ms;
    next_ms = sinks_ms < next_ms ? sinks_ms : next_ms;
    next_ms = pulls_ms < next_ms ? pulls_ms : next_ms;
    next_ms = streams_ms < next_ms ? streams_ms : next_ms;
    reap_all(loop);
    if (tm__registry_models(loop->registry, &models, &err) != TM_OK) {
        log_failure(loop, "", err.message);
        return TM_LOOP_RETRY_MS;
    }
    const uint32_t runs_ms = schedule(loop, models);
    next_ms = runs_ms < next_ms ? runs_ms : next_ms;
    json_decref(models);
    return next_ms;
}

void tm__loop_close(tm_loop *loop) {
    if (loop == NULL) {
        return;
    }
    for (uint32_t i = 0; i < loop->n_running; i++) {
        /* A child that cannot be stopped now dies with its supervisor. */
        const tm_status stopped = tm__child_stop(loop->supervisor, loop->running[i].child, NULL);
        const char *const state = is_cancelled(loop, &loop->running[i]) ? "cancelled" : "lost";
        const tm_status ended =
            tm__registry_job_end(loop->registry, loop->running[i].job, state, NULL, NULL);
        (void)stopped;
        (void)ended;
    }
    tm__compacting_stop(&loop->compacting);
    tm__tending_stop(&loop->tending);
    tm__tending_stop(&loop->joining);
    tm__telling_stop(&loop->telling);
    tm__children_stop(&loop->rolling.children);
    tm__children_stop(&loop->sinking.children);
    tm__children_stop(&loop->pulling.children);
    tm__children_stop(&loop->streaming.children);
    tm__db_close(loop->sources);
    tm__evidence_free(loop->evidence);
    tm__registry_close(loop->registry);
    tm__mem_free(loop);
}
