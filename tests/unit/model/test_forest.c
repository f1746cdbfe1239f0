/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "forest_case.h"
#include "model/forest/forest_priv.h"

enum { ROWS = 200 };

static void bytes_of(const tm_model *model, tm_buf *out) {
    tm__buf_init(out, 1 << 24);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

/* What a lie in a model's own arrays makes of its file. */
static void want_refused(tm_model *model, const char *message) {
    tm_buf bytes;
    tm_model *loaded = NULL;
    tm_err err = {0};
    bytes_of(model, &bytes);
    assert_int_equal(tm__random_forest_ops.load(bytes.data, bytes.len, &loaded, &err),
                     TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, message));
    tm__buf_done(&bytes);
}

static void a_file_that_lies_is_refused(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_MULTICLASS, ROWS);
    forest_case_set(&c, "n_trees", "3");
    tm_random_forest *self = (tm_random_forest *)forest_case_fit(&c, &ctx);
    float *share = &self->shares.shares[0];
    const float kept = *share;
    *share = 1.5F;
    want_refused(&self->base, "shares of a leaf");
    *share = -kept;
    want_refused(&self->base, "shares of a leaf");
    *share = kept;
    self->shares.classes[0] = 5;
    want_refused(&self->base, "shares of a leaf");
    self->shares.classes[0] = 0;
    const double prior = self->shares.prior[2];
    self->shares.prior[2] = 0;
    want_refused(&self->base, "shares of classes");
    self->shares.prior[2] = prior;
    self->shares.n_entries--;
    want_refused(&self->base, "more shares");
    self->shares.n_entries++;
    uint32_t leaf = 0;
    while ((self->trees.nodes[leaf].meta & TM_NODE_LEAF) == 0) {
        leaf++;
    }
    self->trees.values[leaf] = 7;
    want_refused(&self->base, "a leaf with a wrong number");
    self->trees.values[leaf] = 0;
    self->trees.base[1] = 1;
    want_refused(&self->base, "a base");
    self->trees.base[1] = 0;
    self->gains[0] = -1;
    want_refused(&self->base, "bad gains");
    tm__model_free(&self->base);
    forest_case_done(&c);
}

static void a_file_of_another_kind_or_version_is_named(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    tm_buf bytes;
    tm_model *loaded = NULL;
    forest_case_init(&c, TM_TASK_BINARY, ROWS);
    forest_case_set(&c, "n_trees", "2");
    tm_model *model = forest_case_fit(&c, &ctx);
    bytes_of(model, &bytes);
    bytes.data[0] ^= 1;
    assert_int_equal(tm__random_forest_ops.load(bytes.data, bytes.len, &loaded, NULL),
                     TM_E_INTEGRITY);
    bytes.data[0] ^= 1;
    bytes.data[4] = 9;
    assert_int_equal(tm__random_forest_ops.load(bytes.data, bytes.len, &loaded, NULL),
                     TM_E_UNSUPPORTED);
    tm__buf_done(&bytes);
    tm__model_free(model);
    forest_case_done(&c);
}

static void a_description_counts_trees_and_leaves(void **state) {
    (void)state;
    forest_case c;
    tm_ctx ctx = {0};
    forest_case_init(&c, TM_TASK_BINARY, ROWS);
    forest_case_set(&c, "n_trees", "5");
    forest_case_set(&c, "max_leaves", "6");
    tm_model *model = forest_case_fit(&c, &ctx);
    json_t *words = model->ops->describe(model);
    assert_int_equal(json_integer_value(json_object_get(words, "n_trees")), 5);
    assert_int_equal(json_integer_value(json_object_get(words, "n_leaves")), 30);
    assert_int_equal(json_integer_value(json_object_get(words, "max_leaves")), 6);
    json_decref(words);
    double splits[4] = {0};
    model->ops->splits(model, splits);
    assert_true(splits[0] + splits[1] + splits[2] + splits[3] == 25);
    tm__model_free(model);
    forest_case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_lies_is_refused),
        cmocka_unit_test(a_file_of_another_kind_or_version_is_named),
        cmocka_unit_test(a_description_counts_trees_and_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
