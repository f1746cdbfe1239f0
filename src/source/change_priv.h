/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_SOURCE_CHANGE_PRIV_H
#define TM_SOURCE_CHANGE_PRIV_H

#include "base/pool.h"
#include "source/change.h"
#include "source/expect.h"

#define TM_RING 256u       /* values of a column, the newest ones */
#define TM_CATEGORIES 256u /* past it a column has no categories */
#define TM_IDLE_CHECKS 4u  /* rules that wait for the next batch */

/* History of one column, over rows that were looked at. */
typedef struct tm_history {
    char *name;
    uint64_t n_rows, n_given, n_missing, n_numbers, n_texts;
    double low, high;
    double ring[TM_RING];
    double quartiles[3]; /* of the ring, as of n_settled values */
    uint64_t n_settled;
    bool is_steady; /* the older half of the ring is like the newer one */
    double wobble;  /* how many times each other the medians of the ring's quarters are, over 1 */
    uint64_t hashes[TM_CATEGORIES];
    uint32_t n_hashes;
    bool has_many; /* more texts than categories */
} tm_history;

struct tm_watch {
    _Atomic uint32_t refs;
    tm_mutex *mutex; /* over all that follows */
    tm_change_policy policies[TM_CHANGE_KINDS];
    tm_expect *expect; /* NULL: no rules */
    tm_check *idle[TM_IDLE_CHECKS];
    uint32_t n_idle;
    bool is_said[TM_CHANGE_KINDS]; /* the policy was given */
    char target[257];              /* column that may be absent */
    tm_history *columns;
    uint32_t n_columns, capacity;
    json_t *accepted; /* [[kind, column]]: a column that is no longer expected */
    uint64_t n_kept;  /* batches since the last save */
    int64_t saved_us;
};

/** NULL: none of this name. */
tm_history *tm__watch_find_locked(tm_watch *watch, const char *name);
/** Same, made when it is not there; NULL when out of memory. */
tm_history *tm__watch_column_locked(tm_watch *watch, const char *name);
bool tm__watch_accepts_locked(const tm_watch *watch, tm_change_kind kind, const char *column);
void tm__history_number(tm_history *history, double number);
void tm__history_text(tm_history *history, uint64_t hash);
bool tm__history_has(const tm_history *history, uint64_t hash);
void tm__history_settle(tm_history *history);
/** The rules for these columns, from the last batch or made anew; *out NULL: there are none. */
TM_NODISCARD tm_status tm__watch_take_check(tm_watch *watch, const tm_schema *schema,
                                            tm_check **out, tm_err *err);
/** Take it back for the next batch; NULL is a no-op. */
void tm__watch_give_check(tm_watch *watch, tm_check *check);
/** Forget the values, keep the name. */
void tm__history_reset(tm_history *history);

#endif
