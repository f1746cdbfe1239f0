/* SPDX-License-Identifier: Apache-2.0 */
/* Values to cells. A level is known by its hash alone: two texts with one hash would count as one,
 * once in 2^64. */
#include "model/reference.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define HASH_KEY UINT64_C(0x7265666572656e63)
#define N_SLOTS 128u
_Static_assert(sizeof(((tm_ref_column *)0)->slots) == N_SLOTS, "slots are found by seven bits");
#define N_PROBES 4u /* of the filter, from 16 bits of the hash each */

tm_reference *tm__reference_create(uint32_t n_columns) {
    tm_reference *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->n_columns = n_columns;
        self->columns = tm__mem_zalloc((size_t)n_columns + 1, sizeof(*self->columns));
    }
    if (self != NULL && self->columns == NULL) {
        tm__mem_free(self);
        return NULL;
    }
    return self;
}

void tm__reference_free(tm_reference *reference) {
    if (reference == NULL) {
        return;
    }
    for (uint32_t i = 0; i <= reference->n_columns; i++) {
        tm_ref_column *const c = &reference->columns[i];
        tm__mem_free(c->edges);
        tm__mem_free(c->levels);
        tm__mem_free(c->filter);
        tm__mem_free(c->counts);
        tm__mem_free(c->loss_rows);
        tm__mem_free(c->loss);
    }
    tm__mem_free(reference->columns);
    tm__mem_free(reference);
}

/* Where a text is looked for first: cheap, and good enough for a few dozen of them. */
static uint32_t quick_place(const char *text, size_t len) {
    uint64_t first = 0, last = 0;
    memcpy(&first, text, len < 8 ? len : 8);
    if (len > 8) {
        memcpy(&last, text + len - 8, 8);
    }
    const uint64_t mixed =
        (first ^ last * UINT64_C(0x9E3779B97F4A7C15) ^ len << 56) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 57);
}

static void place(uint8_t *slots, uint32_t at, uint32_t level) {
    while (slots[at] != 0) { /* at most a quarter is full */
        at = (at + 1) % N_SLOTS;
    }
    slots[at] = (uint8_t)(level + 1);
}

static void place_levels(tm_ref_column *c) {
    memset(c->slots, 0, sizeof(c->slots));
    memset(c->quick, 0, sizeof(c->quick));
    for (uint32_t i = 0; i < c->n_levels; i++) {
        tm_ref_level *const level = &c->levels[i];
        const tm_str text = tm__str(level->text);
        const bool is_whole = level->hash == tm__ref_hash(text);
        level->len = is_whole ? (uint32_t)text.len : UINT32_MAX;
        place(c->slots, (uint32_t)(level->hash % N_SLOTS), i);
        if (is_whole) {
            place(c->quick, quick_place(text.ptr, text.len), i);
        }
    }
}

bool tm__ref_column_settle(tm_ref_column *c) {
    switch (c->kind) {
    case TM_REF_NUMBERS:
    case TM_REF_LENGTHS:
        c->n_ordered = c->n_edges + 1;
        c->n_cells = c->n_edges + 2;
        break;
    case TM_REF_LEVELS:
        c->n_cells = c->n_levels + 3;
        place_levels(c);
        break;
    case TM_REF_CLASSES:
        c->n_cells = c->n_classes;
        break;
    default:
        c->n_cells = 2;
    }
    c->counts = tm__mem_zalloc((size_t)c->n_blocks * c->n_cells, sizeof(*c->counts));
    c->loss_rows = tm__mem_zalloc(c->n_cells, sizeof(*c->loss_rows));
    c->loss = tm__mem_zalloc(c->n_cells, sizeof(*c->loss));
    return c->counts != NULL && c->loss_rows != NULL && c->loss != NULL;
}

uint64_t tm__ref_hash(tm_str text) {
    return tm__hash64(text.ptr, text.len, HASH_KEY);
}

void tm__ref_level_set(tm_ref_level *level, tm_str text) {
    level->hash = tm__ref_hash(text);
    size_t len = text.len < TM_REF_TEXT_MAX ? text.len : TM_REF_TEXT_MAX;
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    memset(level->text, 0, sizeof(level->text));
    if (len > 0) {
        memcpy(level->text, text.ptr, len);
    }
}

/* ---- the filter (Bloom 1970, doi:10.1145/362686.362692) ---- */

static uint32_t probe(const tm_ref_column *c, uint64_t hash, uint32_t i) {
    return (uint32_t)((hash >> (16 * i)) % (8 * (uint64_t)c->n_filter));
}

void tm__ref_filter_add(tm_ref_column *c, uint64_t hash) {
    for (uint32_t i = 0; i < N_PROBES; i++) {
        const uint32_t bit = probe(c, hash, i);
        c->filter[bit / 8] = (uint8_t)(c->filter[bit / 8] | 1u << bit % 8);
    }
}

static bool filter_has(const tm_ref_column *c, uint64_t hash) {
    for (uint32_t i = 0; i < N_PROBES; i++) {
        const uint32_t bit = probe(c, hash, i);
        if ((c->filter[bit / 8] >> bit % 8 & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* ---- cells ---- */

static uint32_t level_cell(const tm_ref_column *c, tm_str text) {
    for (uint32_t at = quick_place(text.ptr, text.len); c->quick[at] != 0;
         at = (at + 1) % N_SLOTS) {
        const tm_ref_level *const level = &c->levels[c->quick[at] - 1u];
        if (level->len == text.len && memcmp(level->text, text.ptr, text.len) == 0) {
            return c->quick[at] - 1u;
        }
    }
    const uint64_t hash = tm__ref_hash(text);
    uint32_t at = (uint32_t)(hash % N_SLOTS);
    for (; c->slots[at] != 0; at = (at + 1) % N_SLOTS) {
        const uint32_t level = c->slots[at] - 1u;
        if (c->levels[level].hash == hash) {
            return level;
        }
    }
    return c->n_filter == 0 || filter_has(c, hash) ? c->n_levels : c->n_levels + 1;
}

/* Behind the first edge: how many of the others are below x, by halves without a branch. */
static uint32_t number_cell(const tm_ref_column *c, double x) {
    const double *base = c->edges + 1;
    uint32_t n = c->n_edges - 1;
    while (n > 1) {
        const uint32_t half = n / 2;
        base += base[half - 1] < x ? half : 0;
        n -= half;
    }
    const uint32_t below = (uint32_t)(base - (c->edges + 1)) + (base[0] < x ? 1 : 0);
    return x >= c->edges[0] ? 1 + below : 0;
}

static bool is_missing(const tm_cell *value) {
    switch (value->type) {
    case TM_TYPE_NONE:
        return true;
    case TM_TYPE_FLOAT:
        return isnan(value->f64) != 0;
    case TM_TYPE_TEXT:
        return false;
    default:
        return value->i64 == TM_INT_MISSING;
    }
}

uint32_t tm__ref_cell(const tm_ref_column *c, const tm_cell *value) {
    if (is_missing(value)) {
        return c->n_cells - 1;
    }
    const bool is_text = value->type == TM_TYPE_TEXT;
    if (c->kind == TM_REF_LEVELS) {
        return is_text ? level_cell(c, value->text) : c->n_levels + 1;
    }
    if (c->kind == TM_REF_LENGTHS) {
        return number_cell(c, is_text ? (double)value->text.len : 0.0);
    }
    if (c->kind == TM_REF_NUMBERS) {
        return number_cell(c, value->type == TM_TYPE_FLOAT ? value->f64 : (double)value->i64);
    }
    return 0;
}

uint32_t tm__ref_output_cell(const tm_ref_column *c, const double *outputs, uint32_t n_outputs) {
    if (c->kind != TM_REF_CLASSES) {
        return isnan(outputs[0]) ? c->n_cells - 1 : number_cell(c, outputs[0]);
    }
    uint32_t best = 0;
    for (uint32_t k = 1; k < n_outputs; k++) {
        best = outputs[k] > outputs[best] ? k : best;
    }
    return best < c->n_cells ? best : c->n_cells - 1;
}

uint32_t tm__ref_missing(const tm_ref_column *c) {
    return c->kind == TM_REF_CLASSES ? UINT32_MAX : c->n_cells - 1;
}

uint32_t tm__ref_unseen(const tm_ref_column *c) {
    return c->kind == TM_REF_LEVELS && c->n_filter > 0 ? c->n_levels + 1 : UINT32_MAX;
}

uint32_t tm__ref_below(const tm_ref_column *c) {
    return c->n_ordered > 0 ? 0 : UINT32_MAX;
}

uint32_t tm__ref_above(const tm_ref_column *c) {
    return c->n_ordered > 0 ? c->n_ordered - 1 : UINT32_MAX;
}
