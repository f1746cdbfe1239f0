/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are pushed to a source: read on a batch thread, answered by the writer of intake.db
 * when they are durable. */
#include <stddef.h>
#include <string.h>

#include "serve/conn.h"
#include "serve/handle.h"
#include "serve/worker.h"
#include "source/parquet_rows.h"

static void reply_result(tm_exchange *x, const tm_push_result *result) {
    if (result->status != TM_OK) {
        x->retry_after_s = result->status == TM_E_UNAVAILABLE ? 1 : 0;
        tm__problem_from_err(x, &result->err);
        return;
    }
    /* The rows are stored: the reply has its room already. */
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_printf(&x->reply, "{\"accepted\":%llu,\"duplicates\":%llu,\"quarantined\":%llu",
                   (unsigned long long)result->accepted, (unsigned long long)result->duplicates,
                   (unsigned long long)result->quarantined);
    if (result->dropped > 0) {
        tm__buf_printf(&x->reply, ",\"dropped\":%llu", (unsigned long long)result->dropped);
    }
    tm__buf_text(&x->reply, "}");
}

/* On the writer's thread. The desk of the exchange may serve another one by now. */
static void push_done(void *arg, const tm_push_result *result) {
    tm_exchange *x = arg;
    reply_result(x, result);
    tm__worker_answered((tm_conn *)(void *)((char *)x - offsetof(tm_conn, x)));
}

static void reply_failure(tm_exchange *x, const tm_err *err) {
    x->retry_after_s = err->status == TM_E_UNAVAILABLE ? 1 : 0;
    tm__problem_from_err(x, err);
}

/* Rows of a table are read before the push returns. */
static tm_status push_parquet(tm_exchange *x, tm_push *push, tm_err *err) {
    const tm_parquet_body body = {
        .data = push->data, .len = push->len, .n_rows_max = push->n_rows_max};
    tm_table *table = NULL;
    tm_bad_values bad = {0};
    TM_TRY(tm__intake_ready(x->desk->intake, push->source, err)); /* before a child is started */
    tm_status st = tm__parquet_read(x->desk->parquet, &body, &table, &bad, err);
    if (st == TM_OK) {
        push->table = table;
        push->bad = &bad;
        x->desk->is_parked = true;
        st = tm__intake_push(x->desk->intake, push, err);
    }
    tm__bad_values_done(&bad);
    tm__table_unref(table);
    return st;
}

void tm__handle_rows(tm_exchange *x) {
    tm_buf *body = &x->http->body;
    tm_err err = {0};
    if (body->len == 0) {
        tm__problem_reply(x, 400, "bad-request", "the body is empty", "Send at least one row.");
        return;
    }
    tm_push push = {
        .source = x->match.params[0],
        .form = x->media == TM_MEDIA_CSV       ? TM_PUSH_CSV
                : x->media == TM_MEDIA_LINES   ? TM_PUSH_LINES
                : x->media == TM_MEDIA_PARQUET ? TM_PUSH_TABLE
                                               : TM_PUSH_JSON,
        .data = (char *)body->data,
        .len = body->len,
        .key = x->http->fields[TM_HTTP_IDEMPOTENCY_KEY],
        .n_rows_max = x->limits->rows_max,
        .done = push_done,
        .arg = x,
    };
    tm_desk *const desk = x->desk;
    tm_status st = TM_OK;
    if (x->media == TM_MEDIA_PARQUET) {
        st = push_parquet(x, &push, &err);
    } else {
        desk->is_parked = true;
        st = tm__intake_push(desk->intake, &push, &err);
    }
    if (st != TM_OK) {
        desk->is_parked = false;
        reply_failure(x, &err);
    }
}
