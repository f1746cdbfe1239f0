/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text, checked once and then walked.
 *
 * The check is one pass with an explicit stack of one bit a level (array or object), so that a
 * document cannot make it recurse. The steps afterwards trust it: they have no bounds of their own
 * beyond the NUL byte that follows the document, and none of the errors that the check excludes.
 *
 * Invariants of a document that passed:
 *   1. it is one value of RFC 8259's grammar, with white space around it at most;
 *   2. its strings are valid UTF-8, also after their escapes (no lone surrogate), and hold no NUL;
 *   3. arrays and objects nest TM_MAX_JSON_DEPTH deep at most.
 *
 * Unescaping shortens a string, so it happens in place: \uXXXX (6 bytes) gives at most 3 bytes of
 * UTF-8 and a pair of them (12) gives 4. A string is unescaped once; steps never go back.
 */
#include "base/json_scan.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int hex4(const char *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int digit = tm__is_digit(c)        ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

typedef struct checker {
    const char *p;
    const char *start, *end;
    tm_scan_ends *ends; /* NULL: not asked for */
    const char *reason;
    bool is_limit;
    uint32_t depth;
    uint64_t is_object[(TM_MAX_JSON_DEPTH + 63) / 64];
} checker;

static bool bad(checker *c, const char *reason) {
    c->reason = reason;
    return false;
}

static bool check_escape(checker *c) {
    const char e = c->p[1];
    if (e != '\0' && strchr("\"\\/bfnrt", e) != NULL) {
        c->p += 2;
        return true;
    }
    const int unit = e == 'u' ? hex4(c->p + 2) : -1;
    if (unit < 0) {
        return bad(c, "a bad escape in a text");
    }
    if (unit == 0) {
        return bad(c, "a text holds a NUL");
    }
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
        return bad(c, "half of a surrogate pair");
    }
    c->p += 6;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const int low = c->p[0] == '\\' && c->p[1] == 'u' ? hex4(c->p + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            return bad(c, "half of a surrogate pair");
        }
        c->p += 6;
    }
    return true;
}

/* True when none of eight bytes ends plain text: a quote, a backslash, a control byte (haszero and
 * hasless of Anderson, Bit Twiddling Hacks, which may say yes for bytes that do not). */
static bool has_special(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    return ((((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
             ((word - ones * 0x20) & ~word)) &
            (ones << 7)) != 0;
}

/* Over plain text, eight bytes at a time while as many are left before the end. */
static const char *skip_plain(const char *p, const char *end) {
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        if (has_special(word)) {
            break;
        }
    }
    return p;
}

static bool check_string(checker *c) {
    c->p = skip_plain(c->p + 1, c->end);
    for (;;) {
        const unsigned char b = (unsigned char)*c->p;
        if (b == '"') {
            c->p++;
            return true;
        }
        if (b == '\\') {
            if (!check_escape(c)) {
                return false;
            }
        } else if (b < 0x20) {
            return bad(c, b == 0 ? "the document ends in a text" : "a control byte in a text");
        } else {
            c->p++;
        }
    }
}

static bool check_number(checker *c) {
    const char *p = c->p;
    p += *p == '-' ? 1 : 0;
    if (*p == '0') {
        p++;
    } else if (tm__is_digit(*p)) {
        while (tm__is_digit(*p)) {
            p++;
        }
    } else {
        return bad(c, "a number without digits");
    }
    if (*p == '.') {
        p++;
        if (!tm__is_digit(*p)) {
            return bad(c, "a number without digits after its point");
        }
        while (tm__is_digit(*p)) {
            p++;
        }
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-' ? 1 : 0;
        if (!tm__is_digit(*p)) {
            return bad(c, "a number without digits in its exponent");
        }
        while (tm__is_digit(*p)) {
            p++;
        }
    }
    c->p = p;
    return true;
}

static bool check_word(checker *c, const char *word) {
    const size_t n = strlen(word);
    if (strncmp(c->p, word, n) != 0) {
        return bad(c, "a word that is not true, false or null");
    }
    c->p += n;
    return true;
}

static bool check_scalar(checker *c) {
    switch (*c->p) {
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    case 'N': /* what Python's writer makes of a missing number */
        return bad(c, "JSON has no NaN, write null");
    case '\0':
        return bad(c, "the document ends too early");
    default:
        return *c->p == '-' || tm__is_digit(*c->p) ? check_number(c) : bad(c, "not a JSON value");
    }
}

static void space(checker *c) {
    while (is_space(*c->p)) {
        c->p++;
    }
}

static bool in_object(const checker *c) {
    const uint32_t i = c->depth - 1;
    return (c->is_object[i / 64] >> (i % 64) & 1) != 0;
}

/* Name and colon of a member; p stands before its value afterwards. */
static bool check_name(checker *c) {
    if (*c->p != '"') {
        return bad(c, *c->p == '\0' ? "the document ends too early" : "a name must be a text");
    }
    if (!check_string(c)) {
        return false;
    }
    space(c);
    if (*c->p != ':') {
        return bad(c, "a name without a colon");
    }
    c->p++;
    space(c);
    return true;
}

static bool open_level(checker *c) {
    if (c->depth == TM_MAX_JSON_DEPTH) {
        c->is_limit = true;
        return bad(c, "arrays and objects nest too deep");
    }
    const uint32_t i = c->depth++;
    const uint64_t bit = UINT64_C(1) << (i % 64);
    const bool is_object = *c->p == '{';
    c->is_object[i / 64] = is_object ? c->is_object[i / 64] | bit : c->is_object[i / 64] & ~bit;
    c->p++;
    space(c);
    return true;
}

/* Behind a value: close what ends here and step to the next value; *done at the end of all. */
static bool close_levels(checker *c, bool *done) {
    for (;;) {
        if (c->depth == 1 && c->ends != NULL && c->ends->n < TM_SCAN_ENDS) {
            c->ends->at[c->ends->n++] = (size_t)(c->p - c->start);
        }
        space(c);
        if (c->depth == 0) {
            *done = true;
            return true;
        }
        const bool is_object = in_object(c);
        if (*c->p == (is_object ? '}' : ']')) {
            c->p++;
            c->depth--;
            continue;
        }
        if (*c->p != ',') {
            return bad(c, *c->p == '\0' ? "the document ends too early"
                                        : "a comma or an end is missing");
        }
        c->p++;
        space(c);
        return !is_object || check_name(c);
    }
}

static bool check_document(checker *c) {
    space(c);
    bool done = false;
    while (!done) {
        const char opening = *c->p;
        if (opening == '{' || opening == '[') {
            if (!open_level(c)) {
                return false;
            }
            if (*c->p == (opening == '{' ? '}' : ']')) {
                c->p++;
                c->depth--;
            } else if (opening == '{' && !check_name(c)) {
                return false;
            } else {
                continue; /* at the first value inside */
            }
        } else if (!check_scalar(c)) {
            return false;
        }
        if (!close_levels(c, &done)) {
            return false;
        }
    }
    return true;
}

static bool is_ascii(const char *data, size_t len) {
    uint64_t all = 0;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        all |= word;
    }
    for (; i < len; i++) {
        all |= (unsigned char)data[i] & 0x80u;
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

bool tm__scan_check(const char *data, size_t len, tm_scan_error *out) {
    return tm__scan_check_ends(data, len, NULL, out);
}

bool tm__scan_check_ends(const char *data, size_t len, tm_scan_ends *ends, tm_scan_error *out) {
    checker c = {.p = data, .start = data, .end = data + len, .ends = ends};
    if (ends != NULL) {
        ends->n = 0;
    }
    bool ok = check_document(&c);
    if (ok && c.p != data + len) {
        ok = bad(&c, "something follows the document");
    }
    if (ok && !is_ascii(data, len) && !tm__str_is_utf8((tm_str){data, len})) {
        ok = bad(&c, "not valid UTF-8");
        c.p = data; /* where is not known */
    }
    *out = (tm_scan_error){.reason = c.reason, .line = 1, .column = 1, .is_limit = c.is_limit};
    for (const char *p = data; !ok && p < c.p; p++) {
        out->column++;
        if (*p == '\n') {
            out->line++;
            out->column = 1;
        }
    }
    return ok;
}

/* Steps through a checked document. */

static char *skip_string(char *p) {
    p++;
    while (*p != '"') {
        p += *p == '\\' ? 2 : 1;
    }
    return p + 1;
}

char *tm__scan_skip(char *p) {
    uint32_t depth = 0;
    p = tm__scan_space(p);
    do {
        switch (*p) {
        case '"':
            p = skip_string(p);
            break;
        case '{':
        case '[':
            depth++;
            p++;
            break;
        case '}':
        case ']':
            depth--;
            p++;
            break;
        case ',':
        case ':':
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            p++;
            break;
        default:
            while (*p != '\0' && *p != ',' && *p != ']' && *p != '}' && !is_space(*p)) {
                p++;
            }
            break;
        }
    } while (depth > 0);
    return p;
}

static char *put_utf8(char *out, uint32_t c) {
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

char *tm__scan_string(char *p, tm_str *out) {
    char *start = p + 1;
    p = start;
    while (*p != '"' && *p != '\\') {
        p++;
    }
    char *w = p;
    while (*p != '"') {
        if (*p != '\\') {
            *w++ = *p++;
            continue;
        }
        static const char from[] = "bfnrt";
        static const char to[] = "\b\f\n\r\t";
        const char e = p[1];
        if (e != 'u') {
            const char *known = strchr(from, e);
            *w++ = known != NULL ? to[known - from] : e;
            p += 2;
            continue;
        }
        uint32_t c = (uint32_t)hex4(p + 2);
        p += 6;
        if (c >= 0xD800 && c <= 0xDBFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2) - 0xDC00);
            p += 6;
        }
        w = put_utf8(w, c);
    }
    *out = (tm_str){start, (size_t)(w - start)};
    return p + 1;
}

/* Powers of ten that a double holds exactly. */
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What is no short decimal. */
static void read_long(const char *start, const char *end, bool is_whole, tm_scan_number *out) {
    const tm_str text = {start, (size_t)(end - start)};
    if (is_whole && tm__str_to_i64(text, &out->int64)) {
        out->is_int = true;
        return;
    }
    out->is_finite = tm__str_to_f64(text, &out->number) && isfinite(out->number);
}

/* Whole numbers of int64, decimals of up to 15 digits by one exact division (Clinger 1990,
 * doi:10.1145/93542.93557), the rest by base. */
char *tm__scan_number(char *p, tm_scan_number *out) {
    char *const start = p;
    const bool is_negative = *p == '-';
    p += is_negative ? 1 : 0;
    const char *const first = p;
    uint64_t digits = 0;
    for (; tm__is_digit(*p); p++) {
        digits = digits * 10 + (uint64_t)(*p - '0');
    }
    const bool has_point = *p == '.';
    uint32_t n_digits = (uint32_t)(p - first), n_behind = 0;
    if (has_point) {
        const char *const point = p++;
        for (; tm__is_digit(*p); p++) {
            digits = digits * 10 + (uint64_t)(*p - '0');
        }
        n_behind = (uint32_t)(p - point - 1);
        n_digits += n_behind;
    }
    const bool has_exponent = *p == 'e' || *p == 'E';
    *out = (tm_scan_number){.is_whole = !has_point && !has_exponent, .is_finite = true};
    if (!has_point && !has_exponent && n_digits <= 18) {
        out->is_int = true;
        out->int64 = is_negative ? -(int64_t)digits : (int64_t)digits;
    } else if (!has_exponent && has_point && n_digits <= 15) {
        const double value = (double)(int64_t)digits / tens[n_behind];
        out->number = is_negative ? -value : value;
    } else {
        while (tm__is_digit(*p) || *p == 'e' || *p == 'E' || *p == '+' || *p == '-') {
            p++;
        }
        read_long(start, p, out->is_whole, out);
    }
    return p;
}

char *tm__scan_plain_string(char *p, tm_str *out) {
    char *const start = p + 1;
    p = start;
    while (*p != '"') {
        const unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c >= 0x80 || c == '\\') {
            return NULL;
        }
        p++;
    }
    *out = (tm_str){start, (size_t)(p - start)};
    return p + 1;
}

char *tm__scan_plain_number(char *p, tm_scan_number *out) {
    const bool is_negative = *p == '-';
    p += is_negative ? 1 : 0;
    const char *const first = p;
    uint64_t digits = 0; /* wraps in what is too long */
    for (; tm__is_digit(*p); p++) {
        digits = digits * 10 + (uint64_t)(*p - '0');
    }
    const size_t n_before = (size_t)(p - first);
    size_t n_behind = 0;
    const bool has_point = *p == '.';
    if (has_point) {
        const char *const point = ++p;
        for (; tm__is_digit(*p); p++) {
            digits = digits * 10 + (uint64_t)(*p - '0');
        }
        n_behind = (size_t)(p - point);
    }
    if (n_before == 0 || n_before + n_behind > 15 || (*first == '0' && n_before > 1) ||
        (has_point && n_behind == 0) || *p == 'e' || *p == 'E') {
        return NULL;
    }
    *out = (tm_scan_number){.is_whole = !has_point, .is_int = !has_point, .is_finite = true};
    if (has_point) {
        const double value = (double)(int64_t)digits / tens[n_behind];
        out->number = is_negative ? -value : value;
    } else {
        out->int64 = is_negative ? -(int64_t)digits : (int64_t)digits;
    }
    return p;
}

char *tm__scan_enter(char *p, char **after) {
    p = tm__scan_space(p + 1);
    if (*p == '}' || *p == ']') {
        *after = p + 1;
        return NULL;
    }
    return p;
}

char *tm__scan_name(char *p, tm_str *out) {
    p = tm__scan_space(tm__scan_string(p, out));
    return tm__scan_space(p + 1);
}
