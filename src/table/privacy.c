/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   pseudonym   p_ + 24 characters of base64url:  15 bytes of BLAKE2b(key, value) | 3 bytes of
 *               BLAKE2b(key, those 15), by which a pseudonym is known again
 */
#include "table/privacy.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "table/schema.h"
#include "table/table_priv.h"

#define VALUE_BYTES 15u
#define CHECK_BYTES 3u
#define PSEUDONYM_CHARS 26u /* "p_" and 18 bytes in base64url */
#define PREFIX_MAX 1000u
#define WIDTH_MAX 1e15
#define KEY_KNOWN "tidemill.pseudonyms"

/* ---- Words ---- */

static tm_status unknown(const char *column, const char *text, tm_err *err) {
    static const char *const words[] = {"drop", "pseudonym", "mask", "generalise"};
    const char *const near = tm__str_nearest(tm__str(text), words, 4);
    (void)TM_FAIL(err, TM_E_USAGE, "column '%s' has no policy '%s'", column, text);
    if (near != NULL && strcmp(near, "generalise") != 0) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "Policies are plain, drop, pseudonym, mask, and generalise:10, :month, "
                         ":year, :prefix:3 or :ip.");
    }
    return TM_E_USAGE;
}

static bool parse_how(tm_str how, tm_privacy *out) {
    uint64_t n = 0;
    if (tm__str_is(how, "month") || tm__str_is(how, "year")) {
        out->kind = how.ptr[0] == 'm' ? TM_PRIVACY_MONTH : TM_PRIVACY_YEAR;
        return true;
    }
    if (tm__str_is(how, "ip")) {
        out->kind = TM_PRIVACY_NETWORK;
        return true;
    }
    if (tm__str_has_prefix(how, "prefix:")) {
        const tm_str rest = {how.ptr + 7, how.len - 7};
        out->kind = TM_PRIVACY_PREFIX;
        if (!tm__str_to_u64(rest, &n) || n < 1 || n > PREFIX_MAX) {
            return false;
        }
        out->n_kept = (uint32_t)n;
        return true;
    }
    out->kind = TM_PRIVACY_BAND;
    return tm__str_to_f64(how, &out->width) && out->width > 0 && out->width <= WIDTH_MAX;
}

/* "mask", or words with commas between them: which of them are roles is the declaration's to know.
 */
static bool parse_mask(tm_str words, tm_privacy *out) {
    bool is_word = false;
    if (!tm__str_has_prefix(words, "mask") || words.len >= TM_PRIVACY_TEXT ||
        (words.len > 4 && words.ptr[4] != ':')) {
        return false;
    }
    for (size_t i = 5; i < words.len; i++) {
        const bool is_letter = words.ptr[i] >= 'a' && words.ptr[i] <= 'z';
        if (!is_letter && (words.ptr[i] != ',' || !is_word)) {
            return false;
        }
        is_word = is_letter;
    }
    out->kind = TM_PRIVACY_MASK;
    return is_word || words.len == 4;
}

static bool gives(tm_privacy_kind kind, tm_type type) {
    switch (kind) {
    case TM_PRIVACY_PSEUDONYM:
    case TM_PRIVACY_PREFIX:
    case TM_PRIVACY_NETWORK:
        return type == TM_TYPE_TEXT;
    case TM_PRIVACY_BAND:
        return type == TM_TYPE_INT || type == TM_TYPE_FLOAT;
    case TM_PRIVACY_MONTH:
    case TM_PRIVACY_YEAR:
        return type == TM_TYPE_DATE || type == TM_TYPE_TIME;
    default:
        return true;
    }
}

tm_status tm__privacy_parse(const char *column, const char *text, tm_type type, tm_privacy *out,
                            tm_err *err) {
    tm_privacy p = {0};
    const tm_str words = tm__str(text);
    if (strcmp(text, "plain") == 0) {
        *out = p;
        return TM_OK;
    }
    if (strcmp(text, "drop") == 0) {
        p.kind = TM_PRIVACY_DROP;
    } else if (strcmp(text, "pseudonym") == 0) {
        p.kind = TM_PRIVACY_PSEUDONYM;
    } else if (parse_mask(words, &p)) {
        /* any type */
    } else if (words.len >= TM_PRIVACY_TEXT || !tm__str_has_prefix(words, "generalise:") ||
               !parse_how((tm_str){text + 11, words.len - 11}, &p)) {
        return unknown(column, text, err);
    }
    const bool is_whole = p.kind != TM_PRIVACY_BAND || type != TM_TYPE_INT ||
                          (p.width == floor(p.width) && p.width < 0x1p53);
    if (type != TM_TYPE_NONE && (!gives(p.kind, type) || !is_whole)) {
        (void)TM_FAIL(err, TM_E_USAGE, "column '%s' is %s, which '%s' does not give", column,
                      tm__type_text(type), text);
        tm_err_hint(err, "%s",
                    gives(p.kind, TM_TYPE_TEXT) ? "Declare it as text, or leave the type out."
                    : gives(p.kind, TM_TYPE_DATE)
                        ? "Declare it as date or time, or leave the type out."
                        : "Declare it as a number that holds the bands, or leave the type out.");
        return TM_E_USAGE;
    }
    *out = p;
    return TM_OK;
}

bool tm__privacy_changes(const tm_privacy *privacy) {
    return privacy->kind != TM_PRIVACY_NONE && privacy->kind != TM_PRIVACY_MASK;
}

/* ---- Pseudonyms ---- */

static void encode(const uint8_t *bytes, char *out) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (uint32_t i = 0; i < VALUE_BYTES + CHECK_BYTES; i += 3) {
        const uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (uint32_t k = 0; k < 4; k++) {
            *out++ = letters[bits >> (18 - 6 * k) & 63u];
        }
    }
    *out = '\0';
}

/* -1: no letter of base64url. */
static int32_t letter_value(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : tm__is_digit(c)      ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

static void seal(const tm_hash *key, uint8_t bytes[VALUE_BYTES + CHECK_BYTES]) {
    tm_hash check;
    tm__hash_keyed(key, bytes, VALUE_BYTES, &check);
    memcpy(bytes + VALUE_BYTES, check.bytes, CHECK_BYTES);
}

/* key NULL: by its form alone. */
static bool is_pseudonym(const tm_hash *key, tm_str text) {
    uint8_t bytes[VALUE_BYTES + CHECK_BYTES], want[VALUE_BYTES + CHECK_BYTES];
    if (text.len != PSEUDONYM_CHARS || text.ptr[0] != 'p' || text.ptr[1] != '_') {
        return false;
    }
    for (uint32_t i = 0; i < VALUE_BYTES + CHECK_BYTES; i += 3) {
        uint32_t bits = 0;
        for (uint32_t k = 0; k < 4; k++) {
            const int32_t value = letter_value(text.ptr[2 + i / 3 * 4 + k]);
            if (value < 0) {
                return false;
            }
            bits = bits << 6 | (uint32_t)value;
        }
        bytes[i] = (uint8_t)(bits >> 16);
        bytes[i + 1] = (uint8_t)(bits >> 8);
        bytes[i + 2] = (uint8_t)bits;
    }
    if (key == NULL) {
        return true;
    }
    memcpy(want, bytes, VALUE_BYTES);
    seal(key, want);
    return memcmp(want, bytes, sizeof(want)) == 0;
}

void tm__privacy_pseudonym(const tm_hash *key, tm_str text, char out[TM_PRIVACY_ROOM]) {
    uint8_t bytes[VALUE_BYTES + CHECK_BYTES];
    tm_hash hash;
    if (is_pseudonym(key, text)) {
        (void)tm__str_copy(out, TM_PRIVACY_ROOM, text);
        return;
    }
    tm__hash_keyed(key, text.ptr, text.len, &hash);
    memcpy(bytes, hash.bytes, VALUE_BYTES);
    seal(key, bytes);
    out[0] = 'p';
    out[1] = '_';
    encode(bytes, out + 2);
}

void tm__privacy_key_check(const tm_hash *key, char out[TM_HASH_TEXT]) {
    tm_hash check;
    tm__hash_keyed(key, KEY_KNOWN, sizeof(KEY_KNOWN) - 1, &check);
    tm__hash_to_text(&check, out);
}

/* ---- Values ---- */

static bool to_pseudonym(const tm_hash *key, tm_cell *cell, char *room) {
    static const tm_schema_column text = {.name = "", .type = TM_TYPE_TEXT};
    char digits[TM_PRIVACY_ROOM], made[TM_PRIVACY_ROOM];
    bool is_coerced = false;
    if (tm__cell_fit(&text, cell, digits, &is_coerced, NULL) != TM_OK) {
        return false;
    }
    if (key == NULL) {
        return cell->type != TM_TYPE_TEXT || is_pseudonym(NULL, cell->text);
    }
    if (cell->type == TM_TYPE_TEXT) {
        tm__privacy_pseudonym(key, cell->text, made);
        memcpy(room, made, PSEUDONYM_CHARS + 1);
        cell->text = (tm_str){room, PSEUDONYM_CHARS};
    }
    return true;
}

/* The lower end of a band; of one that is an end, itself. */
static double band_of(double value, double width) {
    const double near = round(value / width) * width;
    return near == value ? value : floor(value / width) * width;
}

static bool to_band(double width, tm_cell *cell, char *room) {
    const bool is_text = cell->type == TM_TYPE_TEXT;
    const bool is_whole = width == floor(width) && width < 0x1p53;
    int64_t whole = cell->i64;
    double number = cell->f64;
    bool is_int = cell->type == TM_TYPE_INT;
    if (is_text) {
        const tm_str bare = tm__str_trim(cell->text);
        is_int = tm__str_to_i64(bare, &whole);
        if (!is_int && !tm__str_to_f64(bare, &number)) {
            return false;
        }
    } else if (!is_int && cell->type != TM_TYPE_FLOAT) {
        return false;
    }
    if (is_int && is_whole) {
        const int64_t step = (int64_t)width, rest = whole % step;
        const int64_t less = rest < 0 ? rest + step : rest;
        whole = whole < INT64_MIN + 1 + less ? INT64_MIN + 1 : whole - less;
        *cell = (tm_cell){.type = TM_TYPE_INT, .i64 = whole};
    } else {
        number = is_int ? (double)whole : number;
        *cell = (tm_cell){.type = TM_TYPE_FLOAT,
                          .f64 = isfinite(number) ? band_of(number, width) : number};
    }
    if (is_text) { /* as a field of a file is: its column's type is found from all of them */
        const size_t len = cell->type == TM_TYPE_INT
                               ? (size_t)snprintf(room, TM_PRIVACY_ROOM, "%" PRId64, cell->i64)
                               : tm__f64_to_text(cell->f64, room);
        *cell = (tm_cell){.type = TM_TYPE_TEXT, .text = {room, len}};
    }
    return true;
}

static bool to_first_day(bool is_year, tm_cell *cell, char *room) {
    const bool is_text = cell->type == TM_TYPE_TEXT;
    int64_t us = cell->i64;
    char text[64];
    if (is_text ? !tm__time_parse(tm__str_trim(cell->text), &us)
                : cell->type != TM_TYPE_DATE && cell->type != TM_TYPE_TIME) {
        return false;
    }
    const size_t len = tm__date_to_text(us, text);
    if (len < 10 || len >= TM_PRIVACY_ROOM) {
        return false;
    }
    memcpy(text + len - 2, "01", 2);
    memcpy(text + len - 5, is_year ? "01" : text + len - 5, 2);
    if (is_text) {
        memcpy(room, text, len);
        cell->text = (tm_str){room, len};
        return true;
    }
    return tm__time_parse((tm_str){text, len}, &cell->i64);
}

static bool to_prefix(uint32_t n, tm_cell *cell, char *room) {
    static const tm_schema_column text = {.name = "", .type = TM_TYPE_TEXT};
    bool is_coerced = false;
    size_t at = 0;
    if (tm__cell_fit(&text, cell, room, &is_coerced, NULL) != TM_OK) {
        return false;
    }
    for (uint32_t i = 0; cell->type == TM_TYPE_TEXT && i < n && at < cell->text.len; i++) {
        const size_t len = tm__str_utf8_char((tm_str){cell->text.ptr + at, cell->text.len - at});
        at += len == 0 ? 1 : len;
    }
    cell->text.len = cell->type == TM_TYPE_TEXT ? at : 0;
    return true;
}

static bool to_network(tm_cell *cell, char *room) {
    char text[64];
    uint8_t v4[4], v6[16];
    int len = 0;
    if (cell->type != TM_TYPE_TEXT || !tm__str_copy(text, sizeof(text), tm__str_trim(cell->text))) {
        return false;
    }
    if (inet_pton(AF_INET, text, v4) == 1) {
        len = snprintf(room, TM_PRIVACY_ROOM, "%u.%u.%u.0", v4[0], v4[1], v4[2]);
    } else if (inet_pton(AF_INET6, text, v6) == 1) {
        len = snprintf(room, TM_PRIVACY_ROOM, "%x:%x:%x::", v6[0] << 8 | v6[1], v6[2] << 8 | v6[3],
                       v6[4] << 8 | v6[5]);
    }
    cell->text = (tm_str){room, (size_t)len};
    return len > 0;
}

/* A word for "missing" where texts are no texts. */
static bool says_missing(tm_privacy_kind kind, const tm_cell *cell) {
    return cell->type == TM_TYPE_TEXT && kind >= TM_PRIVACY_BAND && kind != TM_PRIVACY_PREFIX &&
           tm__text_is_missing(cell->text);
}

bool tm__privacy_cell(const tm_privacy *privacy, const tm_hash *key, tm_cell *cell,
                      char room[TM_PRIVACY_ROOM]) {
    if (cell->type == TM_TYPE_NONE || says_missing(privacy->kind, cell)) {
        return true;
    }
    switch (privacy->kind) {
    case TM_PRIVACY_DROP:
        *cell = (tm_cell){.type = TM_TYPE_NONE};
        return true;
    case TM_PRIVACY_PSEUDONYM:
        return to_pseudonym(key, cell, room);
    case TM_PRIVACY_BAND:
        return to_band(privacy->width, cell, room);
    case TM_PRIVACY_MONTH:
    case TM_PRIVACY_YEAR:
        return to_first_day(privacy->kind == TM_PRIVACY_YEAR, cell, room);
    case TM_PRIVACY_PREFIX:
        return to_prefix(privacy->n_kept, cell, room);
    case TM_PRIVACY_NETWORK:
        return to_network(cell, room);
    default:
        return true;
    }
}
