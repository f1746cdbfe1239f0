/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "expr_case.h"

static void saved(const char *text, tm_buf *out) {
    tm_expr expr;
    assert_int_equal(expr_compile(text, &expr, NULL), TM_OK);
    tm__buf_init(out, 1 << 20);
    assert_true(tm__expr_save(&expr, out));
    tm__expr_done(&expr);
}

static tm_status loaded(const void *data, size_t len, tm_expr *out) {
    tm_reader in;
    tm__reader_init(&in, data, len);
    return tm__expr_load(&in, expr_types, EXPR_COLS, out, NULL);
}

static const char *const texts[] = {
    "if(a > 1 and s in ('x', 'y'), concat(s, '|', hour(t)), missing)",
    "coalesce(m, b) / (a + 1e-3)", "if(t < date('2024-01-01'), v, t - 1)",
    "scale(a) + bin(b, 4) * mean_by(m, pool_rare(s, 0.1))", /* learned nothing yet */
};

static void what_is_loaded_gives_the_same_bytes_and_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tm_buf bytes, again;
        tm_expr expr;
        tm_expr_scratch scratch;
        saved(texts[i], &bytes);
        assert_int_equal(loaded(bytes.data, bytes.len, &expr), TM_OK);
        tm__buf_init(&again, 1 << 20);
        assert_true(tm__expr_save(&expr, &again));
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        (void)expr_run(&expr, &scratch);
        tm__expr_done(&expr);
        tm__buf_done(&bytes);
        tm__buf_done(&again);
    }
}

/* Every byte changed in turn: refused, or something that can run. */
static void no_byte_makes_it_leave_its_stack(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tm_buf bytes;
        saved(texts[i], &bytes);
        for (size_t at = 0; at < bytes.len; at++) {
            static const uint8_t with[] = {0xff, 0x01, 0x80, 0x07};
            for (size_t w = 0; w < sizeof(with); w++) {
                tm_expr expr;
                tm_expr_scratch scratch;
                bytes.data[at] ^= with[w];
                if (loaded(bytes.data, bytes.len, &expr) == TM_OK) {
                    assert_true(tm__expr_is_valid(&expr, expr_types, EXPR_COLS));
                    (void)expr_run(&expr, &scratch);
                    tm__expr_done(&expr);
                }
                bytes.data[at] ^= with[w];
            }
        }
        for (size_t len = 0; len < bytes.len; len++) {
            tm_expr expr;
            assert_int_equal(loaded(bytes.data, len, &expr), TM_E_DATA);
        }
        tm__buf_done(&bytes);
    }
}

static void ops_that_do_not_fit_are_refused(void **state) {
    (void)state;
    uint32_t reads[] = {0, 4};
    uint64_t bits[] = {UINT64_C(0x7ff0000000000000)};
    static const struct {
        tm_expr_type type;
        tm_expr_op ops[4];
        uint32_t n;
    } cases[] = {
        {TM_EXPR_NUMBER, {{0}}, 0},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 2}}, 1},
        {TM_EXPR_TEXT, {{TM_EXPR_OP_READ, 0, 0}}, 1},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 0}, {TM_EXPR_OP_READ, 0, 0}}, 2},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 0}, {TM_EXPR_OP_CALL, 2, 1}}, 2},
        {TM_EXPR_NUMBER,
         {{TM_EXPR_OP_READ, 0, 0}, {TM_EXPR_OP_READ, 0, 1}, {TM_EXPR_OP_CALL, 2, 1}},
         3},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 0}, {TM_EXPR_OP_CALL, 1, 999}}, 2},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_CONST, 0, 0}}, 1}, /* infinite */
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_CONST, 0, 1}}, 1},
        {TM_EXPR_TEXT, {{TM_EXPR_OP_LITERAL, 0, 0}}, 1},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_MISSING, 0, 4}}, 1},
        {TM_EXPR_NUMBER, {{9, 0, 0}}, 1},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 0}, {TM_EXPR_OP_FITTED, 1, 0}}, 2},
        {TM_EXPR_NUMBER, {{TM_EXPR_OP_READ, 0, 0}}, 1}, /* what is learned has no call */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_expr_fit fit = {.fn = 1};
        tm_expr expr = {.type = cases[i].type,
                        .ops = (tm_expr_op *)(uintptr_t)cases[i].ops,
                        .n_ops = cases[i].n,
                        .bits = bits,
                        .n_bits = 1,
                        .reads = reads,
                        .n_reads = 2,
                        .fits = &fit,
                        .n_fits = i + 1 == sizeof(cases) / sizeof(cases[0])};
        assert_false(tm__expr_is_valid(&expr, expr_types, EXPR_COLS));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_gives_the_same_bytes_and_values),
        cmocka_unit_test(no_byte_makes_it_leave_its_stack),
        cmocka_unit_test(ops_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("feature_expr", tests, NULL, NULL);
}
