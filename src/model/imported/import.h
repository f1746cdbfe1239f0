/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model files of other libraries, read into a feature program and a model that answer as the
 * library would. Files are data of a stranger: every count, number and reference in them is checked
 * before it is used, and what cannot be answered exactly is refused by its name.
 */
#ifndef TM_MODEL_IMPORT_H
#define TM_MODEL_IMPORT_H

#include "base/json.h"
#include "feature/feature.h"
#include "model/model.h"

typedef struct tm_import_options {
    uint32_t n_rounds;          /* keep the first ones; 0: all */
    const char *const *classes; /* [n_classes] names, in the order of the file; NULL: the file's */
    uint32_t n_classes;
    const char *const *columns; /* [n_columns] names, in the order of the file; NULL: the file's */
    uint32_t n_columns;
} tm_import_options;

typedef struct tm_import {
    tm_program *program;
    tm_model *model;
    char **classes; /* [n_classes] negative and positive of BINARY; none of REGRESSION, RANKING */
    uint32_t n_classes;
    json_t *facts; /* {"format","version","objective","trees","rounds","notes":[..]} */
} tm_import;

/** "lightgbm", "xgboost" (JSON), "xgboost-ubj", "onnx" by the first bytes; NULL: none of them. */
const char *tm__import_format(const void *data, size_t len);
/**
 * Read a model file.
 *
 * bytes   the whole file; it is rewritten while it is read.
 *
 * Owns:    *out ends with tm__import_done(); it borrows nothing.
 * Limits:  2^28 nodes, TM_MAX_COLS columns, TM_TREE_MAX_DEPTH deep.
 * Cost:    O(bytes); five times the file in memory.
 * Errors:  TM_E_DATA (damaged, with the place), TM_E_UNSUPPORTED (names what), TM_E_LIMIT,
 *          TM_E_USAGE (options that do not fit the file), TM_E_NOMEM.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__import_read(tm_buf *bytes, const tm_import_options *options,
                                       tm_import *out, tm_err *err);
void tm__import_done(tm_import *import);

#endif
