/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      place of the rows -> row by row: decode, score, form, row for the log -> end of the form
 *
 * All rows are answered or none: the reply and the rows to be logged are built in buffers, and only
 * when the last row was good are the answers handed to the monitor. Both buffers and the arena
 * belong to the thread and are used again, so a request of one row allocates nothing but its reply.
 */
#include "serve/score.h"
#include "serve/arms.h"
#include "serve/counted.h"
#include "serve/fill.h"
#include "serve/mixed.h"
#include "serve/shadow.h"
#include "serve/split.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/explored.h"

#define EXPLAIN_BYTES 2048u              /* of a body with more rows than a worker explains */
#define MEASURED_BYTES ((size_t)8 << 10) /* of a body: a look at the clock is nothing beside it */
#define EXPLAIN_ROWS_MAX 1000u /* reasons cost a thousand times a score: others must go on */
#define REASONS_MAX 10u
#define HEAD_BYTES 1024u /* of a reply, at the most */

typedef tm_scoring scoring;

static void fail_memory(tm_exchange *x) {
    tm__problem_reply(x, 503, "out-of-memory", "the request needs more memory than there is",
                      "Send fewer rows at once.");
}

void tm__score_write_class(const scoring *s, uint32_t index, tm_buf *out) {
    const char *text = tm__bundle_class(s->served->bundle, index);
    if (s->served->class_kind != TM_CLASS_TEXT) {
        tm__buf_text(out, text);
    } else {
        tm__json_write_text(out, tm__str(text));
    }
}

void tm__score_write_number(double value, tm_buf *out) {
    const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = value};
    tm__cell_write_json(&cell, out);
}

bool tm__score_has_classes(const scoring *s) {
    const tm_task task = tm__bundle_task(s->served->bundle);
    return task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
}

uint32_t tm__score_chosen(const scoring *s, const double *outputs) {
    if (s->has_threshold && tm__bundle_task(s->served->bundle) == TM_TASK_BINARY) {
        return outputs[0] >= s->threshold ? 1 : 0;
    }
    return tm__bundle_decide(s->served->bundle, outputs);
}

uint32_t tm__score_given(const scoring *s, const char *id, const double *outputs) {
    return s->arm == TM_ARM_EXPLORED ? tm__explored_class(id, tm__bundle_classes(s->served->bundle))
                                     : tm__score_chosen(s, outputs);
}

void tm__score_write_probability(const scoring *s, const double *outputs, tm_buf *out) {
    if (s->n_outputs == 1) {
        tm__score_write_number(outputs[0], out);
        return;
    }
    for (uint32_t i = 0; i < s->n_outputs; i++) {
        tm__buf_byte(out, i == 0 ? '{' : ',');
        tm__json_write_text(out, tm__str(tm__bundle_class(s->served->bundle, i)));
        tm__buf_byte(out, ':');
        tm__score_write_number(outputs[i], out);
    }
    tm__buf_byte(out, '}');
}

void tm__score_write_interval(const scoring *s, tm_buf *out) {
    const tm_conformal *conformal = tm__bundle_conformal(s->served->bundle);
    bool is_first = true;
    if (!tm__score_has_classes(s)) {
        const tm_conformal_range range =
            tm__conformal_range(conformal, &s->interval, s->outputs[0]);
        tm__buf_text(out, ",\"low\":");
        tm__score_write_number(range.low, out);
        tm__buf_text(out, ",\"high\":");
        tm__score_write_number(range.high, out);
        return;
    }
    (void)tm__conformal_set(&s->interval, s->outputs, s->n_outputs, s->held);
    tm__buf_text(out, ",\"set\":[");
    for (uint32_t k = 0; k < tm__bundle_classes(s->served->bundle); k++) {
        if (s->held[k]) {
            tm__buf_text(out, is_first ? "" : ",");
            tm__score_write_class(s, k, out);
            is_first = false;
        }
    }
    tm__buf_byte(out, ']');
}

bool tm__score_write_reasons(const scoring *s, uint32_t chosen, tm_buf *out, tm_err *err) {
    const tm_schema *inputs = tm__bundle_schema(s->served->bundle);
    const bool is_multiclass = tm__bundle_task(s->served->bundle) == TM_TASK_MULTICLASS;
    const uint32_t output = is_multiclass ? chosen : 0;
    double base = 0;
    double raw = 0;
    if (tm__bundle_explain_row(s->served->bundle, s->scratch, tm__decoder_cells(s->decoder), output,
                               s->contributions, &base, &raw, err) != TM_OK) {
        return false;
    }
    tm__buf_byte(out, '[');
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
        tm__score_write_number(s->contributions[best], out);
        tm__buf_byte(out, '}');
        s->contributions[best] = 0.0;
    }
    tm__buf_byte(out, ']');
    return true;
}

/* A model may overflow where no row of its training was. What is no number is no answer, and says
 * nothing of the row. */
static bool is_answer(const scoring *s) {
    bool is = true;
    for (uint32_t i = 0; i < s->n_outputs; i++) {
        is = is && isfinite(s->outputs[i]);
    }
    return is;
}

/* Score the decoder's row, append the answer to the reply and to what will be logged. */
static bool score_row(scoring *s, tm_err *err) {
    tm_exchange *x = s->x;
    tm_desk *desk = x->desk;
    char text[32];
    tm_answer answer = {
        .event_us = tm__decoder_event_us(s->decoder),
        .entity = tm__decoder_entity(s->decoder, text),
        .cells = tm__decoder_cells(s->decoder),
        .n_cells = tm__plan_cells(s->served->plan),
        .outputs = s->outputs,
        .n_outputs = s->n_outputs,
    };
    tm__bundle_predict_row(s->served->bundle, s->scratch, answer.cells, s->outputs);
    tm__stages_lap(&desk->stages, TM_STAGE_PREDICT);
    if (!is_answer(s)) {
        x->broken = s->served;
        (void)TM_FAIL(err, TM_E_INTERNAL, "version %u gives no number for a row",
                      s->served->version);
        tm_err_hint(err,
                    "It failed inside, and no other version is ready to answer for it: look at "
                    "the row's numbers, or name another version.");
        return false;
    }
    if (s->cells != NULL) {
        tm__cells_add(s->cells, answer.cells, s->outputs, s->n_outputs);
    }
    if (x->mirrors == NULL || !tm__mirror_id(x->mirrors, tm__decoder_row(s->decoder), answer.id)) {
        tm__id_next(&desk->ids, answer.id);
    }
    if (!tm__answer_append(&answer, &desk->answers)) {
        (void)TM_FAIL(err, TM_E_NOMEM, "out of memory");
        return false;
    }
    tm__stages_lap(&desk->stages, TM_STAGE_LOG);
    if (s->form->row != NULL &&
        !s->form->row(s, answer.id, tm__score_given(s, answer.id, s->outputs), err)) {
        return false;
    }
    if (x->reply.failed) {
        (void)TM_FAIL(err, TM_E_NOMEM, "out of memory");
        return false;
    }
    tm__stages_lap(&desk->stages, TM_STAGE_WRITE);
    return true;
}

bool tm__score_answer(const scoring *s, tm_score_place *place, char out_id[27], double *outputs) {
    const tm_buf *answers =
        s->split != NULL ? tm__split_answers(s->split, place) : &s->x->desk->answers;
    if (place->at >= answers->len) {
        return false;
    }
    const tm_buf *ways = s->split != NULL ? tm__split_ways(place) : &s->ways;
    place->way = s->mixed != NULL ? tm__mixed_way(s, ways->data[place->row]) : NULL;
    place->at += tm__answer_outputs(answers->data + place->at, out_id, outputs);
    place->row++;
    return true;
}

tm_stream *tm__score_stream(tm_served *served, tm_arm_kind arm, tm_monitor *monitor) {
    tm_stream *stream = atomic_load_explicit(&served->streams[arm], memory_order_acquire);
    if (stream == NULL) {
        char explored[TM_EXPLORED_ARM_SIZE];
        tm__explored_arm(served->explore, explored);
        const tm_stream_spec spec = {
            .route = served->route,
            .arm = arm == TM_ARM_EXPLORED ? explored : tm__arm_text(arm),
            .model = served->model,
            .version = served->version,
            .columns = tm__plan_names(served->plan),
            .n_columns = tm__plan_cells(served->plan),
        };
        if (tm__monitor_stream(monitor, &spec, &stream, NULL) == TM_OK) {
            atomic_store_explicit(&served->streams[arm], stream, memory_order_release);
        }
    }
    return stream;
}

tm_status tm__score_log(const scoring *s, uint64_t elapsed_ns, uint64_t *out_dropped, tm_err *err) {
    tm_desk *desk = s->x->desk;
    uint32_t n_dropped = 0;
    const uint64_t us = elapsed_ns / 1000;
    const tm_answers answers = {
        .bytes = &desk->answers,
        .at_us = tm__now_us(),
        .latency_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us,
    };
    if (s->mixed != NULL) {
        return tm__mixed_log(s, &answers, out_dropped, err);
    }
    TM_TRY(tm__monitor_answers(desk->monitor, s->stream, &answers, &n_dropped, err));
    *out_dropped += n_dropped;
    return TM_OK;
}

void tm__score_refuse_rows(tm_exchange *x) {
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

bool tm__score_row(scoring *s) {
    tm_exchange *x = s->x;
    const uint64_t rows_max = s->explain ? EXPLAIN_ROWS_MAX : x->limits->rows_max;
    tm_err err = {0};
    tm__stages_lap(&x->desk->stages, TM_STAGE_DECODE);
    if (tm__decoder_row(s->decoder) >= rows_max) {
        char detail[96];
        (void)snprintf(detail, sizeof detail, "at most %llu rows %s at once",
                       (unsigned long long)rows_max,
                       s->explain ? "can be explained" : "are answered");
        tm__problem_reply(x, 413, "too-many-rows", detail, "Send them in several requests.");
        return false;
    }
    const bool is_scored = x->n_errors == 0 && !tm__split_is_bad(s->split);
    if (is_scored && s->served->fill != NULL && !tm__fill_row(s)) {
        return false;
    }
    if (is_scored && x->n_errors == 0 && !score_row(s, &err)) {
        if (x->broken != NULL) {
            tm__problem_reply(x, 500, "model-failed", err.message, err.hint);
        } else {
            tm__problem_from_err(x, &err);
        }
        return false;
    }
    return true;
}

bool tm__score_rows(scoring *s) {
    tm_exchange *x = s->x;
    if (s->mixed != NULL) {
        if (!tm__mixed_rows(s)) {
            return false;
        }
    } else {
        while (tm__decoder_next(s->decoder)) {
            if (!tm__score_row(s)) {
                return false;
            }
        }
    }
    if (x->n_errors > 0) {
        tm__score_refuse_rows(x);
        return false;
    }
    if (tm__decoder_is_full(s->decoder)) { /* an error for which there was no memory */
        fail_memory(x);
        return false;
    }
    return true;
}

tm_served *tm__score_version(tm_exchange *x, tm_served *served, uint64_t version) {
    tm_served *found = tm__current_version(x->current, served, version);
    if (found == NULL) {
        char detail[96];
        (void)snprintf(detail, sizeof detail, "version %llu is not ready here, version %u is",
                       (unsigned long long)version, served->version);
        tm__problem_reply(x, 404, "no-such-version", detail,
                          "Ready are what a route serves, the version before, and the challenger "
                          "where --memory-limit allows: /v1/status lists them.");
    }
    return found;
}

/* Its answers are of the shadow alone. */
static bool pick_shadow(scoring *s, tm_served *shadow) {
    s->decoder = s->served == shadow ? s->decoder : NULL;
    s->served = shadow;
    s->arm = TM_ARM_SHADOW;
    s->is_picked = true;
    return true;
}

bool tm__score_pick(scoring *s, uint64_t version) {
    tm_served *route = s->served;
    if (s->x->mirrors != NULL) {
        return pick_shadow(s, tm__mirror_served(s->x->mirrors));
    }
    const uint64_t wanted = version != 0 ? version : s->version;
    const tm_arms *arms = wanted == 0 ? tm__current_arms(s->x->current, route) : NULL;
    tm_served *found = tm__score_version(s->x, route, wanted);
    if (found == NULL) {
        return false;
    }
    s->served = found;
    s->is_picked = true;
    s->is_named = wanted != 0;
    s->arm = found != route    ? TM_ARM_NAMED
             : route->is_stale ? TM_ARM_FALLBACK /* the last that could be served */
                               : TM_ARM_CHAMPION;
    if (arms != NULL) {
        tm__arms_pick(s, arms);
    } else if (s->arm == TM_ARM_CHAMPION && !s->is_named && found->explore > 0) {
        char id[27];
        tm__id_next(&s->x->desk->ids, id);
        s->arm = tm__explored_is(id, found->explore) ? TM_ARM_EXPLORED : s->arm;
    }
    return true;
}

bool tm__score_prepare(scoring *s, tm_arena *arena) {
    const tm_bundle *bundle = s->served->bundle;
    const tm_counted *const counted = s->served->counted;
    s->scratch = s->served->scratches[s->x->desk->index];
    s->cells = counted == NULL ? NULL : counted->cells[s->x->desk->index];
    s->n_outputs = tm__bundle_outputs(bundle);
    s->outputs = tm_arena_alloc(arena, double, tm__mixed_outputs(s->mixed, s->n_outputs));
    s->contributions = tm_arena_alloc(arena, double, tm__bundle_schema(bundle)->n_cols + 1);
    s->held = s->has_interval ? tm_arena_alloc(arena, bool, (size_t)tm__bundle_classes(bundle) + 1)
                              : NULL;
    return s->outputs != NULL && s->contributions != NULL && (s->held != NULL) == s->has_interval &&
           tm__mixed_prepare(s, arena);
}

tm_decode_counts tm__score_counts(const tm_scoring *s) {
    return s->split != NULL   ? tm__split_counts(s->split)
           : s->mixed != NULL ? tm__mixed_counts(s)
                              : tm__decoder_counts(s->decoder);
}

/* The model's answers are on disk before they are given, and these cannot be. */
static void refuse_unlogged(tm_exchange *x, const tm_err *err) {
    tm_log_event(x->log, TM_ERROR, "answers.not_logged", TM_FT("error", err->message));
    x->retry_after_s = 1;
    tm__problem_reply(x, 503, "not-logged", "the answer could not be logged, so it is not given",
                      "The log of the server says why; try again.");
}

void tm__score_count(const scoring *s, const tm_decode_counts *counts, tm_prom_answers *answers) {
    answers->route = s->served->route;
    answers->version = s->served->version;
    answers->arm = s->arm;
    answers->n_rows = counts->n_rows;
    answers->n_nulls = counts->n_nulls;
    answers->n_coerced = counts->n_coerced;
    answers->n_filled = counts->n_filled;
    answers->n_absent = counts->n_absent;
    answers->n_stale = counts->n_stale;
    tm__prom_predict(s->x->desk->prom, answers);
}

/* All rows are answered: end the reply and log. */
static void finish(scoring *s) {
    tm_exchange *x = s->x;
    tm_desk *desk = x->desk;
    s->form->end(s);
    /* An answer that cannot be sent is none, so none is logged. */
    if (x->reply.failed || tm__buf_reserve(x->out, x->reply.len + HEAD_BYTES) == NULL) {
        x->out->failed = false;
        fail_memory(x);
        return;
    }
    tm__stages_lap(&desk->stages, TM_STAGE_WRITE);
    const uint64_t elapsed_ns = tm__mono_ns() - x->arrived_ns;
    const tm_decode_counts counts = tm__score_counts(s);
    uint64_t n_dropped = 0;
    tm_err err = {0};
    if ((s->split != NULL ? tm__split_log(s->split, elapsed_ns, &n_dropped, &err)
                          : tm__score_log(s, elapsed_ns, &n_dropped, &err)) != TM_OK) {
        refuse_unlogged(x, &err);
        return;
    }
    tm_prom_answers answers = {
        .n_dropped = n_dropped,
        .ns = elapsed_ns,
        .weight = desk->stages.weight,
        .cpu_ns =
            desk->stages.weight == 0 ? 0 : tm__thread_cpu_ns() - desk->stages.cpu_ns + x->helped_ns,
    };
    tm__stages_lap(&desk->stages, TM_STAGE_LOG);
    if (s->mixed != NULL) {
        tm__mixed_count(s, &answers);
    } else {
        tm__score_count(s, &counts, &answers);
    }
    tm__prom_stages(desk->prom, &desk->stages);
    x->status = 200;
    x->content_type = s->form->content_type;
    x->has_model = true;
    (void)tm__str_copy(x->model, sizeof x->model, tm__str(s->served->model));
    x->version = s->served->version;
    x->arm = s->arm;
    tm__shadow_offer(s);
}

/* Reasons for many rows take long, and that they are asked for may be said in the body: a batch
 * thread begins anew with it, for which it must be as it came. Reading the options rewrites texts
 * with escapes only. */
static bool is_for_batch(const scoring *s) {
    return s->explain && s->may_begin_anew && s->x->http->body.len > EXPLAIN_BYTES;
}

bool tm__score_interval(scoring *s) {
    if (!s->has_interval) {
        return true;
    }
    tm_err err = {0};
    const tm_conformal *conformal = tm__bundle_conformal(s->served->bundle);
    if (tm__conformal_find(conformal, s->level, &s->interval, &err) != TM_OK) {
        tm__problem_reply(s->x, 400, "no-such-interval", err.message, err.hint);
        return false;
    }
    return true;
}

static void write_nothing(scoring *s) {
    (void)s;
}

/* Nobody reads it. */
static void be_silent(scoring *s) {
    static const tm_score_form silent = {"application/json", write_nothing, NULL, write_nothing};
    s->form = &silent;
    s->explain = false;
    s->has_interval = false;
}

static void run(scoring *s) {
    tm_exchange *x = s->x;
    tm_desk *desk = x->desk;
    if (!tm__score_interval(s)) {
        return;
    }
    tm__buf_reset(&desk->answers);
    s->stream = tm__score_stream(s->served, s->arm, desk->monitor);
    if (s->mixed != NULL && !tm__mixed_open(s)) {
        return;
    }
    if (s->decoder == NULL) {
        s->decoder = tm__decoder_create(s->served->plan, &s->place, x, desk->arena);
    }
    if (!tm__score_prepare(s, desk->arena) || s->decoder == NULL || s->stream == NULL) {
        fail_memory(x);
        return;
    }
    s->form->begin(s);
    desk->stages.is_on = desk->stages.is_on && desk->crew == NULL; /* shared: of no one thread */
    /* What is wrong with the names is told together with what is wrong in the rows. */
    if (desk->crew != NULL && x->n_errors == 0 ? tm__split_run(s) : tm__score_rows(s)) {
        finish(s);
    }
    tm__split_free(s->split);
    s->split = NULL;
}

/* Whose refusal it is: of rows, that of who was to answer the first bad one. */
static void count_failed(const scoring *s) {
    const tm_exchange *const x = s->x;
    const tm_way *const way = s->mixed != NULL && x->n_errors > 0 && x->errors[0].has_row
                                  ? tm__mixed_of_row(s->mixed, x->errors[0].row)
                                  : NULL;
    const tm_served *const served = way == NULL ? s->served : way->served;
    tm__prom_failed(x->desk->prom, served->route, served->version, way == NULL ? s->arm : way->arm);
}

/* ---- a version that fails inside ---- */

static bool read_quick(scoring *s);

/* The request as it came, for another version: rewritten texts are read from a copy. */
typedef struct kept_request {
    bool is_kept, is_quick;
    char *copy; /* owned; NULL: one plain row, which is read as it lies */
    tm_rows_place place;
} kept_request;

/* Nobody else may answer for a version that was named, nor for a shadow. */
static kept_request keep_request(const scoring *s) {
    const tm_exchange *const x = s->x;
    kept_request kept = {.is_quick = s->decoder != NULL};
    const tm_arms *const arms = tm__current_arms(x->current, x->served);
    if (x->mirrors != NULL || s->is_named ||
        (arms == NULL && tm__current_spare(x->current, x->served, x->served) == NULL)) {
        return kept;
    }
    kept.copy = kept.is_quick ? NULL : tm__mixed_copy(s, &kept.place);
    kept.is_kept = kept.is_quick || kept.copy != NULL;
    return kept;
}

static void count_broken(scoring *s) {
    tm_served *const failed = s->x->broken;
    if (atomic_fetch_add_explicit(&failed->n_broken, 1, memory_order_relaxed) == 0) {
        tm_log_event(s->x->log, TM_ERROR, "model.failed_inside", TM_FT("model", failed->model),
                     TM_FI("version", failed->version));
    }
    tm_arm_kind arm = s->arm;
    for (uint32_t i = 0; s->mixed != NULL && i < s->mixed->n; i++) {
        arm = s->mixed->ways[i].served == failed ? s->mixed->ways[i].arm : arm;
    }
    tm__prom_broken(s->x->desk->prom, failed->route, failed->version, arm);
}

/* The whole request, by another version; false when there is none that can. */
static bool fall_back(scoring *s, kept_request *kept) {
    tm_exchange *const x = s->x;
    tm_served *const spare =
        kept->is_kept ? tm__current_spare(x->current, x->served, x->broken) : NULL;
    if (spare == NULL || spare->bundle == NULL) {
        return false;
    }
    tm__mixed_close(s);
    s->mixed = NULL;
    s->decoders = NULL;
    s->each = NULL;
    s->is_other = false;
    s->decoder = NULL;
    s->served = spare;
    s->arm = TM_ARM_FALLBACK;
    s->place = kept->is_quick ? s->place : kept->place;
    x->n_errors = 0;
    x->retry_after_s = 0;
    x->broken = NULL;
    if (kept->is_quick && !read_quick(s)) {
        return false;
    }
    x->status = 0;
    tm__buf_reset(&x->reply);
    run(s);
    return true;
}

static void run_or_fall_back(scoring *s) {
    tm_exchange *const x = s->x;
    kept_request kept = keep_request(s);
    x->broken = NULL;
    run(s);
    if (x->broken != NULL) {
        count_broken(s);
        if (fall_back(s, &kept) && x->broken != NULL) {
            count_broken(s); /* that one as well */
        }
    }
    tm__mem_free(kept.copy);
}

void tm__score_run(scoring *s) {
    tm_exchange *const x = s->x;
    if (is_for_batch(s)) {
        x->wants_batch = true;
        return;
    }
    if (!s->is_picked && !tm__score_pick(s, 0)) {
        return;
    }
    if (x->mirrors != NULL) {
        be_silent(s);
    }
    run_or_fall_back(s);
    if (x->status != 200 && x->mirrors == NULL) {
        count_failed(s);
    }
    tm__mixed_close(s);
}

tm_served *tm__score_find(tm_exchange *x, const char *route) {
    tm_served *served = tm__current_find(x->current, route);
    if (served == NULL) {
        tm__problem_reply(x, 404, "no-such-route", "there is no route of this name",
                          "/v1/models lists what there is; the first version of a model makes a "
                          "route of its name.");
        return NULL;
    }
    x->served = served;
    if (served->bundle == NULL) {
        x->retry_after_s = 5;
        tm__problem_reply(x, 503, "model-broken", "the model of this route cannot be loaded",
                          "The log of the server says why; 'tidemill model verify' checks files.");
        return NULL;
    }
    /* Who waits for the disk holds up no others: policies are of the model, whatever the arm. */
    const tm_stream *const stream = tm__score_stream(served, false, x->desk->monitor);
    if (x->is_on_worker && x->match.endpoint->permission == TM_PERMISSION_PREDICT &&
        stream != NULL && tm__stream_is_sync(stream)) {
        x->wants_batch = true;
        return NULL;
    }
    tm__shadow_take(x, served);
    tm__arena_reset(x->desk->arena);
    tm__stages_begin(&x->desk->stages, x->arrived_ns);
    tm__stages_measure(&x->desk->stages, x->http->body.len > MEASURED_BYTES);
    return served;
}

/* Read the body for the version at hand. */
static bool read_quick(scoring *s) {
    tm_exchange *x = s->x;
    tm_buf *body = &x->http->body;
    s->decoder = tm__decoder_create(s->served->plan, &s->place, x, x->desk->arena);
    if (s->decoder != NULL && !tm__decoder_read_quick(s->decoder, (char *)body->data, body->len)) {
        s->decoder = NULL;
    }
    return s->decoder != NULL;
}

bool tm__score_quick(scoring *s) {
    if (s->is_picked || s->x->desk->crew != NULL || s->x->http->body.len == 0 || !read_quick(s)) {
        return false;
    }
    if (s->x->mirrors != NULL ||
        (s->version == 0 && tm__current_arms(s->x->current, s->served) != NULL)) {
        (void)tm__score_pick(s, 0); /* the row says whose it is; a plain one is as it came */
        return s->decoder != NULL || read_quick(s);
    }
    return true;
}

char *tm__score_open_body(scoring *s, bool *ok) {
    tm_exchange *x = s->x;
    tm_buf *body = &x->http->body;
    tm_scan_error e = {.reason = "the body is empty", .line = 1, .column = 1};
    s->may_begin_anew = x->is_on_worker && body->len > EXPLAIN_BYTES &&
                        x->http->fields[TM_HTTP_HEADER_LENGTH].ptr == NULL &&
                        memchr(body->data, '\\', body->len) == NULL;
    *ok = body->len > 0 && tm__scan_check_ends((const char *)body->data, body->len, &s->ends, &e);
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

char *tm__score_skip(const scoring *s, uint32_t i, char *value) {
    return i < s->ends.n ? (char *)s->x->http->body.data + s->ends.at[i] : tm__scan_skip(value);
}

bool tm__score_refuse(tm_exchange *x, const char *detail, const char *hint) {
    tm__problem_reply(x, 400, "bad-request", detail, hint);
    return false;
}

static bool read_bool(tm_str text, bool *out) {
    *out = tm__str_is(text, "true");
    return *out || tm__str_is(text, "false");
}

bool tm__score_option(scoring *s, tm_str name, tm_str text) {
    bool flag = false;
    if (tm__str_is(name, "reasons") || tm__str_is(name, "explain")) {
        return read_bool(text, &s->explain);
    }
    if (tm__str_is(name, "probabilities")) {
        const bool ok = read_bool(text, &flag);
        s->no_probability = !flag;
        s->asks_probability = ok && flag;
        return ok;
    }
    if (tm__str_is(name, "threshold")) {
        s->has_threshold = true;
        return tm__str_to_f64(text, &s->threshold) && s->threshold >= 0.0 && s->threshold <= 1.0;
    }
    if (tm__str_is(name, "interval")) {
        s->has_interval = true;
        return tm__str_to_f64(text, &s->level) && s->level > 0.0 && s->level < 1.0;
    }
    if (tm__str_is(name, "version")) {
        return tm__str_to_u64(text, &s->version) && s->version > 0;
    }
    if (tm__str_is(name, "unknown_columns")) {
        s->place.ignores_unknown = tm__str_is(text, "ignore");
        return s->place.ignores_unknown || tm__str_is(text, "refuse");
    }
    return false;
}

/* The bit of an option; 0 when there is none of this name. */
static unsigned option_bit(tm_str name) {
    static const char *const names[] = {"reasons", "explain",         "probabilities", "threshold",
                                        "version", "unknown_columns", "interval"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (tm__str_is(name, names[i])) {
            return 1u << i;
        }
    }
    return 0;
}

char *tm__score_options(scoring *s, char *object, bool ignores_others) {
    char *after = NULL;
    unsigned seen = 0;
    if (*object != '{') {
        return NULL;
    }
    for (char *m = tm__scan_enter(object, &after); m != NULL;) {
        tm_str name, text;
        char *value = tm__scan_name(m, &name);
        char *end = NULL;
        if (*value == '"') {
            end = tm__scan_string(value, &text);
        } else {
            end = tm__scan_skip(value);
            text = (tm_str){value, (size_t)(end - value)};
        }
        const unsigned bit = option_bit(name);
        if ((seen & bit) != 0 || (bit != 0 ? !tm__score_option(s, name, text) : !ignores_others)) {
            return NULL;
        }
        seen |= bit;
        m = tm__scan_more(end, &after);
    }
    return after;
}
