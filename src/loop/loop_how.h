/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a retraining learns: by the recipe anew, from the champion's own model, whose trees get more
 * of them or whose leaves or weights move with the new rows, or by the policy, as models of several
 * windows that answer together; or as a test (loop_how_choice.h) says. What the champion or its
 * rows do not allow is learned anew, and the story of the turn says why.
 */
#ifndef TM_LOOP_LOOP_HOW_H
#define TM_LOOP_LOOP_HOW_H

#include "loop/loop_turn.h"

/** "recipe", "trees", "update", "policy", "auto"; TM_E_USAGE for a text that is none of them. */
TM_NODISCARD tm_status tm__how_ask(const char *text, tm_turn_how *out, tm_err *err);
/** Put what is asked for in a story: {"asked"}; nothing when nobody says. */
void tm__how_write_asked(const tm_retraining *r, json_t *story);
/** r->how of what the story asks for and the champion can: {"asked", "kind", "reason"?, "hint"?},
 * saved.
 * TM_HOW_AUTO, and nothing saved, where a test is to say. What was chosen before a kill stays so.
 */
TM_NODISCARD tm_status tm__how_choose(tm_retraining *r, tm_err *err);
/** A window of rows is asked for that no test chooses. */
bool tm__how_is_window_said(const tm_retraining *r);
/** Why the champion's model cannot be gone on from so, and what to do about it: in `why`; false: it
 * can. */
bool tm__how_why_not(const tm_bundle *champion, tm_turn_how how, tm_err *why);
/** What was asked for, or a test of `auto` chose, saved. An update and the policy leave the window
 * that a test chose, or would, to learn anew from to the story ("how": {"window"}), for they have
 * rows of their own. */
TM_NODISCARD tm_status tm__how_settle(tm_retraining *r, tm_turn_how how, tm_err *err);
/** The rows refused it: learn by the recipe, and say why. A window that nobody asked for goes. */
TM_NODISCARD tm_status tm__how_fall_back(tm_retraining *r, const tm_err *why, tm_err *err);
/** Of an update without a window that is asked for: the rows that the champion has not learned. */
TM_NODISCARD tm_status tm__how_window(tm_retraining *r, tm_err *err);
/** Add what the training says of how it went on: "weight_before", where the learner weighed it. */
void tm__how_tell_made(tm_retraining *r, const json_t *report);

#endif
