/* SPDX-License-Identifier: Apache-2.0 */
/* One version, two beside each other, and what people say of one. On the desk's thread. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/bundle_diff.h"
#include "monitor/monitor_newest.h"
#include "registry/moments.h"
#include "registry/tags.h"
#include "serve/handle.h"
#include "serve/rehearse.h"

#define DIFF_ROWS_MAX 1000u
#define DIFF_BYTES_MAX ((size_t)8 << 20)
#define DIFF_NS UINT64_C(1000000000) /* others wait for the desk */

static tm_status find_version(tm_exchange *x, uint32_t number, tm_version *out, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    if (strchr(x->match.params[0], '@') != NULL) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no model of this name");
    }
    (void)snprintf(name, sizeof name, "%s@%u", x->match.params[0], number);
    return tm__registry_find(x->desk->registry, name, out, err);
}

/* The version of the path, as a number; a text that is none names no version. */
static tm_status path_version(tm_exchange *x, tm_version *out, tm_err *err) {
    uint64_t number = 0;
    if (!tm__str_to_u64(tm__str(x->match.params[1]), &number) || number == 0 ||
        number > UINT32_MAX) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "versions are numbers from 1");
    }
    return find_version(x, (uint32_t)number, out, err);
}

void tm__handle_version_record(tm_exchange *x) {
    tm_err err = {0};
    tm_version version = {0};
    json_t *record = NULL;
    tm_status st = path_version(x, &version, &err);
    st = st == TM_OK ? tm__registry_record(x->desk->registry, &version, &record, &err) : st;
    tm__version_done(&version);
    if (st == TM_OK) {
        tm__reply_json(x, record);
    } else {
        tm__problem_from_err(x, &err);
    }
}

/* ---- Tags and notes ---- */

/* It is done: the reply has its room already and is written without a value in between. */
static void reply_tagged(tm_exchange *x, const tm_version *version) {
    tm_buf *const out = &x->reply;
    tm__buf_reset(out);
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(out, "{\"model\":");
    tm__json_write_text(out, tm__str(version->model));
    tm__buf_printf(out, ",\"version\":%u}", version->number);
}

void tm__handle_tag(tm_exchange *x) {
    static const char *const names[] = {"tags", "note", NULL};
    const tm_actor actor = {.name = x->access.actor};
    tm_version version = {0};
    tm_err err = {0};
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    const json_t *tags = json_object_get(body, "tags"), *note = json_object_get(body, "note");
    if ((tags == NULL && note == NULL) || (tags != NULL && !json_is_object(tags)) ||
        (note != NULL && !json_is_string(note))) {
        tm__problem_reply(x, 400, "bad-request",
                          "tag wants tags, an object of texts or null, or a note, a text",
                          "Send {\"tags\": {\"stage\": \"trial\"}, \"note\": \"...\"}.");
    } else if (path_version(x, &version, &err) != TM_OK ||
               tm__registry_tag(x->desk->registry, &version, tags, json_string_value(note), &actor,
                                &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        reply_tagged(x, &version);
    }
    tm__version_done(&version);
    json_decref(body);
}

/* ---- Two versions ---- */

typedef struct differing {
    tm_exchange *x;
    tm_version versions[2];
    tm_bundle *bundles[2];
    tm_rehearsal *rehearsals[2];
    double *answers[2]; /* [DIFF_ROWS_MAX x outputs] */
    uint64_t n, n_refused;
    json_t *result;
} differing;

static void differing_done(differing *d) {
    for (uint32_t i = 0; i < 2; i++) {
        tm__rehearsal_free(d->rehearsals[i]);
        tm__mem_free(d->answers[i]);
        tm__bundle_unref(d->bundles[i]);
        tm__version_done(&d->versions[i]);
    }
}

/* Both are asked the same; a row that one of them would refuse is counted apart. */
static tm_status ask_row(differing *d, tm_str text, tm_buf *request, tm_err *err) {
    const uint32_t n_outputs = tm__bundle_outputs(d->bundles[0]);
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < 2; i++) {
        tm__buf_reset(request);
        (void)tm__buf_byte(request, '[');
        (void)tm__buf_append(request, text.ptr, text.len);
        if (!tm__buf_byte(request, ']')) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a request");
        }
        st = tm__rehearsal_ask(d->rehearsals[i], (char *)request->data, request->len, 1,
                               d->answers[i] + d->n * n_outputs, err);
    }
    d->n += st == TM_OK ? 1 : 0;
    d->n_refused += st == TM_E_DATA ? 1 : 0;
    return st == TM_E_DATA ? TM_OK : st;
}

static tm_status ask(differing *d, tm_str lines, tm_err *err) {
    const uint64_t end_ns = tm__mono_ns() + DIFF_NS;
    tm_buf request;
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < 2; i++) {
        st = tm__rehearsal_create(d->bundles[i], &d->rehearsals[i], err);
        d->answers[i] = tm__mem_alloc((size_t)DIFF_ROWS_MAX * tm__bundle_outputs(d->bundles[i]),
                                      sizeof(double));
        if (st == TM_OK && d->answers[i] == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "no memory for answers");
        }
    }
    tm__buf_init(&request, DIFF_BYTES_MAX * 2);
    while (st == TM_OK && lines.len > 0 && tm__mono_ns() < end_ns) {
        st = ask_row(d, tm__str_cut(&lines, '\n'), &request, err);
    }
    tm__buf_done(&request);
    return st;
}

static tm_status add_answers(differing *d, tm_err *err) {
    const tm_newest_options options = {.model = d->versions[0].model,
                                       .route = d->versions[0].model, /* a route has its name */
                                       .n_max = DIFF_ROWS_MAX,
                                       .bytes_max = DIFF_BYTES_MAX};
    json_t *answers = NULL;
    tm_buf rows;
    uint32_t n = 0;
    if (!tm__diff_is_alike(d->bundles[0], d->bundles[1])) {
        json_object_set_new(d->result, "predictions", json_null());
        return TM_OK;
    }
    tm__buf_init(&rows, DIFF_BYTES_MAX * 2);
    tm_status st = tm__monitor_newest(d->x->desk->monitor, &options, &rows, &n, err);
    st = st == TM_OK ? ask(d, (tm_str){(const char *)rows.data, rows.len}, err) : st;
    tm__buf_done(&rows);
    TM_TRY(st);
    const tm_diff_answers in = {.a = d->bundles[0],
                                .b = d->bundles[1],
                                .of_a = d->answers[0],
                                .of_b = d->answers[1],
                                .n_rows = d->n};
    TM_TRY(tm__diff_predictions(&in, &answers, err));
    json_object_set_new(answers, "refused", json_integer((json_int_t)d->n_refused));
    json_object_set_new(d->result, "predictions", answers);
    return TM_OK;
}

static tm_status diff(differing *d, const uint32_t numbers[2], tm_err *err) {
    tm_registry *registry = d->x->desk->registry;
    for (uint32_t i = 0; i < 2; i++) {
        TM_TRY(find_version(d->x, numbers[i], &d->versions[i], err));
        TM_TRY(tm__registry_bundle(registry, &d->versions[i], &d->bundles[i], err));
    }
    TM_TRY(tm__diff_records(d->bundles[0], d->bundles[1], &d->result, err));
    json_object_set_new(d->result, "a", tm__version_brief(&d->versions[0]));
    json_object_set_new(d->result, "b", tm__version_brief(&d->versions[1]));
    return add_answers(d, err);
}

void tm__handle_diff(tm_exchange *x) {
    differing d = {.x = x};
    uint32_t numbers[2] = {0, 0};
    tm_err err = {0};
    if (!tm__handle_number(x, "a", &numbers[0]) || !tm__handle_number(x, "b", &numbers[1])) {
        return;
    }
    if (numbers[0] == 0 || numbers[1] == 0) {
        tm__problem_reply(x, 400, "bad-request", "a and b are wanted: the numbers of two versions",
                          "Ask for ?a=1&b=2.");
        return;
    }
    const tm_status st = diff(&d, numbers, &err);
    if (st == TM_OK) {
        tm__reply_json(x, d.result);
    } else {
        json_decref(d.result);
        tm__problem_from_err(x, &err);
    }
    differing_done(&d);
}
