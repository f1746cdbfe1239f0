/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches as bytes: docs/formats/profile.md has the layout. What is read is not trusted. */
#include "base/hash.h"
#include "base/mem.h"
#include "table/sketch_priv.h"

#define SKETCH_MAGIC 0x4B534D54u /* "TMSK" */
#define SKETCH_VERSION 2u

/* --- blocks: magic, version, length, and a CRC around what was written behind `start` --- */

static void block_open(tm_buf *out, uint32_t magic, uint32_t version, size_t *out_start) {
    *out_start = out->len;
    (void)tm__buf_u32(out, magic);
    (void)tm__buf_u32(out, version);
    (void)tm__buf_u64(out, 0);
}

static void block_close(tm_buf *out, size_t start) {
    if (out->failed) {
        return;
    }
    const uint64_t len = out->len - start - 16;
    for (unsigned i = 0; i < 8; i++) {
        out->data[start + 8 + i] = (uint8_t)(len >> (8 * i));
    }
    (void)tm__buf_u32(out, tm__crc32c(0, out->data + start, out->len - start));
}

/* The bytes inside, checked; they stay the reader's. *io_version: the last that is read, then that
 * of the block. */
static tm_status block_read(tm_reader *in, uint32_t magic, uint32_t *io_version, tm_reader *out,
                            tm_err *err) {
    const size_t start = in->pos;
    const uint32_t found = tm__reader_u32(in);
    const uint32_t version = tm__reader_u32(in);
    const uint64_t len = tm__reader_u64(in);
    if (in->failed || found != magic) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the bytes are not a profile");
    }
    if (version == 0 || version > *io_version) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "the profile is of version %u, this release reads %u",
                       version, *io_version);
    }
    *io_version = version;
    const uint8_t *const inside = tm__reader_view(in, len, 1);
    const uint32_t crc = tm__reader_u32(in);
    if (in->failed || tm__crc32c(0, in->data + start, (size_t)len + 16) != crc) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the profile is damaged: its check sum differs");
    }
    tm__reader_init(out, inside, (size_t)len);
    return TM_OK;
}

/* --- sketches --- */

static void values_write(const tm_sketch_values *v, tm_buf *out) {
    (void)tm__buf_u64(out, v->n);
    (void)tm__buf_u8(out, (uint8_t)((v->is_int ? 1u : 0u) | (v->is_huge ? 2u : 0u)));
    (void)tm__buf_i64(out, v->int_min);
    (void)tm__buf_i64(out, v->int_max);
    (void)tm__buf_f64(out, v->min);
    (void)tm__buf_f64(out, v->max);
    tm__exact_write(&v->sum, out);
    tm__exact_write(&v->squares, out);
    tm__ranks_write(&v->ranks, out);
    tm__distinct_write(&v->distinct, out);
}

static bool values_read(tm_sketch_values *v, tm_reader *in, bool *out_memory) {
    v->n = tm__reader_u64(in);
    const uint8_t flags = tm__reader_u8(in);
    v->is_int = (flags & 1u) != 0;
    v->is_huge = (flags & 2u) != 0;
    v->int_min = tm__reader_i64(in);
    v->int_max = tm__reader_i64(in);
    v->min = tm__reader_f64(in);
    v->max = tm__reader_f64(in);
    /* NaN fails the comparison, too. */
    return !in->failed && v->n > 0 && flags < 4 && v->min <= v->max && v->max - v->max == 0 &&
           v->min - v->min == 0 && tm__exact_read(&v->sum, in) && tm__exact_read(&v->squares, in) &&
           tm__ranks_read(&v->ranks, in, out_memory) && v->ranks.n == v->n &&
           tm__distinct_read(&v->distinct, in, out_memory);
}

static void texts_write(const tm_sketch_texts *t, tm_buf *out) {
    (void)tm__buf_u64(out, t->n);
    (void)tm__buf_u64(out, t->chars);
    (void)tm__buf_u64(out, t->chars_min);
    (void)tm__buf_u64(out, t->chars_max);
    for (uint32_t i = 0; i < TM_PATTERNS; i++) {
        (void)tm__buf_u64(out, t->patterns[i]);
    }
    for (uint32_t i = 0; i < TM_PERSONALS; i++) {
        (void)tm__buf_u64(out, t->personals[i]);
    }
    tm__distinct_write(&t->distinct, out);
    tm__tops_write(&t->tops, out);
}

static bool texts_read(tm_sketch_texts *t, tm_reader *in, uint32_t version, bool *out_memory) {
    t->n = tm__reader_u64(in);
    t->chars = tm__reader_u64(in);
    t->chars_min = tm__reader_u64(in);
    t->chars_max = tm__reader_u64(in);
    for (uint32_t i = 0; i < TM_PATTERNS; i++) {
        t->patterns[i] = tm__reader_u64(in);
    }
    for (uint32_t i = 0; version >= 2 && i < TM_PERSONALS; i++) {
        t->personals[i] = tm__reader_u64(in);
    }
    return !in->failed && tm__distinct_read(&t->distinct, in, out_memory) &&
           tm__tops_read(&t->tops, in, out_memory);
}

static bool is_empty(const tm_sketch_values *v) {
    return v == NULL || v->n == 0;
}

void tm__sketch_write(const tm_sketch *s, tm_buf *out) {
    size_t start = 0;
    block_open(out, SKETCH_MAGIC, SKETCH_VERSION, &start);
    (void)tm__buf_u64(out, s->n_rows);
    (void)tm__buf_u64(out, s->n_missing);
    (void)tm__buf_u64(out, s->n_marks);
    (void)tm__buf_u64(out, s->n_ints);
    (void)tm__buf_u64(out, s->n_bools);
    (void)tm__buf_u64(out, s->n_trues);
    (void)tm__buf_u64(out, s->n_infinite_low);
    (void)tm__buf_u64(out, s->n_infinite_high);
    (void)tm__buf_u32(out, s->evidence);
    for (uint32_t i = 0; i < TM_READINGS; i++) {
        (void)tm__buf_u8(out, !is_empty(s->values[i]));
        if (!is_empty(s->values[i])) {
            values_write(s->values[i], out);
        }
    }
    texts_write(&s->texts, out);
    block_close(out, start);
}

static bool sketch_read(tm_sketch *s, tm_reader *in, uint32_t version, bool *out_memory) {
    s->n_rows = tm__reader_u64(in);
    s->n_missing = tm__reader_u64(in);
    s->n_marks = tm__reader_u64(in);
    s->n_ints = tm__reader_u64(in);
    s->n_bools = tm__reader_u64(in);
    s->n_trues = tm__reader_u64(in);
    s->n_infinite_low = tm__reader_u64(in);
    s->n_infinite_high = tm__reader_u64(in);
    s->evidence = tm__reader_u32(in);
    for (uint32_t i = 0; i < TM_READINGS; i++) {
        if (tm__reader_u8(in) == 0) {
            continue;
        }
        s->values[i] = tm__sketch_values_create();
        if (s->values[i] == NULL) {
            *out_memory = false;
            return false;
        }
        if (!values_read(s->values[i], in, out_memory)) {
            return false;
        }
    }
    return texts_read(&s->texts, in, version, out_memory) && tm__reader_is_done(in) &&
           s->n_missing <= s->n_rows && s->texts.n == s->n_rows - s->n_missing;
}

tm_status tm__sketch_read(tm_reader *in, tm_sketch **out, tm_err *err) {
    tm_reader inside;
    bool has_memory = true;
    uint32_t version = SKETCH_VERSION;
    TM_TRY(block_read(in, SKETCH_MAGIC, &version, &inside, err));
    tm_sketch *const s = tm__sketch_create();
    if (s != NULL && sketch_read(s, &inside, version, &has_memory)) {
        *out = s;
        return TM_OK;
    }
    tm__sketch_free(s);
    if (s == NULL || !has_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read a profile");
    }
    return TM_FAIL(err, TM_E_INTEGRITY, "the profile does not agree with itself");
}
