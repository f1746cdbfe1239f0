/* SPDX-License-Identifier: Apache-2.0 */
/* `how: auto`: whether a version is learned anew, by an update of the champion or by the policy, by
 * a test on the newest rows that may be learned from. */
#ifndef TM_LOOP_LOOP_HOW_CHOICE_H
#define TM_LOOP_LOOP_HOW_CHOICE_H

#include "loop/loop_choice.h"
#include "loop/loop_turn.h"

typedef struct tm_how_question {
    tm_choice_input choice;    /* options: of an update; asked is not read */
    tm_row_window window;      /* of learning anew */
    bool is_window_said;       /* by a person, of any way; else an update has what is new */
    const char *why_no_update; /* of this champion; NULL: it can be updated */
    uint64_t ahead; /* rows between what a version learns and what it answers, as it will be */
    uint64_t work, budget_ms; /* of the turn, half of which the policy's trial may take; 0: any */
} tm_how_question;
/**
 * Hold out the newest rows as tm__choose_window() does; learn from the others anew, by one fit with
 * the champion's settings, by an update of the champion with those that it has not learned, and by
 * the models that a replay of them comes to.
 *
 * told  gets {"reason", "test_rows"?, "tried"?: [{"kind": "recipe", "champion" (as it is),
 *       "update" or "policy", "loss"?, "better_by"?: than learned anew, or than ("than") an update
 *       that is the choice without the policy, "error"?, "why"?, "rows"?: replayed}]}.
 *
 * Cost:    one fit on 50,000 rows, one update with as many, a replay (loop_mixture.h) and what it
 * comes to learned twice from 50,000, at the most. Errors:  TM_E_NOMEM, TM_E_CANCELLED, TM_E_IO. A
 * way that the rows refuse is told as such. Threads: one caller; any pool gives the same choice.
 */
TM_NODISCARD tm_status tm__how_test(tm_ctx *ctx, const tm_how_question *in, tm_turn_how *out_how,
                                    json_t *told, tm_err *err);

#endif
