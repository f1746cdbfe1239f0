/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/expiry.h"

#include <stdlib.h>

#include "monitor/monitor.h"

#define LOOK_NS UINT64_C(600000000000)
#define STRAY_US INT64_C(3600000000) /* that the clocks may part between two looks */

static void look(tm_expiry *self, int64_t now_us) {
    const int64_t wait_us = self->wait_us > 0 ? self->wait_us : TM_LABEL_WAIT_US;
    tm_err err = {0};
    uint64_t n = 0;
    const tm_status st = tm__monitor_labels_expire(self->home, now_us - wait_us, &n, &err);
    if (n > 0) {
        tm_log_event(self->log, TM_WARN, "labels.expired", TM_FI("labels", n),
                     TM_FI("waited_seconds", wait_us / 1000000));
    }
    if (st != TM_OK && !self->is_failing) {
        tm_log_event(self->log, TM_WARN, "labels.not_expired", TM_FT("error", err.message));
    }
    self->is_failing = st != TM_OK;
}

void tm__expiry_step(tm_expiry *expiry, tm_expiry_now now) {
    const bool is_first = expiry->looked_ns == 0;
    if (!is_first && now.ns - expiry->looked_ns < LOOK_NS) {
        return;
    }
    const int64_t by_wall = now.us - expiry->looked_us;
    const int64_t by_other = (int64_t)((now.ns - expiry->looked_ns) / 1000);
    if (!is_first && llabs(by_wall - by_other) <= STRAY_US) {
        look(expiry, now.us);
    }
    expiry->looked_ns = now.ns;
    expiry->looked_us = now.us;
}
