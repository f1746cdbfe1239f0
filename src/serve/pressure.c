/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/pressure.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"
#include "serve/rehearse.h"

#define LINE_BYTES_MAX ((size_t)64 << 20)
#define GRACE_NS UINT64_C(1000000000)
#define SPIN_NS UINT64_C(2000000) /* a sleep may be as late as that */

typedef struct pressing {
    const tm_pressure_options *options;
    tm_rehearsal *rehearsal;
    tm_str rest; /* of the lines */
    tm_buf request;
    double *outputs; /* of a row */
    double *micros;  /* [n_due] of what was answered */
    tm_pressure_report report;
} pressing;

static void wait_until(uint64_t due_ns) {
    for (uint64_t now = tm__mono_ns(); now < due_ns; now = tm__mono_ns()) {
        if (due_ns - now > SPIN_NS) {
            tm__sleep_ms((uint32_t)((due_ns - now - SPIN_NS) / 1000000 + 1));
        }
    }
}

/* A decoder writes into its document, so each request is a fresh one. */
static tm_status ask(pressing *p, tm_err *err) {
    if (p->rest.len == 0) {
        p->rest = p->options->lines;
    }
    const tm_str line = tm__str_cut(&p->rest, '\n');
    tm__buf_reset(&p->request);
    (void)tm__buf_byte(&p->request, '[');
    (void)tm__buf_append(&p->request, line.ptr, line.len);
    if (!tm__buf_byte(&p->request, ']')) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a request");
    }
    return tm__rehearsal_ask(p->rehearsal, (char *)p->request.data, p->request.len, 1, p->outputs,
                             err);
}

static tm_status press(pressing *p, tm_err *err) {
    tm_pressure_report *const r = &p->report;
    const uint64_t begin = tm__mono_ns();
    const uint64_t end = begin + (uint64_t)(p->options->seconds * 1e9) + GRACE_NS;
    uint64_t now = begin;
    for (uint64_t i = 0; i < r->n_due && now < end; i++) {
        const uint64_t due = begin + (uint64_t)((double)i * 1e9 / p->options->rate);
        wait_until(due);
        const tm_status st = ask(p, err);
        now = tm__mono_ns();
        if (st == TM_OK) {
            p->micros[r->n_answered++] = (double)(now - due) / 1e3;
        } else if (st == TM_E_DATA) {
            r->n_refused++;
        } else {
            return st;
        }
    }
    r->seconds = (double)(now - begin) / 1e9;
    return TM_OK;
}

static void sum_up(pressing *p) {
    tm_pressure_report *const r = &p->report;
    const uint64_t n = r->n_answered;
    qsort(p->micros, n, sizeof(double), tm__compare_f64);
    r->p50_us = n == 0 ? tm__nan() : p->micros[(uint64_t)(0.5 * (double)(n - 1) + 0.5)];
    r->p99_us = n == 0 ? tm__nan() : p->micros[(uint64_t)(0.99 * (double)(n - 1) + 0.5)];
    r->max_us = n == 0 ? tm__nan() : p->micros[n - 1];
}

tm_status tm__pressure_run(const tm_bundle *bundle, const tm_pressure_options *options,
                           tm_pressure_report *out, tm_err *err) {
    pressing p = {.options = options};
    if (options->lines.len == 0) {
        return TM_FAIL(err, TM_E_USAGE, "there is no row to ask");
    }
    const double n_due = options->rate * options->seconds;
    p.report.n_due = n_due < 1 ? 1 : (uint64_t)n_due;
    tm__buf_init(&p.request, LINE_BYTES_MAX);
    p.outputs = tm__mem_alloc(tm__bundle_outputs(bundle), sizeof(double));
    p.micros = tm__mem_alloc(p.report.n_due, sizeof(double));
    tm_status st = p.outputs != NULL && p.micros != NULL
                       ? tm__rehearsal_create(bundle, &p.rehearsal, err)
                       : TM_FAIL(err, TM_E_NOMEM, "no memory for a load");
    st = st == TM_OK ? press(&p, err) : st;
    if (st == TM_OK) {
        sum_up(&p);
        *out = p.report;
    }
    tm__rehearsal_free(p.rehearsal);
    tm__mem_free(p.outputs);
    tm__mem_free(p.micros);
    tm__buf_done(&p.request);
    return st;
}
