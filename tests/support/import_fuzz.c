/* SPDX-License-Identifier: Apache-2.0 */
#include "import_fuzz.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/imported/import.h"

/* Rows of nothing, of numbers and of texts. */
static void predict(const tm_import *import) {
    static const double numbers[] = {0, 1, -1.5, 1e300, -1e-40};
    const tm_schema *schema = tm__program_schema(import->program);
    tm_row_scratch *scratch = tm__row_scratch_create(import->program);
    tm_cell *cells = tm__mem_zalloc(schema->n_cols, sizeof(tm_cell));
    double out[TM_MAX_CLASSES];
    for (uint32_t round = 0; scratch != NULL && cells != NULL && round < 6; round++) {
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            cells[c] = round == 0 ? (tm_cell){.type = TM_TYPE_NONE}
                       : schema->cols[c].type == TM_TYPE_TEXT
                           ? (tm_cell){.type = TM_TYPE_TEXT, .text = TM_STR("1")}
                           : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = numbers[(c + round) % 5]};
        }
        tm__model_predict_row(import->model, tm__program_apply_row(import->program, scratch, cells),
                              out);
        tm__model_link(tm__model_link_of(import->model), import->model->n_outputs, 1, out);
        for (uint32_t k = 0; k < import->model->n_outputs; k++) {
            if (!isfinite(out[k])) {
                abort();
            }
        }
    }
    tm__mem_free(cells);
    tm__row_scratch_free(scratch);
}

static void save_and_load(const tm_import *import) {
    tm_model *again = NULL;
    tm_buf bytes;
    tm__buf_init(&bytes, 256u << 20);
    if (import->model->ops->save(import->model, &bytes, NULL) == TM_OK &&
        import->model->ops->load(bytes.data, bytes.len, &again, NULL) == TM_E_INTEGRITY) {
        abort();
    }
    tm__model_free(again);
    tm__buf_done(&bytes);
}

void import_fuzz(const uint8_t *data, size_t len) {
    static const tm_import_options options = {0};
    tm_import import = {0};
    tm_err err = {0};
    tm_buf bytes;
    tm__buf_init(&bytes, len + 1);
    if (tm__buf_append(&bytes, data, len) &&
        tm__import_read(&bytes, &options, &import, &err) == TM_OK) {
        predict(&import);
        save_and_load(&import);
    } else if (err.message[0] == '\0' && len > 0) {
        abort();
    }
    tm__import_done(&import);
    tm__buf_done(&bytes);
}
