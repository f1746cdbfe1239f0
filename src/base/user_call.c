/* SPDX-License-Identifier: Apache-2.0 */
#include "base/user_call.h"

#include "base/log.h"
#include "base/pool.h"

#define TEXT_MAX 512u

static int32_t call_refuse(void *self, int32_t status, const char *why) {
    tm_user_call *call = self;
    const size_t len = why == NULL ? 0 : strnlen(why, TEXT_MAX);
    if (tm__str_is_utf8((tm_str){why, len})) {
        (void)tm__str_copy(call->why, sizeof(call->why), (tm_str){why, len});
    }
    for (char *c = call->why; *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
    return status;
}

static void call_log(void *self, const char *text) {
    const tm_user_call *call = self;
    if (call->ctx != NULL && call->ctx->log != NULL && text != NULL) {
        tm_log_event(call->ctx->log, TM_DEBUG, "module.says", TM_FT("text", text));
    }
}

static int32_t call_is_cancelled(void *self) {
    const tm_user_call *call = self;
    return call->ctx != NULL && tm__ctx_cancelled(call->ctx) ? 1 : 0;
}

static int32_t call_spend(void *self, uint64_t work) {
    tm_user_call *call = self;
    if (__builtin_add_overflow(call->work_used, work, &call->work_used)) {
        call->work_used = UINT64_MAX;
    }
    return call->ctx != NULL && tm__ctx_spend(call->ctx, work) ? 1 : 0;
}

static void call_progress(void *self, uint64_t done, uint64_t total) {
    const tm_user_call *call = self;
    if (call->ctx != NULL) {
        tm__ctx_progress(call->ctx, call->stage, done, total, NULL);
    }
}

static void call_run(void *self, uint64_t n_items,
                     void (*fn)(void *arg, uint64_t item, uint32_t worker), void *arg) {
    const tm_user_call *call = self;
    tm__pool_run(call->ctx == NULL ? NULL : call->ctx->pool, n_items, fn, arg);
}

static int32_t call_write(void *self, const void *data, size_t len) {
    const tm_user_call *call = self;
    return tm__buf_append(call->out, data, len) ? TM_MODULE_OK : TM_MODULE_E_NOMEM;
}

void tm__user_call_init(tm_user_call *self, tm_ctx *ctx, const char *stage, tm_buf *out) {
    *self = (tm_user_call){
        .call = {.size = sizeof(tm_module_call),
                 .n_threads = tm__pool_threads(ctx == NULL ? NULL : ctx->pool),
                 .host = tm__user_module_host(),
                 .self = self,
                 .refuse = call_refuse,
                 .log = call_log,
                 .is_cancelled = call_is_cancelled,
                 .spend = call_spend,
                 .progress = call_progress,
                 .run = call_run,
                 .write = out == NULL ? NULL : call_write},
        .ctx = ctx,
        .stage = stage,
        .out = out,
    };
}

/* Statuses of a module, by number. */
static const tm_status statuses[] = {
    [TM_MODULE_OK] = TM_E_INTERNAL, /* no failure */
    [TM_MODULE_E_INVALID] = TM_E_INVALID,
    [TM_MODULE_E_DATA] = TM_E_DATA,
    [TM_MODULE_E_NOMEM] = TM_E_NOMEM,
    [TM_MODULE_E_CANCELLED] = TM_E_CANCELLED,
    [TM_MODULE_E_DAMAGED] = TM_E_INTEGRITY,
    [TM_MODULE_E_UNAVAILABLE] = TM_E_UNAVAILABLE,
    [TM_MODULE_E_UNSUPPORTED] = TM_E_UNSUPPORTED,
};

tm_status tm__user_call_fail(const tm_user_call *self, const char *module, const char *verb,
                             int32_t status, tm_err *err) {
    const bool is_known = status >= 0 && (size_t)status < sizeof(statuses) / sizeof(statuses[0]);
    const tm_status st = is_known ? statuses[status] : TM_E_INTERNAL;
    (void)TM_FAIL(err, st, "module '%.31s' cannot %s%s%s", module, verb,
                  self->why[0] == '\0' ? "" : ": ", self->why);
    if (st == TM_E_INTERNAL) {
        tm_err_hint(err, "It returned %d, which is no status: run 'tidemill module check' on it.",
                    (int)status);
    }
    return st;
}
