/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "serve/serve_priv.h"
#include "test.h"

static void alerts_are_counted_by_model_and_a_model_without_any_has_zeros(void **state) {
    (void)state;
    static tm_served late = {.model = "late", .route = "late"},
                     twin = {.model = "late", .route = "other"},
                     churn = {.model = "churn", .route = "churn"};
    tm_served *routes[] = {&late, &twin, &churn};
    const tm_current current = {.n = 3, .routes = routes};
    json_t *alerts =
        json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}]", "model", "late",
                  "severity", "critical", "state", "open", "model", "late", "severity", "critical",
                  "state", "open", "model", "late", "severity", "warning", "state", "silenced",
                  "model", "gone", "severity", "warning", "state", "open");
    static const char want[] =
        "# HELP tidemill_alerts Alerts that are not resolved.\n"
        "# TYPE tidemill_alerts gauge\n"
        "tidemill_alerts{model=\"late\",severity=\"warning\",state=\"open\"} 0\n"
        "tidemill_alerts{model=\"late\",severity=\"warning\",state=\"silenced\"} 1\n"
        "tidemill_alerts{model=\"late\",severity=\"critical\",state=\"open\"} 2\n"
        "tidemill_alerts{model=\"churn\",severity=\"warning\",state=\"open\"} 0\n"
        "tidemill_alerts{model=\"churn\",severity=\"critical\",state=\"open\"} 0\n";
    tm_buf out;
    tm__buf_init(&out, 10000);
    tm__prom_alerts(&current, alerts, &out);
    assert_string_equal((const char *)out.data, want);
    json_decref(alerts);
    tm__buf_done(&out);
}

static void who_is_behind_is_told(void **state) {
    (void)state;
    json_t *list = json_pack("[{s:s, s:s, s:I}]", "model", "late", "receiver", "o\"ps\n", "behind",
                             (json_int_t)3);
    tm_buf out;
    tm__buf_init(&out, 10000);
    tm__prom_receivers(list, &out);
    assert_non_null(strstr((const char *)out.data,
                           "tidemill_receiver_behind{model=\"late\",receiver=\"o\\\"ps \"} 3\n"));
    json_decref(list);
    tm__buf_done(&out);
}

static void a_rollout_has_its_step(void **state) {
    (void)state;
    json_t *list = json_pack("[{s:s, s:n}, {s:s, s:{s:i, s:i, s:f, s:s}}]", "route", "early",
                             "rollout", "route", "late", "rollout", "version", 2, "step", 3,
                             "percent", 12.5, "state", "paused");
    tm_buf out;
    tm__buf_init(&out, 10000);
    tm__prom_rollouts(list, &out);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "tidemill_rollout_step{route=\"late\",version=\"2\"} 3\n"));
    assert_non_null(strstr(text, "tidemill_rollout_percent{route=\"late\",version=\"2\"} 12.5\n"));
    assert_non_null(strstr(text, "tidemill_rollout_paused{route=\"late\",version=\"2\"} 1\n"));
    assert_null(strstr(text, "early"));
    json_decref(list);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_are_counted_by_model_and_a_model_without_any_has_zeros),
        cmocka_unit_test(who_is_behind_is_told),
        cmocka_unit_test(a_rollout_has_its_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
