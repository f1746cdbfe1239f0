/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

static tm_key key;

static void expect(serve_case *c, const char *target, uint32_t status, const char *says) {
    const uint32_t got = serve_case_call(c, target, NULL, key.text);
    if (got != status || (says != NULL && strstr(c->body, says) == NULL)) {
        fail_msg("%s: %u, %s", target, got, c->body);
    }
}

static void jobs_are_told_as_asked(void **state) {
    serve_case c;
    char id[27];
    serve_case_open(&c, *state, NULL);
    serve_case_key_seen(&c, TM_GUARD_OPERATOR, &key);
    expect(&c, "/v1/jobs", 200, "{\"n_jobs\":0,\"jobs\":[]}");
    assert_int_equal(tm__registry_job_add(c.registry, "retrain", "tiny", id, NULL), TM_OK);
    assert_int_equal(tm__registry_job_add(c.registry, "sink", "other", id, NULL), TM_OK);
    expect(&c, "/v1/jobs?find=RETRAIN", 200, "{\"n_jobs\":1,");
    expect(&c, "/v1/jobs?find=running&from=2&count=1", 200, "{\"n_jobs\":2,\"jobs\":[{");
    expect(&c, "/v1/jobs?from=3", 200, "{\"n_jobs\":2,\"jobs\":[]}");
    expect(&c, "/v1/jobs?from=0", 400, NULL);
    serve_case_close(&c);
}

static void cancel(serve_case *c, const char *id, const char *body, uint32_t status,
                   const char *says) {
    char target[64];
    (void)snprintf(target, sizeof(target), "/v1/jobs/%s:cancel", id);
    const uint32_t got = serve_case_call(c, target, body, key.text);
    if (got != status || strstr(c->body, says) == NULL) {
        fail_msg("%s: %u, %s", target, got, c->body);
    }
}

static void a_retraining_is_cancelled_once(void **state) {
    serve_case c;
    char id[27], sink[27];
    serve_case_open(&c, *state, NULL);
    serve_case_key_seen(&c, TM_GUARD_OPERATOR, &key);
    assert_int_equal(tm__registry_job_add(c.registry, "retrain", "tiny", id, NULL), TM_OK);
    assert_int_equal(tm__registry_job_add(c.registry, "sink", "tiny", sink, NULL), TM_OK);
    cancel(&c, id, "{\"reason\": 7}", 400, "reason");
    cancel(&c, id, "{\"why\": \"so\"}", 400, "not known");
    cancel(&c, "nothing", "{}", 404, "there is no job 'nothing'");
    cancel(&c, sink, "{}", 409, "is no retraining");
    cancel(&c, id, "{\"reason\": \"not today\"}", 200, id);
    cancel(&c, id, "{}", 409, "cancelling");
    expect(&c, "/v1/jobs?find=cancelling", 200, "{\"n_jobs\":1,");
    expect(&c, "/v1/models/tiny/history?event=retrain.cancelled", 200, "not today");
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_are_told_as_asked, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_retraining_is_cancelled_once, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
