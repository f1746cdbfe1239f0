/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "child_case.h"
#include "loop/loop.h"
#include "monitor/alert.h"
#include "monitor/drift_store.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

/* `test_loop_schedule retrain MODEL --resume --home DIR --json --training-memory BYTES` */
static int end_turn(char **argv) {
    tm_home *home = NULL;
    tm_registry *registry = NULL;
    tm_turn turn = {0};
    bool has = false;
    tm_status st = tm__home_open(argv[5], false, &home, NULL);
    st = st == TM_OK ? tm__registry_open(home, &registry, NULL) : st;
    st = st == TM_OK ? tm__turn_find(registry, argv[2], &turn, &has, NULL) : st;
    st = st == TM_OK ? tm__turn_end(registry, &turn, "kept", "played", NULL) : st;
    tm__turn_done(&turn);
    tm__registry_close(registry);
    tm__home_close(home);
    return st == TM_OK ? 0 : 7;
}

/* This program is its own child: `test_loop_schedule retrain MODEL --because WHY --home DIR
 * --json`.
 */
static int play_child(int argc, char **argv) {
    if (strcmp(argv[3], "--resume") == 0) {
        return argc == 9 && strcmp(argv[7], "--training-memory") == 0 ? end_turn(argv) : 7;
    }
    const bool is_asked_right = argc >= 8 && strcmp(argv[3], "--because") == 0 &&
                                strcmp(argv[4], "schedule") == 0 &&
                                strcmp(argv[5], "--home") == 0 && strcmp(argv[7], "--json") == 0;
    if (strcmp(argv[2], "slow") == 0) {
        tm__sleep_ms(600000);
    }
    const bool is_refused = strcmp(argv[2], "refused") == 0;
    printf("{\"model\": \"%s\", \"right\": %s%s}\n", argv[2], is_asked_right ? "true" : "false",
           is_refused ? ", \"version\": 2" : "");
    return is_refused || strcmp(argv[2], "worse") == 0 ? 1 : strcmp(argv[2], "broken") == 0 ? 7 : 0;
}

static void add(const tm_home *home, tm_registry *registry, const char *model, int every_s) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    tm_version version = {0};
    json_t *recipe = json_pack("{s:{s:i}}", "retrain", "every_s", every_s);
    assert_int_equal(tm__registry_add(registry, model, bundle, every_s > 0 ? recipe : NULL, &actor,
                                      &version, NULL),
                     TM_OK);
    json_decref(recipe);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

/* State of the only job of a model, "" when there is none; the test fails on two. */
static void job_of(tm_registry *registry, const char *model, char out[16], bool *out_right) {
    json_t *jobs = NULL, *job;
    size_t i, n = 0;
    out[0] = '\0';
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    json_array_foreach(jobs, i, job) {
        if (strcmp(tm__json_text(job, "model", ""), model) == 0) {
            snprintf(out, 16, "%s", tm__json_text(job, "state", ""));
            *out_right = tm__json_bool(json_object_get(job, "result"), "right", false);
            n++;
        }
    }
    assert_true(n <= 1);
    json_decref(jobs);
}

static void models_that_are_due_are_retrained_in_children(void **state) {
    static const char *const want[][2] = {
        {"good", "done"}, {"worse", "refused"}, {"broken", "failed"}, {"never", ""}};
    tm_registry *registry = NULL;
    tm_loop *loop = NULL;
    char got[16] = "";
    bool is_right = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(1000000000);
    for (size_t i = 0; i < 4; i++) {
        add(*state, registry, want[i][0], strcmp(want[i][0], "never") == 0 ? 0 : 60);
    }
    assert_int_equal(
        tm__loop_open(&(tm_loop_place){.home = *state, .supervisor = child_case_supervisor}, &loop,
                      NULL),
        TM_OK);
    assert_true(tm__loop_step(loop) > 500); /* nothing is due yet */
    job_of(registry, "good", got, &is_right);
    assert_string_equal(got, "");
    tm__clock_fix(1000000000 + 61 * INT64_C(1000000));
    for (int tries = 0; tries < TEST_LOOKS; tries++) {
        const uint32_t ms = tm__loop_step(loop);
        if (ms > 500) {
            break;
        }
        tm__sleep_ms(10);
    }
    for (size_t i = 0; i < 4; i++) {
        job_of(registry, want[i][0], got, &is_right);
        assert_string_equal(got, want[i][1]);
        assert_true(is_right || want[i][1][0] == '\0');
    }
    tm__loop_close(loop);
    tm__registry_close(registry);
}

static void a_model_is_not_started_while_its_job_runs(void **state) {
    tm_registry *registry = NULL;
    tm_loop *loop = NULL;
    char got[16] = "";
    bool is_right = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(1000000000);
    add(*state, registry, "slow", 1);
    assert_int_equal(
        tm__loop_open(&(tm_loop_place){.home = *state, .supervisor = child_case_supervisor}, &loop,
                      NULL),
        TM_OK);
    for (int i = 1; i < 5; i++) {
        tm__clock_fix(1000000000 + i * INT64_C(2000000));
        (void)tm__loop_step(loop);
    }
    job_of(registry, "slow", got, &is_right); /* fails on a second job */
    assert_string_equal(got, "running");
    tm__loop_close(loop);
    job_of(registry, "slow", got, &is_right);
    assert_string_equal(got, "lost");
    tm__registry_close(registry);
}

static void a_cancelled_job_ends_and_the_next_begins(void **state) {
    tm_registry *registry = NULL;
    tm_loop *loop = NULL;
    char got[16] = "";
    json_t *jobs = NULL;
    bool is_right = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(1000000000);
    add(*state, registry, "slow", 60);
    assert_int_equal(
        tm__loop_open(&(tm_loop_place){.home = *state, .supervisor = child_case_supervisor}, &loop,
                      NULL),
        TM_OK);
    tm__clock_fix(1000000000 + 61 * INT64_C(1000000));
    (void)tm__loop_step(loop);
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    assert_int_equal(tm__registry_job_cancel(
                         registry, tm__json_text(json_array_get(jobs, 0), "id", ""), &actor, NULL),
                     TM_OK);
    json_decref(jobs);
    add(*state, registry, "good", 1);
    tm__clock_fix(1000000000 + 63 * INT64_C(1000000));
    for (int tries = 0; tries < TEST_LOOKS && strcmp(got, "done") != 0; tries++) {
        (void)tm__loop_step(loop);
        tm__sleep_ms(10);
        job_of(registry, "good", got, &is_right);
    }
    assert_string_equal(got, "done");
    job_of(registry, "slow", got, &is_right); /* it is due in a minute again, no earlier */
    assert_string_equal(got, "cancelled");
    tm__loop_close(loop);
    tm__registry_close(registry);
}

/* A turn that was begun, and waits for memory. */
static void begin_waiting(tm_registry *registry, const char *model, json_int_t needs_bytes) {
    tm_turn turn = {.champion = 1,
                    .story = json_pack("{s:{s:s, s:I}}", "waits", "reason", "it is large",
                                       "needs_bytes", needs_bytes)};
    snprintf(turn.model, sizeof(turn.model), "%s", model);
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    tm__turn_done(&turn);
}

static size_t jobs_of(tm_registry *registry, const char *state) {
    json_t *jobs = NULL, *job;
    size_t i, n = 0;
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    json_array_foreach(jobs, i, job) {
        n += strcmp(tm__json_text(job, "state", ""), state) == 0;
    }
    json_decref(jobs);
    return n;
}

/* With a bound of memory until nothing can be started; how many runs ended well by then. */
static size_t done_within(const tm_home *home, tm_registry *registry, uint64_t memory_max) {
    const tm_loop_place place = {
        .home = home, .supervisor = child_case_supervisor, .training_memory_max = memory_max};
    tm_loop *loop = NULL;
    assert_int_equal(tm__loop_open(&place, &loop, NULL), TM_OK);
    for (int tries = 0; tries < TEST_LOOKS && tm__loop_step(loop) <= 500; tries++) {
        assert_true(jobs_of(registry, "running") <= 1);
        tm__sleep_ms(1);
    }
    tm__loop_close(loop);
    return jobs_of(registry, "done");
}

static void of_forty_that_are_due_at_once_one_runs_and_what_is_too_large_waits(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(1000000000);
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof(name), "m%02d", i);
        add(*state, registry, name, 3600);
        if (i % 2 == 0) {
            begin_waiting(registry, name, i % 4 == 0 ? 1 << 19 : 1 << 21);
        }
    }
    tm__clock_fix(1000000000 + 3601 * INT64_C(1000000));
    assert_int_equal(done_within(*state, registry, 1 << 20), 30);
    for (int i = 2; i < 40; i += 4) {
        char name[16], got[16];
        bool is_right = false;
        snprintf(name, sizeof(name), "m%02d", i);
        job_of(registry, name, got, &is_right);
        assert_string_equal(got, ""); /* not even tried */
    }
    assert_int_equal(done_within(*state, registry, 1 << 22), 40);
    assert_int_equal(jobs_of(registry, "failed"), 0);
    tm__registry_close(registry);
}

#define T0 INT64_C(1000000000000000)
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

/* Let the loop do all that is due at a moment; the number of jobs there are then. */
static size_t jobs_at(tm_loop *loop, tm_registry *registry, int64_t now_us) {
    json_t *jobs = NULL;
    tm__clock_fix(now_us);
    for (int tries = 0; tries < TEST_LOOKS && tm__loop_step(loop) <= 500; tries++) {
        tm__sleep_ms(5);
    }
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    const size_t n = json_array_size(jobs);
    json_decref(jobs);
    return n;
}

static tm_loop *opened(const tm_home *home, const char *model, tm_registry **out_registry) {
    tm_loop *loop = NULL;
    assert_int_equal(tm__registry_open(home, out_registry, NULL), TM_OK);
    tm__clock_fix(T0);
    add(home, *out_registry, model, 60);
    assert_int_equal(
        tm__loop_open(&(tm_loop_place){.home = home, .supervisor = child_case_supervisor}, &loop,
                      NULL),
        TM_OK);
    return loop;
}

static void a_clock_that_jumps_a_day_neither_stalls_nor_floods(void **state) {
    static const struct {
        int64_t at;
        size_t n_jobs;
    } steps[] = {
        {T0 + 61 * SECOND, 1},
        {T0 + DAY, 2},
        {T0 + DAY + SECOND, 2},
        {T0 + 121 * SECOND, 3}, /* back: counted is from the run that is behind it */
        {T0 + 122 * SECOND, 3},
        {T0 + 182 * SECOND, 4},
        {T0 - DAY, 5}, /* before all runs */
        {T0 - DAY + SECOND, 5},
        {T0 - DAY + 61 * SECOND, 6},
    };
    tm_registry *registry = NULL;
    tm_loop *loop = opened(*state, "good", &registry);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_int_equal(jobs_at(loop, registry, steps[i].at), steps[i].n_jobs);
    }
    tm__loop_close(loop);
    tm__registry_close(registry);
}

static void a_month_that_was_missed_is_one_run(void **state) {
    tm_registry *registry = NULL;
    tm_loop *loop = opened(*state, "worse", &registry);
    /* Nothing new is no reason to wait for longer. */
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(jobs_at(loop, registry, T0 + (int64_t)i * 61 * SECOND), i);
    }
    assert_int_equal(jobs_at(loop, registry, T0 + 30 * DAY), 6);
    assert_int_equal(jobs_at(loop, registry, T0 + 30 * DAY + 59 * SECOND), 6);
    assert_int_equal(jobs_at(loop, registry, T0 + 30 * DAY + 60 * SECOND), 7);
    tm__loop_close(loop);
    tm__registry_close(registry);
}

static void a_model_that_is_always_refused_is_asked_less_and_less(void **state) {
    tm_registry *registry = NULL;
    tm_loop *loop = opened(*state, "refused", &registry);
    size_t n = 0;
    for (int64_t s = 0; s <= 3600; s += 10) {
        n = jobs_at(loop, registry, T0 + s * SECOND);
    }
    assert_int_equal(n, 7); /* each minute there would be 60: after 1, 2, 3, 5, 9, 17 and 33 */
    /* What a person changes begins anew. */
    json_t *recipe = json_pack("{s:{s:i}}", "retrain", "every_s", 60);
    assert_int_equal(tm__registry_set_recipe(registry, "refused", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
    assert_int_equal(jobs_at(loop, registry, T0 + 3601 * SECOND), 8);
    assert_int_equal(jobs_at(loop, registry, T0 + 3662 * SECOND), 9);
    tm__loop_close(loop);
    tm__registry_close(registry);
}

static void alert(const tm_home *home, tm_registry *registry, const char *model) {
    tm_drift_store *store = NULL;
    bool is_told = false;
    json_t *recipe = json_pack("{s:{s:[s]}}", "retrain", "on", "drift");
    const tm_alert_raise raise = {.model = model,
                                  .version = 1,
                                  .kind = "drift",
                                  .subject = "x",
                                  .since_us = T0 + SECOND,
                                  .at_us = T0 + SECOND,
                                  .summary = "x moved"};
    add(home, registry, model, 0);
    assert_int_equal(tm__registry_set_recipe(registry, model, recipe, &actor, NULL), TM_OK);
    assert_int_equal(tm__drift_store_open(home, true, &store, NULL), TM_OK);
    assert_int_equal(tm__alert_raise(store, &raise, &is_told, NULL), TM_OK);
    tm__drift_store_close(store);
    json_decref(recipe);
}

/* Facts are looked at once a second at the most, but not while somebody waits. */
static void the_next_begins_when_one_has_ended(void **state) {
    tm_registry *registry = NULL;
    tm_loop *loop = NULL;
    json_t *jobs = json_array();
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(T0);
    alert(*state, registry, "one");
    alert(*state, registry, "other");
    tm__clock_fix(T0 + 2 * SECOND);
    assert_int_equal(
        tm__loop_open(&(tm_loop_place){.home = *state, .supervisor = child_case_supervisor}, &loop,
                      NULL),
        TM_OK);
    for (bool is_running = true; is_running; tm__sleep_ms(5)) {
        (void)tm__loop_step(loop);
        json_decref(jobs);
        assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
        const json_t *const oldest = json_array_get(jobs, json_array_size(jobs) - 1);
        assert_non_null(oldest);
        is_running = strcmp(tm__json_text(oldest, "state", ""), "running") == 0;
    }
    assert_int_equal(json_array_size(jobs), 2);
    json_decref(jobs);
    tm__loop_close(loop);
    tm__registry_close(registry);
    tm__clock_fix(INT64_MIN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "retrain") == 0) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(models_that_are_due_are_retrained_in_children),
        TEST(a_model_is_not_started_while_its_job_runs),
        TEST(a_cancelled_job_ends_and_the_next_begins),
        TEST(of_forty_that_are_due_at_once_one_runs_and_what_is_too_large_waits),
        TEST(a_clock_that_jumps_a_day_neither_stalls_nor_floods),
        TEST(a_month_that_was_missed_is_one_run),
        TEST(a_model_that_is_always_refused_is_asked_less_and_less),
        TEST(the_next_begins_when_one_has_ended),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
