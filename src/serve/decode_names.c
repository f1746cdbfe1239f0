/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that give columns under names that they had before (table/renames.h).
 *
 *      row     {"salary": 50000, "age": 41}
 *      aside   salary = 50000                 as given, until the row is read
 *      settle  income = 50                    unless the row has an income, too
 *
 * A null under a name is as if it were left out when another name of the column has a value.
 */
#include <stdio.h>

#include "serve/decode_priv.h"

#define SHOWN 80

typedef struct tm_other_value {
    tm_cell cell;
    bool ok; /* it is one value */
} tm_other_value;

bool tm__decoder_open_names(tm_decoder *d, tm_arena *arena) {
    d->others = tm_arena_alloc(arena, tm_other_value, (size_t)d->plan->n_aliases + 1);
    return d->others != NULL;
}

static void refuse_policy(tm_decoder *d, uint32_t i) {
    const bool has_no_key = d->plan->privacy[i].kind == TM_PRIVACY_PSEUDONYM;
    const char *const name = d->plan->names[i].name;
    tm__decoder_error(d, tm__str(name), has_no_key ? TM_PRIVACY_NO_KEY : NULL,
                      has_no_key ? "%s[%llu].%.*s must be a pseudonym here"
                                 : "%s[%llu].%.*s has a value that the policy of its column cannot "
                                   "be applied to",
                      d->place->path, (unsigned long long)d->row, SHOWN, name);
}

/* tm__decoder_set() after the policy of its column. */
static void keep(tm_decoder *d, uint32_t i, tm_cell *cell, bool ok) {
    if (ok && d->plan->privacy != NULL &&
        !tm__privacy_cell(&d->plan->privacy[i], d->plan->key, cell, d->texts + (size_t)i * 32)) {
        refuse_policy(d, i);
        return;
    }
    tm__decoder_set(d, i, cell, ok);
}

void tm__decoder_put(tm_decoder *d, uint32_t i, tm_cell *cell, bool ok) {
    if (i < d->plan->n_cells) {
        keep(d, i, cell, ok);
    } else if (tm__plan_uses(d->plan, i)) {
        d->others[i - d->plan->n_cells] = (tm_other_value){.cell = *cell, .ok = ok};
    }
}

static void refuse_both(tm_decoder *d, const tm_rename *r) {
    tm__decoder_error(d, tm__str(r->name), "Give one of both: they are one column.",
                      "%s[%llu] has both '%.*s' and '%.*s'", d->place->path,
                      (unsigned long long)d->row, SHOWN, r->name, SHOWN, r->column_name);
}

static void refuse_value(tm_decoder *d, const tm_rename *r, const tm_err *why) {
    tm__decoder_error(d, tm__str(r->name), why->hint, "%s[%llu]: %s", d->place->path,
                      (unsigned long long)d->row, why->message);
}

static void settle(tm_decoder *d, uint32_t alias) {
    const tm_rename *const r = tm__renames_get(d->plan->renames, d->plan->alias_of[alias]);
    tm_other_value *const given = &d->others[alias];
    const bool is_null = given->ok && given->cell.type == TM_TYPE_NONE;
    const bool is_seen = d->seen[r->column] == d->row + 1;
    tm_err err = {0};
    if (is_null && is_seen) {
        return;
    }
    if (is_seen && d->cells[r->column].type != TM_TYPE_NONE) {
        refuse_both(d, r);
        return;
    }
    d->seen[r->column] = d->row + 1;
    if (given->ok && tm__rename_cell(r, &given->cell, &err) != TM_OK) {
        refuse_value(d, r, &err);
        return;
    }
    keep(d, r->column, &given->cell, given->ok);
    if (d->plan->fields != NULL) {
        tm__fields_count(d->plan->fields, d->x->desk->index, TM_FIELD_RENAMED, r->column);
    }
}

void tm__decoder_settle_names(tm_decoder *d) {
    for (uint32_t a = 0; a < d->plan->n_aliases && !d->is_full; a++) {
        if (d->seen[d->plan->n_cells + a] == d->row + 1) {
            settle(d, a);
        }
    }
}
