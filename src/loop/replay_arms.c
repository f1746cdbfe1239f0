/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/replay_arms.h"

#define TREES_OF(n, rate, leaves, bins)                                                            \
    "n_trees", n, "learning_rate", rate, "max_leaves", leaves, "max_bins", bins
#define TREES(n, rate, leaves) TREES_OF(n, rate, leaves, "63")
/* Where all rows count, finer cuts find more: of 63 ranges one is all that lies far out. */
#define FINE_TREES(n, rate, leaves) TREES_OF(n, rate, leaves, "255")
/* Of classes. A leaf of rows whose class is all but sure, and of one that is not, answers by the
 * ratio of two tiny sums; without a penalty boosting of many classes runs away now and then. */
#define TREES_OF_CLASSES(n, rate, leaves) TREES(n, rate, leaves), "l2", "0.3"

static const char *const few_of_classes[] = {TREES_OF_CLASSES("25", "0.2", "8"), NULL};
static const char *const few[] = {TREES("25", "0.2", "8"), NULL};
/* What the last third of the trees moves seldom changes which class is likeliest. */
static const char *const many_of_classes[] = {TREES_OF_CLASSES("40", "0.2", "15"), NULL};
static const char *const many[] = {TREES("30", "0.3", "20"), NULL};
/* Where a round is a tree of each of several classes: half of the rounds at twice the rate, under
 * more of a penalty for it, and bins of some rows each. */
static const char *const few_of_several[] = {TREES_OF("12", "0.4", "8", "31"), "l2", "1", NULL};
static const char *const many_of_several[] = {TREES_OF("20", "0.4", "15", "31"), "l2", "1", NULL};
static const char *const most_of_several[] = {TREES_OF_CLASSES("20", "0.4", "15"), NULL};
/* But of many classes, of values, and where the arm of most rows leads, the error goes on falling
 * with trees and rows. */
static const char *const whole_of_classes[] = {FINE_TREES("100", "0.1", "31"), "l2", "0.3", NULL};
/* Many small steps need little of a penalty. */
static const char *const whole_of_many[] = {FINE_TREES("100", "0.1", "31"), "l2", "0.03", NULL};
static const char *const whole[] = {FINE_TREES("30", "0.3", "20"), NULL};
#define LINES(steps) "strength", "0.001", "max_iter", steps, "solver", "newton"
static const char *const lines[] = {LINES("50"), NULL};
static const char *const lines_of_several[] = {LINES("12"), NULL};

#define QUICK_ARMS(lines, trees, since)                                                            \
    {"line of 700", "linear", lines, {.window = 700}, 0.0, NULL},                                  \
        {"line of 1,500", "linear", lines, {.window = 1500}, 0.0, NULL},                           \
        {"line of all", "linear", lines, {.step_share = 0.4}, 0.0, NULL},                          \
        {"trees of 2,000", "gbdt", trees, {.window = 2000}, 0.0, NULL}, {                          \
        "trees since the change", "gbdt", trees,                                                   \
            {.window = 3000, .from_change = true, .begins = since}, 0.0, NULL                      \
    }
#define ARMS_OF_CLASSES(lines, few_trees, many_trees, trees_of_all, trees_leading, of_all, half)   \
    QUICK_ARMS(lines, few_trees, 2001),                                                            \
        {"many trees of 5,000",                                                                    \
         "gbdt",                                                                                   \
         many_trees,                                                                               \
         {.window = 5000, .step_share = 0.1, .costs = 4.0},                                        \
         0.0,                                                                                      \
         NULL},                                                                                    \
    {                                                                                              \
        "many trees", "gbdt", trees_of_all,                                                        \
            {.window = 20000, .step_share = 0.27, .costs = 4.0, .begins = of_all}, half,           \
            trees_leading                                                                          \
    }

#define SEVERAL_CLASSES 2u /* from more of them on: of_several_classes, */
#define MANY_CLASSES 10u   /* and of_many_classes */

static const tm_replay_arm of_classes[TM_REPLAY_ARMS] = {ARMS_OF_CLASSES(
    lines, few_of_classes, many_of_classes, many_of_classes, whole_of_classes, 5001, 8000.0)};
static const tm_replay_arm of_several_classes[TM_REPLAY_ARMS] = {
    ARMS_OF_CLASSES(lines_of_several, few_of_several, many_of_several, most_of_several,
                    whole_of_classes, 5001, 8000.0)};
static const tm_replay_arm of_many_classes[TM_REPLAY_ARMS] = {
    ARMS_OF_CLASSES(lines, few_of_classes, many_of_classes, whole_of_many, NULL, 0, 0.0)};
static const tm_replay_arm of_values[TM_REPLAY_ARMS] = {
    QUICK_ARMS(lines, few, 0),
    {"many trees of 5,000",
     "gbdt",
     many,
     {.window = 5000, .step_share = 0.1, .costs = 2.0, .keen_work = 1.2},
     0.0,
     NULL},
    {"many trees of all",
     "gbdt",
     whole,
     {.step_share = 0.1, .costs = 2.0, .keen_work = 1.5},
     0.0,
     NULL},
};

const tm_replay_arm *tm__replay_arm_get(const tm_replay_stream *stream, uint32_t arm) {
    return !stream->is_classes                   ? &of_values[arm]
           : stream->n_outputs > MANY_CLASSES    ? &of_many_classes[arm]
           : stream->n_outputs > SEVERAL_CLASSES ? &of_several_classes[arm]
                                                 : &of_classes[arm];
}

const char *tm__replay_member_name(const tm_replay_stream *stream, uint32_t member) {
    static const char *const others[TM_REPLAY_OTHERS] = {
        "last label",  "one period ago", "most frequent", "recalled, 1",
        "recalled, 2", "recalled, 3",    "recalled, 4",   "the mean, amended",
    };
    return member < TM_REPLAY_ARMS ? tm__replay_arm_get(stream, member)->name
                                   : others[member - TM_REPLAY_ARMS];
}

tm_policy_terms tm__replay_terms(const tm_replay_stream *stream) {
    tm_policy_terms terms = {
        .n_arms = TM_REPLAY_ARMS,
        .n_others = TM_REPLAY_OTHERS - (stream->is_classes ? 1 : 0), /* only values are amended */
        .n_rules = TM_REPLAY_RULES,
        .has_record = stream->is_classes,
        .step = 500,
        .step_min = 500,
        .step_max = 6000,
        .cool_down = 300,
        .memory = 500,
        .fast_memory = 700,
        .slow_memory = 3000,
        .eta = 0.08,
        .pays = 0.01,
        .say_min = 0.05,
        .is_said_by_arms = !stream->is_classes,
    };
    for (uint32_t i = 0; i < TM_REPLAY_ARMS; i++) {
        terms.arms[i] = tm__replay_arm_get(stream, i)->terms;
    }
    return terms;
}
