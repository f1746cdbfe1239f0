/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a condition: only for this folder. */
#ifndef TM_STORE_CONDITION_PRIV_H
#define TM_STORE_CONDITION_PRIV_H

#include "store/condition.h"

typedef enum tm_token_kind {
    TM_TOKEN_END,
    TM_TOKEN_NAME, /* or a word of SQL */
    TM_TOKEN_TEXT,
    TM_TOKEN_NUMBER,
    TM_TOKEN_SIGN,
    TM_TOKEN_BAD /* what may not stand in a condition */
} tm_token_kind;
typedef struct tm_token {
    tm_token_kind kind;
    tm_str text;
    size_t at;
} tm_token;
/** The token at *at, which moves behind it. */
tm_token tm__token_next(const char *sql, size_t *at);

/** Refuse what is no condition by its tokens: length, depth, comments, parameters, several
 * statements. */
TM_NODISCARD tm_status tm__condition_check(const char *sql, tm_err *err);
/** Refuse a column that is compared with a literal of another kind. */
TM_NODISCARD tm_status tm__condition_check_types(const char *sql,
                                                 const tm_condition_column *columns,
                                                 uint32_t n_columns, tm_err *err);

#endif
