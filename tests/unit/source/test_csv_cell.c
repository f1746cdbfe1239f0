/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "source/csv_priv.h"
#include "test.h"

#define NATIONAL (TM_CAN_DATE | TM_CAN_NATIONAL)

static const struct {
    const char *text;
    uint32_t kinds;
    double number; /* of numbers */
} texts[] = {
    {"0", TM_CAN_INT, 0},
    {"-12", TM_CAN_INT, -12},
    {" 7 ", TM_CAN_INT, 7},
    {"123456789012345678", TM_CAN_INT, 123456789012345678.0},
    {"1234567890123456789", TM_CAN_BIG, 1234567890123456789.0},
    {"02134", TM_CAN_TEXT, 0},
    {"00", TM_CAN_TEXT, 0},
    {"-007", TM_CAN_TEXT, 0},
    {"+4930123456", TM_CAN_TEXT, 0},
    {"1.5", TM_CAN_FLOAT, 1.5},
    {"-.25", TM_CAN_FLOAT, -0.25},
    {"5.", TM_CAN_FLOAT, 5},
    {"+0.5", TM_CAN_FLOAT, 0.5},
    {"0.1", TM_CAN_FLOAT, 0.1},
    {"1e3", TM_CAN_FLOAT, 1000},
    {"1E-2", TM_CAN_FLOAT, 0.01},
    {"3.14159265358979311600", TM_CAN_FLOAT, 3.141592653589793},
    {"01.5", TM_CAN_TEXT, 0},
    {"inf", TM_CAN_FLOAT, INFINITY},
    {"-Infinity", TM_CAN_FLOAT, -INFINITY},
    {"1e", TM_CAN_TEXT, 0},
    {"1,5", TM_CAN_TEXT, 0},
    {"0x10", TM_CAN_TEXT, 0},
    {"192.0.2.12", TM_CAN_TEXT, 0},
    {"2001:db8::1", TM_CAN_TEXT, 0},
    {"911-94-4046", TM_CAN_TEXT, 0},
    {"555-0101", TM_CAN_TEXT, 0},
    {"10-20", TM_CAN_TEXT, 0},
    {"", TM_CAN_MISSING, 0},
    {"  ", TM_CAN_MISSING, 0},
    {"NA", TM_CAN_MISSING, 0},
    {"N/A", TM_CAN_MISSING, 0},
    {"null", TM_CAN_MISSING, 0},
    {"NaN", TM_CAN_MISSING, 0},
    {" ?", TM_CAN_MISSING, 0},
    {"None", TM_CAN_MARK, 0},
    {"-", TM_CAN_MARK, 0},
    {"na", TM_CAN_MARK, 0},
    {"true", TM_CAN_BOOL, 0},
    {"FALSE", TM_CAN_BOOL, 0},
    {"yes", TM_CAN_TEXT, 0},
    {"T", TM_CAN_TEXT, 0},
    {"2001-12-31", TM_CAN_DATE, 0},
    {"2001/2/3", TM_CAN_DATE, 0},
    {"2001-12-31 00:00", TM_CAN_DATE, 0},
    {"2001-12-31T10:00:00Z", TM_CAN_DATE | TM_CAN_TIME, 0},
    {"2001-12-31 10:00:00.5+02:00", TM_CAN_DATE | TM_CAN_TIME, 0},
    {"2001-13-01", TM_CAN_TEXT, 0},
    {"2001-02-29", TM_CAN_TEXT, 0},
    {"2001", TM_CAN_INT, 2001},
    {"1e400", TM_CAN_HUGE, 0},
    {"-1.5e999", TM_CAN_HUGE, 0},
    {"1e400x", TM_CAN_TEXT, 0},
    {"31.12.2001", NATIONAL | TM_CAN_DAY_FIRST, 0},
    {"1.2.2001", NATIONAL | TM_CAN_DAY_FIRST, 0},
    {"12/31/2001", NATIONAL | TM_CAN_MONTH_FIRST, 0},
    {"31/12/2001", NATIONAL | TM_CAN_DAY_FIRST, 0},
    {"1/2/2001", NATIONAL, 0},
    {"9/30/1990 0:00:00", NATIONAL | TM_CAN_MONTH_FIRST, 0},
    {"1-2-2001 11:59 PM", NATIONAL | TM_CAN_TIME, 0},
    {"13/13/2001", TM_CAN_TEXT, 0},
    {"1/2/01", TM_CAN_TEXT, 0},
};

static void each_text_is_what_people_mean(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tm_csv_value value = {0};
        const uint32_t kinds = tm__csv_examine(tm__str(texts[i].text), &value);
        if (kinds != texts[i].kinds) {
            print_message("'%s' gives %u\n", texts[i].text, kinds);
        }
        assert_int_equal(kinds, texts[i].kinds);
        if ((kinds & (TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG)) != 0) {
            assert_true(value.f64 == texts[i].number);
        }
    }
}

static void dates_have_a_value_in_each_order(void **state) {
    (void)state;
    tm_csv_value value;
    (void)tm__csv_examine(TM_STR("1/2/2001 12:30:15.25 am"), &value);
    assert_true(value.i64 == tm__us_from_civil(2001, 2, 1) + INT64_C(1815250000));
    assert_true(value.month_first_us == tm__us_from_civil(2001, 1, 2) + INT64_C(1815250000));
    (void)tm__csv_examine(TM_STR("2000-02-29"), &value);
    assert_true(value.i64 == tm__us_from_civil(2000, 2, 29));
    (void)tm__csv_examine(TM_STR("2001/01/01 1:02 pm"), &value);
    assert_true(value.i64 == tm__us_from_civil(2001, 1, 1) + INT64_C(46920000000));
    (void)tm__csv_examine(TM_STR("true"), &value);
    assert_int_equal(value.i64, 1);
}

static void a_column_is_what_all_its_cells_can_be(void **state) {
    (void)state;
    const struct {
        uint32_t kinds;
        tm_type type;
    } cases[] = {
        {0, TM_TYPE_TEXT},
        {TM_CAN_MISSING, TM_TYPE_TEXT},
        {TM_CAN_MARK, TM_TYPE_TEXT},
        {TM_CAN_INT | TM_CAN_MARK, TM_TYPE_INT},
        {TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_MISSING, TM_TYPE_FLOAT},
        {TM_CAN_INT | TM_CAN_BIG, TM_TYPE_TEXT},
        {TM_CAN_FLOAT | TM_CAN_BIG, TM_TYPE_FLOAT},
        {TM_CAN_INT | TM_CAN_TEXT, TM_TYPE_TEXT},
        {TM_CAN_INT | TM_CAN_BOOL, TM_TYPE_TEXT},
        {TM_CAN_INT | TM_CAN_DATE, TM_TYPE_TEXT},
        {TM_CAN_BOOL | TM_CAN_MISSING, TM_TYPE_BOOL},
        {TM_CAN_DATE, TM_TYPE_DATE},
        {TM_CAN_DATE | TM_CAN_TIME, TM_TYPE_TIME},
        {NATIONAL, TM_TYPE_NONE},
        {NATIONAL | TM_CAN_DAY_FIRST, TM_TYPE_DATE},
        {NATIONAL | TM_CAN_MONTH_FIRST | TM_CAN_TIME, TM_TYPE_TIME},
        {NATIONAL | TM_CAN_MONTH_FIRST | TM_CAN_DAY_FIRST, TM_TYPE_NONE},
        {TM_CAN_HUGE | TM_CAN_MISSING, TM_TYPE_TEXT},
        {TM_CAN_HUGE | TM_CAN_INT, TM_TYPE_NONE},
        {TM_CAN_HUGE | TM_CAN_FLOAT | TM_CAN_TEXT, TM_TYPE_TEXT},
        {TM_CAN_HUGE | TM_CAN_DATE, TM_TYPE_TEXT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tm__csv_decide(cases[i].kinds), cases[i].type);
    }
}

/* Every shape of [-]digits.digits, with a byte that is no digit in each place too. */
static void decimals_are_what_the_plain_reader_says(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(7, "decimals", 0);
    uint64_t n_numbers = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        char text[40];
        size_t n = 0;
        const uint64_t n_whole = tm__rng_below(&rng, 9), n_fraction = tm__rng_below(&rng, 9);
        if (tm__rng_below(&rng, 2) == 0) {
            text[n++] = '-';
        }
        for (uint64_t k = 0; k < n_whole; k++) {
            text[n++] = (char)('0' + tm__rng_below(&rng, 10));
        }
        text[n++] = '.';
        for (uint64_t k = 0; k < n_fraction; k++) {
            text[n++] = (char)('0' + tm__rng_below(&rng, 10));
        }
        if (i % 4 == 0) {
            text[tm__rng_below(&rng, n)] = (char)(1 + tm__rng_below(&rng, 255));
        }
        tm_csv_value value;
        double plain = 0;
        const tm_str view = {text, n};
        const uint32_t kinds = tm__csv_examine(view, &value);
        const bool is_number = tm__str_to_f64(tm__str_trim(view), &plain);
        if ((kinds & (TM_CAN_FLOAT | TM_CAN_INT)) != 0) {
            assert_true(is_number && memcmp(&plain, &value.f64, sizeof(plain)) == 0);
            n_numbers++;
        } else {
            /* Only leading zeros and plus signs make a number a text. */
            const char *first = text + (text[0] == '-' || text[0] == '+');
            assert_true(!is_number || first[0] == '0' || text[0] <= ' ' || kinds == TM_CAN_BIG ||
                        text[0] == '+');
        }
    }
    assert_true(n_numbers > 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_what_the_plain_reader_says),
        cmocka_unit_test(each_text_is_what_people_mean),
        cmocka_unit_test(dates_have_a_value_in_each_order),
        cmocka_unit_test(a_column_is_what_all_its_cells_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
