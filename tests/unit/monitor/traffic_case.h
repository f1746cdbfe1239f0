/* SPDX-License-Identifier: Apache-2.0 */
/* Minutes of traffic drawn like those of a usual day, for tests of what watches it. */
#ifndef TM_TESTS_TRAFFIC_CASE_H
#define TM_TESTS_TRAFFIC_CASE_H

#include "test.h"

#include <string.h>

#include "base/rng.h"
#include "monitor/drift_store.h"
#include "monitor/traffic.h"

/* What a minute is like; shares in a hundred. */
typedef struct like {
    uint32_t n; /* requests, about */
    uint32_t failed, slow, far, top;
} like;

static void draw_minute(tm_rng *rng, like l, tm_traffic *out) {
    const uint64_t n = l.n == 0 ? 0 : l.n - l.n / 8 + tm__rng_below(rng, l.n / 4 + 1);
    memset(out, 0, sizeof(*out));
    for (uint64_t i = 0; i < n; i++) {
        const bool is_failed = tm__rng_below(rng, 100) < l.failed;
        const bool is_slow = tm__rng_below(rng, 100) < l.slow;
        const uint64_t caller = tm__rng_below(rng, 100) < l.top ? 0 : 1 + tm__rng_below(rng, 63);
        out->counts[is_failed ? TM_TRAFFIC_FAILED : TM_TRAFFIC_ANSWERED]++;
        out->counts[TM_TRAFFIC_LATENCY + (is_slow ? 9 : 2 + tm__rng_below(rng, 3))]++;
        out->counts[TM_TRAFFIC_CALLER + caller]++;
        out->counts[TM_TRAFFIC_ROWS]++;
        out->counts[TM_TRAFFIC_FAR] += tm__rng_below(rng, 100) < l.far ? 1 : 0;
    }
    out->keys[0] = 0x1A2B3C4Du;
}

#endif
