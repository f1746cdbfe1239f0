/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "source/intake_priv.h"
#include "test.h"

static tm_cell text(const char *words) {
    return (tm_cell){.type = TM_TYPE_TEXT, .text = {words, strlen(words)}};
}

static void dates_follow_the_order_of_their_column(void **state) {
    (void)state;
    static const struct {
        char order;
        const char *text;
        tm_type type;
        uint32_t month, day;
    } cases[] = {
        {'d', "01/02/2020", TM_TYPE_DATE, 2, 1},   {'m', "01/02/2020", TM_TYPE_DATE, 1, 2},
        {'d', "31.12.2020", TM_TYPE_DATE, 12, 31}, {'m', "12/31/2020", TM_TYPE_DATE, 12, 31},
        {'d', "12/31/2020", TM_TYPE_TEXT, 0, 0},   {'m', "31/12/2020", TM_TYPE_TEXT, 0, 0},
        {'d', "2020-02-01", TM_TYPE_TEXT, 0, 0},   {'d', "soon", TM_TYPE_TEXT, 0, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_cell cell = text(cases[i].text);
        tm__cell_read_order(cases[i].order, &cell);
        assert_int_equal(cell.type, cases[i].type);
        if (cell.type == TM_TYPE_DATE) {
            assert_int_equal(cell.i64, tm__us_from_civil(2020, cases[i].month, cases[i].day));
        }
    }
    tm_cell hour = text("01/02/2020 5:30");
    tm__cell_read_order('d', &hour);
    assert_int_equal(hour.type, TM_TYPE_TIME);
}

static void a_date_without_its_zeros_is_one(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_type type;
    } cases[] = {{"2020-2-1", TM_TYPE_DATE},
                 {"2020-2-1 5:30", TM_TYPE_TIME},
                 {"2020-02-01", TM_TYPE_TEXT},
                 {"01/02/2020", TM_TYPE_TEXT},
                 {"2020-13-1", TM_TYPE_TEXT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_cell cell = text(cases[i].text);
        tm__cell_read_loose_date(&cell);
        assert_int_equal(cell.type, cases[i].type);
    }
}

static void an_hour_is_seen(void **state) {
    (void)state;
    static const char *const with[] = {"2020-01-02T05:00:00", "2020-01-02 00:00:01"};
    static const char *const without[] = {"2020-01-02", "2020-01-02T00:00:00Z", "word of length",
                                          ""};
    for (size_t i = 0; i < 2; i++) {
        const tm_cell cell = text(with[i]);
        assert_true(tm__cell_has_hour(&cell));
    }
    for (size_t i = 0; i < 4; i++) {
        const tm_cell cell = text(without[i]);
        assert_false(tm__cell_has_hour(&cell));
    }
    const tm_cell time = {.type = TM_TYPE_TIME, .i64 = 1};
    assert_true(tm__cell_has_hour(&time));
}

static void infinity_is_a_number(void **state) {
    (void)state;
    tm_cell cell = text("-Infinity");
    assert_true(tm__cell_read_infinity(&cell));
    cell = text(" -inf");
    assert_true(tm__cell_read_infinity(&cell));
    assert_true(cell.type == TM_TYPE_FLOAT && isinf(cell.f64) && cell.f64 < 0);
    static const char *const others[] = {"info", "i", "-", "1.5", "", "infinity and more"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cell = text(others[i]);
        assert_false(tm__cell_read_infinity(&cell));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_follow_the_order_of_their_column),
        cmocka_unit_test(a_date_without_its_zeros_is_one),
        cmocka_unit_test(an_hour_is_seen),
        cmocka_unit_test(infinity_is_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
