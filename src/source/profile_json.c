/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile for people and programs.
 *
 * Values that could name a person are not shown unless asked: the frequent values of a column that
 * looks like an identifier, and the extremes of one that tells who somebody is. It does when it is
 * text or whole numbers and more than half of its values differ, or when it tells who somebody is
 * (table/personal.h).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "source/profile_priv.h"
#include "table/schema.h"

#define N_TOP 10u
#define BARS 24u
#define BARS_MAX 104u
#define ID_ROWS 50u          /* with fewer a column whose values all differ says nothing */
#define DIFFERENT_SHARE 0.95 /* an estimate of distinct values may be short by three errors */

/* A column as its type has it. */
typedef struct column_view {
    const tm_profile_column *column;
    tm_type type;
    bool is_open; /* dates whose day and month cannot be told apart */
    tm_sketch_reading reading;
    tm_sketch_counts counts;
    tm_sketch_range range;
    uint64_t n_missing, n_present, distinct;
    bool is_exact;
    const char *personal; /* what of people its values are; NULL: nothing */
    bool is_id;           /* its values are not shown */
} column_view;

static tm_sketch_reading find_reading(const column_view *v) {
    switch (v->type) {
    case TM_TYPE_INT:
    case TM_TYPE_FLOAT:
        return TM_READ_NUMBERS;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return tm__profile_is_month_first(v->column) ? TM_READ_OTHER_TIMES : TM_READ_TIMES;
    default:
        return TM_READ_TEXTS;
    }
}

/* What of people more than one value in twenty is or has, or the name of the column says; NULL:
 * nothing. */
static const char *tells_who(const column_view *v) {
    uint32_t most = 0;
    for (uint32_t i = 1; i < TM_PERSONALS; i++) {
        most = v->counts.personals[i] > v->counts.personals[most] ? i : most;
    }
    return v->n_present > 0 && v->counts.personals[most] * 20 > v->n_present
               ? tm__personal_words((tm_personal)most)
               : tm__personal_column(v->column->name);
}

static bool looks_like_id(const column_view *v) {
    const double present = (double)v->n_present;
    if (v->personal != NULL) {
        return true;
    }
    return (v->type == TM_TYPE_TEXT || v->type == TM_TYPE_INT) && v->n_present > ID_ROWS &&
           (double)v->distinct * 2 > present;
}

static column_view make_view(const tm_profile_column *column) {
    column_view v = {.column = column};
    v.type = tm__profile_type(column, &v.is_open);
    v.reading = find_reading(&v);
    tm__sketch_counts(column->sketch, &v.counts);
    tm__sketch_range(column->sketch, v.reading, &v.range);
    v.n_missing = v.counts.n_missing + (v.type == TM_TYPE_TEXT ? 0 : v.counts.n_marks);
    v.n_present = v.counts.n_rows - v.n_missing;
    if (v.type == TM_TYPE_BOOL) {
        v.distinct =
            (v.counts.n_trues > 0 ? 1u : 0u) + (v.counts.n_bools > v.counts.n_trues ? 1u : 0u);
        v.is_exact = true;
    } else {
        v.distinct = tm__sketch_distinct(column->sketch, v.reading, &v.is_exact);
        v.distinct += v.reading == TM_READ_NUMBERS && v.counts.n_infinite_low > 0 ? 1u : 0u;
        v.distinct += v.reading == TM_READ_NUMBERS && v.counts.n_infinite_high > 0 ? 1u : 0u;
    }
    v.distinct = v.distinct > v.n_present ? v.n_present : v.distinct;
    v.personal = tells_who(&v);
    v.is_id = looks_like_id(&v);
    return v;
}

static const char *find_note(const column_view *v) {
    const uint64_t n_rows = v->counts.n_rows;
    const bool differs = v->is_exact ? v->distinct == v->n_present
                                     : (double)v->distinct > DIFFERENT_SHARE * (double)v->n_present;
    if (v->is_open) {
        return "dates, but nothing tells day from month";
    }
    if (v->n_present == 0) {
        return n_rows == 0 ? "" : "always missing";
    }
    if (v->personal != NULL) {
        return v->personal;
    }
    if (v->distinct == 1) {
        return "always the same";
    }
    if (differs && v->n_present > ID_ROWS && v->type != TM_TYPE_FLOAT && v->type != TM_TYPE_TIME) {
        return "every value differs: an id?";
    }
    if (v->n_missing * 2 > n_rows) {
        return "mostly missing";
    }
    return "";
}

/* --- numbers as text --- */

/* A number, date or time of the column. */
static void value_text(const column_view *v, double value, char out[64]) {
    out[0] = '\0';
    if (isnan(value)) {
        return;
    }
    const bool is_time = v->type == TM_TYPE_DATE || v->type == TM_TYPE_TIME;
    if (is_time && fabs(value) >= 0x1p63) {
        return; /* no row has it, but the bytes of a profile may say so */
    }
    if (is_time) {
        const size_t n = v->type == TM_TYPE_DATE ? tm__date_to_text((int64_t)value, out)
                                                 : tm__time_to_text((int64_t)value, out);
        out[n] = '\0';
    } else {
        (void)snprintf(out, 64, "%.6g", value);
    }
}

static void bound_texts(const column_view *v, char min[64], char max[64]) {
    value_text(v, v->range.min, min);
    value_text(v, v->range.max, max);
    if (v->type == TM_TYPE_INT && v->range.n > 0 && v->range.is_int) {
        (void)snprintf(min, 64, "%lld", (long long)v->range.int_min);
        (void)snprintf(max, 64, "%lld", (long long)v->range.int_max);
    }
}

/* --- parts of the report --- */

static const double shares[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
static const char *const share_names[] = {"p1", "p5", "p25", "p50", "p75", "p95", "p99"};
enum { N_SHARES = sizeof(shares) / sizeof(shares[0]) };

static void put_quantiles(const column_view *v, const double *quantiles, json_t *out) {
    json_t *object = json_object();
    const bool is_time = v->reading != TM_READ_NUMBERS;
    for (uint32_t i = 0; i < N_SHARES; i++) {
        char text[64];
        value_text(v, quantiles[i], text);
        json_object_set_new(object, share_names[i],
                            is_time ? json_string(text) : tm__json_number(quantiles[i]));
    }
    json_object_set_new(out, "quantiles", object);
}

/* A step of 1, 2, 2.5 or 5 times a power of ten that cuts the range into at most BARS. */
static double nice_step(double range) {
    const double rough = range / BARS;
    double power = 1;
    while (power > rough) {
        power /= 10;
    }
    while (power * 10 <= rough) {
        power *= 10;
    }
    const double steps[] = {1, 2, 2.5, 5, 10};
    for (uint32_t i = 0; i < 5; i++) {
        if (steps[i] * power >= rough) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

typedef struct bars {
    double bounds[BARS_MAX + 1];
    uint32_t n;
    bool are_ints; /* one bar is one whole number */
} bars;

/* Tails longer than half of what the middle 98 % take are cut: they are told as counts. */
static bars find_bars(const column_view *v, const double *quantiles) {
    bars b = {0};
    const double middle = quantiles[N_SHARES - 1] - quantiles[0];
    double low = fmax(v->range.min, quantiles[0] - middle / 2);
    double high = fmin(v->range.max, quantiles[N_SHARES - 1] + middle / 2);
    if (v->type == TM_TYPE_INT && v->range.max - v->range.min < 100) {
        low = v->range.min;
        high = v->range.max;
        b.are_ints = true;
        for (double at = ceil(low); at <= floor(high) + 1 && b.n <= BARS_MAX; at++) {
            b.bounds[b.n++] = at - 0.5;
        }
        b.n--;
        return b;
    }
    const double range = high - low;
    if (!(range > 0) || !isfinite(range) || range < fabs(high) * 1e-12) {
        return b;
    }
    double step = v->reading == TM_READ_NUMBERS ? nice_step(range) : range / BARS;
    step = v->type == TM_TYPE_INT ? fmax(1, ceil(step)) : step;
    double at = v->reading == TM_READ_NUMBERS ? floor(low / step) : 0;
    const double start = v->reading == TM_READ_NUMBERS ? 0 : low;
    do {
        b.bounds[b.n++] = start + at * step;
        at++;
    } while (b.bounds[b.n - 1] < high && b.n <= BARS_MAX);
    b.n--;
    return b;
}

static void put_histogram(const column_view *v, const double *quantiles, json_t *out) {
    const bars b = find_bars(v, quantiles);
    uint64_t ranks[BARS_MAX + 1];
    if (b.n == 0) {
        return;
    }
    double edges[BARS_MAX + 1];
    for (uint32_t i = 0; i <= b.n; i++) {
        edges[i] = i == 0 ? nextafter(b.bounds[0], -INFINITY) : b.bounds[i]; /* the lowest counts */
    }
    if (!tm__sketch_ranks(v->column->sketch, v->reading, edges, b.n + 1, ranks)) {
        (void)tm__json_lost();
        return;
    }
    json_t *bounds = json_array(), *counts = json_array();
    for (uint32_t i = 0; i <= b.n; i++) {
        char text[64];
        value_text(v, b.bounds[i], text);
        json_array_append_new(bounds, v->reading == TM_READ_NUMBERS ? tm__json_number(b.bounds[i])
                                                                    : json_string(text));
    }
    for (uint32_t i = 0; i < b.n; i++) {
        json_array_append_new(counts, json_integer((json_int_t)(ranks[i + 1] - ranks[i])));
    }
    json_object_set_new(out, "histogram",
                        json_pack("{s:o, s:o, s:b, s:I, s:I}", "bounds", bounds, "counts", counts,
                                  "whole", b.are_ints, "below", (json_int_t)ranks[0], "above",
                                  (json_int_t)(v->range.n - ranks[b.n])));
}

static void put_range(const column_view *v, json_t *out) {
    double quantiles[N_SHARES];
    if (v->range.n == 0 || v->reading == TM_READ_TEXTS) {
        return;
    }
    if (!tm__sketch_quantiles(v->column->sketch, v->reading, shares, N_SHARES, quantiles)) {
        (void)tm__json_lost();
        return;
    }
    if (v->reading == TM_READ_NUMBERS) {
        json_object_set_new(out, "mean", tm__json_number(v->range.mean));
        json_object_set_new(out, "spread", tm__json_number(v->range.spread));
    }
    put_quantiles(v, quantiles, out);
    put_histogram(v, quantiles, out);
    const uint64_t n_infinite = v->counts.n_infinite_low + v->counts.n_infinite_high;
    if (v->reading == TM_READ_NUMBERS && n_infinite > 0) {
        json_object_set_new(out, "infinite", json_integer((json_int_t)n_infinite));
    }
}

/* Texts that are one number are one value: "1" and "1.0". */
typedef struct top_value {
    tm_sketch_item item;
    double number;
} top_value;

static int compare_numbers(const void *a, const void *b) {
    const top_value *const x = a, *const y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}
static int compare_counts(const void *a, const void *b) {
    const top_value *const x = a, *const y = b;
    if (x->item.count != y->item.count) {
        return x->item.count > y->item.count ? -1 : 1;
    }
    return tm__str_compare(x->item.text, y->item.text);
}

static uint32_t join_numbers(top_value *values, uint32_t n) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) { /* what is no number is a mark: missing */
        if (tm__str_to_f64(values[i].item.text, &values[i].number)) {
            values[kept++] = values[i];
        }
    }
    n = kept;
    qsort(values, n, sizeof(*values), compare_numbers);
    kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kept > 0 && values[kept - 1].number == values[i].number) {
            values[kept - 1].item.count += values[i].item.count;
        } else {
            values[kept++] = values[i];
        }
    }
    qsort(values, kept, sizeof(*values), compare_counts);
    return kept;
}

static json_t *item_json(const column_view *v, const tm_sketch_item *item) {
    char text[TM_SKETCH_TEXT + 8];
    tm_str shown = item->text;
    while (shown.len > 0 && !tm__str_is_utf8(shown)) {
        shown.len--; /* a cut may stand amid a character */
    }
    (void)snprintf(text, sizeof(text), "%.*s%s", (int)shown.len, shown.ptr,
                   item->is_cut ? "..." : "");
    return json_pack("{s:s, s:I, s:o}", "value", text, "count", (json_int_t)item->count, "share",
                     tm__json_number((double)item->count / (double)v->n_present));
}

static void put_top(const column_view *v, json_t *out) {
    tm_sketch_item items[384];
    const uint64_t n_short = tm__sketch_top_short(v->column->sketch);
    uint32_t n = tm__sketch_top(v->column->sketch, items, 384);
    top_value *const values = tm__mem_zalloc((size_t)n + 1, sizeof(*values));
    if (values == NULL) {
        (void)tm__json_lost();
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (v->type == TM_TYPE_TEXT || !tm__text_is_missing(items[i].text)) {
            values[kept++].item = items[i];
        }
    }
    n = v->reading == TM_READ_NUMBERS ? join_numbers(values, kept) : kept;
    json_t *list = json_array();
    for (uint32_t i = 0; i < n && i < N_TOP; i++) {
        /* One that a row in a thousand may have, but that may as well be chance, is no news. */
        if (values[i].item.count <= 1 || values[i].item.count < n_short) {
            break;
        }
        json_array_append_new(list, item_json(v, &values[i].item));
    }
    tm__mem_free(values);
    json_object_set_new(out, "top", list);
    json_object_set_new(out, "top_short", json_integer((json_int_t)n_short));
}

static void put_texts(const column_view *v, json_t *out) {
    json_object_set_new(out, "length",
                        json_pack("{s:I, s:o, s:I}", "min", (json_int_t)v->counts.chars_min, "mean",
                                  tm__json_number(v->counts.chars_mean), "max",
                                  (json_int_t)v->counts.chars_max));
    json_t *patterns = json_object();
    for (uint32_t i = 0; i < TM_PATTERNS; i++) {
        if (v->counts.patterns[i] > 0) {
            json_object_set_new(
                patterns, tm__sketch_pattern_text((tm_sketch_pattern)i),
                tm__json_number((double)v->counts.patterns[i] / (double)v->n_present));
        }
    }
    json_object_set_new(out, "patterns", patterns);
}

/* Nothing for a column in which no value tells who somebody is and whose name does not. */
static void put_personal(const column_view *v, json_t *out) {
    json_t *const parts = json_object();
    for (uint32_t i = 0; i < TM_PERSONALS; i++) {
        if (v->counts.personals[i] > 0 && v->n_present > 0) {
            json_object_set_new(
                parts, tm__personal_text((tm_personal)i),
                tm__json_number((double)v->counts.personals[i] / (double)v->n_present));
        }
    }
    if (v->personal != NULL || json_object_size(parts) > 0) {
        json_object_set_new(
            out, "personal",
            json_pack("{s:s?, s:O, s:s?}", "what", v->personal, "shares", parts, "policy",
                      v->personal == NULL ? NULL : tm__personal_policy(v->personal)));
    }
    json_decref(parts);
}

static json_t *column_json(const tm_profile_column *column, const tm_profile_words *words) {
    const column_view v = make_view(column);
    char min[64], max[64];
    const bool is_shown = v.personal == NULL || words->shows_values;
    bound_texts(&v, min, max);
    json_t *out =
        json_pack("{s:s, s:s, s:I, s:I, s:b, s:s, s:s, s:s, s:b}", "name", column->name, "type",
                  tm__type_text(v.type), "missing", (json_int_t)v.n_missing, "distinct",
                  (json_int_t)v.distinct, "distinct_exact", v.is_exact, "min", is_shown ? min : "",
                  "max", is_shown ? max : "", "note", find_note(&v), "identifier", v.is_id);
    if (out == NULL) {
        return tm__json_lost();
    }
    if (is_shown) {
        put_range(&v, out);
    }
    if (v.type == TM_TYPE_TEXT && v.n_present > 0) {
        put_texts(&v, out);
    }
    put_personal(&v, out);
    if (v.n_present > 0 && (!v.is_id || words->shows_values)) {
        put_top(&v, out);
    }
    return out;
}

/* Rows that equal one before them, and such whose targets differ. */
static void put_same(const tm_profile_sheet *sheet, json_t *out) {
    tm_sketch_same same;
    const struct {
        const char *name;
        const tm_sketch_rows *rows;
        bool are_conflicts;
    } all[] = {{"repeated", sheet->same, false}, {"conflicting", sheet->same_input, true}};
    for (uint32_t i = 0; i < 2; i++) {
        if (all[i].rows == NULL) {
            continue;
        }
        if (!tm__sketch_rows_same(all[i].rows, &same)) {
            (void)tm__json_lost();
            return;
        }
        const double share = all[i].are_conflicts ? same.share_conflicting : same.share_repeated;
        json_object_set_new(out, all[i].name,
                            json_pack("{s:o, s:I, s:b}", "share", tm__json_number(share), "rows",
                                      (json_int_t)(share * (double)sheet->n_rows + 0.5), "exact",
                                      same.is_exact));
    }
}

json_t *tm__profile_to_json(const tm_profile_sheet *sheet, const tm_profile_words *words) {
    json_t *columns = json_array();
    for (uint32_t col = 0; col < sheet->n_cols; col++) {
        json_array_append_new(columns, column_json(&sheet->cols[col], words));
    }
    json_t *out = json_pack("{s:I}", "rows", (json_int_t)sheet->n_rows);
    if (out == NULL) {
        json_decref(columns);
        return tm__json_lost();
    }
    put_same(sheet, out);
    json_object_set_new(out, "columns", columns);
    return out;
}
