/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the functions that learn, their parameters, and the bytes of what they learned:
 *
 *   u16 function
 *   numbers  u32 n, f64 [n]
 *   levels   u32 n; when there are any: u32 starts [n + 1], their bytes
 */
#include "feature/feature_fitted.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_expr_fn.h"
#include "feature/feature_priv.h"

static const tm_fitted_fn *const fns[] = {
    &tm__fitted_scale,         &tm__fitted_robust_scale, &tm__fitted_yeo_johnson,
    &tm__fitted_quantile,      &tm__fitted_bin,          &tm__fitted_cut,
    &tm__fitted_impute_number, &tm__fitted_impute_text,  &tm__fitted_frequency,
    &tm__fitted_pool_rare,     &tm__fitted_mean_by,      &tm__fitted_median_by,
    &tm__fitted_std_by,
};

#define N_FNS (sizeof(fns) / sizeof(fns[0]))

const tm_fitted_fn *tm__fitted_get(uint32_t number) {
    return number >= 1 && number <= N_FNS ? fns[number - 1] : NULL;
}

const tm_fitted_fn *tm__fitted_at(uint32_t i) {
    return i < N_FNS ? fns[i] : NULL;
}

const tm_fitted_fn *tm__fitted_named(tm_str name) {
    for (size_t i = 0; i < N_FNS; i++) {
        if (tm__str_is_nocase(name, fns[i]->name)) {
            return fns[i];
        }
    }
    return NULL;
}

static bool takes(const tm_fitted_fn *fn, const char *letters, uint32_t n) {
    bool is_fit = strlen(fn->args) == n;
    for (uint32_t i = 0; is_fit && i < n; i++) {
        is_fit = letters[i] == '?' || letters[i] == fn->args[i];
    }
    return is_fit;
}

const tm_fitted_fn *tm__fitted_find(tm_str name, const char *letters, uint32_t n) {
    for (size_t i = 0; i < N_FNS; i++) {
        if (tm__str_is_nocase(name, fns[i]->name) && takes(fns[i], letters, n)) {
            return fns[i];
        }
    }
    return NULL;
}

/* ---- Parameters ---- */

bool tm__fitted_number(const tm_fitted_fn *fn, double value, double *out) {
    const tm_fitted_parameter *own = fn->parameter;
    if (own == NULL || own->words != NULL || !(value >= own->least && value <= own->most) ||
        (own->is_whole && value != floor(value))) {
        return false;
    }
    *out = value;
    return true;
}

bool tm__fitted_word(const tm_fitted_fn *fn, tm_str word, double *out) {
    double number = 0;
    if (fn->parameter == NULL || fn->parameter->words == NULL) {
        return false;
    }
    for (tm_str rest = tm__str(fn->parameter->words); rest.len > 0; number++) {
        const tm_str own = tm__str_cut(&rest, '|');
        if (tm__str_eq(own, word)) {
            *out = number;
            return true;
        }
    }
    return false;
}

void tm__fitted_wanted(const tm_fitted_fn *fn, char *out, size_t size) {
    const tm_fitted_parameter *own = fn->parameter;
    if (own->words == NULL) {
        (void)snprintf(out, size, "a %snumber from %g to %g", own->is_whole ? "whole " : "",
                       own->least, own->most);
        return;
    }
    size_t len = 0;
    for (tm_str rest = tm__str(own->words); rest.len > 0 && len < size;) {
        const tm_str word = tm__str_cut(&rest, '|');
        len += (size_t)snprintf(out + len, size - len, "%s'%.*s'", len > 0 ? " or " : "",
                                (int)word.len, word.ptr);
    }
}

/* ---- Run ---- */

static bool has_learned(const tm_expr_fit *fit) {
    return fit->n_numbers > 0 || fit->levels != NULL;
}

bool tm__fitted_is_valid(const tm_expr_fit *fit) {
    for (uint32_t i = 0; i < fit->n_numbers; i++) {
        if (!isfinite(fit->numbers[i])) {
            return false;
        }
    }
    return !has_learned(fit) || tm__fitted_get(fit->fn)->is_valid(fit);
}

tm_expr_value tm__fitted_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    const tm_fitted_fn *fn = tm__fitted_get(fit->fn);
    if (!has_learned(fit)) {
        return fn->result == 'S' ? (tm_expr_value){.text = {NULL, 0}}
                                 : (tm_expr_value){.number = tm__nan()};
    }
    return fn->run(fit, args);
}

/* ---- Bytes ---- */

bool tm__fitted_save(const tm_expr_fit *fit, tm_buf *out) {
    tm__buf_u16(out, fit->fn);
    tm__buf_u32(out, fit->n_numbers);
    for (uint32_t i = 0; i < fit->n_numbers; i++) {
        tm__buf_f64(out, fit->numbers[i]);
    }
    if (fit->levels == NULL) {
        return tm__buf_u32(out, 0);
    }
    tm__levels_save(fit->levels, out);
    return !out->failed;
}

static tm_status bad(tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "feature program: what a function learned is wrong");
}

tm_status tm__fitted_no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for what a function learns");
}

static tm_status get_numbers(tm_reader *in, tm_expr_fit *out, tm_err *err) {
    const uint32_t n = tm__reader_u32(in);
    const size_t at = in->pos;
    if (in->failed || tm__reader_view(in, n, sizeof(double)) == NULL) {
        return bad(err);
    }
    in->pos = at;
    out->numbers = tm__mem_alloc(n, sizeof(double));
    if (out->numbers == NULL) {
        return tm__fitted_no_memory(err);
    }
    for (; out->n_numbers < n; out->n_numbers++) {
        out->numbers[out->n_numbers] = tm__reader_f64(in);
    }
    return TM_OK;
}

/* A level goes out as a text, so it has to be one. */
static bool are_texts(const tm_levels *levels) {
    for (uint32_t i = 0; i < levels->n; i++) {
        const tm_str text = {levels->bytes + levels->starts[i],
                             levels->starts[i + 1] - levels->starts[i]};
        if (!tm__str_is_utf8(text)) {
            return false;
        }
    }
    return true;
}

static tm_status get_levels(tm_reader *in, tm_expr_fit *out, tm_err *err) {
    tm_reader ahead = *in;
    if (tm__reader_u32(&ahead) == 0) {
        *in = ahead;
        return ahead.failed ? bad(err) : TM_OK;
    }
    out->levels = tm__mem_zalloc(1, sizeof(*out->levels));
    if (out->levels == NULL) {
        return tm__fitted_no_memory(err);
    }
    out->levels->derive = TM_DERIVE_WHOLE;
    TM_TRY(tm__levels_load(in, out->levels, err));
    return are_texts(out->levels) ? TM_OK : bad(err);
}

static tm_status get_parts(tm_reader *in, tm_expr_fit *out, tm_err *err) {
    out->fn = tm__reader_u16(in);
    TM_TRY(get_numbers(in, out, err));
    return get_levels(in, out, err);
}

tm_status tm__fitted_load(tm_reader *in, tm_expr_fit *out, tm_err *err) {
    tm_expr_fit fit = {.fn = 0};
    const tm_status st = get_parts(in, &fit, err);
    if (st != TM_OK) {
        tm__fitted_done(&fit);
        return st;
    }
    *out = fit;
    return TM_OK;
}

void tm__fitted_done(tm_expr_fit *fit) {
    tm__mem_free(fit->numbers);
    if (fit->levels != NULL) {
        tm__levels_done(fit->levels);
        tm__mem_free(fit->levels);
    }
    memset(fit, 0, sizeof(*fit));
}
