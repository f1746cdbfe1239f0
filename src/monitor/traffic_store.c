/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/traffic_store.h"

static tm_status add_cell(tm_db *db, const char *route, int64_t at_us, uint32_t cell, uint64_t n,
                          tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO traffic(route, at_us, cell, n) VALUES(?1, ?2, ?3, ?4)"
                         " ON CONFLICT(route, at_us, cell) DO UPDATE SET n = CASE WHEN ?5 = 1"
                         " THEN traffic.n | excluded.n ELSE traffic.n + excluded.n END",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, route);
    tm__stmt_bind_i64(stmt, 2, at_us);
    tm__stmt_bind_i64(stmt, 3, cell);
    tm__stmt_bind_i64(stmt, 4, (int64_t)n);
    tm__stmt_bind_i64(stmt, 5, cell == TM_TRAFFIC_TOLD);
    return tm__stmt_run_done(stmt, err);
}

/* Every hour has its seconds, so these say which hours there are. */
static tm_status drop_old(tm_db *db, const char *route, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "DELETE FROM traffic WHERE route = ?1 AND at_us <= (SELECT at_us FROM"
                         " traffic WHERE route = ?1 AND cell = ?2 ORDER BY at_us DESC LIMIT 1"
                         " OFFSET ?3)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, route);
    tm__stmt_bind_i64(stmt, 2, TM_TRAFFIC_SECONDS);
    tm__stmt_bind_i64(stmt, 3, TM_TRAFFIC_HOURS);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__traffic_store_add_locked(tm_drift_store *store, const char *route,
                                       const tm_traffic_hour *add, tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    for (uint32_t cell = 0; cell < TM_TRAFFIC_KEPT; cell++) {
        if (add->counts[cell] > 0 || cell == TM_TRAFFIC_SECONDS) {
            TM_TRY(add_cell(db, route, add->at_us, cell, add->counts[cell], err));
        }
    }
    return drop_old(db, route, err);
}

tm_status tm__traffic_store_read(tm_drift_store *store, const char *route, tm_traffic_hour_fn fn,
                                 void *arg, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_traffic_hour hour = {0};
    bool has_hour = false;
    TM_TRY(tm__stmt_init(tm__drift_store_db(store),
                         "SELECT at_us, cell, n FROM traffic WHERE route = ? ORDER BY at_us, cell",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, route);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const int64_t at_us = tm__stmt_i64(stmt, 0), cell = tm__stmt_i64(stmt, 1);
        const int64_t n = tm__stmt_i64(stmt, 2);
        if (cell < 0 || cell >= TM_TRAFFIC_KEPT || n < 0) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "watch.db: an hour of traffic has no such count");
            break;
        }
        if (has_hour && at_us != hour.at_us) {
            fn(arg, &hour);
            hour = (tm_traffic_hour){0};
        }
        has_hour = true;
        hour.at_us = at_us;
        hour.counts[cell] = (uint64_t)n;
    }
    if (st == TM_OK && has_hour) {
        fn(arg, &hour);
    }
    tm__stmt_done(stmt);
    return st;
}
