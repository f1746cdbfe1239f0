/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feature over a window of events, in words:
 *
 *   NAME = FUNCTION(COLUMN) [of EVENTS at MOMENT] by KEY[ = KEY], ... [over WIDTH | over last N]
 *          [delay TIME]
 *
 *   late_2h = mean(late) by origin over 2h
 *   arrived = count() by origin = destination over 30m
 *   before  = lag(delay, 2) by tail
 *   dutch   = share(land = 'NL') by shop over 30d delay 1h
 *   spent   = sum(amount) of payments at booked by customer over 7d
 *
 * Events are rows too, of the same columns, unless `of` names another source of them, whose column
 * MOMENT says when each became known. A key of the form a = b is the column a of the row that is
 * asked about and b of the event. What an event says is known when its column is known (of another
 * source: at its MOMENT), and `delay` later. Columns that are no plain names stand in double
 * quotes, levels in single quotes; a quote within is written twice.
 */
#ifndef TM_FEATURE_WINDOW_TEXT_H
#define TM_FEATURE_WINDOW_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "feature/window.h"

#define TM_WINDOW_KEYS_MAX 8u

typedef struct tm_window_text {
    char *name;
    tm_window_fn fn;
    char *column; /* NULL: the events themselves */
    char *level;  /* of SHARE, as it was written; NULL with others */
    char *events; /* source of the events; NULL: the rows themselves */
    char *at;     /* column of its events' moments; NULL with the rows themselves */
    uint32_t n_keys;
    char *keys[TM_WINDOW_KEYS_MAX];       /* of the row that is asked about */
    char *event_keys[TM_WINDOW_KEYS_MAX]; /* of the event */
    uint32_t lag, n_last;
    int64_t width_us, delay_us;
} tm_window_text;

/**
 * Read one feature; free it with tm__window_text_done(), also after a failure.
 *
 * Errors:  TM_E_USAGE with the feature's name (or its start) and the character from 1 on at which
 *          it is no longer understood; TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__window_text_read(const char *text, tm_window_text *out, tm_err *err);
void tm__window_text_done(tm_window_text *feature);

/** The same feature in the one way in which records spell it; false when out of memory. */
bool tm__window_text_write(const tm_window_text *feature, tm_buf *out);

#endif
