/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one request by several versions (mixed.h):
 *
 *      pick    copy ── units' decoder ── arm of each unit ── way of each row
 *      open    a document and a decoder for each way
 *      rows    row by row: its way reads and scores it, the others step over it
 *      log     the answers of each way, gathered
 *
 * Invariant: every decoder stands at the same row before each row.
 */
#include "serve/mixed.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

/* ---- who answers ---- */

/* Bytes of the body; those of tensors may lie behind its NUL. */
static size_t document_size(const tm_scoring *s) {
    const tm_buf *const body = &s->x->http->body;
    size_t size = body->len;
    for (uint32_t i = 0; i < s->place.n_tensors; i++) {
        const tm_tensor *const t = &s->place.tensors[i];
        const size_t end = t->bytes == NULL ? 0 : (size_t)(t->bytes - body->data) + t->n_bytes;
        size = end > size ? end : size;
    }
    return size;
}

char *tm__mixed_copy(const tm_scoring *s, tm_rows_place *place) {
    const tm_buf *const body = &s->x->http->body;
    const char *const from = (const char *)body->data;
    const size_t size = document_size(s);
    char *const copy = tm__mem_alloc(size + 1, 1);
    tm_tensor *const tensors =
        tm_arena_alloc(s->x->desk->arena, tm_tensor, (size_t)s->place.n_tensors + 1);
    if (copy == NULL || tensors == NULL) {
        tm__mem_free(copy);
        return NULL;
    }
    memcpy(copy, from, size);
    copy[size] = '\0';
    *place = s->place;
    place->rows = s->place.rows == NULL ? NULL : copy + (s->place.rows - from);
    place->names = s->place.names == NULL ? NULL : copy + (s->place.names - from);
    for (uint32_t i = 0; i < place->n_tensors; i++) {
        tensors[i] = s->place.tensors[i];
        tensors[i].json = tensors[i].json == NULL ? NULL : copy + (tensors[i].json - from);
        tensors[i].bytes =
            tensors[i].bytes == NULL ? NULL : (uint8_t *)copy + (tensors[i].bytes - body->data);
    }
    place->tensors = place->n_tensors == 0 ? NULL : tensors;
    return copy;
}

/* The index of a way, added when it is new. */
static uint8_t find_way(tm_mixed *m, tm_served *served, tm_arm_kind arm) {
    uint32_t i = 0;
    while (i < m->n && (m->ways[i].served != served || m->ways[i].arm != arm)) {
        i++;
    }
    if (i == m->n) {
        TM_ASSERT(m->n < TM_WAYS_MAX);
        m->ways[m->n++] = (tm_way){.served = served, .arm = arm};
    }
    return (uint8_t)i;
}

static uint8_t way_of_unit(tm_mixed *m, const tm_scoring *s, const tm_arms *arms, tm_str unit) {
    tm_scoring picked = *s;
    tm__arms_answer(&picked, arms, unit);
    return find_way(m, picked.served, picked.arm);
}

/* The way of each row; false when the units of the rows cannot be read. */
static bool read_units(tm_mixed *m, const tm_scoring *s, const tm_arms *arms,
                       const tm_rows_place *place) {
    tm_exchange quiet = {.log = s->x->log, .desk = s->x->desk}; /* errors are told by who answers */
    const tm_str request = tm__str(s->x->request_id);
    tm_decoder *const d = tm__decoder_create(arms->units, place, &quiet, s->x->desk->arena);
    const uint64_t n_max = s->x->limits->rows_max;
    bool ok = d != NULL && quiet.n_errors == 0;
    while (ok && tm__decoder_next(d)) {
        char text[32];
        const tm_str unit = tm__decoder_entity(d, text);
        ok = quiet.n_errors == 0 && m->n_rows < n_max;
        if (ok) {
            m->of_row[m->n_rows++] = way_of_unit(m, s, arms, unit.len > 0 ? unit : request);
        }
    }
    ok = ok && quiet.n_errors == 0 && m->n_rows > 0;
    tm__mem_free(quiet.errors);
    return ok;
}

static bool classes_are_same(const tm_served *a, const tm_served *b) {
    const uint32_t n = tm__bundle_classes(a->bundle);
    bool is_same = tm__bundle_task(a->bundle) == tm__bundle_task(b->bundle) &&
                   tm__bundle_outputs(a->bundle) == tm__bundle_outputs(b->bundle) &&
                   tm__bundle_classes(b->bundle) == n && (a->fill == NULL) == (b->fill == NULL);
    for (uint32_t i = 0; is_same && i < n; i++) {
        is_same = strcmp(tm__bundle_class(a->bundle, i), tm__bundle_class(b->bundle, i)) == 0;
    }
    return is_same;
}

static bool fits_table(const tm_mixed *m) {
    bool fits = true;
    for (uint32_t i = 1; fits && i < m->n; i++) {
        fits = classes_are_same(m->ways[0].served, m->ways[i].served);
    }
    return fits;
}

void tm__mixed_pick(tm_scoring *s, const tm_arms *arms) {
    tm_rows_place place;
    tm_arena *const arena = s->x->desk->arena;
    tm_mixed *const m = tm_arena_zalloc(arena, tm_mixed, 1);
    const uint64_t bytes = s->x->http->body.len; /* no row is shorter than one */
    const uint64_t most = s->x->limits->rows_max;
    if (m == NULL ||
        (m->of_row = tm_arena_alloc(arena, uint8_t, (bytes < most ? bytes : most) + 1)) == NULL) {
        tm__arms_answer(s, arms, tm__str(s->x->request_id));
        return;
    }
    char *const document = tm__mixed_copy(s, &place);
    place.ignores_unknown = true;
    const bool ok = document != NULL && read_units(m, s, arms, &place);
    tm__mem_free(document);
    if (!ok) {
        tm__arms_answer(s, arms, tm__str(s->x->request_id));
    } else if (m->n > 1 && s->is_table && !fits_table(m)) {
        s->arm = TM_ARM_FALLBACK;
    } else {
        s->served = m->ways[0].served;
        s->arm = m->ways[0].arm;
        s->mixed = m->n > 1 ? m : NULL;
    }
}

/* ---- documents ---- */

static bool open_way(tm_scoring *s, uint32_t index) {
    tm_exchange *const x = s->x;
    tm_way *const way = &s->mixed->ways[index];
    tm_scoring own = *s;
    own.served = way->served;
    if (!tm__score_interval(&own)) {
        return false;
    }
    way->interval = own.interval;
    way->place = s->place;
    way->stream = tm__score_stream(way->served, way->arm, x->desk->monitor);
    way->document = index == 0 ? NULL : tm__mixed_copy(s, &way->place);
    const bool has_document = index == 0 || way->document != NULL;
    way->decoder = way->stream == NULL || !has_document
                       ? NULL
                       : tm__decoder_create(way->served->plan, &way->place, x, x->desk->arena);
    if (way->decoder == NULL) {
        tm__problem_reply(x, 503, "out-of-memory", "the request needs more memory than there is",
                          "Send fewer rows at once.");
    }
    return way->decoder != NULL;
}

bool tm__mixed_open(tm_scoring *s) {
    tm_mixed *const m = s->mixed;
    /* Copies first: the decoder of the first way writes into the document. */
    for (uint32_t i = m->n; i-- > 0;) {
        if (!open_way(s, i)) {
            return false;
        }
    }
    s->decoder = m->ways[0].decoder;
    s->decoders = tm_arena_alloc(s->x->desk->arena, tm_decoder *, m->n);
    if (s->decoders == NULL) {
        tm__problem_reply(s->x, 503, "out-of-memory", "out of memory", NULL);
        return false;
    }
    for (uint32_t i = 0; i < m->n; i++) {
        s->decoders[i] = m->ways[i].decoder;
    }
    return true;
}

void tm__mixed_close(tm_scoring *s) {
    tm__buf_done(&s->ways);
    for (uint32_t i = 0; s->mixed != NULL && i < s->mixed->n; i++) {
        tm__mem_free(s->mixed->ways[i].document);
        s->mixed->ways[i].document = NULL;
    }
}

bool tm__mixed_cut(tm_scoring *s, uint64_t first, tm_exchange *x, tm_arena *arena) {
    tm_mixed *const m = s->mixed;
    if (m == NULL) {
        return true;
    }
    const tm_decode_part same = {.n_rows = tm__decoder_row(m->ways[0].decoder) - first,
                                 .n_bytes = SIZE_MAX};
    s->decoders = tm_arena_alloc(arena, tm_decoder *, m->n);
    bool ok = s->decoders != NULL;
    for (uint32_t i = 0; ok && i < m->n; i++) {
        bool more = false;
        s->decoders[i] =
            i == 0 ? s->decoder : tm__decoder_cut(m->ways[i].decoder, &same, x, arena, &more);
        ok = s->decoders[i] != NULL;
    }
    return ok;
}

/* ---- rows ---- */

bool tm__mixed_prepare(tm_scoring *s, tm_arena *arena) {
    if (s->decoders == NULL) {
        return true;
    }
    s->each = tm_arena_alloc(arena, tm_scoring, s->mixed->n);
    bool ok = s->each != NULL;
    for (uint32_t i = 0; ok && i < s->mixed->n; i++) {
        const tm_way *const way = &s->mixed->ways[i];
        tm_scoring *const own = &s->each[i];
        *own = *s;
        own->served = way->served;
        own->arm = way->arm;
        own->stream = way->stream;
        own->interval = way->interval;
        own->decoder = s->decoders[i];
        own->decoders = NULL;
        own->is_other = i > 0;
        ok = tm__score_prepare(own, arena);
    }
    return ok;
}

bool tm__mixed_rows(tm_scoring *s) {
    tm_exchange *const x = s->x;
    const tm_mixed *const m = s->mixed;
    uint64_t row = tm__decoder_row(s->decoder);
    uint32_t way = m->of_row[row];
    tm__buf_init(&s->ways, m->n_rows + 1);
    for (; row < m->n_rows; row++) {
        way = m->of_row[row];
        for (uint32_t i = 0; i < m->n; i++) {
            if (i != way) {
                tm__decoder_pass(s->decoders[i]);
            }
        }
        if (!tm__decoder_next(s->decoders[way])) {
            break;
        }
        if (!tm__score_row(&s->each[way])) {
            return false;
        }
        if (x->n_errors == 0 && !tm__buf_byte(&s->ways, (uint8_t)way)) {
            tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
            return false;
        }
    }
    /* Behind the last row, what is wrong with the end. */
    const bool is_more = row == m->n_rows && tm__decoder_next(s->decoders[way]);
    if (is_more || (x->n_errors == 0 && tm__decoder_is_full(s->decoders[way]))) {
        tm__problem_reply(x, 500, "internal", "the rows were not read alike", NULL);
        return false;
    }
    return true;
}

static void add_counts(tm_decode_counts *all, const tm_decode_counts *n) {
    all->n_rows += n->n_rows;
    all->n_nulls += n->n_nulls;
    all->n_coerced += n->n_coerced;
    all->n_filled += n->n_filled;
    all->n_absent += n->n_absent;
    all->n_stale += n->n_stale;
    all->age_s_max = n->age_s_max > all->age_s_max ? n->age_s_max : all->age_s_max;
    all->lag_s_max = n->lag_s_max > all->lag_s_max ? n->lag_s_max : all->lag_s_max;
}

void tm__mixed_note(const tm_scoring *s) {
    for (uint32_t i = 0; s->mixed != NULL && i < s->mixed->n; i++) {
        const tm_decode_counts counts = tm__decoder_counts(s->decoders[i]);
        add_counts(&s->mixed->ways[i].counts, &counts);
    }
}

tm_decode_counts tm__mixed_counts(const tm_scoring *s) {
    tm_decode_counts all = {0};
    for (uint32_t i = 0; i < s->mixed->n; i++) {
        const tm_decode_counts counts = tm__decoder_counts(s->decoders[i]);
        add_counts(&all, &counts);
    }
    return all;
}

uint32_t tm__mixed_outputs(const tm_mixed *mixed, uint32_t n) {
    for (uint32_t i = 0; mixed != NULL && i < mixed->n; i++) {
        const uint32_t own = tm__bundle_outputs(mixed->ways[i].served->bundle);
        n = own > n ? own : n;
    }
    return n;
}

const tm_way *tm__mixed_way(const tm_scoring *s, uint8_t way) {
    return &s->mixed->ways[way];
}

const tm_way *tm__mixed_of_row(const tm_mixed *mixed, uint64_t row) {
    return row < mixed->n_rows ? &mixed->ways[mixed->of_row[row]] : NULL;
}

/* ---- log and counters ---- */

/* The answers of one way, in their order. */
static void gather(const tm_scoring *s, uint32_t way, tm_buf *out) {
    const tm_buf *const answers = &s->x->desk->answers;
    for (size_t at = 0, i = 0; at < answers->len; i++) {
        const size_t size = tm__answer_size(answers->data + at);
        if (s->ways.data[i] == way) {
            tm__buf_append(out, answers->data + at, size);
        }
        at += size;
    }
}

tm_status tm__mixed_log(const tm_scoring *s, const tm_answers *stamp, uint64_t *out_dropped,
                        tm_err *err) {
    tm_status st = TM_OK;
    tm_buf own;
    tm__buf_init(&own, s->x->desk->answers.len);
    for (uint32_t i = 0; st == TM_OK && i < s->mixed->n; i++) {
        uint32_t n_dropped = 0;
        tm_answers answers = *stamp;
        answers.bytes = &own;
        tm__buf_reset(&own);
        gather(s, i, &own);
        if (own.failed) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        } else if (own.len > 0) {
            st = tm__monitor_answers(s->x->desk->monitor, s->mixed->ways[i].stream, &answers,
                                     &n_dropped, err);
        }
        *out_dropped += n_dropped;
    }
    tm__buf_done(&own);
    return st;
}

void tm__mixed_count(const tm_scoring *s, tm_prom_answers *all) {
    const tm_mixed *const m = s->mixed;
    const uint64_t cpu_ns = all->cpu_ns;
    if (s->split == NULL) { /* the parts of a large one did so */
        tm__mixed_note(s);
    }
    for (uint32_t i = 0; i < m->n; i++) {
        tm_scoring own = *s;
        own.served = m->ways[i].served;
        own.arm = m->ways[i].arm;
        all->cpu_ns =
            (uint64_t)((double)cpu_ns * (double)m->ways[i].counts.n_rows / (double)m->n_rows);
        tm__score_count(&own, &m->ways[i].counts, all);
        all->n_dropped = 0; /* of which of them is not known: counted once */
    }
}
