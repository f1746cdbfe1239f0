/* SPDX-License-Identifier: Apache-2.0 */
/* Between import_build.c, which makes program and model of a draft, and import_sets.c, which
 * squeezes the categories of a column into the codes that trees have. */
#ifndef TM_MODEL_IMPORT_BUILD_H
#define TM_MODEL_IMPORT_BUILD_H

#include "model/imported/import_priv.h"

#define TM_SET_CLASSES 255u
#define TM_SET_GROUPS_MAX 4096u
#define TM_SET_CELLS_MAX (UINT64_C(1) << 27) /* groups times codes of a column */

/* Classes of codes that some sets of a column treat alike. */
typedef struct tm_set_group {
    uint16_t *class_of; /* [n_codes + 1] the last for what is no code */
    uint32_t n_classes;
    uint32_t sizes[TM_SET_CLASSES];
} tm_set_group;

typedef struct tm_column_sets {
    uint32_t n_codes; /* codes of all sets and levels are below it */
    uint32_t *used;   /* [n_codes / 32 rounded up] bits of codes that are in some set */
    tm_set_group *groups;
    uint32_t n_groups;
    uint32_t *codes; /* [n_levels] */
    tm_str *levels;
    uint32_t n_levels;
} tm_column_sets;

/** Sort a set in: the feature of the column that it asks. */
TM_NODISCARD tm_status tm__sets_add(tm_column_sets *sets, const uint32_t *words, uint32_t n_words,
                                    uint32_t *out_group, tm_err *err);
/** A set as classes that go left, once all sets are sorted in. */
void tm__sets_write(const tm_column_sets *sets, uint32_t group, const uint32_t *words,
                    uint32_t n_words, bool goes_right, tm_tree_set *out);
/** The texts that rows may bring. */
TM_NODISCARD tm_status tm__sets_levels(const tm_import_draft *draft, const tm_import_column *column,
                                       tm_column_sets *sets, tm_err *err);
/** Class of each level, and of one that is not there: [n_levels + 1], owned by the caller. */
TM_NODISCARD tm_status tm__sets_values(const tm_column_sets *sets, uint32_t group, double **out,
                                       tm_err *err);
void tm__sets_done(tm_column_sets *sets);

#endif
