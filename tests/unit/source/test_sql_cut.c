/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source/sql_cut.h"
#include "temp_home.h"

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void files_are_read_as_they_were(void **state) {
    static const tm_sql_known known[] = {{"late", "arrives", 0}, {"tax", NULL, 3600000000}};
    const tm_sql_cut cut = {
        .time = "leaves", .known = known, .n_known = 2, .at_us = INT64_C(1709280000000000)};
#define M "TIMESTAMPTZ '2024-03-01T08:00:00Z'"
    static const struct {
        const char *sql, *wanted;
        uint32_t n;
    } cases[] = {
        {"SELECT * FROM 'f.csv' f JOIN \"a.csv\" a ON f.o = a.o",
         "SELECT * FROM (SELECT * REPLACE (CASE WHEN \"arrives\" < " M
         " THEN \"late\" END AS \"late\") FROM 'f.csv' WHERE \"leaves\" < " M
         ") f JOIN \"a.csv\" a ON f.o = a.o",
         1},
        {"select x from read_csv('t.csv', header = (true)), 'a.csv' -- 'f.csv'",
         "select x from (SELECT * REPLACE (CASE WHEN \"leaves\" < TIMESTAMPTZ "
         "'2024-03-01T07:00:00Z' THEN \"tax\" END AS \"tax\") FROM read_csv('t.csv', header = "
         "(true)) WHERE \"leaves\" < " M "), 'a.csv' -- 'f.csv'",
         1},
        {"SELECT 'f.csv', \"from\", 'it''s' FROM other /* FROM 'f.csv' */ WHERE x IN ('f.csv')",
         "SELECT 'f.csv', \"from\", 'it''s' FROM other /* FROM 'f.csv' */ WHERE x IN ('f.csv')", 0},
        {"FROM (", "FROM (", 0},
        {"FROM 'f.csv", "FROM 'f.csv", 0},
        {"FROM read_csv('f.csv'", "FROM read_csv('f.csv'", 0},
    };
    assert_int_equal(chdir(tm__home_path(*state)), 0);
    write_file("f.csv", "leaves,arrives,late,o\n2024-03-01 06:00,2024-03-01 07:00,1,A\n");
    write_file("t.csv", "leaves,tax\n2024-03-01 06:00,3\n");
    write_file("a.csv", "o,name\nA,Amsterdam\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_ctx ctx = {0};
        tm_buf out;
        uint32_t n = 99;
        tm__buf_init(&out, 1 << 16);
        assert_int_equal(tm__sql_cut(&ctx, cases[i].sql, &cut, &out, &n, NULL), TM_OK);
        assert_true(tm__buf_byte(&out, 0));
        assert_string_equal((const char *)out.data, cases[i].wanted);
        assert_int_equal(n, cases[i].n);
        tm__buf_done(&out);
    }
    assert_int_equal(chdir("/"), 0);
}

static void a_query_of_one_row_each_looks_nowhere(void **state) {
    (void)state;
    assert_false(tm__sql_looks_around("SELECT *, a > 15 AS late FROM 'x.csv' ORDER BY t LIMIT 5"));
    assert_false(tm__sql_looks_around("SELECT 'over', \"join\" FROM 'group.csv' -- over"));
    assert_true(tm__sql_looks_around("SELECT avg(x) OVER (ORDER BY t) FROM 'x.csv'"));
    assert_true(tm__sql_looks_around("select * from 'a.csv' join 'b.csv' using (k)"));
    assert_true(tm__sql_looks_around("SELECT (SELECT max(x) FROM 'a.csv') FROM 'a.csv'"));
    assert_true(tm__sql_looks_around("SELECT k, count(*) FROM 'a.csv' GROUP BY k"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_as_they_were, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test(a_query_of_one_row_each_looks_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
