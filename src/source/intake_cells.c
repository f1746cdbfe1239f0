/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_cells.h"

#include "base/fs.h"
#include "source/intake_priv.h"
#include "store/db_seal.h"

tm_status tm__intake_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                                 uint64_t *out_n, tm_err *err) {
    static const tm_sealed_column columns[] = {
        TM_SEALED_COLUMN("batches", "seq", "seq", "rows"),
        TM_SEALED_COLUMN("profiles", "rowid", "source || '.' || hex(segment)", "profile"),
        TM_SEALED_COLUMN("quarantine", "seq", "seq", "bytes"),
    };
    tm_db *db = NULL;
    uint64_t sum = 0;
    tm_status st = TM_OK;
    *out_n = 0;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_db_open_there(home, is_renewing, &db, err));
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
