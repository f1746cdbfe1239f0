/* SPDX-License-Identifier: Apache-2.0 */
/* A text as a file of CSV, by each way of reading one. */
#ifndef TM_CSV_WAYS_H
#define TM_CSV_WAYS_H

#include "table/schema.h"
#include "table/table.h"

/** The table of a text, by both ways of reading, which agree, on one thread and on three. */
tm_table *csv_ways_read(const char *path, const char *text, const tm_schema *schema);
/** A column of it, which has this type. */
const tm_column *csv_ways_column(const tm_table *table, const char *name, tm_type type);

#endif
