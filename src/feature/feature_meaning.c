/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What columns mean, when a person says so. A column of another type is read by an expression, so
 * that a file, a request and a later release read it alike:
 *
 *              number          category     text   time
 *   text       number(x)       as it is     as it is  time(x)
 *   number     as it is        text(x)      -      -
 *   time       days(x)         -            -      as it is
 */
#include <string.h>

#include "base/mem.h"
#include "feature/feature_priv.h"

static const char *const names[] = {[TM_MEANS_WHAT_IT_LOOKS_LIKE] = "",
                                    [TM_MEANS_NUMBER] = "number",
                                    [TM_MEANS_CATEGORY] = "category",
                                    [TM_MEANS_TEXT] = "text",
                                    [TM_MEANS_TIME] = "time",
                                    [TM_MEANS_KEEP] = "keep",
                                    [TM_MEANS_DROP] = "drop"};

const char *tm__meaning_text(tm_meaning meaning) {
    return names[meaning];
}

bool tm__meaning_from_text(const char *text, tm_meaning *out) {
    for (int i = TM_MEANS_NUMBER; i <= TM_MEANS_DROP; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (tm_meaning)i;
            return true;
        }
    }
    return false;
}

/* What reads it; "" when it is that already, NULL when it cannot be. */
static const char *reader_of(tm_meaning meaning, tm_type type) {
    const tm_expr_type is = tm__expr_type_of(type);
    switch (meaning) {
    case TM_MEANS_NUMBER:
        return is == TM_EXPR_TEXT ? "number" : is == TM_EXPR_TIME ? "days" : "";
    case TM_MEANS_CATEGORY:
        return is == TM_EXPR_NUMBER ? "text" : is == TM_EXPR_TEXT ? "" : NULL;
    case TM_MEANS_TEXT:
        return is == TM_EXPR_TEXT ? "" : NULL;
    case TM_MEANS_TIME:
        return is == TM_EXPR_TEXT ? "time" : is == TM_EXPR_TIME ? "" : NULL;
    default:
        return "";
    }
}

bool tm__meaning_fits(tm_meaning meaning, tm_type type) {
    return reader_of(meaning, type) != NULL;
}

static void put_quoted(tm_buf *out, const char *name, const char *ending) {
    tm__buf_byte(out, '"');
    for (const char *p = name; *p != '\0'; p++) {
        tm__buf_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    }
    tm__buf_text(out, ending);
    tm__buf_byte(out, '"');
}

bool tm__meaning_words(const char *column, tm_type type, tm_meaning meaning, char **out) {
    const char *const reader = reader_of(meaning, type);
    char ending[16];
    tm_buf words;
    *out = NULL;
    if (reader == NULL || *reader == '\0') {
        return true;
    }
    ending[0] = '.';
    (void)tm__str_copy(ending + 1, sizeof(ending) - 1, tm__str(names[meaning]));
    tm__buf_init(&words, TM_EXPR_WORDS_MAX + 1);
    put_quoted(&words, column, ending);
    tm__buf_printf(&words, " = %s(", reader);
    put_quoted(&words, column, "");
    tm__buf_byte(&words, ')');
    *out = tm__buf_byte(&words, 0) ? tm__mem_strdup((const char *)words.data) : NULL;
    tm__buf_done(&words);
    return *out != NULL;
}
