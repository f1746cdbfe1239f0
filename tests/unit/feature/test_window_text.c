/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "feature/window_text.h"
#include "test.h"

/* The canonical text of a feature; the text is read again and must be the same. */
static void check_text(const char *text, const char *wanted) {
    tm_window_text feature;
    tm_err err = {0};
    tm_buf out;
    if (tm__window_text_read(text, &feature, &err) != TM_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    tm__buf_init(&out, 4096);
    assert_true(tm__window_text_write(&feature, &out));
    assert_true(tm__buf_byte(&out, 0));
    assert_string_equal((const char *)out.data, wanted);
    tm__window_text_done(&feature);
    if (strcmp(text, wanted) != 0) {
        check_text(wanted, wanted);
    }
    tm__buf_done(&out);
}

static void what_is_read_is_written_in_one_way(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"late_2h = mean(late) by origin over 2h", "late_2h = mean(late) by origin over 2h"},
        {" a=count( )by origin=destination OVER 30m",
         "a = count() by origin = destination over 30m"},
        {"before = lag(delay, 2) by tail", "before = lag(delay, 2) by tail"},
        {"before = lag(delay) by tail", "before = lag(delay, 1) by tail"},
        {"d = share(land = 'N''L') by shop, \"the till\" over 30d delay 1h",
         "d = share(land = 'N''L') by shop, \"the till\" over 30d delay 1h"},
        {"d = share(kind = 3) by shop", "d = share(kind = '3') by shop"},
        {"w = last(wind) by origin = station over 90m",
         "w = last(wind) by origin = station over 90m"},
        {"\"a \"\"b\"\"\" = max(\"by\") by \"over\" over last 7 delay 1500ms",
         "\"a \"\"b\"\"\" = max(by) by over over last 7 delay 1500ms"},
        {"r = rate() by x over 48h", "r = rate() by x over 2d"},
        {"a = age() by x over 60s delay 10us", "a = age() by x over 1m delay 10us"},
        {"t = trend(x) by a, b, c, d, e, f, g, h", "t = trend(x) by a, b, c, d, e, f, g, h"},
        {"s = sum(amount)of payments AT booked by customer over 7d",
         "s = sum(amount) of payments at booked by customer over 7d"},
        {"i = last(income) of \"c r m\" at \"up dated\" by id = customer over 90d delay 1h",
         "i = last(income) of \"c r m\" at \"up dated\" by id = customer over 90d delay 1h"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_text(texts[i][0], texts[i][1]);
    }
}

static void parts_have_their_places(void **state) {
    (void)state;
    tm_window_text f;
    assert_int_equal(tm__window_text_read("d = lag(x, 3) by a, b = c over 2h delay 5m", &f, NULL),
                     TM_OK);
    assert_int_equal(f.fn, TM_WINDOW_LAG);
    assert_int_equal(f.lag, 3);
    assert_int_equal(f.n_keys, 2);
    assert_string_equal(f.keys[1], "b");
    assert_string_equal(f.event_keys[0], "a");
    assert_string_equal(f.event_keys[1], "c");
    assert_int_equal(f.width_us, INT64_C(7200000000));
    assert_int_equal(f.delay_us, 300000000);
    assert_int_equal(f.n_last, 0);
    tm__window_text_done(&f);
}

static void what_is_wrong_is_said_with_its_place(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"", "feature '': a name is wanted at character 1"},
        {"mean(late) by origin", "feature 'mean': = is wanted at character 5"},
        {"x = median(late) by origin",
         "feature 'x': count, sum, mean, std, trend, min, max, last, lag, "
         "distinct, age, rate or share is wanted at character 5"},
        {"x = mean() by origin", "feature 'x': a column is wanted at character 10"},
        {"x = mean(late) over 2h", "feature 'x': by and a column is wanted at character 16"},
        {"x = mean(late) by origin over 2",
         "feature 'x': a time such as 90s, 30m, 2h or 7d is wanted at character 31"},
        {"x = mean(late) by origin over -2h",
         "feature 'x': a time such as 90s, 30m, 2h or 7d is wanted at character 31"},
        {"x = mean(late) by origin over last 0",
         "feature 'x': a number from 1 to 100000 is wanted at character 36"},
        {"x = share(land) by origin",
         "feature 'x': = and a level, as in share(land = 'NL'), is wanted at character 15"},
        {"x = mean(late) by origin over 2h delay",
         "feature 'x': a time such as 90s, 30m, 2h or 7d is wanted at character 39"},
        {"x = mean(late) by origin and",
         "feature 'x': over, delay or the end is wanted at character 26"},
        {"x = mean(\"late) by origin", "feature 'x': a column is wanted at character 10"},
        {"x = rate() by origin over last 3",
         "feature 'x': over and a time (a rate is by day of it) is wanted at character 33"},
        {"x = distinct(a) by origin",
         "feature 'x': over and a time or a number is wanted at character 26"},
        {"x = mean(a) by a, b, c, d, e, f, g, h, i",
         "feature 'x': no ninth key is wanted at character 40"},
        {"x = mean(a) of b by c",
         "feature 'x': at and the column of its moments is wanted at character 18"},
        {"x = mean(a) of 'b' at c by d",
         "feature 'x': a source of events is wanted at character 16"},
        {"x = mean(a) by a; DROP TABLE",
         "feature 'x': over, delay or the end is wanted at character 17"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tm_window_text feature;
        tm_err err = {0};
        assert_int_equal(tm__window_text_read(texts[i][0], &feature, &err), TM_E_USAGE);
        assert_string_equal(err.message, texts[i][1]);
        assert_string_equal(err.hint, "Like: late_2h = mean(late) by origin over 2h");
        tm__window_text_done(&feature);
    }
}

static void no_memory_is_said_at_any_place(void **state) {
    (void)state;
    tm_status st = TM_E_NOMEM;
    uint64_t n = 0;
    while (st != TM_OK) {
        tm_window_text feature;
        tm__mem_fail_at(++n, false);
        st = tm__window_text_read("x = share(a = 'b') of c at t by d = e", &feature, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__window_text_done(&feature);
    }
    assert_int_equal(n, 8); /* seven texts */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_in_one_way),
        cmocka_unit_test(parts_have_their_places),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(no_memory_is_said_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
