/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a reference. What is taken gives the same bytes again and a cell for every value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

static void use(const tm_reference *self) {
    static const double outputs[2] = {0.25, NAN};
    const tm_cell values[] = {{.type = TM_TYPE_NONE},
                              {.type = TM_TYPE_INT, .i64 = 3},
                              {.type = TM_TYPE_FLOAT, .f64 = (double)NAN},
                              {.type = TM_TYPE_FLOAT, .f64 = -1e308},
                              {.type = TM_TYPE_FLOAT, .f64 = (double)INFINITY},
                              {.type = TM_TYPE_TEXT, .text = {"Kiel", 4}}};
    for (uint32_t i = 0; i < self->n_columns + (self->has_output ? 1 : 0); i++) {
        const tm_ref_column *const c = &self->columns[i];
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            must(tm__ref_cell(c, &values[k]) < c->n_cells);
        }
        if (c->kind == TM_REF_CLASSES || c->kind == TM_REF_NUMBERS) {
            must(tm__ref_output_cell(c, outputs, c->kind == TM_REF_CLASSES ? 2 : 1) < c->n_cells);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_reference *self = NULL;
    tm_err err = {0};
    if (tm__reference_load(data, len, &self, &err) != TM_OK) {
        must(err.status == TM_E_INTEGRITY || err.status == TM_E_UNSUPPORTED);
        must(err.message[0] != '\0');
        return 0;
    }
    tm_buf again;
    tm__buf_init(&again, len + 1);
    tm__reference_save(self, &again);
    must(!again.failed && again.len == len && memcmp(again.data, data, len) == 0);
    use(self);
    tm__buf_done(&again);
    tm__reference_free(self);
    return 0;
}
