/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that are prepared once and run often, with values of known types. */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/pq_priv.h"

#define PARAMS_MAX 32u

tm_status tm__pq_prepare(tm_pq *pq, const char *name, const char *sql, const uint32_t *types,
                         uint32_t n_types, tm_err *err) {
    _Static_assert(sizeof(Oid) == sizeof(uint32_t), "types are OIDs");
    TM_ASSERT(n_types <= PARAMS_MAX && !pq->is_copying);
    TM_TRY(tm__pq_check(pq, err));
    if (pq->api.PQsendPrepare(pq->conn, name, sql, (int)n_types, types) == 0) {
        return tm__pq_lost(pq, err);
    }
    return tm__pq_finish(pq, NULL, err);
}

tm_status tm__pq_run(tm_pq *pq, const char *name, const tm_pq_param *params, uint32_t n_params,
                     tm_pq_rows **out_rows, tm_err *err) {
    const char *values[PARAMS_MAX];
    int lens[PARAMS_MAX], formats[PARAMS_MAX];
    TM_ASSERT(n_params <= PARAMS_MAX && !pq->is_copying);
    TM_TRY(tm__pq_check(pq, err));
    for (uint32_t i = 0; i < n_params; i++) {
        values[i] = params[i].value.ptr;
        lens[i] = (int)params[i].value.len;
        formats[i] = params[i].is_binary ? 1 : 0;
    }
    if (pq->api.PQsendQueryPrepared(pq->conn, name, (int)n_params, values, lens, formats, 0) == 0) {
        return tm__pq_lost(pq, err);
    }
    return tm__pq_take_rows(pq, out_rows, err);
}

bool tm__pq_is_in_transaction(const tm_pq *pq) {
    const PGTransactionStatusType status = pq->api.PQtransactionStatus(pq->conn);
    return !pq->is_lost && (status == PQTRANS_INTRANS || status == PQTRANS_INERROR);
}

const char *tm__pq_sqlstate(const tm_pq *pq) {
    return pq->sqlstate;
}

bool tm__pq_is_lost(const tm_pq *pq) {
    return pq->is_lost || pq->api.PQstatus(pq->conn) != CONNECTION_OK;
}
