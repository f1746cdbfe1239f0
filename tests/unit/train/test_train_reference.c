/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/bundle.h"
#include "train/train.h"

enum { ROWS = 4000 };

/* at rises, walk wanders with time, x is uniform, city has rare levels, note is free text. */
static tm_table *make_table(void) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"at", TM_TYPE_TIME},   {"number", TM_TYPE_INT}, {"x", TM_TYPE_FLOAT},
                   {"city", TM_TYPE_TEXT}, {"note", TM_TYPE_TEXT},  {"label", TM_TYPE_INT}};
    tm_table_builder *const builder = tm__builder_create();
    tm_table *table = NULL;
    tm_rng rng = tm__rng_split(3, "reference case", 0);
    for (size_t c = 0; c < 6; c++) {
        assert_int_equal(tm__builder_add_column(builder, columns[c].name, columns[c].type, NULL),
                         TM_OK);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        char city[16], note[48];
        const double x = tm__rng_f64(&rng);
        const bool is_rare = tm__rng_below(&rng, 20) == 0;
        (void)snprintf(city, sizeof(city), is_rare ? "rare %u" : "city %u",
                       is_rare ? i : (uint32_t)tm__rng_below(&rng, 4));
        (void)snprintf(note, sizeof(note), "note %u of %llu", i,
                       (unsigned long long)tm__rng_below(&rng, 1000000));
        tm_cell cells[6] = {
            {.type = TM_TYPE_TIME, .i64 = (int64_t)i * 3600000000},
            {.type = TM_TYPE_INT, .i64 = i},
            {.type = TM_TYPE_FLOAT, .f64 = x},
            {.type = TM_TYPE_TEXT, .text = tm__str(city)},
            {.type = TM_TYPE_TEXT, .text = tm__str(note)},
            {.type = TM_TYPE_INT, .i64 = x + 0.2 * tm__rng_f64(&rng) > 0.6},
        };
        if (tm__rng_below(&rng, 10) == 0) {
            cells[2] = (tm_cell){0};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_bundle *train(tm_table *table, uint32_t n_threads, uint64_t bytes_max, tm_hash *hash) {
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    tm_train_options options = {.target = "label",
                                .model = "m",
                                .learners = "gbdt",
                                .time = "at",
                                .snapshot = "",
                                .seed = 1,
                                .work = 20000000,
                                .bundle_bytes_max = bytes_max};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    if (tm__train_run(&ctx, table, NULL, &options, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, &err), TM_OK);
    *hash = result.bundle_hash;
    tm__train_result_done(&result);
    tm__pool_free(ctx.pool);
    return bundle;
}

static const tm_ref_column *column_of(const tm_bundle *bundle, const char *name) {
    const uint32_t at = tm__schema_find(tm__bundle_schema(bundle), tm__str(name));
    return at == UINT32_MAX ? NULL : &tm__bundle_reference(bundle)->columns[at];
}

static uint64_t sum(const tm_ref_column *c, uint32_t cell) {
    uint64_t n = 0;
    for (uint32_t b = 0; b < c->n_blocks; b++) {
        for (uint32_t i = 0; i < c->n_cells; i++) {
            n += cell == UINT32_MAX || i == cell ? c->counts[b * c->n_cells + i] : 0;
        }
    }
    return n;
}

static void a_training_says_what_its_columns_were_like(void **state) {
    (void)state;
    tm_table *const table = make_table();
    tm_hash hash;
    tm_bundle *const bundle = train(table, 2, 0, &hash);
    const tm_reference *const self = tm__bundle_reference(bundle);
    assert_non_null(self);
    assert_true(self->is_ordered);
    assert_int_equal(self->n_columns, tm__bundle_schema(bundle)->n_cols);
    const tm_ref_column *const x = column_of(bundle, "x");
    assert_int_equal(x->kind, TM_REF_NUMBERS);
    assert_int_equal(x->n_blocks, 10);
    const double n = (double)sum(x, UINT32_MAX);
    assert_true(n > 2000);
    assert_true(fabs((double)sum(x, tm__ref_missing(x)) / n - 0.1) < 0.03);
    assert_int_equal(sum(x, tm__ref_below(x)) + sum(x, tm__ref_above(x)), 0);
    for (uint32_t i = 1; i + 2 < x->n_cells; i++) { /* of about as many rows each */
        assert_true(fabs((double)sum(x, i) / (0.9 * n) - 1.0 / (x->n_edges - 1)) < 0.02);
    }
    const tm_ref_column *const city = column_of(bundle, "city");
    if (city != NULL && city->kind == TM_REF_LEVELS) {
        assert_true(city->n_levels == 4);
        const double fresh =
            (double)sum(city, tm__ref_unseen(city)) / (double)sum(city, UINT32_MAX);
        assert_true(fabs(fresh - 0.05) < 0.02); /* each rare level is one row's alone */
    }
    const tm_ref_column *const number = column_of(bundle, "number");
    assert_true(number == NULL || number->kind == TM_REF_PRESENCE); /* it only ever rises */
    const tm_ref_column *const note = column_of(bundle, "note");
    assert_true(note == NULL || note->kind == TM_REF_LENGTHS);
    assert_true(self->has_output);
    assert_int_equal(self->loss_kind, TM_REF_LOSS_LOG);
    assert_true(self->loss > 0 && self->loss < self->loss_constant);
    double mean = 0, rows = 0;
    for (uint32_t i = 0; i < x->n_cells; i++) {
        mean += x->loss[i] * x->loss_rows[i];
        rows += x->loss_rows[i];
    }
    assert_true(fabs(mean / rows - self->loss) < 1e-9);
    tm__bundle_unref(bundle);
    tm__table_unref(table);
}

static void threads_change_no_byte_and_room_is_kept(void **state) {
    (void)state;
    tm_table *const table = make_table();
    tm_hash one, three, small;
    tm_bundle *bundle = train(table, 1, 0, &one);
    tm_buf buf;
    tm__buf_init(&buf, 1u << 20);
    tm__reference_save(tm__bundle_reference(bundle), &buf);
    assert_true(buf.len < 32768);
    tm__bundle_unref(bundle);
    tm__bundle_unref(train(table, 3, 0, &three));
    assert_true(tm__hash_eq(&one, &three));
    bundle = train(table, 1, 30000, &small); /* no room beside the model */
    assert_null(tm__bundle_reference(bundle));
    tm__bundle_unref(bundle);
    tm__buf_done(&buf);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_says_what_its_columns_were_like),
        cmocka_unit_test(threads_change_no_byte_and_room_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
