/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to learn again, from which rows, and whose answers count. A pure state machine over labels
 * as they become known: no clock, file or model in it, so that a replay and a daemon decide alike.
 *
 * Some arms (a learner on a window of rows) answer every row side by side; the champion is their
 * mean by shares that would have been best for the labels that are known (loop_blend.h). So
 * candidates are judged against each other on the newest labels, of rows that none of them had
 * learned from when it answered, and a fit that turns out worse loses its say by itself. Until a
 * hundred labels are known a share is exp(-eta * loss), newer losses counting more (Herbster and
 * Warmuth, "Tracking the best expert" (1998), doi:10.1023/A:1007424614876).
 *
 *     labels ──> what arms were off ──> shares
 *          └──> what the last fit of an arm was worth ──> rows until its next (step)
 *          └──> what the mean and rules that learn nothing were wrong by ──> whose answers count
 *          └──> ADWIN over the champion's errors ──> arms that have a say are due at once
 */
#ifndef TM_LOOP_LOOP_POLICY_H
#define TM_LOOP_LOOP_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop_blend.h"
#include "monitor/adwin.h"

#define TM_POLICY_ARMS_MAX TM_BLEND_MAX
#define TM_POLICY_TOGETHER UINT32_MAX

typedef struct tm_policy_arm_terms {
    uint64_t window;   /* newest labels to learn from; 0: all */
    bool from_change;  /* no older ones than the last change that was found */
    double step_share; /* at least this share of the labels learned from is new; 0: any */
    /* A fit must save so many times as much; 0: once. Of one above 1 a change is no reason by
     * itself, and its first step is twice as long */
    double costs;
    /* With much to say, and while its fits pay at all, it learns each step_min labels, as long as
     * all fits but the first ones took less work than so many of its own at each step_min; 0: never
     */
    double keen_work;
    /* Labels known at its first fit, at the least, but that one of changes begins with the first of
     * them: until then another arm learns the same rows in the same way. 0: at once */
    uint64_t begins;
} tm_policy_arm_terms;

typedef struct tm_policy_terms {
    uint32_t n_arms;
    uint32_t n_others; /* who answers beside them, and learns nothing here; */
    uint32_t n_rules;  /* the first ones of them are rules, and may answer alone; */
    bool has_record;   /* none but the one that was right most often since the first label */
    tm_policy_arm_terms arms[TM_POLICY_ARMS_MAX];
    uint64_t step, step_min, step_max; /* new labels between two fits of an arm: to begin with, and
                                          between what bounds it moves; step_max is the backstop */
    uint64_t cool_down; /* new labels between two fits, also when a change was found */
    uint64_t memory;    /* labels after which a loss counts 1/e */
    double eta;         /* of a loss */
    uint64_t fast_memory, slow_memory; /* of the blend */
    double pays;             /* share of an arm's loss that a fit must save to be worth its time */
    double say_min;          /* an arm of less weight is fitted a quarter as often */
    bool is_said_by_arms;    /* fits ask their shares among themselves alone */
    uint64_t work_per_label; /* budget of all fits, in units of work; 0: none */
} tm_policy_terms;

typedef enum tm_policy_why {
    TM_POLICY_BEGIN,   /* nothing was learned yet */
    TM_POLICY_CHANGE,  /* the champion's errors rose */
    TM_POLICY_NEW_ROWS /* enough new labels, by what the last fits were worth */
} tm_policy_why;
/** "begin", "change", "new_rows". */
const char *tm__policy_why_text(tm_policy_why why);

typedef struct tm_policy_fit {
    uint32_t arm;
    uint64_t begin, end; /* labels to learn from, counted from the first one */
    bool leads;          /* most of what arms have to say is its own */
    tm_policy_why why;
} tm_policy_fit;

/* How the answers of one row fared, of arms first and then of others; losses are 0 and more, NaN
 * where there was no answer. */
typedef struct tm_policy_label {
    double champion; /* error of 0 to 1 */
    /* What answers were wrong by, as the score counts it: the mean's, and of rules [n_rules] */
    double wrong, wrong_rules[TM_POLICY_ARMS_MAX];
    double losses[TM_POLICY_ARMS_MAX];
    double before[TM_POLICY_ARMS_MAX]; /* of the arm as it was before its last fit */
    double together;                   /* loss of the champion */
    /* Of what each two were off, the last one of all together, as which one that gave no answer
     * counts */
    double products[TM_POLICY_ARMS_MAX][TM_POLICY_ARMS_MAX];
    tm_blend_shares shares; /* in force when it was answered */
} tm_policy_label;

typedef struct tm_policy_arm {
    bool is_fitted;
    uint64_t end; /* labels known at its last fit */
    double step;
    double loss; /* sum, older ones counting less */
    /* The same of what the last fits saved, of its squares, of what was lost beside it, of rows */
    double gain, gain_spread, lost, n_gain;
    uint64_t n_fits;
    uint64_t work; /* of the last one */
} tm_policy_arm;

/* Plain data; copy and keep it at will. */
typedef struct tm_policy {
    tm_policy_terms terms;
    tm_policy_arm arms[TM_POLICY_ARMS_MAX];
    tm_adwin adwin;
    tm_blend blend;
    /* What the mean was wrong by more than a rule: of a block of labels, sum over blocks, older
     * ones counting less, and sum of their squares */
    double block[TM_POLICY_ARMS_MAX], behind[TM_POLICY_ARMS_MAX], behind_spread[TM_POLICY_ARMS_MAX];
    double record[TM_POLICY_ARMS_MAX]; /* what rules were wrong by, older ones counting less */
    uint64_t n_labels;                 /* seen */
    bool has_change;
    uint64_t change_at; /* the label since which errors are higher */
    uint64_t alarm_at;  /* labels known when that was found */
    uint64_t n_changes;
    uint64_t work, work_begun; /* of all fits; of each arm's first one */
    double keen_work;          /* that keen arms may go up to, */
    /* Part of what an arm has to say that goes to the last one, since rows come whose like it has
     * not seen; 0 to 1, and set by who sees rows */
    double far[TM_POLICY_ARMS_MAX];
    uint64_t allowed_at;            /* counted so far */
    uint64_t anew_from, heard_from; /* of tm__policy_begin_anew(); 0: never */
} tm_policy;

void tm__policy_init(tm_policy *self, const tm_policy_terms *terms);
/** What labels say comes first, row by row in their order; n_known counts all that are known, those
 * of rows that nobody answered and this one included. */
void tm__policy_add(tm_policy *self, uint64_t n_known, const tm_policy_label *label);
/** What rules [n_rules] were wrong by at a row that nobody else answered, NaN where there was no
 * answer; tm__policy_add() notes those of its row. */
void tm__policy_note_rules(tm_policy *self, const double *wrong_rules);
/** The first row that an arm learns from with so many labels known. */
uint64_t tm__policy_begin(const tm_policy *self, uint32_t arm, uint64_t n_known);
/** The fits that are due with so many labels known: out [n_arms], an arm's one at the most. Returns
 * their number. */
uint32_t tm__policy_due(tm_policy *self, uint64_t n_known, tm_policy_fit *out);
/** Whose answers count: the mean by shares (TM_POLICY_TOGETHER) or, where that was surely wrong by
 * more, the rule that was so by least, or has the best record. So the score stays beside that of
 * the best rule. */
uint32_t tm__policy_leader(const tm_policy *self);
/** The world is surely another one since row `begin`: but for large arms and those of all rows no
 * arm learns from rows before it, and labels of rows before `answered_from` say nothing of how much
 * arms have to say, for they answer by other models since. */
void tm__policy_begin_anew(tm_policy *self, uint64_t begin, uint64_t answered_from);
/** One that learns nothing here answers from now on, or another one does in its place. */
void tm__policy_join(tm_policy *self, uint32_t other);
/** One of them was begun: nobody answers by it before. */
void tm__policy_fitted(tm_policy *self, const tm_policy_fit *fit);
/** It is done; work: units that it took. */
void tm__policy_took(tm_policy *self, const tm_policy_fit *fit, uint64_t work);
/** Shares of the arms and others in an answer: 0 for those that never answered, else they add up to
 * 1. */
void tm__policy_shares(const tm_policy *self, tm_blend_shares *out);

#endif
