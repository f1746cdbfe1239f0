/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "bundle_data.h"
#include "test.h"

static tm_bundle *load(const bundle_data *data, tm_status wanted) {
    tm_buf bytes;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm__buf_init(&bytes, 1u << 26);
    bundle_data_write(data, &bytes, &hash);
    assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundle, NULL), wanted);
    tm__buf_done(&bytes);
    return bundle;
}

/* The table with its age under another name, in months. */
static tm_table *in_months(const tm_table *table) {
    tm_table_builder *const b = tm__builder_create();
    const uint32_t age = tm__table_find(table, "age");
    tm_cell cells[16];
    tm_table *out = NULL;
    for (uint32_t c = 0; c < tm__table_cols(table); c++) {
        const tm_column *const column = tm__table_column(table, c);
        assert_int_equal(
            tm__builder_add_column(b, c == age ? "months" : column->name, column->type, NULL),
            TM_OK);
    }
    for (uint64_t row = 0; row < tm__table_rows(table); row++) {
        for (uint32_t c = 0; c < tm__table_cols(table); c++) {
            cells[c] = tm__column_cell(tm__table_column(table, c), row);
        }
        cells[age].f64 *= 16; /* a power of two: no bit is lost on the way back */
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &out, NULL), TM_OK);
    return out;
}

static void set_rules(const bundle_data *data, const char *text) {
    json_object_set_new(data->info, "recipe",
                        json_pack("{s:o}", "columns", json_loads(text, 0, NULL)));
}

static void rules_of_its_recipe_hold_for_the_file_alone(void **state) {
    (void)state;
    bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, "gbdt");
    set_rules(data, "{\"age\": {\"was\": [\"months\"], \"scale\": 0.0625}}");
    tm_bundle *const bundle = load(data, TM_OK);
    tm_table *const months = in_months(data->table);
    double own[300], other[300];
    tm_ctx ctx = {0};
    assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, NULL, 0, own, NULL), TM_OK);
    assert_int_equal(tm__bundle_predict(&ctx, bundle, months, NULL, 0, other, NULL), TM_OK);
    assert_memory_equal(own, other, sizeof(own));
    /* What is declared since holds in their place, and can take them back. */
    json_t *const none = json_object();
    tm_err err = {0};
    assert_int_equal(tm__bundle_use_columns(bundle, none, NULL), TM_OK);
    assert_null(tm__bundle_renames(bundle));
    const tm_status st = tm__bundle_predict(&ctx, bundle, months, NULL, 0, other, &err);
    const uint32_t age = tm__schema_find(tm__bundle_schema(bundle), tm__str("age"));
    assert_int_equal(st, tm__bundle_schema(bundle)->cols[age].is_nullable ? TM_OK : TM_E_DATA);
    json_decref(none);
    tm__table_unref(months);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

static void rules_say_what_may_be_missing_and_leave_no_trace(void **state) {
    (void)state;
    bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, "gbdt");
    tm_bundle *const bundle = load(data, TM_OK);
    const tm_schema *const schema = tm__bundle_schema(bundle);
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        const bool before = schema->cols[i].is_nullable;
        json_t *const accept = json_pack("{s:{s:s}}", schema->cols[i].name, "missing", "accept");
        json_t *const refuse = json_pack("{s:{s:s}}", schema->cols[i].name, "missing", "refuse");
        assert_int_equal(tm__bundle_use_columns(bundle, accept, NULL), TM_OK);
        assert_true(schema->cols[i].is_nullable);
        assert_int_equal(tm__bundle_use_columns(bundle, refuse, NULL), TM_OK);
        assert_false(schema->cols[i].is_nullable);
        assert_int_equal(tm__bundle_use_columns(bundle, NULL, NULL), TM_OK);
        assert_int_equal(schema->cols[i].is_nullable, before);
        json_decref(accept);
        json_decref(refuse);
    }
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

static void a_file_whose_rules_are_none_is_not_opened(void **state) {
    (void)state;
    bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, "gbdt");
    set_rules(data, "{\"age\": {\"was\": [\"months\"], \"scale\": 0}}");
    assert_null(load(data, TM_E_INTEGRITY));
    bundle_data_free(data);
}

/* Any bytes in a text, any number in a number: an answer that is one. */
static void what_training_never_saw_still_has_an_answer(void **state) {
    (void)state;
    static const double numbers[] = {0, -1, 1e300, -1e300, 1e-300, INFINITY, -INFINITY, NAN};
    static const char *const learners[] = {"gbdt", "linear", "forest", "mlp"};
    for (size_t l = 0; l < sizeof(learners) / sizeof(learners[0]); l++) {
        bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, learners[l]);
        tm_bundle *const bundle = load(data, TM_OK);
        tm_bundle_scratch *const scratch = tm__bundle_scratch_create(bundle);
        const tm_schema *const schema = tm__bundle_schema(bundle);
        tm_rng rng = tm__rng_split(11, "unseen", l);
        for (uint32_t n = 0; n < 2000; n++) {
            tm_cell cells[16];
            char texts[16][64];
            double out = NAN;
            for (uint32_t i = 0; i < schema->n_cols; i++) {
                const size_t len = tm__rng_below(&rng, sizeof(texts[i]));
                for (size_t k = 0; k < len; k++) {
                    texts[i][k] = (char)tm__rng_below(&rng, 128);
                }
                cells[i] = (tm_cell){.type = schema->cols[i].type,
                                     .i64 = (int64_t)tm__rng_below(&rng, UINT64_MAX),
                                     .f64 = numbers[tm__rng_below(&rng, 8)],
                                     .text = {texts[i], len}};
                if (tm__rng_below(&rng, 8) == 0 || cells[i].i64 == TM_INT_MISSING ||
                    (cells[i].type == TM_TYPE_FLOAT && isnan(cells[i].f64))) {
                    cells[i] = (tm_cell){.type = TM_TYPE_NONE};
                }
            }
            tm__bundle_predict_row(bundle, scratch, cells, &out);
            assert_true(out >= 0 && out <= 1);
        }
        tm__bundle_scratch_free(scratch);
        tm__bundle_unref(bundle);
        bundle_data_free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_its_recipe_hold_for_the_file_alone),
        cmocka_unit_test(rules_say_what_may_be_missing_and_leave_no_trace),
        cmocka_unit_test(a_file_whose_rules_are_none_is_not_opened),
        cmocka_unit_test(what_training_never_saw_still_has_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
