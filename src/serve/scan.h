/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text: a check of a whole document (grammar of RFC 8259, UTF-8, depth, no NUL), and steps
 * through one that was checked. The steps trust the check and rewrite strings with escapes in
 * place. Any thread; one owner of a document.
 */
#ifndef TM_SERVE_SCAN_H
#define TM_SERVE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "table/table.h"

typedef struct tm_scan_error {
    const char *reason;  /* static text; NULL: the document is well formed */
    size_t line, column; /* 1-based; column counts bytes */
    bool is_limit;       /* too deep, rather than malformed */
} tm_scan_error;

/** Check data[len], which a NUL byte follows (data[len] == 0). */
bool tm__scan_check(const char *data, size_t len, tm_scan_error *out);

/* Steps. p points at or before the first byte of a value and moves behind it. */
char *tm__scan_space(char *p); /* to the next byte that is no white space */
char *tm__scan_skip(char *p);  /* behind the value */
/** p at the opening quote; text is unescaped in place. */
char *tm__scan_string(char *p, tm_str *out);
/** A value that is not an array or an object, as a cell: int64 whole numbers, other numbers as
 * float, text, bool, NONE for null. *ok false for an array, an object or a number that is too
 * large. */
char *tm__scan_cell(char *p, tm_cell *out, bool *ok);
/** Into an object or array: p at '{' or '[' -> first member, or NULL when empty (*after is then
 * behind it). */
char *tm__scan_enter(char *p, char **after);
/** Behind a member: -> next member, or NULL at the end (*after is then behind the whole). */
char *tm__scan_more(char *p, char **after);
/** p at a member's name -> its value. */
char *tm__scan_name(char *p, tm_str *out);

#endif
