/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server key: 32 random bytes in a file of the home, without which no stored key can be checked
 * or made.
 *
 * 1. The file is durable before the first hash that needs it is committed.
 * 2. meta.db says by a check which server key its hashes were made with, so that a file of another
 *    home is told from the right one.
 * 3. It is made and replaced only inside a writing transaction: one process at a time.
 */
#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/sandbox.h"
#include "registry/registry_priv.h"

#define FILE_BYTES (TM_HASH_TEXT) /* hexadecimal digits and the end of a line */

/* TM_E_NOT_FOUND: no file; TM_E_INTEGRITY: no server key in it. */
static tm_status file_read(const tm_registry *registry, tm_server_key *out, tm_err *err) {
    const char *path = tm__home_server_key(registry->home);
    tm_buf text;
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no '%s'", path);
    }
    tm__process_hide();
    tm__buf_init(&text, FILE_BYTES);
    tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK || st == TM_E_LIMIT) {
        const bool has_end = text.len == FILE_BYTES && text.data[FILE_BYTES - 1] == '\n';
        if (has_end) {
            text.data[FILE_BYTES - 1] = '\0';
        }
        const bool is_key =
            st == TM_OK && has_end && tm__hash_from_text((const char *)text.data, &out->secret);
        st = is_key ? TM_OK : TM_FAIL(err, TM_E_INTEGRITY, "'%s' holds no server key", path);
    }
    if (text.len > 0) {
        explicit_bzero(text.data, text.len);
    }
    tm__buf_done(&text);
    return st;
}

static tm_status file_write(const tm_registry *registry, const tm_server_key *key, tm_err *err) {
    char text[FILE_BYTES];
    tm__hash_to_text(&key->secret, text);
    text[FILE_BYTES - 1] = '\n';
    const tm_status st =
        tm__fs_publish_secret(tm__home_server_key(registry->home), text, FILE_BYTES, err);
    explicit_bzero(text, sizeof(text));
    return st;
}

static tm_status check_read(tm_db *db, tm_hash *out, bool *out_has, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT check_hash FROM server_key", &stmt, err));
    const tm_status st = tm__stmt_step(stmt, out_has, err);
    if (st == TM_OK && *out_has) {
        const tm_str bytes = tm__stmt_blob(stmt, 0);
        TM_ASSERT(bytes.len == TM_HASH_BYTES);
        memcpy(out->bytes, bytes.ptr, TM_HASH_BYTES);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status check_write_locked(tm_db *db, const tm_server_key *key, tm_err *err) {
    tm_hash check;
    tm_stmt *stmt = NULL;
    tm__server_key_check(key, &check);
    TM_TRY(tm__db_exec(db, "DELETE FROM server_key", err));
    TM_TRY(tm__stmt_init(db, "INSERT INTO server_key VALUES(?)", &stmt, err));
    tm__stmt_bind_blob(stmt, 1, check.bytes, TM_HASH_BYTES);
    return tm__stmt_run_done(stmt, err);
}

static tm_status lost(const tm_registry *registry, const char *what, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "the server key '%s' %s",
                                 tm__home_server_key(registry->home), what);
    tm_err_hint(err, "Without it no key of this home is valid. Restore the file from a backup of "
                     "this home; or revoke all keys and make new ones.");
    return st;
}

/* Read the file and hold it to what the database says. */
static tm_status read_checked(tm_registry *registry, const tm_hash *want, tm_server_key *out,
                              tm_err *err) {
    tm_server_key key;
    tm_hash check;
    const tm_status st = file_read(registry, &key, err);
    if (st == TM_E_NOT_FOUND || st == TM_E_INTEGRITY) {
        return lost(registry, st == TM_E_NOT_FOUND ? "is gone" : "is damaged", err);
    }
    TM_TRY(st);
    tm__server_key_check(&key, &check);
    if (!tm__hash_eq(&check, want)) {
        tm__server_key_done(&key);
        return lost(registry, "is not the one that the keys were made with", err);
    }
    *out = key;
    tm__server_key_done(&key);
    return TM_OK;
}

static tm_status count_live(tm_registry *registry, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db, "SELECT count(*) FROM keys WHERE revoked_us IS NULL", &stmt,
                         err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_server_key(tm_registry *registry, tm_server_key *out, bool *out_has,
                                  tm_err *err) {
    tm_hash want;
    int64_t n_live = 0;
    bool has = false;
    TM_TRY(check_read(registry->db, &want, &has, err));
    if (has) {
        tm_err inner = {0};
        const tm_status st = read_checked(registry, &want, out, &inner);
        TM_TRY(count_live(registry, &n_live, err));
        if (st != TM_OK && (st != TM_E_INTEGRITY || n_live > 0)) {
            if (err != NULL) {
                *err = inner;
            }
            return st;
        }
        has = st == TM_OK;
    }
    *out_has = has;
    return TM_OK;
}

/* Take the one whose file is there (of a move that was not committed, or of a home whose keys are
 * all revoked), else make one. */
static tm_status begin_locked(tm_registry *registry, tm_db *db, tm_server_key *out, tm_err *err) {
    tm_status st = file_read(registry, out, err);
    if (st == TM_E_NOT_FOUND || st == TM_E_INTEGRITY) {
        tm__server_key_create(out);
        st = file_write(registry, out, err);
    } else if (st == TM_OK) {
        st = tm__fs_ensure(tm__home_server_key(registry->home), err);
    }
    return st == TM_OK ? check_write_locked(db, out, err) : st;
}

tm_status tm__registry_server_key_locked(tm_registry *registry, tm_server_key *out, tm_err *err) {
    bool has = false;
    TM_TRY(tm__registry_server_key(registry, out, &has, err));
    return has ? TM_OK : begin_locked(registry, registry->db, out, err);
}

/* ---- Homes of before ---- */

typedef struct tm_plain_key {
    char id[9];
    tm_hash hash;
} tm_plain_key;

static tm_status next_plain(tm_db *db, const char *after, tm_plain_key *out, bool *out_has,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT id, hash FROM keys WHERE id > ? ORDER BY id LIMIT 1", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, after);
    const tm_status st = tm__stmt_step(stmt, out_has, err);
    if (st == TM_OK && *out_has) {
        const tm_str bytes = tm__stmt_blob(stmt, 1);
        TM_ASSERT(bytes.len == TM_HASH_BYTES);
        memcpy(out->hash.bytes, bytes.ptr, TM_HASH_BYTES);
        (void)tm__str_copy(out->id, sizeof(out->id), tm__str(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status seal_one(tm_db *db, const tm_server_key *key, const tm_plain_key *plain,
                          tm_err *err) {
    tm_hash sealed;
    tm_stmt *stmt = NULL;
    tm__key_seal(key, &plain->hash, &sealed);
    TM_TRY(tm__stmt_init(db, "UPDATE keys SET hash = ? WHERE id = ?", &stmt, err));
    tm__stmt_bind_blob(stmt, 1, sealed.bytes, TM_HASH_BYTES);
    tm__stmt_bind_text(stmt, 2, plain->id);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__registry_seal_keys_locked(tm_db *db, tm_err *err) {
    tm_registry *registry = tm__db_migration_arg(db);
    tm_server_key key;
    tm_plain_key plain = {.id = ""};
    bool has = false;
    TM_TRY(next_plain(db, "", &plain, &has, err));
    if (!has) {
        return TM_OK;
    }
    tm_status st = begin_locked(registry, db, &key, err);
    while (st == TM_OK && has) {
        st = seal_one(db, &key, &plain, err);
        st = st != TM_OK ? st : next_plain(db, plain.id, &plain, &has, err);
    }
    tm__server_key_done(&key);
    return st;
}
