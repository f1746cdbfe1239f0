/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program put together by hand, for a model that was fitted elsewhere: every column is an input,
 * and every feature is said in full. Nothing is learned.
 */
#ifndef TM_FEATURE_FEATURE_MAKE_H
#define TM_FEATURE_FEATURE_MAKE_H

#include "feature/feature.h"

typedef struct tm_make_column {
    const char *name;
    bool is_category;     /* its values are texts, and it has levels; else numbers */
    bool is_nullable;     /* rows may leave it out */
    double min, max;      /* of numbers; NaN: not known */
    const tm_str *levels; /* [n_levels] each once */
    uint32_t n_levels;
} tm_make_column;

typedef enum tm_make_kind {
    TM_MAKE_NUMBER, /* the value; infinities are kept */
    TM_MAKE_ZERO,   /* the same, and what is at most 1e-35f from zero is missing */
    TM_MAKE_LEVEL   /* a number that belongs to the level */
} tm_make_kind;

typedef struct tm_make_feature {
    uint32_t column;
    tm_make_kind kind;
    const double *values; /* LEVEL: [n_levels + 1] the last for a level that is not there; a missing
                             value stays missing */
    uint32_t part;        /* of several features of one column, from 1; 0: the only one */
} tm_make_feature;

typedef struct tm_make {
    const tm_make_column *columns;
    uint32_t n_columns;
    const tm_make_feature *features;
    uint32_t n_features;
} tm_make;

/** Copies all. TM_E_DATA names a column or a level that is there twice or no name. */
TM_NODISCARD tm_status tm__program_make(const tm_make *make, tm_program **out, tm_err *err);

#endif
