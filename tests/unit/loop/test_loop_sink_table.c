/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_sinks_postgres.py. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "temp_home.h"
#include "test.h"

static void a_server_that_is_not_there_is_tried_again(void **state) {
    static const char dsn[] = "host=127.0.0.1 port=1 user=u password=hidden dbname=d";
    tm_ctx ctx = {0};
    tm_sink_run run = {.home = *state, .ctx = &ctx};
    tm_sink_target target = {0};
    tm_err err = {0};
    char *path = tm__fs_join(tm__home_path(*state), "pg.dsn");
    run.row.spec =
        json_pack("{s:{s:{s:s, s:s}}}", "write", "postgres", "dsn_file", path, "table", "s.t");
    const tm_sink_batch batch = {.id = "s-000001-0123abcd"};
    assert_int_equal(tm__sink_table_open(&run, &target, NULL), TM_OK);
    assert_int_equal(target.write(target.self, &batch, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_publish_secret(path, dsn, sizeof(dsn) - 1, NULL), TM_OK);
    assert_int_equal(target.write(target.self, &batch, &err), TM_E_UNAVAILABLE);
    assert_null(strstr(err.message, "hidden"));
    target.close(target.self);
    tm__mem_free(path);
    json_decref(run.row.spec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_that_is_not_there_is_tried_again,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
