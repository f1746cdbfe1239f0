/* SPDX-License-Identifier: Apache-2.0 */
/* What an alarm of a detector says to people, as an alert of kind "drift". */
#ifndef TM_MONITOR_DRIFT_ALARM_H
#define TM_MONITOR_DRIFT_ALARM_H

#include "model/bundle.h"
#include "monitor/alert_teller.h"
#include "monitor/drift.h"

typedef struct tm_drift_alarm {
    const tm_bundle *bundle; /* that answered */
    const char *model;
    uint32_t version;
    uint32_t column;           /* an input, or behind them the answers */
    const uint64_t *is;        /* cells of the column in the rows of late: what they cost */
    const tm_drift_column *of; /* its detector's */
    int64_t at_us;
} tm_drift_alarm;
/** Raise it. Critical when the expected loss grows by more than a tenth. Errors: TM_E_NOMEM, those
 * of the store. */
TM_NODISCARD tm_status tm__drift_alarm_raise(tm_teller *teller, const tm_drift_alarm *alarm,
                                             tm_err *err);

#endif
