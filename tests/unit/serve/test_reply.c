/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "serve/serve_priv.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};

static void open_exchange(tm_exchange *x) {
    memset(x, 0, sizeof *x);
    x->log = &quiet;
    tm__buf_init(&x->reply, 1u << 20);
    tm__exchange_reset(x);
    (void)tm__str_copy(x->request_id, sizeof x->request_id, TM_STR("R1"));
}

static void close_exchange(tm_exchange *x) {
    tm__exchange_reset(x);
    tm__buf_done(&x->reply);
}

static json_t *reply_value(const tm_exchange *x) {
    return json_loadb((const char *)x->reply.data, x->reply.len, 0, NULL);
}

static void a_problem_has_the_members_of_rfc_9457(void **state) {
    (void)state;
    tm_exchange x;
    open_exchange(&x);
    tm_row_error e = {.row = 3, .has_row = true, .column = "a \"b\"", .detail = "rows[3] is odd"};
    assert_true(tm__problem_row(&x, &e));
    tm__problem_reply(&x, 400, "bad-rows", "rows[3] is odd", "Make it even.");
    json_t *v = reply_value(&x);
    assert_string_equal(x.content_type, "application/problem+json");
    assert_string_equal(tm__json_text(v, "type", ""), "urn:tidemill:problem:bad-rows");
    assert_string_equal(tm__json_text(v, "title", ""), "Bad Request");
    assert_int_equal(tm__json_i64(v, "status", 0), 400);
    assert_string_equal(tm__json_text(v, "detail", ""), "rows[3] is odd");
    assert_string_equal(tm__json_text(v, "hint", ""), "Make it even.");
    assert_string_equal(tm__json_text(v, "instance", ""), "urn:tidemill:request:R1");
    const json_t *first = json_array_get(json_object_get(v, "errors"), 0);
    assert_int_equal(tm__json_i64(first, "row", -1), 3);
    assert_string_equal(tm__json_text(first, "column", ""), "a \"b\"");
    json_decref(v);
    close_exchange(&x);
}

static void an_inner_error_is_not_told(void **state) {
    (void)state;
    tm_exchange x;
    open_exchange(&x);
    tm_err err = {0};
    (void)TM_FAIL(&err, TM_E_IO, "cannot read '/home/x/secret'");
    tm__problem_from_err(&x, &err);
    assert_int_equal(x.status, 500);
    assert_null(strstr((const char *)x.reply.data, "secret"));
    (void)TM_FAIL(&err, TM_E_NOT_FOUND, "there is no model 'x'");
    tm__problem_from_err(&x, &err);
    assert_int_equal(x.status, 404);
    assert_non_null(strstr((const char *)x.reply.data, "there is no model 'x'"));
    assert_non_null(strstr((const char *)x.reply.data, "urn:tidemill:problem:not-found"));
    close_exchange(&x);
}

static void the_head_of_a_reply_is_whole(void **state) {
    (void)state;
    tm_exchange x;
    open_exchange(&x);
    tm__reply_json(&x, json_pack("{s:i}", "a", 1));
    x.has_model = true;
    (void)tm__str_copy(x.model, sizeof x.model, TM_STR("late"));
    x.version = 7;
    tm_buf out;
    tm__buf_init(&out, 1u << 16);
    tm_reply_frame frame = {.now_us = INT64_C(784111777000000)};
    assert_true(tm__reply_write(&x, &frame, &out));
    assert_string_equal((const char *)out.data,
                        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Content-Type: application/json\r\nContent-Length: 7\r\n"
                        "X-Request-Id: R1\r\nCache-Control: no-store\r\n"
                        "X-Content-Type-Options: nosniff\r\nX-Tidemill-Model: late\r\n"
                        "X-Tidemill-Version: 7\r\nX-Tidemill-Arm: champion\r\n\r\n{\"a\":1}");
    tm__buf_reset(&out);
    frame.is_head = true;
    frame.close = true;
    assert_true(tm__reply_write(&x, &frame, &out));
    assert_non_null(strstr((const char *)out.data, "Content-Length: 7\r\n"));
    assert_non_null(strstr((const char *)out.data, "Connection: close\r\n\r\n"));
    assert_null(strstr((const char *)out.data, "{\"a\":1}"));
    tm__buf_done(&out);
    close_exchange(&x);
}

static void a_401_asks_for_a_key_and_a_405_names_methods(void **state) {
    (void)state;
    tm_exchange x;
    open_exchange(&x);
    tm_buf out;
    tm__buf_init(&out, 1u << 16);
    const tm_reply_frame frame = {.allow = "GET, HEAD"};
    tm__problem_reply(&x, 401, "no-valid-key", "a key is needed", NULL);
    assert_true(tm__reply_write(&x, &frame, &out));
    assert_non_null(strstr((const char *)out.data, "WWW-Authenticate: Bearer\r\n"));
    tm__problem_reply(&x, 405, "method", "no", NULL);
    assert_true(tm__reply_write(&x, &frame, &out));
    assert_non_null(strstr((const char *)out.data, "Allow: GET, HEAD\r\n"));
    tm__buf_done(&out);
    close_exchange(&x);
}

static void row_errors_end_at_their_maximum_and_without_memory(void **state) {
    (void)state;
    tm_exchange x;
    open_exchange(&x);
    const tm_row_error e = {.row = 1};
    tm__mem_fail_at(1, false);
    assert_false(tm__problem_row(&x, &e));
    tm__mem_fail_at(0, false);
    for (uint32_t i = 1; i < TM_ERRORS_MAX; i++) {
        assert_true(tm__problem_row(&x, &e));
    }
    assert_false(tm__problem_row(&x, &e));
    assert_false(tm__problem_row(&x, &e));
    assert_int_equal(x.n_errors, TM_ERRORS_MAX);
    close_exchange(&x);
}

static void a_head_is_as_the_standard_writes_it(void **state) {
    (void)state;
    static const struct {
        unsigned status;
        int64_t now_us;
        size_t body;
        const char *want;
    } cases[] = {
        {200, 784111777000000, 0,
         "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: "
         "application/json\r\nContent-Length: 0\r\nX-Request-Id: R1\r\n"},
        {404, 1709251199999999, 7,
         "HTTP/1.1 404 Not Found\r\nDate: Thu, 29 Feb 2024 23:59:59 GMT\r\nContent-Type: "
         "application/json\r\nContent-Length: 7\r\nX-Request-Id: R1\r\n"},
        {503, 0, 12345,
         "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
         "Content-Type: application/json\r\nContent-Length: 12345\r\nX-Request-Id: R1\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_exchange x = {
            .request_id = "R1", .status = cases[i].status, .content_type = "application/json"};
        tm_buf out;
        tm__buf_init(&out, 65536);
        tm__buf_init(&x.reply, 65536);
        for (size_t k = 0; k < cases[i].body; k++) {
            tm__buf_byte(&x.reply, 'x');
        }
        const tm_reply_frame frame = {.now_us = cases[i].now_us};
        assert_true(tm__reply_write(&x, &frame, &out));
        assert_int_equal(strncmp((char *)out.data, cases[i].want, strlen(cases[i].want)), 0);
        tm__buf_done(&out);
        tm__buf_done(&x.reply);
    }
}

static void a_reply_names_its_model(void **state) {
    (void)state;
    tm_exchange x = {.request_id = "R1",
                     .status = 200,
                     .content_type = "application/json",
                     .has_model = true,
                     .model = "late",
                     .version = 4294967295u};
    tm_buf out;
    tm__buf_init(&out, 65536);
    tm__buf_init(&x.reply, 16);
    assert_true(tm__reply_write(&x, &(tm_reply_frame){.close = true}, &out));
    assert_non_null(strstr((char *)out.data, "X-Tidemill-Model: late\r\nX-Tidemill-Version: "
                                             "4294967295\r\nX-Tidemill-Arm: champion\r\n"));
    assert_non_null(strstr((char *)out.data, "Connection: close\r\n\r\n"));
    tm__buf_done(&out);
    tm__buf_done(&x.reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_as_the_standard_writes_it),
        cmocka_unit_test(a_reply_names_its_model),
        cmocka_unit_test(a_problem_has_the_members_of_rfc_9457),
        cmocka_unit_test(an_inner_error_is_not_told),
        cmocka_unit_test(the_head_of_a_reply_is_whole),
        cmocka_unit_test(a_401_asks_for_a_key_and_a_405_names_methods),
        cmocka_unit_test(row_errors_end_at_their_maximum_and_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
