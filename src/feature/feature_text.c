/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts as terms. A text has two kinds of terms, each named by a 64-bit hash that is keyed by its
 * column:
 *
 *   words     runs of letters, digits and bytes above 127, lower-cased in ASCII only, and pairs of
 *             neighbouring words;
 *   pieces    2 to 4 characters (of UTF-8) of a blank-separated word with one blank before and one
 *             behind it, punctuation included.
 *
 * The vocabulary of a column are the terms that its training texts shared; others are not counted.
 * Reading a text counts its terms in an array over the vocabulary, so that a text of any length
 * needs no memory of its own:
 *
 *   counts   [n_terms]   0 0 2 0 1 0 ...     zeroed again through `touched` before the next text
 *   touched  [n_touched] 2 4 ...             sorted after reading
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

#define SALT_WORD UINT64_C(0x9ae16a3b2f90404f)
#define SALT_PAIR UINT64_C(0xc949c7defeb0ed1d)
#define SALT_PIECE UINT64_C(0xb492b66fbe98f273)
#define SALT_WHOLE UINT64_C(0x2545f4914f6cdd1d)
#define STEP_PRIME UINT64_C(0x00000100000001b3)
#define PIECE_MIN 2u
#define PIECE_MAX 4u

static inline uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 29;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static inline uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static inline bool is_word_byte(uint8_t byte) {
    return byte >= 128 || (byte >= '0' && byte <= '9') ||
           (lower(byte) >= 'a' && lower(byte) <= 'z');
}

static inline bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

uint64_t tm__text_key(uint32_t input) {
    return mix(UINT64_C(0x7464696d696c6c00) + input);
}

uint64_t tm__text_hash(tm_str text) {
    uint64_t hash = SALT_WHOLE;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (uint8_t)text.ptr[i]) * STEP_PRIME;
    }
    return mix(hash);
}

static void walk_words(tm_str value, uint64_t key, tm_term_fn fn, void *arg) {
    uint64_t before = 0;
    size_t before_start = 0;
    bool has_before = false;
    size_t at = 0;
    while (at < value.len) {
        if (!is_word_byte((uint8_t)value.ptr[at])) {
            at++;
            continue;
        }
        const size_t start = at;
        uint64_t hash = key ^ SALT_WORD;
        for (; at < value.len && is_word_byte((uint8_t)value.ptr[at]); at++) {
            hash = (hash ^ lower((uint8_t)value.ptr[at])) * STEP_PRIME;
        }
        hash = mix(hash);
        fn(arg, hash, true, (tm_str){value.ptr + start, at - start});
        if (has_before) {
            fn(arg, mix((before * 3) ^ hash ^ SALT_PAIR), true,
               (tm_str){value.ptr + before_start, at - before_start});
        }
        before = hash;
        before_start = start;
        has_before = true;
    }
}

/* Pieces of one blank-separated word: position 0 and len + 1 are blanks around it. */
static void walk_pieces(const uint8_t *word, size_t len, uint64_t key, tm_term_fn fn, void *arg) {
    for (size_t start = 0; start <= len; start++) {
        if (start > 0 && (word[start - 1] & 0xC0) == 0x80) {
            continue;
        }
        uint64_t hash = key ^ SALT_PIECE;
        uint32_t n_chars = 0;
        for (size_t at = start; at <= len + 1; at++) {
            const uint8_t byte = at == 0 || at == len + 1 ? ' ' : word[at - 1];
            if ((byte & 0xC0) != 0x80) { /* a character begins: the piece before it is whole */
                if (n_chars >= PIECE_MIN) {
                    fn(arg, mix(hash), false, (tm_str){NULL, 0});
                }
                if (n_chars == PIECE_MAX) {
                    break;
                }
                n_chars++;
            }
            hash = (hash ^ lower(byte)) * STEP_PRIME;
            if (at == len + 1 && n_chars >= PIECE_MIN) {
                fn(arg, mix(hash), false, (tm_str){NULL, 0});
            }
        }
    }
}

void tm__text_walk(tm_str value, uint64_t key, tm_term_fn fn, void *arg) {
    walk_words(value, key, fn, arg);
    size_t at = 0;
    while (at < value.len) {
        if (is_blank((uint8_t)value.ptr[at])) {
            at++;
            continue;
        }
        const size_t start = at;
        while (at < value.len && !is_blank((uint8_t)value.ptr[at])) {
            at++;
        }
        walk_pieces((const uint8_t *)value.ptr + start, at - start, key, fn, arg);
    }
}

tm_status tm__text_index(tm_text *text, tm_err *err) {
    for (uint32_t i = 1; i < text->n_terms; i++) {
        if (text->hashes[i] <= text->hashes[i - 1]) {
            return TM_FAIL(err, TM_E_DATA, "terms are not in order");
        }
    }
    uint32_t n_slots = 8;
    while (n_slots < UINT32_C(0x80000000) && n_slots / 2 <= text->n_terms) {
        n_slots *= 2;
    }
    uint32_t *slots = tm__mem_zalloc(n_slots, sizeof(uint32_t));
    if (slots == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
    }
    for (uint32_t i = 0; i < text->n_terms; i++) {
        uint32_t at = (uint32_t)text->hashes[i] & (n_slots - 1), n_probes = 0;
        while (slots[at] != 0) {
            at = (at + 1) & (n_slots - 1);
            if (++n_probes > TM_PROBES_MAX) {
                tm__mem_free(slots);
                return TM_FAIL(err, TM_E_DATA, "terms share too many bits");
            }
        }
        slots[at] = i + 1;
    }
    text->slots = slots;
    text->n_slots = n_slots;
    return TM_OK;
}

void tm__text_done(tm_text *text) {
    tm__mem_free(text->hashes);
    tm__mem_free(text->idf);
    tm__mem_free(text->scores);
    tm__mem_free(text->slots);
    memset(text, 0, sizeof(*text));
}

tm_status tm__text_scratch_init(tm_text_scratch *scratch, uint32_t n_terms_max, tm_err *err) {
    memset(scratch, 0, sizeof(*scratch));
    scratch->counts = tm__mem_zalloc(n_terms_max, sizeof(uint32_t));
    scratch->touched = tm__mem_alloc(n_terms_max, sizeof(uint32_t));
    scratch->bits = tm__mem_zalloc(n_terms_max / 64 + 1, sizeof(uint64_t));
    if (scratch->counts == NULL || scratch->touched == NULL || scratch->bits == NULL) {
        tm__text_scratch_done(scratch);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
    }
    return TM_OK;
}

void tm__text_scratch_done(tm_text_scratch *scratch) {
    tm__mem_free(scratch->counts);
    tm__mem_free(scratch->touched);
    tm__mem_free(scratch->bits);
    memset(scratch, 0, sizeof(*scratch));
}

typedef struct reading {
    tm_text_scratch *scratch;
    const tm_text *text;
} reading;

static void count_term(void *arg, uint64_t hash, bool is_word, tm_str part) {
    (void)is_word;
    (void)part;
    reading *r = arg;
    const tm_text *text = r->text;
    uint32_t at = (uint32_t)hash & (text->n_slots - 1);
    while (text->slots[at] != 0) {
        const uint32_t term = text->slots[at] - 1;
        if (text->hashes[term] == hash) {
            if (r->scratch->counts[term]++ == 0) {
                r->scratch->touched[r->scratch->n_touched++] = term;
            }
            return;
        }
        at = (at + 1) & (text->n_slots - 1);
    }
}

/* Puts the touched terms in order: few by insertion, many through a set of bits over the
 * vocabulary, which is three times as fast as a heap for a text of 100 bytes. */
static void sort_terms(tm_text_scratch *scratch, uint32_t n_terms) {
    uint32_t *terms = scratch->touched;
    if (scratch->n_touched <= 24) {
        for (uint32_t i = 1; i < scratch->n_touched; i++) {
            const uint32_t term = terms[i];
            uint32_t at = i;
            for (; at > 0 && terms[at - 1] > term; at--) {
                terms[at] = terms[at - 1];
            }
            terms[at] = term;
        }
        return;
    }
    for (uint32_t i = 0; i < scratch->n_touched; i++) {
        scratch->bits[terms[i] / 64] |= UINT64_C(1) << (terms[i] % 64);
    }
    uint32_t n = 0;
    for (uint32_t word = 0; word <= (n_terms - 1) / 64; word++) {
        uint64_t bits = scratch->bits[word];
        scratch->bits[word] = 0;
        for (; bits != 0; bits &= bits - 1) {
            terms[n++] = word * 64 + (uint32_t)__builtin_ctzll(bits);
        }
    }
}

static void count_characters(tm_text_scratch *scratch, tm_str value) {
    bool in_word = false;
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t byte = (uint8_t)value.ptr[i];
        const bool is_upper = byte >= 'A' && byte <= 'Z';
        const bool is_part = is_word_byte(byte);
        scratch->n_chars += (byte & 0xC0) != 0x80;
        scratch->n_digits += byte >= '0' && byte <= '9';
        scratch->n_upper += is_upper;
        scratch->n_letters += is_upper || (byte >= 'a' && byte <= 'z');
        scratch->n_words += is_part && !in_word;
        in_word = is_part;
    }
}

void tm__text_read(tm_text_scratch *scratch, const tm_text *text, const tm_str *value) {
    for (uint32_t i = 0; i < scratch->n_touched; i++) {
        scratch->counts[scratch->touched[i]] = 0;
    }
    scratch->n_touched = 0;
    scratch->n_chars = scratch->n_words = scratch->n_digits = 0;
    scratch->n_letters = scratch->n_upper = 0;
    scratch->is_missing = value == NULL;
    if (value == NULL) {
        return;
    }
    count_characters(scratch, *value);
    reading r = {.scratch = scratch, .text = text};
    tm__text_walk(*value, tm__text_key(text->input), count_term, &r);
    sort_terms(scratch, text->n_terms);
}

double tm__text_score(const tm_text_scratch *scratch, const tm_text *text, const float *scores,
                      uint32_t k) {
    double sum = 0;
    for (uint32_t i = 0; i < scratch->n_touched; i++) {
        const uint32_t term = scratch->touched[i];
        sum += (double)scores[(size_t)term * text->n_scores + k];
    }
    return scratch->n_touched == 0 ? 0 : sum / (double)scratch->n_touched;
}

double tm__text_value(const tm_text_scratch *scratch, const tm_text *text, const tm_step *step) {
    if (step->part == TM_TEXT_TERM) {
        return scratch->counts[step->item] > 0 ? 1 : 0;
    }
    if (scratch->is_missing) {
        return tm__nan();
    }
    switch ((tm_text_part)step->part) {
    case TM_TEXT_CHARS:
        return (double)scratch->n_chars;
    case TM_TEXT_WORDS:
        return (double)scratch->n_words;
    case TM_TEXT_DIGITS:
        return scratch->n_chars == 0 ? 0 : (double)scratch->n_digits / (double)scratch->n_chars;
    case TM_TEXT_UPPER:
        return scratch->n_letters == 0 ? 0 : (double)scratch->n_upper / (double)scratch->n_letters;
    case TM_TEXT_SCORE:
        return tm__text_score(scratch, text, text->scores, step->item);
    case TM_TEXT_TERM:
        break;
    }
    return tm__nan();
}

uint32_t tm__text_weights(const tm_text_scratch *scratch, const tm_text *text, uint32_t *out_terms,
                          float *out_values) {
    double sum = 0;
    for (uint32_t i = 0; i < scratch->n_touched; i++) {
        const uint32_t term = scratch->touched[i];
        const uint32_t count = scratch->counts[term];
        const double times = count == 1 ? 1 : 1 + tm__log((double)count);
        const double weight = times * (double)text->idf[term];
        out_terms[i] = text->first_term + term;
        out_values[i] = (float)weight;
        sum += weight * weight;
    }
    const double scale = sum > 0 ? 1 / tm__sqrt(sum) : 0;
    for (uint32_t i = 0; i < scratch->n_touched; i++) {
        out_values[i] = (float)((double)out_values[i] * scale);
    }
    return scratch->n_touched;
}
