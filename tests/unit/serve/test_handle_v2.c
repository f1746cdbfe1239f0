/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define INFER "/v2/models/tiny/infer"
#define X "{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1.5,-2]}"
#define C "{\"name\":\"c\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"r\\u0065d\",null]}"
#define DAY                                                                                        \
    "{\"name\":\"day\",\"shape\":[2,1],\"datatype\":\"BYTES\",\"data\":[[\"1970-01-05\"],[null]]}"

static json_t *value(const serve_case *c) {
    json_t *v = json_loads(c->body, JSON_DISABLE_EOF_CHECK, NULL); /* bytes may follow */
    if (v == NULL) {
        fail_msg("no JSON: %s", c->body);
    }
    return v;
}

static const json_t *output(const json_t *v, size_t i, const char *name) {
    const json_t *o = json_array_get(json_object_get(v, "outputs"), i);
    assert_string_equal(tm__json_text(o, "name", ""), name);
    return o;
}

static void what_there_is_can_be_asked(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const struct {
        const char *path;
        uint32_t status;
        const char *has;
    } cases[] = {
        {"/v2", 200, "\"binary_tensor_data\""},
        {"/v2/health/live", 200, "{\"live\":true}"},
        {"/v2/health/ready", 200, "{\"ready\":true}"},
        {"/v2/models/tiny", 200, "\"versions\":[\"1\""},
        {"/v2/models/tiny/versions/1", 200,
         "{\"name\":\"x\",\"datatype\":\"FP64\",\"shape\":[-1]}"},
        {"/v2/models/tiny/ready", 200, "\"ready\":true"},
        {"/v2/models/tiny/versions/1/ready", 200, "\"ready\":true"},
        {"/v2/models/tiny/versions/9/ready", 404, "{\"error\":\""},
        {"/v2/models/tiny/versions/1x", 404, "{\"error\":\""},
        {"/v2/models/nobody", 404, "{\"error\":\""},
        {"/v2/models/nobody/ready", 404, "{\"error\":\""},
        {"/v2/nothing", 404, "{\"error\":\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (serve_case_call(&c, cases[i].path, NULL, NULL) != cases[i].status ||
            strstr(c.body, cases[i].has) == NULL) {
            fail_msg("%s: %u %s", cases[i].path, c.status, c.body);
        }
    }
    serve_case_close(&c);
}

static void columns_of_tensors_give_the_answers_of_rows(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict",
                                     "{\"rows\":[{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"},"
                                     "{\"x\":-2,\"c\":null,\"day\":null}]}",
                                     NULL),
                     200);
    json_t *rows = value(&c);
    assert_int_equal(
        serve_case_call(&c, INFER, "{\"id\":\"a\\\"b\",\"inputs\":[" DAY "," X "," C "]}", NULL),
        200);
    json_t *v = value(&c);
    assert_string_equal(tm__json_text(v, "model_name", ""), "tiny");
    assert_string_equal(tm__json_text(v, "model_version", ""), "1");
    assert_string_equal(tm__json_text(v, "id", ""), "a\"b");
    const json_t *classes = output(v, 0, "prediction");
    const json_t *probabilities = output(v, 1, "probability");
    assert_string_equal(tm__json_text(classes, "datatype", ""), "BYTES");
    assert_string_equal(tm__json_text(probabilities, "datatype", ""), "FP64");
    assert_int_equal(json_array_size(json_object_get(output(v, 2, "id"), "data")), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(json_object_get(rows, "predictions"), i);
        assert_true(json_equal(json_array_get(json_object_get(classes, "data"), i),
                               json_object_get(row, "prediction")));
        assert_true(json_equal(json_array_get(json_object_get(probabilities, "data"), i),
                               json_object_get(row, "probability")));
    }
    json_decref(v);
    /* One tensor of all columns, and the outputs that are named, in their own order. */
    assert_int_equal(serve_case_call(&c, "/v2/models/tiny/versions/1/infer",
                                     "{\"parameters\":{\"threshold\":0},\"outputs\":[{\"name\":"
                                     "\"probability\"},{\"name\":\"prediction\"}],\"inputs\":[{"
                                     "\"data\":[\"1.5\",\"red\",\"1970-01-05\",\"-2\",null,null],"
                                     "\"name\":\"all\",\"datatype\":\"BYTES\",\"shape\":[2,3]}]}",
                                     NULL),
                     200);
    v = value(&c);
    assert_int_equal(json_array_size(json_object_get(v, "outputs")), 2);
    probabilities = output(v, 1, "probability");
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(json_object_get(rows, "predictions"), i);
        assert_true(json_equal(json_array_get(json_object_get(probabilities, "data"), i),
                               json_object_get(row, "probability")));
        assert_string_equal(json_string_value(json_array_get(
                                json_object_get(output(v, 0, "prediction"), "data"), i)),
                            "yes");
    }
    json_decref(v);
    json_decref(rows);
    serve_case_close(&c);
}

static void tensors_stand_as_bytes_behind_the_json(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, INFER, "{\"inputs\":[" X "," C "," DAY "]}", NULL), 200);
    json_t *text = value(&c);
    static const char head[] =
        "{\"parameters\":{\"binary_data_output\":true,\"priority\":7},\"inputs\":["
        "{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":"
        "8}},"
        "{\"name\":\"c\",\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":"
        "11}}," DAY "]}";
    tm_buf body;
    char headers[128];
    tm__buf_init(&body, 4096);
    tm__buf_text(&body, head);
    const float x[] = {1.5f, -2.0f};
    tm__buf_append(&body, x, sizeof x);
    tm__buf_append(&body, "\3\0\0\0red\0\0\0\0", 11);
    (void)snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %zu\r\n",
                   strlen(head));
    /* Clients of Triton do not say what the body is. An empty text is a missing value here. */
    assert_int_equal(serve_case_send(&c, INFER, headers, body.data, body.len), 200);
    assert_non_null(strstr(c.headers, "Content-Type: application/octet-stream\r\n"));
    const char *field = strstr(c.headers, "Inference-Header-Content-Length: ");
    assert_non_null(field);
    const size_t n = strtoul(field + 33, NULL, 10);
    json_t *v = json_loadb(c.body, n, 0, NULL);
    assert_non_null(v);
    const json_t *first = output(v, 0, "prediction");
    const int64_t n_first =
        tm__json_i64(json_object_get(first, "parameters"), "binary_data_size", 0);
    const json_t *probabilities = json_object_get(output(text, 1, "probability"), "data");
    for (size_t i = 0; i < 2; i++) {
        double number;
        memcpy(&number, c.body + n + n_first + i * 8, sizeof number);
        assert_true(number == json_number_value(json_array_get(probabilities, i)));
    }
    assert_int_equal(
        tm__json_i64(json_object_get(output(v, 2, "id"), "parameters"), "binary_data_size", 0), 60);
    json_decref(v);
    json_decref(text);
    tm__buf_done(&body);
    serve_case_close(&c);
}

static json_t *reasons_of(serve_case *c, const char *more) {
    char body[1024];
    (void)snprintf(body, sizeof body, "{%s,\"inputs\":[" X "," C "," DAY "]}", more);
    assert_int_equal(serve_case_call(c, INFER, body, NULL), 200);
    return value(c);
}

/* As texts in JSON, as bytes, alone, and those of our own protocol. */
static void reasons_are_an_output(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    json_t *all = reasons_of(&c, "\"parameters\":{\"reasons\":true}");
    json_t *alone = reasons_of(&c, "\"outputs\":[{\"name\":\"reasons\"}]");
    const json_t *texts = json_object_get(output(all, 3, "reasons"), "data");
    assert_true(json_equal(texts, json_object_get(output(alone, 0, "reasons"), "data")));
    assert_int_equal(json_array_size(json_object_get(alone, "outputs")), 1);
    assert_int_equal(json_array_size(texts), 2);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict?reasons=true",
                                     "{\"rows\":[{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"},"
                                     "{\"x\":-2,\"c\":null,\"day\":null}]}",
                                     NULL),
                     200);
    json_t *own = value(&c);
    for (size_t i = 0; i < 2; i++) {
        json_t *list = json_loads(json_string_value(json_array_get(texts, i)), 0, NULL);
        assert_non_null(list);
        const json_t *row = json_array_get(json_object_get(own, "predictions"), i);
        assert_true(json_equal(list, json_object_get(row, "reasons")));
        json_decref(list);
    }
    json_t *raw =
        reasons_of(&c, "\"outputs\":[{\"name\":\"reasons\",\"parameters\":{\"binary_data\":true}},"
                       "{\"name\":\"id\"}]");
    const char *text = json_string_value(json_array_get(texts, 0));
    const char *end = strstr(c.headers, "\r\n\r\n");
    assert_non_null(strstr(c.headers, "Inference-Header-Content-Length: "));
    assert_non_null(memmem(end, c.reply.len - (size_t)(end - c.headers), text, strlen(text)));
    json_decref(raw);
    json_decref(own);
    json_decref(alone);
    json_decref(all);
    serve_case_close(&c);
}

static const struct {
    const char *body, *has;
} bad_bodies[] = {
    {"", "the body is empty"},
    {"{\"inputs\":[]}", "no inputs"},
    {"{\"what\":1,\"inputs\":[" X "]}", "not known"},
    {"{\"inputs\":[{\"name\":\"z\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
     "a column 'z' that the model does not know"},
    {"{\"inputs\":[" X "," X "," C "," DAY "]}", "twice"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP8\",\"data\":[]}]}",
     "an input needs"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1,1],\"datatype\":\"FP32\",\"data\":[]}]}",
     "an input needs"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[]}]}",
     "an input needs"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\"}]}", "an input needs"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[1,2]}," C "," DAY
     "]}",
     "same number of rows"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1]}," C "," DAY
     "]}",
     "fewer values"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2,3]}," C "," DAY
     "]}",
     "more values"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"INT32\",\"data\":[1.5,2]}," C
     "," DAY "]}",
     "is no INT32"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"BOOL\",\"data\":[true,2]}," C
     "," DAY "]}",
     "is no BOOL"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[{},2]}," C "," DAY
     "]}",
     "must be one value"},
    {"{\"inputs\":[{\"name\":\"y\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
     "not as many columns"},
    {"{\"inputs\":[" X "," C "," DAY "],\"outputs\":[{\"name\":\"logits\"}]}", "outputs may be"},
    {"{\"inputs\":[" X "," C "," DAY "],\"outputs\":[{}]}", "outputs may be"},
    {"{\"inputs\":[" X "," C "," DAY "],\"parameters\":{\"threshold\":7}}", "parameters"},
    {"{\"inputs\":[" X "," C "," DAY "],\"parameters\":{\"binary_data_output\":1}}", "parameters"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"parameters\":{"
     "\"binary_data_size\":8}}," C "," DAY "]}",
     "binary_data_size"},
};

static void bad_requests_have_the_error_of_the_protocol(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    for (size_t i = 0; i < sizeof bad_bodies / sizeof bad_bodies[0]; i++) {
        const uint32_t status = serve_case_call(&c, INFER, bad_bodies[i].body, NULL);
        if (status != 400 || strncmp(c.body, "{\"error\":\"", 10) != 0 ||
            strstr(c.body, bad_bodies[i].has) == NULL) {
            fail_msg("%s: %u %s", bad_bodies[i].body, status, c.body);
        }
    }
    static const char head[] =
        "{\"inputs\":[{\"name\":\"c\",\"shape\":[1],\"datatype\":\"BYTES\",\"parameters\":{"
        "\"binary_data_size\":8}}]}";
    static const struct {
        const char *length;
        const char *bytes;
        size_t n_bytes;
        const char *has;
    } binary[] = {
        {"9999", "", 0, "no length within the body"},
        {"x", "", 0, "no length within the body"},
        {NULL, "\4\0\0\0abc", 7, "binary_data_size"},
        {NULL, "\5\0\0\0abcd", 8, "fewer values"},
        {NULL, "\3\0\0\0abcd", 8, "more values"},
        {NULL,
         "\4\0\0\0ab\xff"
         "d",
         8, "must be one value"},
        {NULL, "\4\0\0\0abcdefgh", 12, "more bytes"},
    };
    for (size_t i = 0; i < sizeof binary / sizeof binary[0]; i++) {
        char headers[128], body[512], length[16];
        (void)snprintf(length, sizeof length, "%zu", strlen(head));
        (void)snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %s\r\n",
                       binary[i].length != NULL ? binary[i].length : length);
        memcpy(body, head, strlen(head));
        memcpy(body + strlen(head), binary[i].bytes, binary[i].n_bytes);
        const uint32_t status =
            serve_case_send(&c, INFER, headers, body, strlen(head) + binary[i].n_bytes);
        if (status != 400 || strstr(c.body, binary[i].has) == NULL) {
            fail_msg("%zu: %u %s", i, status, c.body);
        }
    }
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(what_there_is_can_be_asked),
        IN_HOME(columns_of_tensors_give_the_answers_of_rows),
        IN_HOME(tensors_stand_as_bytes_behind_the_json),
        IN_HOME(reasons_are_an_output),
        IN_HOME(bad_requests_have_the_error_of_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
