/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule is a group of names: its own, whose unit counts, and those it had, of one unit each. Of a
 * group at most one name is wanted; the others are renames of it.
 *
 *      name wanted   value under its own name   under an old name
 *      own           -                          value * scale + offset
 *      old           (value - offset) / scale   as it is (one unit)
 */
#include "table/renames_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define INT_END 9.2e18 /* whole numbers below it have 64 bits */

/* ---- Rules ---- */

static tm_status bad_rule(const char *name, const char *what, tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "column '%.80s' %s", name, what);
}

static bool is_number(const json_t *value) {
    return value == NULL || (json_is_number(value) && isfinite(json_number_value(value)));
}

static tm_status check_rule(const char *name, const json_t *rule, tm_err *err) {
    static const char *const known[] = {"was", "scale", "offset", "missing"};
    const json_t *const was = json_object_get(rule, "was");
    const json_t *const scale = json_object_get(rule, "scale");
    const json_t *const missing = json_object_get(rule, "missing");
    const char *const word = json_string_value(missing);
    const char *key = NULL;
    json_t *value = NULL;
    size_t i = 0;
    if (!json_is_object(rule) || name[0] == '\0') {
        return bad_rule(name, "wants keys such as 'was' and 'scale'", err);
    }
    json_object_foreach((json_t *)(uintptr_t)rule, key, value) {
        i = 0;
        while (i < 4 && strcmp(key, known[i]) != 0) {
            i++;
        }
        if (i == 4) {
            return bad_rule(name, "has an unknown key", err);
        }
    }
    json_array_foreach(was, i, value) {
        if (json_string_length(value) == 0) {
            return bad_rule(name, "has a former name that is no text", err);
        }
    }
    if (was != NULL && json_array_size(was) == 0) {
        return bad_rule(name, "wants the names that it had in 'was'", err);
    }
    if (!is_number(scale) || !is_number(json_object_get(rule, "offset")) ||
        (scale != NULL && !(fabs(json_number_value(scale)) > 0))) {
        return bad_rule(name, "wants a number in 'scale', not 0, and in 'offset'", err);
    }
    if (was == NULL && (scale != NULL || json_object_get(rule, "offset") != NULL)) {
        const tm_status st = bad_rule(name, "has another unit, and no former name", err);
        tm_err_hint(err, "Give the column of the new unit a new name, and the old one in 'was': "
                         "nobody could tell the rows apart.");
        return st;
    }
    if (missing != NULL &&
        (word == NULL || (strcmp(word, "accept") != 0 && strcmp(word, "refuse") != 0))) {
        return bad_rule(name, "wants accept or refuse in 'missing'", err);
    }
    return TM_OK;
}

/* A name stands once in all rules. */
static tm_status note_name(json_t *names, const char *name, tm_err *err) {
    if (json_object_get(names, name) != NULL) {
        return bad_rule(name, "is named twice", err);
    }
    if (json_object_size(names) == TM_RENAMES_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "rules name more than %u columns", TM_RENAMES_MAX);
    }
    return json_object_set_new(names, name, json_true()) == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory for rules of columns");
}

tm_status tm__renames_check(const json_t *rules, tm_err *err) {
    const char *name = NULL;
    json_t *rule = NULL, *old = NULL;
    size_t i = 0;
    if (rules != NULL && !json_is_object(rules)) {
        return TM_FAIL(err, TM_E_DATA, "rules of columns are no map");
    }
    json_t *const names = json_object();
    tm_status st = names == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule) {
        st = st == TM_OK ? check_rule(name, rule, err) : st;
        st = st == TM_OK ? note_name(names, name, err) : st;
        json_array_foreach(json_object_get(rule, "was"), i, old) {
            st = st == TM_OK ? note_name(names, json_string_value(old), err) : st;
        }
    }
    json_decref(names);
    return st;
}

/* ---- Binding ---- */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for rules of columns");
}

uint32_t tm__renames_column(const tm_renames *self, const char *name) {
    uint32_t i = 0;
    while (i < self->n_columns && strcmp(self->columns[i].name, name) != 0) {
        i++;
    }
    return i;
}

static tm_status want(tm_renames *self, const json_t *rules, const tm_schema *schema, tm_err *err) {
    const size_t n = schema != NULL ? schema->n_cols : json_object_size(rules);
    const char *name = NULL;
    json_t *rule = NULL;
    self->columns = tm__mem_zalloc(n + 1, sizeof(*self->columns));
    if (self->columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; schema != NULL && i < schema->n_cols; i++) {
        tm_wanted *const w = &self->columns[self->n_columns++];
        *w =
            (tm_wanted){.name = tm__mem_strdup(schema->cols[i].name), .type = schema->cols[i].type};
        if (w->name == NULL) {
            return no_memory(err);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule) {
        if (schema == NULL) {
            tm_wanted *const w = &self->columns[self->n_columns++];
            w->name = tm__mem_strdup(name);
            if (w->name == NULL) {
                return no_memory(err);
            }
        }
    }
    return TM_OK;
}

static tm_status add(tm_renames *self, const char *name, tm_rename rename, tm_err *err) {
    rename.name = tm__mem_strdup(name);
    if (rename.name == NULL) {
        return no_memory(err);
    }
    rename.column_name = self->columns[rename.column].name;
    rename.type = self->columns[rename.column].type;
    self->list[self->n++] = rename;
    return TM_OK;
}

static tm_status bind_rule(tm_renames *self, const char *name, const json_t *rule, tm_err *err) {
    const json_t *const was = json_object_get(rule, "was");
    const char *const missing = tm__json_text(rule, "missing", NULL);
    const uint32_t own = tm__renames_column(self, name);
    uint32_t at = own, n_found = own < self->n_columns ? 1 : 0;
    size_t i = 0;
    const json_t *old = NULL;
    json_array_foreach(was, i, old) {
        const uint32_t found = tm__renames_column(self, json_string_value(old));
        n_found += found < self->n_columns ? 1 : 0;
        at = found < self->n_columns ? found : at;
    }
    if (n_found != 1) {
        return TM_OK;
    }
    tm_rename one = {.column = at,
                     .scale = tm__json_f64(rule, "scale", 1),
                     .offset = tm__json_f64(rule, "offset", 0)};
    const bool has_unit = one.scale < 1 || one.scale > 1 || one.offset < 0 || one.offset > 0;
    if (missing != NULL) {
        self->columns[at].missing =
            strcmp(missing, "accept") == 0 ? TM_MISSING_ACCEPT : TM_MISSING_REFUSE;
        self->n_missing++;
    }
    if (at != own) {
        one.is_inverse = true;
        one.is_same = !has_unit;
        TM_TRY(add(self, name, one, err));
    }
    one.is_inverse = false;
    one.is_same = at != own || !has_unit;
    json_array_foreach(was, i, old) {
        const char *const other = json_string_value(old);
        if (strcmp(other, self->columns[at].name) != 0) {
            TM_TRY(add(self, other, one, err));
        }
    }
    return TM_OK;
}

tm_status tm__renames_create(const json_t *rules, const tm_schema *schema, tm_renames **out,
                             tm_err *err) {
    const char *name = NULL;
    json_t *rule = NULL;
    *out = NULL;
    if (rules == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__renames_check(rules, err));
    tm_renames *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return no_memory(err);
    }
    self->list = tm__mem_zalloc(TM_RENAMES_MAX, sizeof(*self->list));
    tm_status st = self->list == NULL ? no_memory(err) : want(self, rules, schema, err);
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule) {
        st = st == TM_OK ? bind_rule(self, name, rule, err) : st;
    }
    if (st != TM_OK || (self->n == 0 && self->n_missing == 0)) {
        tm__renames_free(self);
        return st;
    }
    *out = self;
    return TM_OK;
}

void tm__renames_free(tm_renames *renames) {
    if (renames != NULL) {
        for (uint32_t i = 0; i < renames->n_columns; i++) {
            tm__mem_free(renames->columns[i].name);
        }
        for (uint32_t i = 0; i < renames->n; i++) {
            tm__mem_free((char *)(uintptr_t)renames->list[i].name);
        }
        tm__mem_free(renames->columns);
        tm__mem_free(renames->list);
        tm__mem_free(renames);
    }
}

uint32_t tm__renames_count(const tm_renames *renames) {
    return renames == NULL ? 0 : renames->n;
}

const tm_rename *tm__renames_get(const tm_renames *renames, uint32_t index) {
    return &renames->list[index];
}

const tm_rename *tm__renames_find(const tm_renames *renames, const char *name) {
    for (uint32_t i = 0; i < tm__renames_count(renames); i++) {
        if (strcmp(renames->list[i].name, name) == 0) {
            return &renames->list[i];
        }
    }
    return NULL;
}

tm_missing_rule tm__renames_missing(const tm_renames *renames, uint32_t column) {
    return renames == NULL ? TM_MISSING_UNSAID : renames->columns[column].missing;
}

/* ---- Values ---- */

tm_status tm__rename_cell(const tm_rename *r, tm_cell *cell, tm_err *err) {
    const tm_schema_column as_number = {.name = (char *)(uintptr_t)r->name, .type = TM_TYPE_FLOAT};
    char room[32];
    bool is_changed = false;
    if (r->is_same || cell->type == TM_TYPE_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__cell_fit(&as_number, cell, room, &is_changed, err));
    if (cell->type == TM_TYPE_NONE) {
        return TM_OK;
    }
    const double value =
        r->is_inverse ? (cell->f64 - r->offset) / r->scale : cell->f64 * r->scale + r->offset;
    if (!isfinite(value) || (r->type == TM_TYPE_INT && !(fabs(value) < INT_END))) {
        return TM_FAIL(err, TM_E_DATA, "column '%.80s' is too large for the unit of '%.80s'",
                       r->name, r->column_name);
    }
    *cell = r->type == TM_TYPE_INT
                ? (tm_cell){.type = TM_TYPE_INT, .i64 = (int64_t)floor(value + 0.5)}
                : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
    return TM_OK;
}
