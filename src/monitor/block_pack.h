/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of a block in less than half of their bytes: what a table gave as decimals is kept as
 * whole numbers, times and ids as what they add to those before. Without loss: the same bits come
 * back. docs/formats/home.md has the bytes.
 */
#ifndef TM_MONITOR_BLOCK_PACK_H
#define TM_MONITOR_BLOCK_PACK_H

#include <stdbool.h>

#include "base/buf.h"

/** Pack whole records; false when they are not what tm__answer_append() writes, or out->failed.
 * What out holds then is of no use. Cost: some 4 ns a value. */
bool tm__block_pack(tm_str records, tm_buf *out);
/** True for bytes that tm__block_pack() made: no record begins so. */
bool tm__block_is_packed(tm_str data);
/** The records again, behind what is in out; false when the bytes are damaged, or out->failed. */
bool tm__block_unpack(tm_str data, tm_buf *out);

#endif
