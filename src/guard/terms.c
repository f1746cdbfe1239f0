/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes and rates of keys. A rate is kept by one number, the time at which the bucket would be
 * full again if nobody came (GCRA): each request moves it on by period / n, and is refused when it
 * would lie more than a period ahead. One atomic word, no timer, nothing to refill.
 */
#include <stdatomic.h>
#include <string.h>

#include "guard/guard.h"

#define S UINT64_C(1000000000)

bool tm__key_models_have(const char *models, tm_str model) {
    tm_str rest = tm__str(models == NULL ? "" : models);
    bool found = rest.len == 0;
    while (rest.len > 0 && !found) {
        found = tm__str_eq(tm__str_trim(tm__str_cut(&rest, ',')), model);
    }
    return found;
}

static bool parse_one(tm_str text, tm_rate *out) {
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"s", S}, {"min", 60 * S}, {"h", 3600 * S}, {"day", 86400 * S}};
    const tm_str n = tm__str_cut(&text, '/');
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (tm__str_is(text, units[i].unit)) {
            out->period_ns = units[i].ns;
            return tm__str_to_u64(n, &out->n) && out->n > 0 && out->n <= S;
        }
    }
    return false;
}

bool tm__rates_parse(tm_str text, tm_rate out[TM_KEY_RATES_MAX], uint32_t *out_n) {
    *out_n = 0;
    while (text.len > 0) {
        const bool is_last = memchr(text.ptr, ',', text.len) == NULL;
        if (*out_n == TM_KEY_RATES_MAX ||
            !parse_one(tm__str_trim(tm__str_cut(&text, ',')), &out[*out_n]) ||
            (!is_last && text.len == 0)) {
            return false;
        }
        ++*out_n;
    }
    return true;
}

uint64_t tm__rate_take(const tm_rate *rate, _Atomic uint64_t *state, uint64_t now_ns) {
    const uint64_t step = rate->period_ns / rate->n > 0 ? rate->period_ns / rate->n : 1;
    uint64_t full = atomic_load(state);
    uint64_t next = 0;
    do {
        next = (full > now_ns ? full : now_ns) + step;
        if (next - now_ns > rate->period_ns) {
            return next - now_ns - rate->period_ns;
        }
    } while (!atomic_compare_exchange_weak(state, &full, next));
    return 0;
}
