/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row may need some groups of features and give the others itself. A group is asked for when
 * one of its features is left out; of those that are there only the ones left out are set.
 *
 * Which refusal is whose: a store that is behind or not there is the server's (503, with
 * Retry-After); a key that does not fit, an entity that must be known and a moment that is too long
 * ago are the row's (400, with its place).
 */
#include "serve/fill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define RETRY_AFTER_S 1u

struct tm_fill {
    tm_online_plan plan;
    uint32_t n_desks;
    tm_online_asker **askers; /* [n_desks]: each made by the thread that needs it first */
    double **values;          /* [n_desks][the most features of a group] */
    const char **names;       /* [n_names] keys and time, each once; of the plan */
    uint32_t n_names;
    const tm_plan *cells;
    uint32_t time;      /* cell of the moment */
    uint32_t *keys;     /* cells: [groups][TM_WINDOW_KEYS_MAX] */
    uint32_t *features; /* cells: [features of the set]; TM_NAME_NONE: the model does not read it */
    bool says_stale;    /* the recipe declares what becomes of stale ones */
    bool *may_lack; /* [features of the set] new beside the champion, and no word on stale ones */
};

struct tm_fill_desk {
    tm_online_reader *reader; /* NULL: none yet */
};

/* ---- Of a version ---- */

void tm__fill_free(tm_fill *fill) {
    if (fill == NULL) {
        return;
    }
    for (uint32_t i = 0; i < fill->n_desks; i++) {
        if (fill->askers != NULL) {
            tm__online_asker_free(fill->askers[i]);
        }
        if (fill->values != NULL) {
            tm__mem_free(fill->values[i]);
        }
    }
    tm__mem_free(fill->askers);
    tm__mem_free(fill->values);
    tm__mem_free(fill->names);
    tm__mem_free(fill->keys);
    tm__mem_free(fill->features);
    tm__mem_free(fill->may_lack);
    tm__online_plan_done(&fill->plan);
    tm__mem_free(fill);
}

static void add_name(tm_fill *fill, const char *name) {
    for (uint32_t i = 0; i < fill->n_names; i++) {
        if (strcmp(fill->names[i], name) == 0) {
            return;
        }
    }
    fill->names[fill->n_names++] = name;
}

static bool gather_names(tm_fill *fill) {
    const uint32_t n = tm__window_live_count(fill->plan.live);
    fill->names = tm__mem_zalloc((size_t)n * TM_WINDOW_KEYS_MAX + 1, sizeof *fill->names);
    if (fill->names == NULL) {
        return false;
    }
    add_name(fill, tm__window_set_time(fill->plan.set));
    for (uint32_t g = 0; g < n; g++) {
        const tm_window_group *const group = tm__window_live_group(fill->plan.live, g);
        for (uint32_t k = 0; k < group->n_keys; k++) {
            add_name(fill, group->keys[k]);
        }
    }
    return true;
}

static bool make_room(tm_fill *fill, uint32_t n_desks) {
    const size_t n_groups = tm__window_live_count(fill->plan.live);
    const size_t n_features = tm__window_set_count(fill->plan.set);
    fill->n_desks = n_desks > 0 ? n_desks : 1;
    fill->askers = tm__mem_zalloc(fill->n_desks, sizeof(tm_online_asker *));
    fill->values = tm__mem_zalloc(fill->n_desks, sizeof(double *));
    fill->keys = tm__mem_zalloc(n_groups * TM_WINDOW_KEYS_MAX + 1, sizeof *fill->keys);
    fill->features = tm__mem_zalloc(n_features + 1, sizeof *fill->features);
    fill->may_lack = tm__mem_zalloc(n_features + 1, sizeof *fill->may_lack);
    return fill->askers != NULL && fill->values != NULL && fill->keys != NULL &&
           fill->features != NULL && fill->may_lack != NULL && gather_names(fill);
}

static bool says_stale(const json_t *recipe) {
    return json_object_get(json_object_get(recipe, "online"), "stale") != NULL;
}

/* Clients that do not know them are answered as before they came, unless it is declared. */
static void find_new(tm_fill *fill, const json_t *info, const json_t *recipe) {
    const json_t *const optional = json_object_get(info, "optional");
    fill->says_stale = says_stale(recipe);
    for (uint32_t i = 0; i < tm__window_set_count(fill->plan.set); i++) {
        fill->may_lack[i] = !fill->says_stale &&
                            tm__json_has_text(optional, tm__window_set_name(fill->plan.set, i));
    }
}

tm_status tm__fill_create(const tm_bundle *bundle, const json_t *recipe, uint32_t n_desks,
                          tm_fill **out, tm_err *err) {
    tm_online_plan plan;
    *out = NULL;
    if (!tm__online_plan_has(tm__bundle_info(bundle))) {
        return TM_OK;
    }
    tm_err why = {0};
    const tm_status st = tm__online_plan_read(tm__bundle_info(bundle), recipe, &plan, &why);
    if (st == TM_E_UNSUPPORTED) {
        return TM_OK;
    }
    if (st != TM_OK) {
        return TM_FAIL(err, st, "%s", why.message);
    }
    if (!tm__online_plan_has_sources(&plan)) {
        tm__online_plan_done(&plan);
        return TM_OK;
    }
    tm_fill *const fill = tm__mem_zalloc(1, sizeof *fill);
    if (fill == NULL) {
        tm__online_plan_done(&plan);
    } else {
        fill->plan = plan;
    }
    if (fill == NULL || !make_room(fill, n_desks)) {
        tm__fill_free(fill);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    find_new(fill, tm__bundle_info(bundle), recipe);
    *out = fill;
    return TM_OK;
}

bool tm__fill_is_like(const tm_fill *fill, const json_t *info, const json_t *recipe) {
    tm_online_terms terms;
    return tm__online_terms_read(info, recipe, &terms, NULL) == TM_OK &&
           terms.max_lag_us == fill->plan.terms.max_lag_us &&
           terms.late_us == fill->plan.terms.late_us && says_stale(recipe) == fill->says_stale &&
           terms.stale_is_missing == fill->plan.terms.stale_is_missing &&
           terms.absent_is_refused == fill->plan.terms.absent_is_refused &&
           strcmp(terms.source, fill->plan.terms.source) == 0;
}

const char *const *tm__fill_names(const tm_fill *fill, uint32_t *out_n) {
    *out_n = fill->n_names;
    return fill->names;
}

void tm__fill_bind(tm_fill *fill, const tm_plan *plan) {
    const tm_window_set *const set = fill->plan.set;
    fill->cells = plan;
    fill->time = tm__plan_cell(plan, tm__window_set_time(set));
    for (uint32_t i = 0; i < tm__window_set_count(set); i++) {
        fill->features[i] = tm__plan_cell(plan, tm__window_set_name(set, i));
    }
    for (uint32_t g = 0; g < tm__window_live_count(fill->plan.live); g++) {
        const tm_window_group *const group = tm__window_live_group(fill->plan.live, g);
        for (uint32_t k = 0; k < group->n_keys; k++) {
            fill->keys[g * TM_WINDOW_KEYS_MAX + k] = tm__plan_cell(plan, group->keys[k]);
        }
    }
}

/* ---- Of a thread ---- */

tm_fill_desk *tm__fill_desk_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_fill_desk));
}

void tm__fill_desk_free(tm_fill_desk *desk) {
    if (desk != NULL) {
        tm__online_reader_free(desk->reader);
        tm__mem_free(desk);
    }
}

tm_status tm__fill_desk_open(tm_fill_desk *desk, tm_online *online, tm_online_reader **out,
                             tm_err *err) {
    if (online == NULL) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "there is no online store");
    }
    if (desk->reader != NULL && tm__online_reader_store(desk->reader) != online) {
        tm__online_reader_free(desk->reader);
        desk->reader = NULL;
    }
    if (desk->reader == NULL) {
        TM_TRY(tm__online_reader_create(online, &desk->reader, err));
    }
    *out = desk->reader;
    return tm__online_reader_begin(desk->reader, err);
}

/* ---- Of a row ---- */

typedef struct filling {
    tm_scoring *s;
    tm_fill *fill;
    tm_online_asker *asker;
    double *values;
    tm_online_reader *reader; /* NULL: not open yet */
    int64_t moment_us, now_us;
    int64_t newest_us; /* of all groups so far */
} filling;

static bool lacks(const filling *f, const tm_window_group *group) {
    for (uint32_t i = 0; i < group->plan.n_features; i++) {
        const uint32_t cell = f->fill->features[group->places[i]];
        if (cell != TM_NAME_NONE && !tm__decoder_has(f->s->decoder, cell)) {
            return true;
        }
    }
    return false;
}

/* What the row leaves out of it are features that clients need not know. */
static bool may_lack(const filling *f, const tm_window_group *group) {
    for (uint32_t i = 0; i < group->plan.n_features; i++) {
        const uint32_t place = group->places[i], cell = f->fill->features[place];
        if (cell != TM_NAME_NONE && !f->fill->may_lack[place] &&
            !tm__decoder_has(f->s->decoder, cell)) {
            return false;
        }
    }
    return true;
}

/* The thread's own room, made once a version. */
static bool take_room(filling *f) {
    const uint32_t index = f->s->x->desk->index;
    tm_fill *const fill = f->fill;
    if (fill->askers[index] == NULL) {
        fill->askers[index] = tm__online_asker_create(&fill->plan);
    }
    if (fill->values[index] == NULL) {
        fill->values[index] =
            tm__mem_alloc((size_t)tm__window_set_count(fill->plan.set) + 1, sizeof(double));
    }
    f->asker = fill->askers[index];
    f->values = fill->values[index];
    return f->asker != NULL && f->values != NULL;
}

static void set_features(filling *f, const tm_window_group *group) {
    for (uint32_t i = 0; i < group->plan.n_features; i++) {
        const uint32_t cell = f->fill->features[group->places[i]];
        if (cell != TM_NAME_NONE && !tm__decoder_has(f->s->decoder, cell)) {
            tm__decoder_fill(f->s->decoder, cell, f->values[i]);
        }
    }
}

static tm_status ask(filling *f, uint32_t g, tm_online_note *note, tm_err *err) {
    const tm_window_group *const group = tm__window_live_group(f->fill->plan.live, g);
    const tm_cell *const cells = tm__decoder_cells(f->s->decoder);
    tm_cell keys[TM_WINDOW_KEYS_MAX];
    for (uint32_t k = 0; k < group->n_keys; k++) {
        keys[k] = cells[f->fill->keys[g * TM_WINDOW_KEYS_MAX + k]];
    }
    const tm_online_question question = {
        .group = g, .keys = keys, .moment_us = f->moment_us, .now_us = f->now_us};
    if (f->reader == NULL) {
        TM_TRY(
            tm__fill_desk_open(f->s->x->desk->filler, f->s->x->current->online, &f->reader, err));
    }
    return tm__online_ask(f->asker, f->reader, &question, f->values, note, err);
}

static bool refuse_stale(const filling *f, const tm_err *why) {
    tm_exchange *const x = f->s->x;
    char detail[320];
    (void)snprintf(detail, sizeof detail, "the row leaves out features over earlier rows, and %s",
                   why->message);
    x->retry_after_s = RETRY_AFTER_S;
    tm__problem_reply(x, 503, "stale-features", detail,
                      "'tidemill run' keeps the online store and 'tidemill online ls' shows it; "
                      "'online: {stale: missing}' answers without.");
    return false;
}

static void refuse_row(const filling *f, const tm_window_group *group, const char *what,
                       const char *hint) {
    tm__decoder_error(f->s->decoder, tm__str(group->keys[0]), hint, "rows[%llu]: %s",
                      (unsigned long long)tm__decoder_row(f->s->decoder), what);
}

static void set_missing(filling *f, const tm_window_group *group) {
    for (uint32_t i = 0; i < group->plan.n_features; i++) {
        f->values[i] = (double)NAN;
    }
    set_features(f, group);
}

static void note_answer(filling *f, const tm_online_note *note) {
    tm_filled *const filled = &f->s->filled;
    const double lag_s = (double)note->lag_us * 1e-6;
    filled->is_absent = filled->is_absent || note->is_absent;
    filled->lag_s = lag_s > filled->lag_s ? lag_s : filled->lag_s;
    if (note->newest_us != TM_INT_MISSING && note->newest_us > f->newest_us) {
        f->newest_us = note->newest_us;
        filled->age_s = ((double)f->moment_us - (double)note->newest_us) * 1e-6;
    }
}

/* One group; false with the exchange answered. */
static bool fill_group(filling *f, uint32_t g) {
    const tm_window_group *const group = tm__window_live_group(f->fill->plan.live, g);
    const tm_online_terms *const terms = &f->fill->plan.terms;
    tm_online_note note = {0};
    tm_err why = {0};
    const tm_status st = ask(f, g, &note, &why);
    const bool does_without = terms->stale_is_missing || may_lack(f, group);
    if (st == TM_OK && note.is_absent && terms->absent_is_refused) {
        refuse_row(f, group, "the online store knows no such entity",
                   "Give the features themselves; 'online: {absent: missing}' answers without.");
    } else if (st == TM_OK) {
        set_features(f, group);
        note_answer(f, &note);
    } else if (st == TM_E_DATA || (st == TM_E_INVALID && !does_without)) {
        refuse_row(f, group, why.message, why.hint);
    } else if (st == TM_E_NOMEM) {
        tm__problem_from_err(f->s->x, &why);
        return false;
    } else if (does_without) { /* also a moment that is too long ago */
        set_missing(f, group);
        f->s->filled.is_stale = true;
    } else {
        return refuse_stale(f, &why);
    }
    return true;
}

/* The row's own moment, or now; false for what is no time. */
static bool find_moment(filling *f) {
    const tm_cell *const cell = &tm__decoder_cells(f->s->decoder)[f->fill->time];
    const bool is_time =
        cell->type == TM_TYPE_DATE || cell->type == TM_TYPE_TIME || cell->type == TM_TYPE_INT;
    f->moment_us = is_time ? cell->i64 : f->now_us;
    return is_time || cell->type == TM_TYPE_NONE ||
           (cell->type == TM_TYPE_TEXT && tm__time_parse(cell->text, &f->moment_us));
}

/* Once a row, when the first group is needed; false when it cannot be filled. */
static bool begin_row(filling *f) {
    f->s->filled.is_used = true;
    if (!take_room(f)) {
        tm_err err = {0};
        (void)TM_FAIL(&err, TM_E_NOMEM, "out of memory");
        tm__problem_from_err(f->s->x, &err);
        return false;
    }
    if (!find_moment(f)) {
        const char *const time = tm__window_set_time(f->fill->plan.set);
        tm__decoder_error(f->s->decoder, tm__str(time), "Like 2026-11-27T20:00:00Z.",
                          "rows[%llu]: the value of its time is no time",
                          (unsigned long long)tm__decoder_row(f->s->decoder));
    }
    return true;
}

bool tm__fill_row(tm_scoring *s) {
    filling f = {
        .s = s, .fill = s->served->fill, .now_us = tm__now_us(), .newest_us = TM_INT_MISSING};
    s->filled = (tm_filled){.age_s = -1};
    bool is_good = true;
    tm__decoder_fill_moment(s->decoder, f.now_us);
    for (uint32_t g = 0; is_good && g < tm__window_live_count(f.fill->plan.live); g++) {
        if (!lacks(&f, tm__window_live_group(f.fill->plan.live, g))) {
            continue;
        }
        is_good = (s->filled.is_used || begin_row(&f)) && (s->x->n_errors > 0 || fill_group(&f, g));
    }
    if (f.reader != NULL) {
        tm__online_reader_end(f.reader);
    }
    if (s->filled.is_used) {
        tm__decoder_note_filled(s->decoder, &s->filled);
    }
    return is_good;
}

void tm__fill_write(const tm_filled *filled, tm_buf *out) {
    if (!filled->is_used) {
        return;
    }
    tm__buf_text(out, ",\"online\":{\"age_seconds\":");
    if (filled->age_s < 0) {
        tm__buf_text(out, "null");
    } else {
        tm__score_write_number(filled->age_s, out);
    }
    tm__buf_text(out, ",\"lag_seconds\":");
    tm__score_write_number(filled->lag_s, out);
    tm__buf_text(out, filled->is_absent ? ",\"absent\":true" : "");
    tm__buf_text(out, filled->is_stale ? ",\"stale\":true" : "");
    tm__buf_byte(out, '}');
}
