/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of imports share: a text as a file, and a row as cells. */
#ifndef TM_UNIT_IMPORT_CASE_H
#define TM_UNIT_IMPORT_CASE_H

#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "model/imported/import.h"

static inline tm_status import_bytes(const void *data, size_t len, const tm_import_options *options,
                                     tm_import *out, tm_err *err) {
    static const tm_import_options none = {0};
    tm_buf bytes;
    tm__buf_init(&bytes, len + 1);
    tm__buf_append(&bytes, data, len);
    const tm_status st = tm__import_read(&bytes, options != NULL ? options : &none, out, err);
    tm__buf_done(&bytes);
    return st;
}

/* Raw score of the first output for cells in the order of the columns. */
static inline double import_score(const tm_import *import, const tm_cell *cells) {
    double out[8] = {0};
    tm_row_scratch *scratch = tm__row_scratch_create(import->program);
    assert_non_null(scratch);
    assert_true(import->model->n_outputs <= 8);
    tm__model_predict_row(import->model, tm__program_apply_row(import->program, scratch, cells),
                          out);
    tm__row_scratch_free(scratch);
    return out[0];
}

static inline tm_cell number_cell(double x) {
    return (tm_cell){.type = TM_TYPE_FLOAT, .f64 = x};
}

static inline tm_cell text_cell(const char *text) {
    return (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(text)};
}

#endif
