/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "source/profile.h"
#include "support.h"
#include "test.h"

static json_t *profile_text(const char *text, bool shows_values) {
    tm_ctx *const ctx = test_ctx_make(1);
    tm_profile_sheet *sheet = NULL;
    tm_table *sample = NULL;
    tm_err err = {0};
    assert_int_equal(tm__fs_publish("text.csv", text, strlen(text), NULL), TM_OK);
    const tm_status st = tm__profile_read(ctx, &(tm_source_spec){.path = "text.csv"},
                                          &(tm_profile_options){0}, &sheet, &sample, &err);
    assert_int_equal(st, TM_OK);
    json_t *const json = tm__profile_to_json(sheet, &(tm_profile_words){shows_values});
    tm__table_unref(sample);
    tm__profile_free(sheet);
    test_ctx_free(ctx);
    return json;
}

static const json_t *column_of(const json_t *profile, size_t col) {
    return json_array_get(json_object_get(profile, "columns"), col);
}

static void small_columns_are_told_exactly(void **state) {
    (void)state;
    const struct {
        const char *text, *type, *min, *max, *note;
        int64_t missing, distinct;
    } cases[] = {
        {"x\n3\n-1\n3\n", "int", "-1", "3", "", 0, 2},
        {"x\n1.5\n\nNA\n1.50\n", "float", "1.5", "1.5", "always the same", 2, 1},
        {"x\n1\n2\n-\n", "int", "1", "2", "", 1, 2},
        {"x\na\n-\nb\n", "text", "", "", "", 0, 3},
        {"x,y\n,1\n,2\n", "text", "", "", "always missing", 2, 0},
        {"x\ntrue\nFALSE\nTrue\n", "bool", "", "", "", 0, 2},
        {"x\n2020-02-29\n2021-01-01\n", "date", "2020-02-29", "2021-01-01", "", 0, 2},
        {"x\n13/01/2020\n01/02/2020\n", "date", "2020-01-13", "2020-02-01", "", 0, 2},
        {"x\n01/13/2020\n01/02/2020\n", "date", "2020-01-02", "2020-01-13", "", 0, 2},
        {"x\n01/02/2020\n03/04/2020\n", "text", "", "", "dates, but nothing tells day from month",
         0, 2},
        {"x\ninf\n1\n-inf\n", "float", "1", "1", "", 0, 3},
        {"x\n999999999999999999\n-999999999999999999\n", "int", "-999999999999999999",
         "999999999999999999", "", 0, 2},
        {"x\n02134\n12134\n", "text", "", "", "", 0, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const json = profile_text(cases[i].text, false);
        const json_t *const c = column_of(json, 0);
        if (strcmp(tm__json_text(c, "type", ""), cases[i].type) != 0) {
            print_error("case %zu is %s\n", i, tm__json_text(c, "type", ""));
        }
        assert_string_equal(tm__json_text(c, "type", ""), cases[i].type);
        assert_string_equal(tm__json_text(c, "min", ""), cases[i].min);
        assert_string_equal(tm__json_text(c, "max", ""), cases[i].max);
        assert_string_equal(tm__json_text(c, "note", ""), cases[i].note);
        assert_int_equal(tm__json_i64(c, "missing", -1), cases[i].missing);
        assert_int_equal(tm__json_i64(c, "distinct", -1), cases[i].distinct);
        assert_true(tm__json_bool(c, "distinct_exact", false));
        json_decref(json);
    }
}

/* Bars add up to all values, none lies outside its bounds. */
static void histograms_hold_every_row(void **state) {
    (void)state;
    const char *const formulas[] = {"whole", "steps", "long tail", "dates", "two"};
    for (uint32_t f = 0; f < 5; f++) {
        tm_buf text;
        tm__buf_init(&text, 1 << 20);
        (void)tm__buf_text(&text, "x\n");
        for (uint32_t i = 0; i < 400; i++) {
            const char *const forms[] = {"%u\n", "%u\n", "%u.5\n", "2020-01-%02u\n", "%u\n"};
            const uint32_t values[] = {i % 60, i * 37, i < 395 ? i % 100 : i * i * i, 1 + i % 28,
                                       i % 2 * 1000000};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)tm__buf_printf(&text, forms[f], values[f]);
#pragma GCC diagnostic pop
        }
        json_t *const json = profile_text((const char *)text.data, false);
        const json_t *const h = json_object_get(column_of(json, 0), "histogram");
        const json_t *const counts = json_object_get(h, "counts");
        int64_t sum = tm__json_i64(h, "below", -1000) + tm__json_i64(h, "above", -1000);
        for (size_t i = 0; i < json_array_size(counts); i++) {
            sum += json_integer_value(json_array_get(counts, i));
        }
        if (sum != 400) {
            print_error("%s: %lld\n", formulas[f], (long long)sum);
        }
        assert_int_equal(sum, 400);
        assert_int_equal(json_array_size(json_object_get(h, "bounds")),
                         json_array_size(counts) + 1);
        assert_int_equal(tm__json_bool(h, "whole", false), f == 0);
        json_decref(json);
        tm__buf_done(&text);
    }
}

static void values_of_identifiers_are_shown_only_when_asked(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 1 << 20);
    (void)tm__buf_text(&text, "mail,id,land\n");
    for (uint32_t i = 0; i < 200; i++) {
        (void)tm__buf_printf(&text, "ann%u@example.org,%u,%s\n", i % 20, i / 2 * 10000 + 1,
                             i % 3 == 0 ? "NL" : "BE");
    }
    for (uint32_t shows = 0; shows < 2; shows++) {
        json_t *const json = profile_text((const char *)text.data, shows == 1);
        for (size_t col = 0; col < 3; col++) {
            const json_t *const c = column_of(json, col);
            assert_int_equal(tm__json_bool(c, "identifier", false), col == 0);
            assert_int_equal(json_object_get(c, "top") != NULL, shows == 1 || col != 0);
        }
        char *const dump = json_dumps(json, 0);
        assert_int_equal(strstr(dump, "example.org") != NULL, shows == 1);
        free(dump);
        json_decref(json);
    }
    tm__buf_done(&text);
}

static void equal_numbers_are_one_value(void **state) {
    (void)state;
    json_t *const json = profile_text("x\n1\n1.0\n1.00\n2\n2\n-\n3\n", false);
    const json_t *const top = json_object_get(column_of(json, 0), "top");
    assert_int_equal(json_array_size(top), 2);
    assert_string_equal(tm__json_text(json_array_get(top, 0), "value", ""), "1");
    assert_int_equal(tm__json_i64(json_array_get(top, 0), "count", 0), 3);
    assert_true(fabs(tm__json_f64(json_array_get(top, 0), "share", 0) - 0.5) < 1e-12);
    assert_int_equal(tm__json_i64(column_of(json, 0), "distinct", 0), 3);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_columns_are_told_exactly),
        cmocka_unit_test(histograms_hold_every_row),
        cmocka_unit_test(values_of_identifiers_are_shown_only_when_asked),
        cmocka_unit_test(equal_numbers_are_one_value),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
