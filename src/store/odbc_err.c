/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of ODBC drivers in our words. SQLSTATE decides, but where a driver says only HY000 the
 * number of the database does, of those that MariaDB and MySQL use. Messages are passed on for
 * classes 42 and 0A, which are about the text of a query, and never while connecting.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "store/odbc_priv.h"

typedef struct kind {
    const char *prefix; /* of SQLSTATE */
    tm_status status;
    const char *message; /* NULL: the driver's */
    const char *hint;
} kind;

#define AGAIN "Look whether the server runs, and try again."

static const kind kinds[] = {
    {"IM002", TM_E_DATA, "the DSN names no data source that unixODBC knows",
     "Add it to odbc.ini, or write Driver=/path/to/driver.so in the DSN."},
    {"IM", TM_E_DATA, "unixODBC cannot use the driver of the DSN",
     "Install it (Debian: odbc-mariadb for MariaDB and MySQL), or mend its path."},
    {"01000", TM_E_DATA, "unixODBC cannot use the driver of the DSN",
     "Install it (Debian: odbc-mariadb for MariaDB and MySQL), or mend its path."},
    {"28", TM_E_NOT_ALLOWED, "the database refuses the user or the password",
     "Mend the file of the DSN."},
    {"08", TM_E_UNAVAILABLE, "the connection to the database broke", AGAIN},
    {"HYT", TM_E_UNAVAILABLE, "the database does not answer in time", AGAIN},
    {"HY008", TM_E_CANCELLED, "cancelled while the database worked", ""},
    {"HY001", TM_E_NOMEM, "out of memory in the ODBC driver", ""},
    {"40", TM_E_UNAVAILABLE, "the database undid the transaction because of another one",
     "Try again."},
    {"42S02", TM_E_NOT_FOUND, NULL, "The name may need its database: shop.orders."},
    {"42S22", TM_E_USAGE, NULL, ""},
    {"42", TM_E_USAGE, NULL, ""},
    {"37", TM_E_USAGE, NULL, ""},
    {"0A", TM_E_UNSUPPORTED, NULL, ""},
    {"25006", TM_E_USAGE, "the query writes", "A source only reads: give one SELECT."},
    {"22", TM_E_DATA, "a value does not fit its type",
     "Cast it in the query, or leave out what cannot be cast."},
};

typedef struct number {
    int64_t native;
    const char *sqlstate; /* what it is */
} number;

/* MariaDB and MySQL. */
static const number numbers[] = {
    {1040, "08004"}, {1044, "28000"}, {1045, "28000"}, {1049, "3D000"}, {1053, "08S01"},
    {1054, "42S22"}, {1142, "42501"}, {1146, "42S02"}, {1205, "40001"}, {1213, "40001"},
    {1317, "HYT00"}, {1927, "08S01"}, {1792, "25006"}, {2002, "08001"}, {2003, "08001"},
    {2005, "08001"}, {2006, "08S01"}, {2013, "08S01"}, {2055, "08S01"}, {3024, "HYT00"}};

/* "[ma-3.1.15][10.11.19-MariaDB]Table ..." without the brackets. */
static const char *without_brackets(const char *message) {
    while (message[0] == '[') {
        const char *const end = strchr(message, ']');
        if (end == NULL) {
            break;
        }
        message = end + 1;
    }
    return message;
}

tm_status tm__odbc_fail(const tm_odbc_report *report, tm_err *err) {
    const char *state = report->sqlstate == NULL ? "none" : report->sqlstate;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        state = numbers[i].native == report->native ? numbers[i].sqlstate : state;
    }
    const kind *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        found = tm__str_has_prefix(tm__str(state), kinds[i].prefix) ? &kinds[i] : NULL;
    }
    if (strcmp(state, "3D000") == 0) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "the database of the DSN does not exist");
        tm_err_hint(err, "Mend the file of the DSN.");
        return TM_E_NOT_FOUND;
    }
    if (report->is_connecting &&
        (found == NULL || found->message == NULL || tm__str_has_prefix(tm__str(state), "08"))) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "the database cannot be reached as the DSN says");
        tm_err_hint(err, "Look at server and port, and try again; isql -k with the same text says "
                         "more.");
        return TM_E_UNAVAILABLE;
    }
    if (found == NULL) {
        return TM_FAIL(err, TM_E_DATA,
                       "the database refuses the query (SQLSTATE %.5s, error %" PRId64 ")", state,
                       report->native);
    }
    if (found->message == NULL && report->message != NULL) {
        (void)TM_FAIL(err, found->status, "%s", without_brackets(report->message));
    } else {
        (void)TM_FAIL(err, found->status, "%s",
                      found->message == NULL ? "the database refuses the query" : found->message);
    }
    tm_err_hint(err, "%s", found->hint);
    return found->status;
}
