/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text: a check of a whole document (grammar of RFC 8259, UTF-8, depth, no NUL), and steps
 * through one that was checked. The steps trust the check and rewrite strings with escapes in
 * place. Any thread; one owner of a document.
 */
#ifndef TM_BASE_JSON_SCAN_H
#define TM_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct tm_scan_error {
    const char *reason;  /* static text; NULL: the document is well formed */
    size_t line, column; /* 1-based; column counts bytes */
    bool is_limit;       /* too deep, rather than malformed */
} tm_scan_error;

typedef struct tm_scan_number {
    bool is_whole;  /* neither a point nor an exponent */
    bool is_int;    /* whole and within int64: int64 holds it, and number is not set */
    bool is_finite; /* an int, or within the range of a double */
    int64_t int64;
    double number;
} tm_scan_number;

/* Where the values end that stand directly in the document's object or array, so that they need not
 * be stepped over again. */
#define TM_SCAN_ENDS 8
typedef struct tm_scan_ends {
    uint32_t n; /* of the first values, TM_SCAN_ENDS at most */
    size_t at[TM_SCAN_ENDS];
} tm_scan_ends;
/** Check data[len], which a NUL byte follows (data[len] == 0). */
bool tm__scan_check(const char *data, size_t len, tm_scan_error *out);
/** The same; ends holds for a document that passed. */
bool tm__scan_check_ends(const char *data, size_t len, tm_scan_ends *ends, tm_scan_error *out);

/* Steps. p points at or before the first byte of a value and moves behind it. */
/** To the next byte that is no white space. */
static inline char *tm__scan_space(char *p) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }
    return p;
}
char *tm__scan_skip(char *p); /* behind the value */
/** p at the opening quote; text is unescaped in place. */
char *tm__scan_string(char *p, tm_str *out);
/** p at a number, which becomes the double nearest to it, and an integer when it is whole and of 64
 * bits. */
char *tm__scan_number(char *p, tm_scan_number *out);
/* Steps that check what they step over and take only what is plain; NULL for anything else, right
 * or wrong, with nothing changed. */
/** A string of ASCII without escapes. */
char *tm__scan_plain_string(char *p, tm_str *out);
/** A number of at most 15 digits without exponent. */
char *tm__scan_plain_number(char *p, tm_scan_number *out);
/** Into an object or array: p at '{' or '[' -> first member, or NULL when empty (*after is then
 * behind it). */
char *tm__scan_enter(char *p, char **after);
/** Behind a member: -> next member, or NULL at the end (*after is then behind the whole). */
static inline char *tm__scan_more(char *p, char **after) {
    p = tm__scan_space(p);
    *after = p + 1;
    return *p == ',' ? tm__scan_space(p + 1) : NULL;
}
/** p at a member's name -> its value. */
char *tm__scan_name(char *p, tm_str *out);

#endif
