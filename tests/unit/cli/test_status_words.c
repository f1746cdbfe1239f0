/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/status_read.h"

/* n models: some bad, some to be looked at, the rest well. */
static json_t *make_status(uint32_t n, uint32_t n_bad, uint32_t n_warn) {
    json_t *models = json_array();
    for (uint32_t i = 0; i < n; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s_%02u", i % 2 == 0 ? "churn_of_customers" : "fraud",
                       i);
        json_t *m = json_pack(
            "{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:{s:f}, s:i,"
            " s:i}",
            "model", name, "health",
            i < n_bad            ? "bad"
            : i < n_bad + n_warn ? "warn"
                                 : "ok",
            "why",
            i < n_bad            ? "worse"
            : i < n_bad + n_warn ? "overdue"
                                 : "",
            "value", 0.81234, "coverage", 0.831, "data_age_seconds", 7200.0, "label_age_seconds",
            260000.0, "next_retrain_seconds", 14400.0, "answers_per_second", 1234.0, "p99_seconds",
            0.00123, "bytes", 12345678.0, "cpu_seconds_per_1000", 0.0032, "owner",
            "operations@example.com", "metric", "auc", "test", "auc", 0.8, "answers", 12345,
            "champion", 3);
        if (i < n_bad + n_warn) {
            json_object_set_new(
                m, "reasons", json_pack("[{s:s}]", "text", "auc is 0.61, in the test it was 0.8"));
        }
        json_array_append_new(models, m);
    }
    return json_pack("{s:{s:s, s:s, s:f}, s:{s:i, s:i, s:i, s:i}, s:o, s:[]}", "server", "state",
                     "running", "address", "127.0.0.1:8080", "resident_bytes", 5e8, "summary",
                     "bad", n_bad, "warn", n_warn, "ok", n - n_bad - n_warn, "idle", 0, "models",
                     models, "problems");
}

typedef struct drawn {
    tm_buf text;
    uint32_t n_lines, widest;
} drawn;

static drawn draw(const json_t *status, uint32_t width, uint32_t height) {
    drawn d = {0};
    const tm_status_screen screen = {.width = width, .height = height};
    tm__buf_init(&d.text, 1u << 20);
    tm__status_words(status, &screen, &d.text);
    assert_false(d.text.failed);
    char line[4096];
    for (const char *at = (const char *)d.text.data, *end = NULL; *at != '\0'; at = end + 1) {
        end = strchr(at, '\n');
        assert_non_null(end);
        (void)snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
        const uint32_t w = tm__cli_width(line);
        d.widest = w > d.widest ? w : d.widest;
        d.n_lines++;
        assert_true(line[0] == '\0' || line[strlen(line) - 1] != ' ');
    }
    return d;
}

static void must_have(const drawn *d, const char *wanted) {
    if (strstr((const char *)d->text.data, wanted) == NULL) {
        fail_msg("lacks '%s' in\n%s", wanted, (const char *)d->text.data);
    }
}

static void forty_models_fit_on_a_small_screen(void **state) {
    (void)state;
    for (uint32_t n_bad = 0; n_bad <= 40; n_bad += 5) {
        json_t *status = make_status(40, n_bad, n_bad < 40 ? 3 : 0);
        drawn d = draw(status, 80, 24);
        assert_true(d.widest <= 80);
        assert_true(d.n_lines <= 23);          /* and the prompt */
        assert_true(d.n_lines >= 21);          /* no room is wasted */
        for (uint32_t i = 1; i < 40; i += 2) { /* short names are never cut */
            char name[24];
            (void)snprintf(name, sizeof(name), "fraud_%02u", i);
            must_have(&d, name);
        }
        tm__buf_done(&d.text);
        json_decref(status);
    }
}

static void of_several_runs_each_says_whether_it_leads(void **state) {
    (void)state;
    json_t *status = make_status(2, 0, 0);
    json_t *server = json_object_get(status, "server");
    json_object_set_new(server, "leader",
                        json_pack("{s:s, s:i, s:s}", "role", "standby", "epoch", 7, "leader",
                                  "tidemill run host :1"));
    drawn d = draw(status, 160, 50);
    must_have(&d, "runs on 127.0.0.1:8080 and stands by (epoch 7: tidemill run host :1)\n");
    tm__buf_done(&d.text);
    json_object_set_new(server, "leader",
                        json_pack("{s:s, s:i, s:n}", "role", "leader", "epoch", 8, "leader"));
    d = draw(status, 160, 50);
    must_have(&d, "runs on 127.0.0.1:8080 and leads (epoch 8)\n");
    tm__buf_done(&d.text);
    json_object_set_new(server, "leader",
                        json_pack("{s:s, s:i, s:n}", "role", "unknown", "epoch", 8, "leader"));
    d = draw(status, 160, 50);
    must_have(&d, "runs on 127.0.0.1:8080; who leads is not known (PostgreSQL is away)\n");
    tm__buf_done(&d.text);
    json_decref(status);
}

static void a_spent_day_is_told_where_the_next_retraining_stands(void **state) {
    (void)state;
    json_t *status = make_status(1, 0, 0);
    json_t *const model = json_array_get(json_object_get(status, "models"), 0);
    json_object_set_new(model, "next_retrain_seconds", json_real(-60));
    drawn d = draw(status, 160, 50);
    must_have(&d, " due ");
    tm__buf_done(&d.text);
    json_object_set_new(model, "retrain_day_spent", json_true());
    d = draw(status, 160, 50);
    must_have(&d, " spent ");
    tm__buf_done(&d.text);
    json_decref(status);
}

static void a_wide_screen_has_more_columns(void **state) {
    (void)state;
    json_t *status = make_status(40, 2, 3);
    drawn d = draw(status, 160, 50);
    assert_true(d.widest <= 160 && d.widest > 120);
    assert_int_equal(d.n_lines, 43);
    must_have(&d, "server runs on 127.0.0.1:8080\n");
    must_have(&d, "40 models: 2 bad, 3 warn, 35 ok, 0 idle");
    must_have(&d, "! churn_of_customers_00 worse");
    must_have(&d, "? churn_of_customers_02 overdue");
    must_have(&d, "0.8123   83%   2h    3d   4h 1.2k 1.2ms 12M 3.2ms operations@example.com");
    must_have(&d, "12,345");
    must_have(&d, "auc is 0.61, in the test it was ~\n");
    tm__buf_done(&d.text);
    d = draw(status, 80, 0); /* a line for each model and each reason, however many */
    assert_int_equal(d.n_lines, 2 + 1 + 40 + 5);
    must_have(&d, "! churn_of_customers_00: auc is 0.61");
    tm__buf_done(&d.text);
    json_decref(status);
}

static void what_is_not_known_is_a_dash(void **state) {
    (void)state;
    json_t *status = json_pack("{s:{s:s, s:f}, s:{}, s:[{s:s, s:s}], s:[s]}", "server", "state",
                               "silent", "age_seconds", 40.0, "summary", "models", "model",
                               "a\xC3\xA9\nb", "health", "idle", "problems", "the log: gone");
    drawn d = draw(status, 80, 24);
    must_have(&d, "no word from the server for 40 s");
    must_have(&d, "cannot be read: the log: gone");
    must_have(&d, "  a\xC3\xA9 b");
    must_have(&d, " - ");
    tm__buf_done(&d.text);
    json_decref(status);
    status = json_pack("{s:{s:s}, s:{}, s:[], s:[]}", "server", "state", "none", "summary",
                       "models", "problems");
    d = draw(status, 80, 24);
    must_have(&d, "no server has run on this home yet\n0 models");
    tm__buf_done(&d.text);
    json_decref(status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_models_fit_on_a_small_screen),
        cmocka_unit_test(of_several_runs_each_says_whether_it_leads),
        cmocka_unit_test(a_spent_day_is_told_where_the_next_retraining_stands),
        cmocka_unit_test(a_wide_screen_has_more_columns),
        cmocka_unit_test(what_is_not_known_is_a_dash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
