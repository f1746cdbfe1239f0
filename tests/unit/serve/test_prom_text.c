/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "serve/serve_priv.h"
#include "test.h"

static void counters_become_lines(void **state) {
    (void)state;
    tm_prom *prom = tm__prom_create();
    assert_non_null(prom);
    tm_match m;
    tm__endpoint_match(TM_GET, TM_STR("/livez"), &m);
    tm__prom_request(prom, m.endpoint, 200);
    tm__prom_request(prom, m.endpoint, 200);
    tm__prom_request(prom, NULL, 404);
    tm__prom_refused(prom, "a bare line feed");
    tm__prom_connections(prom, 3);
    tm__prom_swap(prom);
    for (uint32_t v = 1; v <= 20; v++) {
        const tm_prom_answers a = {
            .route = "late", .version = v, .n_rows = 10, .n_nulls = 2, .ns = v * 100000};
        tm__prom_predict(prom, &a);
    }
    tm_buf out;
    tm__buf_init(&out, 1u << 20);
    tm_prom *other = tm__prom_create(); /* of another thread */
    tm__prom_request(other, m.endpoint, 200);
    tm__prom_refused(other, "a bare line feed");
    tm__prom_connections(other, 4);
    const tm_prom_answers more = {.route = "late", .version = 20, .n_rows = 5, .ns = 1000};
    const tm_prom_answers alone = {.route = "other", .version = 1, .n_rows = 7, .ns = 1000};
    tm__prom_predict(other, &more);
    tm__prom_predict(other, &alone);
    const tm_prom_answers named = {
        .route = "late", .version = 20, .arm = TM_ARM_NAMED, .n_rows = 3, .ns = 1000};
    tm__prom_predict(other, &named);
    tm_prom *const proms[] = {prom, other};
    assert_true(tm__prom_write(proms, 2, &out));
    static const char *const lines[] = {
        "tidemill_http_requests_total{route=\"/livez\",method=\"GET\",code=\"200\"} 3\n",
        "tidemill_http_requests_total{route=\"other\",method=\"other\",code=\"404\"} 1\n",
        "tidemill_http_refused_total{reason=\"a bare line feed\"} 2\n",
        "tidemill_http_connections 7\n",
        "tidemill_model_swaps_total 1\n",
        "tidemill_predictions_total{route=\"late\",version=\"20\",arm=\"champion\"} 15\n",
        "tidemill_predictions_total{route=\"late\",version=\"20\",arm=\"named\"} 3\n",
        "tidemill_predict_duration_seconds_count{route=\"late\",version=\"20\",arm=\"named\"} 1\n",
        "tidemill_predictions_total{route=\"other\",version=\"1\",arm=\"champion\"} 7\n",
        "tidemill_input_nulls_total{route=\"late\",version=\"1\",arm=\"champion\"} 2\n",
        "tidemill_predict_duration_seconds_bucket{route=\"late\",version=\"1\",arm=\"champion\",le="
        "\"0.0001\"} 1\n",
        "tidemill_predict_duration_seconds_bucket{route=\"late\",version=\"20\",arm=\"champion\","
        "le=\"0.001\"} 1\n",
        "tidemill_predict_duration_seconds_bucket{route=\"late\",version=\"20\",arm=\"champion\","
        "le=\"+Inf\"} 2\n",
        "tidemill_predict_duration_seconds_count{route=\"late\",version=\"20\",arm=\"champion\"} "
        "2\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr((const char *)out.data, lines[i]) == NULL) {
            print_error("lacks %s", lines[i]);
        }
        assert_non_null(strstr((const char *)out.data, lines[i]));
    }
    assert_int_equal(tm__prom_total(proms, 2), 4);
    tm__buf_done(&out);
    tm__prom_free(other);
    tm__prom_free(prom);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_become_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
