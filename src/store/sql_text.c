/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql_text.h"

#include "base/str.h"

static bool is_word_char(char c) {
    return tm__is_alnum(c) || c == '_' || c == '$' || c == '.' || (unsigned char)c >= 0x80;
}

/* True when a text is the name of a table: "orders", "shop.orders", in quotes or not. */
static bool is_name(tm_str text) {
    char quote = '\0'; /* the one that is open */
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (!is_word_char(c)) {
            return false;
        }
    }
    return text.len > 0 && quote == '\0' && !tm__str_is_nocase(text, "table");
}

static bool has_first_word(tm_str query, const char *word) {
    size_t n = 0;
    while (n < query.len && ((query.ptr[n] | 32) >= 'a' && (query.ptr[n] | 32) <= 'z')) {
        n++;
    }
    return tm__str_is_nocase((tm_str){query.ptr, n}, word);
}

tm_status tm__sql_source(const char *text, tm_buf *out, tm_err *err) {
    static const char *const writers[] = {"insert", "update", "delete", "merge",    "create",
                                          "drop",   "alter",  "copy",   "truncate", "call",
                                          "do",     "grant",  "set",    "begin",    "explain"};
    tm_str query = tm__str_trim(tm__str(text));
    while (query.len > 0 && query.ptr[query.len - 1] == ';') {
        query = tm__str_trim((tm_str){query.ptr, query.len - 1});
    }
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
        if (query.len == 0 || (has_first_word(query, writers[i]) && !is_name(query))) {
            (void)TM_FAIL(err, TM_E_USAGE, "the query is %s",
                          query.len == 0 ? "empty" : "no SELECT");
            tm_err_hint(err, "Give one SELECT, or the name of a table.");
            return TM_E_USAGE;
        }
    }
    if (is_name(query)) {
        (void)(tm__buf_append(out, query.ptr, query.len) && tm__buf_text(out, " AS q"));
    } else { /* a comment may end it, so the line does too */
        (void)(tm__buf_text(out, "(\n") && tm__buf_append(out, query.ptr, query.len) &&
               tm__buf_text(out, "\n) AS q"));
    }
    return TM_OK;
}

bool tm__sql_quote(tm_buf *sql, tm_str text, char quote) {
    /* A quote is the one byte to double, and no UTF-8 character holds it. */
    bool fits = tm__buf_byte(sql, (uint8_t)quote);
    for (size_t i = 0; i < text.len; i++) {
        fits = fits && (text.ptr[i] != quote || tm__buf_byte(sql, (uint8_t)quote)) &&
               tm__buf_byte(sql, (uint8_t)(text.ptr[i] == '\0' ? ' ' : text.ptr[i]));
    }
    return fits && tm__buf_byte(sql, (uint8_t)quote);
}

tm_status tm__sql_failed(const tm_buf *sql, tm_err *err) {
    if (sql->no_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a query");
    }
    (void)TM_FAIL(err, TM_E_LIMIT, "the query is too long");
    tm_err_hint(err, "Make a view of it in the database, and name that.");
    return TM_E_LIMIT;
}
