/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that a version answers, counted into the cells of its reference while it serves. Each thread
 * has counters of its own and adds to them with plain stores; one reader adds up what all have. No
 * value is kept: of new levels there is a count of rows and, by hashes, about how many there are,
 * in memory that does not grow.
 *
 * Order of counts: rows, far rows, then the cells of each column, then those of the answers. A row
 * is far from the training rows when two and more of its columns (or its only one) are out of range
 * or have a new level.
 */
#ifndef TM_MONITOR_SKETCH_CELLS_H
#define TM_MONITOR_SKETCH_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/reference.h"

#define TM_CELLS_REGISTERS 128u /* a column with new levels: 9 % standard error */

/* A column as rows are counted: all that a value is held against lies together. */
typedef struct tm_cells_column {
    uint32_t first;    /* place of its first count */
    uint32_t edges;    /* place of its edges among the plan's */
    uint16_t n_edges;  /* with those that fill the last vector; 0: no bins of numbers */
    uint16_t n_cells;  /* the last one is that of missing values */
    bool is_of_length; /* of texts */
} tm_cells_column;

/* Where the counts of a reference lie. Immutable; the reference must outlive it. */
typedef struct tm_cells_plan {
    const tm_reference *reference;
    uint32_t n_columns; /* with the answers */
    uint32_t *first;    /* [n_columns] place of a column's first count */
    uint32_t n_counts;
    uint32_t *registers;      /* [n_columns] place of its registers; UINT32_MAX: none */
    uint32_t n_registers;     /* bytes in all */
    tm_cells_column *columns; /* [n_columns] */
    float *edges;             /* the reference's, rounded; infinities fill the vectors */
} tm_cells_plan;
#define TM_CELLS_ROWS 0u
#define TM_CELLS_FAR 1u

/** NULL when out of memory. */
tm_cells_plan *tm__cells_plan_create(const tm_reference *reference);
void tm__cells_plan_free(tm_cells_plan *plan);

/* Counters of one thread. */
typedef struct tm_cells tm_cells;
tm_cells *tm__cells_create(const tm_cells_plan *plan); /* NULL when out of memory */
void tm__cells_free(tm_cells *cells);
/** Count a row [n inputs] and its answer [n_outputs]. Owner thread. No allocation. */
void tm__cells_add(tm_cells *self, const tm_cell *row, const double *outputs, uint32_t n_outputs);

/* What was counted, added up: of several threads, of a window, of several windows. */
typedef struct tm_counts {
    uint32_t n_counts, n_registers;
    uint64_t *counts;   /* [n_counts] */
    uint8_t *registers; /* [n_registers] */
} tm_counts;
/** Zeros for a plan; false when out of memory. */
bool tm__counts_init(tm_counts *counts, const tm_cells_plan *plan);
void tm__counts_reset(tm_counts *counts);
void tm__counts_done(tm_counts *counts);
/** Add what a thread has counted since it began. Any thread, while the owner adds. */
void tm__cells_read(const tm_cells *cells, tm_counts *io);
/** Add others, of the same plan. */
void tm__counts_add(tm_counts *io, const tm_counts *from);
/** Subtract what was read before from what is read now; registers stay. */
void tm__counts_since(tm_counts *io_now, const tm_counts *before);
/** About how many different new levels a column had. */
double tm__counts_distinct(const tm_counts *counts, const tm_cells_plan *plan, uint32_t column);

/** Append as bytes. */
void tm__counts_write(const tm_counts *counts, tm_buf *out);
/** Add counts from bytes to counts of a plan; false when they are not of it, or damaged. */
bool tm__counts_read(tm_counts *io, tm_str bytes);

#endif
