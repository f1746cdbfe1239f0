/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fitted rows of one column look like: enough to decide what to make of it. One call looks
 * at one column alone, so that columns can be looked at by many threads.
 *
 * Texts are counted by their dictionary code. How a text is built (words, digits, patterns of
 * personal identifiers) is judged by a sample: every k-th distinct value, so that the answer does
 * not depend on chance.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "feature/feature_priv.h"
#include "table/personal.h"

#define SAMPLE 2000u
#define PREFIX_SAMPLE_SHARE 0.3 /* of values with digits that make prefixes worth a look */

static void profile_ints(const tm_column *column, const uint32_t *rows, tm_profile *out) {
    int64_t first = TM_INT_MISSING, last = TM_INT_MISSING;
    bool rises = true, falls = true, is_constant = true;
    uint32_t row_last = 0;
    out->min_us = INT64_MAX;
    out->max_us = INT64_MIN;
    for (uint64_t i = 0; i < out->n_rows; i++) {
        const int64_t value = column->ints[rows[i]];
        if (value == TM_INT_MISSING) {
            out->n_missing++;
            continue;
        }
        if (last == TM_INT_MISSING) {
            first = value;
        } else {
            const bool is_later = rows[i] > row_last;
            rises = rises && value != last && (value > last) == is_later;
            falls = falls && value != last && (value < last) == is_later;
            is_constant = is_constant && value == first;
        }
        last = value;
        row_last = rows[i];
        out->min_us = value < out->min_us ? value : out->min_us;
        out->max_us = value > out->max_us ? value : out->max_us;
    }
    out->is_constant = is_constant;
    out->is_id = (rises || falls) && out->n_missing == 0 && out->n_rows > 1;
}

static void profile_floats(const tm_column *column, const uint32_t *rows, tm_profile *out) {
    double first = NAN;
    bool is_constant = true;
    for (uint64_t i = 0; i < out->n_rows; i++) {
        const double value = column->floats[rows[i]];
        if (!isfinite(value)) {
            out->n_missing++;
            out->n_infinite += isnan(value) ? 0 : 1;
        } else if (isnan(first)) {
            first = value;
        } else {
            is_constant = is_constant && value == first;
        }
    }
    out->is_constant = is_constant;
}

/* Which parts of a time vary; each look ends at the first row that differs. */
static void profile_parts(const tm_column *column, const uint32_t *rows, tm_profile *out) {
    for (uint8_t part = 1; part <= TM_PART_DAYS; part++) {
        double first = NAN;
        for (uint64_t i = 0; i < out->n_rows && !out->parts[part]; i++) {
            const double value = tm__date_part((tm_date_part)part, column->ints[rows[i]]);
            if (isnan(first)) {
                first = value;
            } else {
                out->parts[part] = !isnan(value) && value != first;
            }
        }
    }
    for (uint64_t i = 0; i < out->n_rows && !out->has_minutes; i++) {
        const int64_t us = column->ints[rows[i]];
        out->has_minutes = us != TM_INT_MISSING && us % INT64_C(3600000000) != 0;
    }
}

#define CARD_LEAST INT64_C(1000000000000) /* of 13 digits */

static bool is_card_int(int64_t value) {
    char text[32];
    if (value > -CARD_LEAST && value < CARD_LEAST) {
        return false;
    }
    const int len = snprintf(text, sizeof(text), "%" PRId64, value);
    return tm__personal_of((tm_str){text, (size_t)len}) == TM_PERSONAL_CARD;
}

static void profile_cards(const tm_column *column, const uint32_t *rows, tm_profile *out) {
    const uint64_t step = out->n_rows / SAMPLE + 1;
    uint32_t n = 0, n_cards = 0;
    for (uint64_t i = 0; i < out->n_rows; i += step) {
        const int64_t value = column->ints[rows[i]];
        if (value == TM_INT_MISSING) {
            continue;
        }
        n++;
        n_cards += is_card_int(value);
    }
    out->is_card = n >= 20 && n_cards >= n - n / 20;
}

static uint32_t count_words(tm_str text, bool *has_digit) {
    uint32_t n = 0, n_letters = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = (uint8_t)text.ptr[i];
        const bool is_letter = c >= 128 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        *has_digit = *has_digit || (c >= '0' && c <= '9');
        n_letters = is_letter ? n_letters + 1 : 0;
        n += n_letters == 2;
    }
    return n;
}

/* How the texts are built, by a sample of the distinct ones. */
static void profile_forms(const tm_column *column, const uint32_t *counts, tm_profile *out) {
    const uint32_t n_codes = tm__dict_count(column->dict), step = out->n_distinct / SAMPLE + 1;
    uint32_t seen = 0, n = 0, matches[TM_PERSONALS + 1] = {0};
    uint64_t n_words = 0, n_digits = 0;
    for (uint32_t code = 0; code < n_codes; code++) {
        if (counts[code] == 0 || seen++ % step != 0) {
            continue;
        }
        const tm_str text = tm__dict_get(column->dict, code);
        bool has_digit = false;
        n++;
        n_words += count_words(text, &has_digit);
        n_digits += has_digit;
        matches[tm__personal_of(text)]++;
    }
    if (n == 0) {
        return;
    }
    out->n_words_mean = (double)n_words / n;
    out->digits_share = (double)n_digits / n;
    for (uint32_t p = 0; p < TM_PERSONALS; p++) {
        if (n > 20 && matches[p] >= n - n / 5) {
            out->pattern = tm__personal_words((tm_personal)p);
        }
    }
}

/* Values seen min_count times, sorted; false when out of memory. */
static bool keep_counts(const tm_dict *dict, const uint32_t *counts, uint32_t min_count,
                        tm_level_count **out, uint32_t *out_n) {
    const uint32_t n_codes = tm__dict_count(dict);
    uint32_t n = 0;
    for (uint32_t code = 0; code < n_codes; code++) {
        n += counts[code] >= min_count;
    }
    *out = tm__mem_alloc(n, sizeof(tm_level_count));
    if (*out == NULL) {
        return false;
    }
    *out_n = n;
    n = 0;
    for (uint32_t code = 0; code < n_codes; code++) {
        if (counts[code] >= min_count) {
            (*out)[n++] = (tm_level_count){
                .text = tm__dict_get(dict, code), .code = code, .count = counts[code]};
        }
    }
    tm__levels_sort(*out, n);
    return true;
}

static uint64_t rows_of(const tm_level_count *counts, uint32_t n) {
    uint64_t n_rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_rows += counts[i].count;
    }
    return n_rows;
}

/* Counts by prefix; false when out of memory. */
static bool profile_prefixes(const tm_column *column, const uint32_t *counts, uint32_t min_count,
                             tm_profile *out) {
    const uint32_t n_codes = tm__dict_count(column->dict);
    uint32_t *sums = tm__mem_zalloc(out->n_distinct, sizeof(uint32_t));
    out->prefixes = tm__dict_create();
    bool ok = sums != NULL && out->prefixes != NULL;
    for (uint32_t code = 0; ok && code < n_codes; code++) {
        if (counts[code] == 0) {
            continue;
        }
        const uint32_t key = tm__dict_add(
            out->prefixes, tm__text_derive(TM_DERIVE_PREFIX, tm__dict_get(column->dict, code)));
        ok = key != TM_CODE_MISSING;
        if (ok) {
            sums[key] += counts[code];
        }
    }
    ok = ok &&
         keep_counts(out->prefixes, sums, min_count, &out->prefix_counts, &out->n_prefix_counts);
    if (ok) {
        out->n_in_prefixes = rows_of(out->prefix_counts, out->n_prefix_counts);
    }
    tm__mem_free(sums);
    return ok;
}

static void profile_texts(const tm_column *column, const uint32_t *rows, uint32_t min_count,
                          tm_profile *out) {
    const uint32_t n_codes = tm__dict_count(column->dict);
    uint32_t *counts = tm__mem_zalloc(n_codes, sizeof(uint32_t));
    bool ok = counts != NULL;
    if (ok) {
        for (uint64_t i = 0; i < out->n_rows; i++) {
            const uint32_t code = column->codes[rows[i]];
            if (code == TM_CODE_MISSING) {
                out->n_missing++;
            } else {
                counts[code]++;
            }
        }
        for (uint32_t code = 0; code < n_codes; code++) {
            out->n_distinct += counts[code] > 0;
        }
        out->is_constant = out->n_distinct <= 1;
        profile_forms(column, counts, out);
        ok = keep_counts(column->dict, counts, min_count, &out->counts, &out->n_counts);
    }
    if (ok) {
        out->n_in_counts = rows_of(out->counts, out->n_counts);
        if (out->digits_share >= PREFIX_SAMPLE_SHARE && out->n_words_mean < 1.5) {
            ok = profile_prefixes(column, counts, min_count, out);
        }
    }
    if (!ok) {
        out->status = TM_E_NOMEM;
    }
    tm__mem_free(counts);
}

void tm__profile_column(const tm_column *column, const uint32_t *rows, uint64_t n_rows,
                        uint32_t min_count, tm_profile *out) {
    memset(out, 0, sizeof(*out));
    out->n_rows = n_rows;
    switch (column->type) {
    case TM_TYPE_FLOAT:
        profile_floats(column, rows, out);
        break;
    case TM_TYPE_TEXT:
        profile_texts(column, rows, min_count, out);
        break;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        profile_ints(column, rows, out);
        profile_parts(column, rows, out);
        break;
    default:
        profile_ints(column, rows, out);
        if (column->type == TM_TYPE_INT) {
            profile_cards(column, rows, out);
        }
        break;
    }
}

void tm__profile_done(tm_profile *profile) {
    tm__mem_free(profile->counts);
    tm__mem_free(profile->prefix_counts);
    tm__dict_free(profile->prefixes);
    memset(profile, 0, sizeof(*profile));
}
