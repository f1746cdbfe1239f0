/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fitted random forest: what can be done with one, and its bytes (docs/formats/forest.md).
 *
 * Invariants: values of leaves of a forest of classes count up from 0 in the order of nodes. Shares
 * of a leaf are over 0 and sum to 1 at the most, but for rounding; the prior is over 0.
 */
#include "model/forest/forest.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/forest/forest_priv.h"

#define MAGIC UINT32_C(0x46524D54) /* "TMRF" */
#define VERSION 1u

static const double SLOPE_MAX = 1e3;

/* Shares are floats: their sum may pass 1 by so much. */
static const double ROUNDING = 1e-3;

static const tm_param_def definitions[] = {
#define TM_WOOD_PARAM(id, name, kind, otherwise, min, max, doc)                                    \
    {name, kind, otherwise, min, max, doc, NULL},
#define TM_WOOD_CHOICE(id, name, choices, doc) {name, TM_PARAM_CHOICE, 0, 0, 0, doc, choices},
#include "model/forest/forest_params.def"
#undef TM_WOOD_CHOICE
#undef TM_WOOD_PARAM
    {.name = NULL}};

_Static_assert(TM_WOOD_PARAMS <= TM_MAX_PARAMS, "parameters have a place each");

tm_random_forest *tm__random_forest_create(tm_task task, uint32_t n_outputs, uint32_t n_cols) {
    tm_random_forest *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->base = (tm_model){
        .ops = &tm__random_forest_ops, .task = task, .n_outputs = n_outputs, .n_cols = n_cols};
    self->slope = 1;
    self->gains = tm__mem_zalloc(n_cols, sizeof(double));
    self->shares.prior = tm__mem_zalloc(n_outputs, sizeof(double));
    self->shares.starts = tm__mem_zalloc(1, sizeof(uint32_t));
    if (self->gains == NULL || self->shares.prior == NULL || self->shares.starts == NULL) {
        tm__random_forest_free(&self->base);
        return NULL;
    }
    return self;
}

void tm__random_forest_free(tm_model *model) {
    if (model != NULL) {
        tm_random_forest *self = (tm_random_forest *)model;
        tm__forest_done(&self->trees);
        tm__mem_free(self->shares.starts);
        tm__mem_free(self->shares.classes);
        tm__mem_free(self->shares.shares);
        tm__mem_free(self->shares.prior);
        tm__mem_free(self->gains);
        tm__mem_free(self);
    }
}

bool tm__wood_shares_reserve(tm_wood_shares *shares, uint64_t n_leaves, uint64_t n_entries) {
    if (n_leaves > shares->leaves_capacity) {
        const uint64_t capacity = n_leaves + n_leaves / 2;
        uint32_t *starts = tm__mem_realloc(shares->starts, capacity + 1, sizeof(uint32_t));
        if (starts == NULL) {
            return false;
        }
        shares->starts = starts;
        shares->leaves_capacity = (uint32_t)capacity;
    }
    if (n_entries > shares->entries_capacity) {
        uint64_t capacity = n_entries + n_entries / 2;
        capacity = capacity < UINT32_MAX ? capacity : UINT32_MAX;
        uint16_t *classes = tm__mem_realloc(shares->classes, capacity, sizeof(uint16_t));
        shares->classes = classes != NULL ? classes : shares->classes;
        float *values = tm__mem_realloc(shares->shares, capacity, sizeof(float));
        shares->shares = values != NULL ? values : shares->shares;
        if (classes == NULL || values == NULL) {
            return false;
        }
        shares->entries_capacity = (uint32_t)capacity;
    }
    return true;
}

static void wood_importance(const tm_model *model, double *out) {
    tm__forest_importance(((const tm_random_forest *)model)->gains, model->n_cols, out);
}

static void wood_splits(const tm_model *model, double *sums) {
    tm__forest_add_splits(&((const tm_random_forest *)model)->trees, sums);
}

static json_t *wood_describe(const tm_model *model) {
    return tm__forest_describe(&((const tm_random_forest *)model)->trees, json_object());
}

/* ---- bytes ---- */

static void shares_save(const tm_wood_shares *shares, uint32_t n_classes, tm_buf *out) {
    tm__buf_u32(out, shares->n_leaves);
    tm__buf_u32(out, shares->n_entries);
    tm__buf_f64s(out, shares->prior, n_classes);
    for (uint32_t leaf = 0; leaf < shares->n_leaves; leaf++) {
        tm__buf_u32(out, shares->starts[leaf + 1] - shares->starts[leaf]);
    }
    for (uint32_t e = 0; e < shares->n_entries; e++) {
        uint32_t bits;
        memcpy(&bits, &shares->shares[e], sizeof(bits));
        tm__buf_u32(out, shares->classes[e]);
        tm__buf_u32(out, bits);
    }
}

static tm_status wood_save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_random_forest *self = (const tm_random_forest *)model;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, (uint32_t)model->task);
    tm__buf_u32(out, model->n_outputs);
    tm__buf_u32(out, model->n_cols);
    tm__buf_u32(out, self->trees.n_trees);
    tm__buf_u64(out, model->work_used);
    tm__buf_f64(out, self->slope);
    tm__buf_f64s(out, self->gains, model->n_cols);
    TM_TRY(tm__forest_save(&self->trees, out, err));
    if (model->task == TM_TASK_MULTICLASS) {
        shares_save(&self->shares, model->n_outputs, out);
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no room to save a forest") : TM_OK;
}

/* One leaf's entries; false when save() cannot have written them. */
static bool leaf_load(tm_reader *reader, tm_wood_shares *shares, uint32_t leaf,
                      uint32_t n_classes) {
    double sum = 0;
    for (uint32_t e = shares->starts[leaf]; e < shares->starts[leaf + 1]; e++) {
        const uint32_t class = tm__reader_u32(reader), bits = tm__reader_u32(reader);
        float share;
        memcpy(&share, &bits, sizeof(share));
        if (class >= n_classes || !(share > 0) || !(share <= 1) ||
            (e > shares->starts[leaf] && shares->classes[e - 1] >= class)) {
            return false;
        }
        shares->classes[e] = (uint16_t) class;
        shares->shares[e] = share;
        sum += (double)share;
    }
    return sum <= 1 + ROUNDING;
}

static const char *shares_load(tm_reader *reader, tm_random_forest *self) {
    tm_wood_shares *shares = &self->shares;
    const tm_forest *trees = &self->trees;
    const uint32_t k = self->base.n_outputs;
    uint64_t sum = 0;
    uint32_t leaf = 0;
    for (uint32_t c = 0; c < k; c++) {
        shares->prior[c] = tm__reader_f64(reader);
        if (!(shares->prior[c] > 0 && shares->prior[c] <= 1)) {
            return "shares of classes that are none";
        }
    }
    for (uint32_t i = 0; i < shares->n_leaves; i++) {
        sum += tm__reader_u32(reader);
        if (sum > shares->n_entries) {
            return "more shares than it says";
        }
        shares->starts[i + 1] = (uint32_t)sum;
    }
    if (sum != shares->n_entries) {
        return "fewer shares than it says";
    }
    for (uint32_t i = 0; i < shares->n_leaves; i++) {
        if (!leaf_load(reader, shares, i, k)) {
            return "shares of a leaf that are none";
        }
    }
    for (uint32_t node = 0; node < trees->n_nodes; node++) {
        const bool is_leaf = (trees->nodes[node].meta & TM_NODE_LEAF) != 0;
        if (is_leaf && !(trees->values[node] == leaf++)) {
            return "a leaf with a wrong number";
        }
    }
    return leaf != shares->n_leaves ? "another number of leaves than its trees" : NULL;
}

/* What follows the trees; the counts are believed as far as there are bytes for them. */
static tm_status classes_load(tm_reader *reader, tm_random_forest *self, tm_err *err) {
    tm_wood_shares *shares = &self->shares;
    const uint64_t n_leaves = tm__reader_u32(reader), n_entries = tm__reader_u32(reader);
    if (reader->failed || n_leaves * 4 + n_entries * 8 > reader->len - reader->pos) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a forest has counts that do not fit its length");
    }
    if (!tm__wood_shares_reserve(shares, n_leaves, n_entries)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a forest");
    }
    shares->n_leaves = (uint32_t)n_leaves;
    shares->n_entries = (uint32_t)n_entries;
    const char *fault = shares_load(reader, self);
    return fault != NULL ? TM_FAIL(err, TM_E_INTEGRITY, "a forest has %s", fault) : TM_OK;
}

static tm_status wood_load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    tm__reader_init(&reader, data, len);
    const uint32_t magic = tm__reader_u32(&reader), version = tm__reader_u32(&reader);
    if (reader.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a forest");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a forest has version %u, not %u", version, VERSION);
    }
    const uint32_t task = tm__reader_u32(&reader), n_outputs = tm__reader_u32(&reader);
    const uint32_t n_cols = tm__reader_u32(&reader), n_trees = tm__reader_u32(&reader);
    const uint64_t work_used = tm__reader_u64(&reader);
    const double slope = tm__reader_f64(&reader);
    if (reader.failed || !tm__model_outputs_fit(task, n_outputs) || n_cols > TM_MAX_COLS ||
        n_trees == 0 || n_trees > TM_WOOD_TREES_MAX || !(slope > 0 && slope <= SLOPE_MAX) ||
        (uint64_t)n_cols * 8 > reader.len - reader.pos) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a forest has a bad head");
    }
    tm_random_forest *self = tm__random_forest_create((tm_task)task, n_outputs, n_cols);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a forest");
    }
    self->base.n_rounds = n_trees;
    self->base.work_used = work_used;
    self->slope = slope;
    bool ok = true;
    for (uint32_t c = 0; c < n_cols; c++) {
        self->gains[c] = tm__reader_f64(&reader);
        ok = ok && self->gains[c] >= 0 && isfinite(self->gains[c]);
    }
    const bool has_classes = task == TM_TASK_MULTICLASS;
    tm_status st = tm__forest_load(&reader, has_classes ? n_trees : 1, n_cols, &self->trees, err);
    if (st == TM_OK && has_classes) {
        st = classes_load(&reader, self, err);
    }
    if (st == TM_OK && (!ok || !tm__reader_is_done(&reader) || self->trees.n_trees != n_trees)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "a forest has bad gains, another size or a bad end");
    }
    for (uint32_t t = 0; st == TM_OK && has_classes && t < n_trees; t++) {
        if (self->trees.base[t] != 0) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "a forest of classes has a base");
        }
    }
    if (st == TM_OK) {
        st = tm__forest_settle(&self->trees, err);
    }
    if (st != TM_OK) {
        tm__random_forest_free(&self->base);
        return st;
    }
    *out_model = &self->base;
    return TM_OK;
}

const tm_model_ops tm__random_forest_ops = {
    .name = "forest",
    .abi = TM_MODEL_ABI,
    .params = definitions,
    .fit = tm__random_forest_fit,
    .predict = tm__random_forest_predict,
    .save = wood_save,
    .load = wood_load,
    .free = tm__random_forest_free,
    .predict_row = tm__random_forest_predict_row,
    .explain = tm__random_forest_explain,
    .importance = wood_importance,
    .splits = wood_splits,
    .describe = wood_describe,
    .needs = tm__random_forest_needs,
};
