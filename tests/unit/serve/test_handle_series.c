/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

static void expect(serve_case *c, const char *target, uint32_t status, const char *says) {
    const uint32_t got = serve_case_call(c, target, NULL, NULL);
    if (got != status || (says != NULL && strstr(c->body, says) == NULL)) {
        fail_msg("%s: %u, %s", target, got, c->body);
    }
}

static void scores_and_columns_are_told_as_asked(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    expect(&c, "/v1/models/tiny/scores", 200, "\"windows\":[]");
    expect(&c, "/v1/models/tiny/scores?since=7d&window_seconds=3600", 200, "\"model\":\"tiny\"");
    expect(&c, "/v1/models/tiny/scores?since=soon", 400, NULL);
    expect(&c, "/v1/models/tiny/scores?window_seconds=0", 400, NULL);
    expect(&c, "/v1/models/nobody/scores", 404, NULL);
    expect(&c, "/v1/models/nobody/drift", 404, NULL);
    expect(&c, "/v1/models/tiny/drift?column=nothing", 404, "reference");
    expect(&c, "/v1/models/tiny/drift?column=%00", 400, NULL);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_and_columns_are_told_as_asked, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
