/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/alert_teller.h"

#define RECEIVERS_MAX 16u

tm_status tm__teller_store(tm_teller *teller, tm_drift_store **out, tm_err *err) {
    if (teller->store == NULL) {
        TM_TRY(tm__drift_store_open(teller->home, true, &teller->store, err));
    }
    *out = teller->store;
    return TM_OK;
}

void tm__teller_done(tm_teller *teller) {
    tm__drift_store_close(teller->store);
    teller->store = NULL;
}

/* Settings that cannot be read are none. */
static json_t *settings_of(const tm_teller *teller, const char *model) {
    json_t *out = NULL;
    const bool was_whole = tm__json_is_whole();
    if (teller->settings == NULL || teller->settings(teller->arg, model, &out, NULL) != TM_OK) {
        if (was_whole) {
            tm__json_reset(); /* what was lost is not this thread's result */
        }
        return NULL;
    }
    return out;
}

int64_t tm__teller_budget_us(const tm_teller *teller, const char *model) {
    json_t *const settings = settings_of(teller, model);
    const int64_t us = settings == NULL ? 0 : tm__json_i64(settings, "false_alarm_us", 0);
    json_decref(settings);
    return us > 0 ? us : TM_BUDGET_US;
}

double tm__budget_share(int64_t budget_us, int64_t before_us, int64_t at_us, int64_t span_us) {
    int64_t passed = span_us;
    if (before_us != INT64_MIN && at_us > before_us) {
        const uint64_t gap = (uint64_t)at_us - (uint64_t)before_us;
        const int64_t capped = (int64_t)(gap < (uint64_t)TM_DAY_US ? gap : (uint64_t)TM_DAY_US);
        passed = capped > passed ? capped : passed;
    }
    return (double)passed / (double)budget_us;
}

void tm__teller_problem(const tm_teller *teller, const char *text) {
    if (teller->say != NULL) {
        teller->say(teller->arg, NULL, text);
    }
}

static uint32_t receivers_of(const json_t *settings, const char *names[RECEIVERS_MAX]) {
    const json_t *const list = json_object_get(settings, "receivers");
    uint32_t n = 0;
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item) {
        const char *const name = tm__json_text(item, "name", NULL);
        if (name != NULL && n < RECEIVERS_MAX) {
            names[n++] = name;
        }
    }
    return n;
}

tm_status tm__teller_raise(tm_teller *teller, const tm_alert_raise *raise, tm_err *err) {
    tm_drift_store *store = NULL;
    TM_TRY(tm__teller_store(teller, &store, err));
    json_t *const settings = settings_of(teller, raise->model);
    const char *names[RECEIVERS_MAX];
    tm_alert_raise whole = *raise;
    bool told = false;
    whole.receivers = names;
    whole.n_receivers = receivers_of(settings, names);
    const tm_status st = tm__alert_raise(store, &whole, &told, err);
    if (st == TM_OK && told && teller->say != NULL) {
        teller->say(teller->arg, &whole, whole.summary);
    }
    json_decref(settings);
    return st;
}
