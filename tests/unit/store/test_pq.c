/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_postgres.py. */
#include "store/pq.h"

#include <string.h>

#include "base/fs.h"
#include "support.h"
#include "test.h"

#define DSN "there.dsn"

static void what_the_file_says_stands_in_no_message(void **state) {
    (void)state;
    static const struct {
        const char *dsn;
        tm_status want;
        const char *message;
    } cases[] = {
        {"secret1", TM_E_DATA, "'there.dsn' does not say how to reach PostgreSQL"},
        {"host=h pass=secret1", TM_E_DATA, "'there.dsn' does not say how to reach PostgreSQL"},
        {"postgres://u:secret1@[::1", TM_E_DATA,
         "'there.dsn' does not say how to reach PostgreSQL"},
        {"host=127.0.0.1 port=1 user=u password=secret1 dbname=d", TM_E_UNAVAILABLE,
         "nothing listens where the DSN says"},
        {"host=/secret1 port=1 user=u dbname=d", TM_E_UNAVAILABLE,
         "nothing listens where the DSN says"},
        {"postgres://u:secret1@127.0.0.1:99999/d", TM_E_DATA,
         "the DSN has a value that libpq does not take"},
        {"host=127.0.0.1 port=1 sslmode=secret1", TM_E_DATA,
         "the DSN has a value that libpq does not take"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_pq *pq = NULL;
        tm_err err = {0};
        assert_int_equal(tm__fs_publish_secret(DSN, cases[i].dsn, strlen(cases[i].dsn), NULL),
                         TM_OK);
        assert_int_equal(tm__pq_open(DSN, NULL, &pq, &err), cases[i].want);
        assert_null(pq);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.data_path, DSN);
        assert_null(strstr(err.hint, "secret1"));
        assert_true(err.hint[0] != '\0');
    }
}

static void texts_and_names_are_quoted(void **state) {
    (void)state;
    tm_buf sql;
    tm__buf_init(&sql, 1000);
    assert_true(tm__pq_quote(&sql, TM_STR("it's \\ \"x\""), '\''));
    assert_true(tm__pq_quote(&sql, TM_STR("it's \"x\""), '"'));
    assert_true(tm__pq_quote(&sql, (tm_str){"a\0b", 3}, '\''));
    assert_string_equal((const char *)sql.data, "'it''s \\ \"x\"'\"it's \"\"x\"\"\"'a b'");
    tm__buf_done(&sql);
    tm__buf_init(&sql, 4);
    assert_false(tm__pq_quote(&sql, TM_STR("abc"), '"'));
    tm__buf_done(&sql);
    tm__pq_close(NULL);
    tm__pq_rows_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_file_says_stands_in_no_message),
        cmocka_unit_test(texts_and_names_are_quoted),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
