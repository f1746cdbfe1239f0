/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loop/rollout_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define ROWS 2000u

/* Two arms that answer alike: uniform answers, a millisecond or two each. */
typedef struct made {
    tm_rollout rollout;
    tm_rollout_figures figures;
    tm_bundle *bundle;
} made;

static double draw(uint64_t stream, uint64_t i) {
    return ((double)(tm__rng_at(stream, i) >> 11) + 0.5) * 0x1p-53;
}

static void fill(tm_rollout_arm *arm, uint64_t stream) {
    arm->n_outputs = 1;
    arm->capacity = arm->n_kept = ROWS;
    arm->n_rows = ROWS;
    arm->outputs = tm__mem_alloc(ROWS, sizeof *arm->outputs);
    arm->latency_us = tm__mem_alloc(ROWS, sizeof *arm->latency_us);
    for (uint32_t i = 0; i < ROWS; i++) {
        arm->outputs[i] = draw(stream, i);
        arm->latency_us[i] = 1000 + (uint32_t)(1000 * draw(stream + 100, i));
    }
}

static void make(made *m, const tm_home *home) {
    memset(m, 0, sizeof *m);
    m->rollout = (tm_rollout){.version = 2, .champion = 1, .terms = tm__rollout_default()};
    m->rollout.terms.steps[0] = 5000;
    m->figures = (tm_rollout_figures){.model = "tiny", .rollout = &m->rollout, .has_server = true};
    m->bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    for (uint32_t arm = 0; arm < 2; arm++) {
        fill(&m->figures.arms[arm], arm + 1);
        m->figures.arms[arm].bundle = tm__bundle_ref(m->bundle);
        m->figures.arms[arm].n_requests = ROWS;
    }
}

static void done(made *m) {
    tm__rollout_figures_done(&m->figures);
    tm__bundle_unref(m->bundle);
}

/* "kept", "breach", "open", "off" of a check. */
static void assert_check(made *m, const char *check, const char *state) {
    char breach[256];
    json_t *checks = NULL, *one = NULL;
    size_t i = 0;
    assert_int_equal(tm__rollout_judge(&m->figures, breach, &checks, NULL), TM_OK);
    assert_int_equal(json_array_size(checks), 4);
    json_array_foreach(checks, i, one) {
        if (strcmp(tm__json_text(one, "check", ""), check) == 0) {
            assert_string_equal(tm__json_text(one, "state", ""), state);
        } else {
            assert_string_not_equal(tm__json_text(one, "state", ""), "breach");
        }
    }
    assert_int_equal(strcmp(state, "breach") == 0, strncmp(breach, check, strlen(check)) == 0);
    json_decref(checks);
}

static void like_arms_break_nothing(void **state) {
    made m;
    make(&m, *state);
    assert_check(&m, "errors", "kept");
    assert_check(&m, "latency", "kept");
    assert_check(&m, "drift", "kept");
    assert_check(&m, "metric", "open"); /* no labels */
    done(&m);
}

static void what_fails_breaks_errors(void **state) {
    made m;
    make(&m, *state);
    m.figures.arms[1].n_failed = 15; /* of 2,000: may be chance */
    assert_check(&m, "errors", "kept");
    m.figures.arms[1].n_failed = 200;
    assert_check(&m, "errors", "breach");
    m.figures.arms[0].n_failed = 200; /* as the champion: clients send what nobody takes */
    assert_check(&m, "errors", "kept");
    m.figures.arms[0].n_failed = 0;
    m.figures.arms[0].n_requests = 300;
    m.figures.arms[1].n_requests = m.figures.arms[1].n_failed = 12; /* all of the first few */
    assert_check(&m, "errors", "breach");
    m.figures.has_server = false;
    assert_check(&m, "errors", "open");
    m.rollout.terms.guard.errors = 0;
    assert_check(&m, "errors", "off");
    done(&m);
}

static void what_is_slow_breaks_latency(void **state) {
    made m;
    make(&m, *state);
    for (uint32_t i = 0; i < ROWS; i += 10) {
        m.figures.arms[1].latency_us[i] = 9000;
    }
    assert_check(&m, "latency", "breach");
    m.rollout.terms.guard.latency = 10;
    assert_check(&m, "latency", "kept");
    m.rollout.terms.guard.drift = 0; /* what is left of the arm is its least answers */
    m.figures.arms[0].n_kept = 50;
    assert_check(&m, "latency", "open");
    done(&m);
}

/* It gives way to requests: its times say nothing. What it fails and how it answers do. */
static void a_shadow_is_judged_but_for_its_times(void **state) {
    made m;
    make(&m, *state);
    m.rollout.in_shadow = true;
    m.rollout.terms.shadow = TM_ARM_PARTS;
    for (uint32_t i = 0; i < ROWS; i++) {
        m.figures.arms[1].latency_us[i] = 900000;
    }
    assert_check(&m, "latency", "open");
    m.figures.arms[1].n_failed = 200;
    assert_check(&m, "errors", "breach");
    m.figures.arms[1].n_failed = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        m.figures.arms[1].outputs[i] *= 0.7;
    }
    assert_check(&m, "drift", "breach");
    done(&m);
}

static void what_answers_otherwise_breaks_drift(void **state) {
    made m;
    make(&m, *state);
    for (uint32_t i = 0; i < ROWS; i++) {
        m.figures.arms[1].outputs[i] *= 0.7;
    }
    assert_check(&m, "drift", "breach");
    m.rollout.terms.guard.drift = 0.5;
    assert_check(&m, "drift", "kept");
    m.figures.arms[1].n_kept = 0;
    assert_check(&m, "drift", "open");
    done(&m);
}

static void what_is_wrong_more_often_breaks_the_metric(void **state) {
    made m;
    make(&m, *state);
    m.figures.n_losses = m.figures.losses_capacity = ROWS;
    m.figures.losses = tm__mem_alloc(ROWS, sizeof *m.figures.losses);
    for (uint32_t i = 0; i < ROWS; i++) {
        m.figures.losses[i] = (tm_rollout_loss){
            .at_us = ROWS - i, .number = i, .arm = draw(7, i) < 0.5, .loss = 0.2 * draw(8, i)};
    }
    assert_check(&m, "metric", "open");
    for (uint32_t i = 0; i < ROWS; i++) {
        m.figures.losses[i].loss += m.figures.losses[i].arm == 1 ? 0.3 : 0;
    }
    assert_check(&m, "metric", "breach");
    done(&m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(like_arms_break_nothing),
        TEST(what_fails_breaks_errors),
        TEST(what_is_slow_breaks_latency),
        TEST(a_shadow_is_judged_but_for_its_times),
        TEST(what_answers_otherwise_breaks_drift),
        TEST(what_is_wrong_more_often_breaks_the_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
