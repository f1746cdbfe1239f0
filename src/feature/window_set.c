/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   words ──> features, and when the columns that they look at are known
 *   events ──> types of columns, scales of sums            (fit: what stands in a record)
 *   rows, events ──> features of equal keys and equal known times together ──> columns
 */
#include "feature/window_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/window.h"
#include "feature/window_text.h"

#define TEXT_MAX ((size_t)1 << 16)

/* When a column's values are known: at a moment of its row's own, so long after the row's, or with
 * the row. */
typedef struct known {
    char *column;
    char *when; /* NULL: the row's moment */
    int64_t delay_us;
} known;

typedef struct feature {
    tm_window_text text;
    const known *known;    /* NULL: with the row */
    tm_window_input input; /* fitted; type NONE: the events themselves */
    bool is_late;          /* hidden: not before its row's moment */
} feature;

struct tm_window_set {
    char *time;
    uint32_t n_features, n_known;
    feature *features; /* [n_features] */
    known *known;      /* [n_known] */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for features over windows");
}

void tm__window_set_free(tm_window_set *set) {
    if (set == NULL) {
        return;
    }
    for (uint32_t i = 0; i < set->n_features; i++) {
        tm__window_text_done(&set->features[i].text);
    }
    for (uint32_t i = 0; i < set->n_known; i++) {
        tm__mem_free(set->known[i].column);
        tm__mem_free(set->known[i].when);
    }
    tm__mem_free(set->features);
    tm__mem_free(set->known);
    tm__mem_free(set->time);
    tm__mem_free(set);
}

uint32_t tm__window_set_count(const tm_window_set *set) {
    return set->n_features;
}

const char *tm__window_set_name(const tm_window_set *set, uint32_t i) {
    return set->features[i].text.name;
}

const char *tm__window_set_when(const tm_window_set *set, uint32_t i) {
    const known *const k = set->features[i].known;
    return k == NULL ? NULL : k->when;
}

/* ---- From words ---- */

static char *copy_text(tm_str text) {
    char *const copy = tm__mem_alloc(text.len + 1, 1);
    if (copy != NULL) {
        (void)tm__str_copy(copy, text.len + 1, text);
    }
    return copy;
}

static tm_status read_known(const char *text, known *out, tm_err *err) {
    tm_str rest = tm__str(text);
    const tm_str column = tm__str_trim(tm__str_cut(&rest, '='));
    const tm_str when = tm__str_trim(rest);
    const bool is_after = when.len > 0 && when.ptr[0] == '+';
    const tm_str delay = is_after ? (tm_str){when.ptr + 1, when.len - 1} : when;
    if (column.len == 0 || when.len == 0 ||
        (is_after && !tm__str_to_duration_us(delay, &out->delay_us))) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "'%.80s' does not say when a column is known", text);
        tm_err_hint(err, "Like: delay=arrived (a column with that moment), or delay=+2h after the "
                         "row's own.");
        return st;
    }
    out->column = copy_text(column);
    out->when = is_after ? NULL : copy_text(when);
    return out->column == NULL || (!is_after && out->when == NULL) ? no_memory(err) : TM_OK;
}

static const known *find_known(const tm_window_set *set, const char *column) {
    for (uint32_t i = 0; i < set->n_known; i++) {
        if (strcmp(set->known[i].column, column) == 0) {
            return &set->known[i];
        }
    }
    return NULL;
}

static bool is_listed(const char *const *names, uint32_t n, const char *name) {
    for (uint32_t i = 0; i < n; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* With the row, or so long after it that this is said: the row's moment is none. */
static bool says_nothing(const tm_window_set *set, const known *k) {
    return k == NULL || (k->when == NULL && k->delay_us == 0) ||
           (k->when != NULL && strcmp(k->when, set->time) == 0);
}

static tm_status refuse_leak(const tm_window_set *set, const feature *f, tm_err *err) {
    const tm_status st = TM_FAIL(
        err, TM_E_REFUSED,
        "feature '%s' would look at what was not known yet: '%s' is not known at its row's '%s'",
        f->text.name, f->text.column, set->time);
    tm_err_hint(err,
                "Say when it is: --known %s=COLUMN (which has that moment), or --known %s=+2h.",
                f->text.column, f->text.column);
    return st;
}

static tm_status read_feature(tm_window_set *set, const tm_window_spec *spec, const char *text,
                              tm_err *err) {
    feature *const f = &set->features[set->n_features++];
    TM_TRY(tm__window_text_read(text, &f->text, err));
    for (uint32_t i = 0; i + 1 < set->n_features; i++) {
        if (strcmp(set->features[i].text.name, f->text.name) == 0) {
            return TM_FAIL(err, TM_E_USAGE, "there are two features '%s'", f->text.name);
        }
    }
    if (f->text.column == NULL) {
        return TM_OK;
    }
    f->known = find_known(set, f->text.column);
    f->is_late = is_listed(spec->hidden, spec->n_hidden, f->text.column);
    return f->is_late && says_nothing(set, f->known) ? refuse_leak(set, f, err) : TM_OK;
}

static tm_status read_spec(tm_window_set *set, const tm_window_spec *spec, tm_err *err) {
    if (spec->time == NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a feature over a window needs a time column");
        tm_err_hint(err, "Give --time COL: the moment at which a row asks.");
        return st;
    }
    set->time = tm__mem_strdup(spec->time);
    set->features = tm__mem_zalloc((size_t)spec->n_texts + 1, sizeof(*set->features));
    set->known = tm__mem_zalloc((size_t)spec->n_known + 1, sizeof(*set->known));
    if (set->time == NULL || set->features == NULL || set->known == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < spec->n_known; i++) {
        set->n_known++;
        TM_TRY(read_known(spec->known[i], &set->known[i], err));
    }
    for (uint32_t i = 0; i < spec->n_texts; i++) {
        TM_TRY(read_feature(set, spec, spec->texts[i], err));
    }
    return TM_OK;
}

tm_status tm__window_set_create(const tm_window_spec *spec, tm_window_set **out, tm_err *err) {
    tm_window_set *const set = tm__mem_zalloc(1, sizeof(*set));
    const tm_status st = set == NULL ? no_memory(err)
                         : spec->n_texts > TM_WINDOW_FEATURES_MAX
                             ? TM_FAIL(err, TM_E_LIMIT,
                                       "more "
                                       "than %u features over windows",
                                       TM_WINDOW_FEATURES_MAX)
                             : read_spec(set, spec, err);
    if (st != TM_OK) {
        tm__window_set_free(set);
        return st;
    }
    *out = set;
    return TM_OK;
}

/* ---- Fitting ---- */

static tm_status find_column(const tm_table *table, const char *name, const char *who,
                             const tm_column **out, tm_err *err) {
    const uint32_t at = tm__table_find(table, name);
    if (at == UINT32_MAX) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "feature '%.64s' needs column '%s', which is not there",
                       who, name);
    }
    *out = tm__table_column(table, at);
    return TM_OK;
}

static tm_status find_moments(const tm_table *table, const char *name, const char *who,
                              const tm_column **out, tm_err *err) {
    TM_TRY(find_column(table, name, who, out, err));
    if ((*out)->type != TM_TYPE_DATE && (*out)->type != TM_TYPE_TIME) {
        return TM_FAIL(err, TM_E_DATA, "feature '%.64s': column '%s' is %s and no time", who, name,
                       tm__type_text((*out)->type));
    }
    return TM_OK;
}

tm_status tm__window_set_fit(tm_window_set *set, const tm_table *events, tm_err *err) {
    for (uint32_t i = 0; i < set->n_features; i++) {
        feature *const f = &set->features[i];
        const tm_column *column = NULL;
        TM_TRY(find_moments(events, set->time, f->text.name, &column, err));
        if (f->known != NULL && f->known->when != NULL) {
            TM_TRY(find_moments(events, f->known->when, f->text.name, &column, err));
        }
        if (f->text.column != NULL) {
            TM_TRY(find_column(events, f->text.column, f->text.name, &column, err));
            f->input = tm__window_fit(column, tm__table_rows(events));
        }
    }
    return TM_OK;
}

/* ---- Applying ---- */

static bool are_alike(const feature *a, const feature *b) {
    bool is_so = a->known == b->known && a->is_late == b->is_late &&
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
    const feature **features; /* [n] */
    uint32_t *places;         /* [n] in the set */
    tm_window_feature *steps; /* [n] */
    tm_window_input *inputs;  /* [n] */
    tm_column *columns;       /* [n] of the events */
    uint32_t *row_codes, *event_codes;
    int64_t *known_us;
} group;

static void group_done(group *g) {
    tm__mem_free(g->features);
    tm__mem_free(g->places);
    tm__mem_free(g->steps);
    tm__mem_free(g->inputs);
    tm__mem_free(g->columns);
    tm__mem_free(g->row_codes);
    tm__mem_free(g->event_codes);
    tm__mem_free(g->known_us);
}

static tm_status group_init(group *g, tm_err *err) {
    const uint32_t n = g->set->n_features;
    const uint64_t n_events = tm__table_rows(g->events);
    g->features = tm__mem_alloc(n, sizeof(*g->features));
    g->places = tm__mem_alloc(n, sizeof(*g->places));
    g->steps = tm__mem_zalloc(n, sizeof(*g->steps));
    g->inputs = tm__mem_alloc(n, sizeof(*g->inputs));
    g->columns = tm__mem_alloc(n, sizeof(*g->columns));
    g->row_codes = tm__mem_alloc(tm__table_rows(g->rows) + 1, sizeof(*g->row_codes));
    g->event_codes = tm__mem_alloc(n_events + 1, sizeof(*g->event_codes));
    g->known_us = tm__mem_alloc(n_events + 1, sizeof(*g->known_us));
    return g->features == NULL || g->places == NULL || g->steps == NULL || g->inputs == NULL ||
                   g->columns == NULL || g->row_codes == NULL || g->event_codes == NULL ||
                   g->known_us == NULL
               ? no_memory(err)
               : TM_OK;
}

static tm_status code_keys(group *g, tm_err *err) {
    tm_column a[TM_WINDOW_KEYS_MAX], b[TM_WINDOW_KEYS_MAX];
    const tm_window_text *const text = &g->features[0]->text;
    for (uint32_t k = 0; k < text->n_keys; k++) {
        const tm_column *column = NULL;
        TM_TRY(find_column(g->rows, text->keys[k], text->name, &column, err));
        a[k] = *column;
        TM_TRY(find_column(g->events, text->event_keys[k], text->name, &column, err));
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

static tm_status find_known_times(group *g, tm_err *err) {
    const feature *const f = g->features[0];
    const uint64_t n = tm__table_rows(g->events);
    const tm_column *own = NULL, *when = NULL;
    TM_TRY(find_moments(g->events, g->set->time, f->text.name, &own, err));
    if (f->known != NULL && f->known->when != NULL) {
        TM_TRY(find_moments(g->events, f->known->when, f->text.name, &when, err));
    }
    for (uint64_t i = 0; i < n; i++) {
        g->known_us[i] = when == NULL ? own->ints[i]
                         : f->is_late ? later(when->ints[i], own->ints[i])
                                      : when->ints[i];
    }
    int64_t delay_us = f->text.delay_us;
    if (f->known != NULL && __builtin_add_overflow(delay_us, f->known->delay_us, &delay_us)) {
        return TM_FAIL(err, TM_E_USAGE, "feature '%s': its delay is too long", f->text.name);
    }
    tm__window_known(g->known_us, n, delay_us, g->known_us);
    return TM_OK;
}

/* A level as the column's storage has it; one that no event has counts as nothing. */
static tm_status read_level(const feature *f, const tm_column *column, int64_t *out, tm_err *err) {
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

static tm_status add_step(group *g, const feature *f, uint32_t place, tm_err *err) {
    const uint32_t i = g->n;
    const tm_window_text *const text = &f->text;
    const tm_column *column = NULL;
    g->features[i] = f;
    g->places[i] = place;
    g->inputs[i] = f->input;
    g->steps[i] = (tm_window_feature){.fn = text->fn,
                                      .column = text->column == NULL ? TM_WINDOW_EVENTS : i,
                                      .width_us = text->width_us,
                                      .n_last = text->n_last,
                                      .lag = text->lag};
    if (text->column == NULL) {
        /* Its place among the columns is not looked at, but has to be one. */
        column = tm__table_column(g->events, tm__table_find(g->events, g->set->time));
        g->inputs[i].type = column->type;
    } else {
        TM_TRY(find_column(g->events, text->column, text->name, &column, err));
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

static tm_status apply_group(group *g, uint32_t first, bool *is_done, double **values,
                             tm_err *err) {
    const tm_window_set *const set = g->set;
    const tm_column *moments = NULL;
    double **const out = tm__mem_alloc(set->n_features, sizeof(*out));
    tm_status st = out == NULL ? no_memory(err) : TM_OK;
    g->n = 0;
    for (uint32_t i = first; st == TM_OK && i < set->n_features; i++) {
        if (!is_done[i] && are_alike(&set->features[i], &set->features[first])) {
            is_done[i] = true;
            out[g->n] = values[i];
            st = add_step(g, &set->features[i], i, err);
        }
    }
    st = st == TM_OK ? code_keys(g, err) : st;
    st = st == TM_OK ? find_known_times(g, err) : st;
    st = st == TM_OK
             ? find_moments(g->rows, set->time, set->features[first].text.name, &moments, err)
             : st;
    if (st == TM_OK) {
        const tm_window_plan plan = {
            .n_cols = g->n, .cols = g->inputs, .n_features = g->n, .features = g->steps};
        const tm_window_events events = {.n_rows = tm__table_rows(g->events),
                                         .entities = g->event_codes,
                                         .known_us = g->known_us,
                                         .cols = g->columns};
        const tm_window_queries queries = {.n_rows = tm__table_rows(g->rows),
                                           .entities = g->row_codes,
                                           .moments_us = moments->ints};
        st = name_feature(g, tm__windows_apply(g->ctx, &plan, &events, &queries, out, err), err);
    }
    tm__mem_free(out);
    return st;
}

tm_status tm__window_set_apply(const tm_ctx *ctx, const tm_window_set *set, const tm_table *rows,
                               const tm_table *events, tm_table **out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(rows);
    const uint32_t n = set->n_features;
    group g = {.ctx = ctx, .set = set, .rows = rows, .events = events};
    double **values = tm__mem_zalloc((size_t)n + 1, sizeof(*values));
    const char **names = tm__mem_zalloc((size_t)n + 1, sizeof(*names));
    bool *is_done = tm__mem_zalloc((size_t)n + 1, sizeof(*is_done));
    tm_status st =
        values == NULL || names == NULL || is_done == NULL ? no_memory(err) : group_init(&g, err);
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        names[i] = set->features[i].text.name;
        values[i] = tm__mem_alloc(n_rows + 1, sizeof(**values));
        st = values[i] == NULL ? no_memory(err) : TM_OK;
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = is_done[i] ? TM_OK : apply_group(&g, i, is_done, values, err);
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
    group_done(&g);
    return st;
}

/* ---- Records ---- */

static json_t *feature_to_json(const feature *f) {
    tm_buf text;
    json_t *out = NULL;
    tm__buf_init(&text, TEXT_MAX);
    if (tm__window_text_write(&f->text, &text)) {
        out = json_pack("{s:s#, s:b}", "feature", (const char *)text.data, (int)text.len, "late",
                        f->is_late);
    }
    if (out != NULL && f->text.column != NULL) {
        json_object_set_new(out, "type", json_string(tm__type_text(f->input.type)));
        json_object_set_new(out, "exponent", json_integer(f->input.exponent));
    }
    tm__buf_done(&text);
    return out;
}

/* As it is said on the command line. */
static json_t *known_to_json(const known *k) {
    return k->when != NULL ? json_sprintf("%s=%s", k->column, k->when)
                           : json_sprintf("%s=+%" PRId64 "us", k->column, k->delay_us);
}

json_t *tm__window_set_to_json(const tm_window_set *set) {
    json_t *const features = json_array(), *const list = json_array();
    bool is_made = true;
    for (uint32_t i = 0; i < set->n_features; i++) {
        is_made =
            json_array_append_new(features, feature_to_json(&set->features[i])) == 0 && is_made;
    }
    for (uint32_t i = 0; i < set->n_known; i++) {
        is_made = json_array_append_new(list, known_to_json(&set->known[i])) == 0 && is_made;
    }
    json_t *out =
        json_pack("{s:s, s:o, s:o}", "time", set->time, "features", features, "known", list);
    if (!is_made) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

static tm_status bad_record(tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "the record of features over windows is damaged");
}

static tm_status feature_from_json(tm_window_set *set, const json_t *record, tm_err *err) {
    feature *const f = &set->features[set->n_features++];
    const char *const text = tm__json_text(record, "feature", "");
    const int64_t exponent = tm__json_i64(record, "exponent", 0);
    const tm_status st = tm__window_text_read(text, &f->text, err);
    if (st != TM_OK) {
        return st == TM_E_NOMEM ? st : bad_record(err);
    }
    f->is_late = json_is_true(json_object_get(record, "late"));
    if (f->text.column == NULL) {
        return TM_OK;
    }
    f->known = find_known(set, f->text.column);
    f->input.type = tm__type_from_text(tm__json_text(record, "type", ""));
    f->input.exponent = (int32_t)exponent;
    return f->input.type == TM_TYPE_NONE || exponent < -900 || exponent > 1024 ? bad_record(err)
                                                                               : TM_OK;
}

static tm_status read_record(tm_window_set *set, const json_t *record, tm_err *err) {
    const json_t *const features = json_object_get(record, "features");
    const json_t *const list = json_object_get(record, "known");
    const size_t n = json_array_size(features), n_known = json_array_size(list);
    const char *const time = tm__json_text(record, "time", NULL);
    if (time == NULL || n > TM_WINDOW_FEATURES_MAX || n_known > TM_MAX_COLS) {
        return bad_record(err);
    }
    set->time = tm__mem_strdup(time);
    set->features = tm__mem_zalloc(n + 1, sizeof(*set->features));
    set->known = tm__mem_zalloc(n_known + 1, sizeof(*set->known));
    if (set->time == NULL || set->features == NULL || set->known == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n_known; i++) {
        const char *const text = json_string_value(json_array_get(list, i));
        set->n_known++;
        if (text == NULL) {
            return bad_record(err);
        }
        TM_TRY(read_known(text, &set->known[i], err));
    }
    for (size_t i = 0; i < n; i++) {
        TM_TRY(feature_from_json(set, json_array_get(features, i), err));
    }
    return TM_OK;
}

tm_status tm__window_set_from_json(const json_t *record, tm_window_set **out, tm_err *err) {
    tm_window_set *const set = tm__mem_zalloc(1, sizeof(*set));
    const tm_status st = set == NULL ? no_memory(err) : read_record(set, record, err);
    if (st != TM_OK) {
        tm__window_set_free(set);
        return st;
    }
    *out = set;
    return TM_OK;
}
