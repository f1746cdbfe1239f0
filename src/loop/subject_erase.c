/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   look ──> refuse what is not reached ──> "subject.erasing" in the chain, with what was found
 *     ──> rows of sources, quarantine ──> answers of the log ──> what is derived of rows (online
 *   features, caches, checkpoints) ──> champions fitted anew and promoted ──> versions and their
 *   rows removed ──> a server lets go of all that ──> "subject.cleared" in the chain ──> look
 * again, and into every file ──> what a certificate says
 *
 * 1. Nothing is changed before all refusals were asked.
 * 2. Each step does nothing when it was done before, so a run that was killed is gone on with by
 *    running it again; what was found at first is in the chain.
 * 3. A version that learned before "subject.cleared" and is registered after it is refused there,
 * so the look behind it finds all there will be.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sort.h"
#include "loop/subject.h"
#include "loop/subject_beside.h"
#include "loop/subject_certificate.h"
#include "loop/subject_derived.h"
#include "loop/subject_group.h"
#include "loop/subject_refit.h"
#include "loop/subject_scan.h"
#include "monitor/monitor_erase.h"
#include "registry/chain.h"
#include "registry/collect.h"
#include "registry/retire.h"
#include "source/intake_erase.h"
#include "source/intake_shared.h"

#define ROUNDS 5u /* beside a server */

typedef struct erasing {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    const tm_subject_erasure *erasure;
    tm_subject_group group;
    tm_needles *needles[2]; /* ids, and what they are pseudonyms of; owned */
    json_t *now;            /* what is there; owned */
    json_t *refused;        /* versions that a gate refused; owned */
    tm_buf numbers;         /* of answers in the log that are there */
    tm_beside beside;
} erasing;

static tm_status look(erasing *e, tm_err *err) {
    const tm_subject_ask ask = {.ids = e->erasure->ids,
                                .counts_only = true,
                                .numbers = &e->numbers,
                                .counts = e->group.now};
    tm__subject_group_look(&e->group);
    json_decref(e->now);
    e->now = NULL;
    tm__buf_reset(&e->numbers);
    return tm__subject_find(e->ctx, e->home, e->registry, &ask, &e->now, err);
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

static bool can_scan(const erasing *e) {
    return tm__needles_are_all(e->needles[0]) && tm__needles_are_all(e->needles[1]);
}

/* Files that hold an id, or what it is the pseudonym of. */
static tm_status scan_files(const erasing *e, bool (*is_asked)(const char *entry), json_t *files,
                            tm_err *err) {
    for (size_t i = 0; i < 2; i++) {
        TM_TRY(tm__subject_scan(e->home, e->needles[i], is_asked, files, err));
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
    if (!has_spilled || e->beside.lock == NULL) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "answers wait in the folder 'spill'");
    tm_err_hint(err, "Start the server, which writes them to the log, and erase then.");
    return st;
}

static bool is_champion(const erasing *e, const char *model, int64_t number) {
    tm_version champion = {0};
    const bool is = tm__registry_find(e->registry, model, &champion, NULL) == TM_OK &&
                    (int64_t)champion.number == number;
    tm__version_done(&champion);
    return is;
}

/* Call fn for each champion that learned from them. */
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
    (void)columns;
    return tm__subject_can_refit(e->home, version, err);
}

/* A gate refused the version that was fitted anew. */
static bool is_refused(const erasing *e, const char *model) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(e->refused, i, one) {
        if (strcmp(tm__json_text(one, "model", ""), model) == 0) {
            return true;
        }
    }
    return false;
}

/* The champion beside it goes on. */
static bool is_kept(const erasing *e, const json_t *version) {
    const char *const model = tm__json_text(version, "model", "");
    return is_refused(e, model) && is_champion(e, model, tm__json_i64(version, "version", 0));
}

static tm_status collect(const erasing *e, bool is_dry, tm_err *err) {
    json_t *result = NULL, *only = json_array(), *one = NULL;
    size_t i = 0;
    const tm_actor actor = {.name = e->erasure->actor->name, .reason = "a subject was erased"};
    /* Those that were marked before a kill still have their files. */
    json_array_foreach(json_object_get(is_dry ? e->now : e->group.found, "versions"), i, one) {
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

/* ---- Steps ---- */

static tm_status erase_sources(void *arg, tm_err *err) {
    erasing *const e = arg;
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(e->group.found, "sources"), i, one) {
        tm_intake_erased erased = {0};
        TM_TRY(tm__intake_erase(e->ctx, e->home, tm__json_text(one, "source", ""),
                                json_object_get(one, "columns"), e->erasure->ids, &erased, err));
    }
    return json_array_size(json_object_get(e->group.found, "sources")) == 0
               ? TM_OK
               : tm__intake_vacuum(e->home, err);
}

static tm_status erase_answers(void *arg, tm_err *err) {
    const erasing *const e = arg;
    tm_log_erased erased = {0};
    const size_t n = e->numbers.len / sizeof(int64_t);
    int64_t *const numbers = tm__mem_alloc(n + 1, sizeof(*numbers));
    if (numbers == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (n > 0) {
        memcpy(numbers, e->numbers.data, n * sizeof(*numbers));
        qsort(numbers, n, sizeof(*numbers), tm__compare_i64);
    }
    const tm_log_erasure what = {.entities = e->erasure->ids, .numbers = numbers, .n = n};
    const tm_status st = tm__log_erase(e->home, &what, &erased, err);
    tm__mem_free(numbers);
    return st;
}

static bool has_found(const erasing *e) {
    return json_array_size(json_object_get(e->group.found, "sources")) > 0 ||
           json_array_size(json_object_get(e->group.found, "versions")) > 0 ||
           json_array_size(json_object_get(e->group.found, "answers")) > 0;
}

static tm_status remove_derived(void *arg, tm_err *err) {
    const erasing *const e = arg;
    TM_TRY(tm__intake_can_erase(e->home, err)); /* no batch needs what is spooled */
    return tm__subject_remove_derived(e->home, err);
}

/* must: rows went from where it was derived. */
static tm_status erase_derived(erasing *e, bool must, tm_err *err) {
    if (!must) {
        json_t *files = json_array();
        const tm_status st = scan_files(e, tm__subject_is_derived, files, err);
        must = json_array_size(files) > 0;
        json_decref(files);
        TM_TRY(st);
    }
    if (!must) {
        return TM_OK;
    }
    TM_TRY(tm__beside_try(&e->beside, remove_derived, e, err));
    return tm__beside_online(&e->beside, err);
}

static tm_status refit(erasing *e, const tm_version *version, const json_t *columns, tm_err *err) {
    json_t *refused = NULL;
    if (is_refused(e, version->model)) {
        return TM_OK;
    }
    const tm_refit_order order = {e->home, e->registry, version, columns, e->erasure};
    TM_TRY(tm__subject_refit(e->ctx, &order, &refused, err));
    if (refused != NULL) {
        json_array_append_new(e->refused, refused);
    }
    return tm__json_check(err);
}

static tm_status check_gone(erasing *e, tm_err *err) {
    /* Who learned before and registers later is refused. */
    TM_TRY(tm__subject_group_note(&e->group, "subject.cleared", NULL, err));
    TM_TRY(look(e, err));
    const bool keeps_models = tm__certificate_keeps_any(e->erasure, e->refused, e->now);
    if (json_array_size(json_object_get(e->now, "sources")) > 0 ||
        tm__json_i64(e->now, "n_answers", 0) > 0 ||
        (!keeps_models && json_array_size(json_object_get(e->now, "versions")) > 0)) {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "rows of the subject came meanwhile");
        tm_err_hint(err, "Whoever sends them must stop; then run the same command again.");
        return st;
    }
    return keeps_models ? TM_OK : scan(e, is_any, TM_E_INTEGRITY, "still holds the id", err);
}

static tm_status erase_all(erasing *e, uint32_t round, tm_err *err) {
    const bool must =
        round == 0 ? has_found(e) : json_array_size(json_object_get(e->now, "sources")) > 0;
    TM_TRY(tm__beside_try(&e->beside, erase_sources, e, err));
    TM_TRY(tm__beside_try(&e->beside, erase_answers, e, err));
    TM_TRY(erase_derived(e, must, err));
    if (e->erasure->models == TM_SUBJECT_REFIT) {
        TM_TRY(each_champion(e, refit, err));
        TM_TRY(collect(e, false, err));
    }
    return tm__beside_settle(&e->beside, err);
}

/* A server goes on meanwhile: what it still had of the subject, or got, is found by looking again.
 */
static tm_status erase_until_gone(erasing *e, tm_err *err) {
    tm_err own = {0};
    tm_status st = TM_E_CONFLICT;
    for (uint32_t round = 0; round < ROUNDS && (st == TM_E_CONFLICT || st == TM_E_INTEGRITY);
         round++) {
        if (round > 0) {
            tm__subject_group_came(&e->group, e->now);
        }
        TM_TRY(erase_all(e, round, err));
        st = check_gone(e, &own);
        if (e->beside.lock != NULL) {
            break;
        }
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status certify(const erasing *e, json_t **out, tm_err *err) {
    const tm_certificate_facts facts = {.home = e->home,
                                        .registry = e->registry,
                                        .erasure = e->erasure,
                                        .group = &e->group,
                                        .now = e->now,
                                        .refused = e->refused,
                                        .has_found = has_found(e),
                                        .can_scan = can_scan(e)};
    return tm__certificate_make(&facts, out, err);
}

/* The versions that are there in the end: one that came meanwhile is found by the last look. */
static tm_status note_retiring(const erasing *e, tm_err *err) {
    const json_t *const versions = json_object_get(e->now, "versions");
    const tm_retiring retiring = {.versions = versions,
                                  .by_us = e->erasure->retire_by_us,
                                  .subjects = e->group.hashes,
                                  .n_subjects = e->group.n};
    return e->erasure->models != TM_SUBJECT_RETIRE || json_array_size(versions) == 0
               ? TM_OK
               : tm__retiring_note(e->registry, &retiring, e->erasure->actor, err);
}

static tm_status erase(erasing *e, json_t **out, tm_err *err) {
    uint32_t n_retired = 0;
    TM_TRY(tm__beside_look(&e->beside, err));
    TM_TRY(tm__retire_due(e->registry, tm__now_us(), e->erasure->actor, &n_retired, err));
    TM_TRY(tm__subject_group_init(&e->group, e->registry, e->erasure, err));
    TM_TRY(tm__needles_create(e->erasure->ids, &e->needles[0], err));
    TM_TRY(tm__needles_create(e->erasure->before, &e->needles[1], err));
    TM_TRY(look(e, err));
    TM_TRY(refuse(e, err));
    TM_TRY(tm__subject_group_begin(&e->group, e->now, err));
    TM_TRY(erase_until_gone(e, err));
    TM_TRY(note_retiring(e, err));
    return certify(e, out, err);
}

/* What rows leave behind in pages of PostgreSQL nobody here can vouch for. */
static tm_status check_shared(const tm_home *home, tm_err *err) {
    const tm_status st = tm__intake_shared_refuse(home, "erase a person", err);
    if (st != TM_OK) {
        tm_err_hint(err, "'tidemill subject export' says what is there; docs/privacy.md (erasing a "
                         "person) says how it is taken out by hand.");
    }
    return st;
}

tm_status tm__subject_erase(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                            const tm_subject_erasure *erasure, json_t **out, tm_err *err) {
    erasing e = {.ctx = ctx,
                 .home = home,
                 .registry = registry,
                 .erasure = erasure,
                 .refused = json_array(),
                 .beside = {.ctx = ctx, .home = home}};
    tm__buf_init(&e.numbers, SIZE_MAX / 2);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? check_shared(home, err) : st;
    st = st == TM_OK ? erase(&e, out, err) : st;
    json_decref(e.refused);
    tm__buf_done(&e.numbers);
    tm__beside_end(&e.beside);
    json_decref(e.now);
    tm__needles_free(e.needles[0]);
    tm__needles_free(e.needles[1]);
    tm__subject_group_done(&e.group);
    return st;
}

tm_status tm__subject_erased(tm_registry *registry, const tm_subject_erasure *erasure,
                             const tm_hash *certificate, tm_err *err) {
    char hash[TM_HASH_TEXT];
    tm_subject_group group = {0};
    tm_status st = tm__subject_group_init(&group, registry, erasure, err);
    json_t *details = NULL;
    if (certificate != NULL) {
        tm__hash_to_text(certificate, hash);
        details = json_pack("{s:s}", "certificate", hash);
    } else {
        details = json_pack("{s:b}", "restored", 1);
    }
    if (st == TM_OK && details == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = st == TM_OK ? tm__subject_group_note(&group, "subject.erased", details, err) : st;
    json_decref(details);
    tm__subject_group_done(&group);
    return st;
}
