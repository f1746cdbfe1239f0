/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "serve/serving.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static json_t *read_file(const tm_home *home) {
    char *path = tm__fs_join(tm__home_path(home), "serving.json");
    tm_buf text;
    json_t *out = NULL;
    tm__buf_init(&text, 1u << 20);
    assert_int_equal(tm__fs_read_all(path, &text, NULL), TM_OK);
    assert_int_equal(tm__json_parse(text.data, text.len, 64, &out, NULL), TM_OK);
    tm__buf_done(&text);
    tm__mem_free(path);
    return out;
}

static void a_server_says_what_it_serves_and_how_fast(void **state) {
    tm_monitor *monitor = NULL;
    tm_health health = {0};
    tm_prom *const prom = tm__prom_create();
    tm_prom *const proms[] = {prom};
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    tm_recent *const recent = tm__recent_create(monitor);
    const tm_serving_place place = {.home = *state,
                                    .address = "127.0.0.1:1",
                                    .started_us = 5,
                                    .proms = proms,
                                    .n_proms = 1,
                                    .monitor = monitor,
                                    .recent = recent,
                                    .health = &health};
    const uint64_t begun_ns = tm__mono_ns();
    tm_serving *const serving = tm__serving_create(&place);
    tm_served well = {.route = "tiny", .model = "tiny", .version = 1, .bytes = 7};
    tm_served ill = {.route = "ill", .model = "ill", .version = 1, .is_stale = true};
    tm_served *routes[] = {&ill, &well};
    const tm_current current = {.n = 2, .routes = routes};
    well.bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    (void)tm__str_copy(ill.problem, sizeof(ill.problem), TM_STR("no such file"));
    for (uint32_t i = 0; i < 100; i++) { /* 99 within 1 ms, one within a second */
        const tm_prom_answers a = {.route = "tiny",
                                   .version = 1,
                                   .n_rows = 10,
                                   .ns = i == 99 ? 900000000 : 700000,
                                   .weight = i % 50 == 0 ? 50 : 0,
                                   .cpu_ns = 20000};
        tm__prom_predict(prom, &a);
    }
    assert_int_equal(tm__serving_write(serving, &current, false, 1000000, NULL), TM_OK);
    const double seconds = (double)(tm__mono_ns() - begun_ns) / 1e9;
    json_t *said = read_file(*state);
    const json_t *server = json_object_get(said, "server");
    assert_string_equal(tm__json_text(said, "schema", ""), "tidemill.serving/1");
    assert_string_equal(tm__json_text(server, "state", ""), "running");
    assert_string_equal(tm__json_text(server, "at", ""), "1970-01-01T00:00:01Z");
    assert_true(tm__json_i64(server, "resident_bytes", 0) > 100000);
    const json_t *first = json_array_get(json_object_get(said, "routes"), 0);
    const json_t *second = json_array_get(json_object_get(said, "routes"), 1);
    assert_false(tm__json_bool(first, "is_loaded", true));
    assert_string_equal(tm__json_text(first, "problem", ""), "no such file");
    assert_true(json_is_null(json_object_get(first, "live")));
    assert_true(json_is_null(json_object_get(first, "p99_seconds")));
    assert_int_equal(tm__json_i64(second, "answered", 0), 1000);
    assert_true(tm__json_f64(second, "answers_per_second", 0) >= 1000 / (seconds + 0.001));
    assert_true(tm__json_f64(second, "p50_seconds", 0) > 0.0005);
    assert_true(tm__json_f64(second, "p99_seconds", 1) <= 0.001);
    /* 20 us of 10 answers: 2 ms of 1,000. */
    assert_true(tm__json_f64(second, "cpu_seconds_per_1000", 0) == 0.002);
    assert_int_equal(tm__json_i64(json_object_get(second, "live"), "answers", -1), 0);
    json_decref(said);
    assert_int_equal(tm__serving_write(serving, &current, true, 2000000, NULL), TM_OK);
    said = read_file(*state);
    assert_string_equal(tm__json_text(json_object_get(said, "server"), "state", ""), "stopped");
    json_decref(said);
    tm__bundle_unref(well.bundle);
    tm__serving_free(serving);
    tm__recent_free(recent);
    tm__monitor_close(monitor);
    tm__prom_free(prom);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_says_what_it_serves_and_how_fast,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
