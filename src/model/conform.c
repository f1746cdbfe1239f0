/* SPDX-License-Identifier: Apache-2.0 */
#include "model/conform.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/conform_priv.h"

typedef struct conform_check {
    const char *name;
    bool (*run)(tm_conform *c);
} conform_check;

static const conform_check checks[] = {
    {"parameters have defaults in their ranges, and words", tm__conform_parameters},
    {"a fit has the shape of its input and finite answers", tm__conform_shape},
    {"what columns tell is learned", tm__conform_learns},
    {"a saved model loads to the same bytes and answers", tm__conform_saved},
    {"the same bytes for any number of threads", tm__conform_threads},
    {"a row alone has the bits of a batch", tm__conform_alone},
    {"an explanation sums to the raw score", tm__conform_explained},
    {"importances are shares", tm__conform_shares},
    {"a shuffled target is chance", tm__conform_chance},
    {"weights count as rows", tm__conform_weights},
    {"a constant target is answered with it", tm__conform_constant},
    {"one row or one column is enough, or is refused by name", tm__conform_few},
    {"rows without a cell have answers", tm__conform_gaps},
    {"infinite numbers have answers", tm__conform_infinite},
    {"a thousand categories have answers", tm__conform_levels},
    {"text terms do no harm", tm__conform_terms},
    {"a cancelled fit ends wherever it is", tm__conform_cancelled},
    {"a spent budget leaves a model, the same each time", tm__conform_budget},
    {"a fit keeps to the memory that it asks for", tm__conform_memory},
    {"running out of memory leaves nothing behind", tm__conform_allocations},
    {"damaged bytes are refused or harmless", tm__conform_damage},
};

_Static_assert(sizeof(checks) / sizeof(checks[0]) <= TM_CONFORM_MAX, "results have room");

bool tm__conform_broken(tm_conform *c, const char *format, ...) {
    static const char *const names[] = {"", "binary", "classes", "values", "ranking"};
    va_list args;
    va_start(args, format);
    c->result->verdict = TM_CONFORM_BROKEN;
    const int n = snprintf(c->result->message, sizeof(c->result->message), "%s: ", names[c->task]);
    (void)vsnprintf(c->result->message + n, sizeof(c->result->message) - (size_t)n, format, args);
    va_end(args);
    return false;
}

bool tm__conform_pass_over(tm_conform *c, const char *why) {
    c->result->verdict = TM_CONFORM_PASSED_OVER;
    (void)snprintf(c->result->message, sizeof(c->result->message), "%s", why);
    return true;
}

tm_model *tm__conform_fit(tm_conform *c, tm_ctx *ctx, const tm_fit_input *in) {
    tm_model *model = NULL;
    tm_err err = {0};
    const tm_status st = tm__model_fit(ctx, c->ops, in, &c->params, &model, &err);
    if (st != TM_OK) {
        tm__conform_broken(c, "fitting %llu rows fails: %s", (unsigned long long)in->x->n_rows,
                           err.message);
        return NULL;
    }
    return model;
}

bool tm__conform_save(tm_conform *c, const tm_model *model, tm_buf *out) {
    tm_err err = {0};
    tm__buf_init(out, TM_MAX_BUNDLE_BYTES);
    const tm_status st = c->ops->save(model, out, &err);
    return st == TM_OK || tm__conform_broken(c, "saving fails: %s", err.message);
}

double *tm__conform_predict(tm_conform *c, const tm_model *model, const tm_view *x) {
    tm_ctx ctx = {0};
    tm_err err = {0};
    double *out = tm__mem_alloc((size_t)x->n_rows * model->n_outputs, sizeof(double));
    const tm_status st = out == NULL ? TM_FAIL(&err, TM_E_NOMEM, "no memory for answers")
                                     : tm__model_predict(&ctx, model, x, out, &err);
    if (st != TM_OK) {
        tm__conform_broken(c, "predicting fails: %s", err.message);
        tm__mem_free(out);
        return NULL;
    }
    return out;
}

static void check_run(tm_conform *c, const conform_check *check) {
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION,
                                    TM_TASK_RANKING};
    *c->result = (tm_conform_result){.name = check->name, .verdict = TM_CONFORM_HOLDS};
    for (uint32_t t = 0; t < sizeof(tasks) / sizeof(tasks[0]); t++) {
        const uint64_t alive = tm__mem_alive();
        c->task = tasks[t];
        if (c->options->tasks != 0 && (c->options->tasks >> c->task & 1u) == 0) {
            continue;
        }
        if (!check->run(c)) {
            return;
        }
        if (tm__mem_alive() != alive) {
            tm__conform_broken(c, "%lld blocks of memory are left behind",
                               (long long)(tm__mem_alive() - alive));
            return;
        }
    }
}

tm_status tm__conform_run(const tm_model_ops *ops, const tm_conform_options *options,
                          tm_conform_report *out, tm_err *err) {
    tm_conform c = {.ops = ops, .options = options};
    if (ops->abi != TM_MODEL_ABI) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' was written for interface %u, not %u",
                       ops->name, ops->abi, TM_MODEL_ABI);
    }
    tm__json_init(); /* before blocks are counted */
    memset(out, 0, sizeof(*out));
    tm__params_init(ops, &c.params);
    if (options->params != NULL) {
        c.params = *options->params;
    }
    for (uint32_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (options->only != NULL && strstr(checks[i].name, options->only) == NULL) {
            continue;
        }
        c.result = &out->results[out->n++];
        check_run(&c, &checks[i]);
        out->n_broken += c.result->verdict == TM_CONFORM_BROKEN;
        if (options->on_result != NULL) {
            options->on_result(options->arg, c.result);
        }
    }
    return TM_OK;
}
