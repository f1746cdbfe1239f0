/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log_cells.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "monitor/spill_frame.h"
#include "store/db_seal.h"

static tm_status note_wipe(tm_db *db, tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, tm__log_set_number_locked(db, "must_vacuum", 1, err), err);
}

/* Noted before a cell is sealed, so that a command that is stopped goes on with it. */
static tm_status renew(tm_db *db, const tm_sealed_column *column, const char *key, uint64_t *out_n,
                       tm_err *err) {
    TM_TRY(tm__db_seal_renew(db, column, key, false, out_n, err));
    if (*out_n == 0) {
        return TM_OK;
    }
    TM_TRY(note_wipe(db, err));
    return tm__db_seal_renew(db, column, key, true, out_n, err);
}

static tm_status wipe(tm_db *db, tm_err *err) {
    tm_err inner = {0};
    const tm_status st = tm__log_vacuum(db, &inner);
    if (st != TM_OK && st != TM_E_CONFLICT && err != NULL) {
        *err = inner;
    }
    return st == TM_E_CONFLICT ? TM_OK : st; /* it is counted, and done by the next command */
}

/* Who had the key that sealed it may know those inside: another one makes them another. */
static tm_status renew_lookup(tm_db *db, tm_err *err) {
    TM_TRY(note_wipe(db, err));
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, tm__log_lookup_more_locked(db, err), err);
}

static tm_status walk_lookup(tm_db *db, const char *key, bool is_renewing, uint64_t *out_n,
                             tm_err *err) {
    static const tm_sealed_column column = TM_SEALED_COLUMN("lookup", "id", "id", "key", 1);
    TM_TRY(tm__db_seal_renew(db, &column, key, false, out_n, err));
    return *out_n > 0 && is_renewing ? renew_lookup(db, err) : TM_OK;
}

static tm_status walk(tm_db *db, const char *key, bool is_renewing, uint64_t *out_n, tm_err *err) {
    static const tm_sealed_column columns[] = {
        TM_SEALED_COLUMN("blocks", "first_seq", "first_seq", "data", 64),
        TM_SEALED_COLUMN("labels", "seq", "seq", "value", 4096),
    };
    TM_TRY(walk_lookup(db, key, is_renewing, out_n, err));
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        uint64_t n = 0;
        TM_TRY(is_renewing ? renew(db, &columns[i], key, &n, err)
                           : tm__db_seal_renew(db, &columns[i], key, false, &n, err));
        *out_n += n;
    }
    return is_renewing ? wipe(db, err) : TM_OK;
}

tm_status tm__log_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                              uint64_t *out_n, tm_err *err) {
    tm_db *db = NULL;
    *out_n = 0;
    if (tm__fs_info(tm__home_log_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__log_open(tm__home_log_db(home), is_renewing, &db, err));
    const tm_status st = walk(db, key, is_renewing, out_n, err);
    tm__db_close(db);
    return st;
}

tm_status tm__log_cells_must_wipe(const tm_home *home, bool *out, tm_err *err) {
    tm_db *db = NULL;
    int64_t must = 0;
    *out = false;
    if (tm__fs_info(tm__home_log_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__log_open(tm__home_log_db(home), false, &db, err));
    const tm_status st = tm__log_number(db, "must_vacuum", &must, err);
    tm__db_close(db);
    *out = must != 0;
    return st;
}

/* ---- Spill files ---- */

typedef struct counting {
    const char *dir, *key;
    tm_log_spills *out;
    tm_status st;
    tm_err *err;
} counting;

static bool count_spill(void *arg, const char *name) {
    counting *const c = arg;
    char by[TM_ENVELOPE_ID_TEXT] = "";
    tm_map map = {0};
    char *const path = tm__fs_join(c->dir, name);
    c->st = path == NULL ? TM_FAIL(c->err, TM_E_NOMEM, "out of memory")
                         : tm__map_open(path, &map, c->err);
    if (c->st == TM_OK) {
        const bool is_sealed = tm__spill_sealed_by(map.data, map.len, by);
        c->out->n_plain += !is_sealed;
        c->out->n_sealed += is_sealed && strcmp(by, c->key) == 0;
        c->out->n_earlier += is_sealed && strcmp(by, c->key) != 0;
        tm__map_close(&map);
    }
    c->st = c->st == TM_E_NOT_FOUND ? TM_OK : c->st; /* it was written to the log */
    tm__mem_free(path);
    return c->st == TM_OK;
}

tm_status tm__log_spills_count(const tm_home *home, const char *key, tm_log_spills *out,
                               tm_err *err) {
    char *const dir = tm__fs_join(tm__home_path(home), "spill");
    counting c = {.dir = dir, .key = key, .out = out, .err = err};
    *out = (tm_log_spills){0};
    tm_status st = dir == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK && tm__fs_info(dir).kind == TM_PATH_DIR) {
        st = tm__fs_list(dir, count_spill, &c, err);
        st = st == TM_OK ? c.st : st;
    }
    tm__mem_free(dir);
    return st;
}
