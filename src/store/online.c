/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One unnamed database of LMDB. Keys, big-endian numbers, so that a view's lie together:
 *
 *     "F"                              u32 format
 *     "R" mark (32)                    record of a view
 *     "V" u32 view, 0, key             a value (key of at most KEY_SHORT bytes)
 *     "V" u32 view, 1, BLAKE2b-256     a value; the whole key stands before it
 *     "V" u32 view, 2, keyed hash      a sealed value, as store/online_seal.h has it
 *     "S"                              the keys of a sealed generation
 *
 * Each value is u32 CRC32C of its key and all that follows, u32 length of the key where only its
 * hash is the key (else 0), that key, the bytes. So a page that was put in another's place shows,
 * and two keys are never taken for one.
 *
 * 1. A generation is one environment, opened once a process: LMDB's locks are the process's.
 * 2. Names of generations are never used again while they are there, so a reader has the lock file
 *    and the data of the same one, or fails to open.
 * 3. The map is as large as the address space allows; the file grows by what is written.
 */
#include "store/online.h"

#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/online_seal.h"

#define MAP_MAX ((size_t)1 << 38) /* 256 GiB: a 47-bit address space holds hundreds of it */
#define MAP_MIN ((size_t)1 << 28)
#define READERS_MAX 1024u

tm_status tm__online_fail(int code, const char *what, tm_err *err) {
    switch (code) {
    case MDB_NOTFOUND:
        return TM_E_NOT_FOUND;
    case ENOMEM:
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO: {
        const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE,
                                     "the online store cannot be written: %s", strerror(code));
        tm_err_hint(err, "Nothing is lost: it goes on when the disk has room.");
        return st;
    }
    case MDB_MAP_FULL: {
        const tm_status st = TM_FAIL(err, TM_E_LIMIT, "the online store has its largest size");
        tm_err_hint(err, "Narrow the windows, or let the program use more address space.");
        return st;
    }
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
    case MDB_BAD_TXN: {
        const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "the online store is damaged");
        tm_err_hint(err, "'tidemill online rebuild' makes it anew from the sources.");
        return st;
    }
    case ENOENT:
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no online store");
    default:
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store: %s: %s", what, mdb_strerror(code));
    }
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the online store");
}

/* ---- Generations ---- */

static char *home_file(const tm_home *home, const char *name) {
    return tm__fs_join(tm__home_path(home), name);
}

static char *generation_path(const char *folder, uint64_t number) {
    char name[24];
    (void)snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
    return tm__fs_join(folder, name);
}

static bool note_newest(void *arg, const char *name) {
    uint64_t *const newest = arg;
    uint64_t number = 0;
    if (tm__str_to_u64(tm__str(name), &number) && number > *newest) {
        *newest = number;
    }
    return true;
}

static uint64_t newest_in(const char *folder) {
    uint64_t newest = 0;
    if (folder == NULL || tm__fs_list(folder, note_newest, &newest, NULL) != TM_OK) {
        return 0;
    }
    return newest;
}

uint64_t tm__online_newest(const tm_home *home) {
    char *const folder = home_file(home, "online");
    const uint64_t newest = newest_in(folder);
    tm__mem_free(folder);
    return newest;
}

static void remove_generation(const char *folder, uint64_t number) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char *const path = generation_path(folder, number);
    for (size_t i = 0; path != NULL && i < 2; i++) {
        char *const file = tm__fs_join(path, names[i]);
        const tm_status st = file == NULL ? TM_E_NOMEM : tm__fs_remove(file, NULL);
        (void)st; /* what stays is tried again with the next generation */
        tm__mem_free(file);
    }
    if (path != NULL) {
        const tm_status st = tm__fs_remove(path, NULL);
        (void)st;
    }
    tm__mem_free(path);
}

typedef struct old_ones {
    const char *folder;
    uint64_t before;
} old_ones;

static bool remove_old(void *arg, const char *name) {
    const old_ones *const old = arg;
    uint64_t number = 0;
    if (tm__str_to_u64(tm__str(name), &number) && number < old->before) {
        remove_generation(old->folder, number);
    }
    return true;
}

/* Remove generations before this one, and readers that died. */
static void tidy(tm_online *online) {
    old_ones old = {.folder = online->folder, .before = online->generation};
    int n_dead = 0;
    const tm_status st = tm__fs_list(online->folder, remove_old, &old, NULL);
    (void)st; /* old files cost room and nothing else */
    (void)mdb_reader_check(online->env, &n_dead);
}

/* ---- Opening ---- */

static void close_store(tm_online *online) {
    if (online->txn != NULL) {
        mdb_txn_abort(online->txn);
    }
    if (online->env != NULL) {
        mdb_env_close(online->env);
    }
    tm__online_seal_done(online);
    tm__file_close(online->lock);
    tm__mem_free(online->folder);
    tm__mem_free(online->path);
    tm__mem_free(online);
}

tm_online *tm__online_ref(tm_online *online) {
    atomic_fetch_add(&online->refs, 1);
    return online;
}

void tm__online_unref(tm_online *online) {
    if (online != NULL && atomic_fetch_sub(&online->refs, 1) == 1) {
        close_store(online);
    }
}

uint64_t tm__online_generation(const tm_online *online) {
    return online->generation;
}

static uint64_t data_bytes(const tm_online *online) {
    char *const path = tm__fs_join(online->path, "data.mdb");
    const uint64_t n_bytes = path == NULL ? 0 : tm__fs_info(path).size_bytes;
    tm__mem_free(path);
    return n_bytes;
}

uint64_t tm__online_bytes(const tm_online *online) {
    return data_bytes(online);
}

/* Address space may be limited: as much as there is. */
static int open_env(tm_online *online, bool can_write) {
    const unsigned flags =
        MDB_NOTLS | MDB_NORDAHEAD | MDB_NOMETASYNC | (can_write ? 0 : MDB_RDONLY);
    int code = ENOMEM;
    for (size_t size = MAP_MAX; code == ENOMEM && size >= MAP_MIN; size /= 4) {
        if (online->env != NULL) {
            mdb_env_close(online->env);
            online->env = NULL;
        }
        code = mdb_env_create(&online->env);
        code = code == 0 ? mdb_env_set_mapsize(online->env, size) : code;
        code = code == 0 ? mdb_env_set_maxreaders(online->env, READERS_MAX) : code;
        code = code == 0 ? mdb_env_open(online->env, online->path, flags, 0600) : code;
    }
    return code;
}

/* LMDB maps what should be there: a page behind the end of the file would end the process. */
static tm_status check_length(const tm_online *online, tm_err *err) {
    MDB_envinfo info;
    MDB_stat stat;
    (void)mdb_env_info(online->env, &info);
    (void)mdb_env_stat(online->env, &stat);
    if (data_bytes(online) / stat.ms_psize <= info.me_last_pgno) {
        return tm__online_fail(MDB_CORRUPTED, "length", err);
    }
    return TM_OK;
}

static tm_status refuse_format(uint32_t format, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_INTEGRITY, "the online store is of another format (%u) than %u or %u",
                format, ONLINE_FORMAT, ONLINE_FORMAT_SEALED);
    tm_err_hint(err, "'tidemill online rebuild' makes it anew from the sources.");
    return st;
}

static tm_status find_format(tm_online *online, MDB_txn *txn, uint32_t *out, tm_err *err) {
    MDB_val value, key = {1, (char[]){'F'}};
    int code = mdb_dbi_open(txn, NULL, 0, &online->dbi);
    code = code == 0 ? mdb_get(txn, online->dbi, &key, &value) : code;
    if (code != 0 && code != MDB_NOTFOUND) {
        return tm__online_fail(code, "format", err);
    }
    tm_reader in;
    tm__reader_init(&in, code == 0 ? value.mv_data : NULL, code == 0 ? value.mv_size : 0);
    *out = tm__reader_u32(&in);
    return *out == ONLINE_FORMAT || *out == ONLINE_FORMAT_SEALED ? TM_OK : refuse_format(*out, err);
}

/* Which key of the home sealed it, and with has_keys the keys under it. */
static tm_status read_format(tm_online *online, MDB_txn *txn, bool has_keys, tm_err *err) {
    uint32_t format = 0;
    TM_TRY(find_format(online, txn, &format, err));
    return format == ONLINE_FORMAT ? TM_OK
           : has_keys              ? tm__online_seal_load(online, txn, err)
                                   : tm__online_seal_look(online, txn, err);
}

static tm_status check_format(tm_online *online, bool has_keys, tm_err *err) {
    MDB_txn *txn = NULL;
    const int code = mdb_txn_begin(online->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) {
        return tm__online_fail(code, "format", err);
    }
    const tm_status st = read_format(online, txn, has_keys, err);
    mdb_txn_abort(txn);
    return st;
}

static tm_status put_format_in(tm_online *online, MDB_txn *txn, tm_err *err) {
    int code = mdb_dbi_open(txn, NULL, 0, &online->dbi);
    if (code != 0) {
        return tm__online_fail(code, "begin", err);
    }
    TM_TRY(tm__online_seal_begin(online, txn, err));
    uint8_t bytes[4] = {online->values.n > 0 ? ONLINE_FORMAT_SEALED : ONLINE_FORMAT, 0, 0, 0};
    MDB_val key = {1, (char[]){'F'}}, value = {4, bytes};
    code = mdb_put(txn, online->dbi, &key, &value, 0);
    return code == 0 ? TM_OK : tm__online_fail(code, "begin", err);
}

static tm_status put_format(tm_online *online, tm_err *err) {
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(online->env, NULL, 0, &txn);
    if (code != 0) {
        return tm__online_fail(code, "begin", err);
    }
    const tm_status st = put_format_in(online, txn, err);
    if (st != TM_OK) {
        mdb_txn_abort(txn);
        return st;
    }
    code = mdb_txn_commit(txn);
    return code == 0 ? TM_OK : tm__online_fail(code, "begin", err);
}

/* The environment in a folder. `lock` of the one that writes is taken over on success. */
static tm_status open_at(const char *folder, const char *path, uint64_t number, tm_file *lock,
                         tm_online **out, tm_err *err) {
    tm_online *const online = tm__mem_zalloc(1, sizeof(*online));
    if (online == NULL) {
        return no_memory(err);
    }
    atomic_init(&online->refs, 1);
    tm__buf_init(&online->buf, SIZE_MAX / 2);
    online->generation = number;
    online->folder = tm__mem_strdup(folder);
    online->path = tm__mem_strdup(path);
    const int code =
        online->folder == NULL || online->path == NULL ? ENOMEM : open_env(online, lock != NULL);
    const tm_status st = code == 0 ? TM_OK : tm__online_fail(code, "open", err);
    if (st != TM_OK) {
        close_store(online);
        return st;
    }
    online->lock = lock;
    *out = online;
    return TM_OK;
}

static void leave_lock(tm_online *online) {
    online->lock = NULL;
    tm__online_unref(online);
}

/* A generation; number 0: there is none. Without has_keys its values are not to be read. */
static tm_status open_any(const char *folder, uint64_t number, bool has_keys, tm_file *lock,
                          tm_online **out, tm_err *err) {
    if (number == 0) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no online store");
    }
    tm_online *online = NULL;
    char *const path = generation_path(folder, number);
    tm_status st =
        path == NULL ? no_memory(err) : open_at(folder, path, number, lock, &online, err);
    tm__mem_free(path);
    TM_TRY(st);
    st = check_length(online, err);
    st = st == TM_OK ? check_format(online, has_keys, err) : st;
    if (st != TM_OK) {
        leave_lock(online);
        return st;
    }
    *out = online;
    return TM_OK;
}

static tm_status open_number(const char *folder, uint64_t number, tm_file *lock, tm_online **out,
                             tm_err *err) {
    return open_any(folder, number, true, lock, out, err);
}

tm_status tm__online_open(const tm_home *home, uint64_t generation, tm_online **out, tm_err *err) {
    char *const folder = home_file(home, "online");
    if (folder == NULL) {
        return no_memory(err);
    }
    const uint64_t number = generation != 0 ? generation : newest_in(folder);
    const tm_status st = open_number(folder, number, NULL, out, err);
    tm__mem_free(folder);
    return st;
}

/* An empty folder aside; what a kill left in it goes. */
static tm_status empty_aside(const char *path, tm_err *err) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < 2; i++) {
        char *const file = tm__fs_join(path, names[i]);
        const tm_status st = file == NULL ? no_memory(err) : tm__fs_remove(file, err);
        tm__mem_free(file);
        TM_TRY(st);
    }
    return tm__fs_mkdir(path, err);
}

static tm_status open_aside(const char *folder, uint64_t number, tm_file *lock, tm_online **out,
                            tm_err *err) {
    tm_online *online = NULL;
    char *const path = tm__fs_join(folder, "new");
    tm_status st = path == NULL ? no_memory(err) : empty_aside(path, err);
    st = st == TM_OK ? open_at(folder, path, number, lock, &online, err) : st;
    tm__mem_free(path);
    TM_TRY(st);
    online->is_aside = true;
    st = put_format(online, err);
    if (st != TM_OK) {
        leave_lock(online);
        return st;
    }
    *out = online;
    return TM_OK;
}

tm_status tm__online_publish(tm_online *online, tm_err *err) {
    if (!online->is_aside) {
        return TM_OK;
    }
    char *const path = generation_path(online->folder, online->generation);
    const tm_status st = path == NULL ? no_memory(err) : tm__fs_move(online->path, path, err);
    if (st != TM_OK) {
        tm__mem_free(path);
        return st;
    }
    tm__mem_free(online->path);
    online->path = path;
    online->is_aside = false;
    tidy(online);
    return TM_OK;
}

static tm_status say(const tm_err *why, tm_err *err) {
    if (err != NULL) {
        *err = *why;
    }
    return why->status;
}

/* A copy that the home's key seals takes the place of one that it did not. */
static tm_status reseal(const char *folder, tm_online **online, tm_err *err) {
    tm_online *const old = *online;
    tm_online *made = NULL;
    bool is_current = false;
    TM_TRY(tm__online_is_current(old, &is_current, err));
    if (is_current) {
        return TM_OK;
    }
    TM_TRY(open_aside(folder, old->generation + 1, old->lock, &made, err));
    tm_status st = tm__online_copy(old, made, err);
    st = st == TM_OK ? tm__online_publish(made, err) : st;
    if (st != TM_OK) {
        leave_lock(made);
        return st;
    }
    leave_lock(old);
    *online = made;
    return TM_OK;
}

/* What is there, or an empty one where it is damaged, of another format or not wanted. */
static tm_status open_some(const char *folder, tm_file *lock, bool begins_anew, tm_online **out,
                           tm_err *err) {
    const uint64_t newest = newest_in(folder);
    tm_err why = {0};
    tm_status st = begins_anew ? TM_E_INTEGRITY : open_number(folder, newest, lock, out, &why);
    if (st == TM_OK) {
        st = reseal(folder, out, &why);
        if (st != TM_OK) {
            leave_lock(*out);
            *out = NULL;
        }
    }
    if (st == TM_E_NOT_FOUND || st == TM_E_INTEGRITY) {
        return open_aside(folder, newest + 1, lock, out, err);
    }
    return st == TM_OK ? TM_OK : say(&why, err);
}

tm_status tm__online_open_write(const tm_home *home, bool begins_anew, tm_online **out,
                                bool *out_anew, tm_err *err) {
    char *const folder = home_file(home, "online");
    char *const lock_path = home_file(home, "online.lock");
    tm_file *lock = NULL;
    tm_online *online = NULL;
    tm_status st = folder == NULL || lock_path == NULL ? no_memory(err) : TM_OK;
    st = st == TM_OK ? tm__lock_open(lock_path, &lock, err) : st;
    st = st == TM_OK ? tm__fs_mkdir(folder, err) : st;
    st = st == TM_OK ? open_some(folder, lock, begins_anew, &online, err) : st;
    tm__mem_free(folder);
    tm__mem_free(lock_path);
    if (st != TM_OK) {
        tm__file_close(lock);
        return st;
    }
    *out_anew = online->is_aside;
    *out = online;
    if (!online->is_aside) {
        tidy(online);
    }
    return TM_OK;
}

/* ---- Sealing ---- */

tm_status tm__online_renew(const tm_home *home, tm_err *err) {
    tm_online *online = NULL;
    bool is_anew = false;
    if (tm__online_newest(home) == 0) {
        return TM_OK;
    }
    TM_TRY(tm__online_open_write(home, false, &online, &is_anew, err));
    tm__online_unref(online); /* an empty one stays aside: whoever keeps it begins it anew */
    return TM_OK;
}

tm_status tm__online_look(const tm_home *home, tm_online_look *out, tm_err *err) {
    char *const folder = home_file(home, "online");
    tm_online *online = NULL;
    tm_err why = {0};
    *out = (tm_online_look){0};
    const tm_status st = folder == NULL
                             ? no_memory(&why)
                             : open_any(folder, newest_in(folder), false, NULL, &online, &why);
    tm__mem_free(folder);
    if (st == TM_E_NOT_FOUND || st == TM_E_INTEGRITY) {
        return TM_OK;
    }
    if (st != TM_OK) {
        return say(&why, err);
    }
    memcpy(out->key, online->sealed_by, sizeof(out->key));
    out->is_there = true;
    tm__online_unref(online);
    return TM_OK;
}

/* ---- The end ---- */

static bool remove_any(void *arg, const char *name) {
    const char *const folder = arg;
    uint64_t number = 0;
    if (tm__str_to_u64(tm__str(name), &number)) {
        remove_generation(folder, number);
    }
    return true;
}

/* The folder "new" is emptied as one that is made aside, and goes as well. */
static tm_status remove_all(char *folder, tm_err *err) {
    bool is_left = false;
    char *const aside = tm__fs_join(folder, "new");
    tm_status st = aside == NULL ? no_memory(err) : empty_aside(aside, err);
    st = st == TM_OK ? tm__fs_remove(aside, err) : st;
    tm__mem_free(aside);
    TM_TRY(st);
    TM_TRY(tm__fs_list(folder, remove_any, folder, err));
    TM_TRY(tm__fs_sync_folder(folder, err));
    TM_TRY(tm__fs_has_entry(folder, &is_left, err));
    return is_left ? TM_FAIL(err, TM_E_UNAVAILABLE, "the online store cannot be removed") : TM_OK;
}

tm_status tm__online_remove(const tm_home *home, tm_err *err) {
    char *const folder = home_file(home, "online");
    char *const lock_path = home_file(home, "online.lock");
    tm_file *lock = NULL;
    tm_status st = folder == NULL || lock_path == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && tm__fs_info(folder).kind == TM_PATH_DIR) {
        st = tm__lock_open(lock_path, &lock, err);
        st = st == TM_OK ? remove_all(folder, err) : st;
    }
    tm__file_close(lock);
    tm__mem_free(folder);
    tm__mem_free(lock_path);
    return st;
}
