/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the online store share. */
#ifndef TM_STORE_ONLINE_PRIV_H
#define TM_STORE_ONLINE_PRIV_H

#include <lmdb.h>
#include <stdatomic.h>

#include "base/fs.h"
#include "guard/seal.h"
#include "store/online.h"

#define ONLINE_FORMAT 1u
#define ONLINE_KEY_SHORT 400u /* LMDB takes keys of 511 bytes */
#define ONLINE_KEY_HEAD 6u    /* 'V', view, how the key is kept */

/* A key as LMDB has it. */
typedef struct online_key {
    uint8_t bytes[ONLINE_KEY_HEAD + ONLINE_KEY_SHORT];
    size_t len;
    bool is_hashed; /* the whole key stands before the value */
} online_key;

struct tm_online {
    _Atomic uint32_t refs;
    uint64_t generation;
    char *folder;  /* of all generations */
    char *path;    /* of this one */
    bool is_aside; /* it is not published yet */
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn;      /* that writes; NULL: none */
    uint64_t n_begins; /* of such */
    tm_file *lock;     /* of the one that writes; NULL: read only */
    /* Of a sealed one: */
    char sealed_by[TM_ENVELOPE_ID_TEXT]; /* the home's key; empty: values are plain */
    tm_envelope_ring values;             /* the data key; n is 0 for plain ones */
    tm_hash names;                       /* that keys are hashed with */
    tm_buf buf;                          /* of the one that writes: a value */
};

struct tm_online_reader {
    tm_online *online;
    MDB_txn *txn;
    bool is_open;
    tm_buf buf; /* the value that was opened last */
};

/* A value as it was put; views. */
typedef struct online_entry {
    uint32_t view;
    tm_str key, bytes;
} online_entry;
/** Values of all views, one call each until one fails. */
TM_NODISCARD tm_status tm__online_values(tm_online_reader *reader,
                                         tm_status (*fn)(void *arg, const online_entry *entry,
                                                         tm_err *err),
                                         void *arg, tm_err *err);

/** A code of LMDB or the system as a status. MDB_NOTFOUND leaves err alone. */
TM_NODISCARD tm_status tm__online_fail(int code, const char *what, tm_err *err);

#endif
