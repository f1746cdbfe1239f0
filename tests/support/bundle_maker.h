/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles written field by field, without the code that saves them: every field has a name, and one
 * of them may be told to lie. What comes out is whole but for that: sums and hash are right.
 */
#ifndef TM_SUPPORT_BUNDLE_MAKER_H
#define TM_SUPPORT_BUNDLE_MAKER_H

#include "bundle_bytes.h"

/* What is other than it should be. */
typedef struct tm_lie {
    const char *field; /* such as "node.left"; NULL: nothing */
    uint32_t nth;      /* which one of this name, from 0 */
    uint64_t value;    /* of a whole number; of a text: its length */
    double number;     /* of a floating-point number */
    const char *text;  /* of a text: its bytes; NULL: as they are */
} tm_lie;

typedef struct tm_bundle_plan {
    const char *learner; /* gbdt, linear, baseline, blend (of the three) or stack */
    tm_task task;        /* BINARY, MULTICLASS (3 classes) or REGRESSION */
    tm_lie lie;
    const char *info, *notes; /* JSON; NULL: what is right, none */
} tm_bundle_plan;

/* A field as it was written, for tests that go over all of them. */
typedef struct tm_made_field {
    const char *name;
    uint32_t nth;
    bool is_number; /* floating-point */
} tm_made_field;

#define TM_MADE_FIELDS_MAX 2048u
typedef struct tm_made {
    tm_made_field fields[TM_MADE_FIELDS_MAX];
    uint32_t n_fields;
} tm_made;

/** Seven inputs of all types, a level table of each kind, a text, a step of every kind. out_made
 * may be NULL. */
void bundle_maker_make(const tm_bundle_plan *plan, tm_buf *out, tm_made *out_made);

#endif
