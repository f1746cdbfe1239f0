/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: magic, version, n members; version 2 (a stack): outputs and a bias for each. Then for each
 * member: its weight (version 2: one for each output), name, length, 64-byte aligned bytes of its
 * own format. A weighted mean is written as version 1, which earlier releases read.
 */
#include "model/blend/blend_priv.h"

#include "base/limits.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x444e4c42) /* "BLND" */
#define VERSION_MEAN 1u
#define VERSION_STACK 2u

tm_status tm__blend_save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_blend *self = (const tm_blend *)model;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, self->is_stack ? VERSION_STACK : VERSION_MEAN);
    tm__buf_u32(out, self->n);
    if (self->is_stack) {
        tm__buf_u32(out, model->n_outputs);
        tm__buf_f64s(out, tm__blend_bias(self), model->n_outputs);
    }
    for (uint32_t m = 0; m < self->n; m++) {
        tm_buf one;
        tm__buf_init(&one, TM_MAX_BUNDLE_BYTES);
        const tm_status st = self->members[m]->ops->save(self->members[m], &one, err);
        if (st == TM_OK) {
            tm__buf_f64s(out, tm__blend_weights(self, m), self->is_stack ? model->n_outputs : 1);
            tm__buf_str(out, tm__str(self->members[m]->ops->name));
            tm__buf_u64(out, one.len);
            tm__buf_align(out, 64);
            tm__buf_append(out, one.data, one.len);
        }
        tm__buf_done(&one);
        TM_TRY(st);
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the bytes of a blend") : TM_OK;
}

/* Weights [n_weights] of a member and its model. */
static tm_status load_member(tm_reader *reader, uint32_t n_weights, double *out_weights,
                             tm_model **out, tm_err *err) {
    char name[32];
    (void)tm__reader_f64s(reader, out_weights, n_weights);
    const tm_str text = tm__reader_str(reader);
    const uint64_t len = tm__reader_u64(reader);
    tm__reader_align(reader, 64);
    const void *data = tm__reader_view(reader, len, 1);
    if (reader->failed || !tm__str_copy(name, sizeof(name), text)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the blend ends in the middle of a member");
    }
    const tm_model_ops *ops = tm__model_find(name);
    if (!tm__blend_can_hold(ops)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the blend names a learner that is not there");
    }
    return ops->load(data, len, out, err);
}

/* What stands before the members. */
typedef struct head {
    bool is_stack;
    uint32_t n, n_outputs; /* outputs of a stack; else 1, for the one weight of a member */
    double *numbers;       /* [(n + 1) x n_outputs] weights, then the bias */
} head;

static tm_status load_head(tm_reader *reader, head *out, tm_err *err) {
    const uint32_t magic = tm__reader_u32(reader);
    const uint32_t version = tm__reader_u32(reader);
    *out = (head){.is_stack = version == VERSION_STACK, .n = tm__reader_u32(reader)};
    if (reader->failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a blend");
    }
    if (version != VERSION_MEAN && version != VERSION_STACK) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "blend has version %u, not %u or %u", version,
                       VERSION_MEAN, VERSION_STACK);
    }
    out->n_outputs = out->is_stack ? tm__reader_u32(reader) : 1;
    if (out->n == 0 || out->n > TM_MAX_BLEND || out->n_outputs == 0 ||
        out->n_outputs > TM_MAX_CLASSES) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a blend has 1 to %u members, and some outputs",
                       TM_MAX_BLEND);
    }
    out->numbers = tm__mem_zalloc((size_t)(out->n + 1) * out->n_outputs, sizeof(double));
    if (out->numbers == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a blend");
    }
    if (out->is_stack) {
        (void)tm__reader_f64s(reader, out->numbers + (size_t)out->n * out->n_outputs,
                              out->n_outputs);
    }
    return TM_OK;
}

/* Loaded members are put together like fitted ones; what does not fit was not written by save(). */
static tm_status join(const head *of, tm_model **members, tm_model **out, tm_err *err) {
    const tm_blend_counts weights = {.is_stack = of->is_stack,
                                     .weights = of->numbers,
                                     .bias = of->numbers + (size_t)of->n * of->n_outputs};
    if (of->is_stack && of->n_outputs != members[0]->n_outputs) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a stack's members have other outputs");
    }
    const tm_status st = tm__blend_join(members, &weights, of->n, out, err);
    if (err != NULL && st == TM_E_INVALID) {
        err->status = TM_E_INTEGRITY;
    }
    return st == TM_E_INVALID ? TM_E_INTEGRITY : st;
}

tm_status tm__blend_load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    tm_model *members[TM_MAX_BLEND] = {NULL};
    head of;
    uint32_t n = 0;
    tm__reader_init(&reader, data, len);
    TM_TRY(load_head(&reader, &of, err));
    tm_status st = TM_OK;
    while (st == TM_OK && n < of.n) {
        st = load_member(&reader, of.n_outputs, of.numbers + (size_t)n * of.n_outputs, &members[n],
                         err);
        n += st == TM_OK ? 1u : 0u;
    }
    if (st == TM_OK && !tm__reader_is_done(&reader)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "bytes follow the last member of a blend");
    }
    if (st == TM_OK) {
        st = join(&of, members, out_model, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__model_free(members[i]);
    }
    tm__mem_free(of.numbers);
    return st;
}
