/* SPDX-License-Identifier: Apache-2.0 */
/* A home with a model, its log, and what a server said of them. */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/status_read.h"
#include "logged.h"
#include "monitor/monitor_recent.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define NOW_US INT64_C(1800000000000000)

typedef struct status_case {
    tm_place place;
    json_t *status, *model;
} status_case;

static void open_case(status_case *c, tm_home *home) {
    static const tm_actor actor = {.name = "test"};
    tm_version version = {0};
    *c = (status_case){.place = {.home = home}};
    assert_int_equal(tm__registry_open(home, &c->place.registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.9});
    json_t *recipe = json_pack("{s:s, s:{s:I}}", "owner", "ops", "retrain", "every_s",
                               (json_int_t)INT64_C(3600));
    assert_int_equal(
        tm__registry_add(c->place.registry, "tiny", bundle, recipe, &actor, &version, NULL), TM_OK);
    json_decref(recipe);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static const json_t *read_status(status_case *c, int64_t now_us) {
    tm_err err = {0};
    json_decref(c->status);
    c->status = NULL;
    if (tm__status_read(&c->place, now_us, &c->status, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    c->model = json_array_get(json_object_get(c->status, "models"), 0);
    return json_object_get(c->status, "server");
}

static void close_case(status_case *c) {
    json_decref(c->status);
    tm__registry_close(c->place.registry);
}

static void say(const status_case *c, const char *text) {
    char *path = tm__fs_join(tm__home_path(c->place.home), "serving.json");
    assert_int_equal(tm__fs_replace(path, text, strlen(text), NULL), TM_OK);
    tm__mem_free(path);
}

static void log_one(const status_case *c, const char *id) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    const double output = 0.7;
    assert_int_equal(tm__monitor_open(c->place.home, &options, &monitor, NULL), TM_OK);
    const tm_logged answer = {.id = id,
                              .at_us = NOW_US - 60000000,
                              .event_us = TM_INT_MISSING,
                              .model = "tiny",
                              .version = 1,
                              .row = "{}",
                              .outputs = &output,
                              .n_outputs = 1};
    assert_true(tm__logged_answer(monitor, &answer));
    const tm_label label = {.prediction_id = id, .value = "yes", .observed_us = TM_INT_MISSING};
    assert_int_equal(tm__monitor_labels(monitor, &label, 1, NULL, NULL), TM_OK);
    tm__monitor_close(monitor);
}

static void without_a_server_the_log_is_read(void **state) {
    status_case c;
    open_case(&c, *state);
    const json_t *server = read_status(&c, NOW_US);
    assert_string_equal(tm__json_text(server, "state", ""), "none");
    assert_string_equal(tm__json_text(c.model, "owner", ""), "ops");
    assert_string_equal(tm__json_text(c.model, "health", ""), "warn"); /* due for long */
    assert_string_equal(tm__json_text(c.model, "why", ""), "overdue");
    assert_true(json_is_null(json_object_get(c.model, "answers")));
    log_one(&c, "a");
    (void)read_status(&c, NOW_US);
    assert_int_equal(tm__json_i64(c.model, "answers", 0), 1);
    assert_int_equal(tm__json_i64(c.model, "labelled", 0), 1);
    assert_true(tm__json_f64(c.model, "answer_age_seconds", 0) == 60);
    assert_true(json_is_null(json_object_get(c.model, "answers_per_second")));
    close_case(&c);
}

#define SERVER(state, at)                                                                          \
    "{\"schema\":\"tidemill.serving/1\",\"server\":{\"state\":\"" state "\",\"at_us\":" at "},"

static void the_word_of_a_server_counts_while_it_is_fresh(void **state) {
    static const char routes[] =
        "\"routes\":[{\"model\":\"tiny\",\"version\":1,\"answers_per_second\":3.5,"
        "\"is_loaded\":true,\"live\":{\"version\":1,\"answers\":77,\"labelled\":7,"
        "\"coverage\":0.25,\"scores\":{\"auc\":0.5}}}]}";
    char text[1024];
    status_case c;
    open_case(&c, *state);
    log_one(&c, "a");
    (void)snprintf(text, sizeof(text), "%s%s", SERVER("running", "1799999999000000"), routes);
    say(&c, text);
    const json_t *server = read_status(&c, NOW_US);
    assert_string_equal(tm__json_text(server, "state", ""), "running");
    assert_int_equal(tm__json_i64(c.model, "answers", 0), 77);
    assert_true(tm__json_f64(c.model, "answers_per_second", 0) == 3.5);
    assert_true(tm__json_f64(json_object_get(c.model, "live"), "auc", 0) == 0.5);
    /* Ten seconds later nobody knows: the log is read, and rates are not told. */
    server = read_status(&c, NOW_US + 10000000);
    assert_string_equal(tm__json_text(server, "state", ""), "silent");
    assert_true(tm__json_f64(server, "age_seconds", 0) == 11);
    assert_int_equal(tm__json_i64(c.model, "answers", 0), 1);
    assert_true(json_is_null(json_object_get(c.model, "answers_per_second")));
    /* A file that is none. */
    say(&c, "{\"schema\":\"tidemill.serving/9\"}");
    assert_string_equal(tm__json_text(read_status(&c, NOW_US), "state", ""), "none");
    say(&c, "{\"sch");
    assert_string_equal(tm__json_text(read_status(&c, NOW_US), "state", ""), "none");
    assert_int_equal(json_array_size(json_object_get(c.status, "problems")), 0);
    close_case(&c);
}

static void what_a_stopped_server_said_counts_while_the_log_stands(void **state) {
    char text[1024];
    status_case c;
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = false};
    tm_log_mark mark;
    open_case(&c, *state);
    log_one(&c, "a");
    assert_int_equal(tm__monitor_open(c.place.home, &options, &monitor, NULL), TM_OK);
    assert_int_equal(tm__log_mark(monitor, &mark, NULL), TM_OK);
    tm__monitor_close(monitor);
    (void)snprintf(
        text, sizeof(text),
        SERVER(
            "stopped",
            "1700000000000000") "\"log_mark\":{\"next_seq\":%lld,\"stamp_us\":%lld},\"routes\":[{"
                                "\"model\":"
                                "\"tiny\",\"version\":1,\"live\":{\"version\":1,\"answers\":77}}]}",
        (long long)mark.next_seq, (long long)mark.stamp_us);
    say(&c, text);
    assert_string_equal(tm__json_text(read_status(&c, NOW_US), "state", ""), "stopped");
    assert_int_equal(tm__json_i64(c.model, "answers", 0), 77);
    log_one(&c, "b");
    (void)read_status(&c, NOW_US);
    assert_int_equal(tm__json_i64(c.model, "answers", 0), 2);
    close_case(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_a_server_the_log_is_read),
        TEST(the_word_of_a_server_counts_while_it_is_fresh),
        TEST(what_a_stopped_server_said_counts_while_the_log_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
