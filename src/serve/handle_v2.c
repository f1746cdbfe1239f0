/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Open Inference Protocol, version 2, over HTTP: what KServe, Triton and their clients speak.
 *
 *      {"id", "parameters", "inputs": [{"name", "shape", "datatype", "data"}], "outputs"}  |bytes|
 *
 * A model is a route here. Tensors may stand as bytes behind the JSON (binary tensor data): then
 * Inference-Header-Content-Length is the length of the JSON, a tensor's binary_data_size its own,
 * and the tensors follow each other in order. Answers are columns: prediction, probability, id, and
 * reasons when they are asked for.
 *
 * 1. The JSON is walked once: names and strings are rewritten in place as they are read, so what
 *    was entered is never stepped over again. Data are stepped over first and entered later.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/handle.h"
#include "serve/mixed.h"
#include "serve/score.h"
#include "tidemill/bundle.h"

#define OUTPUTS 4u
#define REASONS 3u /* among them */
#define TENSORS_MAX TM_MAX_COLS

static const char *const output_names[OUTPUTS] = {"prediction", "probability", "id", "reasons"};

/* One request. */
typedef struct infer {
    tm_scoring s;
    tm_tensor *tensors; /* [n_tensors], in the desk's arena */
    uint32_t n_tensors, tensors_max;
    const uint8_t *bytes; /* behind the JSON */
    size_t n_bytes, bytes_at;
    tm_str id; /* ptr NULL: none */
    bool all_binary;
    bool names_outputs;
    bool wanted[OUTPUTS], binary[OUTPUTS];
    tm_buf raw;     /* bytes of the reply */
    tm_buf reasons; /* of each row, a text with a NUL behind it */
} infer;

/* --- reading --- */

static bool refuse(infer *v, const char *detail) {
    return tm__score_refuse(v->s.x, detail, NULL);
}

static bool read_flag(const char *p, bool *out) {
    *out = strncmp(p, "true", 4) == 0;
    return *out || strncmp(p, "false", 5) == 0;
}

static bool read_count(char *p, uint64_t *out) {
    tm_scan_number number;
    if (*p != '-' && (*p < '0' || *p > '9')) {
        return false;
    }
    (void)tm__scan_number(p, &number);
    *out = number.is_int && number.int64 >= 0 ? (uint64_t)number.int64 : 0;
    return number.is_int && number.int64 >= 0;
}

/* The parameters of a tensor; returns what follows, or NULL. */
static char *read_tensor_parameters(char *p, const char *flag, bool *out_flag, bool *out_has_size,
                                    uint64_t *out_size) {
    char *after = NULL;
    if (*p != '{') {
        return NULL;
    }
    for (char *m = tm__scan_enter(p, &after); m != NULL;) {
        tm_str name;
        char *value = tm__scan_name(m, &name);
        if (tm__str_is(name, "binary_data_size")) {
            *out_has_size = true;
            if (!read_count(value, out_size)) {
                return NULL;
            }
        } else if (flag != NULL && tm__str_is(name, flag) && !read_flag(value, out_flag)) {
            return NULL;
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    return after;
}

/* [n] or [n, k]; returns what follows, or NULL. */
static char *read_shape(char *p, tm_tensor *out) {
    char *after = NULL;
    uint64_t dims[2] = {0, 1};
    uint32_t n = 0;
    if (*p != '[') {
        return NULL;
    }
    for (char *m = tm__scan_enter(p, &after); m != NULL; n++) {
        if (n == 2 || !read_count(m, &dims[n]) || dims[n] > TM_MAX_ROWS) {
            return NULL;
        }
        m = tm__scan_more(tm__scan_skip(m), &after);
    }
    out->n_rows = dims[0];
    out->n_cols = dims[1];
    out->is_flat = n == 1;
    return n == 0 ? NULL : after;
}

/* What a tensor says of itself, before its bytes are taken. */
typedef struct tensor_parts {
    bool has_name, has_shape, has_type, has_size;
    uint64_t size;
} tensor_parts;

/* Member by member; returns what follows the tensor, or NULL. */
static char *read_tensor(char *p, tm_tensor *t, tensor_parts *parts) {
    char *after = NULL;
    if (*p != '{') {
        return NULL;
    }
    for (char *m = tm__scan_enter(p, &after); m != NULL;) {
        tm_str name, type;
        char *value = tm__scan_name(m, &name);
        char *end = NULL;
        if (tm__str_is(name, "name") && *value == '"' && !parts->has_name) {
            parts->has_name = true;
            end = tm__scan_string(value, &t->name);
        } else if (tm__str_is(name, "shape") && !parts->has_shape) {
            parts->has_shape = true;
            end = read_shape(value, t);
        } else if (tm__str_is(name, "datatype") && *value == '"' && !parts->has_type) {
            end = tm__scan_string(value, &type);
            parts->has_type = tm__datatype_find(type, &t->type);
            end = parts->has_type ? end : NULL;
        } else if (tm__str_is(name, "parameters")) {
            end = read_tensor_parameters(value, NULL, NULL, &parts->has_size, &parts->size);
        } else if (tm__str_is(name, "data") && *value == '[' && t->json == NULL) {
            t->json = value;
            end = tm__scan_skip(value);
        }
        if (end == NULL) {
            return NULL;
        }
        m = tm__scan_more(end, &after);
    }
    return after;
}

static bool take_bytes(infer *v, tm_tensor *t, const tensor_parts *parts) {
    const size_t each = tm__datatype_size(t->type);
    size_t n = 0;
    if (parts->size > v->n_bytes - v->bytes_at ||
        !tm__size_mul((size_t)t->n_rows, (size_t)t->n_cols, &n) ||
        !tm__size_mul(n, each == 0 ? 1 : each, &n) || (each > 0 && n != parts->size)) {
        return refuse(v, "binary_data_size does not agree with the shape or with the body");
    }
    t->bytes = v->bytes + v->bytes_at;
    t->n_bytes = (size_t)parts->size;
    v->bytes_at += t->n_bytes;
    return true;
}

static bool add_tensor(infer *v, const tm_tensor *t) {
    if (v->n_tensors == v->tensors_max) {
        const uint32_t n = v->tensors_max == 0 ? 64 : v->tensors_max * 2;
        tm_tensor *all = tm_arena_alloc(v->s.x->desk->arena, tm_tensor, n);
        if (all == NULL) {
            return false;
        }
        if (v->n_tensors > 0) {
            memcpy(all, v->tensors, v->n_tensors * sizeof *all);
        }
        v->tensors = all;
        v->tensors_max = n;
    }
    v->tensors[v->n_tensors++] = *t;
    return true;
}

/* The inputs; returns what follows, or NULL with the exchange answered. */
static char *read_inputs(infer *v, char *p) {
    char *after = NULL;
    for (char *m = tm__scan_enter(p, &after); m != NULL;) {
        tm_tensor t = {.n_cols = 1};
        tensor_parts parts = {0};
        char *end = read_tensor(m, &t, &parts);
        if (end == NULL || !parts.has_name || !parts.has_shape || !parts.has_type ||
            (t.json != NULL) == parts.has_size) {
            (void)refuse(v, "an input needs name, shape ([n] or [n, columns]), a datatype of the "
                            "protocol, and either data or binary_data_size");
            return NULL;
        }
        if (parts.has_size && !take_bytes(v, &t, &parts)) {
            return NULL;
        }
        if (v->n_tensors == TENSORS_MAX) {
            tm__problem_reply(v->s.x, 413, "too-large", "the request has too many tensors", NULL);
            return NULL;
        }
        if (!add_tensor(v, &t)) {
            tm__problem_reply(v->s.x, 503, "out-of-memory", "out of memory", NULL);
            return NULL;
        }
        m = tm__scan_more(end, &after);
    }
    return after;
}

static char *read_outputs(infer *v, char *p) {
    static const char shape[] = "outputs may be prediction, probability, id and reasons, each once";
    char *after = NULL;
    v->names_outputs = true;
    for (char *m = *p == '[' ? tm__scan_enter(p, &after) : NULL; m != NULL;) {
        uint32_t which = OUTPUTS;
        bool is_binary = false, has_size = false;
        uint64_t size = 0;
        char *end = NULL;
        for (char *q = *m == '{' ? tm__scan_enter(m, &end) : NULL; q != NULL;) {
            tm_str name, text = {NULL, 0};
            char *value = tm__scan_name(q, &name);
            char *next = NULL;
            if (tm__str_is(name, "name") && *value == '"') {
                next = tm__scan_string(value, &text);
                for (which = 0; which < OUTPUTS && !tm__str_is(text, output_names[which]);) {
                    which++;
                }
            } else if (tm__str_is(name, "parameters")) {
                next = read_tensor_parameters(value, "binary_data", &is_binary, &has_size, &size);
            }
            if (next == NULL) {
                (void)refuse(v, shape);
                return NULL;
            }
            q = tm__scan_more(next, &end);
        }
        if (which == OUTPUTS || v->wanted[which]) {
            (void)refuse(v, shape);
            return NULL;
        }
        v->wanted[which] = true;
        v->binary[which] = is_binary;
        m = tm__scan_more(end, &after);
    }
    if (after == NULL) {
        (void)refuse(v, shape);
    }
    return after;
}

/* True unless binary_data_output is there and no flag. Nothing is rewritten, so a name with escapes
 * is not it. */
static bool find_binary(infer *v, char *p) {
    static const char word[] = "\"binary_data_output\"";
    char *after = NULL;
    for (char *m = tm__scan_enter(p, &after); m != NULL;) {
        char *value = tm__scan_space(tm__scan_space(tm__scan_skip(m)) + 1);
        if (strncmp(m, word, sizeof word - 1) == 0 && !read_flag(value, &v->all_binary)) {
            return false;
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    return true;
}

/* Options, and whether all outputs shall be bytes; what else clients put there is theirs. */
static char *read_parameters(infer *v, char *p) {
    char *after = *p == '{' && find_binary(v, p) ? tm__score_options(&v->s, p, true) : NULL;
    if (after == NULL) {
        (void)refuse(v, "parameters are no object, or an option in them is bad");
    }
    return after;
}

/* Cut the JSON from the bytes behind it: a NUL must follow it. */
static bool cut_body(infer *v) {
    tm_exchange *x = v->s.x;
    tm_buf *body = &x->http->body;
    const tm_str header = x->http->fields[TM_HTTP_HEADER_LENGTH];
    uint64_t n = body->len;
    if (header.ptr == NULL) {
        return true;
    }
    if (!tm__str_to_u64(header, &n) || n > body->len) {
        return refuse(v, "Inference-Header-Content-Length is no length within the body");
    }
    v->n_bytes = body->len - (size_t)n;
    if (v->n_bytes > 0) {
        if (tm__buf_reserve(body, 1) == NULL) {
            body->failed = false;
            tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
            return false;
        }
        memmove(body->data + n + 1, body->data + n, v->n_bytes);
        body->data[n] = 0;
    }
    v->bytes = body->data + n + 1;
    body->len = (size_t)n;
    return true;
}

static bool read_request(infer *v) {
    bool ok = false;
    if (!cut_body(v)) {
        return false;
    }
    for (char *m = tm__score_open_body(&v->s, &ok); m != NULL;) {
        tm_str name;
        char *after = NULL;
        char *value = tm__scan_name(m, &name);
        char *end = NULL;
        if (tm__str_is(name, "id") && *value == '"') {
            end = tm__scan_string(value, &v->id);
        } else if (tm__str_is(name, "parameters")) {
            end = read_parameters(v, value);
        } else if (tm__str_is(name, "outputs") && !v->names_outputs) {
            end = read_outputs(v, value);
        } else if (tm__str_is(name, "inputs") && *value == '[' && v->n_tensors == 0) {
            end = read_inputs(v, value);
        }
        if (end == NULL) {
            return v->s.x->status != 0 ? false
                                       : refuse(v, "the body has a member that is not known, "
                                                   "stands twice or is of another type than it "
                                                   "must be");
        }
        m = tm__scan_more(end, &after);
    }
    if (!ok) {
        return false;
    }
    if (v->n_tensors == 0) {
        return refuse(v, "the body has no inputs");
    }
    return v->bytes_at == v->n_bytes || refuse(v, "the body has more bytes than its tensors");
}

/* --- writing --- */

static const char *class_type(const tm_scoring *s) {
    return !tm__score_has_classes(s)                ? "FP64"
           : s->served->class_kind == TM_CLASS_BOOL ? "BOOL"
           : s->served->class_kind == TM_CLASS_INT  ? "INT64"
                                                    : "BYTES";
}

static void put_bits(uint64_t bits, uint32_t n_bytes, tm_buf *out) {
    for (uint32_t i = 0; i < n_bytes; i++) {
        tm__buf_byte(out, (uint8_t)(bits >> (8 * i)));
    }
}

static void put_raw_text(const char *text, tm_buf *out) {
    const size_t len = strlen(text);
    put_bits(len, 4, out);
    tm__buf_append(out, text, len);
}

static void put_raw(infer *v, uint32_t which, const char *id, const double *outputs) {
    const tm_scoring *s = &v->s;
    int64_t whole = 0;
    if (which == 2) {
        put_raw_text(id, &v->raw);
    } else if (which == 1 || !tm__score_has_classes(s)) {
        for (uint32_t k = 0; k < s->n_outputs; k++) {
            tm__buf_f64(&v->raw, outputs[k]);
        }
    } else {
        const char *class = tm__bundle_class(s->served->bundle, tm__score_given(s, id, outputs));
        if (s->served->class_kind == TM_CLASS_BOOL) {
            tm__buf_byte(&v->raw, strcmp(class, "true") == 0 ? 1 : 0);
        } else if (s->served->class_kind == TM_CLASS_INT) {
            (void)tm__str_to_i64(tm__str(class), &whole);
            tm__buf_i64(&v->raw, whole);
        } else {
            put_raw_text(class, &v->raw);
        }
    }
}

static void put_json(infer *v, uint32_t which, const char *id, const double *outputs) {
    const tm_scoring *s = &v->s;
    tm_buf *out = &s->x->reply;
    if (which == 2) {
        tm__buf_printf(out, "\"%s\"", id);
    } else if (which == 1 || !tm__score_has_classes(s)) {
        for (uint32_t k = 0; k < s->n_outputs; k++) {
            tm__buf_text(out, k == 0 ? "" : ",");
            tm__score_write_number(outputs[k], out);
        }
    } else {
        tm__score_write_class(s, tm__score_given(s, id, outputs), out);
    }
}

static void put_tensor(infer *v, uint32_t which) {
    const tm_scoring *s = &v->s;
    tm_buf *out = &s->x->reply;
    const uint64_t n = tm__score_counts(s).n_rows;
    const bool is_wide = which == 1 && s->n_outputs > 1;
    const size_t before = v->raw.len;
    char id[27];
    tm__buf_printf(out, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[%" PRIu64,
                   output_names[which],
                   which == 0   ? class_type(s)
                   : which == 1 ? "FP64"
                                : "BYTES",
                   n);
    tm__buf_printf(out, is_wide ? ",%u]," : "],", s->n_outputs);
    if (!v->binary[which]) {
        tm__buf_text(out, "\"data\":[");
    }
    tm_score_place place = {0};
    tm_served *const served = s->served;
    for (bool is_first = true; tm__score_answer(s, &place, id, s->outputs); is_first = false) {
        v->s.served = place.way == NULL ? served : place.way->served;
        if (v->binary[which]) {
            put_raw(v, which, id, s->outputs);
        } else {
            tm__buf_text(out, is_first ? "" : ",");
            put_json(v, which, id, s->outputs);
        }
    }
    v->s.served = served;
    if (v->binary[which]) {
        tm__buf_printf(out, "\"parameters\":{\"binary_data_size\":%zu}}", v->raw.len - before);
    } else {
        tm__buf_text(out, "]}");
    }
}

/* Who answered each row, where several did. */
static void put_ways(infer *v, bool is_arm) {
    const tm_scoring *s = &v->s;
    tm_buf *out = &s->x->reply;
    tm_score_place place = {0};
    char id[27];
    tm__buf_printf(out, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[%" PRIu64 "],\"data\":[",
                   is_arm ? "arm" : "version", is_arm ? "BYTES" : "UINT32",
                   tm__score_counts(s).n_rows);
    for (bool is_first = true; tm__score_answer(s, &place, id, s->outputs); is_first = false) {
        tm__buf_text(out, is_first ? "" : ",");
        if (is_arm) {
            tm__json_write_text(out, tm__str(tm__arm_text(place.way->arm)));
        } else {
            tm__buf_decimal(out, place.way->served->version);
        }
    }
    tm__buf_text(out, "]}");
}

static void put_reasons(infer *v) {
    tm_buf *out = &v->s.x->reply;
    const char *const texts = (const char *)v->reasons.data;
    const size_t before = v->raw.len;
    const bool is_raw = v->binary[REASONS];
    tm__buf_printf(out, "{\"name\":\"reasons\",\"datatype\":\"BYTES\",\"shape\":[%" PRIu64 "],",
                   tm__score_counts(&v->s).n_rows);
    tm__buf_text(out, is_raw ? "" : "\"data\":[");
    for (size_t at = 0; at < v->reasons.len; at += strlen(texts + at) + 1) {
        if (is_raw) {
            put_raw_text(texts + at, &v->raw);
        } else {
            tm__buf_text(out, at == 0 ? "" : ",");
            tm__json_write_text(out, tm__str(texts + at));
        }
    }
    if (is_raw) {
        tm__buf_printf(out, "\"parameters\":{\"binary_data_size\":%zu}}", v->raw.len - before);
    } else {
        tm__buf_text(out, "]}");
    }
}

/* Until the end the reply holds the reasons alone. */
static bool row_reasons(tm_scoring *s, const char *id, uint32_t chosen, tm_err *err) {
    (void)id;
    return tm__score_write_reasons(s, chosen, &s->x->reply, err) && tm__buf_byte(&s->x->reply, 0);
}

static void begin(tm_scoring *s) {
    infer *v = s->arg;
    const bool has_probability = tm__score_has_classes(s) && !s->no_probability;
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        const bool is_usual = (i != 1 || has_probability) && (i != REASONS || s->explain);
        v->wanted[i] = v->names_outputs ? v->wanted[i] : is_usual;
        v->binary[i] = v->names_outputs ? v->binary[i] : v->all_binary;
    }
}

static void end(tm_scoring *s) {
    infer *v = s->arg;
    tm_buf *out = &s->x->reply;
    bool is_first = true, has_raw = false;
    if (s->explain) {
        v->reasons = *out;
        tm__buf_init(out, v->reasons.size_max);
        out->failed = v->reasons.failed;
    }
    tm__buf_text(out, "{\"model_name\":");
    tm__json_write_text(out, tm__str(s->served->route));
    tm__buf_printf(out, ",\"model_version\":\"%u\"", s->served->version);
    if (v->id.ptr != NULL) {
        tm__buf_text(out, ",\"id\":");
        tm__json_write_text(out, v->id);
    }
    const tm_decode_counts counts = tm__score_counts(s);
    if (counts.n_filled > 0) { /* of all rows: the protocol has no place beside one */
        tm__buf_printf(out, ",\"parameters\":{\"online_rows\":%" PRIu64 ",\"online_age_seconds\":",
                       counts.n_filled);
        tm__score_write_number(counts.age_s_max, out);
        tm__buf_text(out, ",\"online_lag_seconds\":");
        tm__score_write_number(counts.lag_s_max, out);
        tm__buf_byte(out, '}');
    }
    tm__buf_text(out, ",\"outputs\":[");
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        if (v->wanted[i]) {
            tm__buf_text(out, is_first ? "" : ",");
            if (i == REASONS) {
                put_reasons(v);
            } else {
                put_tensor(v, i);
            }
            is_first = false;
            has_raw = has_raw || v->binary[i];
        }
    }
    for (int i = 0; s->mixed != NULL && i < 2; i++) {
        tm__buf_text(out, is_first ? "" : ",");
        put_ways(v, i == 1);
        is_first = false;
    }
    tm__buf_text(out, "]}");
    if (has_raw) {
        s->x->header_len = out->len;
        tm__buf_append(out, v->raw.data, v->raw.len);
        out->failed = out->failed || v->raw.failed;
    }
}

static const tm_score_form form = {"application/json", begin, NULL, end};
static const tm_score_form reasoned = {"application/json", begin, row_reasons, end};

/* The version that the path names, 0 when it names none; false with the exchange answered. */
static bool read_version(tm_exchange *x, uint64_t *out) {
    const char *text = x->match.params[1];
    *out = 0;
    if (text[0] == '\0' || (tm__str_to_u64(tm__str(text), out) && *out > 0)) {
        return true;
    }
    tm__problem_reply(x, 404, "no-such-version", "this is no version",
                      "Name no version, or one of /v2/models/{model}.");
    return false;
}

/* What answers the route and version that the path names, or NULL with the exchange answered. */
static tm_served *find_model(tm_exchange *x) {
    uint64_t version = 0;
    tm_served *served = tm__score_find(x, x->match.params[0]);
    return served != NULL && read_version(x, &version) ? tm__score_version(x, served, version)
                                                       : NULL;
}

static bool pick(infer *v, uint64_t version) {
    v->s.place.kind = TM_ROWS_TENSORS;
    v->s.place.path = "rows";
    v->s.place.tensors = v->tensors;
    v->s.place.n_tensors = v->n_tensors;
    return tm__score_pick(&v->s, version);
}

void tm__handle_v2_predict(tm_exchange *x) {
    infer v = {.s = {.x = x, .form = &form, .is_table = true}};
    v.s.arg = &v;
    uint64_t version = 0;
    v.s.served = tm__score_find(x, x->match.params[0]);
    if (v.s.served == NULL || !read_version(x, &version)) {
        return;
    }
    tm__buf_init(&v.raw, x->reply.size_max);
    if (read_request(&v) && pick(&v, version)) {
        const bool has_probability = tm__score_has_classes(&v.s);
        v.s.explain = v.names_outputs ? v.wanted[REASONS] : v.s.explain;
        v.s.form = v.s.explain ? &reasoned : &form;
        if (v.wanted[1] && !has_probability) {
            (void)refuse(&v, "the model has no probability");
        } else if (v.s.has_interval) {
            (void)refuse(&v, "intervals are not given as tensors");
        } else {
            tm__score_run(&v.s);
            if (x->header_len > 0) {
                x->content_type = "application/octet-stream";
            }
        }
    }
    tm__buf_done(&v.raw);
    tm__buf_done(&v.reasons);
}

/* --- what there is --- */

void tm__handle_v2_live(tm_exchange *x) {
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(&x->reply, "{\"live\":true}");
}

void tm__handle_v2_ready(tm_exchange *x) {
    bool is_ready = !atomic_load(x->desk->is_stopping);
    for (uint32_t i = 0; i < x->current->n; i++) {
        is_ready = is_ready && x->current->routes[i]->bundle != NULL;
    }
    x->status = is_ready ? 200 : 503;
    x->content_type = "application/json";
    tm__buf_text(&x->reply, is_ready ? "{\"ready\":true}" : "{\"ready\":false}");
}

void tm__handle_v2_server(tm_exchange *x) {
    tm__reply_json(x, json_pack("{s:s, s:s, s:[s]}", "name", "tidemill", "version",
                                tm_version_text(), "extensions", "binary_tensor_data"));
}

void tm__handle_v2_model_ready(tm_exchange *x) {
    tm_served *served = find_model(x);
    if (served != NULL) {
        tm__reply_json(x, json_pack("{s:s, s:b}", "name", served->route, "ready", 1));
    }
}

static const char *type_of(tm_type type) {
    switch (type) {
    case TM_TYPE_BOOL:
        return "BOOL";
    case TM_TYPE_INT:
        return "INT64";
    case TM_TYPE_FLOAT:
        return "FP64";
    default:
        return "BYTES";
    }
}

/* Those that would be answered, what is served first. */
static json_t *versions_of(const tm_exchange *x, const char *route) {
    json_t *out = json_array();
    char version[16];
    const tm_current *current = x->current;
    (void)snprintf(version, sizeof version, "%u", tm__current_find(current, route)->version);
    json_array_append_new(out, json_string(version));
    for (uint32_t i = 0; i < current->n_kept; i++) {
        if (strcmp(current->kept[i]->route, route) == 0) {
            (void)snprintf(version, sizeof version, "%u", current->kept[i]->version);
            json_array_append_new(out, json_string(version));
        }
    }
    return out;
}

void tm__handle_v2_model(tm_exchange *x) {
    tm_served *served = find_model(x);
    if (served == NULL) {
        return;
    }
    const tm_schema *schema = tm__bundle_schema(served->bundle);
    const tm_scoring s = {.served = served};
    const uint32_t n_outputs = tm__bundle_outputs(served->bundle);
    json_t *inputs = json_array();
    json_t *outputs = json_array();
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        json_array_append_new(inputs,
                              json_pack("{s:s, s:s, s:[i]}", "name", schema->cols[i].name,
                                        "datatype", type_of(schema->cols[i].type), "shape", -1));
    }
    json_array_append_new(outputs, json_pack("{s:s, s:s, s:[i]}", "name", "prediction", "datatype",
                                             class_type(&s), "shape", -1));
    if (tm__score_has_classes(&s)) {
        json_array_append_new(
            outputs, n_outputs == 1 ? json_pack("{s:s, s:s, s:[i]}", "name", "probability",
                                                "datatype", "FP64", "shape", -1)
                                    : json_pack("{s:s, s:s, s:[i, i]}", "name", "probability",
                                                "datatype", "FP64", "shape", -1, (int)n_outputs));
    }
    json_array_append_new(
        outputs, json_pack("{s:s, s:s, s:[i]}", "name", "id", "datatype", "BYTES", "shape", -1));
    tm__reply_json(x, json_pack("{s:s, s:o, s:s, s:o, s:o}", "name", served->route, "versions",
                                versions_of(x, served->route), "platform", "tidemill", "inputs",
                                inputs, "outputs", outputs));
}
