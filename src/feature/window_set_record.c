/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a fitted set, which is part of a model. */
#include "feature/window_set_priv.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

#define TEXT_MAX ((size_t)1 << 16)

static json_t *feature_to_json(const tm_window_member *f) {
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
static json_t *known_to_json(const tm_window_known *k) {
    return k->when != NULL ? json_sprintf("%s=%s", k->column, k->when)
                           : json_sprintf("%s=+%" PRId64 "us", k->column, k->delay_us);
}

/* Columns of the rows, or by source those of other events. */
static bool needs_to_json(const tm_window_set *set, json_t *columns, json_t *sources) {
    bool is_made = true;
    for (uint32_t i = 0; i < set->n_needs; i++) {
        const tm_window_need *const n = &set->needs[i];
        json_t *to = n->source == NULL ? columns : json_object_get(sources, n->source);
        if (to == NULL) {
            to = json_object();
            is_made = json_object_set_new(sources, n->source, to) == 0 && is_made;
        }
        is_made =
            json_object_set_new(to, n->name, json_string(tm__type_text(n->type))) == 0 && is_made;
    }
    return is_made;
}

json_t *tm__window_set_to_json(const tm_window_set *set) {
    json_t *const features = json_array(), *const list = json_array();
    json_t *const columns = json_object(), *const sources = json_object();
    bool is_made = true;
    for (uint32_t i = 0; i < set->n_features; i++) {
        is_made =
            json_array_append_new(features, feature_to_json(&set->features[i])) == 0 && is_made;
    }
    for (uint32_t i = 0; i < set->n_known; i++) {
        is_made = json_array_append_new(list, known_to_json(&set->known[i])) == 0 && is_made;
    }
    is_made = needs_to_json(set, columns, sources) && is_made;
    json_t *out = json_pack("{s:s, s:o, s:o, s:o, s:o}", "time", set->time, "features", features,
                            "known", list, "columns", columns, "sources", sources);
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
    tm_window_member *const f = &set->features[set->n_features++];
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
    f->known = f->text.events == NULL ? tm__window_known_find(set, f->text.column) : NULL;
    f->input.type = tm__type_from_text(tm__json_text(record, "type", ""));
    f->input.exponent = (int32_t)exponent;
    return f->input.type == TM_TYPE_NONE || exponent < -900 || exponent > 1024
               ? bad_record(err)
               : tm__window_member_check(f, err);
}

static tm_status read_types(tm_window_set *set, const json_t *record, tm_err *err) {
    const json_t *const columns = json_object_get(record, "columns");
    const json_t *const sources = json_object_get(record, "sources");
    for (uint32_t i = 0; i < set->n_needs; i++) {
        tm_window_need *const n = &set->needs[i];
        const json_t *const from =
            n->source == NULL ? columns : json_object_get(sources, n->source);
        n->type = tm__type_from_text(tm__json_text(from, n->name, ""));
        if (n->type == TM_TYPE_NONE) {
            return bad_record(err);
        }
    }
    return TM_OK;
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
        return tm__window_no_memory(err);
    }
    for (size_t i = 0; i < n_known; i++) {
        const char *const text = json_string_value(json_array_get(list, i));
        set->n_known++;
        if (text == NULL) {
            return bad_record(err);
        }
        TM_TRY(tm__window_known_read(text, &set->known[i], err));
    }
    for (size_t i = 0; i < n; i++) {
        TM_TRY(feature_from_json(set, json_array_get(features, i), err));
    }
    TM_TRY(tm__window_needs_init(set, err));
    return read_types(set, record, err);
}

tm_status tm__window_set_from_json(const json_t *record, tm_window_set **out, tm_err *err) {
    tm_window_set *const set = tm__mem_zalloc(1, sizeof(*set));
    const tm_status st = set == NULL ? tm__window_no_memory(err) : read_record(set, record, err);
    if (st != TM_OK) {
        tm__window_set_free(set);
        return st;
    }
    *out = set;
    return TM_OK;
}
