/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that rows may leave out. A column that all training rows have is asked of each request;
 * of a version that comes after another one that would refuse the clients of before, which do not
 * know it yet.
 */
#include <string.h>

#include "base/fmath.h"
#include "table/renames.h"
#include "train/train_priv.h"

/* Where a version reads a column, by its name or one that it had. */
static uint32_t input_of(const tm_bundle *bundle, const char *name) {
    const tm_renames *const renames = tm__bundle_renames(bundle);
    const tm_rename *const rename = tm__renames_find(renames, name);
    return rename != NULL ? rename->column
                          : tm__schema_find(tm__bundle_schema(bundle), tm__str(name));
}

tm_status tm__train_optional(const tm_bundle *served, const tm_table *rows, json_t **out,
                             tm_err *err) {
    const tm_schema *const schema = tm__bundle_schema(served);
    json_t *const list = json_array();
    for (uint32_t i = 0; i < tm__table_cols(rows); i++) {
        const char *const name = tm__table_column(rows, i)->name;
        const uint32_t input = input_of(served, name);
        if (input == UINT32_MAX || schema->cols[input].is_nullable) {
            json_array_append_new(list, json_string(name));
        }
    }
    const tm_status st =
        list == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for columns") : tm__json_check(err);
    if (st != TM_OK) {
        json_decref(list);
        return st;
    }
    *out = list;
    return TM_OK;
}

json_t *tm__train_loosen(const json_t *optional, tm_program *program) {
    const tm_schema *const schema = tm__program_schema(program);
    json_t *list = NULL;
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach(optional, i, item) {
        const char *const name = json_string_value(item);
        const uint32_t input = name != NULL ? tm__schema_find(schema, tm__str(name)) : UINT32_MAX;
        if (input == UINT32_MAX || schema->cols[input].is_nullable ||
            schema->cols[input].role == TM_ROLE_SCORE) {
            continue;
        }
        list = list == NULL ? json_array() : list;
        tm__program_may_lack(program, input, true);
        json_array_append_new(list, json_string(name));
    }
    return list;
}
