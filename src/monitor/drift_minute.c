/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/drift_minute.h"

typedef struct reading {
    tm_counts *counts;
    int64_t at_us;
    bool has;
} reading;

static bool take(void *arg, const tm_drift_window *window) {
    reading *const r = arg;
    if (window->span != TM_SPAN_MINUTE || window->at_us < r->at_us) {
        return true;
    }
    r->has = window->at_us == r->at_us && tm__counts_read(r->counts, window->bytes);
    return false;
}

tm_status tm__drift_minute(tm_drift_store *store, const tm_drift_window_key *key, int64_t at_us,
                           tm_counts *io, bool *out_has, tm_err *err) {
    reading r = {.counts = io, .at_us = at_us};
    TM_TRY(tm__drift_store_read(store, key, at_us, take, &r, err));
    *out_has = r.has;
    return TM_OK;
}
