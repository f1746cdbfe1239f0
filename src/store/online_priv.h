/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the online store share. */
#ifndef TM_STORE_ONLINE_PRIV_H
#define TM_STORE_ONLINE_PRIV_H

#include <lmdb.h>
#include <stdatomic.h>

#include "base/fs.h"
#include "store/online.h"

#define ONLINE_FORMAT 1u

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
};

struct tm_online_reader {
    tm_online *online;
    MDB_txn *txn;
    bool is_open;
};

/** A code of LMDB or the system as a status. MDB_NOTFOUND leaves err alone. */
TM_NODISCARD tm_status tm__online_fail(int code, const char *what, tm_err *err);

#endif
