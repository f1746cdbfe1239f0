/* SPDX-License-Identifier: Apache-2.0 */
#include "drift_case.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

enum { ROWS = 4000 };

uint32_t drift_case_column(const drift_case *c, const char *name) {
    const uint32_t at = tm__schema_find(tm__bundle_schema(c->bundle), tm__str(name));
    assert_true(at != UINT32_MAX);
    return at;
}

void drift_case_open(drift_case *c, uint64_t seed) {
    *c = (drift_case){.rng = tm__rng_split(seed, "drift case", 0)};
    c->data = bundle_data_create(ROWS, TM_TASK_BINARY, "baseline");
    tm_reference *const r = c->data->reference;
    for (uint32_t i = 0; i < r->n_columns; i++) {
        r->columns[i].importance = 0.01;
    }
    tm_schema *const inputs = (tm_schema *)(uintptr_t)tm__program_schema(c->data->program);
    r->columns[tm__schema_find(inputs, tm__str("age"))].importance = 0.8;
    c->bundle = bundle_data_open(c->data);
    c->plan = tm__cells_plan_create(tm__bundle_reference(c->bundle));
    c->cells = tm__cells_create(c->plan);
    assert_true(tm__counts_init(&c->counts, c->plan));
}

void drift_case_close(drift_case *c) {
    tm__counts_done(&c->counts);
    tm__cells_free(c->cells);
    tm__cells_plan_free(c->plan);
    tm__bundle_unref(c->bundle);
    bundle_data_free(c->data);
}

void drift_case_rows(drift_case *c, uint32_t n, double moved) {
    tm_cell row[16];
    const double answer = 0.125;
    const uint32_t age = drift_case_column(c, "age");
    tm__cells_free(c->cells);
    c->cells = tm__cells_create(c->plan);
    for (uint32_t i = 0; i < n; i++) {
        bundle_data_cells(c->data, tm__rng_below(&c->rng, ROWS), row);
        row[age].f64 += row[age].type == TM_TYPE_FLOAT ? moved : 0;
        tm__cells_add(c->cells, row, &answer, 1);
    }
    tm__counts_reset(&c->counts);
    tm__cells_read(c->cells, &c->counts);
}
