/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of columns, from words to the features of a program: "age:+1" and "age+income".
 *
 * A rule names an input column. What is demanded of an input holds for its features: a number is
 * one feature; texts and dates, which several features are made of, can stand in groups but have no
 * order.
 */
#include "train/train_priv.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

bool tm__train_has_rules(const tm_train_options *options) {
    return options->n_monotone > 0 || options->n_interact > 0;
}

/* "age:+1"; the column's name may hold colons. */
static tm_status read_monotone(const char *text, tm_str *out_column, int8_t *out_way, tm_err *err) {
    const char *colon = strrchr(text, ':');
    const tm_str way = tm__str(colon != NULL ? colon + 1 : "");
    *out_way = tm__str_is(way, "+1") || tm__str_is(way, "1") ? 1 : tm__str_is(way, "-1") ? -1 : 0;
    if (*out_way == 0 || colon == text) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "cannot read the monotone column '%s'", text);
        tm_err_hint(err, "Write COL:+1 when the answer may never fall as COL grows, COL:-1 when it "
                         "may never rise.");
        return st;
    }
    *out_column = (tm_str){text, (size_t)(colon - text)};
    return TM_OK;
}

/* The column of a name, which must be one to learn from. */
static tm_status find_feature(const tm_schema *schema, tm_str name, const char *what, uint32_t *out,
                              tm_err *err) {
    const char *names[TM_MAX_COLS];
    *out = tm__schema_find(schema, name);
    if (*out == UINT32_MAX) {
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            names[c] = schema->cols[c].name;
        }
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no column '%.*s' to %s",
                                     (int)name.len, name.ptr, what);
        const char *near = tm__str_nearest(name, names, schema->n_cols);
        if (near != NULL) {
            tm_err_hint(err, "Did you mean '%s'?", near);
        }
        return st;
    }
    const tm_schema_column *column = &schema->cols[*out];
    if (column->role != TM_ROLE_FEATURE && column->role != TM_ROLE_TIME) {
        return TM_FAIL(err, TM_E_USAGE, "column '%s' is no feature: %s", column->name,
                       column->reason != NULL ? column->reason : tm__role_text(column->role));
    }
    return TM_OK;
}

static tm_status check_monotone(const tm_train_data *data, const tm_train_options *options,
                                tm_err *err) {
    bool is_named[TM_MAX_COLS] = {false};
    for (uint32_t i = 0; i < options->n_monotone; i++) {
        tm_str name = {0};
        int8_t way = 0;
        uint32_t col = 0;
        TM_TRY(read_monotone(options->monotone[i], &name, &way, err));
        TM_TRY(find_feature(&data->schema, name, "be monotone in", &col, err));
        const tm_schema_column *column = &data->schema.cols[col];
        if (column->type != TM_TYPE_BOOL && column->type != TM_TYPE_INT &&
            column->type != TM_TYPE_FLOAT) {
            const tm_status st = TM_FAIL(
                err, TM_E_USAGE, "answers cannot be monotone in '%s': it is %s, not a number",
                column->name, tm__type_text(column->type));
            tm_err_hint(err, "Only columns of numbers have an order that answers can follow.");
            return st;
        }
        if (is_named[col]) {
            return TM_FAIL(err, TM_E_USAGE, "monotone column '%s' is named twice", column->name);
        }
        is_named[col] = true;
    }
    if (options->n_monotone > 0 && data->task == TM_TASK_MULTICLASS) {
        /* Raw scores could be, each of its own; probabilities share one sum and still fall. */
        const tm_status st = TM_FAIL(
            err, TM_E_USAGE, "answers for more than two classes cannot be monotone in a column");
        tm_err_hint(err, "Probabilities sum to 1: when one rises others fall. Train a yes-or-no "
                         "target of the class that must rise, or a number.");
        return st;
    }
    return TM_OK;
}

static tm_status check_groups(const tm_train_data *data, const tm_train_options *options,
                              tm_err *err) {
    if (options->n_interact > TM_MAX_COLUMN_GROUPS) {
        return TM_FAIL(err, TM_E_USAGE, "%u groups of columns are more than %u",
                       options->n_interact, TM_MAX_COLUMN_GROUPS);
    }
    for (uint32_t i = 0; i < options->n_interact; i++) {
        tm_str rest = tm__str(options->interact[i]);
        while (rest.len > 0) {
            uint32_t col = 0;
            const tm_str name = tm__str_trim(tm__str_cut(&rest, '+'));
            TM_TRY(find_feature(&data->schema, name, "interact", &col, err));
        }
    }
    return TM_OK;
}

tm_status tm__train_rules_check(const tm_train_data *data, const tm_train_options *options,
                                tm_err *err) {
    TM_TRY(check_monotone(data, options, err));
    return check_groups(data, options, err);
}

/* Whether "age+income" names a column. */
static bool is_in_group(const char *group, const char *name) {
    tm_str rest = tm__str(group);
    while (rest.len > 0) {
        if (tm__str_is(tm__str_trim(tm__str_cut(&rest, '+')), name)) {
            return true;
        }
    }
    return false;
}

tm_status tm__train_rules_init(const tm_train_options *options, const tm_program *program,
                               tm_column_rule **out, tm_err *err) {
    const tm_schema *inputs = tm__program_schema(program);
    const uint32_t n = tm__program_features(program);
    *out = NULL;
    if (!tm__train_has_rules(options)) {
        return TM_OK;
    }
    tm_column_rule *rules = tm__mem_zalloc(n, sizeof(*rules));
    if (rules == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for rules of columns");
    }
    for (uint32_t f = 0; f < n; f++) {
        rules[f].input = tm__program_feature(program, f)->input;
        const char *name = inputs->cols[rules[f].input].name;
        for (uint32_t i = 0; i < options->n_monotone; i++) {
            tm_str column = {0};
            int8_t way = 0;
            const tm_status st = read_monotone(options->monotone[i], &column, &way, err);
            if (st != TM_OK) {
                tm__mem_free(rules);
                return st;
            }
            rules[f].monotone = tm__str_is(column, name) ? way : rules[f].monotone;
        }
        for (uint32_t i = 0; i < options->n_interact; i++) {
            rules[f].groups |= (uint64_t)is_in_group(options->interact[i], name) << i;
        }
    }
    *out = rules;
    return TM_OK;
}
