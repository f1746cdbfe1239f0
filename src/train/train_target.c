/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target: which task it asks for, its classes in a fixed order, and its values as numbers.
 *
 * Text, truth values and at most 20 distinct integers are classes; other numbers are values. With
 * two classes the positive one is true, 1 or yes (t or y beside f or n), else the rarer. More
 * classes stand in the order of their numbers, or of their bytes. A relevance is a number; no
 * column is taken for one unasked.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define SINGLES_MIN 20u /* classes; of fewer a small table may have one a row */
#define MAX_INT_CLASSES 20u
#define RELEVANCE_MAX 31.0 /* its gain is 2^relevance - 1 */

tm_str tm__train_class_text(const tm_column *column, uint64_t row, char *out) {
    if (column->type == TM_TYPE_TEXT) {
        return tm__dict_get(column->dict, column->codes[row]);
    }
    if (column->type == TM_TYPE_BOOL) {
        return column->ints[row] != 0 ? TM_STR("true") : TM_STR("false");
    }
    const double value = tm__column_number(column, row);
    return (tm_str){out, tm__f64_to_text(value, out)};
}

static bool has_value(const tm_column *column, uint64_t row) {
    return !tm__column_is_missing(column, row);
}

/* One class of training rows on its way into the order of classes. */
typedef struct found_class {
    tm_str text; /* in the dictionary */
    double number;
    bool is_number;
    uint64_t count;
    uint32_t code;
} found_class;

static int compare_classes(const void *a, const void *b) {
    const found_class *x = a;
    const found_class *y = b;
    if (x->is_number && y->is_number && x->number != y->number) {
        return x->number < y->number ? -1 : 1;
    }
    return tm__str_compare(x->text, y->text);
}

/* Codes of the target's texts for all own rows; at most limit classes, else *out_many. */
static tm_status count_classes(const tm_train_data *data, const tm_column *column, uint32_t limit,
                               tm_dict *dict, uint64_t *counts, bool *out_many, tm_err *err) {
    char text[64];
    *out_many = false;
    for (uint64_t row = 0; row < data->n_own; row++) {
        if (!has_value(column, row)) {
            continue;
        }
        const uint32_t code = tm__dict_add(dict, tm__train_class_text(column, row, text));
        if (code == TM_CODE_MISSING) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the target's classes");
        }
        if (code >= limit) {
            *out_many = true;
            return TM_OK;
        }
        counts[code]++;
    }
    return TM_OK;
}

static bool is_positive_word(tm_str text) {
    return tm__str_is_nocase(text, "true") || tm__str_is(text, "1") ||
           tm__str_is_nocase(text, "yes");
}

/* Put the positive class last of two. */
static tm_status order_binary(found_class *found, const tm_train_options *options, tm_err *err) {
    bool swap, yes = false, no = false; /* of the first, and of the second */
    if (options->positive != NULL) {
        if (!tm__str_is(found[0].text, options->positive) &&
            !tm__str_is(found[1].text, options->positive)) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "the target has no class '%s'", options->positive);
            tm_err_hint(err, "Its classes are '%.*s' and '%.*s'.", (int)found[0].text.len,
                        found[0].text.ptr, (int)found[1].text.len, found[1].text.ptr);
            return st;
        }
        swap = tm__str_is(found[0].text, options->positive);
    } else if (tm__text_to_bool(found[0].text, &yes) && tm__text_to_bool(found[1].text, &no) &&
               yes != no) {
        swap = yes;
    } else if (is_positive_word(found[0].text) != is_positive_word(found[1].text)) {
        swap = is_positive_word(found[0].text);
    } else {
        swap = found[0].count < found[1].count;
    }
    if (swap) {
        const found_class first = found[0];
        found[0] = found[1];
        found[1] = first;
    }
    return TM_OK;
}

static tm_status save_classes(tm_train_data *data, const found_class *found, uint32_t n,
                              tm_err *err) {
    data->classes = tm__mem_zalloc(n, sizeof(char *));
    if (data->classes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the target's classes");
    }
    data->n_classes = n;
    for (uint32_t i = 0; i < n; i++) {
        data->classes[i] = tm__mem_strndup(found[i].text.ptr, found[i].text.len);
        if (data->classes[i] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the target's classes");
        }
    }
    return TM_OK;
}

static tm_status order_classes(tm_train_data *data, const tm_train_options *options,
                               const tm_dict *dict, const uint64_t *counts, uint32_t *code_to_class,
                               tm_err *err) {
    const uint32_t n = tm__dict_count(dict);
    found_class *found = tm__mem_zalloc(n, sizeof(*found));
    if (found == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the target's classes");
    }
    for (uint32_t i = 0; i < n; i++) {
        found[i].text = tm__dict_get(dict, i);
        found[i].is_number = tm__str_to_f64(found[i].text, &found[i].number);
        found[i].count = counts[i];
        found[i].code = i;
    }
    qsort(found, n, sizeof(*found), compare_classes);
    tm_status st = n == 2 ? order_binary(found, options, err) : TM_OK;
    if (st == TM_OK) {
        st = save_classes(data, found, n, err);
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        code_to_class[found[i].code] = i;
    }
    tm__mem_free(found);
    return st;
}

static void fill_classes(tm_train_data *data, const tm_column *column, const tm_dict *dict,
                         const uint32_t *code_to_class) {
    char text[64];
    for (uint64_t row = 0; row < data->n_rows; row++) {
        if (!has_value(column, row)) {
            data->y[row] = tm__nan();
            continue;
        }
        const uint32_t code = tm__dict_find(dict, tm__train_class_text(column, row, text));
        data->y[row] =
            code == TM_CODE_MISSING ? (double)data->n_classes : (double)code_to_class[code];
    }
}

/* Hardly a class comes twice, and nobody said that they are classes: an id, or numbers that are
 * written as texts. */
static tm_status refuse_singles(uint32_t n, uint64_t n_values, const char *name, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "the target '%s' has %u classes in %llu rows", name, n,
                  (unsigned long long)n_values);
    tm_err_hint(err, "Is it an id? Numbers with a unit or a currency become numbers by --sql; with "
                     "--task multiclass they are classes all the same.");
    return TM_E_DATA;
}

static tm_status fail_missing(const char *name, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "the target '%s' is missing in every row", name);
    tm_err_hint(err, "Give rows whose target is known, or name another column.");
    return st;
}

static tm_status check_class_count(const tm_train_data *data, uint32_t n, bool many,
                                   const tm_column *column, tm_err *err) {
    const char *const name = column->name;
    const uint64_t n_values = data->n_rows - column->n_missing;
    tm_status st = TM_OK;
    if (n == 0) {
        return fail_missing(name, err);
    }
    if (many) {
        st = TM_FAIL(err, TM_E_DATA, "the target '%s' has more than %u classes", name,
                     TM_MAX_CLASSES);
        tm_err_hint(err, "A class for nearly every row cannot be learned; is this the column you "
                         "mean, or is it an id?");
    } else if (n == 1) {
        st = TM_FAIL(err, TM_E_DATA, "the target '%s' has the same value in every row", name);
        tm_err_hint(err, "There is nothing to tell apart; check the column and the rows chosen.");
    } else if (data->task == TM_TASK_NONE && n > SINGLES_MIN && n > n_values / 2) {
        st = refuse_singles(n, n_values, name, err);
    } else if (data->task == TM_TASK_BINARY && n != 2) {
        st = TM_FAIL(err, TM_E_USAGE, "the target '%s' has %u classes, not two", name, n);
        tm_err_hint(err, "Use --task multiclass, or a target with two values.");
    }
    return st;
}

static tm_status fit_classes(tm_train_data *data, const tm_train_options *options,
                             const tm_column *column, tm_err *err) {
    tm_status st = TM_OK;
    bool many = false;
    tm_dict *dict = tm__dict_create();
    uint64_t *counts = tm__mem_zalloc(TM_MAX_CLASSES, sizeof(*counts));
    uint32_t *code_to_class = tm__mem_zalloc(TM_MAX_CLASSES + 1, sizeof(*code_to_class));
    if (dict == NULL || counts == NULL || code_to_class == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the target's classes");
        goto out;
    }
    st = count_classes(data, column, TM_MAX_CLASSES, dict, counts, &many, err);
    if (st == TM_OK) {
        st = check_class_count(data, tm__dict_count(dict), many, column, err);
    }
    if (st == TM_OK) {
        st = order_classes(data, options, dict, counts, code_to_class, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    if (data->task == TM_TASK_NONE) {
        data->task = data->n_classes == 2 ? TM_TASK_BINARY : TM_TASK_MULTICLASS;
    }
    fill_classes(data, column, dict, code_to_class);
out:
    tm__dict_free(dict);
    tm__mem_free(counts);
    tm__mem_free(code_to_class);
    return st;
}

static tm_status fit_values(tm_train_data *data, const tm_column *column, tm_err *err) {
    double first = tm__nan();
    bool varies = false;
    if (column->n_missing == data->n_rows) { /* of any type: no value shows one */
        return fail_missing(column->name, err);
    }
    if (column->type == TM_TYPE_TEXT) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "the target '%s' holds text, not numbers", column->name);
        tm_err_hint(err, "Use --task multiclass, or clean the column.");
        return st;
    }
    for (uint64_t row = 0; row < data->n_rows; row++) {
        if (!has_value(column, row)) {
            data->y[row] = tm__nan();
            continue;
        }
        const double value = tm__column_number(column, row);
        if (isinf(value)) {
            tm_status st = TM_FAIL(err, TM_E_DATA, "the target '%s' is infinite", column->name);
            tm_err_at(err, NULL, row + 1, 0);
            return st;
        }
        if (data->task == TM_TASK_RANKING && !(value >= 0.0 && value <= RELEVANCE_MAX)) {
            const tm_status st = TM_FAIL(err, TM_E_DATA, "the relevance '%s' is not from 0 to %g",
                                         column->name, RELEVANCE_MAX);
            tm_err_at(err, NULL, row + 1, data->target + 1);
            return st;
        }
        data->y[row] = value;
        varies = varies || (!isnan(first) && value != first);
        first = isnan(first) ? value : first;
    }
    if (isnan(first)) {
        return fail_missing(column->name, err);
    }
    if (!varies) {
        const tm_status st = TM_FAIL(
            err, TM_E_DATA, "the target '%s' has the same value in every row", column->name);
        tm_err_hint(err, "There is nothing to predict; check the column and the rows chosen.");
        return st;
    }
    data->task = data->task == TM_TASK_RANKING ? TM_TASK_RANKING : TM_TASK_REGRESSION;
    return TM_OK;
}

/* At most 20 distinct whole numbers are classes. */
static bool looks_like_classes(const tm_train_data *data, const tm_column *column) {
    double seen[MAX_INT_CLASSES];
    uint32_t n = 0;
    if (column->type == TM_TYPE_TEXT || column->type == TM_TYPE_BOOL) {
        return true;
    }
    if (column->type != TM_TYPE_INT && column->type != TM_TYPE_FLOAT) {
        return false;
    }
    for (uint64_t row = 0; row < data->n_own; row++) {
        if (!has_value(column, row)) {
            continue;
        }
        const double value = tm__column_number(column, row);
        uint32_t i = 0;
        while (i < n && seen[i] != value) {
            i++;
        }
        if (i < n) {
            continue;
        }
        if (n == MAX_INT_CLASSES || value != floor(value)) {
            return false;
        }
        seen[n++] = value;
    }
    return true;
}

tm_status tm__train_target_fit(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    const tm_column *column = tm__table_column(data->table, data->target);
    data->task = options->task;
    data->y = tm__mem_alloc(data->n_rows, sizeof(double));
    if (data->y == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the target");
    }
    if (data->task == TM_TASK_REGRESSION || data->task == TM_TASK_RANKING ||
        (data->task == TM_TASK_NONE && !looks_like_classes(data, column))) {
        TM_TRY(fit_values(data, column, err));
    } else {
        TM_TRY(fit_classes(data, options, column, err));
    }
    for (uint64_t row = 0; row < data->n_own; row++) {
        data->n_target_missing += isnan(data->y[row]) ? 1u : 0u;
    }
    return TM_OK;
}
