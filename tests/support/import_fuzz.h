/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_SUPPORT_IMPORT_FUZZ_H
#define TM_SUPPORT_IMPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Any bytes as a model file of another library: what is taken must become a bundle that loads and
 * answers rows with finite numbers. Aborts when it does not. */
void import_fuzz(const uint8_t *data, size_t len);

#endif
