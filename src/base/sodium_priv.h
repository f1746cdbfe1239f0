/* SPDX-License-Identifier: Apache-2.0 */
/* Start of libsodium. */
#ifndef TM_BASE_SODIUM_PRIV_H
#define TM_BASE_SODIUM_PRIV_H

/** Make libsodium ready; cheap after the first call. Any thread. */
void tm__sodium_init(void);

#endif
