/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/pool.h"
#include "feature/feature_priv.h"

#define LEVEL_KEY UINT64_C(0x746d2d6c6576656c)

tm_str tm__text_derive(tm_derive derive, tm_str text) {
    if (derive == TM_DERIVE_WHOLE) {
        return text;
    }
    size_t len = 0;
    while (len < text.len && !tm__is_digit(text.ptr[len])) {
        len++;
    }
    return tm__str_trim((tm_str){text.ptr, len});
}

static tm_str level_text(const tm_levels *table, uint32_t level) {
    return (tm_str){table->bytes + table->starts[level],
                    table->starts[level + 1] - table->starts[level]};
}

/* Fills slots from starts and bytes; TM_E_DATA for a level given twice. */
static tm_status index_levels(tm_levels *table, tm_err *err) {
    uint32_t n_slots = 8;
    while (n_slots < UINT32_C(0x80000000) && n_slots / 2 <= table->n) {
        n_slots *= 2;
    }
    uint32_t *slots = tm__mem_zalloc(n_slots, sizeof(uint32_t));
    if (slots == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    for (uint32_t level = 0; level < table->n; level++) {
        const tm_str text = level_text(table, level);
        uint32_t at = (uint32_t)tm__hash64(text.ptr, text.len, LEVEL_KEY) & (n_slots - 1);
        for (uint32_t n_probes = 0; slots[at] != 0; n_probes++) {
            if (n_probes > TM_PROBES_MAX) {
                tm__mem_free(slots);
                return TM_FAIL(err, TM_E_DATA, "levels share too many bits");
            }
            if (tm__str_eq(level_text(table, slots[at] - 1), text)) {
                tm__mem_free(slots);
                return TM_FAIL(err, TM_E_DATA, "a level is there twice");
            }
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = level + 1;
    }
    table->slots = slots;
    table->n_slots = n_slots;
    return TM_OK;
}

uint32_t tm__levels_find(const tm_levels *table, tm_str text) {
    const tm_str key = tm__text_derive(table->derive, text);
    uint32_t at = (uint32_t)tm__hash64(key.ptr, key.len, LEVEL_KEY) & (table->n_slots - 1);
    while (table->slots[at] != 0) {
        const uint32_t level = table->slots[at] - 1;
        if (tm__str_eq(level_text(table, level), key)) {
            return level;
        }
        at = (at + 1) & (table->n_slots - 1);
    }
    return table->n;
}

static int compare_counts(const void *a, const void *b) {
    const tm_level_count *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return tm__str_compare(x->text, y->text);
}

void tm__levels_sort(tm_level_count *counts, uint32_t n) {
    if (n > 1) {
        qsort(counts, n, sizeof(*counts), compare_counts);
    }
}

tm_status tm__levels_make(const tm_level_count *counts, uint32_t n, tm_levels *out, tm_err *err) {
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_bytes += counts[i].text.len;
    }
    tm_levels table = *out;
    table.n = n;
    table.starts = tm__mem_alloc((size_t)n + 1, sizeof(uint32_t));
    table.bytes = tm__mem_alloc(n_bytes, 1);
    if (table.starts == NULL || table.bytes == NULL) {
        tm__levels_done(&table);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        table.starts[i] = at;
        if (counts[i].text.len > 0) {
            memcpy(table.bytes + at, counts[i].text.ptr, counts[i].text.len);
        }
        at += (uint32_t)counts[i].text.len;
    }
    table.starts[n] = at;
    const tm_status status = index_levels(&table, err);
    if (status != TM_OK) {
        tm__levels_done(&table);
        return status;
    }
    *out = table;
    return TM_OK;
}

void tm__levels_save(const tm_levels *table, tm_buf *out) {
    tm__buf_u32(out, table->n);
    for (uint32_t i = 0; i <= table->n; i++) {
        tm__buf_u32(out, table->starts[i]);
    }
    tm__buf_append(out, table->bytes, table->starts[table->n]);
}

static tm_status load_starts(tm_reader *in, tm_levels *out, tm_err *err) {
    const size_t at = in->pos;
    if (tm__reader_view(in, (uint64_t)out->n + 1, sizeof(uint32_t)) == NULL) {
        return TM_FAIL(err, TM_E_DATA, "feature program: a level table is cut");
    }
    in->pos = at;
    out->starts = tm__mem_alloc((size_t)out->n + 1, sizeof(uint32_t));
    if (out->starts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    for (uint32_t i = 0; i <= out->n; i++) {
        out->starts[i] = tm__reader_u32(in);
        if (i == 0 ? out->starts[0] != 0 : out->starts[i] < out->starts[i - 1]) {
            return TM_FAIL(err, TM_E_DATA, "feature program: a level table is out of order");
        }
    }
    return TM_OK;
}

tm_status tm__levels_load(tm_reader *in, tm_levels *out, tm_err *err) {
    out->n = tm__reader_u32(in);
    TM_TRY(load_starts(in, out, err));
    const uint32_t n_bytes = out->starts[out->n];
    const void *bytes = tm__reader_view(in, n_bytes, 1);
    if (bytes == NULL) {
        return TM_FAIL(err, TM_E_DATA, "feature program: a level table is cut");
    }
    out->bytes = tm__mem_alloc(n_bytes, 1);
    if (out->bytes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    if (n_bytes > 0) {
        memcpy(out->bytes, bytes, n_bytes);
    }
    return index_levels(out, err);
}

void tm__levels_done(tm_levels *table) {
    tm__mem_free(table->starts);
    tm__mem_free(table->bytes);
    tm__mem_free(table->slots);
    memset(table, 0, sizeof(*table));
}

#define MAP_CHUNK UINT64_C(16384)

typedef struct map_job {
    const tm_levels *table;
    const tm_dict *dict;
    uint32_t *out;
} map_job;

static void map_chunk(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    const map_job *job = arg;
    const uint64_t n = tm__dict_count(job->dict);
    const uint64_t end = (item + 1) * MAP_CHUNK < n ? (item + 1) * MAP_CHUNK : n;
    for (uint64_t code = item * MAP_CHUNK; code < end; code++) {
        job->out[code] = tm__levels_find(job->table, tm__dict_get(job->dict, (uint32_t)code));
    }
}

void tm__levels_map(tm_ctx *ctx, const tm_levels *table, const tm_dict *dict, uint32_t *out) {
    map_job job = {.table = table, .dict = dict, .out = out};
    const uint64_t n = tm__dict_count(dict);
    tm__pool_run(ctx == NULL ? NULL : ctx->pool, (n + MAP_CHUNK - 1) / MAP_CHUNK, map_chunk, &job);
}
