/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions: POST /v1/routes/{route}/predict and POST /invocations.
 *
 *      body -> check -> place of the rows -> row by row: decode, score, reply, row for the log
 *
 * All rows are answered or none: the reply and the rows to be logged are built in buffers, and only
 * when the last row was good are the answers handed to the monitor. Both buffers and the arena
 * belong to the thread and are used again, so a request of one row allocates nothing but its reply.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/decode.h"
#include "serve/handle.h"

#define EXPLAIN_ROWS_MAX 1000u /* reasons cost a thousand times a score: others must go on */
#define REASONS_MAX 10u
#define HEAD_BYTES 1024u /* of a reply, at the most */

/* One answer to be logged; its outputs follow it in desk->answers. */
typedef struct answered {
    char id[27];
    bool has_entity;
    int64_t event_us;
    size_t row_at, entity_at; /* offsets in desk->rows */
} answered;

typedef struct scoring {
    tm_exchange *x;
    const tm_served *served;
    tm_rows_place place;
    bool explain;
    bool is_plain; /* MLflow: predictions only */
    tm_decoder *decoder;
    tm_bundle_scratch *scratch;
    uint32_t n_outputs;
    double *outputs;       /* [n_outputs] */
    double *contributions; /* [n inputs], when explained */
} scoring;

static void fail_memory(tm_exchange *x) {
    tm__problem_reply(x, 503, "out-of-memory", "the request needs more memory than there is",
                      "Send fewer rows at once.");
}

static void write_class(const scoring *s, uint32_t index, tm_buf *out) {
    const char *text = tm__bundle_class(s->served->bundle, index);
    if (s->served->classes_are_bool || s->served->classes_are_int) {
        tm__buf_text(out, text);
    } else {
        tm__json_write_text(out, tm__str(text));
    }
}

static void write_number(double value, tm_buf *out) {
    const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = value};
    tm__cell_write_json(&cell, TM_TYPE_FLOAT, out);
}

/* The class an answer names: the largest probability, or the positive one past the threshold. */
static uint32_t chosen_class(const scoring *s) {
    if (tm__bundle_task(s->served->bundle) == TM_TASK_BINARY) {
        return s->outputs[0] >= tm__bundle_threshold(s->served->bundle) ? 1 : 0;
    }
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->n_outputs; i++) {
        best = s->outputs[i] > s->outputs[best] ? i : best;
    }
    return best;
}

static void write_probability(const scoring *s, tm_buf *out) {
    tm__buf_text(out, ",\"probability\":");
    if (s->n_outputs == 1) {
        write_number(s->outputs[0], out);
        return;
    }
    for (uint32_t i = 0; i < s->n_outputs; i++) {
        tm__buf_byte(out, i == 0 ? '{' : ',');
        tm__json_write_text(out, tm__str(tm__bundle_class(s->served->bundle, i)));
        tm__buf_byte(out, ':');
        write_number(s->outputs[i], out);
    }
    tm__buf_byte(out, '}');
}

static bool write_reasons(const scoring *s, uint32_t output, tm_buf *out, tm_err *err) {
    const tm_schema *inputs = tm__bundle_schema(s->served->bundle);
    double base = 0;
    double raw = 0;
    if (tm__bundle_explain_row(s->served->bundle, s->scratch, tm__decoder_cells(s->decoder), output,
                               s->contributions, &base, &raw, err) != TM_OK) {
        return false;
    }
    tm__buf_text(out, ",\"reasons\":[");
    for (uint32_t n = 0; n < REASONS_MAX && n < inputs->n_cols; n++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < inputs->n_cols; i++) {
            if (fabs(s->contributions[i]) > fabs(s->contributions[best])) {
                best = i;
            }
        }
        if (s->contributions[best] == 0.0) {
            break;
        }
        tm__buf_text(out, n == 0 ? "{\"column\":" : ",{\"column\":");
        tm__json_write_text(out, tm__str(inputs->cols[best].name));
        tm__buf_text(out, ",\"contribution\":");
        write_number(s->contributions[best], out);
        tm__buf_byte(out, '}');
        s->contributions[best] = 0.0;
    }
    tm__buf_byte(out, ']');
    return true;
}

/* Score the decoder's row, append the answer to the reply and the row to what will be logged. */
static bool score_row(scoring *s, tm_err *err) {
    tm_exchange *x = s->x;
    tm_desk *desk = x->desk;
    tm_buf *out = &x->reply;
    const tm_task task = tm__bundle_task(s->served->bundle);
    const bool has_classes = task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
    answered a = {.event_us = tm__decoder_event_us(s->decoder), .row_at = desk->rows.len};
    tm__bundle_predict_row(s->served->bundle, s->scratch, tm__decoder_cells(s->decoder),
                           s->outputs);
    const uint32_t chosen = has_classes ? chosen_class(s) : 0;
    tm__id_create(a.id);
    tm__decoder_write_row(s->decoder, &desk->rows);
    tm__buf_byte(&desk->rows, 0);
    a.entity_at = desk->rows.len;
    a.has_entity = tm__decoder_entity(s->decoder, &desk->rows);
    tm__buf_append(&desk->answers, &a, sizeof a);
    tm__buf_append(&desk->answers, s->outputs, s->n_outputs * sizeof *s->outputs);

    tm__buf_text(out, tm__decoder_row(s->decoder) == 0 ? "" : ",");
    if (!s->is_plain) {
        tm__buf_printf(out, "{\"id\":\"%s\",\"prediction\":", a.id);
    }
    if (has_classes) {
        write_class(s, chosen, out);
    } else {
        write_number(s->outputs[0], out);
    }
    if (!s->is_plain) {
        if (has_classes) {
            write_probability(s, out);
        }
        if (s->explain && !write_reasons(s, task == TM_TASK_MULTICLASS ? chosen : 0, out, err)) {
            return false;
        }
        tm__buf_byte(out, '}');
    }
    if (out->failed || desk->rows.failed || desk->answers.failed) {
        (void)TM_FAIL(err, TM_E_NOMEM, "out of memory");
        return false;
    }
    return true;
}

/* Hand the answers to the monitor. Returns how many it could not take. */
static uint64_t log_answers(const scoring *s, uint64_t elapsed_ns) {
    tm_desk *desk = s->x->desk;
    const size_t step = sizeof(answered) + s->n_outputs * sizeof(double);
    const int64_t now_us = tm__now_us();
    uint64_t n_dropped = 0;
    for (size_t at = 0; at + step <= desk->answers.len; at += step) {
        answered a;
        memcpy(&a, desk->answers.data + at, sizeof a);
        memcpy(s->outputs, desk->answers.data + at + sizeof a, s->n_outputs * sizeof *s->outputs);
        tm_answer answer = {
            .at_us = now_us,
            .event_us = a.event_us,
            .route = s->served->route,
            .model = s->served->model,
            .version = s->served->version,
            .entity = a.has_entity ? (const char *)desk->rows.data + a.entity_at : NULL,
            .row_json = (const char *)desk->rows.data + a.row_at,
            .outputs = s->outputs,
            .n_outputs = s->n_outputs,
            .latency_us =
                elapsed_ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(elapsed_ns / 1000),
        };
        memcpy(answer.id, a.id, sizeof answer.id);
        n_dropped += tm__monitor_answer(desk->monitor, &answer) ? 0 : 1;
    }
    return n_dropped;
}

static void reply_row_errors(tm_exchange *x) {
    char detail[320];
    const uint32_t more = x->n_errors - 1;
    if (more > 0) {
        (void)snprintf(detail, sizeof detail, "%s (and %s%u more)", x->errors[0].detail,
                       x->n_errors == TM_ERRORS_MAX ? "at least " : "", more);
    } else {
        (void)snprintf(detail, sizeof detail, "%s", x->errors[0].detail);
    }
    tm__problem_reply(x, 400, "bad-rows", detail, x->errors[0].hint);
}

/* False when the exchange has its (bad) answer. */
static bool score_rows(scoring *s) {
    tm_exchange *x = s->x;
    const uint64_t rows_max = s->explain ? EXPLAIN_ROWS_MAX : x->limits->rows_max;
    while (tm__decoder_next(s->decoder)) {
        tm_err err = {0};
        if (tm__decoder_row(s->decoder) >= rows_max) {
            char detail[96];
            (void)snprintf(detail, sizeof detail, "at most %llu rows %s at once",
                           (unsigned long long)rows_max,
                           s->explain ? "can be explained" : "are answered");
            tm__problem_reply(x, 413, "too-many-rows", detail, "Send them in several requests.");
            return false;
        }
        if (x->n_errors == 0 && !score_row(s, &err)) {
            tm__problem_from_err(x, &err);
            return false;
        }
    }
    if (x->n_errors > 0) {
        reply_row_errors(x);
        return false;
    }
    return true;
}

/* Score what place says and answer the exchange. */
static void score(scoring *s) {
    tm_exchange *x = s->x;
    tm_desk *desk = x->desk;
    const tm_bundle *bundle = s->served->bundle;
    tm__arena_reset(desk->arena);
    tm__buf_reset(&desk->rows);
    tm__buf_reset(&desk->answers);
    s->scratch = s->served->scratches[desk->index];
    s->n_outputs = tm__bundle_outputs(bundle);
    s->outputs = tm_arena_alloc(desk->arena, double, s->n_outputs);
    s->contributions = tm_arena_alloc(desk->arena, double, tm__bundle_schema(bundle)->n_cols + 1);
    s->decoder = tm__decoder_create(s->served->plan, &s->place, x, desk->arena);
    if (s->outputs == NULL || s->contributions == NULL || s->decoder == NULL) {
        fail_memory(x);
        return;
    }
    if (!s->is_plain) {
        tm__buf_text(&x->reply, "{\"model\":");
        tm__json_write_text(&x->reply, tm__str(s->served->model));
        tm__buf_printf(&x->reply, ",\"version\":%u,\"arm\":\"champion\",\"predictions\":[",
                       s->served->version);
    } else {
        tm__buf_text(&x->reply, "{\"predictions\":[");
    }
    if (!score_rows(s)) {
        return;
    }
    tm__buf_text(&x->reply, "]}");
    /* An answer that cannot be sent is none, so none is logged. */
    if (x->reply.failed || tm__buf_reserve(x->out, x->reply.len + HEAD_BYTES) == NULL) {
        x->out->failed = false;
        fail_memory(x);
        return;
    }
    const uint64_t elapsed_ns = tm__mono_ns() - x->arrived_ns;
    const tm_decode_counts counts = tm__decoder_counts(s->decoder);
    const tm_prom_answers answers = {
        .route = s->served->route,
        .version = s->served->version,
        .n_rows = counts.n_rows,
        .n_nulls = counts.n_nulls,
        .n_coerced = counts.n_coerced,
        .n_dropped = log_answers(s, elapsed_ns),
        .ns = elapsed_ns,
    };
    tm__prom_predict(desk->prom, &answers);
    x->status = 200;
    x->content_type = "application/json";
    x->has_model = true;
    (void)tm__str_copy(x->model, sizeof x->model, tm__str(s->served->model));
    x->version = s->served->version;
}

/* What a route serves, or NULL with the exchange answered. */
static const tm_served *find_served(tm_exchange *x, const char *route) {
    const tm_served *served = tm__current_find(x->current, route);
    if (served == NULL) {
        tm__problem_reply(x, 404, "no-such-route", "there is no route of this name",
                          "/v1/models lists what there is; the first version of a model makes a "
                          "route of its name.");
        return NULL;
    }
    if (served->bundle == NULL) {
        x->retry_after_s = 5;
        tm__problem_reply(x, 503, "model-broken", "the model of this route cannot be loaded",
                          "The log of the server says why; 'tidemill model verify' checks files.");
        return NULL;
    }
    return served;
}

/* The body as an object: its first member, or NULL with *ok false and the exchange answered. */
static char *open_body(tm_exchange *x, bool *ok) {
    tm_buf *body = &x->http->body;
    tm_scan_error e = {.reason = "the body is empty", .line = 1, .column = 1};
    *ok = body->len > 0 && tm__scan_check((const char *)body->data, body->len, &e);
    if (!*ok) {
        char detail[160];
        (void)snprintf(detail, sizeof detail, "the body is not JSON: %s (line %zu, column %zu)",
                       e.reason, e.line, e.column);
        tm__problem_reply(x, 400, "bad-json", detail, NULL);
        return NULL;
    }
    char *p = tm__scan_space((char *)body->data);
    if (*p != '{') {
        *ok = false;
        tm__problem_reply(x, 400, "bad-request", "the body must be a JSON object", NULL);
        return NULL;
    }
    char *after = NULL;
    return tm__scan_enter(p, &after);
}

static bool is_word(const char *p, const char *word) {
    return strncmp(p, word, strlen(word)) == 0;
}

static bool refuse(tm_exchange *x, const char *detail, const char *hint) {
    tm__problem_reply(x, 400, "bad-request", detail, hint);
    return false;
}

static bool read_predict(scoring *s) {
    static const char shape[] = "Send {\"rows\": [{column: value, ...}, ...]}.";
    tm_exchange *x = s->x;
    bool ok = false;
    for (char *m = open_body(x, &ok); m != NULL;) {
        tm_str name;
        char *after = NULL;
        char *value = tm__scan_name(m, &name);
        if (tm__str_is(name, "rows") && s->place.rows == NULL && *value == '[') {
            s->place.rows = value;
        } else if (tm__str_is(name, "explain") && (*value == 't' || *value == 'f')) {
            s->explain = s->explain || *value == 't';
        } else {
            return refuse(x,
                          "the body has a member that is not known, stands twice or is of "
                          "another type than it must be",
                          shape);
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    if (ok && s->place.rows == NULL) {
        return refuse(x, "the body has no rows", shape);
    }
    return ok;
}

void tm__handle_predict(tm_exchange *x) {
    scoring s = {.x = x, .place = {.kind = TM_ROWS_RECORDS, .path = "rows"}};
    const tm_str explain = tm__http_query(x->http->query, "explain");
    if (explain.ptr != NULL && !tm__str_is(explain, "true") && !tm__str_is(explain, "false")) {
        (void)refuse(x, "explain is neither true nor false", NULL);
        return;
    }
    s.explain = tm__str_is(explain, "true");
    s.served = find_served(x, x->match.params[0]);
    if (s.served != NULL && read_predict(&s)) {
        score(&s);
    }
}

/* "dataframe_split": {"columns": [...], "data": [[...]], "index": [...]} */
static bool read_split(scoring *s, char *p) {
    char *after = NULL;
    s->place.kind = TM_ROWS_SPLIT;
    s->place.path = "data";
    for (char *m = *p == '{' ? tm__scan_enter(p, &after) : NULL; m != NULL;) {
        tm_str name;
        char *value = tm__scan_name(m, &name);
        if (tm__str_is(name, "columns") && *value == '[') {
            s->place.names = value;
        } else if (tm__str_is(name, "data") && *value == '[') {
            s->place.rows = value;
        } else if (!tm__str_is(name, "index")) {
            return false;
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    return s->place.names != NULL && s->place.rows != NULL;
}

static bool read_invocations(scoring *s) {
    static const char shape[] = "Send one of dataframe_split, dataframe_records, instances and "
                                "inputs, with values by column.";
    tm_exchange *x = s->x;
    uint32_t n = 0;
    bool ok = false;
    for (char *m = open_body(x, &ok); m != NULL;) {
        tm_str name;
        char *after = NULL;
        char *value = tm__scan_name(m, &name);
        bool is_good = false;
        if (tm__str_is(name, "params")) {
            is_good =
                is_word(value, "null") || (*value == '{' && tm__scan_enter(value, &after) == NULL);
        } else if (tm__str_is(name, "dataframe_split")) {
            is_good = ++n == 1 && read_split(s, value);
        } else if (tm__str_is(name, "dataframe_records") || tm__str_is(name, "instances") ||
                   tm__str_is(name, "inputs")) {
            const bool is_columns = *value == '{' && tm__str_is(name, "inputs");
            is_good = ++n == 1 && (*value == '[' || is_columns);
            s->place.kind = is_columns ? TM_ROWS_COLUMNS : TM_ROWS_RECORDS;
            s->place.path = tm__str_is(name, "dataframe_records") ? "dataframe_records"
                            : tm__str_is(name, "instances")       ? "instances"
                                                                  : "inputs";
            s->place.rows = value;
        }
        if (!is_good) {
            return refuse(x,
                          "the body has a member that is not known, stands beside another form "
                          "of rows or is of another type than it must be",
                          shape);
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    if (ok && s->place.rows == NULL) {
        return refuse(x, "the body has no rows", shape);
    }
    return ok;
}

void tm__handle_invocations(tm_exchange *x) {
    scoring s = {.x = x, .is_plain = true};
    const tm_str named = x->http->fields[TM_HTTP_ROUTE];
    char route[TM_MAX_NAME + 1] = "";
    if (named.ptr != NULL) {
        (void)tm__str_copy(route, sizeof route, named);
    } else if (x->current->n == 1) {
        (void)tm__str_copy(route, sizeof route, tm__str(x->current->routes[0]->route));
    } else {
        (void)refuse(x,
                     x->current->n == 0 ? "there is no route yet" : "there is more than one route",
                     "Name the route in the header X-Tidemill-Route.");
        return;
    }
    s.served = find_served(x, route);
    if (s.served != NULL && read_invocations(&s)) {
        score(&s);
    }
}
