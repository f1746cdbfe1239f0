/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "canned_server.h"
#include "store/s3_priv.h"
#include "test.h"

static void names_of_buckets_are_checked(void **state) {
    (void)state;
    const char *const good[] = {"abc", "a-b.c", "0a9", "my.bucket.name"};
    const char *const bad[] = {"",    "ab",  "Abc",  "-ab", "ab-", "a..b",
                               "a/b", "a b", "a_bc", ".ab", "a@b", "a%b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(tm__s3_is_bucket(tm__str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(tm__s3_is_bucket(tm__str(bad[i])));
    }
}

static void addresses_are_encoded(void **state) {
    (void)state;
    const tm_s3_credentials path = {.endpoint = "http://h:9", .is_path_style = true};
    const tm_s3_credentials host = {.endpoint = "https://s3.x.com", .is_path_style = false};
    const struct {
        const tm_s3_credentials *credentials;
        tm_s3_request request;
        const char *want;
    } cases[] = {
        {&path, {.bucket = "abc", .query = "list-type=2"}, "http://h:9/abc?list-type=2"},
        {&path,
         {.bucket = "abc", .key = "a b/../c+\xC3\xA9~_.-"},
         "http://h:9/abc/a%20b/../c%2B%C3%A9~_.-"},
        {&host, {.bucket = "abc", .key = "k=1/x"}, "https://abc.s3.x.com/k%3D1/x"},
        {&host, {.bucket = "abc", .query = "q"}, "https://abc.s3.x.com/?q"},
        {&host, {.bucket = "a.bc", .key = "k"}, "https://s3.x.com/a.bc/k"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf url;
        tm__buf_init(&url, 1000);
        assert_true(tm__s3_url(cases[i].credentials, &cases[i].request, &url));
        assert_string_equal((const char *)url.data, cases[i].want);
        tm__buf_done(&url);
    }
}

#define ERROR(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><X>1</X></Error>"

static void refusals_say_what_to_do(void **state) {
    (void)state;
    const struct {
        long status;
        const char *body, *region;
        int64_t skew_s;
        tm_status want;
        bool again;
        const char *message, *hint;
    } cases[] = {
        {403, ERROR("SignatureDoesNotMatch"), "", 0, TM_E_NOT_ALLOWED, false, "signature",
         "aws_secret_access_key"},
        {403, ERROR("SignatureDoesNotMatch"), "", -400, TM_E_NOT_ALLOWED, false, "signature",
         "400 s before"},
        {403, ERROR("InvalidAccessKeyId"), "", 0, TM_E_NOT_ALLOWED, false, "access key",
         "aws_access_key_id"},
        {403, ERROR("RequestTimeTooSkewed"), "", 0, TM_E_NOT_ALLOWED, false, "clock", "clock"},
        {403, ERROR("RequestTimeTooSkewed"), "", 1000, TM_E_NOT_ALLOWED, false, "clock",
         "1000 s behind"},
        {403, ERROR("AccessDenied"), "", 0, TM_E_NOT_ALLOWED, false, "may not read bucket 'abc'",
         "s3:ListBucket"},
        {403, "", "", 0, TM_E_NOT_ALLOWED, false, "may not read", "s3:GetObject"},
        {404, ERROR("NoSuchBucket"), "", 0, TM_E_NOT_FOUND, false, "no bucket 'abc'",
         "endpoint_url"},
        {404, ERROR("NoSuchKey"), "", 0, TM_E_NOT_FOUND, false, "gone", "removed"},
        {412, ERROR("PreconditionFailed"), "", 0, TM_E_UNAVAILABLE, false, "changed", "next try"},
        {301, ERROR("PermanentRedirect"), "eu-west-3", 0, TM_E_NOT_ALLOWED, false, "eu-west-3",
         "region = eu-west-3"},
        {307, "", "", 0, TM_E_NOT_ALLOWED, false, "another region", "region = NAME"},
        {301, "", "x\"y", 0, TM_E_NOT_ALLOWED, false, "another region", "region = NAME"},
        {400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>",
         "", 0, TM_E_NOT_ALLOWED, false, "eu-north-1", "region = eu-north-1"},
        {503, ERROR("SlowDown"), "", 0, TM_E_UNAVAILABLE, true, "slow down", "later"},
        {503, "<html>", "", 0, TM_E_UNAVAILABLE, true, "503", "later"},
        {500, "", "", 0, TM_E_UNAVAILABLE, true, "failed", "later"},
        {429, "", "", 0, TM_E_UNAVAILABLE, true, "slow down", "later"},
        {400, ERROR("RequestTimeout"), "", 0, TM_E_UNAVAILABLE, true, "timed out", "later"},
        {400, "<a>", "", 0, TM_E_DATA, false, "answered 400", "endpoint_url"},
        {599, "", "", 0, TM_E_UNAVAILABLE, true, "answered 599", "endpoint_url"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        bool again = !cases[i].again;
        const tm_s3_refusal refusal = {.status = cases[i].status,
                                       .body = tm__str(cases[i].body),
                                       .region = cases[i].region,
                                       .bucket = "abc",
                                       .skew_s = cases[i].skew_s};
        assert_int_equal(tm__s3_refused(&refusal, &again, &err), cases[i].want);
        assert_int_equal(again, cases[i].again);
        if (strstr(err.message, cases[i].message) == NULL ||
            strstr(err.hint, cases[i].hint) == NULL) {
            print_error("%s / %s\n", err.message, err.hint);
        }
        assert_non_null(strstr(err.message, cases[i].message));
        assert_non_null(strstr(err.hint, cases[i].hint));
    }
}

static void a_refused_change_names_what_it_needs(void **state) {
    (void)state;
    tm_err err = {0};
    bool again = true;
    const tm_s3_refusal refusal = {
        .status = 403, .body = tm__str(""), .region = "", .bucket = "abc", .is_change = true};
    assert_int_equal(tm__s3_refused(&refusal, &again, &err), TM_E_NOT_ALLOWED);
    assert_false(again);
    assert_non_null(strstr(err.message, "may not change bucket 'abc'"));
    assert_non_null(strstr(err.hint, "s3:PutObject"));
}

/* ---- Tries ---- */

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define WHOLE HEAD("200 OK") "Content-Length: 4\r\nETag: \"e\"\r\n\r\nbody"

static tm_s3 client(const canned_server *server, uint32_t n_tries) {
    tm_s3 s3 = {.options = {.n_tries = n_tries, .wait_ms = 1}};
    assert_int_equal(tm__curl_api_load(NULL, &s3.api, NULL), TM_OK);
    s3.curl = s3.api.easy_init();
    s3.jitter = tm__rng_split(1, "test", 0);
    s3.credentials = (tm_s3_credentials){.access_key = "AK",
                                         .secret_key = "SK",
                                         .session_token = "TOK",
                                         .region = "eu-x-1",
                                         .is_path_style = true};
    (void)snprintf(s3.credentials.endpoint, sizeof(s3.credentials.endpoint), "http://127.0.0.1:%u",
                   canned_server_port(server));
    return s3;
}

static void what_may_pass_is_asked_again(void **state) {
    (void)state;
    const char *const answers[] = {
        HEAD("503 Slow Down") "Content-Length: 0\r\n\r\n",
        HEAD("200 OK") "Content-Length: 400\r\n\r\ncut",
        HEAD("500 No") "\r\n" ERROR("InternalError"),
        "",
        WHOLE,
    };
    canned_server *server = canned_server_open(answers, 5);
    tm_s3 s3 = client(server, 5);
    tm_s3_answer answer;
    tm__s3_answer_init(&answer, 1000);
    const tm_s3_request request = {
        .bucket = "abc", .key = "a b", .if_match = "\"e\"", .start = 0, .len = 4};
    assert_int_equal(tm__s3_ask(&s3, &request, &answer, NULL), TM_OK);
    assert_int_equal(canned_server_count(server), 5);
    assert_string_equal((const char *)answer.body.data, "body");
    assert_string_equal(answer.etag, "\"e\"");
    const char *const asked = canned_server_request(server, 4);
    assert_non_null(strstr(asked, "GET /abc/a%20b HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "If-Match: \"e\"\r\n"));
    assert_non_null(strstr(asked, "Range: bytes=0-3\r\n"));
    assert_non_null(strstr(asked, "x-amz-content-sha256: e3b0c442"));
    assert_non_null(strstr(asked, "x-amz-security-token: TOK\r\n"));
    assert_non_null(strstr(asked, "Authorization: AWS4-HMAC-SHA256 Credential=AK/"));
    assert_non_null(strstr(asked, "/eu-x-1/s3/aws4_request"));
    assert_null(strstr(asked, "SK"));
    tm__s3_answer_done(&answer);
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

static void what_a_person_must_mend_is_asked_once(void **state) {
    (void)state;
    const char *const answers[] = {HEAD("403 No") "\r\n" ERROR("SignatureDoesNotMatch"), WHOLE};
    canned_server *server = canned_server_open(answers, 2);
    tm_s3 s3 = client(server, 5);
    tm_s3_answer answer;
    tm_err err = {0};
    tm__s3_answer_init(&answer, 1000);
    assert_int_equal(tm__s3_ask(&s3, &(tm_s3_request){.bucket = "abc"}, &answer, &err),
                     TM_E_NOT_ALLOWED);
    assert_int_equal(canned_server_count(server), 1);
    tm__s3_answer_done(&answer);
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

static void tries_end(void **state) {
    (void)state;
    const char *const answers[] = {HEAD("503 No") "\r\n", HEAD("503 No") "\r\n", WHOLE};
    canned_server *server = canned_server_open(answers, 3);
    tm_s3 s3 = client(server, 2);
    tm_s3_answer answer;
    tm_err err = {0};
    tm__s3_answer_init(&answer, 1000);
    assert_int_equal(tm__s3_ask(&s3, &(tm_s3_request){.bucket = "abc"}, &answer, &err),
                     TM_E_UNAVAILABLE);
    assert_int_equal(canned_server_count(server), 2);
    assert_non_null(strstr(err.message, "503"));
    tm__s3_answer_done(&answer);
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

static void a_body_has_a_limit(void **state) {
    (void)state;
    const char *const answers[] = {WHOLE};
    canned_server *server = canned_server_open(answers, 1);
    tm_s3 s3 = client(server, 2);
    tm_s3_answer answer;
    tm_err err = {0};
    tm__s3_answer_init(&answer, 3);
    assert_int_equal(tm__s3_ask(&s3, &(tm_s3_request){.bucket = "abc"}, &answer, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "more than it was asked for"));
    tm__s3_answer_done(&answer);
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

static void a_redirect_is_not_followed(void **state) {
    (void)state;
    const char *const answers[] = {
        HEAD("307 Go") "Location: http://127.0.0.1:1/\r\nx-amz-bucket-region: eu-y-2\r\n\r\n"};
    canned_server *server = canned_server_open(answers, 1);
    tm_s3 s3 = client(server, 2);
    tm_s3_answer answer;
    tm_err err = {0};
    tm__s3_answer_init(&answer, 1000);
    assert_int_equal(tm__s3_ask(&s3, &(tm_s3_request){.bucket = "abc"}, &answer, &err),
                     TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.message, "another region: eu-y-2"));
    tm__s3_answer_done(&answer);
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

static void a_skewed_clock_is_named(void **state) {
    (void)state;
    const char *const answers[] = {HEAD("403 No") "Date: Fri, 01 Jan 1971 00:00:00 GMT\r\n\r\n",
                                   HEAD("403 No") "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n"};
    canned_server *server = canned_server_open(answers, 2);
    tm_s3 s3 = client(server, 1);
    const char *const words[] = {"s before that of the server", "s behind that of the server"};
    for (uint32_t i = 0; i < 2; i++) {
        tm_s3_answer answer;
        tm_err err = {0};
        tm__s3_answer_init(&answer, 1000);
        assert_int_equal(tm__s3_ask(&s3, &(tm_s3_request){.bucket = "abc"}, &answer, &err),
                         TM_E_NOT_ALLOWED);
        assert_non_null(strstr(err.hint, words[i]));
        tm__s3_answer_done(&answer);
    }
    s3.api.easy_cleanup(s3.curl);
    canned_server_close(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_change_names_what_it_needs),
        cmocka_unit_test(names_of_buckets_are_checked),
        cmocka_unit_test(addresses_are_encoded),
        cmocka_unit_test(refusals_say_what_to_do),
        cmocka_unit_test(what_may_pass_is_asked_again),
        cmocka_unit_test(what_a_person_must_mend_is_asked_once),
        cmocka_unit_test(tries_end),
        cmocka_unit_test(a_body_has_a_limit),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_skewed_clock_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
