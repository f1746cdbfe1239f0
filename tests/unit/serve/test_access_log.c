/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "serve/access_log.h"
#include "temp_home.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};

/* The file's text in a buffer that ends with NUL; empty when it is not there. */
static void read_file(const char *path, tm_buf *out) {
    tm__buf_reset(out);
    if (tm__fs_read_all(path, out, NULL) != TM_OK) {
        tm__buf_text(out, "");
    }
    tm__buf_byte(out, 0);
}

static void a_line_says_who_and_how_but_no_value(void **state) {
    (void)state;
    tm_buf lines;
    tm_serve_limits limits;
    tm_http http;
    tm__buf_init(&lines, 65536);
    tm__serve_limits_init(&limits, NULL);
    tm__http_init(&http, &limits);
    static const char bytes[] =
        "POST /v1/routes/late/predict?explain=true HTTP/1.1\r\nHost: x\r\nX-Api-Key: "
        "SECRET\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\":42}";
    size_t used = tm__http_feed(&http, bytes, sizeof bytes - 1);
    used += tm__http_feed(&http, bytes + used, sizeof bytes - 1 - used);
    assert_int_equal(http.state, TM_HTTP_DONE);
    tm_exchange x = {.http = &http, .request_id = "ID", .status = 200, .arrived_ns = 1000};
    tm__endpoint_match(TM_POST, TM_STR("/v1/routes/late/predict"), &x.match);
    (void)tm__str_copy(x.access.actor, sizeof x.access.actor, TM_STR("key:1A2B3C4D"));
    x.has_model = true;
    (void)tm__str_copy(x.model, sizeof x.model, TM_STR("late"));
    x.version = 3;
    tm__trace_init(&x.trace, TM_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    const tm_access_entry entry = {
        .peer = "127.0.0.1:5", .out_bytes = 77, .now_ns = 44000, .now_us = 0};
    tm__access_log_write(&x, &entry, &lines);
    json_t *line = NULL;
    assert_int_equal(tm__json_parse(lines.data, lines.len, 4, &line, NULL), TM_OK);
    static const struct {
        const char *name, *want;
    } texts[] = {{"time", "1970-01-01T00:00:00Z"},
                 {"event", "http.request"},
                 {"request", "ID"},
                 {"trace", "0af7651916cd43dd8448eb211c80319c"},
                 {"peer", "127.0.0.1:5"},
                 {"by", "key:1A2B3C4D"},
                 {"method", "POST"},
                 {"path", "/v1/routes/{route}/predict"},
                 {"model", "late"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_string_equal(tm__json_text(line, texts[i].name, ""), texts[i].want);
    }
    assert_int_equal(tm__json_i64(line, "version", 0), 3);
    assert_int_equal(tm__json_i64(line, "status", 0), 200);
    assert_int_equal(tm__json_i64(line, "in", 0), sizeof bytes - 1);
    assert_int_equal(tm__json_i64(line, "out", 0), 77);
    assert_int_equal(tm__json_i64(line, "us", 0), 43);
    tm__buf_byte(&lines, 0);
    assert_null(strstr((const char *)lines.data, "SECRET"));
    assert_null(strstr((const char *)lines.data, "42}"));
    assert_null(strstr((const char *)lines.data, "explain"));
    json_decref(line);
    tm__exchange_reset(&x);
    tm__http_done(&http);
    tm__buf_done(&lines);
}

static void give(tm_access_log *log, const char *text) {
    tm_buf lines;
    tm__buf_init(&lines, 65536);
    tm__buf_text(&lines, text);
    tm__access_log_give(log, &lines);
    assert_int_equal(lines.len, 0);
    tm__buf_done(&lines);
}

static void lines_are_appended_and_a_moved_file_is_left(void **state) {
    char *path = tm__fs_join(tm__home_path(*state), "access.log");
    char *moved = tm__fs_join(tm__home_path(*state), "access.log.1");
    tm_access_log *log = NULL;
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    assert_int_equal(tm__access_log_open(path, &quiet, &log, NULL), TM_OK);
    give(log, "one\n");
    tm__access_log_close(log); /* writes what waits */
    assert_int_equal(tm__access_log_open(path, &quiet, &log, NULL), TM_OK);
    give(log, "two\n");
    for (int i = 0; i < TEST_LOOKS; i++) {
        read_file(path, &text);
        if (strcmp((const char *)text.data, "one\ntwo\n") == 0) {
            break;
        }
        tm__sleep_ms(1);
    }
    assert_string_equal((const char *)text.data, "one\ntwo\n");
    assert_int_equal(tm__fs_move(path, moved, NULL), TM_OK);
    tm__access_log_reopen(log);
    give(log, "three\n");
    tm__access_log_close(log);
    read_file(path, &text);
    assert_string_equal((const char *)text.data, "three\n");
    read_file(moved, &text);
    assert_string_equal((const char *)text.data, "one\ntwo\n");
    assert_int_not_equal(tm__access_log_open(tm__home_path(*state), &quiet, &log, NULL), TM_OK);
    tm__access_log_close(NULL);
    tm__buf_done(&text);
    tm__mem_free(path);
    tm__mem_free(moved);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_and_how_but_no_value),
        cmocka_unit_test_setup_teardown(lines_are_appended_and_a_moved_file_is_left,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
