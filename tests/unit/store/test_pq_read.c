/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_postgres.py. */
#include "base/fs.h"
#include "store/pq.h"
#include "support.h"
#include "test.h"

static void without_a_server_there_is_nothing_to_read(void **state) {
    (void)state;
    tm_pq *pq = NULL;
    assert_int_equal(tm__fs_publish_secret("pg.dsn", "host=127.0.0.1 port=1", 21, NULL), TM_OK);
    assert_int_equal(tm__pq_open("pg.dsn", NULL, &pq, NULL), TM_E_UNAVAILABLE);
    assert_null(pq);
    tm__pq_reader_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_server_there_is_nothing_to_read)};
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
