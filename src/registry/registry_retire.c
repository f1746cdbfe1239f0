/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   "subject.retiring" of the chain ──> {BUNDLE: date} ┐
 *   versions ──> what each went on from ───────────────┴─> date of each version that is there
 *   date has passed ──> its uses end ──> its files go ──> "subject.retired"
 *
 * 1. Nothing of it is kept twice: the chain says what is to go, `collected` what went.
 * 2. A file that is not removed yet is not opened after its date either (tm__retiring_check()).
 */
#include "registry/retire.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "registry/collect.h"
#include "registry/experiment.h"
#include "registry/registry_priv.h"

#define EVENT "subject.retiring"
#define LINEAGE_MAX 64u /* models that went on from each other */

/* ---- What is to be retired ---- */

static tm_status note_each(tm_registry *registry, const tm_retiring *retiring,
                           const json_t *details, const tm_actor *actor, tm_err *err) {
    tm_audit_note *notes = tm__mem_alloc((size_t)retiring->n_subjects + 1, sizeof(*notes));
    if (notes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < retiring->n_subjects; i++) {
        notes[i] = (tm_audit_note){.event = EVENT,
                                   .object = "subject",
                                   .subject = &retiring->subjects[i],
                                   .details = details};
    }
    const tm_status st = tm__audit_append_all(registry, notes, retiring->n_subjects, actor, err);
    tm__mem_free(notes);
    return st;
}

tm_status tm__retiring_note(tm_registry *registry, const tm_retiring *retiring,
                            const tm_actor *actor, tm_err *err) {
    char by[48], name[TM_MAX_NAME + 16], hash[TM_HASH_TEXT];
    json_t *versions = json_array();
    size_t i = 0;
    const json_t *one = NULL;
    tm_status st = tm__json_check(err);
    json_array_foreach(retiring->versions, i, one) {
        tm_version version = {0};
        const char *const model = tm__json_text(one, "model", "");
        const int64_t number = tm__json_i64(one, "version", 0);
        (void)snprintf(name, sizeof(name), "%s@%lld", model, (long long)number);
        st = st == TM_OK ? tm__registry_find(registry, name, &version, err) : st;
        if (st == TM_OK) {
            tm__hash_to_text(&version.bundle_hash, hash);
            json_array_append_new(versions, json_pack("{s:s, s:I, s:s}", "model", model, "version",
                                                      (json_int_t)number, "bundle_hash", hash));
        }
        tm__version_done(&version);
    }
    (void)tm__time_to_text(retiring->by_us, by);
    json_t *details = json_pack("{s:s, s:I, s:O}", "retire_by", by, "retire_by_us",
                                (json_int_t)retiring->by_us, "versions", versions);
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK ? note_each(registry, retiring, details, actor, err) : st;
    json_decref(details);
    json_decref(versions);
    return st;
}

static void take_dates(const json_t *details, json_t *dates) {
    const int64_t by_us = tm__json_i64(details, "retire_by_us", INT64_MAX);
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(details, "versions"), i, one) {
        const char *const hash = tm__json_text(one, "bundle_hash", "");
        if (by_us < tm__json_i64(dates, hash, INT64_MAX)) {
            json_object_set_new(dates, hash, json_integer((json_int_t)by_us));
        }
    }
}

/* {BUNDLE: the first date that was said}. */
static tm_status read_dates(tm_registry *registry, json_t *dates, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT details FROM history WHERE model = '' AND event = '" EVENT "'",
                         &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_t *details = NULL;
        st = tm__registry_json(tm__stmt_text(stmt, 0), &details, err);
        take_dates(details, dates);
        json_decref(details);
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? tm__json_check(err) : st;
}

/* {BUNDLE: the one that it went on from} of every version that ever was; [{"model", "version",
 * "bundle_hash", "is_champion"}] of those that have their files. */
static tm_status read_versions(tm_registry *registry, json_t *bases, json_t *there, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT m.name, v.number, lower(hex(v.bundle_hash)), v.info, EXISTS(SELECT 1 FROM collected"
        " c WHERE c.model_id = m.id AND c.number = v.number), EXISTS(SELECT 1 FROM aliases a WHERE"
        " a.model_id = m.id AND a.number = v.number AND a.name = 'champion')"
        " FROM models m JOIN versions v ON v.model_id = m.id ORDER BY m.name, v.number",
        &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_t *info = NULL;
        const char *const hash = tm__stmt_text(stmt, 2);
        st = tm__registry_json(tm__stmt_text(stmt, 3), &info, err);
        const char *const base =
            tm__json_text(json_object_get(info, "continues"), "bundle_hash", NULL);
        if (base != NULL) {
            json_object_set_new(bases, hash, json_string(base));
        }
        if (tm__stmt_i64(stmt, 4) == 0) {
            json_array_append_new(
                there, json_pack("{s:s, s:I, s:s, s:b}", "model", tm__stmt_text(stmt, 0), "version",
                                 (json_int_t)tm__stmt_i64(stmt, 1), "bundle_hash", hash,
                                 "is_champion", tm__stmt_i64(stmt, 5) != 0));
        }
        json_decref(info);
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? tm__json_check(err) : st;
}

/* The first date of a bundle and of all that it went on from; INT64_MAX: none. */
static int64_t date_of(const char *hash, const json_t *dates, const json_t *bases) {
    int64_t by_us = INT64_MAX;
    for (uint32_t i = 0; i < LINEAGE_MAX && hash != NULL; i++) {
        const int64_t said_us = tm__json_i64(dates, hash, INT64_MAX);
        by_us = said_us < by_us ? said_us : by_us;
        hash = tm__json_text(bases, hash, NULL);
    }
    return by_us;
}

static tm_status list(tm_registry *registry, const json_t *dates, json_t *out, tm_err *err) {
    json_t *bases = json_object(), *there = json_array(), *one = NULL;
    size_t i = 0;
    char by[48];
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? read_versions(registry, bases, there, err) : st;
    json_array_foreach(there, i, one) {
        const int64_t by_us = date_of(tm__json_text(one, "bundle_hash", ""), dates, bases);
        if (st != TM_OK || by_us == INT64_MAX) {
            continue;
        }
        (void)tm__time_to_text(by_us, by);
        json_object_set_new(one, "retire_by", json_string(by));
        json_object_set_new(one, "retire_by_us", json_integer((json_int_t)by_us));
        json_array_append(out, one);
    }
    json_decref(bases);
    json_decref(there);
    return st == TM_OK ? tm__json_check(err) : st;
}

tm_status tm__retiring_list(tm_registry *registry, json_t **out, tm_err *err) {
    json_t *dates = json_object(), *found = json_array();
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? read_dates(registry, dates, err) : st;
    st = st == TM_OK && json_object_size(dates) > 0 ? list(registry, dates, found, err) : st;
    json_decref(dates);
    return tm__json_give(st, found, out, err);
}

/* ---- What is past its date ---- */

static bool is_due(const json_t *one, int64_t now_us) {
    return tm__json_i64(one, "retire_by_us", INT64_MAX) <= now_us;
}

tm_status tm__retiring_check(tm_registry *registry, const tm_version *version, tm_err *err) {
    json_t *found = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&version->bundle_hash, hash);
    TM_TRY(tm__retiring_list(registry, &found, err));
    tm_status st = TM_OK;
    json_array_foreach(found, i, one) {
        if (st == TM_OK && is_due(one, tm__now_us()) &&
            strcmp(tm__json_text(one, "bundle_hash", ""), hash) == 0) {
            st = TM_FAIL(err, TM_E_NOT_FOUND,
                         "version %lld of '%s' is retired since %s: it learned from a subject who "
                         "was erased",
                         (long long)tm__json_i64(one, "version", 0), version->model,
                         tm__json_text(one, "retire_by", ""));
            tm_err_hint(err, "Train another version on rows without the subject, and promote it.");
        }
    }
    json_decref(found);
    return st;
}

/* ---- Its uses end ---- */

typedef struct ending {
    const char *model;
    uint32_t number;
    const tm_actor *actor;
} ending;

static tm_status end_uses_locked(tm_registry *registry, void *arg, tm_err *err) {
    const ending *const in = arg;
    static const tm_arm none = {0};
    tm_route route;
    uint32_t from = 0;
    bool is_arm = false;
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    for (uint32_t i = 0; i < route.n_arms; i++) {
        is_arm = is_arm || route.arms[i].version == in->number;
    }
    const bool is_shadow = route.shadow.version == in->number;
    TM_TRY(is_arm ? tm__split_end_locked(registry, in->model, in->actor, &from, err) : TM_OK);
    TM_TRY(is_shadow ? tm__rollout_unshadow_locked(registry, in->model, in->actor, err) : TM_OK);
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    return route.shadow.version == in->number
               ? tm__shadow_order_locked(registry, &route, &none, in->actor, err)
               : TM_OK;
}

static tm_status end_experiment(tm_registry *registry, const ending *in, tm_err *err) {
    json_t *arms = json_object(), *stopped = NULL;
    char key[16];
    (void)snprintf(key, sizeof(key), "%u", in->number);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__registry_experiment_arms(registry, in->model, arms, err) : st;
    if (st == TM_OK && json_object_get(arms, key) != NULL) {
        st = tm__registry_experiment_stop(registry, in->model, in->actor, &stopped, err);
    }
    json_decref(stopped);
    json_decref(arms);
    return st;
}

static tm_status end_uses(tm_registry *registry, const json_t *due, const tm_actor *actor,
                          tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(due, i, one) {
        ending in = {.model = tm__json_text(one, "model", ""),
                     .number = (uint32_t)tm__json_i64(one, "version", 0),
                     .actor = actor};
        TM_TRY(end_experiment(registry, &in, err));
        TM_TRY(tm__registry_transact(registry, end_uses_locked, &in, err));
    }
    return TM_OK;
}

static tm_status note_retired(tm_registry *registry, const json_t *due, const tm_actor *actor,
                              tm_err *err) {
    json_t *details = json_pack("{s:O}", "versions", due);
    const tm_audit_note note = {
        .event = "subject.retired", .object = "subject", .details = details};
    const tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : tm__audit_append(registry, &note, actor, err);
    json_decref(details);
    return st;
}

static tm_status retire(tm_registry *registry, const json_t *due, const tm_actor *actor,
                        tm_err *err) {
    json_t *result = NULL;
    const tm_actor why = {.name = actor->name,
                          .reason = "the date has come that an erasure set for it"};
    const tm_collection options = {.actor = &why, .only = due, .champions_too = true};
    TM_TRY(end_uses(registry, due, &why, err));
    TM_TRY(tm__registry_collect(registry, &options, &result, err));
    json_decref(result);
    return note_retired(registry, due, &why, err);
}

static json_t *take_due(const json_t *found, int64_t now_us) {
    json_t *due = json_array();
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(found, i, one) {
        if (is_due(one, now_us)) {
            json_array_append(due, one);
        }
    }
    return due;
}

tm_status tm__retire_due(tm_registry *registry, int64_t now_us, const tm_actor *actor,
                         uint32_t *out_n, tm_err *err) {
    json_t *found = NULL;
    TM_TRY(tm__retiring_list(registry, &found, err));
    json_t *due = take_due(found, now_us);
    const uint32_t n = (uint32_t)json_array_size(due);
    tm_status st = tm__json_check(err);
    st = st == TM_OK && n > 0 ? retire(registry, due, actor, err) : st;
    json_decref(due);
    json_decref(found);
    if (st == TM_OK) {
        *out_n = n;
    }
    return st;
}

/* ---- Again and again ---- */

static tm_status newest_entry(tm_registry *registry, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT coalesce(max(seq), 0) FROM history WHERE model = ''"
                         " AND event = '" EVENT "'",
                         &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_next(tm_registry *registry, int64_t *out, tm_err *err) {
    json_t *found = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    int64_t next_us = INT64_MAX;
    TM_TRY(tm__retiring_list(registry, &found, err));
    json_array_foreach(found, i, one) {
        const int64_t by_us = tm__json_i64(one, "retire_by_us", INT64_MAX);
        next_us = by_us < next_us ? by_us : next_us;
    }
    json_decref(found);
    *out = next_us;
    return TM_OK;
}

tm_status tm__retire_look(tm_registry *registry, tm_retire_watch *watch, int64_t now_us,
                          bool *out_is_due, tm_err *err) {
    static const tm_actor actor = {.name = "server"};
    int64_t seq = 0;
    uint32_t n = 0;
    TM_TRY(newest_entry(registry, &seq, err));
    const bool is_date = watch->next_us != 0 && now_us >= watch->next_us;
    *out_is_due = is_date;
    if (seq == watch->seq && watch->next_us != 0 && !is_date) {
        return TM_OK;
    }
    TM_TRY(tm__retire_due(registry, now_us, &actor, &n, err));
    TM_TRY(read_next(registry, &watch->next_us, err));
    watch->seq = seq;
    *out_is_due = is_date || n > 0;
    return TM_OK;
}
