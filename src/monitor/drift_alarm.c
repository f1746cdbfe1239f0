/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/drift_alarm.h"

#include <math.h>

#define CRITICAL_CHANGE 0.1 /* of the loss: who is on call is woken */

static json_t *detail_of(const tm_drift_alarm *alarm, const tm_drift_cost *cost) {
    const tm_reference *const reference = tm__bundle_reference(alarm->bundle);
    const tm_shift_look *const look = &alarm->of->alarm;
    const bool has_cost = !isnan(cost->was);
    return json_pack(
        "{s:o, s:o, s:I, s:o, s:o, s:s, s:o}", "was", tm__json_number(look->was), "is",
        tm__json_number(look->is), "rows", (json_int_t)look->n_rows, "evidence",
        tm__json_number(look->evidence), "evidence_needed", tm__json_number(1 / alarm->of->weight),
        "next", tm__drift_next(&reference->columns[alarm->column], look), "cost",
        has_cost
            ? json_pack("{s:s, s:o, s:o}", "loss",
                        reference->loss_kind == TM_REF_LOSS_LOG ? "logloss" : "rmse", "was",
                        tm__json_number(cost->was), "expected", tm__json_number(cost->expected))
            : json_null());
}

tm_status tm__drift_alarm_raise(tm_teller *teller, const tm_drift_alarm *alarm, tm_err *err) {
    const tm_schema *const inputs = tm__bundle_schema(alarm->bundle);
    const char *const name =
        alarm->column < inputs->n_cols ? inputs->cols[alarm->column].name : "answers";
    tm_drift_cost cost;
    tm_buf text;
    tm__drift_cost(tm__bundle_reference(alarm->bundle), alarm->column, alarm->is, &cost);
    json_t *const detail = detail_of(alarm, &cost);
    tm__buf_init(&text, 4096);
    tm__buf_printf(&text, "'%s' moved: ", name);
    tm__drift_what(alarm->bundle, alarm->column, &alarm->of->alarm, &text);
    const tm_alert_raise raise = {
        .model = alarm->model,
        .version = alarm->version,
        .kind = "drift",
        .subject = name,
        .is_critical = cost.expected > (1 + CRITICAL_CHANGE) * cost.was,
        .since_us = alarm->of->alarm.since_us,
        .at_us = alarm->at_us,
        .summary = text.failed ? name : (const char *)text.data,
        .detail = detail,
    };
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__teller_raise(teller, &raise, err) : st;
    tm__buf_done(&text);
    json_decref(detail);
    return st;
}
