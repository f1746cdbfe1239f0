/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "cli/module_check.h"
#include "made_module.h"
#include "model/model.h"

static made_module made;
static const tm_user_module *module;

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "mean");
    module = made_module_add(&made, 1);
    return tm__model_add(module, NULL) == TM_OK ? 0 : 1;
}

/* Runs all checks; the name of the first that fails holds `wants`, or none does (NULL). */
static void check(const char *wants) {
    const tm_module_trial *trials = tm__module_learner_trials();
    const tm_module_try with = {
        .module = module, .rows = tm__module_sample_create(120), .pool = tm__pool_create(3)};
    const char *failed = NULL;
    tm_err err = {0};
    for (uint32_t i = 0; trials[i].name != NULL && failed == NULL; i++) {
        failed = trials[i].run(&with, &err) == TM_OK ? NULL : trials[i].name;
    }
    if (wants == NULL ? failed != NULL : failed == NULL || strstr(failed, wants) == NULL) {
        fail_msg("%s: %s", failed == NULL ? "nothing failed" : failed, err.message);
    }
    tm__pool_free(with.pool);
    tm__module_sample_free(with.rows);
}

static tm_module_learner good;

static void odd_rows_predict(const tm_module_host *host, const void *model,
                             const tm_module_rows *rows, double *out) {
    good.predict(host, model, rows, out);
    for (uint64_t i = 0; i < rows->n_rows; i++) {
        if (rows->cols[0][i] > 1e200) {
            out[0] = (double)INFINITY;
        }
    }
}

static void batch_predict(const tm_module_host *host, const void *model, const tm_module_rows *rows,
                          double *out) {
    good.predict(host, model, rows, out);
    out[0] += (double)(rows->n_rows - 1);
}

static int32_t thread_fit(const tm_module_call *call, const tm_module_fit *in, void **out) {
    const int32_t status = good.fit(call, in, out);
    if (status == TM_MODULE_OK && call->n_threads > 1) {
        ((double *)*out)[1] += 1;
    }
    return status;
}

static int32_t deaf_fit(const tm_module_call *call, const tm_module_fit *in, void **out) {
    int32_t status = good.fit(call, in, out);
    if (status == TM_MODULE_E_CANCELLED) {
        status = call->refuse(call->self, TM_MODULE_E_DATA, "went on");
    }
    return status;
}

static int32_t fussy_fit(const tm_module_call *call, const tm_module_fit *in, void **out) {
    return in->rows.n_rows == 1 ? call->refuse(call->self, TM_MODULE_E_INVALID, "one row")
                                : good.fit(call, in, out);
}

static int32_t range_fit(const tm_module_call *call, const tm_module_fit *in, void **out) {
    return in->params[0] == 2 ? TM_MODULE_E_UNAVAILABLE : good.fit(call, in, out);
}

static int32_t lavish_fit(const tm_module_call *call, const tm_module_fit *in, void **out) {
    void *more = call->host->alloc(10);
    const int32_t status = more == NULL ? TM_MODULE_E_NOMEM : good.fit(call, in, out);
    if (status == TM_MODULE_OK) {
        call->host->free(more);
    }
    return status;
}

static int32_t easy_load(const tm_module_call *call, const void *data, size_t len,
                         const tm_module_shape *shape, void **out) {
    double bytes[4] = {0};
    if (len == 0) {
        return TM_MODULE_E_DAMAGED;
    }
    memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
    return good.load(call, bytes, 8 + (size_t)shape->n_outputs * 8, shape, out);
}

static int32_t trusting_load(const tm_module_call *call, const void *data, size_t len,
                             const tm_module_shape *shape, void **out) {
    const int32_t status = good.load(call, data, len, shape, out);
    if (status != TM_MODULE_E_DAMAGED || len != 8 + (size_t)shape->n_outputs * 8) {
        return status;
    }
    double bytes[4];
    memcpy(bytes, data, len);
    memset(bytes + 1, 0xff, 8); /* NaN */
    *out = call->host->alloc(len);
    if (*out == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    const uint32_t head[2] = {shape->n_outputs, 0};
    memcpy(bytes, head, 8);
    memcpy(*out, bytes, len);
    return TM_MODULE_OK;
}

static int32_t half_save(const tm_module_call *call, const void *model) {
    const int32_t status = good.save(call, model);
    return status != TM_MODULE_OK ? status : call->write(call->self, "x", 1);
}

static void a_learner_that_keeps_all_rules_passes(void **state) {
    (void)state;
    check(NULL);
}

static void each_rule_that_is_broken_is_found(void **state) {
    (void)state;
    good = made.learner;
    made.learner.predict = odd_rows_predict;
    check("row alone");
    made.learner.predict = batch_predict;
    check("row alone");
    made.learner = good;
    made.learner.fit = thread_fit;
    check("with one thread and with several");
    made.learner.fit = deaf_fit;
    check("stops when it is told");
    made.learner.fit = fussy_fit;
    check("one row");
    made.learner.fit = range_fit;
    check("parameters work");
    made.learner.fit = lavish_fit;
    check("lack of memory");
    made.learner = good;
    made.learner.save = half_save;
    check("saved and loaded");
    made.learner = good;
    made.learner.load = easy_load;
    check("cut short");
    made.learner.load = trusting_load;
    check("changed bytes");
    made.learner = good;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learner_that_keeps_all_rules_passes),
        cmocka_unit_test(each_rule_that_is_broken_is_found),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
