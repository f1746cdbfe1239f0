/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A staged home: made, filled by others, checked, then published or removed.
 *
 *   open ─> files ─> check: pages, formats, chain ─> publish (sync, one rename)
 *                                                └─> close (all of it removed)
 *
 * Each check leaves its database as one file: the last connection to close takes in the log.
 */
#include "cli/staging.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "monitor/drift_store.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "source/intake.h"

tm_status tm__staging_open(const char *beside, tm_staging *out, tm_err *err) {
    uint64_t number = 0;
    size_t len = strlen(beside);
    tm__random_bytes(&number, sizeof(number));
    while (len > 1 && beside[len - 1] == '/') {
        len--;
    }
    tm_staging staging = {.path = tm__mem_alloc(len + 32, 1)};
    if (staging.path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    (void)snprintf(staging.path, len + 32, "%.*s.tmp-%016llx", (int)len, beside,
                   (unsigned long long)number);
    const tm_status st = tm__home_open(staging.path, true, &staging.home, err);
    if (st != TM_OK) {
        tm__staging_close(&staging);
        return st;
    }
    *out = staging;
    return TM_OK;
}

char *tm__staging_join(const tm_staging *staging, const char *name) {
    return tm__fs_join(staging->path, name);
}

/* Models, versions and history as counts. */
static tm_status registry_facts(tm_registry *registry, json_t *facts, json_t *formats,
                                tm_err *err) {
    json_t *models = NULL;
    size_t i = 0;
    json_t *model = NULL;
    int64_t n_versions = 0;
    uint64_t n_records = 0;
    uint32_t format = 0;
    tm_server_key server_key = {0};
    bool has_server_key = false;
    TM_TRY(tm__registry_check(registry, err));
    TM_TRY(tm__registry_server_key(registry, &server_key, &has_server_key, err));
    tm__server_key_done(&server_key);
    TM_TRY(tm__registry_history_check(registry, &n_records, err));
    TM_TRY(tm__registry_format(registry, &format, err));
    TM_TRY(tm__registry_models(registry, &models, err));
    json_array_foreach(models, i, model) {
        n_versions += tm__json_i64(model, "versions", 0);
    }
    int rc =
        json_object_set_new(facts, "models", json_integer((json_int_t)json_array_size(models)));
    rc |= json_object_set_new(facts, "versions", json_integer(n_versions));
    rc |= json_object_set_new(facts, "history_records", json_integer((json_int_t)n_records));
    rc |= json_object_set_new(formats, "meta.db", json_integer(format));
    json_decref(models);
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status log_facts(const tm_home *home, json_t *facts, json_t *formats, tm_err *err) {
    static const tm_monitor_options options = {.can_write = false};
    tm_monitor *monitor = NULL;
    uint32_t format = 0;
    int64_t n_answers = 0, n_labels = 0;
    int rc = 0;
    if (tm__fs_info(tm__home_log_db(home)).kind != TM_PATH_NONE) {
        TM_TRY(tm__monitor_open(home, &options, &monitor, err));
        json_t *counters = tm__monitor_counters(monitor);
        tm__monitor_close(monitor);
        /* Not read-only: the last connection to close then takes in the write-ahead log. */
        const tm_status st = tm__monitor_check(home, false, &format, err);
        if (st != TM_OK) {
            json_decref(counters);
            return st;
        }
        const json_t *labels = json_object_get(counters, "labels");
        n_answers = tm__json_i64(counters, "written", 0);
        n_labels = tm__json_i64(labels, "joined", 0) + tm__json_i64(labels, "ambiguous", 0) +
                   tm__json_i64(labels, "waiting", 0);
        rc |= counters == NULL ? -1 : 0;
        rc |= json_object_set_new(formats, "log.db", json_integer(format));
        json_decref(counters);
    }
    rc |= json_object_set_new(facts, "answers", json_integer(n_answers));
    rc |= json_object_set_new(facts, "labels", json_integer(n_labels));
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status watch_facts(const tm_home *home, json_t *formats, tm_err *err) {
    uint32_t format = 0;
    if (tm__fs_info(tm__home_watch_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__drift_store_check(home, false, &format, err));
    return json_object_set_new(formats, "watch.db", json_integer(format)) == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status intake_facts(const tm_home *home, json_t *facts, json_t *formats, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *source = NULL;
    int64_t n_rows = 0;
    uint32_t format = 0;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(home, &list, err));
    json_array_foreach(list, i, source) {
        n_rows += tm__json_i64(source, "rows", 0);
    }
    int rc = json_object_set_new(facts, "sources", json_integer((json_int_t)json_array_size(list)));
    rc |= json_object_set_new(facts, "source_rows", json_integer(n_rows));
    json_decref(list);
    TM_TRY(tm__intake_check_pages(home, &format, err));
    rc |= json_object_set_new(formats, "intake.db", json_integer(format));
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__staging_check(const tm_staging *staging, json_t **out_facts, json_t **out_files,
                            tm_err *err) {
    tm_registry *registry = NULL;
    json_t *files = NULL;
    json_t *formats = json_object();
    json_t *facts = json_object();
    tm_status st = TM_OK;
    if (json_object_set(facts, "formats", formats) != 0) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    st = tm__registry_open(staging->home, &registry, err);
    if (st == TM_OK) {
        st = registry_facts(registry, facts, formats, err);
    }
    if (st == TM_OK) {
        st = tm__registry_files(registry, &files, err);
    }
    if (st == TM_OK) {
        st = log_facts(staging->home, facts, formats, err);
    }
    if (st == TM_OK) {
        st = watch_facts(staging->home, formats, err);
    }
    if (st == TM_OK) {
        st = intake_facts(staging->home, facts, formats, err);
    }
    if (st == TM_OK) {
        *out_facts = facts;
        *out_files = files;
        facts = NULL;
        files = NULL;
    }
out:
    tm__registry_close(registry); /* the last one to close takes in and removes the log */
    json_decref(files);
    json_decref(formats);
    json_decref(facts);
    return st;
}

const char *tm__staging_facts_text(const json_t *facts, char *out, size_t size) {
    static const char *const words[] = {"model", "version", "answer", "label", "source"};
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && len < size; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%ss", words[i]);
        if (i > 3 && json_object_get(facts, name) == NULL) {
            break; /* of a home that never had one */
        }
        const long long n = (long long)tm__json_i64(facts, name, 0);
        len += (size_t)snprintf(out + len, size - len, "%s%lld %s%s", i == 0 ? "" : ", ", n,
                                words[i], n == 1 ? "" : "s");
    }
    return out;
}

tm_status tm__staging_publish(tm_staging *staging, const char *path, tm_err *err) {
    TM_TRY(tm__fs_sync_folder(tm__home_bundles(staging->home), err));
    TM_TRY(tm__fs_sync_folder(tm__home_snapshots(staging->home), err));
    TM_TRY(tm__fs_sync_folder(staging->path, err));
    TM_TRY(tm__fs_move(staging->path, path, err));
    tm__mem_free(staging->path);
    staging->path = NULL;
    return TM_OK;
}

/* ---- Removing ---- */

#define DEPTH_MAX 4u /* segments/<source>/<file> */

typedef struct removal {
    const char *dir;
    uint32_t depth;
} removal;

static void remove_tree(const char *dir, uint32_t depth);

static bool remove_entry(void *arg, const char *name) {
    const removal *const r = arg;
    char *path = tm__fs_join(r->dir, name);
    if (path != NULL && tm__fs_info(path).kind == TM_PATH_DIR && r->depth < DEPTH_MAX) {
        remove_tree(path, r->depth + 1);
    } else if (path != NULL) {
        const tm_status removed = tm__fs_remove(path, NULL);
        (void)removed; /* what stays is a temporary by its name */
    }
    tm__mem_free(path);
    return true;
}

static void remove_tree(const char *dir, uint32_t depth) {
    removal r = {dir, depth};
    const tm_status listed = tm__fs_list(dir, remove_entry, &r, NULL);
    const tm_status removed = tm__fs_remove(dir, NULL);
    (void)listed;
    (void)removed;
}

void tm__staging_close(tm_staging *staging) {
    if (staging->path != NULL) {
        remove_tree(staging->path, 0);
    }
    tm__home_close(staging->home);
    tm__mem_free(staging->path);
    *staging = (tm_staging){0};
}
