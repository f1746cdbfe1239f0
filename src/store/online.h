/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The online store: small values by view and key in an LMDB file, read by any number of threads and
 * processes without a lock while one process writes.
 *
 *     <home>/online/<generation>/data.mdb, lock.mdb     the highest number is the store
 *     <home>/online.lock                                held by the one that writes
 *
 * A view is what one fitted set of features keeps of one source. Its record says up to where the
 * source's rows are in the values, and is written in the transaction that changes them. Everything
 * here is derived: a store that is damaged, of another format or in doubt is left for an empty one
 * of the next number, and whoever has the old one open keeps it until it looks again.
 *
 * In a home that is sealed, so are values, and their keys are keyed hashes; a generation has the
 * key of the home that it was made under, and gives way to a copy when another one seals.
 *
 * LMDB believes its pages. Values and records carry a check sum over key and bytes, and a file that
 * is shorter than its pages is refused when it is opened; tm__online_check() walks all of it, which
 * is for a process that may die of it.
 */
#ifndef TM_STORE_ONLINE_H
#define TM_STORE_ONLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "guard/seal.h"
#include "store/home.h"

#define TM_ONLINE_KEY_MAX                                                                          \
    ((size_t)1 << 20) /* bytes of a key; long ones are stored by their hash                        \
                       */
#define TM_ONLINE_KEY_COLS 8u

#define TM_ONLINE_LEAVING UINT64_MAX

typedef struct tm_online tm_online; /* one generation; shared by count, any thread */

/** A generation (0: the newest) to read. TM_E_NOT_FOUND when there is none, TM_E_INTEGRITY when it
 * is damaged or of another format. */
TM_NODISCARD tm_status tm__online_open(const tm_home *home, uint64_t generation, tm_online **out,
                                       tm_err *err);
/** Same to write too. One that the home's key did not seal is copied into one of the next number
 * that it does, and published, at a cost of its size. Where there is none, where it is damaged or
 * of another format, and with begins_anew, an empty one of the next number is made aside
 * (*out_anew), which nobody sees before tm__online_publish(). TM_E_CONFLICT while another process
 * writes. */
TM_NODISCARD tm_status tm__online_open_write(const tm_home *home, bool begins_anew, tm_online **out,
                                             bool *out_anew, tm_err *err);
/** Let readers see one that was made aside, and remove those before it; else a no-op. */
TM_NODISCARD tm_status tm__online_publish(tm_online *online, tm_err *err);
/** Remove every generation, for who must leave no byte of it: pages of LMDB that are free keep what
 * they held. It is made anew from the sources by whoever writes next. TM_E_CONFLICT while another
 * process writes. */
TM_NODISCARD tm_status tm__online_remove(const tm_home *home, tm_err *err);
tm_online *tm__online_ref(tm_online *online);
void tm__online_unref(tm_online *online);
uint64_t tm__online_generation(const tm_online *online);
/** Number of the newest generation there is; 0: none. */
uint64_t tm__online_newest(const tm_home *home);
/** Bytes of the file. */
uint64_t tm__online_bytes(const tm_online *online);
/** Whether the key that seals the home now sealed it, or none does. */
TM_NODISCARD tm_status tm__online_is_current(const tm_online *online, bool *out, tm_err *err);

/* How the newest generation stands. */
typedef struct tm_online_look {
    bool is_there;
    char key[TM_ENVELOPE_ID_TEXT]; /* of the home that sealed it; empty: it is plain */
} tm_online_look;
/** Needs no key. What is damaged is not there: it gives way to an empty one. */
TM_NODISCARD tm_status tm__online_look(const tm_home *home, tm_online_look *out, tm_err *err);
/** Have the newest generation sealed by the key that seals the home now. TM_E_CONFLICT while
 * another process writes, which does it by itself. */
TM_NODISCARD tm_status tm__online_renew(const tm_home *home, tm_err *err);

/* What is known of a view. Texts are cut to their room. */
typedef struct tm_online_view {
    tm_hash mark; /* of what is kept: the set, its columns, the source */
    uint32_t id;  /* begins its keys; given when it is put first */
    char source[129];
    int64_t source_us; /* when the source was made: another one of its name is another */
    uint64_t next;     /* rows of the source before this place are in the values;
                          TM_ONLINE_LEAVING: they are being removed */
    uint64_t n_events; /* of them with a key and a known time */
    uint64_t n_entities;
    uint64_t n_missed;  /* rows that a retention removed before they were read */
    int64_t newest_us;  /* known time of the newest event; INT64_MIN: none */
    int64_t checked_us; /* when it last had all rows of the source; 0: never yet */
    int64_t built_us;   /* when it was begun */
    uint32_t n_keys;
    uint8_t key_types[TM_ONLINE_KEY_COLS]; /* tm_type of the source's key columns */
    char problem[192];                     /* why it stands still; empty: it does not */
} tm_online_view;

/* ---- Reading ---- */

/* A thread's way in: sees one moment from begin to end, and begins anew in some ten nanoseconds. */
typedef struct tm_online_reader tm_online_reader;
TM_NODISCARD tm_status tm__online_reader_create(tm_online *online, tm_online_reader **out,
                                                tm_err *err);
tm_online *tm__online_reader_store(const tm_online_reader *reader);
TM_NODISCARD tm_status tm__online_reader_begin(tm_online_reader *reader, tm_err *err);
/** Which moment it sees: as long as the number is the same, so is all that it reads of this store.
 */
uint64_t tm__online_reader_moment(const tm_online_reader *reader);
/** Views end with it: old pages are kept for as long as somebody reads. */
void tm__online_reader_end(tm_online_reader *reader);
/** A reader that is open is ended. NULL is a no-op. */
void tm__online_reader_free(tm_online_reader *reader);

/** TM_E_NOT_FOUND when there is no such view. */
TM_NODISCARD tm_status tm__online_find_view(tm_online_reader *reader, const tm_hash *mark,
                                            tm_online_view *out, tm_err *err);
/** The value of a key, a view until the next call or until the reader ends; TM_E_NOT_FOUND without
 * err when it has none, TM_E_INTEGRITY when it is damaged. O(log n), no allocation but for a larger
 * value than before in a sealed home. */
TM_NODISCARD tm_status tm__online_get(tm_online_reader *reader, uint32_t view, tm_str key,
                                      tm_str *out, tm_err *err);
/** All views, one call each until one returns false. */
TM_NODISCARD tm_status tm__online_views(tm_online_reader *reader,
                                        bool (*fn)(void *arg, const tm_online_view *view),
                                        void *arg, tm_err *err);
/** Read every page, record and value; TM_E_INTEGRITY. A damaged page may end the process. */
TM_NODISCARD tm_status tm__online_check(tm_online_reader *reader, uint64_t *out_values,
                                        tm_err *err);

/* ---- Writing: one transaction at a time, owner thread ---- */

TM_NODISCARD tm_status tm__online_begin(tm_online *online, tm_err *err);
/** Durable on return. TM_E_UNAVAILABLE when the disk is full; then nothing is changed. */
TM_NODISCARD tm_status tm__online_commit(tm_online *online, tm_err *err);
/** Forget what was not committed; without a transaction a no-op. */
void tm__online_rollback(tm_online *online);
/** Add a view (id 0, which is set) or put its record in place of the old one. */
TM_NODISCARD tm_status tm__online_put_view(tm_online *online, tm_online_view *view, tm_err *err);
/** As tm__online_get(), of the transaction; a view until the next call. */
TM_NODISCARD tm_status tm__online_get_mine(tm_online *online, uint32_t view, tm_str key,
                                           tm_str *out, tm_err *err);
/** TM_E_LIMIT when the file has its largest size. */
TM_NODISCARD tm_status tm__online_put(tm_online *online, uint32_t view, tm_str key, tm_str value,
                                      tm_err *err);
/** Remove a view's record and some of its values; *out_more: call again, in a transaction of its
 * own. */
TM_NODISCARD tm_status tm__online_drop_some(tm_online *online, const tm_online_view *view,
                                            bool *out_more, tm_err *err);

#endif
