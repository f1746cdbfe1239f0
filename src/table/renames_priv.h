/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of renames: rules and their binding (renames.c), tables (renames_table.c). */
#ifndef TM_TABLE_RENAMES_PRIV_H
#define TM_TABLE_RENAMES_PRIV_H

#include "table/renames.h"

typedef struct tm_wanted {
    char *name; /* owned */
    tm_type type;
    tm_missing_rule missing;
} tm_wanted;

struct tm_renames {
    uint32_t n_columns, n;
    tm_wanted *columns; /* [n_columns] */
    tm_rename *list;    /* [n] names are owned */
    uint32_t n_missing; /* rules that say something of missing columns */
};

/** The wanted column of a name; n_columns: none. */
uint32_t tm__renames_column(const tm_renames *self, const char *name);

#endif
