/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_certificate.h"

#include <string.h>

#include "base/clock.h"
#include "loop/subject_sinks.h"
#include "registry/chain.h"
#include "registry/retire.h"

bool tm__certificate_keeps_any(const tm_subject_erasure *erasure, const json_t *refused,
                               const json_t *now) {
    return erasure->models == TM_SUBJECT_LIST || json_array_size(refused) > 0 ||
           (erasure->models == TM_SUBJECT_RETIRE &&
            json_array_size(json_object_get(now, "versions")) > 0);
}

static void say_not_reached(json_t *list, const char *what, const char *why) {
    json_array_append_new(list, json_pack("{s:s, s:s}", "what", what, "why", why));
}

static tm_status say_backups(const tm_certificate_facts *e, json_t *list, tm_err *err) {
    json_t *entries = NULL;
    int64_t next = 0;
    size_t i = 0;
    const json_t *one = NULL;
    const tm_audit_filter filter = {.event = "backup.made", .newest = TM_AUDIT_LIST_MAX};
    TM_TRY(tm__audit_list(e->registry, &filter, &entries, &next, err));
    json_array_foreach(entries, i, one) {
        json_t *what = json_sprintf("backup:%s",
                                    tm__json_text(json_object_get(one, "details"), "blake2b", ""));
        json_array_append_new(list, json_pack("{s:o, s:s}", "what", what, "why",
                                              "it was made before, and lies outside of the home"));
    }
    json_decref(entries);
    return TM_OK;
}

/* What a gate said of a version the last time, from the audit chain; NULL: nothing. */
static tm_status gate_of(const tm_certificate_facts *e, const char *model, uint32_t version,
                         json_t **out, tm_err *err) {
    const tm_history_filter filter = {.event = "gate", .version = version};
    json_t *entries = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__registry_history_find(e->registry, model, &filter, &entries, err));
    json_array_foreach(entries, i, one) {
        json_decref(*out);
        *out = json_pack("{s:b, s:s}", "open",
                         strcmp(tm__json_text(one, "event", ""), "gate.opened") == 0, "reason",
                         tm__json_text(one, "reason", ""));
    }
    json_decref(entries);
    return tm__json_check(err);
}

static tm_status say_models(const tm_certificate_facts *e, json_t *list, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    const char *last = "";
    json_array_foreach(json_object_get(e->group->found, "versions"), i, one) {
        const char *const model = tm__json_text(one, "model", "");
        tm_version version = {0};
        char hash[TM_HASH_TEXT];
        if (strcmp(last, model) == 0) {
            continue;
        }
        last = model;
        TM_TRY(tm__registry_find(e->registry, model, &version, err));
        tm__hash_to_text(&version.bundle_hash, hash);
        json_t *said = NULL;
        const tm_status st = gate_of(e, model, version.number, &said, err);
        if (strcmp(version.state, "collected") == 0) { /* it was retired: nothing answers */
            json_decref(said);
        } else {
            json_array_append_new(list,
                                  json_pack("{s:s, s:I, s:s, s:s, s:o*}", "model", model, "version",
                                            (json_int_t)version.number, "bundle_hash", hash,
                                            "snapshot", version.snapshot, "gate", said));
        }
        tm__version_done(&version);
        TM_TRY(st);
    }
    return TM_OK;
}

/* Of the versions that learned from the subject those that answer until a date, with the date that
 * holds: an earlier one of an earlier erasure goes first. */
static tm_status say_retiring(const tm_certificate_facts *e, json_t *body, tm_err *err) {
    char by[48];
    json_t *all = NULL, *one = NULL, *list = json_array();
    const json_t *theirs = NULL;
    size_t i = 0, k = 0;
    (void)tm__time_to_text(e->erasure->retire_by_us, by);
    TM_TRY(tm__retiring_list(e->registry, &all, err));
    json_array_foreach(all, i, one) {
        bool is_theirs = false;
        json_array_foreach(json_object_get(e->now, "versions"), k, theirs) {
            is_theirs =
                is_theirs ||
                (strcmp(tm__json_text(theirs, "model", ""), tm__json_text(one, "model", "")) == 0 &&
                 tm__json_i64(theirs, "version", 0) == tm__json_i64(one, "version", 0));
        }
        if (is_theirs) {
            json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:O}", "model",
                                                  json_object_get(one, "model"), "version",
                                                  json_object_get(one, "version"), "bundle_hash",
                                                  json_object_get(one, "bundle_hash"), "retire_by",
                                                  json_object_get(one, "retire_by")));
        }
    }
    json_object_set_new(body, "retire_by", json_string(by));
    json_object_set_new(body, "retiring", list);
    json_decref(all);
    return tm__json_check(err);
}

static const char *policy_of(const tm_certificate_facts *e) {
    return e->erasure->models == TM_SUBJECT_REFIT    ? "refit"
           : e->erasure->models == TM_SUBJECT_RETIRE ? "retire"
                                                     : "list";
}

/* Whose it is: of one subject what stands for it, of several how much each had as well. */
static void say_subjects(const tm_subject_group *group, json_t *body) {
    char text[TM_HASH_TEXT];
    if (group->n == 1) {
        tm__hash_to_text(&group->hashes[0], text);
        json_object_set_new(body, "subject", json_string(text));
        return;
    }
    json_t *list = json_array();
    for (uint32_t i = 0; i < group->n; i++) {
        tm__hash_to_text(&group->hashes[i], text);
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "subject", text, "rows",
                                              (json_int_t)group->at_first.rows[i], "training_rows",
                                              (json_int_t)group->at_first.training_rows[i],
                                              "answers", (json_int_t)group->at_first.answers[i]));
    }
    json_object_set_new(body, "subjects", list);
}

tm_status tm__certificate_make(const tm_certificate_facts *e, json_t **out, tm_err *err) {
    char at[48];
    const json_t *const unasked = json_object_get(e->now, "not_looked_into");
    const bool keeps_any = tm__certificate_keeps_any(e->erasure, e->refused, e->now);
    const bool is_complete = !keeps_any && json_array_size(unasked) == 0;
    json_t *models = json_array(), *rest = json_array();
    (void)tm__time_to_text(tm__now_us(), at);
    tm_status st = say_models(e, models, err);
    st = st == TM_OK ? say_backups(e, rest, err) : st;
    st = st == TM_OK && e->has_found ? tm__subject_say_sinks(e->home, e->group->found, rest, err)
                                     : st;
    if (json_array_size(json_object_get(e->group->found, "sources")) > 0) {
        say_not_reached(rest, "files and databases that sources read",
                        "they lie outside of the home; of a source with a key no row is taken "
                        "twice");
    }
    json_t *body =
        json_pack("{s:s, s:s, s:b, s:s, s:O, s:O, s:O, s:b, s:O, s:O}", "schema",
                  "tidemill.erasure/1", "at", at, "complete", is_complete, "policy", policy_of(e),
                  "found", e->group->found, "models", models, "refused", e->refused, "scanned",
                  e->can_scan && !keeps_any, "not_looked_into", unasked, "not_reached", rest);
    json_decref(models);
    json_decref(rest);
    say_subjects(e->group, body);
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK && e->erasure->models == TM_SUBJECT_RETIRE ? say_retiring(e, body, err) : st;
    if (st == TM_OK) {
        *out = body;
    } else {
        json_decref(body);
    }
    return st;
}
