/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `restore`: a home from a backup, or nothing.
 *
 * 1. The home is new: it is put together in a temporary folder beside its place, and one rename
 *    makes it visible. A folder with anything in it is never touched.
 * 2. Before that every byte was checked: the members by their frames and by the manifest, the file
 *    by its trailer, the databases by SQLite and the history's chain, the bundles by their names.
 * 3. Only the names of a home are written; a backup that holds another is refused.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/staging.h"
#include "loop/subject_tombs.h"
#include "registry/restored.h"
#include "source/intake.h"
#include "store/archive.h"
#include "store/vault.h"

#define MANIFEST_BYTES_MAX ((size_t)256 << 20)
#define CHUNK ((size_t)1 << 18)

typedef struct tm_restore {
    tm_cli *cli;
    tm_ctx ctx;
    const char *file;
    bool only_check;
    tm_archive *archive;
    tm_archive_info info;
    tm_staging staging; /* closed when only_check */
    uint8_t *chunk;     /* [CHUNK] */
    tm_buf manifest_text, project;
    bool has_manifest, has_project;
    json_t *manifest;
    json_t *found; /* name: {"size","blake2b"} of each member */
    uint64_t done_bytes;
    const char *const *keys; /* [n_keys]: sources */
    uint32_t n_keys;
} tm_restore;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Members ---- */

static bool is_hash_name(const char *name, const char *folder, const char *suffix) {
    const size_t n = strlen(folder);
    char text[TM_HASH_TEXT] = {0};
    tm_hash hash;
    if (strncmp(name, folder, n) != 0 || strlen(name) != n + TM_HASH_TEXT - 1 + strlen(suffix) ||
        strcmp(name + n + TM_HASH_TEXT - 1, suffix) != 0) {
        return false;
    }
    memcpy(text, name + n, TM_HASH_TEXT - 1);
    return tm__hash_from_text(text, &hash);
}

/* "segments/<number>/<hash>.parquet" and the like: *out_id is the number of a source. */
static bool is_source_name(const char *name, tm_intake_file_kind *out_kind, int64_t *out_id) {
    static const tm_intake_file_kind all[] = {TM_INTAKE_SEGMENT, TM_INTAKE_KEYS};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        tm_str rest = tm__str(name);
        const tm_str folder = tm__str_cut(&rest, '/');
        const tm_str id = tm__str_cut(&rest, '/');
        if (tm__str_is(folder, tm__intake_file_folder(all[i])) && tm__str_to_i64(id, out_id) &&
            *out_id > 0 && id.ptr[0] != '0' && id.ptr[0] != '+' &&
            is_hash_name(rest.ptr, "", tm__intake_file_suffix(all[i]))) {
            *out_kind = all[i];
            return true;
        }
    }
    return false;
}

static bool is_home_name(const char *name) {
    return strcmp(name, "meta.db") == 0 || strcmp(name, "log.db") == 0 ||
           strcmp(name, "watch.db") == 0 || strcmp(name, "intake.db") == 0 ||
           strcmp(name, TM_HOME_SERVER_KEY) == 0 || is_hash_name(name, "bundles/", ".tmb") ||
           is_hash_name(name, "snapshots/", ".parquet");
}

/* Read the current member into a file, a buffer or nowhere. */
static tm_status member_read(tm_restore *r, tm_file *file, tm_buf *text, tm_err *err) {
    for (size_t n = CHUNK; n == CHUNK;) {
        TM_TRY(tm__archive_read(r->archive, r->chunk, CHUNK, &n, err));
        if (file != NULL) {
            TM_TRY(tm__file_write(file, r->chunk, n, err));
        }
        if (text != NULL && !tm__buf_append(text, r->chunk, n)) {
            return text->no_memory
                       ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a file of the backup")
                       : TM_FAIL(err, TM_E_LIMIT, "a file of the backup is too long");
        }
        r->done_bytes += n;
        tm__ctx_progress(&r->ctx, r->only_check ? "checking" : "restoring", r->done_bytes >> 20,
                         r->info.content_bytes >> 20, "MiB");
        if (tm__ctx_cancelled(&r->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "stopped; nothing was changed");
        }
    }
    return TM_OK;
}

/* Files of sources wait in temp/<folder>.<number>/ until intake.db was checked and tells the names.
 */
static char *member_path(const tm_restore *r, const char *name, tm_err *err) {
    tm_intake_file_kind kind = TM_INTAKE_SEGMENT;
    int64_t id = 0;
    if (!is_source_name(name, &kind, &id)) {
        return tm__staging_join(&r->staging, name);
    }
    char place[TM_ARCHIVE_NAME_MAX + 16];
    (void)snprintf(place, sizeof(place), "%s.%lld", tm__intake_file_folder(kind), (long long)id);
    char *dir = tm__fs_join(tm__home_temp(r->staging.home), place);
    char *path = dir != NULL && tm__fs_mkdir(dir, err) == TM_OK
                     ? tm__fs_join(dir, strrchr(name, '/') + 1)
                     : NULL;
    tm__mem_free(dir);
    return path;
}

static tm_status member_save(tm_restore *r, const char *name, tm_err *err) {
    tm_file *file = NULL;
    tm_err inner = {0};
    char *path = member_path(r, name, &inner);
    if (path == NULL && inner.status != TM_OK) {
        *err = inner;
        return inner.status;
    }
    tm_status st = path == NULL ? no_memory(err) : tm__file_open(path, TM_OPEN_CREATE, &file, err);
    if (st == TM_OK) {
        st = member_read(r, file, NULL, err);
    }
    if (st == TM_OK) {
        st = tm__file_sync(file, err);
    }
    tm__file_close(file);
    tm__mem_free(path);
    return st;
}

static tm_status member_take(tm_restore *r, const tm_member *member, tm_err *err) {
    const char *name = member->name;
    if (r->has_manifest || json_object_get(r->found, name) != NULL) {
        return tm__archive_fail(r->file, "the order of its files", err);
    }
    if (strcmp(name, "manifest.json") == 0) {
        r->has_manifest = true;
        return member_read(r, NULL, &r->manifest_text, err);
    }
    if (strcmp(name, "tidemill.yaml") == 0) {
        r->has_project = true;
        TM_TRY(member_read(r, NULL, &r->project, err));
    } else if (!is_home_name(name) &&
               !is_source_name(name, &(tm_intake_file_kind){0}, &(int64_t){0})) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED,
                                     "the backup holds '%s', which is no file of a home", name);
        tm_err_at(err, r->file, 0, 0);
        return st;
    } else if (r->only_check) {
        TM_TRY(member_read(r, NULL, NULL, err));
    } else {
        TM_TRY(member_save(r, name, err));
    }
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&member->hash, hash);
    json_t *item = json_pack("{s:I, s:s}", "size", (json_int_t)member->size_bytes, "blake2b", hash);
    return json_object_set_new(r->found, name, item) == 0 ? TM_OK : no_memory(err);
}

/* ---- The manifest ---- */

static tm_status manifest_check(tm_restore *r, tm_err *err) {
    tm_err inner = {0};
    size_t i = 0;
    json_t *item = NULL;
    if (!r->has_manifest || json_object_get(r->found, "meta.db") == NULL) {
        return tm__archive_fail(r->file, "its list of files: one is missing", err);
    }
    if (tm__json_parse(r->manifest_text.data, r->manifest_text.len, TM_MAX_JSON_DEPTH, &r->manifest,
                       &inner) != TM_OK) {
        return inner.status == TM_E_NOMEM ? no_memory(err)
                                          : tm__archive_fail(r->file, "'manifest.json'", err);
    }
    const json_t *members = json_object_get(r->manifest, "members");
    if (json_array_size(members) != json_object_size(r->found)) {
        return tm__archive_fail(r->file, "its list of files: one is missing", err);
    }
    json_array_foreach((json_t *)(uintptr_t)members, i, item) {
        const char *name = tm__json_text(item, "name", "");
        const json_t *found = json_object_get(r->found, name);
        if (found == NULL || tm__json_i64(item, "size", -1) != tm__json_i64(found, "size", -2) ||
            strcmp(tm__json_text(item, "blake2b", "-"), tm__json_text(found, "blake2b", "")) != 0) {
            char place[TM_ARCHIVE_NAME_MAX + 8];
            (void)snprintf(place, sizeof(place), "'%.99s'", name);
            return tm__archive_fail(r->file, place, err);
        }
    }
    return TM_OK;
}

static tm_status read_all(tm_restore *r, tm_err *err) {
    const tm_member *member = NULL;
    bool has_member = false;
    for (;;) {
        TM_TRY(tm__archive_next(r->archive, &member, &has_member, err));
        if (!has_member) {
            return manifest_check(r, err);
        }
        TM_TRY(member_take(r, member, err));
    }
}

/* ---- The home ---- */

static tm_status home_check_free(const char *home, tm_err *err) {
    const tm_path_info info = tm__fs_info(home);
    bool has_entry = false;
    TM_TRY(tm__fs_has_entry(home, &has_entry, err));
    if (info.kind == TM_PATH_NONE || (info.kind == TM_PATH_DIR && !has_entry)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "the home '%s' is not empty", home);
    tm_err_hint(err, "Restore into a new folder with --home DIR, or move this one away first.");
    return st;
}

/* Give a file of a source its place: the name that intake.db has for it. */
static tm_status place_file(void *arg, const tm_intake_file *file, tm_err *err) {
    const tm_restore *const r = arg;
    char name[TM_ARCHIVE_NAME_MAX + 1], hash[TM_HASH_TEXT];
    const char *const folder = tm__intake_file_folder(file->kind);
    tm__hash_to_text(&file->hash, hash);
    (void)snprintf(name, sizeof(name), "%s/%lld/%s%s", folder, (long long)file->source_id, hash,
                   tm__intake_file_suffix(file->kind));
    if (json_object_get(r->found, name) == NULL) {
        return tm__archive_fail(r->file, "its list of files: one of a source is missing", err);
    }
    char *from = member_path(r, name, err);
    char *to = tm__intake_file_path(r->staging.home, file);
    char *dir = to == NULL ? NULL : tm__mem_strndup(to, (size_t)(strrchr(to, '/') - to));
    tm_status st = from == NULL || dir == NULL ? no_memory(err) : tm__fs_mkdir(dir, err);
    if (st == TM_OK && tm__fs_info(to).kind == TM_PATH_NONE) {
        st = tm__fs_move(from, to, err); /* syncs the folder */
    }
    tm__mem_free(from);
    tm__mem_free(to);
    tm__mem_free(dir);
    return st;
}

typedef struct tm_emptying {
    const char *dir;
    tm_status status;
} tm_emptying;

static bool remove_empty(void *arg, const char *name) {
    tm_emptying *const e = arg;
    char *path = tm__fs_join(e->dir, name);
    e->status = path == NULL ? TM_E_NOMEM : tm__fs_remove(path, NULL);
    tm__mem_free(path);
    return e->status == TM_OK;
}

static tm_status sources_restore(tm_restore *r, tm_err *err) {
    const tm_intake_files files = {place_file, r};
    tm_emptying temp = {.dir = tm__home_temp(r->staging.home)};
    uint32_t format = 0;
    if (json_object_get(r->found, "intake.db") == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__intake_files(r->staging.home, &files, err));
    TM_TRY(tm__fs_list(temp.dir, remove_empty, &temp, err));
    if (temp.status != TM_OK) {
        return temp.status == TM_E_NOMEM
                   ? no_memory(err)
                   : tm__archive_fail(r->file, "its list of files: one belongs to no source", err);
    }
    return tm__intake_check(r->staging.home, false, &format, err);
}

/* Files of the bundles under the names of their hashes; the databases as SQLite sees them. */
static tm_status home_check_whole(tm_restore *r, tm_err *err) {
    tm_registry *registry = NULL;
    json_t *facts = NULL;
    json_t *files = NULL;
    TM_TRY(tm__staging_check(&r->staging, &facts, &files, err));
    tm_status st = tm__registry_open(r->staging.home, &registry, err);
    const json_t *bundles = json_object_get(files, "bundles");
    for (size_t i = 0; st == TM_OK && i < json_array_size(bundles); i++) {
        tm_version version = {.number = 0};
        tm_bundle *bundle = NULL;
        if (!tm__hash_from_text(json_string_value(json_array_get(bundles, i)),
                                &version.bundle_hash)) {
            st = tm__archive_fail(r->file, "'meta.db'", err);
            break;
        }
        st = tm__registry_bundle(registry, &version, &bundle, err);
        tm__bundle_unref(bundle);
    }
    tm__registry_close(registry);
    json_decref(facts);
    json_decref(files);
    return st;
}

static tm_status file_sync(const tm_staging *staging, const char *name, tm_err *err) {
    tm_file *file = NULL;
    tm_status st = TM_OK;
    char *path = tm__staging_join(staging, name);
    if (path == NULL) {
        return no_memory(err);
    }
    if (tm__fs_info(path).kind == TM_PATH_FILE) {
        st = tm__file_open(path, TM_OPEN_READ, &file, err);
        if (st == TM_OK) {
            st = tm__file_sync(file, err);
        }
        tm__file_close(file);
    }
    tm__mem_free(path);
    return st;
}

/* For the audit chain, before anything else is. */
static tm_status tell(tm_restore *r, tm_err *err) {
    char user[80], hash[TM_HASH_TEXT];
    tm_registry *registry = NULL;
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    tm__hash_to_text(&r->info.hash, hash);
    const tm_restored restored = {
        .actor = actor.name, .hash = hash, .taken = tm__json_text(r->manifest, "created", "")};
    TM_TRY(tm__registry_open(r->staging.home, &registry, err));
    const tm_status st = tm__registry_restored(registry, &restored, err);
    tm__registry_close(registry);
    return st;
}

/* Before anybody can see the home. */
static tm_status erase_again(tm_restore *r, tm_err *err) {
    tm_registry *registry = NULL;
    char user[80];
    uint64_t n = 0;
    const char *const path = tm__cli_text(r->cli, "erased");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    if (path == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__registry_open(r->staging.home, &registry, err));
    const tm_status st =
        tm__tombstones_apply(&r->ctx, r->staging.home, registry, path, &actor, &n, err);
    tm__registry_close(registry);
    if (st == TM_OK) {
        tm__cli_note(r->cli, "%llu subjects that were erased after the backup are erased again",
                     (unsigned long long)n);
    }
    return st;
}

/* The project file goes beside the home when none is there. *out_what: "none", "written", "same",
 * "kept" (another stands there). */
static tm_status project_restore(tm_restore *r, const char *home, const char **out_what,
                                 tm_err *err) {
    *out_what = "none";
    if (!r->has_project) {
        return TM_OK;
    }
    const char *slash = strrchr(home, '/');
    const char *name = "tidemill.yaml";
    char *dir = slash == NULL ? tm__mem_strdup(".") : tm__mem_strndup(home, (size_t)(slash - home));
    char *path = dir == NULL ? NULL : tm__fs_join(dir, name);
    tm_buf there;
    tm__buf_init(&there, MANIFEST_BYTES_MAX);
    tm_status st = TM_OK;
    if (path == NULL) {
        st = no_memory(err);
    } else if (tm__fs_info(path).kind == TM_PATH_NONE) {
        st = tm__fs_publish(path, r->project.data, r->project.len, err);
        *out_what = "written";
    } else {
        st = tm__fs_read_all(path, &there, err);
        const bool is_same = st == TM_OK && there.len == r->project.len &&
                             memcmp(there.data, r->project.data, there.len) == 0;
        *out_what = is_same ? "same" : "kept";
    }
    tm__buf_done(&there);
    tm__mem_free(path);
    tm__mem_free(dir);
    return st;
}

static tm_status report(tm_restore *r, const char *home, const char *project, tm_err *err) {
    char text[128];
    tm_cli *cli = r->cli;
    if (cli->json) {
        char hash[TM_HASH_TEXT];
        tm__hash_to_text(&r->info.hash, hash);
        int rc = json_object_del(r->manifest, "members");
        rc |= json_object_set_new(r->manifest, "schema", json_string("tidemill.restore/1"));
        rc |= json_object_set_new(r->manifest, "file", json_string(r->file));
        rc |= json_object_set_new(r->manifest, "hash", json_string(hash));
        rc |= json_object_set_new(r->manifest, "home",
                                  r->only_check ? json_null() : json_string(home));
        rc |= json_object_set_new(r->manifest, "project_file", json_string(project));
        if (rc != 0) {
            return no_memory(err);
        }
        tm__cli_print_json(cli, r->manifest);
    }
    tm__cli_print(cli, "%s: %s, taken %s\n", r->only_check ? "whole" : home,
                  tm__staging_facts_text(r->manifest, text, sizeof(text)),
                  tm__json_text(r->manifest, "created", ""));
    if (strcmp(project, "written") == 0) {
        tm__cli_note(cli, "tidemill.yaml is written beside the home");
    } else if (strcmp(project, "kept") == 0) {
        tm__cli_warn(cli, "another tidemill.yaml stands beside the home and was left alone");
    }
    const size_t n_absent = json_array_size(json_object_get(r->manifest, "absent"));
    if (n_absent > 0) {
        tm__cli_warn(cli, "%zu snapshots were gone already when the backup was made", n_absent);
    }
    return TM_OK;
}

/* The keys of the command line are those of the home; the first one seals. */
static tm_status keys_restore(tm_restore *r, tm_err *err) {
    char id[TM_ENVELOPE_ID_TEXT];
    for (uint32_t i = r->n_keys; i > 0; i--) {
        TM_TRY(tm__vault_use(r->staging.home, r->keys[i - 1], id, err));
    }
    return TM_OK;
}

static tm_status restore(tm_restore *r, const char *home, tm_err *err) {
    const char *project = r->has_project ? "checked" : "none";
    if (!r->only_check) {
        TM_TRY(tm__staging_open(home, &r->staging, err));
        TM_TRY(keys_restore(r, err));
    }
    TM_TRY(read_all(r, err));
    project = r->has_project ? "checked" : "none";
    if (!r->only_check) {
        TM_TRY(home_check_whole(r, err));
        TM_TRY(file_sync(&r->staging, "meta.db", err));
        TM_TRY(file_sync(&r->staging, "log.db", err));
        TM_TRY(file_sync(&r->staging, "watch.db", err));
        TM_TRY(sources_restore(r, err));
        TM_TRY(file_sync(&r->staging, "intake.db", err));
        TM_TRY(tell(r, err));
        TM_TRY(erase_again(r, err));
        TM_TRY(project_restore(r, home, &project, err));
        TM_TRY(tm__staging_publish(&r->staging, home, err));
    }
    return report(r, home, project, err);
}

/* Without slashes at the end, so that what stands beside it has a name. */
static tm_status home_name(tm_cli *cli, char **out, tm_err *err) {
    const char *name = tm__home_name(cli->home);
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/') {
        len--;
    }
    *out = tm__mem_strndup(name, len);
    return *out == NULL ? no_memory(err) : TM_OK;
}

static tm_status archive_open(tm_restore *r, tm_err *err) {
    tm_envelope_ring ring;
    TM_TRY(tm__vault_ring_of(r->keys, r->n_keys, &ring, err));
    const tm_status st = tm__archive_open(r->file, &ring, &r->archive, &r->info, err);
    tm__envelope_ring_done(&ring);
    return st;
}

tm_status cmd_restore(tm_cli *cli, tm_err *err) {
    tm_restore r = {
        .cli = cli, .file = tm__cli_arg(cli, "FILE"), .only_check = tm__cli_flag(cli, "check")};
    char *home = NULL;
    r.keys = tm__cli_list(cli, "key", &r.n_keys);
    tm__buf_init(&r.manifest_text, MANIFEST_BYTES_MAX);
    tm__buf_init(&r.project, MANIFEST_BYTES_MAX);
    tm_status st = home_name(cli, &home, err);
    if (st == TM_OK && !r.only_check) {
        st = home_check_free(home, err);
    }
    if (st == TM_OK) {
        st = archive_open(&r, err);
    }
    if (st == TM_OK) {
        st = tm__cli_ctx_init(cli, 1, &r.ctx, err);
    }
    if (st == TM_OK) {
        r.chunk = tm__mem_alloc(CHUNK, 1);
        r.found = json_object();
        st = r.chunk == NULL || r.found == NULL ? no_memory(err) : restore(&r, home, err);
    }
    tm__archive_close(r.archive);
    tm__staging_close(&r.staging);
    tm__cli_ctx_done(&r.ctx);
    tm__mem_free(r.chunk);
    tm__mem_free(home);
    tm__buf_done(&r.manifest_text);
    tm__buf_done(&r.project);
    json_decref(r.manifest);
    json_decref(r.found);
    return st;
}
