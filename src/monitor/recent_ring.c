/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/recent_ring.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "metric/metric.h"
#include "monitor/monitor_recent.h"

#define RING_NUMBERS (UINT64_C(1) << 21) /* of one version: fewer labels of many classes */
#define HEAD 2u                          /* numbers of a row before its answer */

void tm__recent_ring_init(tm_recent_ring *ring, uint32_t n_outputs) {
    const uint64_t n_most = RING_NUMBERS / (HEAD + (uint64_t)n_outputs);
    *ring = (tm_recent_ring){.n_outputs = n_outputs,
                             .n_max = n_most < TM_RECENT_LABELS ? n_most : TM_RECENT_LABELS};
}

void tm__recent_ring_done(tm_recent_ring *ring) {
    tm__mem_free(ring->rows);
    *ring = (tm_recent_ring){0};
}

void tm__recent_ring_reset(tm_recent_ring *ring) {
    ring->n = ring->at = 0;
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for live scores");
}

static uint64_t width_of(const tm_recent_ring *ring) {
    return HEAD + (uint64_t)ring->n_outputs;
}

static tm_status grow(tm_recent_ring *ring, tm_err *err) {
    const uint64_t room = ring->n_room == 0 ? 256 : 2 * ring->n_room;
    const uint64_t n = room < ring->n_max ? room : ring->n_max;
    double *grown = tm__mem_realloc(ring->rows, n * width_of(ring), sizeof(*grown));
    if (grown == NULL) {
        return no_memory(err);
    }
    ring->rows = grown;
    ring->n_room = n;
    return TM_OK;
}

tm_status tm__recent_ring_add(tm_recent_ring *ring, double y, double weight,
                              const tm_record *record, tm_err *err) {
    if (ring->n == ring->n_room && ring->n < ring->n_max) {
        TM_TRY(grow(ring, err));
    }
    if (ring->at == ring->n_max) {
        ring->at = 0;
    }
    double *const row = &ring->rows[ring->at * width_of(ring)];
    row[0] = y;
    row[1] = weight;
    for (uint32_t i = 0; i < ring->n_outputs; i++) {
        row[HEAD + i] = tm__record_output(record, i);
    }
    ring->at++;
    ring->n += ring->n < ring->n_max ? 1 : 0;
    return TM_OK;
}

/* The ring as metric/ wants it: truths beside one another, then weights, then answers. True when
 * all stand for as many. */
static bool lay_out(const tm_recent_ring *ring, double *room) {
    const uint64_t n = ring->n, width = width_of(ring);
    bool is_even = true;
    for (uint64_t i = 0; i < n; i++) {
        const double *const row = &ring->rows[i * width];
        room[i] = row[0];
        room[n + i] = row[1];
        memcpy(&room[HEAD * n + i * ring->n_outputs], row + HEAD, ring->n_outputs * sizeof(*room));
        is_even = is_even && row[1] == ring->rows[1];
    }
    return is_even;
}

tm_status tm__recent_ring_score(const tm_recent_ring *ring, const tm_bundle *bundle,
                                const char *name, json_t **out_report, tm_score_range *out,
                                tm_err *err) {
    *out_report = NULL;
    *out = (tm_score_range){NAN, NAN, NAN};
    if (ring->n == 0 || tm__bundle_task(bundle) == TM_TASK_RANKING) {
        return TM_OK; /* answers of a ranking are logged without their queries */
    }
    double *const room = tm__mem_alloc(ring->n * width_of(ring), sizeof(*room));
    if (room == NULL) {
        return no_memory(err);
    }
    const bool is_even = lay_out(ring, room);
    const tm_score_input in = {.task = tm__bundle_task(bundle),
                               .n_classes = tm__bundle_classes(bundle),
                               .n_rows = ring->n,
                               .y = room,
                               .weights = is_even ? NULL : room + ring->n,
                               .pred = room + HEAD * ring->n,
                               .threshold = tm__bundle_threshold(bundle)};
    const tm_metric_ops *const metric = tm__metric_find(name);
    tm_score_range found = *out;
    tm_err own = {0};
    tm_status st = tm__metric_report(&in, out_report, err);
    if (st == TM_OK && metric != NULL) {
        const tm_status known = is_even ? tm__metric_interval(metric, &in, &found, &own)
                                        : tm__metric_score(metric, &in, &found.value, &own);
        *out = known == TM_OK ? found : *out; /* not known: as AUC of one class */
        st = known == TM_E_NOMEM ? no_memory(err) : TM_OK;
    }
    tm__mem_free(room);
    return st;
}
