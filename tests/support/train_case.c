/* SPDX-License-Identifier: Apache-2.0 */
#include "train_case.h"

#include "base/rng.h"
#include "test.h"

static const char *const cities[] = {"Oslo", "Lima", "Kyoto", "Cairo", "Quito"};

tm_table *train_case_table(const train_case *options, uint64_t n_rows) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"x", TM_TYPE_FLOAT},
                   {"noise", TM_TYPE_FLOAT},
                   {"city", TM_TYPE_TEXT},
                   {"at", TM_TYPE_TIME},
                   {"amount", TM_TYPE_FLOAT}};
    const bool is_text = options->target_text[0] != NULL;
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_non_null(builder);
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        assert_int_equal(tm__builder_add_column(builder, columns[c].name, columns[c].type, NULL),
                         TM_OK);
    }
    assert_int_equal(
        tm__builder_add_column(builder, "label", is_text ? TM_TYPE_TEXT : TM_TYPE_INT, NULL),
        TM_OK);
    tm_rng rng = tm__rng_split(7, "train_case", 0);
    for (uint64_t row = 0; row < n_rows; row++) {
        const double x = tm__rng_f64(&rng);
        const double noise = tm__rng_f64(&rng);
        const uint64_t city = tm__rng_below(&rng, 5);
        const double lean = x + (city < 2 ? 0.3 : 0.0) + 0.2 * (tm__rng_f64(&rng) - 0.5);
        const bool positive = lean > 0.75;
        const uint64_t hour = options->is_shuffled ? tm__rng_below(&rng, n_rows) : row;
        tm_cell cells[6] = {
            {.type = TM_TYPE_FLOAT, .f64 = x},
            {.type = TM_TYPE_FLOAT, .f64 = noise},
            {.type = TM_TYPE_TEXT, .text = tm__str(cities[city])},
            {.type = TM_TYPE_TIME, .i64 = (int64_t)hour * INT64_C(3600000000)},
            {.type = TM_TYPE_FLOAT, .f64 = 100.0 * lean},
            {.type = TM_TYPE_INT, .i64 = positive},
        };
        if (is_text) {
            cells[5] =
                (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(options->target_text[positive])};
        }
        if (options->missing_every > 0 && row % options->missing_every == 0) {
            cells[5] = (tm_cell){0};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}
