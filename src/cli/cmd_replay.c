/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Historical rows as traffic: batches in row order over one connection, each label sent
 * --label-delay after its answer. What the server knows of its live score is printed as the labels
 * arrive.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/put_rows.h"
#include "cli/replay_history.h"
#include "cli/train_words.h"
#include "serve/client.h"

#define REPLY_BYTES_MAX (256u << 20)
#define N_REPORTS 5u
#define ID_TEXT 27u

typedef struct replay {
    tm_cli *cli;
    tm_client *client;
    tm_table *table;
    const char *model;
    uint32_t label; /* column, UINT32_MAX: none */
    uint64_t batch;
    uint64_t n_rows;
    uint64_t n_sent;     /* rows answered */
    uint64_t n_labelled; /* rows whose label was sent or is missing */
    uint64_t n_labels;   /* labels sent */
    char (*ids)[ID_TEXT];
    uint64_t *due_ns; /* when a row's label may be sent */
    uint64_t label_delay_ns;
    double rate;
    double *latency_ms; /* of each request */
    uint64_t n_requests;
    tm_buf body, reply;
} replay;

static tm_status take_ids(replay *r, uint64_t row_end, tm_err *err) {
    json_t *reply = NULL;
    TM_TRY(tm__json_parse(r->reply.data, r->reply.len, TM_MAX_JSON_DEPTH, &reply, err));
    const json_t *predictions = json_object_get(reply, "predictions");
    tm_status st = TM_OK;
    if (json_array_size(predictions) != row_end - r->n_sent) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "the server answered %zu of %llu rows",
                     json_array_size(predictions), (unsigned long long)(row_end - r->n_sent));
    }
    const uint64_t now = tm__mono_ns();
    for (uint64_t row = r->n_sent; st == TM_OK && row < row_end; row++) {
        const char *id = tm__json_text(json_array_get(predictions, row - r->n_sent), "id", "");
        (void)tm__str_copy(r->ids[row], ID_TEXT, tm__str(id));
        r->due_ns[row] = now + r->label_delay_ns;
    }
    json_decref(reply);
    return st;
}

static tm_status send_batch(replay *r, tm_err *err) {
    char path[256];
    const uint64_t left = r->n_rows - r->n_sent;
    const uint64_t row_end = r->n_sent + (left < r->batch ? left : r->batch);
    (void)snprintf(path, sizeof(path), "/v1/routes/%s/predict", r->model);
    tm__buf_reset(&r->body);
    tm__cli_put_rows(&r->body, r->table, r->n_sent, row_end, r->label);
    if (r->body.no_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a batch of rows");
    }
    if (r->body.failed) {
        return TM_FAIL(err, TM_E_LIMIT, "a batch of rows is larger than a request may be");
    }
    const uint64_t started = tm__mono_ns();
    tm_status st = tm__client_call(r->client, path, &r->body, &r->reply, err);
    if (st != TM_OK) {
        tm_err_at(err, NULL, r->n_sent + 1, 0);
        return st;
    }
    r->latency_ms[r->n_requests++] = (double)(tm__mono_ns() - started) * 1e-6;
    TM_TRY(take_ids(r, row_end, err));
    r->n_sent = row_end;
    return TM_OK;
}

/* Labels that are due, in one request; rows whose label is missing are passed over. */
static tm_status send_labels(replay *r, tm_err *err) {
    const tm_column *column = tm__table_column(r->table, r->label);
    const uint64_t now = tm__mono_ns();
    uint64_t row = r->n_labelled;
    uint64_t n_labels = 0;
    tm__buf_reset(&r->body);
    (void)tm__buf_text(&r->body, "{\"labels\": [");
    for (; row < r->n_sent && row - r->n_labelled < r->batch && r->due_ns[row] <= now; row++) {
        if (tm__column_is_missing(column, row)) {
            continue;
        }
        (void)tm__buf_printf(&r->body,
                             "%s{\"prediction_id\": \"%s\", \"label\": ", n_labels == 0 ? "" : ", ",
                             r->ids[row]);
        tm__cli_put_value(&r->body, column, row);
        (void)tm__buf_byte(&r->body, '}');
        n_labels++;
    }
    (void)tm__buf_text(&r->body, "]}");
    if (n_labels > 0) {
        TM_TRY(tm__client_call(r->client, "/v1/labels", &r->body, &r->reply, err));
    }
    r->n_labels += n_labels;
    r->n_labelled = row;
    return TM_OK;
}

/* The live scores of this route in the server's status, or NULL. Borrowed. */
static const json_t *find_live(const replay *r, const json_t *status) {
    const json_t *routes = json_object_get(status, "routes");
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        if (strcmp(tm__json_text(route, "route", ""), r->model) == 0) {
            return json_object_get(route, "live");
        }
    }
    return NULL;
}

/* What the server says of this route now; a key that may not read says nothing. */
static tm_status print_live(replay *r, tm_err *err) {
    char sent[32];
    char labelled[32];
    json_t *status = NULL;
    const tm_status st = tm__client_call(r->client, "/v1/status", NULL, &r->reply, err);
    if (st == TM_E_NOT_ALLOWED) {
        return TM_OK;
    }
    TM_TRY(st);
    TM_TRY(tm__json_parse(r->reply.data, r->reply.len, TM_MAX_JSON_DEPTH, &status, err));
    const json_t *live = find_live(r, status);
    const json_t *scores = json_object_get(live, "scores");
    const char *name = json_object_get(scores, "auc") != NULL        ? "auc"
                       : json_object_get(scores, "accuracy") != NULL ? "accuracy"
                                                                     : "rmse";
    tm__count_text((int64_t)r->n_sent, sent);
    tm__count_text(tm__json_i64(live, "labelled", 0), labelled);
    if (json_is_object(scores)) {
        tm__cli_print(r->cli, "  %9s rows answered, %9s labels joined: live %s %.4f\n", sent,
                      labelled, name, tm__json_f64(scores, name, 0.0));
    } else {
        tm__cli_print(r->cli, "  %9s rows answered, no label yet\n", sent);
    }
    json_decref(status);
    return TM_OK;
}

static tm_status send_all(replay *r, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    const uint64_t n_all = r->label == UINT32_MAX ? r->n_rows : 2 * r->n_rows;
    uint64_t n_reported = 0;
    while (r->n_sent < r->n_rows || (r->label != UINT32_MAX && r->n_labelled < r->n_rows)) {
        const double seconds = (double)(tm__mono_ns() - started) * 1e-9;
        bool idle = true;
        if (r->cli->cancel) {
            return TM_FAIL(err, TM_E_CANCELLED, "stopped by a signal");
        }
        if (r->n_sent < r->n_rows && (r->rate <= 0.0 || (double)r->n_sent <= seconds * r->rate)) {
            TM_TRY(send_batch(r, err));
            idle = false;
        }
        if (r->label != UINT32_MAX && r->n_labelled < r->n_sent &&
            r->due_ns[r->n_labelled] <= tm__mono_ns()) {
            TM_TRY(send_labels(r, err));
            idle = false;
        }
        const uint64_t done = r->n_sent + (r->label == UINT32_MAX ? 0 : r->n_labelled);
        if (done * N_REPORTS / n_all > n_reported) {
            n_reported = done * N_REPORTS / n_all;
            TM_TRY(print_live(r, err));
        }
        if (idle) {
            tm__sleep_ms(2);
        }
    }
    return TM_OK;
}

static int compare_f64(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_summary(replay *r, double seconds) {
    qsort(r->latency_ms, r->n_requests, sizeof(double), compare_f64);
    const double p50 = r->n_requests > 0 ? r->latency_ms[r->n_requests / 2] : 0.0;
    const double p99 = r->n_requests > 0 ? r->latency_ms[r->n_requests * 99 / 100] : 0.0;
    if (r->cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "schema", "tidemill.replay/1",
                      "model", r->model, "rows", (json_int_t)r->n_sent, "labels",
                      (json_int_t)r->n_labels, "requests", (json_int_t)r->n_requests, "seconds",
                      seconds, "latency_ms_p50", p50, "latency_ms_p99", p99);
        tm__cli_print_json(r->cli, result);
        json_decref(result);
        return;
    }
    tm__cli_print(r->cli,
                  "  %llu requests of up to %llu rows in %.1f s; a request took %.1f ms (p50), "
                  "%.1f ms (p99)\n",
                  (unsigned long long)r->n_requests, (unsigned long long)r->batch, seconds, p50,
                  p99);
}

static tm_status connect_server(replay *r, tm_err *err) {
    const char *key_path = tm__cli_text(r->cli, "key-file");
    tm_buf key;
    tm__buf_init(&key, 4096);
    tm_status st = key_path != NULL ? tm__fs_read_all(key_path, &key, err) : TM_OK;
    while (key.len > 0 && (key.data[key.len - 1] == '\n' || key.data[key.len - 1] == '\r')) {
        key.data[--key.len] = '\0';
    }
    if (st == TM_OK) {
        const tm_client_options options = {.address = tm__cli_text(r->cli, "server"),
                                           .key = (const char *)key.data};
        st = tm__client_open(&options, &r->client, err);
    }
    tm__buf_done(&key);
    return st;
}

static tm_status prepare(replay *r, tm_ctx *ctx, tm_err *err) {
    const char *label = tm__cli_text(r->cli, "labels");
    TM_TRY(tm__cli_read(r->cli, ctx, tm__cli_arg(r->cli, "DATA"), tm__cli_text(r->cli, "sql"), NULL,
                        &r->table, err));
    r->n_rows = tm__table_rows(r->table);
    r->label = label != NULL ? tm__table_find(r->table, label) : UINT32_MAX;
    if (label != NULL && r->label == UINT32_MAX) {
        (void)TM_FAIL(err, TM_E_USAGE, "there is no label column '%s'", label);
        tm__table_hint_column(r->table, label, err);
        return TM_E_USAGE;
    }
    r->ids = tm__mem_zalloc(r->n_rows, sizeof(*r->ids));
    r->due_ns = tm__mem_zalloc(r->n_rows, sizeof(*r->due_ns));
    r->latency_ms = tm__mem_zalloc(r->n_rows / r->batch + 2, sizeof(double));
    if (r->ids == NULL || r->due_ns == NULL || r->latency_ms == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu rows", (unsigned long long)r->n_rows);
    }
    return connect_server(r, err);
}

/* Options that no server has a use for. */
static tm_status check_without_target(const tm_cli *cli, tm_err *err) {
    static const char *const names[] = {"source", "time",   "delay", "task",   "first",
                                        "period", "report", "drop",  "threads"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (tm__cli_has(cli, names[i])) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "--%s is of a replay without a server", names[i]);
            tm_err_hint(err, "Say with --target what is to be predicted, or leave it out.");
            return st;
        }
    }
    return TM_OK;
}

tm_status cmd_replay(tm_cli *cli, tm_err *err) {
    if (tm__cli_has(cli, "target")) {
        return tm__replay_history(cli, err);
    }
    TM_TRY(check_without_target(cli, err));
    if (tm__cli_arg(cli, "MODEL") == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the argument MODEL is missing");
        tm_err_hint(err, "Name the route that gets the rows, or a --target to replay without a "
                         "server.");
        return st;
    }
    tm_ctx ctx = {0};
    replay r = {
        .cli = cli,
        .model = tm__cli_arg(cli, "MODEL"),
        .batch = (uint64_t)tm__cli_i64(cli, "batch"),
        .rate = tm__cli_f64(cli, "rate"),
        .label_delay_ns = (uint64_t)tm__cli_duration_us(cli, "label-delay") * 1000,
    };
    tm__buf_init(&r.body, TM_MAX_BODY_BYTES);
    tm__buf_init(&r.reply, REPLY_BYTES_MAX);
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = prepare(&r, &ctx, err);
    }
    const uint64_t started = tm__mono_ns();
    if (st == TM_OK) {
        st = send_all(&r, err);
    }
    if (st == TM_OK) {
        print_summary(&r, (double)(tm__mono_ns() - started) * 1e-9);
    }
    tm__client_close(r.client);
    tm__table_unref(r.table);
    tm__mem_free(r.ids);
    tm__mem_free(r.due_ns);
    tm__mem_free(r.latency_ms);
    tm__buf_done(&r.body);
    tm__buf_done(&r.reply);
    tm__cli_ctx_done(&ctx);
    return st;
}
