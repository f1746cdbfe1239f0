/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db_list.h"

tm_status tm__stmt_list(tm_stmt *stmt, json_t *(*item)(tm_stmt *stmt), json_t **out, tm_err *err) {
    json_t *const list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        if (json_array_append_new(list, item(stmt)) != 0) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, list, out, err);
}

json_t *tm__stmt_name(tm_stmt *stmt) {
    return json_string(tm__stmt_text(stmt, 0));
}
