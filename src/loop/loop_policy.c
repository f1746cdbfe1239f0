/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What labels say comes first (losses, what the last fits saved, a change), then what is due, then
 * who has how much to say. An arm's step is doubled after a fit that did not pay and halved after
 * one that surely did: what is in between may be chance, and changes nothing.
 */
#include "loop/loop_policy.h"

#include <string.h>

#include "base/fmath.h"

#define LOSS_MAX 4.6    /* of one row: no single one decides */
#define GAIN_ROWS 100.0 /* that must have told what fits are worth */
#define STEP_FACTOR 2.0
#define SURE 2.0           /* standard errors by which a fit that pays is told from chance */
#define SURE_OF_RECORD 1.5 /* the same of one rule that is known from its record */
#define RARE 4.0           /* an arm without a say waits so many times as long, */
#define LEADS 0.6
#define LEADER 0.3 /* one that leads so much shorter, */
#define KEEN 0.35  /* one that has so much to say as short as can be, within its work */
#define SAY_OF_ARMS 0.1
#define RULES_MEMORY 20000.0 /* labels */
#define RULES_BLOCK 250u
#define FORGET 0.1
#define GROWTH 0.5         /* of the labels since a change, between two fits on them; */
#define GROWTH_UNHEARD 1.0 /* of an arm without a say */

const char *tm__policy_why_text(tm_policy_why why) {
    return why == TM_POLICY_BEGIN ? "begin" : why == TM_POLICY_CHANGE ? "change" : "new_rows";
}

static uint32_t n_members(const tm_policy *self) {
    return self->terms.n_arms + self->terms.n_others;
}

void tm__policy_init(tm_policy *self, const tm_policy_terms *terms) {
    memset(self, 0, sizeof(*self));
    self->terms = *terms;
    tm__blend_init(&self->blend, terms->n_arms, n_members(self), terms->fast_memory,
                   terms->slow_memory);
    for (uint32_t i = 0; i < terms->n_arms; i++) {
        self->arms[i].step = (double)terms->step * (terms->arms[i].costs > 1.0 ? 2.0 : 1.0);
    }
}

/* ---- what labels say ---- */

static bool is_dear(const tm_policy *self, uint32_t i) {
    return self->terms.arms[i].costs > 1.0;
}

static double clip(double loss) {
    return loss < LOSS_MAX ? loss : LOSS_MAX;
}

static void learn_arm(tm_policy *self, uint32_t i, const tm_policy_label *label) {
    tm_policy_arm *const arm = &self->arms[i];
    const double keep = 1.0 - 1.0 / (double)self->terms.memory;
    const double loss = label->losses[i];
    arm->loss *= keep;
    if (loss == loss) {
        arm->loss += clip(loss);
    }
    if (loss == loss && label->before[i] == label->before[i]) {
        const double saved = clip(label->before[i]) - clip(loss);
        arm->gain = arm->gain * keep + saved;
        arm->gain_spread = arm->gain_spread * keep * keep + saved * saved;
        arm->n_gain = arm->n_gain * keep + 1.0;
        arm->lost = arm->lost * keep + clip(loss);
    }
}

/* Who gave no answer has the loss of all together, or it would lead by it. */
static void fill_losses(const tm_policy *self, tm_policy_label *label) {
    for (uint32_t i = 0; i < n_members(self); i++) {
        label->losses[i] =
            clip(label->losses[i] == label->losses[i] ? label->losses[i] : label->together);
    }
}

/* What was right before a change says little of now. */
static void forget(tm_policy *self) {
    for (uint32_t i = 0; i < n_members(self); i++) {
        self->arms[i].loss *= FORGET;
        if (i < self->terms.n_arms && !is_dear(self, i)) {
            self->arms[i].step = (double)self->terms.step_min;
        }
    }
    tm__blend_forget(&self->blend, FORGET);
}

/* Errors come in runs, so what may be chance is told by sums of blocks. */
static void compare_rules(tm_policy *self, const tm_policy_label *label) {
    const double keep = 1.0 - (double)RULES_BLOCK / RULES_MEMORY;
    for (uint32_t i = 0; i < self->terms.n_rules; i++) {
        const double wrong = label->wrong_rules[i];
        self->block[i] += wrong == wrong ? label->wrong - wrong : 0.0;
        if (self->n_labels % RULES_BLOCK == RULES_BLOCK - 1) {
            self->behind[i] = self->behind[i] * keep + self->block[i];
            self->behind_spread[i] =
                self->behind_spread[i] * keep * keep + self->block[i] * self->block[i];
            self->block[i] = 0.0;
        }
    }
}

void tm__policy_note_rules(tm_policy *self, const double *wrong_rules) {
    for (uint32_t i = 0; i < self->terms.n_rules; i++) {
        const double wrong = wrong_rules[i] == wrong_rules[i] ? wrong_rules[i] : 1.0;
        self->record[i] += wrong - self->record[i] / RULES_MEMORY;
    }
}

void tm__policy_add(tm_policy *self, uint64_t n_known, const tm_policy_label *label) {
    tm_policy_label whole = *label;
    const double was = tm__adwin_mean(&self->adwin);
    fill_losses(self, &whole);
    for (uint32_t i = 0; i < n_members(self); i++) {
        learn_arm(self, i, &whole);
    }
    if (n_known > self->heard_from) {
        tm__blend_add(&self->blend, label->products, whole.losses, &label->shares);
    }
    compare_rules(self, label);
    tm__policy_note_rules(self, label->wrong_rules);
    self->n_labels++;
    if (tm__adwin_add(&self->adwin, label->champion) && tm__adwin_mean(&self->adwin) > was) {
        self->n_changes++;
        self->has_change = true;
        self->alarm_at = n_known;
        self->change_at = n_known > self->adwin.n ? n_known - self->adwin.n : 0;
        forget(self);
    }
}

void tm__policy_begin_anew(tm_policy *self, uint64_t begin, uint64_t answered_from) {
    self->anew_from = begin;
    self->heard_from = answered_from;
    tm__blend_forget(&self->blend, FORGET);
}

/* ---- what is due ---- */

uint64_t tm__policy_begin(const tm_policy *self, uint32_t arm, uint64_t n_known) {
    const tm_policy_arm_terms *const terms = &self->terms.arms[arm];
    uint64_t begin = terms->window > 0 && n_known > terms->window ? n_known - terms->window : 0;
    if (terms->from_change && self->has_change && self->change_at > begin &&
        self->change_at + self->terms.cool_down <= n_known) {
        begin = self->change_at;
    }
    if (terms->window > 0 && !is_dear(self, arm) && self->anew_from > begin) {
        begin = self->anew_from;
    }
    return begin;
}

/* New labels that an arm waits for in any case: fewer the more it has to say. */
static double share_of(const tm_policy *self, uint32_t i, double weight, uint64_t n_learned) {
    const double say = weight < self->terms.say_min ? RARE : weight > LEADS ? LEADER : 1.0;
    return self->terms.arms[i].step_share * (double)n_learned * say;
}

/* Whether an arm that leads may go on learning as often as labels allow. */
static bool is_keen(const tm_policy *self, uint32_t i, double weight) {
    const tm_policy_arm *const arm = &self->arms[i];
    return weight >= KEEN && self->terms.arms[i].keen_work > 0.0 &&
           arm->gain >= self->terms.pays * arm->lost &&
           (double)(self->work - self->work_begun) <= self->keen_work;
}

static double step_of(const tm_policy *self, uint32_t i, double weight, uint64_t n_learned) {
    if (is_keen(self, i, weight)) {
        return (double)self->terms.step_min;
    }
    const double share = share_of(self, i, weight, n_learned);
    double step = self->arms[i].step * (weight < self->terms.say_min ? RARE : 1.0);
    step = step > (double)self->terms.step_max ? (double)self->terms.step_max : step;
    step = step > share ? step : share;
    if (self->terms.arms[i].from_change && self->has_change) {
        const double part = weight < self->terms.say_min ? GROWTH_UNHEARD : GROWTH;
        const double grown = part * (double)n_learned;
        step = step < grown ? step : grown;
    }
    return step;
}

static bool is_within_budget(const tm_policy *self, uint64_t n_known) {
    return self->terms.work_per_label == 0 || self->work <= self->terms.work_per_label * n_known;
}

/* Whether an arm is due, and why. */
static bool is_due(const tm_policy *self, uint32_t i, double weight, tm_policy_fit *fit) {
    const tm_policy_arm *const arm = &self->arms[i];
    const uint64_t n_new = fit->end - arm->end, n_learned = fit->end - fit->begin;
    fit->why = TM_POLICY_BEGIN;
    if (!arm->is_fitted) {
        const tm_policy_arm_terms *const terms = &self->terms.arms[i];
        return fit->end >= terms->begins || (terms->from_change && self->has_change);
    }
    fit->leads = weight > LEADS;
    if (n_new < self->terms.cool_down || n_new == 0 || !is_within_budget(self, fit->end)) {
        return false;
    }
    fit->why = TM_POLICY_CHANGE;
    if (self->has_change && arm->end < self->alarm_at &&
        (double)n_new >= share_of(self, i, weight, n_learned) && !is_dear(self, i) &&
        (self->terms.arms[i].from_change || weight >= self->terms.say_min)) {
        return true;
    }
    fit->why = TM_POLICY_NEW_ROWS;
    return (double)n_new >= step_of(self, i, weight, n_learned);
}

static void say_by_loss(const tm_policy *self, double *out) {
    double least = 1e300, sum = 0.0;
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        if (self->arms[i].is_fitted && self->arms[i].loss < least) {
            least = self->arms[i].loss;
        }
    }
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        out[i] = self->arms[i].is_fitted ? tm__exp(-self->terms.eta * (self->arms[i].loss - least))
                                         : 0.0;
        sum += out[i];
    }
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        out[i] = sum > 0.0 ? out[i] / sum : 0.0;
    }
}

/* What arms have to say, those apart that learn nothing here: they may lead for as long as it takes
 * to learn anew. */
static void say_among_arms(const tm_policy *self, double *shares) {
    double sum = 0.0;
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        sum += shares[i];
    }
    if (sum < SAY_OF_ARMS) {
        say_by_loss(self, shares);
    }
    for (uint32_t i = 0; i < self->terms.n_arms && sum >= SAY_OF_ARMS; i++) {
        shares[i] /= sum;
    }
}

/* What the keen arm that has most to say would have taken with a fit at each step_min labels. */
static void allow_work(tm_policy *self, uint64_t n_known, const double *shares) {
    uint32_t best = self->terms.n_arms;
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        const bool is_more = best == self->terms.n_arms || shares[i] > shares[best];
        best = self->terms.arms[i].keen_work > 0.0 && is_more ? i : best;
    }
    if (best < self->terms.n_arms && shares[best] >= KEEN && n_known > self->allowed_at) {
        self->keen_work += (double)(n_known - self->allowed_at) / (double)self->terms.step_min *
                           (double)self->arms[best].work * self->terms.arms[best].keen_work;
    }
    self->allowed_at = n_known;
}

static void shares_of_labels(const tm_policy *self, tm_blend_shares *out) {
    double begin[TM_POLICY_ARMS_MAX];
    memset(begin, 0, sizeof(begin));
    say_by_loss(self, begin);
    tm__blend_shares(&self->blend, begin, out);
}

/* To the arm of all rows. */
static void move_far(const tm_policy *self, double *shares) {
    const uint32_t to = self->terms.n_arms - 1;
    for (uint32_t i = 0; i < to; i++) {
        const double moved = self->far[i] * shares[i];
        shares[i] -= moved;
        shares[to] += moved;
    }
}

/* By which fits are due. */
static void say_of_arms(const tm_policy *self, double *out) {
    tm_blend_shares shares;
    shares_of_labels(self, &shares);
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        out[i] = self->terms.is_said_by_arms ? 0.5 * (shares.sets[0][i] + shares.sets[1][i])
                                             : shares.both[i];
    }
    say_among_arms(self, out);
}

uint32_t tm__policy_due(tm_policy *self, uint64_t n_known, tm_policy_fit *out) {
    double say[TM_POLICY_ARMS_MAX];
    uint32_t n = 0;
    say_of_arms(self, say);
    allow_work(self, n_known, say);
    move_far(self, say);
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        out[n] =
            (tm_policy_fit){.arm = i, .begin = tm__policy_begin(self, i, n_known), .end = n_known};
        n += is_due(self, i, say[i], &out[n]) ? 1 : 0;
    }
    return n;
}

static uint32_t n_fitted(const tm_policy *self) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < self->terms.n_arms; i++) {
        n += self->arms[i].is_fitted ? 1 : 0;
    }
    return n;
}

void tm__policy_took(tm_policy *self, const tm_policy_fit *fit, uint64_t work) {
    self->arms[fit->arm].work = work;
    self->work += work;
    self->work_begun += fit->why == TM_POLICY_BEGIN ? work : 0;
}

void tm__policy_fitted(tm_policy *self, const tm_policy_fit *fit) {
    tm_policy_arm *const arm = &self->arms[fit->arm];
    const tm_policy_terms *const t = &self->terms;
    if (!arm->is_fitted) {
        tm__blend_enter(&self->blend, fit->arm, 1.0 / (double)(n_fitted(self) + 1));
    }
    arm->is_fitted = true;
    arm->end = fit->end;
    arm->n_fits++;
    if (arm->n_gain < GAIN_ROWS) {
        return;
    }
    const double costs = t->arms[fit->arm].costs;
    const double pays = t->pays * (costs > 0.0 ? costs : 1.0) * arm->lost;
    if (arm->gain < pays) {
        arm->step *= STEP_FACTOR;
    } else if (arm->gain - SURE * tm__sqrt(arm->gain_spread) > pays) {
        arm->step /= STEP_FACTOR;
    }
    arm->step = arm->step < (double)t->step_min   ? (double)t->step_min
                : arm->step > (double)t->step_max ? (double)t->step_max
                                                  : arm->step;
}

void tm__policy_join(tm_policy *self, uint32_t other) {
    const uint32_t i = self->terms.n_arms + other;
    tm__blend_enter(&self->blend, i, 0.0);
    self->arms[i].is_fitted = true;
}

/* ---- who has how much to say ---- */

static uint32_t rule_of_record(const tm_policy *self) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < self->terms.n_rules; i++) {
        best = self->record[i] < self->record[best] ? i : best;
    }
    return best;
}

uint32_t tm__policy_leader(const tm_policy *self) {
    const uint32_t of_record = rule_of_record(self);
    const double errors = self->terms.has_record ? SURE_OF_RECORD : SURE;
    uint32_t leader = TM_POLICY_TOGETHER;
    double most = 0.0;
    for (uint32_t i = 0; i < self->terms.n_rules; i++) {
        const double sure = self->behind[i] - errors * tm__sqrt(self->behind_spread[i]);
        if (sure > 0.0 && self->behind[i] > most && (!self->terms.has_record || i == of_record)) {
            most = self->behind[i];
            leader = self->terms.n_arms + i;
        }
    }
    return leader;
}

void tm__policy_shares(const tm_policy *self, tm_blend_shares *out) {
    shares_of_labels(self, out);
    for (uint32_t set = 0; set < TM_BLEND_SETS; set++) {
        move_far(self, out->sets[set]);
    }
    move_far(self, out->both);
}
