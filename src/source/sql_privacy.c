/* SPDX-License-Identifier: Apache-2.0 */
#include "source/sql_privacy.h"

#include <string.h>

#include "source/intake_priv.h"
#include "store/privacy_key.h"

typedef struct covering {
    const tm_table *table;
    json_t *sources;  /* {COLUMN: POLICY} of all of them; owned */
    json_t *policies; /* of the rows; owned */
    tm_hash key;
    bool has_key;
} covering;

static tm_status disagree(const char *column, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_CONFLICT, "sources of the query have other policies of '%s'", column);
    tm_err_hint(err, "Give the columns names of their own in the query.");
    return st;
}

static tm_status add_source(covering *c, const tm_home *home, const char *name, tm_err *err) {
    json_t *privacy = NULL, *policy = NULL;
    const char *column = NULL;
    TM_TRY(tm__intake_privacy(home, name, &privacy, err));
    tm_status st = TM_OK;
    json_object_foreach(json_object_get(privacy, "columns"), column, policy) {
        const json_t *const other = json_object_get(c->sources, column);
        const bool is_there = tm__table_find(c->table, column) != UINT32_MAX;
        if (st == TM_OK && is_there && other != NULL && !json_equal(other, policy)) {
            st = disagree(column, err);
        }
        json_object_set(c->sources, column, policy);
    }
    json_decref(privacy);
    return st == TM_OK ? tm__json_check(err) : st;
}

static bool leaves(const covering *c, const tm_column *column, const char *policy) {
    tm_privacy p = {0};
    return policy != NULL &&
           tm__privacy_parse(column->name, policy, TM_TYPE_NONE, &p, NULL) == TM_OK &&
           tm__privacy_leaves(&p, &c->key, column, tm__table_rows(c->table));
}

/* A source with pseudonyms may stand in the query by another name of its column. */
static const char *policy_of(const covering *c, const tm_column *column) {
    const char *const named = tm__json_text(c->sources, column->name, NULL);
    return c->has_key && column->type == TM_TYPE_TEXT && leaves(c, column, "pseudonym")
               ? "pseudonym"
           : leaves(c, column, named) ? named
                                      : NULL;
}

static tm_status look(covering *c, const tm_home *home, const json_t *snapshots, tm_err *err) {
    const char *name = NULL;
    json_t *hash = NULL;
    json_object_foreach((json_t *)(uintptr_t)snapshots, name, hash) {
        TM_TRY(add_source(c, home, name, err));
    }
    if (tm__privacy_needs_key(c->sources)) {
        TM_TRY(tm__privacy_key_read(home, &c->key, err));
        c->has_key = true;
    }
    for (uint32_t i = 0; json_object_size(c->sources) > 0 && i < tm__table_cols(c->table); i++) {
        const tm_column *const column = tm__table_column(c->table, i);
        const char *const policy = policy_of(c, column);
        if (policy != NULL) {
            json_object_set_new(c->policies, column->name, json_string(policy));
        }
    }
    return tm__json_check(err);
}

tm_status tm__sql_privacy(const tm_home *home, const json_t *snapshots, const tm_table *table,
                          json_t **out, tm_err *err) {
    covering c = {.table = table, .sources = json_object(), .policies = json_object()};
    json_t *privacy = NULL;
    tm_status st = look(&c, home, snapshots, err);
    if (st == TM_OK && json_object_size(c.policies) > 0) {
        privacy = json_pack("{s:O}", "columns", c.policies);
        st = tm__json_check(err);
        if (st == TM_OK && tm__privacy_needs_key(c.policies)) {
            st = tm__privacy_add_check(&c.key, privacy, err);
        }
    }
    tm__hash_reset(&c.key);
    json_decref(c.sources);
    json_decref(c.policies);
    return tm__json_give(st, privacy, out, err);
}
