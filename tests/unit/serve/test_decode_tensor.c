/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "serve/decode.h"
#include "test.h"

static tm_schema_column column = {
    .name = (char[]){"v"}, .type = TM_TYPE_FLOAT, .is_nullable = true};
static const tm_schema schema = {.n_cols = 1, .cols = &column};

/* The numbers that a tensor of one column gives; NaN where a value is missing. */
static void numbers_of(const tm_tensor *tensor, double *out, uint64_t n) {
    const tm_plan_parts parts = {.inputs = &schema};
    tm_plan *plan = NULL;
    tm_exchange x = {0};
    tm_arena *arena = tm__arena_create(1u << 20);
    const tm_rows_place place = {
        .kind = TM_ROWS_TENSORS, .path = "rows", .tensors = tensor, .n_tensors = 1};
    assert_int_equal(tm__plan_make(&parts, &plan, NULL), TM_OK);
    tm_decoder *d = tm__decoder_create(plan, &place, &x, arena);
    uint64_t i = 0;
    for (; tm__decoder_next(d); i++) {
        const tm_cell *cell = tm__decoder_cells(d);
        out[i] = cell->type == TM_TYPE_NONE ? NAN : cell->f64;
    }
    if (x.n_errors > 0) {
        fail_msg("%s", x.errors[0].detail);
    }
    assert_int_equal(i, n);
    tm__plan_free(plan);
    tm__arena_free(arena);
}

static void datatypes_have_names_and_sizes(void **state) {
    (void)state;
    tm_datatype type;
    assert_true(tm__datatype_find(TM_STR("FP16"), &type));
    assert_int_equal(tm__datatype_size(type), 2);
    assert_true(tm__datatype_find(TM_STR("BYTES"), &type));
    assert_int_equal(tm__datatype_size(type), 0);
    assert_true(tm__datatype_find(TM_STR("UINT64"), &type));
    assert_int_equal(tm__datatype_size(type), 8);
    assert_false(tm__datatype_find(TM_STR("fp16"), &type));
    assert_false(tm__datatype_find(TM_STR(""), &type));
}

static void bytes_become_the_numbers_they_are(void **state) {
    (void)state;
    static const struct {
        tm_datatype type;
        const char *bytes;
        double want[3];
    } cases[] = {
        {TM_DATA_BOOL, "\0\1\1", {0, 1, 1}},
        {TM_DATA_UINT8, "\0\x7f\xff", {0, 127, 255}},
        {TM_DATA_INT8, "\0\x7f\xff", {0, 127, -1}},
        {TM_DATA_UINT16, "\1\0\0\x80\xff\xff", {1, 32768, 65535}},
        {TM_DATA_INT16, "\1\0\0\x80\xff\xff", {1, -32768, -1}},
        {TM_DATA_UINT32, "\1\0\0\0\0\0\0\x80\xff\xff\xff\xff", {1, 2147483648.0, 4294967295.0}},
        {TM_DATA_INT32, "\1\0\0\0\0\0\0\x80\xff\xff\xff\xff", {1, -2147483648.0, -1}},
        {TM_DATA_UINT64,
         "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff",
         {1, 0x1p63, 0x1p64}},
        {TM_DATA_INT64,
         "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff",
         {1, -0x1p63, -1}},
        {TM_DATA_FP16, "\0\x3c\1\0\xff\x7b", {1, 0x1p-24, 65504}},
        {TM_DATA_FP16, "\0\xbc\0\x7e\0\x04", {-1, NAN, 0x1p-14}},
        {TM_DATA_FP32, "\0\0\xc0\x3f\0\0\xc0\x7f\1\0\0\0", {1.5, NAN, 0x1p-149}},
        {TM_DATA_FP64,
         "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\xf8\x7f\0\0\0\0\0\0\0\x80",
         {1.5, NAN, -0.0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double got[3] = {0};
        const tm_tensor tensor = {.name = TM_STR("v"),
                                  .type = cases[i].type,
                                  .n_rows = 3,
                                  .n_cols = 1,
                                  .is_flat = true,
                                  .bytes = (const uint8_t *)cases[i].bytes,
                                  .n_bytes = 3 * tm__datatype_size(cases[i].type)};
        numbers_of(&tensor, got, 3);
        for (size_t k = 0; k < 3; k++) {
            if (!(got[k] == cases[i].want[k] || (isnan(got[k]) && isnan(cases[i].want[k])))) {
                fail_msg("case %zu, value %zu: %g", i, k, got[k]);
            }
        }
    }
}

static void texts_are_fitted_and_an_empty_one_is_missing(void **state) {
    (void)state;
    double got[3] = {0};
    static const char bytes[] = "\3\0\0\0-.5\0\0\0\0\2\0\0\0NA";
    const tm_tensor tensor = {.name = TM_STR("v"),
                              .type = TM_DATA_BYTES,
                              .n_rows = 3,
                              .n_cols = 1,
                              .bytes = (const uint8_t *)bytes,
                              .n_bytes = sizeof bytes - 1};
    numbers_of(&tensor, got, 3);
    assert_true(got[0] == -0.5 && isnan(got[1]) && isnan(got[2]));
}

static void json_may_be_flat_or_nested_and_keeps_its_digits(void **state) {
    (void)state;
    static const char *const texts[] = {"[0.1,null,1e300]", "[[0.1],[null],[1e300]]",
                                        " [ [ 0.1 , null ] , [ ] , 1e300 ] ",
                                        "[[[0.1,null,1e300]]]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[64];
        double got[3] = {0};
        memcpy(text, texts[i], strlen(texts[i]) + 1);
        const tm_tensor tensor = {
            .name = TM_STR("v"), .type = TM_DATA_FP32, .n_rows = 3, .n_cols = 1, .json = text};
        numbers_of(&tensor, got, 3);
        assert_true(got[0] == 0.1 && isnan(got[1]) && got[2] == 1e300);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datatypes_have_names_and_sizes),
        cmocka_unit_test(bytes_become_the_numbers_they_are),
        cmocka_unit_test(texts_are_fitted_and_an_empty_one_is_missing),
        cmocka_unit_test(json_may_be_flat_or_nested_and_keeps_its_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
