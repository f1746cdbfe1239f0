/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training that goes on from a bundle: its features, its trees, more rounds on other rows.
 *
 * Features of a tree are columns of the program it was grown on, so that program stays. Rows that
 * it was fitted on have held-out means of the target when their features are made by fitting it
 * again: when the rows given make the very same program, those features are used, and rounds that
 * are cut in two trainings on the same rows are the rounds of one. Other rows are what the program
 * is applied to.
 */
#include "train/train_priv.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

tm_status tm__train_base_check(const tm_train_data *data, const tm_train_options *options,
                               tm_err *err) {
    const tm_bundle *base = options->base;
    if (base == NULL) {
        return TM_OK;
    }
    const tm_model *model = tm__bundle_model(base);
    if (!(options->is_update ? model->ops->updates : model->ops->continues)) {
        const tm_status st =
            TM_FAIL(err, TM_E_UNSUPPORTED, "a model of '%s' cannot be %s", model->ops->name,
                    options->is_update ? "updated" : "gone on from");
        tm_err_hint(err,
                    "Train with --learner gbdt%s and a --param, and without --init-score, "
                    "which gives a model that can.",
                    options->is_update ? " or linear" : "");
        return st;
    }
    bool is_same =
        data->task == tm__bundle_task(base) && data->n_classes == tm__bundle_classes(base);
    for (uint32_t i = 0; is_same && i < data->n_classes; i++) {
        is_same = strcmp(data->classes[i], tm__bundle_class(base, i)) == 0;
    }
    if (!is_same) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "the rows have other classes than the model");
        tm_err_hint(err, "A model goes on only with the classes that it knows, all of them.");
        return st;
    }
    return TM_OK;
}

const tm_model *tm__train_base_model(const tm_train_options *options) {
    return options->base != NULL ? tm__bundle_model(options->base) : NULL;
}

/* Features by the base's program, in place of those of the rows' own. */
static tm_status fold_replace(tm_ctx *ctx, const tm_train_data *data, const tm_fold_rows *rows,
                              const tm_buf *program, tm_fold *fold, tm_err *err) {
    tm_program *base = NULL;
    tm_matrix *x = NULL, *x_valid = NULL;
    tm_status st = tm__program_load(program->data, program->len, &base, err);
    if (st == TM_OK) {
        st = tm__program_apply(ctx, base, data->table, rows->fit, rows->n_fit, &x, err);
    }
    if (st == TM_OK && rows->n_valid > 0) {
        st = tm__program_apply(ctx, base, data->table, rows->valid, rows->n_valid, &x_valid, err);
    }
    if (st != TM_OK) {
        tm__matrix_free(x);
        tm__program_free(base);
        return st;
    }
    tm__program_free(fold->program);
    tm__matrix_free(fold->x);
    tm__matrix_free(fold->x_valid);
    fold->program = base;
    fold->x = x;
    fold->x_valid = x_valid;
    return TM_OK;
}

tm_status tm__train_base_fold(tm_ctx *ctx, const tm_train_data *data,
                              const tm_train_options *options, const tm_fold_rows *rows,
                              tm_fold *fold, tm_err *err) {
    tm_buf base, own;
    if (options->base == NULL) {
        return TM_OK;
    }
    tm__buf_init(&base, TM_MAX_BUNDLE_BYTES);
    tm__buf_init(&own, TM_MAX_BUNDLE_BYTES);
    tm_status st = tm__program_save(tm__bundle_program(options->base), &base, err);
    if (st == TM_OK) {
        st = tm__program_save(fold->program, &own, err);
    }
    const bool is_same =
        st == TM_OK && base.len == own.len && memcmp(base.data, own.data, base.len) == 0;
    if (st == TM_OK && !is_same) {
        st = fold_replace(ctx, data, rows, &base, fold, err);
    }
    tm__buf_done(&base);
    tm__buf_done(&own);
    return st;
}

json_t *tm__train_base_info(const tm_train_options *options, const tm_model *model) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(tm__bundle_hash(options->base), hash);
    json_t *const info = json_pack("{s:s, s:I}", "bundle_hash", hash, "rounds",
                                   (json_int_t)tm__bundle_model(options->base)->n_rounds);
    if (info != NULL && options->is_update) {
        json_object_set_new(info, "how", json_string("update"));
        if (model->ops->weighs_before) {
            json_object_set_new(info, "weight_before", tm__json_number(model->before_counts));
        }
    }
    return info;
}

/* ---- the recipe ---- */

/* "gbdt.max_leaves=63" of each parameter of the base but those of its length. */
static bool add_params(json_t *list, const char *learner, const json_t *params) {
    const char *name = NULL;
    json_t *value = NULL;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)params, name, value) {
        char text[32];
        if (strcmp(name, "n_trees") == 0 || strcmp(name, "early_stopping") == 0) {
            continue;
        }
        text[tm__f64_to_text(json_number_value(value), text)] = '\0';
        const char *word = json_is_string(value) ? json_string_value(value) : text;
        ok = ok && json_array_append_new(list, json_sprintf("%s.%s=%s", learner, name, word)) == 0;
    }
    return ok;
}

tm_status tm__train_base_recipe(const tm_bundle *base, const json_t *from,
                                const char *const *params, uint32_t n_params, json_t **out,
                                tm_err *err) {
    const json_t *info = tm__bundle_info(base);
    const char *const learner = tm__bundle_model(base)->ops->name;
    json_t *recipe = json_deep_copy(from != NULL ? from : json_object_get(info, "recipe"));
    json_t *list = json_array();
    bool ok = list != NULL && add_params(list, learner, json_object_get(info, "params"));
    for (uint32_t i = 0; ok && i < n_params; i++) { /* the last one of a name counts */
        ok = json_array_append_new(list, json_string(params[i])) == 0;
    }
    if (!ok || !json_is_object(recipe)) {
        json_decref(list);
        json_decref(recipe);
        return ok ? TM_FAIL(err, TM_E_DATA, "the model does not say how it was trained")
                  : TM_FAIL(err, TM_E_NOMEM, "no memory for the recipe");
    }
    json_object_set_new(recipe, "learners", json_string(learner));
    json_object_set_new(recipe, "params", list);
    json_object_set_new(recipe, "task", json_string(tm__task_text(tm__bundle_task(base))));
    if (tm__bundle_task(base) == TM_TASK_BINARY) {
        json_object_set_new(recipe, "positive", json_string(tm__bundle_class(base, 1)));
    }
    json_object_del(recipe, "work");
    json_object_del(recipe, "budget_ms");
    return tm__json_give(TM_OK, recipe, out, err);
}
