/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

#define PREDICT "/v1/routes/tiny/predict"
#define CSV "Content-Type: text/csv; charset=utf-8\r\n"
#define LINES "Content-Type: application/x-ndjson\r\n"

static uint32_t send_text(serve_case *c, const char *headers, const char *body) {
    return serve_case_send(c, PREDICT, headers, body, strlen(body));
}

/* What stands behind the id in the k-th line of answers, up to its end. */
static void tail_of(const serve_case *c, uint32_t line, char *out, size_t size) {
    const char *p = c->body;
    for (; line > 0; line--) {
        p = strchr(p, '\n');
        assert_non_null(p);
        p++;
    }
    p += strcspn(p, ",\n");
    (void)snprintf(out, size, "%.*s", (int)strcspn(p, "\n"), p);
}

static void csv_and_lines_give_the_same_answers(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const char *const csv[] = {
        "x,c,day\n1.5,red,1970-01-05\n-2,,\n",
        "day,x,c\r\n1970-01-05,1.5,red\r\n,-2,\r\n",
        "\xEF\xBB\xBF\"x\",\"c\",\"day\"\n\n\"1.5\",\"red\",\"1970-01-05\"\n-2,NA,null\n\n",
        "y,x,c,day\nyes,1.5,red,1970-01-05\nno,-2,,",
        "x,c,day\n 1.5 ,red,1970-01-05\n-2, N/A,\"\"",
    };
    char first[2][128];
    for (size_t i = 0; i < sizeof csv / sizeof csv[0]; i++) {
        assert_int_equal(send_text(&c, CSV, csv[i]), 200);
        assert_non_null(strstr(c.headers, "Content-Type: text/csv; charset=utf-8\r\n"));
        assert_int_equal(strncmp(c.body, "id,prediction,probability\n", 26), 0);
        for (uint32_t row = 0; row < 2; row++) {
            char tail[128];
            tail_of(&c, row + 1, tail, sizeof tail);
            if (i == 0) {
                memcpy(first[row], tail, sizeof tail);
            }
            assert_string_equal(tail, first[row]);
        }
    }
    static const char lines[] =
        "{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"}\n\n  {\"x\":-2,\"c\":"
        "null,\"day\":null}\r\n";
    assert_int_equal(send_text(&c, LINES "Accept: text/csv\r\n", lines), 200);
    for (uint32_t row = 0; row < 2; row++) {
        char tail[128];
        tail_of(&c, row + 1, tail, sizeof tail);
        assert_string_equal(tail, first[row]);
    }
    assert_int_equal(send_text(&c, LINES, lines), 200);
    assert_non_null(strstr(c.headers, "Content-Type: application/x-ndjson\r\n"));
    json_t *one = json_loadb(c.body, strcspn(c.body, "\n"), 0, NULL);
    assert_non_null(json_object_get(one, "probability"));
    json_decref(one);
    assert_int_equal(send_text(&c, CSV "Accept: text/html, application/json;q=0.9\r\n", csv[0]),
                     200);
    assert_int_equal(strncmp(c.body, "{\"model\":\"tiny\"", 15), 0);
    serve_case_close(&c);
}

static void bad_texts_are_problems(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    static const struct {
        const char *headers, *body, *has;
        uint32_t status;
    } cases[] = {
        {CSV, "", "the body is empty", 400},
        {LINES, "", "the body is empty", 400},
        {CSV, "x,c,day\n1,red\n", "rows[0] has 2 values for 3 columns", 400},
        {CSV, "x,c,day\n1,red,,4\n", "rows[0] has 4 values for 3 columns", 400},
        {CSV, "x,c,day\n1,\"red,\n", "a quote that is not closed", 400},
        {CSV, "x,c,day\n1,\"red\"x,\n", "text behind a quote", 400},
        {CSV, "x,c,day\n1,a,\nfar,a,\n", "rows[1].x wants a float", 400},
        {CSV, "x,c,day,more\n1,a,,\n", "a column 'more' that the model does not know", 400},
        {CSV, "x,c,day,x\n1,a,,2\n", "twice", 400},
        {CSV, "x,c,day\n1,\xff,\n", "not UTF-8", 400},
        {LINES, "{\"x\":1,\"c\":null,\"day\":null}\n{\"x\":}\n", "rows[1] is not JSON", 400},
        {LINES, "[1]\n", "rows[0] must be an object", 400},
        {CSV "Accept: text/csv\r\n", "x,c,day\n1,a,\n", "id,prediction", 200},
        {"Content-Type: text/plain\r\n", "x\n1\n", "of a type that is not taken", 415},
        {"", "x\n1\n", "of a type that is not taken", 415},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t status = send_text(&c, cases[i].headers, cases[i].body);
        if (status != cases[i].status || strstr(c.body, cases[i].has) == NULL) {
            fail_msg("%s: %u %s", cases[i].body, status, c.body);
        }
    }
    static const char csv[] = "x,c,day\n1,a,\n";
    assert_int_equal(serve_case_send(&c, PREDICT "?explain=true", CSV, csv, strlen(csv)), 400);
    assert_int_equal(
        serve_case_send(&c, PREDICT "?unknown_columns=ignore", CSV, "x,c,day,z\n1,,,2", 15), 200);
    assert_int_equal(serve_case_send(&c, "/invocations", CSV, csv, strlen(csv)), 200);
    assert_int_equal(strncmp(c.body, "{\"predictions\":[\"", 17), 0);
    assert_int_equal(serve_case_send(&c, "/invocations", CSV, "zz\n1\n", 5), 400);
    assert_int_equal(strncmp(c.body, "{\"error_code\":\"BAD_REQUEST\",\"message\":\"", 39), 0);
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(csv_and_lines_give_the_same_answers),
        IN_HOME(bad_texts_are_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
