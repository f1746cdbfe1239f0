/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/json.h"
#include "cli/status_read.h"

static json_t *parse(const char *text) {
    json_t *out = NULL;
    tm_err err = {0};
    if (tm__json_parse(text, strlen(text), 20, &out, &err) != TM_OK) {
        fail_msg("%s in %s", err.message, text);
    }
    return out;
}

#define WELL "\"answer_age_seconds\":5,\"metric\":\"auc\",\"test\":{\"auc\":0.8,\"rmse\":2}"

static const struct {
    const char *name, *members, *health, *why;
} cases[] = {
    {"well", WELL, "ok", ""},
    {"a file that cannot be loaded", WELL ",\"is_loaded\":false,\"problem\":\"x\"", "bad",
     "broken"},
    {"an older version is served", WELL ",\"is_loaded\":true,\"problem\":\"x\"", "bad", "old"},
    {"a score far below", WELL ",\"value\":0.6,\"low\":0.55,\"high\":0.65,\"scored\":500", "bad",
     "worse"},
    {"a score that may be chance", WELL ",\"value\":0.7,\"low\":0.64,\"high\":0.76,\"scored\":500",
     "ok", ""},
    {"a few labels", WELL ",\"value\":0.6,\"low\":0.55,\"high\":0.65,\"scored\":29", "ok", ""},
    {"a better score", WELL ",\"value\":0.9,\"low\":0.88,\"high\":0.92,\"scored\":500", "ok", ""},
    {"a score without an interval",
     WELL ",\"value\":0.1,\"low\":null,\"high\":null,"
          "\"scored\":500",
     "ok", ""},
    {"an error far above",
     "\"answer_age_seconds\":5,\"metric\":\"rmse\",\"test\":{\"rmse\":2},"
     "\"value\":4,\"low\":3.5,\"high\":4.5,\"scored\":500",
     "bad", "worse"},
    {"a critical alert",
     WELL ",\"alerts\":[{\"id\":3,\"kind\":\"drift\",\"severity\":\"critical\","
          "\"summary\":\"x moved\"}]",
     "bad", "drift"},
    {"an alert",
     WELL ",\"alerts\":[{\"id\":3,\"kind\":\"traffic\",\"severity\":\"warning\","
          "\"summary\":\"x\"}]",
     "warn", "traffic"},
    {"labels that are too few for the gate",
     WELL ",\"labels_too_few\":{\"since\":\"2031-01-31T00:00:00Z\",\"reason\":\"few\"}", "warn",
     "labels"},
    {"rows without a column that is new",
     WELL ",\"columns_absent\":[{\"field\":\"plan\",\"is\":0.5,\"worth\":{\"loss\":"
          "\"logloss\",\"value\":0.02}}]",
     "warn", "columns"},
    {"a new column that all send by now",
     WELL ",\"columns_absent\":[{\"field\":\"plan\",\"is\":0}]", "ok", ""},
    {"a champion that goes at a date", WELL ",\"retire_by\":\"2031-01-31T00:00:00Z\"", "warn",
     "retiring"},
    {"a champion that went", "\"metric\":\"auc\",\"is_removed\":true", "bad", "broken"},
    {"a retraining that failed", WELL ",\"last_retrain\":\"failed\"", "warn", "retrain"},
    {"one that the gate refused", WELL ",\"last_retrain\":\"refused\"", "ok", ""},
    {"three that it refused", WELL ",\"last_retrain\":\"refused\",\"retrains_fruitless\":3", "warn",
     "retrain"},
    {"one that is due", WELL ",\"next_retrain_seconds\":-60,\"retrain_every_seconds\":86400", "ok",
     ""},
    {"one that is due for long",
     WELL ",\"next_retrain_seconds\":-9000,\"retrain_every_seconds\":86400", "warn", "overdue"},
    {"one that runs",
     WELL ",\"next_retrain_seconds\":-9000,\"retrain_every_seconds\":86400,"
          "\"last_retrain\":\"running\"",
     "ok", ""},
    {"a version that comes",
     WELL
     ",\"rollout\":{\"version\":2,\"step\":1,\"percent\":5,\"steps\":[5,50],\"state\":\"running\"}",
     "ok", "rollout"},
    {"a version that comes as a shadow",
     WELL ",\"rollout\":{\"version\":2,\"step\":0,\"percent\":0},\"shadow\":{\"version\":2,"
          "\"share\":50,\"compared\":200,\"differed\":8}",
     "ok", "shadow"},
    {"a shadow without a server", WELL ",\"shadow\":{\"version\":2,\"share\":50}", "ok", "shadow"},
    {"a shadow of what nobody asks", "\"metric\":\"auc\",\"shadow\":{\"version\":2,\"share\":50}",
     "ok", "shadow"},
    {"a receiver that takes nothing",
     WELL ",\"receivers\":[{\"receiver\":\"ops\",\"behind\":4,\"tries\":3,\"error\":\"no\"}]",
     "warn", "told"},
    {"one that will be asked again",
     WELL ",\"receivers\":[{\"receiver\":\"ops\",\"behind\":4,\"tries\":2,\"error\":\"no\"}]", "ok",
     ""},
    {"a source that stopped", WELL ",\"source\":\"s\",\"source_status\":\"stopped\"", "warn",
     "data"},
    {"labels that stopped",
     WELL ",\"label_waited_seconds\":3600,\"first_answer_age_seconds\":90000,"
          "\"label_age_seconds\":11000",
     "warn", "labels"},
    {"labels that take their time",
     WELL ",\"label_waited_seconds\":3600,\"first_answer_age_seconds\":90000,"
          "\"label_age_seconds\":10000",
     "ok", ""},
    {"labels that never came",
     WELL ",\"label_waited_seconds\":3600,\"first_answer_age_seconds\":90000", "warn", "labels"},
    {"labels that stopped, and nobody said how long they take",
     WELL ",\"first_answer_age_seconds\":9000000,\"label_age_seconds\":700000", "warn", "labels"},
    {"labels and answers that stopped together",
     "\"metric\":\"auc\",\"first_answer_age_seconds\":9000000,\"label_age_seconds\":700000,"
     "\"answer_age_seconds\":600000",
     "ok", ""},
    {"labels that will be too few for the gate",
     WELL ",\"labels_too_few\":{\"since\":null,\"reason\":\"few\"}", "warn", "labels"},
    {"labels that are not due",
     WELL ",\"label_waited_seconds\":3600,"
          "\"first_answer_age_seconds\":900",
     "ok", ""},
    {"no answer yet", "\"metric\":\"auc\"", "idle", "quiet"},
    {"no answer for long", "\"answer_age_seconds\":700000", "idle", "quiet"},
};

static void each_state_has_its_word(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "{\"model\":\"m\",%s}", cases[i].members);
        json_t *m = parse(text);
        tm__status_judge(m);
        if (strcmp(tm__json_text(m, "health", ""), cases[i].health) != 0 ||
            strcmp(tm__json_text(m, "why", "?"), cases[i].why) != 0) {
            fail_msg("%s: %s %s", cases[i].name, tm__json_text(m, "health", ""),
                     tm__json_text(m, "why", "?"));
        }
        json_decref(m);
    }
}

static void what_waits_for_labels_is_named(void **state) {
    (void)state;
    json_t *m = parse("{\"model\":\"m\"," WELL
                      ",\"label_waited_seconds\":3600,\"first_answer_age_seconds\":90000,"
                      "\"label_age_seconds\":11000,\"labels_awaited\":[\"gate.coverage\","
                      "\"retrain.new_labels\",\"the watch of version 3\"]}");
    tm__status_judge(m);
    assert_non_null(
        strstr(tm__json_text(json_array_get(json_object_get(m, "reasons"), 0), "text", ""),
               "; gate.coverage, retrain.new_labels and the watch of version 3 wait for them"));
    json_decref(m);
}

static void what_weighs_most_comes_first(void **state) {
    (void)state;
    json_t *m =
        parse("{\"model\":\"m\"," WELL ",\"last_retrain\":\"failed\",\"alerts\":["
              "{\"id\":1,\"kind\":\"traffic\",\"severity\":\"warning\",\"summary\":\"a\"},"
              "{\"id\":2,\"kind\":\"drift\",\"severity\":\"critical\",\"summary\":\"b\"}]}");
    tm__status_judge(m);
    const json_t *reasons = json_object_get(m, "reasons");
    static const char *const want[] = {"drift", "traffic", "retrain"};
    assert_int_equal(json_array_size(reasons), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(tm__json_text(json_array_get(reasons, i), "word", ""), want[i]);
    }
    json_decref(m);
    json_t *models = parse("[{\"model\":\"b\",\"health\":\"ok\",\"why\":\"\"},"
                           "{\"model\":\"a\",\"health\":\"idle\",\"why\":\"quiet\"},"
                           "{\"model\":\"c\",\"health\":\"bad\",\"why\":\"worse\"},"
                           "{\"model\":\"d\",\"health\":\"bad\",\"why\":\"broken\"},"
                           "{\"model\":\"a2\",\"health\":\"ok\",\"why\":\"\"}]");
    json_t *sorted = tm__status_sort(models);
    static const char *const order[] = {"d", "c", "a2", "b", "a"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(tm__json_text(json_array_get(sorted, i), "model", ""), order[i]);
    }
    json_decref(sorted);
    json_decref(models);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_has_its_word),
        cmocka_unit_test(what_waits_for_labels_is_named),
        cmocka_unit_test(what_weighs_most_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
