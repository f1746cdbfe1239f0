/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One column: its values as numbers, times and texts beside each other.
 *
 *     cell ──> counts ──> evidence
 *          ├─> values[NUMBERS]      extremes, exact sums, ranks, distinct    made when the first
 *          ├─> values[TIMES]        the same                                 of their kind comes
 *          ├─> values[OTHER_TIMES]  national dates read the other way
 *          └─> texts                lengths, patterns, distinct, frequent
 *
 * A number is hashed by its value and by its text, so that 1 and 1.0 are one number and two texts.
 */
#include "table/sketch.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "table/schema.h"
#include "table/sketch_priv.h"

#define TEXT_KEY UINT64_C(0x736b657463686573)
#define SQUARE_MAX 1e140
#define INT_EXACT (INT64_C(1) << 53)

const char *tm__sketch_pattern_text(tm_sketch_pattern pattern) {
    static const char *const names[TM_PATTERNS] = {"number", "date", "bool", "email",
                                                   "url",    "code", "word", "words"};
    return names[pattern];
}

/* --- make --- */

tm_sketch *tm__sketch_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_sketch));
}

uint64_t tm__sketch_hash(tm_str text) {
    return tm__hash64(text.ptr, text.len, TEXT_KEY);
}

tm_sketch_values *tm__sketch_values_create(void) {
    tm_sketch_values *const values = tm__mem_zalloc(1, sizeof(*values));
    if (values != NULL) {
        values->is_int = true;
    }
    return values;
}

/* One finite number. */
typedef struct number {
    double value;
    int64_t i64;
    bool is_int;
} number;

static bool values_add(tm_sketch_values **all, number x) {
    if (*all == NULL) {
        *all = tm__sketch_values_create();
    }
    tm_sketch_values *const v = *all;
    if (v == NULL) {
        return false;
    }
    const double value = x.value == 0 ? 0 : x.value; /* no minus */
    if (v->n == 0) {
        v->min = v->max = value;
        v->int_min = v->int_max = x.i64;
    }
    v->n++;
    v->min = value < v->min ? value : v->min;
    v->max = value > v->max ? value : v->max;
    v->is_int = v->is_int && x.is_int;
    v->int_min = x.i64 < v->int_min ? x.i64 : v->int_min;
    v->int_max = x.i64 > v->int_max ? x.i64 : v->int_max;
    v->is_huge = v->is_huge || fabs(value) > SQUARE_MAX;
    tm__exact_add(&v->sum, value);
    if (!v->is_huge) {
        tm__exact_add_square(&v->squares, value);
    }
    /* Ints beyond 2^53 differ where their doubles do not. */
    const bool is_wide = x.is_int && (x.i64 > INT_EXACT || x.i64 < -INT_EXACT);
    const uint64_t hash = is_wide ? tm__rng_at(TEXT_KEY + 1, (uint64_t)x.i64)
                                  : tm__rng_at(TEXT_KEY, tm__f64_bits(value));
    return tm__ranks_add(&v->ranks, value) && tm__distinct_add(&v->distinct, hash);
}

static bool values_repeat(tm_sketch_values **all, number x, uint64_t count) {
    bool ok = true;
    for (uint64_t i = 0; ok && i < count; i++) {
        ok = values_add(all, x);
    }
    return ok;
}

static uint64_t count_chars(tm_str text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.ptr[i] & 0xC0u) != 0x80u;
    }
    return n;
}

/* What a text that is no number, date or bool looks like. */
static tm_sketch_pattern find_pattern(tm_str text) {
    bool has_blank = false, has_at = false, has_other = false;
    uint32_t n_digits = 0, n_letters = 0, n_hex = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const char lower = (char)(c | 0x20);
        n_digits += tm__is_digit(c);
        n_letters += lower >= 'a' && lower <= 'z';
        n_hex += lower >= 'a' && lower <= 'f';
        has_blank = has_blank || c == ' ';
        has_at = has_at || c == '@';
        has_other = has_other || (unsigned char)c >= 0x80;
    }
    if (has_at && tm__text_is_email(text)) {
        return TM_PATTERN_EMAIL;
    }
    if (tm__str_has_prefix(text, "http://") || tm__str_has_prefix(text, "https://")) {
        return TM_PATTERN_URL;
    }
    if (has_blank) {
        return TM_PATTERN_WORDS;
    }
    const bool is_hex = n_hex == n_letters && n_digits + n_hex >= 16;
    return !has_other && n_digits > 0 && (n_digits >= 3 || is_hex) ? TM_PATTERN_CODE
                                                                   : TM_PATTERN_WORD;
}

/* Of numbers only those that are long enough for a card can tell. */
static uint32_t find_personal(const tm_sketch_cell *cell) {
    if (cell->has_time || cell->is_bool || (cell->has_number && cell->text.len < 13)) {
        return 0;
    }
    const uint32_t kinds = tm__personal_in(cell->text);
    return cell->has_number ? kinds & 1u << TM_PERSONAL_CARD : kinds;
}

static bool texts_add(tm_sketch_texts *t, const tm_sketch_cell *cell, uint64_t count) {
    const uint64_t chars = count_chars(cell->text);
    const uint64_t hash = cell->hash != 0 ? cell->hash : tm__sketch_hash(cell->text);
    const tm_sketch_pattern pattern = cell->has_number ? TM_PATTERN_NUMBER
                                      : cell->has_time ? TM_PATTERN_DATE
                                      : cell->is_bool  ? TM_PATTERN_BOOL
                                                       : find_pattern(cell->text);
    t->chars_min = t->n == 0 || chars < t->chars_min ? chars : t->chars_min;
    t->chars_max = chars > t->chars_max ? chars : t->chars_max;
    t->n += count;
    t->chars += chars * count;
    t->patterns[pattern] += count;
    const uint32_t kinds = find_personal(cell);
    for (uint32_t i = 0; kinds != 0 && i < TM_PERSONALS; i++) {
        t->personals[i] += (kinds >> i & 1u) != 0 ? count : 0;
    }
    return tm__distinct_add(&t->distinct, hash) && tm__tops_add(&t->tops, hash, cell->text, count);
}

bool tm__sketch_add(tm_sketch *s, const tm_sketch_cell *cell) {
    const uint64_t count = cell->count == 0 ? 1 : cell->count;
    bool ok = true;
    s->n_rows += count;
    s->evidence |= cell->evidence;
    s->n_marks += cell->is_mark ? count : 0;
    s->n_bools += cell->is_bool ? count : 0;
    s->n_trues += cell->is_bool && cell->i64 != 0 ? count : 0;
    if (cell->has_number && isinf(cell->f64)) {
        s->n_infinite_low += cell->f64 < 0 ? count : 0;
        s->n_infinite_high += cell->f64 > 0 ? count : 0;
    } else if (cell->has_number) {
        const number x = {cell->f64, cell->i64, cell->has_int};
        s->n_ints += cell->has_int ? count : 0;
        ok = values_repeat(&s->values[TM_READ_NUMBERS], x, count);
    }
    if (cell->has_time) {
        const number x = {(double)cell->time_us, cell->time_us, true};
        ok = ok && values_repeat(&s->values[TM_READ_TIMES], x, count);
    }
    if (cell->has_other_time) {
        const number x = {(double)cell->other_us, cell->other_us, true};
        ok = ok && values_repeat(&s->values[TM_READ_OTHER_TIMES], x, count);
    }
    return ok && texts_add(&s->texts, cell, count);
}

void tm__sketch_add_missing(tm_sketch *s, uint64_t n_rows) {
    s->n_rows += n_rows;
    s->n_missing += n_rows;
}

/* --- typed columns --- */

static bool add_ints(tm_sketch *s, const tm_column *column, uint64_t row, uint64_t row_end) {
    bool ok = true;
    for (; ok && row < row_end; row++) {
        char text[64];
        const int64_t value = column->ints[row];
        if (value == TM_INT_MISSING) {
            tm__sketch_add_missing(s, 1);
            continue;
        }
        tm_sketch_cell cell = {.text = {text, 0}, .i64 = value, .f64 = (double)value};
        if (column->type == TM_TYPE_BOOL) {
            cell.text = tm__str(value != 0 ? "true" : "false");
            cell.is_bool = true;
        } else if (column->type == TM_TYPE_INT) {
            char *const end = text + sizeof(text);
            char *at = end;
            uint64_t rest = value < 0 ? (uint64_t)-value : (uint64_t)value;
            do {
                *--at = (char)('0' + rest % 10);
                rest /= 10;
            } while (rest > 0);
            if (value < 0) {
                *--at = '-';
            }
            cell.text = (tm_str){at, (size_t)(end - at)};
            cell.has_number = true;
            cell.has_int = true;
        } else {
            cell.text.len = column->type == TM_TYPE_DATE ? tm__date_to_text(value, text)
                                                         : tm__time_to_text(value, text);
            cell.has_time = true;
            cell.time_us = value;
        }
        ok = tm__sketch_add(s, &cell);
    }
    return ok;
}

static bool add_floats(tm_sketch *s, const tm_column *column, uint64_t row, uint64_t row_end) {
    bool ok = true;
    for (; ok && row < row_end; row++) {
        char text[64];
        const double value = column->floats[row];
        if (isnan(value)) {
            tm__sketch_add_missing(s, 1);
            continue;
        }
        const tm_sketch_cell cell = {
            .text = {text, tm__f64_to_text(value, text)}, .f64 = value, .has_number = true};
        ok = tm__sketch_add(s, &cell);
    }
    return ok;
}

static bool add_code(tm_sketch *s, const tm_dict *dict, uint32_t code, uint64_t count) {
    const tm_sketch_cell cell = {.text = tm__dict_get(dict, code), .count = count};
    return tm__sketch_add(s, &cell);
}

/* Each text once, with its count. */
static bool add_codes(tm_sketch *s, const tm_column *column, uint64_t row, uint64_t row_end) {
    const uint32_t n_codes = tm__dict_count(column->dict);
    uint64_t *const counts = tm__mem_zalloc((size_t)n_codes + 1, sizeof(*counts));
    bool ok = counts != NULL;
    for (; ok && row < row_end; row++) {
        const uint32_t code = column->codes[row];
        if (code == TM_CODE_MISSING) {
            tm__sketch_add_missing(s, 1);
        } else {
            counts[code]++;
        }
    }
    for (uint32_t code = 0; ok && code < n_codes; code++) {
        ok = counts[code] == 0 || add_code(s, column->dict, code, counts[code]);
    }
    tm__mem_free(counts);
    return ok;
}

bool tm__sketch_add_column(tm_sketch *s, const tm_column *column, uint64_t row, uint64_t row_end) {
    return column->codes != NULL    ? add_codes(s, column, row, row_end)
           : column->floats != NULL ? add_floats(s, column, row, row_end)
                                    : add_ints(s, column, row, row_end);
}

/* --- merge --- */

static bool values_merge(tm_sketch_values **all, const tm_sketch_values *from) {
    if (from == NULL || from->n == 0) {
        return true;
    }
    if (*all == NULL) {
        *all = tm__sketch_values_create();
    }
    tm_sketch_values *const v = *all;
    if (v == NULL) {
        return false;
    }
    const bool is_first = v->n == 0;
    v->n += from->n;
    v->is_int = v->is_int && from->is_int;
    v->is_huge = v->is_huge || from->is_huge;
    v->min = is_first || from->min < v->min ? from->min : v->min;
    v->max = is_first || from->max > v->max ? from->max : v->max;
    v->int_min = is_first || from->int_min < v->int_min ? from->int_min : v->int_min;
    v->int_max = is_first || from->int_max > v->int_max ? from->int_max : v->int_max;
    tm__exact_merge(&v->sum, &from->sum);
    tm__exact_merge(&v->squares, &from->squares);
    return tm__ranks_merge(&v->ranks, &from->ranks) &&
           tm__distinct_merge(&v->distinct, &from->distinct);
}

static bool texts_merge(tm_sketch_texts *t, const tm_sketch_texts *from) {
    if (from->n == 0) {
        return true;
    }
    t->chars_min = t->n == 0 || from->chars_min < t->chars_min ? from->chars_min : t->chars_min;
    t->chars_max = from->chars_max > t->chars_max ? from->chars_max : t->chars_max;
    t->n += from->n;
    t->chars += from->chars;
    for (uint32_t i = 0; i < TM_PATTERNS; i++) {
        t->patterns[i] += from->patterns[i];
    }
    for (uint32_t i = 0; i < TM_PERSONALS; i++) {
        t->personals[i] += from->personals[i];
    }
    return tm__distinct_merge(&t->distinct, &from->distinct) &&
           tm__tops_merge(&t->tops, &from->tops);
}

bool tm__sketch_merge(tm_sketch *s, const tm_sketch *from) {
    bool ok = true;
    s->n_rows += from->n_rows;
    s->n_missing += from->n_missing;
    s->n_marks += from->n_marks;
    s->n_ints += from->n_ints;
    s->n_bools += from->n_bools;
    s->n_trues += from->n_trues;
    s->n_infinite_low += from->n_infinite_low;
    s->n_infinite_high += from->n_infinite_high;
    s->evidence |= from->evidence;
    for (uint32_t i = 0; ok && i < TM_READINGS; i++) {
        ok = values_merge(&s->values[i], from->values[i]);
    }
    return ok && texts_merge(&s->texts, &from->texts);
}

static void values_reset(tm_sketch_values *v) {
    tm_sketch_values fresh = {.is_int = true, .ranks = v->ranks, .distinct = v->distinct};
    tm__ranks_reset(&fresh.ranks);
    tm__distinct_reset(&fresh.distinct);
    *v = fresh;
}

void tm__sketch_reset(tm_sketch *s) {
    tm_sketch fresh = {.texts = {.distinct = s->texts.distinct, .tops = s->texts.tops}};
    tm__distinct_reset(&fresh.texts.distinct);
    tm__tops_reset(&fresh.texts.tops);
    for (uint32_t i = 0; i < TM_READINGS; i++) {
        fresh.values[i] = s->values[i];
        if (s->values[i] != NULL) {
            values_reset(s->values[i]);
        }
    }
    *s = fresh;
}

/* --- look --- */

void tm__sketch_counts(const tm_sketch *s, tm_sketch_counts *out) {
    const tm_sketch_values *const numbers = s->values[TM_READ_NUMBERS];
    const tm_sketch_values *const times = s->values[TM_READ_TIMES];
    *out = (tm_sketch_counts){
        .n_rows = s->n_rows,
        .n_missing = s->n_missing,
        .n_marks = s->n_marks,
        .n_numbers = (numbers != NULL ? numbers->n : 0) + s->n_infinite_low + s->n_infinite_high,
        .n_ints = s->n_ints,
        .n_times = times != NULL ? times->n : 0,
        .n_bools = s->n_bools,
        .n_trues = s->n_trues,
        .n_infinite_low = s->n_infinite_low,
        .n_infinite_high = s->n_infinite_high,
        .chars_min = s->texts.chars_min,
        .chars_max = s->texts.chars_max,
        .chars_mean = s->texts.n > 0 ? (double)s->texts.chars / (double)s->texts.n : 0,
        .evidence = s->evidence,
    };
    memcpy(out->patterns, s->texts.patterns, sizeof(out->patterns));
    memcpy(out->personals, s->texts.personals, sizeof(out->personals));
}

static const tm_sketch_values *values_of(const tm_sketch *s, tm_sketch_reading reading) {
    return reading < TM_READINGS && s->values[reading] != NULL && s->values[reading]->n > 0
               ? s->values[reading]
               : NULL;
}

/* a * b to about 100 bits. */
static void multiply(const double a[2], const double b[2], double out[2]) {
    const double high = a[0] * b[0];
    const double big_a = 134217729.0 * a[0], big_b = 134217729.0 * b[0];
    const double a1 = big_a - (big_a - a[0]), b1 = big_b - (big_b - b[0]);
    const double a2 = a[0] - a1, b2 = b[0] - b1;
    const double rest = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2;
    out[0] = high;
    out[1] = rest + (a[0] * b[1] + a[1] * b[0]);
}

/* (high + low) / n, the quotient corrected by its remainder. */
static double divide(double high, double low, double n) {
    double back[2];
    const double quotient = high / n;
    multiply((double[2]){quotient, 0}, (double[2]){n, 0}, back);
    return quotient + ((high - back[0]) - back[1] + low) / n;
}

/* Sum of squared distances from the mean: squares - sum * sum / n, to about 100 bits. */
static double squared_distances(const tm_sketch_values *v) {
    const tm_exact_value sum = tm__exact_value(&v->sum), squares = tm__exact_value(&v->squares);
    const double n = (double)v->n;
    const double s[2] = {ldexp(sum.high, sum.exponent), ldexp(sum.low, sum.exponent)};
    const double q[2] = {ldexp(squares.high, squares.exponent),
                         ldexp(squares.low, squares.exponent)};
    double product[2], back[2];
    multiply(s, s, product);
    const double first = product[0] / n;
    multiply((double[2]){first, 0}, (double[2]){n, 0}, back);
    const double second = ((product[0] - back[0]) + (product[1] - back[1])) / n;
    return (q[0] - first) + (q[1] - second);
}

void tm__sketch_range(const tm_sketch *s, tm_sketch_reading reading, tm_sketch_range *out) {
    const double none = tm__nan();
    const tm_sketch_values *const v = values_of(s, reading);
    *out = (tm_sketch_range){.min = none, .max = none, .mean = none, .spread = none};
    if (v == NULL) {
        return;
    }
    const tm_exact_value sum = tm__exact_value(&v->sum);
    out->n = v->n;
    out->is_int = v->is_int;
    out->int_min = v->int_min;
    out->int_max = v->int_max;
    out->min = v->min;
    out->max = v->max;
    out->mean = ldexp(divide(sum.high, sum.low, (double)v->n), sum.exponent);
    if (v->n > 1 && !v->is_huge) {
        const double squares = squared_distances(v);
        out->spread = squares > 0 ? tm__sqrt(squares / (double)(v->n - 1)) : 0;
    }
}

bool tm__sketch_quantiles(const tm_sketch *s, tm_sketch_reading reading, const double *shares,
                          uint32_t n_shares, double *out) {
    const tm_sketch_values *const v = values_of(s, reading);
    uint32_t n = 0, at = 0;
    if (v == NULL) {
        for (uint32_t i = 0; i < n_shares; i++) {
            out[i] = tm__nan();
        }
        return true;
    }
    tm_rank_item *const items = tm__ranks_items(&v->ranks, &n);
    if (items == NULL) {
        return false;
    }
    uint64_t below = 0;
    for (uint32_t i = 0; i < n_shares; i++) {
        const double want = ceil(shares[i] * (double)v->n);
        while (at < n && (double)(below + items[at].weight) < want) {
            below += items[at++].weight;
        }
        out[i] = want <= 1 ? v->min : want >= (double)v->n || at >= n ? v->max : items[at].value;
    }
    tm__mem_free(items);
    return true;
}

bool tm__sketch_ranks(const tm_sketch *s, tm_sketch_reading reading, const double *bounds,
                      uint32_t n_bounds, uint64_t *out) {
    const tm_sketch_values *const v = values_of(s, reading);
    uint32_t n = 0, at = 0;
    tm_rank_item *const items = v == NULL ? NULL : tm__ranks_items(&v->ranks, &n);
    if (v != NULL && items == NULL) {
        return false;
    }
    uint64_t below = 0;
    for (uint32_t i = 0; i < n_bounds; i++) {
        while (at < n && items[at].value <= bounds[i]) {
            below += items[at++].weight;
        }
        out[i] = v == NULL ? 0 : bounds[i] >= v->max ? v->n : bounds[i] < v->min ? 0 : below;
    }
    tm__mem_free(items);
    return true;
}

uint64_t tm__sketch_distinct(const tm_sketch *s, tm_sketch_reading reading, bool *out_exact) {
    *out_exact = true;
    if (reading == TM_READ_TEXTS) {
        return tm__distinct_count(&s->texts.distinct, out_exact);
    }
    const tm_sketch_values *const v = values_of(s, reading);
    return v == NULL ? 0 : tm__distinct_count(&v->distinct, out_exact);
}

uint32_t tm__sketch_top(const tm_sketch *s, tm_sketch_item *out, uint32_t n_max) {
    return tm__tops_list(&s->texts.tops, out, n_max);
}

uint64_t tm__sketch_top_short(const tm_sketch *s) {
    return s->texts.tops.n_short;
}

void tm__sketch_free(tm_sketch *s) {
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < TM_READINGS; i++) {
        if (s->values[i] != NULL) {
            tm__ranks_done(&s->values[i]->ranks);
            tm__distinct_done(&s->values[i]->distinct);
            tm__mem_free(s->values[i]);
        }
    }
    tm__distinct_done(&s->texts.distinct);
    tm__tops_done(&s->texts.tops);
    tm__mem_free(s);
}
