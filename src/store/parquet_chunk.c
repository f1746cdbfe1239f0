/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column of a row group:
 *
 *     [dictionary page]  page  [page ...]        page = header | zstd(levels | values)
 *
 * - Levels say which rows are missing; the values are those of the others.
 * - Few distinct values: a dictionary, and a place in it for each row, packed in bits.
 * - Other floats: their first bytes, then their second bytes, ... (BYTE_STREAM_SPLIT), or as they
 *   are, whichever makes less of some of them. Signs and exponents that stand together compress, in
 *   half of the time; numbers of few digits are the same as others before, which is then lost.
 * - Other numbers and texts: as they are. A page of texts ends when it is large.
 */
#include "store/parquet_chunk.h"

#include <math.h>
#include <string.h>
#include <zstd.h>

#include "base/le.h"
#include "base/mem.h"
#include "store/parquet_values.h"

#define LEVEL 1         /* of zstd */
#define WORDS_MAX 4096u /* distinct values of a dictionary */
#define SLOTS 16384u    /* of their table, a power of two */
#define SLOT_SHIFT 50u  /* 64 less its bits */
#define SAMPLE 16384u   /* floats by which their encoding is chosen */
#define PAGE_BYTES (4u << 20)
#define RANGE_BYTES 64u /* a longer text is no bound that is worth its place */

enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_DICTIONARY = 8, ENCODING_SPLIT = 9 };
enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum { CODEC_ZSTD = 6 };

typedef struct packing {
    tm_parquet_chunk *chunk;
    uint64_t *values; /* [n] of the rows that are not missing: ints, bits of floats, codes */
    uint32_t *places; /* [n] of each in words */
    uint64_t *words;  /* [n_words] distinct values as they came; n_words 0: no dictionary */
    uint32_t *slots;  /* [SLOTS] 1 + place of a word, 0: free */
    uint64_t n;
    uint32_t n_words;
    tm_buf raw; /* of a page */
    ZSTD_CCtx *zstd;
} packing;

/* Values of a page: rows, and those of them that are not missing. */
typedef struct page {
    tm_row_span rows;
    uint64_t first, n;
} page;

/* --- values --- */

static uint64_t value_at(const tm_column *column, uint64_t row) {
    uint64_t bits = 0;
    if (column->floats != NULL) {
        memcpy(&bits, &column->floats[row], sizeof(bits));
        return bits;
    }
    return column->ints != NULL ? (uint64_t)column->ints[row] : column->codes[row];
}

static void gather(packing *p) {
    const tm_column *const column = p->chunk->column;
    const tm_row_span rows = p->chunk->rows;
    if (column->n_missing == 0 && column->codes == NULL) {
        p->n = rows.end - rows.begin;
        memcpy(p->values,
               column->floats != NULL ? (const void *)(column->floats + rows.begin)
                                      : (const void *)(column->ints + rows.begin),
               p->n * sizeof(*p->values));
        return;
    }
    for (uint64_t row = rows.begin; row < rows.end; row++) {
        if (column->n_missing == 0 || !tm__column_is_missing(column, row)) {
            p->values[p->n++] = value_at(column, row);
        }
    }
    p->chunk->n_missing = rows.end - rows.begin - p->n;
}

/* Distinct values and the place of each; false when they are more than a dictionary is worth. */
static bool find_words(packing *p) {
    const uint64_t most = p->n / 2 < WORDS_MAX ? p->n / 2 : WORDS_MAX;
    for (uint64_t i = 0; i < p->n; i++) {
        const uint64_t value = p->values[i];
        uint64_t slot = (value * UINT64_C(0x9e3779b97f4a7c15)) >> SLOT_SHIFT;
        while (p->slots[slot] != 0 && p->words[p->slots[slot] - 1] != value) {
            slot = (slot + 1) % SLOTS;
        }
        if (p->slots[slot] == 0) {
            if (p->n_words == most) {
                p->n_words = 0;
                return false;
            }
            p->words[p->n_words++] = value;
            p->slots[slot] = p->n_words;
        }
        p->places[i] = p->slots[slot] - 1;
    }
    return p->n_words > 0;
}

static void range_of_floats(const uint64_t *values, uint64_t n, uint64_t *least, uint64_t *most) {
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < n; i++) {
        double x = 0;
        memcpy(&x, &values[i], sizeof(x));
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    memcpy(least, &low, sizeof(low));
    memcpy(most, &high, sizeof(high));
}

/* Whether a comes before b, of ints and texts. */
static bool is_less(const tm_column *column, uint64_t a, uint64_t b) {
    if (column->ints != NULL) {
        return (int64_t)a < (int64_t)b;
    }
    const tm_str x = tm__parquet_text(column, a), y = tm__parquet_text(column, b);
    const int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order < 0 : x.len < y.len;
}

/* A zero is a bound for both of them: -0 below, 0 above. */
static uint64_t bound(const tm_column *column, uint64_t value, bool is_least) {
    const uint64_t sign = UINT64_C(1) << 63;
    const bool is_zero = column->floats != NULL && (value & ~sign) == 0;
    return !is_zero ? value : is_least ? sign : 0;
}

static void find_range(packing *p) {
    const tm_column *const column = p->chunk->column;
    const uint64_t *const values = p->n_words > 0 ? p->words : p->values;
    const uint64_t n = p->n_words > 0 ? p->n_words : p->n;
    uint64_t least = n > 0 ? values[0] : 0, most = least;
    if (column->floats != NULL) {
        range_of_floats(values, n, &least, &most);
    } else {
        for (uint64_t i = 1; i < n; i++) {
            least = is_less(column, values[i], least) ? values[i] : least;
            most = is_less(column, most, values[i]) ? values[i] : most;
        }
    }
    p->chunk->has_range =
        n > 0 && (column->codes == NULL || (tm__parquet_text(column, least).len <= RANGE_BYTES &&
                                            tm__parquet_text(column, most).len <= RANGE_BYTES));
    if (p->chunk->has_range) {
        least = bound(column, least, true);
        most = bound(column, most, false);
        tm__parquet_put_plain(column, &p->chunk->least, &least, 1);
        tm__parquet_put_plain(column, &p->chunk->most, &most, 1);
    }
}

/* --- pages --- */

static void put_levels(packing *p, tm_row_span rows) {
    const uint64_t n = rows.end - rows.begin;
    const size_t start = p->raw.len;
    (void)tm__buf_u32(&p->raw, 0);
    if (p->chunk->n_missing == 0) { /* one run of ones */
        tm__thrift_varint(&p->raw, n << 1);
        (void)tm__buf_byte(&p->raw, 1);
    } else {
        tm__thrift_varint(&p->raw, (n + 7) / 8 << 1 | 1);
        for (uint64_t row = rows.begin; row < rows.end; row += 8) {
            uint8_t byte = 0;
            for (uint64_t k = row; k < rows.end && k < row + 8; k++) {
                byte = (uint8_t)(byte | !tm__column_is_missing(p->chunk->column, k) << (k - row));
            }
            (void)tm__buf_byte(&p->raw, byte);
        }
    }
    if (!p->raw.failed) {
        tm__le_put_u32(p->raw.data + start, (uint32_t)(p->raw.len - start - sizeof(uint32_t)));
    }
}

static uint32_t width_of(uint32_t n_words) {
    uint32_t width = 1;
    while (n_words > UINT32_C(1) << width) {
        width++;
    }
    return width;
}

static void put_values(packing *p, const page *at) {
    const uint64_t *const values = p->values + at->first;
    if (p->chunk->encoding == ENCODING_DICTIONARY) {
        const uint32_t width = width_of(p->n_words);
        (void)tm__buf_byte(&p->raw, (uint8_t)width);
        tm__thrift_varint(&p->raw, (at->n + 7) / 8 << 1 | 1);
        tm__parquet_put_bits(&p->raw, p->places + at->first, at->n, width);
    } else if (p->chunk->encoding == ENCODING_SPLIT) {
        tm__parquet_put_split(&p->raw, values, at->n);
    } else {
        tm__parquet_put_plain(p->chunk->column, &p->raw, values, at->n);
    }
}

/* Compress and reset `raw`, into room that the caller frees; SIZE_MAX: no memory. */
static size_t compress(packing *p, uint8_t **out) {
    const size_t most = ZSTD_compressBound(p->raw.len);
    *out = p->raw.failed ? NULL : tm__mem_alloc(most, 1);
    const size_t packed =
        *out == NULL ? 0 : ZSTD_compressCCtx(p->zstd, *out, most, p->raw.data, p->raw.len, LEVEL);
    tm__buf_reset(&p->raw);
    return *out == NULL || ZSTD_isError(packed) ? SIZE_MAX : packed;
}

static size_t try_packing(packing *p) {
    uint8_t *room = NULL;
    const size_t packed = compress(p, &room);
    tm__mem_free(room);
    return packed;
}

static tm_status choose_split(packing *p) {
    const uint64_t n = p->n < SAMPLE ? p->n : SAMPLE;
    tm__parquet_put_split(&p->raw, p->values, n);
    const size_t split = try_packing(p);
    tm__parquet_put_numbers(&p->raw, p->values, n);
    const size_t plain = try_packing(p);
    if (split == SIZE_MAX || plain == SIZE_MAX) {
        return TM_E_NOMEM;
    }
    p->chunk->encoding = split <= plain ? ENCODING_SPLIT : ENCODING_PLAIN;
    return TM_OK;
}

static void put_header(packing *p, int32_t kind, uint64_t n, size_t raw, size_t packed) {
    tm_thrift head = {.out = &p->chunk->bytes};
    tm__thrift_i32(&head, 1, kind);
    tm__thrift_i32(&head, 2, (int32_t)raw);
    tm__thrift_i32(&head, 3, (int32_t)packed);
    tm_thrift of = tm__thrift_struct(&head, kind == PAGE_DATA ? 5 : 7);
    tm__thrift_i32(&of, 1, (int32_t)n);
    tm__thrift_i32(&of, 2, kind == PAGE_DATA ? p->chunk->encoding : ENCODING_PLAIN);
    if (kind == PAGE_DATA) {
        tm__thrift_i32(&of, 3, ENCODING_RLE);
        tm__thrift_i32(&of, 4, ENCODING_RLE);
    }
    tm__thrift_end(&of);
    tm__thrift_end(&head);
}

/* Compress what is in `raw` as one page of n values. */
static tm_status put_page(packing *p, int32_t kind, uint64_t n) {
    tm_buf *const out = &p->chunk->bytes;
    const size_t start = out->len, raw = p->raw.len;
    uint8_t *room = NULL;
    TM_TRY(tm__buf_status(&p->raw));
    const size_t packed = compress(p, &room);
    if (packed != SIZE_MAX) {
        put_header(p, kind, n, raw, packed);
        p->chunk->raw_bytes += out->len - start + raw;
        (void)tm__buf_append(out, room, packed);
    }
    tm__mem_free(room);
    return packed == SIZE_MAX ? TM_E_NOMEM : tm__buf_status(out);
}

/* The rows of the next page: all, but of texts that stand for themselves. */
static void next_page(const packing *p, page *at) {
    const tm_column *const column = p->chunk->column;
    const bool is_text = column->codes != NULL && p->n_words == 0;
    size_t bytes = 0;
    at->first += at->n;
    at->n = 0;
    at->rows.begin = at->rows.end;
    while (at->rows.end < p->chunk->rows.end && bytes < PAGE_BYTES) {
        if (column->n_missing == 0 || !tm__column_is_missing(column, at->rows.end)) {
            bytes += is_text ? tm__parquet_text(column, p->values[at->first + at->n]).len : 0;
            at->n++;
        }
        at->rows.end++;
    }
}

static tm_status put_pages(packing *p) {
    page at = {.rows = {p->chunk->rows.begin, p->chunk->rows.begin}};
    if (p->n_words > 0) {
        tm__parquet_put_plain(p->chunk->column, &p->raw, p->words, p->n_words);
        TM_TRY(put_page(p, PAGE_DICTIONARY, p->n_words));
        p->chunk->data_at = p->chunk->bytes.len;
    }
    while (at.rows.end < p->chunk->rows.end) {
        next_page(p, &at);
        put_levels(p, at.rows);
        put_values(p, &at);
        TM_TRY(put_page(p, PAGE_DATA, at.rows.end - at.rows.begin));
    }
    return TM_OK;
}

static tm_status make(packing *p) {
    const uint64_t n_rows = p->chunk->rows.end - p->chunk->rows.begin;
    p->values = tm__mem_alloc(n_rows, sizeof(*p->values));
    p->places = tm__mem_alloc(n_rows, sizeof(*p->places));
    p->words = tm__mem_alloc(WORDS_MAX, sizeof(*p->words));
    p->slots = tm__mem_zalloc(SLOTS, sizeof(*p->slots));
    p->zstd = ZSTD_createCCtx();
    if (p->values == NULL || p->places == NULL || p->words == NULL || p->slots == NULL ||
        p->zstd == NULL) {
        return TM_E_NOMEM;
    }
    gather(p);
    if (p->chunk->column->type != TM_TYPE_BOOL && find_words(p)) {
        p->chunk->encoding = ENCODING_DICTIONARY;
    } else if (p->chunk->column->floats != NULL && p->n > 0) {
        TM_TRY(choose_split(p));
    }
    find_range(p);
    return put_pages(p);
}

void tm__parquet_chunk_make(tm_parquet_chunk *chunk) {
    packing p = {.chunk = chunk};
    tm__buf_init(&chunk->bytes, SIZE_MAX / 2);
    tm__buf_init(&chunk->least, SIZE_MAX / 2);
    tm__buf_init(&chunk->most, SIZE_MAX / 2);
    tm__buf_init(&p.raw, INT32_MAX);
    chunk->encoding = ENCODING_PLAIN;
    chunk->status = make(&p);
    tm__mem_free(p.values);
    tm__mem_free(p.places);
    tm__mem_free(p.words);
    tm__mem_free(p.slots);
    (void)ZSTD_freeCCtx(p.zstd);
    tm__buf_done(&p.raw);
}

/* --- the footer's part --- */

/* A bound as the footer has it: PLAIN, but a text without its length. */
static void put_bound(const tm_parquet_chunk *chunk, tm_thrift *range, int32_t id) {
    const tm_buf *const of = id == 5 ? &chunk->most : &chunk->least;
    const size_t skip = chunk->column->codes != NULL ? sizeof(uint32_t) : 0;
    tm__thrift_str(range, id, (tm_str){(const char *)of->data + skip, of->len - skip});
}

static void put_statistics(const tm_parquet_chunk *chunk, tm_thrift *meta) {
    tm_thrift range = tm__thrift_struct(meta, 12);
    tm__thrift_i64(&range, 3, (int64_t)chunk->n_missing);
    if (chunk->has_range) {
        put_bound(chunk, &range, 5);
        put_bound(chunk, &range, 6);
    }
    tm__thrift_end(&range);
}

void tm__parquet_chunk_describe(const tm_parquet_chunk *chunk, int64_t place, tm_buf *out) {
    const bool has_words = chunk->data_at > 0;
    tm_thrift of = {.out = out};
    tm__thrift_i64(&of, 2, place);
    tm_thrift meta = tm__thrift_struct(&of, 3);
    tm__thrift_i32(&meta, 1, tm__parquet_type(chunk->column->type));
    tm__thrift_list(&meta, 2, TM_THRIFT_I32, has_words ? 3 : 2);
    tm__thrift_number(out, ENCODING_RLE);
    tm__thrift_number(out, chunk->encoding);
    if (has_words) {
        tm__thrift_number(out, ENCODING_PLAIN);
    }
    tm__thrift_list(&meta, 3, TM_THRIFT_BINARY, 1);
    tm__thrift_text(out, tm__str(chunk->column->name));
    tm__thrift_i32(&meta, 4, CODEC_ZSTD);
    tm__thrift_i64(&meta, 5, (int64_t)(chunk->rows.end - chunk->rows.begin));
    tm__thrift_i64(&meta, 6, (int64_t)chunk->raw_bytes);
    tm__thrift_i64(&meta, 7, (int64_t)chunk->bytes.len);
    tm__thrift_i64(&meta, 9, place + (int64_t)chunk->data_at);
    if (has_words) {
        tm__thrift_i64(&meta, 11, place);
    }
    put_statistics(chunk, &meta);
    tm__thrift_end(&meta);
    tm__thrift_end(&of);
}

void tm__parquet_chunk_done(tm_parquet_chunk *chunk) {
    tm__buf_done(&chunk->bytes);
    tm__buf_done(&chunk->least);
    tm__buf_done(&chunk->most);
}
