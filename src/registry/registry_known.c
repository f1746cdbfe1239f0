/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/registry_known.h"

#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "store/db_move.h"

#define KNOWN "known.db"
#define KNOWN_NEW "known.new.db"
#define HEARD "known.json"
#define SCHEMA "tidemill.known/1"
#define TEXT_BYTES_MAX (64u << 10)
#define PLACE_BYTES (2 * sizeof(tm_hash) + 1)

/* What a row refers to comes first. Of the records: what a rollback brings back, and what is to be
 * retired. */
static const tm_db_part parts[] = {
    {"models", NULL},     {"versions", NULL},
    {"verdicts", NULL},   {"aliases", NULL},
    {"routes", NULL},     {"arms", NULL},
    {"rollouts", NULL},   {"tags", NULL},
    {"collected", NULL},  {"keys", NULL},
    {"server_key", NULL}, {"history", "event IN ('promoted', 'rolled_back', 'subject.retiring')"},
    {NULL, NULL},
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__registry_open_away(const tm_home *home, tm_registry **out, tm_err *err) {
    return tm__registry_open_as(home, &(tm_registry_way){.may_be_away = true}, out, err);
}

/* A file of SQLite that nobody has open, and what a kill left beside it. */
static tm_status remove_new(const char *path, tm_err *err) {
    static const char *const ends[] = {"-wal", "-shm", ""};
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < sizeof ends / sizeof ends[0]; i++) {
        tm_buf name;
        tm__buf_init(&name, TEXT_BYTES_MAX);
        st = tm__buf_printf(&name, "%s%s", path, ends[i])
                 ? tm__fs_remove((const char *)name.data, err)
                 : no_memory(err);
        tm__buf_done(&name);
    }
    return st;
}

static tm_status write_copy(tm_registry *registry, const char *path, tm_err *err) {
    tm_db *to = NULL;
    TM_TRY(remove_new(path, err));
    TM_TRY(tm__registry_db_open(path, false, registry, &to, err));
    const tm_status st = tm__db_copy_parts(registry->db, to, parts, err);
    tm__db_close(to);
    return st;
}

tm_status tm__registry_known_keep(tm_registry *registry, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(registry->home), KNOWN);
    char *fresh = tm__fs_join(tm__home_path(registry->home), KNOWN_NEW);
    tm_status st =
        path != NULL && fresh != NULL ? write_copy(registry, fresh, err) : no_memory(err);
    st = st == TM_OK ? tm__fs_move(fresh, path, err) : st;
    tm__mem_free(path);
    tm__mem_free(fresh);
    return st;
}

/* Of another place nothing is known. */
static tm_status place_of(const tm_home *home, char out[PLACE_BYTES], tm_err *err) {
    tm_buf text;
    tm_hash hash;
    tm__buf_init(&text, TEXT_BYTES_MAX);
    const tm_status st = tm__fs_read_all(tm__home_meta_db(home), &text, err);
    if (st == TM_OK) {
        tm__hash_bytes(text.data, text.len, &hash);
        tm__hash_to_text(&hash, out);
    }
    tm__buf_done(&text);
    return st;
}

tm_status tm__registry_known_hear(const tm_home *home, int64_t heard_us, tm_err *err) {
    char place[PLACE_BYTES];
    TM_TRY(place_of(home, place, err));
    char *path = tm__fs_join(tm__home_path(home), HEARD);
    tm_buf text;
    tm__buf_init(&text, TEXT_BYTES_MAX);
    const bool is_made = tm__buf_printf(
        &text, "{\"schema\": \"%s\", \"place\": \"%s\", \"heard_us\": %" PRId64 "}\n", SCHEMA,
        place, heard_us);
    const tm_status st =
        path == NULL || !is_made ? no_memory(err) : tm__fs_replace(path, text.data, text.len, err);
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}

static tm_status nothing_known(tm_err *err) {
    return TM_FAIL(err, TM_E_NOT_FOUND, "nothing is known yet of these tables");
}

static tm_status read_heard(const tm_home *home, int64_t *out, tm_err *err) {
    char place[PLACE_BYTES];
    tm_buf text;
    json_t *says = NULL;
    TM_TRY(place_of(home, place, err));
    char *path = tm__fs_join(tm__home_path(home), HEARD);
    tm__buf_init(&text, TEXT_BYTES_MAX);
    tm_status st = path == NULL ? no_memory(err) : tm__fs_read_all(path, &text, err);
    st = st == TM_OK ? tm__json_parse(text.data, text.len, TM_MAX_JSON_DEPTH, &says, err) : st;
    if (st == TM_OK && (strcmp(tm__json_text(says, "schema", ""), SCHEMA) != 0 ||
                        strcmp(tm__json_text(says, "place", ""), place) != 0)) {
        st = nothing_known(err);
    }
    if (st == TM_OK) {
        *out = tm__json_i64(says, "heard_us", 0);
    }
    json_decref(says);
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}

tm_status tm__registry_known_open(const tm_home *home, tm_registry **out, int64_t *out_heard_us,
                                  tm_err *err) {
    int64_t heard_us = 0;
    TM_TRY(read_heard(home, &heard_us, err));
    char *path = tm__fs_join(tm__home_path(home), KNOWN);
    const tm_registry_way way = {.path = path, .read_only = true};
    const tm_status st = path == NULL ? no_memory(err) : tm__registry_open_as(home, &way, out, err);
    if (st == TM_OK) {
        *out_heard_us = heard_us;
    }
    tm__mem_free(path);
    return st;
}
