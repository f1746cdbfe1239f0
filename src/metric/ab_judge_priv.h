/* SPDX-License-Identifier: Apache-2.0 */
/* Between ab_judge.c and ab_words.c: an experiment as it was judged. */
#ifndef TM_METRIC_AB_JUDGE_PRIV_H
#define TM_METRIC_AB_JUDGE_PRIV_H

#include "metric/ab_judge.h"
#include "metric/ab_ratio.h"
#include "metric/ab_series.h"

#define TM_AB_WORDS_MAX 1024u

typedef struct tm_ab_judging {
    const tm_ab_input *in;
    tm_ab_ratio ratio;
    tm_ab_compare metric, guardrails[TM_AB_GUARDRAILS_MAX];
    tm_ab_series series;
    uint64_t n_matured[2], n_after;
    uint64_t last, decided_unit; /* indices of units */
    double alpha_early, alpha_last;
    tm_ab_look once, last_look; /* at alpha; at what the rule has for its last look */
    double coverage_p;
    bool is_mismatch, is_in_turns; /* shares are wrong; they are right, but arms took turns */
    bool is_at_horizon;
    int sign;       /* 1: the treatment is better, -1: worse, 0: not decided */
    const char *by; /* what decided; NULL: nothing */
} tm_ab_judging;

/* A guardrail of either kind as it stands; first those of units, then those of counts. */
typedef struct tm_ab_guard {
    const char *name;
    double means[2]; /* NaN: not known */
    double low, high;
    int sign; /* 1: it is kept, -1: it is broken, 0: open */
} tm_ab_guard;
uint32_t tm__ab_guards(const tm_ab_judging *judging);
tm_ab_guard tm__ab_guard(const tm_ab_judging *judging, uint32_t guardrail);
/** The chance that one guardrail is told wrongly. */
double tm__ab_guard_alpha(const tm_ab_judging *judging);
/** The verdict in words: what was found, within what, and what to do. */
void tm__ab_words(const tm_ab_judging *judging, const char *decision, char *out, size_t size);

#endif
