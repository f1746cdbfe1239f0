/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   rows of where it is said, in the order they came ──> person: agreed or not (the newest)
 *   rows to learn from ── person ──> kept, or left out and counted
 *
 * 1. Who is not known has not agreed; where each row speaks for itself, a row that says nothing has
 *    not.
 * 2. A table without some rows is made anew, or its dictionaries would take their texts into the
 *    model.
 */
#include "source/consent.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/intake.h"
#include "source/strict.h"
#include "table/schema.h"

#define ID_BYTES_MAX ((size_t)1 << 20)
enum { SAID_NOTHING, SAID_NO, SAID_YES };

struct tm_consent {
    char column[TM_MAX_COLUMN_NAME + 1], by[TM_MAX_COLUMN_NAME + 1]; /* by empty: each row */
    char purpose[TM_MAX_NAME + 1];
    bool is_elsewhere; /* it is said in another source: rows say nothing themselves */
    tm_dict *people;   /* owned */
    tm_buf said;       /* [people] SAID_YES or SAID_NO */
    int64_t until_us;  /* as it was said then; 0: by now */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to ask for consent");
}

/* ---- Declaring ---- */

static tm_status wrong(const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "%s", what);
    tm_err_hint(err, "%s", hint);
    return st;
}

tm_status tm__consent_check(const json_t *spec, tm_err *err) {
    const json_t *const consent = json_object_get(spec, "consent");
    const char *const column = tm__json_text(consent, "column", NULL);
    const char *const purposes = tm__json_text(spec, "purpose", "");
    tm_str words = tm__str(tm__json_text(consent, "for", ""));
    if (consent == NULL) {
        return TM_OK;
    }
    if (column == NULL || column[0] == '\0' || strlen(column) > TM_MAX_COLUMN_NAME ||
        strlen(tm__json_text(consent, "by", "")) > TM_MAX_COLUMN_NAME) {
        return wrong("consent names no column", "Write consent: {column: agreed, for: marketing}.",
                     err);
    }
    while (words.len > 0) {
        char word[TM_MAX_NAME + 1] = "";
        const tm_str one = tm__str_trim(tm__str_cut(&words, ','));
        if (!tm__str_copy(word, sizeof(word), one) ||
            !tm__str_lists(tm__str(purposes), ',', word)) {
            const tm_status st = TM_FAIL(
                err, TM_E_USAGE, "consent is for '%.60s', which is no purpose of the source", word);
            tm_err_hint(err, "Say it in purpose:, too; a run could name any other word.");
            return st;
        }
    }
    return TM_OK;
}

/* ---- What is said ---- */

static int read_text(tm_str text, const char *purpose) {
    static const char *const yes[] = {"true", "yes", "1", "y", "t"};
    const tm_str word = tm__str_trim(text);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (tm__str_is_nocase(word, yes[i])) {
            return SAID_YES;
        }
    }
    return purpose[0] != '\0' && tm__str_lists(word, ',', purpose) ? SAID_YES : SAID_NO;
}

static int read_said(const tm_table *table, uint32_t col, uint64_t row, const char *purpose) {
    if (col == UINT32_MAX) {
        return SAID_NOTHING;
    }
    const tm_cell cell = tm__column_cell(tm__table_column(table, col), row);
    switch (cell.type) {
    case TM_TYPE_NONE:
        return SAID_NOTHING;
    case TM_TYPE_TEXT:
        return cell.text.len == 0 ? SAID_NOTHING : read_text(cell.text, purpose);
    case TM_TYPE_FLOAT:
        return cell.f64 == 1 ? SAID_YES : SAID_NO;
    case TM_TYPE_BOOL:
    case TM_TYPE_INT:
        return cell.i64 == 1 ? SAID_YES : SAID_NO;
    default:
        return SAID_NO;
    }
}

/* The person of a row as text in `room`; len 0: nobody. */
static tm_status read_person(const tm_table *table, uint32_t col, uint64_t row, tm_buf *room,
                             tm_str *out, tm_err *err) {
    *out = (tm_str){0};
    if (col == UINT32_MAX) {
        return TM_OK;
    }
    const tm_cell cell = tm__column_cell(tm__table_column(table, col), row);
    if (cell.type == TM_TYPE_TEXT) {
        *out = cell.text;
        return TM_OK;
    }
    tm__buf_reset(room);
    if (cell.type != TM_TYPE_NONE && !tm__cell_write_csv(&cell, room)) {
        return no_memory(err);
    }
    *out = (tm_str){(const char *)room->data, room->len};
    return TM_OK;
}

static tm_status note_person(tm_consent *c, tm_str person, int said, tm_err *err) {
    const uint32_t code = tm__dict_add(c->people, person);
    const uint8_t byte = (uint8_t)said;
    if (code == TM_CODE_MISSING) {
        return no_memory(err);
    }
    if (code < c->said.len) {
        c->said.data[code] = byte;
        return TM_OK;
    }
    return tm__buf_append(&c->said, &byte, 1) ? TM_OK : no_memory(err);
}

static tm_status read_all(tm_consent *c, const tm_table *table, tm_err *err) {
    const uint32_t column = tm__table_find(table, c->column);
    const uint32_t by = c->by[0] == '\0' ? UINT32_MAX : tm__table_find(table, c->by);
    tm_buf room;
    tm_status st = TM_OK;
    tm__buf_init(&room, ID_BYTES_MAX);
    for (uint64_t row = 0; st == TM_OK && by != UINT32_MAX && row < tm__table_rows(table); row++) {
        tm_str person;
        const int said = read_said(table, column, row, c->purpose);
        st = read_person(table, by, row, &room, &person, err);
        if (st == TM_OK && said != SAID_NOTHING && person.len > 0) {
            st = note_person(c, person, said, err);
        }
    }
    tm__buf_done(&room);
    return st;
}

/* ---- Opening ---- */

/* Which column names the person: declared, else the one of role entity, else the only key. */
static const char *person_column(const json_t *source, const json_t *declared) {
    const char *name = tm__json_text(declared, "by", NULL);
    const json_t *const keys = json_object_get(source, "key");
    size_t i = 0, n = 0;
    const json_t *column = NULL;
    if (name != NULL) {
        return name;
    }
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        if (strcmp(tm__json_text(column, "role", ""), "entity") == 0) {
            name = tm__json_text(column, "name", NULL);
            n++;
        }
    }
    if (n == 0 && json_array_size(keys) == 1) {
        return json_string_value(json_array_get(keys, 0));
    }
    return n == 1 ? name : NULL;
}

static tm_status read_ledger(tm_ctx *ctx, const tm_home *home, tm_consent *c, const char *source,
                             const char *where, tm_err *err) {
    tm_table *table = NULL;
    tm_err own = {0};
    const tm_status st = c->until_us == 0
                             ? tm__intake_table(ctx, home, where, &table, &own)
                             : tm__intake_table_at(ctx, home, where, c->until_us, &table, &own);
    if (st == TM_E_DATA) {
        return TM_OK; /* nobody has said anything */
    }
    if (st != TM_OK) {
        return TM_FAIL(err, st, "who agreed that rows of '%s' are used is not known: %s", source,
                       own.message);
    }
    const bool has_both =
        tm__table_find(table, c->column) != UINT32_MAX &&
        (!c->is_elsewhere || (c->by[0] != '\0' && tm__table_find(table, c->by) != UINT32_MAX));
    const tm_status read =
        has_both
            ? read_all(c, table, err)
            : TM_FAIL(err, TM_E_CONFLICT,
                      "consent to use rows of '%s' is in columns that '%s' has not", source, where);
    if (!has_both) {
        tm_err_hint(err, "It declares the columns '%s' and '%s'.", c->column, c->by);
    }
    tm__table_unref(table);
    return read;
}

static bool is_asked(const json_t *declared, const char *purpose) {
    const char *const words = tm__json_text(declared, "for", NULL);
    return declared != NULL &&
           (words == NULL || purpose == NULL || tm__str_lists(tm__str(words), ',', purpose));
}

static tm_status open_declared(tm_ctx *ctx, const tm_home *home, const json_t *source,
                               tm_consent *c, tm_err *err) {
    const json_t *const declared = json_object_get(json_object_get(source, "spec"), "consent");
    const char *const name = tm__json_text(source, "source", "");
    const char *const where = tm__json_text(declared, "source", name);
    const char *const by = person_column(source, declared);
    (void)tm__str_copy(c->column, sizeof(c->column),
                       tm__str(tm__json_text(declared, "column", "")));
    (void)tm__str_copy(c->by, sizeof(c->by), tm__str(by == NULL ? "" : by));
    c->is_elsewhere = strcmp(where, name) != 0;
    return read_ledger(ctx, home, c, name, where, err);
}

static tm_status open_at(tm_ctx *ctx, const tm_home *home, const char *source, const char *purpose,
                         int64_t until_us, tm_consent **out, tm_err *err) {
    json_t *shown = NULL;
    tm_consent *c = NULL;
    *out = NULL;
    TM_TRY(tm__intake_show(home, source, &shown, err));
    tm_status st = TM_OK;
    if (is_asked(json_object_get(json_object_get(shown, "spec"), "consent"), purpose)) {
        c = tm__mem_zalloc(1, sizeof(*c));
        st = c == NULL ? no_memory(err) : TM_OK;
    }
    if (c != NULL) {
        tm__buf_init(&c->said, UINT32_MAX);
        c->until_us = until_us;
        c->people = tm__dict_create();
        (void)tm__str_copy(c->purpose, sizeof(c->purpose), tm__str(purpose == NULL ? "" : purpose));
        st = c->people == NULL ? no_memory(err) : open_declared(ctx, home, shown, c, err);
    }
    json_decref(shown);
    if (st != TM_OK) {
        tm__consent_free(c);
        return st;
    }
    *out = c;
    return TM_OK;
}

tm_status tm__consent_open(tm_ctx *ctx, const tm_home *home, const char *source,
                           const char *purpose, tm_consent **out, tm_err *err) {
    return open_at(ctx, home, source, purpose, 0, out, err);
}

void tm__consent_free(tm_consent *consent) {
    if (consent != NULL) {
        tm__dict_free(consent->people);
        tm__buf_done(&consent->said);
        tm__mem_free(consent);
    }
}

/* ---- Asking ---- */

static int said_by(const tm_consent *c, tm_str person) {
    const uint32_t code = person.len == 0 ? TM_CODE_MISSING : tm__dict_find(c->people, person);
    return code == TM_CODE_MISSING || code >= c->said.len ? SAID_NOTHING : c->said.data[code];
}

int tm__consent_of(const tm_consent *consent, const char *id) {
    const int said = said_by(consent, tm__str(id));
    return said == SAID_NOTHING ? -1 : said == SAID_YES;
}

tm_status tm__consent_taken_back(tm_ctx *ctx, const tm_home *home, const char *source,
                                 const char *purpose, int64_t since_us, uint64_t *out,
                                 tm_err *err) {
    tm_consent *then = NULL, *now = NULL;
    *out = 0;
    TM_TRY(open_at(ctx, home, source, purpose, 0, &now, err));
    tm_status st = now == NULL ? TM_OK : open_at(ctx, home, source, purpose, since_us, &then, err);
    for (size_t i = 0; st == TM_OK && then != NULL && i < then->said.len; i++) {
        const tm_str person = tm__dict_get(then->people, (uint32_t)i);
        *out += then->said.data[i] == SAID_YES && said_by(now, person) != SAID_YES;
    }
    tm__consent_free(then);
    tm__consent_free(now);
    return st;
}

/* rows: those that agree, in order; their number. */
static tm_status find_agreeing(const tm_consent *c, const tm_table *table, uint64_t *rows,
                               uint64_t *out_n, tm_err *err) {
    const uint32_t by = c->by[0] == '\0' ? UINT32_MAX : tm__table_find(table, c->by);
    const uint32_t column = c->is_elsewhere ? UINT32_MAX : tm__table_find(table, c->column);
    tm_buf room;
    tm_status st = TM_OK;
    *out_n = 0;
    tm__buf_init(&room, ID_BYTES_MAX);
    for (uint64_t row = 0; st == TM_OK && row < tm__table_rows(table); row++) {
        tm_str person;
        st = read_person(table, by, row, &room, &person, err);
        int said = st == TM_OK ? said_by(c, person) : SAID_NO;
        if (said == SAID_NOTHING) {
            said = read_said(table, column, row, c->purpose);
        }
        rows[*out_n] = row;
        *out_n += said == SAID_YES ? 1 : 0;
    }
    tm__buf_done(&room);
    return st;
}

static tm_status copy_rows(const tm_table *table, const uint64_t *rows, uint64_t n, tm_table **out,
                           tm_err *err) {
    const uint32_t n_cols = tm__table_cols(table);
    tm_table_builder *builder = tm__builder_create();
    tm_cell *cells = tm__mem_alloc((size_t)n_cols + 1, sizeof(*cells));
    tm_status st = builder == NULL || cells == NULL ? no_memory(err) : TM_OK;
    for (uint32_t c = 0; st == TM_OK && c < n_cols; c++) {
        const tm_column *const column = tm__table_column(table, c);
        st = tm__builder_add_column(builder, column->name, column->type, err);
    }
    for (uint64_t i = 0; st == TM_OK && i < n; i++) {
        for (uint32_t c = 0; c < n_cols; c++) {
            cells[c] = tm__column_cell(tm__table_column(table, c), rows[i]);
        }
        st = tm__builder_add_row(builder, cells, err);
    }
    tm__mem_free(cells);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

tm_status tm__consent_keep(const tm_consent *consent, tm_table **table, uint64_t *n_left_out,
                           tm_err *err) {
    if (consent == NULL || *table == NULL) {
        return TM_OK;
    }
    const uint64_t n_rows = tm__table_rows(*table);
    uint64_t *rows = tm__mem_alloc(n_rows + 1, sizeof(*rows));
    tm_table *kept = NULL;
    uint64_t n = 0;
    tm_status st = rows == NULL ? no_memory(err) : find_agreeing(consent, *table, rows, &n, err);
    if (st == TM_OK && n < n_rows) {
        st = copy_rows(*table, rows, n, &kept, err);
    }
    tm__mem_free(rows);
    if (st == TM_OK && kept != NULL) {
        tm__table_unref(*table);
        *table = kept;
        *n_left_out += n_rows - n;
    }
    return st;
}

/* ---- Learning ---- */

static tm_status add_count(tm_learning *learning, const char *name, uint64_t n, tm_err *err) {
    if (n == 0) {
        return TM_OK;
    }
    if (learning->left_out == NULL) {
        learning->left_out = json_object();
    }
    const int64_t before = tm__json_i64(learning->left_out, name, 0);
    json_object_set_new(learning->left_out, name, json_integer(before + (json_int_t)n));
    return tm__json_check(err);
}

tm_status tm__learning_keep(tm_ctx *ctx, const tm_home *home, const char *name,
                            tm_learning *learning, tm_table **table, tm_err *err) {
    tm_consent *consent = NULL;
    uint64_t n = 0;
    if (learning == NULL || *table == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__consent_open(ctx, home, name, learning->purpose, &consent, err));
    tm_status st = tm__consent_keep(consent, table, &n, err);
    tm__consent_free(consent);
    return st == TM_OK ? add_count(learning, name, n, err) : st;
}

tm_status tm__learning_table(tm_ctx *ctx, const tm_home *home, const char *name, int64_t until_us,
                             tm_learning *learning, tm_table **out, tm_err *err) {
    tm_table *table = NULL;
    TM_TRY(learning == NULL ? TM_OK : tm__strict_check_rows(ctx, home, name, err));
    TM_TRY(tm__intake_table_at(ctx, home, name, until_us, &table, err));
    tm_status st = tm__learning_keep(ctx, home, name, learning, &table, err);
    if (st == TM_OK && tm__table_rows(table) == 0) {
        st = TM_FAIL(err, TM_E_DATA, "nobody agreed that rows of '%s' are used for this run", name);
        tm_err_hint(err, "'tidemill data show %s' says which column tells it.", name);
    }
    if (st != TM_OK) {
        tm__table_unref(table);
        return st;
    }
    *out = table;
    return TM_OK;
}

void tm__learning_words(const tm_learning *learning, char *out, size_t size) {
    const char *name = NULL;
    json_t *n = NULL;
    size_t at = 0;
    out[0] = '\0';
    json_object_foreach(learning->left_out, name, n) {
        const int len = snprintf(out + at, size - at, "%s%lld %sof '%s'", at == 0 ? "" : ", ",
                                 (long long)json_integer_value(n), at == 0 ? "rows " : "", name);
        at += len > 0 && (size_t)len < size - at ? (size_t)len : 0;
    }
}
