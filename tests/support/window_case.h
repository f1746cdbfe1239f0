/* SPDX-License-Identifier: Apache-2.0 */
/* Random events and queries of all kinds, and a plan with every function over every column and
 * window that it may have. */
#ifndef TM_SUPPORT_WINDOW_CASE_H
#define TM_SUPPORT_WINDOW_CASE_H

#include "feature/window.h"

enum { WINDOW_CASE_COLS = 5 }; /* int, float, text, bool, time */

typedef struct window_case_shape {
    uint64_t seed;
    uint64_t n_events, n_queries;
    uint32_t n_entities;
    int64_t span_us; /* times lie in 0 .. span_us; 0: anywhere in int64 */
    bool is_clean;   /* nothing is missing, nothing is infinite */
    bool rises;      /* events come in the order of time */
} window_case_shape;

typedef struct window_case {
    tm_window_events events;
    tm_window_queries queries;
    tm_window_plan plan;  /* a test may take features away */
    uint32_t n_made;      /* features before */
    double **out, **want; /* [n_features][n_queries] */
    tm_column cols[WINDOW_CASE_COLS];
    tm_window_input inputs[WINDOW_CASE_COLS];
    tm_window_feature *features;
    uint32_t *entities, *asked;
    int64_t *known, *moments;
} window_case;

window_case *window_case_create(const window_case_shape *shape);
/** The number of results where out and want differ in a bit; says the first on standard error. */
uint64_t window_case_differ(const window_case *c);
void window_case_free(window_case *c);

#endif
