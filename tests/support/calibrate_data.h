/* SPDX-License-Identifier: Apache-2.0 */
/* Rows whose truths follow a probability that is known, for tests of calibration. */
#ifndef TM_SUPPORT_CALIBRATE_DATA_H
#define TM_SUPPORT_CALIBRATE_DATA_H

#include "train/train_calibrate.h"

typedef struct calibrate_data {
    tm_calibrate_rows rows;
    double *raw, *y, *weights;
} calibrate_data;

/** n rows of k outputs (1: two classes): scores as a model says them are a line of true log-odds:
 * true = scale * raw + shift (classes: shift for the first alone). */
void calibrate_data_init(calibrate_data *data, uint64_t n, uint32_t k, double scale, double shift,
                         uint64_t seed);
void calibrate_data_done(calibrate_data *data);

#endif
