/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a feature program, which the target ends with the right sum: what is taken must run
 * on a row, and save to as many bytes, which load.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "bundle_bytes.h"
#include "feature/feature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static tm_cell cell_of(tm_type type, uint32_t round) {
    switch (round == 0 ? TM_TYPE_NONE : type) {
    case TM_TYPE_BOOL:
        return (tm_cell){.type = type, .i64 = 1};
    case TM_TYPE_INT:
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return (tm_cell){.type = type, .i64 = round == 1 ? 978307200000000 : INT64_MAX};
    case TM_TYPE_FLOAT:
        return (tm_cell){.type = type, .f64 = round == 1 ? 0.5 : -1e300};
    case TM_TYPE_TEXT:
        return (tm_cell){.type = type, .text = TM_STR("b spare parts, 12 pieces")};
    default:
        return (tm_cell){.type = TM_TYPE_NONE};
    }
}

static void run(const tm_program *program) {
    const tm_schema *schema = tm__program_schema(program);
    tm_row_scratch *scratch = tm__row_scratch_create(program);
    tm_cell *cells = tm__mem_zalloc(schema->n_cols > 0 ? schema->n_cols : 1, sizeof(tm_cell));
    for (uint32_t round = 0; scratch != NULL && cells != NULL && round < 3; round++) {
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            cells[i] = cell_of(schema->cols[i].type, round);
        }
        (void)tm__program_apply_row(program, scratch, cells);
    }
    tm__mem_free(cells);
    tm__row_scratch_free(scratch);
    json_decref(tm__program_to_json(program));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_program *program = NULL;
    tm_program *again = NULL;
    tm_err err = {0};
    tm_buf bytes, saved;
    tm__buf_init(&bytes, len + 4);
    tm__buf_init(&saved, 256u << 20);
    if (!tm__buf_append(&bytes, data, len) || !tm__buf_u32(&bytes, 0)) {
        abort();
    }
    bundle_bytes_mend_program(bytes.data, bytes.len);
    if (tm__program_load(bytes.data, bytes.len, &program, &err) == TM_OK) {
        run(program);
        if (tm__program_save(program, &saved, &err) != TM_OK || saved.len != bytes.len ||
            tm__program_load(saved.data, saved.len, &again, &err) != TM_OK) {
            abort();
        }
    }
    tm__program_free(again);
    tm__program_free(program);
    tm__buf_done(&bytes);
    tm__buf_done(&saved);
    return 0;
}
