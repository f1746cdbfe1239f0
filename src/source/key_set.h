/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a source's rows, to know a row that came before: 128 bits of a hash each, the recent
 * ones in memory, the others in sorted files ("runs") that are mapped. Exact as long as two keys do
 * not share 128 bits of BLAKE2b, which happens to one of 10^22 sources of 100 million keys. Knows
 * nothing of databases: who has a set says which runs stand. Owner thread, but for tm_key_merge
 * and tm__key_set_save().
 */
#ifndef TM_SOURCE_KEY_SET_H
#define TM_SOURCE_KEY_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "tidemill/err.h"

typedef struct tm_row_key {
    uint64_t high, low;
} tm_row_key;
/** The key of a row from the bytes that its key columns make. */
tm_row_key tm__row_key(const void *bytes, size_t len);

/* A sorted file of keys; mapped, immutable. */
typedef struct tm_key_run tm_key_run;
typedef struct tm_key_run_info {
    tm_hash hash; /* the file's name */
    uint64_t n;
    uint32_t level; /* 0: of recent keys; else merged from runs of the level below */
} tm_key_run_info;
/** Map a run of a folder; TM_E_INTEGRITY when it is not what its name says, as far as its head and
 * size tell (tm__key_run_check() reads all of it). */
TM_NODISCARD tm_status tm__key_run_open(const char *dir, const tm_key_run_info *info,
                                        tm_key_run **out, tm_err *err);
TM_NODISCARD tm_status tm__key_run_check(const tm_key_run *run, tm_err *err);
tm_key_run_info tm__key_run_info(const tm_key_run *run);
/** Keys of a run in ascending order. */
tm_row_key tm__key_run_at(const tm_key_run *run, uint64_t i);
bool tm__key_run_has(const tm_key_run *run, tm_row_key key);
void tm__key_run_close(tm_key_run *run);
/** Remove its file; it is read on until it is closed. */
void tm__key_run_remove(const tm_key_run *run);

typedef struct tm_key_set tm_key_set;
/** dir: where runs are; n_recent_max: keys in memory before they should become a run, 0: 2^20. */
tm_key_set *tm__key_set_create(const char *dir, uint32_t n_recent_max);
/** Add a recent key: true when it is new. Without memory *out_failed is set, and it was not added.
 */
bool tm__key_set_add(tm_key_set *set, tm_row_key key, bool *out_failed);
bool tm__key_set_has(const tm_key_set *set, tm_row_key key);
/** True when recent keys should become a run. */
bool tm__key_set_is_full(const tm_key_set *set);
uint64_t tm__key_set_recent(const tm_key_set *set);
/** Give a run to the set, also after a failure to do so. */
TM_NODISCARD tm_status tm__key_set_give(tm_key_set *set, tm_key_run *run, tm_err *err);
/**
 * Set the recent keys aside, to become a run; the set knows them until tm__key_set_forget(). False
 * when out of memory: the set is as before. Not again before that.
 */
bool tm__key_set_freeze(tm_key_set *set);
bool tm__key_set_is_frozen(const tm_key_set *set);
/** Write the keys that were set aside as a run: durable on return. On any thread, while the set
 * goes on. */
TM_NODISCARD tm_status tm__key_set_save(const tm_key_set *set, tm_key_run **out, tm_err *err);
/** Forget the keys that were set aside. */
void tm__key_set_forget(tm_key_set *set);
void tm__key_set_free(tm_key_set *set);

/* Runs of one level that become one of the next, on any thread, while the set goes on. */
#define TM_KEY_FAN 8u
typedef struct tm_key_merge {
    const char *dir;                    /* of the set */
    const tm_key_run *from[TM_KEY_FAN]; /* of the set: it must not drop them before the end */
    bool keeps_files;                   /* of these when they are replaced: for the collection */
} tm_key_merge;
/** False when no level has enough runs. */
bool tm__key_set_merge_due(const tm_key_set *set, tm_key_merge *out);
TM_NODISCARD tm_status tm__key_merge_run(const tm_key_merge *merge, tm_key_run **out, tm_err *err);
/** Put the result in place of what it was made from; the set has it then, also after a failure. */
TM_NODISCARD tm_status tm__key_set_replace(tm_key_set *set, const tm_key_merge *merge,
                                           tm_key_run *run, tm_err *err);

#endif
