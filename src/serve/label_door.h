/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policies of columns leave of labels that come over HTTP, by the version that answers for
 * their model. Of a model that is not there nobody can tell: where sources of the home keep people
 * by pseudonyms a label of one is refused.
 */
#ifndef TM_SERVE_LABEL_DOOR_H
#define TM_SERVE_LABEL_DOOR_H

#include "monitor/label_cover.h"
#include "serve/serve_priv.h"

typedef struct tm_label_door {
    const char *model; /* of the last label; NULL: none yet */
    tm_bundle *bundle; /* owned, of a model that has no route; else NULL */
    tm_label_cover cover;
    bool must_wait; /* its model is not there, and it may name a person */
} tm_label_door;
/** Bring a label to what is kept. *out_why: what is wrong with it, or NULL. Errors: those of
 * reading the registry. Desk only; tm__label_door_done() ends it. */
TM_NODISCARD tm_status tm__label_door_pass(tm_label_door *door, const tm_exchange *x,
                                           tm_arena *arena, tm_label *label, const char **out_why,
                                           tm_err *err);
void tm__label_door_done(tm_label_door *door);

#endif
