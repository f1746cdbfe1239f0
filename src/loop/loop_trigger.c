/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_trigger.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

/* ---- terms ---- */

static int64_t seconds_us(const json_t *retrain, const char *name, int64_t or_us) {
    const int64_t s = tm__json_i64(retrain, name, -1);
    return s < 0 ? or_us : s > INT64_MAX / (4 * SECOND_US) ? INT64_MAX / 4 : s * SECOND_US;
}

void tm__trigger_terms(const json_t *recipe, tm_trigger_terms *out) {
    const json_t *const retrain = json_object_get(recipe, "retrain");
    const json_t *const on = json_object_get(retrain, "on");
    const json_t *const source = json_object_get(recipe, "source");
    *out = (tm_trigger_terms){
        .every_us = seconds_us(retrain, "every_s", 0),
        .new_rows = (uint64_t)tm__json_i64(retrain, "new_rows", 0),
        .new_labels = (uint64_t)tm__json_i64(retrain, "new_labels", 0),
        .on_drift = tm__json_has_text(on, "drift"),
        .on_performance = tm__json_has_text(on, "performance"),
        .on_schema = tm__json_has_text(on, "schema"),
        .on_consent =
            json_object_get(source, "source") != NULL && tm__json_bool(retrain, "consent", true),
        .drift_cost = tm__json_f64(retrain, "drift_cost", 0),
        .has_bound = json_object_get(retrain, "worse_than") != NULL,
        .bound = tm__json_f64(retrain, "worse_than", 0),
        .cool_down_us = seconds_us(retrain, "cool_down_s", TM_TRIGGER_COOL_US),
        .per_day_us = seconds_us(retrain, "per_day_s", 0),
    };
}

bool tm__trigger_needs_facts(const tm_trigger_terms *t) {
    return t->new_rows > 0 || t->new_labels > 0 || t->on_drift || t->on_performance ||
           t->on_schema || t->on_consent || t->has_bound;
}

/* ---- the decision ---- */

static uint32_t to_ms(int64_t us) {
    const int64_t most = DAY_US / 1000;
    const int64_t ms = us / 1000 + 1;
    return (uint32_t)(ms < most ? ms : most);
}

/* An alert that asks for a retraining; NULL when there is none. */
static const json_t *find_alert(const tm_trigger_terms *t, const json_t *alerts) {
    size_t i = 0;
    const json_t *alert = NULL;
    json_array_foreach(alerts, i, alert) {
        const char *const kind = tm__json_text(alert, "kind", "");
        const json_t *const cost = json_object_get(json_object_get(alert, "detail"), "cost");
        const double grown = tm__json_f64(cost, "expected", 0) - tm__json_f64(cost, "was", 0);
        if (t->on_performance && strcmp(kind, "performance") == 0) {
            return alert;
        }
        if (t->on_drift && strcmp(kind, "drift") == 0 &&
            (t->drift_cost <= 0 || grown >= t->drift_cost)) {
            return alert;
        }
    }
    return NULL;
}

static bool is_worse(const tm_trigger_terms *t, const tm_trigger_facts *f) {
    if (!t->has_bound || f->n_scored < TM_TRIGGER_LABELS || isnan(f->live_better)) {
        return false;
    }
    return f->smaller_is_better ? f->live_better > t->bound : f->live_better < t->bound;
}

static bool is_withdrawal(const tm_trigger_terms *t, const tm_trigger_facts *f) {
    return t->on_consent && f->n_withdrawn > 0;
}

/* What asks for a retraining, the schedule aside; false when nothing does. */
static bool find_reason(const tm_trigger_terms *t, const tm_trigger_facts *f, char *why,
                        size_t size) {
    const json_t *const alert = find_alert(t, f->alerts);
    if (is_withdrawal(t, f)) {
        (void)snprintf(why, size, "consent: taken back for %llu rows",
                       (unsigned long long)f->n_withdrawn);
    } else if (alert != NULL) {
        (void)snprintf(why, size, "%s: %.150s", tm__json_text(alert, "kind", ""),
                       tm__json_text(alert, "summary", ""));
    } else if (is_worse(t, f)) {
        (void)snprintf(why, size, "score: %.4g over %llu labels, at best %.4g, worse than %.4g",
                       f->live, (unsigned long long)f->n_scored, f->live_better, t->bound);
    } else if (t->on_schema && f->schema_us > f->last_us) {
        (void)snprintf(why, size, "schema: columns of the source changed");
    } else if (t->new_labels > 0 && f->new_labels >= t->new_labels) {
        (void)snprintf(why, size, "labels: %llu are new", (unsigned long long)f->new_labels);
    } else if (t->new_rows > 0 && f->new_rows >= t->new_rows) {
        (void)snprintf(why, size, "rows: %llu are new", (unsigned long long)f->new_rows);
    } else {
        return false;
    }
    return true;
}

int64_t tm__trigger_back_off_us(int64_t wait_us, uint32_t n_fruitless) {
    if (n_fruitless < TM_TRIGGER_FRUITLESS) {
        return 0;
    }
    const uint32_t n = n_fruitless - TM_TRIGGER_FRUITLESS + 1;
    const int64_t wait = wait_us < 60 * SECOND_US ? 60 * SECOND_US : wait_us;
    const int64_t times = (INT64_C(1) << (n < 12 ? n : 12)) - 1;
    return wait >= TM_TRIGGER_BACK_OFF_US / times ? TM_TRIGGER_BACK_OFF_US : wait * times;
}

/* Time until what holds a run back lets it go; 0: nothing does. A clock that went back holds
 * nothing for ever. */
static int64_t held_us(const tm_trigger_terms *t, const tm_trigger_facts *f, const char **out_by) {
    const int64_t since_us = f->now_us - f->ended_us;
    if (t->per_day_us > 0 && f->spent_us >= t->per_day_us) {
        *out_by = "the day's time for training is spent";
        return 60 * SECOND_US;
    }
    const int64_t back_off_us = tm__trigger_back_off_us(t->cool_down_us, f->n_fruitless);
    if (f->ended_us > 0 && since_us >= 0 && since_us < t->cool_down_us + back_off_us) {
        *out_by = since_us < t->cool_down_us ? "the last run has just ended"
                                             : "the last runs in a row came to nothing";
        return t->cool_down_us + back_off_us - since_us;
    }
    return 0;
}

void tm__trigger_decide(const tm_trigger_terms *terms, const tm_trigger_facts *facts,
                        tm_trigger *out) {
    const char *by = "";
    char why[160] = "";
    *out = (tm_trigger){.wait_ms = UINT32_MAX};
    const bool is_asked = find_reason(terms, facts, why, sizeof(why));
    if (is_asked) {
        const int64_t us = held_us(terms, facts, &by);
        out->is_due = us == 0;
        out->is_withdrawal = out->is_due && is_withdrawal(terms, facts);
        out->wait_ms = us == 0 ? 0 : to_ms(us);
        (void)snprintf(out->why, sizeof(out->why), "%s%s%s%s", why, us == 0 ? "" : " (", by,
                       us == 0 ? "" : ")");
    }
    if (out->is_due || terms->every_us <= 0) {
        return;
    }
    const int64_t since_us = facts->now_us - facts->last_us;
    const int64_t every_us =
        terms->every_us + tm__trigger_back_off_us(terms->every_us, facts->n_fruitless);
    const int64_t left_us = since_us < 0 ? every_us : every_us - since_us;
    const bool is_spent = terms->per_day_us > 0 && facts->spent_us >= terms->per_day_us;
    if (left_us <= 0 && !is_spent) {
        out->is_due = true;
        out->wait_ms = 0;
        (void)tm__str_copy(out->why, sizeof(out->why), tm__str("schedule"));
    } else {
        const uint32_t ms = to_ms(left_us > 0 ? left_us : 60 * SECOND_US);
        out->wait_ms = ms < out->wait_ms ? ms : out->wait_ms;
    }
}
