/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `backup`: a whole home in one file, while others work on it.
 *
 *   intake.db -> log.db -> watch.db -> meta.db, keys.secret -> segments and keys of this intake.db
 * -> bundles and snapshots that this meta.db refers to -> manifest -> publish
 *
 * 0. A batch of scored rows is logged before intake.db says that it was done, so intake.db is
 * copied before the log: a batch that its copy calls done is in the copied log. Files that this
 * copy names stay where they are until they are in the backup, for nobody removes files meanwhile.
 * 1. An answer names a version that meta.db had before it, so the log is copied first, and what was
 *    counted of answers: the copy of meta.db then knows every version that the copies name.
 * 2. A version refers to files that were whole before it and never change, so they are copied last.
 * 3. The databases are copied into a temporary home and checked there, files are checked by their
 *    hashes; the result has its name only when all of it is durable.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/model_args.h"
#include "cli/staging.h"
#include "monitor/drift_store.h"
#include "monitor/monitor.h"
#include "source/intake.h"
#include "source/source.h"
#include "store/archive.h"
#include "store/bucket.h"
#include "store/vault.h"

#define MANIFEST_BYTES_MAX ((size_t)256 << 20)

typedef struct tm_backup {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    tm_staging staging;
    tm_archive_writer *writer;
    char *path;      /* of the result */
    json_t *facts;   /* see tm__staging_check(); becomes the manifest */
    json_t *files;   /* what the versions refer to */
    json_t *members; /* [{"name","size","blake2b"}] */
    json_t *absent;  /* names of snapshots that are gone */
    tm_file *hold;   /* files of sources stay while it is open */
    json_t *owned; /* [{"kind","id","source","hash","n","level"}]: files that the copy of intake.db
                      names */
    tm_bucket bucket; /* of files that are not here */
    uint64_t n_done, n_files;
} tm_backup;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* FILE as given, or a name with the time in the folder. */
static tm_status target_path(const char *given, char **out, tm_err *err) {
    const tm_path_info info = tm__fs_info(given);
    if (info.kind == TM_PATH_NONE) {
        *out = tm__mem_strdup(given);
    } else if (info.kind == TM_PATH_DIR) {
        char name[64];
        tm_civil t;
        tm__civil_from_us(tm__now_us(), &t);
        (void)snprintf(name, sizeof(name), "tidemill-%04lld%02u%02u-%02u%02u%02u.tar.zst",
                       (long long)t.year, t.month, t.day, t.hour, t.minute, t.second);
        *out = tm__fs_join(given, name);
    } else {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s' is there already", given);
        tm_err_hint(err, "Name a file that does not exist yet, or a folder.");
        return st;
    }
    return *out == NULL ? no_memory(err) : TM_OK;
}

static tm_status member_note(tm_backup *b, const tm_member *member, tm_err *err) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&member->hash, hash);
    json_t *item = json_pack("{s:s, s:I, s:s}", "name", member->name, "size",
                             (json_int_t)member->size_bytes, "blake2b", hash);
    if (item == NULL || json_array_append_new(b->members, item) != 0) {
        return no_memory(err);
    }
    tm__ctx_progress(&b->ctx, "packing", ++b->n_done, b->n_files, "files");
    return TM_OK;
}

static tm_status add_file(tm_backup *b, const char *name, const char *path, tm_err *err) {
    tm_member member;
    TM_TRY(tm__archive_add_file(b->writer, &b->ctx, name, path, &member, err));
    return member_note(b, &member, err);
}

/* ---- Databases ---- */

/* Checked with the copy of meta.db: the home's may have a newer one by now. */
static tm_status copy_server_key(tm_backup *b, tm_err *err) {
    const char *from = tm__home_server_key(b->place.home);
    tm_buf text;
    if (tm__fs_info(from).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    tm__buf_init(&text, 4096);
    tm_status st = tm__fs_read_all(from, &text, err);
    if (st == TM_OK) {
        st = tm__fs_publish_secret(tm__home_server_key(b->staging.home), text.data, text.len, err);
    }
    if (text.len > 0) {
        memset(text.data, 0, text.len);
    }
    tm__buf_done(&text);
    return st;
}

static tm_status note_owned(void *arg, const tm_intake_file *file, tm_err *err) {
    tm_backup *const b = arg;
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&file->hash, hash);
    json_t *item = json_pack("{s:i, s:I, s:s, s:s, s:I, s:i}", "kind", (int)file->kind, "id",
                             (json_int_t)file->source_id, "source", file->source, "hash", hash, "n",
                             (json_int_t)file->n, "level", (int)file->level);
    return json_array_append_new(b->owned, item) == 0 ? TM_OK : no_memory(err);
}

static tm_status copy_intake(tm_backup *b, tm_err *err) {
    const tm_home *const to = b->staging.home;
    const tm_intake_files files = {note_owned, b};
    if (tm__home_shares_intake(b->place.home) ||
        tm__fs_info(tm__home_intake_db(b->place.home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_hold(b->place.home, &b->ctx, &b->hold, err));
    TM_TRY(tm__intake_copy(b->place.home, &b->ctx, tm__home_intake_db(to), err));
    return tm__intake_files(to, &files, err);
}

static tm_status copy_databases(tm_backup *b, tm_err *err) {
    const tm_home *to = b->staging.home;
    TM_TRY(copy_intake(b, err));
    TM_TRY(tm__monitor_copy(b->place.home, &b->ctx, tm__home_log_db(to), err));
    TM_TRY(tm__drift_store_copy(b->place.home, &b->ctx, tm__home_watch_db(to), err));
    TM_TRY(tm__registry_copy(b->place.registry, &b->ctx, tm__home_meta_db(to), err));
    TM_TRY(copy_server_key(b, err));
    return tm__staging_check(&b->staging, &b->facts, &b->files, err);
}

static tm_status add_databases(tm_backup *b, tm_err *err) {
    const tm_home *from = b->staging.home;
    TM_TRY(add_file(b, "meta.db", tm__home_meta_db(from), err));
    if (tm__fs_info(tm__home_server_key(from)).kind != TM_PATH_NONE) {
        TM_TRY(add_file(b, TM_HOME_SERVER_KEY, tm__home_server_key(from), err));
    }
    if (tm__fs_info(tm__home_intake_db(from)).kind != TM_PATH_NONE) {
        TM_TRY(add_file(b, "intake.db", tm__home_intake_db(from), err));
    }
    if (tm__fs_info(tm__home_log_db(from)).kind != TM_PATH_NONE) {
        TM_TRY(add_file(b, "log.db", tm__home_log_db(from), err));
    }
    if (tm__fs_info(tm__home_watch_db(from)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    return add_file(b, "watch.db", tm__home_watch_db(from), err);
}

/* The project file lies beside the home. */
static tm_status add_project(tm_backup *b, bool *out_has, tm_err *err) {
    tm_status st = TM_OK;
    char *path = tm__fs_join(tm__home_path(b->place.home), "../tidemill.yaml");
    if (path == NULL) {
        return no_memory(err);
    }
    *out_has = tm__fs_info(path).kind == TM_PATH_FILE;
    if (*out_has) {
        st = add_file(b, "tidemill.yaml", path, err);
    }
    tm__mem_free(path);
    return st;
}

/* ---- Files under a hash ---- */

static tm_status add_bundle(tm_backup *b, const char *text, tm_err *err) {
    char name[TM_ARCHIVE_NAME_MAX + 1];
    tm_version version = {.number = 0};
    tm_bundle *bundle = NULL;
    if (!tm__hash_from_text(text, &version.bundle_hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a version names a bundle by '%.70s'", text);
    }
    TM_TRY(tm__registry_bundle(b->place.registry, &version, &bundle, err));
    tm__bundle_unref(bundle);
    char *path = tm__home_bundle_path(b->place.home, &version.bundle_hash);
    if (path == NULL) {
        return no_memory(err);
    }
    (void)snprintf(name, sizeof(name), "bundles/%s.tmb", text);
    const tm_status st = add_file(b, name, path, err);
    tm__mem_free(path);
    return st;
}

/* A snapshot that is gone costs the repetition of a run and no answer: said, not refused. */
static tm_status add_snapshot(tm_backup *b, const char *text, tm_err *err) {
    char name[TM_ARCHIVE_NAME_MAX + 1];
    tm_hash hash;
    tm_table *table = NULL;
    const char *dir = tm__home_snapshots(b->place.home);
    if (!tm__hash_from_text(text, &hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a version names a snapshot by '%.70s'", text);
    }
    (void)snprintf(name, sizeof(name), "snapshots/%s.parquet", text);
    char *path = tm__fs_join(tm__home_path(b->place.home), name);
    if (path == NULL) {
        return no_memory(err);
    }
    bool is_fetched = false;
    tm_status st = tm__bucket_find(&b->bucket, path, &is_fetched, err);
    if (st != TM_OK) {
        goto out;
    }
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        st = json_array_append_new(b->absent, json_string(name)) == 0 ? TM_OK : no_memory(err);
        goto out;
    }
    st = tm__snapshot_load(&b->ctx, dir, &hash, &table, err);
    tm__table_unref(table);
    if (st == TM_OK) {
        st = add_file(b, name, path, err);
    }
out:
    tm__mem_free(path);
    return st;
}

/* Rows of a segment are those of its name; keys are as their file's head says. */
static tm_status check_owned(tm_backup *b, const tm_intake_file *file, const char *path,
                             tm_err *err) {
    tm_table *table = NULL;
    bool is_fetched = false;
    TM_TRY(file->kind == TM_INTAKE_SEGMENT ? tm__bucket_find(&b->bucket, path, &is_fetched, err)
                                           : TM_OK);
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        const tm_status st =
            TM_FAIL(err, TM_E_INTEGRITY, "a file of source '%s' is gone", file->source);
        tm_err_at(err, path, 0, 0);
        tm_err_hint(err, "Run 'tidemill doctor'; an older backup may have the file.");
        return st;
    }
    if (file->kind == TM_INTAKE_KEYS) {
        return tm__intake_keys_check(b->place.home, file, err);
    }
    char *dir = tm__mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    const tm_status st =
        dir == NULL ? no_memory(err) : tm__snapshot_load(&b->ctx, dir, &file->hash, &table, err);
    tm__table_unref(table);
    tm__mem_free(dir);
    if (st == TM_E_INTEGRITY && is_fetched) {
        tm__bucket_refuse(path);
    }
    return st;
}

static tm_status add_owned(tm_backup *b, const json_t *item, tm_err *err) {
    char name[TM_ARCHIVE_NAME_MAX + 1];
    tm_intake_file file = {.kind = (tm_intake_file_kind)tm__json_i64(item, "kind", 0),
                           .source_id = tm__json_i64(item, "id", 0),
                           .source = tm__json_text(item, "source", ""),
                           .n = (uint64_t)tm__json_i64(item, "n", 0),
                           .level = (uint32_t)tm__json_i64(item, "level", 0)};
    const char *const hash = tm__json_text(item, "hash", "");
    if (!tm__hash_from_text(hash, &file.hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a source names a file by '%.70s'", hash);
    }
    (void)snprintf(name, sizeof(name), "%s/%lld/%s%s", tm__intake_file_folder(file.kind),
                   (long long)file.source_id, hash, tm__intake_file_suffix(file.kind));
    char *path = tm__intake_file_path(b->place.home, &file);
    tm_status st = path == NULL ? no_memory(err) : check_owned(b, &file, path, err);
    if (st == TM_OK) {
        st = add_file(b, name, path, err);
    }
    tm__mem_free(path);
    return st;
}

static tm_status add_all_owned(tm_backup *b, tm_err *err) {
    for (size_t i = 0; i < json_array_size(b->owned); i++) {
        TM_TRY(add_owned(b, json_array_get(b->owned, i), err));
    }
    tm__file_close(b->hold);
    b->hold = NULL;
    return TM_OK;
}

static tm_status add_each(tm_backup *b, const char *kind,
                          tm_status (*add)(tm_backup *b, const char *text, tm_err *err),
                          tm_err *err) {
    const json_t *list = json_object_get(b->files, kind);
    for (size_t i = 0; i < json_array_size(list); i++) {
        TM_TRY(add(b, json_string_value(json_array_get(list, i)), err));
    }
    return TM_OK;
}

/* ---- The manifest ---- */

static tm_status add_manifest(tm_backup *b, const char *created, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, MANIFEST_BYTES_MAX);
    json_t *manifest = json_deep_copy(b->facts);
    int rc = json_object_set_new(manifest, "format", json_integer(TM_ARCHIVE_FORMAT));
    rc |= json_object_set_new(manifest, "tidemill", json_string(TM_VERSION));
    rc |= json_object_set_new(manifest, "created", json_string(created));
    rc |= json_object_set(manifest, "absent", b->absent);
    rc |= json_object_set(manifest, "members", b->members);
    tm_status st = TM_OK;
    if (rc != 0 || !tm__json_write(&text, manifest, TM_JSON_PRETTY | TM_JSON_SORTED)) {
        st = no_memory(err);
    } else {
        st = tm__archive_add(b->writer, "manifest.json", text.data, text.len, err);
    }
    json_decref(manifest);
    tm__buf_done(&text);
    return st;
}

static tm_status report(const tm_backup *b, bool has_project, uint64_t size_bytes, const char *hash,
                        tm_err *err) {
    char text[128], size[32];
    tm_cli *cli = b->cli;
    const size_t n_absent = json_array_size(b->absent);
    const size_t n_bundles = json_array_size(json_object_get(b->files, "bundles"));
    const size_t n_snapshots = json_array_size(json_object_get(b->files, "snapshots")) - n_absent;
    if (cli->json) {
        int rc = json_object_set_new(b->facts, "schema", json_string("tidemill.backup/1"));
        rc |= json_object_set_new(b->facts, "file", json_string(b->path));
        rc |= json_object_set_new(b->facts, "size", json_integer((json_int_t)size_bytes));
        rc |= json_object_set_new(b->facts, "hash", json_string(hash));
        rc |= json_object_set_new(b->facts, "bundles", json_integer((json_int_t)n_bundles));
        rc |= json_object_set_new(b->facts, "snapshots", json_integer((json_int_t)n_snapshots));
        rc |= json_object_set_new(b->facts, "source_files",
                                  json_integer((json_int_t)json_array_size(b->owned)));
        rc |= json_object_set_new(b->facts, "project_file", json_boolean(has_project));
        rc |= json_object_set(b->facts, "absent", b->absent);
        if (rc != 0) {
            return no_memory(err);
        }
        tm__cli_print_json(cli, b->facts);
    }
    tm__cli_print(
        cli, "%s: %s%s, %s\n", b->path, tm__staging_facts_text(b->facts, text, sizeof(text)),
        has_project ? ", tidemill.yaml" : "", tm__bytes_text(size_bytes, size, sizeof(size)));
    if (n_absent > 0) {
        tm__cli_warn(cli, "%zu snapshots are gone from the home and are not in the backup",
                     n_absent);
    }
    return TM_OK;
}

/* A backup of a home that is sealed is, too. */
static tm_status archive_create(tm_backup *b, tm_err *err) {
    tm_envelope_ring ring;
    TM_TRY(tm__vault_ring(tm__home_meta_db(b->place.home), &ring, err));
    const tm_status st =
        tm__archive_create(b->path, ring.n == 0 ? NULL : &ring.keys[0], &b->writer, err);
    tm__envelope_ring_done(&ring);
    return st;
}

/* Databases are copied as they are: of a sealed home to where their like lies already, since what
 * is sealed beside the file's place is not to stand there in clear, not even for a moment. */
static tm_status open_staging(tm_backup *b, tm_err *err) {
    const char *const temp = tm__home_temp(b->place.home);
    bool is_sealed = false;
    TM_TRY(tm__vault_has(tm__home_meta_db(b->place.home), &is_sealed, err));
    if (!is_sealed) {
        return tm__staging_open(b->path, &b->staging, err);
    }
    TM_TRY(tm__fs_mkdir(temp, err));
    char *const beside = tm__fs_join(temp, "backup");
    const tm_status st =
        beside == NULL ? no_memory(err) : tm__staging_open(beside, &b->staging, err);
    tm__mem_free(beside);
    return st;
}

static tm_status backup(tm_backup *b, tm_err *err) {
    char created[48];
    char hash_text[TM_HASH_TEXT];
    bool has_project = false;
    uint64_t size_bytes = 0;
    tm_hash hash;
    tm__time_to_text(tm__now_us(), created);
    TM_TRY(open_staging(b, err));
    TM_TRY(copy_databases(b, err));
    b->n_files = 6 + json_array_size(b->owned) +
                 json_array_size(json_object_get(b->files, "bundles")) +
                 json_array_size(json_object_get(b->files, "snapshots"));
    TM_TRY(archive_create(b, err));
    TM_TRY(add_databases(b, err));
    TM_TRY(add_project(b, &has_project, err));
    TM_TRY(add_all_owned(b, err)); /* first, so that others are held up for the shortest time */
    TM_TRY(add_each(b, "bundles", add_bundle, err));
    TM_TRY(add_each(b, "snapshots", add_snapshot, err));
    TM_TRY(add_manifest(b, created, err));
    TM_TRY(tm__archive_publish(b->writer, &size_bytes, &hash, err));
    tm__hash_to_text(&hash, hash_text);
    const tm_cli_deed deed = {
        .event = "backup.made",
        .kind = "home",
        .details = json_pack("{s:s, s:I}", "blake2b", hash_text, "bytes", (json_int_t)size_bytes)};
    tm__cli_did(b->cli, "'%.100s' is written", b->path);
    TM_TRY(tm__cli_audit(b->place.home, &deed, err));
    return report(b, has_project, size_bytes, hash_text, err);
}

/* Half of a home is no backup. */
static tm_status check_tables(const tm_home *home, tm_err *err) {
    if (!tm__home_has_server(home)) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                  "the tables of this home are in PostgreSQL: a backup would be without them");
    tm_err_hint(err,
                "Copy the folder, and run pg_dump for each schema of it: the one that store.json "
                "names, the same with _watch, and with _intake where sources are shared.");
    tm_err_at(err, tm__home_meta_db(home), 0, 0);
    return TM_E_UNSUPPORTED;
}

tm_status cmd_backup(tm_cli *cli, tm_err *err) {
    tm_backup b = {.cli = cli};
    TM_TRY(target_path(tm__cli_arg(cli, "FILE"), &b.path, err));
    tm_status st = tm__place_open(cli, false, &b.place, err);
    st = st == TM_OK ? check_tables(b.place.home, err) : st;
    if (st == TM_OK) {
        st = tm__cli_ctx_init(cli, 0, &b.ctx, err);
    }
    b.members = json_array();
    b.absent = json_array();
    b.owned = json_array();
    if (st == TM_OK && (b.members == NULL || b.absent == NULL || b.owned == NULL)) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        st = backup(&b, err);
    }
    tm__file_close(b.hold);
    tm__archive_writer_close(b.writer);
    tm__staging_close(&b.staging);
    tm__place_close(&b.place);
    tm__cli_ctx_done(&b.ctx);
    json_decref(b.facts);
    json_decref(b.files);
    json_decref(b.members);
    tm__bucket_done(&b.bucket);
    json_decref(b.absent);
    json_decref(b.owned);
    tm__mem_free(b.path);
    return st;
}
