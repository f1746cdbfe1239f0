/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a stream has come in event time, and which of its messages are late.
 *
 *   newest time of a partition ── less the allowed lateness ──> watermark of the partition
 *   least of the partitions that are not idle ────────────────> watermark of the source
 *
 * 1. The watermark of the source never goes back. A message with an earlier time is late.
 * 2. A partition that was read to its end, and of which nothing came for a while, is idle: it holds
 *    up no other. One that has never had a message with a time is idle at its end.
 * 3. Times that are more than a day ahead of this machine's clock say nothing: one wrong clock
 * would make all that follows late.
 *
 * Owner thread.
 */
#ifndef TM_SOURCE_FEED_WATERMARK_H
#define TM_SOURCE_FEED_WATERMARK_H

#include "base/buf.h"
#include "base/json.h"
#include "source/intake.h"

typedef struct tm_watermark_part {
    int64_t newest_us; /* TM_INT_MISSING: none yet */
    int64_t heard_us;  /* when its last message came */
    bool is_ours, at_end;
} tm_watermark_part;

typedef struct tm_watermark {
    const char *column; /* in the spec; NULL: no event time is declared, and all else is nothing */
    bool keeps_out;     /* late rows go to quarantine */
    int64_t lateness_us, idle_us;
    uint32_t field; /* of CSV, from 0; UINT32_MAX: of JSON */
    int64_t us;     /* of the source; TM_INT_MISSING: not known yet */
    tm_watermark_part *parts;
    uint32_t n, capacity;
    uint32_t holder; /* part that holds it up, or UINT32_MAX */
    tm_buf line;     /* a message while it is looked at */
} tm_watermark;

/** What a spec says: {"event_time": column, "lateness_s", "idle_s", "late": "accept" |
 * "quarantine", "fields": names of CSV}. */
TM_NODISCARD tm_status tm__watermark_check(const json_t *spec, tm_err *err);
/** From a spec that was checked, and the watermark that was reached (TM_INT_MISSING: none). Borrows
 * the spec. */
void tm__watermark_init(tm_watermark *w, const json_t *spec, int64_t reached_us);
void tm__watermark_done(tm_watermark *w);
/** The part of this number, made when it is not there: parts are numbered from 0 on. NULL when out
 * of memory. */
tm_watermark_part *tm__watermark_part(tm_watermark *w, uint32_t part);
/** Event time of a message; TM_INT_MISSING when it has none. False when out of memory. */
bool tm__watermark_time(tm_watermark *w, tm_str message, int64_t *out_us);
/** A message of a part came, with its event time; true when it is late. */
bool tm__watermark_see(tm_watermark *w, uint32_t part, int64_t time_us, int64_t now_us);
/** Look at all parts again: after one was given, taken, or read to its end. */
void tm__watermark_settle(tm_watermark *w, int64_t now_us);

#endif
