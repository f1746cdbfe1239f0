/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's errors in our words.
 *
 * The five characters of SQLSTATE decide. Their table is read from the top: the first prefix that
 * fits counts. Messages about the text of a query hold no cells and are passed on; those about
 * values do, so a sentence of ours takes their place. Of a connection that did not come to be there
 * is no SQLSTATE, only a text that quotes the DSN: known phrases in it are looked for.
 */
#include <string.h>

#include "base/str.h"
#include "store/pq_priv.h"

typedef struct kind {
    const char *prefix; /* of SQLSTATE */
    tm_status status;
    bool is_quoted;      /* the server's message is passed on */
    const char *message; /* for the others */
    const char *hint;
} kind;

static const kind kinds[] = {
    {"57014", TM_E_UNAVAILABLE, false, "PostgreSQL ended the statement before it was done",
     "Somebody cancelled it, or statement_timeout of this user is too short."},
    {"57", TM_E_UNAVAILABLE, false, "PostgreSQL shuts down or starts",
     "Try again when the server is up."},
    {"08", TM_E_UNAVAILABLE, false, "the connection to PostgreSQL broke",
     "Look whether the server runs, and try again."},
    {"53100", TM_E_UNAVAILABLE, false, "the disk of the PostgreSQL server is full",
     "Free some space there, and try again."},
    {"53300", TM_E_UNAVAILABLE, false, "PostgreSQL has no connection left",
     "End some of the others, or raise max_connections."},
    {"53", TM_E_UNAVAILABLE, false, "PostgreSQL lacks memory or another resource",
     "Try again, or ask for less at a time."},
    {"40", TM_E_UNAVAILABLE, false, "PostgreSQL undid the transaction because of another one",
     "Try again."},
    {"55P03", TM_E_UNAVAILABLE, false, "another transaction holds a lock on the table",
     "Try again when that one has ended."},
    {"55", TM_E_UNAVAILABLE, true, NULL, "Try again later."},
    {"25006", TM_E_UNAVAILABLE, false, "PostgreSQL takes no writes",
     "It is a standby, or default_transaction_read_only is on: name the primary in the DSN, or "
     "wait "
     "until it writes again."},
    {"42P01", TM_E_NOT_FOUND, true, NULL,
     "Look for it with \\dt *.* in psql: the name may need its schema."},
    {"42501", TM_E_NOT_ALLOWED, true, NULL, "Ask for: GRANT ... TO this user."},
    {"3D000", TM_E_NOT_FOUND, true, NULL, NULL},
    {"3F000", TM_E_NOT_FOUND, true, NULL, NULL},
    {"42", TM_E_USAGE, true, NULL, NULL},
    {"0A", TM_E_UNSUPPORTED, true, NULL, NULL},
    {"23505", TM_E_CONFLICT, false, "a row with this key is there already", NULL},
    {"23502", TM_E_DATA, false, "a column that must have a value got none", NULL},
    {"23", TM_E_DATA, false, "a row breaks a constraint of its table", NULL},
    {"22P05", TM_E_DATA, false, "a text has a character that UTF-8 or the database cannot hold",
     "Mend the text, or read the column as bytea."},
    {"22021", TM_E_DATA, false, "a text has bytes that its encoding does not allow",
     "Mend the text, or read the column as bytea."},
    {"22012", TM_E_DATA, false, "a division by zero", "Guard it with NULLIF."},
    {"22", TM_E_DATA, false, "a value does not fit its type",
     "Cast it in the query, or leave out what cannot be cast."},
    {"54", TM_E_LIMIT, true, NULL, NULL},
    {"58", TM_E_UNAVAILABLE, false, "PostgreSQL cannot use its disk",
     "Look at the log of the server."},
    {"XX", TM_E_UNAVAILABLE, false, "PostgreSQL failed inside", "Look at the log of the server."},
};

tm_status tm__pq_fail(const tm_pq_report *report, tm_err *err) {
    if (report->was_cancelled) {
        return TM_FAIL(err, TM_E_CANCELLED, "cancelled while PostgreSQL worked");
    }
    const char *const state = report->sqlstate == NULL ? "none" : report->sqlstate;
    if (strcmp(state, "25006") == 0 && report->was_to_read) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query writes (SQLSTATE 25006)");
        tm_err_hint(err, "A source only reads: give one SELECT.");
        return TM_E_USAGE;
    }
    const kind *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        found = tm__str_has_prefix(tm__str(state), kinds[i].prefix) ? &kinds[i] : NULL;
    }
    if (found == NULL) {
        return TM_FAIL(err, TM_E_DATA, "PostgreSQL refuses the statement (SQLSTATE %.5s)", state);
    }
    if (found->is_quoted && report->message != NULL) {
        (void)TM_FAIL(err, found->status, "PostgreSQL: %s", report->message);
    } else if (report->name != NULL) {
        (void)TM_FAIL(err, found->status, "%s: '%s' (SQLSTATE %.5s)", found->message, report->name,
                      state);
    } else {
        (void)TM_FAIL(err, found->status, "%s (SQLSTATE %.5s)",
                      found->message != NULL ? found->message : "PostgreSQL refuses", state);
    }
    if (found->is_quoted && report->hint != NULL) {
        tm_err_hint(err, "%s", report->hint);
    } else if (found->hint != NULL) {
        tm_err_hint(err, "%s", found->hint);
    }
    return found->status;
}

typedef struct phrase {
    const char *text; /* of libpq or the server */
    tm_status status;
    const char *message, *hint;
} phrase;

static const phrase phrases[] = {
    {"password authentication failed", TM_E_NOT_ALLOWED,
     "PostgreSQL refuses the user or the password", "Mend the file of the DSN."},
    {"authentication failed", TM_E_NOT_ALLOWED, "PostgreSQL refuses the user",
     "Mend the file of the DSN, or pg_hba.conf of the server."},
    {"no pg_hba.conf entry", TM_E_NOT_ALLOWED,
     "pg_hba.conf of the server does not let this user in from here",
     "Add a line to pg_hba.conf; it may ask for TLS: sslmode=require."},
    {"pg_hba.conf rejects", TM_E_NOT_ALLOWED,
     "pg_hba.conf of the server does not let this user in from here",
     "Change pg_hba.conf; it may ask for TLS: sslmode=require."},
    {"permission denied for database", TM_E_NOT_ALLOWED, "this user may not use the database",
     "Ask for: GRANT CONNECT ON DATABASE ... TO this user."},
    {"too many", TM_E_UNAVAILABLE, "PostgreSQL has no connection left",
     "End some of the others, or raise max_connections."},
    {"remaining connection slots", TM_E_UNAVAILABLE, "PostgreSQL has no connection left",
     "End some of the others, or raise max_connections."},
    {"starting up", TM_E_UNAVAILABLE, "PostgreSQL starts", "Try again when the server is up."},
    {"shutting down", TM_E_UNAVAILABLE, "PostgreSQL shuts down",
     "Try again when the server is up."},
    {"recovery mode", TM_E_UNAVAILABLE, "PostgreSQL recovers", "Try again when the server is up."},
    {"FATAL:  role", TM_E_NOT_FOUND, "PostgreSQL does not have the user of the DSN",
     "Mend the file of the DSN."},
    {"FATAL:  database", TM_E_NOT_FOUND, "PostgreSQL does not have the database of the DSN",
     "Mend the file of the DSN."},
    {"does not support SSL", TM_E_NOT_ALLOWED, "the DSN asks for TLS and the server has none",
     "Turn ssl on in the server, or sslmode=prefer where the network may be trusted."},
    {"certificate", TM_E_NOT_ALLOWED, "the certificate of the server or of this user is not good",
     "Look at sslmode, sslrootcert and sslcert of the DSN."},
    {"private key file", TM_E_NOT_ALLOWED, "the key file of the DSN cannot be used",
     "Look at sslkey of the DSN: chmod 600 it."},
    {"could not translate host name", TM_E_UNAVAILABLE, "the host of the DSN has no address",
     "Mend the host, or look at the name server."},
    {"timeout expired", TM_E_UNAVAILABLE, "PostgreSQL does not answer in time",
     "Look at the host and port, and at the firewall between."},
    {"Connection refused", TM_E_UNAVAILABLE, "nothing listens where the DSN says",
     "Start the server, or mend host and port."},
    {"No such file or directory", TM_E_UNAVAILABLE, "nothing listens where the DSN says",
     "Start the server, or mend host (the folder of its socket) and port."},
    {"No route to host", TM_E_UNAVAILABLE, "the network has no way to the host of the DSN",
     "Look at the host and the network."},
    {"unreachable", TM_E_UNAVAILABLE, "the network has no way to the host of the DSN",
     "Look at the host and the network."},
    {"server closed the connection", TM_E_UNAVAILABLE, "the server closed the connection at once",
     "Look at the log of the server."},
    {"invalid", TM_E_DATA, "the DSN has a value that libpq does not take",
     "Look at port, sslmode and timeouts in the file of the DSN."},
};

tm_status tm__pq_fail_connect(const char *text, const char *dsn_file, tm_err *err) {
    const char *const said = text == NULL ? "" : text;
    const phrase *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        found = strstr(said, phrases[i].text) != NULL ? &phrases[i] : NULL;
    }
    const tm_status st = found == NULL ? TM_E_UNAVAILABLE : found->status;
    (void)TM_FAIL(err, st, "%s",
                  found == NULL ? "PostgreSQL cannot be reached as the DSN says" : found->message);
    tm_err_hint(err, "%s",
                found == NULL ? "Try psql with the same DSN: it says more." : found->hint);
    tm_err_at(err, dsn_file, 0, 0);
    return st;
}
