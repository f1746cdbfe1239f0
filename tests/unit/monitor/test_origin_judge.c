/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/origin_judge.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "test.h"

/* Labels of three origins: two honest ones, and one of which a share is wrong or copied. */
typedef struct made {
    tm_origin_task task;
    uint32_t n_classes;
    uint64_t n, n_third; /* of those n */
    double wrong, copied;
    double odds;    /* of a hit, times so many for the third; 0: as the others' */
    bool is_turned; /* the world of all has turned round since the model learned, */
    bool is_chance; /* or has nothing to do with it any more */
} made;

static double noise(tm_rng *rng) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += tm__rng_f64(rng);
    }
    return sum;
}

static tm_origin_label draw_number(tm_rng *rng, bool is_wrong, bool is_copied) {
    const double answer = 100 * noise(rng);
    const double truth = is_wrong ? 100 * noise(rng) : answer + 20 * noise(rng);
    return (tm_origin_label){
        .score = answer, .claim = is_copied ? answer : truth, .is_copy = is_copied};
}

static tm_origin_label draw_class(tm_rng *rng, const made *m, bool is_third, bool is_wrong,
                                  bool is_copied) {
    const double p = tm__rng_f64(rng), claim = m->n_classes == 2 ? p : 0.3 + 0.7 * p;
    const double odds = m->odds > 0 && is_third ? m->odds : 1;
    const double right = m->is_chance   ? 0.5
                         : m->is_turned ? 1 - claim
                                        : odds * claim / (1 - claim + odds * claim);
    bool hits = tm__rng_f64(rng) < right;
    if (is_wrong) {
        hits = !hits && tm__rng_below(rng, m->n_classes - 1) == 0;
    }
    const bool decision = m->n_classes == 2 ? claim >= 0.5 : true;
    hits = is_copied ? decision : hits;
    return (tm_origin_label){.hits = hits,
                             .is_copy = hits == decision,
                             .score = claim,
                             .claim = decision ? claim : 1 - claim};
}

static tm_origin_found judge(const made *m, uint64_t seed, uint32_t origin) {
    tm_rng rng = tm__rng_split(seed, "origins", 0);
    tm_origin_label *const labels = tm__mem_alloc(m->n, sizeof(*labels));
    tm_origin_found found[3];
    for (uint64_t i = 0; i < m->n; i++) {
        const bool is_third = tm__rng_below(&rng, m->n) < m->n_third;
        const bool is_wrong = is_third && tm__rng_f64(&rng) < m->wrong;
        const bool is_copied = is_third && tm__rng_f64(&rng) < m->copied;
        labels[i] = m->task == TM_ORIGIN_NUMBERS
                        ? draw_number(&rng, is_wrong, is_copied)
                        : draw_class(&rng, m, is_third, is_wrong, is_copied);
        labels[i].at_us = (int64_t)i;
        labels[i].origin = is_third ? 2 : (uint32_t)(i % 2);
    }
    const tm_origin_input in = {.task = m->task,
                                .n_classes = m->n_classes,
                                .n_origins = 3,
                                .labels = labels,
                                .n = m->n,
                                .error_rate = 0.25};
    assert_int_equal(tm__origins_judge(&in, found, NULL), TM_OK);
    tm__mem_free(labels);
    return found[origin];
}

static const made kinds[] = {{.task = TM_ORIGIN_TWO, .n_classes = 2},
                             {.task = TM_ORIGIN_CLASSES, .n_classes = 5},
                             {.task = TM_ORIGIN_NUMBERS, .n_classes = 2}};

/* Five in a hundred of all labels, flipped, of one sender; and a tenth of a larger sender's. */
static void wrong_labels_are_found_with_their_sender(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        made all = kinds[k], some = kinds[k];
        all.n = 6000;
        all.n_third = 300;
        all.wrong = 1;
        some.n = 20000;
        some.n_third = 5000;
        some.wrong = 0.1;
        for (uint64_t seed = 0; seed < 3; seed++) {
            assert_int_equal(judge(&all, seed, 2).verdict, TM_ORIGIN_WRONG);
            const tm_origin_found f = judge(&some, seed, 2);
            assert_int_equal(f.verdict, TM_ORIGIN_WRONG);
            assert_true(f.wrong.low <= 0.12 && f.wrong.high >= 0.08);
            assert_int_equal(judge(&some, seed, 0).verdict, TM_ORIGIN_FINE);
        }
    }
}

static void honest_senders_are_left_alone(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        for (uint64_t seed = 0; seed < 12; seed++) {
            made m = kinds[k];
            m.n = 400 + 1000 * seed;
            m.n_third = m.n / (2 + seed % 7);
            for (uint32_t origin = 0; origin < 3; origin++) {
                const tm_origin_verdict verdict = judge(&m, seed, origin).verdict;
                assert_true(verdict == TM_ORIGIN_FINE || verdict == TM_ORIGIN_FEW);
            }
        }
    }
}

/* A change of the world is everybody's, or one of how often it is so: neither is a flip. */
static void honest_senders_of_a_changed_world_are_left_alone(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        made m = kinds[0];
        m.n = 4000;
        m.n_third = 800;
        m.is_turned = seed % 3 == 0;
        m.is_chance = seed % 3 == 1;
        m.odds = seed % 3 == 2 ? 4 : 0;
        for (uint32_t origin = 0; origin < 3; origin++) {
            assert_int_equal(judge(&m, seed, origin).verdict, TM_ORIGIN_FINE);
        }
    }
}

static void copies_are_told_from_good_answers(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        made m = kinds[k];
        m.n = 4000;
        m.n_third = 1000;
        m.copied = 1;
        assert_int_equal(judge(&m, 1, 2).verdict, TM_ORIGIN_COPIED);
        m.copied = 0.2;
        assert_int_not_equal(judge(&m, 1, 2).verdict, TM_ORIGIN_COPIED);
    }
}

static void few_labels_say_nothing(void **state) {
    (void)state;
    made m = kinds[0];
    m.n = 240;
    m.n_third = 40;
    m.wrong = 1;
    assert_int_equal(judge(&m, 1, 2).verdict, TM_ORIGIN_FEW);
    m.n = 200; /* enough of its own, too few of others */
    m.n_third = 100;
    assert_int_equal(judge(&m, 1, 2).verdict, TM_ORIGIN_FEW);
}

static void an_origin_alone_is_not_judged(void **state) {
    (void)state;
    tm_origin_label labels[300];
    tm_origin_found found[1];
    tm_rng rng = tm__rng_split(1, "alone", 0);
    for (int i = 0; i < 300; i++) {
        const double p = tm__rng_f64(&rng);
        labels[i] = (tm_origin_label){.at_us = i, .hits = p < 0.5, .score = p, .claim = p};
    }
    const tm_origin_input in = {.task = TM_ORIGIN_TWO,
                                .n_classes = 2,
                                .n_origins = 1,
                                .labels = labels,
                                .n = 300,
                                .error_rate = NAN};
    assert_int_equal(tm__origins_judge(&in, found, NULL), TM_OK);
    assert_int_equal(found[0].verdict, TM_ORIGIN_FEW);
    assert_int_equal(found[0].n, 300);
    assert_int_equal(found[0].n_others, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_labels_are_found_with_their_sender),
        cmocka_unit_test(honest_senders_are_left_alone),
        cmocka_unit_test(honest_senders_of_a_changed_world_are_left_alone),
        cmocka_unit_test(copies_are_told_from_good_answers),
        cmocka_unit_test(few_labels_say_nothing),
        cmocka_unit_test(an_origin_alone_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
