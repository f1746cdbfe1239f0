/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a request as cells.
 *
 *      names:   inputs of the model | time and entity, when they are no inputs | former names
 *               of inputs (decode_names.c) | other names
 *      cells:   one for each of the first two; other names are stepped over
 *
 * A name is looked for first where it stood in the row before (clients repeat an order), then in a
 * hash table. What a request may leave out, add or mistype is decided here and only here:
 *
 *   1. null is a missing value and always taken;
 *   2. a column that lacked a value in training may be left out, any other must be named, and so
 *      must a feature over earlier rows, of which a missing value would say that there were none,
 *      unless the online store has it;
 *   3. a name of the training data that the model does not read (target, dropped) is taken and not
 *      used, so that a row of that table can be sent as it is; any other name is an error, because
 *      a misspelt column would otherwise be a missing value that nobody sees;
 *   4. a name may stand once in a row;
 *   5. errors name row and column, never a value.
 */
#include "serve/decode_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/bundle_windows.h"

#define NONE TM_NAME_NONE
#define SHOWN_BYTES 80u /* of a name, in an error */

uint32_t tm__plan_find(const tm_plan *plan, tm_str name) {
    uint32_t slot = (uint32_t)tm__hash64(name.ptr, name.len, 0) & (plan->n_slots - 1);
    for (;; slot = (slot + 1) & (plan->n_slots - 1)) {
        const uint32_t i = plan->slots[slot];
        if (i == NONE || (plan->names[i].len == name.len &&
                          memcmp(plan->names[i].name, name.ptr, name.len) == 0)) {
            return i;
        }
    }
}

/* Index of a name, added when it is new; NONE when out of memory. */
static uint32_t add_name(tm_plan *plan, tm_str name) {
    const uint32_t found = tm__plan_find(plan, name);
    if (found != NONE) {
        return found;
    }
    plan_name *n = &plan->names[plan->n_names];
    n->name = tm__mem_strndup(name.ptr, name.len);
    n->len = name.len;
    n->is_escaped =
        memchr(name.ptr, '\\', name.len) != NULL || memchr(name.ptr, '"', name.len) != NULL;
    plan->shown[plan->n_names] = n->name;
    plan->n_names++; /* also when it failed: tm__plan_free() ends it */
    if (n->name == NULL) {
        return NONE;
    }
    uint32_t slot = (uint32_t)tm__hash64(name.ptr, name.len, 0) & (plan->n_slots - 1);
    while (plan->slots[slot] != NONE) {
        slot = (slot + 1) & (plan->n_slots - 1);
    }
    plan->slots[slot] = plan->n_names - 1;
    return plan->n_names - 1;
}

static bool fill_plan(tm_plan *plan, const tm_plan_parts *parts) {
    for (uint32_t i = 0; i < parts->inputs->n_cols; i++) {
        if (add_name(plan, tm__str(parts->inputs->cols[i].name)) != i) {
            return false;
        }
    }
    if (parts->time != NULL) {
        plan->time = add_name(plan, tm__str(parts->time));
    }
    if (parts->entity != NULL) {
        plan->entity = add_name(plan, tm__str(parts->entity));
    }
    for (uint32_t i = 0; i < parts->n_extra; i++) {
        if (add_name(plan, tm__str(parts->extra[i])) == NONE) {
            return false;
        }
    }
    plan->n_cells = plan->n_names;
    plan->renames = parts->renames;
    for (uint32_t i = 0; i < tm__renames_count(parts->renames); i++) {
        const char *const name = tm__renames_get(parts->renames, i)->name;
        const uint32_t n_before = plan->n_names;
        if (add_name(plan, tm__str(name)) == NONE) {
            return false;
        }
        if (plan->n_names > n_before) {
            plan->alias_of[plan->n_aliases++] = i;
        }
    }
    bool ok = (parts->time == NULL || plan->time != NONE) &&
              (parts->entity == NULL || plan->entity != NONE);
    for (uint32_t i = 0; ok && i < parts->n_others; i++) {
        ok = add_name(plan, tm__str(parts->others[i])) != NONE;
    }
    return ok;
}

static tm_status take_policies(tm_plan *plan, const tm_plan_parts *parts, tm_err *err) {
    if (json_object_size(parts->policies) == 0) {
        return TM_OK;
    }
    plan->key = parts->key;
    plan->privacy = tm__mem_zalloc((size_t)plan->n_cells + 1, sizeof *plan->privacy);
    if (plan->privacy == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < plan->n_cells; i++) {
        const char *const name = plan->names[i].name;
        const char *const text = tm__json_text(parts->policies, name, NULL);
        if (text != NULL) {
            TM_TRY(tm__privacy_parse(name, text, TM_TYPE_NONE, &plan->privacy[i], err));
        }
    }
    return TM_OK;
}

tm_status tm__plan_make(const tm_plan_parts *parts, tm_plan **out, tm_err *err) {
    tm_plan *plan = tm__mem_zalloc(1, sizeof *plan);
    if (plan == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const uint32_t n_renames = tm__renames_count(parts->renames);
    const uint32_t n_max = parts->inputs->n_cols + parts->n_others + parts->n_extra + n_renames + 2;
    plan->inputs = parts->inputs;
    plan->is_filled = parts->is_filled;
    plan->time = NONE;
    plan->entity = NONE;
    plan->n_slots = 16;
    while (plan->n_slots < n_max * 2) {
        plan->n_slots *= 2;
    }
    plan->names = tm__mem_zalloc(n_max, sizeof *plan->names);
    plan->shown = tm__mem_zalloc(n_max, sizeof *plan->shown);
    plan->alias_of = tm__mem_alloc((size_t)n_renames + 1, sizeof *plan->alias_of);
    plan->slots = tm__mem_alloc(plan->n_slots, sizeof *plan->slots);
    if (plan->slots != NULL) {
        memset(plan->slots, 0xFF, plan->n_slots * sizeof *plan->slots);
    }
    if (plan->names == NULL || plan->shown == NULL || plan->slots == NULL ||
        plan->alias_of == NULL || !fill_plan(plan, parts)) {
        tm__plan_free(plan);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = take_policies(plan, parts, err);
    if (st != TM_OK) {
        tm__plan_free(plan);
        return st;
    }
    *out = plan;
    return TM_OK;
}

/* Inputs that are features over windows. */
static tm_status mark_windows(const tm_bundle *bundle, tm_plan *plan, tm_err *err) {
    tm_window_set *set = NULL;
    if (!tm__bundle_has_windows(bundle)) {
        return TM_OK;
    }
    const tm_status st = tm__bundle_windows(bundle, &set, err);
    if (st != TM_OK) {
        tm__plan_free(plan);
        return st;
    }
    for (uint32_t i = 0; i < tm__window_set_count(set); i++) {
        const uint32_t at = tm__plan_find(plan, tm__str(tm__window_set_name(set, i)));
        if (at < plan->inputs->n_cols) {
            plan->names[at].is_window = true;
            plan->names[at].may_lack = tm__json_has_text(
                json_object_get(tm__bundle_info(bundle), "optional"), tm__window_set_name(set, i));
        }
    }
    tm__window_set_free(set);
    return TM_OK;
}

/* Names that the training data had and the model does not read: its target and what was left out.
 */
tm_status tm__plan_create(const tm_bundle *bundle, const tm_plan_filled *filled, tm_plan **out,
                          tm_err *err) {
    const json_t *info = tm__bundle_info(bundle);
    const json_t *recipe = json_object_get(info, "recipe");
    const json_t *lists[] = {json_object_get(info, "left_out"), json_object_get(recipe, "drop")};
    const size_t n_max = json_array_size(lists[0]) + json_array_size(lists[1]) + 3;
    const char **others = tm__mem_zalloc(n_max, sizeof *others);
    if (others == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    uint32_t n = 0;
    others[n++] = tm__bundle_target(bundle);
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < json_array_size(lists[l]); i++) {
            const json_t *item = json_array_get(lists[l], i);
            const char *name = json_is_object(item) ? tm__json_text(item, "column", NULL)
                                                    : json_string_value(item);
            if (name != NULL) {
                others[n++] = name;
            }
        }
    }
    const char *weight = tm__json_text(recipe, "weight", NULL);
    const char *group = tm__json_text(recipe, "group", NULL);
    if (weight != NULL) {
        others[n++] = weight;
    }
    if (group != NULL) {
        others[n++] = group;
    }
    const tm_plan_parts parts = {
        .inputs = tm__bundle_schema(bundle),
        .renames = tm__bundle_renames(bundle),
        .policies = tm__bundle_policies(bundle),
        .key = tm__bundle_key(bundle),
        .others = others,
        .n_others = n,
        .time = tm__json_text(info, "time", NULL),
        .entity = tm__json_text(info, "entity", NULL),
        .extra = filled == NULL ? NULL : filled->names,
        .n_extra = filled == NULL ? 0 : filled->n_names,
        .is_filled = filled != NULL,
    };
    const tm_status st = tm__plan_make(&parts, out, err);
    tm__mem_free(others);
    return st == TM_OK ? mark_windows(bundle, *out, err) : st;
}

void tm__plan_free(tm_plan *plan) {
    if (plan != NULL) {
        for (uint32_t i = 0; plan->names != NULL && i < plan->n_names; i++) {
            tm__mem_free(plan->names[i].name);
        }
        tm__mem_free(plan->names);
        tm__mem_free(plan->shown);
        tm__mem_free(plan->slots);
        tm__mem_free(plan->alias_of);
        tm__mem_free(plan->privacy);
        tm__mem_free(plan);
    }
}

void tm__plan_count(tm_plan *plan, struct tm_fields *fields) {
    plan->fields = fields;
}

/* At most max bytes of a name, whole characters. */
static tm_str shown(tm_str name, size_t max) {
    if (name.len > max) {
        name.len = max;
        while (name.len > 0 && ((unsigned char)name.ptr[name.len] & 0xC0) == 0x80) {
            name.len--;
        }
    }
    return name;
}

void tm__decoder_error(tm_decoder *d, tm_str column, const char *hint, const char *fmt, ...) {
    tm_row_error e = {.row = d->row, .has_row = d->is_started};
    const tm_str short_name = shown(column, TM_MAX_COLUMN_NAME);
    if (short_name.len > 0) {
        (void)tm__str_copy(e.column, sizeof e.column, short_name);
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e.detail, sizeof e.detail, fmt, args);
    va_end(args);
    (void)tm__str_copy(e.hint, sizeof e.hint, tm__str(hint));
    if (!tm__problem_row(d->x, &e)) {
        d->is_full = true;
    }
}

/* "rows[3]" */
static const char *where(const tm_decoder *d, char out[48]) {
    if (d->is_started) {
        (void)snprintf(out, 48, "%s[%llu]", d->place->path, (unsigned long long)d->row);
    } else {
        (void)snprintf(out, 48, "%s", d->place->path);
    }
    return out;
}

static __attribute__((noinline)) void unknown_name(tm_decoder *d, tm_str name) {
    char place[48];
    const tm_str s = shown(name, SHOWN_BYTES);
    const char *near =
        tm__str_nearest(shown(name, TM_MAX_COLUMN_NAME), d->plan->shown, d->plan->inputs->n_cols);
    char hint[128] = "The model's inputs are listed at /v1/models; "
                     "?unknown_columns=ignore passes over other names.";
    if (near != NULL) {
        const tm_str n = shown(tm__str(near), SHOWN_BYTES);
        (void)snprintf(hint, sizeof hint, "Did you mean '%.*s'?", (int)n.len, n.ptr);
    }
    tm__decoder_error(d, name, hint, "%s has a column '%.*s' that the model does not know",
                      where(d, place), (int)s.len, s.ptr);
}

static void count_field(const tm_decoder *d, tm_field_kind kind, uint32_t cell) {
    if (d->plan->fields != NULL) {
        tm__fields_count(d->plan->fields, d->x->desk->index, kind, cell);
    }
}

void tm__decoder_count_row(const tm_decoder *d) {
    count_field(d, TM_FIELD_ROWS, 0);
    for (uint32_t i = 0; d->plan->fields != NULL && i < d->plan->inputs->n_cols; i++) {
        if (d->seen[i] != d->row + 1 && !tm__plan_fills(d->plan, i)) {
            count_field(d, TM_FIELD_ABSENT, i);
        }
    }
}

/* What is not simply right; errors are large, so they stay out of the way of what is. */
static __attribute__((noinline)) void set_slowly(tm_decoder *d, uint32_t i, tm_cell *cell,
                                                 bool ok) {
    const tm_plan *plan = d->plan;
    const tm_str name = {plan->names[i].name, plan->names[i].len};
    const tm_str s = shown(name, SHOWN_BYTES);
    char place[48];
    if (!ok || (cell->type == TM_TYPE_TEXT && cell->text.len > TM_MAX_TEXT_BYTES)) {
        count_field(d, TM_FIELD_REFUSED, i);
        tm__decoder_error(
            d, name, NULL, "%s.%.*s %s", where(d, place), (int)s.len, s.ptr,
            ok ? "is longer than a text may be"
               : "must be one value: a number that fits a double, a text, true, false or "
                 "null");
        return;
    }
    if (i < plan->inputs->n_cols) {
        const tm_schema_column *column = &plan->inputs->cols[i];
        /* A date is a text in JSON: it cannot come as anything else. */
        const bool is_date = cell->type == TM_TYPE_TEXT &&
                             (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME);
        bool coerced = false;
        tm_err err = {0};
        if (tm__cell_fit(column, cell, d->texts + (size_t)i * 32, &coerced, &err) != TM_OK) {
            count_field(d, TM_FIELD_REFUSED, i);
            /* The message begins with "column 'NAME'", which the place says better. */
            const size_t skip = strlen("column ''") + name.len;
            const char *what = strlen(err.message) > skip ? err.message + skip : " does not fit";
            tm__decoder_error(d, name, err.hint, "%s.%.*s%s", where(d, place), (int)s.len, s.ptr,
                              what);
            return;
        }
        d->counts.n_nulls += cell->type == TM_TYPE_NONE ? 1 : 0;
        if (coerced && !is_date) {
            d->counts.n_coerced++;
            count_field(d, TM_FIELD_CONVERTED, i);
        }
    }
    d->cells[i] = *cell;
}

/* A value of its column's type, or a whole number for a float column, as tm__cell_fit() has it. */
void tm__decoder_set(tm_decoder *d, uint32_t i, tm_cell *cell, bool ok) {
    if (ok && i < d->plan->inputs->n_cols) {
        const tm_type wanted = d->plan->inputs->cols[i].type;
        if (wanted == TM_TYPE_FLOAT && cell->type == TM_TYPE_INT) {
            d->cells[i] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = (double)cell->i64};
            return;
        }
        if (wanted == cell->type && wanted != TM_TYPE_TEXT &&
            (wanted != TM_TYPE_FLOAT || cell->f64 == cell->f64)) {
            d->cells[i] = *cell;
            return;
        }
    }
    set_slowly(d, i, cell, ok);
}

static __attribute__((noinline)) void name_twice(tm_decoder *d, tm_str name) {
    char place[48];
    const tm_str s = shown(name, SHOWN_BYTES);
    tm__decoder_error(d, name, NULL, "%s has the column '%.*s' twice", where(d, place), (int)s.len,
                      s.ptr);
}

bool tm__decoder_take(tm_decoder *d, uint32_t i, tm_str name) {
    if (i == NONE) {
        tm__fields_unknown(d->plan->fields, name);
        if (!d->place->ignores_unknown) {
            unknown_name(d, name);
        }
        return false;
    }
    if (d->seen[i] == d->row + 1) {
        name_twice(d, name);
        return false;
    }
    d->seen[i] = d->row + 1;
    return true;
}

/* Read the value at p into cell i, or step over it when it is not used. */
static char *read_value(tm_decoder *d, uint32_t i, char *p) {
    if (i == NONE || !tm__plan_uses(d->plan, i)) {
        return tm__scan_skip(p);
    }
    tm_cell cell;
    bool ok = false;
    p = tm__cell_read_json(p, &cell, &ok);
    tm__decoder_put(d, i, &cell, ok);
    return p;
}

static __attribute__((noinline)) char *no_object(tm_decoder *d, char *p) {
    char place[48];
    tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s must be an object of values by column",
                      where(d, place));
    return tm__scan_skip(p);
}

char *tm__decoder_read_record(tm_decoder *d, char *p) {
    if (*p != '{') {
        return no_object(d, p);
    }
    char *after = p;
    for (char *m = tm__scan_enter(p, &after); m != NULL && !d->is_full;) {
        tm_str name;
        char *value;
        uint32_t i = d->expected;
        if (tm__plan_names_at(d->plan, i, m)) {
            name = (tm_str){m + 1, d->plan->names[i].len};
            value = tm__scan_space(tm__scan_space(m + name.len + 2) + 1);
        } else {
            value = tm__scan_name(m, &name);
            i = tm__plan_find(d->plan, name);
        }
        d->expected = i == NONE ? 0 : i + 1;
        value = read_value(d, tm__decoder_take(d, i, name) ? i : NONE, value);
        m = tm__scan_more(value, &after);
    }
    d->expected = 0;
    return after;
}

static char *read_list(tm_decoder *d, char *p) {
    char place[48];
    if (*p != '[') {
        tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s must be an array of values",
                          where(d, place));
        return tm__scan_skip(p);
    }
    char *after = p;
    uint32_t position = 0;
    for (char *m = tm__scan_enter(p, &after); m != NULL && !d->is_full; position++) {
        m = position < d->n_columns ? read_value(d, d->columns[position], m) : tm__scan_skip(m);
        m = tm__scan_more(m, &after);
    }
    if (position != d->n_columns && !d->is_full) {
        tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s has %u values for %u columns",
                          where(d, place), position, d->n_columns);
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        if (d->columns[c] != NONE) {
            d->seen[d->columns[c]] = d->row + 1;
        }
    }
    return after;
}

/* One step of every column's array; false when they are at their end. */
static bool read_across(tm_decoder *d) {
    uint32_t n_ended = 0;
    for (uint32_t c = 0; c < d->n_columns && !d->is_full; c++) {
        if (d->cursors[c] == NULL) {
            n_ended++;
            continue;
        }
        char *after = NULL;
        d->seen[d->columns[c]] = d->row + 1;
        d->cursors[c] = tm__scan_more(read_value(d, d->columns[c], d->cursors[c]), &after);
    }
    if (n_ended > 0 && n_ended < d->n_columns) {
        tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s has arrays of different lengths",
                          d->place->path);
        d->is_full = true;
    }
    return n_ended == 0 && d->n_columns > 0;
}

/* Invariant 2, and a fresh missing value for what was left out. */
static void check_absent(tm_decoder *d) {
    char place[48];
    tm__decoder_count_row(d);
    for (uint32_t i = 0; i < d->plan->n_cells && !d->is_full; i++) {
        if (d->seen[i] == d->row + 1) {
            continue;
        }
        d->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        if (i >= d->plan->inputs->n_cols) {
            continue;
        }
        const plan_name *const n = &d->plan->names[i];
        if (tm__plan_fills(d->plan, i)) {
            continue;
        }
        d->counts.n_nulls++;
        if ((n->is_window && !n->may_lack) || !d->plan->inputs->cols[i].is_nullable) {
            const tm_str name = {n->name, n->len};
            const tm_str s = shown(name, SHOWN_BYTES);
            tm__decoder_error(d, name,
                              n->is_window
                                  ? "It is a feature over earlier rows: give its value as of now; "
                                    "null says that nothing is known."
                                  : "Name every column; null says that a value is not known.",
                              "%s lacks the column '%.*s'", where(d, place), (int)s.len, s.ptr);
        }
    }
}

/* Positions to names for SPLIT (NONE: nothing reads it), and cursors for COLUMNS. */
static bool read_columns(tm_decoder *d, char *p, tm_arena *arena) {
    const bool is_split = d->place->kind == TM_ROWS_SPLIT;
    char *after = p;
    uint32_t n_max = d->plan->n_names;
    for (char *m = is_split ? tm__scan_enter(p, &after) : NULL; m != NULL;) {
        n_max++;
        m = tm__scan_more(tm__scan_skip(m), &after);
    }
    d->columns = tm_arena_alloc(arena, uint32_t, n_max);
    d->cursors = tm_arena_zalloc(arena, char *, n_max);
    if (d->columns == NULL || d->cursors == NULL) {
        return false;
    }
    for (char *m = tm__scan_enter(p, &after); m != NULL && !d->is_full;) {
        tm_str name = {NULL, 0};
        char *value = m;
        if (!is_split) {
            value = tm__scan_name(m, &name);
        } else if (*m == '"') {
            value = tm__scan_string(m, &name);
        }
        if ((is_split && *m != '"') || (!is_split && *value != '[')) {
            tm__decoder_error(d, name, NULL,
                              is_split ? "a name of a column is not a text"
                                       : "a column's values are not an array");
            d->is_full = true;
            break;
        }
        const uint32_t i = tm__plan_find(d->plan, name);
        if (tm__decoder_take(d, i, name)) {
            d->columns[d->n_columns] = i;
            d->cursors[d->n_columns++] = is_split ? NULL : tm__scan_enter(value, &after);
        } else if (is_split) {
            d->columns[d->n_columns++] = NONE;
        }
        m = tm__scan_more(is_split ? value : tm__scan_skip(value), &after);
    }
    memset(d->seen, 0, d->plan->n_names * sizeof *d->seen);
    return true;
}

tm_decoder *tm__decoder_create(const tm_plan *plan, const tm_rows_place *place, tm_exchange *x,
                               tm_arena *arena) {
    tm_decoder *d = tm_arena_zalloc(arena, tm_decoder, 1);
    if (d == NULL) {
        return NULL;
    }
    d->plan = plan;
    d->place = place;
    d->x = x;
    d->cells = tm_arena_zalloc(arena, tm_cell, plan->n_cells + 1);
    d->seen = tm_arena_zalloc(arena, uint64_t, plan->n_names + 1);
    d->texts = tm_arena_alloc(arena, char, ((size_t)plan->n_cells + 1) * 32);
    if (d->cells == NULL || d->seen == NULL || d->texts == NULL ||
        !tm__decoder_open_names(d, arena)) {
        return NULL;
    }
    char *after = place->rows;
    if (place->kind == TM_ROWS_TENSORS) {
        return tm__decoder_open_tensors(d, arena) ? d : NULL;
    }
    if (place->kind == TM_ROWS_CSV) {
        return tm__decoder_open_csv(d, arena) ? d : NULL;
    }
    if (place->kind == TM_ROWS_LINES) {
        d->p = tm__lines_next(place->rows);
        return d;
    }
    if (place->kind == TM_ROWS_RECORDS) {
        d->p = place->rows == NULL ? NULL : tm__scan_enter(place->rows, &after);
        return d;
    }
    char *names = place->kind == TM_ROWS_SPLIT ? place->names : place->rows;
    if (!read_columns(d, names, arena)) {
        return NULL;
    }
    d->p = place->kind == TM_ROWS_SPLIT ? tm__scan_enter(place->rows, &after) : NULL;
    return d;
}

bool tm__decoder_next(tm_decoder *d) {
    if (d->is_ready) {
        d->is_ready = false;
        d->is_started = true;
        d->counts.n_rows++;
        return true;
    }
    if (d->is_full || (d->row_end != 0 && d->row + (d->is_started ? 1 : 0) >= d->row_end)) {
        return false;
    }
    d->row += d->is_started ? 1 : 0;
    const bool was_started = d->is_started;
    d->is_started = true;
    const tm_rows_kind kind = d->place->kind;
    if (kind == TM_ROWS_COLUMNS || kind == TM_ROWS_TENSORS) {
        if (kind == TM_ROWS_COLUMNS ? !read_across(d) : !tm__decoder_read_tensors(d)) {
            return false;
        }
    } else if (d->p == NULL) {
        d->is_started = was_started;
        return false;
    } else {
        char *after = d->p;
        if (kind == TM_ROWS_CSV || kind == TM_ROWS_LINES) {
            d->p = kind == TM_ROWS_CSV ? tm__decoder_read_csv(d) : tm__decoder_read_line(d);
        } else {
            char *end =
                kind == TM_ROWS_RECORDS ? tm__decoder_read_record(d, d->p) : read_list(d, d->p);
            d->p = d->is_full ? NULL : tm__scan_more(end, &after);
        }
        if (d->is_full) {
            return false;
        }
    }
    tm__decoder_settle_names(d);
    check_absent(d);
    d->counts.n_rows++;
    return !d->is_full;
}

bool tm__decoder_has(const tm_decoder *d, uint32_t cell) {
    return d->seen[cell] == d->row + 1;
}

void tm__decoder_fill(tm_decoder *d, uint32_t cell, double value) {
    const bool is_missing = value != value;
    d->counts.n_nulls += is_missing ? 1 : 0;
    d->cells[cell] = (tm_cell){.type = is_missing ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = value};
}

void tm__decoder_fill_moment(tm_decoder *d, int64_t now_us) {
    const uint32_t cell = d->plan->time;
    if (cell != NONE && tm__plan_fills(d->plan, cell) && !tm__decoder_has(d, cell)) {
        d->cells[cell] = (tm_cell){.type = TM_TYPE_TIME, .i64 = now_us};
    }
}

void tm__decoder_note_filled(tm_decoder *d, const tm_filled *filled) {
    tm_decode_counts *const n = &d->counts;
    n->n_filled++;
    n->n_absent += filled->is_absent ? 1 : 0;
    n->n_stale += filled->is_stale ? 1 : 0;
    n->age_s_max = filled->age_s > n->age_s_max ? filled->age_s : n->age_s_max;
    n->lag_s_max = filled->lag_s > n->lag_s_max ? filled->lag_s : n->lag_s_max;
}

const tm_cell *tm__decoder_cells(const tm_decoder *d) {
    return d->cells;
}

bool tm__decoder_is_full(const tm_decoder *d) {
    return d->is_full;
}

uint64_t tm__decoder_row(const tm_decoder *d) {
    return d->row;
}

tm_decode_counts tm__decoder_counts(const tm_decoder *d) {
    return d->counts;
}

int64_t tm__decoder_event_us(const tm_decoder *d) {
    if (d->plan->time == NONE) {
        return TM_INT_MISSING;
    }
    const tm_cell *cell = &d->cells[d->plan->time];
    int64_t us = TM_INT_MISSING;
    if (cell->type == TM_TYPE_DATE || cell->type == TM_TYPE_TIME || cell->type == TM_TYPE_INT) {
        return cell->i64;
    }
    return cell->type == TM_TYPE_TEXT && tm__time_parse(cell->text, &us) ? us : TM_INT_MISSING;
}

tm_str tm__decoder_entity(const tm_decoder *d, char text[32]) {
    tm_str none = {NULL, 0};
    if (d->plan->entity == NONE || d->cells[d->plan->entity].type == TM_TYPE_NONE) {
        return none;
    }
    char name[] = "entity";
    const tm_schema_column as_text = {.name = name, .type = TM_TYPE_TEXT};
    tm_cell cell = d->cells[d->plan->entity];
    bool coerced = false;
    return tm__cell_fit(&as_text, &cell, text, &coerced, NULL) == TM_OK ? cell.text : none;
}

uint32_t tm__plan_cell(const tm_plan *plan, const char *name) {
    const uint32_t i = tm__plan_find(plan, tm__str(name));
    return i < plan->n_cells ? i : NONE;
}

uint32_t tm__plan_cells(const tm_plan *plan) {
    return plan->n_cells;
}

const char *tm__plan_entity(const tm_plan *plan) {
    return plan->entity == NONE ? NULL : plan->shown[plan->entity];
}

const char *const *tm__plan_names(const tm_plan *plan) {
    return plan->shown;
}
