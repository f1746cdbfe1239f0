/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "feature_case.h"

static void parts_of_times_before_and_after_1970_are_right(void **state) {
    (void)state;
    static const struct {
        const char *at;
        double minute, hour, weekday, day, month;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0, 3, 1, 1},
        {"1969-12-31T23:59:59Z", 1439, 23, 2, 31, 12},
        {"2001-05-25T14:05:30Z", 845, 14, 4, 25, 5},
        {"1900-02-28T00:01:00Z", 1, 0, 2, 28, 2},
        {"2024-02-29T12:00:00.5Z", 720, 12, 3, 29, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us;
        assert_true(tm__time_parse(tm__str(cases[i].at), &us));
        assert_true(tm__date_part(TM_PART_MINUTE_OF_DAY, us) == cases[i].minute);
        assert_true(tm__date_part(TM_PART_HOUR, us) == cases[i].hour);
        assert_true(tm__date_part(TM_PART_DAY_OF_WEEK, us) == cases[i].weekday);
        assert_true(tm__date_part(TM_PART_DAY_OF_MONTH, us) == cases[i].day);
        assert_true(tm__date_part(TM_PART_MONTH, us) == cases[i].month);
    }
    assert_true(tm__date_part(TM_PART_DAYS, INT64_C(-43200000000)) == -0.5);
    assert_true(isnan(tm__date_part(TM_PART_HOUR, TM_INT_MISSING)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_times_before_and_after_1970_are_right),
    };
    return cmocka_run_group_tests_name("feature_step_date", tests, NULL, NULL);
}
