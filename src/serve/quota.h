/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys have used of their long rates (an hour and more), kept in the home so that a restart
 * does not give a day's share anew. A small file, replaced at most once a second and at the end.
 */
#ifndef TM_SERVE_QUOTA_H
#define TM_SERVE_QUOTA_H

#include "serve/serve_priv.h"

#define TM_QUOTA_PERIOD_NS_MIN UINT64_C(3600000000000)

/** The two clocks of one moment: rates count by one, the file says the other. */
typedef struct tm_quota_time {
    int64_t now_us;
    uint64_t now_ns;
} tm_quota_time;

/** Put what the file says into the meters of keys. A file that is not there or is damaged says
 * nothing; TM_E_DATA then tells of the damage. One caller. */
TM_NODISCARD tm_status tm__quota_load(const tm_home *home, const tm_keyring *keys,
                                      tm_quota_time time, tm_err *err);
/** Write what keys have used, unless that is what was written last (*written, which begins as 0).
 * One caller at a time. */
TM_NODISCARD tm_status tm__quota_save(const tm_home *home, const tm_keyring *keys,
                                      tm_quota_time time, uint64_t *written, tm_err *err);

#endif
