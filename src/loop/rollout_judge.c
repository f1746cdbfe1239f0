/* SPDX-License-Identifier: Apache-2.0 */
/* The guardrails of a rollout, each one check in words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "loop/rollout_priv.h"
#include "metric/ab_judge.h"
#include "metric/any_time.h"

#define LATENCY_ROWS 100u      /* of the champion, before its 99th percentile means something */
#define LATENCY_LEAST_US 1000u /* nobody waits for less */
#define TAIL 0.01

typedef struct judging {
    tm_rollout_figures *figures;
    json_t *checks;
    char *breach; /* [256] */
} judging;

static void say(judging *j, const char *check, const char *state, const char *said) {
    json_array_append_new(
        j->checks, json_pack("{s:s, s:s, s:s}", "check", check, "state", state, "said", said));
    if (strcmp(state, "breach") == 0 && j->breach[0] == '\0') {
        (void)snprintf(j->breach, 256, "%s: %s", check, said);
    }
}

/* ---- errors ---- */

static void judge_errors(judging *j) {
    const tm_rollout_arm *old = &j->figures->arms[0], *new = &j->figures->arms[1];
    const double most = j->figures->rollout->terms.guard.errors;
    char said[200];
    if (most == 0) {
        say(j, "errors", "off", "not looked at");
        return;
    }
    if (!j->figures->has_server) {
        say(j, "errors", "open", "no server says how many requests failed");
        return;
    }
    const tm_share_range was =
        tm__share_any_time(old->n_requests, old->n_failed, TM_ROLLOUT_ALPHA / 2);
    const tm_share_range is =
        tm__share_any_time(new->n_requests, new->n_failed, TM_ROLLOUT_ALPHA / 2);
    (void)snprintf(said, sizeof said,
                   "%llu of %llu requests failed, of the champion's %llu of %llu",
                   (unsigned long long)new->n_failed, (unsigned long long)new->n_requests,
                   (unsigned long long)old->n_failed, (unsigned long long)old->n_requests);
    say(j, "errors", is.low > was.high + most ? "breach" : "kept", said);
}

/* ---- time ---- */

static int by_us(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The share of the version's answers that are slower than the champion's slowest hundredth, times
 * the factor, is surely more than a hundredth. */
static void judge_latency(judging *j) {
    tm_rollout_arm *old = &j->figures->arms[0], *new = &j->figures->arms[1];
    const double factor = j->figures->rollout->terms.guard.latency;
    char said[200];
    uint64_t n_slow = 0;
    if (factor == 0) {
        say(j, "latency", "off", "not looked at");
        return;
    }
    if (j->figures->rollout->in_shadow) {
        say(j, "latency", "open", "a shadow answers on a thread that gives way to requests");
        return;
    }
    if (old->n_kept < LATENCY_ROWS || new->n_kept == 0) {
        say(j, "latency", "open", "too few answers to compare");
        return;
    }
    qsort(old->latency_us, old->n_kept, sizeof *old->latency_us, by_us);
    const uint32_t p99 = old->latency_us[(size_t)(0.99 * (old->n_kept - 1))];
    const double bound = fmax(factor * p99, LATENCY_LEAST_US);
    for (uint32_t i = 0; i < new->n_kept; i++) {
        n_slow += new->latency_us[i] > bound;
    }
    const tm_share_range slow = tm__share_any_time(new->n_kept, n_slow, TM_ROLLOUT_ALPHA);
    (void)snprintf(said, sizeof said,
                   "%llu of %u answers took over %.3g ms; 99 of 100 of the champion's take %.3g",
                   (unsigned long long)n_slow, new->n_kept, bound / 1e3, p99 / 1e3);
    say(j, "latency", slow.low > TAIL ? "breach" : "kept", said);
}

/* ---- drift ---- */

static void judge_drift(judging *j) {
    tm_rollout_arm *old = &j->figures->arms[0], *new = &j->figures->arms[1];
    const double most = j->figures->rollout->terms.guard.drift;
    char said[200];
    double apart = 0, at = 0, where = 0;
    if (most == 0) {
        say(j, "drift", "off", "not looked at");
        return;
    }
    if (old->n_kept == 0 || new->n_kept == 0 || old->n_outputs != new->n_outputs) {
        say(j, "drift", "open", "no answers to compare");
        return;
    }
    const double alpha = TM_ROLLOUT_ALPHA / (2.0 * old->n_outputs);
    const double unsure =
        tm__cdf_radius_any_time(old->n_kept, alpha) + tm__cdf_radius_any_time(new->n_kept, alpha);
    for (uint32_t k = 0; k < old->n_outputs; k++) {
        double *a = old->outputs + (size_t)k * old->capacity;
        double *b = new->outputs + (size_t)k *new->capacity;
        qsort(a, old->n_kept, sizeof *a, tm__compare_f64);
        qsort(b, new->n_kept, sizeof *b, tm__compare_f64);
        const double one = tm__cdf_distance(a, old->n_kept, b, new->n_kept, &at);
        where = one > apart ? at : where;
        apart = fmax(apart, one);
    }
    (void)snprintf(said, sizeof said,
                   "shares of answers up to %.4g differ by %.3g, surely by %.3g; %.3g is borne",
                   where, apart, fmax(apart - unsure, 0), most);
    say(j, "drift", apart - unsure > most ? "breach" : "kept", said);
}

/* ---- labelled answers ---- */

static int by_time(const void *a, const void *b) {
    const tm_rollout_loss *x = a, *y = b;
    const int order = (x->at_us > y->at_us) - (x->at_us < y->at_us);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

/* The version's of all answers that are compared: a shadow's come besides. */
static double share_of(const tm_rollout *r) {
    return r->in_shadow ? (double)r->terms.shadow / (TM_ARM_PARTS + r->terms.shadow)
                        : (double)r->terms.steps[r->step] / TM_ARM_PARTS;
}

static tm_status compare(const tm_rollout_figures *f, double *values, uint8_t *arms, json_t **out,
                         tm_err *err) {
    double sum = 0;
    uint64_t n = 0;
    for (uint64_t i = 0; i < f->n_losses; i++) {
        values[i] = f->losses[i].loss;
        arms[i] = (uint8_t)f->losses[i].arm;
        sum += arms[i] == 0 ? values[i] : 0;
        n += arms[i] == 0;
    }
    const bool is_number = tm__bundle_task(f->arms[0].bundle) == TM_TASK_REGRESSION;
    const tm_ab_metric loss = {.name = "loss",
                               .values = values,
                               .kind = is_number ? TM_AB_MEAN : TM_AB_BOUNDED,
                               .high = is_number ? 0 : 1,
                               .smaller_is_better = true,
                               .margin =
                                   f->rollout->terms.guard.metric * (n > 0 ? sum / (double)n : 0)};
    const tm_ab_input in = {.n_units = f->n_losses,
                            .arms = arms,
                            .n_matured = f->n_losses,
                            .names = {"champion", "version"},
                            .share = share_of(f->rollout),
                            .alpha = TM_ROLLOUT_ALPHA,
                            .alpha_guard = TM_ROLLOUT_ALPHA,
                            .metric = loss,
                            .guardrails = &loss,
                            .n_guardrails = 1};
    return tm__ab_judge(&in, out, err);
}

static tm_status judge_metric(judging *j, tm_err *err) {
    tm_rollout_figures *f = j->figures;
    json_t *verdict = NULL;
    char said[200];
    if (f->rollout->terms.guard.metric == 0) {
        say(j, "metric", "off", "not looked at");
        return TM_OK;
    }
    if (f->n_losses == 0) {
        say(j, "metric", "open", "no labels yet");
        return TM_OK;
    }
    qsort(f->losses, f->n_losses, sizeof *f->losses, by_time);
    double *values = tm__mem_alloc(f->n_losses, sizeof *values);
    uint8_t *arms = tm__mem_alloc(f->n_losses, 1);
    tm_status st = values == NULL || arms == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                                  : compare(f, values, arms, &verdict, err);
    if (st == TM_OK) {
        const json_t *guard = json_array_get(json_object_get(verdict, "guardrails"), 0);
        const json_t *means = json_object_get(guard, "means");
        const bool is_known = json_is_number(json_object_get(guard, "low"));
        const char *state = tm__json_text(guard, "state", "open");
        (void)snprintf(
            said, sizeof said, "loss of %llu labelled answers: %.4g, the champion's %.4g%s",
            (unsigned long long)f->n_losses, json_number_value(json_array_get(means, 1)),
            json_number_value(json_array_get(means, 0)), is_known ? "" : " (too few to tell)");
        say(j, "metric", state, said);
    }
    json_decref(verdict);
    tm__mem_free(values);
    tm__mem_free(arms);
    return st;
}

tm_status tm__rollout_judge(tm_rollout_figures *figures, char out_breach[256], json_t **out,
                            tm_err *err) {
    judging j = {.figures = figures, .checks = json_array(), .breach = out_breach};
    out_breach[0] = '\0';
    judge_errors(&j);
    judge_latency(&j);
    judge_drift(&j);
    tm_status st = judge_metric(&j, err);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st == TM_OK) {
        *out = j.checks;
    } else {
        json_decref(j.checks);
    }
    return st;
}
