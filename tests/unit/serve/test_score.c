/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "serve/score.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define ROW "{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"}"
#define PREDICT "/v1/routes/tiny/predict"

static void options_are_read_by_name_and_value(void **state) {
    (void)state;
    static const struct {
        const char *object;
        bool ignores_others, is_good;
    } cases[] = {
        {"{}", false, true},
        {"{\"threshold\":0.25,\"reasons\":true,\"probabilities\":false}", false, true},
        {"{\"version\":\"3\",\"unknown_columns\":\"ignore\"}", false, true},
        {"{\"threshold\":1.5}", false, false},
        {"{\"threshold\":\"high\"}", false, false},
        {"{\"version\":0}", false, false},
        {"{\"version\":-1}", true, false},
        {"{\"unknown_columns\":\"keep\"}", true, false},
        {"{\"reasons\":1}", false, false},
        {"{\"timeout\":1}", false, false},
        {"{\"timeout\":{\"a\":\"b\\\"\"},\"more\":[\"\\u0041\\\"\"]}", true, true},
        {"[]", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s~", cases[i].object);
        tm_scoring s = {0};
        const char *end = tm__score_options(&s, text, cases[i].ignores_others);
        if ((end != NULL) != cases[i].is_good) {
            fail_msg("%s", cases[i].object);
        }
        assert_true(end == NULL || *end == '~');
    }
    tm_scoring s = {0};
    char text[] = "{\"threshold\":2.5e-1,\"version\":7,\"unknown_columns\":\"ignore\"}";
    assert_non_null(tm__score_options(&s, text, false));
    assert_true(s.has_threshold && s.threshold == 0.25 && s.version == 7);
    assert_true(s.place.ignores_unknown && !s.explain && !s.no_probability);
}

static void options_change_the_answer(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const struct {
        const char *query, *options;
        uint32_t status;
        const char *has, *lacks;
    } cases[] = {
        {"", "{\"threshold\":0}", 200, "\"prediction\":\"yes\"", "\"reasons\""},
        {"", "{\"threshold\":1}", 200, "\"prediction\":\"no\"", NULL},
        {"?threshold=1", "{}", 200, "\"prediction\":\"no\"", NULL},
        {"?threshold=0", "{}", 200, "\"prediction\":\"yes\"", NULL},
        {"?threshold=2", "{}", 400, "threshold", NULL},
        {"", "{\"probabilities\":false}", 200, "\"prediction\"", "\"probability\""},
        {"", "{\"reasons\":true}", 200, "\"reasons\":[", NULL},
        {"?reasons=true", "{}", 200, "\"reasons\":[", NULL},
        {"?probabilities=false", "{}", 200, "\"prediction\"", "\"probability\""},
        {"?probabilities=2", "{}", 400, "probabilities", NULL},
        {"?reasons=yes", "{}", 400, "reasons", NULL},
        {"", "{\"version\":1}", 200, "\"version\":1", NULL},
        {"", "{\"version\":3}", 404, "no-such-version", NULL},
        {"?version=3", "{}", 404, "no-such-version", NULL},
        {"", "{\"what\":1}", 400, "an option that is not known", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256], target[64];
        (void)snprintf(body, sizeof body, "{\"options\":%s,\"rows\":[" ROW "]}", cases[i].options);
        (void)snprintf(target, sizeof target, PREDICT "%s", cases[i].query);
        if (serve_case_call(&c, target, body, NULL) != cases[i].status ||
            strstr(c.body, cases[i].has) == NULL ||
            (cases[i].lacks != NULL && strstr(c.body, cases[i].lacks) != NULL)) {
            fail_msg("%s %s: %s", cases[i].query, cases[i].options, c.body);
        }
    }
    static const char extra[] = "[{\"x\":1,\"c\":null,\"day\":null,\"more\":{\"a\":[]}}]}";
    char body[256];
    (void)snprintf(body, sizeof body, "{\"rows\":%s", extra);
    assert_int_equal(serve_case_call(&c, PREDICT, body, NULL), 400);
    (void)snprintf(body, sizeof body, "{\"options\":{\"unknown_columns\":\"ignore\"},\"rows\":%s",
                   extra);
    assert_int_equal(serve_case_call(&c, PREDICT, body, NULL), 200);
    serve_case_close(&c);
}

/* Every option through MLflow's and the Open Inference Protocol's door: as they are named there. */
static void options_work_in_every_protocol(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const char invocations[] = "{\"params\":%s,\"instances\":[" ROW "%s]}";
    static const char infer[] =
        "{\"parameters\":%s,\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP64\","
        "\"data\":[1.5]},{\"name\":\"c\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"red\"]},"
        "{\"name\":\"day\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"1970-01-05\"]}%s]}";
    static const char odd_row[] = ",{\"x\":1,\"c\":null,\"day\":null,\"odd\":1}";
    static const char odd_tensor[] =
        ",{\"name\":\"odd\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":[1]}";
    static const struct {
        const char *path, *options;
        bool is_odd;
        uint32_t status;
        const char *has, *lacks;
    } cases[] = {
        {"/invocations", "{}", false, 200, "{\"predictions\":[\"", "\"id\""},
        {"/invocations", "{\"threshold\":0}", false, 200, "[\"yes\"]", "\"id\""},
        {"/invocations", "{\"threshold\":1}", false, 200, "[\"no\"]", "\"id\""},
        {"/invocations", "{\"version\":1}", false, 200, "{\"predictions\":[\"", NULL},
        {"/invocations", "{\"version\":7}", false, 404, "version", NULL},
        {"/invocations", "{\"probabilities\":true}", false, 200, "\"probability\":", "\"reasons\""},
        {"/invocations", "{\"probabilities\":false}", false, 200, "{\"predictions\":[\"", NULL},
        {"/invocations", "{\"reasons\":true}", false, 200, "\"reasons\":[", "\"probability\""},
        {"/invocations", "{}", true, 400, "odd", NULL},
        {"/invocations", "{\"unknown_columns\":\"ignore\"}", true, 200, "\",\"", NULL},
        {"/invocations", "{\"what\":1}", false, 400, "not known", NULL},
        {"/v2/models/tiny/infer", "{}", false, 200, "\"name\":\"probability\"", "reasons"},
        {"/v2/models/tiny/infer", "{\"threshold\":0}", false, 200, "\"data\":[\"yes\"]", NULL},
        {"/v2/models/tiny/infer", "{\"threshold\":1}", false, 200, "\"data\":[\"no\"]", NULL},
        {"/v2/models/tiny/infer", "{\"version\":1}", false, 200, "\"model_version\":\"1\"", NULL},
        {"/v2/models/tiny/infer", "{\"version\":7}", false, 404, "version", NULL},
        {"/v2/models/tiny/infer", "{\"probabilities\":false}", false, 200, "prediction",
         "probability"},
        {"/v2/models/tiny/infer", "{\"reasons\":true}", false, 200,
         "\"name\":\"reasons\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"[", NULL},
        {"/v2/models/tiny/infer", "{}", true, 400, "odd", NULL},
        {"/v2/models/tiny/infer", "{\"unknown_columns\":\"ignore\"}", true, 200, "prediction",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[1024];
        const bool is_v2 = cases[i].path[1] == 'v';
        (void)snprintf(body, sizeof body, is_v2 ? infer : invocations, cases[i].options,
                       !cases[i].is_odd ? ""
                       : is_v2          ? odd_tensor
                                        : odd_row);
        if (serve_case_call(&c, cases[i].path, body, NULL) != cases[i].status ||
            strstr(c.body, cases[i].has) == NULL ||
            (cases[i].lacks != NULL && strstr(c.body, cases[i].lacks) != NULL)) {
            fail_msg("%s %s: %u %s", cases[i].path, cases[i].options, c.status, c.body);
        }
    }
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_by_name_and_value),
        IN_HOME(options_change_the_answer),
        IN_HOME(options_work_in_every_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
