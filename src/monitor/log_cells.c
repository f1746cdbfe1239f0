/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log_cells.h"

#include "base/fs.h"
#include "monitor/monitor_priv.h"
#include "store/db_seal.h"

tm_status tm__log_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                              uint64_t *out_n, tm_err *err) {
    static const tm_sealed_column column =
        TM_SEALED_COLUMN("blocks", "first_seq", "first_seq", "data");
    tm_db *db = NULL;
    if (tm__fs_info(tm__home_log_db(home)).kind == TM_PATH_NONE) {
        *out_n = 0;
        return TM_OK;
    }
    TM_TRY(tm__log_open(tm__home_log_db(home), is_renewing, &db, err));
    tm_status st = tm__db_seal_renew(db, &column, key, is_renewing, out_n, err);
    st = st == TM_OK && is_renewing && *out_n > 0 ? tm__db_seal_wipe(db, err) : st;
    tm__db_close(db);
    return st;
}
