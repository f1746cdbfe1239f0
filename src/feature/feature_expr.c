/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled expression: checked, run, and its bytes.
 *
 *   u8 type, and 128 when there are fits
 *   reads  u32 n, u32 source [n]
 *   bits   u32 n, u64 [n]
 *   texts  u32 n, text [n]
 *   ops    u32 n; each u8 kind, u8 arguments, u16 item
 *   fits   when there are any: see feature_fitted.c
 *
 * The check goes through the ops with a stack of types, as the evaluation goes through them with a
 * stack of values: what passes cannot leave the stack, read what is not there or take a value for
 * one of another type.
 */
#include "feature/feature_expr.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_expr_fn.h"
#include "feature/feature_fitted.h"

#define HAS_FITS 0x80u

tm_expr_type tm__expr_type_of(tm_type type) {
    switch (type) {
    case TM_TYPE_BOOL:
    case TM_TYPE_INT:
    case TM_TYPE_FLOAT:
        return TM_EXPR_NUMBER;
    case TM_TYPE_TEXT:
        return TM_EXPR_TEXT;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return TM_EXPR_TIME;
    default:
        return (tm_expr_type)0;
    }
}

tm_type tm__expr_column_type(tm_expr_type type) {
    return type == TM_EXPR_NUMBER ? TM_TYPE_FLOAT
           : type == TM_EXPR_TEXT ? TM_TYPE_TEXT
                                  : TM_TYPE_TIME;
}

void tm__expr_done(tm_expr *expr) {
    for (uint32_t i = 0; expr->texts != NULL && i < expr->n_texts; i++) {
        tm__mem_free(expr->texts[i]);
    }
    tm__mem_free(expr->texts);
    tm__mem_free(expr->ops);
    tm__mem_free(expr->bits);
    tm__mem_free(expr->reads);
    for (uint32_t i = 0; expr->fits != NULL && i < expr->n_fits; i++) {
        tm__fitted_done(&expr->fits[i]);
    }
    tm__mem_free(expr->fits);
    memset(expr, 0, sizeof(*expr));
}

/* ---- Checked ---- */

typedef struct type_stack {
    const tm_expr *expr;
    const tm_type *types;
    uint32_t n_sources;
    tm_expr_type values[TM_EXPR_DEPTH_MAX];
    uint32_t n;
    uint32_t n_fits; /* seen so far */
} type_stack;

static bool push(type_stack *s, tm_expr_type type) {
    if (s->n == TM_EXPR_DEPTH_MAX || type < TM_EXPR_NUMBER || type > TM_EXPR_TIME) {
        return false;
    }
    s->values[s->n++] = type;
    return true;
}

/* Takes the values of an op off the stack, which must be of the types of the letters. */
static bool pop(type_stack *s, const tm_expr_op *op, const char *letters, bool is_open) {
    const uint32_t n = (uint32_t)strlen(letters);
    if (op->n_args > s->n || (is_open ? op->n_args < n : op->n_args != n)) {
        return false;
    }
    s->n -= op->n_args;
    for (uint32_t i = 0; i < op->n_args; i++) {
        if (tm__expr_letter(s->values[s->n + i]) != letters[i < n ? i : n - 1]) {
            return false;
        }
    }
    return true;
}

static bool check_call(type_stack *s, const tm_expr_op *op) {
    const tm_expr_fn *fn = tm__expr_fn_get(op->item);
    return fn != NULL && pop(s, op, fn->args, fn->is_open) &&
           push(s, tm__expr_type_of_letter(fn->result));
}

static bool check_fitted(type_stack *s, const tm_expr_op *op) {
    if (op->item != s->n_fits || op->item >= s->expr->n_fits) {
        return false;
    }
    const tm_expr_fit *fit = &s->expr->fits[s->n_fits++];
    const tm_fitted_fn *fn = tm__fitted_get(fit->fn);
    return fn != NULL && tm__fitted_is_valid(fit) && pop(s, op, fn->args, false) &&
           push(s, tm__expr_type_of_letter(fn->result));
}

static bool check_read(type_stack *s, uint32_t item) {
    const tm_expr *expr = s->expr;
    return item < expr->n_reads && expr->reads[item] < s->n_sources &&
           push(s, tm__expr_type_of(s->types[expr->reads[item]]));
}

static bool check_op(type_stack *s, const tm_expr_op *op) {
    if (op->kind < TM_EXPR_OP_CALL && op->n_args != 0) {
        return false;
    }
    switch ((tm_expr_op_kind)op->kind) {
    case TM_EXPR_OP_READ:
        return check_read(s, op->item);
    case TM_EXPR_OP_CONST:
        return op->item < s->expr->n_bits && isfinite(tm__f64_from_bits(s->expr->bits[op->item])) &&
               push(s, TM_EXPR_NUMBER);
    case TM_EXPR_OP_MOMENT:
        return op->item < s->expr->n_bits && push(s, TM_EXPR_TIME);
    case TM_EXPR_OP_LITERAL:
        return op->item < s->expr->n_texts && push(s, TM_EXPR_TEXT);
    case TM_EXPR_OP_MISSING:
        return push(s, (tm_expr_type)op->item);
    case TM_EXPR_OP_CALL:
        return check_call(s, op);
    case TM_EXPR_OP_FITTED:
        return check_fitted(s, op);
    }
    return false;
}

bool tm__expr_is_valid(const tm_expr *expr, const tm_type *types, uint32_t n_sources) {
    type_stack s = {.expr = expr, .types = types, .n_sources = n_sources};
    bool is_valid = expr->n_ops > 0 && expr->n_ops <= TM_EXPR_OPS_MAX && expr->n_reads > 0 &&
                    expr->n_reads <= TM_EXPR_READS_MAX;
    for (uint32_t i = 0; is_valid && i < expr->n_ops; i++) {
        is_valid = check_op(&s, &expr->ops[i]);
    }
    for (uint32_t i = 0; is_valid && i < expr->n_reads; i++) {
        is_valid = expr->reads[i] < n_sources && tm__expr_type_of(types[expr->reads[i]]) != 0;
        for (uint32_t j = 0; is_valid && j < i; j++) {
            is_valid = expr->reads[j] != expr->reads[i];
        }
    }
    return is_valid && s.n == 1 && s.values[0] == expr->type && s.n_fits == expr->n_fits;
}

/* ---- Run ---- */

static tm_expr_value missing_of(tm_expr_type type) {
    return type == TM_EXPR_NUMBER ? (tm_expr_value){.number = tm__nan()}
           : type == TM_EXPR_TEXT ? (tm_expr_value){.text = {NULL, 0}}
                                  : (tm_expr_value){.us = TM_INT_MISSING};
}

tm_expr_value tm__expr_eval(const tm_expr *expr, const tm_expr_value *reads,
                            tm_expr_scratch *scratch) {
    tm_expr_value stack[TM_EXPR_DEPTH_MAX];
    uint32_t n = 0;
    scratch->n = 0;
    for (uint32_t i = 0; i < expr->n_ops; i++) {
        const tm_expr_op *op = &expr->ops[i];
        switch ((tm_expr_op_kind)op->kind) {
        case TM_EXPR_OP_READ:
            stack[n++] = reads[op->item];
            break;
        case TM_EXPR_OP_CONST:
            stack[n++].number = tm__f64_from_bits(expr->bits[op->item]);
            break;
        case TM_EXPR_OP_MOMENT:
            stack[n++].us = (int64_t)expr->bits[op->item];
            break;
        case TM_EXPR_OP_LITERAL:
            stack[n++].text = tm__str(expr->texts[op->item]);
            break;
        case TM_EXPR_OP_MISSING:
            stack[n++] = missing_of((tm_expr_type)op->item);
            break;
        case TM_EXPR_OP_CALL:
            n -= op->n_args;
            stack[n] = tm__expr_fn_get(op->item)->run(&stack[n], op->n_args, scratch);
            n++;
            break;
        case TM_EXPR_OP_FITTED:
            n -= op->n_args;
            stack[n] = tm__fitted_run(&expr->fits[op->item], &stack[n]);
            n++;
            break;
        }
    }
    return stack[0];
}

/* ---- Bytes ---- */

bool tm__expr_save(const tm_expr *expr, tm_buf *out) {
    tm__buf_u8(out, (uint8_t)((uint32_t)expr->type | (expr->n_fits > 0 ? HAS_FITS : 0)));
    tm__buf_u32(out, expr->n_reads);
    for (uint32_t i = 0; i < expr->n_reads; i++) {
        tm__buf_u32(out, expr->reads[i]);
    }
    tm__buf_u32(out, expr->n_bits);
    for (uint32_t i = 0; i < expr->n_bits; i++) {
        tm__buf_u64(out, expr->bits[i]);
    }
    tm__buf_u32(out, expr->n_texts);
    for (uint32_t i = 0; i < expr->n_texts; i++) {
        tm__buf_str(out, tm__str(expr->texts[i]));
    }
    tm__buf_u32(out, expr->n_ops);
    for (uint32_t i = 0; i < expr->n_ops; i++) {
        tm__buf_u8(out, expr->ops[i].kind);
        tm__buf_u8(out, expr->ops[i].n_args);
        tm__buf_u16(out, expr->ops[i].item);
    }
    if (expr->n_fits > 0) {
        tm__buf_u32(out, expr->n_fits);
    }
    for (uint32_t i = 0; i < expr->n_fits; i++) {
        tm__fitted_save(&expr->fits[i], out);
    }
    return !out->failed;
}

static tm_status bad(tm_err *err, const char *what) {
    return TM_FAIL(err, TM_E_DATA, "feature program: %s", what);
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for an expression");
}

static tm_status get_count(tm_reader *in, uint32_t most, uint32_t *out, tm_err *err) {
    *out = tm__reader_u32(in);
    return in->failed || *out > most ? bad(err, "an expression is too long or cut") : TM_OK;
}

static tm_status get_texts(tm_reader *in, tm_expr *out, tm_err *err) {
    uint32_t n;
    TM_TRY(get_count(in, TM_EXPR_OPS_MAX, &n, err));
    out->texts = tm__mem_zalloc((size_t)n + 1, sizeof(char *));
    if (out->texts == NULL) {
        return no_memory(err);
    }
    out->n_texts = n;
    for (uint32_t i = 0; i < n; i++) {
        const tm_str text = tm__reader_str(in);
        if (in->failed || text.len > TM_EXPR_WORDS_MAX || !tm__str_is_utf8(text) ||
            (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)) {
            return bad(err, "a text of an expression is not valid");
        }
        out->texts[i] = tm__mem_strndup(text.len > 0 ? text.ptr : "", text.len);
        if (out->texts[i] == NULL) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

static tm_status get_ops(tm_reader *in, tm_expr *out, tm_err *err) {
    uint32_t n;
    TM_TRY(get_count(in, TM_EXPR_OPS_MAX, &n, err));
    out->ops = tm__mem_zalloc((size_t)n + 1, sizeof(*out->ops));
    if (out->ops == NULL) {
        return no_memory(err);
    }
    out->n_ops = n;
    for (uint32_t i = 0; i < n; i++) {
        out->ops[i].kind = tm__reader_u8(in);
        out->ops[i].n_args = tm__reader_u8(in);
        out->ops[i].item = tm__reader_u16(in);
    }
    return in->failed ? bad(err, "an expression is cut") : TM_OK;
}

static tm_status get_numbers(tm_reader *in, tm_expr *out, tm_err *err) {
    uint32_t n;
    TM_TRY(get_count(in, TM_EXPR_READS_MAX, &n, err));
    out->reads = tm__mem_zalloc((size_t)n + 1, sizeof(uint32_t));
    if (out->reads == NULL) {
        return no_memory(err);
    }
    out->n_reads = n;
    for (uint32_t i = 0; i < n; i++) {
        out->reads[i] = tm__reader_u32(in);
    }
    TM_TRY(get_count(in, TM_EXPR_OPS_MAX, &n, err));
    out->bits = tm__mem_zalloc((size_t)n + 1, sizeof(uint64_t));
    if (out->bits == NULL) {
        return no_memory(err);
    }
    out->n_bits = n;
    for (uint32_t i = 0; i < n; i++) {
        out->bits[i] = tm__reader_u64(in);
    }
    return TM_OK;
}

static tm_status get_fits(tm_reader *in, tm_expr *out, tm_err *err) {
    uint32_t n;
    TM_TRY(get_count(in, TM_EXPR_FITS_MAX, &n, err));
    if (n == 0) {
        return bad(err, "an expression has learned nothing");
    }
    out->fits = tm__mem_zalloc(n, sizeof(*out->fits));
    if (out->fits == NULL) {
        return no_memory(err);
    }
    for (; out->n_fits < n; out->n_fits++) {
        TM_TRY(tm__fitted_load(in, &out->fits[out->n_fits], err));
    }
    return TM_OK;
}

tm_status tm__expr_load(tm_reader *in, const tm_type *types, uint32_t n_sources, tm_expr *out,
                        tm_err *err) {
    const uint8_t head = tm__reader_u8(in);
    tm_expr expr = {.type = (tm_expr_type)(head & ~HAS_FITS)};
    tm_status st = get_numbers(in, &expr, err);
    if (st == TM_OK) {
        st = get_texts(in, &expr, err);
    }
    if (st == TM_OK) {
        st = get_ops(in, &expr, err);
    }
    if (st == TM_OK && (head & HAS_FITS) != 0) {
        st = get_fits(in, &expr, err);
    }
    if (st == TM_OK && !tm__expr_is_valid(&expr, types, n_sources)) {
        st = bad(err, "an expression is wrong");
    }
    if (st != TM_OK) {
        tm__expr_done(&expr);
        return st;
    }
    *out = expr;
    return TM_OK;
}
