/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over a few columns, compiled and run in a line. */
#ifndef TM_TEST_EXPR_CASE_H
#define TM_TEST_EXPR_CASE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "feature/feature_expr.h"
#include "test.h"

/* Columns: numbers a = 7, b = -2, z = 0, m missing; texts s, u missing; times t, d, v missing. */
static const char *const expr_names[] = {"a", "b", "z", "m",      "s",     "u",
                                         "t", "d", "v", "my col", "hidden"};
static const tm_type expr_types[] = {TM_TYPE_FLOAT, TM_TYPE_INT,  TM_TYPE_BOOL, TM_TYPE_FLOAT,
                                     TM_TYPE_TEXT,  TM_TYPE_TEXT, TM_TYPE_TIME, TM_TYPE_DATE,
                                     TM_TYPE_TIME,  TM_TYPE_INT,  TM_TYPE_NONE};
#define EXPR_COLS 11u

static inline tm_status expr_compile(const char *text, tm_expr *out, tm_err *err) {
    char words[4096];
    const tm_expr_names names = {expr_names, expr_types, EXPR_COLS};
    snprintf(words, sizeof(words), "x = %s", text);
    return tm__expr_parse(words, &names, out, err);
}

static inline tm_expr_value expr_column(uint32_t source) {
    int64_t us = 0;
    static const double numbers[] = {7, -2, 0, NAN};
    if (source < 4)
        return (tm_expr_value){.number = numbers[source]};
    if (source == 4)
        return (tm_expr_value){.text = TM_STR("Caf\xc3\xa9 No. 42")};
    if (source == 5)
        return (tm_expr_value){.text = {NULL, 0}};
    if (source == 6)
        assert_true(tm__time_parse(TM_STR("2024-03-01T14:25:10Z"), &us));
    if (source == 7)
        assert_true(tm__time_parse(TM_STR("2024-02-28"), &us));
    if (source == 9)
        return (tm_expr_value){.number = 3};
    return (tm_expr_value){.us = source == 8 ? TM_INT_MISSING : us};
}

static inline tm_expr_value expr_run(const tm_expr *expr, tm_expr_scratch *scratch) {
    tm_expr_value reads[TM_EXPR_READS_MAX];
    for (uint32_t i = 0; i < expr->n_reads; i++)
        reads[i] = expr_column(expr->reads[i]);
    return tm__expr_eval(expr, reads, scratch);
}

/* The value in words: "7", "missing", "'text'", "2024-03-01T14:25:10Z". */
static inline const char *expr_words(const char *text) {
    static char out[TM_EXPR_TEXT_MAX + 64];
    tm_expr expr;
    tm_expr_scratch scratch;
    tm_err err = {0};
    if (expr_compile(text, &expr, &err) != TM_OK) {
        snprintf(out, sizeof(out), "%s", err.message);
        return out;
    }
    assert_true(tm__expr_is_valid(&expr, expr_types, EXPR_COLS));
    const tm_expr_value value = expr_run(&expr, &scratch);
    if (expr.type == TM_EXPR_NUMBER) {
        if (isnan(value.number))
            snprintf(out, sizeof(out), "missing");
        else
            out[tm__f64_to_text(value.number, out)] = '\0';
    } else if (expr.type == TM_EXPR_TEXT) {
        if (value.text.ptr == NULL)
            snprintf(out, sizeof(out), "missing");
        else
            snprintf(out, sizeof(out), "'%.*s'", (int)value.text.len, value.text.ptr);
    } else if (value.us == TM_INT_MISSING) {
        snprintf(out, sizeof(out), "missing");
    } else {
        out[tm__time_to_text(value.us, out)] = '\0';
    }
    tm__expr_done(&expr);
    return out;
}

typedef struct expr_pair {
    const char *text, *want;
} expr_pair;

static inline void assert_expressions(const expr_pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *got = expr_words(pairs[i].text);
        if (strcmp(got, pairs[i].want) != 0)
            print_error("%s\n", pairs[i].text);
        assert_string_equal(got, pairs[i].want);
    }
}

#endif
