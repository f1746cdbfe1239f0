/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that come packed: gzip, deflate (zlib's form) and zstd, by Content-Encoding. */
#ifndef TM_SERVE_UNPACK_H
#define TM_SERVE_UNPACK_H

#include "serve/serve_priv.h"

/** True when the body says that it is packed. */
bool tm__unpack_is_needed(const tm_exchange *x);
/** Put the unpacked bytes in the body's place; nothing to do when it is not packed. False with the
 * exchange answered: another coding, damage, or more bytes than a body may have. */
bool tm__unpack_body(tm_exchange *x);

#endif
