/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that rows may leave out. A column that all training rows have is asked of each request;
 * of a version that comes after another one that would refuse the clients of before, which do not
 * know it yet.
 */
#include <string.h>

#include "base/fmath.h"
#include "feature/feature_expr.h"
#include "feature/window_text.h"
#include "table/renames.h"
#include "train/train_priv.h"

/* Where a version reads a column, by its name or one that it had. */
static uint32_t input_of(const tm_bundle *bundle, const char *name) {
    const tm_renames *const renames = tm__bundle_renames(bundle);
    const tm_rename *const rename = tm__renames_find(renames, name);
    return rename != NULL ? rename->column
                          : tm__schema_find(tm__bundle_schema(bundle), tm__str(name));
}

static void take(const tm_bundle *served, const char *name, json_t *list) {
    const uint32_t input = input_of(served, name);
    if (input == UINT32_MAX || tm__bundle_schema(served)->cols[input].is_nullable) {
        json_array_append_new(list, json_string(name));
    }
}

/* One over a window is a column of what the model reads; one by expression is made in it. */
static tm_status take_feature(const tm_bundle *served, const char *text, json_t *list,
                              tm_err *err) {
    tm_window_text feature = {0};
    if (!tm__expr_is_window(text)) {
        return TM_OK;
    }
    const tm_status st = tm__window_text_read(text, &feature, err);
    if (st == TM_OK) {
        take(served, feature.name, list);
    }
    tm__window_text_done(&feature);
    return st;
}

tm_status tm__train_optional(const tm_bundle *served, const tm_train_reads *reads, json_t **out,
                             tm_err *err) {
    json_t *const list = json_array();
    tm_status st = TM_OK;
    for (uint32_t i = 0; i < tm__table_cols(reads->rows); i++) {
        take(served, tm__table_column(reads->rows, i)->name, list);
    }
    for (uint32_t i = 0; st == TM_OK && i < reads->n_features; i++) {
        st = take_feature(served, reads->features[i], list, err);
    }
    st = st != TM_OK    ? st
         : list == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for columns")
                        : tm__json_check(err);
    return tm__json_give(st, list, out, err);
}

/* "late_2h" of "late_2h = mean(late) by origin over 2h". */
static bool is_window(const tm_train_options *options, const char *name) {
    const size_t len = strlen(name);
    for (uint32_t i = 0; i < options->n_features; i++) {
        const char *const text = options->features[i];
        if (strncmp(text, name, len) == 0 && (text[len] == ' ' || text[len] == '=') &&
            tm__expr_is_window(text)) {
            return true;
        }
    }
    return false;
}

json_t *tm__train_loosen(const tm_train_options *options, tm_program *program) {
    const json_t *const optional = options->optional;
    const tm_schema *const schema = tm__program_schema(program);
    json_t *list = NULL;
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach(optional, i, item) {
        const char *const name = json_string_value(item);
        const uint32_t input = name != NULL ? tm__schema_find(schema, tm__str(name)) : UINT32_MAX;
        if (input == UINT32_MAX || schema->cols[input].role == TM_ROLE_SCORE ||
            (schema->cols[input].is_nullable && !is_window(options, name))) {
            continue;
        }
        list = list == NULL ? json_array() : list;
        tm__program_may_lack(program, input, true);
        json_array_append_new(list, json_string(name));
    }
    return list;
}
