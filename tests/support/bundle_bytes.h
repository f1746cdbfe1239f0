/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of bundles as no release would write them: whole but for what a test means to break. */
#ifndef TM_SUPPORT_BUNDLE_BYTES_H
#define TM_SUPPORT_BUNDLE_BYTES_H

#include "model/bundle_priv.h"

/** Lay out sections (NULL data: none) with every sum and the hash right. False without memory. */
bool bundle_bytes_pack(const tm_bytes *sections, tm_buf *out);
/** Put right, in place, whatever sums and hash can be reached from header and directory, and the
 * sum inside the program: what is still wrong afterwards is not a sum. */
void bundle_bytes_mend(uint8_t *data, size_t len);
/** Put right the sum at the end of a program. */
void bundle_bytes_mend_program(uint8_t *program, size_t len);

#endif
