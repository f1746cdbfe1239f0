/* SPDX-License-Identifier: Apache-2.0 */
#include "table/privacy.h"

#include <math.h>
#include <string.h>

#include "test.h"

static const tm_hash key = {.bytes = {1, 2, 3}};
static const tm_hash other = {.bytes = {3, 2, 1}};

static tm_privacy parsed(const char *text) {
    tm_privacy p = {0};
    assert_int_equal(tm__privacy_parse("c", text, TM_TYPE_NONE, &p, NULL), TM_OK);
    return p;
}

static void policies_are_a_closed_list(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "dropp",
                                        "generalise",
                                        "generalise:",
                                        "generalise:0",
                                        "generalise:-1",
                                        "generalise:nan",
                                        "generalise:inf",
                                        "generalise:prefix:",
                                        "generalise:prefix:0",
                                        "generalise:prefix:1001",
                                        "generalise:decade",
                                        "masked",
                                        "mask:",
                                        "mask:admin,",
                                        "mask:,admin",
                                        "mask:Admin",
                                        "mask admin",
                                        "generalise:10000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tm_privacy p;
        tm_err err = {0};
        if (tm__privacy_parse("c", wrong[i], TM_TYPE_NONE, &p, &err) != TM_E_USAGE) {
            fail_msg("'%s' is taken", wrong[i]);
        }
        assert_true(err.hint[0] != '\0');
    }
    tm_privacy p;
    assert_int_equal(tm__privacy_parse("c", "pseudonym", TM_TYPE_INT, &p, NULL), TM_E_USAGE);
    assert_int_equal(tm__privacy_parse("c", "generalise:0.5", TM_TYPE_INT, &p, NULL), TM_E_USAGE);
    assert_int_equal(tm__privacy_parse("c", "generalise:ip", TM_TYPE_DATE, &p, NULL), TM_E_USAGE);
    assert_int_equal(tm__privacy_parse("c", "generalise:10", TM_TYPE_INT, &p, NULL), TM_OK);
    assert_int_equal(tm__privacy_parse("c", "drop", TM_TYPE_DATE, &p, NULL), TM_OK);
    assert_int_equal(tm__privacy_parse("c", "mask:admin,operator", TM_TYPE_DATE, &p, NULL), TM_OK);
    assert_false(tm__privacy_changes(&p)); /* it is kept as it came */
}

static void texts_become_what_is_kept_of_them(void **state) {
    (void)state;
    static const struct {
        const char *policy, *text, *want; /* want NULL: it cannot be applied */
    } cases[] = {
        {"generalise:10", "37", "30"},
        {"generalise:10", " -3 ", "-10"},
        {"generalise:10", "36.6", "30"},
        {"generalise:0.5", "1.7", "1.5"},
        {"generalise:10", "old", NULL},
        {"generalise:10", "NA", "NA"},
        {"generalise:month", "1985-12-24", "1985-12-01"},
        {"generalise:month", "1985-12-24T10:11:12Z", "1985-12-01"},
        {"generalise:year", "1985-12-24", "1985-01-01"},
        {"generalise:year", "24/12/1985", NULL},
        {"generalise:prefix:2", "10115", "10"},
        {"generalise:prefix:2", "1", "1"},
        {"generalise:prefix:2", "\xC3\xA4\xC3\xB6\xC3\xBC", "\xC3\xA4\xC3\xB6"},
        {"generalise:ip", "192.0.2.17", "192.0.2.0"},
        {"generalise:ip", "2001:db8:1:2::7", "2001:db8:1::"},
        {"generalise:ip", "192.0.2.300", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_privacy p = parsed(cases[i].policy);
        char room[TM_PRIVACY_ROOM], again[TM_PRIVACY_ROOM];
        tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(cases[i].text)};
        const bool ok = tm__privacy_cell(&p, NULL, &cell, room);
        if (ok != (cases[i].want != NULL) || (ok && !tm__str_is(cell.text, cases[i].want))) {
            fail_msg("%s of %s", cases[i].policy, cases[i].text);
        }
        tm_cell twice = cell;
        if (ok &&
            (!tm__privacy_cell(&p, NULL, &twice, again) || !tm__str_eq(twice.text, cell.text))) {
            fail_msg("%s of %s twice", cases[i].policy, cases[i].text);
        }
    }
}

static void numbers_and_times_keep_their_types(void **state) {
    (void)state;
    char room[TM_PRIVACY_ROOM];
    const tm_privacy ten = parsed("generalise:10"), tenth = parsed("generalise:0.1"),
                     month = parsed("generalise:month"), gone = parsed("drop");
    tm_cell cell = {.type = TM_TYPE_INT, .i64 = -1};
    assert_true(tm__privacy_cell(&ten, NULL, &cell, room));
    assert_true(cell.type == TM_TYPE_INT && cell.i64 == -10);
    cell = (tm_cell){.type = TM_TYPE_INT, .i64 = INT64_MIN + 1};
    assert_true(tm__privacy_cell(&ten, NULL, &cell, room) && cell.i64 == INT64_MIN + 1);
    for (int i = -2000; i < 2000; i++) { /* an end of a band is one, however it was rounded */
        tm_cell once = {.type = TM_TYPE_FLOAT, .f64 = i * 0.0371};
        assert_true(tm__privacy_cell(&tenth, NULL, &once, room));
        tm_cell twice = once;
        assert_true(tm__privacy_cell(&tenth, NULL, &twice, room) && twice.f64 == once.f64);
        assert_true(fabs(once.f64 - i * 0.0371) < 0.1 + 1e-9);
    }
    cell = (tm_cell){.type = TM_TYPE_TIME, .i64 = INT64_C(1000000) * 86400 * 45 + 7};
    assert_true(tm__privacy_cell(&month, NULL, &cell, room));
    assert_true(cell.type == TM_TYPE_TIME && cell.i64 == INT64_C(1000000) * 86400 * 31);
    cell = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
    assert_false(tm__privacy_cell(&ten, NULL, &cell, room));
    assert_true(tm__privacy_cell(&gone, NULL, &cell, room) && cell.type == TM_TYPE_NONE);
    assert_true(tm__privacy_cell(&ten, NULL, &cell, room) && cell.type == TM_TYPE_NONE);
}

static void a_pseudonym_is_of_its_key_and_known_again(void **state) {
    (void)state;
    char a[TM_PRIVACY_ROOM], b[TM_PRIVACY_ROOM], room[TM_PRIVACY_ROOM];
    const tm_privacy p = parsed("pseudonym");
    tm__privacy_pseudonym(&key, tm__str("anna@example.org"), a);
    assert_int_equal(strlen(a), 26);
    tm__privacy_pseudonym(&key, tm__str(a), b);
    assert_string_equal(a, b);
    tm__privacy_pseudonym(&other, tm__str("anna@example.org"), b);
    assert_string_not_equal(a, b);
    tm__privacy_pseudonym(&other, tm__str(a), b); /* of another key it is a text as any */
    assert_string_not_equal(a, b);
    a[25] = a[25] == 'A' ? 'B' : 'A';
    tm__privacy_pseudonym(&key, tm__str(a), b); /* and so is one that somebody made up */
    assert_string_not_equal(a, b);
    /* A number is the text that it is written as. */
    tm_cell number = {.type = TM_TYPE_INT, .i64 = 7},
            text = {.type = TM_TYPE_TEXT, .text = TM_STR("7")};
    assert_true(tm__privacy_cell(&p, &key, &number, room) && tm__privacy_cell(&p, &key, &text, b) &&
                tm__str_eq(number.text, text.text));
    /* Without a key a form passes, and nothing is made. */
    text = (tm_cell){.type = TM_TYPE_TEXT, .text = TM_STR("anna@example.org")};
    assert_false(tm__privacy_cell(&p, NULL, &text, room));
    assert_true(tm__privacy_cell(&p, NULL, &number, room));
    char check[TM_HASH_TEXT], second[TM_HASH_TEXT];
    tm__privacy_key_check(&key, check);
    tm__privacy_key_check(&other, second);
    assert_string_not_equal(check, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_a_closed_list),
        cmocka_unit_test(texts_become_what_is_kept_of_them),
        cmocka_unit_test(numbers_and_times_keep_their_types),
        cmocka_unit_test(a_pseudonym_is_of_its_key_and_known_again),
    };
    return cmocka_run_group_tests_name("privacy", tests, NULL, NULL);
}
