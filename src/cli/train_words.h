/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a training run in words. */
#ifndef TM_CLI_TRAIN_WORDS_H
#define TM_CLI_TRAIN_WORDS_H

#include "cli/cli.h"

/** Print what `train --json` would print, for people. */
void tm__train_words_print(tm_cli *cli, const json_t *report);
/** One word for how good a score is beside a baseline: "weak", "fair", "good", "strong". */
const char *tm__score_word(const char *task, const json_t *test, const json_t *baseline);
/** What a trial of a search is: "boosted trees, 31 leaves, rate 0.1, 120 rounds" in out. */
const char *tm__trial_text(const char *learner, const json_t *params, uint32_t rounds, char *out,
                           size_t size);
/** "1,234,567" in out [>= 32 bytes]. */
const char *tm__count_text(int64_t count, char *out);
/** "0.3 s", "12 s", "3 min", "5 h", "2 d" in out [>= 32 bytes]. */
const char *tm__span_text(double seconds, char *out);
/** Table of the scores in `scores`, beside those in `other` (NULL: none) under the titles given. */
void tm__scores_print(tm_cli *cli, const json_t *scores, const json_t *other, const char *title,
                      const char *other_title);

#endif
