/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   look ──> refuse what is not reached ──> "subject.erasing" in the chain, with what was found
 *     ──> rows of sources, quarantine ──> answers of the log ──> what is derived of rows (online
 *   features, caches, checkpoints) ──> champions fitted anew and promoted ──> versions and their
 *   rows removed ──> look again, and into every file ──> what a certificate says
 *
 * 1. Nothing is changed before all refusals were asked.
 * 2. Each step does nothing when it was done before, so a run that was killed is gone on with by
 *    running it again; what was found at first is in the chain.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject.h"
#include "loop/subject_derived.h"
#include "loop/subject_refit.h"
#include "loop/subject_scan.h"
#include "loop/subject_sinks.h"
#include "monitor/monitor_erase.h"
#include "registry/chain.h"
#include "registry/collect.h"
#include "source/intake_erase.h"

typedef struct erasing {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    const tm_subject_erasure *erasure;
    tm_hash subject;
    json_t *now;     /* what is there; owned */
    json_t *found;   /* what was there at first; owned */
    json_t *refused; /* versions that a gate refused; owned */
    tm_buf numbers;  /* of answers in the log that are there */
    tm_file *lock;   /* no server runs while it is held */
} erasing;

static tm_status look(erasing *e, tm_err *err) {
    const tm_subject_ask ask = {.id = e->erasure->id, .counts_only = true, .numbers = &e->numbers};
    json_decref(e->now);
    e->now = NULL;
    tm__buf_reset(&e->numbers);
    return tm__subject_find(e->ctx, e->home, e->registry, &ask, &e->now, err);
}

static tm_status lock_server(erasing *e, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(e->home), "log.lock");
    tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                : tm__lock_open(path, &e->lock, err);
    tm__mem_free(path);
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "a server runs on this home");
        tm_err_hint(err, "Stop it, erase, and start it again.");
    }
    return st;
}

/* ---- What is refused ---- */

static bool is_out_of_reach(const char *entry) {
    static const char *const reached[] = {"intake.db", "intake.db-wal", "intake.db-shm",
                                          "log.db",    "log.db-wal",    "log.db-shm",
                                          "segments",  "snapshots",     "bundles"};
    for (size_t i = 0; i < sizeof(reached) / sizeof(reached[0]); i++) {
        if (strcmp(entry, reached[i]) == 0) {
            return false;
        }
    }
    return !tm__subject_is_derived(entry);
}

static bool is_any(const char *entry) {
    (void)entry;
    return true;
}

static bool is_long(const char *id) {
    return id != NULL && strlen(id) >= TM_SCAN_ID_BYTES_MIN;
}

static bool can_scan(const erasing *e) {
    return is_long(e->erasure->id) &&
           (e->erasure->id_before == NULL || is_long(e->erasure->id_before));
}

/* Files that hold the id, or the one that it is the pseudonym of. */
static tm_status scan_files(const erasing *e, bool (*is_asked)(const char *entry), json_t *files,
                            tm_err *err) {
    const char *const ids[] = {e->erasure->id, e->erasure->id_before};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        TM_TRY(is_long(ids[i]) ? tm__subject_scan(e->home, ids[i], is_asked, files, err) : TM_OK);
    }
    return tm__json_check(err);
}

static tm_status scan(const erasing *e, bool (*is_asked)(const char *entry), tm_status otherwise,
                      const char *what, tm_err *err) {
    json_t *files = json_array();
    tm_status st = scan_files(e, is_asked, files, err);
    size_t i = 0;
    const json_t *file = NULL;
    json_array_foreach(files, i, file) {
        const char *const name = json_string_value(file);
        if (st == TM_OK && (is_asked == is_any || !tm__subject_is_spool(name))) {
            st = TM_FAIL(err, otherwise, "'%s' of the home %s", name, what);
        }
    }
    json_decref(files);
    return st;
}

/* What a server that was killed left; only a server knows how to read it. */
static tm_status refuse_spilled(const erasing *e, tm_err *err) {
    bool has_spilled = false;
    TM_TRY(tm__log_has_spilled(e->home, &has_spilled, err));
    if (!has_spilled) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "answers wait in the folder 'spill'");
    tm_err_hint(err, "Start the server, which writes them to the log; stop it, and erase then.");
    return st;
}

static bool is_champion(const erasing *e, const char *model, int64_t number) {
    tm_version champion = {0};
    const bool is = tm__registry_find(e->registry, model, &champion, NULL) == TM_OK &&
                    (int64_t)champion.number == number;
    tm__version_done(&champion);
    return is;
}

/* Call fn for each champion that learned from the subject. */
static tm_status each_champion(erasing *e,
                               tm_status (*fn)(erasing *e, const tm_version *version,
                                               const json_t *columns, tm_err *err),
                               tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    char last[TM_MAX_NAME + 1] = "";
    json_array_foreach(json_object_get(e->now, "versions"), i, one) {
        const char *const model = tm__json_text(one, "model", "");
        tm_version version = {0};
        if (!is_champion(e, model, tm__json_i64(one, "version", 0)) || strcmp(last, model) == 0) {
            continue;
        }
        (void)tm__str_copy(last, sizeof(last), tm__str(model));
        TM_TRY(tm__registry_find(e->registry, model, &version, err));
        const tm_status st = fn(e, &version, json_object_get(one, "columns"), err);
        tm__version_done(&version);
        TM_TRY(st);
    }
    return TM_OK;
}

static tm_status can_refit(erasing *e, const tm_version *version, const json_t *columns,
                           tm_err *err) {
    (void)e, (void)columns;
    return tm__subject_can_refit(version, err);
}

/* A champion beside which a gate refused the one that was fitted anew. */
static bool is_kept(const erasing *e, const json_t *version) {
    const char *const model = tm__json_text(version, "model", "");
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(e->refused, i, one) {
        if (strcmp(tm__json_text(one, "model", ""), model) == 0) {
            return is_champion(e, model, tm__json_i64(version, "version", 0));
        }
    }
    return false;
}

static tm_status collect(const erasing *e, bool is_dry, tm_err *err) {
    json_t *result = NULL, *only = json_array(), *one = NULL;
    size_t i = 0;
    const tm_actor actor = {.name = e->erasure->actor->name, .reason = "a subject was erased"};
    /* Those that were marked before a kill still have their files. */
    json_array_foreach(json_object_get(is_dry ? e->now : e->found, "versions"), i, one) {
        if (is_dry || !is_kept(e, one)) {
            json_array_append(only, one);
        }
    }
    const tm_collection options = {.is_dry = is_dry, .actor = &actor, .only = only};
    tm_status st = tm__json_check(err);
    if (st == TM_OK && json_array_size(only) > 0) {
        st = tm__registry_collect(e->registry, &options, &result, err);
    }
    json_decref(only);
    json_decref(result);
    return st;
}

static tm_status refuse(erasing *e, tm_err *err) {
    TM_TRY(refuse_spilled(e, err));
    TM_TRY(tm__intake_can_erase(e->home, err));
    if (e->erasure->models == TM_SUBJECT_REFIT) {
        TM_TRY(each_champion(e, can_refit, err));
        TM_TRY(collect(e, true, err));
    }
    return scan(e, is_out_of_reach, TM_E_CONFLICT, "holds the id, and erase does not reach it",
                err);
}

/* ---- What was found at first ---- */

static bool is_same(const json_t *a, const json_t *b) {
    return strcmp(tm__json_text(a, "source", ""), tm__json_text(b, "source", "")) == 0 &&
           strcmp(tm__json_text(a, "model", ""), tm__json_text(b, "model", "")) == 0 &&
           strcmp(tm__json_text(a, "sink", ""), tm__json_text(b, "sink", "")) == 0 &&
           tm__json_i64(a, "version", 0) == tm__json_i64(b, "version", 0);
}

/* What is there now and was not at first is found too. */
static void add_found(json_t *found, const json_t *now, const char *name) {
    json_t *list = json_object_get(found, name);
    size_t i = 0, k = 0;
    json_t *one = NULL, *other = NULL;
    json_array_foreach(json_object_get(now, name), i, one) {
        bool is_there = false;
        json_array_foreach(list, k, other) {
            is_there = is_there || is_same(one, other);
        }
        if (!is_there) {
            json_array_append(list, one);
        }
    }
}

/* Go on with an erasure that was not ended, or begin one. */
static tm_status begin(erasing *e, tm_err *err) {
    json_t *entries = NULL;
    int64_t next = 0;
    const tm_audit_filter filter = {.subject = &e->subject, .event = "subject", .newest = 100};
    TM_TRY(tm__audit_list(e->registry, &filter, &entries, &next, err));
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(entries, i, one) {
        const char *const event = tm__json_text(one, "event", "");
        if (strcmp(event, "subject.erasing") == 0 || strcmp(event, "subject.erased") == 0) {
            json_decref(e->found);
            e->found = strcmp(event, "subject.erasing") == 0
                           ? json_incref(json_object_get(one, "details"))
                           : NULL;
        }
    }
    json_decref(entries);
    const bool goes_on = e->found != NULL;
    e->found = goes_on ? e->found
                       : json_pack("{s:[], s:[], s:[], s:[]}", "sources", "versions", "answers",
                                   "delivered");
    add_found(e->found, e->now, "sources");
    add_found(e->found, e->now, "versions");
    add_found(e->found, e->now, "answers");
    add_found(e->found, e->now, "delivered");
    TM_TRY(tm__json_check(err));
    if (goes_on) {
        return TM_OK;
    }
    const tm_audit_note note = {.event = "subject.erasing",
                                .object = "subject",
                                .subject = &e->subject,
                                .details = e->found};
    return tm__audit_append(e->registry, &note, e->erasure->actor, err);
}

/* ---- Steps ---- */

static tm_status erase_sources(erasing *e, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(e->found, "sources"), i, one) {
        tm_intake_erased erased = {0};
        TM_TRY(tm__intake_erase(e->ctx, e->home, tm__json_text(one, "source", ""),
                                json_object_get(one, "columns"), e->erasure->id, &erased, err));
    }
    return json_array_size(json_object_get(e->found, "sources")) == 0
               ? TM_OK
               : tm__intake_vacuum(e->home, err);
}

static int by_number(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static tm_status erase_answers(erasing *e, tm_err *err) {
    tm_log_erased erased = {0};
    const size_t n = e->numbers.len / sizeof(int64_t);
    int64_t *const numbers = tm__mem_alloc(n + 1, sizeof(*numbers));
    if (numbers == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (n > 0) {
        memcpy(numbers, e->numbers.data, n * sizeof(*numbers));
        qsort(numbers, n, sizeof(*numbers), by_number);
    }
    const tm_log_erasure what = {.entity = e->erasure->id, .numbers = numbers, .n = n};
    const tm_status st = tm__log_erase(e->home, &what, &erased, err);
    tm__mem_free(numbers);
    return st;
}

static bool has_found(const erasing *e) {
    return json_array_size(json_object_get(e->found, "sources")) > 0 ||
           json_array_size(json_object_get(e->found, "versions")) > 0 ||
           json_array_size(json_object_get(e->found, "answers")) > 0;
}

static tm_status erase_derived(erasing *e, tm_err *err) {
    bool must = has_found(e);
    if (!must) {
        json_t *files = json_array();
        const tm_status st = scan_files(e, tm__subject_is_derived, files, err);
        must = json_array_size(files) > 0;
        json_decref(files);
        TM_TRY(st);
    }
    return must ? tm__subject_remove_derived(e->home, err) : TM_OK;
}

static tm_status refit(erasing *e, const tm_version *version, const json_t *columns, tm_err *err) {
    json_t *refused = NULL;
    const tm_refit_order order = {e->home, e->registry, version, columns, e->erasure};
    TM_TRY(tm__subject_refit(e->ctx, &order, &refused, err));
    if (refused != NULL) {
        json_array_append_new(e->refused, refused);
    }
    return tm__json_check(err);
}

static bool keeps_any(const erasing *e) {
    return e->erasure->models == TM_SUBJECT_LIST || json_array_size(e->refused) > 0;
}

static tm_status check_gone(erasing *e, tm_err *err) {
    const bool keeps_models = keeps_any(e);
    TM_TRY(look(e, err));
    if (json_array_size(json_object_get(e->now, "sources")) > 0 ||
        tm__json_i64(e->now, "n_answers", 0) > 0 ||
        (!keeps_models && json_array_size(json_object_get(e->now, "versions")) > 0)) {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "rows of the subject came meanwhile");
        tm_err_hint(err, "Run the same command again.");
        return st;
    }
    return keeps_models ? TM_OK : scan(e, is_any, TM_E_INTEGRITY, "still holds the id", err);
}

/* ---- What a certificate says ---- */

static void say_not_reached(json_t *list, const char *what, const char *why) {
    json_array_append_new(list, json_pack("{s:s, s:s}", "what", what, "why", why));
}

static tm_status say_backups(const erasing *e, json_t *list, tm_err *err) {
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
static tm_status gate_of(const erasing *e, const char *model, uint32_t version, json_t **out,
                         tm_err *err) {
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

static tm_status say_models(const erasing *e, json_t *list, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    const char *last = "";
    json_array_foreach(json_object_get(e->found, "versions"), i, one) {
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
        json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s, s:o*}", "model", model,
                                              "version", (json_int_t)version.number, "bundle_hash",
                                              hash, "snapshot", version.snapshot, "gate", said));
        tm__version_done(&version);
        TM_TRY(st);
    }
    return TM_OK;
}

static tm_status certify(const erasing *e, json_t **out, tm_err *err) {
    char subject[TM_HASH_TEXT], at[48];
    const bool is_refit = e->erasure->models == TM_SUBJECT_REFIT;
    const json_t *const unasked = json_object_get(e->now, "not_looked_into");
    const bool is_complete = !keeps_any(e) && json_array_size(unasked) == 0;
    json_t *models = json_array(), *rest = json_array();
    tm__hash_to_text(&e->subject, subject);
    at[tm__time_to_text(tm__now_us(), at)] = '\0';
    tm_status st = say_models(e, models, err);
    st = st == TM_OK ? say_backups(e, rest, err) : st;
    st = st == TM_OK && has_found(e) ? tm__subject_say_sinks(e->home, e->found, rest, err) : st;
    if (json_array_size(json_object_get(e->found, "sources")) > 0) {
        say_not_reached(rest, "files and databases that sources read",
                        "they lie outside of the home; of a source with a key no row is taken "
                        "twice");
    }
    json_t *body = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:O, s:O, s:O, s:b, s:O, s:O}", "schema", "tidemill.erasure/1",
        "subject", subject, "at", at, "complete", is_complete, "policy",
        is_refit ? "refit" : "list", "found", e->found, "models", models, "refused", e->refused,
        "scanned", can_scan(e) && !keeps_any(e), "not_looked_into", unasked, "not_reached", rest);
    json_decref(models);
    json_decref(rest);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st == TM_OK) {
        *out = body;
    } else {
        json_decref(body);
    }
    return st;
}

static tm_status erase(erasing *e, json_t **out, tm_err *err) {
    TM_TRY(lock_server(e, err));
    TM_TRY(tm__audit_subject_make(e->registry, e->erasure->id, &e->subject, err));
    TM_TRY(look(e, err));
    TM_TRY(refuse(e, err));
    TM_TRY(begin(e, err));
    TM_TRY(erase_sources(e, err));
    TM_TRY(erase_answers(e, err));
    TM_TRY(erase_derived(e, err));
    if (e->erasure->models == TM_SUBJECT_REFIT) {
        TM_TRY(each_champion(e, refit, err));
        TM_TRY(collect(e, false, err));
    }
    TM_TRY(check_gone(e, err));
    return certify(e, out, err);
}

tm_status tm__subject_erase(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                            const tm_subject_erasure *erasure, json_t **out, tm_err *err) {
    erasing e = {.ctx = ctx,
                 .home = home,
                 .registry = registry,
                 .erasure = erasure,
                 .refused = json_array()};
    tm__buf_init(&e.numbers, SIZE_MAX / 2);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? erase(&e, out, err) : st;
    json_decref(e.refused);
    tm__buf_done(&e.numbers);
    tm__file_close(e.lock);
    json_decref(e.now);
    json_decref(e.found);
    return st;
}

tm_status tm__subject_erased(tm_registry *registry, const tm_subject_erasure *erasure,
                             const tm_hash *certificate, tm_err *err) {
    char hash[TM_HASH_TEXT];
    tm_hash subject;
    TM_TRY(tm__audit_subject_make(registry, erasure->id, &subject, err));
    tm__hash_to_text(certificate, hash);
    json_t *details = json_pack("{s:s}", "certificate", hash);
    const tm_audit_note note = {
        .event = "subject.erased", .object = "subject", .subject = &subject, .details = details};
    const tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : tm__audit_append(registry, &note, erasure->actor, err);
    json_decref(details);
    return st;
}
