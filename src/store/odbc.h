/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any database that has an ODBC driver, through unixODBC, opened by dlopen when first needed
 * (Debian: unixodbc, and a driver such as odbc-mariadb). Only for reading rows. Owner thread.
 *
 * How to reach the database is read from a file that only its owner can read, and stands in no
 * message. Calls of ODBC block: the flag of the options is looked at between them.
 */
#ifndef TM_STORE_ODBC_H
#define TM_STORE_ODBC_H

#include "store/bad_values.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef struct tm_odbc tm_odbc;

/** Connect as a file says: "Driver=...;Server=...;..." or "DSN=...;UID=...;PWD=...".
 * TM_E_UNAVAILABLE for a database that cannot be reached now. */
TM_NODISCARD tm_status tm__odbc_open(const char *dsn_file, volatile _Atomic bool *cancel,
                                     tm_odbc **out, tm_err *err);

typedef struct tm_odbc_select {
    const char *query;  /* one SELECT, or the name of a table */
    const char *cursor; /* order by this column, and leave out rows where it is null; or NULL */
    tm_str after;       /* only rows with this value (as text) or a later one; ptr NULL: all */
    int64_t until_us;   /* only rows of a time before this one; 0: all */
} tm_odbc_select;
/**
 * Begin a query. Types become: bits BOOL, whole numbers and decimals of at most 18 digits without a
 * fraction INT, other numbers FLOAT, dates and timestamps DATE and TIME (times without a zone are
 * UTC), binaries TEXT as \x and hexadecimal digits, anything else TEXT.
 */
TM_NODISCARD tm_status tm__odbc_select(tm_odbc *odbc, const tm_odbc_select *select, tm_err *err);
/** The next block; NULL at the end. *out_cursor has the exact values of a decimal cursor. Values
 * that no type holds, also days such as 2024-02-31, are missing and added to `bad`, which was
 * empty; 0000-00-00, which some write for nothing, is missing. */
TM_NODISCARD tm_status tm__odbc_next(tm_odbc *odbc, tm_table **out, tm_table **out_cursor,
                                     tm_bad_values *bad, tm_err *err);
void tm__odbc_close(tm_odbc *odbc);

#endif
