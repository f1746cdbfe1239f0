/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_series.h"

#include "base/clock.h"
#include "base/fmath.h"

/* The step that a unit is in. */
static uint64_t step_of(const tm_ab_series *self, const tm_ab_input *in, uint64_t unit) {
    if (in->times_us == NULL) {
        return unit * self->n_points / in->n_matured;
    }
    const double from = (double)in->times_us[0];
    const double all = (double)in->times_us[in->n_matured - 1] - from + 1;
    return (uint64_t)(((double)in->times_us[unit] - from) / all * self->n_points);
}

static json_t *time_of(const tm_ab_input *in, uint64_t unit) {
    return in->times_us == NULL ? json_null() : tm__json_time(in->times_us[unit] + in->delay_us);
}

void tm__ab_series_look(tm_ab_series *self, const tm_ab_input *in, const tm_ab_compare *metric,
                        uint64_t unit, bool is_last) {
    double low = 0, high = 0;
    if (self->n_points == 0 ||
        (!is_last && step_of(self, in, unit) == step_of(self, in, unit + 1))) {
        return;
    }
    const tm_ab_arm *const arms = metric->arms;
    const bool has_both = arms[0].n > 0 && arms[1].n > 0;
    tm__ab_compare_interval(metric, &low, &high);
    self->list = self->list == NULL ? json_array() : self->list;
    json_array_append_new(
        self->list, json_pack("{s:o, s:[I, I], s:o, s:o, s:o}", "at", time_of(in, unit), "units",
                              (json_int_t)arms[0].n, (json_int_t)arms[1].n, "difference",
                              tm__json_number(has_both ? arms[1].mean - arms[0].mean : tm__nan()),
                              "low", tm__json_number(low), "high", tm__json_number(high)));
}

json_t *tm__ab_series_take(tm_ab_series *self, const json_t *last) {
    json_t *const list = self->list == NULL ? json_array() : self->list;
    json_t *const point =
        json_array_size(list) == 0 ? NULL : json_array_get(list, json_array_size(list) - 1);
    if (point != NULL) {
        json_object_set(point, "low", json_object_get(last, "low"));
        json_object_set(point, "high", json_object_get(last, "high"));
    }
    self->list = NULL;
    return list;
}
