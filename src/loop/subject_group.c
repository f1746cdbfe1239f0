/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   each subject: its last entry in the chain is "subject.erasing" ──> it goes on, with what was
 *   found then; else it begins ──> found = what was found by all that go on, and now
 *
 * 1. What is found of all together is noted with each, since the same command may be given again
 *    with other ids beside.
 * 2. All entries of a step are one transaction.
 */
#include "loop/subject_group.h"

#include <string.h>

#include "base/mem.h"
#include "registry/chain.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Who ---- */

static bool counts_init(tm_subject_counts *counts, size_t n) {
    *counts = (tm_subject_counts){.rows = tm__mem_zalloc(n, sizeof(uint64_t)),
                                  .training_rows = tm__mem_zalloc(n, sizeof(uint64_t)),
                                  .answers = tm__mem_zalloc(n, sizeof(uint64_t))};
    return counts->rows != NULL && counts->training_rows != NULL && counts->answers != NULL;
}

static void counts_done(tm_subject_counts *counts) {
    tm__mem_free(counts->rows);
    tm__mem_free(counts->training_rows);
    tm__mem_free(counts->answers);
}

tm_status tm__subject_group_init(tm_subject_group *group, tm_registry *registry,
                                 const tm_subject_erasure *erasure, tm_err *err) {
    *group = (tm_subject_group){
        .registry = registry, .erasure = erasure, .n = tm__dict_count(erasure->ids)};
    group->found =
        json_pack("{s:[], s:[], s:[], s:[]}", "sources", "versions", "answers", "delivered");
    group->hashes = tm__mem_alloc((size_t)group->n + 1, sizeof(tm_hash));
    const bool has_counts = counts_init(&group->now, (size_t)group->n + 1) &&
                            counts_init(&group->at_first, (size_t)group->n + 1);
    if (!has_counts || group->hashes == NULL || group->found == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < group->n; i++) {
        TM_TRY(tm__audit_subject_make(registry, tm__dict_get(erasure->ids, i), &group->hashes[i],
                                      err));
    }
    return TM_OK;
}

void tm__subject_group_look(tm_subject_group *group) {
    memset(group->now.rows, 0, group->n * sizeof(uint64_t));
    memset(group->now.training_rows, 0, group->n * sizeof(uint64_t));
    memset(group->now.answers, 0, group->n * sizeof(uint64_t));
}

void tm__subject_group_done(tm_subject_group *group) {
    counts_done(&group->now);
    counts_done(&group->at_first);
    tm__mem_free(group->hashes);
    json_decref(group->found);
    *group = (tm_subject_group){0};
}

/* ---- What was found ---- */

static bool is_same(const json_t *a, const json_t *b) {
    return strcmp(tm__json_text(a, "source", ""), tm__json_text(b, "source", "")) == 0 &&
           strcmp(tm__json_text(a, "model", ""), tm__json_text(b, "model", "")) == 0 &&
           strcmp(tm__json_text(a, "sink", ""), tm__json_text(b, "sink", "")) == 0 &&
           tm__json_i64(a, "version", 0) == tm__json_i64(b, "version", 0);
}

static void add_some(json_t *found, const json_t *now, const char *name, bool came) {
    json_t *list = json_object_get(found, name);
    size_t i = 0, k = 0;
    json_t *one = NULL, *other = NULL;
    json_array_foreach(json_object_get(now, name), i, one) {
        json_t *before = NULL;
        json_array_foreach(list, k, other) {
            before = before == NULL && is_same(one, other) ? other : before;
        }
        if (before == NULL) {
            json_array_append(list, one);
        } else if (came) {
            const int64_t n = tm__json_i64(before, "n", 0) + tm__json_i64(one, "n", 0);
            json_object_set_new(before, "n", json_integer((json_int_t)n));
        }
    }
}

/* What is there now and was not at first is found too. came: after what was there had gone, so that
 * numbers add up; versions stay until the end. */
static void add_found(json_t *found, const json_t *now, bool came) {
    add_some(found, now, "sources", came);
    add_some(found, now, "versions", false);
    add_some(found, now, "answers", came);
    add_some(found, now, "delivered", false);
}

void tm__subject_group_came(tm_subject_group *group, const json_t *now) {
    add_found(group->found, now, true);
    for (uint32_t i = 0; i < group->n; i++) {
        group->at_first.rows[i] += group->now.rows[i];
        group->at_first.answers[i] += group->now.answers[i];
    }
}

/* ---- In the chain ---- */

/* details: one for all, or a list with one for each. */
static tm_status note_each(const tm_subject_group *group, const char *event, const json_t *details,
                           const bool *is_noted, tm_err *err) {
    tm_audit_note *notes = tm__mem_alloc((size_t)group->n + 1, sizeof(*notes));
    uint32_t n = 0;
    if (notes == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < group->n; i++) {
        if (is_noted == NULL || !is_noted[i]) {
            notes[n++] = (tm_audit_note){
                .event = event,
                .object = "subject",
                .subject = &group->hashes[i],
                .details = json_is_array(details) ? json_array_get(details, i) : details};
        }
    }
    const tm_status st =
        n == 0 ? TM_OK
               : tm__audit_append_all(group->registry, notes, n, group->erasure->actor, err);
    tm__mem_free(notes);
    return st;
}

tm_status tm__subject_group_note(const tm_subject_group *group, const char *event,
                                 const json_t *details, tm_err *err) {
    return note_each(group, event, details, NULL, err);
}

/* What was found at first by an erasure of this subject that has not ended; *out NULL: there is
 * none. New reference. */
static tm_status find_begun(const tm_subject_group *group, uint32_t i, json_t **out, tm_err *err) {
    json_t *entries = NULL;
    int64_t next = 0;
    size_t k = 0;
    const json_t *one = NULL;
    const tm_audit_filter filter = {
        .subject = &group->hashes[i], .event = "subject", .newest = 100};
    TM_TRY(tm__audit_list(group->registry, &filter, &entries, &next, err));
    json_array_foreach(entries, k, one) {
        const char *const event = tm__json_text(one, "event", "");
        const bool begins = strcmp(event, "subject.erasing") == 0;
        if (begins || strcmp(event, "subject.erased") == 0) {
            json_decref(*out);
            *out = begins ? json_incref(json_object_get(one, "details")) : NULL;
        }
    }
    json_decref(entries);
    return TM_OK;
}

static void count_one(tm_subject_group *group, uint32_t i, const json_t *begun) {
    static const char *const names[] = {"rows", "training_rows", "n_answers"};
    uint64_t *const to[] = {group->at_first.rows, group->at_first.training_rows,
                            group->at_first.answers};
    const uint64_t *const now[] = {group->now.rows, group->now.training_rows, group->now.answers};
    for (size_t k = 0; k < 3; k++) {
        to[k][i] = (uint64_t)tm__json_i64(begun, names[k], (int64_t)now[k][i]);
    }
}

/* What is noted of one: alone all that was found, of several how much of it was this one's, too. */
static json_t *details_of(const tm_subject_group *group, uint32_t i) {
    json_t *details = json_copy(group->found);
    if (group->n > 1) {
        const tm_subject_counts *const at_first = &group->at_first;
        json_object_set_new(details, "rows", json_integer((json_int_t)at_first->rows[i]));
        json_object_set_new(details, "training_rows",
                            json_integer((json_int_t)at_first->training_rows[i]));
        json_object_set_new(details, "n_answers", json_integer((json_int_t)at_first->answers[i]));
    }
    return details;
}

static tm_status begin(tm_subject_group *group, const json_t *now, bool *is_begun, json_t *details,
                       tm_err *err) {
    for (uint32_t i = 0; i < group->n; i++) {
        json_t *begun = NULL;
        TM_TRY(find_begun(group, i, &begun, err));
        is_begun[i] = begun != NULL;
        count_one(group, i, begun);
        add_found(group->found, begun, false);
        json_decref(begun);
    }
    add_found(group->found, now, false);
    for (uint32_t i = 0; i < group->n; i++) {
        json_array_append_new(details, details_of(group, i));
    }
    TM_TRY(tm__json_check(err));
    return note_each(group, "subject.erasing", details, is_begun, err);
}

tm_status tm__subject_group_begin(tm_subject_group *group, const json_t *now, tm_err *err) {
    bool *is_begun = tm__mem_alloc((size_t)group->n + 1, sizeof(*is_begun));
    json_t *details = json_array();
    const tm_status st =
        is_begun == NULL ? no_memory(err) : begin(group, now, is_begun, details, err);
    json_decref(details);
    tm__mem_free(is_begun);
    return st;
}
