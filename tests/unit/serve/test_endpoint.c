/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "serve/serve_priv.h"
#include "test.h"

typedef struct match_case {
    tm_http_method method;
    const char *path, *name, *param, *allow; /* name NULL: none */
} match_case;

static const match_case cases[] = {
    {TM_GET, "/livez", "livez", "", NULL},
    {TM_HEAD, "/livez", "livez", "", NULL},
    {TM_POST, "/livez", NULL, NULL, "GET, HEAD"},
    {TM_OTHER_METHOD, "/livez", NULL, NULL, "GET, HEAD"},
    {TM_GET, "/livez/", NULL, NULL, ""},
    {TM_GET, "//livez", NULL, NULL, ""},
    {TM_GET, "/LIVEZ", NULL, NULL, ""},
    {TM_GET, "/", "page", "", NULL},
    {TM_GET, "//", NULL, NULL, ""},
    {TM_GET, "/assets/app.1.js", "asset", "app.1.js", NULL},
    {TM_GET, "/assets/", NULL, NULL, ""},
    {TM_POST, "/v1/routes/late/predict", "predict", "late", NULL},
    {TM_POST, "/v1/routes/l%61te/predict", "predict", "late", NULL},
    {TM_POST, "/v1/routes/a%2Fb/predict", NULL, NULL, ""},
    {TM_POST, "/v1/routes/%2561/predict", NULL, NULL, ""},
    {TM_POST, "/v1/routes//predict", NULL, NULL, ""},
    {TM_GET, "/v1/routes/late/predict", NULL, NULL, "POST"},
    {TM_GET, "/v1/models", "models", "", NULL},
    {TM_GET, "/v1/models/late", "model", "late", NULL},
    {TM_GET, "/v1/models/late/history", "history", "late", NULL},
    {TM_POST, "/v1/models/late:promote", "promote", "late", NULL},
    {TM_POST, "/v1/models/late:rollback", "rollback", "late", NULL},
    {TM_POST, "/v1/models/late:erase", NULL, NULL, ""},
    {TM_POST, "/v1/models/:promote", NULL, NULL, ""},
    {TM_GET, "/v1/models/late:promote", NULL, NULL, "POST"},
    {TM_GET, "/v1/models/..", "model", "..", NULL},
};

static void paths_find_their_endpoints(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_match m;
        tm__endpoint_match(cases[i].method, tm__str(cases[i].path), &m);
        if ((m.endpoint != NULL) != (cases[i].name != NULL)) {
            print_error("%s\n", cases[i].path);
        }
        if (cases[i].name == NULL) {
            assert_null(m.endpoint);
            assert_string_equal(m.allow, cases[i].allow);
        } else {
            assert_non_null(m.endpoint);
            assert_string_equal(m.endpoint->name, cases[i].name);
            assert_string_equal(m.params[0], cases[i].param);
        }
    }
}

static void a_name_of_129_bytes_is_no_name(void **state) {
    (void)state;
    char path[200];
    for (int n = 128; n <= 129; n++) {
        (void)snprintf(path, sizeof path, "/v1/models/%0*d", n, 0);
        tm_match m;
        tm__endpoint_match(TM_GET, tm__str(path), &m);
        assert_int_equal(m.endpoint != NULL, n == 128);
    }
}

static void every_endpoint_declares_a_permission(void **state) {
    (void)state;
    for (uint32_t i = 0; i < tm__endpoint_count(); i++) {
        const tm_endpoint *e = tm__endpoint_get(i);
        assert_int_not_equal(e->permission, TM_PERMISSION_NONE);
        assert_non_null(e->handle);
        assert_int_equal(tm__endpoint_index(e), i);
        if (e->permission == TM_PERMISSION_PUBLIC) {
            assert_true(strcmp(e->name, "page") == 0 || strcmp(e->name, "session") == 0 ||
                        strcmp(e->name, "asset") == 0 || strcmp(e->name, "livez") == 0 ||
                        strcmp(e->name, "readyz") == 0 || strcmp(e->name, "ping") == 0 ||
                        strcmp(e->name, "v2_live") == 0 || strcmp(e->name, "v2_ready") == 0);
        }
    }
}

static void openapi_lists_every_endpoint(void **state) {
    (void)state;
    const tm_str text = tm__endpoint_openapi();
    json_t *doc = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(doc);
    assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
    const json_t *paths = json_object_get(doc, "paths");
    for (uint32_t i = 0; i < tm__endpoint_count(); i++) {
        const tm_endpoint *e = tm__endpoint_get(i);
        const json_t *op =
            json_object_get(json_object_get(paths, e->path), e->method == TM_POST ? "post" : "get");
        assert_non_null(op);
        assert_string_equal(json_string_value(json_object_get(op, "x-permission")),
                            tm__permission_text(e->permission));
    }
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_endpoints),
        cmocka_unit_test(a_name_of_129_bytes_is_no_name),
        cmocka_unit_test(every_endpoint_declares_a_permission),
        cmocka_unit_test(openapi_lists_every_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
