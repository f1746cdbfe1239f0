/* SPDX-License-Identifier: Apache-2.0 */
/* A small table, a model of it and its bundle, for tests above the learners. */
#ifndef TM_SUPPORT_BUNDLE_DATA_H
#define TM_SUPPORT_BUNDLE_DATA_H

#include "model/bundle.h"

typedef struct bundle_data {
    tm_table *table; /* age float, city text, day date, note text, id int, ok bool; some missing */
    double *y;       /* [n_rows] */
    tm_schema schema;
    tm_program *program;
    tm_model *model;
    tm_conformal conformal;     /* same as calibration */
    tm_calibration calibration; /* zeroed: none; the test may set one, which is ended with this */
    tm_reference *reference;    /* bins of age, levels of city; the test may take it away */
    json_t *info, *notes;
} bundle_data;

/** Fit everything on n_rows rows; task BINARY, MULTICLASS (3 classes) or REGRESSION. */
bundle_data *bundle_data_create(uint64_t n_rows, tm_task task, const char *learner);
/** Bytes of the bundle; the caller ends out. */
void bundle_data_write(const bundle_data *data, tm_buf *out, tm_hash *out_hash);
/** The bundle opened, which the caller ends with tm__bundle_unref(). */
tm_bundle *bundle_data_open(const bundle_data *data);
/** Cells of the inputs of one row of the table, in the order of the bundle's schema. */
void bundle_data_cells(const bundle_data *data, uint64_t row, tm_cell *out);
void bundle_data_free(bundle_data *data);

#endif
