/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load on one version without a server: requests of a row each are due at a fixed rate, and go
 * through the code of a request. Latencies count from when a request was due, so that one that
 * stalls is charged for all who would have come meanwhile, as in load.h.
 */
#ifndef TM_SERVE_PRESSURE_H
#define TM_SERVE_PRESSURE_H

#include "base/str.h"
#include "model/bundle.h"

typedef struct tm_pressure_options {
    tm_str lines; /* rows as lines of JSON objects, asked in turn; at least one */
    double rate;  /* requests a second */
    double seconds;
} tm_pressure_options;

typedef struct tm_pressure_report {
    uint64_t n_due, n_answered,
        n_refused;                 /* what was due and not reached is in none of the others */
    double seconds;                /* from the first that was due to the last answer */
    double p50_us, p99_us, max_us; /* of what was answered; NaN: nothing was */
} tm_pressure_report;

/**
 * Cost:    rate * seconds numbers; gives up a second after its time.
 * Errors:  TM_E_USAGE without a row, TM_E_NOMEM.
 * Threads: one caller; it spins while something is due soon.
 */
TM_NODISCARD tm_status tm__pressure_run(const tm_bundle *bundle, const tm_pressure_options *options,
                                        tm_pressure_report *out, tm_err *err);

#endif
