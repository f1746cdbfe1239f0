/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of TM_SIMD_KERNEL, at every level that this machine has, gives the bits of its plain
 * reference: a new kernel is one line in `kernels`. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/simd.h"
#include "model/gbdt/gbdt_cut.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_roots.h"
#include "model/gbdt/gbdt_rows.h"
#include "model/linear/linear_kernel.h"
#include "model/mlp/mlp_kernel.h"
#include "model/mlp/mlp_matrix.h"
#include "model/tree/tree.h"

enum { N_MAX = 517, CASES = 400, ROWS_MAX = N_MAX * 41 };

/* Inputs of one case; a kernel takes what it needs. n is what is left of a vector of any width. */
typedef struct inputs {
    uint32_t n;
    double x[N_MAX], y[N_MAX];
    float f[N_MAX], positive[N_MAX];
    uint64_t random[N_MAX];
    double a, b;
} inputs;

typedef struct kernel {
    const char *name;
    void (*fast)(const inputs *in, void *out);
    void (*plain)(const inputs *in, void *out);
} kernel;

static void exp_fast(const inputs *in, void *out) {
    tm__exp_array(in->x, out, in->n);
}

static void exp_plain(const inputs *in, void *out) {
    for (uint32_t i = 0; i < in->n; i++) {
        ((double *)out)[i] = tm__exp(in->x[i]);
    }
}

static void sigmoid_fast(const inputs *in, void *out) {
    tm__sigmoid_array(in->x, out, in->n);
}

static void sigmoid_plain(const inputs *in, void *out) {
    for (uint32_t i = 0; i < in->n; i++) {
        ((double *)out)[i] = tm__sigmoid(in->x[i]);
    }
}

static tm_pack pack_of(const inputs *in, void *out) {
    return (tm_pack){.g = in->f,
                     .h = in->positive,
                     .random = in->random,
                     .per_g = in->a * 32000,
                     .per_h = in->b < 0.05 ? 0 : in->b * 65000,
                     .out = out};
}

static void pack_fast(const inputs *in, void *out) {
    const tm_pack pack = pack_of(in, out);
    tm__gradients_pack(&pack, in->n);
}

static void pack_plain(const inputs *in, void *out) {
    const tm_pack pack = pack_of(in, out);
    tm__gradients_pack_ref(&pack, in->n);
}

/* Cells of a column: many rows or few, some bins empty, with and without what goes left anyhow. */
static tm_cut_rules cut_of(const inputs *in, int64_t *cells, tm_cut *best) {
    const uint32_t n = in->n % 257;
    int64_t sum = 0;
    for (uint32_t b = 0; b < 264; b++) {
        const uint64_t bits = in->random[b];
        const int64_t g = (int64_t)(bits & 0xFFFFF) - 0x80000, h = (int64_t)(bits >> 40 & 0xFFFFF);
        cells[b] = in->n % 2 == 0 && bits % 3 != 0 ? 0 : g * (INT64_C(1) << 32) + h;
        sum += b < n ? cells[b] : 0;
    }
    const int64_t with = in->n % 3 == 0 ? INT64_C(77) << 32 | 12345 : 0;
    sum += with;
    *best = (tm_cut){.score = in->n % 7 == 0 ? 1e30 : 0};
    const double h = tm__packed_h(sum);
    return (tm_cut_rules){.g = tm__packed_g(sum),
                          .h = h,
                          .with = with,
                          .l1 = in->n % 5 == 0 ? 12.5 : 0,
                          .l2 = in->n % 3 == 0 ? in->b : 0,
                          .h_low = rint(h * in->b / 4) + 1,
                          .h_high = rint(h * (1 - in->b / 4)) - 1};
}

/* The best score so far lies a few units of the last place under or over the best cut's. */
static void begin_near_the_best(const inputs *in, const tm_cut_rules *rules, const int64_t *cells,
                                tm_cut *best) {
    tm_cut cut = {0};
    tm__cut_find_ref(rules, cells, in->n % 257, &cut);
    for (uint64_t i = 0; in->n % 7 > 2 && i < in->random[3] % 9; i++) {
        cut.score = nextafter(cut.score, in->n % 7 < 5 ? 0 : (double)INFINITY);
    }
    best->score = in->n % 7 > 1 ? cut.score : best->score;
}

static void cut_fast(const inputs *in, void *out) {
    int64_t cells[264];
    tm_cut best;
    const tm_cut_rules rules = cut_of(in, cells, &best);
    begin_near_the_best(in, &rules, cells, &best);
    tm__cut_find(&rules, cells, in->n % 257, &best);
    memcpy(out, &best.score, 8);
    memcpy((char *)out + 8, &best.left, 8);
    memcpy((char *)out + 16, &best.bin, 4);
}

static void cut_plain(const inputs *in, void *out) {
    int64_t cells[264];
    tm_cut best;
    const tm_cut_rules rules = cut_of(in, cells, &best);
    begin_near_the_best(in, &rules, cells, &best);
    tm__cut_find_ref(&rules, cells, in->n % 257, &best);
    memcpy(out, &best.score, 8);
    memcpy((char *)out + 8, &best.left, 8);
    memcpy((char *)out + 16, &best.bin, 4);
}

static void random_fast(const inputs *in, void *out) {
    tm__rng_fill(in->random[0], in->random[1], in->n, out);
}

static void random_plain(const inputs *in, void *out) {
    tm__rng_fill_ref(in->random[0], in->random[1], in->n, out);
    for (uint32_t i = 0; i < in->n; i++) {
        assert_true(((uint64_t *)out)[i] == tm__rng_at(in->random[0], in->random[1] + i));
    }
}

/* Floats, then sums and maxima that go on from others. */
static void narrow_by(void (*kernel)(const tm_narrow *, uint32_t), const inputs *in, void *out) {
    tm_sum_lanes sums[2] = {{.sum = {in->a}, .max = {0, in->b}}, {.sum = {0, in->b}}};
    float *floats = out;
    const uint32_t n = in->n / 3;
    const tm_narrow narrow = {
        .x = {in->y, in->y + n + 1}, .out = {floats, floats + n + 1}, .sums = {&sums[0], &sums[1]}};
    kernel(&narrow, n);
    memcpy(floats + N_MAX, sums, sizeof(sums));
}

static void fixed_fast(const inputs *in, void *out) {
    tm__gradients_fixed(in->f, in->a * 0x1p60, in->n, out);
}

static void fixed_plain(const inputs *in, void *out) {
    tm__gradients_fixed_ref(in->f, in->a * 0x1p60, in->n, out);
}

static void narrow_fast(const inputs *in, void *out) {
    narrow_by(tm__gradients_narrow, in, out);
}

static void narrow_plain(const inputs *in, void *out) {
    narrow_by(tm__gradients_narrow_ref, in, out);
}

static void crc_fast(const inputs *in, void *out) {
    const uint32_t crc = tm__crc32c(in->n, (const uint8_t *)in->random + in->n % 8, in->n * 3);
    memcpy(out, &crc, sizeof(crc));
}

static void crc_plain(const inputs *in, void *out) {
    const uint32_t crc =
        tm__crc32c_plain(in->n, (const uint8_t *)in->random + in->n % 8, in->n * 3);
    memcpy(out, &crc, sizeof(crc));
}

/* Rows of a leaf, one after the other, close together or far apart, in either direction, divided by
 * any set of bins. */
static tm_divide divide_of(const inputs *in, uint32_t *rows, uint8_t *column, void *out) {
    const uint32_t steps[4] = {40, 3, 1, 3}, step = steps[in->n % 4], n = in->n;
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        at += 1 + (uint32_t)(in->random[i] % step);
        rows[in->n / 4 % 2 == 0 ? i : n - 1 - i] = at;
    }
    for (uint32_t i = 0; i < ROWS_MAX; i++) {
        column[i] = (uint8_t)(in->random[i % N_MAX] >> (i / N_MAX % 7 * 8));
    }
    tm_divide divide = {.column = column,
                        .in = {rows, (const int32_t *)in->random, n},
                        .rows = out,
                        .packed = (int32_t *)out + N_MAX};
    const uint64_t sets[4] = {0, UINT64_MAX, in->random[1], in->random[2]};
    for (uint32_t w = 0; w < 4; w++) {
        divide.left.bits[w] = n % 5 == 0 ? sets[n / 5 % 2] : sets[w % 4] ^ sets[3];
    }
    return divide;
}

static void divide_fast(const inputs *in, void *out) {
    static uint32_t rows[N_MAX];
    static uint8_t column[ROWS_MAX + 3];
    const tm_divide divide = divide_of(in, rows, column, out);
    ((uint32_t *)out)[2 * N_MAX] = tm__rows_divide(&divide);
}

static void divide_plain(const inputs *in, void *out) {
    static uint32_t rows[N_MAX];
    static uint8_t column[ROWS_MAX + 3];
    const tm_divide divide = divide_of(in, rows, column, out);
    ((uint32_t *)out)[2 * N_MAX] = tm__rows_divide_ref(&divide);
}

/* A path of splits at the first numbers of the inputs, each with the share of rows that another
 * number says. */
static void explain_with(const inputs *in, void *out,
                         tm_status (*explain)(const tm_forest *, const double *const *, double *,
                                              tm_err *)) {
    enum { COLS = 40 };
    const uint32_t n = in->n < COLS ? in->n : COLS;
    tm_tree_node nodes[2 * COLS + 1];
    double values[2 * COLS + 1];
    uint32_t covers[2 * COLS + 1] = {1000000000};
    const double *cols[COLS];
    tm_forest forest;
    for (uint32_t i = 0; i <= 2 * n; i++) {
        const tm_tree_node split = {.threshold = in->y[i], .left = i + 1, .meta = i / 2};
        const tm_tree_node leaf = {
            .threshold = (double)INFINITY, .left = i, .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
        const bool is_leaf = i % 2 == 1 || i == 2 * n;
        nodes[i] = is_leaf ? leaf : split;
        values[i] = is_leaf ? in->y[i + 100] : 0;
        cols[i / 2 < COLS ? i / 2 : 0] = &in->x[i / 2];
        if (!is_leaf) {
            covers[i + 1] = 1 + (uint32_t)(fabs(in->y[i + 200]) / 4 * (covers[i] - 2));
            covers[i + 2] = covers[i] - covers[i + 1];
        }
    }
    const tm_tree_draft draft = {2 * n + 1, 0, nodes, values, covers, NULL};
    assert_int_equal(tm__forest_init(&forest, 1, COLS, NULL), TM_OK);
    assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
    assert_int_equal(explain(&forest, cols, out, NULL), TM_OK);
    tm__forest_done(&forest);
}

static void explain_fast(const inputs *in, void *out) {
    explain_with(in, out, tm__forest_explain);
}

static void explain_plain(const inputs *in, void *out) {
    explain_with(in, out, tm__forest_explain_ref);
}

/* Units of a network, their gradients, and sums over rows of them. */
static void units_fast(const inputs *in, void *out) {
    float *to = out;
    memcpy(to, in->f, in->n * sizeof(float));
    tm__rectify(to, in->n);
    tm__rectify_back(in->f, (float)in->a, to, in->n);
    tm__rows_sum(in->f, in->n / 32, 32, to + N_MAX);
}

static void units_plain(const inputs *in, void *out) {
    float *to = out;
    memcpy(to, in->f, in->n * sizeof(float));
    tm__rectify_ref(to, in->n);
    tm__rectify_back_ref(in->f, (float)in->a, to, in->n);
    tm__rows_sum_ref(in->f, in->n / 32, 32, to + N_MAX);
}

/* A step of AdamW: a third of what `out` holds are parameters, then both moments. */
static tm_adam adam_of(const inputs *in, float *out, size_t *n) {
    *n = in->n / 3;
    memcpy(out, in->f, *n * sizeof(float));
    memcpy(out + *n, in->f + *n, *n * sizeof(float));
    memcpy(out + 2 * *n, in->positive, *n * sizeof(float));
    return (tm_adam){.params = out,
                     .first = out + *n,
                     .second = out + 2 * *n,
                     .grad = in->f + 2 * *n,
                     .rate = (float)in->a,
                     .fix1 = 1.5F,
                     .fix2 = 1.25F,
                     .keep = (float)in->b};
}

static void adam_fast(const inputs *in, void *out) {
    size_t n = 0;
    const tm_adam a = adam_of(in, out, &n);
    tm__adam_step(&a, n / 4, n);
}

static void adam_plain(const inputs *in, void *out) {
    size_t n = 0;
    const tm_adam a = adam_of(in, out, &n);
    tm__adam_step_ref(&a, n / 4, n);
}

/* A product of 3 to 11 rows. */
static tm_product product_of(const inputs *in, void *out) {
    return (tm_product){.a = in->f,
                        .b = in->positive,
                        .bias = in->n % 2 == 0 ? in->f + 64 : NULL,
                        .out = out,
                        .m = 3 + in->n % 9,
                        .n = 32,
                        .k = in->n % 16,
                        .a_row = in->n % 3 == 0 ? 16 : 1,
                        .a_col = in->n % 3 == 0 ? 1 : 16};
}

static void product_fast(const inputs *in, void *out) {
    const tm_product p = product_of(in, out);
    tm__product(&p);
}

static void product_plain(const inputs *in, void *out) {
    const tm_product p = product_of(in, out);
    tm__product_ref(&p);
}

/* Six columns, a tile and two left, of nine outputs; the cells of one of them. */
static void roots_by(void (*take)(const tm_roots *, uint32_t, int64_t *), const inputs *in,
                     void *out) {
    enum { COLUMNS = 6, OUTPUTS = 9, STRIDE = 64 };
    static uint8_t by_row[N_MAX * 8];
    static int32_t packed[2 * N_MAX * TM_ROOTS_LANES];
    static int64_t cells[2 * COLUMNS * STRIDE * TM_ROOTS_LANES];
    tm_gradients gradients[OUTPUTS] = {{0}};
    tm_bundle bundles[COLUMNS];
    tm_bins bins = {.n_rows = in->n, .by_row = by_row, .row_bytes = 8, .stride = STRIDE};
    bins.bundles.bundles = bundles;
    bins.bundles.n_bundles = COLUMNS;
    for (uint32_t i = 0; i < N_MAX * 8; i++) {
        by_row[i] = (uint8_t)(in->random[i % N_MAX] >> (i / N_MAX * 7)) % STRIDE;
    }
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        gradients[i].packed = (const int32_t *)in->random + i;
        gradients[i].packed_step = 1;
        bundles[i % COLUMNS] = (tm_bundle){.n_codes = STRIDE};
    }
    tm_roots roots = {&bins, OUTPUTS, 2, gradients, packed, cells};
    tm__roots_fit(NULL, &roots);
    memset(out, 0, COLUMNS * STRIDE * sizeof(int64_t));
    take(&roots, in->n % OUTPUTS, out);
}

static void roots_fast(const inputs *in, void *out) {
    roots_by(tm__roots_take, in, out);
}

static void roots_plain(const inputs *in, void *out) {
    roots_by(tm__roots_take_ref, in, out);
}

/* Numbers that are finite, a block's room for each column; 1 to 9 outputs. */
static size_t line_of(const inputs *in, double *x, double *z, double *sums) {
    const size_t k = 1 + in->n % 9;
    for (size_t i = 0; i < TM_LINEAR_RUN * TM_LINEAR_BLOCK; i++) {
        x[i] = (double)in->f[(i * 7) % N_MAX] * (i % 5 == 0 ? 1e9 : 1);
    }
    for (size_t i = 0; i < 9 * TM_LINEAR_BLOCK; i++) {
        z[i] = in->y[(i * 5) % N_MAX];
    }
    memcpy(sums, in->y, 9 * TM_LINEAR_RUN * sizeof(double));
    return k;
}

static void line_by(bool is_plain, const inputs *in, void *out) {
    static double x[TM_LINEAR_RUN * TM_LINEAR_BLOCK], z[9 * TM_LINEAR_BLOCK];
    static double by_row[16 * TM_LINEAR_BLOCK];
    double *const sums = out;
    const uint64_t n = in->n % (TM_LINEAR_BLOCK + 1);
    const size_t k = line_of(in, x, z, sums);
    (is_plain ? tm__linear_add_run_ref : tm__linear_add_run)(x, in->y, n, k, z);
    tm__linear_by_row(z, n, k, by_row);
    (is_plain ? tm__linear_gather_run_ref : tm__linear_gather_run)(x, by_row, n, k, sums);
    sums[9 * TM_LINEAR_RUN] =
        (is_plain ? tm__linear_dot_ref : tm__linear_dot)(in->f, z + (k - 1) * TM_LINEAR_BLOCK, n);
    memcpy(sums + 9 * TM_LINEAR_RUN + 1, z + (k - 1) * TM_LINEAR_BLOCK, n * sizeof(double));
}

static void line_fast(const inputs *in, void *out) {
    line_by(false, in, out);
}

static void line_plain(const inputs *in, void *out) {
    line_by(true, in, out);
}

static const kernel kernels[] = {
    {"first cells of trees", roots_fast, roots_plain},
    {"margins and gradients of lines", line_fast, line_plain},
    {"units of a network", units_fast, units_plain},
    {"step of a network", adam_fast, adam_plain},
    {"product of matrices", product_fast, product_plain},
    {"parts of a score", explain_fast, explain_plain},
    {"exp", exp_fast, exp_plain},
    {"sigmoid", sigmoid_fast, sigmoid_plain},
    {"packed gradients", pack_fast, pack_plain},
    {"cut of a number", cut_fast, cut_plain},
    {"rows of a leaf", divide_fast, divide_plain},
    {"random numbers", random_fast, random_plain},
    {"floats and sums", narrow_fast, narrow_plain},
    {"fixed-point numbers", fixed_fast, fixed_plain},
    {"crc32c", crc_fast, crc_plain},
};

static void inputs_fill(inputs *in, uint64_t number) {
    tm_rng rng = tm__rng_split(number, "kernel", 0);
    memset(in, 0, sizeof(*in));
    in->n = number < 70 ? (uint32_t)number : (uint32_t)(tm__rng_u64(&rng) % N_MAX);
    in->a = tm__rng_f64(&rng);
    in->b = tm__rng_f64(&rng);
    for (uint32_t i = 0; i < N_MAX; i++) {
        /* Any bits at all among numbers of every size: subnormal, infinite and NaN too. */
        const uint64_t bits = tm__rng_u64(&rng);
        in->x[i] = i % 7 == 0 ? tm__f64_from_bits(bits) : (tm__rng_f64(&rng) - 0.5) * 1600;
        in->x[i] = i % 3 == 0 ? (tm__rng_f64(&rng) - 0.5) * 20 : in->x[i];
        in->y[i] = tm__rng_f64(&rng) * 2 - 1;
        in->f[i] = (float)(tm__rng_f64(&rng) * 2 - 1);
        in->positive[i] = i % 11 == 0 ? 0 : (float)(tm__rng_f64(&rng) * 1e-6 * (i % 2 ? 1 : 1e6));
        in->random[i] = i % 13 == 0 ? (i % 2 ? 0 : UINT64_MAX) : tm__rng_u64(&rng);
    }
}

static void every_level_gives_the_bits_of_the_plain_reference(void **state) {
    (void)state;
    static inputs in;
    static double fast[N_MAX + 1], plain[N_MAX + 1];
    for (uint64_t number = 0; number < CASES; number++) {
        inputs_fill(&in, number);
        for (unsigned k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++) {
            memset(plain, 0x5A, sizeof(plain));
            kernels[k].plain(&in, plain);
            for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
                tm__simd_limit(level);
                memset(fast, 0x5A, sizeof(fast));
                kernels[k].fast(&in, fast);
                if (memcmp(fast, plain, sizeof(fast)) != 0) {
                    fail_msg("%s: %s differs from the reference in case %llu of %u",
                             kernels[k].name, tm__simd_text(level), (unsigned long long)number,
                             in.n);
                }
            }
        }
    }
    tm__simd_limit(TM_SIMD_AVX512);
}

/* The machine that runs the tests has what they claim to compare. */
static void levels_follow_the_processor(void **state) {
    (void)state;
#if defined(__x86_64__)
    assert_true((tm__simd_machine() >= TM_SIMD_AVX2) == (__builtin_cpu_supports("avx2") != 0));
#else
    assert_int_equal(tm__simd_machine(), TM_SIMD_PLAIN);
#endif
    for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
        tm__simd_limit(level);
        assert_int_equal(tm__simd(), level);
    }
    tm__simd_limit(TM_SIMD_AVX512);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_plain_reference),
        cmocka_unit_test(levels_follow_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
