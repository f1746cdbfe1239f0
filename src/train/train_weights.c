/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of classes: what a row of a class counts in fitting, besides its own weight. Validation
 * rows count so, too: by the rows as they are, a search would choose what undoes the weights. Test
 * rows keep their own.
 */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static tm_status unknown_class(const tm_train_data *data, tm_str name, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "the target has no class '%.*s'", (int)name.len, name.ptr);
    const char *near =
        tm__str_nearest(name, (const char *const *)(uintptr_t)data->classes, data->n_classes);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "The first of its %u classes is '%s'.", data->n_classes, data->classes[0]);
    }
    return st;
}

/* "yes=5"; the name may hold '='. */
static tm_status read_weight(const tm_train_data *data, const char *text, uint32_t *out_class,
                             double *out_weight, tm_err *err) {
    const char *sign = strrchr(text, '=');
    if (sign == NULL || !tm__str_to_f64(tm__str(sign + 1), out_weight) ||
        !(*out_weight > 0 && *out_weight <= 1e9)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "cannot read the class weight '%s'", text);
        tm_err_hint(err, "Write CLASS=WEIGHT with a weight over 0 and at most 1e9, or balanced.");
        return st;
    }
    const tm_str name = tm__str_trim((tm_str){text, (size_t)(sign - text)});
    for (uint32_t k = 0; k < data->n_classes; k++) {
        if (tm__str_is(name, data->classes[k])) {
            *out_class = k;
            return TM_OK;
        }
    }
    return unknown_class(data, name, err);
}

tm_status tm__class_weights_init(tm_train_data *data, const tm_train_options *options,
                                 tm_err *err) {
    if (options->n_class_weights == 0) {
        return TM_OK;
    }
    if (data->task != TM_TASK_BINARY && data->task != TM_TASK_MULTICLASS) {
        return TM_FAIL(err, TM_E_USAGE, "weights of classes need a target of classes, not a %s",
                       tm__task_text(data->task));
    }
    data->class_weights = tm__mem_zalloc(data->n_classes, sizeof(double));
    if (data->class_weights == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for weights of classes");
    }
    data->is_balanced =
        options->n_class_weights == 1 && strcmp(options->class_weights[0], "balanced") == 0;
    for (uint32_t i = 0; i < options->n_class_weights && !data->is_balanced; i++) {
        uint32_t class = 0;
        double weight = 0;
        TM_TRY(read_weight(data, options->class_weights[i], &class, &weight, err));
        if (data->class_weights[class] > 0) {
            return TM_FAIL(err, TM_E_USAGE, "class '%s' has two weights", data->classes[class]);
        }
        data->class_weights[class] = weight;
    }
    for (uint32_t k = 0; k < data->n_classes; k++) {
        const double given = data->class_weights[k];
        data->class_weights[k] = given > 0 ? given : 1;
    }
    return TM_OK;
}

/* Each class weighs the same in all; of a class without weight no row is asked for. */
static void balance(const tm_train_data *data, const tm_fold *fold, double *factors) {
    double total = 0;
    for (uint32_t k = 0; k < data->n_classes; k++) {
        factors[k] = 0;
    }
    for (uint64_t i = 0; i < fold->n; i++) {
        const double weight = fold->weights != NULL ? fold->weights[i] : 1;
        factors[(uint32_t)fold->y[i]] += weight;
        total += weight;
    }
    for (uint32_t k = 0; k < data->n_classes; k++) {
        factors[k] = factors[k] > 0 ? total / data->n_classes / factors[k] : 1;
    }
}

/* Weights of rows times those of their classes. */
static double *weigh(const double *weights, const double *y, uint64_t n, const double *factors) {
    double *made = tm__mem_alloc(n, sizeof(double));
    for (uint64_t i = 0; made != NULL && i < n; i++) {
        made[i] = (weights != NULL ? weights[i] : 1) * factors[(uint32_t)y[i]];
    }
    return made;
}

tm_status tm__class_weights_fold(const tm_train_data *data, tm_fold *fold, tm_err *err) {
    if (data->class_weights == NULL) {
        return TM_OK;
    }
    double *factors = tm__mem_alloc(data->n_classes, sizeof(double));
    double *fit = NULL, *valid = NULL;
    if (factors != NULL) {
        memcpy(factors, data->class_weights, data->n_classes * sizeof(double));
        if (data->is_balanced) {
            balance(data, fold, factors);
        }
        fit = weigh(fold->weights, fold->y, fold->n, factors);
        valid = weigh(fold->weights_valid, fold->y_valid, fold->n_valid, factors);
    }
    tm__mem_free(factors);
    if (fit == NULL || valid == NULL) {
        tm__mem_free(fit);
        tm__mem_free(valid);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for weights of classes");
    }
    tm__mem_free(fold->weights);
    tm__mem_free(fold->weights_valid);
    fold->weights = fit;
    fold->weights_valid = valid;
    return TM_OK;
}
