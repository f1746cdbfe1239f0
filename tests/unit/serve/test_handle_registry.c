/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

static void what_the_registry_knows_is_told_as_asked(void **state) {
    static const struct {
        const char *target;
        uint32_t status;
        const char *says; /* NULL: anything */
    } cases[] = {
        {"/v1/models", 200, "\"champion\":1"},
        {"/v1/models?at=0s", 200, "\"evidence\""},
        {"/v1/models?at=2001-01-01", 200, "\"models\":[]"},
        {"/v1/models?at=soon", 400, NULL},
        {"/v1/models?at=%00", 400, NULL},
        {"/v1/models/tiny", 200, "\"n_versions\":2,\"n_found\":2,"},
        {"/v1/models/tiny?find=champ", 200, "\"n_found\":1,\"versions\":[{\"version\":1,"},
        {"/v1/models/tiny?find=2", 200, "\"n_found\":1,\"versions\":[{\"version\":2,"},
        {"/v1/models/tiny?from=2&count=1", 200, "\"n_found\":2,\"versions\":[{\"version\":1,"},
        {"/v1/models/tiny?find=%27%22%25", 200, "\"n_found\":0,\"versions\":[]"},
        {"/v1/models/tiny?count=0", 400, NULL},
        {"/v1/models/tiny/history", 200, "\"registered\""},
        {"/v1/models/tiny/history?event=promoted&version=1&newest=1&since=7d", 200,
         "first version"},
        {"/v1/models/tiny/history?event=gate", 200, "\"history\":[]"},
        {"/v1/models/tiny/history?until=2001-01-01", 200, "\"history\":[]"},
        {"/v1/models/tiny/history?version=0", 400, NULL},
        {"/v1/models/tiny/history?newest=x", 400, NULL},
        {"/v1/models/tiny/history?since=soon", 400, NULL},
        {"/v1/models/nobody/history", 404, NULL},
        {"/v1/models/tiny/receivers", 200, "\"receivers\":[]"},
        {"/v1/models/nobody/receivers", 404, NULL},
        {"/v1/garbage", 200, "\"kept\":2"},
        {"/v1/garbage?keep=1&older_than=0s", 200, "\"versions\":[]"},
        {"/v1/garbage?keep=0", 400, NULL},
        {"/v1/garbage?older_than=long", 400, NULL},
        {"/v1/garbage?older_than=30", 400, "Which unit: 30s, 30m, 30h or 30d?"},
    };
    serve_case c;
    serve_case_open(&c, *state, NULL);
    for (int twice = 0; twice < 2; twice++) { /* nothing went */
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            const uint32_t status = serve_case_call(&c, cases[i].target, NULL, NULL);
            if (status != cases[i].status ||
                (cases[i].says != NULL && strstr(c.body, cases[i].says) == NULL)) {
                fail_msg("%s: %u, %s", cases[i].target, status, c.body);
            }
        }
    }
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_registry_knows_is_told_as_asked,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
