/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps that make probabilities of raw scores, fitted on validation rows, which no model learned
 * from. What a map is: model/calibration.h. Not for other folders.
 */
#ifndef TM_TRAIN_TRAIN_CALIBRATE_H
#define TM_TRAIN_TRAIN_CALIBRATE_H

#include "model/calibration.h"
#include "train/train_priv.h"

/* Rows to fit a map on. */
typedef struct tm_calibrate_rows {
    uint32_t n_outputs; /* 1: two classes */
    uint64_t n;
    const double *raw;     /* [n x n_outputs] */
    const double *y;       /* [n] class, below max(2, n_outputs) */
    const double *weights; /* [n] not below 0, of mean 1 */
} tm_calibrate_rows;

/*
 * Each gives TM_CALIBRATION_NONE where the rows have no rising map of its kind: a score that falls
 * as truths rise is no matter of calibration. The caller ends *out. Bits follow from the rows
 * alone.
 */
/** Sigmoid of a line, its targets smoothed so that no row is certain. Cost: O(n) a step, some ten.
 * Source:  Platt 1999; Lin, Lin and Weng 2007, doi:10.1007/s10994-007-5018-6, algorithm 1. */
TM_NODISCARD tm_status tm__platt_fit(const tm_calibrate_rows *rows, tm_calibration *out,
                                     tm_err *err);
/** Means of pooled neighbours, at most TM_CALIBRATION_KNOTS of them, and log-odds straight between
 * their middles, so that no two scores become one; outside they go on all but level. Cost: O(n log
 * n).
 * Source:  Oron and Flournoy 2017, doi:10.1080/19466315.2017.1286256 (centered isotonic
 * regression);  Zadrozny and Elkan 2002, doi:10.1145/775047.775151; pool adjacent violators: Ayer
 * et al. 1955, doi:10.1214/aoms/1177728423. */
TM_NODISCARD tm_status tm__isotonic_fit(const tm_calibrate_rows *rows, tm_calibration *out,
                                        tm_err *err);
/** One scale for all outputs. Cost: O(n outputs) a step.
 * Source:  Guo et al. 2017, arXiv:1706.04599, temperature scaling. */
TM_NODISCARD tm_status tm__temperature_fit(const tm_calibrate_rows *rows, tm_calibration *out,
                                           tm_err *err);
/** A scale and a shift for each output, drawn to 1 and 0 as by one row. Cost: O(n outputs^2) a
 * step. Limits: 20 outputs; more have none.
 * Source:  Guo et al. 2017, vector scaling. */
TM_NODISCARD tm_status tm__vector_fit(const tm_calibrate_rows *rows, tm_calibration *out,
                                      tm_err *err);

/**
 * The map of a search's answers: of those that the options allow the one with the least log-loss on
 * validation rows, each scored by a map of other rows; none unless that pays by more than chance.
 * The search's validation answers become those of maps that were fitted without them.
 *
 * out_record: {"method", "reason", "rows"?, "logloss": {"before", "after"}?, "tried": [{"method",
 * "logloss", "gain", "error"}]}; JSON null for a task without classes. New reference.
 *
 * Errors:  TM_E_USAGE (a method that is not for the task, or one that was asked for where there are
 *          no rows to fit it on), TM_E_NOMEM.  Threads: one caller.
 */
TM_NODISCARD tm_status tm__train_calibrate(tm_search *search, tm_calibration *out,
                                           json_t **out_record, tm_err *err);

#endif
