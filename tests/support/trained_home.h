/* SPDX-License-Identifier: Apache-2.0 */
/* A model that was really trained from a small CSV file, and traffic for it. */
#ifndef TM_SUPPORT_TRAINED_HOME_H
#define TM_SUPPORT_TRAINED_HOME_H

#include "monitor/monitor.h"
#include "registry/registry.h"
#include "store/home.h"

typedef struct tm_made_rows {
    uint32_t first, n;  /* rows are functions of their number */
    bool is_flipped;    /* x above a half means no instead of yes */
    bool is_sure;       /* answers are nine in ten by x, not a half */
    int64_t at_us;      /* of the first answer; 0: of 1970 */
    const char *origin; /* of labels; NULL: not known */
} tm_made_rows;

/** Write data.csv in the home: x (float), c (text), y (yes or no). */
void tm__made_csv_write(const tm_home *home, const tm_made_rows *rows, uint32_t n_parts);
/** Train on data.csv as the command does and register it as a version of 'made'; its number. */
uint32_t tm__made_train(const tm_home *home, tm_registry *registry);
/** Answer rows as version 1 of 'made', a microsecond apart, and label them with the truth. */
void tm__made_traffic(tm_monitor *monitor, const tm_made_rows *rows);

#endif
