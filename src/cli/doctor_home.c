/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a home holds: its databases, and the files that they refer to. Databases are opened to read
 * only, so that a check neither makes nor migrates anything.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/system.h"
#include "cli/doctor.h"
#include "cli/sealed_files.h"
#include "loop/loop_withdrawn.h"
#include "model/checkpoint.h"
#include "monitor/drift_store.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "registry/retire.h"
#include "source/intake.h"
#include "store/bucket.h"
#include "store/home.h"
#include "store/vault.h"

/* A later or older format is not damage. */
static tm_check_state state_of(tm_status status) {
    return status == TM_E_INTEGRITY || status == TM_E_UNSUPPORTED || status == TM_E_DATA
               ? TM_CHECK_BAD
               : TM_CHECK_WARN;
}

static const char *advice_of(tm_status status) {
    switch (status) {
    case TM_E_INTEGRITY:
        return "Restore the home from a backup: tidemill restore FILE.";
    case TM_E_UNSUPPORTED:
        return "Use the release of tidemill that wrote it, or a newer one.";
    default:
        return "Try again when no other command works on the home.";
    }
}

static void add_failure(tm_checks *checks, const char *name, const tm_err *err) {
    const tm_status noted = tm__check_note(err->status);
    (void)noted;
    tm__check_add(checks, name, state_of(err->status), advice_of(err->status), "%s", err->message);
}

/* Files of a folder that no version refers to. */
typedef struct tm_orphans {
    const char *dir;
    const json_t *names; /* texts of hashes that are referred to */
    uint64_t n, bytes;
} tm_orphans;

static bool count_orphan(void *arg, const char *name) {
    tm_orphans *orphans = arg;
    char hash[TM_HASH_TEXT];
    (void)tm__str_copy(hash, sizeof(hash), tm__str(name));
    for (size_t i = 0; i < json_array_size(orphans->names); i++) {
        const char *known = json_string_value(json_array_get(orphans->names, i));
        const char *rest = name + strlen(hash);
        if (strcmp(known, hash) == 0 &&
            (strcmp(rest, ".tmb") == 0 || strcmp(rest, ".parquet") == 0)) {
            return true;
        }
    }
    char *path = tm__fs_join(orphans->dir, name);
    const tm_status st = tm__check_note(path == NULL ? TM_E_NOMEM : TM_OK);
    if (st == TM_OK && path != NULL) {
        orphans->n++;
        orphans->bytes += tm__fs_info(path).size_bytes;
    }
    tm__mem_free(path);
    return true;
}

static void check_orphans(tm_checks *checks, const tm_home *home, const json_t *files) {
    char text[32];
    const json_t *none = NULL;
    tm_orphans folders[] = {
        {.dir = tm__home_bundles(home), .names = json_object_get(files, "bundles")},
        {.dir = tm__home_snapshots(home), .names = json_object_get(files, "snapshots")},
        {.dir = tm__home_temp(home), .names = none},
    };
    uint64_t n = 0, bytes = 0;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        /* A folder that is not there holds none. */
        const tm_status st =
            tm__check_note(tm__fs_list(folders[i].dir, count_orphan, &folders[i], NULL));
        (void)st;
        n += folders[i].n;
        bytes += folders[i].bytes;
    }
    tm__check_add(checks, "orphans", TM_CHECK_OK, NULL, "%llu file%s that no version refers to, %s",
                  (unsigned long long)n, n == 1 ? "" : "s",
                  tm__bytes_text(bytes, text, sizeof(text)));
}

static void check_checkpoints(tm_checks *checks, const tm_home *home) {
    char text[32];
    tm_err err = {0};
    tm_checkpoint_rest rest = {0};
    char *dir = tm__fs_join(tm__home_path(home), "checkpoints");
    const tm_status st = dir == NULL ? TM_FAIL(&err, TM_E_NOMEM, "out of memory")
                                     : tm__checkpoint_clean(dir, false, &rest, &err);
    tm__mem_free(dir);
    if (tm__check_note(st) != TM_OK) {
        add_failure(checks, "checkpoints", &err);
    } else if (rest.n == 0) {
        tm__check_add(checks, "checkpoints", TM_CHECK_OK, NULL, "no training was stopped");
    } else {
        tm__check_add(checks, "checkpoints", TM_CHECK_OK, NULL,
                      "%u training%s running or stopped, %s: the same command goes on; after %d "
                      "days the next one with a checkpoint removes them",
                      rest.n, rest.n == 1 ? "" : "s",
                      tm__bytes_text(rest.bytes, text, sizeof(text)), TM_CHECKPOINT_DAYS);
    }
}

static void check_bundles(tm_checks *checks, tm_registry *registry, const json_t *files) {
    const json_t *list = json_object_get(files, "bundles");
    size_t n_broken = 0;
    tm_err first = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        tm_err err = {0};
        tm_version version = {.number = 0};
        tm_bundle *bundle = NULL;
        const char *text = json_string_value(json_array_get(list, i));
        if (!tm__hash_from_text(text, &version.bundle_hash) ||
            tm__check_note(tm__registry_bundle(registry, &version, &bundle, &err)) != TM_OK) {
            first = n_broken == 0 ? err : first;
            n_broken++;
        }
        tm__bundle_unref(bundle);
    }
    if (n_broken == 0) {
        tm__check_add(checks, "bundles", TM_CHECK_OK, NULL, "%zu, all whole",
                      json_array_size(list));
    } else {
        tm__check_add(checks, "bundles", TM_CHECK_BAD,
                      "Restore the file from a backup, or roll back to another version.",
                      "%zu of %zu broken: %.160s", n_broken, json_array_size(list), first.message);
    }
}

static void check_snapshots(tm_checks *checks, const tm_home *home, const json_t *files) {
    const json_t *list = json_object_get(files, "snapshots");
    char text[32], name[TM_HASH_TEXT + 16];
    size_t n_gone = 0;
    uint64_t bytes = 0;
    tm_bucket bucket = {0};
    bool answers = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        (void)snprintf(name, sizeof(name), "%.64s.parquet",
                       json_string_value(json_array_get(list, i)));
        char *path = tm__fs_join(tm__home_snapshots(home), name);
        const tm_status st = tm__check_note(path == NULL ? TM_E_NOMEM : TM_OK);
        (void)st;
        const tm_path_info info = path == NULL ? (tm_path_info){0} : tm__fs_info(path);
        bool is_kept = info.kind == TM_PATH_FILE;
        if (path != NULL && !is_kept && answers) {
            answers = tm__check_note(tm__bucket_has(&bucket, path, &is_kept, NULL)) == TM_OK;
            /* without an answer it is not known to be there */
        }
        n_gone += !is_kept;
        bytes += info.size_bytes;
        tm__mem_free(path);
    }
    tm__bucket_done(&bucket);
    tm__check_add(checks, "snapshots", n_gone == 0 ? TM_CHECK_OK : TM_CHECK_WARN,
                  "Runs on them cannot be repeated; restore them from a backup.",
                  n_gone == 0 ? "%zu, %s" : "%zu, %s; %zu are gone", json_array_size(list),
                  tm__bytes_text(bytes, text, sizeof(text)), n_gone);
}

static void check_history(tm_checks *checks, tm_registry *registry) {
    tm_err err = {0};
    uint64_t n = 0;
    if (tm__registry_history_check(registry, &n, &err) == TM_OK) {
        tm__check_add(checks, "history", TM_CHECK_OK, NULL, "%llu records, the chain is whole",
                      (unsigned long long)n);
    } else {
        add_failure(checks, "history", &err);
    }
}

static void check_server_key(tm_checks *checks, tm_registry *registry, const tm_home *home) {
    tm_err err = {0};
    tm_file_access access = {0};
    tm_server_key key = {0};
    bool has = false;
    const tm_status st = tm__check_note(tm__registry_server_key(registry, &key, &has, &err));
    tm__server_key_done(&key);
    if (st != TM_OK) {
        tm__check_add(checks, "server_key", TM_CHECK_BAD,
                      "Restore keys.secret from a backup of this home; or revoke all keys and make "
                      "new ones.",
                      "%s", err.message);
    } else if (!has) {
        tm__check_add(checks, "server_key", TM_CHECK_OK, NULL, "none yet; the first key makes it");
    } else if (!tm__access_info(tm__home_server_key(home), &access) || (access.mode & 077) != 0 ||
               !access.is_own) {
        tm__check_add(checks, "server_key", TM_CHECK_WARN,
                      "Only the user of the server may read it: chmod 0600.", "mode %04o%s",
                      access.mode, access.is_own ? "" : ", of another user");
    } else {
        tm__check_add(checks, "server_key", TM_CHECK_OK, NULL,
                      "the one that the keys were made with");
    }
}

/* A server of the home removes what is past its date, or the next erasure. */
static void check_retiring(tm_checks *checks, tm_registry *registry) {
    tm_err err = {0};
    json_t *list = NULL;
    const json_t *one = NULL, *first = NULL;
    size_t i = 0;
    const tm_status st = tm__check_note(tm__retiring_list(registry, &list, &err));
    if (st != TM_OK) {
        add_failure(checks, "retiring", &err);
        return;
    }
    json_array_foreach(list, i, one) {
        const int64_t by_us = tm__json_i64(one, "retire_by_us", INT64_MAX);
        first = by_us < tm__json_i64(first, "retire_by_us", INT64_MAX) ? one : first;
    }
    const bool is_late = tm__json_i64(first, "retire_by_us", INT64_MAX) <= tm__now_us();
    if (first != NULL) {
        tm__check_add(
            checks, "retiring", is_late ? TM_CHECK_BAD : TM_CHECK_WARN,
            is_late ? "Start a server of the home, or run 'tidemill subject erase' again: "
                      "each removes what is past its date."
                    : "Train and promote others before: these answer no more then.",
            "%zu version%s learned from subjects who were erased; first '%s@%lld' by %s",
            json_array_size(list), json_array_size(list) == 1 ? "" : "s",
            tm__json_text(first, "model", ""), (long long)tm__json_i64(first, "version", 0),
            tm__json_text(first, "retire_by", ""));
    }
    json_decref(list);
}

/* What 'tidemill run' does not do by itself. */
static void check_consent(tm_checks *checks, const tm_home *home, tm_registry *registry) {
    tm_ctx ctx = {0};
    tm_err err = {0};
    json_t *list = NULL;
    const tm_status st = tm__check_note(tm__withdrawn_left(&ctx, home, registry, &list, &err));
    if (st != TM_OK) {
        add_failure(checks, "consent", &err);
        return;
    }
    const json_t *const first = json_array_get(list, 0);
    const json_t *const source = json_array_get(json_object_get(first, "sources"), 0);
    if (first != NULL) {
        tm__check_add(checks, "consent", TM_CHECK_WARN,
                      "They answer as before until 'tidemill retrain MODEL', which reads without "
                      "these people.",
                      "%zu champion%s learned from people who took consent back; first '%s@%lld': "
                      "%lld of '%s', and %s",
                      json_array_size(list), json_array_size(list) == 1 ? "" : "s",
                      tm__json_text(first, "model", ""),
                      (long long)tm__json_i64(first, "version", 0),
                      (long long)tm__json_i64(source, "people", 0),
                      tm__json_text(source, "source", ""), tm__json_text(first, "why", ""));
    }
    json_decref(list);
}

static void check_registry(tm_checks *checks, tm_home *home) {
    tm_err err = {0};
    tm_registry *registry = NULL;
    json_t *files = NULL;
    uint32_t format = 0;
    tm_status st = tm__registry_open_read(home, &registry, &err);
    if (st == TM_E_NOT_FOUND) {
        tm__check_add(checks, "meta.db", TM_CHECK_OK, NULL, "none yet");
        return;
    }
    if (st == TM_OK) {
        st = tm__registry_check(registry, &err);
    }
    if (st == TM_OK) {
        st = tm__registry_format(registry, &format, &err);
    }
    if (st == TM_OK) {
        st = tm__registry_files(registry, &files, &err);
    }
    if (st != TM_OK) {
        add_failure(checks, "meta.db", &err);
        tm__registry_close(registry);
        return;
    }
    tm__check_add(checks, "meta.db", TM_CHECK_OK, NULL, "format %u, every page is whole", format);
    check_history(checks, registry);
    check_server_key(checks, registry, home);
    check_retiring(checks, registry);
    check_consent(checks, home, registry);
    check_bundles(checks, registry, files);
    check_snapshots(checks, home, files);
    check_orphans(checks, home, files);
    check_checkpoints(checks, home);
    tm__check_labels(checks, home, registry);
    json_decref(files);
    tm__registry_close(registry);
}

static void check_source_files(tm_checks *checks, const tm_home *home) {
    static const tm_intake_collect options = {.age_us = TM_INTAKE_COLLECT_US};
    char text[32];
    tm_err err = {0};
    tm_intake_rest rest = {0};
    if (tm__check_note(tm__intake_collect(home, &options, &rest, &err)) != TM_OK) {
        add_failure(checks, "source_files", &err);
        return;
    }
    tm__check_add(checks, "source_files", TM_CHECK_OK, NULL,
                  "%llu file%s that no source needs, %s: 'tidemill data compact' removes them",
                  (unsigned long long)rest.n, rest.n == 1 ? "" : "s",
                  tm__bytes_text(rest.bytes, text, sizeof(text)));
}

/* Sources that wait for a person. */
static void check_sources(tm_checks *checks, const tm_home *home) {
    tm_err err = {0};
    json_t *list = NULL;
    size_t i = 0, n_stopped = 0;
    const json_t *source = NULL;
    const char *first = "";
    if (tm__check_note(tm__intake_list(home, &list, &err)) != TM_OK) {
        add_failure(checks, "sources", &err);
        return;
    }
    json_array_foreach(list, i, source) {
        if (strcmp(tm__json_text(source, "status", ""), "stopped") == 0) {
            first = n_stopped == 0 ? tm__json_text(source, "source", "") : first;
            n_stopped++;
        }
    }
    if (n_stopped == 0) {
        tm__check_add(checks, "sources", TM_CHECK_OK, NULL, "%zu, none is stopped",
                      json_array_size(list));
    } else {
        tm__check_add(checks, "sources", TM_CHECK_WARN,
                      "'tidemill data show NAME' says why; 'tidemill data pull NAME' tries again.",
                      "%zu of %zu stopped: '%.128s'%s", n_stopped, json_array_size(list), first,
                      n_stopped == 1 ? "" : " and others");
    }
    json_decref(list);
}

static void check_intake(tm_checks *checks, const tm_home *home) {
    tm_err err = {0};
    uint32_t format = 0;
    const tm_status st = tm__intake_check(home, true, &format, &err);
    if (st == TM_E_NOT_FOUND) {
        tm__check_add(checks, "intake.db", TM_CHECK_OK, NULL,
                      "none yet; the first 'data add' makes it");
        return;
    }
    if (st != TM_OK) {
        add_failure(checks, "intake.db", &err);
        return;
    }
    tm__check_add(checks, "intake.db", TM_CHECK_OK, NULL,
                  "format %u, every page is whole, every file of rows and keys is there", format);
    check_sources(checks, home);
    check_source_files(checks, home);
}

/* A database that servers make. */
static void check_served(tm_checks *checks, const char *name, tm_status st, uint32_t format,
                         const tm_err *err) {
    if (st == TM_OK) {
        tm__check_add(checks, name, TM_CHECK_OK, NULL, "format %u, every page is whole", format);
    } else if (st == TM_E_NOT_FOUND) {
        tm__check_add(checks, name, TM_CHECK_OK, NULL, "none yet; the first server makes it");
    } else {
        add_failure(checks, name, err);
    }
}

/* Files that are sealed, and whether the key that seals is at hand. */
static void check_sealed(tm_checks *checks, const tm_home *home) {
    const tm_ctx ctx = {0};
    tm_err err = {0};
    json_t *keys = NULL;
    tm_envelope_ring ring = {0};
    tm_sealed_count n = {0};
    tm_status st = tm__vault_keys(home, &keys, &err);
    st = st == TM_OK ? tm__vault_ring(tm__home_meta_db(home), &ring, &err) : st;
    tm__envelope_ring_done(&ring);
    const tm_sealed_walk walk = {.key = tm__json_text(json_array_get(keys, 0), "id", "")};
    const bool has_keys = json_array_size(keys) > 0;
    st = st == TM_OK && has_keys ? tm__sealed_walk(&ctx, home, &walk, &n, &err) : st;
    if (tm__check_note(st) != TM_OK) {
        tm__check_add(checks, "sealed", TM_CHECK_BAD, "Put the key of this home in its place.",
                      "%s", err.message);
    } else if (!has_keys) {
        tm__check_add(checks, "sealed", TM_CHECK_OK, NULL, "nothing: no key was named");
    } else {
        tm__check_add(
            checks, "sealed",
            n.n_plain + n.n_earlier + n.n_cells > 0 || n.must_wipe ? TM_CHECK_WARN : TM_CHECK_OK,
            "Run 'tidemill encrypt --key SOURCE' with the key that seals now.",
            "%llu files, %llu by an earlier key, %llu plain; %llu records not by this key%s",
            (unsigned long long)n.n_sealed, (unsigned long long)n.n_earlier,
            (unsigned long long)n.n_plain, (unsigned long long)n.n_cells,
            n.must_wipe ? "; free pages of log.db may hold what was in clear" : "");
    }
    json_decref(keys);
}

void tm__check_home(tm_checks *checks, const char *home_name) {
    tm_err err = {0};
    tm_home *home = NULL;
    uint32_t format = 0;
    if (tm__check_note(tm__home_open(home_name, false, &home, NULL)) != TM_OK) {
        return; /* said by tm__check_place() */
    }
    tm__check_bucket(checks, tm__home_path(home));
    check_registry(checks, home);
    const tm_status log = tm__monitor_check(home, true, &format, &err);
    check_served(checks, "log.db", log, format, &err);
    const tm_status watch = tm__drift_store_check(home, true, &format, &err);
    check_served(checks, "watch.db", watch, format, &err);
    check_intake(checks, home);
    check_sealed(checks, home);
    tm__home_close(home);
}
