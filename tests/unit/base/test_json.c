/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "support.h"

static tm_status parse(const char *text, uint32_t depth_max, json_t **out, tm_err *err) {
    return tm__json_parse(text, strlen(text), depth_max, out, err);
}

static void check_written(const char *text, unsigned flags, const char *want) {
    json_t *value = NULL;
    tm_buf buf;
    tm__buf_init(&buf, 10000);
    assert_int_equal(parse(text, 10, &value, NULL), TM_OK);
    assert_true(tm__json_write(&buf, value, flags));
    assert_string_equal((char *)buf.data, want);
    json_decref(value);
    tm__buf_done(&buf);
}

static void what_is_read_is_written_back(void **state) {
    (void)state;
    static const char *const same[] = {"{}",
                                       "[]",
                                       "null",
                                       "true",
                                       "false",
                                       "0",
                                       "-9223372036854775808",
                                       "0.1",
                                       "-0.0",
                                       "1e+22",
                                       "5e-324",
                                       "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001/\x7F\"",
                                       "[1,[2,{\"b\":1,\"a\":[]}],1.0]",
                                       "\"\xE2\x82\xAC\""};
    for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        check_written(same[i], 0, same[i]);
    }
    check_written("{\"b\":1,\"a\":{\"d\":2,\"c\":3}}", TM_JSON_SORTED,
                  "{\"a\":{\"c\":3,\"d\":2},\"b\":1}");
    check_written("{\"b\":[1,{}],\"a\":[]}", TM_JSON_PRETTY,
                  "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": []\n}");
    check_written("\"\\u20ac\"", 0, "\"\xE2\x82\xAC\"");
}

static void a_nul_byte_is_refused_anywhere(void **state) {
    (void)state;
    static const char *const texts[] = {"[1\0]", "[\0\0\0]", "1\0\0\0"};
    for (unsigned i = 0; i < 3; i++) {
        json_t *value = NULL;
        tm_err err = {0};
        assert_int_equal(tm__json_parse(texts[i], 4, 10, &value, &err), TM_E_DATA);
    }
}

static void bad_documents_are_refused_with_their_place(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_status status;
        const char *message;
    } cases[] = {
        {"", TM_E_DATA, "ends too early (line 1,"},
        {"{\"secret\":", TM_E_DATA, "ends too early (line 1,"},
        {"{\"a\":1,\n\"a\":2}", TM_E_DATA, "a key appears twice in one object (line 2, column 1)"},
        {"[1] x", TM_E_DATA, "something follows the document (line 1, column 5)"},
        {"[secret]", TM_E_DATA, "not a JSON value (line 1, column 2)"},
        {"[1, NaN]", TM_E_DATA, "JSON has no NaN, write null (line 1, column 5)"},
        {"[1,\n  1e999]", TM_E_DATA, "a number is too large or too long (line 2, column 3)"},
        {"\"\xC0\x80\"", TM_E_DATA, "not valid UTF-8"},
        {"\"\\u0000\"", TM_E_DATA, "a text holds a NUL"},
        {"{\"\\u0000\":1}", TM_E_DATA, "a text holds a NUL"},
        {"99999999999999999999", TM_E_DATA, "a number is too large"},
        {"1e999", TM_E_DATA, "a number is too large"},
        {"nan", TM_E_DATA, "a word that is not true, false or null"},
        {"[[[[1]]]]", TM_E_LIMIT, "nests deeper than 3 at byte 3"},
        {"{\"a\":{\"b\":{\"c\":{}}}}", TM_E_LIMIT, "nests deeper than 3"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *value = NULL;
        tm_err err = {0};
        assert_int_equal(parse(cases[i].text, 3, &value, &err), cases[i].status);
        assert_null(value);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("case %u says '%s'", i, err.message);
        }
        assert_null(strstr(err.message, "secret"));
    }
}

static void brackets_in_strings_do_not_nest(void **state) {
    (void)state;
    json_t *value = NULL;
    assert_int_equal(parse("[[\"[[[[\\\"[[[\"]]", 2, &value, NULL), TM_OK);
    json_decref(value);
    assert_int_equal(parse("[1],[2]", 1, &value, NULL), TM_E_DATA);
}

static void depth_has_a_maximum_of_its_own(void **state) {
    (void)state;
    char text[201];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    json_t *value = NULL;
    assert_int_equal(parse(text, UINT32_MAX, &value, NULL), TM_E_LIMIT);
}

static void numbers_that_are_none_become_null(void **state) {
    (void)state;
    json_t *value = json_pack("[o,o,f]", tm__json_number(NAN), tm__json_number(1.5), 0.1);
    tm_buf buf;
    tm__buf_init(&buf, 100);
    assert_true(tm__json_write(&buf, value, 0));
    assert_string_equal((char *)buf.data, "[null,1.5,0.1]");
    tm__buf_done(&buf);
    json_decref(value);
}

static void texts_are_escaped_and_made_valid(void **state) {
    (void)state;
    tm_buf buf;
    tm__buf_init(&buf, 100);
    assert_true(tm__json_write_text(&buf, (tm_str){"a\0\xFF\xE2\x82z\xC3\xA9", 8}));
    assert_string_equal((char *)buf.data,
                        "\"a\\u0000\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\xC3\xA9\"");
    tm__buf_reset(&buf);
    assert_true(tm__json_write_text(&buf, (tm_str){NULL, 0}));
    assert_string_equal((char *)buf.data, "\"\"");
    tm__buf_done(&buf);
}

static void getters_give_defaults(void **state) {
    (void)state;
    json_t *value = NULL;
    assert_int_equal(
        parse("{\"t\":\"x\",\"i\":7,\"f\":1.5,\"b\":true,\"n\":null}", 2, &value, NULL), TM_OK);
    assert_string_equal(tm__json_text(value, "t", "?"), "x");
    assert_string_equal(tm__json_text(value, "i", "?"), "?");
    assert_null(tm__json_text(value, "none", NULL));
    assert_int_equal(tm__json_i64(value, "i", 1), 7);
    assert_int_equal(tm__json_i64(value, "f", 1), 1);
    assert_true(tm__json_f64(value, "f", 0) == 1.5);
    assert_true(tm__json_f64(value, "i", 0) == 7);
    assert_true(tm__json_f64(value, "n", 2) == 2);
    assert_true(tm__json_bool(value, "b", false));
    assert_true(tm__json_bool(value, "i", true));
    assert_int_equal(tm__json_i64(NULL, "i", 3), 3);
    json_decref(value);
}

static void a_full_buffer_is_reported(void **state) {
    (void)state;
    json_t *value = NULL;
    tm_buf buf;
    assert_int_equal(parse("[\"0123456789\",2]", 2, &value, NULL), TM_OK);
    tm__buf_init(&buf, 10);
    assert_false(tm__json_write(&buf, value, 0));
    assert_true(buf.failed);
    tm__buf_done(&buf);
    json_decref(value);
}

static bool read_and_write(void *arg) {
    const char *text = arg;
    json_t *value = NULL;
    tm_buf buf;
    tm__buf_init(&buf, 10000);
    const tm_status st = parse(text, 5, &value, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    const bool is_done = st == TM_OK && tm__json_write(&buf, value, TM_JSON_SORTED);
    if (is_done) { /* a failed allocation took nothing away */
        assert_string_equal((char *)buf.data, text);
    }
    json_decref(value);
    tm__buf_done(&buf);
    return is_done;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    tm__json_init();
    /* Long texts and numbers are where jansson's own parser does not look. */
    char *const texts[] = {
        (char[]){"{\"a\":{\"k\":[null,true]},\"b\":[1,2.5,\"x\",{}]}"},
        (char[]){
            "[0.12345678901234566,1234567890123456789,\"0123456789012345678901234567890123\"]"},
        (char[]){"{\"0123456789012345678901234567890123456789\":[]}"},
    };
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        test_each_mem_fault(read_and_write, texts[i]);
    }
}

static void a_lost_value_is_not_written_around(void **state) {
    (void)state;
    tm_buf buf;
    tm_err err = {0};
    tm__buf_init(&buf, 1000);
    tm__json_reset();
    json_t *object = json_object();
    assert_int_equal(tm__json_check(&err), TM_OK);
    tm__mem_fail_at(1, false);
    (void)json_object_set_new(object, "lost", json_string("x"));
    tm__mem_fail_at(0, false);
    (void)json_object_set_new(object, "kept", json_string("y"));
    assert_int_equal(json_object_size(object), 1);
    assert_false(tm__json_is_whole());
    assert_int_equal(tm__json_check(&err), TM_E_NOMEM);
    assert_false(tm__json_write(&buf, object, 0));
    assert_true(buf.failed);
    tm__json_reset();
    tm__buf_reset(&buf);
    assert_true(tm__json_write(&buf, object, 0));
    assert_string_equal((char *)buf.data, "{\"kept\":\"y\"}");
    assert_null(tm__json_lost());
    assert_int_equal(tm__json_check(NULL), TM_E_NOMEM);
    tm__json_reset();
    json_decref(object);
    tm__buf_done(&buf);
}

static void a_text_is_found_in_a_list(void **state) {
    (void)state;
    json_t *const list = json_pack("[s, i, s]", "a", 1, "");
    assert_true(tm__json_has_text(list, "a") && tm__json_has_text(list, ""));
    assert_false(tm__json_has_text(list, "1") || tm__json_has_text(NULL, "a"));
    json_decref(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_found_in_a_list),
        cmocka_unit_test(what_is_read_is_written_back),
        cmocka_unit_test(a_nul_byte_is_refused_anywhere),
        cmocka_unit_test(bad_documents_are_refused_with_their_place),
        cmocka_unit_test(brackets_in_strings_do_not_nest),
        cmocka_unit_test(depth_has_a_maximum_of_its_own),
        cmocka_unit_test(numbers_that_are_none_become_null),
        cmocka_unit_test(texts_are_escaped_and_made_valid),
        cmocka_unit_test(getters_give_defaults),
        cmocka_unit_test(a_full_buffer_is_reported),
        cmocka_unit_test(running_out_of_memory_is_reported),
        cmocka_unit_test(a_lost_value_is_not_written_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
