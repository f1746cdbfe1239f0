/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in memory and in runs.
 *
 *   recent   open addressing, at most half full: 32 to 64 bytes a key, of the last million
 *   run      head | filter | keys, sorted       12 bits and 16 bytes a key, mapped
 *
 * A new key is the common case, and must not read the sorted part: the filter of each run (blocks
 * of 64 bytes, seven bits a key, so one line of the cache) says no to 99 of 100 keys that are not
 * there. For the rest the place follows from the key itself, since hashes are spread evenly: a
 * search begins there and meets the key within some square root of n.
 *
 * Runs of a level are merged by eight, so that 100 million keys are in at most 24 runs, and each
 * key is written three times.
 *
 * 1. A run is named by the hash of its bytes and never changes.
 * 2. Keys of a run are ascending and distinct: merged runs share none, as a key is added once.
 * 3. 0,0 marks an empty place in memory; that key is kept apart.
 */
#include "source/key_set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/mem.h"

#define RECENT_MAX (1u << 20)
#define SLOTS_MIN 1024u
#define LEVELS_MAX 12u
#define RUN_MAGIC UINT32_C(0x4B594D54) /* "TMYK" */
#define RUN_VERSION 1u
#define HEAD_BYTES 64u
#define BLOCK_BYTES 64u
#define BLOCK_BITS 512u
#define KEYS_A_BLOCK 42u /* 12 bits each: one of a hundred strange keys passes */
#define RUN_BYTES_MAX (SIZE_MAX / 2)
#define WRITE_BYTES ((size_t)1 << 20)

/* ---- A run's file ---- */

typedef struct run_head {
    uint32_t magic, version;
    uint64_t n, n_blocks;
    uint32_t crc_body, level;
    uint8_t zeros[24];
    uint32_t zero, crc_head; /* of the bytes before it */
} run_head;
static_assert(sizeof(run_head) == HEAD_BYTES, "the head is one line of the cache");
static_assert(sizeof(tm_row_key) == 16, "keys are 16 bytes in the file");

struct tm_key_run {
    tm_map map;
    tm_key_run_info info;
    const uint8_t *filter; /* [n_blocks][BLOCK_BYTES] */
    uint64_t n_blocks;
    const tm_row_key *keys; /* [n] */
    char *path;
};

tm_row_key tm__row_key(const void *bytes, size_t len) {
    tm_hash hash;
    tm_row_key key;
    tm__hash_bytes(bytes, len, &hash);
    memcpy(&key, hash.bytes, sizeof(key));
    return key;
}

static bool is_less(tm_row_key a, tm_row_key b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static bool is_equal(tm_row_key a, tm_row_key b) {
    return a.high == b.high && a.low == b.low;
}

/* a * n / 2^64 without a wider type; n < 2^32 keeps it exact enough for a place to begin. */
static uint64_t share_of(uint64_t a, uint64_t n) {
    return ((a >> 32) * n + (((a & UINT32_MAX) * n) >> 32)) >> 32;
}

static uint8_t *block_of(uint8_t *filter, uint64_t n_blocks, tm_row_key key) {
    return filter + share_of(key.high, n_blocks) * BLOCK_BYTES;
}

/* Seven bits of a block, each picked by nine bits of the key. */
static void filter_add(uint8_t *filter, uint64_t n_blocks, tm_row_key key) {
    uint8_t *const block = block_of(filter, n_blocks, key);
    uint64_t bits = key.low ^ (key.high << 1);
    for (uint32_t i = 0; i < 7; i++, bits >>= 9) {
        block[(bits % BLOCK_BITS) / 8] |= (uint8_t)(1u << (bits % 8));
    }
}

static bool filter_has(const uint8_t *filter, uint64_t n_blocks, tm_row_key key) {
    const uint8_t *const block = filter + share_of(key.high, n_blocks) * BLOCK_BYTES;
    uint64_t bits = key.low ^ (key.high << 1);
    for (uint32_t i = 0; i < 7; i++, bits >>= 9) {
        if ((block[(bits % BLOCK_BITS) / 8] & (1u << (bits % 8))) == 0) {
            return false;
        }
    }
    return true;
}

static char *run_path(const char *dir, const tm_hash *hash) {
    char name[TM_HASH_TEXT + 8];
    char text[TM_HASH_TEXT];
    tm__hash_to_text(hash, text);
    (void)snprintf(name, sizeof(name), "%s.keys", text);
    return tm__fs_join(dir, name);
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for keys");
}

static tm_status run_damaged(const char *path, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "a file of keys is damaged");
    tm_err_hint(err, "Restore the home from a backup.");
    tm_err_at(err, path, 0, 0);
    return st;
}

tm_status tm__key_run_open(const char *dir, const tm_key_run_info *info, tm_key_run **out,
                           tm_err *err) {
    tm_key_run *run = tm__mem_zalloc(1, sizeof(*run));
    run_head head;
    tm_status st = TM_OK;
    if (run == NULL || (run->path = run_path(dir, &info->hash)) == NULL) {
        st = no_memory(err);
        goto out;
    }
    st = tm__map_open(run->path, &run->map, err);
    if (st != TM_OK) {
        goto out;
    }
    if (run->map.len < HEAD_BYTES) {
        st = run_damaged(run->path, err);
        goto out;
    }
    memcpy(&head, run->map.data, sizeof(head));
    const bool is_good =
        head.magic == RUN_MAGIC && head.version == RUN_VERSION && head.n == info->n &&
        head.crc_head == tm__crc32c(0, run->map.data, HEAD_BYTES - 4) &&
        head.n_blocks == (head.n + KEYS_A_BLOCK - 1) / KEYS_A_BLOCK && head.n > 0 &&
        (run->map.len - HEAD_BYTES - head.n_blocks * BLOCK_BYTES) == head.n * sizeof(tm_row_key);
    if (!is_good) {
        st = run_damaged(run->path, err);
        goto out;
    }
    run->info = *info;
    run->n_blocks = head.n_blocks;
    run->filter = run->map.data + HEAD_BYTES;
    run->keys = (const tm_row_key *)(const void *)(run->filter + head.n_blocks * BLOCK_BYTES);
    *out = run;
    run = NULL;
out:
    tm__key_run_close(run);
    return st;
}

tm_status tm__key_run_check(const tm_key_run *run, tm_err *err) {
    run_head head;
    memcpy(&head, run->map.data, sizeof(head));
    const uint32_t crc = tm__crc32c(0, run->map.data + HEAD_BYTES, run->map.len - HEAD_BYTES);
    return crc == head.crc_body ? TM_OK : run_damaged(run->path, err);
}

tm_key_run_info tm__key_run_info(const tm_key_run *run) {
    return run->info;
}

static bool find_between(const tm_key_run *run, uint64_t from, uint64_t end, tm_row_key key) {
    while (from < end) {
        const uint64_t middle = from + (end - from) / 2;
        if (is_less(run->keys[middle], key)) {
            from = middle + 1;
        } else {
            end = middle;
        }
    }
    return from < run->info.n && is_equal(run->keys[from], key);
}

tm_row_key tm__key_run_at(const tm_key_run *run, uint64_t i) {
    return run->keys[i];
}

bool tm__key_run_has(const tm_key_run *run, tm_row_key key) {
    if (!filter_has(run->filter, run->n_blocks, key)) {
        return false;
    }
    const uint64_t n = run->info.n;
    uint64_t at = share_of(key.high, n);
    at = at < n ? at : n - 1;
    /* Double the step until the key is between. */
    uint64_t low = at, high = at, step = 16;
    while (low > 0 && is_less(key, run->keys[low])) {
        low = low > step ? low - step : 0;
        step *= 2;
    }
    for (step = 16; high < n && is_less(run->keys[high], key); step *= 2) {
        high = high + step < n ? high + step : n;
    }
    return find_between(run, low, high, key);
}

void tm__key_run_close(tm_key_run *run) {
    if (run != NULL) {
        tm__map_close(&run->map);
        tm__mem_free(run->path);
        tm__mem_free(run);
    }
}

void tm__key_run_remove(const tm_key_run *run) {
    const tm_status removed = tm__fs_remove(run->path, NULL);
    (void)removed; /* what stays is collected */
}

/* ---- Writing a run ---- */

/* Keys in ascending order, one at a time. */
typedef struct key_stream {
    const tm_row_key *at[TM_KEY_FAN], *end[TM_KEY_FAN];
    uint32_t n;
} key_stream;

static bool stream_next(key_stream *s, tm_row_key *out) {
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->at[i] < s->end[i] && (least == UINT32_MAX || is_less(*s->at[i], *s->at[least]))) {
            least = i;
        }
    }
    if (least == UINT32_MAX) {
        return false;
    }
    *out = *s->at[least]++;
    return true;
}

/* A file being written, with the hash of all and the check of what is behind the head. */
typedef struct run_writer {
    tm_file *file;
    tm_hasher hasher;
} run_writer;

static tm_status put(run_writer *w, const void *data, size_t len, tm_err *err) {
    tm__hasher_update(&w->hasher, data, len);
    return tm__file_write(w->file, data, len, err);
}

/* The stream is walked twice: for the filter and the check, then to the file. */
static tm_status run_write(key_stream stream, uint64_t n, uint32_t level, run_writer *w,
                           tm_err *err) {
    const uint64_t n_blocks = (n + KEYS_A_BLOCK - 1) / KEYS_A_BLOCK;
    const size_t keys_max = WRITE_BYTES / sizeof(tm_row_key);
    uint8_t *const filter = tm__mem_zalloc(n_blocks, BLOCK_BYTES);
    tm_row_key *const room = tm__mem_alloc(keys_max, sizeof(*room));
    run_head head = {
        .magic = RUN_MAGIC, .version = RUN_VERSION, .n = n, .n_blocks = n_blocks, .level = level};
    key_stream again = stream;
    tm_row_key key;
    tm_status st = filter == NULL || room == NULL ? no_memory(err) : TM_OK;
    if (st != TM_OK) {
        goto out;
    }
    while (stream_next(&stream, &key)) {
        filter_add(filter, n_blocks, key);
    }
    head.crc_body = tm__crc32c(0, filter, n_blocks * BLOCK_BYTES);
    for (stream = again; stream_next(&stream, &key);) {
        head.crc_body = tm__crc32c(head.crc_body, &key, sizeof(key));
    }
    head.crc_head = tm__crc32c(0, &head, HEAD_BYTES - 4);
    st = put(w, &head, sizeof(head), err);
    if (st == TM_OK) {
        st = put(w, filter, n_blocks * BLOCK_BYTES, err);
    }
    size_t n_room = 0;
    for (bool more = true; st == TM_OK && more;) {
        more = stream_next(&again, &room[n_room]);
        n_room += more ? 1 : 0;
        if (n_room == keys_max || !more) {
            st = put(w, room, n_room * sizeof(*room), err);
            n_room = 0;
        }
    }
out:
    tm__mem_free(filter);
    tm__mem_free(room);
    return st;
}

static tm_status run_publish(const char *dir, const char *temp, key_stream stream,
                             tm_key_run_info *info, tm_err *err) {
    run_writer w = {0};
    char *path = NULL;
    tm__hasher_init(&w.hasher);
    TM_TRY(tm__file_open(temp, TM_OPEN_CREATE, &w.file, err));
    tm_status st = run_write(stream, info->n, info->level, &w, err);
    if (st == TM_OK) {
        st = tm__file_sync(w.file, err);
    }
    tm__file_close(w.file);
    if (st == TM_OK) {
        tm__hasher_final(&w.hasher, &info->hash);
        path = run_path(dir, &info->hash);
        st = path == NULL ? no_memory(err) : tm__fs_move(temp, path, err);
    }
    tm__mem_free(path);
    return st;
}

/* A temporary that a crash leaves has one of few names, and the next of its level replaces it. */
static tm_status run_make(const char *dir, key_stream stream, tm_key_run_info info,
                          tm_key_run **out, tm_err *err) {
    char name[32];
    (void)snprintf(name, sizeof(name), "level%u.tmp", info.level);
    TM_TRY(tm__fs_mkdir(dir, err));
    char *temp = tm__fs_join(dir, name);
    if (temp == NULL) {
        return no_memory(err);
    }
    tm_status st = tm__fs_remove(temp, err);
    if (st == TM_OK) {
        st = run_publish(dir, temp, stream, &info, err);
    }
    if (st != TM_OK) {
        const tm_status removed = tm__fs_remove(temp, NULL);
        (void)removed;
    }
    tm__mem_free(temp);
    return st == TM_OK ? tm__key_run_open(dir, &info, out, err) : st;
}

/* ---- The set ---- */

/* Keys in memory. */
typedef struct key_table {
    tm_row_key *slots; /* [n_slots], a power of two; 0,0: empty */
    uint64_t n_slots, n_used;
    bool has_zero; /* invariant 3 */
} key_table;

struct tm_key_set {
    char *dir;
    uint32_t n_recent_max;
    key_table recent;
    key_table frozen; /* slots NULL: none are set aside */
    tm_key_run **runs;
    uint32_t n_runs;
};

tm_key_set *tm__key_set_create(const char *dir, uint32_t n_recent_max) {
    tm_key_set *set = tm__mem_zalloc(1, sizeof(*set));
    if (set == NULL) {
        return NULL;
    }
    set->dir = tm__mem_strdup(dir);
    set->n_recent_max = n_recent_max == 0 ? RECENT_MAX : n_recent_max;
    set->recent.n_slots = SLOTS_MIN;
    set->recent.slots = tm__mem_zalloc(SLOTS_MIN, sizeof(tm_row_key));
    if (set->dir == NULL || set->recent.slots == NULL) {
        tm__key_set_free(set);
        return NULL;
    }
    return set;
}

static bool is_zero(tm_row_key key) {
    return key.high == 0 && key.low == 0;
}

/* Where the key stands, or the empty place for it. */
static uint64_t slot_of(const tm_row_key *slots, uint64_t n_slots, tm_row_key key) {
    uint64_t at = key.low & (n_slots - 1);
    while (!is_zero(slots[at]) && !is_equal(slots[at], key)) {
        at = (at + 1) & (n_slots - 1);
    }
    return at;
}

static bool grow(key_table *t) {
    const uint64_t n_slots = t->n_slots * 2;
    tm_row_key *const slots = tm__mem_zalloc(n_slots, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < t->n_slots; i++) {
        if (!is_zero(t->slots[i])) {
            slots[slot_of(slots, n_slots, t->slots[i])] = t->slots[i];
        }
    }
    tm__mem_free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    return true;
}

static bool table_has(const key_table *t, tm_row_key key) {
    return is_zero(key) ? t->has_zero : !is_zero(t->slots[slot_of(t->slots, t->n_slots, key)]);
}

static uint64_t table_count(const key_table *t) {
    return t->n_used + (t->has_zero ? 1 : 0);
}

bool tm__key_set_has(const tm_key_set *set, tm_row_key key) {
    bool has =
        table_has(&set->recent, key) || (set->frozen.slots != NULL && table_has(&set->frozen, key));
    for (uint32_t i = 0; i < set->n_runs && !has; i++) {
        has = tm__key_run_has(set->runs[i], key);
    }
    return has;
}

bool tm__key_set_add(tm_key_set *set, tm_row_key key, bool *out_failed) {
    key_table *const t = &set->recent;
    if (tm__key_set_has(set, key)) {
        return false;
    }
    if (is_zero(key)) {
        t->has_zero = true;
        return true;
    }
    if (t->n_used * 2 >= t->n_slots && !grow(t)) {
        *out_failed = true;
        return false;
    }
    t->slots[slot_of(t->slots, t->n_slots, key)] = key;
    t->n_used++;
    return true;
}

uint64_t tm__key_set_recent(const tm_key_set *set) {
    return table_count(&set->recent);
}

bool tm__key_set_is_full(const tm_key_set *set) {
    return tm__key_set_recent(set) >= set->n_recent_max;
}

tm_status tm__key_set_give(tm_key_set *set, tm_key_run *run, tm_err *err) {
    tm_key_run **runs = tm__mem_realloc(set->runs, (size_t)set->n_runs + 1, sizeof(*runs));
    if (runs == NULL) {
        tm__key_run_close(run);
        return no_memory(err);
    }
    set->runs = runs;
    set->runs[set->n_runs++] = run;
    return TM_OK;
}

static int compare_keys(const void *a, const void *b) {
    const tm_row_key *x = a, *y = b;
    return is_less(*x, *y) ? -1 : is_less(*y, *x) ? 1 : 0;
}

bool tm__key_set_freeze(tm_key_set *set) {
    TM_ASSERT(set->frozen.slots == NULL);
    /* As large as the last one, so that it need not grow again. */
    tm_row_key *const slots = tm__mem_zalloc(set->recent.n_slots, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    set->frozen = set->recent;
    set->recent = (key_table){.slots = slots, .n_slots = set->frozen.n_slots};
    return true;
}

bool tm__key_set_is_frozen(const tm_key_set *set) {
    return set->frozen.slots != NULL;
}

tm_status tm__key_set_save(const tm_key_set *set, tm_key_run **out, tm_err *err) {
    const key_table *const t = &set->frozen;
    const uint64_t n = table_count(t);
    TM_ASSERT(n > 0);
    tm_row_key *const keys = tm__mem_alloc(n, sizeof(*keys));
    if (keys == NULL) {
        return no_memory(err);
    }
    uint64_t n_keys = 0;
    if (t->has_zero) {
        keys[n_keys++] = (tm_row_key){0};
    }
    for (uint64_t i = 0; i < t->n_slots; i++) {
        if (!is_zero(t->slots[i])) {
            keys[n_keys++] = t->slots[i];
        }
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    const key_stream stream = {.at = {keys}, .end = {keys + n}, .n = 1};
    const tm_status st =
        run_make(set->dir, stream, (tm_key_run_info){.n = n, .level = 0}, out, err);
    tm__mem_free(keys);
    return st;
}

void tm__key_set_forget(tm_key_set *set) {
    tm__mem_free(set->frozen.slots);
    set->frozen = (key_table){0};
}

void tm__key_set_free(tm_key_set *set) {
    if (set == NULL) {
        return;
    }
    for (uint32_t i = 0; i < set->n_runs; i++) {
        tm__key_run_close(set->runs[i]);
    }
    tm__mem_free(set->runs);
    tm__mem_free(set->recent.slots);
    tm__mem_free(set->frozen.slots);
    tm__mem_free(set->dir);
    tm__mem_free(set);
}

/* ---- Merging ---- */

bool tm__key_set_merge_due(const tm_key_set *set, tm_key_merge *out) {
    for (uint32_t level = 0; level < LEVELS_MAX; level++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < set->n_runs && n < TM_KEY_FAN; i++) {
            if (set->runs[i]->info.level == level) {
                out->from[n++] = set->runs[i];
            }
        }
        if (n == TM_KEY_FAN) {
            out->dir = set->dir;
            return true;
        }
    }
    return false;
}

tm_status tm__key_merge_run(const tm_key_merge *merge, tm_key_run **out, tm_err *err) {
    key_stream stream = {.n = TM_KEY_FAN};
    tm_key_run_info info = {.level = merge->from[0]->info.level + 1};
    for (uint32_t i = 0; i < TM_KEY_FAN; i++) {
        const tm_key_run *const run = merge->from[i];
        TM_TRY(tm__key_run_check(run, err));
        stream.at[i] = run->keys;
        stream.end[i] = run->keys + run->info.n;
        info.n += run->info.n;
    }
    return run_make(merge->dir, stream, info, out, err);
}

tm_status tm__key_set_replace(tm_key_set *set, const tm_key_merge *merge, tm_key_run *run,
                              tm_err *err) {
    TM_TRY(tm__key_set_give(set, run, err));
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n_runs; i++) {
        bool is_merged = false;
        for (uint32_t k = 0; k < TM_KEY_FAN; k++) {
            is_merged = is_merged || set->runs[i] == merge->from[k];
        }
        if (is_merged) {
            const tm_status removed =
                merge->keeps_files ? TM_OK : tm__fs_remove(set->runs[i]->path, NULL);
            (void)removed; /* nobody's, which the next collection removes */
            tm__key_run_close(set->runs[i]);
        } else {
            set->runs[n++] = set->runs[i];
        }
    }
    set->n_runs = n;
    return TM_OK;
}
