/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is read word by word; only what stands where a table stands is looked at:
 *
 *   words ──> FROM, JOIN, or a comma behind such a table ──> 'file' | "file" | read_...( ) ──> cut
 *
 * Everything else passes as it is. A text that is read wrongly gives a query that DuckDB refuses,
 * or one that is not cut: nothing is executed but a SELECT of its owner.
 */
#include "source/sql_cut.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "source/source.h"
#include "store/duck.h"

#define QUERY_MAX ((size_t)1 << 20)

static bool is_of_word(char c) {
    return tm__is_alnum(c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Behind a quoted text, a comment, a word, or one character. */
static const char *token_end(const char *at) {
    const char *end = at + 1;
    if (*at == '\'' || *at == '"') {
        while (*end != '\0' && (*end != *at || end[1] == *at)) {
            end += *end == *at ? 2 : 1;
        }
        return *end == '\0' ? end : end + 1;
    }
    if (at[0] == '-' && at[1] == '-') {
        return at + strcspn(at, "\n");
    }
    if (at[0] == '/' && at[1] == '*') {
        const char *const close = strstr(at + 2, "*/");
        return close == NULL ? at + strlen(at) : close + 2;
    }
    while (is_of_word(*at) && is_of_word(*end)) {
        end++;
    }
    return end;
}

static bool is_space(const char *at) {
    return strchr(" \t\r\n", *at) != NULL || (at[0] == '-' && at[1] == '-') ||
           (at[0] == '/' && at[1] == '*');
}

static const char *skip_space(const char *at) {
    while (*at != '\0' && is_space(at)) {
        at = token_end(at);
    }
    return at;
}

static bool is_word(const char *at, const char *end, const char *word) {
    return tm__str_is_nocase((tm_str){at, (size_t)(end - at)}, word);
}

bool tm__sql_looks_around(const char *sql) {
    static const char *const words[] = {"over", "join", "group", "select", "window", "lateral"};
    uint32_t n_selects = 0;
    for (const char *at = skip_space(sql); *at != '\0'; at = skip_space(token_end(at))) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (is_word(at, token_end(at), words[i]) &&
                (strcmp(words[i], "select") != 0 || ++n_selects > 1)) {
                return true;
            }
        }
    }
    return false;
}

/* Behind a table that is read from a file; NULL: something else stands there. */
static const char *file_end(const char *at) {
    const char *end = token_end(at);
    if (*at == '\'' || *at == '"') {
        char name[1024];
        return tm__str_copy(name, sizeof(name), (tm_str){at + 1, (size_t)(end - at) - 2}) &&
                       tm__source_kind(name) != TM_FILE_OTHER
                   ? end
                   : NULL;
    }
    if (strncmp(at, "read_", 5) != 0 || *end != '(') {
        return NULL;
    }
    uint32_t depth = 0;
    do {
        depth += *end == '(' ? 1 : 0;
        depth -= *end == ')' ? 1 : 0;
        end = token_end(end);
    } while (depth > 0 && *end != '\0');
    return depth == 0 ? end : NULL;
}

/* One row of a file, for its columns. */
static tm_status look(tm_ctx *ctx, tm_str file, const char *dir, tm_table **out, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, QUERY_MAX);
    (void)tm__buf_text(&sql, "SELECT * FROM ");
    (void)tm__buf_append(&sql, file.ptr, file.len);
    const bool is_made = tm__buf_text(&sql, " LIMIT 1") && tm__buf_byte(&sql, 0);
    const tm_source_spec spec = {.sql = (const char *)sql.data};
    const tm_status st = is_made ? tm__source_read_in(ctx, &spec, dir, out, err)
                                 : TM_FAIL(err, TM_E_NOMEM, "no memory for a query");
    tm__buf_done(&sql);
    return st;
}

static void put_moment(tm_buf *out, int64_t us) {
    char text[48];
    (void)tm__time_to_text(us, text);
    (void)tm__buf_printf(out, "TIMESTAMPTZ '%s'", text);
}

static void put_known(const tm_sql_cut *cut, const tm_sql_known *k, const char *separator,
                      tm_buf *out) {
    (void)tm__buf_text(out, separator);
    (void)tm__buf_text(out, "CASE WHEN ");
    tm__duck_quote(out, k->when != NULL ? k->when : cut->time, '"');
    (void)tm__buf_text(out, " < ");
    put_moment(out, cut->at_us - (k->when != NULL ? 0 : k->delay_us));
    (void)tm__buf_text(out, " THEN ");
    tm__duck_quote(out, k->column, '"');
    (void)tm__buf_text(out, " END AS ");
    tm__duck_quote(out, k->column, '"');
}

static tm_status cut_file(tm_ctx *ctx, tm_str file, const tm_sql_cut *cut, tm_buf *out,
                          uint32_t *out_n, tm_err *err) {
    tm_table *columns = NULL;
    uint32_t n = 0;
    TM_TRY(look(ctx, file, cut->dir, &columns, err));
    const uint32_t time = tm__table_find(columns, cut->time);
    const tm_type type = time == UINT32_MAX ? TM_TYPE_NONE : tm__table_column(columns, time)->type;
    if (type != TM_TYPE_DATE && type != TM_TYPE_TIME) {
        (void)tm__buf_append(out, file.ptr, file.len);
        tm__table_unref(columns);
        return TM_OK;
    }
    (void)tm__buf_text(out, "(SELECT *");
    for (uint32_t i = 0; i < cut->n_known; i++) {
        const tm_sql_known *const k = &cut->known[i];
        if (tm__table_find(columns, k->column) != UINT32_MAX && strcmp(k->column, cut->time) != 0 &&
            (k->when == NULL || tm__table_find(columns, k->when) != UINT32_MAX)) {
            put_known(cut, k, n++ == 0 ? " REPLACE (" : ", ", out);
        }
    }
    (void)tm__buf_text(out, n > 0 ? ") FROM " : " FROM ");
    (void)tm__buf_append(out, file.ptr, file.len);
    (void)tm__buf_text(out, " WHERE ");
    tm__duck_quote(out, cut->time, '"');
    (void)tm__buf_text(out, " < ");
    put_moment(out, cut->at_us);
    (void)tm__buf_text(out, ")");
    tm__table_unref(columns);
    ++*out_n;
    return TM_OK;
}

tm_status tm__sql_cut(tm_ctx *ctx, const char *sql, const tm_sql_cut *cut, tm_buf *out,
                      uint32_t *out_n, tm_err *err) {
    bool is_table = false; /* a table may stand here */
    const char *at = sql;
    *out_n = 0;
    while (*at != '\0') {
        const char *end = token_end(at);
        const char *const file = is_table && !is_space(at) ? file_end(at) : NULL;
        if (file != NULL) {
            end = file;
            TM_TRY(cut_file(ctx, (tm_str){at, (size_t)(end - at)}, cut, out, out_n, err));
        } else {
            (void)tm__buf_append(out, at, (size_t)(end - at));
        }
        if (!is_space(at)) {
            is_table = is_word(at, end, "from") || is_word(at, end, "join") || *at == ',';
        }
        at = end;
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for a query") : TM_OK;
}
