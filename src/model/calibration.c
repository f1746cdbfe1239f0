/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: magic, version, kind, n (outputs or knots), then of SCALE the scales and the shifts, of
 * LINE the places, what they become and the slope; docs/formats/bundle.md.
 *
 * Invariant: what load() and is_sound() accept maps every raw score within TM_MODEL_SCORE_MAX to a
 * finite one, and never a larger one to a smaller one.
 */
#include "model/calibration.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#define MAGIC UINT32_C(0x424c4143) /* "CALB" */
#define VERSION 1u
/* 1e300 times it is finite still. A scale of a million is no calibration any more. */
#define SCALE_MAX 1e6
/* Raw score and mean are as good as equal: the stretch between them is the slope there. */
#define NEAR 1e-6

tm_status tm__calibration_init(tm_calibration *out, tm_calibration_kind kind, uint32_t n,
                               tm_err *err) {
    tm_calibration map = {.kind = kind};
    double *first = tm__mem_zalloc(n, sizeof(double));
    double *second = tm__mem_zalloc(n, sizeof(double));
    if (first == NULL || second == NULL) {
        tm__mem_free(first);
        tm__mem_free(second);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a calibration");
    }
    if (kind == TM_CALIBRATION_SCALE) {
        map.n_outputs = n;
        map.scales = first;
        map.shifts = second;
    } else {
        map.n_outputs = 1;
        map.n_knots = n;
        map.at = first;
        map.to = second;
    }
    *out = map;
    return TM_OK;
}

static bool is_scale(double value) {
    return value > 0.0 && value <= SCALE_MAX; /* not of NaN */
}

bool tm__calibration_is_sound(const tm_calibration *map) {
    if (map->kind == TM_CALIBRATION_SCALE) {
        for (uint32_t k = 0; k < map->n_outputs; k++) {
            if (!is_scale(map->scales[k]) || !(fabs(map->shifts[k]) <= SCALE_MAX)) {
                return false;
            }
        }
        return map->n_outputs > 0;
    }
    if (map->n_knots < 2 || map->n_knots > TM_CALIBRATION_KNOTS || !is_scale(map->slope)) {
        return false;
    }
    for (uint32_t i = 0; i < map->n_knots; i++) {
        if (!(fabs(map->at[i]) <= 1e300) || !(fabs(map->to[i]) <= SCALE_MAX) ||
            (i > 0 && !(map->at[i] > map->at[i - 1] && map->to[i] > map->to[i - 1]))) {
            return false;
        }
    }
    return true;
}

void tm__calibration_done(tm_calibration *map) {
    tm__mem_free(map->scales);
    tm__mem_free(map->shifts);
    tm__mem_free(map->at);
    tm__mem_free(map->to);
    memset(map, 0, sizeof(*map));
}

/* First knot at or after x; n_knots: none. */
static uint32_t knot_after(const tm_calibration *map, double x) {
    uint32_t low = 0, high = map->n_knots;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (map->at[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static double through_knots(const tm_calibration *map, double x) {
    const uint32_t last = map->n_knots - 1;
    if (!(x > map->at[0])) { /* NaN goes through */
        return map->to[0] + (x - map->at[0]) * map->slope;
    }
    if (x >= map->at[last]) {
        return map->to[last] + (x - map->at[last]) * map->slope;
    }
    const uint32_t i = knot_after(map, x);
    const double share = (x - map->at[i - 1]) / (map->at[i] - map->at[i - 1]);
    return fmin(map->to[i - 1] + share * (map->to[i] - map->to[i - 1]), map->to[i]);
}

static double map_one(const tm_calibration *map, uint32_t output, double x) {
    return map->kind == TM_CALIBRATION_SCALE ? map->scales[output] * x + map->shifts[output]
                                             : through_knots(map, x);
}

void tm__calibration_apply(const tm_calibration *map, uint64_t n_rows, double *raw) {
    if (map->kind == TM_CALIBRATION_NONE) {
        return;
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        for (uint32_t k = 0; k < map->n_outputs; k++) {
            raw[row * map->n_outputs + k] = map_one(map, k, raw[row * map->n_outputs + k]);
        }
    }
}

/* How steep the map is at x. */
static double slope_at(const tm_calibration *map, double x) {
    const uint32_t i = knot_after(map, x);
    return i == 0 || i == map->n_knots
               ? map->slope
               : (map->to[i] - map->to[i - 1]) / (map->at[i] - map->at[i - 1]);
}

static double stretch(const tm_calibration *map, uint32_t output, double mean, double raw) {
    if (map->kind == TM_CALIBRATION_SCALE) {
        return map->scales[output];
    }
    return fabs(raw - mean) > NEAR
               ? (through_knots(map, raw) - through_knots(map, mean)) / (raw - mean)
               : slope_at(map, mean);
}

void tm__calibration_explain(const tm_calibration *map, uint32_t output, uint32_t n, double *parts,
                             double *mean) {
    double raw = *mean;
    if (map->kind == TM_CALIBRATION_NONE) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        raw += parts[i];
    }
    const double factor = stretch(map, output, *mean, raw);
    for (uint32_t i = 0; i < n; i++) {
        parts[i] *= factor;
    }
    *mean = map_one(map, output, *mean);
}

void tm__calibration_save(const tm_calibration *map, tm_buf *out) {
    const bool is_scale_kind = map->kind == TM_CALIBRATION_SCALE;
    const uint32_t n = is_scale_kind ? map->n_outputs : map->n_knots;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, (uint32_t)map->kind);
    tm__buf_u32(out, n);
    tm__buf_f64s(out, is_scale_kind ? map->scales : map->at, n);
    tm__buf_f64s(out, is_scale_kind ? map->shifts : map->to, n);
    if (!is_scale_kind) {
        tm__buf_f64(out, map->slope);
    }
}

tm_status tm__calibration_load(const void *data, size_t len, uint32_t n_outputs,
                               tm_calibration *out, tm_err *err) {
    tm_reader in;
    tm_calibration map = {0};
    tm__reader_init(&in, data, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    const uint32_t kind = tm__reader_u32(&in), n = tm__reader_u32(&in);
    if (in.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a calibration");
    }
    if (version != VERSION || kind > TM_CALIBRATION_LINE) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a calibration of a later version");
    }
    const bool is_scale_kind = kind == TM_CALIBRATION_SCALE;
    const uint64_t n_numbers = 2 * (uint64_t)n + (is_scale_kind ? 0 : 1);
    if (kind == TM_CALIBRATION_NONE || n_outputs != (is_scale_kind ? n : 1) ||
        (len - in.pos) / sizeof(double) != n_numbers || (len - in.pos) % sizeof(double) != 0) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the calibration is not one of the model's outputs");
    }
    TM_TRY(tm__calibration_init(&map, (tm_calibration_kind)kind, n, err));
    (void)tm__reader_f64s(&in, is_scale_kind ? map.scales : map.at, n);
    (void)tm__reader_f64s(&in, is_scale_kind ? map.shifts : map.to, n);
    map.slope = is_scale_kind ? 0.0 : tm__reader_f64(&in);
    if (!tm__reader_is_done(&in) || !tm__calibration_is_sound(&map)) {
        tm__calibration_done(&map);
        return TM_FAIL(err, TM_E_INTEGRITY, "the calibration's numbers do not rise");
    }
    *out = map;
    return TM_OK;
}
