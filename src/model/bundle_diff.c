/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two records side by side: objects member by member, lists as wholes, programs step by step.
 * Answers are compared as bits first, as numbers second: what differs by nothing is the same.
 */
#include "model/bundle_diff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"

#define KEY_BYTES 256u

/* ---- Objects ---- */

static json_t *or_null(json_t *value) {
    return value == NULL ? json_null() : json_incref(value);
}

static void diff_into(json_t *list, const char *prefix, json_t *a, json_t *b);

static void diff_member(json_t *list, const char *prefix, const char *name, json_t *a, json_t *b) {
    char key[KEY_BYTES];
    json_t *const of_a = json_object_get(a, name), *const of_b = json_object_get(b, name);
    (void)snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
    if (json_is_object(of_a) && json_is_object(of_b)) {
        diff_into(list, key, of_a, of_b);
    } else if (of_a == NULL || of_b == NULL || !json_equal(of_a, of_b)) {
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o}", "key", key, "a", or_null(of_a), "b", or_null(of_b)));
    }
}

static void diff_into(json_t *list, const char *prefix, json_t *a, json_t *b) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(a, name, value) {
        diff_member(list, prefix, name, a, b);
    }
    json_object_foreach(b, name, value) {
        if (json_object_get(a, name) == NULL) {
            diff_member(list, prefix, name, a, b);
        }
    }
}

static int by_key(const void *a, const void *b) {
    return strcmp(tm__json_text(*(json_t *const *)a, "key", ""),
                  tm__json_text(*(json_t *const *)b, "key", ""));
}

json_t *tm__diff_objects(const json_t *a, const json_t *b) {
    json_t *list = json_array(), *sorted = json_array();
    diff_into(list, "", (json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b);
    const size_t n = json_array_size(list);
    json_t **items = tm__mem_alloc(n + 1, sizeof(*items));
    if (items == NULL) {
        json_decref(sorted);
        json_decref(list);
        return tm__json_lost();
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = json_array_get(list, i);
    }
    qsort(items, n, sizeof(*items), by_key);
    for (size_t i = 0; i < n; i++) {
        json_array_append(sorted, items[i]);
    }
    tm__mem_free(items);
    json_decref(list);
    return sorted;
}

/* ---- Columns and features ---- */

static const tm_schema_column *find_column(const tm_schema *schema, const char *name) {
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        if (strcmp(schema->cols[i].name, name) == 0) {
            return &schema->cols[i];
        }
    }
    return NULL;
}

static json_t *diff_columns(const tm_schema *a, const tm_schema *b) {
    json_t *added = json_array(), *removed = json_array(), *changed = json_array();
    for (uint32_t i = 0; i < a->n_cols; i++) {
        const tm_schema_column *const other = find_column(b, a->cols[i].name);
        if (other == NULL) {
            json_array_append_new(removed, json_string(a->cols[i].name));
        } else if (other->type != a->cols[i].type) {
            json_array_append_new(changed, json_pack("{s:s, s:s, s:s}", "column", a->cols[i].name,
                                                     "a", tm__type_text(a->cols[i].type), "b",
                                                     tm__type_text(other->type)));
        }
    }
    for (uint32_t i = 0; i < b->n_cols; i++) {
        if (find_column(a, b->cols[i].name) == NULL) {
            json_array_append_new(added, json_string(b->cols[i].name));
        }
    }
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

/* Steps of a program that the other has not, word for word. */
static json_t *steps_less(const json_t *steps, const json_t *others) {
    json_t *left = json_array(), *known = json_object();
    char key[KEY_BYTES * 2];
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach((json_t *)(uintptr_t)others, i, item) {
        (void)snprintf(key, sizeof(key), "%s|%s|%s", tm__json_text(item, "input", ""),
                       tm__json_text(item, "feature", ""), tm__json_text(item, "step", ""));
        json_object_set_new(known, key, json_true());
    }
    json_array_foreach((json_t *)(uintptr_t)steps, i, item) {
        (void)snprintf(key, sizeof(key), "%s|%s|%s", tm__json_text(item, "input", ""),
                       tm__json_text(item, "feature", ""), tm__json_text(item, "step", ""));
        if (json_object_get(known, key) == NULL) {
            json_array_append(left, item);
        }
    }
    json_decref(known);
    return left;
}

static json_t *diff_features(const json_t *a, const json_t *b) {
    const json_t *const of_a = json_object_get(a, "program");
    const json_t *const of_b = json_object_get(b, "program");
    return json_pack("{s:o, s:o}", "added", steps_less(of_b, of_a), "removed",
                     steps_less(of_a, of_b));
}

/* ---- Records ---- */

static json_t *pair(const json_t *a, const json_t *b, const char *name) {
    return json_pack("[o, o]", or_null(json_object_get(a, name)),
                     or_null(json_object_get(b, name)));
}

/* What its answers follow from beside the features. */
static json_t *params_of(const json_t *info) {
    return json_pack("{s:o, s:o, s:o}", "learner", or_null(json_object_get(info, "learner")),
                     "params", or_null(json_object_get(info, "params")), "threshold",
                     or_null(json_object_get(json_object_get(info, "threshold"), "value")));
}

static json_t *diff_scores(const json_t *a, const json_t *b) {
    json_t *const of_a = json_object_get(a, "test"), *const of_b = json_object_get(b, "test");
    json_t *list = json_array(), *value = NULL;
    const char *name = NULL;
    json_object_foreach(json_is_object(of_a) ? of_a : of_b, name, value) {
        if (json_is_number(value) && strcmp(name, "n_rows") != 0) {
            json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "score", name, "a",
                                                  or_null(json_object_get(of_a, name)), "b",
                                                  or_null(json_object_get(of_b, name))));
        }
    }
    return list;
}

tm_status tm__diff_records(const tm_bundle *a, const tm_bundle *b, json_t **out, tm_err *err) {
    const json_t *const of_a = tm__bundle_info(a), *const of_b = tm__bundle_info(b);
    json_t *data =
        json_pack("{s:o, s:o, s:o, s:o}", "snapshot", pair(of_a, of_b, "snapshot"), "test_snapshot",
                  pair(of_a, of_b, "test_snapshot"), "rows", pair(of_a, of_b, "rows"), "columns",
                  diff_columns(tm__bundle_schema(a), tm__bundle_schema(b)));
    json_t *params_a = params_of(of_a), *params_b = params_of(of_b);
    json_t *diff = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "data", data, "features", diff_features(of_a, of_b), "recipe",
        tm__diff_objects(json_object_get(of_a, "recipe"), json_object_get(of_b, "recipe")),
        "params", tm__diff_objects(params_a, params_b), "scores", diff_scores(of_a, of_b));
    json_decref(params_a);
    json_decref(params_b);
    return tm__json_give(TM_OK, diff, out, err);
}

/* ---- Answers ---- */

bool tm__diff_is_alike(const tm_bundle *a, const tm_bundle *b) {
    bool alike = tm__bundle_task(a) == tm__bundle_task(b) &&
                 tm__bundle_outputs(a) == tm__bundle_outputs(b) &&
                 strcmp(tm__bundle_target(a), tm__bundle_target(b)) == 0 &&
                 tm__bundle_classes(a) == tm__bundle_classes(b);
    for (uint32_t k = 0; alike && k < tm__bundle_classes(a); k++) {
        alike = strcmp(tm__bundle_class(a, k), tm__bundle_class(b, k)) == 0;
    }
    return alike;
}

static double quantile(const double *sorted, uint64_t n, double share) {
    return sorted[(uint64_t)(share * (double)(n - 1) + 0.5)];
}

/* The largest difference of a row's outputs; 0 where both have the same bits. */
static double difference(const double *a, const double *b, uint32_t n_outputs, bool *out_same) {
    double largest = 0;
    *out_same = true;
    for (uint32_t k = 0; k < n_outputs; k++) {
        *out_same = *out_same && tm__f64_bits(a[k]) == tm__f64_bits(b[k]);
        const double d = fabs(a[k] - b[k]);
        largest = d > largest ? d : largest;
    }
    return largest;
}

tm_status tm__diff_predictions(const tm_diff_answers *in, json_t **out, tm_err *err) {
    const uint32_t k = tm__bundle_outputs(in->a);
    uint64_t n_same = 0, n_other = 0;
    double sum = 0;
    double *sizes = tm__mem_alloc(in->n_rows + 1, sizeof(*sizes));
    if (sizes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to compare answers");
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double *const a = in->of_a + i * k, *const b = in->of_b + i * k;
        bool is_same = false;
        sizes[i] = difference(a, b, k, &is_same);
        sum += sizes[i];
        n_same += is_same ? 1 : 0;
        n_other += tm__bundle_decide(in->a, a) != tm__bundle_decide(in->b, b) ? 1 : 0;
    }
    qsort(sizes, in->n_rows, sizeof(*sizes), tm__compare_f64);
    const bool has = in->n_rows > 0;
    *out = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)in->n_rows,
                     "same", (json_int_t)n_same, "decided_otherwise", (json_int_t)n_other, "mean",
                     tm__json_number(has ? sum / (double)in->n_rows : NAN), "p50",
                     tm__json_number(has ? quantile(sizes, in->n_rows, 0.5) : NAN), "p90",
                     tm__json_number(has ? quantile(sizes, in->n_rows, 0.9) : NAN), "p99",
                     tm__json_number(has ? quantile(sizes, in->n_rows, 0.99) : NAN), "max",
                     tm__json_number(has ? sizes[in->n_rows - 1] : NAN));
    tm__mem_free(sizes);
    return tm__json_check(err);
}
