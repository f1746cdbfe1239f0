/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions by our own protocol and by MLflow's: POST /v1/routes/{route}/predict and POST
 * /invocations.
 *
 *      body: an object with the rows | lines of JSON | CSV  ->  score.c  ->  a form of answers
 */
#include <stdio.h>
#include <string.h>

#include "serve/fill.h"
#include "serve/handle.h"
#include "serve/mixed.h"
#include "serve/score.h"

typedef tm_scoring scoring;

/* --- forms of answers --- */

static void begin_native(scoring *s) {
    tm_buf *out = &s->x->reply;
    tm__buf_text(out, "{\"model\":");
    tm__json_write_text(out, tm__str(s->served->model));
    tm__buf_text(out, ",\"version\":");
    tm__buf_decimal(out, s->served->version);
    tm__buf_text(out, ",\"arm\":\"");
    tm__buf_text(out, tm__arm_text(s->arm));
    tm__buf_text(out, "\",\"predictions\":[");
}

static void begin_plain(scoring *s) {
    tm__buf_text(&s->x->reply, "{\"predictions\":[");
}

static void begin_lines(scoring *s) {
    (void)s;
}

static void end_list(scoring *s) {
    tm__buf_text(&s->x->reply, "]}");
}

static void write_prediction(const scoring *s, uint32_t chosen, tm_buf *out) {
    if (tm__score_has_classes(s)) {
        tm__score_write_class(s, chosen, out);
    } else {
        tm__score_write_number(s->outputs[0], out);
    }
}

static bool write_object(scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    tm_buf *out = &s->x->reply;
    tm__buf_text(out, "{\"id\":\"");
    tm__buf_text(out, id);
    if (s->is_other) {
        tm__buf_printf(out, "\",\"version\":%u,\"arm\":\"%s", s->served->version,
                       tm__arm_text(s->arm));
    }
    tm__buf_text(out, "\",\"prediction\":");
    write_prediction(s, chosen, out);
    if (tm__score_has_classes(s) && !s->no_probability) {
        tm__buf_text(out, ",\"probability\":");
        tm__score_write_probability(s, s->outputs, out);
    }
    if (s->has_interval) {
        tm__score_write_interval(s, out);
    }
    tm__fill_write(&s->filled, out);
    if (s->explain) {
        tm__buf_text(out, ",\"reasons\":");
        if (!tm__score_write_reasons(s, chosen, out, err)) {
            return false;
        }
    }
    tm__buf_byte(out, '}');
    return true;
}

static bool row_native(scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    tm__buf_text(&s->x->reply, tm__decoder_row(s->decoder) == 0 ? "" : ",");
    return write_object(s, id, chosen, err);
}

static bool row_line(scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    return write_object(s, id, chosen, err) && tm__buf_byte(&s->x->reply, '\n');
}

static bool row_plain(scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    (void)id;
    (void)err;
    tm__buf_text(&s->x->reply, tm__decoder_row(s->decoder) == 0 ? "" : ",");
    write_prediction(s, chosen, &s->x->reply);
    return true;
}

static void csv_text(tm_buf *out, const char *text) {
    if (strpbrk(text, ",\"\r\n") == NULL) {
        tm__buf_text(out, text);
        return;
    }
    tm__buf_byte(out, '"');
    for (; *text != '\0'; text++) {
        tm__buf_text(out, *text == '"' ? "\"" : "");
        tm__buf_byte(out, (uint8_t)*text);
    }
    tm__buf_byte(out, '"');
}

static void begin_csv(scoring *s) {
    tm_buf *out = &s->x->reply;
    tm__buf_text(out, "id,prediction");
    if (tm__score_has_classes(s) && !s->no_probability) {
        tm__buf_text(out, s->n_outputs == 1 ? ",probability" : "");
        for (uint32_t i = 0; s->n_outputs > 1 && i < s->n_outputs; i++) {
            tm_buf name;
            tm__buf_init(&name, 65536);
            tm__buf_printf(&name, "probability_%s", tm__bundle_class(s->served->bundle, i));
            tm__buf_byte(out, ',');
            csv_text(out, name.failed ? "" : (const char *)name.data);
            out->failed = out->failed || name.failed;
            tm__buf_done(&name);
        }
    }
    tm__buf_text(out, s->served->fill != NULL ? ",online_age_seconds,online_lag_seconds" : "");
    tm__buf_text(out, s->mixed != NULL ? ",version,arm" : "");
    tm__buf_byte(out, '\n');
}

static bool row_csv(scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    tm_buf *out = &s->x->reply;
    (void)err;
    tm__buf_text(out, id);
    tm__buf_byte(out, ',');
    if (tm__score_has_classes(s)) {
        csv_text(out, tm__bundle_class(s->served->bundle, chosen));
        for (uint32_t i = 0; !s->no_probability && i < s->n_outputs; i++) {
            tm__buf_byte(out, ',');
            tm__score_write_number(s->outputs[i], out);
        }
    } else {
        tm__score_write_number(s->outputs[0], out);
    }
    if (s->served->fill != NULL) {
        tm__buf_byte(out, ',');
        if (s->filled.is_used && s->filled.age_s >= 0) {
            tm__score_write_number(s->filled.age_s, out);
        }
        tm__buf_byte(out, ',');
        if (s->filled.is_used) {
            tm__score_write_number(s->filled.lag_s, out);
        }
    }
    if (s->mixed != NULL) {
        tm__buf_printf(out, ",%u,%s", s->served->version, tm__arm_text(s->arm));
    }
    return tm__buf_byte(out, '\n');
}

static const tm_score_form native = {"application/json", begin_native, row_native, end_list};
static const tm_score_form records = {"application/json", begin_plain, row_native, end_list};
static const tm_score_form plain = {"application/json", begin_plain, row_plain, end_list};
static const tm_score_form lines = {"application/x-ndjson", begin_lines, row_line, begin_lines};
static const tm_score_form csv = {"text/csv; charset=utf-8", begin_csv, row_csv, begin_lines};

/* The first kind that Accept names and that there is; else that of the body. */
static const tm_score_form *find_form(const tm_exchange *x) {
    tm_str rest = x->http->fields[TM_HTTP_ACCEPT];
    while (rest.len > 0) {
        tm_str part = tm__str_cut(&rest, ',');
        const tm_str name = tm__str_trim(tm__str_cut(&part, ';'));
        if (tm__str_is_nocase(name, "application/json")) {
            return &native;
        }
        if (tm__str_is_nocase(name, "application/x-ndjson") ||
            tm__str_is_nocase(name, "application/jsonl")) {
            return &lines;
        }
        if (tm__str_is_nocase(name, "text/csv")) {
            return &csv;
        }
    }
    return x->media == TM_MEDIA_CSV ? &csv : x->media == TM_MEDIA_LINES ? &lines : &native;
}

/* --- bodies --- */

static bool is_word(const char *p, const char *word) {
    return strncmp(p, word, strlen(word)) == 0;
}

/* A body of lines or of CSV. */
static bool place_text(scoring *s) {
    tm_exchange *x = s->x;
    tm_buf *body = &x->http->body;
    const bool is_csv = x->media == TM_MEDIA_CSV;
    if (body->len == 0) {
        return tm__score_refuse(x, "the body is empty",
                                is_csv ? "Send a line of names, then rows." : "Send a row a line.");
    }
    if (memchr(body->data, '\0', body->len) != NULL ||
        !tm__str_is_utf8((tm_str){(const char *)body->data, body->len})) {
        return tm__score_refuse(x, "the body is not UTF-8 text", NULL);
    }
    const bool has_mark = body->len >= 3 && memcmp(body->data, "\xEF\xBB\xBF", 3) == 0;
    s->place.kind = is_csv ? TM_ROWS_CSV : TM_ROWS_LINES;
    s->place.path = "rows";
    s->place.rows = (char *)body->data + (has_mark ? 3 : 0);
    return true;
}

static bool read_predict(scoring *s) {
    static const char shape[] = "Send {\"rows\": [{column: value, ...}, ...]}; options stand in "
                                "\"options\".";
    tm_exchange *x = s->x;
    bool ok = false;
    uint32_t i = 0;
    for (char *m = tm__score_open_body(s, &ok); m != NULL; i++) {
        tm_str name;
        char *after = NULL;
        char *value = tm__scan_name(m, &name);
        char *end = NULL;
        if (tm__str_is(name, "rows") && s->place.rows == NULL && *value == '[') {
            s->place.rows = value;
        } else if (tm__str_is(name, "interval") && !s->has_interval) {
            end = tm__score_skip(s, i, value);
            if (!tm__score_option(s, name, tm__str_trim((tm_str){value, (size_t)(end - value)}))) {
                return tm__score_refuse(x, "the interval is no level between 0 and 1", shape);
            }
        } else if (tm__str_is(name, "explain") && (*value == 't' || *value == 'f')) {
            s->explain = s->explain || *value == 't';
        } else if (!tm__str_is(name, "options") ||
                   (end = tm__score_options(s, value, false)) == NULL) {
            return tm__score_refuse(x,
                                    "the body has a member or an option that is not known, stands "
                                    "twice or is of another type than it must be",
                                    shape);
        }
        m = tm__scan_more(end != NULL ? end : tm__score_skip(s, i, value), &after);
    }
    if (ok && s->place.rows == NULL) {
        return tm__score_refuse(x, "the body has no rows", shape);
    }
    return ok;
}

/* Options in the query. */
static bool read_query(scoring *s) {
    static const char *const names[] = {"explain",         "reasons", "probabilities", "threshold",
                                        "unknown_columns", "version", "interval"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const tm_str text = tm__http_query(s->x->http->query, names[i]);
        if (text.ptr != NULL && !tm__score_option(s, tm__str(names[i]), text)) {
            char detail[96];
            (void)snprintf(detail, sizeof detail, "the value of %s is none that it may have",
                           names[i]);
            return tm__score_refuse(s->x, detail, "/openapi.json lists the parameters.");
        }
    }
    return true;
}

void tm__handle_predict(tm_exchange *x) {
    scoring s = {.x = x, .place = {.kind = TM_ROWS_RECORDS, .path = "rows"}, .form = find_form(x)};
    s.is_table = s.form == &csv;
    if (!read_query(&s)) {
        return;
    }
    s.served = tm__score_find(x, x->match.params[0]);
    if (s.served == NULL) {
        return;
    }
    if (x->media != TM_MEDIA_JSON ? !place_text(&s) : !tm__score_quick(&s) && !read_predict(&s)) {
        return;
    }
    if (s.explain && s.form == &csv) {
        (void)tm__score_refuse(x, "reasons are not given as CSV",
                               "Send 'Accept: application/json' or 'application/x-ndjson'.");
        return;
    }
    if (s.has_interval && s.form == &csv) {
        (void)tm__score_refuse(x, "intervals are not given as CSV",
                               "Send 'Accept: application/json' or 'application/x-ndjson'.");
        return;
    }
    tm__score_run(&s);
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
    uint32_t i = 0;
    for (char *m = tm__score_open_body(s, &ok); m != NULL; i++) {
        tm_str name;
        char *after = NULL;
        char *value = tm__scan_name(m, &name);
        char *end = NULL;
        bool is_good = false;
        if (tm__str_is(name, "params")) {
            end = is_word(value, "null") ? value + 4 : tm__score_options(s, value, false);
            is_good = end != NULL;
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
            return tm__score_refuse(
                x,
                "the body has a member that is not known, stands beside another form "
                "of rows or is of another type than it must be",
                shape);
        }
        m = tm__scan_more(end != NULL ? end : tm__score_skip(s, i, value), &after);
    }
    if (ok && s->place.rows == NULL) {
        return tm__score_refuse(x, "the body has no rows", shape);
    }
    return ok;
}

void tm__handle_invocations(tm_exchange *x) {
    scoring s = {.x = x, .form = &plain};
    const tm_str named = x->http->fields[TM_HTTP_ROUTE];
    char route[TM_MAX_NAME + 1] = "";
    if (named.ptr != NULL) {
        (void)tm__str_copy(route, sizeof route, named);
    } else if (x->current->n == 1) {
        (void)tm__str_copy(route, sizeof route, tm__str(x->current->routes[0]->route));
    } else {
        (void)tm__score_refuse(
            x, x->current->n == 0 ? "there is no route yet" : "there is more than one route",
            "Name the route in the header X-Tidemill-Route.");
        return;
    }
    s.served = tm__score_find(x, route);
    if (s.served != NULL && (x->media == TM_MEDIA_CSV ? place_text(&s) : read_invocations(&s))) {
        /* Plain values, unless what has no place beside them is asked for. */
        s.form = s.explain || s.asks_probability || s.has_interval ? &records : &plain;
        s.no_probability = !s.asks_probability;
        tm__score_run(&s);
    }
}
