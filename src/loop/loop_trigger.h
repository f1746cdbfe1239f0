/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a model is worth a retraining. Terms are those of its recipe ("retrain": what tidemill.yaml
 * declares), facts what the home knows now; the decision is a function of both, so that it can be
 * tried without a home and a clock.
 *
 *     any of: schedule, new rows, new labels, drift, performance, schema, score, consent that was
 *     taken back  ──> is due
 *     held by: a run just ended (cool_down), the day's time is spent (per_day),
 *              the last runs in a row came to nothing                            ──> later
 */
#ifndef TM_LOOP_LOOP_TRIGGER_H
#define TM_LOOP_LOOP_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define TM_TRIGGER_LABELS 100u                       /* that a live score needs, to count */
#define TM_TRIGGER_COOL_US (INT64_C(3600) * 1000000) /* between runs that were not scheduled */

#define TM_TRIGGER_FRUITLESS 3u /* in a row; from then on the waits double */
#define TM_TRIGGER_BACK_OFF_US                                                                     \
    (INT64_C(86400) * 1000000) /* beyond what is declared, at the most                             \
                                */

typedef struct tm_trigger_terms {
    int64_t every_us;              /* 0: no schedule */
    uint64_t new_rows, new_labels; /* 0: not asked for */
    bool on_drift, on_performance, on_schema;
    bool on_consent;   /* it learns from a source, unless "consent" is false */
    double drift_cost; /* with on_drift: the expected loss must have grown by so much; 0: any */
    bool has_bound;
    double bound;                     /* the live score must not be worse */
    int64_t cool_down_us, per_day_us; /* per_day 0: no bound */
} tm_trigger_terms;
/** Of a recipe; all zero but cool_down_us when it says nothing. */
void tm__trigger_terms(const json_t *recipe, tm_trigger_terms *out);
/** Whether anything beside the schedule is asked for. */
bool tm__trigger_needs_facts(const tm_trigger_terms *terms);

typedef struct tm_trigger_facts {
    int64_t now_us;
    int64_t last_us;      /* when a job of the model last began or gave a version; 0: never */
    int64_t ended_us;     /* when one last ended; 0: never */
    int64_t spent_us;     /* by its jobs in the last 24 hours */
    uint32_t n_fruitless; /* the newest runs in a row that failed or were refused */
    uint64_t n_withdrawn; /* rows that it learned from, of who does not agree any more */
    uint64_t new_rows, new_labels; /* since what the champion has learned */
    const json_t *alerts;          /* not resolved ones of the model that opened after last_us, as
                                      tm__alert_list() gives them; may be NULL */
    int64_t schema_us;             /* when columns of the source last changed; 0: never */
    uint64_t n_scored;             /* labels of the live score; 0: not known */
    double live, live_better;      /* its value, and the better end of its interval */
    bool smaller_is_better;
} tm_trigger_facts;

typedef struct tm_trigger {
    bool is_due;
    uint32_t wait_ms; /* else: until it may be, at the most a day; UINT32_MAX: until facts change */
    bool is_withdrawal; /* why: the champion is to be fitted anew (loop_withdrawn.h) */
    char why[200];      /* "drift: 'age' moved: ..." ; of one that is held: what holds it, too */
} tm_trigger;
/** How much longer a wait of wait_us (of a cool-down or a schedule) is when so many runs in a row
 * came to nothing: as long again at the third, then 3, 7, 15 times as long, a day at the most.
 * Waits below a minute count as one. */
int64_t tm__trigger_back_off_us(int64_t wait_us, uint32_t n_fruitless);
void tm__trigger_decide(const tm_trigger_terms *terms, const tm_trigger_facts *facts,
                        tm_trigger *out);

#endif
