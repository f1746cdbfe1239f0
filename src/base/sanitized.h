/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a sanitizer of addresses or threads is compiled in: it maps terabytes of addresses, and
 * calls the system in ways of its own. */
#ifndef TM_BASE_SANITIZED_H
#define TM_BASE_SANITIZED_H

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TM_IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TM_IS_SANITIZED true
#endif
#endif
#ifndef TM_IS_SANITIZED
#define TM_IS_SANITIZED false
#endif

#endif
