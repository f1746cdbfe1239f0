/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: declared, checked when they are set, made for the columns of a batch.
 *
 *   spec ──> tm_expect (shared) ──> tm_check (one batch at a time, kept for the next one)
 *
 * A rule whose column is not there any more is broken, and stops the source: it would hold for
 * every row, since null is no reason against one.
 */
#include "source/expect.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

#define COLUMNS_MAX 1000u /* of all rules of a source; SQLite has tables of 2,000 */
#define NAME_MAX 64u
#define NAME_KEY UINT64_C(0x657870656374)

typedef struct rule {
    char name[NAME_MAX + 1];
    char *sql;
    tm_change_policy policy;
} rule;

struct tm_expect {
    _Atomic uint32_t refs;
    json_t *expect, *policy; /* as declared */
    rule *rules;             /* [n_rules] */
    uint32_t n_rules;
};

typedef struct made {
    tm_condition *condition; /* NULL: broken */
    uint32_t column;         /* of the only one that it reads; UINT32_MAX: several or none */
    char why[160];
} made;

struct tm_check {
    tm_expect *expect;
    tm_conditions *conditions;
    tm_condition_column *columns; /* [n_columns], their names are owned */
    uint32_t n_columns;
    uint32_t n_in_schema;
    made *rules; /* [n_rules] */
    bool is_broken;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rules");
}

/* ---- Names ---- */

static size_t name_len(const char *text) {
    size_t n = 0;
    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') ||
           text[n] == '_' || (n > 0 && (tm__is_digit(text[n]) || text[n] == '-'))) {
        n++;
    }
    return n;
}

static tm_status check_name(const char *name, tm_err *err) {
    const size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX || name_len(name) != n) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.64s' is no name for a rule", name);
        tm_err_hint(err, "Use letters, digits, '_' and '-', at most 64: positive: amount > 0.");
        return st;
    }
    for (int kind = 0; kind < TM_FINDING_KINDS; kind++) {
        if (strcmp(name, tm__change_names[kind]) == 0) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "'%s' is a kind of change, not a rule", name);
            tm_err_hint(err, "Give the rule another name.");
            return st;
        }
    }
    return TM_OK;
}

tm_status tm__expect_parse(const char *text, json_t *into, tm_err *err) {
    char name[NAME_MAX + 1] = "";
    const size_t len = name_len(text);
    size_t behind = len;
    while (text[behind] == ' ') {
        behind++;
    }
    if (len == 0 || text[behind] != ':') {
        const tm_str sql = tm__str_trim(tm__str(text));
        (void)snprintf(name, sizeof(name), "rule_%04x",
                       (unsigned)(tm__hash64(sql.ptr, sql.len, NAME_KEY) & 0xffff));
        json_object_set_new(into, name, json_stringn(sql.ptr, sql.len));
        return TM_OK;
    }
    (void)tm__str_copy(name, sizeof(name), (tm_str){text, len});
    if (len > NAME_MAX) {
        return check_name(text, err);
    }
    const tm_str sql = tm__str_trim(tm__str(text + behind + 1));
    json_object_set_new(into, name, sql.len == 0 ? json_null() : json_stringn(sql.ptr, sql.len));
    return TM_OK;
}

const char *tm__expect_reader(const json_t *expect, const char *column) {
    const char *name = NULL;
    json_t *sql = NULL;
    json_object_foreach((json_t *)(uintptr_t)expect, name, sql) {
        tm_condition_name found;
        size_t at = 0;
        while (json_is_string(sql) &&
               tm__condition_next_name(json_string_value(sql), &at, &found)) {
            if (tm__condition_is_name(found.text, column)) {
                return name;
            }
        }
    }
    return NULL;
}

/* ---- Rules of a source ---- */

static bool read_rules(tm_expect *e) {
    const char *name = NULL;
    json_t *sql = NULL;
    json_object_foreach(e->expect, name, sql) {
        rule *const r = &e->rules[e->n_rules];
        const char *const policy = tm__json_text(e->policy, name, "quarantine");
        r->sql = tm__mem_strdup(json_is_string(sql) ? json_string_value(sql) : "");
        if (r->sql == NULL) {
            return false;
        }
        (void)tm__str_copy(r->name, sizeof(r->name), tm__str(name));
        r->policy = strcmp(policy, "accept") == 0 ? TM_POLICY_ACCEPT
                    : strcmp(policy, "stop") == 0 ? TM_POLICY_STOP
                                                  : TM_POLICY_QUARANTINE;
        e->n_rules++;
    }
    return true;
}

tm_status tm__expect_create(const json_t *spec, tm_expect **out, tm_err *err) {
    const json_t *const expect = json_object_get(spec, "expect");
    *out = NULL;
    if (json_object_size(expect) == 0) {
        return TM_OK;
    }
    tm_expect *e = tm__mem_zalloc(1, sizeof(*e));
    if (e == NULL) {
        return no_memory(err);
    }
    atomic_store(&e->refs, 1);
    e->expect = json_deep_copy(expect);
    e->policy = json_deep_copy(json_object_get(spec, "policy"));
    e->rules = tm__mem_zalloc(json_object_size(expect), sizeof(*e->rules));
    const bool has_all = e->expect != NULL && e->rules != NULL &&
                         (e->policy != NULL || json_object_get(spec, "policy") == NULL);
    if (!has_all || !read_rules(e)) {
        tm__expect_unref(e);
        return no_memory(err);
    }
    *out = e;
    return TM_OK;
}

tm_expect *tm__expect_ref(tm_expect *e) {
    if (e != NULL) {
        atomic_fetch_add(&e->refs, 1);
    }
    return e;
}

void tm__expect_unref(tm_expect *e) {
    if (e == NULL || atomic_fetch_sub(&e->refs, 1) > 1) {
        return;
    }
    for (uint32_t i = 0; i < e->n_rules; i++) {
        tm__mem_free(e->rules[i].sql);
    }
    tm__mem_free(e->rules);
    json_decref(e->expect);
    json_decref(e->policy);
    tm__mem_free(e);
}

bool tm__expect_is(const tm_expect *e, const json_t *spec) {
    const json_t *const expect = json_object_get(spec, "expect");
    if (e == NULL) {
        return json_object_size(expect) == 0;
    }
    const json_t *const policy = json_object_get(spec, "policy");
    return json_equal(e->expect, expect) != 0 &&
           (policy == NULL ? e->policy == NULL : json_equal(e->policy, policy) != 0);
}

/* ---- Made for columns ---- */

void tm__check_close(tm_check *c) {
    if (c == NULL) {
        return;
    }
    tm__conditions_close(c->conditions);
    for (uint32_t i = 0; c->columns != NULL && i < c->n_columns; i++) {
        tm__mem_free((char *)(uintptr_t)c->columns[i].name);
    }
    tm__mem_free(c->columns);
    tm__mem_free(c->rules);
    tm__expect_unref(c->expect);
    tm__mem_free(c);
}

static uint32_t find_in_schema(const tm_schema *schema, tm_str text) {
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        if (tm__condition_is_name(text, schema->cols[i].name)) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* The columns that a rule names, each once. False when memory is out. */
static bool add_columns(tm_check *c, uint32_t at_rule, const tm_schema *schema) {
    made *const m = &c->rules[at_rule];
    tm_condition_name name;
    size_t at = 0;
    uint32_t n_read = 0;
    m->column = UINT32_MAX;
    while (tm__condition_next_name(c->expect->rules[at_rule].sql, &at, &name)) {
        const uint32_t col = find_in_schema(schema, name.text);
        uint32_t i = 0;
        while (col != UINT32_MAX && i < c->n_columns && c->columns[i].at != col) {
            i++;
        }
        if (col == UINT32_MAX || (i == c->n_columns && c->n_columns == COLUMNS_MAX)) {
            continue;
        }
        if (i == c->n_columns) {
            char *copy = tm__mem_strdup(schema->cols[col].name);
            if (copy == NULL) {
                return false;
            }
            c->columns[c->n_columns++] =
                (tm_condition_column){.name = copy, .type = schema->cols[col].type, .at = col};
        }
        n_read += m->column == i ? 0 : 1;
        m->column = i;
    }
    m->column = n_read == 1 ? m->column : UINT32_MAX;
    return true;
}

static tm_status make_rule(tm_check *c, uint32_t i, tm_err *err) {
    tm_err own = {0};
    made *const m = &c->rules[i];
    const tm_status st =
        tm__condition_create(c->conditions, c->expect->rules[i].sql, &m->condition, NULL, &own);
    if (st == TM_E_NOMEM) {
        return no_memory(err);
    }
    if (st != TM_OK) {
        (void)tm__str_copy(m->why, sizeof(m->why), tm__str(own.message));
        c->is_broken = true;
    }
    return TM_OK;
}

static tm_status make_all(tm_check *c, const tm_schema *schema, tm_err *err) {
    const uint32_t n = c->expect->n_rules;
    tm_err own = {0};
    c->rules = tm__mem_zalloc(n, sizeof(*c->rules));
    c->columns = tm__mem_zalloc(COLUMNS_MAX, sizeof(*c->columns));
    if (c->rules == NULL || c->columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!add_columns(c, i, schema)) {
            return no_memory(err);
        }
    }
    const tm_status st = tm__conditions_open(c->columns, c->n_columns, &c->conditions, &own);
    if (st == TM_E_NOMEM) {
        return no_memory(err);
    }
    c->is_broken = st != TM_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (st == TM_OK) {
            TM_TRY(make_rule(c, i, err));
        } else {
            (void)tm__str_copy(c->rules[i].why, sizeof(c->rules[i].why), tm__str(own.message));
        }
    }
    return TM_OK;
}

tm_status tm__check_open(tm_expect *expect, const tm_schema *schema, tm_check **out, tm_err *err) {
    tm_check *c = tm__mem_zalloc(1, sizeof(*c));
    if (c == NULL) {
        return no_memory(err);
    }
    c->expect = tm__expect_ref(expect);
    c->n_in_schema = schema->n_cols;
    const tm_status st = make_all(c, schema, err);
    if (st != TM_OK) {
        tm__check_close(c);
        return st;
    }
    *out = c;
    return TM_OK;
}

bool tm__check_fits(const tm_check *c, const tm_expect *expect, const tm_schema *schema) {
    if (c->expect != expect || (c->is_broken && c->n_in_schema != schema->n_cols)) {
        return false;
    }
    for (uint32_t i = 0; i < c->n_columns; i++) {
        const tm_condition_column *const column = &c->columns[i];
        if (column->at >= schema->n_cols || schema->cols[column->at].type != column->type ||
            strcmp(schema->cols[column->at].name, column->name) != 0) {
            return false;
        }
    }
    return true;
}

void tm__check_reset(tm_check *c) {
    if (c->conditions != NULL) {
        tm__conditions_reset(c->conditions);
    }
}

const tm_condition_column *tm__check_columns(const tm_check *c, uint32_t *out_n) {
    *out_n = c->n_columns;
    return c->columns;
}

const char *tm__check_reader(const tm_check *c, const char *column) {
    return tm__expect_reader(c->expect->expect, column);
}

uint32_t tm__check_count(const tm_check *c) {
    return c->expect->n_rules;
}

tm_rule_kind tm__check_kind(const tm_check *c, uint32_t rule_at) {
    const tm_condition *const condition = c->rules[rule_at].condition;
    return condition == NULL                       ? TM_RULE_BROKEN
           : tm__condition_is_aggregate(condition) ? TM_RULE_BATCH
                                                   : TM_RULE_ROW;
}

/* ---- Asking ---- */

tm_status tm__check_ask(tm_check *c, uint32_t i, const tm_cell *cells,
                        const tm_condition_rows *rows, tm_finding *out, bool *out_found,
                        tm_err *err) {
    const rule *const r = &c->expect->rules[i];
    const made *const m = &c->rules[i];
    tm_verdict verdict = TM_VERDICT_FAILED;
    char failure[160] = "";
    *out_found = false;
    if (m->condition != NULL && rows != NULL) {
        TM_TRY(tm__condition_all(m->condition, rows, &verdict, failure, err));
    } else if (m->condition != NULL) {
        TM_TRY(tm__condition_row(m->condition, cells, &verdict, failure, err));
    }
    if (verdict == TM_VERDICT_TRUE || verdict == TM_VERDICT_NULL) {
        return TM_OK;
    }
    *out_found = true;
    *out = (tm_finding){.kind = TM_CHANGE_EXPECTATION,
                        .policy = m->condition == NULL ? TM_POLICY_STOP : r->policy,
                        .is_batch = m->condition == NULL || rows != NULL,
                        .n = 1};
    (void)tm__str_copy(out->column, sizeof(out->column), tm__str(r->name));
    if (m->column != UINT32_MAX) {
        (void)tm__str_copy(out->place, sizeof(out->place), tm__str(c->columns[m->column].name));
    }
    const char *const why = m->condition == NULL ? m->why : failure;
    if (verdict == TM_VERDICT_FALSE) {
        (void)snprintf(out->detail, sizeof(out->detail), "rule '%s' is false: %.*s", r->name, 76,
                       r->sql);
    } else {
        (void)snprintf(out->detail, sizeof(out->detail), "rule '%s': %.*s", r->name, 84, why);
    }
    return TM_OK;
}

/* ---- When they are set ---- */

/* The name without its quotes. */
static void unquote(tm_str text, char out[TM_MAX_COLUMN_NAME + 1]) {
    const char first = text.len > 0 ? text.ptr[0] : '\0';
    const bool is_quoted = first == '"' || first == '`' || first == '[';
    size_t n = 0;
    for (size_t i = is_quoted ? 1 : 0; i + (is_quoted ? 1 : 0) < text.len; i++) {
        if (n < TM_MAX_COLUMN_NAME) {
            out[n++] = text.ptr[i];
        }
        i += is_quoted && first != '[' && text.ptr[i] == first ? 1 : 0;
    }
    out[n] = '\0';
}

/* Without columns any name may be one: those that SQL does not know become columns. */
static tm_status check_alone(const char *sql, tm_err *err) {
    char names[32][TM_MAX_COLUMN_NAME + 1];
    tm_condition_column columns[32];
    for (uint32_t n = 0;; n++) {
        tm_conditions *c = NULL;
        tm_condition *made_one = NULL;
        tm_str unknown = {"", 0};
        tm_err own = {0};
        TM_TRY(tm__conditions_open(columns, n, &c, err));
        const tm_status st = tm__condition_create(c, sql, &made_one, &unknown, &own);
        tm__conditions_close(c);
        if (st == TM_OK || unknown.len == 0 || n == 32) {
            if (st != TM_OK && err != NULL) {
                *err = own;
            }
            return st;
        }
        unquote(unknown, names[n]);
        columns[n] = (tm_condition_column){.name = names[n], .type = TM_TYPE_NONE, .at = n};
    }
}

static tm_status name_near(const tm_schema *schema, const char *sql, tm_err *err) {
    tm_condition_name name;
    size_t at = 0;
    const char **names = tm__mem_alloc((size_t)schema->n_cols + 1, sizeof(*names));
    for (uint32_t i = 0; names != NULL && i < schema->n_cols; i++) {
        names[i] = schema->cols[i].name;
    }
    while (names != NULL && tm__condition_next_name(sql, &at, &name)) {
        char place[40];
        (void)snprintf(place, sizeof(place), "(character %u)", name.at + 1);
        const bool is_it = err != NULL && strstr(err->message, place) != NULL;
        const char *near = is_it ? tm__str_nearest(name.text, names, schema->n_cols) : NULL;
        if (near != NULL) {
            tm_err_hint(err, "Did you mean '%s'?", near);
        }
    }
    tm__mem_free(names);
    return TM_E_USAGE;
}

static tm_status check_with(const char *name, const char *sql, const tm_schema *schema,
                            tm_err *err) {
    tm_expect *expect = NULL;
    tm_check *check = NULL;
    json_t *spec = json_pack("{s:{s:s}}", "expect", name, sql);
    tm_condition *condition = NULL;
    tm_status st = tm__expect_create(spec, &expect, err);
    st = st == TM_OK && expect == NULL ? no_memory(err) : st;
    st = st == TM_OK ? tm__check_open(expect, schema, &check, err) : st;
    if (st == TM_OK && check->conditions != NULL) {
        tm_str unknown = {"", 0};
        st = tm__condition_create(check->conditions, sql, &condition, &unknown, err);
        st = st == TM_E_USAGE && unknown.len > 0 ? name_near(schema, sql, err) : st;
    } else if (st == TM_OK) {
        st = TM_FAIL(err, TM_E_USAGE, "%s", check->rules[0].why);
        tm_err_hint(err, "Columns of rules must differ in more than the case of letters.");
    }
    if (st == TM_OK && check->n_columns == 0 && !tm__condition_is_aggregate(condition)) {
        st = TM_FAIL(err, TM_E_USAGE, "it reads no column");
        tm_err_hint(err, "Write an expression over columns, as amount > 0.");
    }
    tm__check_close(check);
    tm__expect_unref(expect);
    json_decref(spec);
    return st;
}

tm_status tm__expect_check(const json_t *expect, const tm_schema *schema, tm_err *err) {
    const char *name = NULL;
    json_t *sql = NULL;
    if (expect != NULL && !json_is_object(expect)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "rules are given by name");
        tm_err_hint(err, "Write expect: {positive: amount > 0}.");
        return st;
    }
    json_object_foreach((json_t *)(uintptr_t)expect, name, sql) {
        tm_err own = {0};
        TM_TRY(check_name(name, err));
        if (json_is_null(sql)) {
            continue;
        }
        const char *const text = json_is_string(sql) ? json_string_value(sql) : "";
        const tm_status st = schema != NULL && schema->n_cols > 0
                                 ? check_with(name, text, schema, &own)
                                 : check_alone(text, &own);
        if (st != TM_OK) {
            (void)TM_FAIL(err, st, "rule '%s': %s", name, own.message);
            tm_err_hint(err, "%s", own.hint);
            return st;
        }
    }
    if (json_object_size(expect) > TM_EXPECT_MAX) {
        const tm_status st =
            TM_FAIL(err, TM_E_LIMIT, "a source has at most %u rules", TM_EXPECT_MAX);
        tm_err_hint(err, "Put several conditions into one rule with AND.");
        return st;
    }
    return TM_OK;
}
