/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a model file. Nothing is read past its end, a refusal says why, and what is taken
 * answers: finite numbers, the same ones for the same row alone and in a table, and it says the
 * same again.
 *
 * The first byte says how the rest is meant:
 *   0   a file as it is, then the same with its sums put right;
 *   else  parts of a file whose sums are right: byte 1 names the learner, then three u16 lengths
 *       (info, program without its sum, notes), their bytes, and the model's bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bundle_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

static tm_cell cell_of(tm_type type, uint32_t round) {
    switch (round == 0 ? TM_TYPE_NONE : type) {
    case TM_TYPE_BOOL:
        return (tm_cell){.type = type, .i64 = round % 2};
    case TM_TYPE_INT:
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return (tm_cell){.type = type, .i64 = round == 1 ? 978307200000000 : INT64_MAX};
    case TM_TYPE_FLOAT:
        return (tm_cell){.type = type, .f64 = round == 1 ? 0.5 : -1e300};
    case TM_TYPE_TEXT:
        return (tm_cell){.type = type,
                         .text = round == 1 ? TM_STR("red") : TM_STR("red Blue red, 12 blue")};
    default:
        return (tm_cell){.type = TM_TYPE_NONE};
    }
}

static void answer(const tm_bundle *bundle) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    const uint32_t n = tm__bundle_outputs(bundle);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm_cell *cells = tm__mem_zalloc(schema->n_cols, sizeof(*cells));
    double *out = tm__mem_alloc(2 * (size_t)n, sizeof(*out));
    double *parts = tm__mem_alloc(schema->n_cols, sizeof(*parts));
    must(scratch != NULL && cells != NULL && out != NULL && parts != NULL);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            cells[i] = cell_of(schema->cols[i].type, round == 3 ? i % 3 : round);
        }
        tm__bundle_predict_row(bundle, scratch, cells, out);
        tm__bundle_predict_row(bundle, scratch, cells, out + n);
        must(memcmp(out, out + n, n * sizeof(*out)) == 0);
        for (uint32_t k = 0; k < n; k++) {
            must(isfinite(out[k]));
            must(tm__bundle_task(bundle) > TM_TASK_MULTICLASS || (out[k] >= 0 && out[k] <= 1));
        }
        must(tm__bundle_decide(bundle, out) <= tm__bundle_classes(bundle));
        double base = 0, raw = 0;
        if (tm__bundle_explain_row(bundle, scratch, cells, 0, parts, &base, &raw, NULL) == TM_OK) {
            must(!isnan(raw));
        }
    }
    tm__mem_free(parts);
    tm__mem_free(out);
    tm__mem_free(cells);
    tm__bundle_scratch_free(scratch);
}

static void load(const uint8_t *data, size_t len) {
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    if (tm__bundle_load(data, len, &bundle, &err) != TM_OK) {
        must(err.message[0] != '\0' && tm__str_is_utf8(tm__str(err.message)));
        must(err.status == TM_E_INTEGRITY || err.status == TM_E_UNSUPPORTED);
        return;
    }
    tm_buf again;
    tm_hash hash;
    const tm_bundle_parts parts = {.program = tm__bundle_program(bundle),
                                   .model = tm__bundle_model(bundle),
                                   .calibration = tm__bundle_calibration(bundle),
                                   .conformal = tm__bundle_conformal(bundle),
                                   .info = tm__bundle_info(bundle),
                                   .notes = tm__bundle_notes(bundle),
                                   .reference = tm__bundle_reference(bundle)};
    tm__buf_init(&again, 1u << 24);
    must(tm__bundle_write(&parts, &again, &hash, &err) == TM_OK);
    answer(bundle);
    json_decref(tm__program_to_json(tm__bundle_program(bundle)));
    json_decref(tm__bundle_model(bundle)->ops->describe(tm__bundle_model(bundle)));
    tm__buf_done(&again);
    tm__bundle_unref(bundle);
}

static uint8_t *append(tm_buf *buf, const void *data, size_t len) {
    must(tm__buf_append(buf, data, len));
    return buf->data + buf->len - len;
}

/* A file of parts, each with the length that it says as far as there are bytes. */
static void load_parts(const uint8_t *data, size_t len) {
    static const char names[5][64] = {"gbdt", "linear", "baseline", "blend", "offset"};
    static const uint8_t no_sum[4];
    static tm_buf program, model, file; /* kept from one input to the next */
    tm_bytes sections[TM_SECTION_END] = {{NULL, 0}};
    size_t sizes[3], at = 8;
    if (len < at) {
        return;
    }
    if (file.size_max == 0) {
        tm__buf_init(&program, 1u << 20);
        tm__buf_init(&model, 1u << 20);
        tm__buf_init(&file, 1u << 20);
    }
    tm__buf_reset(&program);
    tm__buf_reset(&model);
    tm__buf_reset(&file);
    for (size_t i = 0; i < 3; i++) {
        sizes[i] = (size_t)data[2 + 2 * i] | (size_t)data[3 + 2 * i] << 8;
        sizes[i] = sizes[i] < len - at ? sizes[i] : len - at;
        at += sizes[i];
    }
    const uint8_t *info = data + 8, *notes = info + sizes[0] + sizes[1];
    sections[TM_SECTION_INFO] = (tm_bytes){info, sizes[0]};
    (void)append(&program, info + sizes[0], sizes[1]);
    (void)append(&program, no_sum, sizeof(no_sum));
    sections[TM_SECTION_PROGRAM] = (tm_bytes){program.data, program.len};
    if (sizes[2] > 0) {
        sections[TM_SECTION_NOTES] = (tm_bytes){notes, sizes[2]};
    }
    (void)append(&model, names[data[1] == UINT8_MAX ? 4 : data[1] % 4], sizeof(names[0]));
    (void)append(&model, data + at, len - at);
    sections[TM_SECTION_MODEL] = (tm_bytes){model.data, model.len};
    must(bundle_bytes_pack(sections, &file));
    load(file.data, file.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0) {
        return 0;
    }
    if (data[0] != 0) {
        load_parts(data, len);
        return 0;
    }
    load(data + 1, len - 1);
    uint8_t *copy = tm__mem_alloc(len, 1);
    must(copy != NULL);
    memcpy(copy, data + 1, len - 1);
    bundle_bytes_mend(copy, len - 1);
    load(copy, len - 1);
    tm__mem_free(copy);
    return 0;
}
