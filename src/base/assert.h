/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions for programmer errors; never for bytes that come from files, users or the network. */
#ifndef TM_BASE_ASSERT_H
#define TM_BASE_ASSERT_H

/** Print the failed fact and abort. */
__attribute__((noreturn)) void tm__assert_fail(const char *fact, const char *file, int line);

#define TM_ASSERT(fact) ((fact) ? (void)0 : tm__assert_fail(#fact, __FILE__, __LINE__))
#ifdef TM_DEBUG_BUILD
#define TM_ASSERT_SLOW(fact) TM_ASSERT(fact)
#else
#define TM_ASSERT_SLOW(fact) ((void)0)
#endif

#endif
