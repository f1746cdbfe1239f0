/* SPDX-License-Identifier: Apache-2.0 */
/* unixODBC as a table of functions, and its errors. Only for store/odbc. */
#ifndef TM_STORE_ODBC_PRIV_H
#define TM_STORE_ODBC_PRIV_H

#include <sql.h>
#include <sqlext.h>

#include "base/buf.h"
#include "store/odbc.h"

/* Every function of unixODBC that Tidemill calls. */
#define TM_ODBC_FUNCTIONS(X)                                                                       \
    X(SQLAllocHandle)                                                                              \
    X(SQLBindCol)                                                                                  \
    X(SQLCancel)                                                                                   \
    X(SQLColAttribute)                                                                             \
    X(SQLDescribeCol)                                                                              \
    X(SQLDisconnect)                                                                               \
    X(SQLDriverConnect)                                                                            \
    X(SQLExecDirect)                                                                               \
    X(SQLFetch)                                                                                    \
    X(SQLFreeHandle)                                                                               \
    X(SQLGetData)                                                                                  \
    X(SQLGetDiagRec)                                                                               \
    X(SQLGetInfo)                                                                                  \
    X(SQLNumResultCols)                                                                            \
    X(SQLSetConnectAttr)                                                                           \
    X(SQLSetEnvAttr)                                                                               \
    X(SQLSetStmtAttr)

typedef struct tm_odbc_api {
#define X(name) __typeof__(&name) name;
    TM_ODBC_FUNCTIONS(X)
#undef X
} tm_odbc_api;

/** Open the library and find all of TM_ODBC_FUNCTIONS. It stays loaded for good. */
TM_NODISCARD tm_status tm__odbc_api_load(tm_odbc_api *out, tm_err *err);

/* What a driver says of a failure. */
typedef struct tm_odbc_report {
    const char *sqlstate;
    int64_t native;      /* the database's own number */
    const char *message; /* shown only when it is about the text of the query */
    bool is_connecting;
} tm_odbc_report;
/** Translate a failure to a status and a message without values and without the DSN. */
tm_status tm__odbc_fail(const tm_odbc_report *report, tm_err *err);

/** Append n units of UTF-16 as UTF-8; halves of pairs that stand alone become three bytes each that
 * are not UTF-8. */
bool tm__odbc_utf8(const uint16_t *units, size_t n, tm_buf *out);

#endif
