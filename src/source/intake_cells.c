/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_cells.h"

#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_keys.h"
#include "source/intake_priv.h"
#include "store/db_lookup.h"
#include "store/db_seal.h"

typedef struct lookups {
    const char *key; /* id of the one that seals */
    bool is_renewing;
} lookups;

/* Another key in the same transaction as what can be hashed once more at once. */
static tm_status more_keys(tm_db *db, tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    const tm_status st =
        tm__db_exec(db,
                    TM_LOOKUP_MORE "UPDATE pushes SET key = lookup_text_again(key),"
                                   " body = lookup_rows(body, lookup_count() - 1)",
                    err);
    return tm__db_end(db, st, err);
}

typedef struct tm_source_name {
    struct tm_source_name *next;
    int64_t id;
    char *dir;
} source_name;

static tm_status each_source(const tm_home *home, tm_db *db, source_name **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT id, name FROM sources", &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        source_name *const s = tm__mem_zalloc(1, sizeof(*s));
        if (s == NULL || (s->dir = tm__intake_dir(home, "keys", tm__stmt_text(stmt, 1))) == NULL) {
            tm__mem_free(s);
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
            break;
        }
        s->id = tm__stmt_i64(stmt, 0);
        s->next = *out;
        *out = s;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status renew_keys(const tm_home *home, tm_db *db, tm_err *err) {
    source_name *sources = NULL;
    tm_file *const lock = tm__intake_files_lock(home); /* NULL: a backup may be copying them */
    tm_status st = each_source(home, db, &sources, err);
    for (source_name *s = sources, *next = NULL; s != NULL; s = next) {
        const tm_keys_place place = {
            .db = db, .dir = s->dir, .source = s->id, .removes = lock != NULL};
        st = st == TM_OK ? tm__intake_keys_renew(&place, err) : st;
        next = s->next;
        tm__mem_free(s->dir);
        tm__mem_free(s);
    }
    tm__file_close(lock);
    return st;
}

/* The keys of lookups, and what they have yet to hash. */
static tm_status renew_lookup(const tm_home *home, tm_db *db, const lookups *l, uint64_t *io_n,
                              tm_err *err) {
    static const tm_sealed_column column = TM_SEALED_COLUMN("lookup", "id", "id", "key", 1);
    uint64_t n = 0, n_behind = 0;
    TM_TRY(tm__db_seal_renew(db, &column, l->key, false, &n, err));
    if (l->is_renewing && n > 0) {
        TM_TRY(more_keys(db, err));
    }
    TM_TRY(tm__intake_keys_behind(db, &n_behind, err));
    *io_n += n + n_behind;
    return l->is_renewing && n_behind > 0 ? renew_keys(home, db, err) : TM_OK;
}

tm_status tm__intake_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                                 uint64_t *out_n, tm_err *err) {
    static const tm_sealed_column columns[] = {
        TM_SEALED_COLUMN("batches", "seq", "seq", "rows", 64),
        TM_SEALED_COLUMN("profiles", "rowid", "source || '.' || hex(segment)", "profile", 64),
        TM_SEALED_COLUMN("quarantine", "seq", "seq", "bytes", 64),
        TM_SEALED_COLUMN("quarantine", "seq", "seq", "origin", 1024),
        TM_SEALED_COLUMN("quarantine", "seq", "seq", "names", 64),
        TM_SEALED_COLUMN("quarantine", "seq", "seq", "dialect", 64),
    };
    tm_db *db = NULL;
    uint64_t sum = 0;
    *out_n = 0;
    if (tm__home_shares_intake(home) || /* no cell of theirs is sealed */
        tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_db_open_there(home, is_renewing, &db, err));
    tm_status st = renew_lookup(home, db, &(lookups){key, is_renewing}, &sum, err);
    for (size_t i = 0; st == TM_OK && i < sizeof(columns) / sizeof(columns[0]); i++) {
        uint64_t n = 0;
        st = tm__db_seal_renew(db, &columns[i], key, is_renewing, &n, err);
        sum += n;
    }
    st = st == TM_OK && is_renewing && sum > 0 ? tm__db_seal_wipe(db, err) : st;
    tm__db_close(db);
    *out_n = st == TM_OK ? sum : 0;
    return st;
}
