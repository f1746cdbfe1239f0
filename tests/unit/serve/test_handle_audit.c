/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

static void a_chain_is_verified_for_who_may_audit(void **state) {
    serve_case c;
    tm_key viewer, auditor;
    serve_case_open(&c, *state, NULL);
    serve_case_key(&c, TM_GUARD_VIEWER, &viewer);
    serve_case_key_seen(&c, TM_GUARD_AUDITOR, &auditor);
    assert_int_equal(serve_case_call(&c, "/v1/audit/verify", NULL, NULL), 401);
    assert_int_equal(serve_case_call(&c, "/v1/audit/verify", NULL, viewer.text), 403);
    assert_int_equal(serve_case_call(&c, "/v1/audit/verify", NULL, auditor.text), 200);
    assert_non_null(strstr(c.body, "\"ok\":true,\"entries\":"));
    assert_non_null(strstr(c.body, "\"key_known\":true"));
    assert_int_equal(serve_case_call(&c, "/v1/audit?event=key&newest=1", NULL, auditor.text), 200);
    assert_non_null(strstr(c.body, "key.created"));
    assert_int_equal(serve_case_call(&c, "/v1/audit?after=x", NULL, auditor.text), 400);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_is_verified_for_who_may_audit, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
