/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that had other names or units before: rules that a project declares, bound to the columns
 * that somebody wants. Rows of old and new clients, files and versions are then the same rows.
 *
 *   rules    {"income": {"was": ["salary"], "scale": 0.001, "offset": 0, "missing": "accept"}}
 *   meaning  income = salary * scale + offset; by this and its inverse each name becomes the other
 *   bound    to the columns of a version, which may read any one of the names, or (schema NULL) to
 *            the names of the rules themselves
 *
 * A row that has a value under two names of one column is an error: nobody could say which holds.
 * A version that reads two names of one column was made before they were one; it goes on as it did.
 *
 * Immutable once made; any thread.
 */
#ifndef TM_TABLE_RENAMES_H
#define TM_TABLE_RENAMES_H

#include "table/schema.h"

#define TM_RENAMES_MAX 1000u /* names of all rules */

typedef struct tm_renames tm_renames;

/* A name, and what its values are of the column that is wanted. */
typedef struct tm_rename {
    const char *name;
    uint32_t column; /* index of the wanted one */
    const char *column_name;
    tm_type type;         /* of the wanted column; TM_TYPE_NONE: nothing is said */
    double scale, offset; /* value * scale + offset; of an inverse (value - offset) / scale */
    bool is_same;         /* the value stays as it is, whatever its type */
    bool is_inverse;
} tm_rename;

typedef enum tm_missing_rule { /* what becomes of a row that leaves a column out */
                               TM_MISSING_UNSAID = 0,
                               TM_MISSING_ACCEPT, /* its value is missing */
                               TM_MISSING_REFUSE
} tm_missing_rule;

/** TM_E_DATA for what is no rule: a key that is unknown, a name that stands twice, a scale of 0. */
TM_NODISCARD tm_status tm__renames_check(const json_t *rules, tm_err *err);
/**
 * Bind rules to columns. *out is NULL when rules is NULL or none is of them.
 *
 * Owns:   copies what it keeps.
 * Errors: those of tm__renames_check(), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__renames_create(const json_t *rules, const tm_schema *schema,
                                          tm_renames **out, tm_err *err);
void tm__renames_free(tm_renames *renames);

/* All of these take NULL for no rules. */
uint32_t tm__renames_count(const tm_renames *renames);
const tm_rename *tm__renames_get(const tm_renames *renames, uint32_t index);
/** NULL for a name that is no other one of a wanted column. */
const tm_rename *tm__renames_find(const tm_renames *renames, const char *name);
tm_missing_rule tm__renames_missing(const tm_renames *renames, uint32_t column);

/** A value under the other name as one of the column: a missing one stays so, numbers are
 * converted; for a column of whole numbers to the nearest. TM_E_DATA "column 'salary' ..." */
TM_NODISCARD tm_status tm__rename_cell(const tm_rename *rename, tm_cell *cell, tm_err *err);
/**
 * The rows of a table with other names put into the columns that are wanted; the table itself,
 * referenced, when it has none of them.
 *
 * Errors: TM_E_DATA with the row (two values of one column, a value that cannot be converted), or
 *         for columns of types that have nothing in common; TM_E_NOMEM.
 * Cost:   a copy of the table.
 */
TM_NODISCARD tm_status tm__renames_table(const tm_renames *renames, tm_table *table, tm_table **out,
                                         tm_err *err);
/** Same of a table that the caller owns, in its place; NULL stays NULL. */
TM_NODISCARD tm_status tm__renames_replace(const tm_renames *renames, tm_table **table,
                                           tm_err *err);
/** Add the other names to a copy of the schema that was bound, so that readers take them: any of
 * the names of a column may be left out then. */
TM_NODISCARD tm_status tm__renames_widen(const tm_renames *renames, tm_schema *schema, tm_err *err);

#endif
