/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of a home, made once and borrowed from it; what is published there goes by the vault, which
 * seals it where the home says so.
 */
#include "store/home.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/bucket.h"
#include "store/vault.h"

#define STORE_BYTES_MAX ((size_t)64 << 10)

struct tm_home {
    char *path;
    char *meta_db, *log_db, *watch_db, *intake_db;
    char *server_key;
    char *snapshots, *bundles, *jobs, *temp;
    char *intake_dir; /* NULL: the home is */
};

const char *tm__home_name(const char *path) {
    if (path != NULL) {
        return path;
    }
    const char *from_env = getenv("TIDEMILL_HOME");
    return from_env != NULL && from_env[0] != '\0' ? from_env : ".tidemill";
}

/* The folder of bundles is the mark of a home: it is made with it and never removed. */
static tm_status is_home(const char *path, bool *out, tm_err *err) {
    char *bundles = tm__fs_join(path, "bundles");
    if (bundles == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *out = tm__fs_info(bundles).kind == TM_PATH_DIR;
    tm__mem_free(bundles);
    return TM_OK;
}

static tm_status home_find(const char *name, bool create, tm_err *err) {
    const tm_path_info info = tm__fs_info(name);
    if (info.kind != TM_PATH_NONE && info.kind != TM_PATH_DIR) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the home '%s' is not a folder", name);
        tm_err_hint(err, "Name a folder with --home.");
        return st;
    }
    if (create) {
        return tm__fs_mkdir(name, err);
    }
    bool is_there = false;
    if (info.kind == TM_PATH_DIR) {
        TM_TRY(is_home(name, &is_there, err));
    }
    if (!is_there) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no home at '%s'", name);
        tm_err_hint(err, "Run 'tidemill train DATA --target COL' to make one, or name it with "
                         "--home DIR.");
        return st;
    }
    return TM_OK;
}

static tm_status home_paths(tm_home *home, tm_err *err) {
    home->meta_db = tm__fs_join(home->path, TM_HOME_STORE);
    if (home->meta_db != NULL && tm__fs_info(home->meta_db).kind == TM_PATH_NONE) {
        tm__mem_free(home->meta_db);
        home->meta_db = tm__fs_join(home->path, "meta.db");
    }
    home->log_db = tm__fs_join(home->path, "log.db");
    home->watch_db = tm__fs_join(home->path, "watch.db");
    home->server_key = tm__fs_join(home->path, TM_HOME_SERVER_KEY);
    home->intake_db = tm__fs_join(home->path, "intake.db");
    home->snapshots = tm__fs_join(home->path, "snapshots");
    home->bundles = tm__fs_join(home->path, "bundles");
    home->jobs = tm__fs_join(home->path, "jobs");
    home->temp = tm__fs_join(home->path, "temp");
    if (home->meta_db == NULL || home->log_db == NULL || home->watch_db == NULL ||
        home->intake_db == NULL || home->server_key == NULL || home->snapshots == NULL ||
        home->bundles == NULL || home->jobs == NULL || home->temp == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return TM_OK;
}

/* "intake" of store.json. */
static tm_status take_intake(tm_home *home, const json_t *dir, tm_err *err) {
    const char *const path = json_string_value(dir);
    if (dir == NULL) {
        return TM_OK;
    }
    if (path == NULL || path[0] != '/') {
        (void)TM_FAIL(err, TM_E_DATA, "'intake' of '%s' is no folder", home->meta_db);
        tm_err_hint(err, "Name the folder that all homes on these tables have in common by its "
                         "absolute path, or leave it out.");
        tm_err_at(err, home->meta_db, 0, 0);
        return TM_E_DATA;
    }
    tm__mem_free(home->intake_db);
    home->intake_db = tm__mem_strdup(home->meta_db);
    home->intake_dir = tm__mem_strdup(path);
    return home->intake_db != NULL && home->intake_dir != NULL
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* What else is wrong in store.json is said by who opens the tables. */
static tm_status find_intake(tm_home *home, tm_err *err) {
    tm_buf text;
    json_t *place = NULL;
    if (!tm__home_has_server(home)) {
        return TM_OK;
    }
    tm__buf_init(&text, STORE_BYTES_MAX);
    tm_status st = tm__fs_read_all(home->meta_db, &text, err);
    if (st == TM_OK) {
        st = tm__json_parse(text.data, text.len, TM_MAX_JSON_DEPTH, &place, NULL);
        st = st == TM_E_NOMEM ? TM_FAIL(err, st, "out of memory") : TM_OK;
    }
    const json_t *const postgres = json_object_get(place, "postgres");
    st = st == TM_OK ? take_intake(home, json_object_get(postgres, "intake"), err) : st;
    json_decref(place);
    tm__buf_done(&text);
    return st;
}

static tm_status home_make(const tm_home *home, tm_err *err) {
    TM_TRY(tm__fs_mkdir(home->snapshots, err));
    TM_TRY(tm__fs_mkdir(home->jobs, err));
    TM_TRY(tm__fs_mkdir(home->temp, err));
    return tm__fs_mkdir(home->bundles, err); /* last: see is_home() */
}

tm_status tm__home_open(const char *path, bool create, tm_home **out, tm_err *err) {
    const char *name = tm__home_name(path);
    TM_TRY(home_find(name, create, err));
    tm_status st = TM_OK;
    tm_home *home = tm__mem_zalloc(1, sizeof(*home));
    if (home == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = tm__fs_real_path(name, &home->path, err);
    if (st == TM_OK) {
        st = home_paths(home, err);
    }
    st = st == TM_OK ? find_intake(home, err) : st;
    if (st == TM_OK && create) {
        st = home_make(home, err);
    }
    if (st == TM_OK) {
        *out = home;
        home = NULL;
    }
    tm__home_close(home);
    return st;
}

const char *tm__home_path(const tm_home *home) {
    return home->path;
}

const char *tm__home_meta_db(const tm_home *home) {
    return home->meta_db;
}

bool tm__home_has_server(const tm_home *home) {
    return tm__str_has_suffix(tm__str(home->meta_db), "/" TM_HOME_STORE);
}

bool tm__home_needs_network(const tm_home *home) {
    return tm__home_has_server(home) || tm__bucket_is_used(home->path);
}

const char *tm__home_log_db(const tm_home *home) {
    return home->log_db;
}

const char *tm__home_watch_db(const tm_home *home) {
    return home->watch_db;
}

const char *tm__home_server_key(const tm_home *home) {
    return home->server_key;
}

const char *tm__home_intake_db(const tm_home *home) {
    return home->intake_db;
}

bool tm__home_shares_intake(const tm_home *home) {
    return home->intake_dir != NULL;
}

const char *tm__home_intake_dir(const tm_home *home) {
    return home->intake_dir != NULL ? home->intake_dir : home->path;
}

const char *tm__home_snapshots(const tm_home *home) {
    return home->snapshots;
}

const char *tm__home_bundles(const tm_home *home) {
    return home->bundles;
}

const char *tm__home_jobs(const tm_home *home) {
    return home->jobs;
}

const char *tm__home_temp(const tm_home *home) {
    return home->temp;
}

char *tm__home_bundle_path(const tm_home *home, const tm_hash *hash) {
    char text[TM_HASH_TEXT];
    char *path = NULL;
    tm__hash_to_text(hash, text);
    tm_buf name;
    tm__buf_init(&name, TM_HASH_TEXT + 8);
    if (tm__buf_printf(&name, "%s.tmb", text)) {
        path = tm__fs_join(home->bundles, (const char *)name.data);
    }
    tm__buf_done(&name);
    return path;
}

tm_status tm__home_bundle_save(const tm_home *home, const tm_hash *hash, const void *data,
                               size_t len, tm_err *err) {
    char *path = tm__home_bundle_path(home, hash);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    /* Publishing is atomic, so a file that is there is whole; its notes may differ from these. */
    tm_status st = tm__fs_info(path).kind == TM_PATH_FILE ? tm__fs_ensure(path, err)
                                                          : tm__vault_publish(path, data, len, err);
    st = st == TM_OK ? tm__bucket_keep(NULL, path, err) : st;
    tm__mem_free(path);
    return st;
}

void tm__home_close(tm_home *home) {
    if (home == NULL) {
        return;
    }
    tm__mem_free(home->path);
    tm__mem_free(home->meta_db);
    tm__mem_free(home->log_db);
    tm__mem_free(home->watch_db);
    tm__mem_free(home->server_key);
    tm__mem_free(home->intake_db);
    tm__mem_free(home->snapshots);
    tm__mem_free(home->bundles);
    tm__mem_free(home->jobs);
    tm__mem_free(home->temp);
    tm__mem_free(home->intake_dir);
    tm__mem_free(home);
}

static bool remove_temp(void *arg, const char *name) {
    char *const path = tm__fs_join(arg, name);
    if (path != NULL) {
        const tm_status st = tm__fs_remove(path, NULL);
        (void)st; /* what cannot go now goes at the next start */
    }
    tm__mem_free(path);
    return true;
}

void tm__home_temp_reset(const tm_home *home) {
    char *const temp = tm__mem_strdup(tm__home_temp(home));
    if (temp != NULL && tm__fs_info(temp).kind == TM_PATH_DIR) {
        const tm_status listed = tm__fs_list(temp, remove_temp, temp, NULL);
        (void)listed;
    }
    tm__mem_free(temp);
}
