/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "test.h"

static bool check_text(const char *text) {
    tm_scan_error e;
    return tm__scan_check(text, strlen(text), &e);
}

static const char *const good[] = {
    "0",
    "-0",
    "1.5e-7",
    "1E+2",
    "\"\"",
    "\"\\u00e4\\ud83d\\ude00\"",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    " [ 1 , 2 ] ",
    "{\"a\":{\"b\":[{}]}}",
    "[[],[]]",
    "\t\n\r 1 ",
    "{\"a\":1,\"a\":2}",
};
static const char *const bad[] = {
    "",
    " ",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "1e+",
    "-",
    "tru",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[",
    "]",
    "{",
    "}",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1,}",
    "[1}",
    "{\"a\":1]",
    "\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"a\nb\"",
    "1 2",
    "[1]]",
    "'a'",
    "\"\xC3\"",
    "\"\xED\xA0\x80\"",
    "/* */1",
    "[1,,2]",
    "\xEF\xBB\xBF"
    "1",
    "{\"a\":1 \"b\":2}",
};

static void what_is_json_passes_and_what_is_not_does_not(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!check_text(good[i])) {
            print_error("refused: %s\n", good[i]);
        }
        assert_true(check_text(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (check_text(bad[i])) {
            print_error("passed: %s\n", bad[i]);
        }
        assert_false(check_text(bad[i]));
    }
}

static void depth_64_passes_and_65_does_not(void **state) {
    (void)state;
    char text[300];
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[depth * 2] = '\0';
        tm_scan_error e;
        assert_int_equal(tm__scan_check(text, depth * 2, &e), depth == 64);
    }
}

static void two_megabytes_in_70_levels_end_at_once(void **state) {
    (void)state;
    const size_t len = 2u << 20;
    char *text = tm__mem_alloc(len + 1, 1);
    memset(text, ' ', len);
    text[len] = '\0';
    for (size_t i = 0; i < 70; i++) {
        text[i * 1000] = '[';
    }
    tm_scan_error e;
    assert_false(tm__scan_check(text, len, &e));
    assert_true(e.is_limit);
    assert_int_equal(e.column, 64 * 1000 + 1);
    tm__mem_free(text);
}

static void an_error_has_its_place(void **state) {
    (void)state;
    tm_scan_error e;
    const char *text = "{\n \"a\": tru}";
    assert_false(tm__scan_check(text, strlen(text), &e));
    assert_int_equal(e.line, 2);
    assert_int_equal(e.column, 7);
}

static void write_random(tm_buf *out, tm_rng *rng, uint32_t depth) {
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "-12",
                                          "1.5",
                                          "0.1",
                                          "1e5",
                                          "1E-7",
                                          "-0.0",
                                          "3.14159265358979",
                                          "9007199254740993",
                                          "9223372036854775807",
                                          "-9223372036854775807",
                                          "1e308",
                                          "5e-324",
                                          "0.30000000000000004",
                                          "123456789012345678",
                                          "2.2250738585072011e-308",
                                          "-1.7e+10"};
    static const char *const pieces[] = {
        "a",   "\\n",    "\\\"", "\\\\", "\xC3\xA4", "\\u00e4",          "\\ud83d\\ude00",
        "\\/", "\\t",    "]",    "}",    ",",        "\xF0\x9F\x98\x80", "\\u0001",
        " ",   "\\uFFFF"};
    const uint64_t kind = tm__rng_below(rng, depth > 5 ? 5 : 8);
    const char *blank = tm__rng_below(rng, 4) == 0 ? " \n\t" : "";
    tm__buf_text(out, blank);
    if (kind == 0) {
        tm__buf_text(out, "null");
    } else if (kind == 1) {
        tm__buf_text(out, tm__rng_below(rng, 2) == 0 ? "true" : "false");
    } else if (kind == 2) {
        tm__buf_text(out, numbers[tm__rng_below(rng, sizeof numbers / sizeof numbers[0])]);
    } else if (kind == 3) {
        char number[32];
        number[tm__f64_to_text(tm__rng_f64(rng) * 1e6 - 5e5, number)] = '\0';
        tm__buf_text(out, number);
    } else if (kind == 4) {
        tm__buf_byte(out, '"');
        for (uint64_t n = tm__rng_below(rng, 8); n > 0; n--) {
            tm__buf_text(out, pieces[tm__rng_below(rng, sizeof pieces / sizeof pieces[0])]);
        }
        tm__buf_byte(out, '"');
    } else {
        const bool is_object = kind < 7;
        tm__buf_byte(out, is_object ? '{' : '[');
        const uint64_t n = tm__rng_below(rng, 5);
        for (uint64_t i = 0; i < n; i++) {
            tm__buf_text(out, i == 0 ? "" : ",");
            if (is_object) {
                tm__buf_printf(out, "%s\"%s%u\" :", blank, pieces[tm__rng_below(rng, 13)],
                               (unsigned)i);
            }
            write_random(out, rng, depth + 1);
        }
        tm__buf_byte(out, is_object ? '}' : ']');
    }
    tm__buf_text(out, blank);
}

static void steps_read_what_jansson_reads(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(7, "scan", 0);
    for (int round = 0; round < 4000; round++) {
        tm_buf text;
        tm__buf_init(&text, 1u << 20);
        write_random(&text, &rng, 0);
        if (round % 3 == 0 && text.len > 0) { /* one byte wrong: same verdict */
            text.data[tm__rng_below(&rng, text.len)] =
                (uint8_t) "{}[],:\"\\0-e.a \x80"[tm__rng_below(&rng, 15)];
        }
        tm_scan_error e;
        const bool ok = tm__scan_check((const char *)text.data, text.len, &e);
        json_error_t je;
        json_t *theirs = json_loadb((const char *)text.data, text.len,
                                    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
        const bool is_duplicate =
            theirs == NULL && json_error_code(&je) == json_error_duplicate_key;
        const bool is_large = theirs == NULL && json_error_code(&je) == json_error_numeric_overflow;
        if (!is_duplicate && !is_large && ok != (theirs != NULL)) {
            print_error("%s: we %d, jansson: %s\n", (const char *)text.data, (int)ok, je.text);
        }
        if (!is_duplicate && !is_large) {
            assert_int_equal(ok, theirs != NULL);
        }
        if (ok && theirs != NULL) {
            tm_err err = {0};
            json_t *ours = NULL;
            assert_ptr_equal(tm__scan_space(tm__scan_skip((char *)text.data)),
                             (char *)text.data + text.len);
            assert_int_equal(tm__json_parse(text.data, text.len, TM_MAX_JSON_DEPTH, &ours, &err),
                             TM_OK);
            if (json_equal(ours, theirs) == 0) {
                print_error("differs: %s\n", (const char *)text.data);
            }
            assert_true(json_equal(ours, theirs));
            json_decref(ours);
        }
        json_decref(theirs);
        tm__buf_done(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_passes_and_what_is_not_does_not),
        cmocka_unit_test(depth_64_passes_and_65_does_not),
        cmocka_unit_test(two_megabytes_in_70_levels_end_at_once),
        cmocka_unit_test(an_error_has_its_place),
        cmocka_unit_test(steps_read_what_jansson_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
