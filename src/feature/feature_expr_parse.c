/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words to a compiled expression, by recursive descent; ops are written as they are read, operands
 * before what takes them.
 *
 *   feature  = NAME "=" or
 *   or       = and {"or" and}           and      = not {"and" not}
 *   not      = ["not"] compare          compare  = sum [("=" | "==" | "!=" | "<>" | "<" ...) sum
 *                                                       | ["not"] "in" "(" or {"," or} ")"]
 *   sum      = product {("+" | "-") product}
 *   product  = unary {("*" | "/" | "%") unary}
 *   unary    = "-" unary | power        power    = primary ["^" unary]
 *   primary  = NUMBER | 'text' | true | false | missing | COLUMN | "COLUMN"
 *            | date('...') | NAME "(" or {"," or} ")" | "(" or ")"
 *
 * The last value of a function that learns may be its parameter: a constant, which goes into the
 * call and not on the stack.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_expr_fn.h"
#include "feature/feature_fitted.h"
#include "feature/window.h"

typedef enum word_kind { END, NAME, QUOTED, LITERAL, NUMBER, SIGN, BROKEN } word_kind;

typedef struct reader {
    const char *text, *at; /* of the word */
    word_kind kind;
    tm_str word; /* without its quotes, those within still twice */
    const char *next;
    const char *name;           /* of the feature, when it was read */
    const tm_expr_names *names; /* NULL: not known, every name may be a column of any type */
    tm_expr *out;
    uint32_t depth, nest; /* values on the stack; parentheses */
    tm_err *err;
} reader;

/* What was read: its type, and its ops from `first` on; what is just `missing` takes any type, and
 * so does all that has a column of an unknown type in it. */
typedef struct part {
    tm_expr_type type;
    bool is_missing;
    uint32_t first;
    const char *at;
} part;

static const char *const example = "ratio = debt / income";

/* ---- Words ---- */

static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_of_name(char c) {
    return starts_name(c) || tm__is_digit(c) || c == '.';
}

static void read_quoted(reader *r, char quote) {
    const char *end = r->at + 1;
    while (*end != '\0' && (*end != quote || end[1] == quote)) {
        end += *end == quote ? 2 : 1;
    }
    r->kind = *end == '\0' ? BROKEN : quote == '"' ? QUOTED : LITERAL;
    r->word = (tm_str){r->at + 1, (size_t)(end - r->at - 1)};
    r->next = *end == '\0' ? end : end + 1;
}

static void read_number(reader *r) {
    const char *end = r->at;
    while (tm__is_digit(*end) || *end == '.') {
        end++;
    }
    if ((*end == 'e' || *end == 'E') &&
        (tm__is_digit(end[1]) || ((end[1] == '-' || end[1] == '+') && tm__is_digit(end[2])))) {
        end += 2;
        while (tm__is_digit(*end)) {
            end++;
        }
    }
    r->kind = NUMBER;
    r->word = (tm_str){r->at, (size_t)(end - r->at)};
    r->next = end;
}

static void read_sign(reader *r) {
    static const char *const doubles[] = {"==", "!=", "<>", "<=", ">="};
    size_t len = 1;
    for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
        len = strncmp(r->at, doubles[i], 2) == 0 ? 2 : len;
    }
    r->kind = SIGN;
    r->word = (tm_str){r->at, len};
    r->next = r->at + len;
}

static void read_word(reader *r, const char *from) {
    r->at = from + strspn(from, " \t\r\n");
    if (*r->at == '\0') {
        r->kind = END;
        r->word = (tm_str){r->at, 0};
        r->next = r->at;
    } else if (*r->at == '"' || *r->at == '\'') {
        read_quoted(r, *r->at);
    } else if (tm__is_digit(*r->at) || (*r->at == '.' && tm__is_digit(r->at[1]))) {
        read_number(r);
    } else if (starts_name(*r->at)) {
        const char *end = r->at;
        while (is_of_name(*end)) {
            end++;
        }
        r->kind = NAME;
        r->word = (tm_str){r->at, (size_t)(end - r->at)};
        r->next = end;
    } else {
        read_sign(r);
    }
}

static void advance(reader *r) {
    read_word(r, r->next);
}

static bool is_sign(const reader *r, const char *sign) {
    return r->kind == SIGN && tm__str_is(r->word, sign);
}

static bool is_word(const reader *r, const char *word) {
    return r->kind == NAME && tm__str_is_nocase(r->word, word);
}

static bool take_sign(reader *r, const char *sign) {
    const bool is_it = is_sign(r, sign);
    if (is_it) {
        advance(r);
    }
    return is_it;
}

/* The word, with quotes within it once; NULL when out of memory. */
static char *copy_word(const reader *r) {
    const bool is_quoted = r->kind == QUOTED || r->kind == LITERAL;
    char *const copy = tm__mem_alloc(r->word.len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; copy != NULL && i < r->word.len; i++) {
        copy[n++] = r->word.ptr[i];
        i += is_quoted && r->word.ptr[i] == *r->at ? 1 : 0;
    }
    if (copy != NULL) {
        copy[n] = '\0';
    }
    return copy;
}

/* ---- Failures ---- */

static tm_status fail_at(const reader *r, const char *at, const char *what) {
    const size_t place = (size_t)(at - r->text) + 1;
    const tm_status st = r->name != NULL
                             ? TM_FAIL(r->err, TM_E_USAGE, "feature '%.64s': %s at character %zu",
                                       r->name, what, place)
                             : TM_FAIL(r->err, TM_E_USAGE, "feature '%.40s': %s at character %zu",
                                       r->text, what, place);
    tm_err_hint(r->err, "Like: %s", example);
    return st;
}

static tm_status wanted_at(const reader *r, const char *at, const char *what) {
    char words[96];
    (void)snprintf(words, sizeof(words), "%s is wanted", what);
    return fail_at(r, at, words);
}

static tm_status wanted(const reader *r, const char *what) {
    return wanted_at(r, r->at, what);
}

static tm_status no_memory(const reader *r) {
    return TM_FAIL(r->err, TM_E_NOMEM, "no memory for an expression");
}

static const char *type_name(tm_expr_type type) {
    return type == TM_EXPR_NUMBER ? "a number" : type == TM_EXPR_TEXT ? "a text" : "a time";
}

/* "'-' does not take a text and a number" */
static tm_status bad_types(const reader *r, const char *at, tm_str name, const part *parts,
                           uint32_t n) {
    char words[192];
    const bool is_known = tm__expr_fn_named(name) != NULL || tm__fitted_named(name) != NULL;
    int len = snprintf(words, sizeof(words), "'%.*s' does not take", (int)name.len, name.ptr);
    for (uint32_t i = 0; is_known && i < n && i < 4; i++) {
        len += snprintf(words + len, sizeof(words) - (size_t)len, "%s %s",
                        i == 0       ? ""
                        : i + 1 == n ? " and"
                                     : ",",
                        type_name(parts[i].type));
    }
    if (n == 0 || n > 4) {
        (void)snprintf(words, sizeof(words), "'%.*s' does not take these %u values", (int)name.len,
                       name.ptr, n);
    }
    const tm_status st = fail_at(r, at, words);
    tm_err_hint(r->err, "number(x) reads a text as a number, text(x) writes a number, "
                        "date('2024-01-31') is a time. docs/modelling.md has the functions.");
    return st;
}

/* ---- Ops ---- */

static tm_status emit(reader *r, tm_expr_op op) {
    tm_expr *const out = r->out;
    if (out->n_ops == TM_EXPR_OPS_MAX) {
        return fail_at(r, r->at, "no longer expression");
    }
    r->depth += 1 - (uint32_t)op.n_args;
    if (r->depth > TM_EXPR_DEPTH_MAX) {
        return fail_at(r, r->at, "too many values at once");
    }
    out->ops[out->n_ops++] = op;
    return TM_OK;
}

static tm_status emit_bits(reader *r, tm_expr_op_kind kind, uint64_t bits) {
    tm_expr *const out = r->out;
    if (out->n_bits == TM_EXPR_OPS_MAX) {
        return fail_at(r, r->at, "no longer expression");
    }
    out->bits[out->n_bits] = bits;
    return emit(r, (tm_expr_op){(uint8_t)kind, 0, (uint16_t)out->n_bits++});
}

/* `missing` gets the type of its place. */
static bool set_types(const reader *r, const part *parts, uint32_t n, const char *letters) {
    const uint32_t n_letters = (uint32_t)strlen(letters);
    bool is_open = false;
    for (uint32_t i = 0; i < n; i++) {
        is_open = is_open || (parts[i].is_missing && r->names == NULL);
        if (parts[i].is_missing && r->names != NULL) {
            const char letter = letters[i < n_letters ? i : n_letters - 1];
            r->out->ops[parts[i].first].item = (uint16_t)tm__expr_type_of_letter(letter);
        }
    }
    return is_open;
}

/* One more op behind those of the last argument: what a function of its types gives. */
static tm_status emit_call(reader *r, const char *at, tm_str name, part *parts, uint32_t n,
                           part *out) {
    char letters[TM_EXPR_DEPTH_MAX] = {0};
    for (uint32_t i = 0; i < n; i++) {
        letters[i] = parts[i].is_missing ? '?' : tm__expr_letter(parts[i].type);
    }
    const tm_expr_fn *fn = tm__expr_fn_find(name, letters, n);
    if (fn == NULL) {
        return bad_types(r, at, name, parts, n);
    }
    const bool is_open = set_types(r, parts, n, fn->args);
    *out = (part){tm__expr_type_of_letter(fn->result), is_open, n > 0 ? parts[0].first : 0, at};
    return emit(r, (tm_expr_op){TM_EXPR_OP_CALL, (uint8_t)n, fn->number});
}

/* Takes the last value back, a constant, as the parameter of a function; false: it is none. */
static bool take_parameter(reader *r, const tm_fitted_fn *fn, const part *last, double *out) {
    tm_expr *const expr = r->out;
    const tm_expr_op op = expr->ops[last->first];
    bool is_it = last->first + 1 == expr->n_ops;
    if (is_it && op.kind == TM_EXPR_OP_CONST) {
        is_it = tm__fitted_number(fn, tm__f64_from_bits(expr->bits[op.item]), out);
        expr->n_bits -= is_it ? 1 : 0;
    } else if (is_it && op.kind == TM_EXPR_OP_LITERAL) {
        is_it = tm__fitted_word(fn, tm__str(expr->texts[op.item]), out);
        if (is_it) {
            tm__mem_free(expr->texts[--expr->n_texts]);
            expr->texts[expr->n_texts] = NULL;
        }
    } else {
        is_it = false;
    }
    expr->n_ops -= is_it ? 1 : 0;
    r->depth -= is_it ? 1 : 0;
    return is_it;
}

/* The same for a function that learns; its last value may be its parameter. */
static tm_status emit_fitted(reader *r, const char *at, tm_str name, part *parts, uint32_t n,
                             part *out) {
    char letters[TM_EXPR_DEPTH_MAX] = {0};
    tm_expr *const expr = r->out;
    for (uint32_t i = 0; i < n; i++) {
        letters[i] = parts[i].is_missing ? '?' : tm__expr_letter(parts[i].type);
    }
    const tm_fitted_fn *fn = tm__fitted_find(name, letters, n);
    const bool is_plain = fn != NULL || n == 0;
    fn = is_plain ? fn : tm__fitted_find(name, letters, n - 1);
    if (fn == NULL || (!is_plain && fn->parameter == NULL)) {
        return bad_types(r, at, name, parts, n);
    }
    tm_expr_fit fit = {.fn = fn->number,
                       .parameter = fn->parameter == NULL ? 0 : fn->parameter->usual};
    if (!is_plain && !take_parameter(r, fn, &parts[n - 1], &fit.parameter)) {
        char words[80];
        tm__fitted_wanted(fn, words, sizeof(words));
        return wanted_at(r, parts[n - 1].at, words);
    }
    n -= is_plain ? 0 : 1;
    if (expr->n_fits == TM_EXPR_FITS_MAX) {
        return fail_at(r, at, "no more functions that learn");
    }
    const bool is_open = set_types(r, parts, n, fn->args);
    *out = (part){tm__expr_type_of_letter(fn->result), is_open, parts[0].first, at};
    expr->fits[expr->n_fits] = fit;
    return emit(r, (tm_expr_op){TM_EXPR_OP_FITTED, (uint8_t)n, (uint16_t)expr->n_fits++});
}

/* ---- Parts ---- */

static tm_status read_or(reader *r, part *out);
static tm_status read_unary(reader *r, part *out);

static tm_status hint_column(const reader *r, tm_str name) {
    char words[160];
    char copy[TM_MAX_COLUMN_NAME + 1];
    (void)tm__str_copy(copy, sizeof(copy), name);
    (void)snprintf(words, sizeof(words), "there is no column '%.100s'", copy);
    const tm_status st = fail_at(r, r->at, words);
    const char *nearest = tm__str_nearest(name, r->names->names, r->names->n);
    if (nearest != NULL) {
        tm_err_hint(r->err, "Did you mean '%.100s'?", nearest);
    } else {
        tm_err_hint(r->err, "Columns are those of the data, and features before this one. A text "
                            "stands in single quotes.");
    }
    return st;
}

/* A column of any type. */
static tm_status read_unknown(reader *r, part *out) {
    r->out->n_reads = 1;
    *out = (part){TM_EXPR_NUMBER, true, r->out->n_ops, r->at};
    advance(r);
    return emit(r, (tm_expr_op){TM_EXPR_OP_MISSING, 0, TM_EXPR_NUMBER});
}

static tm_status read_column(reader *r, part *out) {
    if (r->names == NULL) {
        return read_unknown(r, out);
    }
    char *const name = copy_word(r);
    tm_expr *const expr = r->out;
    uint32_t source = 0, item = 0;
    if (name == NULL) {
        return no_memory(r);
    }
    while (source < r->names->n && strcmp(r->names->names[source], name) != 0) {
        source++;
    }
    if (source == r->names->n) {
        const tm_status st = hint_column(r, tm__str(name));
        tm__mem_free(name);
        return st;
    }
    tm__mem_free(name);
    const tm_expr_type type = tm__expr_type_of(r->names->types[source]);
    if (type == 0) {
        return fail_at(r, r->at, "a column that is no input");
    }
    while (item < expr->n_reads && expr->reads[item] != source) {
        item++;
    }
    if (item == TM_EXPR_READS_MAX) {
        return fail_at(r, r->at, "no more columns");
    }
    expr->reads[item] = source;
    expr->n_reads = item == expr->n_reads ? item + 1 : expr->n_reads;
    *out = (part){type, false, expr->n_ops, r->at};
    advance(r);
    return emit(r, (tm_expr_op){TM_EXPR_OP_READ, 0, (uint16_t)item});
}

static tm_status read_literal(reader *r, part *out) {
    tm_expr *const expr = r->out;
    if (!tm__str_is_utf8(r->word)) {
        return wanted(r, "a text in UTF-8");
    }
    if (expr->n_texts == TM_EXPR_OPS_MAX) {
        return fail_at(r, r->at, "no longer expression");
    }
    expr->texts[expr->n_texts] = copy_word(r);
    if (expr->texts[expr->n_texts] == NULL) {
        return no_memory(r);
    }
    *out = (part){TM_EXPR_TEXT, false, expr->n_ops, r->at};
    advance(r);
    return emit(r, (tm_expr_op){TM_EXPR_OP_LITERAL, 0, (uint16_t)expr->n_texts++});
}

static tm_status read_date(reader *r, const char *at, part *out) {
    int64_t us = 0;
    if (r->kind != LITERAL || !tm__time_parse(r->word, &us)) {
        return wanted(r, "a date or time such as '2024-01-31'");
    }
    advance(r);
    *out = (part){TM_EXPR_TIME, false, r->out->n_ops, at};
    TM_TRY(emit_bits(r, TM_EXPR_OP_MOMENT, (uint64_t)us));
    return take_sign(r, ")") ? TM_OK : wanted(r, ")");
}

/* A number among the values of concat() is written as a text. */
static tm_status as_text(reader *r, part *value) {
    return value->type != TM_EXPR_NUMBER || value->is_missing
               ? TM_OK
               : emit_call(r, value->at, TM_STR("text"), value, 1, value);
}

static tm_status read_list(reader *r, tm_str name, part *parts, uint32_t *n) {
    do {
        if (*n == TM_EXPR_DEPTH_MAX) {
            return fail_at(r, r->at, "no more values");
        }
        TM_TRY(read_or(r, &parts[*n]));
        if (tm__str_is_nocase(name, "concat")) {
            TM_TRY(as_text(r, &parts[*n]));
        }
        (*n)++;
    } while (take_sign(r, ","));
    return take_sign(r, ")") ? TM_OK : wanted(r, ", or )");
}

static bool is_function_name(const tm_expr_fn *fn) {
    return fn != NULL && starts_name(fn->name[0]) && strcmp(fn->name, "and") != 0 &&
           strcmp(fn->name, "or") != 0 && strcmp(fn->name, "in") != 0;
}

static tm_status no_function(const reader *r, tm_str name, const char *at) {
    char words[96];
    (void)snprintf(words, sizeof(words), "there is no function '%.*s'",
                   (int)(name.len < 60 ? name.len : 60), name.ptr);
    const tm_status st = fail_at(r, at, words);
    const char *nearest = tm__expr_fn_nearest(name);
    if (nearest != NULL) {
        tm_err_hint(r->err,
                    "Did you mean '%s'? A feature over a window has `by`: late_2h = "
                    "mean(late) by origin over 2h",
                    nearest);
    } else {
        tm_err_hint(r->err, "docs/modelling.md has the functions. A feature over a window has "
                            "`by`: late_2h = mean(late) by origin over 2h");
    }
    return st;
}

static tm_status read_call(reader *r, part *out) {
    part parts[TM_EXPR_DEPTH_MAX] = {{.first = 0}};
    uint32_t n = 0;
    const tm_str name = r->word;
    const char *const at = r->at;
    const bool is_date = is_word(r, "date");
    const bool learns = tm__fitted_named(name) != NULL;
    if (!is_date && !learns && !is_function_name(tm__expr_fn_named(name))) {
        return no_function(r, name, at);
    }
    advance(r);
    advance(r); /* the parenthesis */
    if (is_date) {
        return read_date(r, at, out);
    }
    TM_TRY(read_list(r, name, parts, &n));
    return learns ? emit_fitted(r, at, name, parts, n, out) : emit_call(r, at, name, parts, n, out);
}

static tm_status read_constant(reader *r, double value, part *out) {
    *out = (part){TM_EXPR_NUMBER, false, r->out->n_ops, r->at};
    advance(r);
    return emit_bits(r, TM_EXPR_OP_CONST, tm__f64_bits(value));
}

static tm_status read_named(reader *r, part *out) {
    const char *next = r->next + strspn(r->next, " \t\r\n");
    if (*next == '(') {
        return read_call(r, out);
    }
    if (is_word(r, "true") || is_word(r, "false")) {
        return read_constant(r, is_word(r, "true") ? 1 : 0, out);
    }
    if (is_word(r, "missing")) {
        *out = (part){TM_EXPR_NUMBER, true, r->out->n_ops, r->at};
        advance(r);
        return emit(r, (tm_expr_op){TM_EXPR_OP_MISSING, 0, TM_EXPR_NUMBER});
    }
    return read_column(r, out);
}

static tm_status read_primary(reader *r, part *out) {
    double value = 0;
    switch (r->kind) {
    case NUMBER:
        return tm__str_to_f64(r->word, &value) ? read_constant(r, value, out)
                                               : wanted(r, "a number such as 12 or 0.5");
    case LITERAL:
        return read_literal(r, out);
    case QUOTED:
        return read_column(r, out);
    case NAME:
        return read_named(r, out);
    default:
        break;
    }
    if (!is_sign(r, "(")) {
        return wanted(r, r->kind == BROKEN ? "the other quotation mark" : "a value");
    }
    advance(r);
    TM_TRY(read_or(r, out));
    return take_sign(r, ")") ? TM_OK : wanted(r, ")");
}

static tm_status read_binary(reader *r, part *left, tm_status (*read_right)(reader *, part *)) {
    const tm_str name = tm__str_is(r->word, "==")   ? TM_STR("=")
                        : tm__str_is(r->word, "<>") ? TM_STR("!=")
                                                    : r->word;
    const char *const at = r->at;
    part parts[2] = {*left};
    advance(r);
    TM_TRY(read_right(r, &parts[1]));
    return emit_call(r, at, name, parts, 2, left);
}

static tm_status read_power(reader *r, part *out) {
    TM_TRY(read_primary(r, out));
    return is_sign(r, "^") ? read_binary(r, out, read_unary) : TM_OK;
}

/* What comes again within itself counts as a parenthesis. */
static tm_status read_unary(reader *r, part *out) {
    const char *const at = r->at;
    const tm_str name = r->word;
    if (++r->nest > TM_EXPR_NEST_MAX) {
        return fail_at(r, r->at, "too many parentheses within each other");
    }
    if (take_sign(r, "-")) {
        part value = {.first = 0};
        TM_TRY(read_unary(r, &value));
        TM_TRY(emit_call(r, at, name, &value, 1, out));
    } else {
        TM_TRY(read_power(r, out));
    }
    r->nest--;
    return TM_OK;
}

static tm_status read_product(reader *r, part *out) {
    TM_TRY(read_unary(r, out));
    while (is_sign(r, "*") || is_sign(r, "/") || is_sign(r, "%")) {
        TM_TRY(read_binary(r, out, read_unary));
    }
    return TM_OK;
}

static tm_status read_sum(reader *r, part *out) {
    TM_TRY(read_product(r, out));
    while (is_sign(r, "+") || is_sign(r, "-")) {
        TM_TRY(read_binary(r, out, read_product));
    }
    return TM_OK;
}

static tm_status read_in(reader *r, part *out) {
    part parts[TM_EXPR_DEPTH_MAX] = {*out};
    uint32_t n = 1;
    const tm_str name = r->word;
    const char *const at = r->at;
    advance(r);
    if (!take_sign(r, "(")) {
        return wanted(r, "(");
    }
    TM_TRY(read_list(r, name, parts, &n));
    return emit_call(r, at, name, parts, n, out);
}

static bool is_comparison(const reader *r) {
    static const char *const signs[] = {"=", "==", "!=", "<>", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (is_sign(r, signs[i])) {
            return true;
        }
    }
    return false;
}

static tm_status read_compare(reader *r, part *out) {
    TM_TRY(read_sum(r, out));
    if (is_comparison(r)) {
        return read_binary(r, out, read_sum);
    }
    const char *const at = r->at;
    const bool is_not = is_word(r, "not");
    if (is_not) {
        advance(r);
    }
    if (is_word(r, "in")) {
        TM_TRY(read_in(r, out));
        part value = *out;
        return is_not ? emit_call(r, at, TM_STR("not"), &value, 1, out) : TM_OK;
    }
    return is_not ? wanted(r, "in") : TM_OK;
}

static tm_status read_not(reader *r, part *out) {
    const char *const at = r->at;
    if (++r->nest > TM_EXPR_NEST_MAX) {
        return fail_at(r, r->at, "too many parentheses within each other");
    }
    if (is_word(r, "not")) {
        part value = {.first = 0};
        advance(r);
        TM_TRY(read_not(r, &value));
        TM_TRY(emit_call(r, at, TM_STR("not"), &value, 1, out));
    } else {
        TM_TRY(read_compare(r, out));
    }
    r->nest--;
    return TM_OK;
}

static tm_status read_and(reader *r, part *out) {
    TM_TRY(read_not(r, out));
    while (is_word(r, "and")) {
        TM_TRY(read_binary(r, out, read_not));
    }
    return TM_OK;
}

static tm_status read_or(reader *r, part *out) {
    TM_TRY(read_and(r, out));
    while (is_word(r, "or")) {
        TM_TRY(read_binary(r, out, read_and));
    }
    return TM_OK;
}

/* ---- The whole ---- */

static tm_status read_name(reader *r, char **out) {
    if ((r->kind != NAME && r->kind != QUOTED) || r->word.len == 0 ||
        r->word.len > TM_MAX_COLUMN_NAME || !tm__str_is_utf8(r->word)) {
        return wanted(r, "a name");
    }
    *out = copy_word(r);
    if (*out == NULL) {
        return no_memory(r);
    }
    advance(r);
    if (!is_sign(r, "=")) {
        const tm_status st = wanted(r, "=");
        tm__mem_free(*out);
        *out = NULL;
        return st;
    }
    advance(r);
    return TM_OK;
}

static tm_status check_length(const char *words, tm_err *err) {
    if (strnlen(words, TM_EXPR_WORDS_MAX + 1) <= TM_EXPR_WORDS_MAX) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "feature '%.40s...' has more than %u bytes",
                                 words, TM_EXPR_WORDS_MAX);
    tm_err_hint(err, "Make it of several: a feature may name those before it.");
    return st;
}

tm_status tm__expr_name(const char *words, char **out_name, size_t *out_at, tm_err *err) {
    reader r = {.text = words, .err = err};
    TM_TRY(check_length(words, err));
    read_word(&r, words);
    TM_TRY(read_name(&r, out_name));
    *out_at = (size_t)(r.at - words);
    return TM_OK;
}

static bool alloc_lists(tm_expr *out) {
    out->ops = tm__mem_zalloc(TM_EXPR_OPS_MAX, sizeof(*out->ops));
    out->bits = tm__mem_zalloc(TM_EXPR_OPS_MAX, sizeof(*out->bits));
    out->texts = tm__mem_zalloc(TM_EXPR_OPS_MAX, sizeof(*out->texts));
    out->reads = tm__mem_zalloc(TM_EXPR_READS_MAX + 1, sizeof(*out->reads));
    out->fits = tm__mem_zalloc(TM_EXPR_FITS_MAX, sizeof(*out->fits));
    return out->ops != NULL && out->bits != NULL && out->texts != NULL && out->reads != NULL &&
           out->fits != NULL;
}

static tm_status read_all(reader *r) {
    part whole = {.first = 0};
    TM_TRY(read_or(r, &whole));
    if (r->kind != END) {
        return wanted(r, "an operator or the end");
    }
    if (r->out->n_reads == 0) {
        return fail_at(r, whole.at, "no column is read");
    }
    r->out->type = whole.type;
    return TM_OK;
}

tm_status tm__expr_parse(const char *words, const tm_expr_names *names, tm_expr *out, tm_err *err) {
    char *name = NULL;
    size_t at = 0;
    tm_expr expr = {.type = 0};
    TM_TRY(tm__expr_name(words, &name, &at, err));
    reader r = {.text = words, .name = name, .names = names, .out = &expr, .err = err};
    tm_status st = alloc_lists(&expr) ? TM_OK : no_memory(&r);
    if (st == TM_OK) {
        read_word(&r, words + at);
        st = read_all(&r);
    }
    tm__mem_free(name);
    if (st != TM_OK) {
        tm__expr_done(&expr);
        return st;
    }
    *out = expr;
    return TM_OK;
}

tm_status tm__expr_check_words(const char *words, tm_err *err) {
    tm_expr expr = {.type = 0};
    TM_TRY(tm__expr_parse(words, NULL, &expr, err));
    tm__expr_done(&expr);
    return TM_OK;
}

/* Whether a word in front of a parenthesis is a function of windows alone. */
static bool is_window_function(tm_str word) {
    char name[16];
    return tm__str_copy(name, sizeof(name), word) && tm__window_fn_from_text(name) != 0 &&
           tm__expr_fn_named(word) == NULL;
}

bool tm__expr_is_window(const char *words) {
    reader r = {.text = words};
    const char *const equals = strchr(words, '=');
    uint32_t open = 0;
    if (equals == NULL) {
        return false;
    }
    read_word(&r, equals + 1);
    const tm_str function = r.word;
    const bool is_call = r.kind == NAME && *(r.next + strspn(r.next, " \t\r\n")) == '(';
    if (!is_call || is_window_function(function)) {
        return is_call;
    }
    for (advance(&r); r.kind != END && r.kind != BROKEN; advance(&r)) {
        open += is_sign(&r, "(") ? 1 : 0;
        open -= is_sign(&r, ")") ? 1 : 0;
        if (open == 0) { /* behind the parenthesis that closes the call */
            advance(&r);
            return is_word(&r, "by") || is_word(&r, "of");
        }
    }
    return false;
}
