/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes probabilities of raw scores that are sure too often, or not often enough: a rising map
 * of each raw score, between the model and its link. So the order of answers stays, and an
 * explanation can follow the map.
 *
 *   SCALE  z_k = scale_k x_k + shift_k: Platt's sigmoid for two classes, vector scaling for more,
 *          temperature scaling where all scales are one and there is no shift
 *   LINE   z through points, straight between them and with `slope` outside: isotonic regression
 *
 * Not for fitting: train/train_calibrate.c does it. Immutable once made; read from any thread.
 */
#ifndef TM_MODEL_CALIBRATION_H
#define TM_MODEL_CALIBRATION_H

#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

#define TM_CALIBRATION_KNOTS 256u

typedef enum tm_calibration_kind { /* numbers are stored in files */
                                   TM_CALIBRATION_NONE = 0,
                                   TM_CALIBRATION_SCALE = 1,
                                   TM_CALIBRATION_LINE = 2 /* of one output only */
} tm_calibration_kind;

/* Zeroed: none. Every number is finite; scales and slope are over 0, at and to rise strictly. */
typedef struct tm_calibration {
    tm_calibration_kind kind;
    uint32_t n_outputs;
    double *scales, *shifts; /* SCALE: [n_outputs], owned */
    uint32_t n_knots;        /* from 2 to TM_CALIBRATION_KNOTS */
    double *at, *to;         /* LINE: [n_knots], owned */
    double slope;
} tm_calibration;

/** Room for a map of that kind, its numbers zeroed. n: outputs of SCALE, knots of LINE. Owns:
 * tm__calibration_done() ends it. Errors: TM_E_NOMEM. Threads: any. */
TM_NODISCARD tm_status tm__calibration_init(tm_calibration *out, tm_calibration_kind kind,
                                            uint32_t n, tm_err *err);
/** Whether its numbers are what the header says. Pure. */
bool tm__calibration_is_sound(const tm_calibration *map);
void tm__calibration_done(tm_calibration *map);

/** Raw scores [n_rows x n_outputs] in place; NaN stays. Nothing is done by none. The same row gives
 * the same bits alone and in a batch. Cost: O(log knots) a row. */
void tm__calibration_apply(const tm_calibration *map, uint64_t n_rows, double *raw);
/**
 * An explanation of the raw score becomes one of the mapped score: parts [n] times how much the map
 * stretches the way from the mean to the raw score, the mean mapped. The sum of parts and mean is
 * the mapped score as closely as it was the raw one.
 *
 * Source:  Shrikumar et al. 2017, arXiv:1704.02685, the rescale rule.
 */
void tm__calibration_explain(const tm_calibration *map, uint32_t output, uint32_t n, double *parts,
                             double *mean);

/** Bytes of one that is not none. */
void tm__calibration_save(const tm_calibration *map, tm_buf *out);
/** Every byte is checked. Errors: TM_E_INTEGRITY, TM_E_UNSUPPORTED (a later version), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__calibration_load(const void *data, size_t len, uint32_t n_outputs,
                                            tm_calibration *out, tm_err *err);

#endif
