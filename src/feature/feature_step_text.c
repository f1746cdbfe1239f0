/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers made from a text. One reading serves all of them: feature_text.c has the values. */
#include "feature/feature_priv.h"

static bool text_is_valid(const tm_program *program, const tm_step *step) {
    const tm_text *text = &program->texts[step->from];
    return step->part >= 1 && step->part <= TM_TEXT_TERM &&
           (step->part != TM_TEXT_TERM || step->item < text->n_terms) &&
           (step->part != TM_TEXT_SCORE || step->item < text->n_scores);
}

static const char *text_describe(const tm_step *step) {
    static const char *const parts[] = {
        "", "length", "words", "share of digits", "share of capitals", "text score", "term"};
    return parts[step->part];
}

const tm_step_ops tm__step_text_ops = {
    .name = "text",
    .kind = TM_STEP_TEXT,
    .types = 1U << TM_TYPE_TEXT,
    .reads_text = true,
    .is_valid = text_is_valid,
    .describe = text_describe,
};
