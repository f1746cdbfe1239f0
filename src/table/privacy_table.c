/* SPDX-License-Identifier: Apache-2.0 */
/* Policies on the columns of a table: each text that is different is looked at once. */
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "table/privacy.h"
#include "table/table_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for columns with policies");
}

bool tm__privacy_needs_key(const json_t *policies) {
    const char *name = NULL;
    json_t *one = NULL;
    bool needs = false;
    json_object_foreach((json_t *)(uintptr_t)policies, name, one) {
        needs = needs || (json_is_string(one) && strcmp(json_string_value(one), "pseudonym") == 0);
    }
    return needs;
}

static bool is_same_cell(const tm_cell *a, const tm_cell *b) {
    return a->type == b->type && (a->type == TM_TYPE_TEXT    ? tm__str_eq(a->text, b->text)
                                  : a->type == TM_TYPE_FLOAT ? a->f64 == b->f64
                                                             : a->i64 == b->i64);
}

bool tm__privacy_leaves(const tm_privacy *privacy, const tm_hash *key, const tm_column *column,
                        uint64_t n_rows) {
    bool has_value = privacy->kind == TM_PRIVACY_DROP;
    for (uint64_t row = 0; row < n_rows; row++) {
        const tm_cell before = tm__column_cell(column, row);
        tm_cell after = before;
        char room[TM_PRIVACY_ROOM];
        if (before.type == TM_TYPE_NONE) {
            continue;
        }
        if (!tm__privacy_cell(privacy, key, &after, room) || !is_same_cell(&before, &after)) {
            return false;
        }
        has_value = true;
    }
    return has_value;
}

static tm_status parse(const json_t *policies, const char *column, tm_privacy *out, tm_err *err) {
    const char *const text = tm__json_text(policies, column, NULL);
    *out = (tm_privacy){.kind = TM_PRIVACY_NONE};
    return text == NULL ? TM_OK : tm__privacy_parse(column, text, TM_TYPE_NONE, out, err);
}

static tm_type type_after(const tm_privacy *p, const tm_column *from) {
    const bool is_text = p->kind == TM_PRIVACY_PSEUDONYM || p->kind == TM_PRIVACY_PREFIX ||
                         p->kind == TM_PRIVACY_NETWORK;
    const bool is_float = p->kind == TM_PRIVACY_BAND && from->type == TM_TYPE_INT &&
                          p->width != (double)(int64_t)p->width;
    return is_text ? TM_TYPE_TEXT : is_float ? TM_TYPE_FLOAT : from->type;
}

static tm_status refuse(const tm_column *column, uint64_t row, const char *policy,
                        const tm_hash *key, tm_err *err) {
    if (key == NULL && strcmp(policy, "pseudonym") == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_NOT_ALLOWED, "row %llu: column '%s' has a value that is no pseudonym",
                    (unsigned long long)row + 1, column->name);
        tm_err_hint(err, TM_PRIVACY_NO_KEY);
        return st;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "row %llu: column '%s' has a value that '%s' cannot be applied to",
                (unsigned long long)row + 1, column->name, policy);
    tm_err_hint(err, "Leave the value empty, or mend it.");
    return st;
}

typedef struct covering {
    const tm_column *from;
    tm_table_builder *to;
    uint32_t col;
    uint64_t n_rows;
    tm_privacy privacy;
    const char *policy; /* in words */
    const tm_hash *key;
} covering;

/* Codes of the values of a text column: one application each. */
static tm_status cover_texts(const covering *c, tm_err *err) {
    const uint32_t n = tm__dict_count(c->from->dict);
    uint32_t *const codes = tm__mem_alloc((size_t)n + 1, sizeof(*codes));
    uint32_t *const out = tm__builder_codes(c->to, c->col);
    if (codes == NULL) {
        return no_memory(err);
    }
    memset(codes, 0xFF, ((size_t)n + 1) * sizeof(*codes)); /* TM_CODE_MISSING: not yet */
    tm_status st = TM_OK;
    for (uint64_t row = 0; st == TM_OK && row < c->n_rows; row++) {
        const uint32_t code = c->from->codes[row];
        char room[TM_PRIVACY_ROOM];
        if (code != TM_CODE_MISSING && codes[code] == TM_CODE_MISSING) {
            tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__dict_get(c->from->dict, code)};
            if (!tm__privacy_cell(&c->privacy, c->key, &cell, room)) {
                st = refuse(c->from, row, c->policy, c->key, err);
            } else if (cell.type == TM_TYPE_TEXT) {
                codes[code] = tm__dict_add(tm__builder_dict(c->to, c->col), cell.text);
                st = codes[code] == TM_CODE_MISSING ? no_memory(err) : TM_OK;
            }
        }
        out[row] = code == TM_CODE_MISSING ? TM_CODE_MISSING : codes[code];
    }
    tm__mem_free(codes);
    return st;
}

static tm_status cover_values(const covering *c, tm_err *err) {
    for (uint64_t row = 0; row < c->n_rows; row++) {
        tm_cell cell = tm__column_cell(c->from, row);
        char room[TM_PRIVACY_ROOM];
        if (!tm__privacy_cell(&c->privacy, c->key, &cell, room)) {
            return refuse(c->from, row, c->policy, c->key, err);
        }
        if (tm__builder_codes(c->to, c->col) != NULL) {
            uint32_t code = TM_CODE_MISSING;
            if (cell.type == TM_TYPE_TEXT) {
                code = tm__dict_add(tm__builder_dict(c->to, c->col), cell.text);
                TM_TRY(code == TM_CODE_MISSING ? no_memory(err) : TM_OK);
            }
            tm__builder_codes(c->to, c->col)[row] = code;
        } else if (tm__builder_floats(c->to, c->col) != NULL) {
            tm__builder_floats(c->to, c->col)[row] = cell.type == TM_TYPE_FLOAT ? cell.f64
                                                     : cell.type == TM_TYPE_INT ? (double)cell.i64
                                                                                : tm__nan();
        } else {
            tm__builder_ints(c->to, c->col)[row] =
                cell.type == TM_TYPE_NONE ? TM_INT_MISSING : cell.i64;
        }
    }
    return TM_OK;
}

static tm_status fill(const json_t *policies, const tm_hash *key, const tm_table *table,
                      tm_table_builder *to, tm_err *err) {
    const uint32_t n = tm__table_cols(table);
    covering c = {.to = to, .key = key, .n_rows = tm__table_rows(table)};
    for (uint32_t i = 0; i < n; i++) {
        const tm_column *const from = tm__table_column(table, i);
        TM_TRY(parse(policies, from->name, &c.privacy, err));
        const bool is_shared = from->type == TM_TYPE_TEXT && !tm__privacy_changes(&c.privacy);
        TM_TRY(is_shared
                   ? tm__builder_add_shared(to, from->name, from->dict, err)
                   : tm__builder_add_column(to, from->name, type_after(&c.privacy, from), err));
    }
    TM_TRY(tm__builder_reserve(to, c.n_rows, err));
    for (uint32_t i = 0; i < n; i++) {
        c.from = tm__table_column(table, i);
        c.col = i;
        c.policy = tm__json_text(policies, c.from->name, "");
        TM_TRY(parse(policies, c.from->name, &c.privacy, err));
        if (!tm__privacy_changes(&c.privacy)) {
            tm__builder_copy_column(to, i, c.from, c.n_rows);
        } else {
            TM_TRY(c.from->type == TM_TYPE_TEXT && tm__builder_codes(to, i) != NULL
                       ? cover_texts(&c, err)
                       : cover_values(&c, err));
        }
    }
    tm__builder_set_rows(to, c.n_rows);
    return TM_OK;
}

tm_status tm__privacy_table(const json_t *policies, const tm_hash *key, tm_table *table,
                            tm_table **out, tm_err *err) {
    bool has_any = false;
    for (uint32_t i = 0; i < tm__table_cols(table); i++) {
        tm_privacy p = {0};
        TM_TRY(parse(policies, tm__table_column(table, i)->name, &p, err));
        has_any = has_any || tm__privacy_changes(&p);
    }
    if (!has_any) {
        *out = tm__table_ref(table);
        return TM_OK;
    }
    tm_table_builder *const to = tm__builder_create();
    const tm_status st = to == NULL ? no_memory(err) : fill(policies, key, table, to, err);
    if (st != TM_OK) {
        tm__builder_free(to);
        return st;
    }
    return tm__builder_finish(to, out, err);
}
