/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql_text.h"

#include "base/mem.h"
#include "test.h"

static void a_query_or_the_name_of_a_table_can_be_selected_from(void **state) {
    (void)state;
    static const struct {
        const char *query;
        tm_status want;
        const char *text;
    } cases[] = {
        {"orders", TM_OK, "orders AS q"},
        {" shop.orders ; ", TM_OK, "shop.orders AS q"},
        {"\"My Orders\"", TM_OK, "\"My Orders\" AS q"},
        {"set", TM_OK, "set AS q"}, /* the server says that it is none */
        {"SELECT 1;;", TM_OK, "(\nSELECT 1\n) AS q"},
        {"SELECT 1 -- so\n", TM_OK, "(\nSELECT 1 -- so\n) AS q"},
        {"`a b`.t", TM_OK, "`a b`.t AS q"},
        {"TABLE t", TM_OK, "(\nTABLE t\n) AS q"},
        {"\"open", TM_OK, "(\n\"open\n) AS q"},
        {"", TM_E_USAGE, "the query is empty"},
        {" ; ", TM_E_USAGE, "the query is empty"},
        {"delete from t", TM_E_USAGE, "the query is no SELECT"},
        {"DROP TABLE t", TM_E_USAGE, "the query is no SELECT"},
        {"COPY t TO STDOUT", TM_E_USAGE, "the query is no SELECT"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm_err err = {0};
        tm__buf_init(&out, 1000);
        assert_int_equal(tm__sql_source(cases[i].query, &out, &err), cases[i].want);
        assert_string_equal(cases[i].want == TM_OK ? (const char *)out.data : err.message,
                            cases[i].text);
        tm__buf_done(&out);
    }
}

/* A query that lost its memory is not too long. */
static void what_cannot_be_written_says_why(void **state) {
    static const char query[] = "SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16";
    (void)state;
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        tm_buf out;
        tm_err err = {0};
        tm__buf_init(&out, is_lost ? 1000 : 20);
        tm__mem_fail_at(is_lost ? 1 : 0, false);
        const tm_status written = tm__sql_source(query, &out, &err);
        tm__mem_fail_at(0, false);
        assert_int_equal(written, TM_OK);
        assert_true(out.failed);
        assert_int_equal(tm__sql_failed(&out, &err), is_lost ? TM_E_NOMEM : TM_E_LIMIT);
        assert_string_equal(err.message,
                            is_lost ? "no memory for a query" : "the query is too long");
        tm__buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_or_the_name_of_a_table_can_be_selected_from),
        cmocka_unit_test(what_cannot_be_written_says_why)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
