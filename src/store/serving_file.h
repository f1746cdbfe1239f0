/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serving.json: what a server says of itself once a second (docs/formats/home.md). One reading for
 * all who look at it. Not for writing it: serve/serving.h.
 */
#ifndef TM_STORE_SERVING_FILE_H
#define TM_STORE_SERVING_FILE_H

#include "base/json.h"
#include "store/home.h"

#define TM_SERVING_FILE "serving.json"

/** What the last server of a home said; *out NULL when none ever did, and for what no server wrote:
 * of a machine that crashed the file may be anything, and the next one is a second away. New
 * reference. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__serving_read(const tm_home *home, json_t **out, tm_err *err);
/** Says that it runs. NULL never did. */
bool tm__serving_runs(const json_t *serving);
/** Same, and said so within the last five seconds (a clock that went back makes an old word no
 * new one): it neither hangs nor was killed. */
bool tm__serving_is_fresh(const json_t *serving, int64_t now_us);
/** What it says of a model's route; NULL: nothing. Borrowed. */
const json_t *tm__serving_route(const json_t *serving, const char *model);
/* Requests of an arm. */
typedef struct tm_arm_counts {
    int64_t answered, failed;
} tm_arm_counts;
/** Add what it counted of a version that answered for this reason ("champion", "challenger",
 * "fallback", "shadow"), of the arms of a route. */
void tm__serving_count(const json_t *arms, uint32_t version, const char *kind,
                       tm_arm_counts *io_counts);
/** What came of a version's shadow, of the arms of a route: {"answered", "failed", "dropped":
 * requests, "compared", "differed": rows} since the server started. New reference. */
json_t *tm__serving_shadow(const json_t *arms, uint32_t version);

#endif
