/* SPDX-License-Identifier: Apache-2.0 */
/* What the files around libpq share: its functions, one connection, errors and results. */
#ifndef TM_STORE_PQ_PRIV_H
#define TM_STORE_PQ_PRIV_H

#include <libpq-fe.h>

#include "store/pq.h"

/* Every function of libpq that Tidemill calls. */
#define TM_PQ_FUNCTIONS(X)                                                                         \
    X(PQcancel)                                                                                    \
    X(PQclear)                                                                                     \
    X(PQcmdTuples)                                                                                 \
    X(PQconnectdbParams)                                                                           \
    X(PQconnectionNeedsPassword)                                                                   \
    X(PQconnectionUsedPassword)                                                                    \
    X(PQconninfoFree)                                                                              \
    X(PQconninfoParse)                                                                             \
    X(PQconsumeInput)                                                                              \
    X(PQerrorMessage)                                                                              \
    X(PQfinish)                                                                                    \
    X(PQflush)                                                                                     \
    X(PQfmod)                                                                                      \
    X(PQfname)                                                                                     \
    X(PQfreeCancel)                                                                                \
    X(PQfreemem)                                                                                   \
    X(PQftype)                                                                                     \
    X(PQgetCancel)                                                                                 \
    X(PQgetCopyData)                                                                               \
    X(PQgetResult)                                                                                 \
    X(PQgetisnull)                                                                                 \
    X(PQgetlength)                                                                                 \
    X(PQgetvalue)                                                                                  \
    X(PQisBusy)                                                                                    \
    X(PQnfields)                                                                                   \
    X(PQntuples)                                                                                   \
    X(PQparameterStatus)                                                                           \
    X(PQputCopyData)                                                                               \
    X(PQputCopyEnd)                                                                                \
    X(PQresultErrorField)                                                                          \
    X(PQresultStatus)                                                                              \
    X(PQsendDescribePrepared)                                                                      \
    X(PQsendPrepare)                                                                               \
    X(PQsendQuery)                                                                                 \
    X(PQsendQueryParams)                                                                           \
    X(PQsendQueryPrepared)                                                                         \
    X(PQsetNoticeReceiver)                                                                         \
    X(PQsetnonblocking)                                                                            \
    X(PQsocket)                                                                                    \
    X(PQstatus)                                                                                    \
    X(PQtransactionStatus)

typedef struct tm_pq_api {
#define X(name) __typeof__(&name) name;
    TM_PQ_FUNCTIONS(X)
#undef X
} tm_pq_api;

struct tm_pq {
    tm_pq_api api;
    PGconn *conn;
    char *dsn_file; /* for messages */
    volatile _Atomic bool *cancel;
    tm_buf text;          /* of COPY, on its way out */
    uint32_t n_waits_max; /* see tm__pq_bear() */
    char sqlstate[6];     /* of the last failure that the server told; "": none yet */
    bool is_lost;         /* invariant 3 */
    bool is_cancelled;    /* the server was told to stop */
    bool is_read_only;    /* as we asked */
    bool is_copying;
};

/** Open the library and find all of TM_PQ_FUNCTIONS. It stays loaded for good. */
TM_NODISCARD tm_status tm__pq_api_load(tm_pq_api *out, tm_err *err);

/* What the server says of a failure, or libpq in its place. Texts may be NULL. */
typedef struct tm_pq_report {
    const char *sqlstate;
    const char *message;  /* primary message */
    const char *hint;     /* of the server */
    const char *name;     /* of a constraint or column */
    bool was_cancelled;   /* we asked for it */
    bool was_to_read;     /* the connection is for reading alone */
    const char *dsn_file; /* place of the error */
} tm_pq_report;
/** Translate a failure of a statement. */
tm_status tm__pq_fail(const tm_pq_report *report, tm_err *err);
/** Translate what libpq says of a connection that did not come to be: only known phrases of it. */
tm_status tm__pq_fail_connect(const char *text, const char *dsn_file, tm_err *err);
/** The connection broke while it was in use; each later call fails too. */
tm_status tm__pq_lost(tm_pq *pq, tm_err *err);
/** Failure that a result tells of. */
tm_status tm__pq_result_fail(tm_pq *pq, const PGresult *result, tm_err *err);

/** Fail when the connection is lost or busy with a copy. */
TM_NODISCARD tm_status tm__pq_check(const tm_pq *pq, tm_err *err);
/** Wait until libpq wants to be called again (at most a tenth of a second), with respect to the
 * flag. */
TM_NODISCARD tm_status tm__pq_wait(tm_pq *pq, bool want_write, tm_err *err);
/** The next result of what was sent; NULL when there are no more. */
TM_NODISCARD tm_status tm__pq_next(tm_pq *pq, PGresult **out, tm_err *err);
/** Read results to the end; the last good one when out is given. The first failure counts. */
TM_NODISCARD tm_status tm__pq_finish(tm_pq *pq, PGresult **out, tm_err *err);
/** Wait for the results of what was sent; its rows, when out_rows is given. */
TM_NODISCARD tm_status tm__pq_take_rows(tm_pq *pq, tm_pq_rows **out_rows, tm_err *err);
/** Drop what results are left, after a failure. */
void tm__pq_drain(tm_pq *pq);
/** Append rows [row, row_end) as COPY's text format. */
bool tm__pq_copy_text(const tm_table *table, uint64_t row, uint64_t row_end, tm_buf *out);

/* ---- Values as the server sends them in binary ---- */

typedef enum tm_pq_kind {
    TM_PQ_OTHER, /* is asked for as text */
    TM_PQ_BOOL,
    TM_PQ_INT2,
    TM_PQ_INT4,
    TM_PQ_INT8,
    TM_PQ_OID,
    TM_PQ_FLOAT4,
    TM_PQ_FLOAT8,
    TM_PQ_NUMERIC,
    TM_PQ_WHOLE, /* numeric without a fraction that fits 64 bits */
    TM_PQ_DATE,
    TM_PQ_TIME,
    TM_PQ_TEXT,
    TM_PQ_BLANKS, /* text with trailing blanks that mean nothing */
    TM_PQ_JSONB,
    TM_PQ_UUID
} tm_pq_kind;

/** How a type of the server is read, from its OID and modifier. */
tm_pq_kind tm__pq_kind(uint32_t oid, int modifier);
tm_type tm__pq_kind_type(tm_pq_kind kind);

/* False from these: the bytes are not what the server sends, or no double or int64 holds the value,
 * of which tm__pq_far_text() gives the text then. */
bool tm__pq_read_int(tm_pq_kind kind, const uint8_t *data, size_t len, int64_t *out);
bool tm__pq_read_float(tm_pq_kind kind, const uint8_t *data, size_t len, double *out);
/** uuid_text holds 36 bytes; the result points into it or into data. */
bool tm__pq_read_text(tm_pq_kind kind, const uint8_t *data, size_t len, char *uuid_text,
                      tm_str *out);
/** Text of a number, day or time that did not fit, as JSON and people write it; false when the
 * bytes are none that the server sends, or when out has no memory. */
bool tm__pq_far_text(tm_pq_kind kind, const uint8_t *data, size_t len, tm_buf *out);

#endif
