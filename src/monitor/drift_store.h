/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.db: what was counted of the rows that each version answered, by minutes, hours and days,
 * and alerts. A window is added to its minute, its hour and its day in one transaction; the newest
 * of each are kept, whatever the clock says, so that one that jumps removes nothing. One store a
 * thread; processes write beside each other.
 */
#ifndef TM_MONITOR_DRIFT_STORE_H
#define TM_MONITOR_DRIFT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/db.h"
#include "store/home.h"

#define TM_MINUTE_US INT64_C(60000000)
#define TM_HOUR_US (60 * TM_MINUTE_US)
#define TM_DAY_US (24 * TM_HOUR_US)

#define TM_KEPT_MINUTES 1500u /* windows of a version with rows in them: a day of minutes */
#define TM_KEPT_HOURS 1500u   /* two months */
#define TM_KEPT_DAYS 800u     /* two years */

typedef struct tm_drift_store tm_drift_store;

/** can_write: made when missing. Else *out is NULL when nothing was ever counted. */
TM_NODISCARD tm_status tm__drift_store_open(const tm_home *home, bool can_write,
                                            tm_drift_store **out, tm_err *err);
void tm__drift_store_close(tm_drift_store *store);
tm_db *tm__drift_store_db(tm_drift_store *store);

/** Copy watch.db as it stands at this moment into a new file; see tm__db_copy(). None is made
 * when there is none, or it is just being made. */
TM_NODISCARD tm_status tm__drift_store_copy(const tm_home *home, const tm_ctx *ctx, const char *to,
                                            tm_err *err);
/** The tables at a path alone, for who moves them to another engine (registry/registry_move.h). */
TM_NODISCARD tm_status tm__drift_store_move_open(const char *path, bool is_moving, bool can_make,
                                                 tm_db **out, tm_err *err);
/** Check every page, row and index; read_only leaves an older format and the write-ahead log as
 * they are. TM_E_NOT_FOUND when there is none. */
TM_NODISCARD tm_status tm__drift_store_check(const tm_home *home, bool read_only,
                                             uint32_t *out_format, tm_err *err);

/* Spans of windows; numbers are stored. */
typedef enum tm_drift_span {
    TM_SPAN_MINUTE = 0,
    TM_SPAN_HOUR = 1,
    TM_SPAN_DAY = 2,
    TM_SPANS
} tm_drift_span;
int64_t tm__span_us(tm_drift_span span);
/** Where the window of a moment begins; times before 1970 too. */
int64_t tm__span_begin(int64_t at_us, tm_drift_span span);

/* A version whose counts have one shape. */
typedef struct tm_drift_window_key {
    const char *model;
    uint32_t version;
} tm_drift_window_key;

/**
 * In a transaction: add to the windows around a moment.
 *
 * merge  called with the bytes that a window has (len 0: none yet): appends those of both together
 *        to *out; false when they do not go together, and then the new ones take their place
 *
 * Errors: TM_E_NOMEM and those of the store.
 */
typedef struct tm_drift_window_add {
    tm_drift_window_key key;
    int64_t at_us;
    uint64_t n_rows;
    bool (*merge)(void *arg, tm_str before, tm_buf *out);
    void *arg;
} tm_drift_window_add;
TM_NODISCARD tm_status tm__drift_store_add_locked(tm_drift_store *store,
                                                  const tm_drift_window_add *add, tm_err *err);

typedef struct tm_drift_window {
    tm_drift_span span;
    int64_t at_us;
    uint64_t n_rows;
    tm_str bytes; /* until the next one */
} tm_drift_window;
/** Windows of a version from from_us on in order of time: minutes as far back as they reach, hours
 * before those, days before those; each row is in one. False from fn ends the reading. */
typedef bool (*tm_drift_window_fn)(void *arg, const tm_drift_window *window);
TM_NODISCARD tm_status tm__drift_store_read(tm_drift_store *store, const tm_drift_window_key *key,
                                            int64_t from_us, tm_drift_window_fn fn, void *arg,
                                            tm_err *err);

#endif
