/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   words ──> features, and when the columns that they look at are known
 *   events ──> types of columns, scales of sums            (fit: what stands in a record)
 *   rows, events ──> features of equal keys and equal known times together ──> columns
 *
 * Making and fitting are here, columns in window_set_apply.c, records in window_set_record.c.
 */
#include "feature/window_set_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

tm_status tm__window_no_memory(tm_err *err) {
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
    tm__mem_free(set->needs);
    tm__mem_free(set->time);
    tm__mem_free(set);
}

uint32_t tm__window_set_count(const tm_window_set *set) {
    return set->n_features;
}

const char *tm__window_set_name(const tm_window_set *set, uint32_t i) {
    return set->features[i].text.name;
}

bool tm__window_set_is_leak(const tm_window_set *set, uint32_t i) {
    return set->features[i].is_leak;
}

const tm_window_need *tm__window_set_needs(const tm_window_set *set, uint32_t *out_n) {
    *out_n = set->n_needs;
    return set->needs;
}

uint32_t tm__window_set_known_count(const tm_window_set *set) {
    return set->n_known;
}

void tm__window_set_known_at(const tm_window_set *set, uint32_t i, const char **out_column,
                             const char **out_when, int64_t *out_delay_us) {
    *out_column = set->known[i].column;
    *out_when = set->known[i].when;
    *out_delay_us = set->known[i].delay_us;
}

bool tm__window_set_is_moment(const tm_window_set *set, const char *column) {
    bool is_moment = false;
    for (uint32_t i = 0; i < set->n_known; i++) {
        const char *const when = set->known[i].when;
        is_moment = is_moment || (when != NULL && strcmp(when, column) == 0);
    }
    return is_moment && strcmp(column, set->time) != 0;
}

/* ---- From words ---- */

static char *copy_text(tm_str text) {
    char *const copy = tm__mem_alloc(text.len + 1, 1);
    if (copy != NULL) {
        (void)tm__str_copy(copy, text.len + 1, text);
    }
    return copy;
}

tm_status tm__window_known_read(const char *text, tm_window_known *out, tm_err *err) {
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
    return out->column == NULL || (!is_after && out->when == NULL) ? tm__window_no_memory(err)
                                                                   : TM_OK;
}

const tm_window_known *tm__window_known_find(const tm_window_set *set, const char *column) {
    for (uint32_t i = 0; i < set->n_known; i++) {
        if (strcmp(set->known[i].column, column) == 0) {
            return &set->known[i];
        }
    }
    return NULL;
}

/* With the row, or so long after it that this is said: the row's moment is none. */
static bool says_nothing(const tm_window_set *set, const tm_window_known *k) {
    return k == NULL || (k->when == NULL && k->delay_us == 0) ||
           (k->when != NULL && strcmp(k->when, set->time) == 0);
}

bool tm__window_set_is_later(const tm_window_set *set, const char *column) {
    return !says_nothing(set, tm__window_known_find(set, column));
}

static bool is_target(const tm_window_spec *spec, const char *name) {
    return spec->target != NULL && strcmp(spec->target, name) == 0;
}

static bool is_hidden(const tm_window_set *set, const tm_window_spec *spec, const char *name) {
    bool is_listed = is_target(spec, name) || tm__window_set_is_moment(set, name);
    for (uint32_t i = 0; i < spec->n_hidden; i++) {
        is_listed = is_listed || (spec->hidden[i] != NULL && strcmp(spec->hidden[i], name) == 0);
    }
    return is_listed;
}

static tm_status refuse_column(const tm_window_set *set, const tm_window_member *f, tm_err *err) {
    const tm_status st = TM_FAIL(
        err, TM_E_REFUSED,
        "feature '%s' would look at what was not known yet: '%s' is not known at its row's '%s'",
        f->text.name, f->text.column, set->time);
    tm_err_hint(err,
                "Say when it is: --known %s=COLUMN (which has that moment), or --known %s=+2h.",
                f->text.column, f->text.column);
    return st;
}

static tm_status refuse_key(const tm_window_set *set, const tm_window_spec *spec,
                            const tm_window_member *f, const char *key, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED,
                "feature '%s' would look at what was not known yet: its key '%s' is not known at "
                "its row's '%s'",
                f->text.name, key, set->time);
    if (is_target(spec, key) || tm__window_set_is_later(set, key)) {
        tm_err_hint(err, "Use keys that a row has at its moment.");
    } else {
        tm_err_hint(err, "If a row has it at its moment, say so: --known %s=+0s.", key);
    }
    return st;
}

static bool is_known_key(const tm_window_set *set, const tm_window_spec *spec, const char *key) {
    const tm_window_known *const k = tm__window_known_find(set, key);
    return !is_target(spec, key) && says_nothing(set, k) &&
           (k != NULL || !is_hidden(set, spec, key));
}

static tm_status check_keys(const tm_window_set *set, const tm_window_spec *spec,
                            tm_window_member *f, tm_err *err) {
    for (uint32_t k = 0; k < f->text.n_keys; k++) {
        const char *const names[] = {f->text.keys[k], f->text.event_keys[k]};
        const uint32_t n = f->text.events == NULL ? 2 : 1; /* of another source: the row's only */
        for (uint32_t i = 0; i < n; i++) {
            if (!is_known_key(set, spec, names[i])) {
                f->is_leak = true;
                return spec->allows_leaks ? TM_OK : refuse_key(set, spec, f, names[i], err);
            }
        }
    }
    return TM_OK;
}

static tm_status read_feature(tm_window_set *set, const tm_window_spec *spec, const char *text,
                              tm_err *err) {
    tm_window_member *const f = &set->features[set->n_features++];
    TM_TRY(tm__window_text_read(text, &f->text, err));
    for (uint32_t i = 0; i + 1 < set->n_features; i++) {
        if (strcmp(set->features[i].text.name, f->text.name) == 0) {
            return TM_FAIL(err, TM_E_USAGE, "there are two features '%s'", f->text.name);
        }
    }
    TM_TRY(check_keys(set, spec, f, err));
    if (f->text.column == NULL || f->text.events != NULL) {
        return TM_OK;
    }
    f->known = tm__window_known_find(set, f->text.column);
    f->is_late = is_hidden(set, spec, f->text.column);
    if (f->is_late && says_nothing(set, f->known)) {
        f->is_leak = true;
        return spec->allows_leaks ? TM_OK : refuse_column(set, f, err);
    }
    return TM_OK;
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
        return tm__window_no_memory(err);
    }
    for (uint32_t i = 0; i < spec->n_known; i++) {
        set->n_known++;
        TM_TRY(tm__window_known_read(spec->known[i], &set->known[i], err));
    }
    for (uint32_t i = 0; i < spec->n_texts; i++) {
        TM_TRY(read_feature(set, spec, spec->texts[i], err));
    }
    return tm__window_needs_init(set, err);
}

tm_status tm__window_set_create(const tm_window_spec *spec, tm_window_set **out, tm_err *err) {
    tm_window_set *const set = tm__mem_zalloc(1, sizeof(*set));
    const tm_status st =
        set == NULL ? tm__window_no_memory(err)
        : spec->n_texts > TM_WINDOW_FEATURES_MAX
            ? TM_FAIL(err, TM_E_LIMIT, "more than %u features over windows", TM_WINDOW_FEATURES_MAX)
            : read_spec(set, spec, err);
    if (st != TM_OK) {
        tm__window_set_free(set);
        return st;
    }
    *out = set;
    return TM_OK;
}

/* ---- What is read ---- */

static bool is_source(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void need(tm_window_set *set, const char *source, const char *name, bool of_events) {
    tm_window_need *found = NULL;
    for (uint32_t i = 0; i < set->n_needs && found == NULL; i++) {
        tm_window_need *const n = &set->needs[i];
        found = is_source(n->source, source) && strcmp(n->name, name) == 0 ? n : NULL;
    }
    if (found == NULL) {
        found = &set->needs[set->n_needs++];
        *found = (tm_window_need){.source = source, .name = name};
    }
    found->of_events = found->of_events || of_events;
    found->of_rows = found->of_rows || !of_events;
}

tm_status tm__window_needs_init(tm_window_set *set, tm_err *err) {
    size_t n = 1;
    for (uint32_t i = 0; i < set->n_features; i++) {
        n += 3 + 2 * (size_t)set->features[i].text.n_keys;
    }
    set->needs = tm__mem_zalloc(n, sizeof(*set->needs));
    if (set->needs == NULL) {
        return tm__window_no_memory(err);
    }
    for (uint32_t i = 0; i < set->n_features; i++) {
        const tm_window_member *const f = &set->features[i];
        const char *const source = f->text.events;
        need(set, NULL, set->time, false);
        need(set, source, source == NULL ? set->time : f->text.at, true);
        for (uint32_t k = 0; k < f->text.n_keys; k++) {
            need(set, NULL, f->text.keys[k], false);
            need(set, source, f->text.event_keys[k], true);
        }
        if (f->text.column != NULL) {
            need(set, source, f->text.column, true);
        }
        if (f->known != NULL && f->known->when != NULL) {
            need(set, source, f->known->when, true);
        }
    }
    return TM_OK;
}

tm_status tm__window_events_find(const tm_window_member *f, const tm_window_tables *tables,
                                 const tm_table **out, tm_err *err) {
    *out = f->text.events == NULL ? tables->events : NULL;
    for (uint32_t i = 0; i < tables->n_sources && *out == NULL; i++) {
        *out =
            strcmp(tables->sources[i].name, f->text.events) == 0 ? tables->sources[i].events : NULL;
    }
    if (*out != NULL) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "feature '%.64s' is of events '%.64s', which are not given",
                f->text.name, f->text.events);
    tm_err_hint(err, "Give them: --events %.64s=DATA.", f->text.events);
    return st;
}

tm_status tm__window_column_find(const tm_table *table, const char *name, const char *who,
                                 const tm_column **out, tm_err *err) {
    const uint32_t at = tm__table_find(table, name);
    if (at == UINT32_MAX) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "feature '%.64s' needs column '%s', which is not there",
                       who, name);
    }
    *out = tm__table_column(table, at);
    return TM_OK;
}

tm_status tm__window_moments_find(const tm_table *table, const char *name, const char *who,
                                  const tm_column **out, tm_err *err) {
    TM_TRY(tm__window_column_find(table, name, who, out, err));
    if ((*out)->type != TM_TYPE_DATE && (*out)->type != TM_TYPE_TIME) {
        return TM_FAIL(err, TM_E_DATA, "feature '%.64s': column '%s' is %s and no time", who, name,
                       tm__type_text((*out)->type));
    }
    return TM_OK;
}

/* ---- Fitting ---- */

/* What needs no more than whether two texts are the same. */
static bool is_asked_of_texts(tm_window_fn fn) {
    return fn == TM_WINDOW_COUNT || fn == TM_WINDOW_RATE || fn == TM_WINDOW_AGE ||
           fn == TM_WINDOW_SHARE || fn == TM_WINDOW_DISTINCT;
}

tm_status tm__window_member_check(const tm_window_member *f, tm_err *err) {
    if (f->input.type != TM_TYPE_TEXT || is_asked_of_texts(f->text.fn)) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "feature '%.64s' is the %s of a text, which is no number",
                f->text.name, tm__window_fn_text(f->text.fn));
    tm_err_hint(err, "Ask for share(%s = 'LEVEL') instead.", f->text.column);
    return st;
}

static tm_status fit_feature(const tm_window_set *set, tm_window_member *f,
                             const tm_window_tables *tables, tm_err *err) {
    const char *const who = f->text.name;
    const tm_table *events = NULL;
    const tm_column *column = NULL;
    TM_TRY(tm__window_events_find(f, tables, &events, err));
    TM_TRY(tm__window_moments_find(tables->events, set->time, who, &column, err));
    TM_TRY(tm__window_moments_find(events, f->text.events == NULL ? set->time : f->text.at, who,
                                   &column, err));
    if (f->known != NULL && f->known->when != NULL) {
        TM_TRY(tm__window_moments_find(events, f->known->when, who, &column, err));
    }
    for (uint32_t k = 0; k < f->text.n_keys; k++) {
        TM_TRY(tm__window_column_find(tables->events, f->text.keys[k], who, &column, err));
        TM_TRY(tm__window_column_find(events, f->text.event_keys[k], who, &column, err));
    }
    if (f->text.column != NULL) {
        TM_TRY(tm__window_column_find(events, f->text.column, who, &column, err));
        f->input = tm__window_fit(column, tm__table_rows(events));
    }
    return tm__window_member_check(f, err);
}

static void fit_need(tm_window_need *n, const tm_window_tables *tables) {
    const tm_table *table = tables->events;
    for (uint32_t i = 0; i < tables->n_sources && n->source != NULL; i++) {
        table = strcmp(tables->sources[i].name, n->source) == 0 ? tables->sources[i].events : table;
    }
    n->type = tm__table_column(table, tm__table_find(table, n->name))->type;
}

tm_status tm__window_set_fit(tm_window_set *set, const tm_window_tables *tables, tm_err *err) {
    for (uint32_t i = 0; i < set->n_features; i++) {
        TM_TRY(fit_feature(set, &set->features[i], tables, err));
    }
    for (uint32_t i = 0; i < set->n_needs; i++) {
        fit_need(&set->needs[i], tables);
    }
    return TM_OK;
}
