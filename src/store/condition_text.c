/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a condition, before SQLite sees it: which names stand in it, and mistakes that SQLite
 * would take without a word. It compares anything with anything: a number is always less than the
 * text 'ten'. So a column beside a literal of another kind is refused here.
 */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "store/condition_priv.h"

#define DEPTH_MAX 40

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80) != 0;
}

/* What stands in quotes, which are doubled in it; 0 when it does not end. */
static size_t quoted_len(const char *p) {
    const char end = *p == '[' ? ']' : *p;
    for (size_t i = 1; p[i] != '\0'; i++) {
        if (p[i] == end) {
            if (p[i + 1] != end || end == ']') {
                return i + 1;
            }
            i++;
        }
    }
    return 0;
}

static size_t number_len(const char *p) {
    size_t n = 0;
    while (is_word(p[n]) || p[n] == '.' ||
           ((p[n] == '+' || p[n] == '-') && n > 0 && (p[n - 1] == 'e' || p[n - 1] == 'E'))) {
        n++;
    }
    return n;
}

static size_t sign_len(const char *p) {
    static const char *const two[] = {"<=", ">=", "<>", "!=", "==", "||", "<<", ">>"};
    if (strncmp(p, "->>", 3) == 0) {
        return 3;
    }
    for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
        if (strncmp(p, two[i], 2) == 0) {
            return 2;
        }
    }
    return strncmp(p, "->", 2) == 0 ? 2 : 1;
}

tm_token tm__token_next(const char *sql, size_t *at) {
    while (sql[*at] == ' ' || sql[*at] == '\t' || sql[*at] == '\n' || sql[*at] == '\r') {
        (*at)++;
    }
    const char *const p = sql + *at;
    tm_token t = {.kind = TM_TOKEN_SIGN, .at = *at};
    size_t len = 1;
    if (*p == '\0') {
        t.kind = TM_TOKEN_END;
        len = 0;
    } else if (*p == '\'' || *p == '"' || *p == '`' || *p == '[') {
        len = quoted_len(p);
        t.kind = len == 0 ? TM_TOKEN_BAD : *p == '\'' ? TM_TOKEN_TEXT : TM_TOKEN_NAME;
        len = len == 0 ? strlen(p) : len;
    } else if (isdigit((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[1]))) {
        t.kind = TM_TOKEN_NUMBER;
        len = number_len(p);
    } else if (is_word(*p) && *p != '$') {
        t.kind = TM_TOKEN_NAME;
        while (is_word(p[len])) {
            len++;
        }
    } else if (strchr("?:@$;#\\{}", *p) != NULL || (unsigned char)*p < 0x20 ||
               strncmp(p, "--", 2) == 0 || strncmp(p, "/*", 2) == 0) {
        t.kind = TM_TOKEN_BAD;
    } else {
        len = sign_len(p);
    }
    t.text = (tm_str){p, len};
    *at += len;
    return t;
}

/* ---- Names ---- */

bool tm__condition_is_name(tm_str text, const char *column) {
    const char first = text.len > 0 ? text.ptr[0] : '\0';
    if (first != '"' && first != '`' && first != '[') {
        return tm__str_is(text, column);
    }
    const char end = first == '[' ? ']' : first;
    size_t i = 1;
    for (; *column != '\0' && i + 1 < text.len; i++, column++) {
        i += text.ptr[i] == end && end != ']' ? 1 : 0;
        if (i + 1 >= text.len || text.ptr[i] != *column) {
            return false;
        }
    }
    return *column == '\0' && i + 1 == text.len;
}

bool tm__condition_next_name(const char *sql, size_t *at, tm_condition_name *out) {
    for (;;) {
        const tm_token t = tm__token_next(sql, at);
        if (t.kind == TM_TOKEN_END) {
            return false;
        }
        size_t behind = *at;
        if (t.kind == TM_TOKEN_NAME && !tm__str_is(tm__token_next(sql, &behind).text, "(")) {
            *out = (tm_condition_name){.text = t.text, .at = (uint32_t)t.at};
            return true;
        }
    }
}

/* ---- What is no condition ---- */

static tm_status refuse(tm_err *err, size_t at, const char *what, const char *hint) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "%s (character %zu)", what, at + 1);
    tm_err_hint(err, "%s", hint);
    return st;
}

tm_status tm__condition_check(const char *sql, tm_err *err) {
    static const char shape[] = "Write one expression over columns, as amount > 0.";
    size_t at = 0, n = 0;
    int depth = 0;
    if (strlen(sql) > TM_CONDITION_BYTES) {
        return refuse(err, TM_CONDITION_BYTES, "the rule is longer than 4096 bytes",
                      "Make several rules of it.");
    }
    if (!tm__str_is_utf8(tm__str(sql))) {
        return refuse(err, 0, "the rule is not UTF-8", shape);
    }
    for (;; n++) {
        const tm_token t = tm__token_next(sql, &at);
        if (t.kind == TM_TOKEN_END) {
            break;
        }
        if (t.kind == TM_TOKEN_BAD) {
            return refuse(err, t.at,
                          strchr("'\"`[", *t.text.ptr) != NULL
                              ? "a quote is not closed"
                              : "a rule has no comment, parameter or second statement",
                          shape);
        }
        depth += tm__str_is(t.text, "(") ? 1 : tm__str_is(t.text, ")") ? -1 : 0;
        if (depth < 0 || depth > DEPTH_MAX) {
            return refuse(err, t.at,
                          depth < 0 ? "a bracket is closed that is not open"
                                    : "the rule is nested more than 40 deep",
                          shape);
        }
    }
    if (n == 0 || depth > 0) {
        return refuse(err, at, n == 0 ? "the rule is empty" : "a bracket is not closed", shape);
    }
    return TM_OK;
}

/* ---- Types ---- */

typedef struct walk {
    const char *sql;
    const tm_condition_column *columns;
    uint32_t n_columns;
    tm_token last[4]; /* newest first */
} walk;

static const tm_condition_column *column_of(const walk *w, const tm_token *t) {
    for (uint32_t i = 0; t->kind == TM_TOKEN_NAME && i < w->n_columns; i++) {
        if (tm__condition_is_name(t->text, w->columns[i].name)) {
            return &w->columns[i];
        }
    }
    return NULL;
}

static bool is_order(tm_str sign) {
    return tm__str_is(sign, "<") || tm__str_is(sign, "<=") || tm__str_is(sign, ">") ||
           tm__str_is(sign, ">=");
}

static bool is_comparison(tm_str sign) {
    return is_order(sign) || tm__str_is(sign, "=") || tm__str_is(sign, "==") ||
           tm__str_is(sign, "<>") || tm__str_is(sign, "!=");
}

/* A word or sign beside which an operand stands alone: none that would make another value of it. */
static bool is_border(const tm_token *t) {
    static const char *const borders[] = {"(",    ")",    ",",    "AND",  "OR",  "NOT",
                                          "CASE", "WHEN", "THEN", "ELSE", "END", "IS"};
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        if (tm__str_is_nocase(t->text, borders[i])) {
            return true;
        }
    }
    return t->kind == TM_TOKEN_END || is_comparison(t->text);
}

/* The text between quotes; false when there are quotes in it. */
static bool plain(tm_str literal, tm_str *out) {
    *out = (tm_str){literal.ptr + 1, literal.len - 2};
    return memchr(out->ptr, '\'', out->len) == NULL;
}

static tm_status judge(const tm_condition_column *c, const tm_token *literal, bool orders,
                       tm_err *err) {
    tm_str text = literal->text;
    double number = 0;
    int64_t us = 0;
    const char *wants = NULL;
    const bool is_text = literal->kind == TM_TOKEN_TEXT;
    const bool is_plain = is_text && plain(literal->text, &text);
    switch (c->type) {
    case TM_TYPE_INT:
    case TM_TYPE_FLOAT:
        wants = is_text && !(is_plain && tm__str_to_f64(tm__str_trim(text), &number))
                    ? "holds numbers, which a text is not comparable with"
                    : NULL;
        break;
    case TM_TYPE_BOOL:
        wants = is_text ? "is true or false: write true, false, 1 or 0" : NULL;
        break;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        wants = !is_text || !(is_plain && tm__time_parse(tm__str_trim(text), &us))
                    ? "holds times: write one as '2024-03-01' or '2024-03-01 10:30'"
                    : NULL;
        break;
    case TM_TYPE_TEXT:
        wants = !is_text && orders ? "holds texts, which a number has no order among" : NULL;
        break;
    default:
        break;
    }
    if (wants == NULL) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "column '%s' %s (character %zu)", c->name, wants, literal->at + 1);
    tm_err_hint(err,
                "'tidemill data show' lists columns with their types; CAST makes another one.");
    return st;
}

static bool is_literal(const tm_token *t) {
    return t->kind == TM_TOKEN_TEXT || t->kind == TM_TOKEN_NUMBER;
}

/* `column OP literal` and back, which end at `next`. */
static tm_status judge_pair(const walk *w, const tm_token *next, tm_err *err) {
    const tm_token *const right = &w->last[0], *const sign = &w->last[1], *const left = &w->last[2];
    if (!is_comparison(sign->text) || !is_border(&w->last[3]) || !is_border(next)) {
        return TM_OK;
    }
    const tm_condition_column *const a = column_of(w, left), *const b = column_of(w, right);
    if (a != NULL && is_literal(right)) {
        return judge(a, right, is_order(sign->text), err);
    }
    return b != NULL && is_literal(left) ? judge(b, left, is_order(sign->text), err) : TM_OK;
}

/* Literals behind `column [NOT] IN (` and `column [NOT] BETWEEN`. */
static tm_status judge_list(const walk *w, const tm_condition_column *c, bool is_in, size_t at,
                            tm_err *err) {
    const tm_token open = is_in ? tm__token_next(w->sql, &at) : (tm_token){0};
    if (is_in && !tm__str_is(open.text, "(")) {
        return TM_OK;
    }
    for (int n = 0; is_in || n < 2; n++) {
        const tm_token literal = tm__token_next(w->sql, &at);
        const tm_token behind = tm__token_next(w->sql, &at);
        const bool goes_on =
            is_in ? tm__str_is(behind.text, ",") : n == 0 && tm__str_is_nocase(behind.text, "AND");
        if (is_literal(&literal) && is_border(&behind)) {
            TM_TRY(judge(c, &literal, !is_in, err));
        }
        if (!goes_on) {
            break;
        }
    }
    return TM_OK;
}

tm_status tm__condition_check_types(const char *sql, const tm_condition_column *columns,
                                    uint32_t n_columns, tm_err *err) {
    walk w = {.sql = sql, .columns = columns, .n_columns = n_columns};
    size_t at = 0;
    for (;;) {
        const tm_token t = tm__token_next(sql, &at);
        TM_TRY(judge_pair(&w, &t, err));
        if (t.kind == TM_TOKEN_END) {
            return TM_OK;
        }
        const bool is_in = tm__str_is_nocase(t.text, "IN");
        if (is_in || tm__str_is_nocase(t.text, "BETWEEN")) {
            const bool is_not = tm__str_is_nocase(w.last[0].text, "NOT");
            const tm_condition_column *c = column_of(&w, &w.last[is_not ? 1 : 0]);
            if (c != NULL && is_border(&w.last[is_not ? 2 : 1])) {
                TM_TRY(judge_list(&w, c, is_in, at, err));
            }
        }
        memmove(&w.last[1], &w.last[0], 3 * sizeof(w.last[0]));
        w.last[0] = t;
    }
}
