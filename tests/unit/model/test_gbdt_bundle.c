/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/gbdt/gbdt_bundle.h"

enum { COLUMNS_MAX = 40 };

/* How many bins the columns have, and how a column's bin comes about. */
typedef struct bundle_case {
    const char *name;
    uint64_t n_rows;
    uint32_t n_columns;
    uint32_t n_bins[4]; /* of columns in turn */
    bool is_one_hot;    /* one column of each row has bin 1, the others 0 */
    uint32_t n_bundles; /* expected */
} bundle_case;

static const bundle_case cases[] = {
    {"four of four bins in one byte", 70000, 4, {4, 4, 4, 4}, false, 1},
    {"a fifth does not fit", 70000, 5, {4, 4, 4, 4}, false, 2},
    {"the long ones stay alone", 70000, 4, {4, 256, 4, 200}, false, 3},
    {"one-hot columns exclude each other", 70000, 40, {2, 2, 2, 2}, true, 1},
    {"few rows are not worth it", 900, 4, {4, 4, 4, 4}, false, 4},
    {"fewer codes for fewer rows", 5000, 4, {4, 4, 4, 4}, false, 2},
    {"one column", 70000, 1, {4, 4, 4, 4}, false, 1},
    {"pairs", 70000, 4, {16, 16, 16, 16}, false, 2},
};

static void bins_fill(const bundle_case *c, uint8_t *by_column, uint32_t *n_bins) {
    for (uint32_t j = 0; j < c->n_columns; j++) {
        n_bins[j] = c->n_bins[j % 4];
        for (uint64_t row = 0; row < c->n_rows; row++) {
            const uint64_t random = tm__rng_at(c->is_one_hot ? 1 : 2 + j, row);
            by_column[j * c->n_rows + row] =
                c->is_one_hot ? random % c->n_columns == j : (uint8_t)(random % n_bins[j]);
        }
    }
}

/* Sums by column, from its bins and out of the bundle. */
static void check_sums(const bundle_case *c, const tm_bundle_input *in, const tm_bundles *bundles,
                       const tm_bundle *bundle) {
    int64_t cells[TM_BUNDLE_CODES] = {0};
    const uint32_t only = bundles->columns[bundle->first];
    for (uint64_t row = 0; row < c->n_rows; row++) {
        const uint8_t code =
            bundle->codes != NULL ? bundle->codes[row] : in->by_column[only * c->n_rows + row];
        assert_true(code < bundle->n_codes);
        cells[code] += (int64_t)(tm__rng_at(99, row) >> 20);
    }
    for (uint32_t i = 0; i < bundle->count; i++) {
        const uint32_t column = bundles->columns[bundle->first + i];
        int64_t plain[TM_BUNDLE_CODES] = {0}, unfolded[TM_BUNDLE_CODES] = {0};
        for (uint64_t row = 0; row < c->n_rows; row++) {
            plain[in->by_column[column * c->n_rows + row]] += (int64_t)(tm__rng_at(99, row) >> 20);
        }
        tm__bundle_unfold(bundles, bundle, column, cells, in->n_bins[column], unfolded);
        if (memcmp(plain, unfolded, sizeof(plain)) != 0) {
            fail_msg("%s: column %u differs", c->name, column);
        }
    }
}

static void bundles_lose_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bundle_case *c = &cases[i];
        uint8_t *by_column = tm__mem_alloc(c->n_rows * c->n_columns, 1);
        uint32_t n_bins[COLUMNS_MAX], n_columns = 0;
        tm_ctx ctx = {0};
        tm_bundles bundles;
        bins_fill(c, by_column, n_bins);
        const tm_bundle_input in = {c->n_rows, c->n_columns, by_column, n_bins};
        assert_int_equal(tm__bundles_fit(&ctx, &in, &bundles, NULL), TM_OK);
        if (bundles.n_bundles != c->n_bundles) {
            fail_msg("%s: %u bundles, not %u", c->name, bundles.n_bundles, c->n_bundles);
        }
        for (uint32_t j = 0; j < bundles.n_bundles; j++) {
            check_sums(c, &in, &bundles, &bundles.bundles[j]);
            n_columns += bundles.bundles[j].count;
        }
        assert_int_equal(n_columns, c->n_columns);
        tm__bundles_trim(&bundles);
        tm__bundles_done(&bundles);
        tm__mem_free(by_column);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bundles_lose_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
