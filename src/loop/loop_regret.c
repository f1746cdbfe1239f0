/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a promoted version is regretted: both versions answer the labelled rows that came since,
 * so each row is its own comparison, whoever of them answered it then.
 */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/label_guard.h"
#include "loop/loop_turn.h"
#include "metric/uniform.h"

#define V_OPT 25.0 /* sum of squares that the bound is tightest at: some hundred rows */
#define RANGE 2.0  /* of a difference of two losses of 0 to 1 */

void tm__regret_judge(const double *now, const double *before, uint64_t n, tm_regret *out) {
    double sum = 0, v = 0;
    *out = (tm_regret){.n = n, .low = -1};
    for (uint64_t i = 0; i < n; i++) {
        const double d = now[i] - before[i];
        const double off = d - (i == 0 ? 0 : sum / (double)i);
        v += off * off;
        sum += d;
        out->now += now[i] / (double)n;
        out->before += before[i] / (double)n;
    }
    if (n > 0) {
        const tm_gamma_mixture mixture = tm__gamma_mixture(V_OPT, TM_WATCH_ALPHA, RANGE);
        out->low =
            (sum - tm__gamma_mixture_bound(&mixture, v > 1 ? v : 1, TM_WATCH_ALPHA)) / (double)n;
    }
}

/* ---- losses ---- */

static double variance(const double *y, uint64_t n) {
    double mean = 0, sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        mean += y[i] / (double)n;
    }
    for (uint64_t i = 0; i < n; i++) {
        sum += (y[i] - mean) * (y[i] - mean);
    }
    return n > 0 ? sum / (double)n : 0;
}

/* Of a class that training has not, no output is right. */
static double loss_of(const tm_look *look, uint64_t i, double spread) {
    const double *const p = look->pred + i * look->n_outputs;
    if (look->task == TM_TASK_REGRESSION) {
        const double off = p[0] - look->y[i];
        return spread > 0 ? fmin(off * off / (4 * spread), 1) : 0;
    }
    if (look->n_outputs == 1) {
        return fmin((p[0] - look->y[i]) * (p[0] - look->y[i]), 1);
    }
    double sum = look->y[i] < look->n_outputs ? 0 : 1;
    for (uint32_t k = 0; k < look->n_outputs; k++) {
        const double off = p[k] - ((uint32_t)look->y[i] == k ? 1 : 0);
        sum += off * off;
    }
    return sum / 2;
}

void tm__regret_losses(const tm_look *look, double *out) {
    const double spread = variance(look->y, look->n);
    for (uint64_t i = 0; i < look->n; i++) {
        out[i] = loss_of(look, i, spread);
    }
}

static tm_status compare(const tm_look *now, const tm_look *before, tm_regret *out, tm_err *err) {
    double *const a = tm__mem_alloc(now->n, sizeof(*a));
    double *const b = tm__mem_alloc(now->n, sizeof(*b));
    tm_status st = a == NULL || b == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK && (now->n != before->n || now->n_outputs != before->n_outputs)) {
        st = TM_FAIL(err, TM_E_DATA, "the two versions answer in different forms");
    }
    if (st == TM_OK) {
        tm__regret_losses(now, a);
        tm__regret_losses(before, b);
        tm__regret_judge(a, b, now->n, out);
    }
    tm__mem_free(a);
    tm__mem_free(b);
    return st;
}

/* ---- rows ---- */

/* Labels that neither the training nor the gate knew; NULL: none. */
static tm_status read_rows(tm_retraining *r, const tm_bundle *before, tm_table **out, tm_err *err) {
    int64_t joined_us = 0;
    const json_t *const story = r->turn.story;
    TM_TRY(tm__label_guard_act(&(tm_label_guard){.registry = r->registry,
                                                 .monitor = r->monitor,
                                                 .bundle = r->champion_bundle,
                                                 .model = r->turn.model,
                                                 .recipe = r->recipe,
                                                 .now_us = tm__now_us()},
                               &r->actor, &r->left_out, NULL, err));
    TM_TRY(tm__monitor_labelled_until(r->monitor, r->turn.model, &joined_us, err));
    const tm_span span = {
        .after = {tm__json_i64(story, "labelled_until_us", 0),
                  tm__json_i64(story, "labelled_known_us", INT64_MAX),
                  tm__json_i64(story, "labelled_moment_us", INT64_MAX)},
        .until = tm__loop_label_cut(r->recipe, joined_us, tm__now_us()),
        .also = before,
        .left_out = r->left_out,
    };
    return tm__monitor_labelled_span(r->monitor, r->champion_bundle, r->turn.model, span, out, NULL,
                                     err);
}

static tm_status look_back(tm_ctx *ctx, tm_retraining *r, tm_regret *out, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version before = {0};
    tm_bundle *bundle = NULL;
    tm_table *rows = NULL;
    tm_look looks[2] = {{0}, {0}};
    (void)snprintf(name, sizeof(name), "%s@%u", r->turn.model, r->turn.champion);
    TM_TRY(tm__registry_find(r->registry, name, &before, err));
    tm_status st = tm__registry_bundle(r->registry, &before, &bundle, err);
    st = st == TM_OK ? read_rows(r, bundle, &rows, err) : st;
    if (st == TM_OK && rows != NULL) {
        st = tm__look_init(ctx, r->champion_bundle, rows, 0, &looks[0], err);
        st = st == TM_OK ? tm__look_init(ctx, bundle, rows, 0, &looks[1], err) : st;
        st = st == TM_OK ? compare(&looks[0], &looks[1], out, err) : st;
    }
    tm__look_done(&looks[0]);
    tm__look_done(&looks[1]);
    tm__table_unref(rows);
    tm__bundle_unref(bundle);
    tm__version_done(&before);
    return st;
}

/* ---- what follows ---- */

static tm_status go_back(tm_retraining *r, const tm_regret *regret, tm_err *err) {
    char why[240];
    uint32_t from = 0;
    (void)snprintf(
        why, sizeof(why),
        "regret: on %llu labels since, a row's loss is %.4g, version %u's %.4g; worse by "
        "at least %.2g",
        (unsigned long long)regret->n, regret->now, r->turn.champion, regret->before, regret->low);
    const tm_promotion target = {.version = r->turn.champion};
    const tm_actor actor = {.name = r->actor.name, .reason = why};
    TM_TRY(tm__registry_rollback_to(r->registry, r->turn.model, &target, &actor, &from, err));
    return tm__turn_end(r->registry, &r->turn, "rolled_back", why, err);
}

static tm_status note(tm_retraining *r, const tm_regret *regret, tm_err *err) {
    json_t *const watch = json_object_get(r->turn.story, "watch");
    json_object_set_new(watch, "seen", json_integer((json_int_t)regret->n));
    json_object_set_new(watch, "loss", tm__json_number(regret->now));
    json_object_set_new(watch, "loss_before", tm__json_number(regret->before));
    json_object_set_new(watch, "worse_by", tm__json_number(regret->low));
    int64_t next = tm__json_i64(watch, "next", TM_WATCH_LABELS_LEAST);
    while (next <= (int64_t)regret->n) {
        next *= 2;
    }
    const int64_t last = tm__json_i64(watch, "labels", TM_WATCH_LABELS);
    json_object_set_new(watch, "next", json_integer(next < last ? next : last));
    return tm__json_check(err);
}

tm_status tm__turn_watch(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_regret regret = {.low = -1};
    const json_t *const watch = json_object_get(r->turn.story, "watch");
    if (r->champion.number != r->turn.version) {
        return tm__turn_end(r->registry, &r->turn, "promoted",
                            "another version is the champion now", err);
    }
    if (tm__bundle_task(r->champion_bundle) == TM_TASK_RANKING) {
        return tm__turn_end(r->registry, &r->turn, "promoted", "rankings are not watched", err);
    }
    TM_TRY(look_back(ctx, r, &regret, err));
    TM_TRY(note(r, &regret, err));
    if (regret.low > 0) {
        return go_back(r, &regret, err);
    }
    if ((int64_t)regret.n >= tm__json_i64(watch, "labels", 0) ||
        tm__now_us() >= tm__json_i64(watch, "until_us", 0)) {
        char why[120] = "no label came to watch it by";
        if (regret.n > 0) {
            (void)snprintf(why, sizeof(why), "nothing is regretted after %llu labels",
                           (unsigned long long)regret.n);
        }
        return tm__turn_end(r->registry, &r->turn, "promoted", why, err);
    }
    return tm__turn_save(r->registry, &r->turn, err);
}
