/* SPDX-License-Identifier: Apache-2.0 */
/* Columns in memory, and calls that learn from them. */
#ifndef TM_TEST_FITTED_CASE_H
#define TM_TEST_FITTED_CASE_H

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_fitted.h"
#include "feature/feature_priv.h"
#include "test.h"

#define FITTED_ROWS 64u

typedef struct fitted_case {
    double numbers[FITTED_ROWS];
    uint32_t codes[FITTED_ROWS], rows[FITTED_ROWS];
    tm_dict *dict;
    tm_column number, text;
    tm_fitted_rows in;
    tm_expr_fit fit;
} fitted_case;

/* numbers [n] and, when there are any, texts [n] (NULL: missing). */
static inline void fitted_init(fitted_case *c, const double *numbers, const char *const *texts,
                               uint32_t n) {
    memset(c, 0, sizeof(*c));
    c->dict = tm__dict_create();
    for (uint32_t i = 0; i < n; i++) {
        c->rows[i] = i;
        c->numbers[i] = numbers == NULL ? NAN : numbers[i];
        c->codes[i] = texts == NULL || texts[i] == NULL ? TM_CODE_MISSING
                                                        : tm__dict_add(c->dict, tm__str(texts[i]));
    }
    c->number = (tm_column){.name = "x", .type = TM_TYPE_FLOAT, .floats = c->numbers};
    c->text = (tm_column){.name = "s", .type = TM_TYPE_TEXT, .codes = c->codes, .dict = c->dict};
    c->in = (tm_fitted_rows){.columns = {numbers == NULL ? &c->text : &c->number, &c->text},
                             .rows = c->rows,
                             .n_rows = n,
                             .min_count = 2};
}

static inline void fitted_done(fitted_case *c) {
    tm__fitted_done(&c->fit);
    tm__dict_free(c->dict);
}

static inline void fitted_fit(fitted_case *c, const tm_fitted_fn *fn, double parameter) {
    tm__fitted_done(&c->fit);
    c->fit.fn = fn->number;
    c->in.parameter = parameter;
    assert_int_equal(fn->fit(&c->in, &c->fit, NULL), TM_OK);
    assert_true(tm__fitted_is_valid(&c->fit));
}

static inline double fitted_number(const fitted_case *c, double x) {
    const tm_expr_value args[] = {{.number = x}};
    return tm__fitted_run(&c->fit, args).number;
}

static inline tm_expr_value fitted_text(const fitted_case *c, const char *text) {
    const tm_expr_value args[] = {{.text = {text, text == NULL ? 0 : strlen(text)}}};
    return tm__fitted_run(&c->fit, args);
}

static inline double fitted_by(const fitted_case *c, double x, const char *text) {
    const tm_expr_value args[] = {{.number = x}, {.text = {text, text == NULL ? 0 : strlen(text)}}};
    return tm__fitted_run(&c->fit, args).number;
}

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

#endif
