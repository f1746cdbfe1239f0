/* SPDX-License-Identifier: Apache-2.0 */
/* Runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "store/pq.h"

static void a_statement_is_prepared_and_run(void **state) {
    (void)state;
    const char *dsn_file = getenv("TIDEMILL_TEST_DSN");
    if (dsn_file == NULL) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
    static const uint32_t types[] = {20, 17};
    tm_pq *pq = NULL;
    tm_pq_rows *rows = NULL;
    const tm_pq_param params[] = {{.value = TM_STR("41")},
                                  {.value = {"\0\1", 2}, .is_binary = true}};
    assert_int_equal(tm__pq_open(dsn_file, NULL, &pq, NULL), TM_OK);
    assert_string_equal(tm__pq_sqlstate(pq), "");
    assert_int_equal(tm__pq_prepare(pq, "p", "SELECT $1 + 1, length($2)", types, 2, NULL), TM_OK);
    assert_int_equal(tm__pq_run(pq, "p", params, 2, &rows, NULL), TM_OK);
    assert_true(tm__str_is(tm__pq_rows_text(rows, 0, 0), "42"));
    assert_true(tm__str_is(tm__pq_rows_text(rows, 0, 1), "2"));
    assert_int_equal(tm__pq_rows_type(rows, 0), 20);
    tm__pq_rows_free(rows);
    assert_int_equal(tm__pq_run(pq, "none", params, 2, NULL, NULL), TM_E_DATA);
    assert_string_equal(tm__pq_sqlstate(pq), "26000");
    assert_false(tm__pq_is_in_transaction(pq));
    assert_int_equal(tm__pq_exec(pq, "BEGIN", NULL), TM_OK);
    assert_true(tm__pq_is_in_transaction(pq));
    assert_false(tm__pq_is_lost(pq));
    tm__pq_close(pq);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_statement_is_prepared_and_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
