/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define ROW "{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"}"
#define PREDICT "/v1/routes/tiny/predict"

static json_t *value(const serve_case *c) {
    json_t *v = json_loads(c->body, 0, NULL);
    assert_non_null(v);
    return v;
}

static void an_answer_has_id_class_and_probability(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, PREDICT, "{\"rows\":[" ROW "," ROW "]}", NULL), 200);
    json_t *v = value(&c);
    assert_string_equal(tm__json_text(v, "model", ""), "tiny");
    assert_int_equal(tm__json_i64(v, "version", 0), 1);
    assert_string_equal(tm__json_text(v, "arm", ""), "champion");
    const json_t *all = json_object_get(v, "predictions");
    assert_int_equal(json_array_size(all), 2);
    const json_t *first = json_array_get(all, 0);
    assert_int_equal(strlen(tm__json_text(first, "id", "")), 26);
    const char *class = tm__json_text(first, "prediction", "");
    assert_true(strcmp(class, "yes") == 0 || strcmp(class, "no") == 0);
    assert_true(json_is_number(json_object_get(first, "probability")));
    assert_string_not_equal(tm__json_text(first, "id", ""),
                            tm__json_text(json_array_get(all, 1), "id", ""));
    assert_non_null(strstr(c.headers, "X-Tidemill-Model: tiny\r\n"));
    assert_non_null(strstr(c.headers, "X-Tidemill-Version: 1\r\n"));
    json_decref(v);
    serve_case_close(&c);
}

static void reasons_come_when_asked_for_and_not_for_many_rows(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, PREDICT, "{\"explain\":true,\"rows\":[" ROW "]}", NULL),
                     200);
    assert_non_null(strstr(c.body, "\"reasons\":["));
    assert_int_equal(serve_case_call(&c, PREDICT "?explain=true", "{\"rows\":[" ROW "]}", NULL),
                     200);
    assert_non_null(strstr(c.body, "\"reasons\":["));
    assert_int_equal(serve_case_call(&c, PREDICT "?explain=maybe", "{\"rows\":[]}", NULL), 400);
    tm_buf many;
    tm__buf_init(&many, 1u << 20);
    tm__buf_text(&many, "{\"explain\":true,\"rows\":[" ROW);
    for (int i = 0; i < 1000; i++) {
        tm__buf_text(&many, "," ROW);
    }
    tm__buf_text(&many, "]}");
    assert_int_equal(serve_case_call(&c, PREDICT, (const char *)many.data, NULL), 413);
    tm__buf_done(&many);
    serve_case_close(&c);
}

static uint32_t count(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
        n++;
    }
    return n;
}

/* More rows with reasons than a worker takes go to a batch thread, which reads the body anew. */
static void reasons_for_more_rows_are_the_same_wherever_they_are_asked_for(void **state) {
    static const char *const heads[] = {"{\"explain\":true,\"rows\":[", "{\"rows\":[",
                                        "{\"options\":{\"reasons\":true},\"rows\":[",
                                        "{\"\\u0065xplain\":true,\"rows\":["};
    static const char *const tails[] = {"]}", "],\"explain\":true}", "]}", "]}"};
    serve_case c;
    serve_case_open(&c, *state, NULL);
    for (int i = 0; i < 4; i++) {
        tm_buf body;
        tm__buf_init(&body, 1u << 20);
        tm__buf_text(&body, heads[i]);
        tm__buf_text(&body, ROW);
        while (body.len < 8000) {
            tm__buf_text(&body, "," ROW);
        }
        tm__buf_text(&body, tails[i]);
        const uint32_t n_rows = count((const char *)body.data, ROW);
        assert_int_equal(serve_case_call(&c, PREDICT, (const char *)body.data, NULL), 200);
        assert_int_equal(count(c.body, "\"reasons\":["), n_rows);
        tm__buf_done(&body);
    }
    serve_case_close(&c);
}

static const char *const bad_bodies[] = {
    "",
    "{",
    "[]",
    "{}",
    "{\"rows\":7}",
    "{\"rows\":[],\"rows\":[]}",
    "{\"rows\":[],\"more\":1}",
    "{\"rows\":[],\"explain\":1}",
    "{\"rows\":[],\"options\":{\"explain\":true,\"explain\":false}}",
    "{\"rows\":[7]}",
    "{\"rows\":[{\"z\":1}]}",
    "{\"rows\":[{\"x\":\"a lot\"}]}",
    "{\"rows\":[{\"x\":{}}]}",
};

static void bad_bodies_are_problems(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    for (size_t i = 0; i < sizeof bad_bodies / sizeof bad_bodies[0]; i++) {
        if (serve_case_call(&c, PREDICT, bad_bodies[i], NULL) != 400) {
            print_error("%s: %s\n", bad_bodies[i], c.body);
        }
        assert_int_equal(c.status, 400);
        assert_non_null(strstr(c.headers, "application/problem+json"));
        assert_null(strstr(c.body, "a lot"));
    }
    assert_int_equal(serve_case_call(&c, "/v1/routes/nobody/predict", "{\"rows\":[]}", NULL), 404);
    serve_case_close(&c);
}

static void rows_past_the_limit_are_refused(void **state) {
    const tm_serve_limits limits = {.rows_max = 2};
    serve_case c;
    serve_case_open(&c, *state, &limits);
    assert_int_equal(serve_case_call(&c, PREDICT, "{\"rows\":[" ROW "," ROW "]}", NULL), 200);
    assert_int_equal(serve_case_call(&c, PREDICT, "{\"rows\":[" ROW "," ROW "," ROW "]}", NULL),
                     413);
    serve_case_close(&c);
}

static const char *const forms[] = {
    "{\"dataframe_records\":[" ROW "," ROW "]}",
    "{\"instances\":[" ROW "," ROW "]}",
    "{\"inputs\":[" ROW "," ROW "],\"params\":{}}",
    "{\"inputs\":{\"x\":[1.5,1.5],\"c\":[\"red\",\"red\"],\"day\":[\"1970-01-05\",\"1970-01-05\"]}"
    "}",
    "{\"dataframe_split\":{\"columns\":[\"c\",\"x\",\"day\"],\"index\":[0,1],\"data\":[[\"red\",1."
    "5,\"1970-01-05\"],[\"red\",1.5,\"1970-01-05\"]]},\"params\":null}",
};

static void mlflow_forms_agree(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    char first[256] = "";
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        assert_int_equal(serve_case_call(&c, "/invocations", forms[i], NULL), 200);
        json_t *v = value(&c);
        assert_int_equal(json_array_size(json_object_get(v, "predictions")), 2);
        json_decref(v);
        if (i == 0) {
            (void)snprintf(first, sizeof first, "%s", c.body);
        }
        assert_string_equal(c.body, first);
    }
    static const char *const bad[] = {
        "{}",
        "{\"instances\":[],\"inputs\":[]}",
        "{\"instances\":{}}",
        "{\"params\":{\"a\":1},\"inputs\":[]}",
        "{\"dataframe_split\":{\"data\":[]}}",
        "{\"dataframe_split\":{\"columns\":[7],\"data\":[]}}",
        "{\"dataframe_split\":{\"columns\":[\"c\"],\"data\":[],\"what\":1}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(serve_case_call(&c, "/invocations", bad[i], NULL), 400);
    }
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(an_answer_has_id_class_and_probability),
        IN_HOME(reasons_come_when_asked_for_and_not_for_many_rows),
        IN_HOME(reasons_for_more_rows_are_the_same_wherever_they_are_asked_for),
        IN_HOME(bad_bodies_are_problems),
        IN_HOME(rows_past_the_limit_are_refused),
        IN_HOME(mlflow_forms_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
