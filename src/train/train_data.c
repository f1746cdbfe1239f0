/* SPDX-License-Identifier: Apache-2.0 */
/* From tables and options to rows with roles, a target and a split. */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

tm_status tm__train_find_column(const tm_table *table, const char *name, const char *what,
                                uint32_t *out, tm_err *err) {
    *out = UINT32_MAX;
    if (name == NULL) {
        return TM_OK;
    }
    *out = tm__table_find(table, name);
    if (*out != UINT32_MAX) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no %s column '%s'", what, name);
    tm__table_hint_column(table, name, err);
    return st;
}

static tm_status set_role(tm_train_data *data, uint32_t col, tm_role role, const char *reason,
                          tm_err *err) {
    if (col == UINT32_MAX) {
        return TM_OK;
    }
    tm_schema_column *column = &data->schema.cols[col];
    tm__mem_free(column->reason);
    column->role = role;
    column->reason = tm__mem_strdup(reason);
    if (column->reason == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the schema");
    }
    return TM_OK;
}

static tm_status assign_roles(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    TM_TRY(tm__train_find_column(data->table, options->target, "target", &data->target, err));
    TM_TRY(tm__train_find_column(data->table, options->time, "time", &data->time, err));
    TM_TRY(tm__train_find_column(data->table, options->entity, "entity", &data->entity, err));
    TM_TRY(tm__train_find_column(data->table, options->weight, "weight", &data->weight, err));
    TM_TRY(tm__train_find_column(data->table, options->group, "group", &data->group, err));
    TM_TRY(tm__train_find_column(data->table, options->init_score, "score", &data->score, err));
    for (uint32_t i = 0; i < options->n_drop; i++) {
        uint32_t col = UINT32_MAX;
        TM_TRY(tm__train_find_column(data->table, options->drop[i], "dropped", &col, err));
        if (col == data->target) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "column '%s' is the target and dropped", options->target);
            tm_err_hint(err, "The target is no feature anyway: take it out of --drop, or name "
                             "another --target.");
            return st;
        }
        TM_TRY(set_role(data, col, TM_ROLE_DROPPED, "dropped as asked", err));
    }
    TM_TRY(set_role(data, data->score, TM_ROLE_SCORE, "the score that answers start from", err));
    TM_TRY(
        set_role(data, data->entity, TM_ROLE_ENTITY, "names the entity, so it is no feature", err));
    TM_TRY(set_role(data, data->group, TM_ROLE_GROUP, "names the group of a row", err));
    TM_TRY(set_role(data, data->weight, TM_ROLE_WEIGHT, "weighs the rows", err));
    TM_TRY(set_role(data, data->target, TM_ROLE_TARGET, "the target", err));
    if (data->time != UINT32_MAX) {
        const tm_type type = data->schema.cols[data->time].type;
        if (type != TM_TYPE_DATE && type != TM_TYPE_TIME) {
            return TM_FAIL(err, TM_E_USAGE, "the time column '%s' is %s, not a date or time",
                           options->time, tm__type_text(type));
        }
    }
    return TM_OK;
}

static tm_status fill_weights(tm_train_data *data, tm_err *err) {
    if (data->weight == UINT32_MAX) {
        return TM_OK;
    }
    const tm_column *column = tm__table_column(data->table, data->weight);
    data->weights = tm__mem_alloc(data->n_rows, sizeof(double));
    if (data->weights == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the weights");
    }
    bool any = false;
    for (uint64_t row = 0; row < data->n_rows; row++) {
        double value = NAN;
        if (column->floats != NULL) {
            value = column->floats[row];
        } else if (column->ints != NULL && column->ints[row] != TM_INT_MISSING) {
            value = (double)column->ints[row];
        }
        if (!(value >= 0.0) || isinf(value)) {
            const tm_status st = TM_FAIL(
                err, TM_E_DATA, "the weight '%s' is not a number of at least 0", column->name);
            tm_err_at(err, NULL, row + 1, data->weight + 1);
            return st;
        }
        data->weights[row] = value;
        any = any || value > 0;
    }
    if (!any) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "the weight '%s' is 0 in every row", column->name);
        tm_err_hint(err, "A row of weight 0 does not count; give some rows another.");
        return st;
    }
    return TM_OK;
}

/* A score of a row that is used must be there; its number is that of the target's row. */
static tm_status check_scores(const tm_train_data *data, tm_err *err) {
    if (data->score == UINT32_MAX) {
        return TM_OK;
    }
    const tm_column *column = tm__table_column(data->table, data->score);
    const tm_role role = data->schema.cols[data->score].role;
    if (role != TM_ROLE_SCORE) {
        return TM_FAIL(err, TM_E_USAGE, "column '%s' cannot be the %s and the initial score",
                       column->name, tm__role_text(role));
    }
    if (data->task == TM_TASK_MULTICLASS) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "one column cannot hold initial scores of %u classes",
                    data->n_classes);
        tm_err_hint(err, "Initial scores are for two classes, a number or a ranking.");
        return st;
    }
    if (column->floats == NULL && column->ints == NULL) {
        return TM_FAIL(err, TM_E_USAGE, "the initial score '%s' is %s, not a number", column->name,
                       tm__type_text(column->type));
    }
    for (uint64_t row = 0; row < data->n_rows; row++) {
        const double value = column->floats != NULL                ? column->floats[row]
                             : column->ints[row] == TM_INT_MISSING ? NAN
                                                                   : (double)column->ints[row];
        if (!isnan(data->y[row]) && !(fabs(value) <= TM_MODEL_SCORE_MAX)) {
            const tm_status st =
                TM_FAIL(err, TM_E_DATA, "the initial score '%s' is not a number", column->name);
            tm_err_at(err, NULL, row + 1, data->score + 1);
            return st;
        }
    }
    return TM_OK;
}

/* The time of a time-ordered run has its own role, so that transforms and logs know it. */
static tm_status mark_time(tm_train_data *data, tm_err *err) {
    if (data->time != UINT32_MAX && data->schema.cols[data->time].role == TM_ROLE_FEATURE) {
        return set_role(data, data->time, TM_ROLE_TIME, "orders the rows", err);
    }
    return TM_OK;
}

tm_status tm__train_data_init(tm_train_data *data, tm_table *table, tm_table *test,
                              const tm_train_options *options, tm_err *err) {
    tm_status st = TM_OK;
    memset(data, 0, sizeof(*data));
    data->n_own = tm__table_rows(table);
    data->level_means = options->level_means;
    data->gap_us = (int64_t)options->gap_ms * 1000;
    if (test != NULL) {
        st = tm__table_concat(table, test, &data->table, err);
        if (st == TM_E_DATA && err != NULL) {
            char what[sizeof(err->message)];
            (void)tm__str_copy(what, sizeof(what), tm__str(err->message));
            (void)snprintf(err->message, sizeof(err->message), "the test rows: %.200s", what);
        }
    } else {
        data->table = tm__table_ref(table);
    }
    if (st == TM_OK) {
        data->n_rows = tm__table_rows(data->table);
        /* Of the own rows only: what a test table holds must not reach the schema. */
        st = tm__schema_from_table(table, &data->schema, err);
    }
    if (st == TM_OK && options->target == NULL) {
        st = TM_FAIL(err, TM_E_USAGE, "no target column is named");
        tm_err_hint(err, "Say which column to predict with --target COL.");
    }
    if (st == TM_OK) {
        st = assign_roles(data, options, err);
    }
    if (st == TM_OK) {
        st = tm__train_as(data, options, err);
    }
    if (st == TM_OK) {
        st = tm__train_times(data, table, options, err);
    }
    if (st == TM_OK) {
        st = tm__train_exprs(data, options, err);
    }
    if (st == TM_OK) {
        st = tm__train_target_fit(data, options, err);
    }
    if (st == TM_OK) {
        st = tm__train_mature(data, options, err);
    }
    if (st == TM_OK) {
        st = fill_weights(data, err);
    }
    if (st == TM_OK) {
        st = tm__class_weights_init(data, options, err);
    }
    if (st == TM_OK) {
        st = check_scores(data, err);
    }
    if (st == TM_OK) {
        st = tm__queries_init(data, err);
    }
    if (st == TM_OK) {
        st = tm__train_split_rows(data, options, err);
    }
    if (st == TM_OK) {
        st = mark_time(data, err);
    }
    if (st == TM_OK) {
        st = tm__train_row_window(data, &options->window, err);
    }
    if (st != TM_OK) {
        tm__train_data_done(data);
    }
    return st;
}

void tm__train_data_done(tm_train_data *data) {
    tm__table_unref(data->table);
    tm__schema_done(&data->schema);
    for (uint32_t i = 0; data->classes != NULL && i < data->n_classes; i++) {
        tm__mem_free(data->classes[i]);
    }
    tm__mem_free(data->classes);
    tm__mem_free((void *)data->exprs);
    for (uint32_t i = 0; i < data->n_crosses; i++) {
        tm__mem_free(data->crosses[i]);
    }
    tm__mem_free(data->crosses);
    tm__mem_free(data->as);
    tm__mem_free(data->y);
    tm__mem_free(data->label_known_us);
    tm__mem_free(data->weights);
    tm__mem_free(data->class_weights);
    tm__mem_free(data->queries);
    tm__mem_free(data->train);
    tm__mem_free(data->before);
    tm__mem_free(data->test);
    memset(data, 0, sizeof(*data));
}

uint32_t tm__train_outputs(const tm_train_data *data) {
    return data->task == TM_TASK_MULTICLASS ? data->n_classes : 1;
}
