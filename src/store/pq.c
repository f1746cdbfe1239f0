/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL.
 *
 *   send ──> flush ──> wait for the socket ──> consume ──> result ─┐
 *              ^                                  │ busy           ├──> ... ──> NULL: idle again
 *              └──────────────────────────────────┘      next ─────┘
 *
 * libpq's blocking calls would sleep in poll() whatever the flag says, so everything goes through
 * tm__pq_next(). Only connecting blocks, for at most ten seconds an address unless the DSN says
 * otherwise.
 */
#include "store/pq.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/str.h"
#include "store/pq_priv.h"
#include "store/secret.h"
#include "store/sql_text.h"

#define WAIT_MS 100
#define SILENCE_MS 60000u
#define QUOTED_MAX (64u << 20) /* statements with a query of the user in them */

/* ---- Opening ---- */

static void drop_notice(void *arg, const PGresult *result) {
    (void)arg;
    (void)result; /* libpq would print it */
}

static tm_status check_dsn(const tm_pq_api *api, const char *dsn, const char *dsn_file,
                           tm_err *err) {
    char *text = NULL;
    PQconninfoOption *const options = api->PQconninfoParse(dsn, &text);
    if (text != NULL) {
        api->PQfreemem(text); /* it quotes the DSN */
    }
    if (options == NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "'%s' does not say how to reach PostgreSQL", dsn_file);
        tm_err_hint(err, "It holds one line: host=... dbname=... user=... password=..., or "
                         "postgres://user:password@host/dbname");
        tm_err_at(err, dsn_file, 0, 0);
        return TM_E_DATA;
    }
    api->PQconninfoFree(options);
    return TM_OK;
}

static tm_status connect_as(tm_pq *pq, const char *dsn, const tm_pq_options *options, tm_err *err) {
    char silence[16], wait[16], idle[16], step[16];
    const uint32_t silence_ms = options->silence_ms == 0 ? SILENCE_MS : options->silence_ms;
    (void)snprintf(silence, sizeof(silence), "%u", silence_ms);
    (void)snprintf(idle, sizeof(idle), "%u", silence_ms / 2000);
    (void)snprintf(step, sizeof(step), "%u", silence_ms < 6000 ? 1 : silence_ms / 6000);
    (void)snprintf(wait, sizeof(wait), "%u", options->connect_s == 0 ? 10 : options->connect_s);
    /* What stands before the DSN is a default, what stands behind it is not for it to say. */
    const char *const names[] = {"application_name",
                                 "connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "dbname",
                                 "client_encoding",
                                 NULL};
    const char *const values[] = {"tidemill", wait, idle, step, "3", silence, dsn, "UTF8", NULL};
    _Static_assert(sizeof(names) == sizeof(values), "a value for each name");
    pq->conn = pq->api.PQconnectdbParams(names, values, 1);
    if (pq->conn == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while connecting to PostgreSQL");
    }
    if (pq->api.PQstatus(pq->conn) != CONNECTION_OK) {
        if (pq->api.PQconnectionNeedsPassword(pq->conn) != 0) {
            (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "PostgreSQL asks for a password");
            tm_err_hint(err, "Add it to '%s': password=...", pq->dsn_file);
            tm_err_at(err, pq->dsn_file, 0, 0);
            return TM_E_NOT_ALLOWED;
        }
        return tm__pq_fail_connect(pq->api.PQerrorMessage(pq->conn), pq->dsn_file, err);
    }
    (void)pq->api.PQsetNoticeReceiver(pq->conn, drop_notice, NULL);
    if (pq->api.PQsetnonblocking(pq->conn, 1) != 0) {
        return tm__pq_lost(pq, err);
    }
    return TM_OK;
}

/* A database that does not know how its texts are encoded. Asked for UTF-8, it would end a reading
 * at the first text that is none; so it sends the bytes, and the reader looks at them. */
static bool has_raw_texts(const tm_pq *pq) {
    return tm__str_is(tm__str(pq->api.PQparameterStatus(pq->conn, "server_encoding")), "SQL_ASCII");
}

tm_status tm__pq_open(const char *dsn_file, const tm_pq_options *options, tm_pq **out,
                      tm_err *err) {
    const tm_pq_options none = {0};
    tm_buf dsn = {0};
    tm_status st = TM_OK;
    tm_pq *pq = tm__mem_zalloc(1, sizeof(*pq));
    if (pq == NULL || (pq->dsn_file = tm__mem_strdup(dsn_file)) == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while connecting to PostgreSQL");
        goto out;
    }
    pq->cancel = options == NULL ? NULL : options->cancel;
    pq->is_read_only = options != NULL && options->is_read_only;
    tm__buf_init(&pq->text, QUOTED_MAX);
    st = tm__pq_api_load(&pq->api, err);
    st = st != TM_OK ? st : tm__secret_read(dsn_file, &dsn, err);
    st = st != TM_OK ? st : check_dsn(&pq->api, (const char *)dsn.data, dsn_file, err);
    st = st != TM_OK
             ? st
             : connect_as(pq, (const char *)dsn.data, options == NULL ? &none : options, err);
    st = st != TM_OK ? st
                     : tm__pq_exec(pq,
                                   "SET datestyle TO 'ISO'; SET timezone TO 'UTC'; "
                                   "SET extra_float_digits TO 1; SET client_min_messages TO error; "
                                   "SET standard_conforming_strings TO on",
                                   err);
    if (st == TM_OK && options != NULL && options->is_read_only) {
        st = tm__pq_exec(pq, "SET default_transaction_read_only TO on", err);
    }
    if (st == TM_OK && options != NULL && options->is_read_only && has_raw_texts(pq)) {
        st = tm__pq_exec(pq, "SET client_encoding TO 'SQL_ASCII'", err);
    }
    if (st == TM_OK) {
        *out = pq;
        pq = NULL;
    }
out:
    tm__secret_done(&dsn);
    tm__pq_close(pq);
    return st;
}

void tm__pq_close(tm_pq *pq) {
    if (pq == NULL) {
        return;
    }
    if (pq->conn != NULL) {
        pq->api.PQfinish(pq->conn);
    }
    tm__buf_done(&pq->text);
    tm__mem_free(pq->dsn_file);
    tm__mem_free(pq);
}

/* ---- Waiting and results ---- */

static void cancel_server(tm_pq *pq) {
    char text[256];
    PGcancel *const handle = pq->api.PQgetCancel(pq->conn);
    pq->is_cancelled = true;
    if (handle != NULL) {
        (void)pq->api.PQcancel(handle, text, sizeof(text)); /* its end is seen by the server */
        pq->api.PQfreeCancel(handle);
    }
}

static tm_status cancelled(tm_err *err) {
    return TM_FAIL(err, TM_E_CANCELLED, "cancelled while PostgreSQL worked");
}

tm_status tm__pq_check(const tm_pq *pq, tm_err *err) {
    if (pq->is_cancelled) {
        return cancelled(err);
    }
    if (pq->is_lost) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the connection to PostgreSQL is lost");
    }
    return TM_OK;
}

tm_status tm__pq_wait(tm_pq *pq, bool want_write, tm_err *err) {
    if (pq->cancel != NULL && *pq->cancel) {
        cancel_server(pq);
        return cancelled(err);
    }
    tm__net_wait(pq->api.PQsocket(pq->conn), want_write, WAIT_MS);
    return TM_OK;
}

tm_status tm__pq_lost(tm_pq *pq, tm_err *err) {
    pq->is_lost = true;
    (void)TM_FAIL(err, TM_E_UNAVAILABLE, "the connection to PostgreSQL broke");
    tm_err_hint(err, "Look whether the server runs, and try again.");
    return TM_E_UNAVAILABLE;
}

void tm__pq_bear(tm_pq *pq, uint32_t n_waits) {
    pq->n_waits_max = n_waits;
}

tm_status tm__pq_next(tm_pq *pq, PGresult **out, tm_err *err) {
    for (uint32_t n_waits = 0;; n_waits++) {
        const int left = pq->api.PQflush(pq->conn);
        if (left == 0 && pq->api.PQisBusy(pq->conn) == 0) {
            *out = pq->api.PQgetResult(pq->conn);
            return TM_OK;
        }
        if (left < 0 && pq->api.PQisBusy(pq->conn) == 0) {
            /* What the server said before it went says more than that it went. */
            *out = pq->api.PQgetResult(pq->conn);
            return *out != NULL ? TM_OK : tm__pq_lost(pq, err);
        }
        if (pq->n_waits_max > 0 && n_waits == pq->n_waits_max) {
            return tm__pq_lost(pq, err);
        }
        TM_TRY(tm__pq_wait(pq, left > 0, err));
        if (pq->api.PQconsumeInput(pq->conn) == 0 && pq->api.PQisBusy(pq->conn) != 0) {
            return tm__pq_lost(pq, err);
        }
    }
}

tm_status tm__pq_result_fail(tm_pq *pq, const PGresult *result, tm_err *err) {
    const char *const sqlstate = pq->api.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (sqlstate == NULL) {
        return tm__pq_lost(pq, err); /* libpq's own words: the connection is gone */
    }
    (void)tm__str_copy(pq->sqlstate, sizeof(pq->sqlstate), tm__str(sqlstate));
    const char *const constraint = pq->api.PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const char *const column = pq->api.PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
    const tm_pq_report report = {.sqlstate = sqlstate,
                                 .message =
                                     pq->api.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
                                 .hint = pq->api.PQresultErrorField(result, PG_DIAG_MESSAGE_HINT),
                                 .name = constraint != NULL ? constraint : column,
                                 .was_cancelled = pq->is_cancelled,
                                 .was_to_read = pq->is_read_only};
    return tm__pq_fail(&report, err);
}

static bool is_good(ExecStatusType status) {
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

tm_status tm__pq_finish(tm_pq *pq, PGresult **out, tm_err *err) {
    tm_status st = TM_OK;
    PGresult *last = NULL;
    for (;;) {
        PGresult *result = NULL;
        const tm_status next = tm__pq_next(pq, &result, st == TM_OK ? err : NULL);
        if (next != TM_OK || result == NULL) {
            st = st == TM_OK ? next : st;
            break;
        }
        const ExecStatusType status = pq->api.PQresultStatus(result);
        if (st == TM_OK && !is_good(status)) {
            st = status == PGRES_EMPTY_QUERY ? TM_FAIL(err, TM_E_USAGE, "the statement is empty")
                                             : tm__pq_result_fail(pq, result, err);
        }
        const bool is_copy = status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
        pq->api.PQclear(last);
        last = result;
        if (is_copy) { /* a COPY where none is expected would never end */
            pq->is_lost = true;
            break;
        }
    }
    if (st == TM_OK && out != NULL) {
        *out = last;
        last = NULL;
    }
    pq->api.PQclear(last);
    return st;
}

void tm__pq_drain(tm_pq *pq) {
    PGresult *result = NULL;
    do {
        pq->api.PQclear(result);
        result = NULL;
    } while (tm__pq_check(pq, NULL) == TM_OK && tm__pq_next(pq, &result, NULL) == TM_OK &&
             result != NULL);
}

/* ---- Statements ---- */

static tm_status check_idle(const tm_pq *pq, tm_err *err) {
    TM_ASSERT(!pq->is_copying);
    return tm__pq_check(pq, err);
}

tm_status tm__pq_exec(tm_pq *pq, const char *sql, tm_err *err) {
    TM_TRY(check_idle(pq, err));
    if (pq->api.PQsendQuery(pq->conn, sql) == 0) {
        return tm__pq_lost(pq, err);
    }
    return tm__pq_finish(pq, NULL, err);
}

tm_status tm__pq_exec_rows(tm_pq *pq, const char *sql, tm_pq_rows **out_rows, tm_err *err) {
    TM_TRY(check_idle(pq, err));
    if (pq->api.PQsendQuery(pq->conn, sql) == 0) {
        return tm__pq_lost(pq, err);
    }
    return tm__pq_take_rows(pq, out_rows, err);
}

struct tm_pq_rows {
    tm_pq_api api;
    PGresult *result;
};

tm_status tm__pq_take_rows(tm_pq *pq, tm_pq_rows **out_rows, tm_err *err) {
    PGresult *result = NULL;
    tm_pq_rows *rows = out_rows == NULL ? NULL : tm__mem_zalloc(1, sizeof(*rows));
    tm_status st = tm__pq_finish(pq, &result, err);
    if (st == TM_OK && out_rows != NULL && rows == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the rows of a statement");
    }
    if (st == TM_OK && out_rows != NULL) {
        *rows = (tm_pq_rows){pq->api, result};
        *out_rows = rows;
        rows = NULL;
        result = NULL;
    }
    pq->api.PQclear(result);
    tm__mem_free(rows);
    return st;
}

tm_status tm__pq_query(tm_pq *pq, const char *sql, const tm_str *params, uint32_t n_params,
                       tm_pq_rows **out_rows, tm_err *err) {
    TM_TRY(check_idle(pq, err));
    char **values = tm__mem_zalloc(n_params, sizeof(*values));
    bool has_memory = values != NULL;
    for (uint32_t i = 0; has_memory && i < n_params; i++) {
        values[i] = params[i].ptr == NULL ? NULL : tm__mem_strndup(params[i].ptr, params[i].len);
        has_memory = params[i].ptr == NULL || values[i] != NULL;
    }
    tm_status st = TM_OK;
    if (!has_memory) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the parameters of a statement");
    } else if (pq->api.PQsendQueryParams(pq->conn, sql, (int)n_params, NULL,
                                         (const char *const *)values, NULL, NULL, 0) == 0) {
        st = tm__pq_lost(pq, err);
    } else {
        st = tm__pq_take_rows(pq, out_rows, err);
    }
    for (uint32_t i = 0; values != NULL && i < n_params; i++) {
        tm__mem_free(values[i]);
    }
    tm__mem_free(values);
    return st;
}

uint64_t tm__pq_rows_count(const tm_pq_rows *rows) {
    return (uint64_t)rows->api.PQntuples(rows->result);
}

uint64_t tm__pq_rows_changed(const tm_pq_rows *rows) {
    uint64_t n = 0;
    return tm__str_to_u64(tm__str(rows->api.PQcmdTuples(rows->result)), &n) ? n : 0;
}

uint32_t tm__pq_rows_cols(const tm_pq_rows *rows) {
    return (uint32_t)rows->api.PQnfields(rows->result);
}

uint32_t tm__pq_rows_type(const tm_pq_rows *rows, uint32_t col) {
    TM_ASSERT(col < tm__pq_rows_cols(rows));
    return rows->api.PQftype(rows->result, (int)col);
}

const char *tm__pq_rows_name(const tm_pq_rows *rows, uint32_t col) {
    TM_ASSERT(col < tm__pq_rows_cols(rows));
    return rows->api.PQfname(rows->result, (int)col);
}

tm_str tm__pq_rows_text(const tm_pq_rows *rows, uint64_t row, uint32_t col) {
    TM_ASSERT(row < tm__pq_rows_count(rows) && col < tm__pq_rows_cols(rows));
    if (rows->api.PQgetisnull(rows->result, (int)row, (int)col) != 0) {
        return (tm_str){NULL, 0};
    }
    return (tm_str){rows->api.PQgetvalue(rows->result, (int)row, (int)col),
                    (size_t)rows->api.PQgetlength(rows->result, (int)row, (int)col)};
}

int64_t tm__pq_rows_i64(const tm_pq_rows *rows, uint64_t row, uint32_t col) {
    int64_t value = 0;
    (void)tm__str_to_i64(tm__pq_rows_text(rows, row, col), &value);
    return value;
}

void tm__pq_rows_free(tm_pq_rows *rows) {
    if (rows != NULL) {
        rows->api.PQclear(rows->result);
        tm__mem_free(rows);
    }
}

bool tm__pq_quote(tm_buf *sql, tm_str text, char quote) {
    return tm__sql_quote(sql, text, quote); /* standard_conforming_strings is on */
}
