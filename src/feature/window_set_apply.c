/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a set's features. Features whose events, keys and known times are the same are one
 * group, and one call of the engine:
 *
 *   set ──> groups ──> codes of keys, known times, steps ──> tm__windows_apply() ──> values
 */
#include "feature/window_set_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool is_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool are_alike(const tm_window_member *a, const tm_window_member *b) {
    bool is_so = a->known == b->known && a->is_late == b->is_late &&
                 is_text(a->text.events, b->text.events) && is_text(a->text.at, b->text.at) &&
                 a->text.delay_us == b->text.delay_us && a->text.n_keys == b->text.n_keys;
    for (uint32_t k = 0; is_so && k < a->text.n_keys; k++) {
        is_so = strcmp(a->text.keys[k], b->text.keys[k]) == 0 &&
                strcmp(a->text.event_keys[k], b->text.event_keys[k]) == 0;
    }
    return is_so;
}

/* Features of one group, as the engine takes them. */
typedef struct group {
    const tm_ctx *ctx;
    const tm_window_set *set;
    const tm_table *rows, *events;
    uint32_t n;
    const tm_window_member **features; /* [n] */
    tm_window_feature *steps;          /* [n] */
    tm_window_input *inputs;           /* [n] */
    tm_column *columns;                /* [n] of the events */
    double **out;                      /* [n] */
    uint32_t *row_codes, *event_codes;
    int64_t *known_us;
} group;

static void group_done(group *g) {
    tm__mem_free(g->features);
    tm__mem_free(g->steps);
    tm__mem_free(g->inputs);
    tm__mem_free(g->columns);
    tm__mem_free(g->out);
    tm__mem_free(g->row_codes);
    tm__mem_free(g->event_codes);
    tm__mem_free(g->known_us);
}

static tm_status group_init(group *g, tm_err *err) {
    const uint32_t n = g->set->n_features;
    const uint64_t n_events = tm__table_rows(g->events);
    g->features = tm__mem_alloc(n, sizeof(*g->features));
    g->steps = tm__mem_zalloc(n, sizeof(*g->steps));
    g->inputs = tm__mem_alloc(n, sizeof(*g->inputs));
    g->columns = tm__mem_alloc(n, sizeof(*g->columns));
    g->out = tm__mem_alloc(n, sizeof(*g->out));
    g->row_codes = tm__mem_alloc(tm__table_rows(g->rows) + 1, sizeof(*g->row_codes));
    g->event_codes = tm__mem_alloc(n_events + 1, sizeof(*g->event_codes));
    g->known_us = tm__mem_alloc(n_events + 1, sizeof(*g->known_us));
    return g->features == NULL || g->steps == NULL || g->inputs == NULL || g->columns == NULL ||
                   g->out == NULL || g->row_codes == NULL || g->event_codes == NULL ||
                   g->known_us == NULL
               ? tm__window_no_memory(err)
               : TM_OK;
}

static tm_status code_keys(group *g, tm_err *err) {
    tm_column a[TM_WINDOW_KEYS_MAX], b[TM_WINDOW_KEYS_MAX];
    const tm_window_text *const text = &g->features[0]->text;
    for (uint32_t k = 0; k < text->n_keys; k++) {
        const tm_column *column = NULL;
        TM_TRY(tm__window_column_find(g->rows, text->keys[k], text->name, &column, err));
        a[k] = *column;
        TM_TRY(tm__window_column_find(g->events, text->event_keys[k], text->name, &column, err));
        b[k] = *column;
        if (a[k].type != b[k].type) {
            return TM_FAIL(err, TM_E_DATA, "feature '%.64s': key '%s' is %s, and '%s' is %s",
                           text->name, text->keys[k], tm__type_text(a[k].type), text->event_keys[k],
                           tm__type_text(b[k].type));
        }
    }
    const tm_window_keys keys = {.n_cols = text->n_keys,
                                 .a = a,
                                 .b = b,
                                 .a_rows = tm__table_rows(g->rows),
                                 .b_rows = tm__table_rows(g->events)};
    uint32_t n = 0;
    return tm__window_code(&keys, g->row_codes, g->event_codes, &n, err);
}

static int64_t later(int64_t a, int64_t b) {
    return a == TM_INT_MISSING || b == TM_INT_MISSING ? TM_INT_MISSING : a > b ? a : b;
}

static tm_status find_known_times(const tm_window_set *set, const tm_window_member *f,
                                  const tm_table *events, int64_t *out_us, tm_err *err) {
    const uint64_t n = tm__table_rows(events);
    const char *const at = f->text.events == NULL ? set->time : f->text.at;
    const tm_column *own = NULL, *when = NULL;
    TM_TRY(tm__window_moments_find(events, at, f->text.name, &own, err));
    if (f->known != NULL && f->known->when != NULL) {
        TM_TRY(tm__window_moments_find(events, f->known->when, f->text.name, &when, err));
    }
    for (uint64_t i = 0; i < n; i++) {
        out_us[i] = when == NULL ? own->ints[i]
                    : f->is_late ? later(when->ints[i], own->ints[i])
                                 : when->ints[i];
    }
    int64_t delay_us = f->text.delay_us;
    if (f->known != NULL && __builtin_add_overflow(delay_us, f->known->delay_us, &delay_us)) {
        return TM_FAIL(err, TM_E_USAGE, "feature '%s': its delay is too long", f->text.name);
    }
    tm__window_known(out_us, n, delay_us, out_us);
    return TM_OK;
}

/* A level as the column's storage has it; one that no event has counts as nothing. */
static tm_status read_level(const tm_window_member *f, const tm_column *column, int64_t *out,
                            tm_err *err) {
    const char *const level = f->text.level;
    const uint32_t code =
        column->type == TM_TYPE_TEXT ? tm__dict_find(column->dict, tm__str(level)) : 0;
    if (column->type == TM_TYPE_TEXT) {
        *out = code == TM_CODE_MISSING ? -1 : (int64_t)code;
        return TM_OK;
    }
    if (column->type == TM_TYPE_BOOL &&
        (strcmp(level, "true") == 0 || strcmp(level, "false") == 0)) {
        *out = strcmp(level, "true") == 0;
        return TM_OK;
    }
    if ((column->type == TM_TYPE_INT || column->type == TM_TYPE_BOOL) &&
        tm__str_to_i64(tm__str(level), out)) {
        return TM_OK;
    }
    return TM_FAIL(err, TM_E_USAGE, "feature '%s': '%.64s' is no level of '%s', which is %s",
                   f->text.name, level, column->name, tm__type_text(column->type));
}

static tm_status add_step(group *g, const tm_window_member *f, double *out, tm_err *err) {
    const uint32_t i = g->n;
    const tm_window_text *const text = &f->text;
    const tm_column *column = NULL;
    g->features[i] = f;
    g->out[i] = out;
    g->inputs[i] = f->input;
    g->steps[i] = (tm_window_feature){.fn = text->fn,
                                      .column = text->column == NULL ? TM_WINDOW_EVENTS : i,
                                      .width_us = text->width_us,
                                      .n_last = text->n_last,
                                      .lag = text->lag};
    if (text->column == NULL) {
        /* Its place among the columns is not looked at, but has to be one. */
        TM_TRY(tm__window_column_find(g->events, text->event_keys[0], text->name, &column, err));
        g->inputs[i].type = column->type;
    } else {
        TM_TRY(tm__window_column_find(g->events, text->column, text->name, &column, err));
    }
    g->columns[i] = *column;
    g->n++;
    if (g->columns[i].type != g->inputs[i].type) {
        return TM_FAIL(err, TM_E_DATA, "feature '%.64s': column '%s' is %s, and was %s in training",
                       text->name, column->name, tm__type_text(column->type),
                       tm__type_text(f->input.type));
    }
    return text->level == NULL ? TM_OK : read_level(f, column, &g->steps[i].level, err);
}

static tm_status name_feature(const group *g, tm_status st, tm_err *err) {
    if (st == TM_E_INVALID && err != NULL) {
        char what[200];
        (void)tm__str_copy(what, sizeof(what), tm__str(err->message));
        return TM_FAIL(err, TM_E_DATA, "features by '%s' from '%.64s' on: %s",
                       g->features[0]->text.keys[0], g->features[0]->text.name, what);
    }
    return st;
}

static tm_status run_group(group *g, tm_err *err) {
    const tm_column *moments = NULL;
    TM_TRY(code_keys(g, err));
    TM_TRY(find_known_times(g->set, g->features[0], g->events, g->known_us, err));
    TM_TRY(
        tm__window_moments_find(g->rows, g->set->time, g->features[0]->text.name, &moments, err));
    const tm_window_plan plan = {
        .n_cols = g->n, .cols = g->inputs, .n_features = g->n, .features = g->steps};
    const tm_window_events events = {.n_rows = tm__table_rows(g->events),
                                     .entities = g->event_codes,
                                     .known_us = g->known_us,
                                     .cols = g->columns};
    const tm_window_queries queries = {
        .n_rows = tm__table_rows(g->rows), .entities = g->row_codes, .moments_us = moments->ints};
    return name_feature(g, tm__windows_apply(g->ctx, &plan, &events, &queries, g->out, err), err);
}

/* The group of a feature: it and those behind it that are like it. */
static tm_status apply_group(group *g, uint32_t first, bool *is_done, double **values,
                             tm_err *err) {
    const tm_window_set *const set = g->set;
    tm_status st = group_init(g, err);
    for (uint32_t i = first; st == TM_OK && i < set->n_features; i++) {
        if (!is_done[i] && are_alike(&set->features[i], &set->features[first])) {
            is_done[i] = true;
            st = add_step(g, &set->features[i], values[i], err);
        }
    }
    st = st == TM_OK ? run_group(g, err) : st;
    group_done(g);
    return st;
}

tm_status tm__window_set_apply(const tm_ctx *ctx, const tm_window_set *set, const tm_table *rows,
                               const tm_window_tables *tables, tm_table **out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(rows);
    const uint32_t n = set->n_features;
    double **values = tm__mem_zalloc((size_t)n + 1, sizeof(*values));
    const char **names = tm__mem_zalloc((size_t)n + 1, sizeof(*names));
    bool *is_done = tm__mem_zalloc((size_t)n + 1, sizeof(*is_done));
    tm_status st =
        values == NULL || names == NULL || is_done == NULL ? tm__window_no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        names[i] = set->features[i].text.name;
        values[i] = tm__mem_alloc(n_rows + 1, sizeof(**values));
        st = values[i] == NULL ? tm__window_no_memory(err) : TM_OK;
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        group g = {.ctx = ctx, .set = set, .rows = rows};
        st = is_done[i] ? TM_OK : tm__window_events_find(&set->features[i], tables, &g.events, err);
        st = st != TM_OK || is_done[i] ? st : apply_group(&g, i, is_done, values, err);
    }
    if (st == TM_OK) {
        st = tm__table_widen(rows, names, values, n, out, err);
    }
    for (uint32_t i = 0; values != NULL && i < n; i++) {
        tm__mem_free(values[i]);
    }
    tm__mem_free(values);
    tm__mem_free(names);
    tm__mem_free(is_done);
    return st;
}

/* ---- What others keep by it ---- */

const char *tm__window_set_time(const tm_window_set *set) {
    return set->time;
}

tm_window_part tm__window_set_part(const tm_window_set *set, uint32_t i) {
    const tm_window_member *const f = &set->features[i];
    return (tm_window_part){.text = &f->text,
                            .input = f->input,
                            .when = f->known == NULL ? NULL : f->known->when,
                            .delay_us = f->known == NULL ? 0 : f->known->delay_us,
                            .is_late = f->is_late};
}

bool tm__window_set_are_alike(const tm_window_set *set, uint32_t a, uint32_t b) {
    return are_alike(&set->features[a], &set->features[b]);
}

tm_status tm__window_set_known(const tm_window_set *set, uint32_t i, const tm_table *events,
                               int64_t *out_us, tm_err *err) {
    return find_known_times(set, &set->features[i], events, out_us, err);
}

tm_status tm__window_set_level(const tm_window_set *set, uint32_t i, const tm_column *column,
                               int64_t *out, tm_err *err) {
    return read_level(&set->features[i], column, out, err);
}
