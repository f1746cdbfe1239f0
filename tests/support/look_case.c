/* SPDX-License-Identifier: Apache-2.0 */
#include "look_case.h"

#include "base/fmath.h"
#include "base/mem.h"
#include "bundle_maker.h"
#include "test.h"

tm_bundle *look_case_bundle(tm_task task) {
    const tm_bundle_plan plan = {.learner = "baseline", .task = task};
    tm_bundle *bundle = NULL;
    tm_buf bytes;
    tm__buf_init(&bytes, (size_t)1 << 24);
    bundle_maker_make(&plan, &bytes, NULL);
    assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundle, NULL), TM_OK);
    tm__buf_done(&bytes);
    return bundle;
}

tm_look look_case_make(tm_task task, tm_table *table, double *y, double *pred, uint64_t n) {
    static const tm_ctx none;
    tm_look look = {.ctx = (tm_ctx *)(uintptr_t)&none,
                    .bundle = look_case_bundle(task),
                    .table = table,
                    .rows = tm__mem_alloc(n, sizeof(uint32_t)),
                    .y = y,
                    .pred = pred,
                    .unit = "rows",
                    .n = n,
                    .n_units = n,
                    .task = task,
                    .threshold = 0.5,
                    .metric = tm__metric_find(tm__metric_default(task)),
                    .seed = 3};
    look.n_classes = tm__bundle_classes(look.bundle);
    look.n_outputs = tm__bundle_outputs(look.bundle);
    assert_non_null(look.rows);
    for (uint64_t i = 0; i < n; i++) {
        look.rows[i] = (uint32_t)i;
    }
    return look;
}

void look_case_done(tm_look *look) {
    tm__bundle_unref((tm_bundle *)(uintptr_t)look->bundle);
    tm__mem_free(look->rows);
}

double look_case_at(const json_t *object, const char *name, size_t i) {
    const json_t *value = json_array_get(json_object_get(object, name), i);
    return json_is_number(value) ? json_number_value(value) : tm__nan();
}
