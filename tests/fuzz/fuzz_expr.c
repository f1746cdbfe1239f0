/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns by expression. In words: refused with a place and a hint, or compiled to what keeps its
 * invariants, runs, and saves to bytes that load as the same. As bytes: refused, or the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feature/feature_expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const names[] = {"a", "b", "s", "u", "t"};
static const tm_type types[] = {TM_TYPE_FLOAT, TM_TYPE_INT, TM_TYPE_TEXT, TM_TYPE_TEXT,
                                TM_TYPE_TIME};
#define N_NAMES 5u

static tm_expr_value value_of(uint32_t source, int round) {
    const bool is_missing = round == 0;
    if (types[source] == TM_TYPE_TEXT) {
        return (tm_expr_value){.text = is_missing   ? (tm_str){NULL, 0}
                                       : round == 1 ? TM_STR("")
                                                    : TM_STR("b caf\xc3\xa9, 12 pieces")};
    }
    if (types[source] == TM_TYPE_TIME) {
        return (tm_expr_value){.us = is_missing   ? TM_INT_MISSING
                                     : round == 1 ? INT64_MAX
                                                  : INT64_C(978307200000000)};
    }
    return (tm_expr_value){.number = is_missing ? (double)NAN : round == 1 ? -1e300 : 0.5};
}

static void run(const tm_expr *expr) {
    tm_expr_scratch scratch;
    tm_expr_value reads[TM_EXPR_READS_MAX];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < expr->n_reads; i++) {
            reads[i] = value_of(expr->reads[i], round);
        }
        const tm_expr_value value = tm__expr_eval(expr, reads, &scratch);
        if (expr->type == TM_EXPR_NUMBER && isinf(value.number)) {
            abort();
        }
        if (expr->type == TM_EXPR_TEXT && value.text.ptr != NULL && !tm__str_is_utf8(value.text)) {
            abort();
        }
    }
}

static void again(const tm_expr *expr) {
    tm_buf bytes, second;
    tm_reader in;
    tm_expr other;
    tm__buf_init(&bytes, 1 << 20);
    tm__buf_init(&second, 1 << 20);
    if (!tm__expr_is_valid(expr, types, N_NAMES) || !tm__expr_save(expr, &bytes)) {
        abort();
    }
    tm__reader_init(&in, bytes.data, bytes.len);
    if (tm__expr_load(&in, types, N_NAMES, &other, NULL) != TM_OK ||
        !tm__expr_save(&other, &second) || second.len != bytes.len ||
        memcmp(second.data, bytes.data, bytes.len) != 0) {
        abort();
    }
    run(&other);
    tm__expr_done(&other);
    tm__buf_done(&bytes);
    tm__buf_done(&second);
}

static void try_words(const char *text) {
    const tm_expr_names all = {names, types, N_NAMES};
    tm_expr expr;
    tm_err err = {0};
    (void)tm__expr_is_window(text);
    const tm_status st = tm__expr_parse(text, &all, &expr, &err);
    if (st == TM_OK) {
        if (tm__expr_check_words(text, NULL) != TM_OK) {
            abort(); /* what is right with columns is right without */
        }
        run(&expr);
        again(&expr);
        tm__expr_done(&expr);
    } else if (st != TM_E_USAGE || err.message[0] == '\0' || err.hint[0] == '\0') {
        abort();
    }
}

static void try_bytes(const uint8_t *data, size_t len) {
    tm_reader in;
    tm_expr expr;
    tm__reader_init(&in, data, len);
    if (tm__expr_load(&in, types, N_NAMES, &expr, NULL) == TM_OK) {
        run(&expr);
        again(&expr);
        tm__expr_done(&expr);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char *text = malloc(len + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, len);
    text[len] = '\0';
    try_words(text);
    try_bytes(data, len);
    free(text);
    return 0;
}
