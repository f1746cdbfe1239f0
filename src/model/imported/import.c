/* SPDX-License-Identifier: Apache-2.0 */
#include "model/imported/import.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/imported/import_priv.h"

#define ARENA_MAX ((size_t)4 << 30)

const char *tm__import_format(const void *data, size_t len) {
    const tm_str text = {data, len};
    if (tm__str_has_prefix(text, "tree\n") || tm__str_has_prefix(text, "tree\r\n")) {
        return "lightgbm";
    }
    /* ir_version, the first field of every ONNX file. */
    if (text.len > 2 && text.ptr[0] == 0x08 && text.ptr[1] > 0 && text.ptr[1] < 0x20) {
        return "onnx";
    }
    if (text.len > 1 && text.ptr[0] == '{') {
        return memchr("LlIiU#$", text.ptr[1], 7) != NULL ? "xgboost-ubj" : "xgboost";
    }
    return NULL;
}

static tm_status read_format(tm_buf *bytes, tm_import_draft *draft, tm_err *err) {
    if (strcmp(draft->format, "lightgbm") == 0) {
        return tm__import_lightgbm((const char *)bytes->data, bytes->len, draft, err);
    }
    if (strcmp(draft->format, "xgboost") == 0) {
        return tm__import_xgboost(bytes, draft, err);
    }
    if (strcmp(draft->format, "onnx") == 0) {
        return tm__import_onnx(bytes->data, bytes->len, draft, err);
    }
    tm_buf text;
    tm__buf_init(&text, TM_MAX_BUNDLE_BYTES);
    tm_status st = tm__import_ubjson(bytes->data, bytes->len, &text, err);
    if (st == TM_OK) {
        tm__buf_done(bytes);
        st = tm__import_xgboost(&text, draft, err);
    }
    tm__buf_done(&text);
    return st;
}

/* ---- classes ---- */

static tm_status check_classes(const tm_import_options *options, uint32_t n, tm_err *err) {
    if (options->classes == NULL || options->n_classes == n) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "--classes names %u classes, the model has %u",
                                 options->n_classes, n);
    tm_err_hint(err, n == 0 ? "The model answers a number; leave --classes out."
                            : "Name them in the order of the model; of two the positive one last.");
    return st;
}

static tm_status give_classes(const tm_import_draft *draft, tm_import *out, tm_err *err) {
    const tm_task task = draft->shape.task;
    const uint32_t n = task == TM_TASK_BINARY       ? 2
                       : task == TM_TASK_MULTICLASS ? draft->shape.n_outputs
                                                    : 0;
    const tm_import_options *options = draft->options;
    TM_TRY(check_classes(options, n, err));
    out->classes = tm__mem_zalloc(n, sizeof(char *));
    for (uint32_t k = 0; out->classes != NULL && k < n; k++) {
        char number[32];
        number[tm__f64_to_text(k, number)] = '\0';
        out->classes[k] = options->classes != NULL ? tm__mem_strdup(options->classes[k])
                          : draft->classes != NULL
                              ? tm__mem_strndup(draft->classes[k].ptr, draft->classes[k].len)
                              : tm__mem_strdup(number);
        out->n_classes = k + 1;
        if (out->classes[k] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for classes");
        }
        if (out->classes[k][0] == '\0' || !tm__str_is_utf8(tm__str(out->classes[k]))) {
            return TM_FAIL(err, TM_E_DATA, "the name of class %u is empty or not UTF-8", k);
        }
        for (uint32_t i = 0; i < k; i++) {
            if (strcmp(out->classes[i], out->classes[k]) == 0) {
                return TM_FAIL(err, TM_E_DATA, "class '%s' is there twice", out->classes[k]);
            }
        }
    }
    return out->classes != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for classes");
}

/* ---- the whole ---- */

static json_t *facts_of(const tm_import_draft *draft) {
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:O}", "format", draft->format, "version",
                     draft->version != NULL ? draft->version : "", "objective",
                     draft->objective != NULL ? draft->objective : "", "trees",
                     (json_int_t)draft->n_trees, "rounds", (json_int_t)draft->n_rounds, "columns",
                     (json_int_t)draft->n_columns, "notes", draft->notes);
}

static tm_status check_names(const tm_import_draft *draft, tm_err *err) {
    for (uint32_t c = 0; c < draft->n_columns; c++) {
        const tm_str name = draft->columns[c].name;
        if (name.ptr == NULL || memchr(name.ptr, 0, name.len) != NULL) {
            return TM_FAIL(err, TM_E_DATA, "column %u has no name", c + 1);
        }
    }
    return TM_OK;
}

tm_status tm__import_read(tm_buf *bytes, const tm_import_options *options, tm_import *out,
                          tm_err *err) {
    tm_import import = {0};
    const char *format = tm__import_format(bytes->data, bytes->len);
    if (format == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "this is no model file that can be imported");
        tm_err_hint(err,
                    "Give a LightGBM text model, an XGBoost model in JSON or UBJSON, or ONNX.");
        return st;
    }
    tm_import_draft draft = {.options = options, .format = format, .scale = 1, .divide = 1};
    draft.shape.kind = TM_IMPORTED_TREES;
    draft.shape.n_outputs = 1;
    draft.arena = tm__arena_create(ARENA_MAX);
    draft.notes = json_array();
    tm_status st = TM_OK;
    if (draft.arena == NULL || draft.notes == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a model file");
    }
    if (st == TM_OK) {
        st = read_format(bytes, &draft, err);
    }
    if (st == TM_OK) {
        st = check_names(&draft, err);
    }
    if (st == TM_OK) {
        st = give_classes(&draft, &import, err);
    }
    if (st == TM_OK) {
        st = tm__import_build(&draft, &import.program, &import.model, err);
    }
    if (st == TM_OK) {
        import.facts = facts_of(&draft);
        st = tm__json_check(err);
    }
    if (st == TM_OK) {
        *out = import;
        memset(&import, 0, sizeof(import));
    }
    tm__import_done(&import);
    tm__draft_done(&draft);
    return st;
}

void tm__import_done(tm_import *import) {
    tm__program_free(import->program);
    tm__model_free(import->model);
    for (uint32_t k = 0; k < import->n_classes; k++) {
        tm__mem_free(import->classes[k]);
    }
    tm__mem_free(import->classes);
    json_decref(import->facts);
    memset(import, 0, sizeof(*import));
}
