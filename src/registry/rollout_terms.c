/* SPDX-License-Identifier: Apache-2.0 */
/* By what steps, held for how long, and within which guardrails a version comes. */
#include <math.h>

#include "registry/rollout.h"

#define DEFAULT_HOLD_US (INT64_C(600) * 1000000)
#define HOLD_SECONDS_MAX 315360000.0 /* ten years */
#define ROWS_MAX 9007199254740992.0  /* as a double has each */

tm_rollout_terms tm__rollout_default(void) {
    return (tm_rollout_terms){
        .n_steps = 4,
        .steps = {100, 1000, 5000, TM_ARM_PARTS},
        .hold_us = DEFAULT_HOLD_US,
        .hold_rows = 100,
        .guard = {.errors = 0.01, .latency = 2, .drift = 0.1, .metric = 0.01}};
}

json_t *tm__rollout_terms_json(const tm_rollout_terms *terms) {
    json_t *steps = json_array();
    for (uint32_t i = 0; i < terms->n_steps; i++) {
        json_array_append_new(steps, tm__json_number(terms->steps[i] / 100.0));
    }
    return json_pack(
        "{s:o, s:o, s:o, s:I, s:{s:o, s:o, s:o, s:o}, s:b}", "shadow",
        tm__json_number(terms->shadow / 100.0), "steps", steps, "hold_seconds",
        tm__json_number((double)terms->hold_us / 1e6), "rows", (json_int_t)terms->hold_rows,
        "guard", "errors", tm__json_number(terms->guard.errors), "latency",
        tm__json_number(terms->guard.latency), "drift", tm__json_number(terms->guard.drift),
        "metric", tm__json_number(terms->guard.metric), "forced", terms->force);
}

/* ---- reading ---- */

/* A member, if it is there; false when it is no number from 0 to most. */
static bool take_number(const json_t *object, const char *name, double most, double *value) {
    const json_t *found = json_object_get(object, name);
    if (found == NULL) {
        return true;
    }
    *value = json_number_value(found);
    return json_is_number(found) && *value >= 0 && *value <= most;
}

static bool take_shadow(const json_t *json, tm_rollout_terms *out) {
    double percent = out->shadow / 100.0;
    if (!take_number(json, "shadow", 100, &percent)) {
        return false;
    }
    out->shadow = 0;
    return percent == 0 || tm__split_weight(percent, &out->shadow);
}

static bool take_steps(const json_t *json, tm_rollout_terms *out) {
    const json_t *steps = json_object_get(json, "steps");
    if (steps == NULL) {
        return true;
    }
    out->n_steps = (uint32_t)json_array_size(steps); /* of what is no list 0 */
    bool is_good = json_array_size(steps) > 0 && json_array_size(steps) <= TM_ROLLOUT_STEPS_MAX;
    for (uint32_t i = 0; is_good && i < out->n_steps; i++) {
        const json_t *step = json_array_get(steps, i);
        is_good = json_is_number(step) && tm__split_weight(json_number_value(step), &out->steps[i]);
    }
    return is_good;
}

static bool take_hold(const json_t *json, tm_rollout_terms *out) {
    const bool is_by_rows = json_object_get(json, "rows") != NULL;
    double seconds = is_by_rows ? 0 : (double)out->hold_us / 1e6;
    if (!take_number(json, "hold_seconds", HOLD_SECONDS_MAX, &seconds)) {
        return false;
    }
    out->hold_us = (int64_t)(seconds * 1e6 + 0.5);
    return true;
}

static bool take_rows(const json_t *json, tm_rollout_terms *out) {
    double rows = (double)out->hold_rows;
    if (!take_number(json, "rows", ROWS_MAX, &rows) || rows != floor(rows)) {
        return false;
    }
    out->hold_rows = (uint64_t)rows;
    return true;
}

static bool take_guard(const json_t *json, tm_rollout_terms *out) {
    static const char *const names[] = {"errors", "latency", "drift", "metric"};
    double *const bounds[] = {&out->guard.errors, &out->guard.latency, &out->guard.drift,
                              &out->guard.metric};
    const json_t *guard = json_object_get(json, "guard");
    size_t n = 0;
    bool is_good = guard == NULL || json_is_object(guard);
    for (size_t i = 0; is_good && i < 4; i++) {
        n += json_object_get(guard, names[i]) != NULL;
        is_good = take_number(guard, names[i], HUGE_VAL, bounds[i]);
    }
    return is_good && n == json_object_size(guard);
}

tm_status tm__rollout_terms_read(const json_t *json, tm_rollout_terms *terms, tm_err *err) {
    tm_rollout_terms t = *terms;
    const char *wrong = !take_shadow(json, &t)  ? "shadow"
                        : !take_steps(json, &t) ? "steps"
                        : !take_hold(json, &t)  ? "hold"
                        : !take_rows(json, &t)  ? "rows"
                        : !take_guard(json, &t) ? "guard"
                                                : NULL;
    if (wrong != NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "'%s' of a rollout is not what it can be", wrong);
        tm_err_hint(err,
                    "Steps and shadow: percent, to a hundredth, at most %u steps. Times and "
                    "numbers of answers are not below 0; bounds are errors, latency, drift and "
                    "metric.",
                    TM_ROLLOUT_STEPS_MAX);
        return st;
    }
    TM_TRY(tm__rollout_terms_check(&t, err));
    *terms = t;
    return TM_OK;
}

tm_status tm__rollout_terms_check(const tm_rollout_terms *terms, tm_err *err) {
    bool is_good = terms->n_steps > 0 && terms->n_steps <= TM_ROLLOUT_STEPS_MAX;
    for (uint32_t i = 0; is_good && i < terms->n_steps; i++) {
        is_good =
            terms->steps[i] > (i == 0 ? 0 : terms->steps[i - 1]) && terms->steps[i] <= TM_ARM_PARTS;
    }
    if (!is_good) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the steps do not rise between 0 and 100 %%");
        tm_err_hint(err, "Like 1,10,50,100: at most %u, to a hundredth of a percent.",
                    TM_ROLLOUT_STEPS_MAX);
        return st;
    }
    const tm_rollout_guard *g = &terms->guard;
    if (terms->hold_us < 0 || (terms->hold_us == 0 && terms->hold_rows == 0) ||
        !(g->errors >= 0 && g->latency >= 0 && g->drift >= 0 && g->metric >= 0)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a step needs a time or a number of answers to be held for");
        tm_err_hint(err, "Give a hold such as 10m, rows such as 1000, or both.");
        return st;
    }
    return TM_OK;
}

tm_status tm__rollout_declared(const json_t *recipe, tm_rollout_terms *out, bool *out_has,
                               tm_err *err) {
    const json_t *declared = json_object_get(recipe, "rollout");
    tm_rollout_terms terms = tm__rollout_default();
    if (declared != NULL && tm__rollout_terms_read(declared, &terms, NULL) != TM_OK) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the recipe's rollout is not as it was stored");
    }
    *out = terms;
    *out_has = declared != NULL;
    return TM_OK;
}
