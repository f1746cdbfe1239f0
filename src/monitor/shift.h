/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has a column moved away from what it was? Counts of its cells (bins or levels) come block by
 * block; after each the evidence says how surely it has, and an alarm at evidence 1 comes wrongly
 * at most once in the budget's time, however often one looks and whatever the number of rows.
 *
 * What it was: the shares of the cells in blocks of the reference, such as weeks of the training
 * rows. A column that wandered between these may go on to; only what lies beyond all of them, by
 * more than their own chance and a tolerance, is a shift. So a large number of rows makes no alarm
 * of a difference that means nothing.
 *
 * How sure: for each share that could have risen or fallen and some sizes of the change, the
 * likelihood ratio of the rows against the nearest share that is no shift, begun anew whenever it
 * falls below what the time of a block is of the budget's. Each is a test martingale or less, so
 * their mean is an e-detector in the sense of Shin, Ramdas and Rinaldo, "E-detectors" (2022),
 * section 2, and the time to a false alarm is at least the budget's on average, where rows are
 * drawn one by one.
 *
 * Rows that come in clumps (fifty of one customer) say less than as many drawn one by one. How much
 * less is taken from how far neighbouring blocks lie apart: when their shares differ so many times
 * as much as those of rows drawn one by one would (the variance), what speaks for a shift counts
 * for so many times less. That is exact for clumps of equal size, and takes nothing from the bound
 * above. It knows only blocks before; of the first one three times the root of its rows count.
 */
#ifndef TM_MONITOR_SHIFT_H
#define TM_MONITOR_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemill/err.h"

#define TM_SHIFT_CELLS_MAX 256u

typedef struct tm_shift tm_shift;

typedef struct tm_shift_spec {
    uint32_t n_cells;       /* 2 .. TM_SHIFT_CELLS_MAX */
    uint32_t n_ordered;     /* the first cells are bins in order: shares up to each are looked at */
    uint32_t n_blocks;      /* of the reference, at least 1 */
    const uint64_t *counts; /* [n_blocks][n_cells] */
} tm_shift_spec;

/* What moved most. */
typedef struct tm_shift_look {
    double evidence;  /* an alarm of a share w of the budget is at 1 / w */
    uint32_t cell;    /* of an ordered cell: it and those before */
    bool is_rise;     /* of its share */
    int64_t since_us; /* when the change began to show */
    double was, is;   /* its share in the reference, and since then */
    uint64_t n_rows;  /* since then */
    double clump;     /* rows that count as one now; 1 and more */
} tm_shift_look;

/**
 * A detector that has seen nothing.
 *
 * Errors:  TM_E_INVALID (bounds, a reference without rows), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__shift_create(const tm_shift_spec *spec, tm_shift **out, tm_err *err);
/**
 * Add a block of rows.
 *
 * counts  [n_cells]
 * share   of the budget's time that passed since the block before, > 0: with one false alarm a
 *         month, a minute is 1/43200.
 * at_us   when the block began
 *
 * Cost:    O(n_cells); none for a block without rows, which changes nothing.
 * Threads: owner thread.
 */
void tm__shift_add(tm_shift *shift, const uint64_t *counts, double share, int64_t at_us);
tm_shift_look tm__shift_look(const tm_shift *shift);
/**
 * What it was, from now on by other blocks of the same cells; evidence goes on.
 *
 * Errors:  same as tm__shift_create(), and then nothing has changed.
 */
TM_NODISCARD tm_status tm__shift_rebase(tm_shift *shift, const tm_shift_spec *spec, tm_err *err);
/** As fresh: after an alarm that was told. */
void tm__shift_reset(tm_shift *shift);
void tm__shift_free(tm_shift *shift);

#endif
