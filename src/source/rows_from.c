/* SPDX-License-Identifier: Apache-2.0 */
#include "source/rows_from.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/intake.h"
#include "source/sql_sources.h"

/* As a word of its own: "selected" is the name of something. */
static bool starts_with(tm_str text, const char *word) {
    const size_t n = strlen(word);
    return text.len > n && tm__str_is_nocase((tm_str){text.ptr, n}, word) &&
           strchr(" \t\r\n(*'\"", text.ptr[n]) != NULL;
}

/* A word that is no path. A file or folder of that name wins. */
static bool is_word(const char *text, const char *dir) {
    char *path = dir != NULL ? tm__fs_join(dir, text) : tm__mem_strdup(text);
    const bool is_path =
        path == NULL || strpbrk(text, "*?[/.") != NULL || tm__fs_info(path).kind != TM_PATH_NONE;
    tm__mem_free(path);
    return !is_path && text[0] != '\0';
}

json_t *tm__rows_from_text(const char *text, const char *dir) {
    const tm_str trimmed = tm__str_trim(tm__str(text));
    return starts_with(trimmed, "select") || starts_with(trimmed, "with")
               ? json_pack("{s:s}", "sql", text)
           : is_word(text, dir) ? json_pack("{s:s}", "source", text)
                                : json_pack("{s:s, s:b}", "path", text, "no_header", 0);
}

tm_status tm__rows_from_read(tm_ctx *ctx, const tm_home *home, const tm_rows_ask *ask,
                             tm_table **out, tm_err *err) {
    const json_t *const from = ask->from;
    const char *const name = tm__json_text(from, "source", NULL);
    const tm_source_spec spec = {.path = tm__json_text(from, "path", NULL),
                                 .sql = tm__json_text(from, "sql", NULL),
                                 .no_header = tm__json_bool(from, "no_header", false),
                                 .schema = ask->schema,
                                 .temp_dir = home != NULL ? tm__home_temp(home) : NULL};
    if (name != NULL) {
        tm_table *rows = NULL;
        TM_TRY(tm__learning_table(ctx, home, name, INT64_MAX, ask->learning, &rows, err));
        const tm_status st = tm__source_fit(rows, ask->schema, 0, out, err);
        tm__table_unref(rows);
        return st;
    }
    if (spec.sql != NULL && spec.path == NULL) {
        tm_sql_sources sources = {0};
        tm_source_spec with = spec;
        const tm_sql_ask query = {
            .sql = spec.sql, .as_of_us = INT64_MAX, .learning = ask->learning};
        TM_TRY(tm__sql_sources_open(ctx, home, &query, &sources, err));
        with.sql = sources.sql;
        const tm_status st = tm__source_read_in(ctx, &with, ask->dir, out, err);
        tm__sql_sources_place(&sources, err);
        tm__sql_sources_done(&sources);
        return st;
    }
    if (spec.path == NULL || spec.sql != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "no rows are named: a source, a query or a path");
    }
    return tm__source_read_in(ctx, &spec, ask->dir, out, err);
}
