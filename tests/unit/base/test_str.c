/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const tm_str nothing = {NULL, 0};

static void texts_are_compared(void **state) {
    (void)state;
    assert_true(tm__str_eq(TM_STR("abc"), tm__str("abc")));
    assert_false(tm__str_eq(TM_STR("abc"), TM_STR("abd")));
    assert_false(tm__str_eq(TM_STR("abc"), TM_STR("ab")));
    assert_true(tm__str_eq(nothing, tm__str(NULL)));
    assert_true(tm__str_is(nothing, ""));
    assert_true(tm__str_is_nocase(TM_STR("NaN"), "nAn"));
    assert_false(tm__str_is_nocase(TM_STR("[a"), "{a"));
    assert_true(tm__str_compare(TM_STR("a"), TM_STR("b")) < 0);
    assert_true(tm__str_compare(TM_STR("a"), TM_STR("")) > 0);
    assert_true(tm__str_compare(TM_STR("\xFF"), TM_STR("a")) > 0);
    assert_int_equal(tm__str_compare(nothing, nothing), 0);
    assert_true(tm__str_has_prefix(TM_STR("abc"), "ab"));
    assert_false(tm__str_has_prefix(TM_STR("a"), "ab"));
    assert_true(tm__str_has_prefix(nothing, ""));
    assert_true(tm__str_has_suffix(TM_STR("abc"), "bc"));
    assert_false(tm__str_has_suffix(TM_STR("bc"), "abc"));
    assert_true(tm__str_has_suffix(nothing, ""));
}

static void texts_are_trimmed_and_cut(void **state) {
    (void)state;
    assert_true(tm__str_is(tm__str_trim(TM_STR(" \t a b\r\n")), "a b"));
    assert_int_equal(tm__str_trim(TM_STR(" \n ")).len, 0);
    assert_int_equal(tm__str_trim(nothing).len, 0);
    tm_str rest = TM_STR("a,,b");
    assert_true(tm__str_is(tm__str_cut(&rest, ','), "a"));
    assert_true(tm__str_is(tm__str_cut(&rest, ','), ""));
    assert_true(tm__str_is(rest, "b"));
    assert_true(tm__str_is(tm__str_cut(&rest, ','), "b"));
    assert_int_equal(rest.len, 0);
    assert_true(tm__str_is(tm__str_cut(&rest, ','), ""));
    rest = nothing;
    assert_int_equal(tm__str_cut(&rest, ',').len, 0);
}

static void only_valid_utf8_passes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_valid;
    } cases[] = {
        {"", true},
        {"plain ascii of more than eight bytes", true},
        {"gr\xC3\xBC\xC3\x9F", true},
        {"\xE2\x82\xAC \xF0\x9F\x8C\x8A", true},
        {"\xEF\xBF\xBF", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"\x80", false},
        {"\xC0\x80", false},
        {"\xC1\xBF", false},
        {"\xE0\x80\x80", false},
        {"\xED\xA0\x80", false},
        {"\xF0\x80\x80\x80", false},
        {"\xF4\x90\x80\x80", false},
        {"\xF5\x80\x80\x80", false},
        {"\xC3", false},
        {"\xE2\x82", false},
        {"\xE2\x28\xA1", false},
        {"\xFF", false},
        {"12345678\xC3", false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__str_is_utf8(tm__str(cases[i].text)) != cases[i].is_valid) {
            fail_msg("case %u", i);
        }
    }
}

/* The straightforward definition, character by character, for all texts of two and three bytes. */
static bool is_utf8_ref(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len;) {
        uint32_t value = bytes[i];
        size_t n = value < 0x80       ? 1
                   : value >> 5 == 6  ? 2
                   : value >> 4 == 14 ? 3
                   : value >> 3 == 30 ? 4
                                      : 0;
        if (n == 0 || n > len - i) {
            return false;
        }
        value = n == 1 ? value : value & (0xFFu >> (n + 1));
        for (size_t j = 1; j < n; j++) {
            if (bytes[i + j] >> 6 != 2) {
                return false;
            }
            value = value << 6 | (bytes[i + j] & 63u);
        }
        const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
            return false;
        }
        i += n;
    }
    return true;
}

static void utf8_agrees_with_its_definition(void **state) {
    (void)state;
    for (uint32_t i = 0; i < UINT32_C(1) << 24; i++) {
        uint8_t bytes[4] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0x80};
        const size_t len = bytes[0] >= 0xF0 ? 4 : 3;
        if (tm__str_is_utf8((tm_str){(char *)bytes, len}) != is_utf8_ref(bytes, len)) {
            fail_msg("bytes %06x", i);
        }
    }
}

static void copies_are_cut_and_say_so(void **state) {
    (void)state;
    char out[4];
    assert_true(tm__str_copy(out, sizeof(out), TM_STR("abc")));
    assert_string_equal(out, "abc");
    assert_false(tm__str_copy(out, sizeof(out), TM_STR("abcd")));
    assert_string_equal(out, "abc");
    assert_true(tm__str_copy(out, sizeof(out), nothing));
    assert_string_equal(out, "");
    assert_false(tm__str_copy(out, 0, nothing));
}

static void edits_are_counted(void **state) {
    (void)state;
    assert_int_equal(tm__str_distance(TM_STR("kitten"), TM_STR("sitting"), 9), 3);
    assert_int_equal(tm__str_distance(TM_STR("trian"), TM_STR("train"), 9), 1);
    assert_int_equal(tm__str_distance(nothing, TM_STR("abc"), 9), 3);
    assert_int_equal(tm__str_distance(TM_STR("abc"), TM_STR("xyz"), 1), 2);
    char text[600];
    memset(text, 'a', sizeof(text));
    assert_int_equal(tm__str_distance((tm_str){text, 600}, (tm_str){text, 590}, 9), 0);
}

static void the_nearest_name_is_found(void **state) {
    (void)state;
    const char *const names[] = {"train", "predict", "serve", "status"};
    assert_string_equal(tm__str_nearest(TM_STR("tarin"), names, 4), "train");
    assert_string_equal(tm__str_nearest(TM_STR("predct"), names, 4), "predict");
    assert_string_equal(tm__str_nearest(TM_STR("stats"), names, 4), "status");
    assert_null(tm__str_nearest(TM_STR("banana"), names, 4));
    assert_null(tm__str_nearest(TM_STR("x"), names, 4));
    assert_null(tm__str_nearest(nothing, names, 4));
    assert_null(tm__str_nearest(TM_STR("train"), names, 0));
}

static void bytes_have_their_unit(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(tm__bytes_text(0, text, sizeof(text)), "0 bytes");
    assert_string_equal(tm__bytes_text(1023, text, sizeof(text)), "1023 bytes");
    assert_string_equal(tm__bytes_text(1536, text, sizeof(text)), "1.5 KiB");
    assert_string_equal(tm__bytes_text(UINT64_C(10) << 30, text, sizeof(text)), "10 GiB");
    assert_string_equal(tm__bytes_text(UINT64_MAX, text, sizeof(text)), "16777216 TiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_their_unit),
        cmocka_unit_test(texts_are_compared),
        cmocka_unit_test(texts_are_trimmed_and_cut),
        cmocka_unit_test(only_valid_utf8_passes),
        cmocka_unit_test(utf8_agrees_with_its_definition),
        cmocka_unit_test(copies_are_cut_and_say_so),
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(the_nearest_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
