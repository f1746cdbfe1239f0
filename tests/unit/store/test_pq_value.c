/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "store/pq_priv.h"
#include "test.h"

static void types_are_known_by_their_number(void **state) {
    (void)state;
    assert_int_equal(tm__pq_kind(1700, -1), TM_PQ_NUMERIC);
    assert_int_equal(tm__pq_kind(1700, 4 + (10 << 16)), TM_PQ_WHOLE);
    assert_int_equal(tm__pq_kind(1700, 4 + (18 << 16)), TM_PQ_WHOLE);
    assert_int_equal(tm__pq_kind(1700, 4 + (19 << 16)), TM_PQ_NUMERIC);
    assert_int_equal(tm__pq_kind(1700, 4 + (10 << 16) + 2), TM_PQ_NUMERIC);
    assert_int_equal(tm__pq_kind(1700, 4 + (10 << 16) + 0x7fe), TM_PQ_NUMERIC); /* scale -2 */
    assert_int_equal(tm__pq_kind(17, -1), TM_PQ_OTHER);                         /* bytea */
    assert_int_equal(tm__pq_kind_type(TM_PQ_OTHER), TM_TYPE_TEXT);
    assert_int_equal(tm__pq_kind_type(tm__pq_kind(16, -1)), TM_TYPE_BOOL);
    assert_int_equal(tm__pq_kind_type(tm__pq_kind(1184, -1)), TM_TYPE_TIME);
}

static void whole_numbers_and_times_are_read(void **state) {
    (void)state;
    static const struct {
        tm_pq_kind kind;
        size_t len;
        uint8_t data[16];
        bool ok;
        int64_t want;
    } cases[] = {
        {TM_PQ_BOOL, 1, {1}, true, 1},
        {TM_PQ_BOOL, 1, {0}, true, 0},
        {TM_PQ_BOOL, 2, {0}, false, 0},
        {TM_PQ_INT2, 2, {0xff, 0xfe}, true, -2},
        {TM_PQ_INT4, 4, {0x80, 0, 0, 0}, true, INT32_MIN},
        {TM_PQ_INT4, 3, {0}, false, 0},
        {TM_PQ_INT8, 8, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true, INT64_MAX},
        {TM_PQ_INT8, 8, {0x80}, false, 0}, /* the one that means missing */
        {TM_PQ_OID, 4, {0xff, 0xff, 0xff, 0xff}, true, UINT32_MAX},
        {TM_PQ_DATE, 4, {0, 0, 0, 1}, true, INT64_C(946771200000000)},
        {TM_PQ_DATE, 4, {0x7f, 0xff, 0xff, 0xff}, true, TM_INT_MISSING}, /* infinity */
        {TM_PQ_DATE, 4, {0x80, 0, 0, 0}, true, TM_INT_MISSING},
        {TM_PQ_TIME, 8, {0, 0, 0, 0, 0, 0, 0, 1}, true, INT64_C(946684800000001)},
        {TM_PQ_TIME, 8, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true, TM_INT_MISSING},
        {TM_PQ_TIME, 8, {0x80}, true, TM_INT_MISSING},
        {TM_PQ_TIME, 8, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, false, 0}, /* finite */
        {TM_PQ_DATE, 4, {0x7f, 0, 0, 0}, false, 0},
        /* numeric(p, 0): n, weight, sign, scale, digits */
        {TM_PQ_WHOLE, 8, {0}, true, 0},
        {TM_PQ_WHOLE, 10, {0, 1, 0, 0, 0, 0, 0, 0, 0, 42}, true, 42},
        {TM_PQ_WHOLE, 10, {0, 1, 0, 2, 0x40, 0, 0, 0, 0, 7}, true, -700000000},
        {TM_PQ_WHOLE, 12, {0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0x27, 0x0f}, true, 19999},
        {TM_PQ_WHOLE, 8, {0, 0, 0, 0, 0xC0, 0, 0, 0}, true, TM_INT_MISSING}, /* NaN */
        {TM_PQ_WHOLE, 10, {0, 1, 0, 5, 0, 0, 0, 0, 0, 1}, false, 0},         /* 10^20 */
        {TM_PQ_WHOLE, 10, {0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 1}, false, 0},   /* a fraction */
        {TM_PQ_WHOLE, 9, {0, 1, 0, 0, 0, 0, 0, 0, 0}, false, 0},
        {TM_PQ_WHOLE, 10, {0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10}, false, 0}, /* a digit of 10,000 */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t got = 0;
        assert_int_equal(tm__pq_read_int(cases[i].kind, cases[i].data, cases[i].len, &got),
                         cases[i].ok);
        if (cases[i].ok) {
            assert_int_equal(got, cases[i].want);
        }
    }
}

static void what_does_not_fit_has_a_text(void **state) {
    (void)state;
    static const struct {
        tm_pq_kind kind;
        size_t len;
        uint8_t data[16];
        const char *want; /* NULL: none */
    } cases[] = {
        {TM_PQ_INT8, 8, {0x80}, "-9223372036854775808"},
        {TM_PQ_NUMERIC, 10, {0, 1, 0, 100, 0x40, 0, 0, 0, 0, 12}, "-12e400"},
        {TM_PQ_NUMERIC, 12, {0, 2, 0, 100, 0, 0, 0, 0, 0, 1, 0, 5}, "10005e396"},
        {TM_PQ_WHOLE, 10, {0, 1, 0, 5, 0, 0, 0, 0, 0, 1}, "1e20"},
        {TM_PQ_DATE, 4, {0x7f, 0xda, 0x97, 0x0c}, "5874897-12-31"},
        {TM_PQ_TIME,
         8,
         {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe},
         "294277-01-09T04:00:54.775806Z"},
        {TM_PQ_NUMERIC, 9, {0}, NULL},
        {TM_PQ_BOOL, 1, {1}, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf text;
        tm__buf_init(&text, 1000);
        assert_int_equal(tm__pq_far_text(cases[i].kind, cases[i].data, cases[i].len, &text),
                         cases[i].want != NULL);
        if (cases[i].want != NULL) {
            assert_string_equal((const char *)text.data, cases[i].want);
        }
        tm__buf_done(&text);
    }
}

/* A decimal text as the server would send it. */
static size_t numeric_of(const char *whole, const char *fraction, bool is_negative, uint8_t *out) {
    const size_t n_whole = (strlen(whole) + 3) / 4, n_fraction = (strlen(fraction) + 3) / 4;
    const size_t lead = n_whole * 4 - strlen(whole), n = n_whole + n_fraction;
    memset(out, 0, 8 + 2 * n);
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    const int weight = (int)n_whole - 1;
    out[2] = (uint8_t)((unsigned)weight >> 8);
    out[3] = (uint8_t)weight;
    out[4] = is_negative ? 0x40 : 0;
    for (size_t i = 0; i < n * 4; i++) {
        const size_t at = i - lead;
        const char c = i < lead                             ? '0'
                       : i < n_whole * 4                    ? whole[at]
                       : i - n_whole * 4 < strlen(fraction) ? fraction[i - n_whole * 4]
                                                            : '0';
        uint8_t *const digit = out + 8 + i / 4 * 2;
        const unsigned value = (unsigned)(digit[0] << 8 | digit[1]) * 10 + (unsigned)(c - '0');
        digit[0] = (uint8_t)(value >> 8);
        digit[1] = (uint8_t)value;
    }
    return 8 + 2 * n;
}

static void numerics_are_the_nearest_double(void **state) {
    (void)state;
    static uint8_t data[4096];
    char whole[400], fraction[400], text[900];
    tm_rng rng = tm__rng_split(5, "numeric", 0);
    for (uint32_t i = 0; i < 20000; i++) {
        const size_t n_whole = tm__rng_below(&rng, i % 50 == 0 ? 150 : 12);
        const size_t n_fraction = 1 + tm__rng_below(&rng, i % 50 == 1 ? 150 : 12);
        for (size_t j = 0; j < n_whole; j++) {
            whole[j] = (char)('0' + tm__rng_below(&rng, 10));
        }
        for (size_t j = 0; j < n_fraction; j++) {
            fraction[j] = (char)('0' + tm__rng_below(&rng, 10));
        }
        whole[n_whole] = fraction[n_fraction] = '\0';
        const bool is_negative = i % 2 == 0;
        const size_t len = numeric_of(whole, fraction, is_negative, data);
        double got = 0, want = 0;
        const int n = snprintf(text, sizeof(text), "%s%s.%s", is_negative ? "-" : "",
                               n_whole == 0 ? "0" : whole, fraction);
        assert_true(tm__str_to_f64((tm_str){text, (size_t)n}, &want));
        assert_true(tm__pq_read_float(TM_PQ_NUMERIC, data, len, &got));
        assert_true(got == want);
    }
}

static void other_floats_and_what_is_no_number(void **state) {
    (void)state;
    static uint8_t data[2048];
    double got = 0;
    const uint8_t half[] = {0x3f, 0, 0, 0}, two[] = {0x40, 0, 0, 0, 0, 0, 0, 0};
    assert_true(tm__pq_read_float(TM_PQ_FLOAT4, half, 4, &got));
    assert_true(got == 0.5);
    assert_true(tm__pq_read_float(TM_PQ_FLOAT8, two, 8, &got));
    assert_true(got == 2);
    assert_false(tm__pq_read_float(TM_PQ_FLOAT8, two, 4, &got));
    const uint8_t nan[] = {0, 0, 0, 0, 0xC0, 0, 0, 0}, more[] = {0, 0, 0, 0, 0xD0, 0, 0, 0},
                  less[] = {0, 0, 0, 0, 0xF0, 0, 0, 0}, odd[] = {0, 0, 0, 0, 0x12, 0, 0, 0};
    assert_true(tm__pq_read_float(TM_PQ_NUMERIC, nan, 8, &got) && isnan(got));
    assert_true(tm__pq_read_float(TM_PQ_NUMERIC, more, 8, &got) && got == (double)INFINITY);
    assert_true(tm__pq_read_float(TM_PQ_NUMERIC, less, 8, &got) && got == -(double)INFINITY);
    assert_false(tm__pq_read_float(TM_PQ_NUMERIC, odd, 8, &got));
    char huge[402], beside[402];
    memset(huge, '0', sizeof(huge));
    huge[0] = '1';
    huge[401] = '\0'; /* 1e400 */
    assert_false(tm__pq_read_float(TM_PQ_NUMERIC, data, numeric_of(huge, "", false, data), &got));
    /* 2^53 + 1 lies in the middle of two doubles, and a digit far behind says which one it is. */
    memset(beside, '0', sizeof(beside));
    beside[400] = '1';
    beside[401] = '\0';
    assert_true(tm__pq_read_float(TM_PQ_NUMERIC, data,
                                  numeric_of("9007199254740993", "0", false, data), &got));
    assert_true(got == 9007199254740992.0);
    assert_true(tm__pq_read_float(TM_PQ_NUMERIC, data,
                                  numeric_of("9007199254740993", beside, false, data), &got));
    assert_true(got == 9007199254740994.0);
}

static void texts_are_as_they_are_for_people(void **state) {
    (void)state;
    char uuid[40];
    tm_str text;
    assert_true(tm__pq_read_text(TM_PQ_BLANKS, (const uint8_t *)"ab  ", 4, uuid, &text));
    assert_true(tm__str_is(text, "ab"));
    assert_true(tm__pq_read_text(TM_PQ_TEXT, (const uint8_t *)"ab  ", 4, uuid, &text));
    assert_true(tm__str_is(text, "ab  "));
    assert_true(tm__pq_read_text(TM_PQ_JSONB, (const uint8_t *)"\1{}", 3, uuid, &text));
    assert_true(tm__str_is(text, "{}"));
    assert_false(tm__pq_read_text(TM_PQ_JSONB, (const uint8_t *)"\2{}", 3, uuid, &text));
    assert_true(tm__pq_read_text(TM_PQ_UUID,
                                 (const uint8_t *)"\x12\x34\x56\x78\x9a\xbc\xde\xf0"
                                                  "\x0f\xed\xcb\xa9\x87\x65\x43\x21",
                                 16, uuid, &text));
    assert_true(tm__str_is(text, "12345678-9abc-def0-0fed-cba987654321"));
    assert_false(tm__pq_read_text(TM_PQ_UUID, (const uint8_t *)"\x12", 1, uuid, &text));
}

static void a_text_that_is_too_long_stays_too_long(void **state) {
    (void)state;
    const size_t len = TM_MAX_TEXT_BYTES + 100;
    char uuid[40];
    tm_str text;
    uint8_t *const long_text = tm__mem_alloc(len, 1);
    memset(long_text, 'x', len);
    assert_true(tm__pq_read_text(TM_PQ_TEXT, long_text, TM_MAX_TEXT_BYTES, uuid, &text));
    assert_int_equal(text.len, TM_MAX_TEXT_BYTES);
    assert_true(tm__pq_read_text(TM_PQ_TEXT, long_text, len, uuid, &text));
    assert_int_equal(text.len, TM_MAX_TEXT_BYTES + 1);
    memcpy(long_text + TM_MAX_TEXT_BYTES, "\xe2\x82\xac", 3); /* a character is not cut */
    assert_true(tm__pq_read_text(TM_PQ_TEXT, long_text, len, uuid, &text));
    assert_int_equal(text.len, TM_MAX_TEXT_BYTES + 3);
    tm__mem_free(long_text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_known_by_their_number),
        cmocka_unit_test(whole_numbers_and_times_are_read),
        cmocka_unit_test(what_does_not_fit_has_a_text),
        cmocka_unit_test(numerics_are_the_nearest_double),
        cmocka_unit_test(other_floats_and_what_is_no_number),
        cmocka_unit_test(texts_are_as_they_are_for_people),
        cmocka_unit_test(a_text_that_is_too_long_stays_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
