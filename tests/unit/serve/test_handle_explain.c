/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "serve_case.h"
#include "temp_home.h"

static void an_answer_is_explained_by_its_id(void **state) {
    serve_case c;
    char path[128] = "/v1/models/tiny/predictions/", id[27];
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict",
                                     "{\"rows\":[{\"x\":0.25,\"c\":\"a\",\"day\":\"2024-01-01\"}]}",
                                     NULL),
                     200);
    const char *const at = strstr(c.body, "\"id\":\"");
    assert_non_null(at);
    (void)tm__str_copy(id, sizeof id, (tm_str){at + 6, 26});
    (void)tm__str_copy(path + strlen(path), sizeof path - strlen(path), tm__str(id));
    uint32_t status = 404;
    for (uint32_t i = 0; status == 404 && i < TEST_LOOKS; i++) { /* until the log has it */
        tm__sleep_ms(10);
        status = serve_case_call(&c, path, NULL, NULL);
    }
    assert_int_equal(status, 200);
    assert_non_null(strstr(c.body, id));
    assert_non_null(strstr(c.body, "\"version\":1,"));
    assert_non_null(strstr(c.body, "\"reasons\":[{\"column\":\"x\",\"contribution\":"));
    assert_null(strstr(c.body, "0.25")); /* what the row held is not told */
    assert_null(strstr(c.body, "2024-01-01\""));
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny/predictions/none", NULL, NULL), 404);
    memcpy(path + 11, "tint", 4); /* another model */
    assert_int_equal(serve_case_call(&c, path, NULL, NULL), 404);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_explained_by_its_id, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
