/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   query ──> tokens ──> words that may be tables ──> sources of the home ──> snapshots ──> WITH
 *
 * 1. Texts, comments and names in quotes are told apart as SQL does; nothing else of the grammar is
 *    known. A word too many costs a snapshot, and changes no answer.
 * 2. Lines of the query stay lines: what is put before it has one of its own.
 */
#include "source/sql_sources.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/source.h"
#include "store/sql_text.h"
#include "store/vault.h"

#define SQL_MAX ((size_t)16 << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a query");
}

/* ---- Words ---- */

typedef struct token {
    tm_str text; /* of a quoted name without its quotes */
    char kind;   /* 'w' a word, 'q' a quoted name, '\0' the end, else the byte itself */
} token;

static bool is_word_byte(char c) {
    return tm__is_alnum(c) || c == '_' || (uint8_t)c >= 0x80;
}

static const char *skip_comment(const char *at) {
    const bool is_line = at[0] == '-';
    const char *const end = strstr(at + 2, is_line ? "\n" : "*/");
    return end == NULL ? at + strlen(at) : end + (is_line ? 1 : 2);
}

/* Behind the closing quote, which doubled is none. */
static const char *skip_quoted(const char *at) {
    const char quote = *at++;
    while (*at != '\0' && (*at != quote || at[1] == quote)) {
        at += *at == quote ? 2 : 1;
    }
    return *at == '\0' ? at : at + 1;
}

static token next_token(const char **at) {
    const char *p = *at;
    for (;;) {
        if (*p != '\0' && strchr(" \t\r\n", *p) != NULL) {
            p++;
        } else if ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')) {
            p = skip_comment(p);
        } else {
            break;
        }
    }
    const char *const start = p;
    token t = {.kind = *p};
    if (*p == '"' || *p == '\'') {
        p = skip_quoted(p);
        const size_t n = (size_t)(p - start);
        t = (token){.text = {start + 1, n > 2 ? n - 2 : 0}, .kind = *start == '"' ? 'q' : '\''};
    } else if (is_word_byte(*p)) {
        while (is_word_byte(*p)) {
            p++;
        }
        t = (token){.text = {start, (size_t)(p - start)}, .kind = 'w'};
    } else if (*p != '\0') {
        p++;
    }
    *at = p;
    return t;
}

static bool is_keyword(const token *t, const char *word) {
    return t->kind == 'w' && tm__str_is_nocase(t->text, word);
}

static void add_word(json_t *words, tm_str word) {
    size_t i = 0;
    const json_t *other = NULL;
    json_array_foreach(words, i, other) {
        if (tm__str_is(word, json_string_value(other))) {
            return;
        }
    }
    json_array_append_new(words, json_stringn(word.ptr, word.len));
}

static void remove_word(json_t *words, const char *word) {
    for (size_t i = json_array_size(words); i-- > 0;) {
        if (tm__str_is_nocase(tm__str(word), json_string_value(json_array_get(words, i)))) {
            json_array_remove(words, i);
        }
    }
}

json_t *tm__sql_table_words(const char *sql) {
    json_t *words = json_array(), *own = json_array();
    token before = {0}, t = next_token(&sql);
    for (; t.kind != '\0';) {
        const char *peek = sql;
        token next = next_token(&peek);
        const token behind = next_token(&peek);
        const bool is_name = t.kind == 'w' || t.kind == 'q';
        const bool is_given =
            is_keyword(&before, "with") || is_keyword(&before, "recursive") || before.kind == ',';
        if (is_name && is_given && is_keyword(&next, "as") && behind.kind == '(') {
            add_word(own, t.text);
        } else if (is_name && next.kind != '.' && next.kind != '(' &&
                   (is_keyword(&before, "from") || is_keyword(&before, "join") ||
                    before.kind == ',')) {
            add_word(words, t.text);
        }
        before = t;
        t = next_token(&sql);
    }
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(own, i, name) {
        remove_word(words, json_string_value(name));
    }
    json_decref(own);
    return words;
}

/* ---- Snapshots ---- */

/* The name of the source that a word means; *out is empty when there is none. */
static tm_status find_source(tm_db *db, const char *word, char *out, size_t size, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    out[0] = '\0';
    TM_TRY(tm__stmt_init(
        db,
        "SELECT name FROM sources WHERE lower(name) = lower(?1) ORDER BY name = ?1 DESC LIMIT 1",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, word);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        (void)tm__str_copy(out, size, tm__str(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_names(tm_db *db, const json_t *words, json_t *names, tm_err *err) {
    size_t i = 0;
    const json_t *word = NULL;
    json_array_foreach(words, i, word) {
        char name[TM_MAX_NAME + 1];
        TM_TRY(find_source(db, json_string_value(word), name, sizeof(name), err));
        if (name[0] != '\0' && !tm__json_has_text(names, name)) {
            json_array_append_new(names, json_string(name));
        }
    }
    return tm__json_check(err);
}

tm_status tm__sql_source_names(const tm_home *home, const char *sql, json_t **out, tm_err *err) {
    json_t *const words = tm__sql_table_words(sql), *names = json_array();
    const bool has_sources =
        home != NULL && tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_FILE;
    tm_db *db = NULL;
    tm_status st = words == NULL || names == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && has_sources && json_array_size(words) > 0) {
        st = tm__intake_db_open_there(home, false, &db, err);
        st = st == TM_OK ? take_names(db, words, names, err) : st;
    }
    tm__db_close(db);
    json_decref(words);
    return tm__json_give(st, names, out, err);
}

static tm_status save(tm_ctx *ctx, const tm_home *home, const char *name, const tm_sql_ask *ask,
                      char out_hash[TM_HASH_TEXT], tm_err *err) {
    tm_table *table = NULL;
    tm_hash hash;
    TM_TRY(tm__learning_table(ctx, home, name, ask->as_of_us, ask->learning, &table, err));
    const tm_status st = tm__snapshot_save(ctx, tm__home_snapshots(home), table, &hash, err);
    tm__table_unref(table);
    if (st == TM_OK) {
        tm__hash_to_text(&hash, out_hash);
    }
    return st;
}

typedef struct opening {
    tm_ctx *ctx;
    const tm_home *home;
    const tm_sql_ask *ask;
    char *dir; /* of snapshots, from the root */
    tm_buf with;
    json_t *snapshots;
    tm_vault_view *views; /* [n_views] */
    uint32_t n_views;
} opening;

static tm_status add_source(opening *o, const char *name, tm_err *err) {
    char hash[TM_HASH_TEXT], file[TM_HASH_TEXT + 16];
    TM_TRY(save(o->ctx, o->home, name, o->ask, hash, err));
    if (o->dir == NULL) {
        TM_TRY(tm__fs_real_path(tm__home_snapshots(o->home), &o->dir, err));
    }
    (void)snprintf(file, sizeof(file), "%s.parquet", hash);
    char *const path = tm__fs_join(o->dir, file);
    if (path == NULL) {
        return no_memory(err);
    }
    tm_vault_view *const view = &o->views[o->n_views];
    const tm_status st =
        o->n_views == TM_SQL_SOURCES_MAX
            ? TM_FAIL(err, TM_E_LIMIT, "a query may name %u sources", TM_SQL_SOURCES_MAX)
            : tm__vault_view_open(path, view, err);
    tm__mem_free(path);
    TM_TRY(st);
    o->n_views++;
    (void)tm__buf_text(&o->with, o->with.len == 0 ? "WITH " : ", ");
    (void)tm__sql_quote(&o->with, tm__str(name), '"');
    (void)tm__buf_text(&o->with, " AS (SELECT * FROM read_parquet('");
    for (const char *c = view->path; *c != '\0'; c++) {
        (void)tm__buf_text(&o->with, *c == '\'' ? "''" : (const char[]){*c, '\0'});
    }
    (void)tm__buf_text(&o->with, "'))");
    json_object_set_new(o->snapshots, name, json_string(hash));
    return TM_OK;
}

/* The query behind what was put before it; a WITH of its own goes on there. */
static tm_status join(opening *o, const char *sql, char **out, tm_err *err) {
    const char *at = sql;
    const token first = next_token(&at);
    const bool has_with = o->with.len > 0 && is_keyword(&first, "with");
    const char *const rest = at;
    const token second = next_token(&at);
    if (has_with && is_keyword(&second, "recursive")) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a recursive query cannot name sources");
    }
    if (o->with.len > 0) {
        (void)tm__buf_text(&o->with, has_with ? ",\n    " : "\n");
    }
    (void)tm__buf_text(&o->with, has_with ? rest : sql);
    if (o->with.failed) {
        return tm__sql_failed(&o->with, err);
    }
    *out = tm__mem_strdup((const char *)o->with.data);
    return *out == NULL ? no_memory(err) : TM_OK;
}

tm_status tm__sql_sources_open(tm_ctx *ctx, const tm_home *home, const tm_sql_ask *ask,
                               tm_sql_sources *out, tm_err *err) {
    opening o = {.ctx = ctx, .home = home, .ask = ask, .snapshots = json_object()};
    json_t *names = NULL;
    const json_t *name = NULL;
    size_t i = 0;
    tm__buf_init(&o.with, SQL_MAX);
    tm_status st = tm__sql_source_names(home, ask->sql, &names, err);
    o.views = tm__mem_zalloc(json_array_size(names) > 0 ? TM_SQL_SOURCES_MAX : 1, sizeof(*o.views));
    st = st == TM_OK && (o.snapshots == NULL || o.views == NULL) ? no_memory(err) : st;
    json_array_foreach(names, i, name) {
        st = st == TM_OK ? add_source(&o, json_string_value(name), err) : st;
    }
    char *whole = NULL;
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK ? join(&o, ask->sql, &whole, err) : st;
    tm__buf_done(&o.with);
    tm__mem_free(o.dir);
    json_decref(names);
    *out = (tm_sql_sources){
        .sql = whole, .snapshots = o.snapshots, .views = o.views, .n_views = o.n_views};
    if (st != TM_OK) {
        tm__sql_sources_done(out);
    }
    return st;
}

void tm__sql_sources_place(const tm_sql_sources *sources, tm_err *err) {
    if (err != NULL && json_object_size(sources->snapshots) > 0 && err->data_row > 1 &&
        strcmp(err->data_path, "query") == 0) {
        err->data_row--;
    }
}

void tm__sql_sources_done(tm_sql_sources *sources) {
    for (uint32_t i = 0; i < sources->n_views; i++) {
        tm__vault_view_close(&sources->views[i]);
    }
    tm__mem_free(sources->views);
    tm__mem_free(sources->sql);
    json_decref(sources->snapshots);
    *sources = (tm_sql_sources){0};
}
