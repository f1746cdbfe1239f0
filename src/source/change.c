/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies, and what is known of the columns of a source.
 *
 *   column ── rows, given, missing ── numbers: bounds, a ring of the newest 256
 *                                  └─ texts: hashes of up to 256 categories
 *
 * The defaults let rows in, and say what was found. Two changes make every later row wrong without
 * looking so: another unit, and a column under another name. Their batches go to quarantine, where
 * nothing of them is lost.
 */
#include "source/change.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/sort.h"
#include "source/change_priv.h"

#define SAVE_US (INT64_C(5) * 1000000)
#define SETTLE_EVERY 64u

const char *const tm__change_names[TM_FINDING_KINDS] = {
    "new_column",  "missing_column", "wider_type",   "renamed_column", "new_category",
    "unit_change", "null_spike",     "out_of_range", "expectation"};
const char *const tm__policy_names[TM_POLICIES] = {"accept", "adapt", "quarantine", "stop"};

static const tm_change_policy defaults[TM_CHANGE_KINDS] = {
    TM_POLICY_ADAPT, TM_POLICY_ACCEPT,     TM_POLICY_ADAPT,  TM_POLICY_QUARANTINE,
    TM_POLICY_ADAPT, TM_POLICY_QUARANTINE, TM_POLICY_ACCEPT, TM_POLICY_ACCEPT};

/* ---- Policies ---- */

static int find_name(const char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++) {
        if (name != NULL && strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Rules know no new normal. */
static tm_status check_rule_policy(const char *rule, const char *word, tm_err *err) {
    if (find_name(tm__policy_names, TM_POLICIES, word) >= 0 && strcmp(word, "adapt") != 0) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no such policy for rule '%s'", rule);
    tm_err_hint(err, "Give accept, quarantine or stop.");
    return st;
}

tm_status tm__policy_check(const json_t *policy, const json_t *expect, tm_err *err) {
    const char *kind = NULL;
    json_t *value = NULL;
    if (policy != NULL && !json_is_object(policy)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "policies are given by kind of change");
        tm_err_hint(err, "Write policy: {new_column: stop}.");
        return st;
    }
    json_object_foreach((json_t *)(uintptr_t)policy, kind, value) {
        const char *word = json_string_value(value);
        const char *near = NULL;
        if (json_object_get(expect, kind) != NULL) {
            TM_TRY(check_rule_policy(kind, word, err));
            continue;
        }
        if (find_name(tm__change_names, TM_CHANGE_KINDS, kind) < 0) {
            (void)TM_FAIL(err, TM_E_USAGE, "there is no kind of change and no rule '%s'", kind);
            near = tm__str_nearest(tm__str(kind), tm__change_names, TM_CHANGE_KINDS);
            tm_err_hint(err, "%s%s%s", near != NULL ? "Did you mean '" : "They are new_column, ",
                        near != NULL ? near
                                     : "missing_column, wider_type, renamed_column, new_category, "
                                       "unit_change, null_spike, out_of_range",
                        near != NULL ? "'?" : ".");
            return TM_E_USAGE;
        }
        if (find_name(tm__policy_names, TM_POLICIES, word) < 0) {
            (void)TM_FAIL(err, TM_E_USAGE, "there is no such policy for %s", kind);
            tm_err_hint(err, "Give accept, adapt, quarantine or stop.");
            return TM_E_USAGE;
        }
    }
    return TM_OK;
}

static tm_change_policy policy_of(const json_t *policy, int kind) {
    const char *word = tm__json_text(policy, tm__change_names[kind], NULL);
    const int at = find_name(tm__policy_names, TM_POLICIES, word);
    return at < 0 ? defaults[kind] : (tm_change_policy)at;
}

json_t *tm__policy_json(const json_t *policy, const json_t *expect) {
    const char *rule = NULL;
    json_t *sql = NULL;
    json_t *out = json_object();
    for (int kind = 0; kind < TM_CHANGE_KINDS; kind++) {
        json_object_set_new(out, tm__change_names[kind],
                            json_string(tm__policy_names[policy_of(policy, kind)]));
    }
    json_object_foreach((json_t *)(uintptr_t)expect, rule, sql) {
        json_object_set_new(out, rule, json_string(tm__json_text(policy, rule, "quarantine")));
    }
    return out;
}

/* ---- Columns ---- */

void tm__history_reset(tm_history *h) {
    *h = (tm_history){.name = h->name};
}

/* Of n values from one on, counted from the oldest. */
static double median_of(const tm_history *h, uint64_t from, uint64_t n) {
    double sorted[TM_RING];
    const uint64_t oldest = h->n_numbers > TM_RING ? h->n_numbers % TM_RING : 0;
    for (uint64_t i = 0; i < n; i++) {
        sorted[i] = h->ring[(oldest + from + i) % TM_RING];
    }
    qsort(sorted, n, sizeof(*sorted), tm__compare_f64);
    return sorted[n / 2];
}

static double wobble_of(const tm_history *h, uint64_t n) {
    double least = INFINITY, most = -INFINITY;
    for (uint64_t i = 0; i < 4; i++) {
        const double median = median_of(h, i * (n / 4), n / 4);
        least = fmin(least, median);
        most = fmax(most, median);
    }
    const double a = fmin(fabs(least), fabs(most)), b = fmax(fabs(least), fabs(most));
    return least * most > 0 ? b / a : INFINITY;
}

/* Sorting is left until enough values came. */
void tm__history_settle(tm_history *h) {
    const uint64_t n = h->n_numbers < TM_RING ? h->n_numbers : TM_RING;
    if (n == 0 || (h->n_settled > 0 && h->n_numbers - h->n_settled < SETTLE_EVERY)) {
        return;
    }
    double sorted[TM_RING];
    memcpy(sorted, h->ring, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), tm__compare_f64);
    for (uint64_t i = 0; i < 3; i++) {
        h->quartiles[i] = sorted[(n - 1) * (i + 1) / 4];
    }
    h->n_settled = h->n_numbers;
    h->is_steady = n >= 8 && fabs(median_of(h, 0, n / 2) - median_of(h, n / 2, n / 2)) <=
                                 0.5 * (h->quartiles[2] - h->quartiles[0]);
    h->wobble = n >= 8 ? wobble_of(h, n) : INFINITY;
}

void tm__history_number(tm_history *h, double number) {
    h->low = h->n_numbers == 0 || number < h->low ? number : h->low;
    h->high = h->n_numbers == 0 || number > h->high ? number : h->high;
    h->ring[h->n_numbers % TM_RING] = number;
    h->n_numbers++;
}

bool tm__history_has(const tm_history *h, uint64_t hash) {
    for (uint32_t i = 0; i < h->n_hashes; i++) {
        if (h->hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

void tm__history_text(tm_history *h, uint64_t hash) {
    h->n_texts++;
    if (h->has_many || tm__history_has(h, hash)) {
        return;
    }
    if (h->n_hashes == TM_CATEGORIES) {
        h->has_many = true;
        h->n_hashes = 0;
        return;
    }
    h->hashes[h->n_hashes++] = hash;
}

tm_history *tm__watch_find_locked(tm_watch *watch, const char *name) {
    for (uint32_t i = 0; i < watch->n_columns; i++) {
        if (strcmp(watch->columns[i].name, name) == 0) {
            return &watch->columns[i];
        }
    }
    return NULL;
}

tm_history *tm__watch_column_locked(tm_watch *watch, const char *name) {
    tm_history *found = tm__watch_find_locked(watch, name);
    if (found != NULL) {
        return found;
    }
    if (watch->n_columns == watch->capacity) {
        const uint32_t capacity = watch->capacity == 0 ? 16 : watch->capacity * 2;
        tm_history *columns = tm__mem_realloc(watch->columns, capacity, sizeof(*columns));
        if (columns == NULL) {
            return NULL;
        }
        watch->columns = columns;
        watch->capacity = capacity;
    }
    char *copy = tm__mem_strdup(name);
    if (copy == NULL) {
        return NULL;
    }
    watch->columns[watch->n_columns] = (tm_history){.name = copy};
    return &watch->columns[watch->n_columns++];
}

bool tm__watch_accepts_locked(const tm_watch *watch, tm_change_kind kind, const char *column) {
    size_t i = 0;
    const json_t *pair = NULL;
    json_array_foreach(watch->accepted, i, pair) {
        const char *a = json_string_value(json_array_get(pair, 0));
        const char *b = json_string_value(json_array_get(pair, 1));
        if (a != NULL && b != NULL && strcmp(a, tm__change_names[kind]) == 0 &&
            strcmp(b, column) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- To JSON and back ---- */

static json_t *column_json(const tm_history *h) {
    json_t *ring = json_array(), *hashes = json_array();
    const uint64_t n = h->n_numbers < TM_RING ? h->n_numbers : TM_RING;
    for (uint64_t i = 0; i < n; i++) {
        json_array_append_new(ring, tm__json_number(h->ring[i]));
    }
    for (uint32_t i = 0; i < h->n_hashes; i++) {
        json_array_append_new(hashes, json_integer((json_int_t)h->hashes[i]));
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:b}", "name", h->name,
                     "rows", (json_int_t)h->n_rows, "given", (json_int_t)h->n_given, "missing",
                     (json_int_t)h->n_missing, "numbers", (json_int_t)h->n_numbers, "texts",
                     (json_int_t)h->n_texts, "low", tm__json_number(h->low), "high",
                     tm__json_number(h->high), "ring", ring, "hashes", hashes, "many",
                     h->has_many ? 1 : 0);
}

static void column_read(tm_history *h, const json_t *json) {
    const json_t *ring = json_object_get(json, "ring"), *hashes = json_object_get(json, "hashes");
    h->n_rows = (uint64_t)tm__json_i64(json, "rows", 0);
    h->n_given = (uint64_t)tm__json_i64(json, "given", 0);
    h->n_missing = (uint64_t)tm__json_i64(json, "missing", 0);
    h->n_texts = (uint64_t)tm__json_i64(json, "texts", 0);
    h->n_numbers = (uint64_t)tm__json_i64(json, "numbers", 0);
    h->low = tm__json_f64(json, "low", 0);
    h->high = tm__json_f64(json, "high", 0);
    h->has_many = json_is_true(json_object_get(json, "many"));
    const uint64_t n = h->n_numbers < TM_RING ? h->n_numbers : TM_RING;
    for (uint64_t i = 0; i < n; i++) {
        h->ring[i] = json_number_value(json_array_get(ring, i));
    }
    for (size_t i = 0; i < json_array_size(hashes) && i < TM_CATEGORIES; i++) {
        h->hashes[h->n_hashes++] = (uint64_t)json_integer_value(json_array_get(hashes, i));
    }
    tm__history_settle(h);
}

json_t *tm__watch_save(tm_watch *watch, bool always) {
    json_t *out = NULL;
    tm__mutex_lock(watch->mutex);
    const int64_t now_us = tm__now_us();
    if (always || (watch->n_kept > 0 && now_us - watch->saved_us > SAVE_US)) {
        json_t *columns = json_array();
        for (uint32_t i = 0; i < watch->n_columns; i++) {
            json_array_append_new(columns, column_json(&watch->columns[i]));
        }
        out = json_pack("{s:o, s:o}", "columns", columns, "accepted",
                        json_deep_copy(watch->accepted));
        watch->n_kept = 0;
        watch->saved_us = now_us;
    }
    tm__mutex_unlock(watch->mutex);
    return out;
}

/* A column that may be absent from now on is noted; for the others their history begins anew. */
json_t *tm__history_resume(const json_t *history, const char *kind, const char *column) {
    json_t *out = json_is_object(history) ? json_deep_copy(history)
                                          : json_pack("{s:[], s:[]}", "columns", "accepted");
    json_t *columns = json_object_get(out, "columns");
    if (strcmp(kind, tm__change_names[TM_CHANGE_EXPECTATION]) == 0) {
        return out; /* a rule holds as it is written */
    }
    const bool is_name = strcmp(kind, "new_column") == 0 || strcmp(kind, "wider_type") == 0 ||
                         strcmp(kind, "missing_column") == 0 || strcmp(kind, "renamed_column") == 0;
    if (is_name) {
        json_array_append_new(json_object_get(out, "accepted"), json_pack("[s, s]", kind, column));
        return out;
    }
    for (size_t i = 0; i < json_array_size(columns); i++) {
        if (strcmp(tm__json_text(json_array_get(columns, i), "name", ""), column) == 0) {
            json_array_remove(columns, i);
            break;
        }
    }
    return out;
}

/* ---- Life ---- */

static void drop_checks_locked(tm_watch *watch) {
    while (watch->n_idle > 0) {
        tm__check_close(watch->idle[--watch->n_idle]);
    }
}

tm_status tm__watch_set(tm_watch *watch, const json_t *spec, tm_err *err) {
    const json_t *policy = json_object_get(spec, "policy");
    tm_status st = TM_OK;
    tm__mutex_lock(watch->mutex);
    if (!tm__expect_is(watch->expect, spec)) {
        tm_expect *expect = NULL;
        st = tm__expect_create(spec, &expect, err);
        if (st == TM_OK) {
            drop_checks_locked(watch);
            tm__expect_unref(watch->expect);
            watch->expect = expect;
        }
    }
    for (int kind = 0; kind < TM_CHANGE_KINDS; kind++) {
        watch->policies[kind] = policy_of(policy, kind);
        watch->is_said[kind] = json_object_get(policy, tm__change_names[kind]) != NULL;
    }
    (void)tm__str_copy(watch->target, sizeof(watch->target),
                       tm__str(tm__json_text(spec, "target", "")));
    tm__mutex_unlock(watch->mutex);
    return st;
}

tm_status tm__watch_take_check(tm_watch *watch, const tm_schema *schema, tm_check **out,
                               tm_err *err) {
    tm_check *idle = NULL;
    tm__mutex_lock(watch->mutex);
    tm_expect *expect = tm__expect_ref(watch->expect);
    if (watch->n_idle > 0) {
        idle = watch->idle[--watch->n_idle];
    }
    tm__mutex_unlock(watch->mutex);
    *out = NULL;
    tm_status st = TM_OK;
    if (idle != NULL && tm__check_fits(idle, expect, schema)) {
        *out = idle;
        idle = NULL;
    } else if (expect != NULL) {
        st = tm__check_open(expect, schema, out, err);
    }
    tm__check_close(idle);
    tm__expect_unref(expect);
    return st;
}

void tm__watch_give_check(tm_watch *watch, tm_check *check) {
    if (check == NULL) {
        return;
    }
    tm__check_reset(check);
    tm__mutex_lock(watch->mutex);
    if (watch->n_idle < TM_IDLE_CHECKS) {
        watch->idle[watch->n_idle++] = check;
        check = NULL;
    }
    tm__mutex_unlock(watch->mutex);
    tm__check_close(check);
}

bool tm__watch_says(tm_watch *watch, tm_change_kind kind) {
    tm__mutex_lock(watch->mutex);
    const bool is_said = watch->is_said[kind];
    tm__mutex_unlock(watch->mutex);
    return is_said;
}

tm_change_policy tm__watch_policy(tm_watch *watch, tm_change_kind kind, tm_str column) {
    char name[TM_MAX_COLUMN_NAME + 1];
    (void)tm__str_copy(name, sizeof(name), column);
    tm__mutex_lock(watch->mutex);
    const tm_change_policy policy =
        tm__watch_accepts_locked(watch, kind, name) ? TM_POLICY_ADAPT : watch->policies[kind];
    tm__mutex_unlock(watch->mutex);
    return policy;
}

static bool load_locked(tm_watch *watch, const json_t *history) {
    size_t i = 0;
    const json_t *item = NULL;
    const json_t *accepted = json_object_get(history, "accepted");
    for (uint32_t k = 0; k < watch->n_columns; k++) {
        tm__mem_free(watch->columns[k].name);
    }
    watch->n_columns = 0;
    json_decref(watch->accepted);
    watch->accepted = accepted != NULL ? json_deep_copy(accepted) : json_array();
    json_array_foreach(json_object_get(history, "columns"), i, item) {
        tm_history *h = tm__watch_column_locked(watch, tm__json_text(item, "name", ""));
        if (h == NULL) {
            return false;
        }
        column_read(h, item);
    }
    return watch->accepted != NULL;
}

tm_status tm__watch_load(tm_watch *watch, const json_t *history, tm_err *err) {
    tm__mutex_lock(watch->mutex);
    const bool is_whole = load_locked(watch, history);
    tm__mutex_unlock(watch->mutex);
    return is_whole ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__watch_create(const json_t *spec, const json_t *history, tm_watch **out, tm_err *err) {
    tm_watch *watch = tm__mem_zalloc(1, sizeof(*watch));
    if (watch == NULL || (watch->mutex = tm__mutex_create()) == NULL) {
        tm__mem_free(watch);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    atomic_store(&watch->refs, 1);
    watch->saved_us = tm__now_us();
    tm_status st = tm__watch_set(watch, spec, err);
    if (st == TM_OK) {
        st = tm__watch_load(watch, history, err);
    }
    if (st != TM_OK) {
        tm__watch_unref(watch);
        return st;
    }
    *out = watch;
    return TM_OK;
}

tm_watch *tm__watch_ref(tm_watch *watch) {
    if (watch != NULL) {
        atomic_fetch_add(&watch->refs, 1);
    }
    return watch;
}

void tm__watch_unref(tm_watch *watch) {
    if (watch == NULL || atomic_fetch_sub(&watch->refs, 1) > 1) {
        return;
    }
    for (uint32_t i = 0; i < watch->n_columns; i++) {
        tm__mem_free(watch->columns[i].name);
    }
    tm__mem_free(watch->columns);
    drop_checks_locked(watch);
    tm__expect_unref(watch->expect);
    json_decref(watch->accepted);
    tm__mutex_free(watch->mutex);
    tm__mem_free(watch);
}
