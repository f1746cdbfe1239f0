/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      state ── paused? ──> tell
 *        └── gather figures ── judge ── breach ──────────────> back, alert
 *                                 └── held long enough ── next step or promotion ── refused ──>
 * back └── else ──> wait
 *
 * 1. A move names the state that was looked at; when another moved meanwhile it is no move.
 * 2. What speaks against the version (gate, file, guardrail) goes back; what is wrong with the
 *    machine ends the look and changes nothing.
 */
#include "loop/rollout_look.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/rollout_priv.h"
#include "monitor/alert_teller.h"

typedef struct looking {
    const tm_home *home;
    tm_registry *registry;
    const char *model;
    const char *actor;
    tm_rollout rollout;
    tm_rollout_figures figures;
    json_t *checks;
    char breach[256];
    char reason[320];
} looking;

/* ---- figures ---- */

/* What was counted since the step was first looked at: a server that was started since begins
 * anew. */
static void take_counted(looking *l, const json_t *now) {
    const json_t *then = l->rollout.counted;
    const bool is_same =
        strcmp(tm__json_text(then, "server", ""), tm__json_text(now, "server", "")) == 0;
    for (uint32_t arm = 0; arm < 2; arm++) {
        const char *const names[] = {"requests", "failed"};
        int64_t values[2];
        for (size_t k = 0; k < 2; k++) {
            const json_int_t before =
                is_same ? json_integer_value(json_array_get(json_object_get(then, names[k]), arm))
                        : 0;
            values[k] =
                json_integer_value(json_array_get(json_object_get(now, names[k]), arm)) - before;
        }
        l->figures.arms[arm].n_requests = values[0] > 0 ? (uint64_t)values[0] : 0;
        l->figures.arms[arm].n_failed = values[1] > 0 ? (uint64_t)values[1] : 0;
    }
    l->figures.has_server = true;
}

/* The first look of a step remembers the counters; a clock that went back begins the step now. */
static tm_status settle(looking *l, const json_t *now, tm_err *err) {
    const bool is_ahead = l->rollout.entered_us > tm__now_us();
    const bool is_first = now != NULL && l->rollout.counted == NULL;
    if (!is_ahead && !is_first) {
        return TM_OK;
    }
    l->rollout.entered_us = is_ahead ? tm__now_us() : l->rollout.entered_us;
    if (is_first) {
        l->rollout.counted = json_deep_copy(now);
    }
    return tm__registry_rollout_keep(l->registry, l->model, &l->rollout, err);
}

static tm_status gather(looking *l, tm_err *err) {
    json_t *now = NULL;
    l->figures.model = l->model;
    l->figures.rollout = &l->rollout;
    tm_status st = tm__rollout_counted(l->home, &l->figures, &now, err);
    st = st == TM_OK ? settle(l, now, err) : st;
    if (st == TM_OK && now != NULL) {
        take_counted(l, now);
    }
    json_decref(now);
    st = st == TM_OK ? tm__rollout_read(l->home, l->registry, &l->figures, err) : st;
    return st == TM_OK ? tm__rollout_judge(&l->figures, l->breach, &l->checks, err) : st;
}

/* ---- moves ---- */

static json_t *evidence_of(const looking *l) {
    return json_pack("{s:[I, I], s:O}", "answers", (json_int_t)l->figures.arms[0].n_rows,
                     (json_int_t)l->figures.arms[1].n_rows, "checks", l->checks);
}

static tm_status read_settings(void *arg, const char *model, json_t **out, tm_err *err) {
    return tm__registry_recipe_member(arg, model, "monitor", out, err);
}

/* The move is made: an alert that cannot be kept changes nothing of it. */
static void raise_alert(looking *l) {
    tm_teller teller = {.home = l->home, .settings = read_settings, .arg = l->registry};
    char summary[400];
    (void)snprintf(summary, sizeof summary, "the rollout of version %u was rolled back: %s",
                   l->rollout.version, l->reason);
    json_t *detail = evidence_of(l);
    const tm_alert_raise raise = {.model = l->model,
                                  .version = l->rollout.version,
                                  .kind = "rollout",
                                  .subject = "",
                                  .is_critical = true,
                                  .since_us = l->rollout.entered_us,
                                  .at_us = tm__now_us(),
                                  .summary = summary,
                                  .detail = detail};
    const tm_status kept = tm__teller_raise(&teller, &raise, NULL);
    (void)kept;
    tm__teller_done(&teller);
    json_decref(detail);
}

static tm_status move(looking *l, tm_rollout_move_kind kind, tm_err *err) {
    json_t *evidence = evidence_of(l);
    const tm_actor actor = {.name = l->actor, .reason = l->reason};
    const tm_rollout_move one = {.kind = kind, .seen = &l->rollout, .evidence = evidence};
    const tm_status st = tm__registry_rollout_move(l->registry, l->model, &one, &actor, err);
    json_decref(evidence);
    return st;
}

static tm_status go_back(looking *l, const char *why, const char **out_action, tm_err *err) {
    (void)snprintf(l->reason, sizeof l->reason, "%s", why);
    TM_TRY(move(l, TM_ROLLOUT_BACK, err));
    raise_alert(l);
    *out_action = "rolled_back";
    return TM_OK;
}

/* What says that this version may not answer, not that the machine is in trouble. */
static bool is_of_version(tm_status st) {
    return st == TM_E_REFUSED || st == TM_E_INTEGRITY || st == TM_E_NOT_FOUND;
}

/* "10 %", "the shadow of 50 %" */
static const char *step_text(const tm_rollout *r, char out[48]) {
    (void)snprintf(out, 48, "%s%g %%", r->in_shadow ? "the shadow of " : "",
                   r->in_shadow ? r->terms.shadow / 100.0 : tm__rollout_percent(r));
    return out;
}

static tm_status go_on(looking *l, const char **out_action, tm_err *err) {
    const tm_rollout *r = &l->rollout;
    const bool promotes = tm__rollout_promotes(r);
    tm_err own = {0};
    char step[48];
    (void)snprintf(l->reason, sizeof l->reason,
                   "%s held for %.0f s with %llu answers, all guardrails kept", step_text(r, step),
                   (double)(tm__now_us() - r->entered_us) / 1e6,
                   (unsigned long long)l->figures.arms[1].n_rows);
    const tm_status st = move(l, TM_ROLLOUT_NEXT, &own);
    if (is_of_version(st)) {
        return go_back(l, own.message, out_action, err);
    }
    *out_action = promotes ? "promoted" : "next";
    return st == TM_OK ? TM_OK : TM_FAIL(err, st, "%s", own.message);
}

static tm_status act(looking *l, const char **out_action, tm_err *err) {
    const tm_rollout *r = &l->rollout;
    const int64_t held_us = tm__now_us() - r->entered_us;
    const uint64_t n_rows = l->figures.arms[1].n_rows;
    if (l->breach[0] != '\0') {
        return go_back(l, l->breach, out_action, err);
    }
    if (held_us >= r->terms.hold_us && n_rows >= r->terms.hold_rows) {
        return go_on(l, out_action, err);
    }
    char step[48];
    *out_action = "wait";
    (void)snprintf(l->reason, sizeof l->reason, "%s for %.0f of %.0f s, %llu of %llu answers",
                   step_text(r, step), (double)held_us / 1e6, (double)r->terms.hold_us / 1e6,
                   (unsigned long long)n_rows, (unsigned long long)r->terms.hold_rows);
    return TM_OK;
}

static tm_status look(looking *l, const char **out_action, tm_err *err) {
    tm_err own = {0};
    if (l->rollout.is_paused) {
        l->checks = json_array();
        *out_action = "paused";
        (void)snprintf(l->reason, sizeof l->reason, "paused");
        return TM_OK;
    }
    const tm_status st = gather(l, &own);
    if (is_of_version(st)) { /* its file is gone or damaged, or it was collected */
        l->checks = l->checks == NULL ? json_array() : l->checks;
        return go_back(l, own.message, out_action, err);
    }
    return st == TM_OK ? act(l, out_action, err) : TM_FAIL(err, st, "%s", own.message);
}

static json_t *told(const looking *l, const char *action) {
    const tm_rollout *r = &l->rollout;
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:i, s:o, s:[I, I], s:O}", "model", l->model, "action", action,
        "reason", l->reason, "version", (json_int_t)r->version, "champion", (json_int_t)r->champion,
        "step", r->in_shadow ? 0 : (int)r->step + 1, "percent",
        tm__json_number(tm__rollout_percent(r)), "answers", (json_int_t)l->figures.arms[0].n_rows,
        (json_int_t)l->figures.arms[1].n_rows, "checks", l->checks);
}

tm_status tm__rollout_look(const tm_home *home, tm_registry *registry, const char *model,
                           const char *actor, json_t **out, tm_err *err) {
    looking l = {.home = home, .registry = registry, .model = model, .actor = actor};
    bool has = false;
    const char *action = "wait";
    TM_TRY(tm__registry_rollout(registry, model, &l.rollout, &has, err));
    if (!has) {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s' has no rollout", model);
        tm_err_hint(err, "Begin one: tidemill route rollout %.80s@VERSION", model);
        return st;
    }
    tm_status st = look(&l, &action, err);
    if (st == TM_OK) {
        *out = told(&l, action);
        st = tm__json_check(err);
    }
    json_decref(l.checks);
    tm__rollout_figures_done(&l.figures);
    tm__rollout_done(&l.rollout);
    return st;
}
