/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "model/imported/import_priv.h"

#define BYTES(text) text, sizeof(text) - 1

static void every_type_becomes_its_text(void **state) {
    (void)state;
    const struct {
        const char *data;
        size_t len;
        const char *want; /* NULL: refused */
    } cases[] = {
        {BYTES("Z"), "null"},
        {BYTES("T"), "true"},
        {BYTES("i\xFF"), "-1"},
        {BYTES("U\xFF"), "255"},
        {BYTES("I\x80\x00"), "-32768"},
        {BYTES("l\x7F\xFF\xFF\xFF"), "2147483647"},
        {BYTES("L\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"), "-2"},
        {BYTES("d\x3F\xC0\x00\x00"), "1.5"},
        {BYTES("d\x3D\xCC\xCC\xCD"), "0.10000000149011612"},
        {BYTES("d\x7F\x80\x00\x00"), "null"},
        {BYTES("D\x40\x09\x21\xFB\x54\x44\x2D\x18"), "3.141592653589793"},
        {BYTES("SU\x02\"x"), "\"\\\"x\""},
        {BYTES("Cq"), "\"q\""},
        {BYTES("[i\x01i\x02]"), "[1,2]"},
        {BYTES("[]"), "[]"},
        {BYTES("[#i\x02TF"), "[true,false]"},
        {BYTES("[$U#i\x03\x01\x02\x03"), "[1,2,3]"},
        {BYTES("{U\x01"
               "aTU\x01"
               "b[]}"),
         "{\"a\":true,\"b\":[]}"},
        {BYTES("{#i\x01U\x01"
               "aZ"),
         "{\"a\":null}"},
        {BYTES(""), NULL},
        {BYTES("q"), NULL},
        {BYTES("l\x00\x00"), NULL},
        {BYTES("ZZ"), NULL},
        {BYTES("[i\x01"), NULL},
        {BYTES("{U\x01"
               "a}"),
         NULL},
        {BYTES("SL\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFx"), NULL},
        {BYTES("Si\xFFx"), NULL},
        {BYTES("[$d#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), NULL},
        {BYTES("[$Z#i\x02"), NULL}, /* elements without bytes */
        {BYTES("[$U\x01\x02"), NULL},
        {BYTES("[$[#i\x01]"), NULL},
        {BYTES("S\x44\x00\x00\x00\x00"), NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm_err err = {0};
        tm__buf_init(&out, 1000);
        const tm_status st = tm__import_ubjson(cases[i].data, cases[i].len, &out, &err);
        if ((st == TM_OK) != (cases[i].want != NULL)) {
            print_message("case %zu: %s\n", i, err.message);
        }
        assert_int_equal(st, cases[i].want != NULL ? TM_OK : TM_E_DATA);
        if (st == TM_OK) {
            assert_string_equal((const char *)out.data, cases[i].want);
        }
        tm__buf_done(&out);
    }
}

static void nests_are_as_deep_as_json_may_be(void **state) {
    (void)state;
    char deep[400];
    tm_buf out;
    tm_err err = {0};
    memset(deep, '[', sizeof(deep));
    tm__buf_init(&out, 10000);
    assert_int_equal(tm__import_ubjson(deep, sizeof(deep), &out, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "too deep"));
    tm__buf_done(&out);
}

static void a_text_that_does_not_fit_is_a_limit(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 4);
    assert_int_equal(tm__import_ubjson(BYTES("[TTTT]"), &out, NULL), TM_E_LIMIT);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_becomes_its_text),
        cmocka_unit_test(nests_are_as_deep_as_json_may_be),
        cmocka_unit_test(a_text_that_does_not_fit_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
