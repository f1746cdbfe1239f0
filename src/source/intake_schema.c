/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a source and how they change.
 *
 *   none ── first value ──> bool | int | float | text | date | time
 *                                   int ── a fraction ──> float      date ── an hour ──> time
 *
 * A type follows from all values of a push, never from the first one: the values are counted by
 * kind, and the counts stay with the change as its evidence. Beside that only a declaration changes
 * a column, so a value that fits neither its column nor a wider one is its row's fault.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/intake_priv.h"

#define NAME_KEY UINT64_C(0x736f75726365)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for columns");
}

/* ---- Making ---- */

static bool make_slots(tm_intake_columns *columns) {
    const uint32_t n_cols = columns->schema.n_cols;
    columns->n_slots = 16;
    while (columns->n_slots < 2 * n_cols) {
        columns->n_slots *= 2;
    }
    columns->slots = tm__mem_alloc(columns->n_slots, sizeof(*columns->slots));
    if (columns->slots == NULL) {
        return false;
    }
    memset(columns->slots, 0xff, columns->n_slots * sizeof(*columns->slots));
    for (uint32_t i = 0; i < n_cols; i++) {
        const tm_str name = tm__str(columns->schema.cols[i].name);
        uint32_t at = (uint32_t)tm__hash64(name.ptr, name.len, NAME_KEY) & (columns->n_slots - 1);
        while (columns->slots[at] != UINT32_MAX) {
            at = (at + 1) & (columns->n_slots - 1);
        }
        columns->slots[at] = i;
    }
    return true;
}

static bool add_column(tm_schema *schema, tm_str name, tm_type type) {
    tm_schema_column *cols =
        tm__mem_realloc(schema->cols, (size_t)schema->n_cols + 1, sizeof(*cols));
    if (cols == NULL) {
        return false;
    }
    schema->cols = cols;
    cols[schema->n_cols] = (tm_schema_column){
        .name = tm__mem_strndup(name.ptr, name.len), .type = type, .is_nullable = true};
    return cols[schema->n_cols++].name != NULL;
}

static tm_status take_keys(tm_intake_columns *columns, const char *const *keys, uint32_t n_keys,
                           tm_err *err) {
    columns->keys = tm__mem_alloc(n_keys, sizeof(*columns->keys));
    if (columns->keys == NULL) {
        return no_memory(err);
    }
    columns->n_keys = n_keys;
    for (uint32_t i = 0; i < n_keys; i++) {
        uint32_t at = tm__schema_find(&columns->schema, tm__str(keys[i]));
        if (at == UINT32_MAX) {
            at = columns->schema.n_cols;
            if (!add_column(&columns->schema, tm__str(keys[i]), TM_TYPE_NONE)) {
                return no_memory(err);
            }
        }
        columns->keys[i] = at;
    }
    return TM_OK;
}

tm_status tm__intake_columns_create(const tm_schema *schema, const char *const *keys,
                                    uint32_t n_keys, tm_intake_columns **out, tm_err *err) {
    tm_intake_columns *columns = tm__mem_zalloc(1, sizeof(*columns));
    if (columns == NULL) {
        return no_memory(err);
    }
    tm_status st = TM_OK;
    atomic_store(&columns->refs, 1);
    for (uint32_t i = 0; st == TM_OK && i < schema->n_cols; i++) {
        if (!add_column(&columns->schema, tm__str(schema->cols[i].name), schema->cols[i].type)) {
            st = no_memory(err);
        }
    }
    if (st == TM_OK) {
        st = take_keys(columns, keys, n_keys, err);
    }
    if (st == TM_OK && columns->schema.n_cols > TM_MAX_COLS) {
        st = TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
    }
    if (st == TM_OK && !make_slots(columns)) {
        st = no_memory(err);
    }
    if (st != TM_OK) {
        tm__intake_columns_unref(columns);
        return st;
    }
    *out = columns;
    return TM_OK;
}

tm_intake_columns *tm__intake_columns_ref(tm_intake_columns *columns) {
    atomic_fetch_add(&columns->refs, 1);
    return columns;
}

void tm__intake_columns_unref(tm_intake_columns *columns) {
    if (columns == NULL || atomic_fetch_sub(&columns->refs, 1) > 1) {
        return;
    }
    tm__schema_done(&columns->schema);
    tm__mem_free(columns->slots);
    tm__mem_free(columns->keys);
    tm__mem_free(columns->rules);
    json_decref(columns->changes);
    tm__watch_unref(columns->watch);
    tm__hash_reset(&columns->privacy_key);
    tm__mem_free(columns);
}

const tm_declared_rule *tm__intake_columns_rule(const tm_intake_columns *columns, uint32_t col) {
    static const tm_declared_rule none;
    return columns->rules != NULL ? &columns->rules[col] : &none;
}

uint32_t tm__intake_columns_find(const tm_intake_columns *columns, tm_str name) {
    uint32_t at = (uint32_t)tm__hash64(name.ptr, name.len, NAME_KEY) & (columns->n_slots - 1);
    for (; columns->slots[at] != UINT32_MAX; at = (at + 1) & (columns->n_slots - 1)) {
        if (tm__str_is(name, columns->schema.cols[columns->slots[at]].name)) {
            return columns->slots[at];
        }
    }
    return UINT32_MAX;
}

/* ---- JSON ---- */

static const char *type_text(tm_type type) {
    return type == TM_TYPE_NONE ? "unknown" : tm__type_text(type);
}

json_t *tm__intake_columns_to_json(const tm_intake_columns *columns) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < columns->schema.n_cols; i++) {
        const tm_schema_column *c = &columns->schema.cols[i];
        const tm_declared_rule *rule = tm__intake_columns_rule(columns, i);
        json_t *column = json_pack("{s:s, s:s}", "name", c->name, "type", type_text(c->type));
        if (rule->has_type) {
            json_object_set_new(column, "declared", json_true());
        }
        if (rule->is_required) {
            json_object_set_new(column, "required", json_true());
        }
        if (rule->role[0] != '\0') {
            json_object_set_new(column, "role", json_string(rule->role));
        }
        if (rule->policy[0] != '\0') {
            json_object_set_new(column, "policy", json_string(rule->policy));
        }
        json_array_append_new(list, column);
    }
    return json_pack("{s:o}", "columns", list);
}

/* A policy that was checked when it was declared. */
static void read_policy(const json_t *item, tm_declared_rule *rule) {
    const char *const text = tm__json_text(item, "policy", "");
    if (tm__privacy_parse("", text, TM_TYPE_NONE, &rule->privacy, NULL) == TM_OK) {
        (void)tm__str_copy(rule->policy, sizeof(rule->policy), tm__str(text));
    }
}

static void count_private(tm_intake_columns *columns) {
    columns->n_private = 0;
    for (uint32_t i = 0; columns->rules != NULL && i < columns->schema.n_cols; i++) {
        columns->n_private += tm__privacy_changes(&columns->rules[i].privacy) ? 1 : 0;
    }
}

/* Rules of the columns in a list, which are the first ones. */
static bool read_rules(const json_t *list, tm_intake_columns *columns) {
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item) {
        tm_declared_rule rule = {
            .has_type = json_is_true(json_object_get(item, "declared")),
            .is_required = json_is_true(json_object_get(item, "required")),
        };
        (void)tm__str_copy(rule.role, sizeof(rule.role), tm__str(tm__json_text(item, "role", "")));
        read_policy(item, &rule);
        if (!rule.has_type && !rule.is_required && rule.role[0] == '\0' && rule.policy[0] == '\0') {
            continue;
        }
        if (columns->rules == NULL) {
            columns->rules = tm__mem_zalloc(columns->schema.n_cols, sizeof(*columns->rules));
        }
        if (columns->rules == NULL) {
            return false;
        }
        columns->rules[i] = rule;
    }
    count_private(columns);
    return true;
}

tm_status tm__intake_columns_from_json(const json_t *json, const char *const *keys, uint32_t n_keys,
                                       tm_intake_columns **out, tm_err *err) {
    tm_schema schema = {0};
    size_t i = 0;
    const json_t *item = NULL;
    tm_status st = TM_OK;
    json_array_foreach(json_object_get(json, "columns"), i, item) {
        const char *name = tm__json_text(item, "name", NULL);
        if (name == NULL) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "the columns of a source are damaged");
            break;
        }
        if (!add_column(&schema, tm__str(name),
                        tm__type_from_text(tm__json_text(item, "type", "")))) {
            st = no_memory(err);
            break;
        }
    }
    tm_intake_columns *columns = NULL;
    if (st == TM_OK) {
        st = tm__intake_columns_create(&schema, keys, n_keys, &columns, err);
    }
    tm__schema_done(&schema);
    if (st == TM_OK && !read_rules(json_object_get(json, "columns"), columns)) {
        tm__intake_columns_unref(columns);
        st = no_memory(err);
    }
    if (st == TM_OK) {
        *out = columns;
    }
    return st;
}

/* ---- Evidence ---- */

void tm__evidence_add(tm_evidence *e, const tm_cell *cell) {
    tm_csv_value value;
    switch (cell->type) {
    case TM_TYPE_NONE:
        e->n_missing++;
        break;
    case TM_TYPE_BOOL:
        e->n_bools++;
        break;
    case TM_TYPE_INT:
        e->n_ints++;
        break;
    case TM_TYPE_FLOAT:
        e->n_floats++;
        break;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        e->n_times++;
        e->kinds |= TM_CAN_DATE | (cell->type == TM_TYPE_TIME ? TM_CAN_TIME : 0);
        break;
    default:
        e->n_texts++;
        e->kinds |= tm__csv_examine(cell->text, &value);
    }
}

/* Type of texts: of a CSV whatever they look like; of JSON text, unless all are dates. Dates of one
 * country's order stay text, since later rows would be read by a guess. */
static tm_type type_of_texts(uint32_t kinds, bool is_text) {
    /* A number that no double holds is its row's fault. */
    const uint32_t others = kinds & ~TM_CAN_HUGE;
    const tm_type type = (kinds & TM_CAN_NATIONAL) != 0 ? TM_TYPE_TEXT : tm__csv_decide(others);
    const bool is_time = type == TM_TYPE_DATE || type == TM_TYPE_TIME;
    return is_text || is_time ? type : TM_TYPE_TEXT;
}

static tm_type first_type(const tm_evidence *e, bool is_text) {
    const uint64_t n_numbers = e->n_ints + e->n_floats;
    if (e->declared != TM_TYPE_NONE) {
        return e->declared;
    }
    if (e->n_texts + e->n_bools + n_numbers == 0) {
        return TM_TYPE_NONE;
    }
    if (e->n_texts > 0) {
        return e->n_bools + n_numbers > 0 ? TM_TYPE_TEXT : type_of_texts(e->kinds, is_text);
    }
    if (e->n_bools > 0) {
        return n_numbers > 0 ? TM_TYPE_TEXT : TM_TYPE_BOOL;
    }
    return e->n_floats > 0 ? TM_TYPE_FLOAT : TM_TYPE_INT;
}

static tm_type wider_type(tm_type type, const tm_evidence *e, bool is_text) {
    if (type == TM_TYPE_NONE) {
        return first_type(e, is_text);
    }
    const bool has_fraction = e->n_floats > 0 || (e->kinds & (TM_CAN_FLOAT | TM_CAN_BIG)) != 0;
    if (type == TM_TYPE_INT && has_fraction) {
        return TM_TYPE_FLOAT;
    }
    return type == TM_TYPE_DATE && (e->kinds & TM_CAN_TIME) != 0 ? TM_TYPE_TIME : type;
}

static json_t *change_json(const tm_evidence *e, const char *kind, tm_type from, tm_type to) {
    json_t *seen = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "missing", (json_int_t)e->n_missing,
                             "bools", (json_int_t)e->n_bools, "ints", (json_int_t)e->n_ints,
                             "floats", (json_int_t)e->n_floats, "texts", (json_int_t)e->n_texts,
                             "times", (json_int_t)e->n_times);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", kind, "column", e->name, "from",
                     type_text(from), "to", type_text(to), "evidence", seen);
}

/* Names of the keys of columns, borrowed. */
static const char **key_names(const tm_intake_columns *columns) {
    const char **names = tm__mem_alloc(columns->n_keys, sizeof(*names));
    for (uint32_t i = 0; names != NULL && i < columns->n_keys; i++) {
        names[i] = columns->schema.cols[columns->keys[i]].name;
    }
    return names;
}

static tm_status fit_schema(tm_schema *schema, const tm_evidence *evidence, uint32_t n,
                            bool is_text, json_t *changes) {
    for (uint32_t i = 0; i < n; i++) {
        const tm_evidence *e = &evidence[i];
        const bool is_new = e->col == UINT32_MAX;
        const tm_type from = is_new ? TM_TYPE_NONE : schema->cols[e->col].type;
        const tm_type to = wider_type(from, e, is_text);
        if (is_new && !add_column(schema, tm__str(e->name), to)) {
            return TM_E_NOMEM;
        }
        if (!is_new) {
            schema->cols[e->col].type = to;
        }
        if (is_new || from != to) {
            const char *kind = is_new                 ? "new_column"
                               : from == TM_TYPE_NONE ? "first_value"
                                                      : "wider_type";
            json_array_append_new(changes, change_json(e, kind, from, to));
        }
    }
    return TM_OK;
}

/* The next version, whose first columns are those of before: with their rules. */
static tm_status next_columns(const tm_intake_columns *columns, const tm_schema *schema,
                              const char *const *names, tm_intake_columns **out, tm_err *err) {
    tm_intake_columns *fresh = NULL;
    TM_TRY(tm__intake_columns_create(schema, names, columns->n_keys, &fresh, err));
    if (columns->rules != NULL) {
        fresh->rules = tm__mem_zalloc(fresh->schema.n_cols, sizeof(*fresh->rules));
        if (fresh->rules == NULL) {
            tm__intake_columns_unref(fresh);
            return no_memory(err);
        }
        memcpy(fresh->rules, columns->rules, columns->schema.n_cols * sizeof(*fresh->rules));
    }
    count_private(fresh);
    fresh->privacy_key = columns->privacy_key;
    fresh->has_privacy_key = columns->has_privacy_key;
    fresh->version = columns->version + 1;
    *out = fresh;
    return TM_OK;
}

tm_status tm__intake_columns_fit(tm_intake_columns *columns, const tm_evidence *evidence,
                                 uint32_t n_evidence, bool is_text, tm_intake_columns **out,
                                 tm_err *err) {
    tm_schema schema = {0};
    tm_intake_columns *fresh = NULL;
    json_t *changes = json_array();
    const char **names = key_names(columns);
    tm_status st = names == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < columns->schema.n_cols; i++) {
        const tm_schema_column *c = &columns->schema.cols[i];
        st = add_column(&schema, tm__str(c->name), c->type) ? TM_OK : no_memory(err);
    }
    if (st == TM_OK && fit_schema(&schema, evidence, n_evidence, is_text, changes) != TM_OK) {
        st = no_memory(err);
    }
    if (st == TM_OK && json_array_size(changes) == 0 && tm__json_is_whole()) {
        *out = tm__intake_columns_ref(columns);
        goto out;
    }
    if (st == TM_OK) {
        st = tm__json_check(err);
    }
    if (st == TM_OK) {
        st = next_columns(columns, &schema, names, &fresh, err);
    }
    if (st == TM_OK) {
        fresh->changes = json_incref(changes);
        fresh->watch = tm__watch_ref(columns->watch);
        *out = fresh;
    }
out:
    tm__schema_done(&schema);
    tm__mem_free(names);
    json_decref(changes);
    return st;
}

/* ---- Declared ---- */

/* A type that every value of another one fits, so that rows which are there stay readable. */
static bool is_wider(tm_type from, tm_type to) {
    return from == to || from == TM_TYPE_NONE || (from == TM_TYPE_INT && to == TM_TYPE_FLOAT) ||
           (from == TM_TYPE_DATE && to == TM_TYPE_TIME);
}

static json_t *declared_json(const char *name, tm_type from, tm_type to,
                             const tm_declared_rule *rule) {
    json_t *change = json_pack(
        "{s:s, s:s, s:s, s:s, s:b}", "kind", rule->has_type ? "declared" : "rule", "column", name,
        "from", type_text(from), "to", type_text(to), "required", rule->is_required ? 1 : 0);
    if (rule->role[0] != '\0') {
        json_object_set_new(change, "role", json_string(rule->role));
    }
    if (rule->policy[0] != '\0') {
        json_object_set_new(change, "policy", json_string(rule->policy));
    }
    return change;
}

/* Rows that are there have the values of the policy of before. */
static tm_status check_policy(const char *name, const tm_declared_rule *before,
                              const tm_declared_rule *now, tm_err *err) {
    if (strcmp(before->policy, now->policy) == 0 ||
        (!tm__privacy_changes(&before->privacy) && !tm__privacy_changes(&now->privacy))) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT,
                                 "column '%s' of rows that are there has the policy '%s', not '%s'",
                                 name, before->policy[0] == '\0' ? "none" : before->policy,
                                 now->policy[0] == '\0' ? "none" : now->policy);
    tm_err_hint(err, "Rows would hold one person under two values. Declare another source with "
                     "the policy and read the rows into it; 'tidemill data rm' removes this one.");
    return st;
}

/* Type and rule of one column after a declaration. */
static tm_status declare_one(const tm_columns_declared *declared, const char *name, tm_type from,
                             tm_type *out_type, tm_declared_rule *out_rule, tm_err *err) {
    const json_t *one = json_object_get(declared->columns, name);
    const char *text = tm__json_text(one, "type", NULL);
    const tm_type type = text == NULL ? TM_TYPE_NONE : tm__type_from_text(text);
    *out_rule = (tm_declared_rule){.has_type = type != TM_TYPE_NONE,
                                   .is_required = json_is_true(json_object_get(one, "required"))};
    (void)tm__str_copy(out_rule->role, sizeof(out_rule->role),
                       tm__str(tm__json_text(one, "role", "")));
    read_policy(one, out_rule);
    *out_type = type == TM_TYPE_NONE ? from : type;
    if (type == TM_TYPE_NONE || !declared->has_rows || is_wider(from, type)) {
        return TM_OK;
    }
    if (declared->may_be_wider && is_wider(type, from)) {
        *out_type = from; /* its policy did so before */
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "column '%s' is %s and cannot become %s", name,
                                 type_text(from), type_text(type));
    tm_err_hint(err, "Rows that are there have that type. Only int to float and date to time can "
                     "be; another type needs another source.");
    return st;
}

static bool same_rule(const tm_declared_rule *a, const tm_declared_rule *b) {
    return a->has_type == b->has_type && a->is_required == b->is_required &&
           strcmp(a->role, b->role) == 0 && strcmp(a->policy, b->policy) == 0;
}

/* Columns that are there, then those that are declared beside them. */
static tm_status declare_all(const tm_intake_columns *columns, const tm_columns_declared *declared,
                             tm_schema *schema, tm_declared_rule *rules, json_t *changes,
                             tm_err *err) {
    const char *name = NULL;
    json_t *one = NULL;
    tm_type type = TM_TYPE_NONE;
    for (uint32_t i = 0; i < columns->schema.n_cols; i++) {
        const tm_schema_column *c = &columns->schema.cols[i];
        TM_TRY(declare_one(declared, c->name, c->type, &type, &rules[i], err));
        if (declared->has_rows && c->type != TM_TYPE_NONE) {
            TM_TRY(check_policy(c->name, tm__intake_columns_rule(columns, i), &rules[i], err));
        }
        if (!add_column(schema, tm__str(c->name), type)) {
            return no_memory(err);
        }
        if (type != c->type || !same_rule(&rules[i], tm__intake_columns_rule(columns, i))) {
            json_array_append_new(changes, declared_json(c->name, c->type, type, &rules[i]));
        }
    }
    json_object_foreach((json_t *)(uintptr_t)declared->columns, name, one) {
        tm_declared_rule *const rule = &rules[schema->n_cols];
        if (tm__intake_columns_find(columns, tm__str(name)) != UINT32_MAX) {
            continue;
        }
        TM_TRY(declare_one(declared, name, TM_TYPE_NONE, &type, rule, err));
        if (!add_column(schema, tm__str(name), type)) {
            return no_memory(err);
        }
        json_array_append_new(changes, declared_json(name, TM_TYPE_NONE, type, rule));
    }
    return tm__json_check(err);
}

tm_status tm__intake_columns_declare(tm_intake_columns *columns,
                                     const tm_columns_declared *declared, tm_intake_columns **out,
                                     tm_err *err) {
    const size_t n_most = columns->schema.n_cols + json_object_size(declared->columns);
    tm_schema schema = {0};
    tm_intake_columns *fresh = NULL;
    json_t *changes = json_array();
    const char **names = key_names(columns);
    tm_declared_rule *rules = tm__mem_zalloc(n_most + 1, sizeof(*rules));
    tm_status st = names == NULL || rules == NULL ? no_memory(err) : TM_OK;
    st = st == TM_OK ? declare_all(columns, declared, &schema, rules, changes, err) : st;
    if (st == TM_OK && json_array_size(changes) == 0) {
        *out = tm__intake_columns_ref(columns);
    } else if (st == TM_OK) {
        st = next_columns(columns, &schema, names, &fresh, err);
    }
    if (fresh != NULL) {
        tm__mem_free(fresh->rules);
        fresh->rules = rules;
        rules = NULL;
        count_private(fresh);
        fresh->changes = json_incref(changes);
        fresh->watch = tm__watch_ref(columns->watch);
        *out = fresh;
    }
    tm__schema_done(&schema);
    tm__mem_free(names);
    tm__mem_free(rules);
    json_decref(changes);
    return st;
}
