/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread that answers has of its own. */
#ifndef TM_SERVE_DESK_H
#define TM_SERVE_DESK_H

#include "serve/serve_priv.h"

/** Make room for what it needs; the rest is the server's to set, of which `registry` and
 * `remembered` are given over. False when out of memory: then end it as well. */
bool tm__desk_init(tm_desk *out, uint32_t index);
/** A no-op on a zeroed one. */
void tm__desk_done(tm_desk *desk);

#endif
