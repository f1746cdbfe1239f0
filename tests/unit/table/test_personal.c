/* SPDX-License-Identifier: Apache-2.0 */
#include "table/personal.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "table/privacy.h"
#include "test.h"

#define NONE TM_PERSONALS

static void forms_and_check_digits_tell(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_personal want;
    } cases[] = {
        {"anna.k+x@mail.example.org", TM_PERSONAL_EMAIL},
        {"anna at example.org", NONE},
        {"@anna", NONE},
        {"+49 30 1234567", TM_PERSONAL_PHONE},
        {"+15550100123", TM_PERSONAL_PHONE},
        {"(797) 555-0181", TM_PERSONAL_PHONE},
        {"797.555.0181", TM_PERSONAL_PHONE},
        {"7975550181", NONE},
        {"2024-01-02", NONE},
        {"4111 1111 1111 1111", TM_PERSONAL_CARD},
        {"4111111111111111", TM_PERSONAL_CARD},
        {"4111111111111112", NONE},
        {"3782-822463-10005", TM_PERSONAL_CARD},
        {"0000000000000000", NONE},
        {"9999999999999995", NONE},
        {"DE89 3704 0044 0532 0130 00", TM_PERSONAL_IBAN},
        {"GB82WEST12345698765432", TM_PERSONAL_IBAN},
        {"gb82west12345698765432", TM_PERSONAL_IBAN},
        {"GB83WEST12345698765432", NONE},
        {"911-94-4046", TM_PERSONAL_NATIONAL},
        {"911-94-404", NONE},
        {"AB123456C", TM_PERSONAL_NATIONAL},
        {"12345678Z", TM_PERSONAL_NATIONAL},
        {"12345678A", NONE},
        {"X1234567L", TM_PERSONAL_NATIONAL},
        {"RSSMRA85T10A562S", TM_PERSONAL_NATIONAL},
        {"1 85 05 78 006 084 91", TM_PERSONAL_NATIONAL},
        {"192.0.2.17", TM_PERSONAL_IP},
        {"192.0.2.300", NONE},
        {"2001:db8::7ac1", TM_PERSONAL_IP},
        {"12:30:45", NONE},
        {"", NONE},
        {"plan basic", NONE},
        {"order 12345 of 2024", NONE},
        {"123456", NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__personal_of(tm__str(cases[i].text)) != cases[i].want) {
            fail_msg("%s is %d", cases[i].text, (int)tm__personal_of(tm__str(cases[i].text)));
        }
    }
}

static void one_digit_that_is_wrong_is_no_card_and_no_account(void **state) {
    (void)state;
    const char *const good[] = {"4000442324136205", "DE89370400440532013000"};
    for (size_t g = 0; g < 2; g++) {
        char text[32];
        strcpy(text, good[g]);
        assert_true(tm__personal_of(tm__str(text)) < NONE);
        for (size_t i = 4; i < strlen(text); i++) {
            const char was = text[i];
            for (char c = '0'; c <= '9'; c++) {
                text[i] = c;
                assert_true(c == was || tm__personal_of(tm__str(text)) == NONE);
            }
            text[i] = was;
        }
    }
}

static void texts_tell_what_stands_in_them(void **state) {
    (void)state;
    const uint32_t both = 1u << TM_PERSONAL_EMAIL | 1u << TM_PERSONAL_NATIONAL;
    assert_int_equal(tm__personal_in(tm__str("write to <a@b.example>, SSN 911-94-4046.")), both);
    assert_int_equal(tm__personal_in(tm__str("call 797-555-0181!")), 1u << TM_PERSONAL_PHONE);
    assert_int_equal(tm__personal_in(tm__str("4111 1111 1111 1111")), 1u << TM_PERSONAL_CARD);
    assert_int_equal(tm__personal_in(tm__str("moved to Austin, TX in 2019")), 0);
    assert_int_equal(tm__personal_in((tm_str){NULL, 0}), 0);
}

static void any_bytes_are_taken(void **state) {
    (void)state;
    static const char some[] = "0123456789 -+.:@()/AZaz\xff\n\0";
    tm_rng rng = tm__rng_split(5, "personal", 0);
    for (uint32_t i = 0; i < 200000; i++) {
        char *const text = malloc(48); /* of its own, so that a sanitizer sees its end */
        const size_t len = tm__rng_below(&rng, 49);
        for (size_t k = 0; k < len; k++) {
            text[k] = some[tm__rng_below(&rng, sizeof(some) - 1)];
        }
        assert_true(tm__personal_in((tm_str){text, len}) < 1u << NONE);
        free(text);
    }
}

static void names_of_columns_tell(void **state) {
    (void)state;
    assert_string_equal(tm__personal_column("First_Name"), "names of people");
    assert_string_equal(tm__personal_column("customer_email"), "e-mail addresses");
    assert_string_equal(tm__personal_column("DOB"), "birth dates");
    assert_string_equal(tm__personal_column("zip"), "postal codes");
    assert_null(tm__personal_column("zipped_files"));
    assert_null(tm__personal_column("product_name"));
    assert_null(tm__personal_column("ship"));
    for (int kind = 0; kind < (int)TM_PERSONALS; kind++) { /* each has one that is a policy */
        tm_privacy p;
        const char *const policy = tm__personal_policy(tm__personal_words((tm_personal)kind));
        assert_int_equal(tm__privacy_parse("c", policy, TM_TYPE_NONE, &p, NULL), TM_OK);
    }
    assert_null(tm__personal_policy("none"));
    assert_null(tm__personal_column(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_and_check_digits_tell),
        cmocka_unit_test(one_digit_that_is_wrong_is_no_card_and_no_account),
        cmocka_unit_test(texts_tell_what_stands_in_them),
        cmocka_unit_test(any_bytes_are_taken),
        cmocka_unit_test(names_of_columns_tell),
    };
    return cmocka_run_group_tests_name("personal", tests, NULL, NULL);
}
