/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers in a replay's policy: arms that learn, rules that learn nothing (replay_chances.c),
 * and models of before a change.
 */
#ifndef TM_LOOP_REPLAY_ARMS_H
#define TM_LOOP_REPLAY_ARMS_H

#include "loop/loop_policy.h"
#include "loop/replay_priv.h"

#define TM_REPLAY_ARMS 7u
#define TM_REPLAY_ARM_NEWEST 0u /* the one of fewest rows */
#define TM_REPLAY_ARM_SINCE 4u  /* the one that learns since the last change */
#define TM_REPLAY_RECALLED 4u
#define TM_REPLAY_OTHERS (TM_REPLAY_RULES + TM_REPLAY_RECALLED + 1u) /* and the mean, amended */

typedef struct tm_replay_arm {
    const char *name, *learner;
    const char *const *params; /* "NAME", "VALUE", ..., NULL */
    tm_policy_arm_terms terms;
    double half_life; /* rows; 0: all count alike */
    const char *const
        *params_leading; /* when most of what arms have to say is its own; NULL: these */
} tm_replay_arm;

/** An arm for classes or for values, below TM_REPLAY_ARMS; static storage. */
const tm_replay_arm *tm__replay_arm_get(const tm_replay_stream *stream, uint32_t arm);
/** Of an arm, a rule, or a place for a model of before a change; static storage. */
const char *tm__replay_member_name(const tm_replay_stream *stream, uint32_t member);
tm_policy_terms tm__replay_terms(const tm_replay_stream *stream);

#endif
