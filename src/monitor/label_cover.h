/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels as they are kept when the columns of their model have policies (table/privacy.h): the
 * answers in the log have what these leave of entity and time, so labels by these have the same.
 */
#ifndef TM_MONITOR_LABEL_COVER_H
#define TM_MONITOR_LABEL_COVER_H

#include "base/arena.h"
#include "monitor/monitor.h"
#include "table/privacy.h"

typedef struct tm_label_cover {
    tm_privacy entity, time, value;
    const tm_hash *key; /* borrowed from the bundle; NULL: pseudonyms must come as such */
} tm_label_cover;
/** Of a bundle, which must live as long. Errors: TM_E_USAGE for policies of its record that are
 * none.  Threads: any. */
TM_NODISCARD tm_status tm__label_cover_init(const tm_bundle *bundle, tm_label_cover *out,
                                            tm_err *err);
/**
 * Bring a label to what is kept. Texts that are made lie in the arena.
 *
 * Errors: what is wrong with it, without a value, and it must not be kept; or NULL.  Threads: any.
 */
const char *tm__label_cover(const tm_label_cover *cover, tm_arena *arena, tm_label *label);

#endif
